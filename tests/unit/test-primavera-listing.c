/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "answers.h"
#include "base/strings.h"
#include "heap.h"
#include "target/items-stream.h"
#include "target/target.h"

static char one[] = "1";
static const TargetConfig target = { .company = { .id = one }, .max_listing = 64u << 20 };
static const TargetDriver *d;

typedef struct Listing {
        ListState state;
        ListVerdict verdict;
        ErrCtx err;
        int r;
} Listing;

static void listing_deinit(Listing *l) {
        accounts_free(l->state.accounts);
        items_stream_free(l->state.stream);
}

/* In pieces of `piece` bytes. */
static void list(Listing *l, const char *text, size_t len, size_t piece) {
        const HttpResult result = { .status = 200, .body = "", .content_type = "" };

        *l = (Listing){ .state = { .accounts = accounts_new(1), .page = 1 }, .verdict = LIST_MORE };
        for (size_t i = 0; i < len; i += piece)
                d->feed(&target, &l->state, text + i, len - i < piece ? len - i : piece);
        l->r = d->decode_page(&target, &result, &l->state, &l->verdict, &l->err);
        assert_int_equal(l->state.page, 0);
        assert_true(l->state.bytes == len);
}

static void test_fixtures(void **state) {
        static const char *const files[] = { "primavera/users.json", "primavera/users-wrapped.json" };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                const HttpResult answer = fixture(files[i]);

                for (size_t piece = 1; piece < 70; piece++) {
                        _cleanup_(listing_deinit) Listing l;

                        list(&l, answer.body, answer.body_len, piece);
                        assert_int_equal(l.r, 0);
                        assert_int_equal(l.verdict, LIST_COMPLETE);
                        assert_int_equal(l.state.accounts->n, 2);
                        assert_string_equal(accounts_by_id(l.state.accounts, "JSMITH")->roles[1],
                                            "PrimaveraUnifierProduction");
                        assert_string_equal(accounts_by_key(l.state.accounts, "dpatel@example.com")->login,
                                            "DPATEL");
                }
        }
}

static void test_broken(void **state) {
        static const struct { const char *text, *error; } cases[] = {
                { "", "empty answer" }, { "[", "isn't ended" }, { "[{\"loginId\":\"a\"}", "isn't ended" },
                { "[{\"loginId\":\"a\"},{}]", "$[1].loginId" }, { "[null]", "$[0]" }, { "[]]", "follows" },
                { "{\"errors\":[]}", "empty array" }, { "{\"message\":\"x\"}", "instead of an array" },
                        { "<html>", "no array" },
                { "[{\"loginId\":\"a\"}]<!-- -->", "follows" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(listing_deinit) Listing l;

                list(&l, cases[i].text, strlen(cases[i].text), 3);
                assert_int_equal(l.r, -EBADMSG);
                assert_int_not_equal(l.verdict, LIST_COMPLETE);
                if (!strstr(l.err.text, cases[i].error))
                        fail_msg("%s: %s", cases[i].text, l.err.text);
        }
}

/* Twice the same is one; another case is another. A state is good for one listing. */
static void test_doubles(void **state) {
        static const char text[] =
                "[{\"loginId\":\"a\"},{\"loginId\":\"A\"},{\"loginId\":\"a\",\"disabled\":true}]";
        const HttpResult result = { .status = 200, .body = "", .content_type = "" };
        _cleanup_(listing_deinit) Listing l;

        (void) state;
        list(&l, text, strlen(text), 10);
        assert_int_equal(l.r, 0);
        assert_int_equal(l.state.accounts->n, 2);
        assert_false(accounts_by_id(l.state.accounts, "a")->disabled);
        assert_int_equal(d->decode_page(&target, &result, &l.state, &l.verdict, &l.err), -EBADMSG);
}

/* Memory holds the accounts alone, however long the text: each user here has 2 KiB that nobody keeps. */
static void test_long(void **state) {
        static char user[4096];
        size_t before = heap_in_use();
        const HttpResult result = { .status = 200, .body = "", .content_type = "" };
        _cleanup_(listing_deinit) Listing l = { .state = { .accounts = accounts_new(1), .page = 1 } };

        (void) state;
        for (int i = 0; i < 20000; i++) {
                snprintf(user, sizeof(user),
                         "%c{\"loginId\":\"u%d\",\"emailAddress\":\"u%d@example.com\","
                         "\"roles\":[{\"name\":\"P6\"}],\"filler\":\"%02000d\"}",
                         i == 0 ? '[' : ',', i, i, 0);
                d->feed(&target, &l.state, user, strlen(user));
        }
        d->feed(&target, &l.state, "]", 1);
        assert_int_equal(d->decode_page(&target, &result, &l.state, &l.verdict, &l.err), 0);
        assert_int_equal(l.state.accounts->n, 20000);
        assert_true(heap_in_use() - before < 20000 * 256);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_fixtures),
                cmocka_unit_test(test_broken),
                cmocka_unit_test(test_doubles),
                cmocka_unit_test(test_long),
        };

        d = target_driver(TARGET_PRIMAVERA);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
