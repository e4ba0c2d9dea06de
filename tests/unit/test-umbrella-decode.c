/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "answers.h"
#include "base/strings.h"
#include "target/target.h"

/* ---- tokens ---- */

static void token_is(HttpResult result, const char *bearer, usec_t lifetime) {
        _cleanup_(secret_freep) Secret *s = NULL;
        usec_t got = 0;
        ErrCtx err = { 0 };

        if (target_driver(TARGET_UMBRELLA)->decode_token(&result, &s, &got, &err) != 0)
                fail_msg("%s: %s", result.body, err.text);
        if (bearer)
                assert_string_equal(secret_data(s), bearer);
        assert_int_equal(secret_len(s), strlen(secret_data(s)));
        assert_true(got == lifetime);
}

static void token_isnt(const char *body, const char *words) {
        Secret *s = NULL;
        usec_t lifetime = 7;
        ErrCtx err = { 0 };
        HttpResult result = text(body);

        if (target_driver(TARGET_UMBRELLA)->decode_token(&result, &s, &lifetime, &err) != -EBADMSG)
                fail_msg("%s was accepted", body);
        assert_null(s);
        assert_true(lifetime == 7);
        if (!strstr(err.text, words))
                fail_msg("%s: \"%s\" isn't in \"%s\"", body, words, err.text);
        /* Whatever is wrong with it: the token isn't shown. */
        assert_null(strstr(err.text, "s3cr3t"));
}

static void test_tokens(void **state) {
        (void) state;
        token_is(fixture("umbrella/token.json"), NULL, USEC_PER_HOUR);
        token_is(fixture("umbrella/token-documented.json"),
                 "Bearer token-of-the-documentation", USEC_PER_HOUR);
        token_is(fixture("umbrella/token-text-lifetime.json"),
                 "Bearer abc.def~ghi+j/k==", 30 * USEC_PER_MINUTE);
        token_is(fixture("umbrella/token-no-lifetime.json"), "Bearer abc", USEC_PER_HOUR);
        token_is(text("{\"access_token\":\"abc\"}"), "Bearer abc", USEC_PER_HOUR);
        token_is(text("\n{\"token_type\":null,\"access_token\" :\t\"abc\",\"x\":{\"y\":[1]}}\n"),
                 "Bearer abc", USEC_PER_HOUR);
}

static void test_lifetimes(void **state) {
        (void) state;
        token_is(text("{\"access_token\":\"a\",\"expires_in\":0}"), NULL, 30 * USEC_PER_SEC);
        token_is(text("{\"access_token\":\"a\",\"expires_in\":31}"), NULL, 31 * USEC_PER_SEC);
        token_is(text("{\"access_token\":\"a\",\"expires_in\":86400}"), NULL, USEC_PER_DAY);
        token_is(text("{\"access_token\":\"a\",\"expires_in\":86401}"), NULL, USEC_PER_DAY);
        token_is(text("{\"access_token\":\"a\",\"expires_in\":18446744073709551614}"), NULL, USEC_PER_DAY);
        token_is(text("{\"access_token\":\"a\",\"expires_in\":\"18446744073709551614\"}"), NULL,
                 USEC_PER_DAY);
        token_is(text("{\"access_token\":\"a\",\"expires_in\":-5}"), NULL, USEC_PER_HOUR);
        token_is(text("{\"access_token\":\"a\",\"expires_in\":\"soon\"}"), NULL, USEC_PER_HOUR);
        token_is(text("{\"access_token\":\"a\",\"expires_in\":3599.5}"), NULL, USEC_PER_HOUR);
        token_is(text("{\"access_token\":\"a\",\"expires_in\":null}"), NULL, USEC_PER_HOUR);
}

static void test_bad_tokens(void **state) {
        (void) state;
        token_isnt("", "no access_token");
        token_isnt("{}", "no access_token");
        token_isnt("\"access_token\"", "no value");
        token_isnt("{\"access_token\"", "no value");
        token_isnt("{\"access_token\":", "no string");
        token_isnt("{\"access_token\":null}", "no string");
        token_isnt("{\"access_token\":12}", "no string");
        token_isnt("{\"access_token\":\"\"}", "header");
        token_isnt("{\"access_token\":\"s3cr3t", "header");
        token_isnt("{\"access_token\":\"s3cr3t\\r\\nX: y\"}", "header");
        token_isnt("{\"access_token\":\"s3cr3t x\"}", "header");
        token_isnt("{\"access_token\":\"s3cr3t\"", "");
        token_isnt("{\"access_token\":\"s3cr3t\"} x", "");
        token_isnt("[\"access_token\":\"s3cr3t\"]", "");
        token_isnt("[{\"access_token\":\"s3cr3t\"}]", "no object");
        token_isnt("{\"data\":{\"access_token\":\"s3cr3t\"}}", "isn't where it should be");
        token_isnt("{\"data\":{\"access_token\":\"s3cr3t\"},\"access_token\":\"t\"}",
                   "isn't where it should be");
        token_isnt("{\"access_token\":\"s3cr3t\",\"access_token\":\"t\"}", "");
        token_isnt("{\"access_token\":\"s3cr3t\",\"token_type\":\"mac\"}", "bearer");
        token_isnt("{\"access_token\":\"s3cr3t\",\"token_type\":1}", "token_type");
        token_isnt("{\"ACCESS_TOKEN\":\"s3cr3t\"}", "no access_token");
        token_isnt("<html>s3cr3t</html>", "no access_token");
}

