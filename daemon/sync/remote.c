/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/log.h"
#include "sync/guard.h"
#include "sync/judge.h"
#include "sync/remote.h"
#include "sync/resets.h"
#include "sync/resetter.h"
#include "sync/upkeep.h"

/* A first listing that all waiting looks share begins when nothing else is under way, or after this long. */
#define LOOK_WAIT (10 * USEC_PER_MINUTE)
#define ROLES_AGE USEC_PER_DAY

struct Remote {
        RemoteEnv env;
        Channel *channel;
        const TargetConfig *target;
        Lister *lister;
        Worker *worker;
        Resetter *resetter;
        RemoteReport report;
        Accounts *accounts;             /* the last complete listing, with our own changes since */
        Links *links;
        Plan *plan;
        HeldPlan *held;
        usec_t roles_read;              /* monotonic; 0: never */
        bool listing_failed;            /* the last one, and that was said */
        bool listed;                    /* since this comparison began */
        bool fault;                     /* of the store or of memory ended it: the next cycle tries again, nothing before */
        usec_t asked;                   /* monotonic: the complete read that the last plan stands on; 0: none */
        uint64_t blocked_seen;          /* what was logged last, so that it is said once */
        /* reconciling */
        RemoteInput in;
        remote_done_t done;
        void *userdata;
        LoopTask *decide;
        /* looking */
        bool look_wanted, look_running;
        usec_t look_until;              /* monotonic: it begins then, whatever else goes on */
        LoopTimer *look_timer;
};

const char *remote_state_to_string(RemoteState s) {
        static const char *const names[] = {
                [REMOTE_UNKNOWN] = "unknown",
                [REMOTE_OK] = "ok",
                [REMOTE_HELD] = "held",
                [REMOTE_INCOMPLETE] = "incomplete",
                [REMOTE_UNREACHABLE] = "unreachable",
                [REMOTE_PARKED] = "parked",
                [REMOTE_PAUSED] = "paused",
        };

        return names[s];
}

const TargetConfig *remote_config(const Remote *r) {
        return r->target;
}

const RemoteReport *remote_report(const Remote *r) {
        return &r->report;
}

static void kick(Remote *r) {
        worker_kick(r->worker);
        resetter_kick(r->resetter);
}

static void finish(Remote *r) {
        remote_done_t done = r->done;

        if (!done)
                return;
        r->done = NULL;
        r->in.people = NULL;
        kick(r);
        done(r, r->userdata);
}

static void fail(Remote *r, RemoteState state, const char *reason) {
        r->report.state = state;
        snprintf(r->report.reason, sizeof(r->report.reason), "%s", reason);
        finish(r);
}

static void finish_fault(Remote *r, const char *reason) {
        r->fault = true;
        fail(r, REMOTE_INCOMPLETE, reason);
}

/* ---- deciding ---- */

static uint64_t blocked_fingerprint(const Plan *plan) {
        uint64_t h = 14695981039346656037u;

        for (size_t i = 0; i < plan->n_blocked; i++)
                for (const char *p = plan->blocked[i].reason; *p; p++)
                        h = (h ^ (uint8_t) *p) * 1099511628211u;
        return plan->n_blocked > 0 ? h : 0;
}

static void log_blocked(Remote *r) {
        uint64_t h = blocked_fingerprint(r->plan);

        if (h == r->blocked_seen)
                return;
        r->blocked_seen = h;
        for (size_t i = 0; i < r->plan->n_blocked; i++) {
                const PlanBlocked *b = &r->plan->blocked[i];
                LogFields fields = {
                        .message_id = MSGID_PERSON_BLOCKED,
                        .target = r->target->name,
                        .cycle = r->in.cycle,
                        .person = b->person,
                        .account = b->address,
                };

                log_event(LOG_WARNING, &fields, "%s: %s is blocked: %s", r->target->name,
                          b->address ? b->address : b->person, b->reason);
        }
}

static void log_held(Remote *r) {
        LogFields fields = {
                .message_id = MSGID_PLAN_HELD,
                .target = r->target->name,
                .cycle = r->in.cycle,
                .plan = r->held->hash,
        };

        log_event(LOG_WARNING, &fields, "%s: plan %s with %zu %s is held: %s", r->target->name, r->held->hash,
                  r->held->n_actions, r->held->n_actions == 1 ? "action" : "actions", r->held->reason);
}

