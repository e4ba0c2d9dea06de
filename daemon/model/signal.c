/* SPDX-License-Identifier: Apache-2.0 */
#include <strings.h>

#include "model/signal.h"

static bool is_true(const char *value) {
        return value && strcasecmp(value, "TRUE") == 0;
}

SignalEdge signal_edge(ResetWhen when, bool known, const char *before, const char *now) {
        if (!known)
                return SIGNAL_RECORD;
        if (str_eq(before, now))
                return SIGNAL_SAME;
        if (when == RESET_TRUE)
                return is_true(now) && !is_true(before) ? SIGNAL_FIRES : SIGNAL_RECORD;
        return now ? SIGNAL_FIRES : SIGNAL_RECORD;
}
