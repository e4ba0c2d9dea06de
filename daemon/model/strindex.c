/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/siphash.h"
#include "model/strindex.h"

void strindex_deinit(StrIndex *ix) {
        free(ix->slots);
        *ix = STRINDEX_INIT(ix->key);
}

static void place(struct StrIndexSlot *slots, size_t size, struct StrIndexSlot slot) {
        size_t i = slot.hash & (size - 1);

        while (slots[i].pos != 0)
                i = (i + 1) & (size - 1);
        slots[i] = slot;
}

int strindex_reserve(StrIndex *ix, size_t n) {
        struct StrIndexSlot *slots;
        size_t size = ix->size ?: 16;

        if (n > UINT32_MAX / 4)
                return -ENOMEM;
        while (size / 3 * 2 < n)
                size *= 2;
        if (size == ix->size)
                return 0;
        slots = calloc(size, sizeof(*slots));
        if (!slots)
                return -ENOMEM;
        for (size_t i = 0; i < ix->size; i++)
                if (ix->slots[i].pos != 0)
                        place(slots, size, ix->slots[i]);
        free(ix->slots);
        ix->slots = slots;
        ix->size = size;
        return 0;
}

/* Tables of a hundred thousand don't fit into the caches: a look-up waits for its slot, then for the
 * item, then for the item's key. Taken in batches they wait together. */
#define BATCH 32

static uint32_t find(const StrIndex *ix, const void *items, const char *key, uint32_t hash) {
        if (ix->size == 0)
                return STRINDEX_NONE;
        for (size_t i = hash & (ix->size - 1); ix->slots[i].pos != 0; i = (i + 1) & (ix->size - 1))
                if (ix->slots[i].hash == hash && strcmp(ix->key(items, ix->slots[i].pos - 1), key) == 0)
                        return ix->slots[i].pos - 1;
        return STRINDEX_NONE;
}

uint32_t strindex_hash(const StrIndex *ix, const char *key) {
        uint32_t hash = (uint32_t) siphash(key, strlen(key));

        if (ix->size > 0)
                __builtin_prefetch(&ix->slots[hash & (ix->size - 1)]);
        return hash;
}

int strindex_add(StrIndex *ix, const void *items, uint32_t pos, uint32_t *ret_known) {
        return strindex_add_hashed(ix, items, pos, strindex_hash(ix, ix->key(items, pos)), ret_known);
}

int strindex_add_hashed(StrIndex *ix, const void *items, uint32_t pos, uint32_t hash, uint32_t *ret_known) {
        uint32_t known;
        int r;

        known = find(ix, items, ix->key(items, pos), hash);
        if (known != STRINDEX_NONE) {
                *ret_known = known;
                return STRINDEX_E_KNOWN;
        }
        r = strindex_reserve(ix, ix->n + 1);
        if (r < 0)
                return r;
        place(ix->slots, ix->size, (struct StrIndexSlot){ hash, pos + 1 });
        ix->n++;
        return 0;
}

int strindex_fill(StrIndex *ix, const void *items, size_t n) {
        uint32_t known;
        int r;

        r = strindex_reserve(ix, n);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = strindex_add(ix, items, (uint32_t) i, &known);
        return r < 0 ? r : 0;
}

uint32_t strindex_find(const StrIndex *ix, const void *items, const char *key) {
        if (!key)
                return STRINDEX_NONE;
        return find(ix, items, key, (uint32_t) siphash(key, strlen(key)));
}

static void find_batch(const StrIndex *ix, const void *items, size_t item_size, const char *const *keys,
                       size_t n, uint32_t *ret) {
        const struct StrIndexSlot *slot;
        uint32_t hash[BATCH];

        for (size_t i = 0; i < n; i++)
                hash[i] = keys[i] ? strindex_hash(ix, keys[i]) : 0;
        for (size_t i = 0; i < n; i++) {
                slot = &ix->slots[hash[i] & (ix->size - 1)];
                if (slot->pos != 0)
                        __builtin_prefetch((const char *) items + (slot->pos - 1) * item_size);
        }
        for (size_t i = 0; i < n; i++) {
                slot = &ix->slots[hash[i] & (ix->size - 1)];
                if (slot->pos != 0)
                        __builtin_prefetch(ix->key(items, slot->pos - 1));
        }
        for (size_t i = 0; i < n; i++)
                ret[i] = keys[i] ? find(ix, items, keys[i], hash[i]) : STRINDEX_NONE;
}

void strindex_find_many(const StrIndex *ix, const void *items, size_t item_size, const char *const *keys,
                        size_t n, uint32_t *ret) {
        for (size_t i = 0; i < n; i += BATCH) {
                size_t now = n - i < BATCH ? n - i : BATCH;

                if (ix->size > 0)
                        find_batch(ix, items, item_size, keys + i, now, ret + i);
                for (size_t k = 0; ix->size == 0 && k < now; k++)
                        ret[i + k] = STRINDEX_NONE;
        }
}
