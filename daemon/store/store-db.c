/* SPDX-License-Identifier: Apache-2.0 */
/* The edge to SQLite: statements, errors, transactions. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "base/failpoint.h"
#include "store/store-internal.h"

/* Times that SQLite's signed integers can't hold are as good as never. */
#define USEC_LARGEST ((usec_t) INT64_MAX)

/* ---- errors ---- */

static int errno_of(sqlite3 *db, int rc) {
        switch (rc & 0xff) {
        case SQLITE_FULL:
                return -ENOSPC;
        case SQLITE_NOMEM:
                return -ENOMEM;
        case SQLITE_IOERR:
        case SQLITE_CANTOPEN: {
                int e = sqlite3_system_errno(db);

                return e == ENOSPC || e == EDQUOT ? -ENOSPC : -EIO;
        }
        default:
                return -EIO;
        }
}

int store_fail(Store *store, int rc) {
        int r = errno_of(store->db, rc);
        const char *words = sqlite3_errmsg(store->db);

        /* The handle may speak of something else than this code, e.g. when a text was too long to be
         * bound. */
        if ((sqlite3_errcode(store->db) & 0xff) != (rc & 0xff))
                words = sqlite3_errstr(rc);
        return err_set(&store->error, r, rc, "%s/idsyncd.db: %s%s", store->directory, words,
                       r == -ENOSPC ? " (make room: nothing is sent that can't be recorded)" : "");
}

int store_fail_text(Store *store, int ret, const char *format, ...) {
        char text[sizeof(store->error.text)];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        return err_set(&store->error, ret, 0, "%s", text);
}

const char *store_error(const Store *store) {
        return store->error.text;
}

const char *store_strerror(const Store *store, int r) {
        return r == -EIO || r == -ENOSPC ? store_error(store) : strerror(-r);
}

/* ---- statements ---- */

sqlite3_stmt *statement_reset(sqlite3_stmt *q) {
        if (q) {
                (void) sqlite3_reset(q);
                (void) sqlite3_clear_bindings(q);
        }
        return NULL;
}

static bool is_bracket(StatementId id) {
        return id == SQL_BEGIN || id == SQL_COMMIT || id == SQL_ROLLBACK;
}

static int prepare(Store *store, StatementId id, sqlite3_stmt **ret) {
        int rc;

        if (!is_bracket(id)) {
                /* After some errors SQLite has rolled back by itself: what came next would be on its own. */
                if (store->depth > 0 && sqlite3_get_autocommit(store->db))
                        store->spoiled = true;
                if (store->spoiled)
                        return -ECANCELED;
        }
        if (!store->statements[id]) {
                rc = sqlite3_prepare_v3(store->db, store_sql[id], -1, SQLITE_PREPARE_PERSISTENT,
                                        &store->statements[id], NULL);
                if (rc != SQLITE_OK)
                        return store_fail(store, rc);
        }
        *ret = store->statements[id];
        return 0;
}

static int bind_text(sqlite3_stmt *q, int at, const char *text) {
        return text ? sqlite3_bind_text64(q, at, text, strlen(text), SQLITE_STATIC, SQLITE_UTF8)
                    : sqlite3_bind_null(q, at);
}

static int bind_usec(sqlite3_stmt *q, int at, usec_t t) {
        return sqlite3_bind_int64(q, at, (sqlite3_int64) (t < USEC_LARGEST ? t : USEC_LARGEST));
}

/* Static binding: the caller's memory stays until the statement is reset. */
static int bind(sqlite3_stmt *q, const char *types, va_list ap) {
        int rc = SQLITE_OK;

        for (int at = 1; types[at - 1] && rc == SQLITE_OK; at++)
                switch (types[at - 1]) {
                case 't':
                        rc = bind_text(q, at, va_arg(ap, const char *));
                        break;
                case 'i':
                        rc = sqlite3_bind_int64(q, at, va_arg(ap, int64_t));
                        break;
                case 'n':
                        rc = sqlite3_bind_int(q, at, va_arg(ap, int));
                        break;
                case 'u':
                        rc = bind_usec(q, at, va_arg(ap, usec_t));
                        break;
                case 'b': {
                        const void *data = va_arg(ap, const void *);
                        size_t size = va_arg(ap, size_t);

                        rc = sqlite3_bind_blob64(q, at, size > 0 ? data : "", size, SQLITE_STATIC);
                        break;
                }
                default:
                        rc = SQLITE_MISUSE;
                }
        return rc;
}

