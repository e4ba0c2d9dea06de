/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "show.h"
#include "table.h"

static void say_unlisted(struct json_object *doc, FILE *out) {
        struct json_object *list = NULL;
        size_t n = json_list(doc, "not_listed", &list);
        char buf[256];

        for (size_t i = 0; i < n; i++)
                fprintf(out, "%s: not listed since the daemon started: its accounts are missing here\n",
                        str_printable(json_object_get_string(json_object_array_get_idx(list, i)), buf,
                                      sizeof(buf)));
}

void show_orphans(struct json_object *doc) {
        struct json_object *list = NULL;
        size_t n = json_list(doc, "accounts", &list);
        _cleanup_(table_deinit) Table t;

        table_init(&t, HEAD("TARGET", "ACCOUNT", "ADDRESS", "ROLE", "STATUS", "LAST LOGIN", "REASON"), 7);
        for (size_t i = 0; i < n; i++) {
                struct json_object *account = json_object_array_get_idx(list, i);

                table_add(&t, json_text(account, "target"));
                table_add(&t, json_text(account, "remote_id"));
                table_add(&t, json_text(account, "address") ?: json_text(account, "login"));
                table_add(&t, json_text(account, "role"));
                table_add(&t, json_text(account, "status"));
                table_add(&t, json_text(account, "last_login"));
                table_add(&t, json_text(account, "reason"));
        }
        table_print(&t, stdout);
        say_unlisted(doc, stdout);
}

/* ---- for spreadsheets ---- */

/* Addresses are other people's words. */
static bool looks_like_formula(const char *text) {
        return *text && strchr("=+-@", *text);
}

static void put_cell(const char *raw, bool last) {
        char text[4096];
        bool quoted, formula;

        (void) str_printable(raw ? raw : "", text, sizeof(text));
        formula = looks_like_formula(text);
        quoted = formula || strpbrk(text, ",\"");
        fputs(formula ? "\"'" : quoted ? "\"" : "", stdout);
        for (const char *p = text; *p; p++) {
                if (*p == '"')
                        putchar('"');
                putchar(*p);
        }
        fputs(quoted ? "\"" : "", stdout);
        fputs(last ? "\r\n" : ",", stdout);
}

static const char *yes_or_no(struct json_object *account, const char *key) {
        if (!json_member(account, key))
                return NULL;
        return json_true(account, key) ? "yes" : "no";
}

void show_orphans_csv(struct json_object *doc) {
        static const char *const texts[] = {"target", "remote_id", "address",    "login",
                                            "role",   "status",    "last_login", "person"};
        struct json_object *list = NULL;
        size_t n = json_list(doc, "accounts", &list);

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                put_cell(texts[i], false);
        fputs("privileged,second_factor,reason\r\n", stdout);
        for (size_t k = 0; k < n; k++) {
                struct json_object *account = json_object_array_get_idx(list, k);

                for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                        put_cell(json_text(account, texts[i]), false);
                put_cell(yes_or_no(account, "privileged"), false);
                put_cell(yes_or_no(account, "second_factor"), false);
                put_cell(json_text(account, "reason"), true);
        }
        say_unlisted(doc, stderr);
}
