/* SPDX-License-Identifier: Apache-2.0 */
/* A read leaves marks in the index and changed people in the spool; only its end writes rows, in one
 * transaction. Whatever is rolled back takes the index with it, which is then read anew. */
#include "store/store-people.h"

#include <errno.h>
#include <string.h>

#include "base/failpoint.h"
#include "store/store-index.h"
#include "store/store-internal.h"
#include "store/store-spool.h"

#define BULK_MIN 10000

struct PeopleUpdate {
        bool unproven;
        Store *store;
        size_t n_groups;
        Spool *spool;
        PeopleCounts counts;
};

void people_forget_index(Store *store) {
        store->index = people_index_free(store->index);
}

static PeopleUpdate *update_free(PeopleUpdate *update) {
        if (update) {
                spool_free(update->spool);
                free(update);
        }
        return NULL;
}
DEFINE_CLEANUP(PeopleUpdate *, update_free);

/* ---- a read under way ---- */

static int count_people(Store *store, size_t *ret) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        int r;

        r = store_query(store, SQL_PEOPLE_COUNT, &q, "");
        if (r == 0)
                r = store_step(store, q);
        if (r < 0)
                return r;
        *ret = (size_t) sqlite3_column_int64(q, 0);
        return 0;
}

static int read_index(Store *store) {
        _cleanup_(people_index_freep) PeopleIndex *index = NULL;
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        size_t n = 0;
        int r;

        r = count_people(store, &n);
        if (r == 0)
                r = store_query(store, SQL_PEOPLE_INDEX, &q, "");
        if (r < 0)
                return r;
        index = people_index_new(n);
        if (!index)
                return -ENOMEM;
        while ((r = store_step(store, q)) > 0) {
                const char *id = column_text(q, 1);
                PeopleEntry *e = id ? people_index_entry(index, id) : NULL;

                if (!e)
                        return -ENOMEM;
                e->row = (uint64_t) sqlite3_column_int64(q, 0);
                e->fingerprint = (uint64_t) sqlite3_column_int64(q, 2);
                e->absent = sqlite3_column_int(q, 3) == 0;
        }
        if (r < 0)
                return r;
        store->index = TAKE(index);
        return 0;
}

int store_people_begin(Store *store, size_t n_groups, PeopleUpdate **ret) {
        _cleanup_(update_freep) PeopleUpdate *update = NULL;
        int r;

        if (store->update || store->index_touched)
                return store_fail_text(store, -EBUSY, "a read of the people is under way already");
        if (!store->index) {
                r = read_index(store);
                if (r < 0)
                        return r;
        }
        update = calloc(1, sizeof(*update));
        if (!update)
                return -ENOMEM;
        update->store = store;
        update->n_groups = n_groups;
        update->spool = spool_new(store->directory, n_groups);
        if (!update->spool)
                return -ENOMEM;
        store->update = update;
        *ret = TAKE(update);
        return 0;
}

int store_people_put(PeopleUpdate *update, const Person *p) {
        uint64_t fingerprint = person_fingerprint(p, update->n_groups);
        PeopleEntry *e = people_index_entry(update->store->index, p->id);
        int r;

        if (!e)
                return -ENOMEM;
        if (e->seen)
                return STORE_E_DUPLICATE;
        e->seen = true;
        update->counts.present++;
        if (e->row > 0 && e->fingerprint == fingerprint)
                return 0;
        r = spool_add(update->spool, p, fingerprint);
        if (r < 0) {
                errno = -r;
                return store_fail_text(update->store, r == -ENOSPC || r == -ENOMEM ? r : -EIO,
                                       "%s: people that were read can't be kept: %m",
                                       update->store->directory);
        }
        return 0;
}

PeopleUpdate *store_people_abandon(PeopleUpdate *update) {
        PeopleEntry *e = NULL;

        if (!update)
                return NULL;
        while (update->store->index && (e = people_index_next(update->store->index, e)))
                e->seen = false;
        update->store->update = NULL;
        return update_free(update);
}

/* ---- its end ---- */

