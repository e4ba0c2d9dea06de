/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the queue: reading them, and the transitions of their states. What puts and removes wishes:
 * store-wish.c. */
#include "store/store-queue.h"

#include <errno.h>
#include <inttypes.h>

#include "store/store-internal.h"
#include "store/store-row.h"

static const char *const state_names[_QUEUE_STATE_MAX] = {
        [QUEUE_WAITING] = "waiting",
        [QUEUE_RUNNING] = "running",
        [QUEUE_UNCERTAIN] = "uncertain",
        [QUEUE_DONE] = "done",
        [QUEUE_DEAD] = "dead",
        [QUEUE_SUPERSEDED] = "superseded",
        [QUEUE_DROPPED] = "dropped",
};

const char *queue_state_to_string(QueueState s) {
        return s < _QUEUE_STATE_MAX ? state_names[s] : NULL;
}

QueueState queue_state_from_string(const char *s) {
        QueueState i;

        for (i = 0; i < _QUEUE_STATE_MAX && !str_eq(s, state_names[i]);)
                i++;
        return i;
}

#define TO(s) (1U << QUEUE_##s)

bool queue_state_may_become(QueueState from, QueueState to) {
        static const unsigned allowed[_QUEUE_STATE_MAX] = {
                        [QUEUE_WAITING] = TO(WAITING) | TO(RUNNING) | TO(UNCERTAIN) | TO(DONE) | TO(DEAD) |
                                          TO(SUPERSEDED) | TO(DROPPED),
                        [QUEUE_RUNNING] = TO(WAITING) | TO(RUNNING) | TO(UNCERTAIN) | TO(DONE) | TO(DEAD) |
                                          TO(DROPPED),
                        [QUEUE_UNCERTAIN] = TO(WAITING) | TO(RUNNING) | TO(UNCERTAIN) | TO(DONE) | TO(DEAD) |
                                            TO(DROPPED),
                        [QUEUE_DEAD] = TO(WAITING) | TO(DROPPED),
                        [QUEUE_DROPPED] = TO(WAITING),
        };

        return from < _QUEUE_STATE_MAX && to < _QUEUE_STATE_MAX && allowed[from] & 1U << to;
}

static bool is_finished(QueueState s) {
        return s >= QUEUE_DONE;
}

/* ---- rows ---- */

QueueItem *queue_item_free(QueueItem *item) {
        if (item) {
                arena_free(item->arena);
                free(item);
        }
        return NULL;
}

int row_action(Store *store, sqlite3_stmt *q, int first, Arena *arena, Action *ret) {
        RowColumns columns = {
                .person = column_text(q, first),
                .kind = column_text(q, first + 1),
                .address = column_text(q, first + 2),
                .remote_id = column_text(q, first + 3),
                .before = column_text(q, first + 4),
                .after = column_text(q, first + 5),
        };
        int r = row_decode(&columns, arena, ret);

        if (r != -EBADMSG)
                return r;
        return store_fail_text(store, -EIO,
                               "%s/idsyncd.db: an action that can't be read (kind %.32s, person %.64s)",
                               store->directory, columns.kind ? columns.kind : "none",
                               columns.person ? columns.person : "none");
}

