/* SPDX-License-Identifier: Apache-2.0 */
/* The schema and its versions. A step that was released is never changed: the next is added behind it. A
 * dry run records its calls in a database as old as it finds it: `call` takes its three columns in every
 * version. */
#include <errno.h>

#include "store/store-internal.h"

#define APPLICATION_ID 0x69647379       /* "idsy" */

/* Texts of actions are stored as their names, so that a person can read the database with any tool. States
 * (before, after) are canonical JSON, null where there is none. Times are microseconds. */
static const char *const steps[] = {
        "PRAGMA application_id = 0x69647379;"

        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"

        "CREATE TABLE person ("
        " row INTEGER PRIMARY KEY,"
        " id TEXT NOT NULL,"
        " fingerprint INTEGER NOT NULL,"
        " present INTEGER NOT NULL CHECK (present IN (0, 1)),"
        " absent_for INTEGER NOT NULL,"
        " disabled INTEGER NOT NULL,"
        " unreadable INTEGER NOT NULL,"
        " dn TEXT, login TEXT, email TEXT, first_name TEXT, last_name TEXT, timezone TEXT,"
        " employee_number TEXT, signal TEXT,"
        " marks BLOB NOT NULL"
        ") STRICT;"
        "CREATE UNIQUE INDEX person_id ON person (id);"
        "CREATE INDEX person_absent ON person (present) WHERE present = 0;"

        "CREATE TABLE link ("
        " target TEXT NOT NULL,"
        " person TEXT NOT NULL,"
        " remote_id TEXT NOT NULL,"
        " address TEXT, employee_number TEXT, role TEXT,"
        " origin TEXT NOT NULL CHECK (origin IN ('created', 'adopted')),"
        " since INTEGER NOT NULL,"
        " gone INTEGER NOT NULL CHECK (gone IN (0, 1)),"
        " out_for INTEGER NOT NULL,"
        " PRIMARY KEY (target, person)"
        ") STRICT, WITHOUT ROWID;"
        /* An account has one owner. */
        "CREATE UNIQUE INDEX link_account ON link (target, remote_id) WHERE gone = 0;"
        "CREATE INDEX link_person ON link (person);"

        /* The password signal as it was when it was last looked at; NULL: the attribute was absent. */
        "CREATE TABLE signal ("
        " target TEXT NOT NULL, person TEXT NOT NULL, value TEXT,"
        " PRIMARY KEY (target, person)"
        ") STRICT, WITHOUT ROWID;"

        "CREATE TABLE action ("
        " id INTEGER PRIMARY KEY AUTOINCREMENT,"
        " target TEXT NOT NULL,"
        " person TEXT NOT NULL,"
        " kind TEXT NOT NULL,"
        " address TEXT, remote_id TEXT, before TEXT, after TEXT,"
        " wish BLOB NOT NULL,"
        " state TEXT NOT NULL CHECK"
        "  (state IN ('waiting', 'running', 'uncertain', 'done', 'dead', 'superseded', 'dropped')),"
        " step INTEGER NOT NULL DEFAULT 0,"
        " was_uncertain INTEGER NOT NULL DEFAULT 0,"
        " attempts INTEGER NOT NULL DEFAULT 0,"
        " due INTEGER NOT NULL,"
        " queued INTEGER NOT NULL,"
        " begun INTEGER, finished INTEGER,"
        " cycle INTEGER NOT NULL, finished_cycle INTEGER,"
        " approved INTEGER NOT NULL CHECK (approved IN (0, 1)),"
        " stands INTEGER NOT NULL DEFAULT 0 CHECK"
        "  (stands = 0 OR (stands = 1 AND state IN ('dead', 'dropped'))),"
        " outcome TEXT, detail TEXT, memo TEXT,"
        " http_status INTEGER NOT NULL DEFAULT 0,"
        " rank INTEGER GENERATED ALWAYS AS (CASE WHEN state = 'uncertain' THEN 0"
        "  WHEN kind IN ('recreate', 'disable', 'delete', 'reset') THEN 1 ELSE 2 END) VIRTUAL,"
        " CHECK ((finished IS NULL) = (state IN ('waiting', 'running', 'uncertain')))"
        ") STRICT;"
        "CREATE UNIQUE INDEX action_unfinished ON action (target, person) WHERE finished IS NULL;"
        "CREATE INDEX action_rank ON action (target, rank, id) WHERE finished IS NULL;"
        "CREATE INDEX action_state ON action (target, state, due) WHERE finished IS NULL;"
        "CREATE INDEX action_person ON action (person);"
        "CREATE INDEX action_stands ON action (target, person) WHERE stands = 1;"
        "CREATE INDEX action_queued ON action (target, queued);"
        "CREATE INDEX action_cycle ON action (target, finished_cycle) WHERE finished_cycle IS NOT NULL;"
        "CREATE INDEX action_finished ON action (finished) WHERE finished IS NOT NULL;"

        "CREATE TABLE held ("
        " target TEXT PRIMARY KEY,"
        " hash TEXT NOT NULL,"
        " reason TEXT NOT NULL,"
        " since INTEGER NOT NULL"
        ") STRICT, WITHOUT ROWID;"
        "CREATE TABLE held_action ("
        " target TEXT NOT NULL REFERENCES held (target) ON DELETE CASCADE,"
        " position INTEGER NOT NULL,"
        " person TEXT NOT NULL,"
        " kind TEXT NOT NULL,"
        " address TEXT, remote_id TEXT, before TEXT, after TEXT,"
        " PRIMARY KEY (target, position)"
        ") STRICT, WITHOUT ROWID;"

        "CREATE TABLE call (key TEXT NOT NULL, token INTEGER NOT NULL, wall INTEGER NOT NULL) STRICT;"
        "CREATE INDEX call_wall ON call (key, token, wall);"

        "CREATE TABLE park ("
        " scope TEXT PRIMARY KEY,"
        " until INTEGER NOT NULL,"
        " tries INTEGER NOT NULL,"
        " reason TEXT NOT NULL,"
        " detail TEXT NOT NULL"
        ") STRICT, WITHOUT ROWID;"

        "PRAGMA user_version = 1;",

        /* More than one plan of a target waits for a person: each has its slot. */
        "ALTER TABLE held_action RENAME TO old_held_action;"
        "ALTER TABLE held RENAME TO old_held;"
        "CREATE TABLE held ("
        " target TEXT NOT NULL,"
        " slot TEXT NOT NULL CHECK (slot IN ('plan', 'file', 'revert')),"
        " hash TEXT NOT NULL,"
        " reason TEXT NOT NULL,"
        " since INTEGER NOT NULL,"
        " PRIMARY KEY (target, slot)"
        ") STRICT, WITHOUT ROWID;"
        "CREATE TABLE held_action ("
        " target TEXT NOT NULL,"
        " slot TEXT NOT NULL,"
        " position INTEGER NOT NULL,"
        " person TEXT NOT NULL,"
        " kind TEXT NOT NULL,"
        " address TEXT, remote_id TEXT, before TEXT, after TEXT,"
        " PRIMARY KEY (target, slot, position),"
        " FOREIGN KEY (target, slot) REFERENCES held (target, slot) ON DELETE CASCADE"
        ") STRICT, WITHOUT ROWID;"
        "INSERT INTO held SELECT target, 'plan', hash, reason, since FROM old_held;"
        "INSERT INTO held_action SELECT target, 'plan', position, person, kind, address, remote_id, before,"
        " after FROM old_held_action;"
        "DROP TABLE old_held_action;"
        "DROP TABLE old_held;"
        "PRAGMA user_version = 2;",

        "ALTER TABLE link ADD COLUMN was_disabled INTEGER NOT NULL DEFAULT 0 CHECK"
        " (was_disabled IN (0, 1));"
        "PRAGMA user_version = 3;",

        /* An operator's action goes first among its rank. */
        "ALTER TABLE action ADD COLUMN urged INTEGER NOT NULL DEFAULT 0;"
        "DROP INDEX action_rank;"
        "CREATE INDEX action_rank ON action (target, rank, urged DESC, id) WHERE finished IS NULL;"
        "PRAGMA user_version = 4;",

        /* What tells whether a target's actions fail. */
        "CREATE INDEX action_ended ON action (target, finished, state)"
        " WHERE state IN ('done', 'dead') AND kind <> 'adopt';"
        "PRAGMA user_version = 5;",

        /* How much is queued of what kind is told from the index alone. */
        "DROP INDEX action_state;"
        "CREATE INDEX action_state ON action (target, state, due, kind) WHERE finished IS NULL;"
        "PRAGMA user_version = 6;",

        /* Actions that take others back, and what is no longer asked for because of them: `basis` is the
         * person and the rules as they were then, `account` the account afterwards, NULL: not seen yet. */
        "ALTER TABLE action ADD COLUMN reverts INTEGER NOT NULL DEFAULT 0;"
        "ALTER TABLE held_action ADD COLUMN reverts INTEGER NOT NULL DEFAULT 0;"
        "CREATE TABLE reverted ("
        " target TEXT NOT NULL,"
        " person TEXT NOT NULL,"
        " action INTEGER NOT NULL,"
        " basis TEXT NOT NULL,"
        " account TEXT,"
        " PRIMARY KEY (target, person)"
        ") STRICT, WITHOUT ROWID;"
        "PRAGMA user_version = 7;",

        /* How much is queued, from an index that has all that the question names: no row is fetched. */
        "DROP INDEX action_state;"
        "CREATE INDEX action_state ON action (target, state, due) WHERE finished IS NULL;"
        "CREATE INDEX action_load ON action (target, kind, state, due, finished) WHERE finished IS NULL;"
        "PRAGMA user_version = 8;",

        /* Through which groups in groups a person is in the configured ones. */
        "ALTER TABLE person ADD COLUMN ways TEXT; PRAGMA user_version = 9;",
};

