/* SPDX-License-Identifier: Apache-2.0 */
/* A row that is taken up becomes a job. A job either has a call under way, or waits for a look; each change of step is in the store before the
 * next byte goes out, so that a crash finds the row RUNNING and the next start looks first. */
#include <errno.h>
#include <sys/queue.h>

#include "base/log.h"
#include "model/address.h"
#include "sync/worker.h"

#define TRIES_MAX 12
#define DUE_SLICE 64

typedef struct Job {
        TAILQ_ENTRY(Job) link;
        Worker *worker;
        QueueItem *item;
        ChannelCall *call;              /* NULL: waits for a look */
        Call kind;
        Step step;
        bool looking;
        bool look_begun;                /* the listing under way began after this job asked for one */
        Secret *password;
        Arena *arena;                   /* of the decoded answer */
        Account account;
        bool has_account;
} Job;

TAILQ_HEAD(JobList, Job);

/* Since when an action fails, told by how many others had succeeded then. */
typedef struct Failure { int64_t id; uint64_t successes; } Failure;

struct Worker {
        Loop *loop;
        Store *store;
        const Config *config;
        const TargetConfig *target;
        const TargetDriver *driver;
        Channel *channel;
        WorkerHooks hooks;
        struct JobList jobs;
        size_t n_jobs, n_looking;
        LoopTask *task;
        LoopTimer *timer;
        bool started, draining;
        Failure *failures;
        size_t n_failures;
};

/* ---- jobs ---- */

static Job *job_free(Job *job) {
        if (!job)
                return NULL;
        channel_call_cancel(job->call);
        secret_free(job->password);
        arena_free(job->arena);
        queue_item_free(job->item);
        free(job);
        return NULL;
}

static void job_end(Job *job) {
        Worker *w = job->worker;

        TAILQ_REMOVE(&w->jobs, job, link);
        w->n_jobs--;
        if (job->looking)
                w->n_looking--;
        job_free(job);
        loop_task_arm(w->task);
        w->hooks.changed(w->hooks.userdata);
}

static void forget_failures(Worker *w, int64_t id) {
        for (size_t i = 0; i < w->n_failures; i++)
                if (w->failures[i].id == id) {
                        w->failures[i] = w->failures[--w->n_failures];
                        return;
                }
}

static Job *job_by_id(const Worker *w, int64_t id) {
        Job *job;

        TAILQ_FOREACH(job, &w->jobs, link)
                if (job->item->id == id)
                        return job;
        return NULL;
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
                .remote_id = job->has_account ? job->account.remote_id : item->action.remote_id,
                .outcome = outcome ? outcome_class_to_string(outcome->class) : NULL,
                .http_status = outcome ? outcome->http_status : 0,
                .attempt = item->attempts,
        };
}

static void log_store_fault(Worker *w, int r) {
        LogFields fields = { .message_id = MSGID_STORE_FAULT, .target = w->target->name };

        log_event(LOG_ERR, &fields, "%s: the queue can't be written: %s", w->target->name,
                  r == -ENOSPC || r == -EIO ? store_error(w->store) : strerror(-r));
}

/* ---- ends of a step ---- */

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
                .remote_id = job->has_account ? job->account.remote_id : NULL,
        };

        return store_queue_change(job->worker->store, item->id, &change, loop_wall(job->worker->loop));
}

/* The row couldn't be written: it stays as it is in the store and is looked at after a restart. */
static void end_after(Job *job, int r) {
        if (r < 0)
                log_store_fault(job->worker, r);
        job_end(job);
}

static int put_link(Job *job, LinkOrigin origin) {
        const Action *a = &job->item->action;
        Worker *w = job->worker;
        _cleanup_(freep) char *key = NULL;
        Link link = {
                .person = a->person,
                .remote_id = job->account.remote_id,
                .role = a->after.role,
                .origin = origin,
                .since = loop_wall(w->loop),
        };
        int r;

        if (address_key(a->address, &key, NULL) == 0)
                link.address = key;
        r = store_link_put(w->store, w->target->name, &link);
        return r > 0 ? -EEXIST : r;
}

