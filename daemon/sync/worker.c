/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "store/store-ledger.h"
#include "sync/worker-internal.h"

#define DUE_SLICE 64

/* ---- taking up ---- */

static Job *job_by_id(const Worker *w, int64_t id) {
        Job *job;

        TAILQ_FOREACH(job, &w->jobs, link)
                if (job->item->id == id)
                        return job;
        return NULL;
}

static bool is_serial(const Worker *w, ActionKind k) {
        return w->driver->serial >> k & 1;
}

static bool serial_runs(const Worker *w) {
        Job *job;

        TAILQ_FOREACH(job, &w->jobs, link)
                if (is_serial(w, job->item->action.kind))
                        return true;
        return false;
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

/* Rows are taken up as the concurrency allows; rows that only wait for a look don't use it up. */
static size_t free_places(const Worker *w) {
        size_t busy = w->n_jobs - w->n_looking;

        return busy < w->target->concurrency ? w->target->concurrency - busy : 0;
}

static int start_due(Worker *w, DueList *due) {
        int r = 0;

        for (size_t i = 0; i < due->n; i++) {
                ActionKind kind = due->items[i]->action.kind;

                if (r < 0 || free_places(w) == 0 || (is_serial(w, kind) && serial_runs(w)) ||
                    !quarantine_admits(w->quarantine))
                        queue_item_free(due->items[i]);
                else
                        r = job_start(w, due->items[i]);
        }
        return r;
}

static usec_t real_due(const Worker *w, usec_t due) {
        usec_t wall = loop_wall(w->loop);

        return due > usec_add(wall, STORE_DUE_MAX) ? wall : due;
}

static void arm_timer(Worker *w) {
        usec_t wall = loop_wall(w->loop), next = USEC_INFINITY,
               parked = channel_parked_until(w->channel, NULL, NULL),
               quarantined = quarantine_next(w->quarantine);

        if (store_queue_next_due(w->store, w->target->name, true, &next) < 0 || next == USEC_INFINITY)
                return;
        next = real_due(w, next);
        next = parked > next ? parked : next;
        next = quarantined > next ? quarantined : next;
        if (next > wall && next != USEC_INFINITY)
                loop_timer_after(w->timer, next - wall);
}

static bool may_run(const Worker *w) {
        if (!w->started || w->draining || channel_is_paused(w->channel) ||
            !quarantine_admits(w->quarantine))
                return false;
        if (w->driver->has_roles_call && !w->hooks.roles(w->hooks.userdata))
                return false;
        return !channel_parked_until(w->channel, NULL, NULL);
}

bool job_is_untouched(const Job *job) {
        return !job->recorded && job->item->state == QUEUE_WAITING && job->item->step == STEP_START &&
               !job->item->was_uncertain;
}

bool worker_holds_back(Worker *w, const Job *job) {
        bool unwanted = w->draining || channel_is_paused(w->channel) ||
                        (quarantine_is_on(w->quarantine) &&
                         quarantine_tried(w->quarantine) != job->item->id);

        return unwanted && job_is_untouched(job);
}

/* What hasn't begun yet goes back to waiting, but for one action. */
static void take_back(Worker *w, int64_t but) {
        Job *job, *next;

        for (job = TAILQ_FIRST(&w->jobs); job; job = next) {
                next = TAILQ_NEXT(job, link);
                if (job_is_untouched(job) && job->call && !channel_call_is_sent(job->call) &&
                    job->item->id != but)
                        job_end(job);
        }
}

/* For some job the listing under way won't do. */
static bool look_is_due(const Worker *w) {
        const Job *job;

        TAILQ_FOREACH(job, &w->jobs, link)
                if (job->looking && !job->look_begun)
                        return true;
        return false;
}

/* After a fault of the store rows may stand as running that nobody runs. */
static void recover(Worker *w) {
        if (w->must_recover && w->n_jobs == 0 && store_queue_recover(w->store, w->target->name, false) >= 0)
                w->must_recover = false;
}

static void on_task(void *userdata) {
        Worker *w = userdata;
        DueList due = { .worker = w };
        int r;

        recover(w);
        if (quarantine_is_on(w->quarantine))
                take_back(w, quarantine_tried(w->quarantine));
        if (may_run(w) && free_places(w) > 0) {
                r = store_queue_due(w->store, w->target->name, false, loop_wall(w->loop),
                                    w->n_jobs + DUE_SLICE, take_due, &due);
                if (r >= 0)
                        r = start_due(w, &due);
                if (r < 0)
                        worker_store_fault(w, r);
        }
        arm_timer(w);
        /* Nothing more to take up: those that look wait for nobody else. */
        if (worker_wants_look(w) && look_is_due(w))
                w->hooks.look(w->hooks.userdata);
}

/* ---- looks ---- */

bool worker_wants_look(const Worker *w) {
        return w->n_looking > 0 && w->n_looking == w->n_jobs && !loop_task_is_armed(w->task);
}

void worker_look_begins(Worker *w) {
        Job *job;

        TAILQ_FOREACH(job, &w->jobs, link)
                job->look_begun = job->looking;
}

void worker_looked(Worker *w, const Accounts *accounts) {
        _cleanup_(links_freep) Links *links = NULL;
        Job *job, *next;

        if (accounts && store_links_load(w->store, w->target->name, &links) >= 0)
                for (job = TAILQ_FIRST(&w->jobs); job; job = next) {
                        next = TAILQ_NEXT(job, link);
                        if (job->looking && job->look_begun)
                                job_looked(job, accounts, links);
                        /* A job that ended may have put another listing in the place of this one. */
                        accounts = w->hooks.accounts(w->hooks.userdata);
                        if (!accounts)
                                break;
                }
        if (w->n_looking > 0)
                w->hooks.look(w->hooks.userdata);
}

/* ---- making, starting, stopping ---- */

int worker_new(Loop *loop, Store *store, const Config *config, Channel *channel, Quarantine *quarantine,
               const WorkerHooks *hooks, Worker **ret) {
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
        w->quarantine = quarantine;
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

static void nothing_changed(void *userdata _unused_) {
}

Worker *worker_free(Worker *w) {
        if (!w)
                return NULL;
        w->hooks.changed = nothing_changed;
        while (!TAILQ_EMPTY(&w->jobs))
                job_end(TAILQ_FIRST(&w->jobs));
        loop_task_free(w->task);
        loop_timer_free(w->timer);
        free(w->failures);
        free(w);
        return NULL;
}

void worker_start(Worker *w) {
        w->started = true;
        w->started_at = loop_now(w->loop);
        worker_kick(w);
}

/* A plan, or an operator, may have ended the row of an action that still waits for its call. */
static void leave_ended(Worker *w) {
        Job *job, *next;

        for (job = TAILQ_FIRST(&w->jobs); job; job = next) {
                next = TAILQ_NEXT(job, link);
                if (job->call && channel_call_is_sent(job->call))
                        continue;
                if (job_row_has_ended(job))
                        job_end(job);
        }
}

void worker_kick(Worker *w) {
        leave_ended(w);
        loop_task_arm(w->task);
}

void worker_drain(Worker *w) {
        Job *job, *next;

        w->draining = true;
        for (job = TAILQ_FIRST(&w->jobs); job; job = next) {
                next = TAILQ_NEXT(job, link);
                if (!job->call || !channel_call_is_sent(job->call))
                        job_end(job);
        }
}

void worker_put_back(Worker *w) {
        take_back(w, 0);
}

int worker_let_go(Worker *w, int64_t id) {
        Job *job = job_by_id(w, id);

        if (!job)
                return 0;
        if (!job->call || channel_call_is_sent(job->call))
                return -EBUSY;
        job_end(job);
        return 0;
}

bool worker_is_idle(const Worker *w) {
        return w->n_jobs == 0;
}

/* Of one job: 0 while its call is out, the end of its wait, or the next free call. */
static usec_t job_next(const Worker *w, const Job *job) {
        usec_t free_at = job->call ? channel_call_free(job->call) : channel_next_free(w->channel);
        usec_t at = job->wait_until > free_at ? job->wait_until : free_at;

        if (job->call && channel_call_is_sent(job->call))
                return 0;
        return at > loop_wall(w->loop) ? at : 0;
}

usec_t worker_action_due(const Worker *w, const QueueItem *item) {
        usec_t due = real_due(w, item->due), free_at = channel_next_free(w->channel);
        usec_t quarantined = quarantine_next(w->quarantine);
        const Job *job = job_by_id(w, item->id);

        if (job)
                return job_next(w, job);
        due = due > free_at ? due : free_at;
        if (quarantined != USEC_INFINITY && quarantined > due)
                due = quarantined;
        return due > loop_wall(w->loop) ? due : 0;
}

/* While an action is tried the rest waits for it: of ours it says itself when it goes on. */
static usec_t quarantined_until(const Worker *w) {
        usec_t next = quarantine_next(w->quarantine);

        return next == USEC_INFINITY && !job_by_id(w, quarantine_tried(w->quarantine)) ? 0 : next;
}

static int is_no_job(QueueItem *take_item, void *userdata) {
        _cleanup_(queue_item_freep) QueueItem *item = take_item;

        return job_by_id(userdata, item->id) ? 0 : 1;
}

/* A row that is due and not taken up: a job's own row says nothing about when it goes on. */
static bool has_more_due(const Worker *w) {
        return w->n_jobs == 0 || store_queue_due(w->store, w->target->name, false, loop_wall(w->loop),
                                                 w->n_jobs + 1, is_no_job, (void *) w) != 0;
}

usec_t worker_next_due(const Worker *w) {
        usec_t next = USEC_INFINITY, free_at = channel_next_free(w->channel), at;
        usec_t quarantined = quarantined_until(w);
        Job *job;

        if (channel_is_paused(w->channel))
                return USEC_INFINITY;
        /* What takes something away, and waits for a complete read, isn't due before that read. */
        if (store_queue_next_due(w->store, w->target->name, w->hooks.is_fresh(w->hooks.userdata), &next) < 0)
                return USEC_INFINITY;
        if (next != USEC_INFINITY)
                next = real_due(w, next);
        if (next <= loop_wall(w->loop) && !has_more_due(w))
                next = USEC_INFINITY;
        if (next != USEC_INFINITY)
                next = next > free_at ? next : free_at;
        next = next > quarantined ? next : quarantined;
        TAILQ_FOREACH(job, &w->jobs, link) {
                at = job_next(w, job);
                next = at < next ? at : next;
        }
        return next > loop_wall(w->loop) ? next : 0;
}
