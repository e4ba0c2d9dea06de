/* SPDX-License-Identifier: Apache-2.0 */
/* Each text whole, cut at every place, and byte by byte: the same elements, or the same failure. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/strings.h"
#include "target/items-stream.h"

static int on_item(struct json_object *item, void *userdata, ErrCtx *err) {
        StrBuf *seen = userdata;
        const char *text = json_object_is_type(item, json_type_string) ? json_object_get_string(item) : "";

        if (str_eq(text, "refused"))
                return err_set(err, -EBADMSG, 0, "$.name is refused");
        if (str_eq(text, "full"))
                return -ENOMEM;
        strbuf_puts(seen, item ? json_object_to_json_string_ext(item, JSON_C_TO_STRING_PLAIN) : "null");
        strbuf_putc(seen, ';');
        return 0;
}

typedef struct Case {
        const char *text;
        int r;
        const char *seen, *error;
        size_t n;
        bool wrapped;
} Case;

/* cut 0: byte by byte. */
static void check(const Case *c, size_t len, size_t cut) {
        _cleanup_(items_stream_freep) ItemsStream *s = items_stream_new(on_item);
        StrBuf seen = STRBUF_INIT(200000);
        ItemsInfo info = { 99, false };
        ErrCtx err = { 0 };

        assert_non_null(s);
        if (cut == 0)
                for (size_t i = 0; i < len; i++)
                        items_stream_feed(s, c->text + i, 1, &seen);
        else {
                items_stream_feed(s, c->text, cut, &seen);
                items_stream_feed(s, c->text + cut, len - cut, &seen);
        }
        if (items_stream_end(s, &info, &err) != c->r)
                fail_msg("\"%s\" cut at %zu: %s", c->text, cut, err.text);
        if (c->seen)
                assert_string_equal(seen.data ? seen.data : "", c->seen);
        if (c->r == 0) {
                assert_int_equal(info.n, c->n);
                assert_int_equal(info.wrapped, c->wrapped);
        }
        if (c->error && !strstr(err.text, c->error))
                fail_msg("\"%s\" cut at %zu: \"%s\" isn't in \"%s\"", c->text, cut, c->error, err.text);
        strbuf_deinit(&seen);
}

static const Case cases[] = {
        { "[]", 0, "", NULL, 0, false },
        { " \r\n[ \t] \n", 0, "", NULL, 0, false },
        { "[1]", 0, "1;", NULL, 1, false },
        { "[1, \"a,]\\\"[{\" ,null,{\"b\":[1,{\"c\":\"}\"}]}, [ ] , -1.5e3,true,false ]", 0,
          "1;\"a,]\\\"[{\";null;{\"b\":[1,{\"c\":\"}\"}]};[];-1.5e3;true;false;", NULL, 8, false },
        { "[\"\\\\\",2]", 0, "\"\\\\\";2;", NULL, 2, false },
        { "[\"Zo\xc3\xab\",\"\xe2\x82\xac\",\"\xf0\x9f\x98\x80\"]", 0, NULL, NULL, 3, false },
        { "{\"users\":[{\"a\":1},2]}", 0, "{\"a\":1};2;", NULL, 2, true },
        { " { \"count\" : 2 , \"page\":{\"of\":[1]},\"s\":\"]}\", \"users\" : [ 1 , 2 ] , \"more\":false } ",
          0,
          "1;2;", NULL, 2, true },
        { "{\"errors\":[]}", 0, "", NULL, 0, true },

        { "", -EBADMSG, "", "empty answer", 0, false },
        { " \n", -EBADMSG, "", "empty answer", 0, false },
        { "[", -EBADMSG, "", "isn't ended", 0, false },
        { "[1", -EBADMSG, "", "isn't ended", 0, false },
        { "[1,2", -EBADMSG, "1;", "$[1]", 0, false },
        { "[1,2,", -EBADMSG, "1;2;", "isn't ended", 0, false },
        { "[1,]", -EBADMSG, "1;", "$[1]: an element was expected", 0, false },
        { "[,1]", -EBADMSG, "", "expected", 0, false },
        { "[1 2]", -EBADMSG, "1;", "',' or ']'", 0, false },
        { "[1}", -EBADMSG, "1;", "',' or ']'", 0, false },
        { "[{]", -EBADMSG, "", "$[0]", 0, false },
        { "[01]", -EBADMSG, "", "$[0]", 0, false },
        { "[nul]", -EBADMSG, "", "$[0]", 0, false },
        { "[NaN]", -EBADMSG, "", "expected", 0, false },
        { "['a']", -EBADMSG, "", "expected", 0, false },
        { "[{\"a\":1,\"a\":2}]", -EBADMSG, "", "$[0]", 0, false },
        { "[\"\xc3\"]", -EBADMSG, "", "$[0]", 0, false },
        { "[\"\xc0\xaf\"]", -EBADMSG, "", "$[0]", 0, false },
        { "[1]x", -EBADMSG, "1;", "follows", 0, false },
        { "[1][2]", -EBADMSG, "1;", "follows", 0, false },
        { "true", -EBADMSG, "", "no array", 0, false },
        { "<html>", -EBADMSG, "", "no array", 0, false },
        { "{}", -EBADMSG, "", "a name was expected", 0, false },
        { "{\"a\":1}", -EBADMSG, "", "an object instead", 0, false },
        { "{\"a\":[1],\"b\":[2]}", -EBADMSG, "1;", "several arrays", 0, false },
        { "{\"a\":[1],}", -EBADMSG, "1;", "a name", 0, false },
        { "{\"a\" [1]}", -EBADMSG, "", "':'", 0, false },
        { "{\"a\":}", -EBADMSG, "", "a value", 0, false },
        { "{\"a\":[1]", -EBADMSG, "1;", "isn't ended", 0, false },
        { "{\"a\":[1]}]", -EBADMSG, "1;", "follows", 0, false },
        { "[1,\"refused\",3]", -EBADMSG, "1;", "$[1].name is refused", 0, false },
        { "[1,\"full\",3]", -ENOMEM, "1;", NULL, 0, false },
};

