/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing, named values, generations, backups. */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/failpoint.h"
#include "store/store-internal.h"

/* Another program may look into the database; it must not keep us long, because waiting is done in the
 * loop. */
#define BUSY_TIMEOUT_MS 250
#define RESTORED_DETAIL "the database was restored; the next plan asks again for what is still wanted"

/* ---- named values ---- */

int store_meta_set(Store *store, const char *key, const char *value) {
        int r;

        r = store_begin(store);
        if (r < 0)
                return r;
        r = value ? store_exec(store, SQL_META_SET, "tt", key, value)
                  : store_exec(store, SQL_META_DELETE, "t", key);
        return store_end(store, r);
}

int store_meta_get(Store *store, const char *key, char **ret) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        char *value = NULL;
        int r;

        r = store_query(store, SQL_META_GET, &q, "t", key);
        if (r < 0)
                return r;
        r = store_step(store, q);
        if (r < 0)
                return r;
        if (r > 0) {
                const char *text = column_text(q, 0);

                value = text ? strdup(text) : NULL;
                if (!value)
                        return -ENOMEM;
        }
        *ret = value;
        return 0;
}

int store_meta_set_u64(Store *store, const char *key, uint64_t value) {
        char text[32];

        (void) snprintf(text, sizeof(text), "%llu", (unsigned long long) value);
        return store_meta_set(store, key, text);
}

int store_meta_get_u64(Store *store, const char *key, uint64_t *ret, bool *ret_found) {
        _cleanup_(freep) char *text = NULL;
        uint64_t value = 0;
        int r;

        r = store_meta_get(store, key, &text);
        if (r < 0)
                return r;
        if (text && parse_u64(text, &value) < 0)
                return store_fail_text(store, -EBADMSG, "%s/idsyncd.db: %s: not a number", store->directory,
                                       key);
        *ret = value;
        if (ret_found)
                *ret_found = text;
        return 0;
}

static char *key_of(const char *key, const char *of) {
        char *text;

        return asprintf(&text, "%s:%s", key, of) < 0 ? NULL : text;
}

int store_meta_set_of(Store *store, const char *key, const char *of, const char *value) {
        _cleanup_(freep) char *full = key_of(key, of);

        return full ? store_meta_set(store, full, value) : -ENOMEM;
}

int store_meta_get_of(Store *store, const char *key, const char *of, char **ret) {
        _cleanup_(freep) char *full = key_of(key, of);

        return full ? store_meta_get(store, full, ret) : -ENOMEM;
}

int store_meta_set_u64_of(Store *store, const char *key, const char *of, uint64_t value) {
        _cleanup_(freep) char *full = key_of(key, of);

        return full ? store_meta_set_u64(store, full, value) : -ENOMEM;
}

int store_meta_get_u64_of(Store *store, const char *key, const char *of, uint64_t *ret, bool *ret_found) {
        _cleanup_(freep) char *full = key_of(key, of);

        return full ? store_meta_get_u64(store, full, ret, ret_found) : -ENOMEM;
}

int store_cycle_get(Store *store, int64_t *ret) {
        uint64_t cycle;
        int r;

        r = store_meta_get_u64(store, "cycle", &cycle, NULL);
        if (r >= 0)
                *ret = (int64_t) cycle;
        return r;
}

int store_cycle_set(Store *store, int64_t cycle) {
        return store_meta_set_u64(store, "cycle", (uint64_t) cycle);
}

/* ---- generations: a database that is behind its marker, or came without one, was put back ---- */

/* The marker follows the database, so that a crash in between leaves it behind, never ahead. */
static int next_generation(Store *store, uint64_t last, bool clean) {
        uint64_t next = last + 1;
        int r;

        r = store_begin(store);
        if (r < 0)
                return r;
        r = store_meta_set_u64(store, "generation", next);
        if (r == 0)
                r = store_meta_set_u64(store, "clean", clean);
        r = store_end(store, r);
        if (r < 0)
                return r;
        store->generation = next;
        failpoint("store-marker");
        r = guard_marker_write(store->directory, next);
        if (r < 0) {
                errno = -r;
                return store_fail_text(store, r, "%s/idsyncd.generation: %m", store->directory);
        }
        return 0;
}

