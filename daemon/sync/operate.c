/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/operate.h"

#include <errno.h>
#include <inttypes.h>

#include "base/log.h"
#include "sync/ask-reset.h"
#include "sync/standing.h"
#include "target/target.h"

/* ---- held plans ---- */

static bool is_hash(const char *text) {
        return strlen(text) == PLAN_HASH_LEN && strspn(text, "0123456789abcdef") == PLAN_HASH_LEN;
}

static int say_stale(const char *hash, StrBuf *held, ErrCtx *text) {
        return err_set(text, OPERATE_E_STALE, 0, "no held plan has the hash %s: nothing was done; %s%s",
                       hash, held->data ? "held now: " : "no plan is held", held->data ? held->data : "");
}

/* *ret_plan NULL: it is another one, which is named; else its head. */
static int look_in_slot(const Operate *o, const char *target, HeldSlot slot, const char *hash,
                        StrBuf *names, HeldPlan **ret_plan) {
        _cleanup_(held_plan_freep) HeldPlan *plan = NULL;
        int r;

        r = store_held_head(o->store, target, slot, &plan);
        if (r < 0 || !plan)
                return r;
        if (str_eq(plan->hash, hash))
                *ret_plan = TAKE(plan);
        else
                strbuf_printf(names, "%s%s of %s", names->len > 0 ? ", " : "", plan->hash, target);
        return 0;
}

/* Of several one would be forgotten: each target is judged by one at a time. */
static int refuse_second(const Operate *o, const char *target, const char *hash, ErrCtx *text) {
        char standing[PLAN_HASH_LEN + 1];
        int r;

        r = standing_approval(o->store, target, standing);
        if (r < 0 || !*standing || str_eq(standing, hash))
                return r;
        return err_set(text, OPERATE_E_REFUSED, 0,
                       "%s: plan %s is approved already, and goes when the two sides are compared next: ask "
                       "again then, or reject that one",
                       target, standing);
}

/* The target whose held plan has this hash. */
static int find_held(const Operate *o, const char *hash, Remote **ret, HeldPlan **ret_plan,
                     HeldSlot *ret_slot, ErrCtx *text) {
        static const HeldSlot slots[] = { HELD_PLAN, HELD_REVERT, HELD_FILE };
        _cleanup_(strbuf_deinit) StrBuf held = STRBUF_INIT(4096);
        int r;

        if (!is_hash(hash))
                return err_set(text, OPERATE_E_REFUSED, 0, "%s: a plan's hash has 12 hexadecimal digits",
                               hash);
        for (size_t i = 0; i < engine_n_remotes(o->engine) * ELEMENTSOF(slots); i++) {
                const Remote *remote = engine_remote(o->engine, i / ELEMENTSOF(slots));
                const char *name = remote_config(remote)->name;

                *ret_slot = slots[i % ELEMENTSOF(slots)];
                r = look_in_slot(o, name, *ret_slot, hash, &held, ret_plan);
                if (r < 0)
                        return r;
                if (!*ret_plan)
                        continue;
                *ret = engine_find_remote(o->engine, name);
                return 0;
        }
        return say_stale(hash, &held, text);
}

int operate_approve(const Operate *o, const char *hash, Remote **ret, ErrCtx *text) {
        _cleanup_(held_plan_freep) HeldPlan *plan = NULL;
        LogFields fields = { .plan = hash };
        HeldSlot slot;
        Remote *remote;
        int r;

        r = find_held(o, hash, &remote, &plan, &slot, text);
        if (r != 0)
                return r;
        fields.target = remote_config(remote)->name;
        r = refuse_second(o, fields.target, hash, text);
        if (r == 0 && slot != HELD_FILE)
                r = standing_approve(o->store, fields.target, hash);
        if (r != 0)
                return r;
        remote_ask_again(remote);
        log_event(LOG_NOTICE, &fields, "%s: plan %s is approved by an operator", fields.target, hash);
        *ret = remote;
        return err_set(text, 0, 0,
                       "plan %s of %s is approved; its %zu %s go as soon as the two sides are compared "
                       "again",
                       hash, fields.target, plan->n_actions, plan->n_actions == 1 ? "action" : "actions");
}

