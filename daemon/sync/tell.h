/* SPDX-License-Identifier: Apache-2.0 */
/* Tells the journal what a plan knowingly leaves alone, or is about to take away: each remark once, though
 * every comparison makes it anew. */
#pragma once

#include "model/plan.h"

/* Fingerprints of what the last plan remarked, in order. All zero: nothing was told yet. */
typedef struct Tell { uint64_t *told; size_t n; } Tell;

void tell_deinit(Tell *tell);
/* The blocked, accounts that are kept by an invariant, leavers whose grace runs: those that the plan before
 * didn't have. */
void tell_plan(Tell *tell, const Plan *plan, int64_t cycle);

/* How many notes of a plan are of these kinds; NULL has none. */
size_t tell_n_kept(const Plan *plan);    /* protected, the last of a role, the API's own user */
size_t tell_n_grace(const Plan *plan);
