/* SPDX-License-Identifier: Apache-2.0 */
/* Works off one target's queue. Decides on outcome classes alone; what a step means is the target's flow
 * (target/target.h). */
#pragma once

#include "api/channel.h"
#include "store/store-queue.h"
#include "sync/quarantine.h"

typedef struct Worker Worker;

/* A call for one person's action. Borrowed. */
typedef struct CallEvent {
        const char *target, *person;
        int64_t action;
        Call call;
        const Outcome *outcome;         /* how it ended; NULL: it is about to be sent */
} CallEvent;

typedef struct WorkerHooks {
        /* Roles of the API, to turn labels into ids; NULL while they are unknown: no action runs then. */
        const Roles *(*roles)(void *userdata);
        /* Some action waits for a listing that begins from now on. May be called again while one is due. */
        void (*look)(void *userdata);
        /* The target's listing, for the invariants; NULL: none. */
        const Accounts *(*accounts)(void *userdata);
        /* Does a recent complete read still ask for what is queued? */
        bool (*is_fresh)(void *userdata);
        /* We changed an account: what was (remote id, or NULL) and what is (or NULL: unknown or gone).
         * Borrowed. */
        void (*account_changed)(const char *was, const Account *now, void *userdata);
        /* We reset an account's password: the listing no longer tells when that was last done. */
        void (*account_reset)(const char *remote_id, void *userdata);
        /* An action ended or was put off: queue counts have changed. */
        void (*changed)(void *userdata);
        /* For those who look on, once for each member of a batch; may come from within a transaction of the
         * store. */
        void (*called)(const CallEvent *event, void *userdata);
        void *userdata;
} WorkerHooks;

/* All borrowed. Doesn't run before worker_start(). */
int worker_new(Loop *loop, Store *store, const Config *config, Channel *channel, Quarantine *quarantine,
               const WorkerHooks *hooks, Worker **ret);
/* Calls that were sent are cut off: their rows stay RUNNING and are looked at after the next start. */
Worker *worker_free(Worker *worker);
DEFINE_CLEANUP(Worker *, worker_free);

/* Takes up what is due, now and whenever something is due. */
void worker_start(Worker *worker);
/* New rows are in the queue, or roles became known. */
void worker_kick(Worker *worker);
/* No new action; those whose call was sent finish, the others go back to waiting. worker_is_idle() tells
 * when. */
void worker_drain(Worker *worker);
bool worker_is_idle(const Worker *worker);
/* What is taken up and hasn't begun yet goes back to waiting: another order, or a pause of the channel;
 * what has begun goes on to its end. */
void worker_put_back(Worker *worker);
/* The row is about to be changed by somebody else. 0: the worker hasn't taken it up, or let it go;
 * -EBUSY: its call is under way. */
int worker_let_go(Worker *worker, int64_t id);
/* When this action goes on, as worker_next_due(): its own wait, budget and parking counted. */
usec_t worker_action_due(const Worker *worker, const QueueItem *item);
/* When something is to be done next, budget and parking counted: wall time, 0: right now (or under way),
 * USEC_INFINITY: never. */
usec_t worker_next_due(const Worker *worker);

/* All that is taken up waits for a look: no sense in waiting for more to share it. */
bool worker_wants_look(const Worker *worker);
/* A fresh listing begins now, for all that wait; and it ended: complete, or NULL: it failed (look() will
 * be asked again). Borrowed. */
void worker_look_begins(Worker *worker);
void worker_looked(Worker *worker, const Accounts *accounts);
