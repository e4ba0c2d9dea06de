/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/log.h"
#include "net/backoff.h"
#include "sync/guard.h"
#include "sync/remote-internal.h"

/* A first listing that all waiting looks share begins when nothing else is under way, or after this long. */
#define LOOK_WAIT (10 * USEC_PER_MINUTE)
#define ROLES_AGE USEC_PER_DAY
/* Between listings of which no two agree; the second one comes at once. */
#define DOUBT_FIRST USEC_PER_MINUTE
#define DOUBT_CAP (15 * USEC_PER_MINUTE)

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

Channel *remote_channel(Remote *r) {
        return r->channel;
}

const RemoteReport *remote_report(const Remote *r) {
        return &r->report;
}

bool remote_is_quarantined(const Remote *r) {
        return quarantine_is_on(r->quarantine);
}

RemoteState remote_state(const Remote *r) {
        return r->report.state == REMOTE_OK && remote_is_quarantined(r) ? REMOTE_PARKED : r->report.state;
}

const char *remote_reason(const Remote *r) {
        usec_t until;

        return r->report.state == REMOTE_OK && remote_is_quarantined(r)
                       ? quarantine_reason(r->quarantine, &until)
                       : r->report.reason;
}

void remote_finish(Remote *r) {
        remote_done_t done = r->done;

        if (!done)
                return;
        r->done = NULL;
        r->in.people = NULL;
        r->links = links_free(r->links);
        r->report.read_at = r->in.read_at;
        r->report.compared = loop_wall(r->env.loop);
        remote_kick(r);
        r->env.changed(r->env.userdata);
        done(r, r->userdata);
}

void remote_fail(Remote *r, RemoteState state, const char *reason) {
        r->report.state = state;
        snprintf(r->report.reason, sizeof(r->report.reason), "%s", reason);
        remote_finish(r);
}

void remote_finish_fault(Remote *r, const char *reason) {
        r->fault = true;
        remote_fail(r, REMOTE_INCOMPLETE, reason);
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
                  "%s: the accounts couldn't be listed: %s; nothing is removed or created on this account",
                  r->target->name, result->outcome.detail);
        r->listing_failed = true;
}

static void hasten_look(Remote *r);

/* Wall time. */
static usec_t next_listing(const Remote *r) {
        usec_t free_at = channel_next_free(r->channel),
               doubted = usec_sub(r->doubted_until, loop_now(r->env.loop));

        if (doubted > 0)
                doubted = usec_add(loop_wall(r->env.loop), doubted);
        return doubted > free_at ? doubted : free_at;
}

/* Without any listing nothing runs, also while no cycle asks for one. */
static void try_again(Remote *r) {
        usec_t wait = usec_sub(next_listing(r), loop_wall(r->env.loop));

        r->look_wanted = true;
        r->look_until = usec_add(loop_now(r->env.loop), wait > USEC_PER_SEC ? wait : USEC_PER_SEC);
        loop_timer_at(r->look_timer, r->look_until);
}

/* A listing that isn't believed is none. */
static void doubt(Remote *r, ListerResult *result) {
        _cleanup_(links_freep) Links *links = NULL;
        char text[SHRINK_TEXT_MAX] = "";
        int q;

        q = store_links_load(r->env.store, r->target->name, &links);
        if (q >= 0)
                q = shrink_judge(r->env.store, r->target, links, result->accounts, text);
        if (q == 0 || q == SHRINK_E_AGREED) {
                memcpy(r->doubt, text, sizeof(r->doubt));
                r->n_doubted = 0;
                r->doubted_until = 0;
                return;
        }
        r->doubted_until = usec_add(loop_now(r->env.loop),
                                    backoff_doubled(r->n_doubted++, DOUBT_FIRST, DOUBT_CAP));
        result->accounts = accounts_free(result->accounts);
        result->incomplete = true;
        snprintf(result->outcome.detail, sizeof(result->outcome.detail), "%s",
                 q < 0 ? store_error(r->env.store) : text);
}

