/* SPDX-License-Identifier: Apache-2.0 */
#include "store-fixture.h"

#include <time.h>

#include "base/time.h"
#include "heap.h"
#include "store/store-index.h"
#include "store/store-spool.h"

static Person person(const char *id, const char *email) {
        return (Person){ .id = id, .dn = "cn=x", .field = { [PERSON_EMAIL] = email } };
}

static PeopleUpdate *begin(Fixture *f, size_t n_groups) {
        PeopleUpdate *update = NULL;

        ok(store_people_begin(f->store, n_groups, &update));
        assert_non_null(update);
        return update;
}

/* A read of people given as pairs of id and address, up to NULL. */
static PeopleCounts read_people(Fixture *f, usec_t grow, const char *const *pairs) {
        PeopleUpdate *update = begin(f, 0);
        PeopleCounts counts = { 0 };

        for (; *pairs; pairs += 2) {
                Person p = person(pairs[0], pairs[1]);

                ok(store_people_put(update, &p));
        }
        ok(store_people_end(update, grow, &counts));
        return counts;
}

#define READ(f, grow, ...) read_people(f, grow, (const char *const[]){ __VA_ARGS__ __VA_OPT__(,) NULL })

static People *load(Fixture *f, size_t n_groups) {
        People *people = NULL;

        ok(store_people_load(f->store, n_groups, &people));
        return people;
}

static const Person *find(const People *people, const char *id) {
        for (size_t i = 0; i < people->n; i++)
                if (strcmp(people->items[i].id, id) == 0)
                        return people->items + i;
        return NULL;
}

static void put_link(Fixture *f, const char *id) {
        Link l = { .person = id, .remote_id = id, .address = "a@b", .origin = LINK_CREATED, .since = 7 };

        ok(store_link_put(f->store, "t", &l));
}

/* ---- rows ---- */

static void test_values_come_back(void **state) {
        Fixture *f = *state;
        uint64_t marks[2] = { 0x8000000000000001, 5 };
        Person p = {
                        .id = "id-1",
                        .dn = "uid=\xc3\xa9,dc=x",
                        .signal = "",
                        .ways = "cn=outer\tcn=inner",
                        .unreadable = 0x22,
                        .disabled = true,
                        .marks = marks,
                        .field = {"login", "a@b", "First", NULL, "", "4711"},
        };
        PeopleUpdate *update = begin(f, 67);
        People *people;
        const Person *q;
        char *ways;

        ok(store_people_put(update, &p));
        ok(store_people_end(update, 0, NULL));
        reopen(f);
        people = load(f, 67);
        assert_int_equal(people->n, 1);
        q = people->items;
        assert_string_equal(q->id, "id-1");
        assert_string_equal(q->dn, "uid=\xc3\xa9,dc=x");
        assert_string_equal(q->signal, "");
        assert_int_equal(q->unreadable, 0x22);
        assert_true(q->disabled && q->present);
        assert_int_equal(q->absent_for, 0);
        assert_memory_equal(q->marks, marks, sizeof(marks));
        for (size_t i = 0; i < _PERSON_FIELD_MAX; i++)
                assert_true(str_eq(q->field[i], p.field[i]));
        assert_null(q->ways);
        ok(store_person_ways(f->store, "id-1", &ways));
        assert_string_equal(ways, p.ways);
        free(ways);
        ok(store_person_ways(f->store, "id-2", &ways));
        assert_null(ways);
        assert_true(person_fingerprint(q, 67) != person_fingerprint(&p, 67));
        p.ways = NULL;
        assert_true(person_fingerprint(q, 67) == person_fingerprint(&p, 67));
        people_free(people);

        /* Fewer groups, more groups: what is known stays, what isn't is empty. */
        people = load(f, 1);
        assert_true(people->items[0].marks[0] == 1);
        people_free(people);
        people = load(f, 200);
        assert_true(people->items[0].marks[0] == marks[0] && people->items[0].marks[3] == 0);
        people_free(people);
}