/* Columns as ACTION_COLUMNS of store-sql.c has them. */
static int item_of_row(Store *store, sqlite3_stmt *q, QueueItem **ret) {
        _cleanup_(queue_item_freep) QueueItem *item = calloc(1, sizeof(*item));
        int r;

        if (!item || !(item->arena = arena_new()))
                return -ENOMEM;
        item->id = sqlite3_column_int64(q, 0);
        item->state = queue_state_from_string(column_text(q, 8));
        item->step = (unsigned) sqlite3_column_int64(q, 9);
        item->was_uncertain = sqlite3_column_int(q, 10);
        item->attempts = (unsigned) sqlite3_column_int64(q, 11);
        item->due = column_usec(q, 12);
        item->queued = column_usec(q, 13);
        item->begun = column_usec(q, 14);
        item->finished = column_usec(q, 15);
        item->cycle = sqlite3_column_int64(q, 16);
        item->approved = sqlite3_column_int(q, 17);
        item->stands = sqlite3_column_int(q, 18);
        item->http_status = sqlite3_column_int(q, 21);
        r = column_copy(q, 1, item->arena, &item->target);
        if (r == 0)
                r = row_action(store, q, 2, item->arena, &item->action);
        item->action.reverts = sqlite3_column_int64(q, 23);
        if (r == 0)
                r = column_copy(q, 19, item->arena, &item->outcome);
        if (r == 0)
                r = column_copy(q, 20, item->arena, &item->detail);
        if (r == 0)
                r = column_copy(q, 22, item->arena, &item->memo);
        if (r < 0)
                return r;
        if (item->state >= _QUEUE_STATE_MAX)
                return store_fail_text(store, -EIO, "%s/idsyncd.db: action %" PRId64 ": unknown state",
                                       store->directory, item->id);
        *ret = TAKE(item);
        return 0;
}

int store_queue_get(Store *store, int64_t id, QueueItem **ret) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        QueueItem *item = NULL;
        int r;

        r = store_query(store, SQL_ACTION_GET, &q, "i", id);
        if (r == 0)
                r = store_step(store, q);
        if (r > 0)
                r = item_of_row(store, q, &item);
        if (r < 0)
                return r;
        *ret = item;
        return 0;
}

/* ---- what to do next ---- */

static void items_free(QueueItem **items, size_t n) {
        for (size_t i = 0; i < n; i++)
                queue_item_free(items[i]);
        free(items);
}

static int read_due(Store *store, const char *target, bool resets, usec_t wall, size_t limit,
                    QueueItem **items, size_t *ret_n) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        int r;

        r = store_query(store, SQL_ACTION_DUE, &q, "tuinu", target, wall, (int64_t) limit, (int) resets,
                        STORE_DUE_MAX);
        if (r < 0)
                return r;
        while (*ret_n < limit && (r = store_step(store, q)) > 0) {
                r = item_of_row(store, q, items + *ret_n);
                if (r < 0)
                        return r;
                ++*ret_n;
        }
        return r < 0 ? r : 0;
}

int store_queue_due(Store *store, const char *target, bool resets, usec_t wall, size_t limit,
                    int (*fn)(QueueItem *take_item, void *userdata), void *userdata) {
        QueueItem **items;
        size_t n = 0;
        int r;

        /* The store's own clock has no infinity, but a caller's limit may. */
        if (limit > 4096)
                limit = 4096;
        items = calloc(limit + 1, sizeof(*items));
        if (!items)
                return -ENOMEM;
        r = read_due(store, target, resets, wall, limit, items, &n);
        for (size_t i = 0; i < n && r == 0; i++)
                r = fn(TAKE(items[i]), userdata);
        items_free(items, n);
        return r;
}

int store_queue_next_due(Store *store, const char *target, bool destructive, usec_t *ret) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        usec_t next = USEC_INFINITY;
        int r;

        r = store_query(store, SQL_ACTION_NEXT_DUE, &q, "tn", target, (int) destructive);
        if (r < 0)
                return r;
        while ((r = store_step(store, q)) > 0)
                if (sqlite3_column_type(q, 0) != SQLITE_NULL && column_usec(q, 0) < next)
                        next = column_usec(q, 0);
        if (r < 0)
                return r;
        *ret = next;
        return 0;
}

/* ---- transitions ---- */

static int check_transition(Store *store, int64_t id, QueueState to, QueueItem **ret) {
        _cleanup_(queue_item_freep) QueueItem *item = NULL;
        int r;

        r = store_queue_get(store, id, &item);
        if (r < 0)
                return r;
        if (!item)
                return store_fail_text(store, -ENOENT, "there is no action %" PRId64, id);
        if (!queue_state_may_become(item->state, to))
                return store_fail_text(store, -EINVAL, "action %" PRId64 " is %s and can't become %s", id,
                                       queue_state_to_string(item->state), queue_state_to_string(to));
        *ret = TAKE(item);
        return 0;
}

