/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "sync/guard.h"
#include "sync/reverts.h"
#include "sync/rules.h"
#include "target/target.h"

#define BASIS_MAX ((size_t) 1 << 20)
#define SUPPRESSED "taken back by an operator: the same isn't asked for again"

struct Reverter {
        RevertWorld world;
        StrIndex people, links, asked;
        LastOf *last_of;
        Removals queued;
        char *rules;                    /* rules_text(), made with the first mark */
        Arena *arena;
};

/* ---- making ---- */

int reverter_new(const RevertWorld *world, Reverter **ret) {
        _cleanup_(reverter_freep) Reverter *r = calloc(1, sizeof(*r));
        int q;

        if (!r || !(r->arena = arena_new()))
                return -ENOMEM;
        r->world = *world;
        q = people_index(world->people, &r->people);
        if (q >= 0)
                q = links_index(world->links, &r->links);
        if (q >= 0)
                q = actions_index(world->plan->actions, world->plan->n_actions, &r->asked);
        if (q >= 0)
                q = removals_load(world->store, world->target->name, 0, &r->queued);
        if (q < 0)
                return q;
        r->last_of = last_of_new(world->target, world->accounts, r->queued.items, r->queued.n);
        if (!r->last_of)
                return -ENOMEM;
        *ret = TAKE(r);
        return 0;
}

Reverter *reverter_free(Reverter *r) {
        if (!r)
                return NULL;
        strindex_deinit(&r->people);
        strindex_deinit(&r->links);
        strindex_deinit(&r->asked);
        last_of_free(r->last_of);
        removals_deinit(&r->queued);
        free(r->rules);
        arena_free(r->arena);
        free(r);
        return NULL;
}

/* ---- one action ---- */

static const Person *find_person(const Reverter *r, const char *id) {
        uint32_t pos = strindex_find(&r->people, r->world.people->items, id);

        return pos == STRINDEX_NONE ? NULL : &r->world.people->items[pos];
}

static const Link *find_link(const Reverter *r, const char *person) {
        uint32_t pos = strindex_find(&r->links, r->world.links->items, person);
        const Link *link = pos == STRINDEX_NONE ? NULL : &r->world.links->items[pos];

        return link && !link->gone ? link : NULL;
}

static const Action *find_asked(const Reverter *r, const char *person) {
        uint32_t pos = strindex_find(&r->asked, r->world.plan->actions, person);

        return pos == STRINDEX_NONE ? NULL : &r->world.plan->actions[pos];
}

static const char *find_blocked(const Plan *plan, const char *person) {
        for (size_t i = 0; i < plan->n_blocked; i++)
                if (str_eq(plan->blocked[i].person, person))
                        return plan->blocked[i].reason;
        for (size_t i = 0; i < plan->n_notes; i++)
                if (str_eq(plan->notes[i].person, person) &&
                    (plan->notes[i].kind == NOTE_RELINK || plan->notes[i].kind == NOTE_GONE))
                        return plan->notes[i].reason;
        return NULL;
}

/* *ret_why NULL: nothing was done since. */
static int look_for_later(const Reverter *r, const QueueItem *done, int64_t but, const char **ret_why) {
        char text[96];
        int64_t later;
        int q;

        *ret_why = NULL;
        q = store_queue_later(r->world.store, done->target, done->action.person, done->id, but, &later);
        if (q < 0 || later == 0)
                return q;
        snprintf(text, sizeof(text), "action %lld came after it", (long long) later);
        *ret_why = arena_strdup(r->arena, text);
        return *ret_why ? 0 : -ENOMEM;
}

int reverter_invert(Reverter *r, const QueueItem *done, int64_t but, Action *ret, const char **ret_why) {
        const TargetDriver *driver = target_driver(r->world.target->type);
        const char *person = done->action.person;
        RevertInput in = {
                .target = r->world.target,
                .capabilities = &driver->capabilities,
                .kinds = driver->kinds,
                .n_groups = r->world.config->n_groups,
                .own_login = r->world.own_login,
                .accounts = r->world.accounts,
                .person = find_person(r, person),
                .link = find_link(r, person),
                .asked = find_asked(r, person),
                .hindrance = find_blocked(r->world.plan, person),
                .last_of = r->last_of,
        };
        int q;

        if (!in.hindrance) {
                q = look_for_later(r, done, but, &in.hindrance);
                if (q < 0)
                        return q;
        }
        q = revert_action(&in, &done->action, r->arena, ret, ret_why);
        if (q == 0)
                ret->reverts = done->id;
        return q;
}

