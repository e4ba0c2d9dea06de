/* SPDX-License-Identifier: Apache-2.0 */
/* A target where too many actions fail: nothing is written there but one action now and then, which shows
 * whether it works again. Reading goes on. Over restarts it lasts. */
#pragma once

#include "base/loop.h"
#include "config/config.h"
#include "store/store.h"

typedef struct Quarantine Quarantine;

/* All borrowed. changed: what may be taken up has changed; from the loop, never from inside a call. Takes
 * up again what an earlier process left. 0, -ENOMEM, -errno of the store. */
int quarantine_new(Loop *loop, Store *store, const TargetConfig *target, void (*changed)(void *userdata),
                   void *userdata, Quarantine **ret);
Quarantine *quarantine_free(Quarantine *q);
DEFINE_CLEANUP(Quarantine *, quarantine_free);

bool quarantine_is_on(const Quarantine *q);
/* Why, and when (wall) the next action is tried; NULL: it isn't on. */
const char *quarantine_reason(const Quarantine *q, usec_t *ret_until);
/* From when (wall) an action may be taken up; 0: at any time; USEC_INFINITY: when the one that is tried is
 * over. */
usec_t quarantine_next(Quarantine *q);
bool quarantine_admits(Quarantine *q);

/* An action is taken up: while the quarantine is on it is the one that is tried. */
void quarantine_try(Quarantine *q, int64_t id);
/* The action that is tried; 0: none. */
int64_t quarantine_tried(const Quarantine *q);
/* It isn't under way any more, and may have told nothing. Another action's id is fine. */
void quarantine_leave(Quarantine *q, int64_t id);

/* An action's row has ended. Of the one that is tried: done lifts the quarantine, dead lengthens the wait;
 * other ids are of no account while it is on, as they were sent before. */
void quarantine_ended(Quarantine *q, int64_t id, bool done);
/* Rows have ended: if the share of failures among the last `after` of them is over `percent`, it begins. */
void quarantine_judge(Quarantine *q);
/* By an operator's word, or a new configuration; the history before counts no more. */
void quarantine_lift(Quarantine *q, const char *why);