static void log_summary(Remote *r, const Judgement *j) {
        LogFields fields = { .target = r->target->name, .cycle = r->in.cycle };
        int priority = j->n_queued + j->n_adopted > 0 ? LOG_INFO : LOG_DEBUG;

        log_event(priority, &fields, "%s: %zu people belong here, %zu accounts; %zu actions queued, %zu accounts adopted, %zu blocked",
                  r->target->name, r->plan->n_in_scope, r->accounts->n, j->n_queued, j->n_adopted, r->plan->n_blocked);
}

static void apply_judgement(Remote *r, Judgement *j) {
        r->report.n_suppressed = j->n_suppressed;
        memcpy(r->report.hash, j->hash, sizeof(j->hash));
        memcpy(r->report.approved, j->approved, sizeof(j->approved));
        r->report.n_open = j->n_open;
        r->report.n_not_carried_out = j->n_not_carried_out;
        r->held = held_plan_free(r->held);
        r->held = TAKE(j->held);
        r->report.held = r->held;
        if (r->target->paused)
                r->report.state = REMOTE_PAUSED;
        else if (r->held)
                r->report.state = REMOTE_HELD;
        else
                r->report.state = REMOTE_OK;
        if (r->held) {
                snprintf(r->report.reason, sizeof(r->report.reason), "%s", r->held->reason);
                if (j->newly_held)
                        log_held(r);
        }
        log_summary(r, j);
}

static int judge(Remote *r) {
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
        };
        JudgeInput in = {
                .store = r->env.store,
                .config = r->env.config,
                .target = r->target,
                .plan = r->plan,
                .links = r->links,
                .people = r->in.people,
                .resets = &resets,
                .approvals = r->env.approvals,
                .n_approvals = r->env.n_approvals,
                .cycle = r->in.cycle,
                .wall = loop_wall(r->env.loop),
                .absence_proven = r->in.absence_proven,
                .dry_run = r->env.dry_run,
        };
        int q;

        q = resets_find(&ask, r->plan, &resets);
        if (q < 0)
                return q;
        q = judge_plan(&in, &j);
        if (q < 0)
                return q;
        apply_judgement(r, &j);
        return 0;
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

static int load_links(Remote *r) {
        r->links = links_free(r->links);
        return store_links_load(r->env.store, r->target->name, &r->links);
}

static void say_store_fault(Remote *r) {
        LogFields fields = { .message_id = MSGID_STORE_FAULT, .target = r->target->name };

        log_event(LOG_ERR, &fields, "%s: the store failed: %s", r->target->name, store_error(r->env.store));
        finish_fault(r, store_error(r->env.store));
}

/* The time counts once for each read, however often it is compared. */
static int keep_links_up(Remote *r) {
        const UpkeepInput in = {
                .store = r->env.store,
                .target = r->target,
                .n_groups = r->env.config->n_groups,
                .people = r->in.people,
                .accounts = r->accounts,
                .grow = r->in.grow,
                .absence_proven = r->in.absence_proven,
        };

        r->in.grow = 0;
        return upkeep_links(&in, r->links);
}

static int start_listing(Remote *r);

/* Nothing is taken away on the word of a listing that is older than this cycle. */
static bool needs_fresh_listing(const Remote *r) {
        if (r->listed || r->accounts->begun >= r->in.started)
                return false;
        for (size_t i = 0; i < r->plan->n_actions; i++)
                if (action_kind_is_destructive(r->plan->actions[i].kind))
                        return true;
        return false;
}