/* The first generation may lack its marker: a crash came in between. */
static bool put_back(uint64_t generation, uint64_t marker) {
        return generation < marker || (marker == 0 && generation > 1);
}

/* "When" is later than what was accepted of earlier ones. */
static int note_restored(Store *store, uint64_t when) {
        int r;

        r = store_meta_set_u64(store, "restored", when);
        if (r == 0)
                r = store_exec(store, SQL_RESTORED_HELD, "");
        /* Given before the copy was made, and used since. */
        if (r == 0)
                r = store_exec(store, SQL_RESTORED_APPROVALS, "");
        if (r == 0)
                r = store_exec(store, SQL_RESTORED_DROP, "t", RESTORED_DETAIL);
        return r < 0 ? r : store_exec(store, SQL_RESTORED_LOOK, "");
}

/* What the state was when the last process ended, and what this one makes of it. */
static int settle(Store *store) {
        uint64_t generation, marker;
        int r;

        r = store_meta_get_u64(store, "generation", &generation, NULL);
        if (r < 0)
                return r;
        r = guard_marker_read(store->directory, &marker);
        if (r < 0) {
                errno = -r;
                return store_fail_text(store, r, "%s/idsyncd.generation: %m", store->directory);
        }
        r = store_begin(store);
        if (r < 0)
                return r;
        r = store_exec(store, SQL_OPEN_RUNNING, "ti", NULL, (int64_t) 0);
        if (r == 0 && put_back(generation, marker))
                r = note_restored(store, generation > marker ? generation : marker);
        r = store_end(store, r);
        /* A copy is no generation of its own. */
        if (r < 0 || store->real)
                return r;
        /* The first one stays so until its marker is written, however many crashes come in between. */
        if (generation == 1 && marker == 0)
                generation = 0;
        r = next_generation(store, generation > marker ? generation : marker, false);
        /* Its marker stands: from here on a copy without one isn't a new database. */
        return r < 0 || store->generation > 1 ? r : next_generation(store, store->generation, false);
}

int store_restored(Store *store, const char *target, bool *ret) {
        uint64_t restored, accepted;
        int r;

        r = store_meta_get_u64(store, "restored", &restored, NULL);
        if (r == 0)
                r = store_meta_get_u64_of(store, "restored", target, &accepted, NULL);
        if (r == 0)
                *ret = accepted < restored;
        return r;
}

int store_restored_accept(Store *store, const char *target) {
        uint64_t restored;
        int r;

        r = store_meta_get_u64(store, "restored", &restored, NULL);
        return r < 0 ? r : store_meta_set_u64_of(store, "restored", target, restored);
}

/* ---- opening ---- */

static Store *store_new(const char *directory) {
        _cleanup_(store_freep) Store *store = calloc(1, sizeof(*store));

        if (!store)
                return NULL;
        store->lock_fd = -1;
        store->directory = strdup(directory);
        return store->directory ? TAKE(store) : NULL;
}

static int setting(Store *store, const char *sql) {
        int rc = sqlite3_exec(store->db, sql, NULL, NULL, NULL);

        return rc == SQLITE_OK ? 0 : store_fail(store, rc);
}

static int configure(Store *store) {
        static const char *const settings[] = {
                "PRAGMA synchronous = FULL",            /* a fact that was committed outlives a power cut */
                "PRAGMA foreign_keys = ON",
                "PRAGMA secure_delete = ON",
                "PRAGMA trusted_schema = OFF",
                "PRAGMA cell_size_check = ON",
                "PRAGMA temp_store = MEMORY",
                "PRAGMA journal_size_limit = 4194304",  /* a first read's WAL is large once */
        };
        int r = 0;

        (void) sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS);
        (void) sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        for (size_t i = 0; i < ELEMENTSOF(settings) && r == 0; i++)
                r = setting(store, settings[i]);
        return r;
}

