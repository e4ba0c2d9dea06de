/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "net/pace.h"

#define T0 (UINT64_C(1800000000) * USEC_PER_SEC)
#define SEC USEC_PER_SEC

/* The published limits of the admin API. */
static const PaceLimit published[] = {
        { USEC_PER_SEC, 5 },
        { USEC_PER_MINUTE, 14 },
        { 30 * USEC_PER_MINUTE, 350 },
};

static Pace *make(const PaceLimit *limits, size_t n) {
        Pace *pace = NULL;

        assert_int_equal(pace_new(limits, n, &pace), 0);
        return pace;
}

/* How many calls are free at once, at most `most`. */
static uint64_t left(Pace *pace, uint64_t most, usec_t wall) {
        while (most > 0 && pace_next(pace, most, wall) > wall)
                most--;
        return most;
}

static void test_windows(void **state) {
        _cleanup_(pace_freep) Pace *pace = make(published, 3), *minute = make(published + 1, 1);

        (void) state;
        assert_true(pace_next(pace, 1, T0) <= T0);
        assert_true(pace_next(pace, 5, T0) <= T0);
        assert_int_equal(pace_next(pace, 6, T0), USEC_INFINITY);
        for (int i = 0; i < 5; i++)
                assert_int_equal(pace_record(pace, T0 + (usec_t) i * 1000), 0);
        assert_int_equal(left(pace, 5, T0 + 5000), 0);
        for (int i = 0; i < 5; i++)
                assert_int_equal(pace_record(minute, T0 + (usec_t) i * 1000), 0);
        assert_int_equal(left(minute, 14, T0 + 5000), 9);
        /* The margin goes on top of the window. */
        assert_int_equal(pace_next(pace, 1, T0 + 5000), T0 + SEC + PACE_MARGIN);
        assert_int_equal(pace_next(pace, 2, T0 + 5000), T0 + 1000 + SEC + PACE_MARGIN);
        assert_int_equal(pace_next(pace, 5, T0 + 5000), T0 + 4000 + SEC + PACE_MARGIN);
        assert_int_equal(left(pace, 5, T0 + SEC + PACE_MARGIN), 1);
        assert_int_equal(left(pace, 5, T0 + SEC + PACE_MARGIN - 1), 0);
        assert_int_equal(pace_longest(pace), 30 * USEC_PER_MINUTE + PACE_MARGIN);
}

static void test_minute_after_second(void **state) {
        _cleanup_(pace_freep) Pace *pace = make(published, 3);
        usec_t now = T0;

        (void) state;
        for (int i = 0; i < 14; i++) {
                usec_t next = pace_next(pace, 1, now);

                now = next > now ? next : now;
                assert_int_equal(pace_record(pace, now), 0);
        }
        assert_in_range(now, T0 + 2 * SEC, T0 + 3 * SEC);
        assert_int_equal(pace_next(pace, 1, now), T0 + USEC_PER_MINUTE + PACE_MARGIN);
}

static void test_no_limits(void **state) {
        static const PaceLimit none[] = { { USEC_PER_SEC, 0 } };
        _cleanup_(pace_freep) Pace *pace = make(none, 1), *empty = make(NULL, 0);
        PaceLimit five[5] = { { 1, 1 } };
        Pace *refused = NULL;

        (void) state;
        for (int i = 0; i < 1000; i++)
                assert_int_equal(pace_record(pace, T0), 0);
        assert_true(pace_next(pace, 1000000, T0) <= T0);
        assert_int_equal(pace_longest(pace), 0);
        assert_true(pace_next(empty, 1, T0) <= T0);
        pace_hint(empty, USEC_PER_SEC, 0, T0);
        assert_int_equal(pace_new(five, 5, &refused), -EINVAL);
        assert_null(pace_free(NULL));
}

static void test_any_order(void **state) {
        _cleanup_(pace_freep) Pace *a = make(published, 3), *b = make(published, 3);

        (void) state;
        for (int i = 0; i < 600; i++) {
                assert_int_equal(pace_record(a, T0 + (usec_t) (i * 7919 % 600) * SEC), 0);
                assert_int_equal(pace_record(b, T0 + (usec_t) i * SEC), 0);
        }
        for (unsigned n = 1; n <= 5; n++)
                for (int i = 600; i < 3000; i += 7)
                        assert_int_equal(pace_next(a, n, T0 + (usec_t) i * SEC),
                                         pace_next(b, n, T0 + (usec_t) i * SEC));
}

