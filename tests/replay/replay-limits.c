/* SPDX-License-Identifier: Apache-2.0 */
/* Limits over many cycles: who disables people one by one is stopped like who does so at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "play.h"

#define LEAVE "leave = \"delete\"; leave_grace = \"0s\"; limits = { percent = 100; }; "
#define FAST "rate = { second = 100; minute = 6000; half_hour = 100000; }; "

/* Everybody has an account of ours, made by hand and adopted: no create counts against anything. */
static void setup(Play *play, size_t n, const char *target) {
        play_setup(play, n, target, "");
        for (size_t i = 0; i < n; i++) {
                snprintf(play_umbrella.emails[i], sizeof(play_umbrella.emails[i]), "p%zu@example.com", i);
                play_umbrella.ids[i] = ++play_umbrella.next_id;
        }
        play_umbrella.n = n;
        play->every = USEC_PER_SEC;
        play_start(play);
        play_run(play->loop, 5 * USEC_PER_SEC);
        assert_int_equal(play_umbrella.created + play_umbrella.deleted, 0);
}

static void disable(Play *play, size_t from, size_t to) {
        for (size_t i = from; i < to; i++) {
                play_directory.people[i].disabled = true;
                play_run(play->loop, USEC_PER_SEC);
        }
}

/* "": nothing is held. */
static void held(Play *play, size_t n, const char *reason) {
        _cleanup_(held_plan_freep) HeldPlan *plan = NULL;

        assert_int_equal(store_held_get(play->store, "umbrella", HELD_PLAN, &plan), 0);
        if (!*reason) {
                assert_null(plan);
                return;
        }
        assert_non_null(plan);
        assert_string_equal(plan->reason, reason);
        assert_int_equal(plan->n_actions, n);
}

#define OVER \
        "11 deletes (10 of them in the last 24 hours) are over targets[umbrella].limits.delete = 10"

static void test_disabled_one_by_one(void **state _unused_) {
        Play play;

        setup(&play, 200, LEAVE FAST);
        disable(&play, 0, 200);
        assert_int_equal(play_umbrella.deleted, 10);
        held(&play, 1, OVER);
        /* Nor is it let go by waiting until the first ten are a day old, and by starting anew. */
        play.every = 9 * USEC_PER_MINUTE;
        play_run(play.loop, USEC_PER_DAY + USEC_PER_HOUR);
        play_restart(&play);
        play_run(play.loop, USEC_PER_HOUR);
        assert_int_equal(play_umbrella.deleted, 10);
        held(&play, 1, OVER);
        play_teardown(&play);
}

/* At the published rates the removals come in bunches: never one too many. */
static void test_disabled_at_published_rates(void **state _unused_) {
        Play play;

        setup(&play, 60, LEAVE);
        play_umbrella.enforce = true;
        disable(&play, 0, 60);
        play_run(play.loop, 10 * USEC_PER_MINUTE);
        assert_in_range(play_umbrella.deleted, 1, 10);
        assert_int_equal(play_umbrella.refused, 0);
        play_teardown(&play);
}

/* What is within the limit of another day was over that of its own: a person decides. */
static void test_remainder_stays_held(void **state _unused_) {
        Play play;

        setup(&play, 30, LEAVE FAST);
        disable(&play, 0, 12);
        play.every = 9 * USEC_PER_MINUTE;
        play_run(play.loop, USEC_PER_DAY + USEC_PER_HOUR);
        assert_int_equal(play_umbrella.deleted, 10);
        held(&play, 1, OVER);
        /* Somebody comes back, others leave: what waited goes on waiting. */
        play_directory.people[10].disabled = false;
        play_run(play.loop, USEC_PER_HOUR);
        assert_int_equal(play_umbrella.deleted, 10);
        play_directory.people[12].disabled = true;
        play_run(play.loop, USEC_PER_DAY);
        assert_int_equal(play_umbrella.deleted, 10);
        play_teardown(&play);
}

/* Who leaves a day later is another matter: the limit is one of 24 hours. */
static void test_another_day(void **state _unused_) {
        Play play;

        setup(&play, 30, LEAVE FAST);
        disable(&play, 0, 10);
        held(&play, 0, "");
        play.every = 9 * USEC_PER_MINUTE;
        play_run(play.loop, USEC_PER_DAY + USEC_PER_HOUR);
        play_directory.people[10].disabled = true;
        play_run(play.loop, USEC_PER_HOUR);
        assert_int_equal(play_umbrella.deleted, 11);
        held(&play, 0, "");
        play_teardown(&play);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_disabled_one_by_one),
                cmocka_unit_test(test_disabled_at_published_rates),
                cmocka_unit_test(test_remainder_stays_held),
                cmocka_unit_test(test_another_day),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
