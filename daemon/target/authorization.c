/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "target/authorization.h"

#define TOKEN_SIZE_MAX (16u << 10)

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

bool bearer_has_char(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               (c != 0 && strchr("-._~+/=", c));
}

int bearer_authorization(const char *token, size_t len, Secret **ret, ErrCtx *err) {
        _cleanup_(secret_freep) Secret *value = NULL;

        if (len == 0)
                return err_set(err, -EBADMSG, 0, "an empty token: it can't stand in a header");
        if (len > TOKEN_SIZE_MAX)
                return err_set(err, -EBADMSG, 0, "a token of %zu bytes can't stand in a header", len);
        for (size_t i = 0; i < len; i++)
                if (!bearer_has_char(token[i]))
                        return err_set(err, -EBADMSG, 0, "the token can't stand in a header");
        value = secret_with_capacity(len + strlen("Bearer ") + 1);
        if (!value || secret_append_str(value, "Bearer ") < 0 || secret_append(value, token, len) < 0)
                return -ENOMEM;
        *ret = TAKE(value);
        return 0;
}
