/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by worker.c (what is taken up, when), worker-job.c (how one action goes on) and worker-end.c (how
 * it ends, or is put off) alone. */
#pragma once

#include <sys/queue.h>

#include "store/store-queue.h"
#include "sync/worker.h"

/* An action that is taken up: a call under way, a wait, or a look that others share. */
typedef struct Job {
        TAILQ_ENTRY(Job) link;
        Worker *worker;
        QueueItem *item;
        ChannelCall *call;
        Call kind;
        Step step;
        bool sent;                      /* the last call reached the API, or may have */
        bool recorded;                  /* the row stands as running, or did */
        unsigned places;                /* calls set aside for this job */
        bool looking;
        bool look_begun;                /* the listing under way began after this job asked for one */
        LoopTimer *timer;               /* FLOW_WAIT */
        usec_t wait_until;              /* wall; 0: doesn't wait */
        Call wait_call;
        Secret *password;
        Arena *arena;                   /* of the decoded answer */
        Answer answer;
        const char *document;           /* of the last CALL_GET; in the arena */
        /* whose the action's end is: of the answer, or of the listing; NULL: none */
        const Account *account;
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
        Quarantine *quarantine;
        WorkerHooks hooks;
        struct JobList jobs;
        size_t n_jobs, n_looking;
        LoopTask *task;
        LoopTimer *timer;
        bool started, draining, must_recover;
        usec_t started_at;              /* monotonic */
        Failure *failures;
        size_t n_failures;
};

/* Nothing was written for it yet: its account was looked at, at most. Until then the row waits in the store,
 * and a plan may take it back, also after a crash. */
bool job_is_untouched(const Job *job);
/* Somebody doesn't want it to begin any more: a pause, a quarantine, a drain. */
bool worker_holds_back(Worker *w, const Job *job);
/* Takes the item; its first step begins. */
int job_start(Worker *w, QueueItem *take_item);
/* The shared listing is here. */
void job_looked(Job *job, const Accounts *accounts, const Links *links);

/* ---- worker-end.c ---- */

/* Says so; rows that stand as running are looked at again when no job is left. */
void worker_store_fault(Worker *w, int r);
/* "": nothing to be kept. 0, -errno. */
int job_keep_memo(Job *job, const char *memo);
/* A plan, or an operator, took it out of the queue. */
bool job_row_has_ended(const Job *job);
/* Counts one more try of an action that fails while others there succeed. */
void job_count_try(Job *job);

/* From here on the job is gone, and the row is as the name says; an outcome of NULL: no answer led to it.
 * job_end() leaves the row as it is, job_end_after() too, and tells of a fault where r is negative. */
void job_end(Job *job);
void job_end_after(Job *job, int r);
void job_done(Job *job, const Outcome *outcome, const FlowNext *next);
/* critical: the account was deleted for a new role, and isn't there any more. */
void job_dead(Job *job, const Outcome *outcome, const char *detail, bool critical);
/* The invariants say no. */
void job_refused(Job *job, const char *reason);
/* Back to waiting: until the next call is free, or until a recent complete read asks for it. */
void job_later(Job *job, const Outcome *outcome);
void job_put_off(Job *job);
/* True: that was the last try, and the job is gone. */
bool job_is_out_of_tries(Job *job, const Outcome *outcome);
/* It waits for a shared listing: job_looked() goes on with it. Gone only after a fault. */
void job_look(Job *job, const Outcome *outcome);
