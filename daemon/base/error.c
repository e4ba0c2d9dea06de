/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"

static size_t exit_code_rank(ExitCode code) {
        static const ExitCode order[] = {
                EXIT_FAULT, EXIT_USAGE, EXIT_CONFIG, EXIT_STATE, EXIT_DIRECTORY,
                EXIT_TARGET, EXIT_HELD, EXIT_DIFFERENCES, EXIT_NO_DAEMON, EXIT_IN_STEP,
        };

        for (size_t i = 0; i < ELEMENTSOF(order); i++)
                if (order[i] == code)
                        return i;
        return 0;
}

ExitCode exit_code_worse(ExitCode a, ExitCode b) {
        return exit_code_rank(a) <= exit_code_rank(b) ? a : b;
}

int err_set(ErrCtx *err, int ret, int code, const char *format, ...) {
        va_list ap;

        if (!err)
                return ret;
        err->code = code;
        va_start(ap, format);
        if (vsnprintf(err->text, sizeof(err->text), format, ap) < 0)
                err->text[0] = 0;
        va_end(ap);
        return ret;
}
