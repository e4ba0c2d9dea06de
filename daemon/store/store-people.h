/* SPDX-License-Identifier: Apache-2.0 */
/* People: one row per person in scope, as the last complete read showed them. Part of store/store.h.
 *
 * A read costs memory for what changed alone: fingerprints of the rows are kept in memory (about 30 bytes
 * a person), unchanged people only leave a mark there, changed ones wait in a spool (memory first, then an
 * unlinked file in the state directory). */
#pragma once

#include "base/time.h"
#include "model/person.h"
#include "store/store.h"

typedef struct PeopleUpdate PeopleUpdate;

/* One read at a time (-EBUSY). Other transactions may come and go while it is under way. */
int store_people_begin(Store *store, size_t n_groups, PeopleUpdate **ret);
/* 0; STORE_E_DUPLICATE: the id was seen in this read already (this one is ignored, and the read allows no
 * removal). After a negative return only abandoning is left. */
int store_people_put(PeopleUpdate *update, const Person *p);
/* The read proves no absence: whoever wasn't seen stays as they were. Before store_people_end(). */
void store_people_unproven(PeopleUpdate *update);
/* A complete read ended: everybody not seen is absent; absent_for grows by `grow` for who was absent
 * before too, and ends for who was seen. Newly absent start at 0. Frees the update in any case; one
 * transaction, nestable, so that a checkpoint can be committed with it. Counts go to *ret (may be NULL).
 * For a dry run: store_begin(), this, store_people_load(), store_rollback(). */
typedef struct PeopleCounts {
        uint64_t present;               /* now */
        uint64_t added;                 /* of them: weren't present before; new, or back again */
        uint64_t changed;               /* of them: were present, with other values */
        uint64_t newly_absent;
} PeopleCounts;
int store_people_end(PeopleUpdate *update, usec_t grow, PeopleCounts *ret);
/* Nothing of this read is kept. NULL is fine; returns NULL. */
PeopleUpdate *store_people_abandon(PeopleUpdate *update);

/* All rows: present ones, and absent ones that some link still names. Marks are cut or filled up to
 * n_groups: after a change of groups only a full read makes them right. */
int store_people_load(Store *store, size_t n_groups, People **ret);
/* Person.ways as last read, NULL: none; for the caller to free. 0, -errno of the store, -ENOMEM. */
int store_person_ways(Store *store, const char *id, char **ret);
/* Absent people without a link or unfinished action are forgotten. -EBUSY while a read is under way. */
int store_people_prune(Store *store);
