/* SPDX-License-Identifier: Apache-2.0 */
/* How long nobody calls: a target that refuses us, a key that was used too much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "play.h"

/* When the n-th call was made whose path has this part; from 1. */
static usec_t call_at(const char *part, size_t n) {
        const PlayCall *calls;
        size_t all;

        calls = play_calls(&all);
        for (size_t i = 0; i < all; i++)
                if (strstr(calls[i].path, part) && --n == 0)
                        return calls[i].at;
        fail_msg("not so many calls of %s", part);
        return 0;
}

/* A call that is due is made within two polls. */
static void assert_waited(usec_t from, usec_t to, usec_t wait) {
        assert_in_range(to - from, wait, wait + 2 * USEC_PER_SEC);
}

/* ---- refused credentials ---- */

static const usec_t hours[] = { USEC_PER_HOUR / 4, USEC_PER_HOUR / 2, USEC_PER_HOUR, 2 * USEC_PER_HOUR,
                                4 * USEC_PER_HOUR, 6 * USEC_PER_HOUR, 6 * USEC_PER_HOUR };

static void test_refused(void **state _unused_) {
        Play play;

        play_setup(&play, 1, "", "");
        play_umbrella.fail_all = 401;
        play_start(&play);
        play_run(play.loop, 2 * USEC_PER_DAY);
        for (size_t i = 0; i < ELEMENTSOF(hours); i++)
                assert_waited(call_at("/token", i + 1), call_at("/token", i + 2), hours[i]);
        /* Mended, and refused again another day: from the beginning. */
        play_umbrella.fail_all = 0;
        play_run(play.loop, USEC_PER_DAY);
        assert_true(play_umbrella_has("p0@example.com"));
        play_umbrella.fail_all = 401;
        play_forget_calls();
        play_run(play.loop, 3 * USEC_PER_HOUR);
        assert_waited(call_at("/token", 1), call_at("/token", 2), hours[0]);
        play_teardown(&play);
}

/* The token is there, and what is asked with it is refused: one new token each time, the same times. */
static void forbidden_api(const char *method, const char *url, const char *body, PlayAnswer *answer,
                          void *userdata) {
        play_umbrella_api(method, url, body, answer, userdata);
        if (strstr(url, "/users"))
                answer->status = 403;
}

static void test_forbidden(void **state _unused_) {
        Play play;

        play_setup(&play, 1, "", "");
        play_api(forbidden_api, NULL);
        play_start(&play);
        play_run(play.loop, 2 * USEC_PER_DAY);
        for (size_t i = 0; i < ELEMENTSOF(hours); i++) {
                usec_t last = call_at("/users", 2 * i + 2);

                assert_true(last - call_at("/users", 2 * i + 1) < USEC_PER_SEC);
                assert_waited(last, call_at("/users", 2 * i + 3), hours[i]);
        }
        play_teardown(&play);
}

/* ---- 429 ---- */

static PlayAnswer throttle;
static unsigned throttles;

static void throttling_api(const char *method, const char *url, const char *body, PlayAnswer *answer,
                           void *userdata) {
        if (throttles == 0 || strstr(url, "/token")) {
                play_umbrella_api(method, url, body, answer, userdata);
                return;
        }
        throttles--;
        *answer = throttle;
        answer->status = 429;
}

/* How long after a 429 with these words no call goes out, a restart or not. */
static void throttled(bool has_retry_after, usec_t retry_after, usec_t wait, bool restart) {
        Play play;
        size_t n;

        throttle = (PlayAnswer){ .has_retry_after = has_retry_after, .retry_after = retry_after };
        throttles = 1;
        play_setup(&play, 1, "", "");
        play_api(throttling_api, NULL);
        play_start(&play);
        play_run(play.loop, USEC_PER_SEC / 2);
        (void) play_calls(&n);
        assert_true(wait > 0 ? n == 2 : n > 2); /* a token, and what was refused */
        if (restart)
                play_restart(&play);
        play_run(play.loop, 2 * USEC_PER_HOUR);
        if (wait > 0)
                assert_waited(call_at("/roles", 1), call_at("/roles", 2), wait);
        assert_true(play_umbrella_has("p0@example.com"));
        play_teardown(&play);
}

static void test_throttled(void **state _unused_) {
        for (int restart = 0; restart < 2; restart++) {
                throttled(false, 0, USEC_PER_MINUTE, restart);
                throttled(true, 90 * USEC_PER_SEC, 90 * USEC_PER_SEC, restart);
                throttled(true, 10 * USEC_PER_DAY, USEC_PER_HOUR, restart);
                throttled(true, USEC_INFINITY, USEC_PER_HOUR, restart);
        }
        throttled(true, 0, 0, false);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_forbidden),
                cmocka_unit_test(test_throttled),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