int operate_apply(const Operate *o, const Plan *plan, Remote **ret, ErrCtx *text) {
        _cleanup_(strbuf_deinit) StrBuf others = STRBUF_INIT(4096);
        _cleanup_(held_plan_freep) HeldPlan *held = NULL;
        LogFields fields = { .target = plan->target, .plan = plan->hash };
        Remote *remote = engine_find_remote(o->engine, plan->target);
        int r;

        if (!remote)
                return err_set(text, OPERATE_E_REFUSED, 0,
                               "the plan is for %s, and no target of the configuration has this name",
                               plan->target);
        r = look_in_slot(o, plan->target, HELD_PLAN, plan->hash, &others, &held);
        if (r >= 0 && !held)
                r = look_in_slot(o, plan->target, HELD_REVERT, plan->hash, &others, &held);
        if (r < 0)
                return r;
        if (held)
                return operate_approve(o, plan->hash, ret, text);
        r = refuse_second(o, plan->target, plan->hash, text);
        if (r == 0)
                r = standing_apply(o->store, plan, loop_wall(o->loop));
        if (r != 0)
                return r;
        remote_ask_again(remote);
        log_event(LOG_NOTICE, &fields, "%s: plan %s with %zu %s is brought by an operator", plan->target,
                  plan->hash, plan->n_actions, plan->n_actions == 1 ? "action" : "actions");
        *ret = remote;
        return 0;
}

/* Another plan's approval, that waits for its judgement, stays. */
static int withdraw(const Operate *o, const char *target, const char *hash) {
        char standing[PLAN_HASH_LEN + 1];
        int r;

        r = standing_approval(o->store, target, standing);
        return r < 0 || !str_eq(standing, hash) ? r : standing_approve(o->store, target, NULL);
}

static int suppress_all(const Operate *o, const char *target, HeldSlot slot) {
        _cleanup_(held_plan_freep) HeldPlan *plan = NULL;
        int64_t cycle = 0;
        int r;

        r = store_cycle_get(o->store, &cycle);
        if (r >= 0)
                r = store_held_get(o->store, target, slot, &plan);
        for (size_t i = 0; r >= 0 && plan && i < plan->n_actions; i++)
                r = store_queue_reject(o->store, target, &plan->actions[i], cycle,
                                       "rejected by an operator", loop_wall(o->loop));
        return r;
}

/* What nobody asks for but the operator needs no suppression. */
static int reject(const Operate *o, const char *target, const char *hash, HeldSlot slot) {
        int r = slot == HELD_PLAN ? suppress_all(o, target, slot) : 0;

        if (r >= 0)
                r = withdraw(o, target, hash);
        return r < 0 ? r : store_held_drop(o->store, target, slot);
}

int operate_reject(const Operate *o, const char *hash, ErrCtx *text) {
        _cleanup_(held_plan_freep) HeldPlan *plan = NULL;
        LogFields fields = { .plan = hash };
        HeldSlot slot;
        Remote *remote;
        int r;

        r = find_held(o, hash, &remote, &plan, &slot, text);
        if (r != 0)
                return r;
        fields.target = remote_config(remote)->name;
        r = store_begin(o->store);
        if (r < 0)
                return r;
        r = store_end(o->store, reject(o, fields.target, hash, slot));
        if (r < 0)
                return r;
        remote_ask_again(remote);
        log_event(LOG_NOTICE, &fields, "%s: plan %s with %zu %s is rejected by an operator", fields.target,
                  hash, plan->n_actions, plan->n_actions == 1 ? "action" : "actions");
        if (slot != HELD_PLAN)
                return err_set(text, 0, 0, "plan %s of %s is rejected: nothing is %s", hash, fields.target,
                               slot == HELD_REVERT ? "taken back" : "done for it");
        return err_set(text, 0, 0,
                       "plan %s of %s is rejected: its %zu %s aren't asked for again until they change",
                       hash, fields.target, plan->n_actions, plan->n_actions == 1 ? "action" : "actions");
}

/* ---- actions ---- */

static int get_action(const Operate *o, int64_t id, QueueItem **ret, ErrCtx *text) {
        int r = store_queue_get(o->store, id, ret);

        if (r < 0 || *ret)
                return r;
        return err_set(text, OPERATE_E_REFUSED, 0, "%" PRId64 ": there is no action with this number", id);
}

static void log_action(const QueueItem *item, const char *what) {
        LogFields fields = {
                .target = item->target,
                .action = action_kind_to_string(item->action.kind),
                .action_id = item->id,
                .person = item->action.person,
                .account = item->action.address,
                .remote_id = item->action.remote_id,
        };

        log_event(LOG_NOTICE, &fields, "%s: action %" PRId64 " (%s %s) %s by an operator", item->target,
                  item->id, fields.action, item->action.address ? item->action.address : item->action.person,
                  what);
}