/* Set back by a day: what was recorded waits for its windows once, not for a day. */
static void test_clock_set_back(void **state) {
        _cleanup_(pace_freep) Pace *pace = make(published, 3);
        usec_t now = T0 - USEC_PER_DAY;

        (void) state;
        for (int i = 0; i < 14; i++)
                assert_int_equal(pace_record(pace, T0 + (usec_t) i), 0);
        pace_hint(pace, 30 * USEC_PER_MINUTE, 0, T0 + 14);
        assert_int_equal(pace_next(pace, 1, now), now + 30 * USEC_PER_MINUTE + PACE_MARGIN);
        now += 10 * USEC_PER_MINUTE;
        assert_int_equal(pace_next(pace, 1, now), now + 20 * USEC_PER_MINUTE + PACE_MARGIN);
        now += 20 * USEC_PER_MINUTE + PACE_MARGIN;
        assert_true(pace_next(pace, 1, now) <= now);
        assert_int_equal(pace_record(pace, now), 0);
        assert_int_equal(left(pace, 5, now), 4);
}

static void test_hint(void **state) {
        _cleanup_(pace_freep) Pace *pace = make(published + 1, 2);

        (void) state;
        assert_int_equal(pace_record(pace, T0), 0);
        /* More than we think is left is no news. */
        pace_hint(pace, USEC_PER_MINUTE, 14, T0);
        assert_int_equal(left(pace, 14, T0), 13);
        /* Somebody else used ten calls. */
        pace_hint(pace, USEC_PER_MINUTE, 3, T0 + SEC);
        assert_int_equal(left(pace, 14, T0 + SEC), 3);
        assert_true(pace_next(pace, 3, T0 + SEC) <= T0 + SEC);
        /* A fourth fits when our own one leaves; a fifth when the others' do. */
        assert_int_equal(pace_next(pace, 4, T0 + SEC), T0 + USEC_PER_MINUTE + PACE_MARGIN);
        assert_int_equal(pace_next(pace, 5, T0 + SEC), T0 + SEC + USEC_PER_MINUTE + PACE_MARGIN);
        /* A milder answer that was overtaken changes nothing at first, */
        pace_hint(pace, USEC_PER_MINUTE, 13, T0 + SEC + 1);
        assert_int_equal(left(pace, 14, T0 + SEC + 1), 3);
        /* but a later one is believed. */
        pace_hint(pace, USEC_PER_MINUTE, 13, T0 + 5 * SEC);
        assert_int_equal(left(pace, 14, T0 + 5 * SEC), 13);
        /* Nothing left: until the window has passed. */
        pace_hint(pace, USEC_PER_MINUTE, 0, T0 + 6 * SEC);
        assert_int_equal(left(pace, 14, T0 + 6 * SEC), 0);
        assert_int_equal(pace_next(pace, 1, T0 + 6 * SEC), T0 + USEC_PER_MINUTE + PACE_MARGIN);
        assert_int_equal(pace_next(pace, 2, T0 + 6 * SEC), T0 + 66 * SEC + PACE_MARGIN);
        assert_int_equal(left(pace, 14, T0 + 66 * SEC + PACE_MARGIN), 14);
        pace_hint(pace, USEC_PER_MINUTE, UINT64_MAX - 3, T0 + 70 * SEC);
        pace_hint(pace, 12345, 0, T0);
        assert_true(pace_next(pace, 5, T0 + 70 * SEC) <= T0 + 70 * SEC);
}

/* A backlog that is always ready: the limits are never broken by an exact count, and hardly a call is given
 * away. */
