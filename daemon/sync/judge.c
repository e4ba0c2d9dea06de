/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "model/address.h"
#include "model/strindex.h"
#include "sync/accepted.h"
#include "sync/judge.h"
#include "sync/reverts.h"
#include "sync/rules.h"
#include "sync/standing.h"
#include "sync/unfinished.h"
#include "target/target.h"

#define REASON_MAX ((size_t) 16 << 10)

/* The acts of a plan that aren't in the queue yet, with its adoptions; borrows from the plan. */
typedef struct Open {
        /* a view: actions and counts are ours, the rest is the whole plan's */
        Plan plan;
        size_t n_acts;                  /* without adoptions */
} Open;

void judgement_deinit(Judgement *j) {
        j->held = held_plan_free(j->held);
        expectations_deinit(&j->expect);
}

bool approval_was_used(const UsedApprovals *used, const char *hash) {
        for (size_t i = 0; i < used->n; i++)
                if (str_eq(used->hash[i], hash))
                        return true;
        return false;
}

void judgement_use_approval(Judgement *j, const char *hash) {
        memcpy(j->approved.hash[j->approved.n++], hash, PLAN_HASH_LEN + 1);
}

static bool is_carried_out(const TargetConfig *target, ActionKind k) {
        const TargetDriver *driver = target_driver(target->type);

        return k == ACTION_RELINK || (driver && driver->kinds >> k & 1);
}

/* Done as soon as it is let go: it changes the ledger alone, and makes no call. */
static bool is_link_alone(ActionKind k) {
        return k == ACTION_ADOPT || k == ACTION_RELINK;
}

static void open_deinit(Open *o) {
        free(o->plan.actions);
}

static void open_add(Open *o, const Action *a) {
        o->plan.actions[o->plan.n_actions++] = *a;
        o->plan.count[a->kind]++;
        o->plan.adopts_and_changes |= a->kind == ACTION_ADOPT && a->has_after;
        o->plan.has_relink |= a->kind == ACTION_RELINK;
        o->plan.has_gone_create |= a->again;
        if (a->kind != ACTION_ADOPT)
                o->n_acts++;
}

/* went: the plan let go in this judgement; NULL: none. Its acts are in the queue, its adoptions and
 * relinks are in the ledger, but for those whose person has something under way. */
static int find_open(const JudgeInput *in, const HeldPlan *went, Judgement *j, Open *ret) {
        const Plan *plan = in->plan;
        QueuePut put;
        int r = 0;

        ret->plan = *plan;
        memset(ret->plan.count, 0, sizeof(ret->plan.count));
        ret->plan.n_actions = 0;
        ret->plan.adopts_and_changes = ret->plan.has_relink = ret->plan.has_gone_create = false;
        ret->plan.actions = calloc(plan->n_actions + 1, sizeof(Action));
        if (!ret->plan.actions)
                return -ENOMEM;
        for (size_t i = 0; i < plan->n_actions; i++) {
                const Action *a = &plan->actions[i];

                put = QUEUE_PUT_NEW;
                if (!is_carried_out(in->target, a->kind)) {
                        j->n_not_carried_out++;
                        continue;
                }
                r = store_queue_probe(in->store, in->target->name, a, &put);
                if (r < 0)
                        return r;
                if (put == QUEUE_PUT_NEW && !(is_link_alone(a->kind) && went &&
                                              actions_have(went->actions, went->n_actions, a)))
                        open_add(ret, a);
                j->n_suppressed += put == QUEUE_PUT_SUPPRESSED;
                j->n_busy += put == QUEUE_PUT_BUSY;
        }
        return plan_hash(in->target->name, ret->plan.actions, ret->plan.n_actions, j->hash);
}

/* Every action of the held plan is still asked for unchanged. */
static bool still_asked_for(const HeldPlan *held, const Plan *plan) {
        for (size_t i = 0; i < held->n_actions; i++)
                if (!actions_have(plan->actions, plan->n_actions, &held->actions[i]))
                        return false;
        return held->n_actions > 0;
}

bool judge_is_approved(const JudgeInput *in, const char *hash) {
        for (size_t i = 0; i < in->n_approvals; i++)
                if (str_eq(in->approvals[i], hash))
                        return true;
        return false;
}

