/* SPDX-License-Identifier: Apache-2.0 */
/* Who belongs at the target, and who can't be dealt with. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/address.h"
#include "model/belong.h"
#include "model/diff-internal.h"

/* A shared address names so many of the others. */
#define NAMED_MAX 3

/* ---- roles ---- */

static const char *known_label(const DiffInput *in, const char *label) {
        for (size_t i = 0; i < in->n_known_roles; i++)
                if (strcmp(in->known_roles[i], label) == 0)
                        return in->known_roles[i];
        for (size_t i = 0; i < in->n_known_roles; i++)
                if (strcasecmp(in->known_roles[i], label) == 0)
                        return in->known_roles[i];
        return NULL;
}

static int unknown_role(const DiffInput *in, const char *key, const char *label, ErrCtx *err) {
        _cleanup_(strbuf_deinit) StrBuf known = STRBUF_INIT(256);

        for (size_t i = 0; i < in->n_known_roles && known.error == 0; i++)
                strbuf_printf(&known, "%s\"%s\"", i > 0 ? ", " : "", in->known_roles[i]);
        return err_set(err, PLAN_E_ROLE, 0,
                       "targets[%s].%s: there is no role \"%s\" at the API; it has %s%s", in->target->name,
                       key, label, known.data ?: "none", known.error < 0 ? ", …" : "");
}

