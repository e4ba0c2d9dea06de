/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/applied.h"

static int update(const ReportInput *in, const Remote *remote, usec_t complete, usec_t wall) {
        const char *name = remote_config(remote)->name;
        usec_t before;
        int r;

        r = applied_get(in->store, name, &before);
        if (r < 0 || before >= complete || report_target_exit_code(in, remote) != EXIT_IN_STEP)
                return r;
        return store_meta_set_u64_of(in->store, "applied", name, wall);
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
        return store_meta_get_u64_of(store, "applied", target, ret, NULL);
}