/* row: of the update; an insert doesn't use it. */
static int write_row(Store *store, StatementId id, const Person *p, size_t n_groups, uint64_t fingerprint,
                     uint64_t row) {
        const char *types = id == SQL_PERSON_UPDATE ? "tinittttttttbti" : "tinittttttttbt";

        return store_exec(store, id, types, p->id, (int64_t) fingerprint, (int) p->disabled,
                          (int64_t) p->unreadable, p->dn, p->field[PERSON_LOGIN], p->field[PERSON_EMAIL],
                          p->field[PERSON_FIRST_NAME], p->field[PERSON_LAST_NAME], p->field[PERSON_TIMEZONE],
                          p->field[PERSON_EMPLOYEE_NUMBER], p->signal, p->marks,
                          MARKS_WORDS(n_groups) * sizeof(*p->marks), p->ways, (int64_t) row);
}

static int merge(const Person *p, uint64_t fingerprint, void *userdata) {
        PeopleUpdate *update = userdata;
        Store *store = update->store;
        PeopleEntry *e = people_index_entry(store->index, p->id);
        bool known;
        int r;

        if (!e)
                return -ENOMEM;
        known = e->row > 0;
        if (known) {
                r = write_row(store, SQL_PERSON_UPDATE, p, update->n_groups, fingerprint, e->row);
                if (r < 0)
                        return r;
                /* The entry was somebody else's: two ids with one hash. */
                known = sqlite3_changes(store->db) > 0;
        }
        if (!known) {
                r = write_row(store, SQL_PERSON_INSERT, p, update->n_groups, fingerprint, 0);
                if (r < 0)
                        return r;
                e->row = (uint64_t) sqlite3_last_insert_rowid(store->db);
        }
        if (known && !e->absent)
                update->counts.changed++;
        else
                update->counts.added++;
        e->fingerprint = fingerprint;
        e->absent = false;
        return 0;
}

/* Those whose row needs no new values: who came back as before, and who isn't there any more. */
static int settle_presence(PeopleUpdate *update) {
        Store *store = update->store;
        PeopleEntry *e = NULL;
        int r = 0;

        while (r == 0 && (e = people_index_next(store->index, e))) {
                if (e->seen && e->absent) {
                        r = store_exec(store, SQL_PERSON_RETURNED, "i", (int64_t) e->row);
                        e->absent = false;
                        update->counts.added++;
                } else if (!e->seen && !e->absent && e->row > 0 && !update->unproven) {
                        r = store_exec(store, SQL_PERSON_ABSENT, "i", (int64_t) e->row);
                        e->absent = true;
                        update->counts.newly_absent++;
                }
                e->seen = false;
        }
        return r;
}

/* The first read of a large directory: an index made at the end costs a fraction of one kept up row by
 * row. */
static int is_bulk(const PeopleUpdate *update) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        int r;

        if (update->counts.present < BULK_MIN)
                return 0;
        r = store_query(update->store, SQL_PEOPLE_ANY, &q, "");
        if (r == 0)
                r = store_step(update->store, q);
        return r < 0 ? r : r == 0;
}

static int write_spool(PeopleUpdate *update) {
        Store *store = update->store;
        int r, bulk = is_bulk(update);

        if (bulk < 0)
                return bulk;
        r = bulk ? store_exec(store, SQL_PEOPLE_UNINDEX, "") : 0;
        if (r == 0)
                r = spool_walk(update->spool, merge, update);
        if (r == -EBADMSG)
                r = store_fail_text(store, -EIO, "%s: people that were read were not kept whole",
                                    store->directory);
        return r == 0 && bulk ? store_exec(store, SQL_PEOPLE_REINDEX, "") : r;
}

static int write_update(PeopleUpdate *update, usec_t grow) {
        Store *store = update->store;
        int r;

        store->index_touched = true;
        r = store_exec(store, SQL_PEOPLE_GROW, "uu", grow, USEC_INFINITY);
        if (r < 0)
                return r;
        r = write_spool(update);
        failpoint("store-people");
        return r < 0 ? r : settle_presence(update);
}

