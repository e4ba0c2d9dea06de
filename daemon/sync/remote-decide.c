/* SPDX-License-Identifier: Apache-2.0 */
/* From people, links and a listing to a plan, and from the plan to queue or hold. */
#include <errno.h>

#include "base/log.h"
#include "base/siphash.h"
#include "sync/guard.h"
#include "sync/remote-internal.h"
#include "sync/standing.h"

/* Once in each process: one that begins anew is read by people who didn't read the last one. */
static bool log_held(Remote *r) {
        LogFields fields = {
                .message_id = MSGID_PLAN_HELD,
                .target = r->target->name,
                .cycle = r->in.cycle,
                .plan = r->held->hash,
        };

        if (str_eq(r->held_told, r->held->hash))
                return false;
        memcpy(r->held_told, r->held->hash, sizeof(r->held_told));
        log_event(LOG_WARNING, &fields, "%s: plan %s with %zu %s is held: %s", r->target->name,
                  r->held->hash, r->held->n_actions, r->held->n_actions == 1 ? "action" : "actions",
                  r->held->reason);
        return true;
}

/* Each set of failures is said once; the line of a held plan says it already. */
static void log_failed(Remote *r, const Judgement *j, bool told) {
        const LogFields fields = {
                .message_id = MSGID_EXPECTATION_FAILED,
                .target = r->target->name,
                .cycle = r->in.cycle,
        };
        uint64_t before = r->failed_seen;
        SipHash h;

        siphash_init(&h);
        for (size_t i = 0; i < j->expect.n; i++)
                if (!j->expect.items[i].holds)
                        siphash_add_str(&h, j->expect.items[i].text);
        r->failed_seen = j->expect.n_failed > 0 ? siphash_end(&h) : 0;
        if (r->failed_seen == before || told)
                return;
        for (size_t i = 0; i < j->expect.n; i++)
                if (!j->expect.items[i].holds)
                        log_event(LOG_WARNING, &fields, "%s: %s", r->target->name, j->expect.items[i].text);
}

static void log_summary(Remote *r, const Judgement *j) {
        LogFields fields = { .target = r->target->name, .cycle = r->in.cycle };
        int priority = j->n_queued + j->n_adopted > 0 ? LOG_INFO : LOG_DEBUG;

        log_event(priority, &fields,
                  "%s: %zu people belong here, %zu accounts; %zu actions queued, %zu accounts adopted, %zu "
                  "blocked",
                  r->target->name, r->plan->n_in_scope, r->accounts->n, j->n_queued, j->n_adopted,
                  r->plan->n_blocked);
}

static void apply_judgement(Remote *r, Judgement *j) {
        bool told = false;

        r->report.n_suppressed = j->n_suppressed;
        memcpy(r->report.hash, j->hash, sizeof(j->hash));
        r->report.approved = j->approved;
        memcpy(r->report.unfit, j->unfit, sizeof(j->unfit));
        r->report.n_open = j->n_open;
        r->report.n_not_carried_out = j->n_not_carried_out;
        r->held = held_plan_free(r->held);
        r->held = TAKE(j->held);
        r->report.held = r->held;
        if (channel_is_paused(r->channel))
                r->report.state = REMOTE_PAUSED;
        else if (r->held)
                r->report.state = REMOTE_HELD;
        else
                r->report.state = REMOTE_OK;
        if (r->held) {
                snprintf(r->report.reason, sizeof(r->report.reason), "%s", r->held->reason);
                told = log_held(r);
        } else
                r->held_told[0] = '\0';
        log_failed(r, j, told);
        log_summary(r, j);
}

/* Those of the command line, and the one that an operator gave the daemon, which goes to `standing`. The
 * list borrows from both. */
static int collect_approvals(Remote *r, char standing[static PLAN_HASH_LEN + 1], char ***ret,
                             size_t *ret_n) {
        int q;

        q = standing_approval(r->env.store, r->target->name, standing);
        if (q < 0)
                return q;
        *ret = calloc(r->env.n_approvals + 1, sizeof(**ret));
        if (!*ret)
                return -ENOMEM;
        for (size_t i = 0; i < r->env.n_approvals; i++)
                (*ret)[i] = r->env.approvals[i];
        *ret_n = r->env.n_approvals;
        if (*standing)
                (*ret)[(*ret_n)++] = standing;
        return 0;
}

/* An approval counts for one judgement: used it is spent, one that fitted no plan is told. */
static int settle_approval(Remote *r, const char *standing) {
        LogFields fields = {
                .message_id = MSGID_APPROVAL_STALE,
                .target = r->target->name,
                .cycle = r->in.cycle,
                .plan = standing,
        };

        if (!*standing || r->env.dry_run || approval_was_used(&r->report.approved, standing))
                return 0;
        snprintf(r->report.stale, sizeof(r->report.stale), "%s", standing);
        log_event(LOG_WARNING, &fields,
                  "%s: the approval %s fits no plan that is asked for now: nothing was done for it%s%s%s%s",
                  r->target->name, standing, *r->report.unfit ? ": " : "", r->report.unfit,
                  r->held ? "; now held is plan " : "", r->held ? r->held->hash : "");
        return standing_approve(r->env.store, r->target->name, NULL);
}

