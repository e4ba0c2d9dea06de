/* SPDX-License-Identifier: Apache-2.0 */
/* The invariants, asked once more right before an action touches an account. */
#pragma once

#include "model/invariant.h"
#include "store/store.h"

typedef struct GuardInput {
        Store *store;
        const TargetConfig *target;
        const Accounts *accounts;       /* the target's listing; a create does without */
        int64_t id;                     /* the action's row */
        const Action *action;
        /* the account as it was fetched just now; NULL: not fetched, the listing counts */
        const Account *current;
        const char *own_login;          /* the API's own user; NULL: none */
} GuardInput;

/* The target's unfinished actions that take something from an account, but for the row `but`: for last_of
 * they count as done. */
typedef struct Removals {
        Action *items;
        size_t n;
        Arena *arena;
} Removals;
void removals_deinit(Removals *r);
/* 0, -errno of the store. */
int removals_load(Store *store, const char *target, int64_t but, Removals *ret);

/* 0: it may; GUARD_E_BREACH with the reason for people in err; -errno of the store. */
#define GUARD_E_BREACH 1
int guard_check(const GuardInput *in, ErrCtx *err);
