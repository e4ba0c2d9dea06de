/* SPDX-License-Identifier: Apache-2.0 */
/* Password signals: which resets a cycle asks for, and what is remembered of the signals. */
#pragma once

#include "model/plan.h"
#include "store/store.h"

typedef struct SignalRecord { const char *person, *value; } SignalRecord;

/* What is to be remembered together with the plan that it led to. Borrows from people. */
typedef struct Resets {
        SignalRecord *records;
        size_t n, size;
} Resets;
void resets_deinit(Resets *r);

typedef struct ResetsInput {
        Store *store;
        const Config *config;
        const TargetConfig *target;
        const People *people;
        const Links *links;
        const Accounts *accounts;
        int64_t cycle;
        bool paused;
} ResetsInput;

/* Adds a reset to the plan for each signal that fires at a linked account, and those of a held plan,
 * which nobody asks for again; the plan is finished anew. A signal that fires for somebody without an
 * account here, or at a paused target, leads to nothing, and that is logged. One whose person has
 * something else in the queue isn't looked at in this cycle. 0, -errno. */
int resets_find(const ResetsInput *in, Plan *plan, Resets *ret);
/* Within the transaction that queues or holds the plan. 0, -errno of the store. */
int resets_record(Store *store, const char *target, const Resets *resets);
