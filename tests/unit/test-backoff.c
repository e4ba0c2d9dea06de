/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "net/backoff.h"

static void assert_between(unsigned n, usec_t first, usec_t cap, usec_t low, usec_t high) {
        usec_t least = USEC_INFINITY, most = 0;

        for (uint64_t i = 0; i < 10000; i++) {
                usec_t span = backoff_span(n, first, cap, i * UINT64_C(0x9e3779b97f4a7c15));

                least = span < least ? span : least;
                most = span > most ? span : most;
        }
        assert_in_range(least, low, low + (high - low) / 10);
        assert_in_range(most, high - (high - low) / 10, high);
}

static void test_doubling(void **state) {
        (void) state;
        assert_int_equal(backoff_span(0, USEC_PER_SEC, USEC_PER_HOUR, 17), 0);
        assert_between(1, USEC_PER_SEC, 15 * USEC_PER_MINUTE, USEC_PER_SEC / 2, USEC_PER_SEC);
        assert_between(2, USEC_PER_SEC, 15 * USEC_PER_MINUTE, USEC_PER_SEC, 2 * USEC_PER_SEC);
        assert_between(5, USEC_PER_SEC, 15 * USEC_PER_MINUTE, 8 * USEC_PER_SEC, 16 * USEC_PER_SEC);
}

static void test_cap(void **state) {
        (void) state;
        assert_between(11, USEC_PER_SEC, 15 * USEC_PER_MINUTE, 450 * USEC_PER_SEC, 900 * USEC_PER_SEC);
        assert_between(4000000000u, USEC_PER_SEC, 15 * USEC_PER_MINUTE, 450 * USEC_PER_SEC,
                       900 * USEC_PER_SEC);
        assert_between(3, USEC_PER_HOUR, USEC_PER_MINUTE, 30 * USEC_PER_SEC, 60 * USEC_PER_SEC);
        /* No overflow on the way to an enormous cap. */
        assert_true(backoff_span(100, 1, USEC_INFINITY, 1) >= USEC_INFINITY / 2);
}

static void test_degenerate(void **state) {
        (void) state;
        assert_int_equal(backoff_span(3, 0, USEC_PER_SEC, 5), 0);
        assert_int_equal(backoff_span(3, USEC_PER_SEC, 0, 5), 0);
        assert_int_equal(backoff_span(1, 1, 1, 12345), 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_doubling),
                cmocka_unit_test(test_cap),
                cmocka_unit_test(test_degenerate),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