static void job_done(Job *job, const Outcome *outcome, LinkOrigin origin) {
        Worker *w = job->worker;
        LogFields fields;
        int r;

        r = store_begin(w->store);
        if (r >= 0) {
                r = change_row(job, QUEUE_DONE, 0, outcome, NULL);
                if (r >= 0 && job->has_account)
                        r = put_link(job, origin);
                if (r < 0)
                        store_rollback(w->store);
                else
                        r = store_commit(w->store);
        }
        if (r >= 0) {
                forget_failures(w, job->item->id);
                fields = job_fields(job, outcome);
                fields.message_id = MSGID_ACTION_DONE;
                log_event(LOG_INFO, &fields, "%s: %s %s: done, account %s", w->target->name,
                          action_kind_to_string(job->item->action.kind), job->item->action.address,
                          job->has_account ? job->account.remote_id : "-");
                if (job->has_account)
                        w->hooks.created(&job->account, w->hooks.userdata);
        }
        end_after(job, r);
}

static void job_dead(Job *job, const Outcome *outcome, const char *detail) {
        LogFields fields = job_fields(job, outcome);
        int r;

        r = change_row(job, QUEUE_DEAD, 0, outcome, detail);
        if (r >= 0) {
                forget_failures(job->worker, job->item->id);
                fields.message_id = MSGID_DEAD_LETTER;
                log_event(LOG_ERR, &fields, "%s: %s %s: given up (dead letter %lld): %s", job->worker->target->name,
                          action_kind_to_string(job->item->action.kind), job->item->action.address,
                          (long long) job->item->id, detail);
        }
        end_after(job, r);
}

/* Counts a try only when others succeeded since this action's last failure: a target that is down is not the action's fault. */
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
        snprintf(detail, sizeof(detail), "failed %u times while other actions succeeded; last: %s", job->item->attempts,
                 outcome ? outcome->detail : str_empty(job->item->detail) ? "no answer" : job->item->detail);
        job_dead(job, outcome, detail);
        return true;
}

static void job_later(Job *job, const Outcome *outcome) {
        Worker *w = job->worker;
        usec_t wall = loop_wall(w->loop), due = channel_next_free(w->channel);

        if (outcome->class == OUTCOME_TRANSIENT)
                count_try(job);
        if (out_of_tries(job, outcome))
                return;
        /* After a failure others go first when the target is probed. */
        if (outcome->class == OUTCOME_TRANSIENT)
                due = usec_add(due > wall ? due : wall, USEC_PER_SEC);
        end_after(job, change_row(job, QUEUE_WAITING, due, outcome, outcome->detail));
}

static void job_look(Job *job, const Outcome *outcome) {
        Worker *w = job->worker;
        int r;

        r = change_row(job, QUEUE_UNCERTAIN, loop_wall(w->loop), outcome, outcome ? outcome->detail : NULL);
        if (r < 0) {
                end_after(job, r);
                return;
        }
        job->looking = true;
        job->look_begun = false;
        w->n_looking++;
        w->hooks.look(w->hooks.userdata);
}

/* ---- calls ---- */

static int on_prepare(CallInput *in, void *userdata) {
        Job *job = userdata;
        Worker *w = job->worker;
        const Roles *roles = w->hooks.roles(w->hooks.userdata);
        int r;

        in->action = &job->item->action;
        in->remote_id = job->item->action.remote_id;
        if (w->driver->has_roles_call)
                in->role_id = roles ? roles_id(roles, job->item->action.after.role) : NULL;
        if (job->kind == CALL_CREATE) {
                job->password = secret_free(job->password);
                r = secret_generate_password(w->config->password.length, w->config->password.classes, &job->password);
                if (r < 0)
                        return r;
                in->password = job->password;
        }
        return store_queue_running(w->store, job->item->id, job->step, loop_wall(w->loop));
}

static int on_decode(const HttpResult *result, void *userdata, ErrCtx *err) {
        Job *job = userdata;
        int r;

        job->arena = arena_free(job->arena);
        job->arena = arena_new();
        if (!job->arena)
                return -ENOMEM;
        r = job->worker->driver->decode_account(result, job->arena, &job->account, err);
        job->has_account = r >= 0;
        return r;
}

static void job_follow(Job *job, const FlowNext *next, const Outcome *outcome);

static void on_call_done(const Outcome *outcome, bool sent _unused_, void *userdata) {
        Job *job = userdata;
        FlowInput in = {
                .target = job->worker->target,
                .action = &job->item->action,
                .step = job->step,
                .outcome = outcome,
        };
        FlowNext next = { 0 };

        job->call = NULL;
        job->password = secret_free(job->password);
        if (outcome->class == OUTCOME_UNCERTAIN) {
                job->item->was_uncertain = true;
                count_try(job);
        }
        in.was_uncertain = job->item->was_uncertain;
        job->worker->driver->flow_after(&in, &next);
        job_follow(job, &next, outcome);
}