int reverter_fits(Reverter *r, const Action *a, int64_t but, const char **ret_why) {
        _cleanup_(queue_item_freep) QueueItem *done = NULL;
        Action now = { 0 };
        int q;

        *ret_why = NULL;
        q = store_queue_get(r->world.store, a->reverts, &done);
        if (q < 0)
                return q;
        if (!done) {
                *ret_why = "the history has forgotten what it takes back";
                return 0;
        }
        q = reverter_invert(r, done, but, &now, ret_why);
        if (q == 0 && action_compare(&now, a) != 0)
                *ret_why = "person or account have changed";
        return q < 0 ? q : 0;
}

/* ---- rows of the queue ---- */

typedef struct Rows { int64_t *ids; size_t n; } Rows;

static int take_waiting(const QueueItem *item, void *userdata) {
        Rows *rows = userdata;
        int64_t *ids;

        if (item->state != QUEUE_WAITING || item->action.reverts == 0 || item->step > 0)
                return 0;
        ids = reallocarray(rows->ids, rows->n + 1, sizeof(*ids));
        if (!ids)
                return -ENOMEM;
        rows->ids = ids;
        rows->ids[rows->n++] = item->id;
        return 0;
}

static int look_at_row(const JudgeInput *in, Reverter *r, int64_t id) {
        QueueChange drop = { .state = QUEUE_DROPPED, .forget = true };
        _cleanup_(queue_item_freep) QueueItem *item = NULL;
        int q;

        q = store_queue_get(in->store, id, &item);
        if (q >= 0)
                q = reverter_fits(r, &item->action, id, &drop.detail);
        if (q < 0 || !drop.detail)
                return q;
        return store_queue_change(in->store, id, &drop, in->wall);
}

static int look_at_rows(const JudgeInput *in, Reverter *r) {
        Rows rows = { 0 };
        int q;

        q = store_queue_list(in->store, in->target->name, INT64_MAX, take_waiting, &rows);
        for (size_t i = 0; i < rows.n && q >= 0; i++)
                q = look_at_row(in, r, rows.ids[i]);
        free(rows.ids);
        return q;
}

/* ---- what was taken back ---- */

static int basis_of(Reverter *r, const char *person, StrBuf *out) {
        if (!r->rules)
                r->rules = rules_text(r->world.config, r->world.target);
        if (!r->rules)
                return -ENOMEM;
        revert_basis(r->world.target, r->world.config->n_groups, find_person(r, person), out);
        strbuf_puts(out, r->rules);
        return out->error;
}

/* Is the account the one that the action left? A listing tells that began afterwards; the first such sets
 * what it is held against. */
static int same_account(const JudgeInput *in, const Reverter *r, const Reverted *mark, usec_t finished,
                        bool *ret) {
        _cleanup_(strbuf_deinit) StrBuf now = STRBUF_INIT(BASIS_MAX);

        *ret = true;
        if (in->accounts->begun <= finished)
                return 0;
        revert_account(in->accounts, find_person(r, mark->person), find_link(r, mark->person), &now);
        if (now.error < 0)
                return now.error;
        if (!mark->account)
                return store_reverted_account(in->store, in->target->name, mark->person, now.data);
        *ret = str_eq(mark->account, now.data);
        return 0;
}

typedef enum MarkFate {
        MARK_WAITS,     /* the action goes on, or is a dead letter that may be tried again */
        MARK_HOLDS,
        MARK_ENDS,
} MarkFate;

static int judge_mark(const JudgeInput *in, Reverter *r, const Reverted *mark, MarkFate *ret) {
        _cleanup_(strbuf_deinit) StrBuf basis = STRBUF_INIT(BASIS_MAX);
        _cleanup_(queue_item_freep) QueueItem *item = NULL;
        bool same;
        int q;

        q = store_queue_get(in->store, mark->action, &item);
        if (q >= 0)
                q = basis_of(r, mark->person, &basis);
        if (q < 0)
                return q;
        *ret = MARK_ENDS;
        if (!str_eq(basis.data, mark->basis))
                return 0;
        if (item && (item->finished == 0 || (item->state == QUEUE_DEAD && item->stands))) {
                *ret = MARK_WAITS;
                return 0;
        }
        /* A row that the history has forgotten was done long ago. */
        if (item && item->state != QUEUE_DONE)
                return 0;
        q = same_account(in, r, mark, item ? item->finished : 0, &same);
        *ret = same ? MARK_HOLDS : MARK_ENDS;
        return q;
}

