/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/strings.h"
#include "target/target.h"

static char url[] = "https://api.umbrella.com", zone[] = "Europe/Berlin", empty[] = "";
static const TargetConfig target = { .url = url, .timezone = zone, .max_listing = 64u << 20 };
static const TargetConfig child = { .url = url, .timezone = zone, .organization = 7654321 };
static const TargetConfig no_zone = { .url = url, .timezone = empty };

static const Action action = {
                .kind = ACTION_CREATE,
                .person = "p1",
                .address = "Zo\xc3\xab@example.com",
                .has_after = true,
                .after = {.address = "Zo\xc3\xab@example.com",
                          .first_name = "Zo\xc3\xab \"Z\"",
                          .last_name = "O\\N\n",
                          .role = "Read Only"},
};

static int build(const TargetConfig *t, const CallInput *in, CallRequest *ret) {
        return target_driver(TARGET_UMBRELLA)->build(t, in, ret);
}

static void refused(const TargetConfig *t, const CallInput *in) {
        CallRequest r = { 0 };

        assert_int_equal(build(t, in, &r), -EINVAL);
        assert_null(r.url);
}

static void test_token(void **state) {
        _cleanup_(secret_freep) Secret *key = secret_new("Aladdin", 7),
                                       *secret = secret_new("open sesame", 11);
        CallInput in = { .call = CALL_TOKEN, .key = key, .secret = secret };
        CallRequest r;

        (void) state;
        assert_int_equal(build(&target, &in, &r), 0);
        assert_string_equal(r.method, "POST");
        assert_string_equal(r.url, "https://api.umbrella.com/auth/v2/token");
        /* The example of RFC 7617 §2. */
        assert_string_equal(secret_data(r.authorization), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_string_equal(secret_data(r.body), "grant_type=client_credentials");
        assert_string_equal(r.content_type, "application/x-www-form-urlencoded");
        assert_int_equal(r.n_headers, 0);
        assert_true(r.max_body > 4096 && r.max_body <= 1u << 20);
        call_request_deinit(&r);
        assert_null(r.url);

        assert_int_equal(build(&child, &in, &r), 0);
        assert_int_equal(r.n_headers, 1);
        assert_string_equal(r.headers[0].name, "X-Umbrella-OrgId");
        assert_string_equal(r.headers[0].value, "7654321");
        call_request_deinit(&r);
}

static void test_token_refused(void **state) {
        _cleanup_(secret_freep) Secret *key = secret_new("key", 3), *secret = secret_new("s", 1);
        _cleanup_(secret_freep) Secret *colon = secret_new("k:y", 3), *nothing = secret_new("", 0);

        (void) state;
        refused(&target, &(CallInput){ .call = CALL_TOKEN, .key = key });
        refused(&target, &(CallInput){ .call = CALL_TOKEN, .secret = secret });
        refused(&target, &(CallInput){ .call = CALL_TOKEN, .key = colon, .secret = secret });
        refused(&target, &(CallInput){ .call = CALL_TOKEN, .key = nothing, .secret = secret });
}

static void check_read(const CallInput *in, const char *method, const char *expected, uint64_t max_body) {
        CallRequest r;

        /* The organization is the token's, not the call's. */
        for (int i = 0; i < 2; i++) {
                assert_int_equal(build(i ? &child : &target, in, &r), 0);
                assert_string_equal(r.method, method);
                assert_string_equal(r.url, expected);
                assert_null(r.authorization);
                assert_null(r.body);
                assert_int_equal(r.n_headers, 0);
                if (i == 0)
                        assert_true(r.max_body == max_body);
                call_request_deinit(&r);
        }
}

static void test_reads(void **state) {
        (void) state;
        check_read(&(CallInput){.call = CALL_ROLES}, "GET", "https://api.umbrella.com/admin/v2/roles",
                   1u << 20);
        check_read(&(CallInput){ .call = CALL_LIST, .page = 1 }, "GET",
                   "https://api.umbrella.com/admin/v2/users?page=1&limit=100", 64u << 20);
        check_read(&(CallInput){ .call = CALL_LIST, .page = 4294967295u }, "GET",
                   "https://api.umbrella.com/admin/v2/users?page=4294967295&limit=100", 64u << 20);
        check_read(&(CallInput){ .call = CALL_GET, .remote_id = "11957342" }, "GET",
                   "https://api.umbrella.com/admin/v2/users/11957342", 1u << 20);
        check_read(&(CallInput){ .call = CALL_DELETE, .remote_id = "9223372036854775808" }, "DELETE",
                   "https://api.umbrella.com/admin/v2/users/9223372036854775808", 1u << 20);
}

static void test_bad_input(void **state) {
        static const char *const ids[] = {
                NULL, "", "0", "1/../2", "1?x", "-1", " 1", "1 ", "a", "18446744073709551616", "1.0",
        };
        TargetConfig no_url = target;
        CallRequest r = { 0 };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(ids); i++) {
                refused(&target, &(CallInput){ .call = CALL_GET, .remote_id = ids[i] });
                refused(&target, &(CallInput){ .call = CALL_DELETE, .remote_id = ids[i] });
        }
        refused(&target, &(CallInput){ .call = CALL_LIST });
        refused(&target, &(CallInput){ .call = _CALL_MAX });
        refused(&target, &(CallInput){ .call = (Call) -1 });
        no_url.url = NULL;
        assert_int_equal(build(&no_url, &(CallInput){ .call = CALL_ROLES }, &r), -EINVAL);
        no_url.url = malloc(5001);
        assert_non_null(no_url.url);
        memset(no_url.url, 'a', 5000);
        no_url.url[5000] = 0;
        assert_int_equal(build(&no_url, &(CallInput){ .call = CALL_ROLES }, &r), -EINVAL);
        free(no_url.url);
}

