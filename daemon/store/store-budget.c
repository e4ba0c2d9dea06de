/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store-budget.h"

#include <errno.h>
#include <string.h>

#include "store/store-internal.h"

/* ---- calls ---- */

int store_call_record(Store *store, const char *key, bool token, usec_t wall) {
        int r;

        if (store->real) {
                r = store_call_record(store->real, key, token, wall);
                if (r < 0)
                        store->error = store->real->error;
                return r;
        }
        r = store_begin(store);
        return r < 0 ? r
                     : store_end(store, store_exec(store, SQL_CALL_RECORD, "tnu", key, (int) token, wall));
}

int store_calls_prune(Store *store, usec_t before) {
        int r;

        r = store_begin(store);
        return r < 0 ? r : store_end(store, store_exec(store, SQL_CALLS_PRUNE, "u", before));
}

/* All first, so that the callback may use the store. */
static int read_calls(Store *store, const char *key, bool token, usec_t since, usec_t **ret, size_t *ret_n) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        _cleanup_(freep) usec_t *calls = NULL;
        size_t n = 0, size = 0;
        int r;

        r = store_query(store, SQL_CALLS_SINCE, &q, "tnu", key, (int) token, since);
        if (r < 0)
                return r;
        while ((r = store_step(store, q)) > 0) {
                if (n == size) {
                        usec_t *more = reallocarray(calls, size = size ? size * 2 : 64, sizeof(*calls));

                        if (!more)
                                return -ENOMEM;
                        calls = more;
                }
                calls[n++] = column_usec(q, 0);
        }
        if (r < 0)
                return r;
        *ret = TAKE(calls);
        *ret_n = n;
        return 0;
}

int store_calls_since(Store *store, const char *key, bool token, usec_t since, int (*fn)(usec_t wall,
                      void *userdata),
                      void *userdata) {
        _cleanup_(freep) usec_t *calls = NULL;
        size_t n = 0;
        int r;

        r = read_calls(store, key, token, since, &calls, &n);
        for (size_t i = 0; i < n && r == 0; i++)
                r = fn(calls[i], userdata);
        return r;
}

/* ---- parks ---- */

int store_park_set(Store *store, const char *scope, const Park *park) {
        int r;

        r = store_begin(store);
        if (r < 0)
                return r;
        if (park->until == 0)
                r = store_exec(store, SQL_PARK_DELETE, "t", scope);
        else
                r = store_exec(store, SQL_PARK_SET, "tuitt", scope, park->until, (int64_t) park->tries,
                               park->reason, park->detail);
        return store_end(store, r);
}

/* Cuts at a whole character. */
static void copy_text(sqlite3_stmt *q, int column, char *to, size_t size) {
        const char *text = column_text(q, column);
        size_t len = text ? strlen(text) : 0;

        if (len >= size) {
                len = size - 1;
                while (len > 0 && ((unsigned char) text[len] & 0xc0) == 0x80)
                        len--;
        }
        if (len > 0)
                memcpy(to, text, len);
        to[len] = '\0';
}

int store_park_get(Store *store, const char *scope, Park *ret, bool *ret_found) {
        _cleanup_(statement_resetp) sqlite3_stmt *q = NULL;
        int r;

        r = store_query(store, SQL_PARK_GET, &q, "t", scope);
        if (r == 0)
                r = store_step(store, q);
        if (r < 0)
                return r;
        *ret = (Park){ 0 };
        *ret_found = r > 0;
        if (r > 0) {
                ret->until = column_usec(q, 0);
                ret->tries = (unsigned) sqlite3_column_int64(q, 1);
                copy_text(q, 2, ret->reason, sizeof(ret->reason));
                copy_text(q, 3, ret->detail, sizeof(ret->detail));
        }
        return 0;
}
