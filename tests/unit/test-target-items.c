/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/strings.h"
#include "target/items.h"

static int on_item(struct json_object *item, void *userdata, ErrCtx *err) {
        StrBuf *seen = userdata;

        if (json_object_is_type(item, json_type_string) && str_eq(json_object_get_string(item), "refused"))
                return err_set(err, -EBADMSG, 0, "$.name is refused");
        if (json_object_is_type(item, json_type_string) && str_eq(json_object_get_string(item), "bad"))
                return err_set(err, -EBADMSG, 0, "bad");
        if (json_object_is_type(item, json_type_string) && str_eq(json_object_get_string(item), "full"))
                return -ENOMEM;
        strbuf_puts(seen, item ? json_object_to_json_string_ext(item, JSON_C_TO_STRING_PLAIN) : "null");
        strbuf_putc(seen, ';');
        return 0;
}

static void check(const char *text, int expected, const char *seen, size_t n, bool wrapped,
                  const char *error) {
        StrBuf b = STRBUF_INIT(1000);
        ItemsInfo info = { 99, false };
        ErrCtx err = { 0 };

        assert_int_equal(items_each(text, strlen(text), on_item, &b, &info, &err), expected);
        if (seen)
                assert_string_equal(b.data ? b.data : "", seen);
        if (expected == 0) {
                assert_int_equal(info.n, n);
                assert_int_equal(info.wrapped, wrapped);
        } else
                assert_int_equal(info.n, 99);
        if (error && !strstr(err.text, error))
                fail_msg("\"%s\" isn't in \"%s\"", error, err.text);
        strbuf_deinit(&b);
}

static void test_arrays(void **state) {
        (void) state;
        check("[]", 0, "", 0, false, NULL);
        check(" \r\n[ \t] \n", 0, "", 0, false, NULL);
        check("[1]", 0, "1;", 1, false, NULL);
        check("[1, \"a,]\\\"[{\" ,null,{\"b\":[1,{\"c\":\"}\"}]}, [ ] ]", 0,
              "1;\"a,]\\\"[{\";null;{\"b\":[1,{\"c\":\"}\"}]};[];", 5, false, NULL);
        check("[\"\\\\\",2]", 0, "\"\\\\\";2;", 2, false, NULL);
}

static void test_broken_arrays(void **state) {
        (void) state;
        check("", -EBADMSG, "", 0, false, "empty answer");
        check(" \n", -EBADMSG, "", 0, false, "empty answer");
        check("[", -EBADMSG, "", 0, false, "$[0]");
        check("[1,2", -EBADMSG, "1;", 0, false, "$[1]");
        check("[1,]", -EBADMSG, "1;", 0, false, "$[1]");
        check("[,1]", -EBADMSG, "", 0, false, "$[0]");
        check("[1 2]", -EBADMSG, "", 0, false, "$[0]");
        check("[1][2]", -EBADMSG, "1;", 0, false, "follows");
        check("[1],", -EBADMSG, "1;", 0, false, "follows");
        check("[{\"a\":1]", -EBADMSG, "", 0, false, "$[0]");
        check("[{]}]", -EBADMSG, "", 0, false, "$[0]");
        check("[}", -EBADMSG, "", 0, false, "$[0]");
        check("[\"a", -EBADMSG, "", 0, false, "$[0]");
        check("[\"a\\", -EBADMSG, "", 0, false, "$[0]");
        check("[{'a':1}]", -EBADMSG, "", 0, false, "$[0]");
        check("[{\"a\":1,\"a\":2}]", -EBADMSG, "", 0, false, "$[0]");
        check("null", -EBADMSG, "", 0, false, "no array");
        check("\"text\"", -EBADMSG, "", 0, false, "no array");
        check("<html>", -EBADMSG, "", 0, false, "no array");
}

static void test_places(void **state) {
        (void) state;
        check("[1,2,\"refused\",3]", -EBADMSG, "1;2;", 0, false, "$[2].name is refused");
        check("[1,\"bad\"]", -EBADMSG, "1;", 0, false, "$[1]: bad");
        check("{\"a\":[1,\"bad\"]}", -EBADMSG, "1;", 0, false, "$[1]: bad");
        check("[1,\"full\"]", -ENOMEM, "1;", 0, false, NULL);
        check("{\"a\":[\"full\"]}", -ENOMEM, "", 0, false, NULL);
        /* Nobody has to take the words. */
        assert_int_equal(items_each("[\"bad\"]", 7, on_item, NULL, &(ItemsInfo){ 0 }, NULL), -EBADMSG);
}

static void test_wrapped(void **state) {
        (void) state;
        check("{\"total\":2,\"users\":[1,2]}", 0, "1;2;", 2, true, NULL);
        check("{\"errors\":[]}", 0, "", 0, true, NULL);
        check("{\"a\":[1],\"b\":[2]}", -EBADMSG, "", 0, false, "several arrays");
        check("{\"message\":\"hello\"}", -EBADMSG, "", 0, false, "instead of an array");
        check("{\"a\":{\"b\":[1]}}", -EBADMSG, "", 0, false, "instead of an array");
        check("{\"a\":[1]} x", -EBADMSG, "", 0, false, NULL);
        check("{", -EBADMSG, "", 0, false, NULL);
}

static void test_wrapped_too_large(void **state) {
        size_t len = ITEMS_WRAPPED_MAX + 1;
        char *text = malloc(len + 1);
        ErrCtx err = { 0 };
        ItemsInfo info;

        (void) state;
        assert_non_null(text);
        memset(text, ' ', len);
        memcpy(text, "{\"a\":[]}", 8);
        text[len] = 0;
        assert_int_equal(items_each(text, len, on_item, NULL, &info, &err), -EBADMSG);
        assert_non_null(strstr(err.text, "bytes instead of an array"));
        assert_int_equal(items_each(text, len - 1, on_item, NULL, &info, &err), 0);
        free(text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_arrays),  cmocka_unit_test(test_broken_arrays),
                cmocka_unit_test(test_places),  cmocka_unit_test(test_wrapped),
                cmocka_unit_test(test_wrapped_too_large),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
