/* SPDX-License-Identifier: Apache-2.0 */
/* Complete listings of a target's accounts, with its roles where it has any. */
#pragma once

#include "api/channel.h"

typedef struct Lister Lister;

typedef struct ListerResult {
        Accounts *accounts;             /* owned by the receiver (TAKE it); NULL: no complete listing */
        Outcome outcome;                /* OK, or why not: class and words */
        bool incomplete;                /* the API answered, but not with a whole listing */
        unsigned pages;
} ListerResult;

typedef void (*lister_done_t)(ListerResult *result, void *userdata);

/* links: of the target, borrowed until done; with may_end_short a short first page that holds all of them
 * ends the listing. roles: refreshed when with_roles, valid when the listing is. Not twice at a time. <
 * 0: nothing pending. */
int lister_new(Channel *channel, Loop *loop, Lister **ret);
Lister *lister_free(Lister *lister);
DEFINE_CLEANUP(Lister *, lister_free);
int lister_start(Lister *lister, bool with_roles, bool may_end_short, const Links *links, lister_done_t done,
                 void *userdata);
bool lister_is_running(const Lister *lister);
/* Its next call waits for its turn. */
bool lister_is_waiting(const Lister *lister);
void lister_cancel(Lister *lister);
/* The roles of the API, as last read; n = 0 before. Borrowed. */
const Roles *lister_roles(const Lister *lister);
/* The last run read the roles, whatever became of the listing. */
bool lister_roles_came(const Lister *lister);
