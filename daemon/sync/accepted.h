/* SPDX-License-Identifier: Apache-2.0 */
/* What the last plan of a target went by that needed no approval, or was given it: when the configuration
 * has another mind, the next plan is looked at more closely. */
#pragma once

#include "config/config.h"
#include "store/store.h"

typedef struct Accepted {
        char *rules, *expect;           /* as configured now: rules_text(), expect_text() */
        char *rules_before;             /* NULL: no plan was accepted yet */
        bool restored;                  /* the database is older than what was done */
        bool all_same;                  /* nothing of this has changed */
} Accepted;
void accepted_deinit(Accepted *a);

/* 0, -ENOMEM, -errno of the store. */
int accepted_load(Store *store, const Config *config, const TargetConfig *target, Accepted *ret);
/* From now on the plans that go by what is configured now are as any other. As above; what it says is right
 * once it is committed. */
int accepted_remember(Store *store, const TargetConfig *target, Accepted *a);
/* A plan is frozen by what is configured now. */
int accepted_freeze(Store *store, const TargetConfig *target, const Accepted *a);
/* That plan was approved, and so is what is configured now, unless it has changed in between: nobody has
 * seen what comes of that. */
int accepted_thaw(Store *store, const TargetConfig *target, Accepted *a);
