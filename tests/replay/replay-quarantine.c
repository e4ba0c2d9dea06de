/* SPDX-License-Identifier: Apache-2.0 */
/* A target that refuses too much: what is still tried, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "play.h"

#define TARGET "limits = { create = 1000; }; rate = { second = 100; minute = 6000; half_hour = 100000; };"

static unsigned refuse_every;           /* of the creates: 1: all, 2: every other, 0: none */
static unsigned n_tries;
static usec_t tried_at[1000];           /* since the start of the run */
static usec_t begun, slow;              /* slow: how long a create takes that works */

static void refusing_api(const char *method, const char *url, const char *body, PlayAnswer *answer,
                         void *userdata) {
        Loop *loop = play_umbrella.loop;

        if (!str_eq(method, "POST") || !strstr(url, "/users")) {
                play_umbrella_api(method, url, body, answer, userdata);
                return;
        }
        tried_at[n_tries++] = loop_now(loop) - begun;
        if (refuse_every == 0 || n_tries % refuse_every != 0) {
                play_umbrella_api(method, url, body, answer, userdata);
                answer->delay = slow > 0 ? slow : answer->delay;
                return;
        }
        answer->delay = 50 * USEC_PER_MSEC;
        answer->status = 422;
        snprintf(answer->body, sizeof(answer->body), "{\"message\":\"not like this\"}");
}

static void setup(Play *play, size_t n, unsigned every, const char *target) {
        char text[512];

        snprintf(text, sizeof(text), TARGET " %s", target);
        play_setup(play, n, text, "");
        play_api(refusing_api, NULL);
        refuse_every = every;
        slow = n_tries = 0;
        begun = loop_now(play->loop);
        play_start(play);
}

static Remote *remote(Play *play) {
        return engine_find_remote(play->engine, "umbrella");
}

static bool is_near(usec_t a, usec_t b) {
        return (a > b ? a - b : b - a) < 10 * USEC_PER_SEC;
}

/* ---- the cadence ---- */

static void test_ever_more_rarely(void **state _unused_) {
        static const unsigned minutes[] = { 15, 30, 60, 120, 240, 360, 360 };
        Play play;
        usec_t at;
        unsigned first;

        setup(&play, 60, 1, "");
        play_run(play.loop, 10 * USEC_PER_MINUTE);
        /* Twenty failed; those that were out beside the last of them had to end. */
        assert_in_range(n_tries, 20, 24);
        assert_int_equal(play_counts(&play).dead, n_tries);
        assert_true(remote_is_quarantined(remote(&play)));
        assert_int_equal(remote_state(remote(&play)), REMOTE_PARKED);
        assert_string_equal(remote_reason(remote(&play)),
                            "20 of the last 20 actions failed, more than quarantine.percent = 40 allows");
        first = n_tries;
        at = tried_at[19];
        play_run(play.loop, USEC_PER_DAY - 10 * USEC_PER_MINUTE);
        assert_int_equal(n_tries, first + ELEMENTSOF(minutes));
        for (size_t i = 0; i < ELEMENTSOF(minutes); i++) {
                at += minutes[i] * USEC_PER_MINUTE;
                assert_true(is_near(tried_at[first + i], at));
        }
        /* One success, and all the rest goes at once. */
        refuse_every = 0;
        play_run(play.loop, 6 * USEC_PER_HOUR + USEC_PER_MINUTE);
        assert_false(remote_is_quarantined(remote(&play)));
        assert_int_equal(remote_state(remote(&play)), REMOTE_OK);
        assert_int_equal(play_umbrella.n, 60 - first - ELEMENTSOF(minutes));
        play_teardown(&play);
}

/* Reading isn't writing. */
static void test_listings_go_on(void **state _unused_) {
        const PlayCall *calls;
        size_t n, lists = 0;
        Play play;

        setup(&play, 30, 1, "");
        play_run(play.loop, USEC_PER_HOUR);
        play_forget_calls();
        play_run(play.loop, USEC_PER_DAY);
        calls = play_calls(&n);
        for (size_t i = 0; i < n; i++)
                lists += str_eq(calls[i].method, "GET") && strstr(calls[i].path, "/users");
        assert_true(lists >= 40);
        assert_true(play_directory.reads >= 12 * 24);
        play_teardown(&play);
}

/* ---- what begins it ---- */

