/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/env.h"

const char *env_get(const char *name) {
        const char *value = getenv(name);

        return value && *value ? value : NULL;
}

void env_forget(const char *name) {
        (void) unsetenv(name);
}