static int look_at_marks(const JudgeInput *in, Reverter *r) {
        _cleanup_(reverted_list_deinit) RevertedList marks = { 0 };
        int q;

        q = store_reverted_list(in->store, in->target->name, &marks);
        for (size_t i = 0; i < marks.n && q >= 0; i++) {
                const Action *asked = find_asked(r, marks.items[i].person);
                MarkFate fate = MARK_WAITS;

                q = judge_mark(in, r, &marks.items[i], &fate);
                if (q >= 0 && fate == MARK_ENDS)
                        q = store_reverted_drop(in->store, in->target->name, marks.items[i].person);
                /* As rejected, so that it is seen, and can be tried all the same. */
                else if (q >= 0 && fate == MARK_HOLDS && asked && asked->kind != ACTION_RESET)
                        q = store_queue_reject(in->store, in->target->name, asked, in->cycle, SUPPRESSED,
                                               in->wall);
        }
        return q;
}

/* ---- the held one ---- */

static int put_one(const JudgeInput *in, Reverter *r, const Action *a, Judgement *j) {
        _cleanup_(strbuf_deinit) StrBuf basis = STRBUF_INIT(BASIS_MAX);
        QueuePut put;
        int64_t id;
        int q;

        q = basis_of(r, a->person, &basis);
        if (q >= 0)
                q = store_queue_put(in->store, in->target->name, a, in->cycle, true, in->wall, &id, &put);
        if (q < 0 || put != QUEUE_PUT_NEW)
                return q;
        j->n_queued++;
        return store_reverted_put(in->store, in->target->name, a->person, id, basis.data);
}

static int find_unfit(const JudgeInput *in, Reverter *r, const HeldPlan *held, Judgement *j) {
        for (size_t i = 0; i < held->n_actions; i++) {
                const Action *a = &held->actions[i];
                QueuePut put = QUEUE_PUT_NEW;
                const char *why;
                int q;

                q = reverter_fits(r, a, 0, &why);
                if (q >= 0 && !why)
                        q = store_queue_probe(in->store, in->target->name, a, &put);
                if (q < 0)
                        return q;
                if (put != QUEUE_PUT_NEW)
                        why = "another action of this person is in the queue";
                if (why) {
                        snprintf(j->unfit, sizeof(j->unfit), "%s %s: %s", action_kind_to_string(a->kind),
                                 a->address ? a->address : a->person, why);
                        return 0;
                }
        }
        return 0;
}

static int let_go(const JudgeInput *in, Reverter *r, const HeldPlan *held, Judgement *j) {
        int q;

        q = find_unfit(in, r, held, j);
        if (q < 0)
                return q;
        for (size_t i = 0; i < held->n_actions && q >= 0 && !*j->unfit; i++)
                q = put_one(in, r, &held->actions[i], j);
        if (q >= 0 && !*j->unfit)
                judgement_use_approval(j, held->hash);
        return q < 0 ? q : store_held_drop(in->store, in->target->name, HELD_REVERT);
}

/* ---- the whole ---- */

int reverts_settle(const JudgeInput *in, Judgement *j) {
        const RevertWorld world = {
                .store = in->store,
                .config = in->config,
                .target = in->target,
                .plan = in->plan,
                .people = in->people,
                .links = in->links,
                .accounts = in->accounts,
                .own_login = in->own_login,
        };
        _cleanup_(held_plan_freep) HeldPlan *held = NULL;
        _cleanup_(reverter_freep) Reverter *r = NULL;
        bool any = false;
        int q;

        q = store_reverts_any(in->store, in->target->name, &any);
        if (q < 0 || !any)
                return q;
        q = reverter_new(&world, &r);
        if (q >= 0)
                q = look_at_rows(in, r);
        if (q >= 0)
                q = look_at_marks(in, r);
        if (q >= 0)
                q = store_held_get(in->store, in->target->name, HELD_REVERT, &held);
        if (q < 0 || !held || !judge_is_approved(in, held->hash))
                return q;
        return let_go(in, r, held, j);
}
