/* SPDX-License-Identifier: Apache-2.0 */
/* What each person who belongs at the target needs, and the run as a whole. diff-internal.h says what
 * stands where. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/diff-internal.h"
#include "model/invariant.h"

/* APIs list what is new a while late. */
#define LISTED_LATE (10 * USEC_PER_MINUTE)

/* ---- for all parts ---- */

bool link_is_young(const Link *l, const Accounts *accounts) {
        return usec_add(l->since, LISTED_LATE) > accounts->begun;
}

bool diff_is_gone(const Diff *d, uint32_t link) {
        uint32_t person = d->links[link].person;

        return person == NONE || !(d->rows[person].flags & ROW_PRESENT);
}

const char *diff_name_of_link(const Diff *d, uint32_t link) {
        uint32_t person = d->links[link].person;
        const char *dn = person == NONE ? NULL : diff_person(d, person)->dn;

        return str_empty(dn) ? diff_link(d, link)->person : dn;
}

/* The text, in the run's memory; NULL: out of memory. */
_printf_(2, 0) static const char *format_reason(Diff *d, const char *format, va_list ap) {
        char *text, *copy;

        if (vasprintf(&text, format, ap) < 0)
                return NULL;
        copy = arena_strdup(d->arena, text);
        free(text);
        return copy;
}

int diff_block(Diff *d, uint32_t person, const char *format, ...) {
        PlanBlocked blocked;
        const char *reason;
        va_list ap;

        if (d->rows[person].flags & ROW_BLOCKED)
                return 0;
        va_start(ap, format);
        reason = format_reason(d, format, ap);
        va_end(ap);
        if (!reason)
                return -ENOMEM;
        d->rows[person].flags |= ROW_BLOCKED;
        blocked = (PlanBlocked){ diff_person(d, person)->id, diff_person(d, person)->dn,
                                 diff_address(d, person), reason };
        return plan_add_blocked(d->plan, &blocked);
}

int diff_note(Diff *d, PlanNoteKind kind, uint32_t person, uint32_t link, const Account *account,
              const char *format, ...) {
        PlanNote note = { .kind = kind };
        va_list ap;

        va_start(ap, format);
        note.reason = format_reason(d, format, ap);
        va_end(ap);
        if (!note.reason)
                return -ENOMEM;
        note.person = person != NONE ? diff_person(d, person)->id : diff_link(d, link)->person;
        note.address = person != NONE ? diff_address(d, person) : NULL;
        if (!note.address)
                note.address = account        ? account->address
                               : link != NONE ? diff_link(d, link)->address
                                              : NULL;
        note.remote_id = account ? account->remote_id : link != NONE ? diff_link(d, link)->remote_id : NULL;
        return plan_add_note(d->plan, &note);
}

/* ---- what a person needs ---- */

/* An update of names leaves the roles as they are, and one of roles the names. */
static void keep_unchanged(AccountState *after, const AccountState *before, unsigned changes) {
        if (!(changes & CHANGE_ROLE)) {
                after->role = before->role;
                after->roles = before->roles;
                after->n_roles = before->n_roles;
        }
        if (!(changes & CHANGE_NAMES)) {
                after->address = before->address;
                after->first_name = before->first_name;
                after->last_name = before->last_name;
                after->timezone = before->timezone;
        }
}

/* An action that takes the person's account from how it is to how it shall be. Enabling is a step of its
 * own: what else has to change follows in the next cycle. */
static int ask(Diff *d, ActionKind kind, uint32_t person, const Account *a, unsigned changes) {
        Action action = {
                .kind = kind,
                .person = diff_person(d, person)->id,
                .address = diff_address(d, person),
                .remote_id = a ? a->remote_id : NULL,
                .has_before = a,
                .has_after = kind != ACTION_ADOPT || changes != 0,
        };
        int r;

        if (!action.address)
                return -ENOMEM;
        if (a)
                diff_state_of_account(a, &action.before);
        if (action.has_after && kind != ACTION_ENABLE) {
                r = diff_state_wanted(d, person, a, &action.after);
                if (r < 0)
                        return r;
        }
        if (kind == ACTION_UPDATE)
                keep_unchanged(&action.after, &action.before, changes);
        if (changes & (CHANGE_DISABLED | CHANGE_LOCKED)) {
                action.before.status = changes & CHANGE_DISABLED ? "disabled" : "locked";
                action.after.status = changes & CHANGE_DISABLED ? "enabled" : "unlocked";
        }
        return plan_add_action(d->plan, &action);
}