/* What leads back to something that was taken back is wanted again. */
static int retry(const Operate *o, const QueueItem *item, const QueueChange *change) {
        int r;

        r = store_begin(o->store);
        if (r < 0)
                return r;
        r = store_queue_change(o->store, item->id, change, loop_wall(o->loop));
        if (r == 0 && item->action.reverts == 0)
                r = store_reverted_drop(o->store, item->target, item->action.person);
        if (r == 0)
                return store_commit(o->store);
        store_rollback(o->store);
        return r;
}

int operate_retry(const Operate *o, int64_t id, ErrCtx *text) {
        _cleanup_(queue_item_freep) QueueItem *item = NULL;
        QueueChange change = { .state = QUEUE_WAITING };
        Remote *remote;
        int r;

        r = get_action(o, id, &item, text);
        if (r != 0)
                return r;
        if (item->state != QUEUE_DEAD && item->state != QUEUE_DROPPED)
                return err_set(text, OPERATE_E_REFUSED, 0,
                               "action %" PRId64
                               " is %s: only dead letters and dropped actions are tried again",
                               id, queue_state_to_string(item->state));
        /* Nothing is done that no plan asks for: the next comparison would come too late. */
        if (!item->stands && item->action.kind != ACTION_RESET)
                return err_set(text, OPERATE_E_REFUSED, 0,
                               "action %" PRId64
                               " isn't asked for any more; what is asked for now: idsyncctl plan",
                               id);
        remote = engine_find_remote(o->engine, item->target);
        if (!remote)
                return err_set(text, OPERATE_E_REFUSED, 0,
                               "action %" PRId64 ": the configuration has no target %s any more", id,
                               item->target);
        /* What was begun is finished, whatever came since. */
        if (item->action.reverts > 0 && item->step == STEP_START) {
                r = operate_check_revert(o, item, text);
                if (r != 0)
                        return r;
        }
        change.step = item->step;
        change.was_uncertain = item->was_uncertain;
        r = retry(o, item, &change);
        if (r == STORE_E_BUSY)
                return err_set(text, OPERATE_E_REFUSED, 0,
                               "action %" PRId64 ": another action of this person is unfinished", id);
        if (r < 0)
                return r;
        log_action(item, "is tried again");
        remote_kick(remote);
        remote_ask_again(remote);
        return err_set(text, 0, 0, "action %" PRId64 " waits in the queue of %s again", id, item->target);
}

static bool is_half_done(const QueueItem *item) {
        return item->action.kind == ACTION_RECREATE && item->step > 0;
}

int operate_drop(const Operate *o, int64_t id, ErrCtx *text) {
        const QueueChange change = { .state = QUEUE_DROPPED, .detail = "dropped by an operator" };
        _cleanup_(queue_item_freep) QueueItem *item = NULL;
        QueueChange full = change;
        Remote *remote;
        int r;

        r = get_action(o, id, &item, text);
        if (r != 0)
                return r;
        if (!queue_state_may_become(item->state, QUEUE_DROPPED))
                return err_set(text, OPERATE_E_REFUSED, 0,
                               "action %" PRId64 " is %s: there is nothing to drop", id,
                               queue_state_to_string(item->state));
        if (is_half_done(item))
                return err_set(text, OPERATE_E_REFUSED, 0,
                               "action %" PRId64
                               ": the account is deleted already, and only this action makes it "
                               "anew: it can't be dropped",
                               id);
        remote = engine_find_remote(o->engine, item->target);
        if (item->state == QUEUE_RUNNING || (remote && remote_let_go(remote, id) < 0))
                return err_set(text, OPERATE_E_REFUSED, 0,
                               "action %" PRId64
                               ": its call is under way; ask again when the answer is here",
                               id);
        full.step = item->step;
        full.was_uncertain = item->was_uncertain;
        full.attempts = item->attempts;
        full.forget = item->action.reverts > 0;
        full.outcome = item->outcome;
        full.http_status = item->http_status;
        r = store_queue_change(o->store, id, &full, loop_wall(o->loop));
        if (r < 0)
                return r;
        log_action(item, "is dropped");
        if (remote)
                remote_ask_again(remote);
        return err_set(text, 0, 0,
                       "action %" PRId64 " is dropped%s: the same isn't asked for again until it changes",
                       id, item->state == QUEUE_UNCERTAIN ? " (whether it was done isn't known)" : "");
}

