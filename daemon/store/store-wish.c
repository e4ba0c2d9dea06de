/* SPDX-License-Identifier: Apache-2.0 */
/* What plans ask of the queue: putting wishes, and dropping those that are no longer asked for. */
#include <errno.h>
#include <string.h>

#include "base/failpoint.h"
#include "store/store-internal.h"
#include "store/store-queue.h"
#include "store/store-row.h"

#define NOT_ASKED_FOR "no longer asked for"
#define REPLACED "replaced by a newer wish"

/* A wish as it is compared and stored. */
typedef struct Wish {
        const Action *action;
        RowTexts texts;
        uint8_t hash[ROW_WISH_SIZE];
} Wish;

static void wish_deinit(Wish *w) {
        row_texts_deinit(&w->texts);
}

static int wish_init(Wish *w, const Action *a) {
        int r;

        w->action = a;
        r = row_encode(a, &w->texts);
        if (r == 0)
                row_wish(a, &w->texts, w->hash);
        return r;
}

static bool same_hash(sqlite3_stmt *q, int column, const uint8_t *hash) {
        const void *stored = sqlite3_column_blob(q, column);

        return stored && sqlite3_column_bytes(q, column) == ROW_WISH_SIZE &&
               memcmp(stored, hash, ROW_WISH_SIZE) == 0;
}

/* ---- putting ---- */

/* What stands in the way: `id` is its row. */
typedef struct Probe {
        QueuePut put;
        int64_t id; /* KEPT, BUSY, SUPPRESSED: the row; NEW: the waiting one to be superseded, 0: none */
} Probe;

/* A leaver needs no new password. */
static bool ends_access(ActionKind k) {
        return k == ACTION_DELETE || k == ACTION_DISABLE;
}

static int probe_unfinished(Store *store, const char *target, const Wish *w, Probe *ret) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        int r;

        r = store_query(store, SQL_ACTION_UNFINISHED, &q, "tt", target, w->action->person);
        if (r == 0)
                r = store_step(store, q);
        if (r <= 0)
                return r;
        ret->id = sqlite3_column_int64(q, 0);
        if (!str_eq(column_text(q, 1), queue_state_to_string(QUEUE_WAITING)))
                ret->put = QUEUE_PUT_BUSY;
        else if (same_hash(q, 4, w->hash))
                ret->put = QUEUE_PUT_KEPT;
        else if (str_eq(column_text(q, 2), action_kind_to_string(ACTION_RECREATE)) &&
                 sqlite3_column_int64(q, 3) > 0)
                /* The account may be gone already: only this action knows that it must come back. */
                ret->put = QUEUE_PUT_BUSY;
        else if (w->action->kind == ACTION_RESET ||
                 (str_eq(column_text(q, 2), action_kind_to_string(ACTION_RESET)) &&
                  !ends_access(w->action->kind)))
                /* A wish of the moment isn't asked for again: it must not be lost, nor drive another out. */
                ret->put = QUEUE_PUT_BUSY;
        return 0;
}

static int probe_suppressed(Store *store, const char *target, const Wish *w, Probe *ret) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        int r;

        r = store_query(store, SQL_ACTION_SUPPRESSED, &q, "ttb", target, w->action->person, w->hash,
                        (size_t) ROW_WISH_SIZE);
        if (r == 0)
                r = store_step(store, q);
        if (r > 0)
                *ret = (Probe){ .put = QUEUE_PUT_SUPPRESSED, .id = sqlite3_column_int64(q, 0) };
        return r < 0 ? r : 0;
}

static int probe(Store *store, const char *target, const Wish *w, Probe *ret) {
        int r;

        *ret = (Probe){ .put = QUEUE_PUT_NEW };
        r = probe_unfinished(store, target, w, ret);
        if (r == 0 && ret->put == QUEUE_PUT_NEW && w->action->kind != ACTION_RESET)
                r = probe_suppressed(store, target, w, ret);
        return r;
}

static int insert(Store *store, StatementId id, const char *target, const Wish *w, int64_t cycle,
                  bool approved, usec_t wall) {
        const Action *a = w->action;

        return store_exec(store, id, "tttttttbuini", target, a->person,
                          action_kind_to_string(a->kind), a->address, a->remote_id, w->texts.before.data,
                          w->texts.after.data, w->hash, (size_t) ROW_WISH_SIZE, wall, cycle, (int) approved,
                          a->reverts);
}

