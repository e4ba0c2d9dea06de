/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "store/store-queue.h"
#include "sync/forecast.h"

typedef struct Load {
        uint64_t calls;
        usec_t due;                     /* the last action's */
        bool unknown;                   /* nobody can tell when it goes on */
} Load;

static uint64_t calls_for(const Remote *remote, const QueueLoad *queued) {
        const TargetDriver *driver = target_driver(remote_config(remote)->type);
        unsigned batch = remote_config(remote)->reset_batch;
        uint64_t calls = 0, n;

        for (unsigned k = 0; driver && k < _ACTION_KIND_MAX; k++) {
                n = queued->n[k];
                if (k == ACTION_RESET && batch > 1)
                        n = (n + batch - 1) / batch;
                calls += n * driver->calls[k];
        }
        return calls;
}

static int load_of(const Engine *e, const Remote *remote, Load *ret) {
        OutcomeClass class = OUTCOME_OK;
        QueueLoad queued;
        int r;

        r = store_queue_load(engine_store(e), remote_config(remote)->name, &queued);
        if (r < 0)
                return r;
        *ret = (Load){ .calls = calls_for(remote, &queued), .due = queued.due };
        if (ret->calls > 0)
                ret->unknown = remote_is_paused(remote) ||
                               (remote_parked(remote, &class, NULL) > 0 && class == OUTCOME_AUTH);
        return 0;
}

/* All that the key is asked for, at whichever target. */
static uint64_t calls_of_key(const Engine *e, const Load *loads, const Remote *remote) {
        uint64_t calls = 0;

        for (size_t i = 0; i < engine_n_remotes(e); i++)
                if (!loads[i].unknown && remote_shares_key(engine_remote(e, i), remote))
                        calls += loads[i].calls;
        return calls;
}

static void add(const Engine *e, const Load *loads, size_t i, Forecast *f) {
        const Remote *remote = engine_remote(e, i);
        usec_t done;

        f->partly |= loads[i].unknown;
        if (loads[i].calls == 0 || loads[i].unknown)
                return;
        done = remote_estimate(remote, calls_of_key(e, loads, remote));
        done = loads[i].due > done ? loads[i].due : done;
        f->done_by = done > f->done_by ? done : f->done_by;
}

int forecast(const Engine *e, Forecast *ret) {
        _cleanup_(freep) Load *loads = calloc(engine_n_remotes(e) + 1, sizeof(*loads));
        int r = 0;

        if (!loads)
                return -ENOMEM;
        for (size_t i = 0; i < engine_n_remotes(e) && r >= 0; i++)
                r = load_of(e, engine_remote(e, i), &loads[i]);
        if (r < 0)
                return r;
        *ret = (Forecast){ 0 };
        for (size_t i = 0; i < engine_n_remotes(e); i++)
                add(e, loads, i, ret);
        return 0;
}