static void test_create(void **state) {
        _cleanup_(secret_freep) Secret *password = secret_new("p\"w\\d", 5);
        CallInput in = { .call = CALL_CREATE, .action = &action, .role_id = "2", .password = password };
        Action own = action;
        CallRequest r;

        (void) state;
        assert_int_equal(build(&target, &in, &r), 0);
        assert_string_equal(r.method, "POST");
        assert_string_equal(r.url, "https://api.umbrella.com/admin/v2/users");
        assert_string_equal(r.content_type, "application/json");
        assert_null(r.authorization);
        assert_string_equal(secret_data(r.body),
                            "{\"firstname\":\"Zo\xc3\xab \\\"Z\\\"\",\"lastname\":\"O\\\\N\\n\","
                            "\"email\":\"Zo\xc3\xab@example.com\",\"password\":\"p\\\"w\\\\d\","
                            "\"timezone\":\"Europe/Berlin\",\"roleId\":2}");
        call_request_deinit(&r);

        own.after.timezone = "Asia/Tokyo";
        own.after.address = NULL;
        in.action = &own;
        in.role_id = "18446744073709551615";
        assert_int_equal(build(&target, &in, &r), 0);
        assert_non_null(strstr(secret_data(r.body), "\"timezone\":\"Asia/Tokyo\""));
        assert_non_null(strstr(secret_data(r.body), "\"email\":\"Zo\xc3\xab@example.com\""));
        assert_non_null(strstr(secret_data(r.body), ",\"roleId\":18446744073709551615}"));
        call_request_deinit(&r);
}

/* Leaves out one thing at a time. */
static void test_create_refused(void **state) {
        _cleanup_(secret_freep) Secret *password = secret_new("password", 8), *nothing = secret_new("", 0);
        CallInput in = { .call = CALL_CREATE, .action = &action, .role_id = "2", .password = password }, bad;
        CallRequest r;
        Action own;

        (void) state;
        assert_int_equal(build(&target, &in, &r), 0);
        call_request_deinit(&r);
        bad = in, bad.action = NULL;
        refused(&target, &bad);
        bad = in, bad.role_id = NULL;
        refused(&target, &bad);
        bad = in, bad.role_id = "2}";
        refused(&target, &bad);
        bad = in, bad.password = NULL;
        refused(&target, &bad);
        bad = in, bad.password = nothing;
        refused(&target, &bad);
        refused(&no_zone, &in);

        bad = in, bad.action = &own;
        own = action, own.has_after = false;
        refused(&target, &bad);
        own = action, own.after.first_name = "";
        refused(&target, &bad);
        own = action, own.after.last_name = NULL;
        refused(&target, &bad);
        own = action, own.after.address = own.address = NULL;
        refused(&target, &bad);
}

static void test_create_short(void **state) {
        CallInput in = { .call = CALL_CREATE_SHORT, .action = &action, .role_id = "5" };
        Action nobody = { .kind = ACTION_CREATE };
        Action recreate = {
                .kind = ACTION_RECREATE,
                .address = "new@example.com",
                .has_before = true,
                .before = { .address = "old@example.com" },
                .has_after = true,
                .after = { .address = "new@example.com" },
        };
        CallRequest r;

        (void) state;
        assert_int_equal(build(&no_zone, &in, &r), 0);
        assert_string_equal(r.method, "POST");
        assert_string_equal(r.url, "https://api.umbrella.com/admin/v2/users");
        assert_string_equal(r.content_type, "application/json");
        assert_string_equal(secret_data(r.body), "{\"email\":\"Zo\xc3\xab@example.com\",\"roleId\":5}");
        call_request_deinit(&r);
        in.role_id = "";
        refused(&target, &in);
        in.role_id = "5";
        /* Recreated is the account as it was, but for its role. */
        in.action = &recreate;
        assert_int_equal(build(&target, &in, &r), 0);
        assert_string_equal(secret_data(r.body), "{\"email\":\"old@example.com\",\"roleId\":5}");
        call_request_deinit(&r);
        in.action = NULL;
        refused(&target, &in);
        in.action = &nobody;
        refused(&target, &in);
}

