/* SPDX-License-Identifier: Apache-2.0 */
/* One action through the steps of its flow. Each change of step is in the store before the next byte goes
 * out, so that a crash finds the row RUNNING and the next start looks first. */
#include <errno.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "model/address.h"
#include "store/store-ledger.h"
#include "sync/guard.h"
#include "sync/worker-internal.h"

#define TRIES_MAX 12
#define FRESH_WAIT (10 * USEC_PER_SEC)

static void job_follow(Job *job, const FlowNext *next, const Outcome *outcome);

static FlowInput flow_input(const Job *job) {
        return (FlowInput){
                .target = job->worker->target,
                .action = &job->item->action,
                .step = job->step,
                .was_uncertain = job->item->was_uncertain,
                .memo = job->item->memo,
                .wall = loop_wall(job->worker->loop),
        };
}

static LogFields job_fields(const Job *job, const Outcome *outcome) {
        const QueueItem *item = job->item;

        return (LogFields){
                .target = job->worker->target->name,
                .action = action_kind_to_string(item->action.kind),
                .action_id = item->id,
                .cycle = item->cycle,
                .person = item->action.person,
                .account = item->action.address,
                .remote_id = job->account ? job->account->remote_id : item->action.remote_id,
                .outcome = outcome ? outcome_class_to_string(outcome->class) : NULL,
                .http_status = outcome ? outcome->http_status : 0,
                .attempt = item->attempts,
        };
}

void worker_store_fault(Worker *w, int r) {
        LogFields fields = { .message_id = MSGID_STORE_FAULT, .target = w->target->name };

        w->must_recover = true;
        log_event(LOG_ERR, &fields, "%s: the queue can't be written: %s", w->target->name,
                  store_strerror(w->store, r));
}

/* ---- the end of a job ---- */

static Job *job_free(Job *job) {
        channel_call_cancel(job->call);
        loop_timer_free(job->timer);
        secret_free(job->password);
        arena_free(job->arena);
        queue_item_free(job->item);
        free(job);
        return NULL;
}

void job_end(Job *job) {
        Worker *w = job->worker;

        TAILQ_REMOVE(&w->jobs, job, link);
        w->n_jobs--;
        if (job->looking)
                w->n_looking--;
        if (job->places > 0)
                channel_give_back(w->channel, job->places);
        quarantine_leave(w->quarantine, job->item->id);
        job_free(job);
        loop_task_arm(w->task);
        w->hooks.changed(w->hooks.userdata);
}

/* A row that couldn't be written stays as it is in the store: recover() in worker.c has it looked at. */
static void end_after(Job *job, int r) {
        if (r < 0)
                worker_store_fault(job->worker, r);
        job_end(job);
}

static void forget_failures(Worker *w, int64_t id) {
        for (size_t i = 0; i < w->n_failures; i++)
                if (w->failures[i].id == id) {
                        w->failures[i] = w->failures[--w->n_failures];
                        return;
                }
}

/* The row has ended, done or as a dead letter. */
static void tell_quarantine(const Job *job, bool done) {
        quarantine_ended(job->worker->quarantine, job->item->id, done);
        quarantine_judge(job->worker->quarantine);
}

static void job_done(Job *job, const Outcome *outcome, const FlowNext *next) {
        Worker *w = job->worker;
        const Action *a = &job->item->action;
        const Account *now;
        Account changed;
        LogFields fields;
        int r;

        r = job_write_done(job, outcome, next);
        if (r >= 0) {
                forget_failures(w, job->item->id);
                fields = job_fields(job, outcome);
                fields.message_id = MSGID_ACTION_DONE;
                log_event(*next->detail ? LOG_WARNING : LOG_INFO, &fields,
                          "%s: %s %s: done, account %s%s%s", w->target->name,
                          action_kind_to_string(a->kind), a->address,
                          fields.remote_id ? fields.remote_id : "-", *next->detail ? "; " : "",
                          next->detail);
                tell_quarantine(job, true);
                now = next->link == LINK_DROP ? NULL : job_changed_account(job, &changed);
                w->hooks.account_changed(a->remote_id, now, w->hooks.userdata);
        }
        end_after(job, r);
}