static void test_counts(void **state) {
        Fixture *f = *state;
        PeopleCounts c;

        c = READ(f, 0, "a", "a@x", "b", "b@x", "c", "c@x");
        assert_int_equal(c.present, 3);
        assert_int_equal(c.added, 3);
        assert_int_equal(c.changed + c.newly_absent, 0);
        c = READ(f, 0, "a", "a@x", "b", "b2@x", "d", "d@x");
        assert_int_equal(c.present, 3);
        assert_int_equal(c.added, 1);
        assert_int_equal(c.changed, 1);
        assert_int_equal(c.newly_absent, 1);
        c = READ(f, 0, "a", "a@x", "b", "b2@x", "d", "d@x");
        assert_int_equal(c.added + c.changed + c.newly_absent, 0);
        /* Back again: as before, and with other values. */
        c = READ(f, 0, "a", "a@x", "c", "c@x");
        assert_int_equal(c.added, 1);
        assert_int_equal(c.newly_absent, 2);
        c = READ(f, 0, "a", "a@x", "c", "c@x", "b", "b3@x");
        assert_int_equal(c.added, 1);
        assert_int_equal(c.changed, 0);
        reopen(f);
        c = READ(f, 0, "a", "a@x", "c", "c@x", "b", "b3@x");
        assert_int_equal(c.present, 3);
        assert_int_equal(c.added + c.changed + c.newly_absent, 0);
}

/* An unchanged read writes nothing: the database file and its WAL stay as they are. */
static void test_unchanged_writes_nothing(void **state) {
        Fixture *f = *state;
        char wal[320];
        struct stat st;

        READ(f, 0, "a", "a@x", "b", "b@x");
        ok(store_idle(f->store));
        READ(f, 60, "b", "b@x", "a", "a@x");
        (void) snprintf(wal, sizeof(wal), "%s-wal", f->database);
        assert_int_equal(stat(wal, &st), 0);
        assert_int_equal(st.st_size, 0);
}

static void test_absent_for(void **state) {
        Fixture *f = *state;
        People *people;

        READ(f, 0, "a", "a@x", "b", "b@x");
        put_link(f, "b");
        READ(f, 500, "a", "a@x");
        people = load(f, 0);
        assert_false(find(people, "b")->present);
        assert_int_equal(find(people, "b")->absent_for, 0);
        assert_true(find(people, "a")->present);
        people_free(people);
        READ(f, 500, "a", "a@x");
        READ(f, 300, "a", "a@x");
        reopen(f);
        READ(f, 1, "a", "a@x");
        people = load(f, 0);
        assert_int_equal(find(people, "b")->absent_for, 801);
        assert_int_equal(find(people, "a")->absent_for, 0);
        people_free(people);
        READ(f, USEC_INFINITY, "a", "a@x");
        READ(f, USEC_INFINITY, "a", "a@x");
        people = load(f, 0);
        assert_true(find(people, "b")->absent_for == USEC_INFINITY);
        people_free(people);

        /* Seen again: it ends, and starts anew the next time. */
        READ(f, 100, "a", "a@x", "b", "b@x");
        people = load(f, 0);
        assert_true(find(people, "b")->present);
        assert_int_equal(find(people, "b")->absent_for, 0);
        people_free(people);
        READ(f, 100, "a", "a@x");
        READ(f, 70, "a", "a@x");
        people = load(f, 0);
        assert_int_equal(find(people, "b")->absent_for, 70);
        people_free(people);
}

static void test_abandon_keeps_nothing(void **state) {
        Fixture *f = *state;
        PeopleUpdate *update, *second = NULL;
        PeopleCounts c;
        Person p = person("a", "changed@x"), q = person("new", "n@x");
        People *people;

        assert_null(store_people_abandon(NULL));
        READ(f, 0, "a", "a@x", "b", "b@x");
        update = begin(f, 0);
        ok(store_people_put(update, &p));
        ok(store_people_put(update, &q));
        assert_int_equal(store_people_begin(f->store, 0, &second), -EBUSY);
        assert_int_equal(store_people_prune(f->store), -EBUSY);
        assert_null(store_people_abandon(update));
        people = load(f, 0);
        assert_int_equal(people->n, 2);
        assert_string_equal(find(people, "a")->field[PERSON_EMAIL], "a@x");
        people_free(people);

        /* Nor does the next read know of it. */
        c = READ(f, 0, "a", "changed@x", "new", "n@x", "b", "b@x");
        assert_int_equal(c.added, 1);
        assert_int_equal(c.changed, 1);
        assert_int_equal(c.newly_absent, 0);
}

