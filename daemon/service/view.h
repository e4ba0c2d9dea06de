/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon tells about itself: JSON documents (RFC 8259) for D-Bus, and so for idsyncctl(1) --json.
 * Their members:
 * org.idsyncd1(5). Nothing here calls the directory or an API. */
#pragma once

#include "sync/engine.h"

typedef struct View {
        Engine *engine;
        Store *store;
        Loop *loop;
        const char *config_file;
        const char *state;              /* running, reloading, stopping */
        usec_t started, next_read;      /* wall; next_read 0: none is planned */
        usec_t refused;                 /* wall: a new configuration was; 0: none */
} View;

/* All: 0; VIEW_E_UNKNOWN with words in err: no such person or target; -errno of the store, -ENOMEM; -E2BIG
 * in out->error:
 * longer than a message may be. */
#define VIEW_E_UNKNOWN 1
#define VIEW_MAX ((size_t) 16 << 20)
int view_status(const View *v, StrBuf *out);
int view_targets(const View *v, StrBuf *out);
/* dead: dead letters and dropped actions that still stand; else what is unfinished. At most VIEW_ROWS of a
 * target. */
#define VIEW_ROWS 1000
int view_queue(const View *v, bool dead, StrBuf *out);
/* person NULL or "": everybody. Newest first. */
int view_history(const View *v, const char *person, StrBuf *out, ErrCtx *err);
/* target NULL or "": all. */
int view_plan(const View *v, const char *target, StrBuf *out, ErrCtx *err);
/* The held plan of a target, or with a hash, as an open file of model/plan-file.h, *ret_fd (the caller's),
 * with a document that names it. NULL or "": the one that is held. */
int view_export(const View *v, const char *target, StrBuf *out, int *ret_fd, ErrCtx *err);
int view_explain(const View *v, const char *person, StrBuf *out, ErrCtx *err);
/* Accounts that nobody in the directory owns, and administrators of whom the API says that they have no
 * second factor. */
int view_orphans(const View *v, StrBuf *out);

/* Who is meant: an item of *ret_people. As who_find(), with who is in scope at all in the words. */
int view_find(const View *v, const char *person, People **ret_people, const Person **ret, ErrCtx *err);
