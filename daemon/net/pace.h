/* SPDX-License-Identifier: Apache-2.0 */
/* Sliding windows of calls under one key: how many calls are free now, and when the next one is. Pure: no
 * clock, no store of its own. */
#pragma once

#include "base/cleanup.h"
#include "base/time.h"

#define PACE_MARGIN (100 * USEC_PER_MSEC)

typedef struct PaceLimit {
        usec_t window;
        unsigned calls; /* 0: no limit of that window */
} PaceLimit;
typedef struct Pace Pace;

/* limits: at most 4, copied. Keeps as many times as the largest limit needs. */
int pace_new(const PaceLimit *limits, size_t n_limits, Pace **ret);
Pace *pace_free(Pace *pace);
DEFINE_CLEANUP(Pace *, pace_free);

/* A call went out (or, after a start, is remembered from the store) at that wall time. Times may come in any
 * order (oldest first is the cheapest); a time in the future (the wall clock was set back) counts as now,
 * from the first look on. 0 or -ENOMEM. */
int pace_record(Pace *pace, usec_t wall);
/* What an answer said is left in the window that started `window` ago; can only lower our own estimate, and
 * fades with the window. */
void pace_hint(Pace *pace, usec_t window, uint64_t remaining, usec_t wall);
/* `wall` is the present, here and below. The earliest wall time from which `n` calls may go out one after
 * the other; <= wall means now. Each window ends PACE_MARGIN late. USEC_INFINITY where n is over a limit and
 * can never fit. */
usec_t pace_next(const Pace *pace, unsigned n, usec_t wall);
/* The longest window and the margin: calls older than that need not be remembered. 0 without limits. */
usec_t pace_longest(const Pace *pace);
/* About when the last of n more calls can have gone out, if each goes as early as it may from `from` (not
 * in the past) on: for people. Exact for what the windows hold twice, from there on by the slowest. */
usec_t pace_estimate(const Pace *pace, uint64_t n, usec_t from);
