/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store-ledger.h"

#include <errno.h>

#include "store/store-internal.h"
#include "store/store-row.h"

/* ---- links ---- */

static const char *const origin_names[] = { [LINK_CREATED] = "created", [LINK_ADOPTED] = "adopted" };

/* Texts are the row's: links_add() copies them. */
static int link_of_row(Store *store, sqlite3_stmt *q, Link *ret) {
        const char *origin = column_text(q, 5);

        *ret = (Link){
                .person = column_text(q, 0),
                .remote_id = column_text(q, 1),
                .address = column_text(q, 2),
                .employee_number = column_text(q, 3),
                .role = column_text(q, 4),
                .origin = str_eq(origin, origin_names[LINK_ADOPTED]) ? LINK_ADOPTED : LINK_CREATED,
                .since = column_usec(q, 6),
                .gone = sqlite3_column_int(q, 7),
                .out_for = column_usec(q, 8),
                .was_disabled = sqlite3_column_int(q, 9),
        };
        if (!ret->person || !ret->remote_id || !origin)
                return -ENOMEM;
        if (!str_eq(origin, origin_names[ret->origin]))
                return store_fail_text(store, -EIO, "%s/idsyncd.db: a link with an unknown origin",
                                       store->directory);
        return 0;
}

/* Of a statement that was bound. */
static int read_links(Store *store, sqlite3_stmt *q, Links **ret) {
        _cleanup_(links_freep) Links *links = links_new();
        int r;

        if (!links)
                return -ENOMEM;
        while ((r = store_step(store, q)) > 0) {
                Link l;

                r = link_of_row(store, q, &l);
                if (r == 0)
                        r = links_add(links, &l);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        *ret = TAKE(links);
        return 0;
}

int store_links_load(Store *store, const char *target, Links **ret) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        int r;

        r = store_query(store, SQL_LINKS_LOAD, &q, "t", target);
        return r < 0 ? r : read_links(store, q, ret);
}

int store_links_of(Store *store, const char *target, const char *remote_id, Links **ret) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        int r;

        r = store_query(store, SQL_LINK_OF, &q, "tt", target, remote_id);
        return r < 0 ? r : read_links(store, q, ret);
}

static int account_has_owner(Store *store, const char *target, const Link *l) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        int r;

        r = store_query(store, SQL_LINK_OWNER, &q, "ttt", target, l->remote_id, l->person);
        return r < 0 ? r : store_step(store, q);
}

int store_link_put(Store *store, const char *target, const Link *l) {
        int r;

        r = store_begin(store);
        if (r < 0)
                return r;
        r = l->gone ? 0 : account_has_owner(store, target, l);
        if (r > 0)
                r = STORE_E_DUPLICATE;
        else if (r == 0)
                r = store_exec(store, SQL_LINK_PUT, "tttttttunun", target, l->person, l->remote_id,
                               l->address, l->employee_number, l->role, origin_names[l->origin], l->since,
                               (int) l->gone, l->out_for, (int) l->was_disabled);
        return store_end(store, r);
}

int store_link_drop(Store *store, const char *target, const char *person) {
        int r;

        r = store_begin(store);
        return r < 0 ? r : store_end(store, store_exec(store, SQL_LINK_DROP, "tt", target, person));
}

/* ---- held plans ---- */

static const char *const slot_names[_HELD_SLOT_MAX] = {
        [HELD_PLAN] = "plan",
        [HELD_FILE] = "file",
        [HELD_REVERT] = "revert",
};

static int put_held_action(Store *store, const char *target, HeldSlot slot, size_t position,
                           const Action *a) {
        _cleanup_(row_texts_deinit) RowTexts texts = ROW_TEXTS_INIT;
        int r;

        r = row_encode(a, &texts);
        if (r < 0)
                return r;
        return store_exec(store, SQL_HELD_ACTION_PUT, "ttitttttti", target, slot_names[slot],
                          (int64_t) position, a->person, action_kind_to_string(a->kind), a->address,
                          a->remote_id, texts.before.data, texts.after.data, a->reverts);
}