static void on_decide(void *userdata) {
        Remote *r = userdata;
        ErrCtx err = { 0 };
        int q;

        if (!r->done)
                return;
        /* Work may have gone on while the listing came in. */
        q = load_links(r);
        if (q >= 0 && !r->env.dry_run)
                q = keep_links_up(r);
        if (q < 0) {
                say_store_fault(r);
                return;
        }
        r->report.n_accounts = r->accounts->n;
        q = make_plan(r, &err);
        if (q == PLAN_E_ROLE) {
                r->report.bad_role = true;
                r->roles_read = 0;
                log_error("%s: %s", r->target->name, err.text);
                fail(r, REMOTE_INCOMPLETE, err.text);
                return;
        }
        if (q < 0) {
                finish_fault(r, q == -ENOMEM ? "out of memory" : store_error(r->env.store));
                return;
        }
        if (needs_fresh_listing(r)) {
                r->plan = plan_free(r->plan);
                /* One that is under way brings us here again. */
                if (!lister_is_running(r->lister) && start_listing(r) < 0)
                        finish_fault(r, "out of memory");
                return;
        }
        r->report.plan = r->plan;
        r->asked = r->in.read_at;
        log_blocked(r);
        if (judge(r) < 0) {
                say_store_fault(r);
                return;
        }
        finish(r);
}

/* ---- listing ---- */

static void look_ended(Remote *r, const Accounts *accounts) {
        if (!r->look_running)
                return;
        r->look_running = false;
        worker_looked(r->worker, accounts);
        resetter_looked(r->resetter, accounts);
}

static void say_listing_failed(Remote *r, const ListerResult *result) {
        LogFields fields = {
                .message_id = MSGID_LISTING_INCOMPLETE,
                .target = r->target->name,
                .cycle = r->in.cycle,
                .outcome = outcome_class_to_string(result->outcome.class),
                .http_status = result->outcome.http_status,
        };

        /* Once for each outage: the channel tells of every try. */
        log_event(r->listing_failed ? LOG_DEBUG : LOG_WARNING, &fields,
                  "%s: the accounts couldn't be listed: %s; nothing is removed or created on this account", r->target->name,
                  result->outcome.detail);
        r->listing_failed = true;
}

static void hasten_look(Remote *r);

/* Without any listing nothing runs, also while no cycle asks for one. */
static void try_again(Remote *r) {
        usec_t wait = usec_sub(channel_next_free(r->channel), loop_wall(r->env.loop));

        r->look_wanted = true;
        r->look_until = usec_add(loop_now(r->env.loop), wait > USEC_PER_SEC ? wait : USEC_PER_SEC);
        loop_timer_at(r->look_timer, r->look_until);
}

static void on_listed(ListerResult *result, void *userdata) {
        Remote *r = userdata;

        if (lister_roles_came(r->lister))
                r->roles_read = loop_now(r->env.loop);
        if (!result->accounts) {
                say_listing_failed(r, result);
                look_ended(r, NULL);
                if (!r->done && !r->accounts)
                        try_again(r);
                if (r->done)
                        fail(r, result->incomplete ? REMOTE_INCOMPLETE
                                : result->outcome.class == OUTCOME_AUTH ? REMOTE_PARKED : REMOTE_UNREACHABLE,
                             result->outcome.detail);
                return;
        }
        r->listing_failed = false;
        accounts_free(r->accounts);
        r->accounts = TAKE(result->accounts);
        r->report.pages = result->pages;
        look_ended(r, r->accounts);
        kick(r);
        /* A look that was wanted meanwhile waited for this listing to end. */
        hasten_look(r);
        if (r->done)
                loop_task_arm(r->decide);
}

/* A short first page may end the listing when nobody without a link belongs here: then no create is planned. A canary
 * may stand on a later page. */
static bool nobody_is_new(const Remote *r) {
        return r->target->n_canaries == 0 && r->in.people && r->links && r->links->n >= r->in.people->n;
}

static int start_listing(Remote *r) {
        usec_t now = loop_now(r->env.loop);
        bool with_roles = r->roles_read == 0 || now - r->roles_read > ROLES_AGE, may_end_short;
        int q;

        if (with_roles)
                r->roles_read = 0;
        r->report.pages = 0;
        r->listed = true;
        may_end_short = !r->look_wanted && nobody_is_new(r);
        q = lister_start(r->lister, with_roles, may_end_short, may_end_short ? r->links : NULL, on_listed, r);
        if (q < 0)
                return q;
        if (r->look_wanted) {
                r->look_wanted = false;
                r->look_running = true;
                loop_timer_stop(r->look_timer);
                worker_look_begins(r->worker);
                resetter_look_begins(r->resetter);
        }
        return 0;
}