static void job_dead(Job *job, const Outcome *outcome, const char *detail, bool critical) {
        /* A look that was answered, or a job that ended, may be what says no. */
        static const Outcome refused = { .class = OUTCOME_REJECTED };
        LogFields fields;
        int r;

        if (outcome && (outcome->class == OUTCOME_OK || outcome->class == OUTCOME_ALREADY))
                outcome = &refused;
        fields = job_fields(job, outcome);

        r = job_change_row(job, QUEUE_DEAD, 0, outcome, detail);
        if (r >= 0) {
                forget_failures(job->worker, job->item->id);
                fields.message_id = critical ? MSGID_RECREATE_UNFINISHED : MSGID_DEAD_LETTER;
                log_event(critical ? LOG_CRIT : LOG_ERR, &fields,
                          "%s: %s %s: given up (dead letter %lld): %s", job->worker->target->name,
                          action_kind_to_string(job->item->action.kind), job->item->action.address,
                          (long long) job->item->id, detail);
                tell_quarantine(job, false);
        }
        end_after(job, r);
}

/* The invariants say no: the next plan will say so too. */
static void job_refused(Job *job, const char *reason) {
        LogFields fields = job_fields(job, NULL);
        int r;

        r = job_change_row(job, QUEUE_DROPPED, 0, NULL, reason);
        if (r >= 0) {
                fields.message_id = MSGID_LAST_OR_PROTECTED_KEPT;
                log_event(LOG_WARNING, &fields, "%s: %s %s: not done: %s", job->worker->target->name,
                          action_kind_to_string(job->item->action.kind), job->item->action.address, reason);
        }
        end_after(job, r);
}

/* ---- failures ---- */

/* Counts a try only when others succeeded since this action's last failure: a target that is down is not
 * the action's fault. */
static void count_try(Job *job) {
        Worker *w = job->worker;
        uint64_t now = channel_successes(w->channel);
        Failure *failures;

        for (size_t i = 0; i < w->n_failures; i++)
                if (w->failures[i].id == job->item->id) {
                        if (now > w->failures[i].successes)
                                job->item->attempts++;
                        w->failures[i].successes = now;
                        return;
                }
        failures = reallocarray(w->failures, w->n_failures + 1, sizeof(*failures));
        if (!failures)
                return;
        w->failures = failures;
        w->failures[w->n_failures++] = (Failure){ job->item->id, now };
}

static bool out_of_tries(Job *job, const Outcome *outcome) {
        char detail[600];

        if (job->item->attempts < TRIES_MAX)
                return false;
        snprintf(detail, sizeof(detail), "failed %u times while other actions succeeded; last: %s",
                 job->item->attempts,
                 outcome                        ? outcome->detail
                 : str_empty(job->item->detail) ? "no answer"
                                                : job->item->detail);
        job_dead(job, outcome, detail, job->step == STEP_DELETED);
        return true;
}

static void job_later(Job *job, const Outcome *outcome) {
        Worker *w = job->worker;
        usec_t wall = loop_wall(w->loop), due = channel_next_free(w->channel);

        if (outcome->class == OUTCOME_TRANSIENT && job->sent)
                count_try(job);
        if (out_of_tries(job, outcome))
                return;
        /* After a failure others go first when the target is probed. */
        if (outcome->class == OUTCOME_TRANSIENT)
                due = usec_add(due > wall ? due : wall, USEC_PER_SEC);
        end_after(job, job_change_row(job, QUEUE_WAITING, due, outcome, outcome->detail));
}

/* Who has written nothing yet is sure of that, also after a crash: a plan may still take it back. */
static void job_look(Job *job, const Outcome *outcome) {
        Worker *w = job->worker;
        QueueState state = job_is_untouched(job) ? QUEUE_WAITING : QUEUE_UNCERTAIN;
        int r;

        r = job_change_row(job, state, loop_wall(w->loop), outcome, outcome ? outcome->detail : NULL);
        if (r < 0) {
                end_after(job, r);
                return;
        }
        job->looking = true;
        job->look_begun = false;
        w->n_looking++;
        /* It left its place to others: they may want to look as well. */
        loop_task_arm(w->task);
        w->hooks.look(w->hooks.userdata);
}