static void test_cases(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (size_t cut = 0; cut <= strlen(cases[i].text); cut++)
                        check(&cases[i], strlen(cases[i].text), cut);
}

static void test_nul(void **state) {
        static const Case c = { "[1\0]", -EBADMSG, NULL, NULL, 0, false }, d =
                { "[\"\0\"]", -EBADMSG, "", NULL, 0, false };

        (void) state;
        for (size_t cut = 0; cut <= 4; cut++)
                check(&c, 4, cut);
        for (size_t cut = 0; cut <= 5; cut++)
                check(&d, 5, cut);
}

/* One element, or one member beside the array, of `n` bytes. */
static void check_size(size_t n, bool beside, int r) {
        _cleanup_(freep) char *text = malloc(n + 64);
        const char *before = beside ? "{\"a\":" : "[", *after = beside ? ",\"b\":[]}" : "]";
        size_t len = strlen(before);
        const Case c = { text, r, NULL, r < 0 ? "larger than" : NULL, beside ? 0 : 1, beside };

        assert_non_null(text);
        memcpy(text, before, len);
        memset(text + len, 'x', n);
        text[len] = text[len + n - 1] = '"';
        strcpy(text + len + n, after);
        for (size_t cut = 0; cut <= len + n; cut += n / 3)
                check(&c, strlen(text), cut);
}

static void test_sizes(void **state) {
        (void) state;
        for (int beside = 0; beside < 2; beside++) {
                check_size(ITEMS_STREAM_ELEMENT_MAX, beside, 0);
                check_size(ITEMS_STREAM_ELEMENT_MAX + 1, beside, -EBADMSG);
                check_size(3 * ITEMS_STREAM_ELEMENT_MAX, beside, -EBADMSG);
        }
}

static void test_depth(void **state) {
        char text[80];
        Case c = { text, 0, NULL, NULL, 1, false };

        (void) state;
        for (size_t depth = 1; depth <= 30; depth++) {
                memset(text, '[', depth + 1);
                memset(text + depth + 1, ']', depth + 1);
                text[2 * depth + 2] = 0;
                c.r = depth <= 16 ? 0 : -EBADMSG;
                check(&c, strlen(text), depth);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_cases),
                cmocka_unit_test(test_nul),
                cmocka_unit_test(test_sizes),
                cmocka_unit_test(test_depth),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
