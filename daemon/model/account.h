/* SPDX-License-Identifier: Apache-2.0 */
/* An account: a user at a target, as its listing showed it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/time.h"

typedef struct Account {
        const char *remote_id; /* the API's own id as text: a number at Umbrella, the login at Primavera */
        const char *address;            /* the API's spelling; NULL: none */
        const char *key;                /* its address_key(); NULL: none or not an address */
        const char *login;              /* Primavera; else NULL */
        const char *first_name, *last_name, *timezone;
        const char *role;               /* label; NULL at Primavera */
        const char *const *roles;       /* Primavera: application roles, sorted */
        size_t n_roles;
        const char *status;             /* the API's own word */
        bool disabled, locked;
        bool second_factor, has_second_factor;
        const char *last_login;         /* the API's text or NULL */
        /* Primavera; else NULL */
        const char *number;             /* its internal id, beside the login */
        const char *company;            /* as the API's JSON; NULL: the target's own */
        const char *password_reset;     /* when that was last done, by the API; NULL: never; "": unknown */
} Account;

/* Can somebody sign in with it? Neither disabled nor locked, and the API's word for it, where it has one,
 * says so: "Active" or "on", whatever the case ("Pending" is not yet: the person never signed in). */
bool account_is_active(const Account *a);
/* The role of that label, or among the application roles; labels are compared without case, as the APIs
 * are asked for them. */
bool account_has_role(const Account *a, const char *role);

/* One complete listing, or one that grows. */
typedef struct Accounts {
        Account *items;
        size_t n, size;
        Arena *arena;
        struct AccountIndex *by_id, *by_key;
        usec_t begun;                   /* wall time of its first call */
} Accounts;
Accounts *accounts_new(usec_t begun);
Accounts *accounts_free(Accounts *accounts);
DEFINE_CLEANUP(Accounts *, accounts_free);
/* Copies a, computing its key. 0; ACCOUNTS_E_KNOWN: remote_id is in it already (nothing added); -ENOMEM.
 * Hashed: O(1). */
#define ACCOUNTS_E_KNOWN 1
int accounts_add(Accounts *accounts, const Account *a);
const Account *accounts_by_id(const Accounts *accounts, const char *remote_id);
/* The same for n ids at once, as positions in items; UINT32_MAX: none. Faster than one by one. */
void accounts_find_ids(const Accounts *accounts, const char *const *remote_ids, size_t n, uint32_t *ret);
/* The account with that login, the same spelling before others in another case (ASCII); NULL if none.
 * O(n). */
const Account *accounts_by_login(const Accounts *accounts, const char *login);
/* The account with that key that came first; NULL if none. */
const Account *accounts_by_key(const Accounts *accounts, const char *key);
/* The next account of the listing with the key of a (which is an item of it); NULL if none. */
const Account *accounts_next_by_key(const Accounts *accounts, const Account *a);
/* Puts a in the place of the account with its remote_id. 0; ACCOUNTS_E_OTHER: there is none, or it has
 * another address (nothing is changed); -ENOMEM. */
#define ACCOUNTS_E_OTHER 1
int accounts_replace(Accounts *accounts, const Account *a);
/* From now on the listing can't tell when the account's password was reset. */
void accounts_forget_reset(Accounts *accounts, const char *remote_id);
/* A copy of the listing that lacks one account. O(n). 0, -ENOMEM. */
int accounts_without(const Accounts *accounts, const char *remote_id, Accounts **ret);