static void job_call(Job *job, Call call) {
        ChannelSpec spec = {
                .call = call,
                .priority = action_kind_is_destructive(job->item->action.kind) ? CALL_PRIORITY_REMOVAL
                                                                               : CALL_PRIORITY_CREATE,
                .prepare = on_prepare,
                .decode = call == CALL_DELETE ? NULL : on_decode,
                .done = on_call_done,
                .userdata = job,
        };
        Outcome outcome = { .class = OUTCOME_TRANSIENT, .detail = "out of memory" };

        job->kind = call;
        job->has_account = false;
        if (channel_call(job->worker->channel, &spec, &job->call) < 0)
                job_later(job, &outcome);
}

/* ---- flows ---- */

static void job_follow(Job *job, const FlowNext *next, const Outcome *outcome) {
        static const Outcome done = { .class = OUTCOME_OK };

        job->step = next->step;
        switch (next->verb) {
        case FLOW_CALL:
                if (!out_of_tries(job, outcome))
                        job_call(job, next->call);
                break;
        case FLOW_LOOK:
                job_look(job, outcome);
                break;
        case FLOW_DONE:
                job_done(job, outcome ? outcome : &done, next->origin);
                break;
        case FLOW_DEAD:
                job_dead(job, outcome, next->detail);
                break;
        case FLOW_LATER:
                job_later(job, outcome);
                break;
        }
}

static void job_begin(Job *job) {
        FlowInput in = {
                .target = job->worker->target,
                .action = &job->item->action,
                .step = job->step,
                .was_uncertain = job->item->was_uncertain,
        };
        FlowNext next = { 0 };

        if (job->item->state == QUEUE_UNCERTAIN) {
                job_look(job, NULL);
                return;
        }
        job->worker->driver->flow_begin(&in, &next);
        job_follow(job, &next, NULL);
}

typedef struct DueList { Worker *worker; QueueItem *items[DUE_SLICE]; size_t n; } DueList;

static int take_due(QueueItem *take_item, void *userdata) {
        DueList *due = userdata;

        if (due->n == DUE_SLICE || job_by_id(due->worker, take_item->id))
                queue_item_free(take_item);
        else
                due->items[due->n++] = take_item;
        return 0;
}

static int job_start(Worker *w, QueueItem *take_item) {
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
        job_begin(job);
        return 0;
}

/* Rows are taken up as the concurrency allows; rows that only wait for a look don't use it up. */
static size_t free_places(const Worker *w) {
        size_t busy = w->n_jobs - w->n_looking;

        return busy < w->target->concurrency ? w->target->concurrency - busy : 0;
}

static void arm_timer(Worker *w) {
        usec_t wall = loop_wall(w->loop), next = USEC_INFINITY, parked = channel_parked_until(w->channel, NULL, NULL);

        if (store_queue_next_due(w->store, w->target->name, &next) < 0 || next == USEC_INFINITY)
                return;
        if (parked > next)
                next = parked;
        if (next > wall)
                loop_timer_after(w->timer, next - wall);
}

static bool may_run(const Worker *w) {
        if (!w->started || w->draining || w->target->paused)
                return false;
        if (w->driver->has_roles_call && !w->hooks.roles(w->hooks.userdata))
                return false;
        return !channel_parked_until(w->channel, NULL, NULL);
}

static void on_task(void *userdata) {
        Worker *w = userdata;
        DueList due = { .worker = w };
        size_t limit = free_places(w);
        int r = 0;

        if (may_run(w) && limit > 0) {
                r = store_queue_due(w->store, w->target->name, loop_wall(w->loop), w->n_jobs + limit, take_due, &due);
                for (size_t i = 0; i < due.n; i++)
                        if (r >= 0 && i < limit)
                                r = job_start(w, due.items[i]);
                        else
                                queue_item_free(due.items[i]);
                if (r < 0)
                        log_store_fault(w, r);
        }
        arm_timer(w);
}

/* ---- looks ---- */

/* Whose link, other than this person's, has the account. */
static int link_of_other(const Links *links, const Job *job, const Account *seen) {
        for (size_t i = 0; i < links->n; i++)
                if (str_eq(links->items[i].remote_id, seen->remote_id))
                        return !str_eq(links->items[i].person, job->item->action.person);
        return false;
}

