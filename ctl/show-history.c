/* SPDX-License-Identifier: Apache-2.0 */
/* What was done: each action with the cycle that asked for it, and what it changed from and to. */
#include <inttypes.h>

#include "base/strings.h"
#include "show.h"
#include "table.h"

#define CELL_MAX 4096

/* Of an account that comes or goes the first three say enough. */
static const char *const members[] = {
        "role", "roles", "status", "address", "login", "first_name", "last_name", "timezone",
};
#define SHORT 3

static void put_value(struct json_object *value, StrBuf *out) {
        bool is_list = json_object_is_type(value, json_type_array);
        size_t n = is_list ? json_object_array_length(value) : 0;

        if (!value || (is_list && n == 0))
                strbuf_puts(out, "none");
        else if (!is_list)
                strbuf_puts(out, json_object_get_string(value));
        for (size_t i = 0; i < n; i++)
                strbuf_printf(out, "%s%s", i > 0 ? ", " : "",
                              json_object_get_string(json_object_array_get_idx(value, i)));
}

static void put_change(const char *name, struct json_object *before, struct json_object *after,
                       StrBuf *out) {
        strbuf_printf(out, "%s%s: ", out->len > 0 ? "; " : "", name);
        put_value(before, out);
        strbuf_puts(out, " -> ");
        put_value(after, out);
}

/* Where both are stated, what the act changes; else what came or went. */
static void put_changes(struct json_object *action, StrBuf *out) {
        struct json_object *before = json_member(action, "before"), *after = json_member(action, "after");
        size_t n = before && after ? ELEMENTSOF(members) : SHORT;

        for (size_t i = 0; i < n; i++) {
                struct json_object *from = json_member(before, members[i]),
                                   *to = json_member(after, members[i]);

                if ((before && after && !to) || json_object_equal(from, to))
                        continue;
                put_change(members[i], from, to, out);
        }
}

static void add_row(Table *t, struct json_object *action) {
        _cleanup_(strbuf_deinit) StrBuf changes = STRBUF_INIT(CELL_MAX);
        const char *finished = json_text(action, "finished"), *address = json_text(action, "address");
        const char *detail = json_text(action, "detail");

        put_changes(action, &changes);
        table_add(t, json_text(action, "target"));
        table_addf(t, "%" PRId64, json_number(action, "id"));
        table_addf(t, "%" PRId64, json_number(action, "cycle"));
        table_add(t, finished ? finished : json_text(action, "queued"));
        table_add(t, json_text(action, "state"));
        table_add(t, json_text(action, "action"));
        table_add(t, address ? address : json_text(action, "person"));
        table_add(t, changes.data);
        table_add(t, detail ? detail : json_text(action, "outcome"));
}

void show_history(struct json_object *doc) {
        struct json_object *list = NULL;
        size_t n = json_list(doc, "actions", &list);
        _cleanup_(table_deinit) Table t;

        table_init(&t,
                   HEAD("TARGET", "ID", "CYCLE", "WHEN", "STATE", "ACTION", "ACCOUNT", "CHANGE", "DETAIL"),
                   9);
        for (size_t i = 0; i < n; i++)
                add_row(&t, json_object_array_get_idx(list, i));
        table_print(&t, stdout);
}
