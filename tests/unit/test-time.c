/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/time.h"

static void test_saturation(void **state) {
        (void) state;
        assert_int_equal(usec_add(1, 2), 3);
        assert_true(usec_add(USEC_INFINITY, 1) == USEC_INFINITY);
        assert_true(usec_add(USEC_INFINITY - 1, 5) == USEC_INFINITY);
        assert_int_equal(usec_sub(5, 2), 3);
        assert_int_equal(usec_sub(2, 5), 0);
        assert_int_equal(usec_sub(2, USEC_INFINITY), 0);
        assert_true(usec_sub(USEC_INFINITY, 5) == USEC_INFINITY);
}

static void test_usec_parse(void **state) {
        static const struct {
                const char *text;
                usec_t usec;
        } good[] = {
                        {"0s", 0},
                        {"90s", 90 * USEC_PER_SEC},
                        {"90sec", 90 * USEC_PER_SEC},
                        {"5min", 5 * USEC_PER_MINUTE},
                        {"5 min", 5 * USEC_PER_MINUTE},
                        {"1h 30min", 90 * USEC_PER_MINUTE},
                        {"1h30min", 90 * USEC_PER_MINUTE},
                        {" 2h ", 2 * USEC_PER_HOUR},
                        {"7d", 7 * USEC_PER_DAY},
                        {"2w", 14 * USEC_PER_DAY},
                        {"250ms", 250 * USEC_PER_MSEC},
                        {"17us", 17},
                        {"400d", 400 * USEC_PER_DAY},
                        {"18446744073709551614us", USEC_INFINITY - 1},
        };
        static const char *const bad[] = {
                        "",
                        " ",
                        "5",
                        "min",
                        "-5s",
                        "+5s",
                        "1.5s",
                        "5minutes",
                        "5M",
                        "5S",
                        "5s,",
                        "5s 3",
                        "s5",
                        "infinity",
                        "0x5s",
                        "18446744073709551615us",
                        "18446744073709551616us",
                        "99999999999999999999999d",
                        "1us 1w1w 999999999999d",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                usec_t usec = 77;

                assert_int_equal(usec_parse(good[i].text, &usec), 0);
                assert_true(usec == good[i].usec);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                usec_t usec = 77;

                if (usec_parse(bad[i], &usec) != -EINVAL)
                        fail_msg("\"%s\" was accepted", bad[i]);
                assert_true(usec == 77);
        }
        assert_int_equal(usec_parse(NULL, &(usec_t){0}), -EINVAL);
}

static void test_size_parse(void **state) {
        static const struct {
                const char *text;
                uint64_t size;
        } good[] = {
                        {"64MiB", UINT64_C(64) << 20},  {"4KiB", 4096}, {"1GiB", UINT64_C(1) << 30},
                        {"2TiB", UINT64_C(2) << 40},    {"512B", 512},  {"0B", 0},
                        {"64 MiB", UINT64_C(64) << 20},
        };
        static const char *const bad[] = {
                        "",
                        "64",
                        "64M",
                        "64MB",
                        "64mib",
                        "MiB",
                        "-1B",
                        "1.5GiB",
                        "1MiB 1KiB",
                        "18446744073709551616B",
                        "16777216TiB",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                uint64_t size = 77;

                assert_int_equal(size_parse(good[i].text, &size), 0);
                assert_true(size == good[i].size);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                uint64_t size = 77;

                if (size_parse(bad[i], &size) != -EINVAL)
                        fail_msg("\"%s\" was accepted", bad[i]);
                assert_true(size == 77);
        }
        assert_int_equal(size_parse(NULL, &(uint64_t){0}), -EINVAL);
}

static void test_usec_format(void **state) {
        static const struct {
                usec_t usec;
                const char *text;
        } rows[] = {
                        {0, "0s"},
                        {17, "17us"},
                        {250 * USEC_PER_MSEC, "250ms"},
                        {1500, "1.5ms"},
                        {2500 * USEC_PER_MSEC, "2.5s"},
                        {59 * USEC_PER_SEC, "59s"},
                        {90 * USEC_PER_MINUTE, "1h 30min"},
                        {61 * USEC_PER_SEC + 5, "1min 1s"},
                        {8 * USEC_PER_DAY, "8d"},
                        {USEC_INFINITY, "infinity"},
        };
        char buf[USEC_FORMAT_MAX];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                assert_string_equal(usec_format(rows[i].usec, buf), rows[i].text);
        /* The longest there is fits. */
        assert_string_equal(usec_format(USEC_INFINITY - 1, buf), "213503982d 8h 1min 49s");
}

static void test_usec_format_wall(void **state) {
        char buf[USEC_FORMAT_MAX];

        (void) state;
        assert_string_equal(usec_format_wall(0, buf), "1970-01-01T00:00:00Z");
        assert_string_equal(usec_format_wall(UINT64_C(1772366400) * USEC_PER_SEC + 999999, buf),
                            "2026-03-01T12:00:00Z");
        assert_string_equal(usec_format_wall(USEC_INFINITY, buf), "never");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(test_saturation),       cmocka_unit_test(test_usec_parse),
                        cmocka_unit_test(test_size_parse),       cmocka_unit_test(test_usec_format),
                        cmocka_unit_test(test_usec_format_wall),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