static void test_duplicate(void **state) {
        Fixture *f = *state;
        PeopleUpdate *update;
        Person p = person("a", "a@x"), q = person("a", "other@x");
        PeopleCounts c;
        People *people;

        for (int i = 0; i < 2; i++) {
                update = begin(f, 0);
                ok(store_people_put(update, &p));
                assert_int_equal(store_people_put(update, &q), STORE_E_DUPLICATE);
                assert_int_equal(store_people_put(update, &p), STORE_E_DUPLICATE);
                ok(store_people_end(update, 0, &c));
                assert_int_equal(c.present, 1);
        }
        people = load(f, 0);
        assert_int_equal(people->n, 1);
        assert_string_equal(people->items[0].field[PERSON_EMAIL], "a@x");
        people_free(people);
}

/* A dry run sees the rows of the read, and leaves none; what the store knows in memory goes back as well. */
static void test_rolled_back(void **state) {
        Fixture *f = *state;
        PeopleUpdate *early = NULL;
        PeopleCounts c;
        People *people;

        READ(f, 0, "a", "a@x", "b", "b@x");
        ok(store_begin(f->store));
        c = READ(f, 0, "a", "a2@x", "n", "n@x");
        assert_int_equal(c.added + c.changed + c.newly_absent, 3);
        people = load(f, 0);
        assert_string_equal(find(people, "a")->field[PERSON_EMAIL], "a2@x");
        assert_null(find(people, "b"));
        people_free(people);
        assert_int_equal(store_people_begin(f->store, 0, &early), -EBUSY);
        store_rollback(f->store);

        people = load(f, 0);
        assert_string_equal(find(people, "a")->field[PERSON_EMAIL], "a@x");
        assert_true(find(people, "b")->present);
        assert_null(find(people, "n"));
        people_free(people);
        c = READ(f, 0, "a", "a2@x", "n", "n@x");
        assert_int_equal(c.added, 1);
        assert_int_equal(c.changed, 1);
        assert_int_equal(c.newly_absent, 1);
}

/* Calls are recorded, and fail, while a read is under way: neither touches it. */
static void test_other_transactions_meanwhile(void **state) {
        Fixture *f = *state;
        PeopleUpdate *update;
        Person p = person("a", "a@x"), q = person("b", "b@x");
        PeopleCounts c;

        READ(f, 0, "a", "a@x");
        update = begin(f, 0);
        ok(store_people_put(update, &p));
        ok(store_call_record(f->store, "k", false, 5));
        ok(store_begin(f->store));
        ok(store_meta_set(f->store, "x", "y"));
        store_rollback(f->store);
        ok(store_people_put(update, &q));
        ok(store_people_end(update, 0, &c));
        assert_int_equal(c.present, 2);
        assert_int_equal(c.added, 1);
        assert_int_equal(c.newly_absent, 0);
        assert_int_equal(ask_sql(f, "SELECT count(*) FROM call"), 1);
}

static void test_load_and_prune(void **state) {
        Fixture *f = *state;
        Action a = { .kind = ACTION_DELETE, .person = "queued" };
        int64_t id;
        People *people;
        PeopleCounts c;

        READ(f, 0, "linked", "l@x", "queued", "q@x", "nobody", "n@x", "here", "h@x");
        put_link(f, "linked");
        ok(store_queue_put(f->store, "t", &a, 1, false, 1, &id, NULL));
        READ(f, 0, "here", "h@x");
        people = load(f, 0);
        assert_int_equal(people->n, 2);
        assert_true(find(people, "linked") && find(people, "here"));
        people_free(people);
        assert_int_equal(ask_sql(f, "SELECT count(*) FROM person"), 4);
        ok(store_people_prune(f->store));
        assert_int_equal(ask_sql(f, "SELECT count(*) FROM person"), 3);
        ok(store_queue_change(f->store, id, &(QueueChange){ .state = QUEUE_DONE }, 2));
        ok(store_link_drop(f->store, "t", "linked"));
        ok(store_people_prune(f->store));
        assert_int_equal(ask_sql(f, "SELECT count(*) FROM person"), 1);
        /* Who was forgotten is new when back. */
        c = READ(f, 0, "here", "h@x", "linked", "l@x", "nobody", "n@x");
        assert_int_equal(c.added, 2);
        assert_int_equal(ask_sql(f, "SELECT count(*) FROM person WHERE present = 1"), 3);
}