/* ---- calls ---- */

/* The places that a call leaves behind, or uses up. A write that follows a look goes out before what was
 * seen is old. */
static unsigned follow_up_of(const Job *job) {
        ActionKind kind = job->item->action.kind;

        if (job->places > 0 || job->step == STEP_DELETED)
                return 0;
        if (job->kind == CALL_GET)
                return kind == ACTION_RECREATE ? 2 : 1;
        return job->kind == CALL_DELETE && kind == ACTION_RECREATE ? 1 : 0;
}

static int make_password(Job *job, CallInput *in) {
        const Config *config = job->worker->config;
        int r;

        job->password = secret_free(job->password);
        r = secret_generate_password(config->password.length, config->password.classes, &job->password);
        in->password = job->password;
        return r;
}

static void tell_call(const Job *job, const Outcome *outcome) {
        const Worker *w = job->worker;
        const CallEvent event = {
                        .target = w->target->name,
                        .person = job->item->action.person,
                        .action = job->item->id,
                        .call = job->kind,
                        .outcome = outcome,
        };

        w->hooks.called(&event, w->hooks.userdata);
}

static bool only_looks(const Job *job) {
        return job_is_untouched(job) && !call_is_write(job->kind) && job->step == STEP_START;
}

static int on_prepare(CallInput *in, void *userdata) {
        Job *job = userdata;
        Worker *w = job->worker;
        const Roles *roles = w->hooks.roles(w->hooks.userdata);
        int r;

        in->action = &job->item->action;
        in->remote_id = job->item->action.remote_id;
        in->memo = job->item->memo;
        in->document = job->document;
        if (w->driver->has_roles_call)
                in->role_id = roles ? roles_id(roles, job->item->action.after.role) : NULL;
        if (call_has_password(job->kind)) {
                r = make_password(job, in);
                if (r < 0)
                        return r;
        }
        tell_call(job, NULL);
        if (only_looks(job))
                return 0;
        job->recorded = true;
        r = store_queue_running(w->store, job->item->id, job->step, loop_wall(w->loop));
        return r == -EINVAL || r == -ENOENT ? CHANNEL_E_NOT_WANTED : r;
}

static int on_decode(const HttpResult *result, void *userdata, ErrCtx *err) {
        Job *job = userdata;
        Worker *w = job->worker;

        job->document = NULL;
        job->arena = arena_free(job->arena);
        job->arena = arena_new();
        if (!job->arena)
                return -ENOMEM;
        return w->driver->decode_answer(w->target, job->kind, &job->item->action, result, job->arena,
                                        &job->answer, err);
}

static void on_call_done(const Outcome *outcome, bool sent, void *userdata) {
        Job *job = userdata;
        Outcome own = *outcome;
        FlowInput in;
        FlowNext next = { 0 };

        job->call = NULL;
        job->sent = sent;
        tell_call(job, outcome);
        job->password = secret_free(job->password);
        if (own.hint == HINT_NOT_WANTED || (only_looks(job) && job_row_has_ended(job))) {
                job_end(job);
                return;
        }
        if (own.class == OUTCOME_UNCERTAIN) {
                job->item->was_uncertain = true;
                count_try(job);
        }
        in = flow_input(job);
        in.outcome = &own;
        in.call = job->kind;
        if (own.class == OUTCOME_OK && own.hint != HINT_NOT_FOUND) {
                in.answer = &job->answer;
                job->account = job->answer.has_account ? &job->answer.account : NULL;
                job->document = job->answer.document;
        }
        job->worker->driver->flow_after(&in, &next);
        job_follow(job, &next, &own);
}

static int ask_guard(Job *job, ErrCtx *err) {
        Worker *w = job->worker;
        GuardInput in = {
                .store = w->store,
                .target = w->target,
                .accounts = w->hooks.accounts(w->hooks.userdata),
                .id = job->item->id,
                .action = &job->item->action,
                .current = job->account,
                .own_login = channel_own_login(w->channel),
        };

        if (!in.accounts && in.action->kind != ACTION_CREATE)
                return err_set(err, GUARD_E_BREACH, 0, "no listing of the target's accounts is at hand");
        return guard_check(&in, err);
}