/* The first number that a question asked at opening answers with; its text is a constant of ours. */
static int ask(Store *store, const char *question, int64_t *ret) {
        sqlite3_stmt *q = NULL;
        int rc = sqlite3_prepare_v2(store->db, question, -1, &q, NULL);

        if (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW)
                *ret = sqlite3_column_int64(q, 0);
        (void) sqlite3_finalize(q);
        return rc == SQLITE_ROW ? 0 : store_fail(store, rc);
}

int schema_check(Store *store, ErrCtx *err) {
        int64_t application, tables, version;
        int r;

        r = ask(store, "PRAGMA application_id", &application);
        if (r == 0)
                r = ask(store, "PRAGMA user_version", &version);
        if (r == 0)
                r = ask(store, "SELECT count(*) FROM sqlite_schema", &tables);
        if (r < 0)
                return r;
        if (application == 0 && version == 0 && tables == 0)
                return 0;
        if (application != APPLICATION_ID || version <= 0)
                return err_set(err, STORE_E_DAMAGED, 0,
                               "%s/idsyncd.db is no database of idsyncd; name another directory, or move"
                               " the file away", store->directory);
        if (version > (int64_t) ELEMENTSOF(steps))
                return err_set(err, STORE_E_DAMAGED, 0,
                               "%s/idsyncd.db is of a newer version (schema %lld; this program knows %zu);"
                               " run that version, or restore a backup made by this one", store->directory,
                               (long long) version, ELEMENTSOF(steps));
        return 0;
}

int schema_create(Store *store) {
        int64_t version;
        int r;

        r = ask(store, "PRAGMA user_version", &version);
        return r < 0 || version > 0 ? r : schema_migrate(store);
}

int schema_migrate(Store *store) {
        int64_t version;
        int r;

        r = ask(store, "PRAGMA user_version", &version);
        if (r < 0 || version >= (int64_t) ELEMENTSOF(steps))
                return r;
        r = store_begin(store);
        if (r < 0)
                return r;
        for (size_t i = (size_t) version; i < ELEMENTSOF(steps) && r == 0; i++) {
                int rc = sqlite3_exec(store->db, steps[i], NULL, NULL, NULL);

                if (rc != SQLITE_OK)
                        r = store_fail(store, rc);
        }
        return store_end(store, r);
}
