/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "store/store-ledger.h"
#include "store/store-queue.h"
#include "sync/guard.h"

typedef struct Loading { Removals *removals; int64_t but; } Loading;

void removals_deinit(Removals *r) {
        free(r->items);
        arena_free(r->arena);
}

static bool is_unfinished(QueueState s) {
        return s == QUEUE_WAITING || s == QUEUE_RUNNING || s == QUEUE_UNCERTAIN;
}

static int add_removal(const QueueItem *item, void *userdata) {
        Loading *l = userdata;
        Removals *r = l->removals;
        Action *items;

        if (item->id == l->but || !is_unfinished(item->state))
                return 0;
        items = reallocarray(r->items, r->n + 1, sizeof(*items));
        if (!items)
                return -ENOMEM;
        r->items = items;
        return action_copy(&item->action, r->arena, &r->items[r->n++]);
}

int removals_load(Store *store, const char *target, int64_t but, Removals *ret) {
        Loading l = { ret, but };

        ret->arena = arena_new();
        if (!ret->arena)
                return -ENOMEM;
        return store_queue_removals(store, target, add_removal, &l);
}

static int load_last_of(const GuardInput *in, LastOf **ret) {
        _cleanup_(removals_deinit) Removals others = { 0 };
        int r = 0;

        /* Without such roles nothing is counted. */
        if (in->target->n_last_of > 0)
                r = removals_load(in->store, in->target->name, in->id, &others);
        if (r < 0)
                return r;
        *ret = last_of_new(in->target, in->accounts, others.items, others.n);
        return *ret ? 0 : -ENOMEM;
}

int guard_check(const GuardInput *in, ErrCtx *err) {
        _cleanup_(links_freep) Links *links = NULL;
        _cleanup_(last_of_freep) LastOf *last = NULL;
        InvariantInput ask = {
                .target = in->target,
                .own_login = in->own_login,
                .action = in->action,
                .account = in->current,
        };
        const char *reason;
        int r = 0;

        if (in->action->kind != ACTION_CREATE) {
                r = load_last_of(in, &last);
                if (r >= 0)
                        r = store_links_of(in->store, in->target->name, in->action->remote_id ?: "", &links);
                if (r < 0)
                        return r;
                if (!ask.account && in->action->remote_id)
                        ask.account = accounts_by_id(in->accounts, in->action->remote_id);
        }
        ask.link = links && links->n > 0 ? &links->items[0] : NULL;
        ask.last_of = last;
        reason = invariant_breach(&ask, NULL);
        return reason ? err_set(err, GUARD_E_BREACH, 0, "%s", reason) : 0;
}