static int compare_strings(const void *a, const void *b) {
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* The application roles that rows name, sorted, each once. */
static int collect_managed(Diff *d, ErrCtx *err) {
        size_t n = 0;

        for (size_t i = 0; i < d->target->n_applications; i++)
                n += d->target->applications[i].n_names;
        d->managed = arena_alloc(d->arena, n * sizeof(*d->managed));
        d->wanted = arena_alloc(d->arena, n);
        d->has = arena_alloc(d->arena, n);
        if (!d->managed || !d->wanted || !d->has)
                return -ENOMEM;
        n = 0;
        for (size_t i = 0; i < d->target->n_applications; i++)
                for (size_t k = 0; k < d->target->applications[i].n_names; k++) {
                        const char *name = d->target->applications[i].names[k];

                        if (d->in->known_roles && !known_label(d->in, name))
                                return unknown_role(d->in, "applications", name, err);
                        d->managed[n++] = name;
                }
        if (n > 1)
                qsort(d->managed, n, sizeof(*d->managed), compare_strings);
        for (size_t i = 0; i < n; i++)
                if (i == 0 || strcmp(d->managed[i], d->managed[d->n_managed - 1]) != 0)
                        d->managed[d->n_managed++] = d->managed[i];
        return 0;
}

int diff_check_roles(Diff *d, ErrCtx *err) {
        const TargetConfig *t = d->target;

        d->role_labels = arena_alloc(d->arena, t->n_roles * sizeof(*d->role_labels));
        if (!d->role_labels)
                return -ENOMEM;
        for (size_t i = 0; i < t->n_roles; i++) {
                d->role_labels[i] =
                        d->in->known_roles ? known_label(d->in, t->roles[i].role) : t->roles[i].role;
                if (!d->role_labels[i])
                        return unknown_role(d->in, "roles", t->roles[i].role, err);
        }
        return collect_managed(d, err);
}

/* ---- scope ---- */

bool diff_person_belongs(const TargetConfig *target, size_t n_groups, const Person *p) {
        return belong_at(target, n_groups, p).state == BELONG_YES;
}

/* ---- keys ---- */

/* Keys that are as the directory writes them need no copy. */
static int set_key(Diff *d, const Person *p, Row *row) {
        const char *address = p->field[PERSON_EMAIL];
        char key[ADDRESS_MAX + 1];
        int r;

        if (str_empty(address) || p->unreadable >> PERSON_EMAIL & 1)
                return 0;
        r = address_key_buf(address, key, NULL);
        if (r != 0)
                return r < 0 ? r : 0;
        row->key = strcmp(key, address) == 0 ? address : arena_strdup(d->arena, key);
        return row->key ? 0 : -ENOMEM;
}

/* NULL: out of memory. */
static const char *keep_login_key(Diff *d, const char *login) {
        _cleanup_(freep) char *key = login_key(login);

        return key ? arena_strdup(d->arena, key) : NULL;
}

static int set_login(Diff *d, const Person *p, Row *row) {
        const char *login = p->field[PERSON_LOGIN];

        if (!d->can->needs_login || str_empty(login) || p->unreadable >> PERSON_LOGIN & 1)
                return 0;
        row->login = keep_login_key(d, login);
        return row->login ? 0 : -ENOMEM;
}

static const char *account_login(const void *logins, uint32_t i) {
        return ((const char *const *) logins)[i];
}

static int index_logins(Diff *d) {
        const Accounts *accounts = d->in->accounts;
        uint32_t known;
        int r = 0;

        d->by_login = STRINDEX_INIT(account_login);
        d->logins = arena_alloc(d->arena, (accounts->n + 1) * sizeof(*d->logins));
        if (!d->logins)
                return -ENOMEM;
        for (uint32_t i = 0; i < accounts->n && r >= 0; i++) {
                if (!accounts->items[i].login)
                        continue;
                d->logins[i] = keep_login_key(d, accounts->items[i].login);
                r = d->logins[i] ? strindex_add(&d->by_login, d->logins, i, &known) : -ENOMEM;
        }
        return r < 0 ? r : 0;
}

int diff_login_holder(Diff *d, uint32_t person, const Account **ret) {
        uint32_t found;
        int r;

        *ret = NULL;
        if (!d->rows[person].login)
                return 0;
        if (!d->logins) {
                r = index_logins(d);
                if (r < 0)
                        return r;
        }
        found = strindex_find(&d->by_login, d->logins, d->rows[person].login);
        if (found != STRINDEX_NONE)
                *ret = &d->in->accounts->items[found];
        return 0;
}

static int fill_row(Diff *d, uint32_t i, uint32_t link) {
        const Person *p = diff_person(d, i);
        Row *row = &d->rows[i];
        Belong belong;
        int r;

        row->link = link;
        row->account = link == NONE ? NONE : d->links[link].account;
        if (link != NONE)
                d->links[link].person = i;
        if (!p->present)
                return 0;
        row->flags |= ROW_PRESENT;
        belong = belong_at(d->target, d->in->n_groups, p);
        if (belong.state == BELONG_YES) {
                row->flags |= ROW_BELONGS;
                row->role = d->target->n_roles > 0 ? d->role_labels[belong.role] : NULL;
                d->plan->n_in_scope++;
        }
        r = set_key(d, p, row);
        return r < 0 ? r : set_login(d, p, row);
}

static int fill_rows(Diff *d) {
        const People *people = d->in->people;
        const Links *links = d->in->links;
        uint32_t found[DIFF_BATCH];
        const char *ids[DIFF_BATCH];
        int r = 0;

        for (uint32_t i = 0; i < people->n && r >= 0; i += DIFF_BATCH) {
                uint32_t n = people->n - i < DIFF_BATCH ? (uint32_t) people->n - i : DIFF_BATCH;

                for (uint32_t k = 0; k < n; k++)
                        ids[k] = people->items[i + k].id;
                strindex_find_many(&d->by_person, links->items, sizeof(*links->items), ids, n, found);
                for (uint32_t k = 0; k < n && r >= 0; k++)
                        r = fill_row(d, i + k, found[k]);
        }
        return r;
}

/* ---- what blocks ---- */

static bool is_concerned(const Diff *d, uint32_t i) {
        return d->rows[i].flags & ROW_BELONGS || d->rows[i].link != NONE;
}

static const char *key_of(const void *rows, uint32_t i) {
        return ((const Row *) rows)[i].key;
}

static const char *login_of(const void *rows, uint32_t i) {
        return ((const Row *) rows)[i].login;
}

/* A row that has the same as the first one with it. */
typedef struct Same { uint32_t first, row; } Same;

static int compare_same(const void *va, const void *vb, void *diff) {
        const Same *a = va, *b = vb;
        const Diff *d = diff;

        if (a->first != b->first)
                return a->first < b->first ? -1 : 1;
        return str_cmp(diff_person(d, a->row)->dn, diff_person(d, b->row)->dn) ?:
               str_cmp(diff_person(d, a->row)->id, diff_person(d, b->row)->id);
}

/* The text that names the others of group[0..n). */
static int block_one(Diff *d, const char *what, const char *value, const Same *group, size_t n,
                     size_t self) {
        _cleanup_(strbuf_deinit) StrBuf text = STRBUF_INIT((size_t) 16 * 1024);
        size_t named = 0;

        for (size_t i = 0; i < n && named < NAMED_MAX; i++)
                if (i != self)
                        strbuf_printf(&text, "%s%s", named++ > 0 ? " and " : "",
                                      diff_person(d, group[i].row)->dn);
        if (n - 1 > named)
                strbuf_printf(&text, " and %zu more", n - 1 - named);
        if (text.error == -ENOMEM)
                return -ENOMEM;
        return diff_block(d, group[self].row, "the %s %s is also that of %s", what, value,
                          text.data ?: "another entry");
}

static int block_group(Diff *d, const char *what, strindex_key_fn value, const Same *group, size_t n) {
        bool concerned = false;
        int r = 0;

        for (size_t i = 0; i < n && !concerned; i++)
                concerned = is_concerned(d, group[i].row);
        for (size_t i = 0; i < n && concerned && r >= 0; i++)
                r = block_one(d, what, value(d->rows, group[i].row), group, n, i);
        return r;
}

/* Everybody who shares a value with somebody, with the first one of each group. */
typedef struct SameList { Same *items; size_t n, size; } SameList;

static void same_list_deinit(SameList *l) {
        free(l->items);
}

static int same_list_add(SameList *l, uint32_t first, uint32_t row) {
        if (l->n == l->size) {
                size_t size = 2 * l->size + 16;
                Same *items = reallocarray(l->items, size, sizeof(*items));

                if (!items)
                        return -ENOMEM;
                l->items = items;
                l->size = size;
        }
        l->items[l->n++] = (Same){ first, row };
        return 0;
}

static int same_list_add_both(Diff *d, SameList *list, uint32_t first, uint32_t row) {
        unsigned *flags = &d->rows[first].flags;
        int r = 0;

        if (!(*flags & ROW_SHARES))
                r = same_list_add(list, first, first);
        *flags |= ROW_SHARES;
        return r < 0 ? r : same_list_add(list, first, row);
}

static int find_same(Diff *d, strindex_key_fn value, SameList *list) {
        _cleanup_(strindex_deinit) StrIndex index = STRINDEX_INIT(value);
        const uint32_t n_people = (uint32_t) d->in->people->n;
        uint32_t hash[DIFF_BATCH], first;
        int r;

        r = strindex_reserve(&index, n_people);
        for (uint32_t i = 0; r >= 0 && i < n_people; i += DIFF_BATCH) {
                uint32_t n = n_people - i < DIFF_BATCH ? n_people - i : DIFF_BATCH;

                for (uint32_t k = 0; k < n; k++)
                        if (value(d->rows, i + k))
                                hash[k] = strindex_hash(&index, value(d->rows, i + k));
                for (uint32_t k = 0; k < n && r >= 0; k++) {
                        if (!value(d->rows, i + k))
                                continue;
                        r = strindex_add_hashed(&index, d->rows, i + k, hash[k], &first);
                        if (r == STRINDEX_E_KNOWN)
                                r = same_list_add_both(d, list, first, i + k);
                }
        }
        for (size_t i = 0; i < list->n; i++)
                d->rows[list->items[i].first].flags &= ~(unsigned) ROW_SHARES;
        return r;
}

/* Blocks, by name, all who share something that only one may have. */
static int block_same(Diff *d, const char *what, strindex_key_fn value) {
        _cleanup_(same_list_deinit) SameList list = {};
        int r;

        r = find_same(d, value, &list);
        if (r < 0 || list.n == 0)
                return r;
        qsort_r(list.items, list.n, sizeof(*list.items), compare_same, d);
        for (size_t i = 0, end; i < list.n && r >= 0; i = end) {
                for (end = i + 1; end < list.n && list.items[end].first == list.items[i].first;)
                        end++;
                r = block_group(d, what, value, &list.items[i], end - i);
        }
        return r;
}

static bool is_blank(const char *s) {
        return !s || s[strspn(s, " \t\r\n")] == 0;
}

/* 0; 1: blocked; -ENOMEM. */
static int require(Diff *d, uint32_t i, PersonField f) {
        const Person *p = diff_person(d, i);
        int r;

        if (p->unreadable >> f & 1)
                r = diff_block(d, i,
                               "directory.attributes.%s can't be read (not UTF-8, a NUL in it, or too long)",
                               person_field_to_string(f));
        else if (is_blank(p->field[f]))
                r = diff_block(d, i, "directory.attributes.%s is missing or empty, and %s needs it",
                               person_field_to_string(f), d->target->name);
        else
                return 0;
        return r < 0 ? r : 1;
}

static int require_address(Diff *d, uint32_t i) {
        char key[ADDRESS_MAX + 1];
        ErrCtx err = {};
        int r;

        r = require(d, i, PERSON_EMAIL);
        if (r != 0 || d->rows[i].key)
                return r;
        r = address_key_buf(diff_person(d, i)->field[PERSON_EMAIL], key, &err);
        if (r < 0)
                return r;
        return diff_block(d, i, "directory.attributes.email is not an address: %s", err.text);
}

static int require_all(Diff *d, uint32_t i) {
        int r;

        r = require_address(d, i);
        if (r == 0 && d->can->needs_names)
                r = require(d, i, PERSON_FIRST_NAME);
        if (r == 0 && d->can->needs_names)
                r = require(d, i, PERSON_LAST_NAME);
        if (r == 0 && d->can->needs_login)
                r = require(d, i, PERSON_LOGIN);
        return r < 0 ? r : 0;
}

/* Without a way to tell whose account it is nobody's is touched. */
static int require_one_link(Diff *d, uint32_t i) {
        uint32_t link = d->rows[i].link;

        if (link == NONE || !d->links[link].ambiguous)
                return 0;
        return diff_block(d, i, "several links name this person, or the account of its link");
}

/* A row found the first link of its person; others know them too. */
static void tie_other_links(Diff *d) {
        const Link *links = d->in->links->items;

        for (uint32_t l = 0; l < d->in->links->n; l++)
                if (d->links[l].ambiguous)
                        d->links[l].person =
                                d->links[strindex_find(&d->by_person, links, links[l].person)].person;
}

int diff_scope(Diff *d) {
        int r;

        r = fill_rows(d);
        tie_other_links(d);
        if (r >= 0)
                r = block_same(d, "address", key_of);
        if (r >= 0 && d->can->needs_login)
                r = block_same(d, "login", login_of);
        for (uint32_t i = 0; i < d->in->people->n && r >= 0; i++) {
                if (!diff_person(d, i)->present || !is_concerned(d, i))
                        continue;
                r = require_all(d, i);
                if (r >= 0)
                        r = require_one_link(d, i);
        }
        return r;
}