void store_people_unproven(PeopleUpdate *update) {
        update->unproven = true;
}

int store_people_end(PeopleUpdate *take_update, usec_t grow, PeopleCounts *ret) {
        _cleanup_(update_freep) PeopleUpdate *update = take_update;
        Store *store = update->store;
        int r;

        r = store_begin(store);
        if (r < 0) {
                (void) store_people_abandon(TAKE(update));
                return r;
        }
        store->update = NULL;
        r = store_end(store, write_update(update, grow));
        if (r == 0 && ret)
                *ret = update->counts;
        return r;
}

/* ---- reading and forgetting ---- */

static void person_of_row(sqlite3_stmt *q, Person *p) {
        static const PersonField fields[] = {
                        PERSON_LOGIN,     PERSON_EMAIL,    PERSON_FIRST_NAME,
                        PERSON_LAST_NAME, PERSON_TIMEZONE, PERSON_EMPLOYEE_NUMBER,
        };

        p->id = column_text(q, 0);
        p->present = sqlite3_column_int(q, 1);
        p->absent_for = column_usec(q, 2);
        p->disabled = sqlite3_column_int(q, 3);
        p->unreadable = (uint32_t) sqlite3_column_int64(q, 4);
        p->dn = column_text(q, 5);
        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                p->field[fields[i]] = column_text(q, 6 + (int) i);
        p->signal = column_text(q, 12);
}

static void marks_of_row(sqlite3_stmt *q, uint64_t *marks, size_t n_groups) {
        const void *data = sqlite3_column_blob(q, 13);
        size_t have = (size_t) sqlite3_column_bytes(q, 13), size = MARKS_WORDS(n_groups) * sizeof(*marks);

        memset(marks, 0, size);
        if (data && have > 0)
                memcpy(marks, data, have < size ? have : size);
        if (n_groups % 64 != 0)
                marks[n_groups / 64] &= (UINT64_C(1) << n_groups % 64) - 1;
}

int store_people_load(Store *store, size_t n_groups, People **ret) {
        _cleanup_(people_freep) People *people = people_new();
        _cleanup_(freep) uint64_t *marks = calloc(MARKS_WORDS(n_groups) + 1, sizeof(*marks));
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        int r;

        if (!people || !marks)
                return -ENOMEM;
        r = store_query(store, SQL_PEOPLE_LOAD, &q, "");
        if (r < 0)
                return r;
        while ((r = store_step(store, q)) > 0) {
                Person p = { .marks = marks };

                person_of_row(q, &p);
                marks_of_row(q, marks, n_groups);
                r = p.id ? people_add(people, &p, n_groups) : -ENOMEM;
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        *ret = TAKE(people);
        return 0;
}

int store_person_ways(Store *store, const char *id, char **ret) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        const char *ways;
        int r;

        *ret = NULL;
        r = store_query(store, SQL_PERSON_WAYS, &q, "t", id);
        if (r == 0)
                r = store_step(store, q);
        if (r <= 0)
                return r;
        ways = column_text(q, 0);
        *ret = ways ? strdup(ways) : NULL;
        return ways && !*ret ? -ENOMEM : 0;
}

static int prune(Store *store) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        int r;

        r = store_query(store, SQL_PEOPLE_PRUNE, &q, "");
        if (r < 0)
                return r;
        while ((r = store_step(store, q)) > 0) {
                const char *id = column_text(q, 1);
                PeopleEntry *e;

                r = store_exec(store, SQL_SIGNALS_FORGET, "t", id);
                if (r < 0)
                        return r;
                if (!store->index)
                        continue;
                store->index_touched = true;
                e = id ? people_index_entry(store->index, id) : NULL;
                if (!e)
                        return -ENOMEM;
                if (e->row == (uint64_t) sqlite3_column_int64(q, 0))
                        *e = (PeopleEntry){ .hash = e->hash };
        }
        return r;
}

int store_people_prune(Store *store) {
        int r;

        if (store->update)
                return store_fail_text(store, -EBUSY, "a read of the people is under way");
        r = store_begin(store);
        return r < 0 ? r : store_end(store, prune(store));
}
