/* SPDX-License-Identifier: Apache-2.0 */
/* An action and its row as JSON: the same in the report and in what the daemon tells over D-Bus. */
#pragma once

#include "model/action.h"
#include "sync/report.h"

typedef struct ActionRow {
        int64_t id;                     /* 0: not in the queue */
        const Action *action;
        const char *state, *outcome, *detail;
        unsigned attempts;
} ActionRow;

/* "KEY":"VALUE"; null for NULL and "". */
void report_put_pair(StrBuf *out, const char *key, const char *value);
/* The same for pairs of key and value, up to a NULL key, with commas in between. */
void report_put_pairs(StrBuf *out, const char *key, ...) __attribute__((sentinel));
/* One object. */
void report_put_row(StrBuf *out, const ActionRow *row);