/* The role's id is looked up before anything is taken away for it. */
static bool lacks_role(const Job *job) {
        const Worker *w = job->worker;
        const Action *a = &job->item->action;
        const Roles *roles;

        if (!w->driver->has_roles_call || !call_is_write(job->kind) || !a->has_after || !a->after.role)
                return false;
        roles = w->hooks.roles(w->hooks.userdata);
        return !roles || !roles_id(roles, a->after.role);
}

/* Nothing is taken away that a recent complete read doesn't ask for; what was begun is finished all the
 * same. */
static bool is_outdated(const Job *job) {
        const QueueItem *item = job->item;

        return !job->recorded && item->state == QUEUE_WAITING && item->step == STEP_START &&
               action_kind_is_destructive(item->action.kind) &&
               !job->worker->hooks.is_fresh(job->worker->hooks.userdata);
}

static void job_put_off(Job *job) {
        usec_t wait = job->worker->config->directory.poll_interval;

        if (wait > FRESH_WAIT)
                wait = FRESH_WAIT;
        end_after(job, job_change_row(job, job->item->state, usec_add(loop_wall(job->worker->loop), wait),
                                      NULL, "waits for a recent complete read that still asks for it"));
}

static void job_call(Job *job, Call call) {
        ChannelSpec spec = {
                .call = call,
                .priority = action_kind_is_destructive(job->item->action.kind) ? CALL_PRIORITY_REMOVAL
                                                                               : CALL_PRIORITY_CREATE,
                .prepare = on_prepare,
                .decode = on_decode,
                .done = on_call_done,
                .userdata = job,
        };
        Outcome outcome = { .class = OUTCOME_TRANSIENT, .detail = "out of memory" };
        ErrCtx err = { 0 };
        int r;

        job->kind = call;
        if (call_is_write(call) && worker_holds_back(job->worker, job)) {
                job_end(job);
                return;
        }
        /* It may have waited long for the look before it. */
        if (call_is_write(call) && is_outdated(job)) {
                job->step = STEP_START;
                job_put_off(job);
                return;
        }
        if (lacks_role(job)) {
                snprintf(outcome.detail, sizeof(outcome.detail), "the API has no role \"%.200s\"",
                         job->item->action.after.role);
                job_dead(job, NULL, outcome.detail, job->step == STEP_DELETED);
                return;
        }
        if (call_is_write(call) && job->step != STEP_DELETED) {
                r = ask_guard(job, &err);
                if (r < 0) {
                        end_after(job, r);
                        return;
                }
                if (r > 0) {
                        job_refused(job, err.text);
                        return;
                }
        }
        job->account = NULL;
        job->answer = (Answer){ 0 };
        spec.follow_up = follow_up_of(job);
        spec.has_place = job->places > 0 && call_is_write(call);
        spec.places = &job->places;
        if (channel_call(job->worker->channel, &spec, &job->call) < 0)
                job_later(job, &outcome);
}

/* ---- flows ---- */

static void on_wait_over(void *userdata) {
        Job *job = userdata;

        job->wait_until = 0;
        job_call(job, job->wait_call);
}

static void job_wait(Job *job, const FlowNext *next) {
        Worker *w = job->worker;
        int r = 0;

        if (!job->timer)
                r = loop_timer_new(w->loop, LOOP_TIMER, "a flow waits", on_wait_over, job, &job->timer);
        if (r < 0) {
                end_after(job, r);
                return;
        }
        job->wait_call = next->call;
        job->wait_until = usec_add(loop_wall(w->loop), next->delay);
        loop_timer_after(job->timer, next->delay);
        w->hooks.changed(w->hooks.userdata);
}

/* ---- looks ---- */

/* Whose link, other than this person's, has the account. */
static bool link_of_other(const Links *links, const Job *job, const Account *seen) {
        for (size_t i = 0; i < links->n; i++)
                if (!links->items[i].gone && str_eq(links->items[i].remote_id, seen->remote_id))
                        return !str_eq(links->items[i].person, job->item->action.person);
        return false;
}