static int end(Store *store, int64_t id, QueueState state, const char *detail, usec_t wall) {
        return store_exec(store, SQL_ACTION_END, "ittu", id, queue_state_to_string(state), detail, wall);
}

static int put(Store *store, StatementId id, const char *target, const Wish *w, int64_t cycle, bool approved,
               usec_t wall, Probe *ret) {
        int r;

        r = probe(store, target, w, ret);
        if (r < 0 || ret->put != QUEUE_PUT_NEW)
                return r;
        if (ret->id > 0)
                r = end(store, ret->id, QUEUE_SUPERSEDED, REPLACED, wall);
        if (r == 0 && w->action->kind != ACTION_RESET)
                r = store_exec(store, SQL_ACTION_LIFT, "tt", target, w->action->person);
        failpoint("store-superseded");
        if (r == 0)
                r = insert(store, id, target, w, cycle, approved, wall);
        if (r == 0)
                ret->id = sqlite3_last_insert_rowid(store->db);
        return r;
}

static int put_row(Store *store, StatementId id, const char *target, const Action *a, int64_t cycle,
                   bool approved, usec_t wall, int64_t *ret_id, QueuePut *ret_put) {
        _cleanup_(wish_deinit) Wish w = { .texts = ROW_TEXTS_INIT };
        Probe found = { 0 };
        int r;

        r = wish_init(&w, a);
        if (r < 0)
                return r;
        r = store_begin(store);
        if (r < 0)
                return r;
        r = store_end(store, put(store, id, target, &w, cycle, approved, wall, &found));
        if (r < 0)
                return r;
        if (ret_id)
                *ret_id = found.put == QUEUE_PUT_NEW || found.put == QUEUE_PUT_KEPT ? found.id : 0;
        if (ret_put)
                *ret_put = found.put;
        return 0;
}

int store_queue_put(Store *store, const char *target, const Action *a, int64_t cycle, bool approved,
                    usec_t wall, int64_t *ret_id, QueuePut *ret_put) {
        return put_row(store, SQL_ACTION_INSERT, target, a, cycle, approved, wall, ret_id, ret_put);
}

int store_queue_put_done(Store *store, const char *target, const Action *a, int64_t cycle, bool approved,
                         usec_t wall, QueuePut *ret_put) {
        return put_row(store, SQL_ACTION_INSERT_DONE, target, a, cycle, approved, wall, NULL, ret_put);
}

int store_queue_probe(Store *store, const char *target, const Action *a, QueuePut *ret) {
        _cleanup_(wish_deinit) Wish w = { .texts = ROW_TEXTS_INIT };
        Probe found = { 0 };
        int r;

        r = wish_init(&w, a);
        if (r == 0)
                r = probe(store, target, &w, &found);
        if (r < 0)
                return r;
        *ret = found.put;
        return 0;
}

/* ---- rejecting ---- */

static int reject(Store *store, const char *target, const Wish *w, int64_t cycle, const char *detail,
                  usec_t wall) {
        const Action *a = w->action;
        Probe found = { .put = QUEUE_PUT_NEW };
        int r = 0;

        if (a->kind != ACTION_RESET)
                r = probe_suppressed(store, target, w, &found);
        if (r < 0 || found.put == QUEUE_PUT_SUPPRESSED)
                return r;
        if (a->kind != ACTION_RESET)
                r = store_exec(store, SQL_ACTION_LIFT, "tt", target, a->person);
        if (r < 0)
                return r;
        /* As approved: what isn't done counts against no limit. */
        return store_exec(store, SQL_ACTION_REJECTED, "tttttttbuit", target, a->person,
                          action_kind_to_string(a->kind), a->address, a->remote_id, w->texts.before.data,
                          w->texts.after.data, w->hash, (size_t) ROW_WISH_SIZE, wall, cycle, detail);
}

