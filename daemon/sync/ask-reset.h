/* SPDX-License-Identifier: Apache-2.0 */
/* A password reset on an operator's word. */
#pragma once

#include "config/config.h"
#include "store/store.h"

/* Queues it, as approved. 0; ASK_E_REFUSED with words in err: unknown person or target, no account of
 * ours there, the API can't, something else of that person is in the queue; -errno of the store. */
#define ASK_E_REFUSED 1
int ask_reset(Store *store, const Config *config, const char *person, const char *target, usec_t wall,
              ErrCtx *err);