static int create(Diff *d, uint32_t person, uint32_t gone) {
        const Account *holder;
        int r;

        if (gone != NONE && d->target->gone == GONE_REPORT)
                return diff_note(d, NOTE_GONE, person, gone, NULL,
                                 "somebody removed its account at the API (gone = \"report\")");
        if (!d->can->create)
                return diff_note(d, NOTE_UNABLE, person, gone, NULL,
                                 "has no account, and the API can't create one");
        if (!d->target->create)
                return diff_note(d, NOTE_UNABLE, person, gone, NULL,
                                 "has no account, and none is created (create = false)");
        r = diff_login_holder(d, person, &holder);
        if (r < 0)
                return r;
        if (holder)
                return diff_block(d, person, "the login %s is that of the account with the address %s",
                                  holder->login, holder->address ?: "(none)");
        if (gone != NONE) {
                r = diff_note(d, NOTE_GONE, person, gone, NULL,
                              "somebody removed its account at the API: it is created again");
                if (r < 0)
                        return r;
        }
        return ask(d, ACTION_CREATE, person, NULL, 0);
}

static int adopt(Diff *d, uint32_t person, const Account *a) {
        unsigned changes;
        int r;

        if (d->target->adopt == ADOPT_NEVER)
                return diff_note(d, NOTE_FOREIGN, person, NONE, a,
                                 "an account that isn't ours has its address (adopt = \"never\")");
        r = diff_changes(d, person, a, &changes);
        if (r < 0)
                return r;
        return ask(d, ACTION_ADOPT, person, a, changes);
}

/* The accounts with an address: how many, and the two whose ids come first, whatever the order of the
 * listing. */
typedef struct Holders {
        const Account *first, *second;
        size_t n;
} Holders;

static void find_holders(const Diff *d, const char *key, Holders *ret) {
        Holders h = {};

        for (const Account *a = accounts_by_key(d->in->accounts, key); a;
             a = accounts_next_by_key(d->in->accounts, a)) {
                if (!h.first || strcmp(a->remote_id, h.first->remote_id) < 0) {
                        h.second = h.first;
                        h.first = a;
                } else if (!h.second || strcmp(a->remote_id, h.second->remote_id) < 0)
                        h.second = a;
                h.n++;
        }
        *ret = h;
}

/* The person's address is held by what isn't, or mayn't become, the person's account. */
static int block_taken(Diff *d, uint32_t person, const Holders *h) {
        const char *key = d->rows[person].key;
        uint32_t link = diff_link_of(d, h->first);

        if (h->n > 1)
                return diff_block(d, person, "%zu accounts have the address %s, among them %s and %s", h->n,
                                  key, h->first->remote_id, h->second->remote_id);
        if (link != NONE)
                return diff_block(d, person, "the account %s with its address belongs to %s",
                                  h->first->remote_id,
                                  d->links[link].ambiguous ? "several people" : diff_name_of_link(d, link));
        return diff_block(d, person, "the account %s has its address, and isn't its own",
                          h->first->remote_id);
}

/* Nobody's account is tied to the person, or (gone) the one that was isn't there any more. */
static int unlinked(Diff *d, uint32_t person, uint32_t gone) {
        Holders h;

        find_holders(d, d->rows[person].key, &h);
        if (h.n == 0)
                return create(d, person, gone);
        if (h.n > 1 || diff_link_of(d, h.first) != NONE)
                return block_taken(d, person, &h);
        return adopt(d, person, h.first);
}

/* Would the account get an address that another one has? */
static bool would_clash(const Diff *d, uint32_t person, const Account *a, Holders *ret) {
        find_holders(d, d->rows[person].key, ret);
        return ret->n > 0 && !str_eq(a->key, d->rows[person].key);
}

static int change_role(Diff *d, uint32_t person, const Account *a, unsigned changes) {
        /* The group that gave the role may only be missing in the read. */
        if (!d->in->absence_proven)
                return diff_note(
                        d, NOTE_UNPROVEN, person, d->rows[person].link, a,
                        "has another role, but the last read was incomplete: waits for a complete one");
        return ask(d, d->can->role_update ? ACTION_UPDATE : ACTION_RECREATE, person, a, changes);
}

