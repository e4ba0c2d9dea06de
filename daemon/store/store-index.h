/* SPDX-License-Identifier: Apache-2.0 */
/* Fingerprints of the people rows in memory, so that an unchanged person costs no look at the database. 24
 * bytes a place, four fifths of them in use at most. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

typedef struct PeopleIndex PeopleIndex;

typedef struct PeopleEntry {
        uint64_t hash;                  /* of the id, with a key of this process; 0: free place */
        uint64_t fingerprint;
        uint64_t row : 62;              /* 0: the id has no row (yet, or any more) */
        uint64_t seen : 1;              /* in the read under way */
        uint64_t absent : 1;            /* wasn't there in the last complete read */
} PeopleEntry;

/* With room for `expected` people. NULL when out of memory. */
PeopleIndex *people_index_new(size_t expected);
PeopleIndex *people_index_free(PeopleIndex *index);
DEFINE_CLEANUP(PeopleIndex *, people_index_free);

/* The id's entry, made (row 0) where there is none; valid until the next call. NULL when out of memory.
 * Two ids may in theory share one: the caller trusts the database, not the entry, when it writes. */
PeopleEntry *people_index_entry(PeopleIndex *index, const char *id);
/* Walks all entries in use: start with NULL. */
PeopleEntry *people_index_next(PeopleIndex *index, PeopleEntry *entry);
