/* SPDX-License-Identifier: Apache-2.0 */
/* A target at run time: its channel, listing, plan and worker. */
#pragma once

#include "api/channel.h"
#include "api/lister.h"
#include "sync/judge.h"
#include "sync/worker.h"

typedef struct Remote Remote;

typedef enum RemoteState {
        REMOTE_UNKNOWN,         /* nothing was tried yet */
        REMOTE_OK,
        REMOTE_HELD,
        REMOTE_INCOMPLETE,      /* the listing, or a role that the API doesn't know */
        REMOTE_UNREACHABLE,
        REMOTE_PARKED,
        REMOTE_PAUSED,
} RemoteState;
const char *remote_state_to_string(RemoteState s);

/* Borrowed; the same for all targets. */
typedef struct RemoteEnv {
        Loop *loop;
        Store *store;
        const Config *config;
        bool dry_run, once;
        char *const *approvals;         /* hashes that an operator lets go ahead */
        size_t n_approvals;
        void (*changed)(void *userdata);        /* status of some target changed */
        void (*called)(const CallEvent *event, void *userdata); /* as WorkerHooks.called */
        void *userdata;
} RemoteEnv;

typedef struct RemoteInput {
        const People *people;           /* borrowed until done */
        int64_t cycle;
        usec_t started;                 /* wall: when the cycle (or the retry) began */
        /* monotonic: when the complete read ended that the people come from */
        usec_t read_at;
        bool absence_proven;
        /* time that counts for the grace of those who don't belong here any more */
        usec_t grow;
        bool fresh_listing;             /* the cached one won't do */
} RemoteInput;

/* How the last reconciliation ended; borrowed from the remote until the next one. */
typedef struct RemoteReport {
        RemoteState state;
        char reason[1024];              /* why held, incomplete, unreachable; "" */
        bool bad_role;                  /* a configured role is unknown at the API (exit 3) */
        size_t n_accounts;
        const Plan *plan;               /* NULL: none could be made */
        const HeldPlan *held;           /* NULL: none */
        size_t n_suppressed;            /* wishes equal to a dead letter or dropped one */
        /* acts that are asked for and not queued: held, or a dry run's differences */
        size_t n_open;
        char hash[PLAN_HASH_LEN + 1];   /* of those, with the adoptions: what approve takes */
        UsedApprovals approved;
        char stale[PLAN_HASH_LEN + 1];  /* an operator's standing approval that fitted no plan, "" */
        char unfit[320];                /* as Judgement.unfit */
        size_t n_not_carried_out;       /* acts that are planned, and that this version doesn't carry out */
        unsigned pages;
        usec_t read_at; /* as RemoteInput.read_at; 0: nothing was compared yet */
        usec_t compared;                /* wall: when it ended */
} RemoteReport;

/* Borrows the channel, and what env points to. 0; -ENOMEM; -errno of the store. */
int remote_new(const RemoteEnv *env, Channel *channel, Remote **ret);
Remote *remote_free(Remote *remote);
DEFINE_CLEANUP(Remote *, remote_free);
const TargetConfig *remote_config(const Remote *remote);
/* Borrowed: for a check, which calls beside all that the remote does. */
Channel *remote_channel(Remote *remote);
const RemoteReport *remote_report(const Remote *remote);
/* Too many actions fail there: nothing is written but one action now and then. */
bool remote_is_quarantined(const Remote *remote);
/* As in the report; a target that is in quarantine, and nothing else, is parked. */
RemoteState remote_state(const Remote *remote);
const char *remote_reason(const Remote *remote);

/* Lists (unless the cached listing is young enough), compares, judges, queues. done: once, never from
 * inside. Negative: nothing runs, done isn't called (-EBUSY: one runs already; else the report says it). */
typedef void (*remote_done_t)(Remote *remote, void *userdata);
int remote_reconcile(Remote *remote, const RemoteInput *in, remote_done_t done, void *userdata);
/* While one runs: it goes on with the people of a newer complete read, so that a plan is always that of the
 * youngest, however long the listing takes. 0; -errno of the store: it goes on with those that it has. */
int remote_renew(Remote *remote, const RemoteInput *in);
/* When a failed reconciliation is worth another try: wall time; USEC_INFINITY: it didn't fail, or waits
 * for a person. */
usec_t remote_retry_at(const Remote *remote);

/* A reconciliation is under way. */
bool remote_is_busy(const Remote *remote);
/* A listing is under way, or waits for its next call. */
bool remote_is_listing(const Remote *remote);
/* Something was decided that the next judgement counts: have one soon (remote_retry_at() is then 0), by
 * the listing that there is. */
void remote_ask_again(Remote *remote);
bool remote_is_asked_again(const Remote *remote);
/* The next comparison takes a listing that begins from now on, and asks for every page of it. */
void remote_want_whole(Remote *remote);

/* Takes the operator's pauses from the store as they are now. 0, -errno of the store. */
int remote_update_pause(Remote *remote);
bool remote_is_paused(const Remote *remote);
/* Parking ends: the target is called again. */
void remote_unpark(Remote *remote);
/* Rows were put into the queue, or are due now. */
void remote_kick(Remote *remote);
/* As worker_action_due(). */
usec_t remote_action_due(const Remote *remote, const QueueItem *item);
/* An operator waits for this action, which is waiting: it goes first among its rank, before those too that
 * were taken up and whose call isn't sent. 0, -errno of the store. */
int remote_urge(Remote *remote, int64_t id);
/* As worker_let_go(). */
int remote_let_go(Remote *remote, int64_t id);

/* The last complete listing, with our own changes since; NULL: none yet. Borrowed until the next turn of
 * the loop. */
const Accounts *remote_accounts(const Remote *remote);
/* The API's own user; NULL: none. */
const char *remote_own_login(const Remote *remote);
/* As channel_parked_until() and channel_next_free(), but that a throttled key counts too; while a target is
 * in quarantine the next action counts, and the class is OUTCOME_REJECTED. */
usec_t remote_parked(const Remote *remote, OutcomeClass *ret_class, const char **ret_detail);
usec_t remote_next_free(const Remote *remote);
/* As channel_estimate() and channel_shares_key(). */
usec_t remote_estimate(const Remote *remote, uint64_t n);
bool remote_shares_key(const Remote *a, const Remote *b);

/* Lets the worker run; takes a listing for unfinished work of an earlier run. */
void remote_start(Remote *remote);
/* Stops reconciling, whose end isn't called back, and taking up; sent calls finish. */
void remote_drain(Remote *remote);
bool remote_is_idle(const Remote *remote);
/* As worker_next_due(). */
usec_t remote_next_due(const Remote *remote);
usec_t remote_parked_until(const Remote *remote);
/* As channel_is_failing(). */
bool remote_is_failing(const Remote *remote);
/* As channel_retry_refused(). */
void remote_retry_refused(Remote *remote);