int store_queue_running(Store *store, int64_t id, unsigned step, usec_t wall) {
        _cleanup_(queue_item_freep) QueueItem *item = NULL;
        int r;

        r = store_begin(store);
        if (r < 0)
                return r;
        r = check_transition(store, id, QUEUE_RUNNING, &item);
        if (r == 0)
                r = store_exec(store, SQL_ACTION_RUNNING, "iiu", id, (int64_t) step, wall);
        return store_end(store, r);
}

int store_queue_recover(Store *store, const char *target, bool resets) {
        int r;

        r = store_begin(store);
        if (r < 0)
                return r;
        return store_end(store, store_exec(store, SQL_OPEN_RUNNING, "ti", target, (int64_t) resets));
}

int store_queue_memo(Store *store, int64_t id, const char *memo) {
        int r;

        r = store_begin(store);
        if (r < 0)
                return r;
        r = store_exec(store, SQL_ACTION_MEMO, "it", id, memo);
        if (r == 0 && sqlite3_changes(store->db) == 0)
                r = store_fail_text(store, -ENOENT, "there is no unfinished action %" PRId64, id);
        return store_end(store, r);
}

static int other_unfinished(Store *store, const QueueItem *item) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        int r;

        r = store_query(store, SQL_ACTION_UNFINISHED, &q, "tt", item->target, item->action.person);
        if (r == 0)
                r = store_step(store, q);
        return r > 0 && sqlite3_column_int64(q, 0) == item->id ? 0 : r;
}

static int write_change(Store *store, int64_t id, const QueueChange *c, usec_t wall) {
        bool stands = c->state == QUEUE_DEAD || (c->state == QUEUE_DROPPED && !c->forget);
        int r;

        r = store_exec(store, SQL_ACTION_CHANGE, "itiniuttntnu", id, queue_state_to_string(c->state),
                       (int64_t) c->step, (int) c->was_uncertain, (int64_t) c->attempts, c->due, c->outcome,
                       c->detail, c->http_status, c->remote_id, (int) stands, wall);
        return r;
}

static int change(Store *store, int64_t id, const QueueChange *c, usec_t wall) {
        _cleanup_(queue_item_freep) QueueItem *item = NULL;
        int r;

        r = check_transition(store, id, c->state, &item);
        if (r < 0)
                return r;
        if (is_finished(item->state) && !is_finished(c->state)) {
                r = other_unfinished(store, item);
                if (r != 0)
                        return r < 0 ? r : STORE_E_BUSY;
        }
        return write_change(store, id, c, wall);
}

int store_queue_change(Store *store, int64_t id, const QueueChange *c, usec_t wall) {
        int r;

        if (c->state >= _QUEUE_STATE_MAX)
                return -EINVAL;
        r = store_begin(store);
        return r < 0 ? r : store_end(store, change(store, id, c, wall));
}

/* ---- numbers and lists ---- */

int store_queue_load(Store *store, const char *target, QueueLoad *ret) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        QueueLoad load = { 0 };
        int r;

        r = store_query(store, SQL_ACTION_LOAD, &q, "t", target);
        if (r < 0)
                return r;
        while ((r = store_step(store, q)) > 0) {
                ActionKind k = action_kind_from_string(column_text(q, 0));
                usec_t due = column_usec(q, 2);

                if (k >= _ACTION_KIND_MAX)
                        continue;
                load.n[k] = (uint64_t) sqlite3_column_int64(q, 1);
                load.due = due > load.due ? due : load.due;
        }
        if (r < 0)
                return r;
        *ret = load;
        return 0;
}