/* The account's link goes over to another person, as it is. */
static int take_over(const JudgeInput *in, const char *remote_id, Links **ret_old, Link *link) {
        const Link *old;
        int r;

        r = store_links_of(in->store, in->target->name, remote_id, ret_old);
        if (r < 0)
                return r;
        if ((*ret_old)->n == 0)
                return -ENOENT;
        old = (*ret_old)->items;
        link->role = old->role;
        link->origin = old->origin;
        link->since = old->since;
        return store_link_drop(in->store, in->target->name, old->person);
}

static int put_link(const JudgeInput *in, const StrIndex *index, const Action *a) {
        _cleanup_(links_freep) Links *old = NULL;
        _cleanup_(freep) char *key = NULL;
        uint32_t pos = strindex_find(index, in->people->items, a->person);
        const Person *p = pos == STRINDEX_NONE ? NULL : &in->people->items[pos];
        Link link = {
                .person = a->person,
                .remote_id = a->remote_id,
                .role = a->before.role,
                .origin = LINK_ADOPTED,
                .since = in->wall,
                .employee_number = p ? p->field[PERSON_EMPLOYEE_NUMBER] : NULL,
        };
        int r = 0;

        if (address_key(a->address, &key) == 0)
                link.address = key;
        if (a->kind == ACTION_RELINK)
                r = take_over(in, a->remote_id, &old, &link);
        if (r == 0)
                r = store_link_put(in->store, in->target->name, &link);
        return r > 0 ? -EEXIST : r;
}

static int put_action(const JudgeInput *in, const StrIndex *index, const Action *a, bool approved,
                      Judgement *j) {
        QueuePut put;
        int r;

        if (!is_link_alone(a->kind)) {
                r = store_queue_put(in->store, in->target->name, a, in->cycle, approved, in->wall, NULL,
                                    &put);
                j->n_queued += r == 0 && put == QUEUE_PUT_NEW;
                return r;
        }
        r = store_queue_put_done(in->store, in->target->name, a, in->cycle, approved, in->wall, &put);
        if (r < 0 || put != QUEUE_PUT_NEW)
                return r;
        j->n_adopted++;
        return put_link(in, index, a);
}

static int put_actions(const JudgeInput *in, const Action *actions, size_t n, bool approved, Judgement *j) {
        _cleanup_(strindex_deinit) StrIndex index = { 0 };
        int r;

        r = people_index(in->people, &index);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n && r >= 0; i++)
                r = put_action(in, &index, &actions[i], approved, j);
        return r;
}

static int find_failed(const JudgeInput *in, const Accepted *accepted, Judgement *j) {
        const ExpectInput expect = {
                .config = in->config,
                .target = in->target,
                .people = in->people,
                .plan = in->plan,
        };

        return accepted->all_same ? 0 : expect_examine(&expect, &j->expect);
}

/* While something is held limits count as of then: time alone lets nothing go, neither the frozen plan nor
 * what came on top of it. */
static usec_t held_since(const JudgeInput *in, const HeldPlan *before) {
        return before && before->since < in->wall ? before->since : in->wall;
}

static int ask_policy(const JudgeInput *in, const Open *open, const Accepted *accepted,
                      const HeldPlan *before, const Judgement *j, StrBuf *reason) {
        _cleanup_(strbuf_deinit) StrBuf failed = STRBUF_INIT(REASON_MAX);
        char changed[128];
        PolicyInput policy = {
                .target = in->target,
                .plan = &open->plan,
                .first_plan = !accepted->rules_before,
                .first_plan_apply = in->config->first_plan_apply,
        };
        int r;

        if (open->n_acts == 0 && !open->plan.adopts_and_changes)
                return 0;
        if (j->expect.n_failed > 0) {
                expect_put_failed(&j->expect, &failed);
                policy.failed = failed.data;
        }
        if (accepted->restored) {
                strbuf_printf(reason,
                              "the database was put back from a backup: what happened since isn't known "
                              "here%s%s",
                              policy.failed ? "; " : "", policy.failed ?: "");
                return POLICY_E_HOLD;
        }
        if (in->doubt)
                strbuf_puts(reason, in->doubt);
        if (accepted->rules_before)
                policy.changed_key =
                        rules_changed(accepted->rules_before, accepted->rules, changed, sizeof(changed));
        r = store_queue_counted_since(in->store, in->target->name,
                                      usec_sub(held_since(in, before), USEC_PER_DAY), policy.queued_24h);
        if (r >= 0)
                r = policy_judge(&policy, reason);
        return r == 0 && in->doubt ? POLICY_E_HOLD : r;
}

