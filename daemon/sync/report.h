/* SPDX-License-Identifier: Apache-2.0 */
/* What a one-shot run tells: the exit code, the --json document (idsyncd(8)), a readable text. */
#pragma once

#include "sync/engine.h"

typedef struct ReportInput {
        Engine *engine;
        Store *store;
        bool dry_run;
        char *const *approvals;
        size_t n_approvals;
        const char *target;             /* report_json() of this one alone; NULL: all */
        bool interrupted;               /* a signal ended the run */
} ReportInput;

ExitCode report_exit_code(const ReportInput *in);
/* Of one target alone. */
ExitCode report_target_exit_code(const ReportInput *in, const Remote *remote);
/* An approval that wasn't used; "": all were. Stale: it fits no plan that is asked for; else it may, at a
 * target that couldn't be compared. */
const char *report_unused_approval(const ReportInput *in, bool *ret_stale);
/* 0; -errno of the store; out's own error beside that. */
int report_json(const ReportInput *in, ExitCode code, StrBuf *out);
int report_text(const ReportInput *in, StrBuf *out);
