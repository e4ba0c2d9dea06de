/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "model/address.h"
#include "model/plan.h"
#include "model/strindex.h"
#include "store/store-ledger.h"
#include "sync/upkeep.h"

/* Texts that are new live in the links' arena. */
static const char *keep(Links *links, const char *old, const char *now) {
        return str_eq(old, now) ? old : arena_strdup(links->arena, now);
}

static void follow_person(const UpkeepInput *in, Links *links, Link *l, const Person *p) {
        _cleanup_(freep) char *key = NULL;

        if (p->present && p->field[PERSON_EMAIL] && address_key(p->field[PERSON_EMAIL], &key) == 0)
                l->address = keep(links, l->address, key);
        if (p->present && p->field[PERSON_EMPLOYEE_NUMBER])
                l->employee_number = keep(links, l->employee_number, p->field[PERSON_EMPLOYEE_NUMBER]);
        /* 0 means "belongs here": the first read that finds otherwise begins at the least time there is. */
        if (diff_person_belongs(in->target, in->n_groups, p))
                l->out_for = 0;
        else if (in->absence_proven)
                l->out_for = l->out_for == 0 ? 1 : usec_add(l->out_for, in->grow);
}

static void follow_account(const UpkeepInput *in, Links *links, Link *l, const Account *a) {
        if (a)
                l->gone = false;
        else if (in->accounts && !in->in_doubt && !link_is_young(l, in->accounts))
                l->gone = true;
        if (a && a->role)
                l->role = keep(links, l->role, a->role);
}

/* A listing from before may not show a lock that came meanwhile. */
static void follow_lock(const UpkeepInput *in, Link *l, const Person *p, const Account *a) {
        if (p->present && p->disabled)
                l->was_disabled = true;
        else if (p->present && a && !a->locked && in->accounts->begun >= in->read)
                l->was_disabled = false;
}

static bool differs(const Link *a, const Link *b) {
        return a->address != b->address || a->employee_number != b->employee_number || a->role != b->role ||
               a->out_for != b->out_for || a->was_disabled != b->was_disabled ||
               a->gone != b->gone;
}

static int write_link(const UpkeepInput *in, const Link *l) {
        int r = store_link_put(in->store, in->target->name, l);

        return r < 0 ? r : 0;
}

static int upkeep(const UpkeepInput *in, const StrIndex *index, Links *links) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < links->n; i++) {
                Link *l = &links->items[i], before = *l;
                const Account *a = in->accounts ? accounts_by_id(in->accounts, l->remote_id) : NULL;
                uint32_t pos = strindex_find(index, in->people->items, l->person);

                if (pos != STRINDEX_NONE) {
                        follow_person(in, links, l, &in->people->items[pos]);
                        follow_lock(in, l, &in->people->items[pos], a);
                }
                follow_account(in, links, l, a);
                if (differs(l, &before))
                        r = write_link(in, l);
        }
        return r;
}

int upkeep_links(const UpkeepInput *in, Links *links) {
        _cleanup_(strindex_deinit) StrIndex index = { 0 };
        int r;

        r = people_index(in->people, &index);
        if (r < 0)
                return r;
        r = store_begin(in->store);
        if (r < 0)
                return r;
        return store_end(in->store, upkeep(in, &index, links));
}
