/* SPDX-License-Identifier: Apache-2.0 */
#include "store-fixture.h"

#include <sys/wait.h>

#include "base/time.h"
#include "sync/standing.h"

static mode_t mode_of(const Fixture *f, const char *name) {
        char path[600];
        struct stat st;

        (void) snprintf(path, sizeof(path), "%s%s%s", f->directory, *name ? "/" : "", name);
        if (stat(path, &st) < 0)
                fail_msg("%s: %s", path, strerror(errno));
        return st.st_mode & 07777;
}

static void write_file(const char *path, const void *data, size_t size, off_t at) {
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, data, size, at), (ssize_t) size);
        close(fd);
}

static void copy_file(const char *from, const char *to) {
        char buf[65536];
        int in = open(from, O_RDONLY | O_CLOEXEC),
            out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        ssize_t n;

        assert_true(in >= 0 && out >= 0);
        while ((n = read(in, buf, sizeof(buf))) > 0)
                assert_int_equal(write(out, buf, (size_t) n), n);
        assert_int_equal(n, 0);
        close(in);
        close(out);
}

/* ---- whose directory, whose files ---- */

static void test_permissions(void **state) {
        Fixture *f = *state;
        char inner[300];

        ok(store_meta_set(f->store, "a", "1"));
        assert_int_equal(mode_of(f, "idsyncd.db"), 0600);
        assert_int_equal(mode_of(f, "idsyncd.db-wal"), 0600);
        assert_int_equal(mode_of(f, "idsyncd.db-shm"), 0600);
        assert_int_equal(mode_of(f, "idsyncd.lock"), 0600);
        assert_int_equal(mode_of(f, "idsyncd.generation"), 0600);

        /* A directory that isn't there is made for us alone. */
        (void) snprintf(inner, sizeof(inner), "%s/state", f->directory);
        store_free(open_store(inner));
        assert_int_equal(mode_of(f, "state"), 0700);
        remove_directory(inner);
}

static void test_files_are_tightened(void **state) {
        Fixture *f = *state;

        f->store = store_free(f->store);
        assert_int_equal(chmod(f->database, 0644), 0);
        f->store = open_store(f->directory);
        assert_int_equal(mode_of(f, "idsyncd.db"), 0600);
        ok(store_meta_set(f->store, "a", "1"));
        assert_int_equal(mode_of(f, "idsyncd.db-wal"), 0600);
}

static void test_directory_of_others(void **state) {
        Fixture *f = *state;
        static const mode_t modes[] = { 0720, 0702, 01777 };
        ErrCtx err;

        f->store = store_free(f->store);
        for (size_t i = 0; i < ELEMENTSOF(modes); i++) {
                assert_int_equal(chmod(f->directory, modes[i]), 0);
                assert_int_equal(try_open(f->directory, &err), -EPERM);
                assert_non_null(strstr(err.text, "chmod 0700"));
        }
        assert_int_equal(chmod(f->directory, 0755), 0);
        assert_int_equal(try_open(f->directory, &err), 0);
}

/* A backup that root put there by cp. */
static void test_database_of_another(void **state) {
        Fixture *f = *state;
        uid_t own = geteuid(), nobody = 65534;
        ErrCtx err;

        f->store = store_free(f->store);
        if (own == 0)
                assert_true(chown(f->directory, nobody, nobody) == 0 && seteuid(nobody) == 0);
        else
                assert_int_equal(chmod(f->database, 0), 0);
        assert_int_equal(try_open(f->directory, &err), -EACCES);
        assert_int_equal(seteuid(own), 0);
        assert_non_null(strstr(err.text, "must belong to the owner of its directory"));
}

static void test_symlink_and_link_refused(void **state) {
        Fixture *f = *state;
        char other[600];
        ErrCtx err;

        f->store = store_free(f->store);
        (void) snprintf(other, sizeof(other), "%s/other", f->directory);
        assert_int_equal(rename(f->database, other), 0);
        assert_int_equal(symlink(other, f->database), 0);
        assert_int_equal(try_open(f->directory, &err), -ELOOP);
        assert_int_equal(unlink(f->database), 0);
        assert_int_equal(link(other, f->database), 0);
        assert_int_equal(try_open(f->directory, &err), -EINVAL);
}