static void on_listed(ListerResult *result, void *userdata) {
        Remote *r = userdata;

        if (lister_roles_came(r->lister))
                r->roles_read = loop_now(r->env.loop);
        if (result->accounts)
                doubt(r, result);
        if (!result->accounts) {
                say_listing_failed(r, result);
                look_ended(r, NULL);
                if (!r->done && !r->accounts)
                        try_again(r);
                if (r->done)
                        remote_fail(r, result->incomplete ? REMOTE_INCOMPLETE
                                : result->outcome.class == OUTCOME_AUTH ? REMOTE_PARKED : REMOTE_UNREACHABLE,
                             result->outcome.detail);
                return;
        }
        r->listing_failed = false;
        accounts_free(r->accounts);
        r->accounts = TAKE(result->accounts);
        r->report.pages = result->pages;
        look_ended(r, r->accounts);
        remote_kick(r);
        /* A look that was wanted meanwhile waited for this listing to end. */
        hasten_look(r);
        if (r->done)
                loop_task_arm(r->decide);
}

/* A short first page may end the listing when nobody without a link belongs here: then no create is
 * planned. A canary may stand on a later page. */
static bool nobody_is_new(const Remote *r) {
        return r->target->n_canaries == 0 && r->in.people && r->links && r->links->n >= r->in.people->n;
}

int remote_list(Remote *r) {
        usec_t now = loop_now(r->env.loop);
        bool with_roles = r->roles_read == 0 || r->role_unknown || now - r->roles_read > ROLES_AGE;
        bool may_end_short;
        int q;

        if (with_roles)
                r->roles_read = 0;
        r->report.pages = 0;
        r->listed = true;
        may_end_short = !r->look_wanted && !r->want_whole && nobody_is_new(r);
        r->want_whole = false;
        q = lister_start(r->lister, with_roles, may_end_short, may_end_short ? r->links : NULL, on_listed,
                         r);
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

        if (!r->accounts || r->in.fresh_listing || r->want_whole ||
            (!r->roles_read && channel_driver(r->channel)->has_roles_call))
                return false;
        return r->accounts->begun <= wall && wall - r->accounts->begun < r->target->list_interval;
}

/* The listing may fail, or outlast the next read: who is seen now was seen all the same. */
static int begin_with_listing(Remote *r) {
        int q;

        q = remote_keep_links_up(r, NULL);
        if (q < 0 || lister_is_running(r->lister))
                return q;
        return remote_list(r);
}

static int could_not_begin(Remote *r, int q) {
        r->fault = true;
        r->in.people = NULL;
        remote_fail(r, REMOTE_INCOMPLETE, store_strerror(r->env.store, q));
        return q;
}

int remote_reconcile(Remote *r, const RemoteInput *in, remote_done_t done, void *userdata) {
        int q;

        if (r->done)
                return -EBUSY;
        r->again = false;
        r->report.bad_role = false;
        r->fault = false;
        q = remote_load_links(r);
        if (q < 0)
                return could_not_begin(r, q);
        r->in = *in;
        r->listed = false;
        if (listing_is_young(r))
                loop_task_arm(r->decide);
        else {
                q = begin_with_listing(r);
                if (q < 0)
                        return could_not_begin(r, q);
        }
        r->done = done;
        r->userdata = userdata;
        return 0;
}

usec_t remote_retry_at(const Remote *r) {
        if (r->again && !r->done)
                return 0;
        if (r->fault || r->report.bad_role ||
            (r->report.state != REMOTE_UNREACHABLE && r->report.state != REMOTE_INCOMPLETE &&
             r->report.state != REMOTE_PARKED))
                return USEC_INFINITY;
        return next_listing(r);
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
        if (now < r->doubted_until)
                loop_timer_at(r->look_timer, r->doubted_until);
        else if (!wants_look(r) && now < r->look_until)
                loop_timer_at(r->look_timer, r->look_until);
        else if (remote_list(r) < 0)
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
        usec_t most = 2 * r->env.config->directory.poll_interval;

        if (r->planned_by == 0)
                return false;
        return r->env.once || loop_now(r->env.loop) - r->planned_by < most;
}

