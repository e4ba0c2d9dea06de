/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "sync/standing.h"

#define PAUSED "paused"

int standing_approve(Store *store, const char *target, const char *hash) {
        int r;

        r = store_begin(store);
        if (r < 0)
                return r;
        r = store_held_drop(store, target, HELD_FILE);
        return store_end(store, r < 0 ? r : store_meta_set_of(store, "approval", target, hash));
}

int standing_apply(Store *store, const Plan *plan, usec_t wall) {
        int r;

        r = store_begin(store);
        if (r < 0)
                return r;
        r = standing_approve(store, plan->target, plan->hash);
        if (r >= 0)
                r = store_held_put(store, plan->target, HELD_FILE, plan->hash, "an operator's file",
                                   plan->actions, plan->n_actions, wall);
        return store_end(store, r);
}

int standing_approval(Store *store, const char *target, char ret[static PLAN_HASH_LEN + 1]) {
        _cleanup_(freep) char *hash = NULL;
        int r;

        r = store_meta_get_of(store, "approval", target, &hash);
        if (r < 0)
                return r;
        ret[0] = '\0';
        if (hash && strlen(hash) == PLAN_HASH_LEN)
                memcpy(ret, hash, PLAN_HASH_LEN + 1);
        return 0;
}

int standing_set_paused(Store *store, const char *target, bool paused) {
        const char *value = paused ? "1" : NULL;

        return target ? store_meta_set_of(store, PAUSED, target, value)
                      : store_meta_set(store, PAUSED, value);
}

int standing_is_paused(Store *store, const char *target, bool *ret) {
        _cleanup_(freep) char *value = NULL;
        int r;

        r = target ? store_meta_get_of(store, PAUSED, target, &value)
                   : store_meta_get(store, PAUSED, &value);
        if (r < 0)
                return r;
        *ret = value != NULL;
        return 0;
}
