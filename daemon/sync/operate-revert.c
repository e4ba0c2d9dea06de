/* SPDX-License-Identifier: Apache-2.0 */
/* An operator takes back what a cycle did: one plan a target, held like any other. */
#include <errno.h>
#include <inttypes.h>

#include "base/log.h"
#include "sync/operate.h"
#include "sync/report-row.h"
#include "sync/reverts.h"

/* Done rows of the cycle, by target. */
typedef struct Rows {
        struct Row { int64_t id; const char *target; } *items;
        size_t n;
        Arena *arena;
} Rows;

typedef struct Taking {
        const Operate *o;
        const People *people;
        int64_t cycle;
        char reason[64];
        StrBuf *out;
        size_t n_targets, n_actions;
} Taking;

static void rows_deinit(Rows *rows) {
        free(rows->items);
        arena_free(rows->arena);
}

static int add_row(const QueueItem *item, void *userdata) {
        Rows *rows = userdata;
        struct Row *items = reallocarray(rows->items, rows->n + 1, sizeof(*items));

        if (!items)
                return -ENOMEM;
        rows->items = items;
        items[rows->n] = (struct Row){ item->id, arena_strdup(rows->arena, item->target) };
        return items[rows->n++].target ? 0 : -ENOMEM;
}

static int find_rows(const Operate *o, int64_t cycle, Rows *ret, ErrCtx *text) {
        int64_t last;
        int r;

        r = store_cycle_get(o->store, &last);
        if (r < 0)
                return r;
        if (cycle <= 0 || cycle > last)
                return err_set(text, OPERATE_E_REFUSED, 0,
                               "there was no cycle %" PRId64 "; the last one is %" PRId64, cycle, last);
        ret->arena = arena_new();
        if (!ret->arena)
                return -ENOMEM;
        r = store_cycle_list(o->store, cycle, add_row, ret);
        if (r < 0 || ret->n > 0)
                return r;
        return err_set(text, OPERATE_E_REFUSED, 0,
                       "cycle %" PRId64 " did nothing, as far as the history goes back: \"idsyncctl "
                       "history\" shows cycles that did something",
                       cycle);
}

/* ---- the world as it was compared last ---- */

static int find_compared(const Operate *o, const char *target, const Remote **ret, ErrCtx *text) {
        const Remote *remote = engine_find_remote(o->engine, target);

        if (!remote)
                return err_set(text, OPERATE_E_REFUSED, 0,
                               "the cycle acted at %s, and no target of the configuration has this name any "
                               "more",
                               target);
        if (!remote_accounts(remote) || !remote_report(remote)->plan)
                return err_set(text, OPERATE_E_REFUSED, 0,
                               "%s isn't compared with the directory yet, or just now: ask again then",
                               target);
        *ret = remote;
        return 0;
}

/* people and *ret_links, the caller's to free, have to outlive it. */
static int make_reverter(const Operate *o, const Remote *remote, const People *people, Links **ret_links,
                         Reverter **ret) {
        RevertWorld world = {
                .store = o->store,
                .config = engine_config(o->engine),
                .people = people,
                .target = remote_config(remote),
                .plan = remote_report(remote)->plan,
                .accounts = remote_accounts(remote),
                .own_login = remote_own_login(remote),
        };
        int r;

        r = store_links_load(o->store, world.target->name, ret_links);
        world.links = *ret_links;
        return r < 0 ? r : reverter_new(&world, ret);
}

int operate_check_revert(const Operate *o, const QueueItem *item, ErrCtx *text) {
        _cleanup_(people_freep) People *people = NULL;
        _cleanup_(links_freep) Links *links = NULL;
        _cleanup_(reverter_freep) Reverter *reverter = NULL;
        const Remote *remote = NULL;
        const char *why = NULL;
        int r;

        r = find_compared(o, item->target, &remote, text);
        if (r != 0)
                return r;
        r = store_people_load(o->store, engine_config(o->engine)->n_groups, &people);
        if (r >= 0)
                r = make_reverter(o, remote, people, &links, &reverter);
        if (r >= 0)
                r = reverter_fits(reverter, &item->action, item->id, &why);
        if (r < 0 || !why)
                return r < 0 ? r : 0;
        return err_set(text, OPERATE_E_REFUSED, 0,
                       "action %" PRId64 " takes something back, and doesn't fit any more: %s", item->id,
                       why);
}

/* ---- one target ---- */

static int check_remote(const Operate *o, const char *target, const Remote **ret, ErrCtx *text) {
        _cleanup_(held_plan_freep) HeldPlan *held = NULL;
        int r;

        r = find_compared(o, target, ret, text);
        if (r != 0)
                return r;
        r = store_held_head(o->store, target, HELD_REVERT, &held);
        if (r < 0)
                return r;
        if (held)
                return err_set(text, OPERATE_E_REFUSED, 0,
                               "%s: plan %s takes something back already: approve or reject that first",
                               target, held->hash);
        return 0;
}

static void put_cant(const QueueItem *item, const char *why, bool first, StrBuf *out) {
        strbuf_printf(out, "%s{\"id\":%" PRId64 ",", first ? "" : ",", item->id);
        report_put_pairs(out, "action", action_kind_to_string(item->action.kind),
                         "person", item->action.person, "address", item->action.address, "reason", why,
                         NULL);
        strbuf_putc(out, '}');
}

