/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/strings.h"
#include "model/account.h"
#include "model/address.h"
#include "model/strindex.h"

/* `next` chains accounts of one key: position + 1, 0 ends. Allocated as soon as there is a second one;
 * has `size` members. */
struct AccountIndex {
        StrIndex index;
        uint32_t *next;
        size_t size;
};

bool account_is_active(const Account *a) {
        if (a->disabled || a->locked)
                return false;
        return str_empty(a->status) || strcasecmp(a->status, "active") == 0 ||
               strcasecmp(a->status, "on") == 0;
}

bool account_has_role(const Account *a, const char *role) {
        if (a->role && strcasecmp(a->role, role) == 0)
                return true;
        for (size_t i = 0; i < a->n_roles; i++)
                if (strcasecmp(a->roles[i], role) == 0)
                        return true;
        return false;
}

static const char *id_of(const void *items, uint32_t pos) {
        return ((const Account *) items)[pos].remote_id;
}

static const char *key_of(const void *items, uint32_t pos) {
        return ((const Account *) items)[pos].key;
}

static struct AccountIndex *account_index_new(strindex_key_fn key) {
        struct AccountIndex *ix = calloc(1, sizeof(*ix));

        if (ix)
                ix->index = STRINDEX_INIT(key);
        return ix;
}

static void account_index_free(struct AccountIndex *ix) {
        if (!ix)
                return;
        strindex_deinit(&ix->index);
        free(ix->next);
        free(ix);
}

Accounts *accounts_new(usec_t begun) {
        _cleanup_(accounts_freep) Accounts *accounts = calloc(1, sizeof(*accounts));

        if (!accounts)
                return NULL;
        accounts->begun = begun;
        accounts->arena = arena_new();
        accounts->by_id = account_index_new(id_of);
        accounts->by_key = account_index_new(key_of);
        if (!accounts->arena || !accounts->by_id || !accounts->by_key)
                return NULL;
        return TAKE(accounts);
}

Accounts *accounts_free(Accounts *accounts) {
        if (!accounts)
                return NULL;
        account_index_free(accounts->by_id);
        account_index_free(accounts->by_key);
        arena_free(accounts->arena);
        free(accounts->items);
        free(accounts);
        return NULL;
}

/* Goes on only while nothing failed: *s is a copy, or stays NULL. */
static int copy_string(Arena *arena, const char **s, int r) {
        if (r < 0 || !*s)
                return r;
        *s = arena_strdup(arena, *s);
        return *s ? 0 : -ENOMEM;
}

/* Roles come in the same few sets: one that the account before has too is stored once. */
static int copy_role(Arena *arena, const char **role, const Account *before, int r) {
        for (size_t i = 0; before && i < before->n_roles; i++)
                if (r >= 0 && strcmp(*role, before->roles[i]) == 0) {
                        *role = before->roles[i];
                        return r;
                }
        return copy_string(arena, role, r);
}

static bool same_roles(const Account *a, const Account *b) {
        if (!b || a->n_roles != b->n_roles)
                return false;
        for (size_t i = 0; i < a->n_roles; i++)
                if (strcmp(a->roles[i], b->roles[i]) != 0)
                        return false;
        return true;
}

static int copy_roles(Arena *arena, Account *a, const Account *before) {
        const char **roles;
        int r = 0;

        if (a->n_roles == 0)
                return 0;
        if (same_roles(a, before)) {
                a->roles = before->roles;
                return 0;
        }
        roles = arena_alloc(arena, a->n_roles * sizeof(*roles));
        if (!roles)
                return -ENOMEM;
        for (size_t i = 0; i < a->n_roles; i++) {
                roles[i] = a->roles[i];
                r = copy_role(arena, &roles[i], before, r);
        }
        a->roles = roles;
        return r;
}

/* Values that most accounts share are mostly the same as those of the one before. */
static int copy_shared(Arena *arena, const char **s, const char *before, int r) {
        if (!before || !str_eq(*s, before))
                return copy_string(arena, s, r);
        *s = before;
        return r;
}

/* before: the account that was added last; NULL if there is none. */
static int account_copy(Account *a, const Account *before, Arena *arena) {
        const char **const strings[] = {
                &a->remote_id, &a->address, &a->first_name, &a->last_name, &a->last_login,
                &a->number, &a->password_reset,
        };
        char key[ADDRESS_MAX + 1];
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(strings); i++)
                r = copy_string(arena, strings[i], r);
        r = copy_shared(arena, &a->login, a->remote_id, r);
        r = copy_shared(arena, &a->company, before ? before->company : NULL, r);
        r = copy_shared(arena, &a->timezone, before ? before->timezone : NULL, r);
        r = copy_shared(arena, &a->role, before ? before->role : NULL, r);
        r = copy_shared(arena, &a->status, before ? before->status : NULL, r);
        if (r < 0)
                return r;
        r = copy_roles(arena, a, before);
        if (r < 0)
                return r;
        a->key = NULL;
        if (!a->address)
                return 0;
        r = address_key_buf(a->address, key, NULL);
        if (r < 0)
                return r;
        if (r == ADDRESS_E_INVALID)
                return 0;
        /* Mostly the two are the same. */
        a->key = strcmp(key, a->address) == 0 ? a->address : arena_strdup(arena, key);
        return a->key ? 0 : -ENOMEM;
}