static void job_seen(Job *job, const Accounts *accounts, const Links *links) {
        const Action *a = &job->item->action;
        _cleanup_(freep) char *key = NULL;
        FlowInput in = flow_input(job);
        FlowNext next = { 0 };

        /* A recreated account keeps its address, whatever the directory says by now. */
        if (address_key(a->kind == ACTION_RECREATE && a->before.address ? a->before.address : a->address,
                        &key) == 0)
                in.seen = accounts_by_key(accounts, key);
        in.seen_login = accounts_by_login(accounts, a->remote_id ?: a->after.login);
        in.seen_id = accounts_by_id(accounts, a->remote_id);
        /* Borrowed from the listing, which outlives this call. */
        job->account = in.seen_login ?: in.seen;
        in.seen_linked = job->account && link_of_other(links, job, job->account);
        job->worker->driver->flow_seen(&in, &next);
        job_follow(job, &next, NULL);
}

/* Begun after the action was queued: all that a flow asks for which has sent nothing yet. */
static bool has_recent_listing(const Job *job) {
        const Accounts *accounts = job->worker->hooks.accounts(job->worker->hooks.userdata);

        return accounts && accounts->begun > job->item->queued &&
               accounts->begun <= loop_wall(job->worker->loop);
}

static void look_at_hand(Job *job) {
        _cleanup_(links_freep) Links *links = NULL;
        Worker *w = job->worker;
        int r;

        r = store_links_load(w->store, w->target->name, &links);
        if (r < 0)
                end_after(job, r);
        else
                job_seen(job, w->hooks.accounts(w->hooks.userdata), links);
}

void job_looked(Job *job, const Accounts *accounts, const Links *links) {
        job->looking = false;
        job->worker->n_looking--;
        job_seen(job, accounts, links);
}

static void job_follow(Job *job, const FlowNext *next, const Outcome *outcome) {
        static const Outcome done = { .class = OUTCOME_OK };
        int r;

        failpoint("job-step");
        job->step = next->step;
        r = job_keep_memo(job, next->memo);
        if (r < 0) {
                end_after(job, r);
                return;
        }
        switch (next->verb) {
        case FLOW_CALL:
                if (!out_of_tries(job, outcome))
                        job_call(job, next->call);
                break;
        case FLOW_LOOK:
                if (next->recent_will_do && has_recent_listing(job))
                        look_at_hand(job);
                else
                        job_look(job, outcome);
                break;
        case FLOW_DONE:
                job_done(job, outcome ? outcome : &done, next);
                break;
        case FLOW_WAIT:
                job_wait(job, next);
                break;
        case FLOW_DEAD:
                job_dead(job, outcome, next->detail, next->critical);
                break;
        case FLOW_LATER:
                job_later(job, outcome);
                break;
        }
}

/* Is the person of a half-done recreate still there? The first read says so; not without it for ever. */
static bool awaits_first_read(const Job *job) {
        const Worker *w = job->worker;

        return job->item->action.kind == ACTION_RECREATE && job->step != STEP_START &&
               !w->hooks.is_fresh(w->hooks.userdata) && loop_now(w->loop) - w->started_at < USEC_PER_MINUTE;
}

static void job_begin(Job *job) {
        FlowInput in = flow_input(job);
        FlowNext next = { 0 };

        if (is_outdated(job) || awaits_first_read(job)) {
                job_put_off(job);
                return;
        }
        if (job->item->state == QUEUE_UNCERTAIN)
                job->worker->driver->flow_resume(&in, &next);
        else
                job->worker->driver->flow_begin(&in, &next);
        job_follow(job, &next, NULL);
}

int job_start(Worker *w, QueueItem *take_item) {
        Job *job = calloc(1, sizeof(*job));

        if (!job) {
                queue_item_free(take_item);
                return -ENOMEM;
        }
        job->worker = w;
        job->item = take_item;
        job->step = (Step) take_item->step;
        TAILQ_INSERT_TAIL(&w->jobs, job, link);
        w->n_jobs++;
        quarantine_try(w->quarantine, job->item->id);
        job_begin(job);
        return 0;
}