/* ---- password resets ---- */

static const Action ann = { .kind = ACTION_RESET, .address = "ann@example.com" };
static const Action zoe = { .kind = ACTION_RESET, .address = "Zo\xc3\xab \"Z\"@example.com" };
static const Action nobody_in_particular = { .kind = ACTION_RESET, .address = "" };

static void test_reset(void **state) {
        const Action *const both[] = { &ann, &zoe }, *const bad[] = { &ann, &nobody_in_particular };
        const Account old = { .address = "zoe@old.example" };
        const Account *const accounts[] = { NULL, &old };
        CallInput in = { .call = CALL_RESET, .batch = both, .n_batch = 2 };
        CallRequest r;

        (void) state;
        assert_int_equal(build(&child, &in, &r), 0);
        assert_string_equal(r.method, "POST");
        assert_string_equal(r.url, "https://api.umbrella.com/admin/v2/passwordResets/7654321");
        assert_string_equal(r.content_type, "application/json");
        assert_string_equal(secret_data(r.body), "{\"adminEmails\":[\"ann@example.com\","
                                                 "\"Zo\xc3\xab \\\"Z\\\"@example.com\"]}");
        assert_null(r.authorization);
        assert_int_equal(r.n_headers, 0);
        call_request_deinit(&r);
        in.n_batch = 1;
        assert_int_equal(build(&child, &in, &r), 0);
        assert_string_equal(secret_data(r.body), "{\"adminEmails\":[\"ann@example.com\"]}");
        call_request_deinit(&r);

        /* The account's own address, where the directory has another one by now. */
        in.n_batch = 2;
        in.accounts = accounts;
        assert_int_equal(build(&child, &in, &r), 0);
        assert_string_equal(secret_data(r.body),
                            "{\"adminEmails\":[\"ann@example.com\",\"zoe@old.example\"]}");
        call_request_deinit(&r);

        in.n_batch = 0;
        refused(&child, &in);
        in.n_batch = 2;
        refused(&target, &in);          /* no child organization: nothing to reset in */
        in.batch = bad;
        in.accounts = NULL;
        refused(&child, &in);
}

static void test_organizations(void **state) {
        CallInput in = { .call = CALL_ORGANIZATIONS, .action = &action };
        CallRequest r;

        (void) state;
        assert_int_equal(build(&child, &in, &r), 0);
        assert_string_equal(r.method, "GET");
        assert_string_equal(r.url, "https://api.umbrella.com/admin/v2/organizations"
                                   "?email=Zo%C3%AB%40example.com");
        assert_null(r.body);
        assert_int_equal(r.n_headers, 0);
        assert_true(r.max_body == 1u << 20);
        call_request_deinit(&r);
        in.action = &nobody_in_particular;
        refused(&child, &in);
        in.action = NULL;
        refused(&child, &in);
}

/* The parent's token: of the key's own organization, whatever the target's. */
static void test_parent_token(void **state) {
        _cleanup_(secret_freep) Secret *key = secret_new("key", 3), *secret = secret_new("s", 1);
        CallInput in = { .call = CALL_TOKEN, .key = key, .secret = secret, .parent = true };
        CallRequest r;

        (void) state;
        assert_int_equal(build(&child, &in, &r), 0);
        assert_int_equal(r.n_headers, 0);
        assert_string_equal(r.url, "https://api.umbrella.com/auth/v2/token");
        call_request_deinit(&r);
        in.parent = false;
        assert_int_equal(build(&child, &in, &r), 0);
        assert_int_equal(r.n_headers, 1);
        call_request_deinit(&r);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_token),          cmocka_unit_test(test_token_refused),
                cmocka_unit_test(test_reads),          cmocka_unit_test(test_bad_input),
                cmocka_unit_test(test_create),         cmocka_unit_test(test_create_refused),
                cmocka_unit_test(test_create_short),   cmocka_unit_test(test_reset),
                cmocka_unit_test(test_parent_token),   cmocka_unit_test(test_organizations),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