static void test_share(void **state _unused_) {
        Play play;

        /* A third of them is less than 40 %. */
        setup(&play, 60, 3, "");
        play_run(play.loop, USEC_PER_HOUR);
        assert_int_equal(n_tries, 60);
        play_teardown(&play);

        /* Half of them is more. What was out when it began tells nothing, though it succeeds. */
        setup(&play, 60, 2, "");
        slow = USEC_PER_SEC;
        play_run(play.loop, 10 * USEC_PER_MINUTE);
        assert_true(remote_is_quarantined(remote(&play)));
        assert_in_range(n_tries, 20, 26);
        play_teardown(&play);

        setup(&play, 60, 1, "quarantine = { percent = 100; };");
        play_run(play.loop, USEC_PER_HOUR);
        assert_int_equal(n_tries, 60);
        play_teardown(&play);

        /* A single one is too many, once there are enough of them. */
        setup(&play, 60, 10, "quarantine = { percent = 0; after = 10; }; concurrency = 1;");
        play_run(play.loop, 10 * USEC_PER_MINUTE);
        assert_int_equal(n_tries, 10);
        play_teardown(&play);

        setup(&play, 19, 1, "");
        play_run(play.loop, USEC_PER_DAY);
        assert_int_equal(n_tries, 19);
        assert_false(remote_is_quarantined(remote(&play)));
        play_teardown(&play);
}

/* An API that is down, or refuses the key, is another matter. */
static void test_down_is_no_failure(void **state _unused_) {
        Play play;

        setup(&play, 30, 0, "quarantine = { percent = 0; after = 1; };");
        play_umbrella.fail_posts = 503;
        play_run(play.loop, USEC_PER_DAY);
        assert_false(remote_is_quarantined(remote(&play)));
        play_umbrella.fail_posts = 0;
        play_run(play.loop, USEC_PER_HOUR);
        assert_int_equal(play_umbrella.n, 30);
        play_teardown(&play);
}

/* ---- what ends it ---- */

static void test_restart_is_no_way_out(void **state _unused_) {
        Play play;
        unsigned before;

        setup(&play, 60, 1, "");
        play_run(play.loop, 50 * USEC_PER_MINUTE);
        before = n_tries;
        for (int i = 0; i < 10; i++) {
                play_restart(&play);
                assert_true(remote_is_quarantined(remote(&play)));
                play_run(play.loop, 5 * USEC_PER_MINUTE);
        }
        assert_int_equal(n_tries, before);
        play_run(play.loop, 10 * USEC_PER_MINUTE);
        assert_int_equal(n_tries, before + 1);
        play_teardown(&play);
}

/* What ended before counts no more. */
static void test_resume(void **state _unused_) {
        Play play;

        setup(&play, 100, 1, "concurrency = 1;");
        play_run(play.loop, 10 * USEC_PER_MINUTE);
        assert_int_equal(n_tries, 20);
        remote_unpark(remote(&play));
        play_run(play.loop, 10 * USEC_PER_MINUTE);
        assert_int_equal(n_tries, 40);
        assert_true(remote_is_quarantined(remote(&play)));
        play_restart(&play);
        engine_retry_refused(play.engine);              /* as a reload does */
        play_run(play.loop, 10 * USEC_PER_MINUTE);
        assert_int_equal(n_tries, 60);
        assert_true(remote_is_quarantined(remote(&play)));
        /* That is remembered, too. */
        remote_unpark(remote(&play));
        play_restart(&play);
        play_run(play.loop, 10 * USEC_PER_MINUTE);
        assert_int_equal(n_tries, 80);
        play_teardown(&play);
}

/* A clock that is set back must not lengthen the wait. */
static void test_wall_clock_steps(void **state _unused_) {
        Play play;
        unsigned before;

        setup(&play, 60, 1, "");
        play_run(play.loop, USEC_PER_HOUR);
        before = n_tries;
        play_step_wall(play.loop, -400 * (int64_t) USEC_PER_DAY);
        play_run(play.loop, 7 * USEC_PER_HOUR);
        assert_true(n_tries > before);
        play_teardown(&play);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ever_more_rarely),
                cmocka_unit_test(test_listings_go_on),
                cmocka_unit_test(test_share),
                cmocka_unit_test(test_down_is_no_failure),
                cmocka_unit_test(test_restart_is_no_way_out),
                cmocka_unit_test(test_resume),
                cmocka_unit_test(test_wall_clock_steps),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