static bool listing_is_young(const Remote *r) {
        usec_t wall = loop_wall(r->env.loop);

        if (!r->accounts || r->in.fresh_listing || (!r->roles_read && channel_driver(r->channel)->has_roles_call))
                return false;
        return r->accounts->begun <= wall && wall - r->accounts->begun < r->target->list_interval;
}

int remote_reconcile(Remote *r, const RemoteInput *in, remote_done_t done, void *userdata) {
        int q;

        if (r->done)
                return -EBUSY;
        r->plan = plan_free(r->plan);
        r->held = held_plan_free(r->held);
        r->report = (RemoteReport){ .n_accounts = r->report.n_accounts };
        q = load_links(r);
        r->fault = q < 0;
        if (q < 0) {
                fail(r, REMOTE_INCOMPLETE, store_error(r->env.store));
                return q;
        }
        r->in = *in;
        r->listed = false;
        if (listing_is_young(r))
                loop_task_arm(r->decide);
        else if (!lister_is_running(r->lister)) {
                q = start_listing(r);
                if (q < 0)
                        return q;
        }
        r->done = done;
        r->userdata = userdata;
        return 0;
}

usec_t remote_retry_at(const Remote *r) {
        if (r->fault || r->report.bad_role || (r->report.state != REMOTE_UNREACHABLE && r->report.state != REMOTE_INCOMPLETE &&
                                   r->report.state != REMOTE_PARKED))
                return USEC_INFINITY;
        return channel_next_free(r->channel);
}

/* ---- the worker's questions ---- */

static const Roles *on_roles(void *userdata) {
        Remote *r = userdata;
        const Roles *roles = lister_roles(r->lister);

        return roles->n > 0 ? roles : NULL;
}

/* Whoever waits shares one listing: it begins when nothing else is under way. */
static bool wants_look(const Remote *r) {
        if (worker_wants_look(r->worker))
                return resetter_wants_look(r->resetter) || resetter_is_idle(r->resetter);
        return resetter_wants_look(r->resetter) && worker_is_idle(r->worker);
}

/* What is due is taken up first, so that it may share the look. */
static void begin_look(void *userdata) {
        Remote *r = userdata;
        usec_t now = loop_now(r->env.loop);

        if (!r->look_wanted || lister_is_running(r->lister))
                return;
        if (!wants_look(r) && now < r->look_until)
                loop_timer_at(r->look_timer, r->look_until);
        else if (start_listing(r) < 0)
                loop_timer_after(r->look_timer, USEC_PER_SEC);
}

static void hasten_look(Remote *r) {
        if (r->look_wanted)
                loop_timer_after(r->look_timer, 0);
}

static void on_look(void *userdata) {
        Remote *r = userdata;

        if (!r->look_wanted) {
                r->look_wanted = true;
                r->look_until = usec_add(loop_now(r->env.loop), LOOK_WAIT);
                loop_timer_at(r->look_timer, r->look_until);
        }
        hasten_look(r);
}

static const Accounts *on_accounts(void *userdata) {
        return ((Remote *) userdata)->accounts;
}

static bool on_is_fresh(void *userdata) {
        Remote *r = userdata;

        if (r->asked == 0)
                return false;
        return r->env.once || loop_now(r->env.loop) - r->asked < 2 * r->env.config->directory.poll_interval;
}

static void on_account_changed(const char *was, const Account *now, void *userdata) {
        Remote *r = userdata;

        Accounts *rest = NULL;
        int q = 0;

        if (!r->accounts)
                return;
        if (was && now && str_eq(was, now->remote_id)) {
                q = accounts_replace(r->accounts, now);
                if (q == 0)
                        return;
        }
        if (q >= 0 && was && accounts_by_id(r->accounts, was)) {
                q = accounts_without(r->accounts, was, &rest);
                /* now may stand in the old listing. */
                if (q >= 0 && now)
                        q = accounts_add(rest, now);
                accounts_free(r->accounts);
                r->accounts = rest;
        } else if (now)
                q = accounts_add(r->accounts, now);
        /* Without memory for it the listing is worth nothing: the next cycle takes a fresh one. */
        if (q < 0)
                r->accounts = accounts_free(r->accounts);
        if (r->accounts)
                r->report.n_accounts = r->accounts->n;
}