/* A read that proves no absence asks for no removal: a frozen plan neither shrinks nor goes by that. */
static bool stays_frozen(const JudgeInput *in, const HeldPlan *before) {
        return before && (!in->absence_proven || still_asked_for(before, in->plan));
}

/* The frozen plan stays while all of it is asked for; else what is open now is frozen. */
static int hold(const JudgeInput *in, const Open *open, const Accepted *accepted, HeldPlan **before,
                const char *reason, Judgement *j) {
        int r;

        if (stays_frozen(in, *before)) {
                j->held = TAKE(*before);
                return 0;
        }
        r = store_held_put(in->store, in->target->name, HELD_PLAN, j->hash, reason, open->plan.actions,
                           open->plan.n_actions, held_since(in, *before));
        if (r >= 0)
                r = accepted_freeze(in->store, in->target, accepted);
        if (r < 0)
                return r;
        return store_held_get(in->store, in->target->name, HELD_PLAN, &j->held);
}

static int let_go(const JudgeInput *in, const Open *open, bool approved, Accepted *accepted,
                  Judgement *j) {
        int r;

        r = put_actions(in, open->plan.actions, open->plan.n_actions, approved, j);
        if (r < 0)
                return r;
        r = store_held_drop(in->store, in->target->name, HELD_PLAN);
        if (r < 0)
                return r;
        j->n_open = 0;
        /* Empty only because somebody rejected what was in it, because it waits for what is under way, or
         * because no removal is proven: nobody has approved of these rules. Nor where they break an
         * expectation. */
        if (open->n_acts == 0 && (j->n_suppressed + j->n_busy > 0 || !in->absence_proven ||
                                  (j->expect.n_failed > 0 && !approved)))
                return 0;
        return accepted_remember(in->store, in->target, accepted);
}

/* Exactly the held plan's actions; what came on top waits for the next judgement, as a plan of its own. */
static int let_held_go(const JudgeInput *in, const HeldPlan *held, Accepted *accepted, Judgement *j) {
        int r;

        r = put_actions(in, held->actions, held->n_actions, true, j);
        if (r < 0)
                return r;
        r = store_held_drop(in->store, in->target->name, HELD_PLAN);
        if (r < 0)
                return r;
        return accepted_thaw(in->store, in->target, accepted);
}

/* ---- an operator's file ---- */

static int why_not(const JudgeInput *in, const Action *a, const char **ret) {
        QueuePut put = QUEUE_PUT_NEW;
        int r;

        *ret = NULL;
        if (!actions_have(in->plan->actions, in->plan->n_actions, a) ||
            !is_carried_out(in->target, a->kind)) {
                *ret = "isn't asked for like this (any more)";
                return 0;
        }
        r = store_queue_probe(in->store, in->target->name, a, &put);
        if (put == QUEUE_PUT_SUPPRESSED)
                *ret = "was rejected or dropped, or is a dead letter: idsyncctl queue --dead";
        else if (put == QUEUE_PUT_BUSY)
                *ret = "has to wait: another action of this person is under way";
        return r;
}

/* The first action that can't be done as the plan has it, in j->unfit. */
static int find_unfit(const JudgeInput *in, const HeldPlan *plan, Judgement *j) {
        for (size_t i = 0; i < plan->n_actions; i++) {
                const Action *a = &plan->actions[i];
                const char *why;
                int r;

                r = why_not(in, a, &why);
                if (r < 0)
                        return r;
                if (why) {
                        snprintf(j->unfit, sizeof(j->unfit), "%s %s %s", action_kind_to_string(a->kind),
                                 a->address ? a->address : a->person, why);
                        return 0;
                }
        }
        return 0;
}

static bool shares_action(const HeldPlan *held, const HeldPlan *file) {
        for (size_t i = 0; held && i < file->n_actions; i++)
                if (actions_have(held->actions, held->n_actions, &file->actions[i]))
                        return true;
        return false;
}

/* All of it or nothing. Rules are accepted with it only if nothing else is open, which is seen next. What
 * is held besides is frozen anew. */
