/* SPDX-License-Identifier: Apache-2.0 */
/* About when all that is queued will be done: for people, never for decisions. */
#pragma once

#include "sync/engine.h"

typedef struct Forecast {
        usec_t done_by;                 /* wall; 0: nothing is queued of which that can be told */
        bool partly;                    /* some can't: its target is paused, or refuses our credentials */
} Forecast;

/* By the calls that the queued actions take if all goes well, and the budget and parking of their keys and
 * targets; what else is called (listings, looks, repetitions) comes on top. 0; -errno of the store. */
int forecast(const Engine *engine, Forecast *ret);