/* NULL where nobody is, no link, or no account in the listing. */
static const Account *linked_account(const Diff *d, uint32_t person) {
        if (person >= d->in->people->n || d->rows[person].account == NONE)
                return NULL;
        return &d->in->accounts->items[d->rows[person].account];
}

static bool is_young(const Diff *d, uint32_t link) {
        return link_is_young(diff_link(d, link), d->in->accounts);
}

static int linked(Diff *d, uint32_t person) {
        uint32_t link = d->rows[person].link;
        const Account *a = linked_account(d, person);
        Holders holders;
        unsigned changes;
        int r;

        if (!a)
                return is_young(d, link) ? 0 : unlinked(d, person, link);
        r = diff_changes(d, person, a, &changes);
        if (r < 0)
                return r;
        /* What is made again gets the address of today. */
        if ((changes & CHANGE_NAMES || (changes & CHANGE_ROLE && !d->can->role_update)) &&
            would_clash(d, person, a, &holders))
                return block_taken(d, person, &holders);
        if (changes & (CHANGE_DISABLED | CHANGE_LOCKED))
                return ask(d, ACTION_ENABLE, person, a, changes);
        if (changes & CHANGE_ROLE)
                return change_role(d, person, a, changes);
        return changes & CHANGE_NAMES ? ask(d, ACTION_UPDATE, person, a, changes) : 0;
}

static int diff_people(Diff *d) {
        const Account *a;
        int r = 0;

        for (uint32_t i = 0; i < d->in->people->n && r >= 0; i++) {
                unsigned flags = d->rows[i].flags;

                /* Accounts lie anywhere: those of people further on are fetched before they are compared,
                 * first the account, then the texts that it points to. */
                a = linked_account(d, i + 2 * DIFF_AHEAD);
                __builtin_prefetch(a);
                __builtin_prefetch(a ? &a->role : NULL);
                a = linked_account(d, i + DIFF_AHEAD);
                __builtin_prefetch(a ? a->remote_id : NULL);
                __builtin_prefetch(a ? a->role : NULL);
                if (!(flags & ROW_BELONGS) || flags & (ROW_BLOCKED | ROW_CLAIMS))
                        continue;
                r = d->rows[i].link == NONE ? unlinked(d, i, NONE) : linked(d, i);
        }
        return r;
}

/* ---- invariants ---- */

static const Link *link_of_action(const Diff *d, const Action *a, const Account *account) {
        uint32_t link = account ? diff_link_of(d, account) : NONE;

        if (link == NONE && a->kind != ACTION_CREATE && a->kind != ACTION_ADOPT)
                link = strindex_find(&d->by_person, d->in->links->items, a->person);
        return link == NONE ? NULL : diff_link(d, link);
}

static int note_breach(Diff *d, const Action *a, PlanNoteKind kind, const char *why) {
        _cleanup_(freep) char *reason = NULL;

        if (asprintf(&reason, "no %s: %s", action_kind_to_string(a->kind), why) < 0)
                return -ENOMEM;
        return plan_add_note(d->plan, &(PlanNote){ kind, a->person, a->address, a->remote_id, reason });
}

/* Drops, in canonical order, what mustn't be; what stays counts for what comes after it. */
static int guard(Diff *d) {
        _cleanup_(last_of_freep) LastOf *last_of =
                last_of_new(d->target, d->in->accounts, d->in->queued, d->in->n_queued);
        Plan *plan = d->plan;
        size_t kept = 0;

        if (!last_of)
                return -ENOMEM;
        plan_sort_actions(plan->actions, plan->n_actions);
        for (size_t i = 0; i < plan->n_actions; i++) {
                Action *a = &plan->actions[i];
                const Account *account = accounts_by_id(d->in->accounts, a->remote_id);
                const InvariantInput in = {
                        .target = d->target,
                        .own_login = d->in->own_login,
                        .action = a,
                        .account = account,
                        .link = link_of_action(d, a, account),
                        .last_of = last_of,
                };
                PlanNoteKind kind;
                const char *why = invariant_breach(&in, &kind);

                if (why) {
                        int r = note_breach(d, a, kind, why);

                        if (r < 0)
                                return r;
                        continue;
                }
                last_of_take(last_of, a);
                plan->actions[kept] = *a;
                plan->actions[kept++].again =
                        a->kind == ACTION_CREATE && d->target->gone == GONE_HOLD &&
                        strindex_find(&d->by_person, d->in->links->items, a->person) != NONE;
        }
        plan->n_actions = kept;
        return 0;
}

