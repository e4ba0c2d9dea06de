/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by remote.c (listing, looking, working), remote-decide.c (comparing, judging) and
 * remote-operator.c (what others ask or tell it) alone. */
#pragma once

#include "sync/judge.h"
#include "sync/remote.h"
#include "sync/resets.h"
#include "sync/resetter.h"
#include "sync/shrink.h"
#include "sync/tell.h"
#include "sync/upkeep.h"

struct Remote {
        RemoteEnv env;
        Channel *channel;
        const TargetConfig *target;
        Lister *lister;
        Quarantine *quarantine;
        Worker *worker;
        Resetter *resetter;
        RemoteReport report;
        Accounts *accounts;             /* the last complete listing, with our own changes since */
        Links *links;                   /* of the comparison; NULL: there is none */
        Plan *plan;
        HeldPlan *held;
        usec_t roles_read;              /* monotonic; 0: never */
        bool role_unknown;              /* one of the configuration; that was said, and is asked again */
        bool listing_failed;            /* the last one, and that was said */
        char doubt[SHRINK_TEXT_MAX];    /* why the plan on this listing waits for a person, "" */
        unsigned n_doubted;             /* listings in a row that weren't believed */
        usec_t doubted_until;           /* monotonic: no other before */
        bool listed;                    /* since this comparison began */
        /* of the store or of memory ended it: the next cycle tries again, nothing before */
        bool fault;
        /* monotonic: the complete read that the last plan stands on; 0: none */
        usec_t planned_by;
        uint64_t failed_seen;           /* what was logged last, so that it is said once */
        Tell tell;
        char held_told[PLAN_HASH_LEN + 1];      /* the held plan that was logged last, "" */
        bool again;                     /* an operator decided something that the next judgement counts */
        bool want_whole;                /* the cached listing won't do, nor one that ends early */
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

/* remote.c */
void remote_finish(Remote *r);
void remote_fail(Remote *r, RemoteState state, const char *reason);
/* The store or memory failed: only the next cycle tries again. */
void remote_finish_fault(Remote *r, const char *reason);
int remote_list(Remote *r);

/* remote-decide.c */
int remote_load_links(Remote *r);
/* What the read tells the links: each read once, also one that no plan comes of. accounts NULL: there is no
 * listing. The time counts once, however often it is compared. */
int remote_keep_links_up(Remote *r, const Accounts *accounts);
/* A task: a listing is at hand. */
void remote_decide(void *userdata);
