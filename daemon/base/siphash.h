/* SPDX-License-Identifier: Apache-2.0 */
/* SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF") with a fixed key, for tables
 * and fingerprints. Equal input gives equal values on every machine and in every version: fingerprints
 * stand in the store. Our own: nettle hasn't it, and a digest of nettle's for each row, each look-up in a
 * table and each member of a group costs many times as much. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The algorithm itself, over bytes. */
uint64_t siphash(const void *data, size_t len);
/* Its 128-bit variant under a key of the caller's: where others choose the data and a collision hurts. */
void siphash128(const uint64_t key[static 2], const void *data, size_t len, uint64_t ret[static 2]);

/* Over a sequence of numbers and texts: each text as its length and its bytes, filled up with zeroes to
 * whole words, so that ("ab", "c") and ("a", "bc") differ; NULL differs from "". */
typedef struct SipHash {
        uint64_t v[4];
        uint64_t n;             /* words */
} SipHash;

void siphash_init(SipHash *h);
void siphash_add_u64(SipHash *h, uint64_t value);
void siphash_add_str(SipHash *h, const char *text);
uint64_t siphash_end(SipHash *h);