/* Both answer with a word; anything else than the expected one is an error. */
static int expect_word(Store *store, const char *sql, const char *expected, char *answer, size_t size) {
        sqlite3_stmt *q = NULL;
        int rc, r;

        rc = sqlite3_prepare_v2(store->db, sql, -1, &q, NULL);
        if (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW)
                (void) snprintf(answer, size, "%s", (const char *) sqlite3_column_text(q, 0));
        (void) sqlite3_finalize(q);
        if (rc != SQLITE_ROW)
                return store_fail(store, rc);
        r = strcmp(answer, expected) == 0 ? 0 : -EIO;
        return r < 0 ? store_fail_text(store, r, "%s/idsyncd.db: %s: %s", store->directory, sql, answer) : 0;
}

/* Only after an unclean end: it reads the whole file (about 0.2 s for 100,000 people). */
static int check_whole(Store *store) {
        char answer[256] = "";
        uint64_t clean;
        int r;

        r = store_meta_get_u64(store, "clean", &clean, NULL);
        if (r < 0 || clean)
                return r;
        return expect_word(store, "PRAGMA quick_check(1)", "ok", answer, sizeof(answer));
}

/* Does the error say that the content is wrong, not that it can't be reached just now? */
static bool is_damage(const Store *store, int r) {
        switch (store->error.code & 0xff) {
        case SQLITE_OK:         /* words of our own */
                return r == -EIO || r == -EBADMSG;
        case SQLITE_ERROR:
        case SQLITE_SCHEMA:
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
        case SQLITE_CONSTRAINT:
        case SQLITE_MISMATCH:
                return r != -ENOMEM;
        default:
                return false;
        }
}

static int cannot_open(const Store *store, int r, ErrCtx *err) {
        if (!is_damage(store, r))
                return err_set(err, r, store->error.code, "%s", store->error.text);
        return err_set(err, STORE_E_DAMAGED, store->error.code,
                       "%.300s; restore a backup, or move idsyncd.db, -wal and -shm away: a new database"
                       " holds the first plan of every target", store->error.text);
}

/* All pages in one go: they are read in one transaction anyhow. */
static int copy_database(Store *store, sqlite3 *to, ErrCtx *err) {
        sqlite3_backup *backup = sqlite3_backup_init(to, "main", store->db, "main");
        int rc = SQLITE_OK;

        if (backup) {
                rc = sqlite3_backup_step(backup, -1);
                (void) sqlite3_backup_finish(backup);
        }
        if (backup && rc == SQLITE_DONE)
                return 0;
        return err_set(err, (sqlite3_errcode(to) & 0xff) == SQLITE_FULL ? -ENOSPC : -EIO,
                       sqlite3_errcode(to), "backup: %s", sqlite3_errmsg(to));
}

