/* SPDX-License-Identifier: Apache-2.0 */
/* The password signal of a person: when its change asks for a reset. Pure. */
#pragma once

#include "config/config.h"

typedef enum SignalEdge {
        SIGNAL_SAME,            /* nothing to record */
        SIGNAL_RECORD,          /* record the new value; asks for nothing */
        SIGNAL_FIRES,           /* record the new value; a reset is asked for, once */
} SignalEdge;

/* known: a value (or its absence) was recorded before; the first sight of a person only records it. NULL:
 * the attribute is absent. RESET_TRUE fires when the value becomes true (RFC 4517 §3.3.3: TRUE; any case
 * is taken). RESET_CHANGED fires when it becomes another, not when it goes away. */
SignalEdge signal_edge(ResetWhen when, bool known, const char *before, const char *now);
