/* SPDX-License-Identifier: Apache-2.0 */
/* The listing rule, against an API that pages in every way that was seen or told of. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/strings.h"
#include "target/target.h"

static TargetConfig target = { .max_listing = 64u << 20 };

/* A play of pages: `page` writes the rows of one. */
typedef struct Play {
        size_t n_accounts;
        size_t (*first_of)(const struct Play *play, unsigned page, size_t *ret_n);
        size_t clamp;           /* rows per page; 0: 100 */
        unsigned shrinks_after; /* from this page on there is one account less in front */
} Play;

static size_t play_rows(const Play *play) {
        return play->clamp > 0 ? play->clamp : 100;
}

static size_t page_normal(const Play *play, unsigned page, size_t *ret_n) {
        size_t rows = play_rows(play), start = (page - 1) * rows;

        if (play->shrinks_after > 0 && page > play->shrinks_after)
                start++;
        *ret_n = start >= play->n_accounts         ? 0
                 : play->n_accounts - start < rows ? play->n_accounts - start
                                                   : rows;
        return start;
}

static size_t page_whole(const Play *play, unsigned page, size_t *ret_n) {
        (void) page;
        *ret_n = play->n_accounts;
        return 0;
}

static size_t page_ignored(const Play *play, unsigned page, size_t *ret_n) {
        (void) page;
        *ret_n = play->n_accounts < play_rows(play) ? play->n_accounts : play_rows(play);
        return 0;
}

/* Each page repeats the last five rows of the one before. */
static size_t page_overlapping(const Play *play, unsigned page, size_t *ret_n) {
        size_t start = (page - 1) * 95;

        *ret_n = start >= play->n_accounts        ? 0
                 : play->n_accounts - start < 100 ? play->n_accounts - start
                                                  : 100;
        return start;
}

/* The last page again and again. */
static size_t page_repeating(const Play *play, unsigned page, size_t *ret_n) {
        size_t last = (play->n_accounts + 99) / 100;

        return page_normal(play, page > last ? (unsigned) last : page, ret_n);
}

/* Only 40 rows on the second page, 1 on the third. */
static size_t page_short(const Play *play, unsigned page, size_t *ret_n) {
        static const size_t starts[] = { 0, 100, 140, 141, 241, 341 };
        size_t end;

        if (page > 5) {
                *ret_n = 0;
                return 0;
        }
        end = starts[page] < play->n_accounts ? starts[page] : play->n_accounts;
        *ret_n = end > starts[page - 1] ? end - starts[page - 1] : 0;
        return starts[page - 1];
}

typedef struct Outcomes {
        ListVerdict verdict;
        int r;
        unsigned pages;
        size_t n_accounts;
        ErrCtx err;
} Outcomes;

static ListVerdict decode(ListState *state, const char *body, int *ret_r, ErrCtx *err) {
        HttpResult result = { .status = 200, .body = body, .body_len = strlen(body), .content_type = "" };
        ListVerdict verdict = LIST_INCOMPLETE;

        *ret_r = target_driver(TARGET_UMBRELLA)->decode_page(&target, &result, state, &verdict, err);
        return verdict;
}

/* Asks page after page until the verdict is there. */
static Outcomes run(const Play *play, bool may_end, const Links *links) {
        ListState state = {.accounts = accounts_new(0),
                           .page = 1,
                           .short_first_page_may_end = may_end,
                           .links = links};
        Outcomes o = { .verdict = LIST_MORE };
        size_t start, n;

        assert_non_null(state.accounts);
        while (o.verdict == LIST_MORE) {
                StrBuf b = STRBUF_INIT(16u << 20);
                unsigned asked = state.page;

                assert_int_equal(asked, o.pages + 1);
                assert_true(o.pages < 100);
                start = play->first_of(play, asked, &n);
                strbuf_putc(&b, '[');
                for (size_t i = start; i < start + n; i++)
                        strbuf_printf(&b, "%s{\"id\":%zu,\"email\":\"u%zu@example.com\"}",
                                      i > start ? "," : "", 1000 + i, i);
                strbuf_putc(&b, ']');
                o.verdict = decode(&state, b.data, &o.r, &o.err);
                strbuf_deinit(&b);
                assert_int_equal(o.r, 0);
                o.pages++;
        }
        assert_int_equal(state.page, 0);
        o.n_accounts = state.accounts->n;
        accounts_free(state.accounts);
        return o;
}