static int change_listing(Accounts **accounts, const char *was, const Account *now) {
        Accounts *rest = NULL;
        int q;

        if (was && now && str_eq(was, now->remote_id)) {
                q = accounts_replace(*accounts, now);
                if (q <= 0)
                        return q;
        }
        if (!was || !accounts_by_id(*accounts, was))
                return now ? accounts_add(*accounts, now) : 0;
        q = accounts_without(*accounts, was, &rest);
        /* now may stand in the old listing. */
        if (q >= 0 && now)
                q = accounts_add(rest, now);
        accounts_free(*accounts);
        *accounts = rest;
        return q;
}

static void on_account_changed(const char *was, const Account *now, void *userdata) {
        Remote *r = userdata;

        if (!r->accounts)
                return;
        /* Without memory for it the listing is worth nothing: the next cycle takes a fresh one. */
        if (change_listing(&r->accounts, was, now) < 0)
                r->accounts = accounts_free(r->accounts);
        else
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

static void on_called(const CallEvent *event, void *userdata) {
        Remote *r = userdata;

        r->env.called(event, r->env.userdata);
}

static void on_quarantine(void *userdata) {
        Remote *r = userdata;

        remote_kick(r);
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
                        .called = on_called,
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
        q = quarantine_new(env->loop, env->store, r->target, on_quarantine, r, &r->quarantine);
        if (q < 0)
                return q;
        q = worker_new(env->loop, env->store, env->config, channel, r->quarantine, &hooks, &r->worker);
        if (q < 0)
                return q;
        q = resetter_new(env->loop, env->store, env->config, channel, r->quarantine, &hooks,
                         &r->resetter);
        if (q < 0)
                return q;
        q = loop_task_new(env->loop, LOOP_SLICE, "compare people and accounts", remote_decide, r,
                          &r->decide);
        if (q < 0)
                return q;
        q = loop_timer_new(env->loop, LOOP_SLICE, "look at the target", begin_look, r, &r->look_timer);
        if (q < 0)
                return q;
        q = remote_update_pause(r);
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
        quarantine_free(r->quarantine);
        loop_task_free(r->decide);
        loop_timer_free(r->look_timer);
        accounts_free(r->accounts);
        links_free(r->links);
        plan_free(r->plan);
        held_plan_free(r->held);
        tell_deinit(&r->tell);
        free(r);
        return NULL;
}

void remote_start(Remote *r) {
        QueueCounts counts = { 0 };

        worker_start(r->worker);
        resetter_start(r->resetter);
        if (store_queue_counts(r->env.store, r->target->name, &counts) < 0)
                return;
        if (counts.waiting + counts.uncertain > 0 && !r->roles_read && !lister_is_running(r->lister) &&
            !remote_is_paused(r))
                (void) remote_list(r);
}

void remote_drain(Remote *r) {
        char text[USEC_FORMAT_MAX];

        if (r->done) {
                r->report.state = REMOTE_UNREACHABLE;
                snprintf(r->report.reason, sizeof(r->report.reason),
                         "the listing wasn't finished; the next call is free at %s",
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
        return !r->done && !lister_is_running(r->lister) && worker_is_idle(r->worker) &&
               resetter_is_idle(r->resetter);
}

usec_t remote_next_due(const Remote *r) {
        usec_t wall = loop_wall(r->env.loop), free_at;

        if (lister_is_running(r->lister)) {
                free_at = channel_next_free(r->channel);
                return free_at > wall ? free_at : 0;
        }
        /* The listing is there; what comes of it isn't known yet. */
        if (r->done)
                return 0;
        if (resetter_is_sent(r->resetter))
                return 0;
        return worker_next_due(r->worker);
}

usec_t remote_parked_until(const Remote *r) {
        return remote_parked(r, NULL, NULL);
}

bool remote_is_failing(const Remote *r) {
        return channel_is_failing(r->channel);
}

void remote_retry_refused(Remote *r) {
        channel_retry_refused(r->channel);
        quarantine_lift(r->quarantine, "the configuration was read anew");
}
