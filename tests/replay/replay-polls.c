/* SPDX-License-Identifier: Apache-2.0 */
/* What comes again with every poll, and what mustn't: reads that fail, listings that take longer than a
 * poll, roles that nobody knows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "play.h"

static size_t n_calls(const char *method, const char *part) {
        const PlayCall *calls;
        size_t n, found = 0;

        calls = play_calls(&n);
        for (size_t i = 0; i < n; i++)
                found += str_eq(calls[i].method, method) && strstr(calls[i].path, part);
        return found;
}

/* ---- reads that fail ---- */

/* A target that is tried again in between is no further failed read. */
static void test_failed_reads_are_counted(void **state _unused_) {
        Play play;
        unsigned reads;

        play_setup(&play, 3, "list_interval = \"1s\";", "");
        play_start(&play);
        play_run(play.loop, USEC_PER_MINUTE);
        assert_int_equal(cycle_report(engine_cycle(play.engine))->failed_reads, 0);
        play_umbrella.fail_all = -1;
        /* Until the next poll has seen the outage, the target is tried again and again. */
        play_run(play.loop, 5 * USEC_PER_MINUTE);
        play_directory.state = READ_UNREACHABLE;
        play_directory.error = "nobody there";
        reads = play_directory.reads;
        play.cycles = 0;
        play_run(play.loop, 15 * USEC_PER_MINUTE);
        assert_int_equal(play_directory.reads, reads + 3);
        assert_true(play.cycles > 3);
        assert_int_equal(cycle_report(engine_cycle(play.engine))->failed_reads, 3);
        play_directory.state = READ_COMPLETE;
        play_run(play.loop, 5 * USEC_PER_MINUTE);
        assert_int_equal(cycle_report(engine_cycle(play.engine))->failed_reads, 0);
        play_teardown(&play);
}

/* What nobody would find again after a restart isn't done: the file without a name would take it all. */
static void test_database_taken_away(void **state _unused_) {
        char there[512], away[512];
        const CycleReport *report;
        size_t n, after;
        Play play;

        play_setup(&play, 3, "", "");
        play_directory.n = 2;
        play_start(&play);
        play_run(play.loop, USEC_PER_MINUTE);
        assert_int_equal(play_umbrella.n, 2);
        snprintf(there, sizeof(there), "%s/state/idsyncd.db", play.directory);
        snprintf(away, sizeof(away), "%s/state/moved", play.directory);
        assert_int_equal(rename(there, away), 0);
        play_directory.n = 3;
        (void) play_calls(&n);
        play_run(play.loop, 15 * USEC_PER_MINUTE);
        (void) play_calls(&after);
        assert_int_equal(after, n);
        report = cycle_report(engine_cycle(play.engine));
        assert_int_equal(report->failed_reads, 3);
        assert_true(report->store_failed);
        assert_non_null(strstr(report->error, "idsyncd.db was removed or replaced while it was in use"));
        assert_int_equal(rename(away, there), 0);
        play_run(play.loop, 6 * USEC_PER_MINUTE);
        assert_int_equal(cycle_report(engine_cycle(play.engine))->failed_reads, 0);
        assert_int_equal(play_umbrella.n, 3);
        play_teardown(&play);
}

/* ---- listings that take long ---- */

static void slow_listing(const char *method, const char *url, const char *body, PlayAnswer *answer,
                         void *userdata) {
        play_umbrella_api(method, url, body, answer, userdata);
        if (strstr(url, "page="))
                answer->delay = 13 * USEC_PER_MINUTE;
}

static size_t n_deletes(void) {
        return n_calls("DELETE", "");
}

/* Removals ask for a complete read younger than two polls: a listing that takes longer mustn't stop them
 * for ever. */
static void test_listing_longer_than_polls(void **state _unused_) {
        Play play;
        size_t n;

        play_setup(&play, 5,
                   "list_interval = \"1min\"; leave = \"delete\"; leave_grace = \"0s\";", "");
        play_start(&play);
        play_run(play.loop, USEC_PER_HOUR);
        assert_int_equal(play_umbrella.n, 5);
        play_api(slow_listing, NULL);
        n = play_directory.n;
        play_directory.n = n - 1;
        play_run(play.loop, USEC_PER_HOUR);
        assert_int_equal(n_deletes(), 1);
        play_directory.n = n;
        play_teardown(&play);
}