static void check(const Play *play, ListVerdict verdict, unsigned pages, size_t n_accounts) {
        Outcomes o = run(play, false, NULL);

        assert_int_equal(o.verdict, verdict);
        assert_int_equal(o.pages, pages);
        assert_int_equal(o.n_accounts, n_accounts);
        if (verdict == LIST_INCOMPLETE)
                assert_true(strlen(o.err.text) > 10);
}

static void test_normal(void **state) {
        (void) state;
        check(&(Play){ 0, page_normal, 0, 0 }, LIST_COMPLETE, 1, 0);
        check(&(Play){ 1, page_normal, 0, 0 }, LIST_COMPLETE, 2, 1);
        check(&(Play){ 99, page_normal, 0, 0 }, LIST_COMPLETE, 2, 99);
        check(&(Play){ 100, page_normal, 0, 0 }, LIST_COMPLETE, 2, 100);
        check(&(Play){ 101, page_normal, 0, 0 }, LIST_COMPLETE, 3, 101);
        check(&(Play){ 300, page_normal, 0, 0 }, LIST_COMPLETE, 4, 300);
        check(&(Play){ 1234, page_normal, 0, 0 }, LIST_COMPLETE, 14, 1234);
}

static void test_no_paging(void **state) {
        (void) state;
        check(&(Play){ 40, page_whole, 0, 0 }, LIST_COMPLETE, 2, 40);
        check(&(Play){ 99, page_whole, 0, 0 }, LIST_COMPLETE, 2, 99);
        check(&(Play){ 101, page_whole, 0, 0 }, LIST_COMPLETE, 1, 101);
        check(&(Play){ 5000, page_whole, 0, 0 }, LIST_COMPLETE, 1, 5000);
        /* Exactly as many as asked for can't be told from the first of many pages. */
        check(&(Play){ 100, page_whole, 0, 0 }, LIST_INCOMPLETE, 2, 100);
}

static void test_page_number_ignored(void **state) {
        (void) state;
        check(&(Play){ 250, page_ignored, 0, 0 }, LIST_INCOMPLETE, 2, 100);
        check(&(Play){ 100, page_ignored, 0, 0 }, LIST_INCOMPLETE, 2, 100);
        check(&(Play){ 60, page_ignored, 0, 0 }, LIST_COMPLETE, 2, 60);
}

static void test_strange_pages(void **state) {
        (void) state;
        /* The limit is clamped. */
        check(&(Play){ 120, page_normal, 50, 0 }, LIST_COMPLETE, 4, 120);
        /* It is raised: the guide speaks of 200. */
        check(&(Play){ 150, page_normal, 200, 0 }, LIST_COMPLETE, 1, 150);
        check(&(Play){ 341, page_short, 0, 0 }, LIST_COMPLETE, 6, 341);
        check(&(Play){ 300, page_overlapping, 0, 0 }, LIST_COMPLETE, 5, 300);
        check(&(Play){ 250, page_repeating, 0, 0 }, LIST_COMPLETE, 4, 250);
        check(&(Play){ 300, page_repeating, 0, 0 }, LIST_INCOMPLETE, 4, 300);
        /* An account in front went away between two pages: one is missed, which no rule can see. */
        check(&(Play){ 250, page_normal, 0, 1 }, LIST_COMPLETE, 4, 249);
}

