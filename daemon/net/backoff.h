/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting times that double. Pure. */
#pragma once

#include "base/time.h"

/* The span before try number `n` (1: the first repeat): between half and the whole of min(first * 2^(n-1),
 * cap), by `random` (any 64 bits). n = 0 gives 0. */
usec_t backoff_span(unsigned n, usec_t first, usec_t cap, uint64_t random);
/* The whole of it, without jitter. */
usec_t backoff_doubled(unsigned n, usec_t first, usec_t cap);
