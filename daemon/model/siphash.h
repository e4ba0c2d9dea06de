/* SPDX-License-Identifier: Apache-2.0 */
/* SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF") with a fixed key, for tables
 * and fingerprints. Equal input gives equal values on every machine and in every version: fingerprints
 * stand in the store. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct SipHash {
        uint64_t v[4];
        uint64_t tail;          /* bytes that don't fill a word yet */
        uint64_t len;
} SipHash;

void siphash_init(SipHash *h);
void siphash_add(SipHash *h, const void *data, size_t len);
void siphash_add_u64(SipHash *h, uint64_t value);
/* With its length, so that ("ab", "c") and ("a", "bc") differ; NULL differs from "". */
void siphash_add_str(SipHash *h, const char *text);
uint64_t siphash_end(SipHash *h);

uint64_t siphash(const void *data, size_t len);
