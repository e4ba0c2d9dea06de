/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "answers.h"
#include "base/strings.h"
#include "target/target.h"

static char url[] = "https://dc.example.com", tenant[] = "acme/prod", one[] = "1", name[] = "example",
        shown[] = "Example Ltd";
static const TargetConfig target = {
        .url = url, .tenant = tenant, .company = { .id = one, .name = name, .display_name = shown },
                .max_listing = 1u << 20,
};
static const TargetConfig automatic = { .url = url, .company = { .id = one }, .reset_auto = true };
static const Action update = { .kind = ACTION_UPDATE, .person = "p", .address = "a@example.com",
                               .remote_id = "jsmith" };
static const char *const wanted[] = { "P6Production" };
static const Action create = {
        .kind = ACTION_CREATE, .person = "p", .address = "a@example.com", .has_after = true,
        .after = { .login = "jsmith", .address = "a@example.com", .first_name = "A", .roles = wanted,
                   .n_roles = 1 },
};

/* ---- tokens ---- */

static void test_tokens(void **state) {
        static const struct { const char *body, *bearer; } cases[] = {
                { "eyJhbGciOi.J9-_~+/=", "Bearer eyJhbGciOi.J9-_~+/=" },
                { " \r\n abc\n", "Bearer abc" },
                { "\"abc\"", "Bearer abc" },
                { "", NULL }, { " \n", NULL }, { "a b", NULL }, { "a\r\nX: y", NULL }, { "<html>", NULL },
                { "{\"access_token\":\"abc\"}", NULL }, { "\"\"", NULL }, { "\"abc", NULL },
                        { "a\xc3\xab", NULL },
        };
        const TargetDriver *d = target_driver(TARGET_PRIMAVERA);

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(secret_freep) Secret *bearer = NULL;
                HttpResult result = text(cases[i].body);
                usec_t lifetime = 0;
                ErrCtx err = { 0 };

                if (!cases[i].bearer) {
                        assert_int_equal(d->decode_token(&result, &bearer, &lifetime, &err), -EBADMSG);
                        assert_true(err.text[0] && !bearer);
                        continue;
                }
                assert_int_equal(d->decode_token(&result, &bearer, &lifetime, &err), 0);
                assert_string_equal(secret_data(bearer), cases[i].bearer);
                assert_true(lifetime == USEC_PER_HOUR);
        }
}

static void test_token_size(void **state) {
        _cleanup_(secret_freep) Secret *bearer = NULL;
        static char body[16386];
        HttpResult result;
        usec_t lifetime;

        (void) state;
        memset(body, 'a', 16385);
        result = text(body);
        assert_int_equal(target_driver(TARGET_PRIMAVERA)->decode_token(&result, &bearer, &lifetime, NULL),
                         -EBADMSG);
        result.body_len = 16384;
        assert_int_equal(target_driver(TARGET_PRIMAVERA)->decode_token(&result, &bearer, &lifetime, NULL),
                         0);
        /* With a NUL in it. */
        body[7] = 0;
        assert_int_equal(target_driver(TARGET_PRIMAVERA)->decode_token(&result, &bearer, &lifetime, NULL),
                         -EBADMSG);
}

