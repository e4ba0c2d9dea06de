/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/strings.h"

static void test_compare(void **state) {
        (void) state;
        assert_true(str_eq(NULL, NULL));
        assert_false(str_eq(NULL, ""));
        assert_true(str_eq("a", "a"));
        assert_true(str_empty(NULL) && str_empty("") && !str_empty("a"));
        assert_int_equal(str_cmp(NULL, NULL), 0);
        assert_true(str_cmp(NULL, "") < 0 && str_cmp("", NULL) > 0 && str_cmp("a", "b") < 0);
        assert_true(str_starts_with("ldaps://h", "ldaps://"));
        assert_false(str_starts_with("ldap", "ldaps://"));
        assert_false(str_starts_with(NULL, "l"));
}

static void test_strbuf(void **state) {
        StrBuf b = STRBUF_INIT(1000);
        char *text;

        (void) state;
        text = strbuf_take(&b);
        assert_string_equal(text, "");
        free(text);
        strbuf_puts(&b, "one");
        strbuf_putc(&b, ',');
        strbuf_printf(&b, "%d-%s", 2, "two");
        strbuf_append(&b, "\0x", 2);
        assert_int_equal(b.len, 11);
        assert_memory_equal(b.data, "one,2-two\0x", 12);
        strbuf_reset(&b);
        assert_string_equal(b.data, "");
        for (int i = 0; i < 100; i++)
                strbuf_puts(&b, "0123456789");
        assert_int_equal(b.error, 0);
        assert_int_equal(b.len, 1000);
        text = strbuf_take(&b);
        assert_int_equal(strlen(text), 1000);
        free(text);
        assert_null(b.data);
        assert_int_equal(b.max, 1000);
        strbuf_deinit(&b);
}

static void test_strbuf_cap(void **state) {
        StrBuf b = STRBUF_INIT(8);

        (void) state;
        strbuf_puts(&b, "12345678");
        assert_int_equal(b.error, 0);
        strbuf_putc(&b, '9');
        assert_int_equal(b.error, -E2BIG);
        assert_string_equal(b.data, "12345678");
        strbuf_puts(&b, "");
        strbuf_printf(&b, "x");
        assert_int_equal(b.error, -E2BIG);
        assert_null(strbuf_take(&b));
        strbuf_reset(&b);
        strbuf_printf(&b, "%s", "ok");
        assert_string_equal(b.data, "ok");
        strbuf_deinit(&b);

        b = STRBUF_INIT(0);
        strbuf_putc(&b, 'x');
        assert_int_equal(b.error, -E2BIG);
        strbuf_deinit(&b);
}

static void test_strbuf_json(void **state) {
        StrBuf b = STRBUF_INIT(1000);

        (void) state;
        strbuf_json(&b, NULL);
        strbuf_json(&b, "a\"b\\c\n\t\x01/\x7f");
        strbuf_json(&b, "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80");
        strbuf_json(&b, "bad\xff\xc3");
        assert_string_equal(b.data,
                            "null\"a\\\"b\\\\c\\n\\t\\u0001/\x7f\"\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80\""
                            "\"bad\xef\xbf\xbd\xef\xbf\xbd\"");
        strbuf_deinit(&b);
}

static void test_strbuf_urlencode(void **state) {
        StrBuf b = STRBUF_INIT(1000);

        (void) state;
        strbuf_urlencode(&b, "aZ09-._~ /?#%+@\xc3\xbc");
        assert_string_equal(b.data, "aZ09-._~%20%2F%3F%23%25%2B%40%C3%BC");
        strbuf_deinit(&b);
}