static void test_huge_token(void **state) {
        static char body[20000];
        HttpResult r;
        Secret *s = NULL;
        usec_t lifetime;

        (void) state;
        memset(body, 'a', sizeof(body) - 1);
        memcpy(body, "{\"access_token\":\"", 17);
        memcpy(body + sizeof(body) - 3, "\"}", 2);
        r = text(body);
        assert_int_equal(target_driver(TARGET_UMBRELLA)->decode_token(&r, &s, &lifetime, NULL), -EBADMSG);
        assert_null(s);
}

/* ---- roles ---- */

static int decode_roles(HttpResult result, Roles *ret, ErrCtx *err) {
        return target_driver(TARGET_UMBRELLA)->decode_roles(&result, ret, err);
}

static void decode_roles_ok(Roles *ret, const char *body) {
        assert_int_equal(decode_roles(text(body), ret, NULL), 0);
}

static void roles_arent(const char *body, const char *words) {
        Roles roles = { 0 };
        ErrCtx err = { 0 };

        if (decode_roles(text(body), &roles, &err) != -EBADMSG)
                fail_msg("%s was accepted", body);
        assert_null(roles.items);
        if (!strstr(err.text, words))
                fail_msg("%s: \"%s\" isn't in \"%s\"", body, words, err.text);
}

static void test_roles(void **state) {
        Roles roles = { 0 };

        (void) state;
        assert_int_equal(decode_roles(fixture("umbrella/roles.json"), &roles, NULL), 0);
        assert_int_equal(roles.n, 5);
        assert_string_equal(roles_id(&roles, "Full Admin"), "1");
        assert_string_equal(roles_id(&roles, "Investigate Only"), "5");
        roles_deinit(&roles);
        assert_int_equal(decode_roles(fixture("umbrella/roles-custom.json"), &roles, NULL), 0);
        assert_int_equal(roles.n, 6);
        assert_string_equal(roles_id(&roles, "Help Desk Z\xc3\xbcrich"), "98765");
        roles_deinit(&roles);
        decode_roles_ok(&roles,
                "{\"roles\":[{\"roleId\":1,\"label\":\"a\"}]}");
        assert_int_equal(roles.n, 1);
        roles_deinit(&roles);
        /* The same one twice is one; labels that differ in case alone are two. */
        decode_roles_ok(&roles,
                "[{\"roleId\":1,\"label\":\"a\"},{\"roleId\":\"1\",\"label\":\"a\"},"
                "{\"roleId\":2,\"label\":\"A\"},{\"roleId\":1,\"label\":\"b\"}]");
        assert_int_equal(roles.n, 3);
        assert_string_equal(roles_id(&roles, "A"), "2");
        assert_string_equal(roles_id(&roles, "b"), "1");
        roles_deinit(&roles);
}

static void test_bad_roles(void **state) {
        (void) state;
        roles_arent("", "empty answer");
        roles_arent("[]", "without any role");
        roles_arent("{}", "instead of an array");
        roles_arent("{\"roles\":[]}", "without any role");
        roles_arent("[null]", "$[0]");
        roles_arent("[{\"roleId\":1,\"label\":\"a\"},3]", "$[1] is no object");
        roles_arent("[{\"label\":\"a\"}]", "$[0].roleId is missing");
        roles_arent("[{\"roleId\":0,\"label\":\"a\"}]", "$[0].roleId is 0");
        roles_arent("[{\"roleId\":-1,\"label\":\"a\"}]", "$[0].roleId");
        roles_arent("[{\"roleId\":1.5,\"label\":\"a\"}]", "$[0].roleId");
        roles_arent("[{\"roleId\":true,\"label\":\"a\"}]", "$[0].roleId");
        roles_arent("[{\"roleId\":1}]", "$[0].label is missing or empty");
        roles_arent("[{\"roleId\":1,\"label\":\"\"}]", "$[0].label");
        roles_arent("[{\"roleId\":1,\"label\":7}]", "$[0].label");
        roles_arent("[{\"roleId\":1,\"label\":\"a\"},{\"roleId\":2,\"label\":\"a\"}]",
                    "$[1].label \"a\" belongs to");
        roles_arent("[{\"roleId\":1,\"label\":\"a\"}", "");
}

