/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "store/store-ledger.h"
#include "store/store-queue.h"
#include "sync/guard.h"

/* The other unfinished actions of the target: their removals count as done. */
typedef struct Others {
        int64_t but;
        Action *items;
        size_t n;
        Arena *arena;
} Others;

static void others_deinit(Others *o) {
        free(o->items);
        arena_free(o->arena);
}

static bool is_unfinished(QueueState s) {
        return s == QUEUE_WAITING || s == QUEUE_RUNNING || s == QUEUE_UNCERTAIN;
}

static int add_other(const QueueItem *item, void *userdata) {
        Others *o = userdata;
        Action *items;

        if (item->id == o->but || !is_unfinished(item->state))
                return 0;
        items = reallocarray(o->items, o->n + 1, sizeof(*items));
        if (!items)
                return -ENOMEM;
        o->items = items;
        return action_copy(&item->action, o->arena, &o->items[o->n++]);
}

static int load_others(const GuardInput *in, Others *o) {
        o->but = in->id;
        o->arena = arena_new();
        if (!o->arena)
                return -ENOMEM;
        return store_queue_list(in->store, in->target->name, INT64_MAX, add_other, o);
}

static const Link *find_link(const Links *links, const char *remote_id) {
        for (size_t i = 0; i < links->n; i++)
                if (!links->items[i].gone && str_eq(links->items[i].remote_id, remote_id))
                        return &links->items[i];
        return NULL;
}

int guard_check(const GuardInput *in, ErrCtx *err) {
        _cleanup_(others_deinit) Others others = { 0 };
        _cleanup_(links_freep) Links *links = NULL;
        _cleanup_(last_of_freep) LastOf *last = NULL;
        InvariantInput ask = {
                .target = in->target,
                .own_login = in->own_login,
                .action = in->action,
                .account = in->current,
        };
        const char *reason;
        int r;

        r = load_others(in, &others);
        if (r >= 0)
                r = store_links_load(in->store, in->target->name, &links);
        if (r < 0)
                return r;
        last = last_of_new(in->target, in->accounts, others.items, others.n);
        if (!last)
                return -ENOMEM;
        if (!ask.account && in->action->remote_id)
                ask.account = accounts_by_id(in->accounts, in->action->remote_id);
        ask.link = in->action->remote_id ? find_link(links, in->action->remote_id) : NULL;
        ask.last_of = last;
        reason = invariant_breach(&ask, NULL);
        return reason ? err_set(err, GUARD_E_BREACH, 0, "%s", reason) : 0;
}
