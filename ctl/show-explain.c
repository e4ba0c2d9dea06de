/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "show.h"
#include "table.h"

static void line(const char *what, const char *text) {
        char buf[8192];

        if (!str_empty(text))
                printf("  %-11s %s\n", what, str_printable(text, buf, sizeof(buf)));
}

static void print_person(struct json_object *doc) {
        static const char *const fields[] = {"login",     "email",    "first_name",
                                             "last_name", "timezone", "employee_number"};
        struct json_object *person = json_member(doc, "person"),
                           *attributes = json_member(doc, "attributes"), *bad = NULL;
        size_t n_bad = json_list(person, "unreadable", &bad);
        char buf[4096];

        puts(str_printable(json_text(person, "dn") ? json_text(person, "dn") : json_text(person, "id"), buf,
                           sizeof(buf)));
        printf("  id          %s (%s)\n", json_text(person, "id"),
               json_text(attributes, "id") ? json_text(attributes, "id") : "-");
        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                if (json_text(attributes, fields[i]))
                        printf("  %-11s %s (%s)\n", fields[i],
                               json_text(person, fields[i]) ? str_printable(json_text(person, fields[i]),
                                                                            buf, sizeof(buf))
                                                            : "-",
                               json_text(attributes, fields[i]));
        for (size_t i = 0; i < n_bad; i++)
                line("unreadable", json_object_get_string(json_object_array_get_idx(bad, i)));
        if (!json_true(person, "present"))
                line("directory", "not there in the last complete read");
        else
                line("directory", json_true(person, "disabled") ? "there, disabled" : "there");
        line("read", json_text(doc, "last_complete"));
        if (json_text(doc, "read_error")) {
                snprintf(buf, sizeof(buf), "since then failed: %s", json_text(doc, "read_error"));
                line("", buf);
        }
}

static void print_link(struct json_object *link) {
        char text[1024];

        if (!link) {
                line("account", "none of ours");
                return;
        }
        snprintf(text, sizeof(text), "%s, role %s, %s at %s%s", json_text(link, "remote_id"),
                 json_text(link, "role") ? json_text(link, "role") : "-", json_text(link, "origin"),
                 json_text(link, "since") ? json_text(link, "since") : "-",
                 json_true(link, "gone") ? "; no longer at the target" : "");
        line("account", text);
}

static void print_drift(struct json_object *target) {
        struct json_object *list = NULL;
        size_t n = json_list(target, "drift", &list);
        char text[2048];

        for (size_t i = 0; i < n; i++) {
                struct json_object *drift = json_object_array_get_idx(list, i);

                snprintf(text, sizeof(text), "%s is \"%s\" in the directory, \"%s\" at the account",
                         json_text(drift, "field"),
                         json_text(drift, "directory") ? json_text(drift, "directory") : "",
                         json_text(drift, "account") ? json_text(drift, "account") : "");
                line("drift", text);
        }
}

static void print_queued(struct json_object *target) {
        struct json_object *queued = json_member(target, "queued");
        char text[512];

        if (!queued)
                return;
        snprintf(text, sizeof(text), "action %" PRId64 ", %s, place %" PRId64 ", %" PRId64 " tries, due %s",
                 json_number(queued, "id"), json_text(queued, "action"), json_number(target, "position"),
                 json_number(queued, "attempts"),
                 json_text(queued, "due") ? json_text(queued, "due") : "now");
        line("queued", text);
}

static void print_history(struct json_object *target) {
        struct json_object *list = NULL;
        size_t n = json_list(target, "history", &list);
        char text[2048];

        for (size_t i = 0; i < n; i++) {
                struct json_object *item = json_object_array_get_idx(list, i);
                const char *when = json_text(item, "finished") ? json_text(item, "finished")
                                                               : json_text(item, "queued");

                snprintf(text, sizeof(text), "%s %s (action %" PRId64 "): %s%s%s%s%s", when ? when : "-",
                         json_text(item, "action"), json_number(item, "id"), json_text(item, "state"),
                         json_text(item, "outcome") ? ", " : "",
                         json_text(item, "outcome") ? json_text(item, "outcome") : "",
                         json_text(item, "detail") ? ": " : "",
                         json_text(item, "detail") ? json_text(item, "detail") : "");
                line(i == 0 ? "history" : "", text);
        }
}

/* What comes next says most of it already. */
static void line_unless_said(struct json_object *target, const char *what, const char *text) {
        const char *next = json_text(target, "next");

        if (text && !(next && strstr(next, text)))
                line(what, text);
}

static void print_role(struct json_object *target) {
        const char *role = json_text(target, "role"), *group = json_text(target, "role_group"),
                   *way = json_text(target, "role_way");
        _cleanup_(strbuf_deinit) StrBuf text = STRBUF_INIT(1 << 20);

        if (!role)
                return;
        strbuf_puts(&text, role);
        if (group)
                strbuf_printf(&text, ", by %s", group);
        if (way)
                strbuf_printf(&text, ", through %s", way);
        line("role", text.data);
}

static void print_target(struct json_object *target) {
        struct json_object *notes = NULL;
        size_t n = json_list(target, "notes", &notes);

        printf("\n%s: %s\n", json_text(target, "name"),
               json_true(target, "belongs") ? "belongs here" : "doesn't belong here");
        line("because", json_text(target, "why"));
        print_role(target);
        print_link(json_member(target, "link"));
        line("next", json_text(target, "next"));
        line_unless_said(target, "blocked", json_text(target, "blocked"));
        for (size_t i = 0; i < n; i++)
                line_unless_said(target, "note",
                                 json_object_get_string(json_object_array_get_idx(notes, i)));
        print_drift(target);
        line("asked for", json_text(json_member(target, "asked"), "action"));
        print_queued(target);
        print_history(target);
}

void show_explain(struct json_object *doc) {
        struct json_object *list = NULL;
        size_t n = json_list(doc, "targets", &list);

        print_person(doc);
        for (size_t i = 0; i < n; i++)
                print_target(json_object_array_get_idx(list, i));
}
