/* SPDX-License-Identifier: Apache-2.0 */
/* The budget of one API key: how many calls may go out, shared by all targets of that key, remembered
 * over restarts. */
#pragma once

#include "config/config.h"
#include "net/http.h"
#include "net/pace.h"
#include "store/store.h"

typedef struct Budget Budget;

/* id: hash of host and key id, no secret (see budget_id()). token_limit: of token calls. Past calls come
 * from the store. */
int budget_new(Store *store, const char *id, const RateConfig *rate,
               const PaceLimit *token_limit, usec_t wall, Budget **ret);
Budget *budget_free(Budget *budget);
DEFINE_CLEANUP(Budget *, budget_free);

/* First 16 hex digits of SHA-256 over the URL's host and the key id. */
#define BUDGET_ID_LEN 16
void budget_id(const char *url, const Secret *key, char ret[static BUDGET_ID_LEN + 1]);
const char *budget_get_id(const Budget *budget);

/* Another target of the same key: where rates differ the lowest counts. */
int budget_lower(Budget *budget, const RateConfig *rate, usec_t wall);

/* The earliest wall time at which n calls may go out; <= wall: now. Counts the parking of the key, and
 * what is set aside for others. */
usec_t budget_next(Budget *budget, bool token, unsigned n, usec_t wall);
/* About when the last of n more calls can have gone out, from `from` on, or when parking ends. */
usec_t budget_estimate(Budget *budget, uint64_t n, usec_t from);
/* Sets n calls aside for an act that must not stop half-way, or gives them back (n negative). */
void budget_set_aside(Budget *budget, int n);
/* Records a call, in the store too, before it is sent. 0 or the store's error: then it must not be sent. */
int budget_spend(Budget *budget, bool token, usec_t wall);
/* What the answer's headers said is left. */
void budget_hint(Budget *budget, const HttpResult *result, usec_t wall);
/* The API said 429: no call until the later of Retry-After (capped at 1 h; without one 60 s) and our own
 * window. Returns that time. */
usec_t budget_throttle(Budget *budget, bool has_retry_after, usec_t retry_after, usec_t wall);
/* Until when; 0: it doesn't say so any more. */
usec_t budget_throttled_until(Budget *budget, usec_t wall);