static void test_backlog(void **state) {
        _cleanup_(pace_freep) Pace *pace = make(published, 3);
        static usec_t calls[20000];
        size_t n = 0;
        usec_t now = T0, end = T0 + 6 * USEC_PER_HOUR;

        (void) state;
        while (now < end) {
                usec_t next = pace_next(pace, 1, now);

                if (next > now) {
                        now = next;
                        continue;
                }
                calls[n++] = now;
                assert_int_equal(pace_record(pace, now), 0);
                now += 20 * USEC_PER_MSEC;
        }
        for (size_t i = 0; i < n; i++)
                for (size_t k = 0; k < 3; k++)
                        if (i >= published[k].calls)
                                assert_true(calls[i] - calls[i - published[k].calls] >= published[k].window);
        assert_true(n >= 12 * 350 * 98 / 100);
        assert_true(n <= 12 * 350 + 14);
}

/* Against the plain definition, for random calls and questions. */
static void test_against_definition(void **state) {
        static const PaceLimit limits[] = { { 10, 3 }, { 50, 7 } };
        unsigned long long seed = 1;
        usec_t calls[4000];
        size_t n = 0;

        (void) state;
        _cleanup_(pace_freep) Pace *pace = make(limits, 2);
        for (usec_t now = T0; now < T0 + 3000 * PACE_MARGIN; now += PACE_MARGIN / 7) {
                usec_t expected = now;
                bool fits;

                seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
                do {
                        fits = true;
                        for (size_t k = 0; k < 2; k++) {
                                size_t used = 0;
                                usec_t oldest = 0;

                                for (size_t i = n;
                                     i-- > 0 && calls[i] + limits[k].window + PACE_MARGIN > expected;) {
                                        used++;
                                        oldest = calls[i];
                                }
                                if (used + 2 > limits[k].calls) {
                                        fits = false;
                                        expected = oldest + limits[k].window + PACE_MARGIN;
                                }
                        }
                } while (!fits);
                if (pace_next(pace, 2, now) > now)
                        assert_int_equal(pace_next(pace, 2, now), expected);
                else
                        assert_int_equal(expected, now);
                if (seed >> 62 == 0 && n < 4000) {
                        calls[n++] = now;
                        assert_int_equal(pace_record(pace, now), 0);
                }
        }
        assert_true(n > 1000);
}

/* Against playing it: exact while the windows fill, and near enough after that. */
static void test_estimate(void **state) {
        _cleanup_(pace_freep) Pace *pace = make(published, 3), *none = make(NULL, 0);
        usec_t of_600 = 0, of_3000 = 0, now = T0;

        (void) state;
        for (size_t i = 0; i < 20; i++)
                assert_int_equal(pace_record(pace, now), 0);
        assert_int_equal(pace_estimate(pace, 0, now), now);
        for (size_t i = 1; i <= 3000; i++) {
                usec_t next = pace_next(pace, 1, now);

                if (i == 1) {
                        assert_int_equal(pace_estimate(pace, 1, now), next);
                        of_600 = pace_estimate(pace, 600, now);
                        of_3000 = pace_estimate(pace, 3000, now);
                }
                now = next > now ? next : now;
                assert_int_equal(pace_record(pace, now), 0);
                if (i == 600)
                        assert_int_equal(of_600, now);
        }
        assert_true(of_3000 > now - (now - T0) / 20 && of_3000 < now + (now - T0) / 20);
        assert_int_equal(pace_estimate(none, 1000000, T0), T0);
}

static void test_many(void **state) {
        static const PaceLimit wide[] = { { 30 * USEC_PER_MINUTE, 1800000 } };
        _cleanup_(pace_freep) Pace *pace = make(wide, 1);

        (void) state;
        for (usec_t i = 0; i < 300000; i++) {
                assert_int_equal(pace_record(pace, T0 + i * 1200), 0);
                (void) pace_next(pace, 1, T0 + i * 1200);
        }
        assert_true(pace_next(pace, 1500000, T0 + 300000 * 1200) <= T0 + 300000 * 1200);
        assert_true(pace_next(pace, 1500001, T0 + 300000 * 1200) > T0 + 300000 * 1200);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_windows),
                cmocka_unit_test(test_minute_after_second),
                cmocka_unit_test(test_no_limits),
                cmocka_unit_test(test_any_order),
                cmocka_unit_test(test_clock_set_back),
                cmocka_unit_test(test_hint),
                cmocka_unit_test(test_backlog),
                cmocka_unit_test(test_against_definition),
                cmocka_unit_test(test_estimate),
                cmocka_unit_test(test_many),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
