/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "model/action.h"

static const char *const two_roles[] = { "a", "b" };

static void test_kinds(void **state) {
        (void) state;
        for (ActionKind k = 0; k < _ACTION_KIND_MAX; k++)
                assert_int_equal(action_kind_from_string(action_kind_to_string(k)), k);
        assert_null(action_kind_to_string(_ACTION_KIND_MAX));
        assert_int_equal(action_kind_from_string("Create"), _ACTION_KIND_MAX);
        assert_int_equal(action_kind_from_string(NULL), _ACTION_KIND_MAX);
        assert_true(action_kind_is_destructive(ACTION_DELETE) &&
                    action_kind_is_destructive(ACTION_DISABLE) &&
                    action_kind_is_destructive(ACTION_RECREATE));
        assert_false(action_kind_is_destructive(ACTION_CREATE) || action_kind_is_destructive(ACTION_ADOPT) ||
                     action_kind_is_destructive(ACTION_UPDATE) ||
                     action_kind_is_destructive(ACTION_ENABLE) || action_kind_is_destructive(ACTION_RESET) ||
                     action_kind_is_destructive(ACTION_RELINK));
}

static void written(const AccountState *s, const char *json) {
        _cleanup_(strbuf_deinit) StrBuf b = STRBUF_INIT(1000);

        account_state_to_json(s, &b);
        assert_int_equal(b.error, 0);
        assert_string_equal(b.data, json);
}

static void test_to_json(void **state) {
        (void) state;
        written(&(AccountState){}, "{}");
        written(&(AccountState){ .roles = two_roles }, "{\"roles\":[]}");
        written(&(AccountState){ .timezone = "UTC" }, "{\"timezone\":\"UTC\"}");
        written(&(AccountState){
                        .address = "a@example.com",
                        .login = "",
                        .first_name = "\"\\\n",
                        .last_name = "\xc3\xa9",
                        .timezone = "UTC",
                        .role = "Read Only",
                        .status = "Active",
                        .roles = two_roles,
                        .n_roles = 2,
                },
                "{\"address\":\"a@example.com\",\"first_name\":\"\\\"\\\\\\n\",\"last_name\":\"\xc3\xa9\","
                "\"login\":\"\",\"role\":\"Read Only\",\"roles\":[\"a\",\"b\"],\"status\":\"Active\","
                "\"timezone\":\"UTC\"}");
}

static void refused(const char *json, size_t len) {
        _cleanup_(arena_freep) Arena *arena = arena_new();
        AccountState s = { .address = "untouched" };

        if (account_state_from_json(json, len, arena, &s) != -EBADMSG)
                fail_msg("%s is read", json);
        assert_string_equal(s.address, "untouched");
}

static void test_from_json(void **state) {
        static const char json[] =
                " { \"timezone\": \"UTC\", \"roles\": [\"b\", \"a\", \"b\"], \"address\": \"\\u00e9\" } ";
        static const char *const bad[] = {
                "",
                "null",
                "[]",
                "\"x\"",
                "{",
                "{}}",
                "{} x",
                "{\"address\":1}",
                "{\"address\":null}",
                "{\"roles\":\"a\"}",
                "{\"roles\":[1]}",
                "{\"roles\":[null]}",
                "{\"roles\":[[\"a\"]]}",
                "{\"other\":\"a\"}",
                "{\"address\":\"a\\u0000b\"}",
                "{\"address\":\"\xff\"}",
                "{\"address\":\"a\",}",
        };
        _cleanup_(arena_freep) Arena *arena = arena_new();
        AccountState s;

        (void) state;
        assert_int_equal(account_state_from_json(json, sizeof(json) - 2, arena, &s), 0);
        assert_string_equal(s.address, "\xc3\xa9");
        assert_string_equal(s.timezone, "UTC");
        assert_null(s.login);
        assert_int_equal(s.n_roles, 2);
        assert_string_equal(s.roles[0], "a");
        assert_string_equal(s.roles[1], "b");
        assert_int_equal(account_state_from_json("{\"roles\":[]}", 12, arena, &s), 0);
        assert_true(s.roles && s.n_roles == 0);
        assert_int_equal(account_state_from_json("{}", 2, arena, &s), 0);
        assert_true(!s.roles && !s.address);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                refused(bad[i], strlen(bad[i]));
        refused("{}\0", 3);
}

static void test_equal(void **state) {
        const AccountState none = {}, empty = { .address = "" },
                           full = { .address = "a", .roles = two_roles, .n_roles = 2 };
        AccountState other = full;

        (void) state;
        assert_true(account_state_equal(&none, &none));
        assert_false(account_state_equal(&none, &empty));
        assert_true(account_state_equal(&full, &other));
        other.n_roles = 1;
        assert_false(account_state_equal(&full, &other));
        other.roles = NULL, other.n_roles = 0;
        assert_false(account_state_equal(&full, &other));
        assert_false(account_state_equal(&(AccountState){ .roles = two_roles }, &none));
        assert_false(
                account_state_equal(&(AccountState){ .timezone = "a" }, &(AccountState){ .timezone = "b" }));
}

static void test_copy(void **state) {
        _cleanup_(arena_freep) Arena *arena = arena_new();
        char text[] = "alice", role[] = "r";
        const char *roles[] = { role };
        const Action in = {
                .kind = ACTION_RECREATE,
                .person = text,
                .remote_id = text,
                .has_before = true,
                .before = { .address = text, .roles = roles, .n_roles = 1 },
                .after = { .roles = roles },
        };
        Action out;

        (void) state;
        assert_int_equal(action_copy(&in, arena, &out), 0);
        memset(text, 'x', 5);
        role[0] = 'x';
        roles[0] = "y";
        assert_int_equal(out.kind, ACTION_RECREATE);
        assert_string_equal(out.person, "alice");
        assert_null(out.address);
        assert_string_equal(out.before.address, "alice");
        assert_string_equal(out.before.roles[0], "r");
        assert_true(out.has_before && !out.has_after);
        assert_true(out.after.roles && out.after.n_roles == 0);
}

static void test_links(void **state) {
        _cleanup_(links_freep) Links *links = links_new();
        char person[] = "p";

        (void) state;
        for (size_t i = 0; i < 200; i++)
                assert_int_equal(links_add(links, &(Link){ .person = person,
                                                           .remote_id = "1",
                                                           .since = i,
                                                           .gone = i % 2,
                                                           .out_for = 2 * i }),
                                 0);
        person[0] = 'q';
        assert_int_equal(links->n, 200);
        assert_string_equal(links->items[199].person, "p");
        assert_null(links->items[199].employee_number);
        assert_true(links->items[199].since == 199 && links->items[199].gone &&
                    links->items[199].out_for == 398);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_kinds),     cmocka_unit_test(test_to_json),
                cmocka_unit_test(test_from_json), cmocka_unit_test(test_equal),
                cmocka_unit_test(test_copy),      cmocka_unit_test(test_links),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