/* ---- one process ---- */

static void test_second_process_is_locked_out(void **state) {
        Fixture *f = *state;
        Store *second = NULL;
        ErrCtx err = { 0 };
        pid_t pid = 0, child;
        int status;

        assert_int_equal(store_open(f->directory, &second, &pid, &err), STORE_E_LOCKED);
        assert_int_equal(pid, getpid());
        assert_null(second);

        child = fork();
        if (child == 0) {
                pid = 0;
                /* Not inherited away either: the lock is of the open file. */
                if (store_open(f->directory, &second, &pid, &err) != STORE_E_LOCKED || pid != getppid())
                        _exit(1);
                _exit(strstr(err.text, "in use by process") ? 0 : 2);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);

        reopen(f);
}

/* Who takes the lock away lets the next one in: then this one must be out. */
static void test_lock_removed(void **state) {
        Fixture *f = *state;
        Store *second = NULL;
        ErrCtx err = { 0 };
        char path[300];
        pid_t pid = 0;

        (void) snprintf(path, sizeof(path), "%s/idsyncd.lock", f->directory);
        ok(store_meta_set(f->store, "a", "1"));
        assert_int_equal(unlink(path), 0);
        assert_int_equal(store_meta_set(f->store, "a", "2"), -EIO);
        assert_non_null(strstr(store_error(f->store), "idsyncd.lock was removed while it was in use"));
        ok(store_open(f->directory, &second, &pid, &err));
        ok(store_meta_set(second, "a", "3"));
        assert_int_equal(store_meta_set(f->store, "a", "4"), -EIO);
        assert_int_equal(ask_sql(f, "SELECT value FROM meta WHERE key = 'a'"), 3);
        f->store = store_free(f->store);
        f->store = second;
}

/* ---- a scratch copy ---- */

/* As the first version of the program left it. */
static void downgrade(const Fixture *f) {
        run_sql(f, "DROP TABLE held_action; DROP TABLE held;"
                   "CREATE TABLE held (target TEXT PRIMARY KEY, hash TEXT NOT NULL, reason TEXT NOT NULL,"
                   " since INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
                   "CREATE TABLE held_action (target TEXT NOT NULL REFERENCES held (target) ON DELETE"
                   " CASCADE, position INTEGER NOT NULL, person TEXT NOT NULL, kind TEXT NOT NULL,"
                   " address TEXT, remote_id TEXT, before TEXT, after TEXT, PRIMARY KEY (target, position))"
                   " STRICT, WITHOUT ROWID;"
                   "INSERT INTO held VALUES ('t', '0123456789ab', 'why', 7);"
                   "INSERT INTO held_action VALUES ('t', 0, 'bob', 'create', 'b@x', NULL, NULL, '{}');"
                   "DROP INDEX action_ended; DROP INDEX action_load;"
                   "ALTER TABLE link DROP COLUMN was_disabled; ALTER TABLE person DROP COLUMN ways;"
                   "DROP TABLE reverted; ALTER TABLE action DROP COLUMN reverts;"
                   "DROP INDEX action_rank; ALTER TABLE action DROP COLUMN urged;"
                   "CREATE INDEX action_rank ON action (target, rank, id) WHERE finished IS NULL;"
                   "INSERT INTO link VALUES ('t', 'bob', '17', NULL, NULL, NULL, 'created', 1, 0, 0);"
                   "PRAGMA user_version = 1;");
}

static Store *open_scratch_of(const Fixture *f) {
        ErrCtx err = { 0 };
        Store *scratch = NULL;
        pid_t pid = 0;

        if (store_open_scratch(f->directory, &scratch, &pid, &err) != 0)
                fail_msg("%s", err.text);
        return scratch;
}

