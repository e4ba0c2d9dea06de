/* SPDX-License-Identifier: Apache-2.0 */
/* How an action ends, or is put off: what that leaves in the store, one transaction each, and who is
 * told. */
#include <errno.h>

#include "base/log.h"
#include "model/address.h"
#include "store/store-ledger.h"
#include "sync/worker-internal.h"

#define TRIES_MAX 12
#define FRESH_WAIT (10 * USEC_PER_SEC)

static int change_row(Job *job, QueueState state, usec_t due, const Outcome *outcome, const char *detail) {
        QueueItem *item = job->item;
        QueueChange change = {
                .state = state,
                .step = job->step,
                .was_uncertain = item->was_uncertain,
                .attempts = item->attempts,
                .due = due,
                .outcome = outcome ? outcome_class_to_string(outcome->class) : NULL,
                .detail = detail,
                .http_status = outcome ? outcome->http_status : 0,
                .remote_id = state == QUEUE_DONE && job->account ? job->account->remote_id : NULL,
                .forget = state == QUEUE_DROPPED,
        };

        return store_queue_change(job->worker->store, item->id, &change, loop_wall(job->worker->loop));
}

int job_keep_memo(Job *job, const char *memo) {
        char *copy;

        if (!*memo)
                return 0;
        copy = arena_strdup(job->item->arena, memo);
        if (!copy)
                return -ENOMEM;
        job->item->memo = copy;
        return store_queue_memo(job->worker->store, job->item->id, memo);
}

bool job_row_has_ended(const Job *job) {
        _cleanup_(queue_item_freep) QueueItem *item = NULL;

        return store_queue_get(job->worker->store, job->item->id, &item) >= 0 &&
               (!item || item->finished > 0);
}

static int put_link(Job *job, LinkOrigin origin) {
        const Action *a = &job->item->action;
        Worker *w = job->worker;
        _cleanup_(freep) char *key = NULL;
        Link link = {
                .person = a->person,
                .remote_id = job->account->remote_id,
                .role = a->after.role ? a->after.role : job->account->role,
                .origin = origin,
                .since = loop_wall(w->loop),
        };
        int r;

        if (address_key(a->address, &key) == 0)
                link.address = key;
        r = store_link_put(w->store, w->target->name, &link);
        return r > 0 ? -EEXIST : r;
}

/* The address of a link is held against what comes later: it goes with the account's. */
static int follow_address(Job *job) {
        _cleanup_(links_freep) Links *links = NULL;
        const Action *a = &job->item->action;
        _cleanup_(freep) char *key = NULL;
        Worker *w = job->worker;
        int r;

        if (a->kind != ACTION_UPDATE || !a->after.address || str_eq(a->after.address, a->before.address))
                return 0;
        r = address_key(a->after.address, &key);
        if (r == 0)
                r = store_links_load(w->store, w->target->name, &links);
        for (size_t i = 0; r >= 0 && links && i < links->n; i++)
                if (str_eq(links->items[i].person, a->person)) {
                        links->items[i].address = key;
                        r = store_link_put(w->store, w->target->name, &links->items[i]);
                        break;
                }
        return r < 0 ? r : 0;
}

/* The account has no password yet: its reset is as durable as its creation, and may share a batch with
 * others. */
static int queue_reset(Job *job) {
        const Action reset = {
                .kind = ACTION_RESET,
                .person = job->item->action.person,
                .address = job->item->action.address,
                .remote_id = job->account->remote_id,
        };

        return store_queue_put(job->worker->store, job->worker->target->name, &reset, job->item->cycle, true,
                               loop_wall(job->worker->loop), NULL, NULL);
}

static int write_done(Job *job, const Outcome *outcome, const FlowNext *next) {
        Worker *w = job->worker;
        int r;

        r = store_begin(w->store);
        if (r < 0)
                return r;
        r = change_row(job, QUEUE_DONE, 0, outcome, *next->detail ? next->detail : NULL);
        if (r >= 0 && next->link == LINK_PUT && job->account)
                r = put_link(job, next->origin);
        if (r >= 0 && next->reset_follows && job->account)
                r = queue_reset(job);
        if (r >= 0)
                r = follow_address(job);
        if (r >= 0 && next->link == LINK_DROP)
                r = store_link_drop(w->store, w->target->name, job->item->action.person);
        return store_end(w->store, r);
}

/* The account at the end of the action, what no answer told filled in from the listing; in buf, or
 * borrowed. NULL: unknown. */
static const Account *changed_account(const Job *job, Account *buf) {
        const Accounts *accounts = job->worker->hooks.accounts(job->worker->hooks.userdata);
        const Action *a = &job->item->action;
        const Account *listed;

        if (job->account || !(a->kind == ACTION_UPDATE || a->kind == ACTION_ENABLE ||
                              a->kind == ACTION_DISABLE))
                return job->account;
        listed = accounts ? accounts_by_id(accounts, a->remote_id) : NULL;
        if (!listed)
                return NULL;
        *buf = *listed;
        buf->address = a->after.address ?: buf->address;
        buf->first_name = a->after.first_name ?: buf->first_name;
        buf->last_name = a->after.last_name ?: buf->last_name;
        if (a->after.roles) {
                buf->roles = a->after.roles;
                buf->n_roles = a->after.n_roles;
        }
        if (a->kind == ACTION_ENABLE)
                buf->locked = false;
        if (a->kind != ACTION_UPDATE && !str_eq(a->after.status, "unlocked"))
                buf->disabled = a->kind == ACTION_DISABLE;
        return buf;
}