/* Who is there again before the listing ends is no leaver. */
static void test_return_during_listing(void **state _unused_) {
        Play play;
        size_t n;

        play_setup(&play, 5, "list_interval = \"1min\"; leave = \"delete\"; leave_grace = \"0s\";", "");
        play_start(&play);
        play_run(play.loop, 59 * USEC_PER_MINUTE);
        assert_int_equal(play_umbrella.n, 5);
        play_api(slow_listing, NULL);
        n = play_directory.n;
        play_directory.n = n - 1;
        play_run(play.loop, 2 * USEC_PER_MINUTE);
        play_directory.n = n;
        play_run(play.loop, 2 * USEC_PER_HOUR);
        assert_int_equal(n_deletes(), 0);
        assert_int_equal(play_umbrella.n, 5);
        play_teardown(&play);
}

/* … and the grace of one who leaves again begins anew, also where no plan was made in between. */
static void test_grace_during_listing(void **state _unused_) {
        Play play;
        size_t n;

        play_setup(&play, 5, "list_interval = \"1min\"; leave = \"delete\"; leave_grace = \"2h\";", "");
        play_start(&play);
        play_run(play.loop, 59 * USEC_PER_MINUTE);
        play_api(slow_listing, NULL);
        n = play_directory.n;
        play_directory.people[n - 1].disabled = true;
        play_run(play.loop, 95 * USEC_PER_MINUTE);
        /* One read, in the middle of a listing. */
        play_directory.people[n - 1].disabled = false;
        play_run(play.loop, 5 * USEC_PER_MINUTE);
        play_directory.people[n - 1].disabled = true;
        play_run(play.loop, 110 * USEC_PER_MINUTE);
        assert_int_equal(n_deletes(), 0);
        /* With it the time between reads counts, not between plans. */
        play_run(play.loop, 35 * USEC_PER_MINUTE);
        assert_int_equal(n_deletes(), 1);
        play_teardown(&play);
}

/* The same where there was no listing to make a plan of. */
static void test_grace_without_listing(void **state _unused_) {
        Person *leaver;
        Play play;

        play_setup(&play, 5, "list_interval = \"1min\"; leave = \"delete\"; leave_grace = \"3h\";", "");
        leaver = &play_directory.people[4];
        play_start(&play);
        play_run(play.loop, USEC_PER_HOUR);
        leaver->disabled = true;
        play_run(play.loop, 2 * USEC_PER_HOUR);
        play_umbrella.fail_all = 503;
        play_run(play.loop, 20 * USEC_PER_MINUTE);
        leaver->disabled = false;
        play_run(play.loop, 5 * USEC_PER_MINUTE);
        leaver->disabled = true;
        play_run(play.loop, 15 * USEC_PER_MINUTE);
        play_umbrella.fail_all = 0;
        play_run(play.loop, 150 * USEC_PER_MINUTE);
        assert_int_equal(n_deletes(), 0);
        play_run(play.loop, 35 * USEC_PER_MINUTE);
        assert_int_equal(n_deletes(), 1);
        play_teardown(&play);
}

/* A clock that jumps, a machine that slept: to the grace no two reads are more than a day apart, and
 * none goes backwards. */
static void test_grace_and_clock(void **state _unused_) {
        Play play;

        play_setup(&play, 5, "leave = \"delete\"; leave_grace = \"4d\";", "");
        play_start(&play);
        play_run(play.loop, USEC_PER_HOUR);
        play_directory.n = 4;
        play_run(play.loop, USEC_PER_HOUR);
        play_step_wall(play.loop, 30 * (int64_t) USEC_PER_DAY);
        play_run(play.loop, USEC_PER_HOUR);
        play_restart(&play);
        play_step_wall(play.loop, -40 * (int64_t) USEC_PER_DAY);
        play_run(play.loop, 2 * USEC_PER_DAY + 12 * USEC_PER_HOUR);
        assert_int_equal(n_deletes(), 0);
        play_run(play.loop, 12 * USEC_PER_HOUR);
        assert_int_equal(n_deletes(), 1);
        play_directory.n = 5;
        play_teardown(&play);
}

/* ---- removals that wait for their call ---- */

