/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing with linear probing; a place is found by multiplication, so that the size can grow by
 * half instead of doubling. */
#include "store/store-index.h"

#include "base/random.h"
#include "base/siphash.h"

struct PeopleIndex {
        PeopleEntry *entries;
        size_t n, size;
        uint64_t key;
};

#define SIZE_MIN ((size_t) 64)

PeopleIndex *people_index_new(size_t expected) {
        _cleanup_(people_index_freep) PeopleIndex *index = calloc(1, sizeof(*index));

        if (!index)
                return NULL;
        index->key = random_u64();
        index->size = expected + expected / 3 + SIZE_MIN;
        index->entries = calloc(index->size, sizeof(*index->entries));
        return index->entries ? TAKE(index) : NULL;
}

PeopleIndex *people_index_free(PeopleIndex *index) {
        if (index) {
                free(index->entries);
                free(index);
        }
        return NULL;
}

static uint64_t hash_id(const PeopleIndex *index, const char *id) {
        SipHash h;
        uint64_t v;

        siphash_init(&h);
        siphash_add_u64(&h, index->key);
        siphash_add_str(&h, id);
        v = siphash_end(&h);
        return v ? v : 1;
}

static PeopleEntry *find(PeopleEntry *entries, size_t size, uint64_t hash) {
        size_t i = (size_t) ((unsigned __int128) hash * size >> 64);

        while (entries[i].hash != 0 && entries[i].hash != hash)
                i = i + 1 < size ? i + 1 : 0;
        return entries + i;
}

static int grow(PeopleIndex *index) {
        size_t size = index->size + index->size / 2;
        PeopleEntry *entries = calloc(size, sizeof(*entries));

        if (!entries)
                return -1;
        for (size_t i = 0; i < index->size; i++)
                if (index->entries[i].hash != 0)
                        *find(entries, size, index->entries[i].hash) = index->entries[i];
        free(index->entries);
        index->entries = entries;
        index->size = size;
        return 0;
}

PeopleEntry *people_index_entry(PeopleIndex *index, const char *id) {
        uint64_t hash = hash_id(index, id);
        PeopleEntry *e = find(index->entries, index->size, hash);

        if (e->hash == hash)
                return e;
        if (index->n >= index->size / 5 * 4) {
                if (grow(index) < 0)
                        return NULL;
                e = find(index->entries, index->size, hash);
        }
        *e = (PeopleEntry){ .hash = hash };
        index->n++;
        return e;
}

PeopleEntry *people_index_next(PeopleIndex *index, PeopleEntry *entry) {
        PeopleEntry *end = index->entries + index->size;

        for (entry = entry ? entry + 1 : index->entries; entry < end; entry++)
                if (entry->hash != 0)
                        return entry;
        return NULL;
}
