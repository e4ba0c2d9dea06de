/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/strings.h"
#include "target/target.h"

static char url[] = "https://dc.example.com", tenant[] = "acme/prod", one[] = "1", name[] = "example",
        shown[] = "Example Ltd",
            type[] = "EMP", p6[] = "P6", unifier[] = "Unifier";
static char *row_one[] = { p6 }, *row_two[] = { unifier, p6 };
static ApplicationRule rules[] = { { .group = 0, .names = row_one, .n_names = 1 },
                                   { .group = 1, .names = row_two, .n_names = 2 } };
static TargetConfig target = {
        .url = url, .tenant = tenant, .company = { .id = one, .name = name, .display_name = shown },
                .user_type = type,
        .applications = rules, .n_applications = 2, .email_password = true, .max_listing = 64u << 20,
};

#define BASE "https://dc.example.com/acme/prod/cloudapi/restapi"
#define COMPANY "\"organization\":{\"id\":\"1\",\"name\":\"example\",\"displayName\":\"Example Ltd\"}"

static const char *const wanted[] = { "P6" };
static const Action create = {
        .kind = ACTION_CREATE, .person = "p", .address = "Zo\xc3\xab@example.com", .has_after = true,
        .after = { .login = "zoe \"z\"", .address = "Zo\xc3\xab@example.com", .first_name = "Zo\xc3\xab",
                   .last_name = "O\\N",
                   .roles = wanted, .n_roles = 1 },
};

static void builds(const CallInput *in, const char *method, const char *path, const char *body) {
        CallRequest r = { 0 };

        assert_int_equal(target_driver(TARGET_PRIMAVERA)->build(&target, in, &r), 0);
        assert_string_equal(r.method, method);
        assert_string_equal(r.url, path);
        if (body) {
                assert_string_equal(r.body ? secret_data(r.body) : "", body);
                assert_string_equal(r.content_type ? r.content_type : "", *body ? "application/json" : "");
        }
        call_request_deinit(&r);
}

static void refused(const CallInput *in) {
        CallRequest r = { 0 };

        assert_int_equal(target_driver(TARGET_PRIMAVERA)->build(&target, in, &r), -EINVAL);
        assert_null(r.url);
}