/* An entry without an id may be the one who is missing, and so may one whose id another has. */
static void test_removal_needs_ids(void **state _unused_) {
        const char *id;
        Play play;

        play_setup(&play, 6, "leave = \"delete\"; leave_grace = \"0s\";", "");
        id = play_directory.people[4].id;
        play_start(&play);
        play_run(play.loop, USEC_PER_HOUR);
        play_directory.n = 5;
        play_directory.without_id = 1;
        play_run(play.loop, USEC_PER_HOUR);
        assert_int_equal(n_deletes(), 0);
        play_directory.without_id = 0;
        play_directory.people[4].id = play_directory.people[3].id;
        play_run(play.loop, USEC_PER_HOUR);
        assert_int_equal(n_deletes(), 0);
        play_directory.people[4].id = id;
        play_run(play.loop, 10 * USEC_PER_MINUTE);
        assert_int_equal(n_deletes(), 1);
        assert_true(play_umbrella_has("p4@example.com"));
        play_directory.n = 6;
        play_teardown(&play);
}

static void set_marks(uint64_t *marks) {
        for (size_t i = 0; i < play_directory.n; i++)
                play_directory.people[i].marks = marks;
}

/* A group that is gone, or has no members any more, is a fault, whatever the limits are; one that never had
 * any isn't. */
static void test_groups_that_lose_everybody(void **state _unused_) {
        static uint64_t none, all = ~UINT64_C(0);
        Play play;

        play_setup(&play, 6, "leave = \"delete\"; leave_grace = \"0s\"; limits = { percent = 100; };", "");
        set_marks(&none);
        play_start(&play);
        play_run(play.loop, USEC_PER_HOUR);
        assert_int_equal(cycle_report(engine_cycle(play.engine))->directory, READ_COMPLETE);
        set_marks(&all);
        play_run(play.loop, USEC_PER_HOUR);
        assert_int_equal(play_umbrella.n, 6);
        for (int gone = 0; gone < 2; gone++) {
                set_marks(&none);
                play_directory.no_groups = gone;
                play_run(play.loop, 20 * USEC_PER_MINUTE);
                assert_int_equal(cycle_report(engine_cycle(play.engine))->directory, READ_INCOMPLETE);
        }
        play_directory.no_groups = false;
        set_marks(&all);
        play_run(play.loop, USEC_PER_HOUR);
        assert_int_equal(cycle_report(engine_cycle(play.engine))->directory, READ_COMPLETE);
        assert_int_equal(n_deletes(), 0);
        play_teardown(&play);
}

/* Nothing is removed on the word of a listing from before; one more does for all who leave. */
static void test_removal_by_a_fresh_listing(void **state _unused_) {
        Play play;

        play_setup(&play, 8,
                   "list_interval = \"24h\"; leave = \"delete\"; leave_grace = \"0s\"; "
                   "limits = { percent = 100; };",
                   "");
        play_start(&play);
        play_run(play.loop, USEC_PER_HOUR);
        play_forget_calls();
        play_run(play.loop, USEC_PER_HOUR);
        assert_int_equal(n_calls("GET", "page="), 0);
        play_directory.n = 4;
        play_run(play.loop, 20 * USEC_PER_MINUTE);
        assert_int_equal(n_deletes(), 4);
        assert_in_range(n_calls("GET", "page="), 1, 2);
        play_directory.n = 8;
        play_teardown(&play);
}

/* What waited until the read that asks for it is old isn't done, however it began. */
static void test_removal_without_recent_read(void **state _unused_) {
        const PlayCall *calls;
        usec_t last;
        Play play;
        size_t n;

        play_setup(&play, 6,
                   "list_interval = \"24h\"; leave = \"delete\"; leave_grace = \"0s\"; "
                   "limits = { percent = 100; }; rate = { second = 5; minute = 14; half_hour = 6; };",
                   "");
        play_start(&play);
        play_run(play.loop, 3 * USEC_PER_HOUR);
        assert_int_equal(play_umbrella.n, 6);
        play_directory.n = 1;
        for (unsigned i = 0; i < 3600 && n_deletes() == 0; i++)
                play_run(play.loop, USEC_PER_SEC);
        assert_in_range(n_deletes(), 1, 4);
        last = loop_wall(play.loop);
        play_directory.state = READ_UNREACHABLE;
        play_run(play.loop, 3 * USEC_PER_HOUR);
        calls = play_calls(&n);
        for (size_t i = 0; i < n; i++)
                if (str_eq(calls[i].method, "DELETE"))
                        assert_true(calls[i].at <= last + 10 * USEC_PER_MINUTE);
        /* With the next one they go on. */
        play_directory.state = READ_COMPLETE;
        play_run(play.loop, 3 * USEC_PER_HOUR);
        assert_int_equal(n_deletes(), 5);
        play_directory.n = 6;
        play_teardown(&play);
}

/* ---- creates that a reload protects ---- */