static void on_account_reset(const char *remote_id, void *userdata) {
        Remote *r = userdata;

        if (r->accounts)
                accounts_forget_reset(r->accounts, remote_id);
}

static void on_changed(void *userdata) {
        Remote *r = userdata;

        /* What was created may have left a reset behind. */
        resetter_kick(r->resetter);
        hasten_look(r);
        r->env.changed(r->env.userdata);
}

/* ---- making, starting, stopping ---- */

int remote_new(const RemoteEnv *env, Channel *channel, Remote **ret) {
        _cleanup_(remote_freep) Remote *r = calloc(1, sizeof(*r));
        WorkerHooks hooks = {
                .roles = on_roles,
                .look = on_look,
                .accounts = on_accounts,
                .is_fresh = on_is_fresh,
                .account_changed = on_account_changed,
                .account_reset = on_account_reset,
                .changed = on_changed,
                .userdata = r,
        };
        int q;

        if (!r)
                return -ENOMEM;
        r->env = *env;
        r->channel = channel;
        r->target = channel_config(channel);
        q = lister_new(channel, env->loop, &r->lister);
        if (q < 0)
                return q;
        q = worker_new(env->loop, env->store, env->config, channel, &hooks, &r->worker);
        if (q < 0)
                return q;
        q = resetter_new(env->loop, env->store, env->config, channel, &hooks, &r->resetter);
        if (q < 0)
                return q;
        q = loop_task_new(env->loop, LOOP_SLICE, "compare people and accounts", on_decide, r, &r->decide);
        if (q < 0)
                return q;
        q = loop_timer_new(env->loop, LOOP_SLICE, "look at the target", begin_look, r, &r->look_timer);
        if (q < 0)
                return q;
        *ret = TAKE(r);
        return 0;
}

Remote *remote_free(Remote *r) {
        if (!r)
                return NULL;
        worker_free(r->worker);
        resetter_free(r->resetter);
        lister_free(r->lister);
        loop_task_free(r->decide);
        loop_timer_free(r->look_timer);
        accounts_free(r->accounts);
        links_free(r->links);
        plan_free(r->plan);
        held_plan_free(r->held);
        free(r);
        return NULL;
}

void remote_start(Remote *r) {
        QueueCounts counts = { 0 };

        worker_start(r->worker);
        resetter_start(r->resetter);
        if (store_queue_counts(r->env.store, r->target->name, &counts) < 0)
                return;
        if (counts.waiting + counts.uncertain > 0 && !r->roles_read && !lister_is_running(r->lister) && !r->target->paused)
                (void) start_listing(r);
}

void remote_drain(Remote *r) {
        char text[USEC_FORMAT_MAX];

        if (r->done) {
                r->report.state = REMOTE_UNREACHABLE;
                snprintf(r->report.reason, sizeof(r->report.reason), "the listing wasn't finished; the next call is free at %s",
                         usec_format_wall(channel_next_free(r->channel), text));
        }
        r->done = NULL;
        r->in.people = NULL;
        loop_timer_stop(r->look_timer);
        lister_cancel(r->lister);
        worker_drain(r->worker);
        resetter_drain(r->resetter);
}

bool remote_is_idle(const Remote *r) {
        return !r->done && !lister_is_running(r->lister) && worker_is_idle(r->worker) && resetter_is_idle(r->resetter);
}

usec_t remote_next_due(const Remote *r) {
        usec_t wall = loop_wall(r->env.loop), free_at;

        if (lister_is_running(r->lister)) {
                free_at = channel_next_free(r->channel);
                return free_at > wall ? free_at : 0;
        }
        if (resetter_is_sent(r->resetter))
                return 0;
        return worker_next_due(r->worker);
}

usec_t remote_parked_until(const Remote *r) {
        return channel_parked_until(r->channel, NULL, NULL);
}

void remote_retry_refused(Remote *r) {
        channel_retry_refused(r->channel);
}
