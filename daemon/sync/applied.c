/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "sync/applied.h"

static int key_of(const char *target, char **ret) {
        return asprintf(ret, "applied:%s", target) < 0 ? -ENOMEM : 0;
}

static int update(const ReportInput *in, const Remote *remote, usec_t complete, usec_t wall) {
        const char *name = remote_config(remote)->name;
        _cleanup_(freep) char *key = NULL;
        usec_t before;
        int r;

        r = applied_get(in->store, name, &before);
        if (r < 0 || before >= complete || report_target_exit_code(in, remote) != EXIT_IN_STEP)
                return r;
        r = key_of(name, &key);
        return r < 0 ? r : store_meta_set_u64(in->store, key, wall);
}

int applied_update(const ReportInput *in, usec_t wall) {
        Cycle *cycle = engine_cycle(in->engine);
        const CycleReport *report = cycle_report(cycle);
        int r = 0;

        if (!report->read || report->directory != READ_COMPLETE || cycle_is_running(cycle))
                return 0;
        for (size_t i = 0; i < engine_n_remotes(in->engine) && r >= 0; i++)
                r = update(in, engine_remote(in->engine, i), report->complete, wall);
        return r;
}

int applied_get(Store *store, const char *target, usec_t *ret) {
        _cleanup_(freep) char *key = NULL;
        bool found;
        int r;

        *ret = 0;
        r = key_of(target, &key);
        return r < 0 ? r : store_meta_get_u64(store, key, ret, &found);
}
