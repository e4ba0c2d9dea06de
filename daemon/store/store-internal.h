/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of store/ share: statements, errors, transactions. */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "model/action.h"
#include "store/store.h"

/* Every statement of the program but the schema's; their texts stand in store-sql.c in the same order. */
typedef enum StatementId {
        SQL_BEGIN,
        SQL_COMMIT,
        SQL_ROLLBACK,
        SQL_META_SET,
        SQL_META_DELETE,
        SQL_META_GET,
        SQL_PEOPLE_INDEX,
        SQL_PEOPLE_COUNT,
        SQL_PEOPLE_ANY,
        SQL_PEOPLE_UNINDEX,
        SQL_PEOPLE_REINDEX,
        SQL_PERSON_INSERT,
        SQL_PERSON_UPDATE,
        SQL_PERSON_WAYS,
        SQL_PERSON_RETURNED,
        SQL_PEOPLE_GROW,
        SQL_PERSON_ABSENT,
        SQL_PEOPLE_LOAD,
        SQL_PEOPLE_PRUNE,
        SQL_LINKS_LOAD,
        SQL_LINK_OF,
        SQL_LINK_OWNER,
        SQL_LINK_PUT,
        SQL_LINK_DROP,
        SQL_SIGNAL_SET,
        SQL_SIGNALS,
        SQL_SIGNALS_FORGET,
        SQL_HELD_DROP,
        SQL_HELD_PUT,
        SQL_HELD_ACTION_PUT,
        SQL_HELD_GET,
        SQL_HELD_ACTIONS,
        SQL_REVERTS_ANY,
        SQL_REVERTED_PUT,
        SQL_REVERTED_ACCOUNT,
        SQL_REVERTED_DROP,
        SQL_REVERTED_LIST,
        SQL_CALL_RECORD,
        SQL_CALLS_SINCE,
        SQL_CALLS_PRUNE,
        SQL_PARK_SET,
        SQL_PARK_DELETE,
        SQL_PARK_GET,
        SQL_ACTION_INSERT,
        SQL_ACTION_INSERT_DONE,
        SQL_ACTION_REJECTED,
        SQL_ACTION_UNFINISHED,
        SQL_ACTION_SUPPRESSED,
        SQL_ACTION_LIFT,
        SQL_ACTION_LIFT_ONE,
        SQL_ACTION_END,
        SQL_ACTION_RUNNING,
        SQL_ACTION_MEMO,
        SQL_ACTION_CHANGE,
        SQL_ACTION_GET,
        SQL_ACTION_DUE,
        SQL_ACTION_NEXT_DUE,
        SQL_ACTION_ANY,
        SQL_ACTION_WAITING,
        SQL_ACTION_STANDING,
        SQL_ACTION_LIST,
        SQL_ACTION_REMOVALS,
        SQL_ACTION_COUNTS,
        SQL_ACTION_LOAD,
        SQL_ACTION_OF_CYCLE,
        SQL_ACTION_LATER,
        SQL_ACTION_HISTORY,
        SQL_ACTION_OF_PERSON,
        SQL_ACTION_POSITION,
        SQL_ACTION_URGE,
        SQL_PERSON_KNOWN,
        SQL_ACTION_COUNTED,
        SQL_ACTION_ENDED,
        SQL_HISTORY_PRUNE,
        SQL_OPEN_RUNNING,
        SQL_RESTORED_HELD,
        SQL_RESTORED_APPROVALS,
        SQL_RESTORED_DROP,
        SQL_RESTORED_LOOK,
        _SQL_MAX,
} StatementId;
extern const char *const store_sql[_SQL_MAX];

struct Store {
        sqlite3 *db;
        sqlite3_stmt *statements[_SQL_MAX];     /* prepared when first used */
        char *directory;
        int lock_fd;
        unsigned depth;                         /* of nested transactions */
        bool spoiled;
        uint64_t generation;                    /* 0: not open yet, or a scratch copy */
        Store *real;                            /* of a scratch copy: the database that it was made from */
        struct PeopleIndex *index;              /* of the rows as committed, NULL: to be read */
        bool index_touched;                     /* by the transaction under way */
        PeopleUpdate *update;                   /* the read under way, borrowed */
        ErrCtx error;
};

/* ---- store-db.c ---- */

/* Keeps SQLite's words (or those given) and returns what callers get for that result code. */
int store_fail(Store *store, int rc);
int store_fail_text(Store *store, int ret, const char *format, ...) _printf_(3, 4);

/* Types of the values, one letter each: t const char * (NULL: null), i int64_t, n int, b const void * and
 * size_t, u usec_t (infinity is the largest integer). */
int store_query(Store *store, StatementId id, sqlite3_stmt **ret, const char *types, ...);
/* 1: a row; 0: no more. */
int store_step(Store *store, sqlite3_stmt *q);
/* A statement without rows. */
int store_exec(Store *store, StatementId id, const char *types, ...);
/* Ends use of a cached statement: an open one would pin the WAL. */
sqlite3_stmt *statement_reset(sqlite3_stmt *q);
DEFINE_CLEANUP(sqlite3_stmt *, statement_reset);

usec_t column_usec(sqlite3_stmt *q, int column);
/* Borrowed until the next step; NULL for null. */
const char *column_text(sqlite3_stmt *q, int column);
/* Copies into the arena. *ret NULL for null. 0, -ENOMEM. */
int column_copy(sqlite3_stmt *q, int column, Arena *arena, const char **ret);

/* ---- store-schema.c ---- */

/* Whose database is it, and of which version? 0: ours, or empty; STORE_E_DAMAGED with err; negative.
 * Changes nothing. */
int schema_check(Store *store, ErrCtx *err);
/* Brings it to this version's schema, in one transaction. */
int schema_migrate(Store *store);
/* The same for an empty database alone. */
int schema_create(Store *store);

/* ---- store-guard.c: directory, lock, marker ---- */

/* 0; STORE_E_LOCKED; negative. The lock lives as long as the descriptor. */
int guard_lock(const char *directory, int *ret_fd, pid_t *ret_pid, ErrCtx *err);
/* Makes the database file where it isn't there, and makes it and what SQLite keeps beside it ours alone. */
int guard_database(const char *directory, char **ret_path, ErrCtx *err);
/* 0 where there is no marker. */
int guard_marker_read(const char *directory, uint64_t *ret);
int guard_marker_write(const char *directory, uint64_t generation);

/* ---- store-people.c ---- */

void people_forget_index(Store *store);

/* ---- store-queue.c ---- */

/* The action in six columns from `first`: person, kind, address, remote_id, before, after; copied. A row
 * that can't be read is -EIO. */
int row_action(Store *store, sqlite3_stmt *q, int first, Arena *arena, Action *ret);