/* Before the first change: a file that isn't ours is left as it is. */
static int open_file(Store *store, ErrCtx *err) {
        _cleanup_(freep) char *path = NULL;
        char answer[64] = "";
        int r, rc;

        r = guard_database(store->directory, &path, err);
        if (r < 0)
                return r;
        rc = sqlite3_open_v2(path, &store->db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
        if (!store->db)
                return err_set(err, -ENOMEM, rc, "%s: out of memory", path);
        r = rc == SQLITE_OK ? configure(store) : store_fail(store, rc);
        if (r < 0)
                return cannot_open(store, r, err);
        r = schema_check(store, err);
        if (r == STORE_E_DAMAGED)
                return r;
        if (r == 0)
                r = expect_word(store, "PRAGMA journal_mode = WAL", "wal", answer, sizeof(answer));
        return r < 0 ? cannot_open(store, r, err) : 0;
}

/* To this version's schema, and to what this start makes of the last one's end. */
static int bring_up(Store *store, ErrCtx *err) {
        int r;

        r = schema_migrate(store);
        if (r == 0)
                r = check_whole(store);
        if (r == 0)
                r = settle(store);
        return r < 0 ? cannot_open(store, r, err) : 0;
}

/* Locked, and the file open. */
static int open_locked(const char *directory, Store **ret, pid_t *ret_pid, ErrCtx *err) {
        _cleanup_(store_freep) Store *store = store_new(directory);
        int r;

        if (!store)
                return err_set(err, -ENOMEM, 0, "out of memory");
        r = guard_lock(directory, &store->lock_fd, ret_pid, err);
        if (r == 0)
                r = open_file(store, err);
        if (r != 0)
                return r;
        *ret = TAKE(store);
        return 0;
}

static int open_real(const char *directory, Store **ret, pid_t *ret_pid, ErrCtx *err) {
        _cleanup_(store_freep) Store *store = NULL;
        int r;

        r = open_locked(directory, &store, ret_pid, err);
        if (r == 0)
                r = bring_up(store, err);
        if (r != 0)
                return r;
        *ret = TAKE(store);
        return 0;
}

/* The copy as it would be after opening. A new database is made for real: the calls need a place. */
static int open_scratch(const char *directory, Store **ret, pid_t *ret_pid, ErrCtx *err) {
        _cleanup_(store_freep) Store *store = store_new(directory);
        int r;

        if (!store)
                return err_set(err, -ENOMEM, 0, "out of memory");
        r = open_locked(directory, &store->real, ret_pid, err);
        if (r != 0)
                return r;
        r = schema_create(store->real);
        if (r < 0)
                return cannot_open(store->real, r, err);
        if (sqlite3_open_v2(":memory:", &store->db,
                            SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                                            SQLITE_OPEN_EXRESCODE,
                            NULL) != SQLITE_OK ||
            configure(store) < 0)
                return err_set(err, -ENOMEM, 0, "out of memory for a copy of the database");
        r = copy_database(store->real, store->db, err);
        if (r == 0)
                r = bring_up(store, err);
        if (r != 0)
                return r;
        *ret = TAKE(store);
        return 0;
}

typedef int (*open_fn)(const char *directory, Store **ret, pid_t *ret_pid, ErrCtx *err);

/* What is made is ours alone. */
static int open_masked(open_fn fn, const char *directory, Store **ret, pid_t *ret_pid, ErrCtx *err) {
        mode_t mask = umask(0077);
        int r = fn(directory, ret, ret_pid, err);

        (void) umask(mask);
        return r;
}

int store_open(const char *directory, Store **ret, pid_t *ret_pid, ErrCtx *err) {
        return open_masked(open_real, directory, ret, ret_pid, err);
}

int store_open_scratch(const char *directory, Store **ret, pid_t *ret_pid, ErrCtx *err) {
        return open_masked(open_scratch, directory, ret, ret_pid, err);
}

Store *store_free(Store *store) {
        if (!store)
                return NULL;
        if (store->depth > 0) {
                store->depth = 1;
                store_rollback(store);
        }
        /* Best effort: without it the next opening checks the whole file. */
        if (store->generation > 0)
                (void) next_generation(store, store->generation, true);
        people_forget_index(store);
        for (size_t i = 0; i < _SQL_MAX; i++)
                (void) sqlite3_finalize(store->statements[i]);
        (void) sqlite3_close_v2(store->db);
        store_free(store->real);
        closep(&store->lock_fd);
        free(store->directory);
        free(store);
        return NULL;
}

/* ---- upkeep ---- */

static int write_backup(Store *store, const char *file, ErrCtx *err) {
        sqlite3 *to = NULL;
        int r;

        if (sqlite3_open_v2(file, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
                r = err_set(err, -EIO, sqlite3_errcode(to), "%s: %s", file, sqlite3_errmsg(to));
        else
                r = copy_database(store, to, err);
        (void) sqlite3_close_v2(to);
        return r;
}

int store_backup(Store *store, const char *file, ErrCtx *err) {
        _cleanup_(closep) int fd = -1;
        int r;

        if (store->depth > 0)
                return err_set(err, -EBUSY, 0, "a transaction is under way");
        fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0 || fchmod(fd, 0600) < 0)
                return err_set(err, -errno, errno, "%s: %m", file);
        r = write_backup(store, file, err);
        if (r == 0 && fsync(fd) < 0)
                r = err_set(err, -errno, errno, "%s: %m", file);
        if (r < 0) {
                (void) unlink(file);
                return r;
        }
        /* From here on the copy is older than this one. */
        r = next_generation(store, store->generation, false);
        return r < 0 ? err_set(err, r, store->error.code, "%s", store->error.text) : 0;
}

int store_idle(Store *store) {
        int rc;

        if (store->depth > 0)
                return 0;
        rc = sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
        /* Somebody reads: another time. */
        return rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY ? 0 : store_fail(store, rc);
}