static Links *some_links(const char *const *ids, size_t n, size_t gone) {
        Links *links = links_new();

        assert_non_null(links);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(
                                links_add(links,
                                          &(Link){.person = ids[i], .remote_id = ids[i], .gone = i == gone}),
                                0);
        return links;
}

static void test_short_first_page(void **state) {
        static const char *const here[] = { "1000", "1039" }, *const elsewhere[] = { "1000", "7" };
        _cleanup_(links_freep) Links *all = some_links(here, 2, 9),
                                     *one_missing = some_links(elsewhere, 2, 9);
        _cleanup_(links_freep) Links *one_gone = some_links(elsewhere, 2, 1), *none = some_links(NULL, 0, 9);
        Play forty = { 40, page_normal, 0, 0 }, clamped = { 120, page_normal, 50, 0 };
        Play hundred = { 100, page_normal, 0, 0 };

        (void) state;
        assert_int_equal(run(&forty, true, all).pages, 1);
        assert_int_equal(run(&forty, true, all).verdict, LIST_COMPLETE);
        assert_int_equal(run(&forty, true, none).pages, 1);
        assert_int_equal(run(&forty, true, NULL).pages, 1);
        assert_int_equal(run(&forty, true, one_gone).pages, 1);
        assert_int_equal(run(&forty, true, one_missing).pages, 2);
        assert_int_equal(run(&forty, false, all).pages, 2);
        /* A full page is never the last one. */
        assert_int_equal(run(&hundred, true, all).pages, 2);
        /* A clamped first page ends it too if all that we look for is on it, else not. */
        assert_int_equal(run(&clamped, true, all).n_accounts, 50);
        assert_int_equal(run(&clamped, true, one_missing).n_accounts, 120);
}

static void test_rows(void **state) {
        static const char body[] =
                "[{\"id\":9223372036854775808,\"email\":\"A@Example.com\",\"role\":\"Full Admin\","
                "\"firstname\":\"\",\"lastname\":\"\",\"status\":\"on\"},"
                "{\"id\":\"2\",\"email\":\"b@example.com\",\"status\":\"Pending\",\"extra\":[{}]},"
                "{\"id\":2,\"email\":\"changed@example.com\"},{\"id\":3}]";
        ListState s = { .accounts = accounts_new(0), .page = 1 };
        const Account *a;
        ErrCtx err;
        int r;

        (void) state;
        assert_int_equal(decode(&s, body, &r, &err), LIST_MORE);
        assert_int_equal(r, 0);
        assert_int_equal(s.page, 2);
        assert_int_equal(s.accounts->n, 3);
        a = accounts_by_id(s.accounts, "9223372036854775808");
        assert_non_null(a);
        assert_string_equal(a->role, "Full Admin");
        assert_null(a->first_name);
        assert_null(a->last_name);
        assert_ptr_equal(accounts_by_key(s.accounts, "a@example.com"), a);
        a = accounts_by_id(s.accounts, "2");
        assert_non_null(a);
        assert_string_equal(a->address, "b@example.com");
        assert_string_equal(a->status, "Pending");
        assert_false(a->disabled);
        assert_non_null(accounts_by_id(s.accounts, "3"));
        assert_int_equal(decode(&s, "[]", &r, &err), LIST_COMPLETE);
        accounts_free(s.accounts);
}

