/* SPDX-License-Identifier: Apache-2.0 */
/* An operator's standing orders about targets: kept in the store, so that they survive restarts and
 * reloads. */
#pragma once

#include "model/plan.h"
#include "store/store.h"

/* The hash that the target's next judgement may let go; "" where there is none. NULL takes it back. One a
 * target: it takes the place of an earlier one, and of the file that came with that. */
int standing_approve(Store *store, const char *target, const char *hash);
/* The same for a plan that an operator brings along. */
int standing_apply(Store *store, const Plan *plan, usec_t wall);
int standing_approval(Store *store, const char *target, char ret[static PLAN_HASH_LEN + 1]);

/* Writes are stopped: of one target, or (NULL) of all of them at once. */
int standing_set_paused(Store *store, const char *target, bool paused);
int standing_is_paused(Store *store, const char *target, bool *ret);
