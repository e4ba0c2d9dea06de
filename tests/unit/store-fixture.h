/* SPDX-License-Identifier: Apache-2.0 */
/* A store in a directory of its own under $TMPDIR, for the tests of the store. */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "base/strings.h"
#include "store/store.h"

typedef struct Fixture {
        char directory[256];
        char database[300];
        Store *store;
} Fixture;

_unused_ static Store *open_store(const char *directory) {
        ErrCtx err = { 0 };
        Store *store = NULL;
        pid_t pid = 0;
        int r;

        r = store_open(directory, &store, &pid, &err);
        if (r != 0)
                fail_msg("%d: %s", r, err.text);
        return store;
}

/* What opening says when it must not succeed. */
_unused_ static int try_open(const char *directory, ErrCtx *err) {
        Store *store = NULL;
        pid_t pid = 0;
        int r;

        *err = (ErrCtx){ 0 };
        r = store_open(directory, &store, &pid, err);
        store_free(store);
        if (r != 0)
                assert_true(err->text[0] != '\0');
        return r;
}

static void fixture_paths(Fixture *f, const char *base) {
        (void) snprintf(f->directory, sizeof(f->directory), "%s/idsyncd-test-XXXXXX", base);
        assert_non_null(mkdtemp(f->directory));
        (void) snprintf(f->database, sizeof(f->database), "%s/idsyncd.db", f->directory);
}

/* base NULL: $TMPDIR, else /tmp. */
static int setup_store_in(void **state, const char *base) {
        Fixture *f = calloc(1, sizeof(*f));

        if (!base)
                base = getenv("TMPDIR");

        assert_non_null(f);
        fixture_paths(f, base ? base : "/tmp");
        f->store = open_store(f->directory);
        *state = f;
        return 0;
}

_unused_ static int setup_store(void **state) {
        return setup_store_in(state, NULL);
}

static void remove_directory(const char *directory) {
        DIR *dir = opendir(directory);
        struct dirent *e;

        while (dir && (e = readdir(dir)))
                if (e->d_name[0] != '.')
                        (void) unlinkat(dirfd(dir), e->d_name, 0);
        if (dir)
                (void) closedir(dir);
        (void) rmdir(directory);
}

_unused_ static int teardown_store(void **state) {
        Fixture *f = *state;

        store_free(f->store);
        remove_directory(f->directory);
        free(f);
        return 0;
}

_unused_ static void reopen(Fixture *f) {
        f->store = store_free(f->store);
        f->store = open_store(f->directory);
}

/* Runs SQL beside the store, as somebody with another tool would. */
_unused_ static void run_sql(const Fixture *f, const char *sql) {
        sqlite3 *db = NULL;
        char *message = NULL;

        assert_int_equal(sqlite3_open(f->database, &db), SQLITE_OK);
        if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
                fail_msg("%s: %s", sql, message);
        sqlite3_close(db);
}

/* The first number that it answers with. */
_unused_ static int64_t ask_sql(const Fixture *f, const char *sql) {
        sqlite3_stmt *q = NULL;
        sqlite3 *db = NULL;
        int64_t n;

        assert_int_equal(sqlite3_open(f->database, &db), SQLITE_OK);
        if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) != SQLITE_OK || sqlite3_step(q) != SQLITE_ROW)
                fail_msg("%s: %s", sql, sqlite3_errmsg(db));
        n = sqlite3_column_int64(q, 0);
        sqlite3_finalize(q);
        sqlite3_close(db);
        return n;
}

#define ok(expression)                                                                          \
        do {                                                                                    \
                int _r = (expression);                                                          \
                                                                                                \
                if (_r != 0)                                                                    \
                        fail_msg("%s: %d, %s", #expression, _r, store_error(f->store));         \
        } while (0)
