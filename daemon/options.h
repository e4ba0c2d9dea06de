/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of idsyncd, and where things are found. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/log.h"
#include "base/time.h"

typedef struct Options {
        const char *config;             /* file */
        char *state, *credentials;      /* directories */
        char *reader;                   /* path of idsyncd-directory */
        bool check_config, check, once, dry_run, full, json, help, version;
        usec_t wait;
        char **approvals;
        size_t n_approvals;
        const char *reset, *target;     /* --reset PERSON --target T */
        LogTarget log_target;
        int log_level;
} Options;

/* 0; OPTIONS_E_USAGE with words in err; -ENOMEM. Unset directories come from $STATE_DIRECTORY,
 * $CREDENTIALS_DIRECTORY, $IDSYNCD_LIBEXECDIR, else are the built-in ones. */
#define OPTIONS_E_USAGE 1
int options_parse(int argc, char **argv, Options *ret, ErrCtx *err);
void options_deinit(Options *o);
void options_print_help(FILE *out);
