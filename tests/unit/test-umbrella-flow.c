/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/strings.h"
#include "target/target.h"

static TargetConfig adopting = { .adopt = ADOPT_EMAIL }, refusing = { .adopt = ADOPT_NEVER };
static const Action create = { .kind = ACTION_CREATE, .person = "p", .address = "a@example.com" };
static const Account account = { .remote_id = "77", .address = "A@example.com" };

static const Outcome ok = { .class = OUTCOME_OK }, already = { .class = OUTCOME_ALREADY };
static const Outcome transient = { .class = OUTCOME_TRANSIENT, .detail = "no" };
static const Outcome throttled = { .class = OUTCOME_THROTTLED, .detail = "no" };
static const Outcome auth = { .class = OUTCOME_AUTH, .detail = "no" };
static const Outcome uncertain = { .class = OUTCOME_UNCERTAIN, .detail = "cut" };
static const Outcome rejected = { .class = OUTCOME_REJECTED, .detail = "the role is unknown" };
static const Outcome in_use = {
                .class = OUTCOME_REJECTED, .hint = HINT_ADDRESS_IN_USE, .detail = "Email already in use"};

static FlowNext begin(const FlowInput *in) {
        FlowNext next;

        memset(&next, 0xff, sizeof(next));
        target_driver(TARGET_UMBRELLA)->flow_begin(in, &next);
        return next;
}

static FlowNext after(Step step, bool was_uncertain, const Outcome *outcome) {
        FlowInput in = {.target = &adopting,
                        .action = &create,
                        .step = step,
                        .was_uncertain = was_uncertain,
                        .outcome = outcome};
        FlowNext next;

        memset(&next, 0xff, sizeof(next));
        target_driver(TARGET_UMBRELLA)->flow_after(&in, &next);
        return next;
}

/* After the question who has the address. */
static FlowNext told(const Outcome *outcome, const char *words) {
        Answer answer = { .words = words };
        FlowInput in = {.target = &adopting,
                        .action = &create,
                        .step = STEP_CONFLICT,
                        .memo = "HTTP 400: Email already in use",
                        .outcome = outcome,
                        .call = CALL_ORGANIZATIONS,
                        .answer = outcome->class == OUTCOME_OK && !outcome->hint ? &answer : NULL};
        FlowNext next;

        memset(&next, 0xff, sizeof(next));
        target_driver(TARGET_UMBRELLA)->flow_after(&in, &next);
        return next;
}

static FlowNext seen(const TargetConfig *t, Step step, bool was_uncertain, const Account *a, bool linked) {
        FlowInput in = {.target = t,
                        .action = &create,
                        .step = step,
                        .was_uncertain = was_uncertain,
                        .seen = a,
                        .seen_linked = linked};
        FlowNext next;

        memset(&next, 0xff, sizeof(next));
        target_driver(TARGET_UMBRELLA)->flow_seen(&in, &next);
        return next;
}

static void is(FlowNext next, FlowVerb verb, Step step) {
        assert_int_equal(next.verb, verb);
        assert_int_equal(next.step, step);
        assert_int_equal(next.detail[0] != 0, verb == FLOW_DEAD);
}

static void is_call(FlowNext next, Step step, Call call) {
        is(next, FLOW_CALL, step);
        assert_int_equal(next.call, call);
}

static void is_done(FlowNext next, Step step, LinkOrigin origin) {
        is(next, FLOW_DONE, step);
        assert_int_equal(next.origin, origin);
}

static void is_dead(FlowNext next, Step step, const char *words) {
        is(next, FLOW_DEAD, step);
        if (!strstr(next.detail, words))
                fail_msg("\"%s\" isn't in \"%s\"", words, next.detail);
}

static void test_begin(void **state) {
        static const Step steps[] = { STEP_START, STEP_SHORT, STEP_IN_USE, STEP_CONFLICT };
        FlowInput in = { .target = &adopting, .action = &create };

        (void) state;
        is_call(begin(&in), STEP_START, CALL_CREATE);
        in.step = STEP_SHORT;
        is_call(begin(&in), STEP_SHORT, CALL_CREATE_SHORT);
        /* The look that was due may never have happened. */
        in.step = STEP_IN_USE;
        is(begin(&in), FLOW_LOOK, STEP_IN_USE);
        in.step = STEP_CONFLICT;
        is_call(begin(&in), STEP_CONFLICT, CALL_ORGANIZATIONS);
        /* After a crash each step begins with a look: its call may have gone out. */
        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                FlowNext next;

                memset(&next, 0xff, sizeof(next));
                in.step = steps[i];
                target_driver(TARGET_UMBRELLA)->flow_resume(&in, &next);
                is(next, FLOW_LOOK, steps[i]);
        }
        /* Its uncertain call was looked for already. */
        in.was_uncertain = true;
        in.step = STEP_START;
        is_call(begin(&in), STEP_START, CALL_CREATE);
}

