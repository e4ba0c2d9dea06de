/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/strings.h"
#include "net/json.h"

static int read_text(const char *text, struct json_object **ret, ErrCtx *err) {
        /* An exact copy, so that a byte too far is found. */
        size_t len = strlen(text);
        _cleanup_(freep) char *copy = malloc(len > 0 ? len : 1);

        memcpy(copy, text, len);
        return json_read(copy, len, ret, err);
}

static void test_good(void **state) {
        static const char *const good[] = {
                        "{}",
                        " [ ] \r\n\t",
                        "12",
                        "-0.5e+3",
                        "\"\"",
                        "true",
                        "false",
                        "\"a\\u00e9\\ud83d\\ude00é\"",
                        "{\"a\":\"\\u0000\",\"b\":1}",
                        "{\"a\\\\u0000\":1}",
                        "{\"a\":{\"b\":[1,2,{\"c\":null}]},\"b\":\":\\\":\"}",
                        "[\"NaN\",\"Infinity\"]",
                        "0",
                        "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                _cleanup_(json_object_putp) struct json_object *o = NULL;
                ErrCtx err = { 0 };

                if (read_text(good[i], &o, &err) != 0)
                        fail_msg("%s: %s", good[i], err.text);
                assert_non_null(o);
        }
}

static void test_null(void **state) {
        struct json_object *o = (struct json_object *) state;

        (void) state;
        assert_int_equal(read_text("null", &o, NULL), 0);
        assert_null(o);
}

static void test_bad(void **state) {
        static const char *const bad[] = {
                        "",
                        " ",
                        "{",
                        "[1",
                        "{\"a\":",
                        "\"a",
                        "tru",
                        "nul",
                        "-",
                        "1.",
                        "1e",
                        "[1,]",
                        "{\"a\":1,}",
                        "{'a':1}",
                        "{a:1}",
                        "[1] x",
                        "[1][2]",
                        "{}{}",
                        "1 2",
                        "NaN",
                        "[NaN]",
                        "Infinity",
                        "[-Infinity]",
                        "nan",
                        "TRUE",
                        "None",
                        "[1 /* no */]",
                        "// no\n1",
                        "[\"a\nb\"]",
                        "[\"\x01\"]",
                        "[\"\x80\"]",
                        "[\"\xc0\xaf\"]",
                        "[\"\xed\xa0\x80\"]",
                        "[\"\\x\"]",
                        "[\"\\u12\"]",
                        "{\"a\":1,\"a\":2}",
                        "{\"x\":[{\"a\":1,\"b\":2,\"a\":1}]}",
                        "[01]",
                        "[+1]",
                        "[0x10]",
                        "[1.]",
                        "[.5]",
                        "[-]",
                        "[1e+]",
                        "[-01]",
                        "[1.e1]",
                        "[00]",
                        "[1-2]",
                        "[1 2]",
                        "\xef\xbb\xbf{}",
                        "[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]",
                        "<html></html>",
                        "]",
                        ",",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                struct json_object *o = NULL;
                ErrCtx err = { 0 };

                if (read_text(bad[i], &o, &err) != -EBADMSG)
                        fail_msg("accepted: %s", bad[i]);
                assert_null(o);
                assert_true(strlen(err.text) > 10);
        }
        for (size_t i = 0; i < 3; i++) {
                static const char with_nul[] = "[1]\0[2]";
                struct json_object *o = NULL;

                assert_int_equal(json_read(with_nul, 4 + i, &o, NULL), -EBADMSG);
        }
}

/* The reason and the place, and nothing of the text, which may be a token. */
static void test_error_is_discreet(void **state) {
        struct json_object *o = NULL;
        ErrCtx err = { 0 };

        (void) state;
        assert_int_equal(read_text("{\"access_token\":\"hunter2\" ?}", &o, &err), -EBADMSG);
        assert_null(strstr(err.text, "hunter2"));
        assert_non_null(strstr(err.text, "at byte 26"));
}

static void test_strings(void **state) {
        _cleanup_(json_object_putp) struct json_object *o = NULL;
        const char *text = "untouched";
        ErrCtx err = { 0 };

        (void) state;
        assert_int_equal(read_text("{\"s\":\"x\",\"n\":null,\"i\":5,\"z\":\"a\\u0000b\",\"e\":\"\"}", &o,
                                   NULL),
                         0);
        assert_int_equal(json_get_string(o, "s", &text, &err), 0);
        assert_string_equal(text, "x");
        assert_int_equal(json_get_string(o, "n", &text, &err), 0);
        assert_null(text);
        assert_int_equal(json_get_string(o, "missing", &text, &err), 0);
        assert_null(text);
        assert_int_equal(json_get_string(o, "e", &text, &err), 0);
        assert_string_equal(text, "");
        assert_int_equal(json_get_string(o, "i", &text, &err), -EBADMSG);
        assert_non_null(strstr(err.text, "$.i"));
        assert_int_equal(json_get_string(o, "z", &text, &err), -EBADMSG);
        assert_non_null(strstr(err.text, "$.z"));
        assert_int_equal(json_get_string(NULL, "s", &text, &err), -EBADMSG);
}

