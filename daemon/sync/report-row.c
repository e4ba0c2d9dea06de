/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>

#include "sync/report-row.h"

void report_put_pair(StrBuf *out, const char *key, const char *value) {
        strbuf_json(out, key);
        strbuf_putc(out, ':');
        strbuf_json(out, str_empty(value) ? NULL : value);
}

void report_put_pairs(StrBuf *out, const char *key, ...) {
        va_list ap;

        va_start(ap, key);
        for (const char *next = NULL; key; key = next) {
                report_put_pair(out, key, va_arg(ap, const char *));
                next = va_arg(ap, const char *);
                if (next)
                        strbuf_putc(out, ',');
        }
        va_end(ap);
}

static void put_state(StrBuf *out, const char *key, bool has, const AccountState *state) {
        strbuf_json(out, key);
        strbuf_putc(out, ':');
        if (has)
                account_state_to_json(state, out);
        else
                strbuf_puts(out, "null");
}

void report_put_row(StrBuf *out, const ActionRow *row) {
        const Action *a = row->action;

        if (row->id > 0)
                strbuf_printf(out, "{\"id\":%lld,", (long long) row->id);
        else
                strbuf_puts(out, "{\"id\":null,");
        report_put_pairs(out, "action", action_kind_to_string(a->kind), "person", a->person,
                         "address", a->address, "remote_id", a->remote_id, NULL);
        strbuf_putc(out, ',');
        put_state(out, "before", a->has_before, &a->before);
        strbuf_putc(out, ',');
        put_state(out, "after", a->has_after, &a->after);
        strbuf_putc(out, ',');
        report_put_pairs(out, "state", row->state, "outcome", row->outcome, NULL);
        strbuf_printf(out, ",\"attempts\":%u,", row->attempts);
        report_put_pair(out, "detail", row->detail);
        strbuf_putc(out, '}');
}
