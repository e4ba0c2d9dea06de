/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store-revert.h"

#include <errno.h>

#include "store/store-internal.h"

void reverted_list_deinit(RevertedList *list) {
        free(list->items);
        arena_free(list->arena);
        *list = (RevertedList){ 0 };
}

int store_reverts_any(Store *store, const char *target, bool *ret) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        int r;

        r = store_query(store, SQL_REVERTS_ANY, &q, "t", target);
        if (r == 0)
                r = store_step(store, q);
        if (r < 0)
                return r;
        *ret = r > 0;
        return 0;
}

static int add_row(sqlite3_stmt *q, RevertedList *list) {
        Reverted *items = reallocarray(list->items, list->n + 1, sizeof(*items)), *row;
        int r;

        if (!items)
                return -ENOMEM;
        list->items = items;
        row = &items[list->n];
        *row = (Reverted){ .action = sqlite3_column_int64(q, 1) };
        r = column_copy(q, 0, list->arena, &row->person);
        if (r == 0)
                r = column_copy(q, 2, list->arena, &row->basis);
        if (r == 0)
                r = column_copy(q, 3, list->arena, &row->account);
        if (r == 0)
                list->n++;
        return r;
}

int store_reverted_list(Store *store, const char *target, RevertedList *ret) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        _cleanup_(reverted_list_deinit) RevertedList list = { .arena = arena_new() };
        int r;

        if (!list.arena)
                return -ENOMEM;
        r = store_query(store, SQL_REVERTED_LIST, &q, "t", target);
        if (r < 0)
                return r;
        while ((r = store_step(store, q)) > 0) {
                r = add_row(q, &list);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        *ret = list;
        list = (RevertedList){ 0 };
        return 0;
}

int store_reverted_put(Store *store, const char *target, const char *person, int64_t action,
                       const char *basis) {
        int r = store_begin(store);

        if (r < 0)
                return r;
        return store_end(store, store_exec(store, SQL_REVERTED_PUT, "ttit", target, person, action, basis));
}

int store_reverted_account(Store *store, const char *target, const char *person, const char *account) {
        int r = store_begin(store);

        if (r < 0)
                return r;
        return store_end(store, store_exec(store, SQL_REVERTED_ACCOUNT, "ttt", target, person, account));
}

int store_reverted_drop(Store *store, const char *target, const char *person) {
        int r = store_begin(store);

        return r < 0 ? r : store_end(store, store_exec(store, SQL_REVERTED_DROP, "tt", target, person));
}