static void job_looked(Job *job, const Accounts *accounts, const Links *links) {
        _cleanup_(freep) char *key = NULL;
        FlowInput in = {
                .target = job->worker->target,
                .action = &job->item->action,
                .step = job->step,
                .was_uncertain = job->item->was_uncertain,
        };
        FlowNext next = { 0 };

        job->looking = false;
        job->worker->n_looking--;
        if (address_key(job->item->action.address, &key, NULL) == 0)
                in.seen = accounts_by_key(accounts, key);
        if (in.seen) {
                in.seen_linked = link_of_other(links, job, in.seen);
                /* Borrowed from the listing, which outlives this call; the job's end copies what it keeps. */
                job->account = *in.seen;
                job->has_account = true;
        }
        job->worker->driver->flow_seen(&in, &next);
        job_follow(job, &next, NULL);
}

bool worker_wants_look(const Worker *w) {
        return w->n_looking > 0 && w->n_looking == w->n_jobs;
}

void worker_look_begins(Worker *w) {
        Job *job;

        TAILQ_FOREACH(job, &w->jobs, link)
                job->look_begun = job->looking;
}

void worker_looked(Worker *w, const Accounts *accounts) {
        _cleanup_(links_freep) Links *links = NULL;
        Job *job, *next;

        if (!accounts || store_links_load(w->store, w->target->name, &links) < 0) {
                if (w->n_looking > 0)
                        w->hooks.look(w->hooks.userdata);
                return;
        }
        for (job = TAILQ_FIRST(&w->jobs); job; job = next) {
                next = TAILQ_NEXT(job, link);
                if (job->looking && job->look_begun)
                        job_looked(job, accounts, links);
        }
        if (w->n_looking > 0)
                w->hooks.look(w->hooks.userdata);
}

/* ---- the rest ---- */

int worker_new(Loop *loop, Store *store, const Config *config, Channel *channel, const WorkerHooks *hooks, Worker **ret) {
        _cleanup_(worker_freep) Worker *w = calloc(1, sizeof(*w));
        int r;

        if (!w)
                return -ENOMEM;
        w->loop = loop;
        w->store = store;
        w->config = config;
        w->target = channel_config(channel);
        w->driver = channel_driver(channel);
        w->channel = channel;
        w->hooks = *hooks;
        TAILQ_INIT(&w->jobs);
        r = loop_task_new(loop, LOOP_NORMAL, "take up actions", on_task, w, &w->task);
        if (r < 0)
                return r;
        r = loop_timer_new(loop, LOOP_TIMER, "next action is due", on_task, w, &w->timer);
        if (r < 0)
                return r;
        *ret = TAKE(w);
        return 0;
}

Worker *worker_free(Worker *w) {
        Job *job;

        if (!w)
                return NULL;
        while ((job = TAILQ_FIRST(&w->jobs))) {
                TAILQ_REMOVE(&w->jobs, job, link);
                job_free(job);
        }
        loop_task_free(w->task);
        loop_timer_free(w->timer);
        free(w->failures);
        free(w);
        return NULL;
}

void worker_start(Worker *w) {
        w->started = true;
        worker_kick(w);
}

void worker_kick(Worker *w) {
        loop_task_arm(w->task);
}

void worker_drain(Worker *w) {
        Job *job, *next;

        w->draining = true;
        for (job = TAILQ_FIRST(&w->jobs); job; job = next) {
                next = TAILQ_NEXT(job, link);
                if (job->call && channel_call_is_sent(job->call))
                        continue;
                job_end(job);
        }
}

bool worker_is_idle(const Worker *w) {
        return w->n_jobs == 0;
}

usec_t worker_next_due(const Worker *w) {
        usec_t next = USEC_INFINITY, free_at = channel_next_free(w->channel), wall = loop_wall(w->loop);
        Job *job;

        if (w->target->paused)
                return USEC_INFINITY;
        TAILQ_FOREACH(job, &w->jobs, link)
                if (job->call && channel_call_is_sent(job->call))
                        return 0;
        if (w->n_jobs > 0)
                next = wall;
        else if (store_queue_next_due(w->store, w->target->name, &next) < 0)
                return USEC_INFINITY;
        if (next == USEC_INFINITY)
                return next;
        next = next > free_at ? next : free_at;
        return next > wall ? next : 0;
}