static int judge(Remote *r) {
        char standing[PLAN_HASH_LEN + 1];
        _cleanup_(freep) char **approvals = NULL;
        size_t n_approvals = 0;
        _cleanup_(judgement_deinit) Judgement j = { 0 };
        _cleanup_(resets_deinit) Resets resets = { 0 };
        ResetsInput ask = {
                .store = r->env.store,
                .config = r->env.config,
                .target = r->target,
                .people = r->in.people,
                .links = r->links,
                .accounts = r->accounts,
                .cycle = r->in.cycle,
                .paused = channel_is_paused(r->channel),
        };
        JudgeInput in = {
                .store = r->env.store,
                .config = r->env.config,
                .target = r->target,
                .plan = r->plan,
                .links = r->links,
                .accounts = r->accounts,
                .own_login = channel_own_login(r->channel),
                .people = r->in.people,
                .resets = &resets,
                .cycle = r->in.cycle,
                .wall = loop_wall(r->env.loop),
                .doubt = *r->doubt ? r->doubt : NULL,
                .absence_proven = r->in.absence_proven,
                .dry_run = r->env.dry_run,
        };
        int q;

        q = collect_approvals(r, standing, &approvals, &n_approvals);
        if (q < 0)
                return q;
        in.approvals = approvals;
        in.n_approvals = n_approvals;
        in.standing = *standing ? standing : NULL;
        q = resets_find(&ask, r->plan, &resets);
        if (q < 0)
                return q;
        q = judge_plan(&in, &j);
        if (q < 0)
                return q;
        r->again = false;
        apply_judgement(r, &j);
        return settle_approval(r, standing);
}

static int make_plan(Remote *r, ErrCtx *err) {
        const Roles *roles = lister_roles(r->lister);
        const TargetDriver *driver = channel_driver(r->channel);
        _cleanup_(freep) const char **labels = NULL;
        _cleanup_(removals_deinit) Removals queued = { 0 };
        DiffInput in = {
                .target = r->target,
                .capabilities = &driver->capabilities,
                .n_groups = r->env.config->n_groups,
                .people = r->in.people,
                .accounts = r->accounts,
                .links = r->links,
                .absence_proven = r->in.absence_proven,
                .own_login = channel_own_login(r->channel),
        };
        int q;

        if (driver->has_roles_call) {
                labels = calloc(roles->n + 1, sizeof(*labels));
                if (!labels)
                        return -ENOMEM;
                for (size_t i = 0; i < roles->n; i++)
                        labels[i] = roles->items[i].label;
                in.known_roles = labels;
                in.n_known_roles = roles->n;
        }
        q = removals_load(r->env.store, r->target->name, 0, &queued);
        if (q < 0)
                return q;
        in.queued = queued.items;
        in.n_queued = queued.n;
        return diff_run(&in, &r->plan, err);
}

int remote_load_links(Remote *r) {
        r->links = links_free(r->links);
        return store_links_load(r->env.store, r->target->name, &r->links);
}

static void say_store_fault(Remote *r) {
        LogFields fields = { .message_id = MSGID_STORE_FAULT, .target = r->target->name };

        log_event(LOG_ERR, &fields, "%s: the store failed: %s", r->target->name, store_error(r->env.store));
        remote_finish_fault(r, store_error(r->env.store));
}

int remote_keep_links_up(Remote *r, const Accounts *accounts) {
        const UpkeepInput in = {
                .store = r->env.store,
                .target = r->target,
                .n_groups = r->env.config->n_groups,
                .people = r->in.people,
                .accounts = accounts,
                .read = r->in.started,
                .grow = r->in.grow,
                .absence_proven = r->in.absence_proven,
                .in_doubt = *r->doubt,
        };
        _cleanup_(links_freep) Links *links = NULL;
        int q;

        r->in.grow = 0;
        if (accounts)
                return upkeep_links(&in, r->links);
        /* Those of the comparison may be lent to the lister. */
        q = store_links_load(r->env.store, r->target->name, &links);
        return q < 0 ? q : upkeep_links(&in, links);
}

/* Who belonged here in between, and who didn't, counts for the grace, though no plan comes of it. */
int remote_renew(Remote *r, const RemoteInput *in) {
        const RemoteInput before = r->in;
        int q;

        r->in = *in;
        /* The comparison began when it began. */
        r->in.started = before.started;
        r->in.fresh_listing = before.fresh_listing;
        r->in.grow = usec_add(in->grow, before.grow);
        q = remote_keep_links_up(r, NULL);
        if (q < 0)
                r->in = before;
        return q;
}