static void test_parse_numbers(void **state) {
        uint64_t u = 7;
        int64_t i = 7;

        (void) state;
        assert_int_equal(parse_u64("0", &u), 0);
        assert_true(u == 0);
        assert_int_equal(parse_u64("18446744073709551615", &u), 0);
        assert_true(u == UINT64_MAX);
        u = 7;
        assert_int_equal(parse_u64("18446744073709551616", &u), -ERANGE);
        assert_int_equal(parse_u64("99999999999999999999x", &u), -EINVAL);
        assert_int_equal(parse_u64("", &u), -EINVAL);
        assert_int_equal(parse_u64(NULL, &u), -EINVAL);
        assert_int_equal(parse_u64("-1", &u), -EINVAL);
        assert_int_equal(parse_u64("+1", &u), -EINVAL);
        assert_int_equal(parse_u64(" 1", &u), -EINVAL);
        assert_int_equal(parse_u64("1 ", &u), -EINVAL);
        assert_true(u == 7);

        assert_int_equal(parse_i64("-9223372036854775808", &i), 0);
        assert_true(i == INT64_MIN);
        assert_int_equal(parse_i64("9223372036854775807", &i), 0);
        assert_true(i == INT64_MAX);
        i = 7;
        assert_int_equal(parse_i64("9223372036854775808", &i), -ERANGE);
        assert_int_equal(parse_i64("-9223372036854775809", &i), -ERANGE);
        assert_int_equal(parse_i64("--1", &i), -EINVAL);
        assert_int_equal(parse_i64("-", &i), -EINVAL);
        assert_int_equal(parse_i64(NULL, &i), -EINVAL);
        assert_true(i == 7);
}