static void test_after(void **state) {
        static const Step steps[] = { STEP_START, STEP_SHORT };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(steps); i++)
                for (int u = 0; u < 2; u++) {
                        is_done(after(steps[i], u, &ok), steps[i], LINK_CREATED);
                        is_done(after(steps[i], u, &already), steps[i], LINK_CREATED);
                        is(after(steps[i], u, &transient), FLOW_LATER, steps[i]);
                        is(after(steps[i], u, &throttled), FLOW_LATER, steps[i]);
                        is(after(steps[i], u, &auth), FLOW_LATER, steps[i]);
                        is(after(steps[i], u, &uncertain), FLOW_LOOK, steps[i]);
                        is_dead(after(steps[i], u, &rejected), steps[i], "the role is unknown");
                }
        is(after(STEP_START, false, &in_use), FLOW_LOOK, STEP_IN_USE);
        is(after(STEP_START, true, &in_use), FLOW_LOOK, STEP_IN_USE);
}

static void test_conflict(void **state) {
        static const Outcome not_found = { .class = OUTCOME_OK, .hint = HINT_NOT_FOUND };
        const Outcome *const silent[] = { &transient, &throttled, &auth, &rejected, &ok, &not_found };
        FlowNext next = after(STEP_SHORT, false, &in_use);

        (void) state;
        is_call(next, STEP_CONFLICT, CALL_ORGANIZATIONS);
        assert_string_equal(next.memo, "Email already in use");
        next = told(&ok, "Child Two (2000002)");
        /* A retry begins anew: the address may be free for the long body by then. */
        is_dead(next, STEP_START, "a@example.com");
        is_dead(next, STEP_START, "names the organization Child Two (2000002) as having that address");
        is_dead(next, STEP_START, "\"HTTP 400: Email already in use\" to both ways");
        is_dead(next, STEP_START, "take the person out");
        assert_null(strstr(next.detail, "ours"));
        /* However the question ends: it's a conflict. */
        for (size_t i = 0; i < ELEMENTSOF(silent); i++) {
                next = told(silent[i], NULL);
                is_dead(next, STEP_START, "Email already in use");
                is_dead(next, STEP_START, "another Umbrella organization");
                assert_int_equal(!!strstr(next.detail, "can't ask about"), silent[i] == &not_found);
        }
}

/* Government can't be asked. */
static void test_conflict_without_a_question(void **state) {
        static const TargetConfig gov = { .type = TARGET_UMBRELLA_GOV };
        FlowInput in = { .target = &gov, .action = &create, .step = STEP_SHORT, .was_uncertain = true,
                         .outcome = &in_use, .call = CALL_CREATE_SHORT };
        FlowNext next;

        (void) state;
        target_driver(TARGET_UMBRELLA_GOV)->flow_after(&in, &next);
        is_dead(next, STEP_START, "\"Email already in use\" to both ways");
        is_dead(next, STEP_START, "another Umbrella organization has that address");
        is_dead(next, STEP_START, "or ours has it");
}

static void test_absent(void **state) {
        (void) state;
        for (int u = 0; u < 2; u++) {
                is_call(seen(&adopting, STEP_START, u, NULL, false), STEP_START, CALL_CREATE);
                is_call(seen(&adopting, STEP_SHORT, u, NULL, false), STEP_SHORT, CALL_CREATE_SHORT);
                is_call(seen(&adopting, STEP_IN_USE, u, NULL, false), STEP_SHORT, CALL_CREATE_SHORT);
                is_call(seen(&adopting, STEP_CONFLICT, u, NULL, false), STEP_CONFLICT, CALL_ORGANIZATIONS);
        }
}