static int let_file_go(const JudgeInput *in, HeldPlan **before, HeldPlan **take_file, HeldPlan **ret_went,
                       Judgement *j) {
        HeldPlan *file = *take_file;
        int r;

        r = find_unfit(in, file, j);
        if (r < 0 || *j->unfit)
                return r;
        r = put_actions(in, file->actions, file->n_actions, true, j);
        /* Emptied, it isn't kept as it was; since when it waits counts on. */
        if (r >= 0 && shares_action(*before, file)) {
                (*before)->n_actions = 0;
                r = store_held_drop(in->store, in->target->name, HELD_PLAN);
        }
        if (r < 0)
                return r;
        judgement_use_approval(j, file->hash);
        *ret_went = TAKE(*take_file);
        return 0;
}

/* What an approval let go, and that it did, are one fact. */
static int end(const JudgeInput *in, const Judgement *j, int r) {
        if (r >= 0 && in->standing && approval_was_used(&j->approved, in->standing))
                r = standing_approve(in->store, in->target->name, NULL);
        return store_end(in->store, r);
}

static int judge_rest(const JudgeInput *in, Accepted *accepted, const HeldPlan *went, HeldPlan **before,
                      Judgement *j) {
        _cleanup_(open_deinit) Open open = { 0 };
        _cleanup_(strbuf_deinit) StrBuf reason = STRBUF_INIT(REASON_MAX);
        bool approved, waits;
        int r;

        j->n_suppressed = j->n_not_carried_out = j->n_busy = 0;
        r = find_open(in, went, j, &open);
        if (r < 0)
                return r;
        j->n_open = open.n_acts;
        r = find_failed(in, accepted, j);
        if (r < 0 || in->dry_run)
                return r;
        r = ask_policy(in, &open, accepted, *before, j, &reason);
        if (r < 0)
                return r;
        approved = judge_is_approved(in, j->hash);
        if (approved)
                judgement_use_approval(j, j->hash);
        waits = !approved && (r == POLICY_E_HOLD || (*before && !in->absence_proven));
        r = store_begin(in->store);
        if (r < 0)
                return r;
        r = resets_record(in->store, in->target->name, in->resets);
        if (r >= 0)
                r = waits ? hold(in, &open, accepted, before, reason.data, j)
                          : let_go(in, &open, approved, accepted, j);
        return end(in, j, r);
}

/* Actions that nobody asks for any more leave the queue; a held plan that an operator approved goes as it
 * was frozen, a plan from a file as it stands there. */
static int settle_earlier(const JudgeInput *in, Accepted *accepted, HeldPlan **before, HeldPlan **ret_went,
                          Judgement *j) {
        _cleanup_(held_plan_freep) HeldPlan *file = NULL;
        size_t dropped;
        int r;

        /* What an unproven read doesn't ask for is rejected as before. */
        r = store_queue_keep_only(in->store, in->target->name, in->plan->actions, in->plan->n_actions,
                                  in->absence_proven, in->wall, &dropped);
        if (r < 0)
                return r;
        r = reverts_settle(in, j);
        if (r < 0)
                return r;
        if (*before && judge_is_approved(in, (*before)->hash)) {
                if (!still_asked_for(*before, in->plan))
                        return find_unfit(in, *before, j);
                judgement_use_approval(j, (*before)->hash);
                r = let_held_go(in, *before, accepted, j);
                *ret_went = TAKE(*before);
                return r;
        }
        r = store_held_get(in->store, in->target->name, HELD_FILE, &file);
        if (r < 0 || !file || !judge_is_approved(in, file->hash))
                return r;
        return let_file_go(in, before, &file, ret_went, j);
}

int judge_plan(const JudgeInput *in, Judgement *ret) {
        _cleanup_(accepted_deinit) Accepted accepted = { 0 };
        _cleanup_(held_plan_freep) HeldPlan *before = NULL, *went = NULL;
        int r;

        r = accepted_load(in->store, in->config, in->target, &accepted);
        if (r < 0)
                return r;
        r = store_held_get(in->store, in->target->name, HELD_PLAN, &before);
        if (r < 0)
                return r;
        if (!in->dry_run) {
                r = unfinished_give_up(in);
                if (r < 0)
                        return r;
                r = store_begin(in->store);
                if (r < 0)
                        return r;
                r = end(in, ret, settle_earlier(in, &accepted, &before, &went, ret));
                if (r < 0)
                        return r;
        }
        return judge_rest(in, &accepted, went, &before, ret);
}
