/* SPDX-License-Identifier: Apache-2.0 */
/* The third clock: when a target was last in step, with all applied that a complete read asked for. It is
 * kept over restarts, and written only after the effect. */
#pragma once

#include "sync/report.h"

/* Notes the time for each target that is in step now, once for each complete read; nothing while one is
 * being compared. 0, -errno of the store. */
int applied_update(const ReportInput *in, usec_t wall);
/* Wall time; 0: never yet. */
int applied_get(Store *store, const char *target, usec_t *ret);
