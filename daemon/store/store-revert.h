/* SPDX-License-Identifier: Apache-2.0 */
/* What isn't asked for again because an operator took it back. Part of store/store.h. */
#pragma once

#include "base/arena.h"
#include "store/store.h"

/* A person of whom nothing is asked for here while all is as it was when the action took something back. */
typedef struct Reverted {
        const char *person;
        int64_t action;
        const char *basis;
        const char *account;            /* NULL: not seen since */
} Reverted;
typedef struct RevertedList {
        Reverted *items;
        size_t n;
        Arena *arena;
} RevertedList;
void reverted_list_deinit(RevertedList *list);
/* Anything of reverts at this target: held, queued, or to be held back. */
int store_reverts_any(Store *store, const char *target, bool *ret);
int store_reverted_list(Store *store, const char *target, RevertedList *ret);
/* Replaces an earlier one. */
int store_reverted_put(Store *store, const char *target, const char *person, int64_t action,
                       const char *basis);
int store_reverted_account(Store *store, const char *target, const char *person, const char *account);
int store_reverted_drop(Store *store, const char *target, const char *person);