/* ---- many ---- */

static double seconds(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
        return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

static PeopleCounts read_many(Fixture *f, unsigned from, unsigned n, unsigned changed) {
        PeopleUpdate *update = begin(f, 8);
        PeopleCounts c = { 0 };
        uint64_t marks = 3;

        for (unsigned i = from; i < from + n; i++) {
                char id[40], dn[80], mail[64], login[32];
                Person p = {
                                .id = id,
                                .dn = dn,
                                .marks = &marks,
                                .field = {login, mail, "Firstname", i < changed ? "Changed" : "Lastname",
                                          NULL, NULL},
                };

                (void) snprintf(id, sizeof(id), "%08x-1234-4321-8888-%012x", i * 2654435761U, i);
                (void) snprintf(login, sizeof(login), "user%u", i);
                (void) snprintf(dn, sizeof(dn), "uid=user%u,ou=people,dc=example,dc=com", i);
                (void) snprintf(mail, sizeof(mail), "user%u@example.com", i);
                ok(store_people_put(update, &p));
        }
        ok(store_people_end(update, 0, &c));
        return c;
}

static long resident_kib(void) {
        FILE *file = fopen("/proc/self/statm", "re");
        long total = 0, resident = 0;

        assert_non_null(file);
        assert_int_equal(fscanf(file, "%ld %ld", &total, &resident), 2);
        (void) fclose(file);
        return resident * sysconf(_SC_PAGESIZE) / 1024;
}

static void test_hundred_thousand(void **state) {
        Fixture *f = *state;
        const unsigned n = 100000;
        PeopleCounts c;
        double t0 = seconds(), t1, t2, t3;
        People *people;

        c = read_many(f, 0, n, 0);
        t1 = seconds();
        assert_int_equal(c.added, n);
        c = read_many(f, 0, n, 0);
        t2 = seconds();
        assert_int_equal(c.present, n);
        assert_int_equal(c.added + c.changed + c.newly_absent, 0);
        people = load(f, 8);
        t3 = seconds();
        assert_int_equal(people->n, n);
        people_free(people);
        print_message("# 100,000 people, CPU: first read %.0f ms, unchanged %.0f ms, loaded in %.0f ms\n",
                      (t1 - t0) * 1e3, (t2 - t1) * 1e3, (t3 - t2) * 1e3);
        print_message("# %ld MiB resident\n", resident_kib() / 1024);
        t0 = seconds();
        reopen(f);
        t1 = seconds();
        c = read_many(f, 10, n, 110);
        t2 = seconds();
        assert_int_equal(c.added, 10);
        assert_int_equal(c.changed, 100);
        assert_int_equal(c.newly_absent, 10);
        print_message("# CPU: reopened in %.0f ms; with the index read anew and 120 changes %.0f ms\n",
                      (t1 - t0) * 1e3, (t2 - t1) * 1e3);
        /* Six times the goals: machines under sanitizers are slow. */
        assert_true(t2 - t1 < 6 * 0.5);
}

/* ---- the index ---- */

static void test_index(void **state) {
        _cleanup_(people_index_freep) PeopleIndex *index = people_index_new(0);
        PeopleEntry *e = NULL;
        const unsigned n = 5000;
        unsigned found = 0;
        uint64_t sum = 0;
        char id[32];

        (void) state;
        assert_null(people_index_next(index, NULL));
        for (unsigned i = 1; i <= n; i++) {
                (void) snprintf(id, sizeof(id), "id-%u", i);
                e = people_index_entry(index, id);
                assert_int_equal(e->row, 0);
                e->row = i;
        }
        for (unsigned i = 1; i <= n; i++) {
                (void) snprintf(id, sizeof(id), "id-%u", i);
                assert_int_equal(people_index_entry(index, id)->row, i);
        }
        for (e = NULL; (e = people_index_next(index, e));) {
                sum += e->row;
                found++;
        }
        assert_int_equal(found, n);
        assert_true(sum == (uint64_t) n * (n + 1) / 2);
}

static void test_index_is_small(void **state) {
        size_t before = heap_in_use();
        _cleanup_(people_index_freep) PeopleIndex *index = people_index_new(100000);
        char id[32];

        (void) state;
        for (unsigned i = 0; i < 100000; i++) {
                (void) snprintf(id, sizeof(id), "id-%u", i);
                people_index_entry(index, id)->row = 1;
        }
        assert_true(heap_in_use() - before <= 33 * 100000);
}

/* ---- the spool ---- */

static int check_person(const Person *p, uint64_t fingerprint, void *userdata) {
        unsigned *n = userdata;
        char id[32];

        (void) snprintf(id, sizeof(id), "id-%u", *n);
        assert_string_equal(p->id, id);
        assert_true(fingerprint == *n * 3);
        assert_null(p->field[PERSON_LOGIN]);
        assert_int_equal(strlen(p->field[PERSON_EMAIL]), 900);
        assert_true(p->marks[0] == *n);
        return ++*n == 7777 ? 5 : 0;
}

/* Much more than fits in memory. */
static void test_spool(void **state) {
        Fixture *f = *state;
        _cleanup_(spool_freep) Spool *spool = spool_new(f->directory, 10);
        char id[32], long_text[901];
        const unsigned n = 6000;
        unsigned walked = 0;
        uint64_t marks;
        Person p = { .id = id, .marks = &marks, .field = { [PERSON_EMAIL] = long_text } };

        memset(long_text, 'x', sizeof(long_text) - 1);
        long_text[sizeof(long_text) - 1] = '\0';
        assert_int_equal(spool_walk(spool, check_person, &walked), 0);
        for (unsigned i = 0; i < n; i++) {
                (void) snprintf(id, sizeof(id), "id-%u", i);
                marks = i;
                assert_int_equal(spool_add(spool, &p, i * 3), 0);
        }
        assert_int_equal(spool_walk(spool, check_person, &walked), 0);
        assert_int_equal(walked, n);
        walked = 0;
        for (unsigned i = n; i < 8000; i++) {
                (void) snprintf(id, sizeof(id), "id-%u", i);
                marks = i;
                assert_int_equal(spool_add(spool, &p, i * 3), 0);
        }
        assert_int_equal(spool_walk(spool, check_person, &walked), 5);
        assert_int_equal(walked, 7777);
        /* No name of it is left behind. */
        assert_int_equal(ask_sql(f, "SELECT 0"), 0);
        assert_int_equal(rmdir(f->directory), -1);
        store_free(f->store);
        f->store = NULL;
        (void) unlink(f->database);
}

static void test_spool_decode(void **state) {
        StrBuf b = STRBUF_INIT(100000);
        uint64_t marks[4], fingerprint, set[2] = { 7, 9 };
        Person p = {.id = "id", .dn = "dn", .marks = set, .field = {"l", "e", NULL, "n"}, .unreadable = 5,
                    .ways = "a\tb"},
               q;

        (void) state;
        spool_encode(&b, &p, 65, 99);
        assert_int_equal(spool_decode(b.data + 4, b.len - 4, 65, marks, &q, &fingerprint), 0);
        assert_true(fingerprint == 99 && marks[0] == 7 && marks[1] == 9);
        assert_true(person_fingerprint(&p, 65) == person_fingerprint(&q, 65));
        for (size_t cut = 0; cut < b.len - 4; cut++)
                assert_int_equal(spool_decode(b.data + 4, cut, 65, marks, &q, &fingerprint), -EBADMSG);
        strbuf_putc(&b, 0);
        assert_int_equal(spool_decode(b.data + 4, b.len - 4, 65, marks, &q, &fingerprint), -EBADMSG);
        strbuf_deinit(&b);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_store, teardown_store)
        const struct CMUnitTest tests[] = {
                TEST(test_values_come_back),
                TEST(test_counts),
                TEST(test_unchanged_writes_nothing),
                TEST(test_absent_for),
                TEST(test_abandon_keeps_nothing),
                TEST(test_duplicate),
                TEST(test_rolled_back),
                TEST(test_other_transactions_meanwhile),
                TEST(test_load_and_prune),
                TEST(test_hundred_thousand),
                cmocka_unit_test(test_index),
                cmocka_unit_test(test_index_is_small),
                TEST(test_spool),
                cmocka_unit_test(test_spool_decode),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
