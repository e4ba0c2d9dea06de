/* SPDX-License-Identifier: Apache-2.0 */
/* Calls made, and keys and targets that are parked: both survive a restart. Part of store/store.h. */
#pragma once

#include "base/time.h"
#include "store/store.h"

/* Before sending. `key` is a hash, no secret. */
int store_call_record(Store *store, const char *key, bool token, usec_t wall);
/* In order of time. */
int store_calls_since(Store *store, const char *key, bool token, usec_t since, int (*fn)(usec_t wall,
                      void *userdata),
                      void *userdata);
int store_calls_prune(Store *store, usec_t before);

typedef struct Park {
        usec_t until;                   /* wall */
        unsigned tries;
        char reason[32];
        char detail[256];               /* longer ones are cut */
} Park;
/* scope: "key:HASH" or "target:NAME". until 0 deletes. */
int store_park_set(Store *store, const char *scope, const Park *park);
int store_park_get(Store *store, const char *scope, Park *ret, bool *ret_found);