static void test_token(void **state) {
        _cleanup_(secret_freep) Secret *user = secret_new("Aladdin", 7), *password =
                secret_new("open sesame", 11);
        CallInput in = { .call = CALL_TOKEN, .key = user, .secret = password };
        CallRequest r = { 0 };

        (void) state;
        assert_int_equal(target_driver(TARGET_PRIMAVERA)->build(&target, &in, &r), 0);
        assert_string_equal(r.method, "GET");
        assert_string_equal(r.url, BASE "/oauth2/token?tokenExpiry=3600");
        assert_string_equal(secret_data(r.authorization), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_string_equal(r.accept, "*/*");
        assert_null(r.body);
        call_request_deinit(&r);
        refused(&(CallInput){ .call = CALL_TOKEN, .key = user });
}

static void test_reads(void **state) {
        CallRequest r = { 0 };

        (void) state;
        builds(&(CallInput){ .call = CALL_LIST, .page = 1 }, "GET", BASE "/v3/user", "");
        assert_int_equal(target_driver(TARGET_PRIMAVERA)->build(&target, &(CallInput){ .call = CALL_LIST },
                                                                &r), 0);
        assert_true(r.max_body == target.max_listing);
        call_request_deinit(&r);
        builds(&(CallInput){ .call = CALL_GET, .remote_id = "a/b?c d\xc3\xab" }, "GET",
               BASE "/v3/user/a%2Fb%3Fc%20d%C3%AB", "");
        builds(&(CallInput){ .call = CALL_GET, .action = &create }, "GET", BASE "/v3/user/zoe%20%22z%22",
               "");
        builds(&(CallInput){ .call = CALL_JOB, .memo = "95733 1 0" }, "GET", BASE "/v3/user/status/95733",
               "");
        target.tenant = NULL;
        builds(&(CallInput){ .call = CALL_LIST }, "GET", "https://dc.example.com/cloudapi/restapi/v3/user",
               "");
        target.tenant = tenant;

        refused(&(CallInput){ .call = CALL_GET });
        refused(&(CallInput){ .call = CALL_GET, .remote_id = "" });
        refused(&(CallInput){ .call = CALL_GET, .remote_id = "." });
        refused(&(CallInput){ .call = CALL_GET, .remote_id = ".." });
        refused(&(CallInput){ .call = CALL_JOB });
        refused(&(CallInput){ .call = CALL_JOB, .memo = "- 1 0" });
        refused(&(CallInput){ .call = CALL_JOB, .memo = "a/b 1 0" });
        refused(&(CallInput){ .call = CALL_JOB, .memo = "!words" });
        refused(&(CallInput){ .call = CALL_ROLES });
        refused(&(CallInput){ .call = CALL_DELETE, .remote_id = "x" });
        refused(&(CallInput){ .call = _CALL_MAX });
}

static void test_create(void **state) {
        Action a = create;

        (void) state;
        builds(&(CallInput){ .call = CALL_UPSERT, .action = &create }, "POST", BASE "/v3/user",
               "{\"added\":[{\"loginId\":\"zoe \\\"z\\\"\",\"firstName\":\"Zo\xc3\xab\","
               "\"lastName\":\"O\\\\N\",\"emailAddress\":\"Zo\xc3\xab@example.com\",\"disabled\":false,"
               COMPANY ",\"userType\":\"EMP\",\"roles\":[{\"name\":\"P6\"}]}]}");
        a.after.login = NULL;
        refused(&(CallInput){ .call = CALL_UPSERT, .action = &a });
        a = create;
        a.after.first_name = "";
        refused(&(CallInput){ .call = CALL_UPSERT, .action = &a });
        refused(&(CallInput){ .call = CALL_UPSERT });
}

#define USER                                                                                            \
        "{\"id\":\"3336\",\"loginId\":\"JSMITH\",\"firstName\":\"John\",\"lastName\":\"Smith\","        \
        "\"emailAddress\":\"j@example.com\",\"disabled\":false,\"locked\":true,\"status\":\"Active\","     \
        "\"manager\":\"boss\",\"organization\":{\"id\":\"7\",\"name\":\"other\"},\"createdBy\":\"x\","    \
        "\"statusInfoOK\":true,\"roles\":[{\"id\":\"9\",\"name\":\"Foreign\",\"userAccessType\":\"odd\"}," \
        "{\"name\":\"Unifier\"}],\"odd\":[1]}"
#define SENT_NAMES(first) "\"loginId\":\"JSMITH\",\"firstName\":\"" first "\",\"lastName\":\"Smith\","
#define SENT_HEAD SENT_NAMES("John") "\"emailAddress\":\"j@example.com\","
#define SENT_TAIL "\"manager\":\"boss\",\"organization\":{\"id\":\"7\",\"name\":\"other\"},"
#define FOREIGN "{\"id\":\"9\",\"name\":\"Foreign\",\"userAccessType\":\"odd\"}"

/* What nobody here decides goes back as it was, what only the API may write doesn't. */
static void test_update(void **state) {
        static const char *const plan[] = { "OldForeign", "P6" };
        Action a = { .kind = ACTION_UPDATE, .remote_id = "JSMITH", .has_after = true,
                     .after = { .roles = plan, .n_roles = 2 } };
        CallInput in = { .call = CALL_UPSERT, .action = &a, .document = USER };

        (void) state;
        builds(&in, "POST", BASE "/v3/user",
               "{\"modified\":[{" SENT_HEAD "\"disabled\":false,\"locked\":true,\"status\":\"Active\","
               SENT_TAIL
               "\"roles\":[" FOREIGN ",{\"name\":\"P6\"}],\"odd\":[1]}]}");
        a.after = (AccountState){ .first_name = "Jane" };
        builds(&in, "POST", BASE "/v3/user",
               "{\"modified\":[{" SENT_NAMES("Jane") "\"emailAddress\":\"j@example.com\","
               "\"disabled\":false,\"locked\":true,\"status\":\"Active\"," SENT_TAIL
               "\"roles\":[" FOREIGN ",{\"name\":\"Unifier\"}],\"odd\":[1]}]}");
        in.document = "{\"loginId\":\"JSMITH\"}";
        builds(&in, "POST", BASE "/v3/user",
               "{\"modified\":[{\"loginId\":\"JSMITH\",\"firstName\":\"Jane\"," COMPANY "}]}");

        /* A role of ours that is wanted and there stays as it was found, too. */
        a.after = (AccountState){ .roles = plan, .n_roles = 2 };
        in.document = "{\"loginId\":\"JSMITH\",\"organization\":{},"
                      "\"roles\":[{\"name\":\"P6\",\"userAccessType\":\"odd\"}]}";
        builds(&in, "POST", BASE "/v3/user",
               "{\"modified\":[{\"loginId\":\"JSMITH\",\"organization\":{},"
               "\"roles\":[{\"name\":\"P6\",\"userAccessType\":\"odd\"}]}]}");
        in.document = "{\"loginId\":\"JSMITH\",\"organization\":null,\"roles\":null}";
        builds(&in, "POST", BASE "/v3/user",
               "{\"modified\":[{\"loginId\":\"JSMITH\"," COMPANY ",\"roles\":[{\"name\":\"P6\"}]}]}");

        in.document = NULL;
        refused(&in);
        in.document = "{}";
        refused(&in);
        in.document = "[]";
        refused(&in);
}

static void test_disable_and_enable(void **state) {
        static const char *const none[] = { NULL };
        Action a = { .kind = ACTION_DISABLE, .remote_id = "JSMITH", .has_after = true,
                     .after = { .roles = none } };
        CallInput in = { .call = CALL_STATUS, .action = &a, .document = USER };

        (void) state;
        builds(&in, "PUT", BASE "/v3/user/change-status",
               "[{\"id\":\"3336\"," SENT_HEAD "\"disabled\":true,\"locked\":true," SENT_TAIL
               "\"roles\":[" FOREIGN ",{\"name\":\"Unifier\"}],\"odd\":[1]}]");
        in.call = CALL_UPSERT;
        builds(&in, "POST", BASE "/v3/user",
               "{\"modified\":[{" SENT_HEAD "\"disabled\":true,\"locked\":true," SENT_TAIL
               "\"roles\":[],\"odd\":[1]}]}");
        a.kind = ACTION_ENABLE;
        in.call = CALL_STATUS;
        builds(&in, "PUT", BASE "/v3/user/change-status",
               "[{\"id\":\"3336\"," SENT_HEAD "\"disabled\":false,\"locked\":true," SENT_TAIL
               "\"roles\":[" FOREIGN ",{\"name\":\"Unifier\"}],\"odd\":[1]}]");
        a.after = (AccountState){ .roles = wanted, .n_roles = 1 };
        in.call = CALL_UPSERT;
        builds(&in, "POST", BASE "/v3/user",
               "{\"modified\":[{" SENT_HEAD "\"disabled\":false,\"locked\":true," SENT_TAIL
               "\"roles\":[" FOREIGN ",{\"name\":\"P6\"}],\"odd\":[1]}]}");
        in.call = CALL_UNLOCK;
        builds(&in, "PUT", BASE "/v3/user/change-lock",
               "[{\"loginId\":\"JSMITH\",\"locked\":false,\"id\":\"3336\"}]");
        in.document = "{\"loginId\":\"JSMITH\"}";
        builds(&in, "PUT", BASE "/v3/user/change-lock", "[{\"loginId\":\"JSMITH\",\"locked\":false}]");
}

static void test_resets(void **state) {
        _cleanup_(secret_freep) Secret *one_password = secret_new("a\"b", 3), *two_password =
                secret_new("c", 1);
        static const Action first = { .kind = ACTION_RESET, .remote_id = "A" }, second =
                { .kind = ACTION_RESET, .remote_id = "B" };
        static const Account one_account = { .remote_id = "A", .login = "A", .first_name = "F",
                                             .last_name = "L",
                                             .address = "a@example.com", .number = "7", .roles = wanted,
                                                     .n_roles = 1 };
        static const Account two_account = { .remote_id = "B", .login = "B", .disabled = true,
                                             .company = "{\"id\":\"9\"}" };
        const Action *const batch[] = { &first, &second };
        const Account *const accounts[] = { &one_account, &two_account }, *const missing[] =
                { &one_account, NULL };
        Secret *const passwords[] = { one_password, two_password };
        CallInput in = { .call = CALL_RESET, .batch = batch, .n_batch = 2, .accounts = accounts,
                         .passwords = passwords };

        (void) state;
        builds(&in, "PUT", BASE "/v3/user/manual-reset-pwd/true",
               "[{\"id\":\"7\",\"loginId\":\"A\",\"firstName\":\"F\",\"lastName\":\"L\","
               "\"emailAddress\":\"a@example.com\",\"disabled\":false," COMPANY ","
               "\"roles\":[{\"name\":\"P6\"}],\"password\":\"a\\\"b\"},"
               "{\"loginId\":\"B\",\"firstName\":\"\",\"lastName\":\"\",\"emailAddress\":\"\","
               "\"disabled\":true,\"organization\":{\"id\":\"9\"},\"roles\":[],\"password\":\"c\"}]");
        target.email_password = false;
        builds(&in, "PUT", BASE "/v3/user/manual-reset-pwd/false", NULL);
        in.accounts = missing;
        refused(&in);
        in.accounts = accounts;
        in.passwords = NULL;
        refused(&in);
        target.reset_auto = true;
        builds(&in, "PUT", BASE "/v3/user/auto-reset-pwd", "[\"A\",\"B\"]");
        assert_false(target_driver(TARGET_PRIMAVERA)->reset_has_passwords(&target));
        in.n_batch = 0;
        refused(&in);
        target.reset_auto = false;
        target.email_password = true;
        assert_true(target_driver(TARGET_PRIMAVERA)->reset_has_passwords(&target));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_token),
                cmocka_unit_test(test_reads),
                cmocka_unit_test(test_create),
                cmocka_unit_test(test_update),
                cmocka_unit_test(test_disable_and_enable),
                cmocka_unit_test(test_resets),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