/* The next plan would take them back; the worker doesn't wait for it. */
static void test_create_that_is_protected_now(void **state _unused_) {
        char *pattern = (char *) "p1@example.com", **before;
        TargetConfig *target;
        Play play;

        play_setup(&play, 3, "", "");
        target = &play.config->targets[0];
        before = target->protect;
        play_umbrella.fail_posts = 503;
        play_start(&play);
        play_run(play.loop, USEC_PER_MINUTE);
        assert_int_equal(play_counts(&play).waiting, 3);
        play_directory.state = READ_UNREACHABLE;
        play_umbrella.fail_posts = 0;
        target->protect = &pattern;
        target->n_protect = 1;
        play_restart(&play);
        play_run(play.loop, USEC_PER_HOUR);
        assert_int_equal(play_umbrella.created, 2);
        assert_false(play_umbrella_has("p1@example.com"));
        target->protect = before;
        target->n_protect = 0;
        play_teardown(&play);
}

/* ---- roles that nobody knows ---- */

static void renamed_role(const char *method, const char *url, const char *body, PlayAnswer *answer,
                         void *userdata) {
        play_umbrella_api(method, url, body, answer, userdata);
        if (strstr(url, "/roles"))
                strcpy(answer->body, "[{\"organizationId\":0,\"label\":\"Reader\",\"roleId\":2}]");
}

/* It is looked for with each listing, not with each poll, and found when it is there. */
static void test_unknown_role(void **state _unused_) {
        const RemoteReport *report;
        Play play;

        play_setup(&play, 3, "", "");
        play_api(renamed_role, NULL);
        play_start(&play);
        play_run(play.loop, 10 * USEC_PER_HOUR);
        report = remote_report(engine_remote(play.engine, 0));
        assert_int_equal(report->state, REMOTE_INCOMPLETE);
        assert_true(report->bad_role);
        assert_int_equal(play_umbrella.n, 0);
        assert_in_range(n_calls("GET", "/roles"), 15, 21);
        assert_in_range(n_calls("GET", "/users"), 15, 21);
        play_api(play_umbrella_api, NULL);
        play_run(play.loop, 40 * USEC_PER_MINUTE);
        assert_int_equal(report->state, REMOTE_OK);
        assert_int_equal(play_umbrella.n, 3);
        play_forget_calls();
        play_run(play.loop, 10 * USEC_PER_HOUR);
        assert_int_equal(n_calls("GET", "/roles"), 0);
        play_teardown(&play);
}

static bool slow_look;

/* The one account that is looked at before it goes. */
static void look_takes_long(const char *method, const char *url, const char *body, PlayAnswer *answer,
                            void *userdata) {
        play_umbrella_api(method, url, body, answer, userdata);
        if (str_eq(method, "GET") && strstr(url, "/users/")) {
                slow_look = true;
                answer->delay = 20 * USEC_PER_SEC;
        }
}

/* An end while nothing was asked for but how the account is: it is as if nothing had begun. */
static void test_killed_before_removal(void **state _unused_) {
        Play play;
        size_t n;

        play_setup(&play, 5, "leave = \"delete\"; leave_grace = \"0s\";", "");
        play_start(&play);
        play_run(play.loop, USEC_PER_HOUR);
        assert_int_equal(play_umbrella.n, 5);
        play_api(look_takes_long, NULL);
        slow_look = false;
        n = play_directory.n;
        play_directory.n = n - 1;
        for (unsigned i = 0; i < 600 && !slow_look; i++)
                play_run(play.loop, USEC_PER_SEC);
        assert_true(slow_look);
        play_directory.n = n;
        play_restart(&play);
        play_run(play.loop, USEC_PER_HOUR);
        assert_int_equal(n_deletes(), 0);
        assert_int_equal(play_umbrella.created, 5);
        play_teardown(&play);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_failed_reads_are_counted),
                cmocka_unit_test(test_database_taken_away),
                cmocka_unit_test(test_listing_longer_than_polls),
                cmocka_unit_test(test_return_during_listing),
                cmocka_unit_test(test_grace_during_listing),
                cmocka_unit_test(test_grace_without_listing),
                cmocka_unit_test(test_grace_and_clock),
                cmocka_unit_test(test_removal_needs_ids),
                cmocka_unit_test(test_groups_that_lose_everybody),
                cmocka_unit_test(test_removal_by_a_fresh_listing),
                cmocka_unit_test(test_removal_without_recent_read),
                cmocka_unit_test(test_create_that_is_protected_now),
                cmocka_unit_test(test_killed_before_removal),
                cmocka_unit_test(test_unknown_role),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
