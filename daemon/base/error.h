/* SPDX-License-Identifier: Apache-2.0 */
/* What went wrong, in words, beside the int that a function returns. */
#pragma once

#include "base/cleanup.h"

/* Exit codes of all three programs; where several apply, exit_code_worse() picks. */
typedef enum ExitCode {
        EXIT_IN_STEP = 0,        /* in step, all applied */
        EXIT_DIFFERENCES = 1,    /* differences remain */
        EXIT_USAGE = 2,
        EXIT_CONFIG = 3,         /* configuration or credentials */
        EXIT_DIRECTORY = 4,      /* directory unreachable or its answer incomplete */
        EXIT_TARGET = 5,         /* a target unreachable, refused or its listing incomplete */
        EXIT_HELD = 6,           /* a plan is held */
        EXIT_STATE = 7,          /* state directory locked, full or damaged */
        EXIT_NO_DAEMON = 8,      /* the daemon or the bus isn't there */
        EXIT_FAULT = 70,         /* a fault in the program */
} ExitCode;

/* The one of the two that counts: the first of 70, 2, 3, 7, 4, 5, 6, 1, 0. */
ExitCode exit_code_worse(ExitCode a, ExitCode b);

/* Error text that travels with a negative return or an outcome. `code` is the foreign code (LDAP result,
 * CURLcode, SQLite code), 0 if there is none. Never parsed, never lost. */
typedef struct ErrCtx {
        int code;
        char text[512];
} ErrCtx;

/* Fills err (NULL is fine) and returns ret, so that `return err_set(err, -EIO, 0, "…")` is one line. */
int err_set(ErrCtx *err, int ret, int code, const char *format, ...) _printf_(4, 5);
