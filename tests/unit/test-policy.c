/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "model/plan.h"

static char name[] = "umbrella";
static TargetConfig target;
static Plan plan;
static PolicyInput in;

static int setup(void **state) {
        (void) state;
        target = (TargetConfig){
                .name = name,
                .limits = { .create = 50,
                            .update = 50,
                            .recreate = 5,
                            .enable = 50,
                            .disable = 10,
                            .delete = 10,
                            .reset = 20,
                            .percent = 10 },
        };
        plan = (Plan){ .target = "umbrella", .n_linked = 1000 };
        in = (PolicyInput){ .target = &target, .plan = &plan };
        return 0;
}

static void set(ActionKind k, size_t n) {
        plan.n_actions += n - plan.count[k];
        plan.count[k] = n;
}

static void goes(void) {
        _cleanup_(strbuf_deinit) StrBuf reason = STRBUF_INIT(4096);

        if (policy_judge(&in, &reason) != 0)
                fail_msg("held: %s", reason.data);
        assert_int_equal(reason.len, 0);
}

static void held(const char *why) {
        _cleanup_(strbuf_deinit) StrBuf reason = STRBUF_INIT(4096);

        assert_int_equal(policy_judge(&in, &reason), POLICY_E_HOLD);
        assert_string_equal(reason.data, why);
}

static void test_first_plan(void **state) {
        (void) state;
        in.first_plan = true;
        goes();
        set(ACTION_ADOPT, 5000);
        goes();
        set(ACTION_CREATE, 1);
        held("it is the first plan of targets[umbrella] (first_plan = \"hold\")");
        in.first_plan_apply = true;
        goes();
        /* It lifts that one hold only. */
        set(ACTION_CREATE, 51);
        held("51 creates are over targets[umbrella].limits.create = 50");
}

static void test_changed_key(void **state) {
        (void) state;
        in.changed_key = "targets[umbrella].roles";
        goes();
        set(ACTION_CREATE, 1);
        held("targets[umbrella].roles has changed since the last approved plan");
}

static void test_limits(void **state) {
        (void) state;
        set(ACTION_CREATE, 50);
        goes();
        set(ACTION_CREATE, 7);
        in.queued_24h[ACTION_CREATE] = 50;
        held("57 creates (50 of them in the last 24 hours) are over targets[umbrella].limits.create = 50");
        /* What was queued before holds nothing that isn't asked for. */
        set(ACTION_CREATE, 0);
        goes();
        target.limits.create = 0;
        in.queued_24h[ACTION_CREATE] = 0;
        set(ACTION_CREATE, 1);
        held("1 create is over targets[umbrella].limits.create = 0");
}

static void test_each_kind(void **state) {
        static const struct { ActionKind kind; size_t limit; const char *key; } kinds[] = {
                { ACTION_CREATE, 50, ".create = 50" },   { ACTION_UPDATE, 50, ".update = 50" },
                { ACTION_RECREATE, 5, ".recreate = 5" }, { ACTION_ENABLE, 50, ".enable = 50" },
                { ACTION_DISABLE, 10, ".disable = 10" }, { ACTION_DELETE, 10, ".delete = 10" },
                { ACTION_RESET, 20, ".reset = 20" },
        };

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                _cleanup_(strbuf_deinit) StrBuf reason = STRBUF_INIT(4096);

                setup(state);
                set(kinds[i].kind, kinds[i].limit);
                goes();
                set(kinds[i].kind, kinds[i].limit + 1);
                assert_int_equal(policy_judge(&in, &reason), POLICY_E_HOLD);
                assert_non_null(strstr(reason.data, kinds[i].key));
        }
}

static void test_percent(void **state) {
        (void) state;
        target.limits.delete = 1000;
        plan.n_linked = 200;
        set(ACTION_DELETE, 20);
        goes();
        set(ACTION_DELETE, 21);
        held("21 deletes are more than the 20 that "
             "targets[umbrella].limits.percent = 10 allows of 200 linked");
        set(ACTION_DELETE, 1);
        in.queued_24h[ACTION_DELETE] = 20;
        held("21 deletes (20 of them in the last 24 hours) are more than the 20 that "
             "targets[umbrella].limits.percent = 10 allows of 200 linked");
        target.limits.percent = 100;
        goes();
        /* A few accounts: three are always allowed. */
        in.queued_24h[ACTION_DELETE] = 0;
        target.limits.percent = 10;
        plan.n_linked = 4;
        set(ACTION_DELETE, 3);
        goes();
        set(ACTION_DELETE, 4);
        held("4 deletes are more than the 3 that targets[umbrella].limits.percent = 10 allows of 4 linked");
        /* Not for creates. */
        set(ACTION_DELETE, 0);
        plan.n_linked = 0;
        set(ACTION_CREATE, 50);
        goes();
        /* Per kind. */
        set(ACTION_CREATE, 0);
        set(ACTION_DELETE, 3);
        set(ACTION_RECREATE, 3);
        goes();
}

static void test_always_held(void **state) {
        (void) state;
        set(ACTION_ADOPT, 1);
        plan.adopts_and_changes = true;
        held("it adopts accounts that targets[umbrella] would then change");
        setup(state);
        set(ACTION_RELINK, 2);
        plan.has_relink = true;
        held("2 relinks would tie an account to an entry with another id");
        setup(state);
        set(ACTION_CREATE, 1);
        plan.has_gone_create = true;
        held("it creates again what somebody removed at the API (targets[umbrella].gone = \"hold\")");
}

static void test_all_reasons(void **state) {
        (void) state;
        in.first_plan = true;
        in.changed_key = "directory.people";
        plan.n_linked = 10;
        set(ACTION_CREATE, 51);
        set(ACTION_DELETE, 11);
        held("it is the first plan of targets[umbrella] (first_plan = \"hold\"); "
             "directory.people has changed since the last approved plan; "
             "51 creates are over targets[umbrella].limits.create = 50; "
             "11 deletes are over targets[umbrella].limits.delete = 10; "
             "11 deletes are more than the 3 that "
             "targets[umbrella].limits.percent = 10 allows of 10 linked");
}

/* Where there is something to hold. */
static void test_expectation(void **state) {
        (void) state;
        in.failed = "f:1: expect[0]: x fails";
        goes();
        set(ACTION_ADOPT, 1);
        goes();
        set(ACTION_CREATE, 1);
        held("f:1: expect[0]: x fails");
        in.first_plan = true;
        held("it is the first plan of targets[umbrella] (first_plan = \"hold\"); f:1: expect[0]: x fails");
        in.first_plan_apply = true;
        held("f:1: expect[0]: x fails");
        set(ACTION_CREATE, 0);
        plan.adopts_and_changes = true;
        held("f:1: expect[0]: x fails; it adopts accounts that targets[umbrella] would then change");
}

/* A reason that can't be written is no leave to go. */
static void test_no_room(void **state) {
        _cleanup_(strbuf_deinit) StrBuf reason = STRBUF_INIT(5);

        (void) state;
        set(ACTION_CREATE, 51);
        assert_int_equal(policy_judge(&in, &reason), -E2BIG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(test_first_plan, setup),
                cmocka_unit_test_setup(test_changed_key, setup),
                cmocka_unit_test_setup(test_limits, setup),
                cmocka_unit_test_setup(test_each_kind, setup),
                cmocka_unit_test_setup(test_percent, setup),
                cmocka_unit_test_setup(test_always_held, setup),
                cmocka_unit_test_setup(test_all_reasons, setup),
                cmocka_unit_test_setup(test_expectation, setup),
                cmocka_unit_test_setup(test_no_room, setup),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
