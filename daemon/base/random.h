/* SPDX-License-Identifier: Apache-2.0 */
/* Randomness for jitter; secrets have their own (base/secret.h). */
#pragma once

#include <stdint.h>

/* 64 random bits. IDSYNCD_SEED in the environment of a test makes them repeatable. */
uint64_t random_u64(void);