static int query(Store *store, StatementId id, sqlite3_stmt **ret, const char *types, va_list ap) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        int r, rc;

        r = prepare(store, id, &q);
        if (r < 0)
                return r;
        rc = bind(q, types, ap);
        if (rc != SQLITE_OK)
                return store_fail(store, rc);
        *ret = TAKE(q);
        return 0;
}

int store_query(Store *store, StatementId id, sqlite3_stmt **ret, const char *types, ...) {
        va_list ap;
        int r;

        va_start(ap, types);
        r = query(store, id, ret, types, ap);
        va_end(ap);
        return r;
}

int store_step(Store *store, sqlite3_stmt *q) {
        int rc = sqlite3_step(q);

        if (rc == SQLITE_ROW)
                return 1;
        return rc == SQLITE_DONE ? 0 : store_fail(store, rc);
}

int store_exec(Store *store, StatementId id, const char *types, ...) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        va_list ap;
        int r;

        va_start(ap, types);
        r = query(store, id, &q, types, ap);
        va_end(ap);
        return r < 0 ? r : store_step(store, q);
}

/* ---- columns ---- */

usec_t column_usec(sqlite3_stmt *q, int column) {
        sqlite3_int64 v = sqlite3_column_int64(q, column);

        if (v <= 0)
                return 0;
        return (usec_t) v == USEC_LARGEST ? USEC_INFINITY : (usec_t) v;
}

const char *column_text(sqlite3_stmt *q, int column) {
        return (const char *) sqlite3_column_text(q, column);
}

int column_copy(sqlite3_stmt *q, int column, Arena *arena, const char **ret) {
        const char *text;

        if (sqlite3_column_type(q, column) == SQLITE_NULL) {
                *ret = NULL;
                return 0;
        }
        text = column_text(q, column);
        *ret = text ? arena_strdup(arena, text) : NULL;
        return *ret ? 0 : -ENOMEM;
}

/* ---- transactions ---- */

/* Once its name is gone, or stands for another file, the database still takes everything, and nobody ever
 * finds it again. Without the lock's name another process may have taken the place. */
static int check_place(Store *store) {
        struct stat lock;
        int moved = 0;

        if (store->lock_fd >= 0 && fstat(store->lock_fd, &lock) == 0 && lock.st_nlink == 0)
                return store_fail_text(store, -EIO,
                                       "%s/idsyncd.lock was removed while it was in use; restart idsyncd",
                                       store->directory);
        if (sqlite3_file_control(store->db, NULL, SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved)
                return store_fail_text(
                                store, -EIO,
                                "%s/idsyncd.db was removed or replaced while it was in use; restart idsyncd",
                                store->directory);
        return 0;
}

int store_begin(Store *store) {
        int r;

        if (store->depth == 0) {
                r = check_place(store);
                if (r == 0)
                        r = store_exec(store, SQL_BEGIN, "");
                if (r < 0)
                        return r;
        }
        store->depth++;
        return 0;
}

static void roll_back(Store *store) {
        if (!sqlite3_get_autocommit(store->db)) {
                ErrCtx kept = store->error;

                (void) store_exec(store, SQL_ROLLBACK, "");
                store->error = kept;
        }
        store->depth = 0;
        store->spoiled = false;
        /* The index in memory speaks of rows that never came to be. */
        if (store->index_touched)
                people_forget_index(store);
        store->index_touched = false;
}

void store_rollback(Store *store) {
        if (store->depth > 1) {
                store->depth--;
                store->spoiled = true;
        } else if (store->depth == 1)
                roll_back(store);
}

int store_commit(Store *store) {
        int r;

        if (store->depth == 0)
                return store_fail_text(store, -EIO, "commit without a transaction");
        if (store->depth > 1) {
                store->depth--;
                return store->spoiled ? -ECANCELED : 0;
        }
        if (store->spoiled || sqlite3_get_autocommit(store->db)) {
                roll_back(store);
                return -ECANCELED;
        }
        failpoint("store-commit");
        r = store_exec(store, SQL_COMMIT, "");
        if (r < 0) {
                roll_back(store);
                return r;
        }
        failpoint("store-committed");
        store->depth = 0;
        store->index_touched = false;
        return 0;
}

int store_end(Store *store, int r) {
        int c;

        if (r < 0) {
                store_rollback(store);
                return r;
        }
        c = store_commit(store);
        return c < 0 ? c : r;
}