static void test_basic(void **state) {
        _cleanup_(secret_freep) Secret *user = secret_new("Aladdin", 7), *password =
                secret_new("open sesame", 11), *value = NULL;
        const TargetDriver *d = target_driver(TARGET_PRIMAVERA);
        TargetConfig basic = target;

        (void) state;
        assert_int_equal(d->authorize(&target, user, password, &value), 1);
        assert_null(value);
        basic.auth_basic = true;
        assert_int_equal(d->authorize(&basic, user, password, &value), 0);
        assert_string_equal(secret_data(value), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

/* ---- answers ---- */

static Arena *arena;
static Answer answer;
static ErrCtx err;

static int setup(void **state) {
        (void) state;
        arena = arena_new();
        return arena ? 0 : -1;
}

static int teardown(void **state) {
        (void) state;
        arena = arena_free(arena);
        return 0;
}

static int decode(Call call, const Action *action, HttpResult result) {
        answer = (Answer){ 0 };
        err = (ErrCtx){ 0 };
        return target_driver(TARGET_PRIMAVERA)->decode_answer(&target, call, action, &result, arena, &answer,
                                                              &err);
}

static void test_user(void **state) {
        const Account *a = &answer.account;

        (void) state;
        assert_int_equal(decode(CALL_GET, &update, fixture("primavera/user.json")), 0);
        assert_true(answer.has_account);
        /* The link's spelling, and the API's. */
        assert_string_equal(a->remote_id, "jsmith");
        assert_string_equal(a->login, "JSMITH");
        assert_string_equal(a->address, "John.Smith@example.com");
        assert_string_equal(a->key, "john.smith@example.com");
        assert_string_equal(a->first_name, "John");
        assert_string_equal(a->last_name, "Smith");
        assert_string_equal(a->number, "3336");
        assert_string_equal(a->password_reset, "1527678340123");
        assert_true(!a->disabled && a->locked && !a->company);
        assert_int_equal(a->n_roles, 2);
        assert_string_equal(a->roles[0], "P6Production");
        assert_string_equal(a->roles[1], "PrimaveraUnifierProduction");
        assert_string_equal(answer.document, fixture_text);

        assert_int_equal(decode(CALL_GET, NULL, fixture("primavera/user-drifted.json")), 0);
        assert_string_equal(a->remote_id, "DPATEL");
        assert_string_equal(a->number, "3337");
        assert_string_equal(a->password_reset, "2018-05-30T11:05:40");
        assert_true(!a->disabled && a->locked);
        assert_int_equal(a->n_roles, 1);
        assert_string_equal(a->company, "{\"id\":7,\"name\":\"other\",\"displayName\":\"Other\"}");

        assert_int_equal(decode(CALL_GET, NULL, text("{\"loginId\":\"x\",\"emailAddress\":\"\"}")), 0);
        assert_true(!a->address && !a->key);
        assert_int_equal(decode(CALL_GET, NULL, fixture("primavera/user-bare.json")), 0);
        assert_true(!a->address && !a->key && !a->number && !a->password_reset && a->n_roles == 0);
}

static void test_bad_users(void **state) {
        static const struct { const char *body, *error; } cases[] = {
                { "", "JSON" }, { "[]", "no object" }, { "{}", "loginId" },
                        { "{\"loginId\":\"\"}", "loginId" },
                { "{\"loginId\":7}", "loginId" }, { "{\"loginId\":\"a\\u0000b\"}", "NUL" },
                { "{\"loginId\":\"jsmith\",\"emailAddress\":7}", "emailAddress" },
                { "{\"loginId\":\"jsmith\",\"disabled\":\"maybe\"}", "disabled" },
                { "{\"loginId\":\"jsmith\",\"disabled\":{}}", "disabled" },
                { "{\"loginId\":\"jsmith\",\"locked\":2}", "locked" },
                { "{\"loginId\":\"jsmith\",\"roles\":{}}", "roles" },
                { "{\"loginId\":\"jsmith\",\"roles\":[{}]}", "without a name" },
                { "{\"loginId\":\"jsmith\",\"roles\":[null]}", "without a name" },
                { "{\"loginId\":\"jsmith\",\"roles\":[\"a\\u0000b\"]}", "without a name" },
                { "{\"loginId\":\"jsmith\",\"roles\":[{\"name\":7}]}", "name" },
                { "{\"loginId\":\"other\"}", "another" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_int_equal(decode(CALL_GET, &update, text(cases[i].body)), -EBADMSG);
                assert_false(answer.has_account);
                if (!strstr(err.text, cases[i].error))
                        fail_msg("\"%s\": \"%s\"", cases[i].body, err.text);
        }
}

/* ---- jobs ---- */

#define BASE "/acme/prod/cloudapi/restapi"

static void test_locations(void **state) {
        static const struct { const char *location, *id; } cases[] = {
                { "https://dc.example.com" BASE "/v3/user/status/95733", "95733" },
                { "HTTPS://DC.Example.com:443" BASE "/v3/user/status/95733", "95733" },
                { "https://dc.example.com" BASE "/v3/users/status/a-B_9", "a-B_9" },
                { BASE "/v3/user/status/95733", "95733" },
                { "user/status/95733", "95733" },
                { "v3/user/status/95733", "95733" },
                { "status/95733", "95733" },
                { "http://dc.example.com" BASE "/v3/user/status/95733", NULL },
                { "https://evil.example.com" BASE "/v3/user/status/95733", NULL },
                { "https://dc.example.com.evil" BASE "/v3/user/status/95733", NULL },
                { "https://dc.example.com@evil" BASE "/v3/user/status/95733", NULL },
                { "https://dc.example.com:8443" BASE "/v3/user/status/95733", NULL },
                { "//evil.example.com" BASE "/v3/user/status/95733", NULL },
                { "/other/cloudapi/restapi/v3/user/status/95733", NULL },
                { BASE "x/v3/user/status/95733", NULL },
                { BASE, NULL },
                { BASE "/v3/user/status/", NULL },
                { BASE "/v3/user/status/..", NULL },
                { BASE "/v3/user/status/1/../2", NULL },
                { BASE "/v3/user/status/1?x", NULL },
                { BASE "/v3/user/status/%31", NULL },
                { BASE "/v3/user/status/-", NULL },
                { BASE "/v3/bgjobs/1", NULL },
                { "javascript:1", NULL },
                { "status/12345678901234567890123456789012345678901234567890123456789012345", NULL },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                HttpResult result = { .status = 202, .body = "", .location = cases[i].location,
                                      .content_type = "" };
                int r = decode(CALL_UPSERT, &create, result);

                if (r != (cases[i].id ? 0 : -EBADMSG))
                        fail_msg("%s: %d %s", cases[i].location, r, err.text);
                if (!cases[i].id) {
                        assert_true(err.text[0] && !answer.running);
                        continue;
                }
                assert_true(answer.running && !answer.did && !answer.failed);
                assert_string_equal(answer.memo, cases[i].id);
        }
}

static void test_job_in_body(void **state) {
        static const struct { const char *body, *id; } cases[] = {
                { "95733", "95733" }, { " \"95733\"\n", "95733" }, { "{\"jobId\":\"x1\"}", "x1" },
                        { "{\"id\":\"7\"}", NULL },
                { "", NULL }, { "{}", NULL }, { "[]", NULL }, { "-5", NULL }, { "\"a/b\"", NULL },
                        { "null", NULL }, { "1.5", NULL },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                int r = decode(CALL_UPSERT, &create, text(cases[i].body));

                if (r != (cases[i].id ? 0 : -EBADMSG))
                        fail_msg("%s: %d %s", cases[i].body, r, err.text);
                if (cases[i].id)
                        assert_string_equal(answer.memo, cases[i].id);
        }
}

static void test_job_results(void **state) {
        HttpResult running = { .status = 202, .body = "", .content_type = "" };

        (void) state;
        assert_int_equal(decode(CALL_JOB, &create, running), 0);
        assert_true(answer.running && !answer.did && !answer.failed);

        /* At once, or by a job: the account is as it was asked for, in the API's spelling. */
        for (int i = 0; i < 2; i++) {
                assert_int_equal(decode(i ? CALL_UPSERT : CALL_JOB, &create,
                                        fixture("primavera/job-done.json")), 0);
                assert_true(answer.did && !answer.running && !answer.failed && answer.has_account);
                assert_string_equal(answer.account.remote_id, "JSMITH");
                assert_string_equal(answer.account.key, "a@example.com");
                assert_string_equal(answer.account.number, "3336");
                assert_int_equal(answer.account.n_roles, 1);
        }
        assert_int_equal(decode(CALL_JOB, &update, fixture("primavera/job-done.json")), 0);
        assert_true(answer.did && !answer.has_account);

        assert_int_equal(decode(CALL_JOB, &create, fixture("primavera/job-partial.json")), 0);
        assert_true(answer.failed && !answer.did);
        assert_string_equal(answer.words, "User created, but Application Access failed");
        assert_int_equal(decode(CALL_JOB, &update, fixture("primavera/job-unprocessed.json")), 0);
        assert_true(answer.failed && strstr(answer.words, "wasn't processed"));

        /* Over, and not a word of this user. */
        assert_int_equal(decode(CALL_JOB, &update,
                                text("{\"added\":[],\"modified\":[{\"loginId\":\"x\"}]}")), 0);
        assert_true(!answer.running && !answer.did && !answer.failed);
        assert_int_equal(decode(CALL_JOB, &update, text("nonsense")), -EBADMSG);
}

static void test_changes(void **state) {
        static const char *const fine[] = { "", "Success", "{}", "[]", "null",
                                            "{\"loginId\":\"JSMITH\",\"disabled\":true}" };

        static const char no[] = "[{\"loginId\":\"JSMITH\",\"statusInfoOK\":false,\"statusInfo\":\"no\"}]";

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(fine); i++) {
                assert_int_equal(decode(CALL_STATUS, &update, text(fine[i])), 0);
                assert_false(answer.failed);
        }
        assert_int_equal(decode(CALL_UNLOCK, &update,
                                text("{\"loginId\":\"JSMITH\",\"statusInfoOK\":false}")), 0);
        assert_true(answer.failed);
        assert_int_equal(decode(CALL_UNLOCK, &update, text(no)), 0);
        assert_true(answer.failed);
        assert_string_equal(answer.words, "no");
}

/* ---- resets ---- */

static const Action first = { .kind = ACTION_RESET, .remote_id = "jsmith" }, second =
        { .kind = ACTION_RESET, .remote_id = "DPATEL" },
                    third = { .kind = ACTION_RESET, .remote_id = "nobody" };
static const Action *const batch[] = { &first, &second, &third };

static int decode_reset(const TargetConfig *t, HttpResult result) {
        answer = (Answer){ 0 };
        return target_driver(TARGET_PRIMAVERA)->decode_reset(t, batch, 3, &result, arena, &answer, &err);
}

static void test_automatic_resets(void **state) {
        (void) state;
        assert_int_equal(decode_reset(&automatic, fixture("primavera/auto-reset.json")), 0);
        assert_null(answer.refused[0]);
        assert_string_equal(answer.refused[1], "User does not exist");
        assert_non_null(strstr(answer.refused[2], "doesn't name"));
        assert_int_equal(decode_reset(&automatic,
                                      text("{\"JSMITH\":null,\"DPATEL\":\"SUCCESS\",\"Nobody\":\"\"}")), 0);
        assert_true(!answer.refused[0] && !answer.refused[1] && !answer.refused[2]);
        assert_int_equal(decode_reset(&automatic, text("")), -EBADMSG);
        assert_int_equal(decode_reset(&automatic, text("[]")), -EBADMSG);
}

static void test_manual_resets(void **state) {
        static const char *const fine[] = { "", " \n", "Success", "{}", "[]", "{\"loginId\":\"JSMITH\"}" };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(fine); i++) {
                assert_int_equal(decode_reset(&target, text(fine[i])), 0);
                for (size_t k = 0; answer.refused && k < 3; k++)
                        assert_null(answer.refused[k]);
        }
        assert_int_equal(decode_reset(&target, fixture("primavera/manual-reset.json")), 0);
        assert_true(!answer.refused[0] && !answer.refused[2]);
        assert_string_equal(answer.refused[1], "Password policy");
        assert_int_equal(decode_reset(&target, text("[{")), -EBADMSG);
}

static void test_fates(void **state) {
        const TargetDriver *d = target_driver(TARGET_PRIMAVERA);
        const usec_t begun = UINT64_C(1700000000) * USEC_PER_SEC;
        static const struct { const char *memo, *now; ResetFate fate; } cases[] = {
                { "2018-05-30T11:05:40", "2018-05-30T11:05:40", RESET_NOT_DONE },
                { "2018-05-30T11:05:40", "2023-11-14T22:13:20", RESET_DONE },
                { "-", "2023-11-14T22:13:20", RESET_DONE },
                { "-", NULL, RESET_NOT_DONE },
                { NULL, NULL, RESET_NOT_DONE },
                { NULL, "2023-11-14T22:13:20", RESET_UNKNOWN },
                { NULL, "", RESET_UNKNOWN },
                { "-", "", RESET_UNKNOWN },
                { "1527678340000", "1527678340000", RESET_NOT_DONE },
                { "1527678340000", "1700000001000", RESET_DONE },
                { "1527678340000", "1699999000000", RESET_DONE },       /* their clock may be behind */
                { "1527678340000", "1600000000000", RESET_NOT_DONE },   /* somebody else's, long before */
                { NULL, "1700000001000", RESET_DONE },
                { NULL, "1699999999000", RESET_UNKNOWN },
                { NULL, "1600000000000", RESET_NOT_DONE },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const Account a = { .remote_id = "x", .password_reset = cases[i].now };

                if (d->reset_fate(cases[i].memo, begun, &a) != cases[i].fate)
                        fail_msg("case %zu", i);
        }
        assert_int_equal(d->reset_fate("-", begun, NULL), RESET_UNKNOWN);
        assert_string_equal(d->reset_mark(&(Account){ .remote_id = "x" }), "-");
        assert_string_equal(d->reset_mark(&(Account){ .remote_id = "x", .password_reset = "then" }), "then");
        assert_string_equal(d->reset_mark(&(Account){ .remote_id = "x", .password_reset = "" }), "");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_tokens),
                cmocka_unit_test(test_token_size),
                cmocka_unit_test(test_basic),
                TEST(test_user),
                TEST(test_bad_users),
                TEST(test_locations),
                TEST(test_job_in_body),
                TEST(test_job_results),
                TEST(test_changes),
                TEST(test_automatic_resets),
                TEST(test_manual_resets),
                cmocka_unit_test(test_fates),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