int store_queue_reject(Store *store, const char *target, const Action *a, int64_t cycle, const char *detail,
                       usec_t wall) {
        _cleanup_(wish_deinit) Wish w = { .texts = ROW_TEXTS_INIT };
        int r;

        r = wish_init(&w, a);
        if (r < 0)
                return r;
        r = store_begin(store);
        return r < 0 ? r : store_end(store, reject(store, target, &w, cycle, detail, wall));
}

/* ---- keeping only what is asked for ---- */

typedef uint8_t WishHash[ROW_WISH_SIZE];

static int compare_hashes(const void *a, const void *b) {
        return memcmp(a, b, ROW_WISH_SIZE);
}

static int hash_actions(const Action *actions, size_t n, WishHash **ret) {
        _cleanup_(freep) WishHash *hashes = calloc(n > 0 ? n : 1, sizeof(*hashes));

        if (!hashes)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                _cleanup_(wish_deinit) Wish w = { .texts = ROW_TEXTS_INIT };
                int r;

                r = wish_init(&w, actions + i);
                if (r < 0)
                        return r;
                memcpy(hashes[i], w.hash, ROW_WISH_SIZE);
        }
        qsort(hashes, n, sizeof(*hashes), compare_hashes);
        *ret = TAKE(hashes);
        return 0;
}

/* Ids of the rows that the statement gives whose wish isn't among the hashes. */
static int find_unwanted(Store *store, StatementId id, const char *target, const WishHash *hashes, size_t n,
                         int64_t **ret, size_t *ret_n) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        _cleanup_(freep) int64_t *ids = NULL;
        size_t found = 0, size = 0;
        int r;

        r = store_query(store, id, &q, "t", target);
        if (r < 0)
                return r;
        while ((r = store_step(store, q)) > 0) {
                const void *wish = sqlite3_column_blob(q, 1);

                if (wish && sqlite3_column_bytes(q, 1) == ROW_WISH_SIZE &&
                    bsearch(wish, hashes, n, sizeof(*hashes), compare_hashes))
                        continue;
                if (found == size) {
                        int64_t *more = reallocarray(ids, size = size ? size * 2 : 64, sizeof(*ids));

                        if (!more)
                                return -ENOMEM;
                        ids = more;
                }
                ids[found++] = sqlite3_column_int64(q, 0);
        }
        if (r < 0)
                return r;
        *ret = TAKE(ids);
        *ret_n = found;
        return 0;
}

/* Nothing waits and nothing is suppressed: a first plan, or one that was held. */
static int has_wishes(Store *store, const char *target) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        int r;

        r = store_query(store, SQL_ACTION_ANY, &q, "t", target);
        return r < 0 ? r : store_step(store, q);
}

static int keep_only(Store *store, const char *target, const Action *actions, size_t n, bool lift,
                     usec_t wall, size_t *ret_dropped) {
        _cleanup_(freep) WishHash *hashes = NULL;
        _cleanup_(freep) int64_t *waiting = NULL, *standing = NULL;
        size_t n_waiting = 0, n_standing = 0;
        int r;

        r = has_wishes(store, target);
        if (r <= 0)
                return r;
        r = hash_actions(actions, n, &hashes);
        if (lift && r == 0)
                r = find_unwanted(store, SQL_ACTION_STANDING, target, hashes, n, &standing, &n_standing);
        if (r == 0)
                r = find_unwanted(store, SQL_ACTION_WAITING, target, hashes, n, &waiting, &n_waiting);
        for (size_t i = 0; i < n_standing && r == 0; i++)
                r = store_exec(store, SQL_ACTION_LIFT_ONE, "i", standing[i]);
        for (size_t i = 0; i < n_waiting && r == 0; i++)
                r = end(store, waiting[i], QUEUE_DROPPED, NOT_ASKED_FOR, wall);
        *ret_dropped = n_waiting;
        return r;
}

int store_queue_keep_only(Store *store, const char *target, const Action *actions, size_t n, bool lift,
                          usec_t wall, size_t *ret_dropped) {
        size_t dropped = 0;
        int r;

        r = store_begin(store);
        if (r < 0)
                return r;
        r = store_end(store, keep_only(store, target, actions, n, lift, wall, &dropped));
        if (r == 0 && ret_dropped)
                *ret_dropped = dropped;
        return r;
}