int store_queue_counts(Store *store, const char *target, QueueCounts *ret) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        QueueCounts counts = { 0 };
        int r;

        r = store_query(store, SQL_ACTION_COUNTS, &q, "t", target);
        if (r < 0)
                return r;
        while ((r = store_step(store, q)) > 0) {
                QueueState s = queue_state_from_string(column_text(q, 0));
                uint64_t n = (uint64_t) sqlite3_column_int64(q, 1);

                if (s == QUEUE_WAITING)
                        counts.waiting = n;
                else if (s == QUEUE_RUNNING)
                        counts.running = n;
                else if (s == QUEUE_UNCERTAIN)
                        counts.uncertain = n;
                else if (s == QUEUE_DEAD)
                        counts.dead = n;
        }
        if (r < 0)
                return r;
        *ret = counts;
        return 0;
}

int store_queue_counted_since(Store *store, const char *target, usec_t since, size_t ret[_ACTION_KIND_MAX]) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        size_t counts[_ACTION_KIND_MAX] = { 0 };
        int r;

        r = store_query(store, SQL_ACTION_COUNTED, &q, "tu", target, since);
        if (r < 0)
                return r;
        while ((r = store_step(store, q)) > 0) {
                const char *name = column_text(q, 0);
                ActionKind kind = name ? action_kind_from_string(name) : _ACTION_KIND_MAX;

                if (kind < _ACTION_KIND_MAX)
                        counts[kind] = (size_t) sqlite3_column_int64(q, 1);
        }
        if (r < 0)
                return r;
        for (size_t i = 0; i < _ACTION_KIND_MAX; i++)
                ret[i] = counts[i];
        return 0;
}

int store_queue_ended(Store *store, const char *target, usec_t since, size_t limit, size_t *ret_n,
                      size_t *ret_dead) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        int r;

        r = store_query(store, SQL_ACTION_ENDED, &q, "tui", target, since, (int64_t) limit);
        if (r == 0)
                r = store_step(store, q);
        if (r < 0)
                return r;
        *ret_n = (size_t) sqlite3_column_int64(q, 0);
        *ret_dead = (size_t) sqlite3_column_int64(q, 1);
        return 0;
}

/* The first column of a statement that is ready to be stepped. */
static int read_ids(Store *store, sqlite3_stmt *q, int64_t **ret, size_t *ret_n) {
        _cleanup_(freep) int64_t *ids = NULL;
        size_t n = 0, size = 0;
        int r;

        while ((r = store_step(store, q)) > 0) {
                if (n == size) {
                        int64_t *more = reallocarray(ids, size = size ? size * 2 : 64, sizeof(*ids));

                        if (!more)
                                return -ENOMEM;
                        ids = more;
                }
                ids[n++] = sqlite3_column_int64(q, 0);
        }
        if (r < 0)
                return r;
        *ret = TAKE(ids);
        *ret_n = n;
        return 0;
}

/* Row by row, so that no statement is open while the callback uses the store. */
static int walk_ids(Store *store, const int64_t *ids, size_t n,
                    int (*fn)(const QueueItem *item, void *userdata), void *userdata) {
        int r = 0;

        for (size_t i = 0; i < n && r == 0; i++) {
                _cleanup_(queue_item_freep) QueueItem *item = NULL;

                r = store_queue_get(store, ids[i], &item);
                if (r == 0 && item)
                        r = fn(item, userdata);
        }
        return r;
}

static int list_ids(Store *store, const char *target, int64_t since_cycle, int64_t **ret, size_t *ret_n) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        int r;

        r = store_query(store, SQL_ACTION_LIST, &q, "ti", target, since_cycle);
        return r < 0 ? r : read_ids(store, q, ret, ret_n);
}

int store_queue_list(Store *store, const char *target, int64_t since_cycle, int (*fn)(const QueueItem *item,
                     void *userdata),
                     void *userdata) {
        _cleanup_(freep) int64_t *ids = NULL;
        size_t n = 0;
        int r;

        r = list_ids(store, target, since_cycle, &ids, &n);
        return r < 0 ? r : walk_ids(store, ids, n, fn, userdata);
}