static void test_numbers(void **state) {
        static const struct {
                const char *text;
                int r;
                uint64_t value;
        } cases[] = {
                { "7", 0, 7 },
                { "0", 0, 0 },
                { "\"7\"", 0, 7 },
                { "5000000000", 0, UINT64_C(5000000000) },
                { "9223372036854775807", 0, INT64_MAX },
                { "18446744073709551614", 0, UINT64_MAX - 1 },
                { "-1", -EBADMSG, 0 },
                { "123456789012345678901234567890", -EBADMSG, 0 },
                { "1.0", -EBADMSG, 0 },
                { "1e2", -EBADMSG, 0 },
                { "\"12x\"", -EBADMSG, 0 },
                { "\"\"", -EBADMSG, 0 },
                { "\" 1\"", -EBADMSG, 0 },
                { "\"1\\u0000\"", -EBADMSG, 0 },
                { "true", -EBADMSG, 0 },
                { "[1]", -EBADMSG, 0 },
        };
        uint64_t value = 42;
        bool found = true;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(json_object_putp) struct json_object *o = NULL;
                char text[100];

                value = 42;
                (void) snprintf(text, sizeof(text), "{\"id\":%s}", cases[i].text);
                assert_int_equal(read_text(text, &o, NULL), 0);
                if (json_get_u64(o, "id", &value, &found, NULL) != cases[i].r)
                        fail_msg("%s", text);
                assert_int_equal(found, cases[i].r == 0);
                assert_int_equal(value, cases[i].r == 0 ? cases[i].value : 42);
        }
        for (int i = 0; i < 2; i++) {
                _cleanup_(json_object_putp) struct json_object *o = NULL;

                found = true;
                assert_int_equal(read_text(i == 0 ? "{}" : "{\"id\":null}", &o, NULL), 0);
                assert_int_equal(json_get_u64(o, "id", &value, &found, NULL), 0);
                assert_false(found);
        }
}

static void test_bools(void **state) {
        _cleanup_(json_object_putp) struct json_object *o = NULL;
        bool value = false, found = false;
        ErrCtx err = { 0 };

        (void) state;
        assert_int_equal(read_text("{\"t\":true,\"f\":false,\"s\":\"true\",\"n\":null}", &o, NULL), 0);
        assert_int_equal(json_get_bool(o, "t", &value, &found, &err), 0);
        assert_true(value && found);
        assert_int_equal(json_get_bool(o, "f", &value, &found, &err), 0);
        assert_true(!value && found);
        assert_int_equal(json_get_bool(o, "n", &value, &found, &err), 0);
        assert_false(found);
        assert_int_equal(json_get_bool(o, "s", &value, &found, &err), -EBADMSG);
        assert_non_null(strstr(err.text, "$.s is of type string"));
}

static void test_error_text(void **state) {
        static const char *const cases[][2] = {
                        {"{\"message\":\"Unauthorized request\"}", "Unauthorized request"},
                        {"{\"error\":\"invalid_request\"}", "invalid_request"},
                        {"{\"error\":\"Bad Request\",\"message\":\"Email already in use\",\"code\":400}",
                         "Bad Request: Email already in use"},
                        {"{\"message\":\"error\",\"description\":\"the key is gone\"}",
                         "error: the key is gone"},
                        {"{\"error\":{\"code\":7,\"message\":\"deep\"}}", "deep"},
                        {"{\"errors\":[{\"title\":\"one\"},{\"title\":\"two\"},\"three\"]}",
                         "one: two: three"},
                        {"{\"message\":\"same\",\"description\":\"same\"}", "same"},
                        {"{\"message\":\"two\\nlines\\u0000 \\u001b[31m\\u0085\"}", "two lines [31m"},
                        {"\"just text\"", "just text"},
                        {"  API rate limit\r\n exceeded \n", "API rate limit exceeded"},
                        {"<html><head><title>502 Bad Gateway</title></head><body><h1>502</h1></body></html>",
                         "502 Bad Gateway"},
                        {"<h1>Not <b>there</b></h1>", "Not"},
                        {"<title>unfinished", "unfinished"},
                        {"<", ""},
                        {"<<<>", ""},
                        {"", ""},
                        {"{}", ""},
                        {"[]", ""},
                        {"null", ""},
                        {"{\"password\":\"hunter2\"}", ""},
                        {"{\"message\":", ""},
                        {"caf\xc3\xa9 \xff\xc3", "café ??"},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char buf[200];
                size_t len = strlen(cases[i][0]);
                _cleanup_(freep) char *copy = malloc(len + 1);

                memcpy(copy, cases[i][0], len);
                copy[len] = 'Z'; /* not to be looked at */
                assert_string_equal(json_error_text(copy, len, buf, sizeof(buf)), cases[i][1]);
        }
}

static void test_error_text_is_bounded(void **state) {
        char body[3000], buf[64];

        (void) state;
        for (size_t i = 0; i + 1 < sizeof(body); i += 2)
                memcpy(body + i, "é", 2);
        for (size_t size = 1; size <= sizeof(buf); size++) {
                const char *text = json_error_text(body, sizeof(body), buf, size);

                assert_true(strlen(text) < size);
                assert_true(strlen(text) + 2 >= size);
                assert_true(utf8_is_valid(text, strlen(text)));
        }
        assert_ptr_equal(json_error_text("x", 1, buf, 0), buf);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good),
                cmocka_unit_test(test_null),
                cmocka_unit_test(test_bad),
                cmocka_unit_test(test_error_is_discreet),
                cmocka_unit_test(test_strings),
                cmocka_unit_test(test_numbers),
                cmocka_unit_test(test_bools),
                cmocka_unit_test(test_error_text),
                cmocka_unit_test(test_error_text_is_bounded),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
