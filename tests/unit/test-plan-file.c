/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "model/plan-file.h"

static const char *const roles[] = { "P6Production", "Uni\"fier\\" };

static const Action actions[] = {
        { .kind = ACTION_CREATE,
          .person = "1",
          .address = "a@x",
          .has_after = true,
          .after = { .address = "a@x", .first_name = "J\xc3\xb6rg {[", .role = "Read Only" } },
        { .kind = ACTION_UPDATE,
          .person = "2",
          .address = "b@x",
          .remote_id = "b",
          .has_before = true,
          .before = { .roles = roles },
          .has_after = true,
          .after = { .roles = roles, .n_roles = 2 } },
        { .kind = ACTION_DELETE,
          .person = "3",
          .remote_id = "7",
          .has_before = true,
          .before = { .role = "\n" } },
};

/* The file of the first n actions. */
static char *text_of(size_t n) {
        StrBuf out = STRBUF_INIT(PLAN_FILE_MAX);
        char hash[PLAN_HASH_LEN + 1];

        assert_int_equal(plan_hash("umbrella", actions, n, hash), 0);
        plan_file_head("umbrella", hash, "the \"first\" plan", &out);
        for (size_t i = 0; i < n; i++)
                plan_file_action(&actions[i], i == 0, &out);
        plan_file_end(&out);
        assert_int_equal(out.error, 0);
        return strbuf_take(&out);
}

static void refused(char *take_text, const char *words) {
        Plan *plan = NULL;
        ErrCtx err = { 0 };

        assert_int_equal(plan_file_read(take_text, strlen(take_text), &plan, &err), PLAN_FILE_E_REFUSED);
        if (!strstr(err.text, words))
                fail_msg("%s: not in: %s", words, err.text);
        assert_null(plan);
        free(take_text);
}

/* The file with its first `from` made `to`. */
static char *changed(const char *from, const char *to) {
        _cleanup_(freep) char *text = text_of(3);
        char *at = strstr(text, from), *out;

        assert_non_null(at);
        assert_true(asprintf(&out, "%.*s%s%s", (int) (at - text), text, to, at + strlen(from)) > 0);
        return out;
}

static void test_form(void **state _unused_) {
        _cleanup_(freep) char *text = text_of(2);

        assert_non_null(strstr(text, "{\n  \"format\": \"idsyncd plan\",\n  \"version\": 1,\n"));
        assert_non_null(strstr(text,
                               "\n  \"actions\": [\n    {\n      \"action\": \"create\",\n"
                               "      \"person\": \"1\",\n      \"address\": \"a@x\",\n"
                               "      \"remote_id\": null,\n      \"before\": null,\n"
                               "      \"after\": {\n        \"address\": \"a@x\",\n"));
        assert_non_null(strstr(text, "\n      \"before\": {\n        \"roles\": []\n      },\n"));
        assert_non_null(strstr(text, "\n        \"roles\": [\n          \"P6Production\",\n"));
        assert_string_equal(text + strlen(text) - 14, "}\n    }\n  ]\n}\n");
}

static void same(const Action *a, const Action *b) {
        assert_int_equal(action_compare(a, b), 0);
}

static void test_reads_what_it_wrote(void **state _unused_) {
        for (size_t n = 1; n <= 3; n++) {
                _cleanup_(plan_freep) Plan *plan = NULL;
                _cleanup_(freep) char *text = text_of(n);
                ErrCtx err = { 0 };

                assert_int_equal(plan_file_read(text, strlen(text), &plan, &err), 0);
                assert_string_equal(plan->target, "umbrella");
                assert_int_equal(plan->n_actions, n);
                for (size_t i = 0; i < n; i++)
                        same(&plan->actions[i], &actions[i]);
        }
}

static void test_white_space(void **state _unused_) {
        _cleanup_(plan_freep) Plan *plan = NULL;
        _cleanup_(freep) char *text = changed(",\n  \"hash\": ", "\r\n\t,\"hash\"  :  ");
        ErrCtx err = { 0 };

        assert_int_equal(plan_file_read(text, strlen(text), &plan, &err), 0);
        assert_int_equal(plan->n_actions, 3);
}

static void test_edited(void **state _unused_) {
        refused(changed("Read Only", "Full Admin"), "was edited");
        refused(changed("\"target\": \"umbrella\"", "\"target\": \"other\""), "was edited");
        refused(changed("\"hash\": \"", "\"hash\": \"0"), "was edited");
        refused(changed("\"person\": \"3\"", "\"person\": \"4\""), "was edited");
}

/* What a reader might skip over, or see twice. */
static void test_strict(void **state _unused_) {
        refused(changed("\"before\": null", "\"before\": null,\n\"note\": 1"), "action 1");
        refused(changed("\"role\": \"Read Only\"", "\"role\": \"Read Only\",\"role\": \"Full Admin\""),
                "action 1");
        refused(changed("\"person\": \"2\"", "\"person\": \"\\u0032\""), "action 2");
        refused(changed("\"remote_id\": null", "\"remote_id\": 7"), "action 1");
        refused(changed("\"action\": \"update\"", "\"action\": \"destroy\""), "action 2");
        refused(changed("\"person\": \"1\",", ""), "action 1");
        refused(changed("\"person\": \"1\"", "\"person\": \"\""), "action 1");
        refused(changed("\"version\": 1", "\"version\": 2"), "its head");
        refused(changed("\"hash\"", "\"x\": 1, \"hash\""), "target, hash or reason");
        refused(changed("\"umbrella\"", "\"umb\\u0072ella\""), "target, hash or reason");
        refused(changed("\n  ]\n}", "\n  ],\"x\": 1}"), "its end");
        refused(changed("\n  ]\n}\n", "\n  ]\n}\n{}"), "its end");
        refused(changed("\n  ]\n}", "]"), "its end");
        refused(changed("\"roles\": []", "\"roles\": [[[[]]]]"), "action 2");
}

static void test_cut_anywhere(void **state _unused_) {
        _cleanup_(freep) char *whole = text_of(3);

        /* All but the last byte, which is white space. */
        for (size_t len = 0; len + 1 < strlen(whole); len++) {
                _cleanup_(plan_freep) Plan *plan = NULL;
                _cleanup_(freep) char *text = strndup(whole, len);
                ErrCtx err = { 0 };

                assert_int_equal(plan_file_read(text, len, &plan, &err), PLAN_FILE_E_REFUSED);
        }
}

static void test_empty(void **state _unused_) {
        refused(strdup(""), "its head");
        refused(strdup("null"), "its head");
        refused(text_of(0), "action 1");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_form),        cmocka_unit_test(test_reads_what_it_wrote),
                cmocka_unit_test(test_white_space), cmocka_unit_test(test_edited),
                cmocka_unit_test(test_strict),      cmocka_unit_test(test_cut_anywhere),
                cmocka_unit_test(test_empty),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
