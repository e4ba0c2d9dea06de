/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table from strings to positions in an array that somebody else owns: 8 bytes a slot, no copies
 * of keys. (json-c's lh_table takes 60 bytes a key and more, and a cycle of 100,000 people has half a dozen
 * such tables; hsearch() of glibc doesn't grow.) */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

/* The key of items[pos]. The array may move between calls. */
typedef const char *(*strindex_key_fn)(const void *items, uint32_t pos);

typedef struct StrIndex {
        struct StrIndexSlot { uint32_t hash, pos; } *slots;     /* pos + 1; 0: free */
        size_t size, n;                                         /* size: a power of two */
        strindex_key_fn key;
} StrIndex;

#define STRINDEX_INIT(fn) ((StrIndex){ .key = (fn) })
#define STRINDEX_NONE UINT32_MAX

void strindex_deinit(StrIndex *ix);
/* Makes room for n keys at once. 0, -ENOMEM. */
int strindex_reserve(StrIndex *ix, size_t n);
/* Enters items[pos]. 0; STRINDEX_E_KNOWN: an equal key is in it, at *ret_known (nothing is entered);
 * -ENOMEM. */
#define STRINDEX_E_KNOWN 1
int strindex_add(StrIndex *ix, const void *items, uint32_t pos, uint32_t *ret_known);
/* The same in two steps, between which the memory is fetched: hashes of some keys first, then all of them
 * entered. */
uint32_t strindex_hash(const StrIndex *ix, const char *key);
int strindex_add_hashed(StrIndex *ix, const void *items, uint32_t pos, uint32_t hash, uint32_t *ret_known);
/* Enters items[0] to items[n - 1]; of several with one key the first counts. 0, -ENOMEM. */
int strindex_fill(StrIndex *ix, const void *items, size_t n);
/* STRINDEX_NONE if there is none; NULL is in no index. */
uint32_t strindex_find(const StrIndex *ix, const void *items, const char *key);
/* The same for many keys; faster, as what they need is fetched from memory together. items are item_size
 * apart. */
void strindex_find_many(const StrIndex *ix, const void *items, size_t item_size, const char *const *keys,
                        size_t n, uint32_t *ret);
