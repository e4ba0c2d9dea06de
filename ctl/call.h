/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of the daemon on the system bus. */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* Calls a member of org.idsyncd1 (control: of org.idsyncd1.Control), with arguments by D-Bus type. The
 * answer is one JSON
 * document, *ret (the caller's). 0; else an exit code, with words in err: 8: nobody is there. */
ExitCode call_daemon(bool control, const char *member, struct json_object **ret, ErrCtx *err,
                     const char *types, ...);
/* The same where the answer is an open file, behind a document unless ret is NULL. */
ExitCode call_for_file(bool control, const char *member, struct json_object **ret, int *ret_fd, ErrCtx *err,
                       const char *types, ...);
/* SyncPerson; takes as long as it takes. on_step: for each step as it happens, a document; borrowed. */
typedef struct Errand {
        const char *person, *target;    /* "": everywhere */
        bool full;
        uint64_t wait;                  /* microseconds */
        void (*on_step)(struct json_object *step);
} Errand;
ExitCode call_errand(const Errand *errand, struct json_object **ret, ErrCtx *err);