static void write_marker(const Fixture *f, const char *text) {
        char path[300];
        FILE *file;

        (void) snprintf(path, sizeof(path), "%s/idsyncd.generation", f->directory);
        file = fopen(path, "w");
        assert_true(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void assert_marker(const Fixture *f, const char *text) {
        char path[300], found[64] = "";
        FILE *file;

        (void) snprintf(path, sizeof(path), "%s/idsyncd.generation", f->directory);
        file = fopen(path, "r");
        assert_true(file && fgets(found, sizeof(found), file) && fclose(file) == 0);
        assert_string_equal(found, text);
}

/* What a start would make of a crash, of an older schema and of a restored database is seen in the copy, and
 * stays there; calls alone are kept. */
static void test_scratch(void **state) {
        Fixture *f = *state;
        const Action a = { .kind = ACTION_CREATE, .person = "p", .address = "p@example.com" };
        QueueCounts counts = { 0 };
        int64_t id, generation;
        bool restored = false;
        Store *scratch;

        ok(store_meta_set_u64(f->store, "cycle", 1));
        ok(store_queue_put(f->store, "t", &a, 1, false, 1, &id, NULL));
        ok(store_queue_running(f->store, id, 0, 1));
        f->store = store_free(f->store);
        downgrade(f);
        generation = ask_sql(f, "SELECT value FROM meta WHERE key = 'generation'");
        write_marker(f, "4711\n");

        scratch = open_scratch_of(f);
        assert_int_equal(store_queue_counts(scratch, NULL, &counts), 0);
        assert_int_equal(counts.uncertain, 1);
        assert_int_equal(store_restored(scratch, "t", &restored), 0);
        assert_true(restored);
        assert_int_equal(store_meta_set(scratch, "a", "1"), 0);
        assert_int_equal(store_begin(scratch), 0);
        assert_int_equal(store_call_record(scratch, "key", false, 7), 0);
        store_rollback(scratch);
        store_free(scratch);

        assert_marker(f, "4711\n");
        assert_int_equal(ask_sql(f, "PRAGMA user_version"), 1);
        assert_int_equal(ask_sql(f, "SELECT value FROM meta WHERE key = 'generation'"), generation);
        assert_int_equal(ask_sql(f, "SELECT count(*) FROM meta WHERE key IN ('a', 'restored')"), 0);
        assert_int_equal(ask_sql(f, "SELECT count(*) FROM action WHERE state = 'running'"), 1);
        assert_int_equal(ask_sql(f, "SELECT count(*) FROM call"), 1);
        f->store = open_store(f->directory);
}

/* Where there is none yet, the calls need one. */
static void test_scratch_of_nothing(void **state) {
        Fixture *f = *state;
        Store *scratch;

        f->store = store_free(f->store);
        assert_int_equal(unlink(f->database), 0);
        scratch = open_scratch_of(f);
        assert_int_equal(store_call_record(scratch, "key", false, 7), 0);
        assert_int_equal(store_meta_set(scratch, "a", "1"), 0);
        store_free(scratch);
        assert_int_equal(ask_sql(f, "SELECT count(*) FROM call"), 1);
        assert_int_equal(ask_sql(f, "SELECT count(*) FROM meta"), 0);
        f->store = open_store(f->directory);
}

/* ---- what isn't ours ---- */

static void test_not_a_database(void **state) {
        Fixture *f = *state;
        char garbage[8192], found[8192];
        ErrCtx err;
        int fd;

        f->store = store_free(f->store);
        memset(garbage, 'x', sizeof(garbage));
        assert_int_equal(unlink(f->database), 0);
        write_file(f->database, garbage, sizeof(garbage), 0);
        assert_int_equal(try_open(f->directory, &err), STORE_E_DAMAGED);
        assert_non_null(strstr(err.text, "not a database"));
        assert_non_null(strstr(err.text, "backup"));
        /* It is still there as it was. */
        fd = open(f->database, O_RDONLY | O_CLOEXEC);
        assert_int_equal(read(fd, found, sizeof(found)), sizeof(found));
        close(fd);
        assert_memory_equal(found, garbage, sizeof(found));
}

static void test_other_program(void **state) {
        Fixture *f = *state;
        ErrCtx err;

        f->store = store_free(f->store);
        assert_int_equal(unlink(f->database), 0);
        run_sql(f, "CREATE TABLE theirs (a); PRAGMA application_id = 7;");
        assert_int_equal(try_open(f->directory, &err), STORE_E_DAMAGED);
        assert_non_null(strstr(err.text, "no database of idsyncd"));
        assert_int_equal(ask_sql(f, "SELECT count(*) FROM sqlite_schema"), 1);
}

static void test_newer_version(void **state) {
        Fixture *f = *state;
        ErrCtx err;

        f->store = store_free(f->store);
        run_sql(f, "PRAGMA user_version = 4711");
        assert_int_equal(try_open(f->directory, &err), STORE_E_DAMAGED);
        assert_non_null(strstr(err.text, "newer version (schema 4711"));
        assert_int_equal(ask_sql(f, "PRAGMA user_version"), 4711);
}

/* A held plan of the first schema is one of the slot "plan"; what its links don't know is nothing. */
static void test_schema_1(void **state) {
        _cleanup_(held_plan_freep) HeldPlan *held = NULL;
        Fixture *f = *state;

        f->store = store_free(f->store);
        downgrade(f);
        reopen(f);
        assert_int_equal(ask_sql(f, "SELECT sum(was_disabled) + count(*) FROM link"), 1);
        ok(store_held_get(f->store, "t", HELD_PLAN, &held));
        assert_non_null(held);
        assert_string_equal(held->hash, "0123456789ab");
        assert_int_equal(held->since, 7);
        assert_int_equal(held->n_actions, 1);
        assert_string_equal(held->actions[0].person, "bob");
        ok(store_held_drop(f->store, "t", HELD_PLAN));
        assert_int_equal(ask_sql(f, "SELECT count(*) FROM held_action"), 0);
        assert_int_equal(ask_sql(f, "SELECT count(*) FROM pragma_index_info('action_rank')"), 4);
}

/* A page in the middle is overwritten. After an unclean end opening finds it. */
static void test_damaged_page(void **state) {
        Fixture *f = *state;
        char garbage[4096];
        ErrCtx err;

        for (int i = 0; i < 500; i++)
                ok(store_call_record(f->store, "key", false, 1000 + (usec_t) i));
        f->store = store_free(f->store);
        run_sql(f, "UPDATE meta SET value = '0' WHERE key = 'clean'");
        memset(garbage, 0xee, sizeof(garbage));
        write_file(f->database, garbage, sizeof(garbage), ask_sql(f,
                   "SELECT (rootpage - 1) * 4096 FROM sqlite_schema WHERE name = 'call_wall'"));
        assert_int_equal(try_open(f->directory, &err), STORE_E_DAMAGED);
        assert_non_null(strstr(err.text, "move idsyncd.db"));
}

/* After a clean end the damage is only met when it is read: an error then, no crash, and other tables
 * still answer. */
static void test_damage_met_later(void **state) {
        Fixture *f = *state;
        char garbage[4096];
        usec_t next;
        Park park;
        bool found;

        f->store = store_free(f->store);
        memset(garbage, 0xee, sizeof(garbage));
        write_file(f->database, garbage, sizeof(garbage), ask_sql(f,
                   "SELECT (rootpage - 1) * 4096 FROM sqlite_schema WHERE name = 'park'"));
        f->store = open_store(f->directory);
        assert_int_equal(store_park_get(f->store, "target:a", &park, &found), -EIO);
        assert_non_null(strstr(store_error(f->store), "malformed"));
        ok(store_queue_next_due(f->store, "a", true, &next));
}

static void test_truncated(void **state) {
        Fixture *f = *state;
        ErrCtx err;

        f->store = store_free(f->store);
        run_sql(f, "UPDATE meta SET value = '0' WHERE key = 'clean'");
        assert_int_equal(truncate(f->database, 8192), 0);
        assert_int_equal(try_open(f->directory, &err), STORE_E_DAMAGED);
}

static void test_settings(void **state) {
        Fixture *f = *state;

        assert_int_equal(ask_sql(f, "PRAGMA application_id"), 0x69647379);
        assert_true(ask_sql(f, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"));
        assert_true(ask_sql(f, "SELECT count(*) > 7 AND min(strict) = 1 FROM pragma_table_list"
                               " WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite%'"));
}

/* ---- named values, transactions ---- */

static void test_meta(void **state) {
        Fixture *f = *state;
        char *text = (char *) "unset";
        bool found = true;
        uint64_t n = 5;

        ok(store_meta_get(f->store, "mapping", &text));
        assert_null(text);
        ok(store_meta_get_u64(f->store, "cycle", &n, &found));
        assert_false(found);
        ok(store_meta_set(f->store, "mapping", "it's; -- \"odd\""));
        ok(store_meta_set_u64(f->store, "cycle", UINT64_MAX));
        reopen(f);
        ok(store_meta_get(f->store, "mapping", &text));
        assert_string_equal(text, "it's; -- \"odd\"");
        free(text);
        ok(store_meta_get_u64(f->store, "cycle", &n, &found));
        assert_true(found && n == UINT64_MAX);
        assert_int_equal(store_meta_get_u64(f->store, "mapping", &n, &found), -EBADMSG);
        ok(store_meta_set(f->store, "mapping", NULL));
        ok(store_meta_get(f->store, "mapping", &text));
        assert_null(text);
}

static void test_meta_of(void **state) {
        Fixture *f = *state;
        char *text = NULL;
        int64_t cycle = 5;
        uint64_t n = 5;
        bool found;

        ok(store_meta_set_of(f->store, "rules", "a", "of a"));
        ok(store_meta_set_u64_of(f->store, "rules", "b", 7));
        ok(store_meta_get_of(f->store, "rules", "a", &text));
        assert_string_equal(text, "of a");
        free(text);
        ok(store_meta_get(f->store, "rules:b", &text));
        assert_string_equal(text, "7");
        free(text);
        ok(store_meta_get_u64_of(f->store, "rules", "b", &n, &found));
        assert_true(found && n == 7);
        ok(store_meta_get_u64_of(f->store, "rules", "c", &n, NULL));
        assert_int_equal(n, 0);
        ok(store_cycle_get(f->store, &cycle));
        assert_int_equal(cycle, 0);
        ok(store_cycle_set(f->store, 3));
        ok(store_cycle_get(f->store, &cycle));
        assert_int_equal(cycle, 3);
}

/* What went wrong ends it, and what SQLite says of it is passed on. */
static void test_end(void **state) {
        Fixture *f = *state;
        char *text = NULL;

        ok(store_begin(f->store));
        assert_int_equal(store_end(f->store, store_meta_set(f->store, "kept", "1")), 0);
        ok(store_begin(f->store));
        ok(store_meta_set(f->store, "dropped", "1"));
        assert_int_equal(store_end(f->store, -ENOMEM), -ENOMEM);
        ok(store_meta_get(f->store, "kept", &text));
        assert_non_null(text);
        free(text);
        ok(store_meta_get(f->store, "dropped", &text));
        assert_null(text);
        assert_int_equal(store_commit(f->store), -EIO);
        assert_string_equal(store_strerror(f->store, -EIO), store_error(f->store));
        assert_string_equal(store_strerror(f->store, -ENOMEM), strerror(ENOMEM));
}

static bool has(Fixture *f, const char *key) {
        char *text = NULL;

        ok(store_meta_get(f->store, key, &text));
        free(text);
        return text;
}

static void test_transactions(void **state) {
        Fixture *f = *state;
        char *text;

        ok(store_begin(f->store));
        ok(store_meta_set(f->store, "a", "1"));
        ok(store_begin(f->store));
        ok(store_meta_set(f->store, "b", "1"));
        ok(store_commit(f->store));
        assert_true(has(f, "a") && has(f, "b"));
        store_rollback(f->store);
        assert_false(has(f, "a") || has(f, "b"));

        /* An inner rollback spoils the whole. */
        ok(store_begin(f->store));
        ok(store_meta_set(f->store, "a", "1"));
        ok(store_begin(f->store));
        store_rollback(f->store);
        assert_int_equal(store_meta_set(f->store, "b", "1"), -ECANCELED);
        assert_int_equal(store_meta_get(f->store, "a", &text), -ECANCELED);
        assert_int_equal(store_commit(f->store), -ECANCELED);
        assert_false(has(f, "a"));

        ok(store_begin(f->store));
        ok(store_meta_set(f->store, "a", "1"));
        ok(store_commit(f->store));
        assert_true(store_commit(f->store) < 0);
        store_rollback(f->store);
        reopen(f);
        assert_true(has(f, "a"));

        /* What is open at the end is rolled back. */
        ok(store_begin(f->store));
        ok(store_begin(f->store));
        ok(store_meta_set(f->store, "c", "1"));
        reopen(f);
        assert_false(has(f, "c"));
}

/* An error of one statement takes the whole transaction with it. */
static void test_error_spoils(void **state) {
        Fixture *f = *state;
        QueueChange change = { .state = QUEUE_DONE };

        ok(store_begin(f->store));
        ok(store_meta_set(f->store, "a", "1"));
        assert_int_equal(store_queue_change(f->store, 4711, &change, 1), -ENOENT);
        assert_int_equal(store_commit(f->store), -ECANCELED);
        assert_false(has(f, "a"));
}

/* ---- budget ---- */

typedef struct Calls { usec_t walls[8]; size_t n; Fixture *f; } Calls;

static int take_call(usec_t wall, void *userdata) {
        Calls *c = userdata;
        Fixture *f = c->f;

        /* Callbacks may use the store. */
        ok(store_meta_set(f->store, "called", "1"));
        c->walls[c->n++] = wall;
        return c->n == 5 ? 42 : 0;
}

static void test_calls(void **state) {
        Fixture *f = *state;
        Calls c = { .f = f };

        for (usec_t i = 5; i > 0; i--)
                ok(store_call_record(f->store, "k1", false, 100 * i));
        ok(store_call_record(f->store, "k1", true, 250));
        ok(store_call_record(f->store, "k2", false, 260));
        reopen(f);
        c.f = f;
        ok(store_calls_since(f->store, "k1", false, 200, take_call, &c));
        assert_int_equal(c.n, 4);
        assert_int_equal(c.walls[0], 200);
        assert_int_equal(c.walls[3], 500);
        c.n = 0;
        assert_int_equal(store_calls_since(f->store, "k1", false, 0, take_call, &c), 42);
        c.n = 0;
        ok(store_calls_since(f->store, "k1", true, 0, take_call, &c));
        assert_int_equal(c.n, 1);
        ok(store_calls_prune(f->store, 300));
        c.n = 0;
        ok(store_calls_since(f->store, "k1", false, 0, take_call, &c));
        assert_int_equal(c.n, 3);
}

static void test_parks(void **state) {
        Fixture *f = *state;
        Park p = { .until = 77, .tries = 3, .reason = "auth", .detail = "401" }, q;
        bool found = true;

        ok(store_park_get(f->store, "target:a", &q, &found));
        assert_false(found);
        ok(store_park_set(f->store, "target:a", &p));
        p.until = USEC_INFINITY;
        ok(store_park_set(f->store, "key:1", &p));
        reopen(f);
        ok(store_park_get(f->store, "target:a", &q, &found));
        assert_true(found);
        assert_int_equal(q.until, 77);
        assert_int_equal(q.tries, 3);
        assert_string_equal(q.reason, "auth");
        assert_string_equal(q.detail, "401");
        ok(store_park_get(f->store, "key:1", &q, &found));
        assert_true(q.until == USEC_INFINITY);
        p.until = 0;
        ok(store_park_set(f->store, "target:a", &p));
        ok(store_park_get(f->store, "target:a", &q, &found));
        assert_false(found);
}

/* A reason that somebody made longer than fits is cut at a whole character. */
static void test_park_long(void **state) {
        Fixture *f = *state;
        bool found;
        Park p;

        run_sql(f, "INSERT INTO park VALUES"
                   " ('target:x', 5, 1, '123456789012345678901234567890\u00e9\u00e9', 'd')");
        ok(store_park_get(f->store, "target:x", &p, &found));
        assert_string_equal(p.reason, "123456789012345678901234567890");
}

/* ---- backups and what came of them ---- */

static void put_create(Fixture *f, const char *person, ActionKind kind, int64_t *ret_id) {
        Action a = {.kind = kind,
                    .person = person,
                    .address = person,
                    .has_after = true,
                    .after = {.role = "User"}};

        ok(store_queue_put(f->store, "t", &a, 1, false, 1000, ret_id, NULL));
        assert_true(*ret_id > 0);
}

static QueueState state_of(Fixture *f, int64_t id) {
        _cleanup_(queue_item_freep) QueueItem *item = NULL;

        ok(store_queue_get(f->store, id, &item));
        assert_non_null(item);
        return item->state;
}

static void test_backup_and_restore(void **state) {
        Fixture *f = *state;
        Action a = { .kind = ACTION_CREATE, .person = "p" };
        int64_t waiting, running, reset, deleted;
        HeldPlan *held = NULL;
        char file[600], hash[PLAN_HASH_LEN + 1];
        bool restored;
        ErrCtx err = { 0 };

        put_create(f, "waiting", ACTION_CREATE, &waiting);
        put_create(f, "running", ACTION_CREATE, &running);
        put_create(f, "reset", ACTION_RESET, &reset);
        put_create(f, "deleted", ACTION_RECREATE, &deleted);
        ok(store_queue_running(f->store, running, 0, 1001));
        ok(store_queue_running(f->store, deleted, 2, 1001));
        ok(store_queue_change(f->store, deleted, &(QueueChange){.state = QUEUE_WAITING, .step = 3, .due = 5},
                              1002));
        ok(store_held_put(f->store, "u", HELD_PLAN, "0123456789ab", "first plan", &a, 1, 5));
        ok(standing_approve(f->store, "u", "0123456789ab"));

        (void) snprintf(file, sizeof(file), "%s/copy", f->directory);
        assert_int_equal(store_backup(f->store, file, &err), 0);
        assert_int_equal(mode_of(f, "copy"), 0600);
        assert_int_equal(store_backup(f->store, file, &err), -EEXIST);
        ok(store_begin(f->store));
        assert_int_equal(store_backup(f->store, "/nowhere/at/all", &err), -EBUSY);
        ok(store_commit(f->store));
        assert_int_equal(store_backup(f->store, "/nowhere/at/all", &err), -ENOENT);

        /* The same run's copy is known as older even when the program is killed at once. */
        ok(store_restored(f->store, "t", &restored));
        assert_false(restored);
        f->store = store_free(f->store);
        copy_file(file, f->database);
        f->store = open_store(f->directory);
        ok(store_restored(f->store, "t", &restored));
        assert_true(restored);
        ok(store_held_get(f->store, "u", HELD_PLAN, &held));
        assert_null(held);
        ok(standing_approval(f->store, "u", hash));
        assert_string_equal(hash, "");
        assert_int_equal(state_of(f, waiting), QUEUE_DROPPED);
        assert_int_equal(state_of(f, reset), QUEUE_DROPPED);
        assert_int_equal(state_of(f, running), QUEUE_UNCERTAIN);
        assert_int_equal(state_of(f, deleted), QUEUE_UNCERTAIN);

        /* It stays so, target by target, until a plan is accepted; and what was dropped may be asked for
         * again. */
        ok(store_restored_accept(f->store, "t"));
        reopen(f);
        ok(store_restored(f->store, "t", &restored));
        assert_false(restored);
        ok(store_restored(f->store, "u", &restored));
        assert_true(restored);
        put_create(f, "waiting", ACTION_CREATE, &waiting);
}

static void test_lost_database_counts_as_restored(void **state) {
        Fixture *f = *state;
        bool restored;

        f->store = store_free(f->store);
        assert_int_equal(unlink(f->database), 0);
        f->store = open_store(f->directory);
        ok(store_restored(f->store, "t", &restored));
        assert_true(restored);
        reopen(f);
        ok(store_restored_accept(f->store, "t"));
        ok(store_restored(f->store, "t", &restored));
        assert_false(restored);
}

static void test_copy_while_stopped(void **state) {
        Fixture *f = *state;
        char file[600];
        bool restored;

        f->store = store_free(f->store);
        (void) snprintf(file, sizeof(file), "%s/copy", f->directory);
        copy_file(f->database, file);
        f->store = open_store(f->directory);
        f->store = store_free(f->store);
        copy_file(file, f->database);
        f->store = open_store(f->directory);
        ok(store_restored(f->store, "t", &restored));
        assert_true(restored);
}

/* A backup in the directory of another machine has no marker beside it; each time it counts anew. */
static void test_restore_elsewhere(void **state) {
        Fixture *f = *state;
        char marker[320];
        bool restored;

        (void) snprintf(marker, sizeof(marker), "%s/idsyncd.generation", f->directory);
        for (int i = 0; i < 2; i++) {
                f->store = store_free(f->store);
                assert_int_equal(unlink(marker), 0);
                f->store = open_store(f->directory);
                ok(store_restored(f->store, "t", &restored));
                assert_true(restored);
                ok(store_restored_accept(f->store, "t"));
                reopen(f);
                ok(store_restored(f->store, "t", &restored));
                assert_false(restored);
        }
}

/* Also the first backup, made while the first process ran. */
static void test_restore_first_backup(void **state) {
        Fixture *f = *state;
        char marker[320], copy[320];
        bool restored;
        ErrCtx err;

        (void) snprintf(marker, sizeof(marker), "%s/idsyncd.generation", f->directory);
        (void) snprintf(copy, sizeof(copy), "%s/copy", f->directory);
        ok(store_backup(f->store, copy, &err));
        f->store = store_free(f->store);
        assert_int_equal(unlink(marker), 0);
        assert_int_equal(rename(copy, f->database), 0);
        f->store = open_store(f->directory);
        ok(store_restored(f->store, "t", &restored));
        assert_true(restored);
}

static void test_idle_empties_the_wal(void **state) {
        Fixture *f = *state;
        char wal[320];
        struct stat st;

        ok(store_meta_set(f->store, "a", "1"));
        (void) snprintf(wal, sizeof(wal), "%s-wal", f->database);
        assert_int_equal(stat(wal, &st), 0);
        assert_true(st.st_size > 0);
        ok(store_idle(f->store));
        assert_int_equal(stat(wal, &st), 0);
        assert_int_equal(st.st_size, 0);
        ok(store_begin(f->store));
        ok(store_idle(f->store));
        ok(store_commit(f->store));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_store, teardown_store)
        const struct CMUnitTest tests[] = {
                TEST(test_permissions),
                TEST(test_files_are_tightened),
                TEST(test_directory_of_others),
                TEST(test_database_of_another),
                TEST(test_symlink_and_link_refused),
                TEST(test_second_process_is_locked_out),
                TEST(test_lock_removed),
                TEST(test_scratch),
                TEST(test_scratch_of_nothing),
                TEST(test_not_a_database),
                TEST(test_other_program),
                TEST(test_newer_version),
                TEST(test_schema_1),
                TEST(test_damaged_page),
                TEST(test_damage_met_later),
                TEST(test_truncated),
                TEST(test_settings),
                TEST(test_meta),
                TEST(test_meta_of),
                TEST(test_end),
                TEST(test_transactions),
                TEST(test_error_spoils),
                TEST(test_calls),
                TEST(test_parks),
                TEST(test_park_long),
                TEST(test_backup_and_restore),
                TEST(test_lost_database_counts_as_restored),
                TEST(test_copy_while_stopped),
                TEST(test_restore_elsewhere),
                TEST(test_restore_first_backup),
                TEST(test_idle_empties_the_wal),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