int operate_reset(const Operate *o, const char *person, const char *target, ErrCtx *text) {
        LogFields fields = { .target = target, .action = action_kind_to_string(ACTION_RESET) };
        int r;

        r = ask_reset(o->store, engine_config(o->engine), person, target, loop_wall(o->loop), text);
        if (r != 0)
                return r > 0 ? OPERATE_E_REFUSED : r;
        log_event(LOG_NOTICE, &fields, "%s: a password reset for %s is asked for by an operator", target,
                  person);
        remote_kick(engine_find_remote(o->engine, target));
        return err_set(text, 0, 0, "a password reset for %s waits in the queue of %s", person, target);
}

/* ---- pausing ---- */

static int find_target(const Operate *o, const char *target, ErrCtx *text) {
        if (str_empty(target) || engine_find_remote(o->engine, target))
                return 0;
        return err_set(text, OPERATE_E_REFUSED, 0, "%s: no target of the configuration has this name",
                       target);
}

static int apply_pause(const Operate *o, const char *target, bool unpark) {
        int r = 0, q;

        for (size_t i = 0; i < engine_n_remotes(o->engine); i++) {
                const char *name = remote_config(engine_remote(o->engine, i))->name;
                Remote *remote = engine_find_remote(o->engine, name);

                q = remote_update_pause(remote);
                r = q < 0 ? q : r;
                if (!str_empty(target) && !str_eq(target, name))
                        continue;
                if (unpark)
                        remote_unpark(remote);
                remote_ask_again(remote);
        }
        return r;
}

int operate_pause(const Operate *o, const char *target, ErrCtx *text) {
        LogFields fields = { .target = str_empty(target) ? NULL : target };
        int r;

        r = find_target(o, target, text);
        if (r == 0)
                r = standing_set_paused(o->store, fields.target, true);
        if (r == 0)
                r = apply_pause(o, target, false);
        if (r != 0)
                return r;
        log_event(LOG_NOTICE, &fields,
                  "%spaused by an operator: nothing is written there until it is resumed",
                  fields.target ? "" : "all targets are ");
        return err_set(text, 0, 0,
                       "%s %s paused: what was sent finishes, and nothing more is written until "
                       "\"idsyncctl resume%s%s\"",
                       fields.target ? fields.target : "all targets", fields.target ? "is" : "are",
                       fields.target ? " " : "", fields.target ? fields.target : "");
}

/* Resuming all ends the pauses of single targets too. */
static int lift(const Operate *o, const char *target) {
        int r;

        if (target)
                return standing_set_paused(o->store, target, false);
        r = standing_set_paused(o->store, NULL, false);
        for (size_t i = 0; i < engine_n_remotes(o->engine) && r >= 0; i++)
                r = standing_set_paused(o->store, remote_config(engine_remote(o->engine, i))->name, false);
        return r;
}

static bool some_stays_paused(const Operate *o, const char *target) {
        for (size_t i = 0; i < engine_n_remotes(o->engine); i++) {
                const TargetConfig *config = remote_config(engine_remote(o->engine, i));

                if (config->paused && (!target || str_eq(target, config->name)))
                        return true;
        }
        return false;
}

int operate_resume(const Operate *o, const char *target, ErrCtx *text) {
        LogFields fields = { .target = str_empty(target) ? NULL : target };
        bool all = false;
        int r;

        r = find_target(o, target, text);
        if (r == 0)
                r = standing_is_paused(o->store, NULL, &all);
        if (r != 0)
                return r;
        if (all && fields.target)
                return err_set(text, OPERATE_E_REFUSED, 0,
                               "all targets are paused together: resume without a target, then pause those "
                               "that shall stay so");
        r = lift(o, fields.target);
        if (r >= 0)
                r = apply_pause(o, target, true);
        if (r < 0)
                return r;
        log_event(LOG_NOTICE, &fields, "%sresumed by an operator", fields.target ? "" : "all targets are ");
        return err_set(text, 0, 0, "%s resumed%s", fields.target ? fields.target : "all targets",
                       some_stays_paused(o, fields.target)
                                       ? "; but `paused = true` of the configuration still holds"
                                       : "");
}
