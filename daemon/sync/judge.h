/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a plan goes into the queue, or waits for a person. */
#pragma once

#include "config/config.h"
#include "model/expect.h"
#include "model/plan.h"
#include "store/store.h"
#include "sync/resets.h"

typedef struct JudgeInput {
        Store *store;
        const Config *config;
        const TargetConfig *target;
        const Plan *plan;
        const Links *links;             /* of the target */
        const Accounts *accounts;       /* its listing */
        const char *own_login;          /* the API's own user; NULL: none */
        const People *people;
        const Resets *resets;           /* signals to be remembered with what they led to */
        char *const *approvals;
        size_t n_approvals;
        const char *standing;           /* the one among them that the store keeps; NULL: none */
        int64_t cycle;
        usec_t wall;
        const char *doubt;              /* why the listing alone holds the plan; NULL: it doesn't */
        bool absence_proven;            /* the last read allows removals */
        bool dry_run;                   /* only what would be asked for, and its hash */
} JudgeInput;

/* The approvals that were used: of a revert, of the held plan or a file, of what came on top of that. */
typedef struct UsedApprovals { char hash[3][PLAN_HASH_LEN + 1]; size_t n; } UsedApprovals;
bool approval_was_used(const UsedApprovals *used, const char *hash);

typedef struct Judgement {
        HeldPlan *held;                 /* NULL: nothing waits for a person */
        char hash[PLAN_HASH_LEN + 1];   /* of what isn't queued yet: the one that approve takes */
        UsedApprovals approved;
        char unfit[320];                /* why an approved plan couldn't be done as it stands, "" */
        size_t n_open;                  /* acts (no adoptions) that aren't queued yet */
        /* Looked at where the configuration has changed since a plan was accepted; else empty. */
        Expectations expect;
        size_t n_queued, n_adopted, n_suppressed, n_not_carried_out;
        size_t n_busy;                  /* acts for people who have something else under way */
} Judgement;
void judgement_deinit(Judgement *j);
/* For those who judge: an approval lets something go, and whether this hash is approved. */
void judgement_use_approval(Judgement *j, const char *hash);
bool judge_is_approved(const JudgeInput *in, const char *hash);

/* What is queued already, or suppressed by a dead letter, isn't asked for again. Of the rest an approved
 * plan, held or an operator's file, does exactly its actions; else policy decides over the whole. An
 * empty plan that breaks an expectation isn't held, but doesn't count as accepted either. Adoptions and
 * relinks of a plan that may go are links at once, and the standing approval that let it go is spent, in
 * the same transaction; what was decided before and what is judged now are one each. 0; -errno of the
 * store. */
int judge_plan(const JudgeInput *in, Judgement *ret);
