/* SPDX-License-Identifier: Apache-2.0 */
/* What must survive: $STATE_DIRECTORY/idsyncd.db (SQLite, WAL, synchronous=FULL, STRICT tables). The only
 * user of sqlite3.h.
 *
 * All functions of this folder: 0; -ENOSPC (disk or database full), -EIO (anything else that SQLite
 * refused), -ENOMEM, -ECANCELED (the transaction is spoiled already, see store_begin()); the last error's
 * words are in store_error(), "" where none happened. Positive outcomes stand at the function. Texts handed
 * out by callbacks are borrowed during the callback; a callback that returns something else than 0 ends the
 * walk, and that is returned. Callbacks may use the store. Wall times are usec_t. */
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "base/time.h"

typedef struct Store Store;

#define STORE_E_LOCKED 1
#define STORE_E_DAMAGED 2
/* store_people_put(): the id was there before in this read. store_link_put(): the account is somebody
 * else's. */
#define STORE_E_DUPLICATE 3
/* store_queue_change(): another action of that person is unfinished. */
#define STORE_E_BUSY 4

/* Opens the state directory (making it where it isn't there, 0700), locks it, brings the database to this
 * version's schema, and makes of every RUNNING action an UNCERTAIN one. After an unclean end the database
 * is checked first. 0; STORE_E_LOCKED: another process has it, its pid in *ret_pid (0: unknown);
 * STORE_E_DAMAGED: the database can't be opened as ours, or is of a newer version; nothing was changed;
 * -EPERM: others could write to the directory; -errno. Except for 0, err says what is wrong and the way
 * out. */
int store_open(const char *directory, Store **ret, pid_t *ret_pid, ErrCtx *err);
/* The same for a dry run or a check: a copy in memory, as the database would be after opening, of which
 * nothing is kept but store_call_record(), which writes at once. The database, its schema and its marker
 * stay as they are; where there is none an empty one is made. */
int store_open_scratch(const char *directory, Store **ret, pid_t *ret_pid, ErrCtx *err);
/* Rolls back what is open. */
Store *store_free(Store *store);
DEFINE_CLEANUP(Store *, store_free);
const char *store_error(const Store *store);
/* A negative result that may be this folder's, in words. */
const char *store_strerror(const Store *store, int r);

/* Transactions nest by counting; the outermost commit writes. A rollback at any depth, and any error in
 * between, spoils the whole: it is rolled back at the outermost end, and until then, and from the
 * outermost store_commit(), all functions return -ECANCELED. Each begin that returned 0 needs one commit
 * or rollback. */
int store_begin(Store *store);
int store_commit(Store *store);
void store_rollback(Store *store);
/* For `return store_end(store, r)`: rolls back where r is negative, else commits. r; or negative, what the
 * commit said. */
int store_end(Store *store, int r);

/* Named values. A NULL value deletes. get: 0 and *ret NULL (0, *ret_found false) where there is none;
 * -EBADMSG: the value is no number. ret_found may be NULL. */
int store_meta_set(Store *store, const char *key, const char *value);
int store_meta_get(Store *store, const char *key, char **ret);
int store_meta_set_u64(Store *store, const char *key, uint64_t value);
int store_meta_get_u64(Store *store, const char *key, uint64_t *ret, bool *ret_found);
/* The same for what there is one of for each target, group, …: the value is named "KEY:OF". */
int store_meta_set_of(Store *store, const char *key, const char *of, const char *value);
int store_meta_get_of(Store *store, const char *key, const char *of, char **ret);
int store_meta_set_u64_of(Store *store, const char *key, const char *of, uint64_t value);
int store_meta_get_u64_of(Store *store, const char *key, const char *of, uint64_t *ret, bool *ret_found);
/* The number of the cycle that began last, which store-queue.h goes by; 0: none did. */
int store_cycle_get(Store *store, int64_t *ret);
int store_cycle_set(Store *store, int64_t cycle);

/* Was this database put back from a backup (its generation is behind the marker file beside it, or it came
 * without one), and has no plan of this target been accepted since? Then every plan is held. When the
 * restored database was opened, held plans, waiting actions and unfinished resets were dropped (the next
 * plan asks again for what is still wanted), and begun actions became UNCERTAIN. */
int store_restored(Store *store, const char *target, bool *ret);
int store_restored_accept(Store *store, const char *target);

/* Copies the database by SQLite's backup API into a new file, 0600, whole even while a transaction of
 * others waits. -EEXIST: the file is there already; -EBUSY: inside a transaction; -errno; err says it in
 * words. */
int store_backup(Store *store, const char *file, ErrCtx *err);
/* For an idle moment: brings the WAL into the database and empties it. Does nothing inside a transaction. */
int store_idle(Store *store);

#include "store/store-budget.h"
#include "store/store-ledger.h"
#include "store/store-people.h"
#include "store/store-queue.h"
#include "store/store-revert.h"