/* ---- the run ---- */

static const char *person_of(const void *links, uint32_t i) {
        return ((const Link *) links)[i].person;
}

/* Ties links to accounts; a person or an account that stands in two links is left alone. */
static int index_link(Diff *d, uint32_t l, uint32_t account, uint32_t hash) {
        const Link *links = d->in->links->items;
        LinkRow *row = &d->links[l];
        uint32_t known;
        int r;

        *row = (LinkRow){
                .person = NONE,
                .account = account,
                .same_address = NONE,
                .same_number = NONE,
        };
        r = strindex_add_hashed(&d->by_person, links, l, hash, &known);
        if (r < 0)
                return r;
        if (r == STRINDEX_E_KNOWN)
                row->ambiguous = d->links[known].ambiguous = true;
        if (account != NONE || is_young(d, l))
                d->plan->n_linked++;
        if (account == NONE)
                return 0;
        known = d->account_link[account];
        d->account_link[account] = l;
        if (known != NONE)
                row->ambiguous = d->links[known].ambiguous = true;
        return 0;
}

static int index_links(Diff *d) {
        const Links *links = d->in->links;
        uint32_t found[DIFF_BATCH], hash[DIFF_BATCH];
        const char *ids[DIFF_BATCH];
        int r;

        r = strindex_reserve(&d->by_person, links->n);
        for (size_t i = 0; i < d->in->accounts->n; i++)
                d->account_link[i] = NONE;
        for (uint32_t l = 0; l < links->n && r >= 0; l += DIFF_BATCH) {
                uint32_t n = links->n - l < DIFF_BATCH ? (uint32_t) links->n - l : DIFF_BATCH;

                for (uint32_t i = 0; i < n; i++) {
                        ids[i] = links->items[l + i].remote_id;
                        hash[i] = strindex_hash(&d->by_person, links->items[l + i].person);
                }
                accounts_find_ids(d->in->accounts, ids, n, found);
                for (uint32_t i = 0; i < n && r >= 0; i++)
                        r = index_link(d, l + i, found[i], hash[i]);
        }
        return r;
}

static int diff_init(Diff *d) {
        const DiffInput *in = d->in;

        if (in->people->n >= NONE || in->links->n >= NONE || in->accounts->n >= NONE)
                return -E2BIG;
        d->plan = plan_new(d->target->name);
        d->arena = arena_new();
        d->rows = calloc(in->people->n ?: 1, sizeof(*d->rows));
        d->links = calloc(in->links->n ?: 1, sizeof(*d->links));
        d->account_link = calloc(in->accounts->n ?: 1, sizeof(*d->account_link));
        d->by_person = STRINDEX_INIT(person_of);
        return d->plan && d->arena && d->rows && d->links && d->account_link ? 0 : -ENOMEM;
}

static void diff_deinit(Diff *d) {
        plan_free(d->plan);
        arena_free(d->arena);
        free(d->rows);
        free(d->links);
        free(d->account_link);
        strindex_deinit(&d->by_person);
        strindex_deinit(&d->by_login);
}

int diff_run(const DiffInput *in, Plan **ret, ErrCtx *err) {
        _cleanup_(diff_deinit) Diff d = { .in = in, .target = in->target, .can = in->capabilities };
        int r;

        r = diff_init(&d);
        if (r < 0)
                return r;
        r = diff_check_roles(&d, err);
        if (r != 0)
                return r;
        r = index_links(&d);
        if (r >= 0)
                r = diff_scope(&d);
        if (r >= 0)
                r = diff_relink(&d);
        if (r >= 0)
                r = diff_people(&d);
        if (r >= 0)
                r = diff_leavers(&d);
        if (r >= 0)
                r = guard(&d);
        if (r >= 0)
                r = plan_finish(d.plan);
        if (r < 0)
                return r;
        *ret = TAKE(d.plan);
        return 0;
}