/* A page that can't be read isn't taken in part: the listing is over. */
static void test_unreadable(void **state) {
        static const struct { const char *body, *words; } cases[] = {
                { "", "empty answer" },
                { "null", "no array" },
                { "\"\"", "no array" },
                { "<html></html>", "no array" },
                { "{\"message\":\"hello\"}", "an object instead of an array" },
                { "{\"errors\":[]}", "empty array" },
                { "{\"errors\":[\"no\"]}", "$[0] is no object" },
                { "{\"a\":[],\"b\":[]}", "several arrays" },
                { "[null]", "$[0] is no object" },
                { "[{\"id\":1},null,{\"id\":2}]", "$[1] is no object" },
                { "[{\"id\":1},{\"email\":\"x\"}]", "$[1].id is missing" },
                { "[{\"id\":1},{\"id\":0}]", "$[1].id is 0" },
                { "[{\"id\":1,\"email\":3}]", "$[0].email" },
                { "[{\"id\":1}", "$[1]" },
                { "[{\"id\":1},", "$[1]" },
                { "[{\"id\":1}]x", "follows" },
        };
        ErrCtx err;
        int r;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                ListState s = { .accounts = accounts_new(0), .page = 1 };

                err = (ErrCtx){ 0 };
                (void) decode(&s, cases[i].body, &r, &err);
                if (r != -EBADMSG)
                        fail_msg("%s was accepted", cases[i].body);
                if (!strstr(err.text, cases[i].words) && !(cases[i].words[0] == '$' && err.text[0] == '$'))
                        fail_msg("%s: \"%s\" isn't in \"%s\"", cases[i].body, cases[i].words, err.text);
                assert_int_equal(s.page, 0);
                /* The same page again shows nothing new and would look like an end. */
                (void) decode(&s, "[{\"id\":1}]", &r, &err);
                assert_int_equal(r, -EBADMSG);
                assert_non_null(strstr(err.text, "anew"));
                accounts_free(s.accounts);
        }
}

static void test_wrapped(void **state) {
        ListState s = { .accounts = accounts_new(0), .page = 1 };
        ErrCtx err;
        int r;

        (void) state;
        assert_int_equal(decode(&s, "{\"total\":1,\"users\":[{\"id\":1}]}", &r, &err), LIST_MORE);
        assert_int_equal(r, 0);
        assert_int_equal(decode(&s, "{\"total\":1,\"users\":[]}", &r, &err), LIST_COMPLETE);
        assert_int_equal(r, 0);
        assert_int_equal(s.accounts->n, 1);
        accounts_free(s.accounts);
}

static void test_too_large(void **state) {
        static const char body[] = "[{\"id\":1}]", next[] = "[{\"id\":2}]";
        ListState s = { .accounts = accounts_new(0), .page = 1 };
        ErrCtx err;
        int r;

        (void) state;
        target.max_listing = 2 * strlen(body);
        assert_int_equal(decode(&s, body, &r, &err), LIST_MORE);
        assert_int_equal(decode(&s, next, &r, &err), LIST_MORE);
        assert_int_equal(s.bytes, 2 * strlen(body));
        assert_int_equal(decode(&s, "[]", &r, &err), LIST_INCOMPLETE);
        assert_int_equal(r, 0);
        assert_non_null(strstr(err.text, "max_listing"));
        assert_int_equal(s.page, 0);
        target.max_listing = 64u << 20;
        accounts_free(s.accounts);
}

/* One account a page, for ever. */
static void test_endless(void **state) {
        ListState s = { .accounts = accounts_new(0), .page = 1 };
        ListVerdict verdict = LIST_MORE;
        char body[40];
        ErrCtx err;
        int r;

        (void) state;
        for (unsigned i = 1; verdict == LIST_MORE; i++) {
                assert_true(i < 1000000);
                snprintf(body, sizeof(body), "[{\"id\":%u}]", i);
                verdict = decode(&s, body, &r, &err);
                assert_int_equal(r, 0);
        }
        assert_int_equal(verdict, LIST_INCOMPLETE);
        assert_non_null(strstr(err.text, "no end"));
        accounts_free(s.accounts);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_normal),        cmocka_unit_test(test_no_paging),
                cmocka_unit_test(test_page_number_ignored), cmocka_unit_test(test_strange_pages),
                cmocka_unit_test(test_short_first_page), cmocka_unit_test(test_rows),
                cmocka_unit_test(test_unreadable),    cmocka_unit_test(test_wrapped),
                cmocka_unit_test(test_too_large),     cmocka_unit_test(test_endless),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