/* Puts pos behind the other accounts of its key: behind the first, which keeps it O(1). */
static int chain(Accounts *accounts, uint32_t first, uint32_t pos) {
        struct AccountIndex *ix = accounts->by_key;

        if (ix->size < accounts->size) {
                uint32_t *next = reallocarray(ix->next, accounts->size, sizeof(*next));

                if (!next)
                        return -ENOMEM;
                memset(next + ix->size, 0, (accounts->size - ix->size) * sizeof(*next));
                ix->next = next;
                ix->size = accounts->size;
        }
        ix->next[pos] = ix->next[first];
        ix->next[first] = pos + 1;
        return 0;
}

static int grow(Accounts *accounts) {
        size_t size = accounts->size ? accounts->size + accounts->size / 2 : 64;
        Account *items;

        if (accounts->n < accounts->size)
                return 0;
        items = reallocarray(accounts->items, size, sizeof(*items));
        if (!items)
                return -ENOMEM;
        accounts->items = items;
        accounts->size = size;
        return 0;
}

int accounts_add(Accounts *accounts, const Account *a) {
        uint32_t pos = (uint32_t) accounts->n, first;
        int r;

        if (strindex_find(&accounts->by_id->index, accounts->items, a->remote_id) != STRINDEX_NONE)
                return ACCOUNTS_E_KNOWN;
        r = grow(accounts);
        if (r < 0)
                return r;
        accounts->items[pos] = *a;
        r = account_copy(&accounts->items[pos], pos > 0 ? &accounts->items[pos - 1] : NULL, accounts->arena);
        if (r < 0)
                return r;
        /* From here on an error leaves a listing that can only be freed: the caller gives up anyway. */
        r = strindex_add(&accounts->by_id->index, accounts->items, pos, &first);
        if (r < 0)
                return r;
        accounts->n++;
        if (!accounts->items[pos].key)
                return 0;
        r = strindex_add(&accounts->by_key->index, accounts->items, pos, &first);
        return r == STRINDEX_E_KNOWN ? chain(accounts, first, pos) : r;
}

static const Account *account_at(const Accounts *accounts, uint32_t pos) {
        return pos == STRINDEX_NONE ? NULL : &accounts->items[pos];
}

const Account *accounts_by_id(const Accounts *accounts, const char *remote_id) {
        return account_at(accounts, strindex_find(&accounts->by_id->index, accounts->items, remote_id));
}

void accounts_find_ids(const Accounts *accounts, const char *const *remote_ids, size_t n, uint32_t *ret) {
        strindex_find_many(&accounts->by_id->index, accounts->items, sizeof(*accounts->items), remote_ids, n,
                           ret);
}

const Account *accounts_by_key(const Accounts *accounts, const char *key) {
        return account_at(accounts, strindex_find(&accounts->by_key->index, accounts->items, key));
}

const Account *accounts_next_by_key(const Accounts *accounts, const Account *a) {
        const struct AccountIndex *ix = accounts->by_key;
        size_t pos = (size_t) (a - accounts->items);

        if (pos >= ix->size || ix->next[pos] == 0)
                return NULL;
        return &accounts->items[ix->next[pos] - 1];
}

const Account *accounts_by_login(const Accounts *accounts, const char *login) {
        const Account *near = NULL;

        for (size_t i = 0; login && i < accounts->n; i++) {
                const Account *a = &accounts->items[i];

                if (!a->login || !login_equal(a->login, login))
                        continue;
                if (strcmp(a->login, login) == 0)
                        return a;
                near = near ?: a;
        }
        return near;
}

int accounts_replace(Accounts *accounts, const Account *a) {
        uint32_t pos = strindex_find(&accounts->by_id->index, accounts->items, a->remote_id);
        Account copy = *a;
        int r;

        if (pos == STRINDEX_NONE)
                return ACCOUNTS_E_OTHER;
        r = account_copy(&copy, &accounts->items[pos], accounts->arena);
        if (r < 0)
                return r;
        if (!str_eq(copy.key, accounts->items[pos].key))
                return ACCOUNTS_E_OTHER;
        accounts->items[pos] = copy;
        return 0;
}

void accounts_forget_reset(Accounts *accounts, const char *remote_id) {
        uint32_t pos = strindex_find(&accounts->by_id->index, accounts->items, remote_id);

        if (pos != STRINDEX_NONE)
                accounts->items[pos].password_reset = "";
}

int accounts_without(const Accounts *accounts, const char *remote_id, Accounts **ret) {
        _cleanup_(accounts_freep) Accounts *rest = accounts_new(accounts->begun);
        int r;

        if (!rest)
                return -ENOMEM;
        for (size_t i = 0; i < accounts->n; i++) {
                if (str_eq(accounts->items[i].remote_id, remote_id))
                        continue;
                r = accounts_add(rest, &accounts->items[i]);
                if (r < 0)
                        return r;
        }
        *ret = TAKE(rest);
        return 0;
}