static void test_many_roles(void **state) {
        StrBuf b = STRBUF_INIT(1u << 20);
        Roles roles = { 0 };
        ErrCtx err = { 0 };

        (void) state;
        for (int i = 1; i <= 1001; i++)
                strbuf_printf(&b, "%c{\"roleId\":%d,\"label\":\"r%d\"}", i == 1 ? '[' : ',', i, i);
        strbuf_putc(&b, ']');
        assert_int_equal(decode_roles(text(b.data), &roles, &err), -EBADMSG);
        assert_non_null(strstr(err.text, "more than 1000 roles"));
        strbuf_deinit(&b);
}

/* ---- accounts ---- */

static Arena *arena;

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

static int decode_account(HttpResult result, Account *ret, ErrCtx *err) {
        static const TargetConfig target = { 0 };
        Answer answer = { 0 };
        int r;

        r = target_driver(TARGET_UMBRELLA)
                            ->decode_answer(&target, CALL_CREATE, NULL, &result, arena, &answer, err);
        assert_int_equal(answer.has_account, r == 0);
        if (r == 0)
                *ret = answer.account;
        return r;
}

static void decode_account_ok(Account *ret, const char *body) {
        assert_int_equal(decode_account(text(body), ret, NULL), 0);
}

static void test_account(void **state) {
        Account a;

        (void) state;
        assert_int_equal(decode_account(fixture("umbrella/user-created.json"), &a, NULL), 0);
        memset(fixture_text, 'x', sizeof(fixture_text));
        assert_string_equal(a.remote_id, "11957344");
        assert_string_equal(a.address, "carol@example.com");
        assert_string_equal(a.key, "carol@example.com");
        assert_string_equal(a.first_name, "Carol");
        assert_string_equal(a.last_name, "Example");
        assert_string_equal(a.timezone, "UTC");
        assert_string_equal(a.role, "Read Only");
        assert_string_equal(a.status, "Active");
        assert_null(a.last_login);
        assert_null(a.login);
        assert_true(a.has_second_factor && !a.second_factor && !a.disabled && !a.locked);

        assert_int_equal(decode_account(fixture("umbrella/user-documented.json"), &a, NULL), 0);
        assert_string_equal(a.remote_id, "1234");
        assert_string_equal(a.address, "user email");
        /* No address that could be anybody's. */
        assert_null(a.key);
        assert_true(a.has_second_factor && a.second_factor);
        assert_string_equal(a.last_login, "2018-06-13T16:07:07.222Z");
}

static void test_account_variants(void **state) {
        Account a;

        (void) state;
        /* Case is the key's matter, the API's spelling stays. */
        decode_account_ok(&a,
                "{\"id\":\"9223372036854775808\",\"email\":\"A.B@Example.COM\"}");
        assert_string_equal(a.remote_id, "9223372036854775808");
        assert_string_equal(a.address, "A.B@Example.COM");
        assert_string_equal(a.key, "a.b@example.com");
        assert_false(a.has_second_factor);
        assert_null(a.role);
        decode_account_ok(&a,
                "{\"id\":18446744073709551614,\"email\":null,\"firstname\":\"\"}");
        assert_string_equal(a.remote_id, "18446744073709551614");
        assert_null(a.address);
        assert_null(a.key);
        assert_null(a.first_name);
        /* What decides nothing may be of any type. */
        decode_account_ok(&a,
                "{\"id\":1,\"firstname\":7,\"lastname\":[],\"timezone\":{},"
                "\"lastLoginTime\":1681204432,\"twoFactorEnable\":\"yes\"}");
        assert_true(!a.first_name && !a.last_name && !a.timezone && !a.last_login && !a.has_second_factor);
}

