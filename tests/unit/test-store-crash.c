/* SPDX-License-Identifier: Apache-2.0 */
/* Killed at any point, or out of room: what was committed is there once, and nothing else is. */
#include "store-fixture.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>

#include "base/random.h"
#include "base/time.h"
#include "store/store-internal.h"

#define ROUNDS 6
#define OPS (ROUNDS * 6)

/* ---- a script of changes, each durable when it returns ---- */

static int link_and_done(Store *store, int64_t id, const char *person) {
        Link l = {.person = person,
                  .remote_id = person,
                  .address = "a@b",
                  .origin = LINK_CREATED,
                  .since = 3};
        int r = store_begin(store);

        if (r < 0)
                return r;
        r = store_queue_change(store, id, &(QueueChange){ .state = QUEUE_DONE, .outcome = "ok" }, 4);
        if (r == 0)
                r = store_link_put(store, "t", &l);
        return store_end(store, r);
}

static int read_round(Store *store, unsigned round) {
        PeopleUpdate *update = NULL;
        int r = store_people_begin(store, 1, &update);

        for (unsigned i = round; r == 0 && i < round + 50; i++) {
                char id[32];
                uint64_t marks = 1;
                Person p = { .id = id, .dn = "cn=x", .marks = &marks };

                (void) snprintf(id, sizeof(id), "person-%u", i);
                r = store_people_put(update, &p);
        }
        if (r < 0) {
                (void) store_people_abandon(update);
                return r;
        }
        return store_people_end(update, 10, NULL);
}

/* The row of this round's wish is found by its person, as after a restart. */
static int find_id(const QueueItem *item, void *userdata) {
        int64_t *wanted = userdata;
        char person[32];

        (void) snprintf(person, sizeof(person), "p%d", (int) wanted[1]);
        if (strcmp(item->action.person, person) == 0 && item->state < QUEUE_DONE)
                wanted[0] = item->id;
        return 0;
}

static int do_op(Store *store, unsigned op) {
        unsigned round = op / 6;
        int64_t wanted[2] = { 0, (int64_t) round };
        char person[32];
        Action a = { .kind = ACTION_CREATE, .person = person, .address = "x@y", .has_after = true };
        int r;

        (void) snprintf(person, sizeof(person), "p%u", round);
        a.after.role = op % 6 == 0 ? "User" : "Admin";
        switch (op % 6) {
        case 0:
        case 1:         /* supersedes */
                return store_queue_put(store, "t", &a, round, false, 1, NULL, NULL);
        case 2:
                return read_round(store, round);
        case 5:
                return store_meta_set_u64(store, "cycle", round);
        default:
                r = store_queue_list(store, "t", INT64_MAX, find_id, wanted);
                if (r < 0)
                        return r;
                return op % 6 == 3 ? store_queue_running(store, wanted[0], 0, 2)
                                   : link_and_done(store, wanted[0], person);
        }
}

/* Everything that the script writes, as one text; a running action and one whose answer never came look
 * alike. */
static char *dump(sqlite3 *db) {
        static const char sql[] =
                "SELECT 'action', id, person, after, replace(state, 'running', 'uncertain')"
                " FROM action"
                " UNION ALL SELECT 'link', person, remote_id, since, gone FROM link"
                " UNION ALL SELECT 'person', id, present, absent_for, fingerprint FROM person"
                " UNION ALL SELECT 'meta', key, value, 0, 0 FROM meta WHERE key = 'cycle' ORDER BY 1, 2";
        StrBuf b = STRBUF_INIT(1 << 20);
        sqlite3_stmt *q = NULL;

        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
        while (sqlite3_step(q) == SQLITE_ROW)
                for (int i = 0; i < 5; i++)
                        strbuf_printf(&b, "%s ", (const char *) sqlite3_column_text(q, i));
        sqlite3_finalize(q);
        return strbuf_take(&b);
}

/* Being killed is the same there, and a sync costs nothing. */
static int setup_in_memory(void **state) {
        return setup_store_in(state, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : NULL);
}

static char *reference[OPS + 1];

static int setup_reference(void **state) {
        Fixture *f;

        (void) setup_in_memory(state);
        f = *state;
        for (unsigned op = 0; op <= OPS; op++) {
                reference[op] = dump(f->store->db);
                if (op < OPS)
                        ok(do_op(f->store, op));
                if (op > 0)
                        assert_string_not_equal(reference[op], reference[op - 1]);
        }
        (void) teardown_store(state);
        *state = NULL;
        return 0;
}

static int free_reference(void **state) {
        (void) state;
        for (unsigned op = 0; op <= OPS; op++)
                free(reference[op]);
        return 0;
}