static void test_utf8(void **state) {
        static const char *const good[] = {
                        "",
                        "plain",
                        "gr\xc3\xbc\xc3\x9f",
                        "\xe0\xa0\x80",
                        "\xed\x9f\xbf",
                        "\xee\x80\x80",
                        "\xf0\x90\x80\x80",
                        "\xf4\x8f\xbf\xbf",
        };
        static const char *const bad[] = {
                        "\x80",
                        "\xc3",
                        "\xc0\x80",
                        "\xc1\xbf",
                        "\xe0\x9f\x80",
                        "\xed\xa0\x80",
                        "\xf0\x8f\x80\x80",
                        "\xf4\x90\x80\x80",
                        "\xf5\x80\x80\x80",
                        "\xff",
                        "a\xe2\x82",
                        "\xe2\x28\xa1",
                        "\xe2\x82\x28",
                        "\xf0\x90\x28\x80",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_true(utf8_is_valid(good[i], strlen(good[i])));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(utf8_is_valid(bad[i], strlen(bad[i])));
        assert_false(utf8_is_valid("a\0b", 3));
        /* A sequence that the length cuts off. */
        assert_false(utf8_is_valid("\xc3\xbc", 1));
}

static void test_nearest_name(void **state) {
        static const char *const names[] = {"poll_interval", "full_interval", "filter",
                                            "leave",         "leave_grace",   "uris"};

        (void) state;
        assert_string_equal(nearest_name("pol_interval", names, ELEMENTSOF(names)), "poll_interval");
        assert_string_equal(nearest_name("Poll-Interval", names, ELEMENTSOF(names)), "poll_interval");
        assert_string_equal(nearest_name("pollInterval", names, ELEMENTSOF(names)), "poll_interval");
        assert_string_equal(nearest_name("fitler", names, ELEMENTSOF(names)), "filter");
        assert_string_equal(nearest_name("laeve", names, ELEMENTSOF(names)), "leave");
        assert_string_equal(nearest_name("uri", names, ELEMENTSOF(names)), "uris");
        assert_null(nearest_name("colour", names, ELEMENTSOF(names)));
        assert_null(nearest_name("x", names, ELEMENTSOF(names)));
        assert_null(nearest_name("", names, ELEMENTSOF(names)));
        assert_null(nearest_name(NULL, names, ELEMENTSOF(names)));
        assert_null(nearest_name("leave", names, 0));
        assert_null(nearest_name("poll_interval_poll_interval_poll_interval_poll_interval_poll_interval",
                                 names, 1));
}

static void test_printable(void **state) {
        char buf[32], small[6];

        (void) state;
        assert_string_equal(str_printable("plain \xc3\xbc", buf, sizeof(buf)), "plain \xc3\xbc");
        assert_string_equal(str_printable("a\nb\x1b\x7f\xff", buf, sizeof(buf)), "a\\x0ab\\x1b\\x7f\\xff");
        assert_string_equal(str_printable("\xc2\x9b", buf, sizeof(buf)), "\\xc2\\x9b");
        /* U+202E, U+2067, U+2028; and a neighbour that is only a dash */
        assert_string_equal(str_printable("\xe2\x80\xae", buf, sizeof(buf)), "\\xe2\\x80\\xae");
        assert_string_equal(str_printable("\xe2\x81\xa7", buf, sizeof(buf)), "\\xe2\\x81\\xa7");
        assert_string_equal(str_printable("\xe2\x80\xa8", buf, sizeof(buf)), "\\xe2\\x80\\xa8");
        assert_string_equal(str_printable("\xe2\x80\x93", buf, sizeof(buf)), "\xe2\x80\x93");
        assert_string_equal(str_printable("1234567", small, sizeof(small)), "12345");
        /* Neither an escape nor a character is cut in two. */
        assert_string_equal(str_printable("12\n", small, sizeof(small)), "12");
        assert_string_equal(str_printable("1234\xc3\xbc", small, sizeof(small)), "1234");
        assert_string_equal(str_printable("1\n", small, sizeof(small)), "1\\x0a");
        small[0] = 'x';
        (void) str_printable("abc", small, 0);
        assert_int_equal(small[0], 'x');
}

static void test_width(void **state) {
        (void) state;
        assert_int_equal(str_width(""), 0);
        assert_int_equal(str_width("S\xc3\xb8ren"), 5);
        assert_int_equal(str_width("\xe6\x9d\x8e\xe5\xb0\x8f"), 4); /* two ideographs, of two columns */
        assert_int_equal(str_width("e\xcc\x81"), 1);                 /* a combining accent */
}

static void test_hex(void **state) {
        char out[9];

        (void) state;
        hex_encode("\x00\x7f\xff\x10", 4, out);
        assert_string_equal(out, "007fff10");
        hex_encode("", 0, out);
        assert_string_equal(out, "");
}

static void test_exit_codes(void **state) {
        static const ExitCode order[] = {70, 2, 3, 7, 4, 5, 6, 1, 0};

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(order); i++)
                for (size_t j = i; j < ELEMENTSOF(order); j++) {
                        assert_int_equal(exit_code_worse(order[i], order[j]), order[i]);
                        assert_int_equal(exit_code_worse(order[j], order[i]), order[i]);
                }
}

static void test_err_set(void **state) {
        ErrCtx err = {0};
        char big[1000];

        (void) state;
        assert_int_equal(err_set(NULL, -EIO, 1, "x"), -EIO);
        assert_int_equal(err_set(&err, -EIO, 49, "bind: %s", "refused"), -EIO);
        assert_int_equal(err.code, 49);
        assert_string_equal(err.text, "bind: refused");
        memset(big, 'a', sizeof(big) - 1);
        big[sizeof(big) - 1] = 0;
        assert_int_equal(err_set(&err, 1, 0, "%s", big), 1);
        assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(test_compare),
                        cmocka_unit_test(test_strbuf),
                        cmocka_unit_test(test_strbuf_cap),
                        cmocka_unit_test(test_strbuf_json),
                        cmocka_unit_test(test_strbuf_urlencode),
                        cmocka_unit_test(test_parse_numbers),
                        cmocka_unit_test(test_utf8),
                        cmocka_unit_test(test_nearest_name),
                        cmocka_unit_test(test_printable),
                        cmocka_unit_test(test_width),
                        cmocka_unit_test(test_hex),
                        cmocka_unit_test(test_exit_codes),
                        cmocka_unit_test(test_err_set),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
