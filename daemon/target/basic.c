/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "target/basic.h"

int basic_authorization(const Secret *user, const Secret *password, Secret **ret) {
        _cleanup_(secret_freep) Secret *pair = NULL, *value = NULL;

        if (!user || !password || secret_len(user) == 0 || memchr(secret_data(user), ':', secret_len(user)))
                return -EINVAL;
        pair = secret_with_capacity(512);
        value = secret_with_capacity(1024);
        if (!pair || !value)
                return -ENOMEM;
        if (secret_append(pair, secret_data(user), secret_len(user)) < 0 ||
            secret_append_str(pair, ":") < 0 ||
            secret_append(pair, secret_data(password), secret_len(password)) < 0 ||
            secret_append_str(value, "Basic ") < 0 ||
            secret_append_base64(value, secret_data(pair), secret_len(pair)) < 0)
                return -ENOMEM;
        *ret = TAKE(value);
        return 0;
}