static void test_account_status(void **state) {
        static const struct { const char *status; bool disabled, locked; } cases[] = {
                { "Active", false, false },   { "on", false, false },      { "Pending", false, false },
                { "invited", false, false },  { "", false, false },        { "Off", true, false },
                { "DISABLED", true, false },  { "inactive", true, false }, { "Suspended", true, false },
                { "locked", false, true },    { "official", false, false }, { "deactivated", true, false },
        };
        char body[100];
        Account a;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                snprintf(body, sizeof(body), "{\"id\":1,\"status\":\"%s\"}", cases[i].status);
                assert_int_equal(decode_account(text(body), &a, NULL), 0);
                if (a.disabled != cases[i].disabled || a.locked != cases[i].locked)
                        fail_msg("%s: disabled %d, locked %d", cases[i].status, a.disabled, a.locked);
                if (*cases[i].status)
                        assert_string_equal(a.status, cases[i].status);
                else
                        assert_null(a.status);
        }
}

static void test_bad_accounts(void **state) {
        static const struct { const char *body, *words; } cases[] = {
                { "", "" },
                { "null", "no object" },
                { "[]", "no object" },
                { "{}", "$.id is missing" },
                { "{\"id\":null}", "$.id is missing" },
                { "{\"id\":0}", "$.id is 0" },
                { "{\"id\":\"\"}", "$.id" },
                { "{\"id\":\"12x\"}", "$.id" },
                { "{\"id\":-1}", "$.id" },
                { "{\"id\":1e3}", "$.id" },
                { "{\"id\":123456789012345678901234567890}", "$.id" },
                { "{\"id\":1,\"email\":5}", "$.email" },
                { "{\"id\":1,\"email\":\"a\\u0000b@example.com\"}", "$.email" },
                { "{\"id\":1,\"role\":{}}", "$.role" },
                { "{\"id\":1,\"status\":false}", "$.status" },
                { "{\"id\":1} {}", "" },
        };
        Account a = { .remote_id = "untouched" };
        ErrCtx err;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                err = (ErrCtx){ 0 };
                if (decode_account(text(cases[i].body), &a, &err) != -EBADMSG)
                        fail_msg("%s was accepted", cases[i].body);
                if (!strstr(err.text, cases[i].words))
                        fail_msg("%s: \"%s\" isn't in \"%s\"", cases[i].body, cases[i].words, err.text);
                assert_string_equal(a.remote_id, "untouched");
        }
}

/* Which answers hold an account. */
static void test_answers(void **state) {
        static const TargetConfig target = { 0 };
        const TargetDriver *d = target_driver(TARGET_UMBRELLA);
        HttpResult page = text("not even JSON"), account = text("{\"id\":5}");
        Answer answer;

        (void) state;
        for (int call = CALL_GET; call < _CALL_MAX; call++) {
                bool has = call == CALL_GET || call == CALL_CREATE || call == CALL_CREATE_SHORT;

                answer = (Answer){ 0 };
                assert_int_equal(
                                d->decode_answer(&target, (Call) call, NULL, &account, arena, &answer, NULL),
                                0);
                assert_int_equal(answer.has_account, has);
                answer = (Answer){ 0 };
                assert_int_equal(d->decode_answer(&target, (Call) call, NULL, &page, arena, &answer, NULL),
                                 has ? -EBADMSG : 0);
                assert_false(answer.has_account || answer.running || answer.failed || answer.memo);
        }
}

/* ---- who has an address ---- */

static const char *organizations_of(HttpResult result) {
        Answer answer = { 0 };

        /* Never an error: it only explains. */
        assert_int_equal(target_driver(TARGET_UMBRELLA)->decode_answer(NULL, CALL_ORGANIZATIONS, NULL,
                                                                       &result, arena, &answer, NULL), 0);
        assert_false(answer.has_account);
        return answer.words;
}

static void test_organizations(void **state) {
        static const char *const bad[] = {
                "", "null", "{}", "[]", "[7]", "[{}]", "[{\"organizationId\":0}]",
                "[{\"organizationId\":1,\"organizationName\":\"a\"},{\"organizationId\":\"x\"}]",
        };

        (void) state;
        assert_string_equal(organizations_of(fixture("umbrella/organizations.json")),
                            "Child \"Two\" (2000002)");
        assert_string_equal(organizations_of(fixture("umbrella/organizations-many.json")),
                            "One (1), 2, Three\\x0aLines (3) and 2 more");
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (organizations_of(text(bad[i])))
                        fail_msg("%s was understood", bad[i]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_tokens),       cmocka_unit_test(test_lifetimes),
                cmocka_unit_test(test_bad_tokens),   cmocka_unit_test(test_huge_token),
                cmocka_unit_test(test_roles),        cmocka_unit_test(test_bad_roles),
                cmocka_unit_test(test_many_roles),   cmocka_unit_test(test_account),
                cmocka_unit_test(test_account_variants), cmocka_unit_test(test_account_status),
                cmocka_unit_test(test_bad_accounts), cmocka_unit_test(test_answers),
                cmocka_unit_test(test_organizations),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
