/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/strings.h"
#include "target/target.h"

static void test_names(void **state) {
        (void) state;
        assert_string_equal(outcome_class_to_string(OUTCOME_OK), "ok");
        assert_string_equal(outcome_class_to_string(OUTCOME_UNCERTAIN), "uncertain");
        for (int c = 0; c < _OUTCOME_CLASS_MAX; c++)
                assert_non_null(outcome_class_to_string((OutcomeClass) c));
        assert_null(outcome_class_to_string(_OUTCOME_CLASS_MAX));
        for (int c = 0; c < _CALL_MAX; c++)
                assert_non_null(call_to_string((Call) c));
        assert_null(call_to_string(_CALL_MAX));
}

static void test_writes(void **state) {
        (void) state;
        assert_false(call_is_write(CALL_TOKEN));
        assert_false(call_is_write(CALL_ROLES));
        assert_false(call_is_write(CALL_LIST));
        assert_false(call_is_write(CALL_GET));
        assert_true(call_is_write(CALL_CREATE));
        assert_true(call_is_write(CALL_CREATE_SHORT));
        assert_true(call_is_write(CALL_DELETE));
        assert_true(call_is_write(CALL_RESET));
        assert_true(call_is_write(CALL_UPSERT));
        assert_true(call_is_write(CALL_STATUS));
        assert_true(call_is_write(CALL_UNLOCK));
        assert_false(call_is_write(CALL_JOB));
        assert_false(call_is_write(CALL_ORGANIZATIONS));
        assert_false(call_is_write(_CALL_MAX));
}

static void test_roles(void **state) {
        Roles none = { 0 }, roles = { .items = calloc(3, sizeof(Role)), .n = 3 };

        (void) state;
        assert_non_null(roles.items);
        roles.items[0] = (Role){ strdup("read only"), strdup("7") };
        roles.items[1] = (Role){ strdup("Read Only"), strdup("2") };
        roles.items[2] = (Role){ strdup("Full Admin"), strdup("1") };
        assert_string_equal(roles_id(&roles, "Read Only"), "2");
        assert_string_equal(roles_id(&roles, "read only"), "7");
        assert_string_equal(roles_id(&roles, "READ ONLY"), "7");
        assert_string_equal(roles_id(&roles, "full admin"), "1");
        assert_null(roles_id(&roles, "Full"));
        assert_null(roles_id(&roles, ""));
        assert_null(roles_id(&roles, NULL));
        assert_null(roles_id(&none, "Full Admin"));
        roles_deinit(&roles);
        assert_null(roles.items);
        assert_int_equal(roles.n, 0);
        roles_deinit(&roles);
}

static void test_umbrella(void **state) {
        const TargetDriver *d = target_driver(TARGET_UMBRELLA);

        (void) state;
        assert_non_null(d);
        assert_string_equal(d->label, "Umbrella");
        assert_true(d->capabilities.create && d->capabilities.recreate && d->capabilities.delete);
        assert_true(d->capabilities.needs_names && d->capabilities.has_roles);
        /* What the API can't do must be known before a plan is made. */
        assert_false(d->capabilities.role_update || d->capabilities.disable || d->capabilities.name_update);
        assert_false(d->capabilities.needs_login);
        assert_int_equal(d->token_limit.calls, 20);
        assert_true(d->token_limit.window == USEC_PER_MINUTE);
        assert_true(d->has_roles_call);
        assert_true(d->build && d->classify && d->decode_token && d->decode_roles && d->decode_page);
        assert_true(d->decode_answer && d->flow_begin && d->flow_resume && d->flow_after && d->flow_seen);
        /* One account at a time is taken away, and a password needs the parent's word. */
        assert_int_equal(d->serial, 1u << ACTION_DELETE | 1u << ACTION_RECREATE);
        assert_true(d->capabilities.reset);
        assert_int_equal(d->parent_calls, 1u << CALL_RESET | 1u << CALL_ORGANIZATIONS);
        assert_true(!d->decode_reset && !d->reset_has_passwords);
}

/* The same API but for what it lacks. */
static void test_government(void **state) {
        const TargetDriver *d = target_driver(TARGET_UMBRELLA_GOV), *commercial =
                target_driver(TARGET_UMBRELLA);
        Capabilities differs = commercial->capabilities;

        (void) state;
        assert_non_null(d);
        assert_string_equal(d->label, "Umbrella for Government");
        assert_false(d->capabilities.reset);
        differs.reset = false;
        assert_memory_equal(&d->capabilities, &differs, sizeof(differs));
        assert_int_equal(d->parent_calls, 0);
        assert_int_equal(d->serial, commercial->serial);
        assert_true(d->build == commercial->build && d->classify == commercial->classify);
}

static void test_primavera(void **state) {
        const TargetDriver *d = target_driver(TARGET_PRIMAVERA);

        (void) state;
        assert_non_null(d);
        assert_string_equal(d->label, "Primavera");
        assert_true(d->capabilities.create && d->capabilities.role_update && d->capabilities.name_update);
        assert_true(d->capabilities.disable && d->capabilities.disable_takes_roles && d->capabilities.reset);
        assert_true(d->capabilities.needs_names && d->capabilities.needs_login);
        assert_false(d->capabilities.delete || d->capabilities.recreate || d->capabilities.has_roles);
        assert_false(d->has_roles_call);
        assert_true(d->key_is_login && d->reset_needs_account && d->reset_mark && d->reset_fate);
        assert_true(d->build && d->authorize && d->classify && d->decode_token && d->decode_page && d->feed);
        assert_true(d->decode_answer && d->decode_reset && d->flow_begin && d->flow_after && d->flow_seen);
        /* One job at a time. */
        assert_int_equal(d->serial, 1u << ACTION_CREATE | 1u << ACTION_UPDATE | 1u << ACTION_ENABLE |
                                    1u << ACTION_DISABLE);
        assert_int_equal(d->kinds, d->serial | 1u << ACTION_ADOPT | 1u << ACTION_RESET);
}

static void test_unserved(void **state) {
        (void) state;
        assert_null(target_driver(_TARGET_TYPE_MAX));
        assert_null(target_driver((TargetType) -1));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_writes),
                cmocka_unit_test(test_roles),
                cmocka_unit_test(test_umbrella),
                cmocka_unit_test(test_government),
                cmocka_unit_test(test_primavera),
                cmocka_unit_test(test_unserved),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