/* What can't be taken back is told at once, the rest is in the plan. */
static int invert_rows(const Taking *t, Reverter *reverter, const struct Row *rows, size_t n, Plan *plan) {
        size_t n_cant = 0;

        for (size_t i = 0; i < n; i++) {
                _cleanup_(queue_item_freep) QueueItem *item = NULL;
                const char *why = NULL;
                Action a;
                int r;

                r = store_queue_get(t->o->store, rows[i].id, &item);
                if (r < 0 || !item)
                        return r < 0 ? r : -EIO;
                r = reverter_invert(reverter, item, 0, &a, &why);
                if (r == 0)
                        r = plan_add_action(plan, &a);
                if (r < 0)
                        return r;
                if (r == REVERT_E_CANT)
                        put_cant(item, why, n_cant++ == 0, t->out);
        }
        return plan_finish(plan);
}

static int hold(const Taking *t, const Plan *plan) {
        if (plan->n_actions == 0)
                return 0;
        return store_held_put(t->o->store, plan->target, HELD_REVERT, plan->hash, t->reason, plan->actions,
                              plan->n_actions, loop_wall(t->o->loop));
}

static void put_plan(const Plan *plan, const char *reason, StrBuf *out) {
        strbuf_puts(out, "],");
        report_put_pairs(out, "hash", plan->n_actions > 0 ? plan->hash : NULL, "reason", reason, NULL);
        strbuf_puts(out, ",\"actions\":[");
        for (size_t i = 0; i < plan->n_actions; i++) {
                const ActionRow row = { .action = &plan->actions[i], .state = "held" };

                if (i > 0)
                        strbuf_putc(out, ',');
                report_put_row(out, &row);
        }
        strbuf_puts(out, "]}");
}

static int take_target(Taking *t, const struct Row *rows, size_t n, ErrCtx *text) {
        _cleanup_(plan_freep) Plan *plan = plan_new(rows->target);
        _cleanup_(reverter_freep) Reverter *reverter = NULL;
        _cleanup_(links_freep) Links *links = NULL;
        const Remote *remote = NULL;
        int r;

        if (!plan)
                return -ENOMEM;
        r = check_remote(t->o, rows->target, &remote, text);
        if (r != 0)
                return r;
        r = make_reverter(t->o, remote, t->people, &links, &reverter);
        if (r < 0)
                return r;
        strbuf_puts(t->out, t->n_targets++ > 0 ? ",{" : "{");
        report_put_pair(t->out, "name", rows->target);
        strbuf_puts(t->out, ",\"not\":[");
        r = invert_rows(t, reverter, rows, n, plan);
        if (r >= 0)
                r = hold(t, plan);
        put_plan(plan, t->reason, t->out);
        t->n_actions += plan->n_actions;
        return r;
}

/* ---- the whole ---- */

static int take_all(Taking *t, const Rows *rows, ErrCtx *text) {
        int r = 0;

        for (size_t i = 0, n; i < rows->n && r == 0; i += n) {
                for (n = 1; i + n < rows->n && str_eq(rows->items[i + n].target, rows->items[i].target);)
                        n++;
                r = take_target(t, &rows->items[i], n, text);
        }
        return r;
}

static int take(Taking *t, const Rows *rows, ErrCtx *text) {
        int r;

        strbuf_printf(t->out, "{\"version\":1,\"cycle\":%" PRId64 ",\"targets\":[", t->cycle);
        r = store_begin(t->o->store);
        if (r < 0)
                return r;
        r = take_all(t, rows, text);
        strbuf_printf(t->out, "],\"exit\":%d}", t->n_actions > 0 ? EXIT_IN_STEP : EXIT_DIFFERENCES);
        if (r == 0)
                r = t->out->error;
        if (r == 0)
                return store_commit(t->o->store);
        store_rollback(t->o->store);
        return r;
}

static void log_held(const Operate *o, const char *target) {
        LogFields fields = { .message_id = MSGID_PLAN_HELD, .target = target };
        _cleanup_(held_plan_freep) HeldPlan *held = NULL;

        if (store_held_head(o->store, target, HELD_REVERT, &held) < 0 || !held)
                return;
        fields.plan = held->hash;
        log_event(LOG_NOTICE, &fields, "%s: plan %s with %zu %s is held: it %s", target, held->hash,
                  held->n_actions, held->n_actions == 1 ? "action" : "actions", held->reason);
}

int operate_revert(const Operate *o, int64_t cycle, StrBuf *out, ErrCtx *text) {
        _cleanup_(people_freep) People *people = NULL;
        _cleanup_(rows_deinit) Rows rows = { 0 };
        Taking t = { .o = o, .cycle = cycle, .out = out };
        int r;

        r = find_rows(o, cycle, &rows, text);
        if (r == 0)
                r = store_people_load(o->store, engine_config(o->engine)->n_groups, &people);
        if (r != 0)
                return r;
        t.people = people;
        snprintf(t.reason, sizeof(t.reason), "takes back what cycle %" PRId64 " did", cycle);
        r = take(&t, &rows, text);
        for (size_t i = 0; i < rows.n && r == 0; i++)
                if (i == 0 || !str_eq(rows.items[i].target, rows.items[i - 1].target))
                        log_held(o, rows.items[i].target);
        return r;
}