static int removal_ids(Store *store, const char *target, int64_t **ret, size_t *ret_n) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        int r;

        r = store_query(store, SQL_ACTION_REMOVALS, &q, "t", target);
        return r < 0 ? r : read_ids(store, q, ret, ret_n);
}

int store_queue_removals(Store *store, const char *target, int (*fn)(const QueueItem *item, void *userdata),
                         void *userdata) {
        _cleanup_(freep) int64_t *ids = NULL;
        size_t n = 0;
        int r;

        r = removal_ids(store, target, &ids, &n);
        return r < 0 ? r : walk_ids(store, ids, n, fn, userdata);
}

static int history_ids(Store *store, const char *person, size_t limit, int64_t **ret, size_t *ret_n) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        int r;

        if (person)
                r = store_query(store, SQL_ACTION_OF_PERSON, &q, "ti", person, (int64_t) limit);
        else
                r = store_query(store, SQL_ACTION_HISTORY, &q, "i", (int64_t) limit);
        return r < 0 ? r : read_ids(store, q, ret, ret_n);
}

int store_history_list(Store *store, const char *person, size_t limit,
                       int (*fn)(const QueueItem *item, void *userdata), void *userdata) {
        _cleanup_(freep) int64_t *ids = NULL;
        size_t n = 0;
        int r;

        r = history_ids(store, person, limit, &ids, &n);
        return r < 0 ? r : walk_ids(store, ids, n, fn, userdata);
}

static int ids_of_cycle(Store *store, int64_t cycle, int64_t **ret, size_t *ret_n) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        int r;

        r = store_query(store, SQL_ACTION_OF_CYCLE, &q, "i", cycle);
        return r < 0 ? r : read_ids(store, q, ret, ret_n);
}

int store_cycle_list(Store *store, int64_t cycle, int (*fn)(const QueueItem *item, void *userdata),
                     void *userdata) {
        _cleanup_(freep) int64_t *ids = NULL;
        size_t n = 0;
        int r;

        r = ids_of_cycle(store, cycle, &ids, &n);
        return r < 0 ? r : walk_ids(store, ids, n, fn, userdata);
}

int store_queue_later(Store *store, const char *target, const char *person, int64_t id, int64_t but,
                      int64_t *ret) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        int r;

        r = store_query(store, SQL_ACTION_LATER, &q, "ttii", target, person, id, but);
        if (r == 0)
                r = store_step(store, q);
        if (r < 0)
                return r;
        *ret = r > 0 ? sqlite3_column_int64(q, 0) : 0;
        return 0;
}

int store_queue_position(Store *store, int64_t id, uint64_t *ret) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        int r;

        r = store_query(store, SQL_ACTION_POSITION, &q, "i", id);
        if (r == 0)
                r = store_step(store, q);
        if (r < 0)
                return r;
        *ret = r > 0 ? (uint64_t) sqlite3_column_int64(q, 0) : 0;
        return 0;
}

int store_queue_urge(Store *store, int64_t id, usec_t wall) {
        int r;

        r = store_begin(store);
        return r < 0 ? r : store_end(store, store_exec(store, SQL_ACTION_URGE, "iu", id, wall));
}

int store_person_known(Store *store, const char *text, Arena *arena, const char **ret_id,
                       const char **ret_address) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        int r;

        *ret_id = *ret_address = NULL;
        r = store_query(store, SQL_PERSON_KNOWN, &q, "t", text);
        if (r == 0)
                r = store_step(store, q);
        if (r <= 0)
                return r;
        r = column_copy(q, 0, arena, ret_id);
        return r < 0 ? r : column_copy(q, 1, arena, ret_address);
}

int store_history_prune(Store *store, usec_t before) {
        int r;

        r = store_begin(store);
        if (r < 0)
                return r;
        return store_end(store, store_exec(store, SQL_HISTORY_PRUNE, "uu", before, USEC_PER_DAY));
}