static void test_seen(void **state) {
        static const Step steps[] = { STEP_START, STEP_SHORT, STEP_IN_USE };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                /* Ours: its answer was lost. Whatever the policy about accounts of others. */
                is_done(seen(&adopting, steps[i], true, &account, false), steps[i], LINK_CREATED);
                is_done(seen(&refusing, steps[i], true, &account, false), steps[i], LINK_CREATED);
                is_done(seen(&adopting, steps[i], false, &account, false), steps[i], LINK_ADOPTED);
                is_dead(seen(&refusing, steps[i], false, &account, false), steps[i], "adopt = \"never\"");
                is_dead(seen(&refusing, steps[i], false, &account, false), steps[i], "(77)");
                for (int u = 0; u < 2; u++) {
                        is_dead(seen(&adopting, steps[i], u, &account, true), steps[i], "another person");
                        is_dead(seen(&adopting, steps[i], u, &account, true), steps[i], "77");
                        is_dead(seen(&adopting, steps[i], u, &account, true), steps[i], "a@example.com");
                }
        }
}

/* A deleted account whose first create was cut: it must come to an end. */
static void test_uncertain_then_in_use(void **state) {
        FlowNext next;

        (void) state;
        next = after(STEP_START, true, &uncertain);
        is(next, FLOW_LOOK, STEP_START);
        next = seen(&adopting, next.step, true, NULL, false);
        is_call(next, STEP_START, CALL_CREATE);
        next = after(next.step, true, &in_use);
        is(next, FLOW_LOOK, STEP_IN_USE);
        next = seen(&adopting, next.step, true, NULL, false);
        is_call(next, STEP_SHORT, CALL_CREATE_SHORT);
        next = after(next.step, true, &uncertain);
        is(next, FLOW_LOOK, STEP_SHORT);
        next = seen(&adopting, next.step, true, NULL, false);
        is_call(next, STEP_SHORT, CALL_CREATE_SHORT);
        next = after(next.step, true, &in_use);
        is_call(next, STEP_CONFLICT, CALL_ORGANIZATIONS);
}

static void test_adopt(void **state) {
        Action adopt = create;
        FlowInput in = { .target = &adopting, .action = &adopt };

        (void) state;
        adopt.kind = ACTION_ADOPT;
        is_done(begin(&in), STEP_START, LINK_ADOPTED);
}

/* What no step was written for ends as a dead letter, and doesn't end the daemon. */
static void test_unknown(void **state) {
        const TargetDriver *d = target_driver(TARGET_UMBRELLA);
        Action other = create;
        FlowInput in = { .target = &adopting, .action = &other, .outcome = &ok };
        FlowNext next;

        (void) state;
        for (int kind = ACTION_RECREATE; kind <= _ACTION_KIND_MAX; kind++) {
                if (kind == ACTION_RECREATE || kind == ACTION_DELETE)
                        continue;
                other.kind = (ActionKind) kind;
                is_dead(begin(&in), STEP_START, "this version");
                d->flow_after(&in, &next);
                is_dead(next, STEP_START, "this version");
                d->flow_seen(&in, &next);
                is_dead(next, STEP_START, "this version");
        }
        other.kind = ACTION_ADOPT;
        d->flow_after(&in, &next);
        is_dead(next, STEP_START, "this version");
        other.kind = ACTION_CREATE;
        in.step = STEP_DELETING;
        is_dead(begin(&in), STEP_DELETING, "step 2");
        in.step = (Step) 99;
        is_dead(begin(&in), (Step) 99, "step 99");
        in.step = (Step) -1;
        d->flow_after(&in, &next);
        assert_int_equal(next.verb, FLOW_DEAD);
        d->flow_seen(&in, &next);
        assert_int_equal(next.verb, FLOW_DEAD);
}

static void test_hostile_address(void **state) {
        char address[600];
        Action bad = create;
        FlowInput in = { .target = &adopting, .action = &bad, .step = STEP_CONFLICT, .outcome = &in_use,
                         .call = CALL_ORGANIZATIONS };
        FlowNext next;

        (void) state;
        memset(address, '\n', sizeof(address) - 1);
        address[sizeof(address) - 1] = 0;
        bad.address = address;
        target_driver(TARGET_UMBRELLA)->flow_after(&in, &next);
        is_dead(next, STEP_START, "then retry");
        assert_null(strchr(next.detail, '\n'));
        bad.address = NULL;
        target_driver(TARGET_UMBRELLA)->flow_after(&in, &next);
        is_dead(next, STEP_START, "then retry");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_begin),   cmocka_unit_test(test_after),
                cmocka_unit_test(test_conflict), cmocka_unit_test(test_conflict_without_a_question),
                cmocka_unit_test(test_absent),
                cmocka_unit_test(test_seen),    cmocka_unit_test(test_uncertain_then_in_use),
                cmocka_unit_test(test_adopt),   cmocka_unit_test(test_unknown),
                cmocka_unit_test(test_hostile_address),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