static LogFields fields_of(const Job *job, const Outcome *outcome) {
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
void job_end_after(Job *job, int r) {
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

void job_done(Job *job, const Outcome *outcome, const FlowNext *next) {
        Worker *w = job->worker;
        const Action *a = &job->item->action;
        const Account *now;
        Account changed;
        LogFields fields;
        int r;

        r = write_done(job, outcome, next);
        if (r >= 0) {
                forget_failures(w, job->item->id);
                fields = fields_of(job, outcome);
                fields.message_id = MSGID_ACTION_DONE;
                log_event(*next->detail ? LOG_WARNING : LOG_INFO, &fields,
                          "%s: %s %s: done, account %s%s%s", w->target->name,
                          action_kind_to_string(a->kind), a->address,
                          fields.remote_id ? fields.remote_id : "-", *next->detail ? "; " : "",
                          next->detail);
                tell_quarantine(job, true);
                now = next->link == LINK_DROP ? NULL : changed_account(job, &changed);
                w->hooks.account_changed(a->remote_id, now, w->hooks.userdata);
        }
        job_end_after(job, r);
}

void job_dead(Job *job, const Outcome *outcome, const char *detail, bool critical) {
        /* A look that was answered, or a job that ended, may be what says no. */
        static const Outcome refused = { .class = OUTCOME_REJECTED };
        LogFields fields;
        int r;

        if (outcome && (outcome->class == OUTCOME_OK || outcome->class == OUTCOME_ALREADY))
                outcome = &refused;
        fields = fields_of(job, outcome);
        r = change_row(job, QUEUE_DEAD, 0, outcome, detail);
        if (r >= 0) {
                forget_failures(job->worker, job->item->id);
                fields.message_id = critical ? MSGID_RECREATE_UNFINISHED : MSGID_DEAD_LETTER;
                log_event(critical ? LOG_CRIT : LOG_ERR, &fields,
                          "%s: %s %s: given up (dead letter %lld): %s", job->worker->target->name,
                          action_kind_to_string(job->item->action.kind), job->item->action.address,
                          (long long) job->item->id, detail);
                tell_quarantine(job, false);
        }
        job_end_after(job, r);
}

/* The invariants say no: the next plan will say so too. */
void job_refused(Job *job, const char *reason) {
        LogFields fields = fields_of(job, NULL);
        int r;

        r = change_row(job, QUEUE_DROPPED, 0, NULL, reason);
        if (r >= 0) {
                fields.message_id = MSGID_LAST_OR_PROTECTED_KEPT;
                log_event(LOG_WARNING, &fields, "%s: %s %s: not done: %s", job->worker->target->name,
                          action_kind_to_string(job->item->action.kind), job->item->action.address, reason);
        }
        job_end_after(job, r);
}

/* ---- failures ---- */

/* Counts a try only when others succeeded since this action's last failure: a target that is down is not
 * the action's fault. */
void job_count_try(Job *job) {
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

bool job_is_out_of_tries(Job *job, const Outcome *outcome) {
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

void job_later(Job *job, const Outcome *outcome) {
        Worker *w = job->worker;
        usec_t wall = loop_wall(w->loop), due = channel_next_free(w->channel);

        if (outcome->class == OUTCOME_TRANSIENT && job->sent)
                job_count_try(job);
        if (job_is_out_of_tries(job, outcome))
                return;
        /* After a failure others go first when the target is probed. */
        if (outcome->class == OUTCOME_TRANSIENT)
                due = usec_add(due > wall ? due : wall, USEC_PER_SEC);
        job_end_after(job, change_row(job, QUEUE_WAITING, due, outcome, outcome->detail));
}

/* Who has written nothing yet is sure of that, also after a crash: a plan may still take it back. */
void job_look(Job *job, const Outcome *outcome) {
        Worker *w = job->worker;
        QueueState state = job_is_untouched(job) ? QUEUE_WAITING : QUEUE_UNCERTAIN;
        int r;

        r = change_row(job, state, loop_wall(w->loop), outcome, outcome ? outcome->detail : NULL);
        if (r < 0) {
                job_end_after(job, r);
                return;
        }
        job->looking = true;
        job->look_begun = false;
        w->n_looking++;
        /* It left its place to others: they may want to look as well. */
        loop_task_arm(w->task);
        w->hooks.look(w->hooks.userdata);
}

void job_put_off(Job *job) {
        usec_t wait = job->worker->config->directory.poll_interval;

        if (wait > FRESH_WAIT)
                wait = FRESH_WAIT;
        job_end_after(job, change_row(job, job->item->state, usec_add(loop_wall(job->worker->loop), wait),
                                      NULL, "waits for a recent complete read that still asks for it"));
}
