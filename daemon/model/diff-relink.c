/* SPDX-License-Identifier: Apache-2.0 */
/* People whose id is new, but who may be somebody whose id is gone: directories that were restored or
 * moved give out new ids. */
#include <errno.h>
#include <string.h>

#include "model/diff-internal.h"

typedef struct Claims {
        StrIndex by_address, by_number;
} Claims;

static void claims_deinit(Claims *c) {
        strindex_deinit(&c->by_address);
        strindex_deinit(&c->by_number);
}

static const char *address_of(const void *links, uint32_t i) {
        return ((const Link *) links)[i].address;
}

static const char *number_of(const void *links, uint32_t i) {
        return ((const Link *) links)[i].employee_number;
}

/* Enters a link, or adds it to the first one with the same value. 0, -ENOMEM. */
static int enter(Diff *d, StrIndex *index, uint32_t link, uint32_t *ret_first) {
        uint32_t known = NONE;
        int r;

        if (str_empty(index->key(d->in->links->items, link)))
                return 0;
        r = strindex_add(index, d->in->links->items, link, &known);
        if (r < 0)
                return r;
        *ret_first = r == STRINDEX_E_KNOWN ? known : link;
        return 0;
}

/* Links of gone people whose account is still there; one whose account is gone too has nothing to pass
 * on. */
static int index_gone(Diff *d, Claims *c) {
        int r = 0;

        for (uint32_t l = 0; l < d->in->links->n && r >= 0; l++) {
                LinkRow *row = &d->links[l];

                if (row->account == NONE || row->ambiguous || !diff_is_gone(d, l))
                        continue;
                r = enter(d, &c->by_address, l, &row->same_address);
                if (r >= 0)
                        r = enter(d, &c->by_number, l, &row->same_number);
                if (row->same_address != NONE)
                        d->links[row->same_address].n_same_address++;
                if (row->same_number != NONE)
                        d->links[row->same_number].n_same_number++;
        }
        return r;
}

/* The links that one person may claim: n different ones, of which the two whose ids come first are kept;
 * or what many links have in common. */
typedef struct Found {
        uint32_t link[2];
        size_t n;
        uint32_t shared;                /* the first link of several; NONE */
        bool shared_number;             /* the employee number, else the address */
} Found;

static void found_add(Diff *d, Found *f, uint32_t link, bool count) {
        for (size_t i = 0; i < f->n && i < ELEMENTSOF(f->link); i++)
                if (f->link[i] == link)
                        return;
        if (count)
                d->links[link].claims++;
        if (f->n++ == 0) {
                f->link[0] = link;
                return;
        }
        if (f->n == 2 || str_cmp(diff_link(d, link)->person, diff_link(d, f->link[1])->person) < 0)
                f->link[1] = link;
        if (str_cmp(diff_link(d, f->link[1])->person, diff_link(d, f->link[0])->person) < 0) {
                link = f->link[0];
                f->link[0] = f->link[1];
                f->link[1] = link;
        }
}

static void find_claims(Diff *d, const Claims *c, uint32_t person, bool count, Found *ret) {
        const Person *p = diff_person(d, person);
        const Link *links = d->in->links->items;
        const char *number =
                p->unreadable >> PERSON_EMPLOYEE_NUMBER & 1 ? NULL : p->field[PERSON_EMPLOYEE_NUMBER];
        uint32_t l;

        *ret = (Found){ .shared = NONE };
        for (const Account *a = accounts_by_key(d->in->accounts, d->rows[person].key); a;
             a = accounts_next_by_key(d->in->accounts, a)) {
                l = diff_link_of(d, a);
                if (l != NONE && !d->links[l].ambiguous && diff_is_gone(d, l))
                        found_add(d, ret, l, count);
        }
        l = strindex_find(&c->by_address, links, d->rows[person].key);
        if (l != NONE && d->links[l].n_same_address == 1)
                found_add(d, ret, l, count);
        else if (l != NONE)
                ret->shared = l;
        l = strindex_find(&c->by_number, links, number);
        if (l != NONE && d->links[l].n_same_number == 1)
                found_add(d, ret, l, count);
        else if (l != NONE && ret->n == 0 && ret->shared == NONE) {
                /* A number that many have says nothing beside an address. */
                ret->shared = l;
                ret->shared_number = true;
        }
        if (!count || ret->shared == NONE)
                return;
        if (ret->shared_number)
                d->links[ret->shared].all_number = true;
        else
                d->links[ret->shared].all_address = true;
}

bool diff_is_claimed(const Diff *d, uint32_t link) {
        const LinkRow *row = &d->links[link];

        return row->claims > 0 || (row->same_address != NONE && d->links[row->same_address].all_address) ||
               (row->same_number != NONE && d->links[row->same_number].all_number);
}

static int relink(Diff *d, uint32_t person, uint32_t link) {
        Action action = {
                .kind = ACTION_RELINK,
                .person = diff_person(d, person)->id,
                .address = diff_address(d, person),
                .remote_id = diff_link(d, link)->remote_id,
                .has_before = true,
        };

        if (!action.address)
                return -ENOMEM;
        diff_state_of_account(diff_account_of(d, link), &action.before);
        return plan_add_action(d->plan, &action);
}

static int settle(Diff *d, uint32_t person, const Found *f) {
        uint32_t link = f->link[0];

        if (d->rows[person].flags & ROW_BLOCKED)
                return 0;
        if (f->shared != NONE)
                return diff_block(d, person,
                                  "may be one of several people whose entries are gone and who had its %s",
                                  f->shared_number ? "employee number" : "address");
        if (f->n > 1)
                return diff_block(d, person,
                                  "may be one of several people whose entries are gone: %s and %s",
                                  diff_name_of_link(d, link), diff_name_of_link(d, f->link[1]));
        if (d->links[link].claims > 1)
                return diff_block(d, person, "several entries may be %s under a new id",
                                  diff_name_of_link(d, link));
        if (!d->in->absence_proven)
                return diff_note(d, NOTE_UNPROVEN, person, link, diff_account_of(d, link),
                                 "may be %s under a new id; waits for a complete read",
                                 diff_name_of_link(d, link));
        return relink(d, person, link);
}

/* Found first for all, then settled: a link that two people claim is nobody's. */
int diff_relink(Diff *d) {
        _cleanup_(claims_deinit) Claims c = { STRINDEX_INIT(address_of), STRINDEX_INIT(number_of) };
        Found f;
        int r;

        r = index_gone(d, &c);
        for (uint32_t i = 0; i < d->in->people->n && r >= 0; i++) {
                if (!(d->rows[i].flags & ROW_BELONGS) || d->rows[i].link != NONE)
                        continue;
                find_claims(d, &c, i, true, &f);
                if (f.n > 0 || f.shared != NONE)
                        d->rows[i].flags |= ROW_CLAIMS;
        }
        for (uint32_t i = 0; i < d->in->people->n && r >= 0; i++) {
                if (!(d->rows[i].flags & ROW_CLAIMS))
                        continue;
                find_claims(d, &c, i, false, &f);
                r = settle(d, i, &f);
        }
        return r;
}