/* ---- a child that is killed ---- */

static void run_child(const char *directory, const char *place, int fd) {
        Store *store = NULL;
        pid_t pid;

        if (place)
                (void) setenv("IDSYNCD_FAILPOINT", place, 1);
        if (store_open(directory, &store, &pid, NULL) != 0)
                _exit(1);
        for (unsigned op = 0; op < OPS; op++) {
                if (do_op(store, op) < 0)
                        _exit(2);
                if (write(fd, "x", 1) != 1)
                        _exit(3);
        }
        store_free(store);
        _exit(0);
}

/* How many changes were acknowledged before it died; *ret_killed false when it came to its end. */
static unsigned kill_child(const char *directory, const char *place, unsigned after_usec, bool *ret_killed) {
        unsigned acknowledged = 0;
        int fds[2], status;
        pid_t child;
        char c;

        assert_int_equal(pipe(fds), 0);
        child = fork();
        if (child == 0) {
                close(fds[0]);
                run_child(directory, place, fds[1]);
        }
        close(fds[1]);
        if (!place) {
                struct timespec ts = { .tv_nsec = (long) after_usec * 1000 };

                (void) nanosleep(&ts, NULL);
                (void) kill(child, SIGKILL);
        }
        while (read(fds[0], &c, 1) == 1)
                acknowledged++;
        close(fds[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        *ret_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        if (!*ret_killed)
                assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        return acknowledged;
}

static void check_after(Fixture *f, unsigned acknowledged, const char *place) {
        _cleanup_(freep) char *found = NULL;

        f->store = open_store(f->directory);
        found = dump(f->store->db);
        /* The one that was under way is there whole, or not at all. */
        if (strcmp(found, reference[acknowledged]) != 0 &&
            (acknowledged == OPS || strcmp(found, reference[acknowledged + 1]) != 0))
                fail_msg("%s, %u acknowledged: neither before nor after:\n%s", place ? place : "killed",
                         acknowledged, found);
}

static void start_anew(Fixture *f) {
        f->store = store_free(f->store);
        remove_directory(f->directory);
        assert_int_equal(mkdir(f->directory, 0700), 0);
}

static void test_fail_points(void **state) {
        static const char *const places[] = {
                "store-commit", "store-committed", "store-people", "store-superseded", "store-marker",
        };
        Fixture *f = *state;
        unsigned n_killed = 0;

#ifndef IDSYNCD_FAILPOINTS
        skip();
#endif
        for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                bool killed = true;

                /* The first passes are those of the opening. */
                for (unsigned n = 1; killed; n++) {
                        char place[64];
                        unsigned acknowledged;

                        (void) snprintf(place, sizeof(place), "%s:%u", places[i], n);
                        start_anew(f);
                        acknowledged = kill_child(f->directory, place, 0, &killed);
                        check_after(f, acknowledged, place);
                        n_killed += killed;
                        assert_true(n > 1 || killed);
                }
        }
        print_message("# killed at %u places\n", n_killed);
        assert_true(n_killed > OPS);
}

static void test_killed_at_random(void **state) {
        Fixture *f = *state;

        for (unsigned n = 0; n < 25; n++) {
                unsigned after = (unsigned) (random_u64() % 60000), acknowledged;
                bool killed;

                start_anew(f);
                acknowledged = kill_child(f->directory, NULL, after, &killed);
                check_after(f, acknowledged, NULL);
        }
}

/* ---- out of room ---- */

static int put_numbered(Store *store, unsigned n) {
        char person[32];
        Action a = {.kind = ACTION_CREATE,
                    .person = person,
                    .address = person,
                    .has_after = true,
                    .after = {.role = "User"}};

        (void) snprintf(person, sizeof(person), "person-%u", n);
        return store_queue_put(store, "t", &a, 1, false, 1, NULL, NULL);
}

static void set_page_limit(Fixture *f, int more) {
        char sql[64];

        (void) snprintf(sql, sizeof(sql), "PRAGMA max_page_count = %d", more == 0 ? 1 << 30 :
                        (int) ask_sql(f, "PRAGMA page_count") + more);
        assert_int_equal(sqlite3_exec(f->store->db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static void test_database_full(void **state) {
        Fixture *f = *state;
        unsigned n = 0, i;
        QueueCounts counts;
        int r = 0;

        set_page_limit(f, 10);
        while (n < 10000 && (r = put_numbered(f->store, n)) == 0)
                n++;
        assert_int_equal(r, -ENOSPC);
        assert_non_null(strstr(store_error(f->store), "make room"));
        ok(store_queue_counts(f->store, NULL, &counts));
        assert_int_equal(counts.waiting, n);

        /* In a transaction of many: none of them, and the rest is refused. */
        ok(store_begin(f->store));
        for (i = 0, r = 0; i < 10000 && r == 0; i++)
                r = put_numbered(f->store, 20000 + i);
        assert_int_equal(r, -ENOSPC);
        assert_int_equal(store_meta_set(f->store, "a", "b"), -ECANCELED);
        assert_int_equal(store_commit(f->store), -ECANCELED);
        ok(store_queue_counts(f->store, NULL, &counts));
        assert_int_equal(counts.waiting, n);

        set_page_limit(f, 0);
        assert_int_equal(put_numbered(f->store, n), 0);
        reopen(f);
        ok(store_queue_counts(f->store, NULL, &counts));
        assert_int_equal(counts.waiting, n + 1);
}

static int fill_with_people(Store *store) {
        char id[32], text[901];
        Person p = { .id = id, .dn = text };
        PeopleUpdate *update = NULL;
        int r = store_people_begin(store, 0, &update);

        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        for (unsigned i = 0; r == 0 && i < 20000; i++) {
                (void) snprintf(id, sizeof(id), "person-%u", i);
                r = store_people_put(update, &p);
        }
        (void) store_people_abandon(update);
        return r;
}

#define CHECK(condition, code)                          \
        do {                                            \
                if (!(condition))                       \
                        return code;                    \
        } while (0)

/* On a file system of 1 MiB: queue, people, and opening run into its end, and go on when there is room. */
static int use_small_disk(const char *directory) {
        char ballast[300];
        Store *store = NULL;
        QueueCounts counts;
        unsigned n = 0;
        ErrCtx err;
        pid_t pid;
        int fd, r = 0;

        (void) snprintf(ballast, sizeof(ballast), "%s/ballast", directory);
        fd = open(ballast, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        CHECK(posix_fallocate(fd, 0, 256 << 10) == 0, 9);
        CHECK(store_open(directory, &store, &pid, &err) == 0, 10);
        CHECK(fill_with_people(store) == -ENOSPC, 11);
        while (n < 100000 && (r = put_numbered(store, n)) == 0)
                n++;
        CHECK(r == -ENOSPC, 12);
        CHECK(store_queue_counts(store, NULL, &counts) == 0 && counts.waiting == n, 13);
        store = store_free(store);

        CHECK(lseek(fd, 0, SEEK_END) > 0, 8);
        while (write(fd, ballast, sizeof(ballast)) > 0)
                continue;
        close(fd);
        CHECK(store_open(directory, &store, &pid, &err) == -ENOSPC && err.text[0], 14);
        CHECK(unlink(ballast) == 0, 15);
        CHECK(store_open(directory, &store, &pid, &err) == 0, 16);
        CHECK(store_queue_counts(store, NULL, &counts) == 0 && counts.waiting == n, 17);
        store_free(store);
        return 0;
}

static void test_disk_full(void **state) {
        Fixture *f = *state;
        pid_t child;
        int status;

        child = fork();
        if (child == 0) {
                if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
                    mount("small", f->directory, "tmpfs", 0, "size=1m,mode=0700") < 0)
                        _exit(77);
                _exit(use_small_disk(f->directory));
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == 77)
                skip();
        assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- how fast ---- */

static double seconds(clockid_t clock) {
        struct timespec ts;

        (void) clock_gettime(clock, &ts);
        return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

/* Groups as large as one turn of the loop makes them. */
static void test_ten_thousand(void **state) {
        const unsigned n = 10000, group = 500;
        Fixture *f = *state;
        double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
        QueueCounts counts;

        for (unsigned i = 0; i < n; i += group) {
                ok(store_begin(f->store));
                for (unsigned k = i; k < i + group; k++)
                        ok(put_numbered(f->store, k));
                ok(store_commit(f->store));
        }
        wall = seconds(CLOCK_MONOTONIC) - wall;
        cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
        print_message("# 10,000 durable enqueues in %.0f ms (CPU %.0f ms): %.0f a second\n", wall * 1e3,
                      cpu * 1e3, n / wall);
        ok(store_queue_counts(f->store, "t", &counts));
        assert_int_equal(counts.waiting, n);
        /* The CPU's share of the goal (5,000 a second): the disk and the neighbours aren't ours. */
        assert_true(n / cpu >= 5000 / 1.5);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_store, teardown_store)
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_fail_points, setup_in_memory, teardown_store),
                cmocka_unit_test_setup_teardown(test_killed_at_random, setup_in_memory, teardown_store),
                TEST(test_database_full),
                TEST(test_disk_full),
                TEST(test_ten_thousand),
        };

        return cmocka_run_group_tests(tests, setup_reference, free_reference);
}
