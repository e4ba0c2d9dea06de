/* SPDX-License-Identifier: Apache-2.0 */
/* Actions: what is planned, queued, done and taken back, and what each changes. */
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

/* An account that only gets an owner (adopt, relink) stays as it is. */
static void put_kept(struct json_object *before, StrBuf *out) {
        for (size_t i = 0; i < SHORT; i++) {
                struct json_object *value = json_member(before, members[i]);

                if (!value)
                        continue;
                strbuf_printf(out, "%s%s: ", out->len > 0 ? "; " : "", members[i]);
                put_value(value, out);
        }
}

/* Where both are stated, what the act changes; else what came or went. */
static void put_changes(struct json_object *action, StrBuf *out) {
        struct json_object *before = json_member(action, "before"), *after = json_member(action, "after");
        size_t n = before && after ? ELEMENTSOF(members) : SHORT;

        if (!after && !str_eq(json_text(action, "action"), "delete")) {
                put_kept(before, out);
                return;
        }
        for (size_t i = 0; i < n; i++) {
                struct json_object *from = json_member(before, members[i]),
                                   *to = json_member(after, members[i]);

                if ((before && after && !to) || json_object_equal(from, to))
                        continue;
                put_change(members[i], from, to, out);
        }
}

/* ---- rows ---- */

static void add_id(Table *t, struct json_object *action) {
        if (json_number(action, "id") > 0)
                table_addf(t, "%" PRId64, json_number(action, "id"));
        else
                table_add(t, NULL);
}

static void add_action(Table *t, struct json_object *action) {
        _cleanup_(strbuf_deinit) StrBuf changes = STRBUF_INIT(CELL_MAX);

        put_changes(action, &changes);
        table_add(t, json_text(action, "state"));
        table_add(t, json_text(action, "action"));
        table_add(t, json_text(action, "address") ?: json_text(action, "person"));
        table_add(t, changes.data);
        table_add(t, json_text(action, "detail") ?: json_text(action, "outcome"));
}

/* ---- queue and history ---- */

void show_queue(struct json_object *doc) {
        struct json_object *list = NULL;
        size_t n = json_list(doc, "actions", &list);
        _cleanup_(table_deinit) Table t;

        table_init(&t, HEAD("TARGET", "ID", "QUEUED", "STATE", "ACTION", "ACCOUNT", "CHANGE", "DETAIL"), 8);
        for (size_t i = 0; i < n; i++) {
                struct json_object *action = json_object_array_get_idx(list, i);

                table_add(&t, json_text(action, "target"));
                add_id(&t, action);
                table_add(&t, json_text(action, "queued"));
                add_action(&t, action);
        }
        table_print(&t, stdout);
        if (json_number(doc, "left_out") > 0)
                printf("... and %" PRId64 " more\n", json_number(doc, "left_out"));
}

void show_history(struct json_object *doc) {
        struct json_object *list = NULL;
        size_t n = json_list(doc, "actions", &list);
        _cleanup_(table_deinit) Table t;

        table_init(&t,
                   HEAD("TARGET", "ID", "CYCLE", "WHEN", "STATE", "ACTION", "ACCOUNT", "CHANGE", "DETAIL"),
                   9);
        for (size_t i = 0; i < n; i++) {
                struct json_object *action = json_object_array_get_idx(list, i);

                table_add(&t, json_text(action, "target"));
                add_id(&t, action);
                table_addf(&t, "%" PRId64, json_number(action, "cycle"));
                table_add(&t, json_text(action, "finished") ?: json_text(action, "queued"));
                add_action(&t, action);
        }
        table_print(&t, stdout);
}

/* ---- plans ---- */

static void print_planned(struct json_object *target) {
        struct json_object *list = NULL;
        size_t n = json_list(target, "actions", &list);
        _cleanup_(table_deinit) Table t = { 0 };

        if (n == 0) {
                puts("nothing is asked for");
                return;
        }
        table_init(&t, HEAD("ID", "STATE", "ACTION", "ACCOUNT", "CHANGE", "DETAIL"), 6);
        for (size_t i = 0; i < n; i++) {
                struct json_object *action = json_object_array_get_idx(list, i);

                add_id(&t, action);
                add_action(&t, action);
        }
        table_print(&t, stdout);
}

/* Two people may have one address, and somebody none. */
static void print_name(struct json_object *item) {
        const char *dn = json_text(item, "dn"), *address = json_text(item, "address");

        print_text(dn ?: address ?: json_text(item, "person"));
        if (dn && address) {
                printf(", ");
                print_text(address);
        }
}

static void print_people(struct json_object *target, const char *key, const char *word, const char *what) {
        struct json_object *list = NULL;
        size_t n = json_list(target, key, &list);

        for (size_t i = 0; i < n; i++) {
                struct json_object *item = json_object_array_get_idx(list, i);

                printf("%-9s ", word);
                print_name(item);
                printf(": ");
                print_text(json_text(item, what));
                if (str_eq(key, "drift")) {
                        printf(" is \"");
                        print_text(json_text(item, "directory"));
                        printf("\" in the directory, \"");
                        print_text(json_text(item, "account"));
                        printf("\" at the account");
                }
                putchar('\n');
        }
}

static void print_revert(const char *name, struct json_object *plan) {
        const char *hash = json_text(plan, "hash");

        printf("%s: plan %s %s\n", or_none(name), or_none(hash), or_none(json_text(plan, "reason")));
        print_planned(plan);
        printf("to let it go ahead: idsyncctl approve %s; to refuse it: idsyncctl reject %s\n",
               or_none(hash), or_none(hash));
}

static void print_plan(struct json_object *target) {
        const char *hash = json_text(target, "hash"), *state = json_text(target, "state");

        printf("%s: %s, %" PRId64 " accounts\n", or_none(json_text(target, "name")), or_none(state),
               json_number(target, "accounts"));
        if (json_text(target, "reason")) {
                printf("    ");
                print_text(json_text(target, "reason"));
                putchar('\n');
        }
        print_planned(target);
        print_people(target, "blocked", "blocked", "reason");
        print_people(target, "drift", "drift", "field");
        print_people(target, "notes", "note", "reason");
        if (str_eq(state, "held") && hash)
                printf("to let it go ahead: idsyncctl approve %s; to refuse it: idsyncctl reject %s\n", hash,
                       hash);
        if (json_member(target, "revert"))
                print_revert(json_text(target, "name"), json_member(target, "revert"));
}

void show_plan(struct json_object *doc) {
        struct json_object *list = NULL;
        size_t n = json_list(doc, "targets", &list);

        for (size_t i = 0; i < n; i++) {
                if (i > 0)
                        putchar('\n');
                print_plan(json_object_array_get_idx(list, i));
        }
}

void show_revert(struct json_object *doc) {
        struct json_object *targets = NULL, *list = NULL;
        size_t n = json_list(doc, "targets", &targets);

        for (size_t i = 0; i < n; i++) {
                struct json_object *target = json_object_array_get_idx(targets, i);
                size_t n_cant = json_list(target, "not", &list);

                if (json_text(target, "hash"))
                        print_revert(json_text(target, "name"), target);
                else
                        printf("%s: nothing can be taken back\n", or_none(json_text(target, "name")));
                for (size_t k = 0; k < n_cant; k++) {
                        struct json_object *item = json_object_array_get_idx(list, k);
                        const char *address = json_text(item, "address");

                        printf("not       %s ", or_none(json_text(item, "action")));
                        print_text(address ? address : json_text(item, "person"));
                        printf(": ");
                        print_text(json_text(item, "reason"));
                        putchar('\n');
                }
        }
}