int store_held_put(Store *store, const char *target, HeldSlot slot, const char *hash, const char *reason,
                   const Action *actions, size_t n, usec_t wall) {
        int r;

        r = store_begin(store);
        if (r < 0)
                return r;
        r = store_exec(store, SQL_HELD_DROP, "tt", target, slot_names[slot]);
        if (r == 0)
                r = store_exec(store, SQL_HELD_PUT, "ttttu", target, slot_names[slot], hash, reason, wall);
        for (size_t i = 0; i < n && r == 0; i++)
                r = put_held_action(store, target, slot, i, actions + i);
        return store_end(store, r);
}

int store_held_drop(Store *store, const char *target, HeldSlot slot) {
        int r;

        r = store_begin(store);
        if (r < 0)
                return r;
        return store_end(store, store_exec(store, SQL_HELD_DROP, "tt", target, slot_names[slot]));
}

HeldPlan *held_plan_free(HeldPlan *h) {
        if (h) {
                free(h->actions);
                arena_free(h->arena);
                free(h);
        }
        return NULL;
}

static int get_head(Store *store, const char *target, HeldSlot slot, HeldPlan *h) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        const char *hash, *reason;
        int r;

        r = store_query(store, SQL_HELD_GET, &q, "tt", target, slot_names[slot]);
        if (r == 0)
                r = store_step(store, q);
        if (r <= 0)
                return r;
        r = column_copy(q, 0, h->arena, &hash);
        if (r == 0)
                r = column_copy(q, 1, h->arena, &reason);
        if (r < 0)
                return r;
        h->hash = (char *) hash;
        h->reason = (char *) reason;
        h->since = column_usec(q, 2);
        h->n_actions = (size_t) sqlite3_column_int64(q, 3);
        return 1;
}

static int get_actions(Store *store, const char *target, HeldSlot slot, HeldPlan *h) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        size_t n = h->n_actions;
        int r;

        h->n_actions = 0;
        h->actions = calloc(n > 0 ? n : 1, sizeof(*h->actions));
        if (!h->actions)
                return -ENOMEM;
        r = store_query(store, SQL_HELD_ACTIONS, &q, "tt", target, slot_names[slot]);
        if (r < 0)
                return r;
        while ((r = store_step(store, q)) > 0 && h->n_actions < n) {
                r = row_action(store, q, 0, h->arena, h->actions + h->n_actions);
                if (r < 0)
                        return r;
                h->actions[h->n_actions++].reverts = sqlite3_column_int64(q, 6);
        }
        return r < 0 ? r : 0;
}

int store_held_head(Store *store, const char *target, HeldSlot slot, HeldPlan **ret) {
        _cleanup_(held_plan_freep) HeldPlan *h = calloc(1, sizeof(*h));
        int r;

        if (!h || !(h->arena = arena_new()))
                return -ENOMEM;
        r = get_head(store, target, slot, h);
        if (r < 0)
                return r;
        *ret = r > 0 ? TAKE(h) : NULL;
        return 0;
}

int store_held_get(Store *store, const char *target, HeldSlot slot, HeldPlan **ret) {
        _cleanup_(held_plan_freep) HeldPlan *h = NULL;
        int r;

        r = store_held_head(store, target, slot, &h);
        if (r == 0 && h)
                r = get_actions(store, target, slot, h);
        if (r < 0)
                return r;
        *ret = TAKE(h);
        return 0;
}

/* ---- password signals ---- */

int store_signal_set(Store *store, const char *target, const char *person, const char *value) {
        int r;

        r = store_begin(store);
        return r < 0 ? r : store_end(store, store_exec(store, SQL_SIGNAL_SET, "ttt", target, person, value));
}

int store_signals_walk(Store *store, const char *target,
                       int (*fn)(const char *person, const char *value, void *userdata), void *userdata) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        int r;

        r = store_query(store, SQL_SIGNALS, &q, "t", target);
        if (r < 0)
                return r;
        while ((r = store_step(store, q)) > 0) {
                r = fn(column_text(q, 0), column_text(q, 1), userdata);
                if (r != 0)
                        return r;
        }
        return r;
}
