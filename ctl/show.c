/* SPDX-License-Identifier: Apache-2.0 */
#include "show.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "table.h"

/* ---- status ---- */

static void print_queue(struct json_object *doc) {
        struct json_object *queue = json_member(doc, "queue");

        printf("queue      %" PRId64 " waiting, %" PRId64 " running, %" PRId64 " uncertain, %" PRId64
               " dead letters",
               json_number(queue, "waiting"), json_number(queue, "running"), json_number(queue, "uncertain"),
               json_number(queue, "dead"));
        if (json_text(doc, "done_by"))
                printf("; %sdone by about %s",
                       json_true(doc, "done_by_partly") ? "what isn't paused or refused " : "",
                       json_text(doc, "done_by"));
        putchar('\n');
}

static void print_directory(struct json_object *directory) {
        printf("directory  %s", or_none(json_text(directory, "state")));
        if (json_text(directory, "last_complete"))
                printf(", %" PRId64 " people at %s", json_number(directory, "people"),
                       json_text(directory, "last_complete"));
        printf("; last tried %s, next read %s\n", or_none(json_text(directory, "last_attempt")),
               or_none(json_text(directory, "next")));
}

static void add_targets(Table *t, struct json_object *list, size_t n) {
        for (size_t i = 0; i < n; i++) {
                struct json_object *target = json_object_array_get_idx(list, i),
                                   *queue = json_member(target, "queue");
                struct json_object *held = json_member(target, "held") ?: json_member(target, "revert"),
                                   *parked = json_member(target, "parked");

                table_add(t, json_text(target, "name"));
                table_add(t, json_text(target, "state"));
                table_addf(t, "%" PRId64, json_number(target, "accounts"));
                table_addf(t, "%" PRId64,
                           json_number(queue, "waiting") + json_number(queue, "running") +
                                           json_number(queue, "uncertain"));
                table_addf(t, "%" PRId64, json_number(queue, "dead"));
                table_addf(t, "%" PRId64, json_number(target, "blocked"));
                table_add(t, json_text(held, "hash"));
                table_add(t, json_text(parked, "until") ? json_text(parked, "until")
                                                        : json_text(target, "next_action"));
                table_add(t, json_text(target, "applied"));
        }
}

static void print_targets(struct json_object *doc) {
        struct json_object *list = NULL;
        size_t n = json_list(doc, "targets", &list);
        _cleanup_(table_deinit) Table t;

        table_init(&t,
                   HEAD("TARGET", "STATE", "ACCOUNTS", "QUEUED", "DEAD", "BLOCKED", "HELD", "NEXT ACTION",
                        "ALL APPLIED"),
                   9);
        add_targets(&t, list, n);
        table_print(&t, stdout);
}

static void print_problems(struct json_object *doc) {
        struct json_object *list = NULL;
        size_t n = json_list(doc, "problems", &list);

        for (size_t i = 0; i < n; i++) {
                struct json_object *problem = json_object_array_get_idx(list, i);

                printf("%s%s: ", i > 0 ? "" : "\n", or_none(json_text(problem, "level")));
                if (json_text(problem, "target"))
                        printf("%s: ", json_text(problem, "target"));
                print_text(json_text(problem, "text"));
                if (json_text(problem, "do"))
                        printf("\n    -> %s", json_text(problem, "do"));
                putchar('\n');
        }
}

void show_status(struct json_object *doc) {
        struct json_object *daemon = json_member(doc, "daemon");

        printf("idsyncd    %s, %s, pid %" PRId64 ", started %s%s\n", or_none(json_text(daemon, "version")),
               or_none(json_text(daemon, "state")), json_number(daemon, "pid"),
               or_none(json_text(daemon, "started")),
               json_true(doc, "cycle_running") ? "; a cycle is under way" : "");
        print_directory(json_member(doc, "directory"));
        print_queue(doc);
        if (json_true(doc, "paused"))
                puts("paused     all targets: nothing is written until \"idsyncctl resume\"");
        putchar('\n');
        print_targets(doc);
        print_problems(doc);
}

void show_targets(struct json_object *doc) {
        struct json_object *list = NULL;
        size_t n = json_list(doc, "targets", &list);

        print_targets(doc);
        for (size_t i = 0; i < n; i++) {
                struct json_object *target = json_object_array_get_idx(list, i);

                printf("\n%s (%s): %" PRId64 " people belong here, %" PRId64 " linked accounts, %" PRId64
                       " with drift; listed %s%s%s\n",
                       or_none(json_text(target, "name")), or_none(json_text(target, "type")),
                       json_number(target, "belong"), json_number(target, "linked"),
                       json_number(target, "drift"), or_none(json_text(target, "listed")),
                       json_text(target, "paused") ? "; paused by the " : "",
                       json_text(target, "paused") ? json_text(target, "paused") : "");
                if (json_text(target, "reason")) {
                        printf("    ");
                        print_text(json_text(target, "reason"));
                        putchar('\n');
                }
        }
}

/* ---- health ---- */

/* What is only a note calls for nobody. */
static int problem_level(struct json_object *problem) {
        const char *level = json_text(problem, "level");

        return str_eq(level, "critical") ? 2 : str_eq(level, "note") ? 0 : 1;
}

int health_of(struct json_object *doc) {
        struct json_object *list = NULL;
        size_t n = json_list(doc, "problems", &list);
        int worst = 0, level;

        for (size_t i = 0; i < n; i++) {
                level = problem_level(json_object_array_get_idx(list, i));
                worst = level > worst ? level : worst;
        }
        return worst;
}

int show_health(struct json_object *doc) {
        static const char *const words[] = { "OK", "WARNING", "CRITICAL" };
        struct json_object *list = NULL, *queue = json_member(doc, "queue");
        size_t n_all = json_list(doc, "problems", &list), n = 0;
        int health = health_of(doc);

        printf("IDSYNC %s - ", words[health]);
        for (size_t i = 0; i < n_all; i++) {
                struct json_object *problem = json_object_array_get_idx(list, i);

                if (problem_level(problem) == 0)
                        continue;
                if (n++ > 0)
                        printf("; ");
                if (json_text(problem, "target"))
                        printf("%s: ", json_text(problem, "target"));
                print_text(json_text(problem, "text"));
        }
        if (n == 0)
                printf("%" PRId64 " people, nothing calls for attention",
                       json_number(json_member(doc, "directory"), "people"));
        printf(" | queued=%" PRId64 " dead=%" PRId64 " problems=%zu\n",
               json_number(queue, "waiting") + json_number(queue, "running") +
                               json_number(queue, "uncertain"),
               json_number(queue, "dead"), n);
        return health;
}

void show_unknown_health(const char *why) {
        printf("IDSYNC UNKNOWN - ");
        print_text(why);
        putchar('\n');
}

/* ---- steps and messages ---- */

void show_step(struct json_object *step) {
        if (json_text(step, "target")) {
                print_text(json_text(step, "target"));
                printf(": ");
        }
        printf("%s: ", or_none(json_text(step, "step")));
        print_text(json_text(step, "text"));
        putchar('\n');
        (void) fflush(stdout);
}

void show_message(struct json_object *doc) {
        print_text(json_text(doc, "message"));
        putchar('\n');
}
