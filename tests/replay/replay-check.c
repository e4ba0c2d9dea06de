/* SPDX-License-Identifier: Apache-2.0 */
/* A check that has to wait: for its turn, for a server that doesn't answer, for nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "check/check.h"
#include "play.h"
#include "store/store-people.h"

typedef struct Run {
        Check *check;
        unsigned times;                 /* done was called */
        ExitCode code;
        char text[16384];
} Run;

static void on_done(const CheckLines *lines, void *userdata) {
        _cleanup_(strbuf_deinit) StrBuf out = STRBUF_INIT(sizeof(((Run *) NULL)->text));
        Run *run = userdata;

        assert_int_equal(check_lines_text(lines, &out), 0);
        assert_int_equal(out.error, 0);
        snprintf(run->text, sizeof(run->text), "%s", out.data);
        run->code = check_exit_code(lines);
        run->times++;
        run->check = check_free(run->check);
}

static void start(Play *play, Run *run) {
        char file[512];

        *run = (Run){ 0 };
        snprintf(file, sizeof(file), "%s/idsyncd.conf", play->directory);
        assert_int_equal(check_start(play->engine, file, on_done, run, &run->check), 0);
}

static void check(Play *play, Run *run, usec_t span) {
        start(play, run);
        play_run(play->loop, span);
        assert_int_equal(run->times, 1);
}

static size_t all_calls(void) {
        size_t n;

        (void) play_calls(&n);
        return n;
}

static void has(const Run *run, const char *part) {
        if (!strstr(run->text, part))
                fail_msg("\"%s\" isn't in:\n%s", part, run->text);
}

static void test_leaves_nothing_behind(void **state) {
        _cleanup_(people_freep) People *people = NULL;
        Play play;
        Run run;

        (void) state;
        play_setup(&play, 7, "", "");
        check(&play, &run, USEC_PER_MINUTE);
        assert_int_equal(run.code, 0);
        has(&run, "7 below dc=example");
        has(&run, "0 accounts in 1 page, complete");
        assert_int_equal(all_calls(), 3);
        assert_int_equal(store_people_load(play.store, 1, &people), 0);
        assert_int_equal(people->n, 0);
        assert_int_equal(cycle_report(engine_cycle(play.engine))->number, 0);
        assert_null(remote_accounts(engine_remote(play.engine, 0)));
        play_teardown(&play);
}

/* Soon enough is waited for; what is far off is said at once. */
static void test_waits_for_its_turn(void **state) {
        Play play;
        Run run;

        (void) state;
        play_setup(&play, 1, "rate = { second = 1; minute = 3; half_hour = 5; };", "");
        play_umbrella.enforce = true;
        check(&play, &run, USEC_PER_MINUTE);
        assert_int_equal(run.code, 0);
        check(&play, &run, 2 * USEC_PER_MINUTE);
        assert_int_equal(run.code, 0);
        assert_int_equal(all_calls(), 5);
        /* The roles come, and the listing may not go out. */
        check(&play, &run, 3 * USEC_PER_SEC);
        assert_int_equal(run.code, EXIT_TARGET);
        has(&run, "check again then");
        assert_int_equal(all_calls(), 6);
        check(&play, &run, USEC_PER_SEC);
        assert_int_equal(run.code, EXIT_TARGET);
        has(&run, "check again then");
        play_run(play.loop, 30 * USEC_PER_MINUTE);
        assert_int_equal(all_calls(), 6);
        assert_int_equal(play_umbrella.refused, 0);
        play_teardown(&play);
}

static void test_parked(void **state) {
        Play play;
        size_t calls;
        Run run;

        (void) state;
        play_setup(&play, 1, "", "");
        play_umbrella.fail_all = 401;
        check(&play, &run, USEC_PER_MINUTE);
        assert_int_equal(run.code, EXIT_TARGET);
        has(&run, "token");
        calls = all_calls();
        check(&play, &run, USEC_PER_MINUTE);
        assert_int_equal(run.code, EXIT_TARGET);
        has(&run, "not called before");
        assert_int_equal(all_calls(), calls);
        play_teardown(&play);
}

/* The API says nothing for an hour, and takes no time-out of ours. */
static void mute_api(const char *method, const char *url, const char *body, PlayAnswer *answer,
                     void *userdata) {
        play_umbrella_api(method, url, body, answer, userdata);
        answer->delay = USEC_PER_HOUR;
}

static void test_gives_up(void **state) {
        Play play;
        Run run;

        (void) state;
        play_setup(&play, 3, "", "");
        play_directory.takes = USEC_PER_HOUR;
        play_api(mute_api, NULL);
        start(&play, &run);
        play_run(play.loop, CHECK_MAX - USEC_PER_SEC);
        assert_int_equal(run.times, 0);
        play_run(play.loop, 3 * USEC_PER_SEC);
        assert_int_equal(run.times, 1);
        assert_int_equal(run.code, EXIT_DIRECTORY);
        has(&run, "FAIL  umbrella       listing");
        play_run(play.loop, 2 * USEC_PER_HOUR);
        assert_int_equal(run.times, 1);
        assert_int_equal(play_directory.reads, 0);
        play_teardown(&play);
}

static void test_cancelled(void **state) {
        Play play;
        Run run;

        (void) state;
        play_setup(&play, 3, "", "");
        for (usec_t after = 0; after < 40 * USEC_PER_MSEC; after += USEC_PER_MSEC) {
                start(&play, &run);
                play_run(play.loop, after);
                run.check = check_free(run.check);
                play_run(play.loop, USEC_PER_MINUTE);
                assert_true(run.times <= 1);
        }
        /* Nothing of it hinders the daemon's own work. */
        play_start(&play);
        play_run(play.loop, 10 * USEC_PER_MINUTE);
        assert_int_equal(play_umbrella.n, 3);
        play_teardown(&play);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_leaves_nothing_behind),
                cmocka_unit_test(test_waits_for_its_turn),
                cmocka_unit_test(test_parked),
                cmocka_unit_test(test_gives_up),
                cmocka_unit_test(test_cancelled),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