static bool has_approval(const Remote *r) {
        char standing[PLAN_HASH_LEN + 1];

        if (r->env.n_approvals > 0)
                return true;
        return standing_approval(r->env.store, r->target->name, standing) < 0 || *standing;
}

/* Neither queued, nor suppressed, nor held: it would go ahead now. */
static bool is_new(const Remote *r, const HeldPlan *held, const Action *a) {
        QueuePut put = QUEUE_PUT_NEW;

        if (store_queue_probe(r->env.store, r->target->name, a, &put) < 0 || put != QUEUE_PUT_NEW)
                return false;
        return !held || !actions_have(held->actions, held->n_actions, a);
}

static bool takes_something_new(const Remote *r) {
        _cleanup_(held_plan_freep) HeldPlan *held = NULL;
        const size_t *count = r->plan->count;

        if (count[ACTION_DELETE] + count[ACTION_DISABLE] + count[ACTION_RECREATE] == 0)
                return false;
        /* One that can't be read holds nothing back. */
        if (!has_approval(r))
                (void) store_held_get(r->env.store, r->target->name, HELD_PLAN, &held);
        for (size_t i = 0; i < r->plan->n_actions; i++)
                if (action_kind_is_destructive(r->plan->actions[i].kind) &&
                    is_new(r, held, &r->plan->actions[i]))
                        return true;
        return false;
}

/* An approved revert that takes something away. */
static bool takes_back(const Remote *r) {
        _cleanup_(held_plan_freep) HeldPlan *held = NULL;

        if (!has_approval(r))
                return false;
        if (store_held_get(r->env.store, r->target->name, HELD_REVERT, &held) < 0)
                return true;
        for (size_t i = 0; held && i < held->n_actions; i++)
                if (action_kind_is_destructive(held->actions[i].kind))
                        return true;
        return false;
}

/* Nothing is taken away on the word of a listing that is older than this cycle; and an operator may want
 * one of now. */
static bool needs_fresh_listing(const Remote *r) {
        if (r->want_whole)
                return true;
        if (r->listed || r->accounts->begun >= r->in.started)
                return false;
        return takes_something_new(r) || takes_back(r);
}

/* What the last one said was kept until now, for those who ask. */
static void clear_report(Remote *r) {
        r->plan = plan_free(r->plan);
        r->held = held_plan_free(r->held);
        r->report = (RemoteReport){ .n_accounts = r->report.n_accounts, .pages = r->report.pages };
}

/* Somebody has to change the configuration, or the role at the API: looking for it at each poll would waste
 * calls. */
static void unknown_role(Remote *r, const char *text) {
        const LogFields fields = { .target = r->target->name, .cycle = r->in.cycle };
        char interval[USEC_FORMAT_MAX];

        log_event(r->role_unknown ? LOG_DEBUG : LOG_ERR, &fields,
                  "%s: %s; the roles are read again after a reload, or with the next listing (within %s)",
                  r->target->name, text, usec_format(r->target->list_interval, interval));
        r->role_unknown = r->report.bad_role = true;
        remote_fail(r, REMOTE_INCOMPLETE, text);
}

/* Nothing that hangs on the doubt waits any more: what the listing lacks is gone. */
static int settle_doubt(Remote *r) {
        int q;

        if (!*r->doubt || r->held || r->env.dry_run)
                return 0;
        r->doubt[0] = '\0';
        q = remote_load_links(r);
        return q < 0 ? q : remote_keep_links_up(r, r->accounts);
}

void remote_decide(void *userdata) {
        Remote *r = userdata;
        ErrCtx err = { 0 };
        int q;

        if (!r->done)
                return;
        clear_report(r);
        /* Work may have gone on while the listing came in. */
        q = remote_load_links(r);
        if (q >= 0)
                q = remote_keep_links_up(r, r->accounts);
        if (q < 0) {
                say_store_fault(r);
                return;
        }
        r->report.n_accounts = r->accounts->n;
        q = make_plan(r, &err);
        if (q == PLAN_E_ROLE) {
                unknown_role(r, err.text);
                return;
        }
        if (q < 0) {
                remote_finish_fault(r, q == -ENOMEM ? "out of memory" : store_error(r->env.store));
                return;
        }
        r->role_unknown = false;
        if (needs_fresh_listing(r)) {
                r->plan = plan_free(r->plan);
                /* One that is under way brings us here again. */
                if (!lister_is_running(r->lister) && remote_list(r) < 0)
                        remote_finish_fault(r, "out of memory");
                return;
        }
        r->report.plan = r->plan;
        tell_plan(&r->tell, r->plan, r->in.cycle);
        if (judge(r) < 0 || settle_doubt(r) < 0) {
                say_store_fault(r);
                return;
        }
        /* Only now does the queue hold what this read asks for, and no more. */
        r->planned_by = r->in.read_at;
        remote_finish(r);
}
