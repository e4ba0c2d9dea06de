/* SPDX-License-Identifier: Apache-2.0 */
/* Deletes and recreates: every step with every outcome. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/strings.h"
#include "target/target.h"

#define NOW (1000 * USEC_PER_HOUR)

static const TargetConfig target = { .adopt = ADOPT_EMAIL };
static const Action delete_act = {
        .kind = ACTION_DELETE, .person = "p", .address = "a@example.com", .remote_id = "77",
        .has_before = true, .before = { .address = "A@example.com", .role = "Read Only" },
};
static const Action recreate = {
        .kind = ACTION_RECREATE, .person = "p", .address = "a@example.com", .remote_id = "77",
        .has_before = true, .before = { .address = "A@example.com", .role = "Read Only" },
        .has_after = true, .after = { .address = "a@example.com", .role = "Full Admin" },
};
static const Answer same = {
        .has_account = true,
        .account = { .remote_id = "77", .address = "a@EXAMPLE.com", .role = "Read Only" }
};
static const Answer other = {
        .has_account = true,
        .account = { .remote_id = "77", .address = "b@example.com", .role = "Read Only" }
};
static const Answer admin = {
        .has_account = true,
        .account = { .remote_id = "77", .address = "a@example.com", .role = "full admin" }
};
static const Answer nameless = { .has_account = true, .account = { .remote_id = "77" } };
static const Answer made = {
        .has_account = true,
        .account = { .remote_id = "88", .address = "a@example.com", .role = "Full Admin" }
};

static const Outcome ok = { .class = OUTCOME_OK }, already = { .class = OUTCOME_ALREADY };
static const Outcome not_found = { .class = OUTCOME_OK, .hint = HINT_NOT_FOUND };
static const Outcome uncertain = { .class = OUTCOME_UNCERTAIN, .detail = "cut" };
static const Outcome rejected = { .class = OUTCOME_REJECTED, .detail = "the last Full Admin stays" };
static const Outcome in_use = { .class = OUTCOME_REJECTED,
                                .hint = HINT_ADDRESS_IN_USE,
                                .detail = "Email already in use" };
static const Outcome later[] = {
        { .class = OUTCOME_TRANSIENT, .detail = "no" },
        { .class = OUTCOME_THROTTLED, .detail = "no" },
        { .class = OUTCOME_AUTH, .detail = "no" },
};

typedef struct World {
        const Action *action;
        Step step;
        bool was_uncertain;
        const char *memo;
} World;

static FlowInput input(World w) {
        return (FlowInput){
                .target = &target,
                .action = w.action,
                .step = w.step,
                .was_uncertain = w.was_uncertain,
                .memo = w.memo,
                .wall = NOW,
        };
}

static FlowNext begin(World w) {
        FlowInput in = input(w);
        FlowNext next;

        memset(&next, 0xff, sizeof(next));
        target_driver(TARGET_UMBRELLA)->flow_begin(&in, &next);
        return next;
}

static FlowNext resume(World w) {
        FlowInput in = input(w);
        FlowNext next;

        memset(&next, 0xff, sizeof(next));
        target_driver(TARGET_UMBRELLA)->flow_resume(&in, &next);
        return next;
}

static FlowNext after(World w, Call call, const Outcome *outcome, const Answer *answer) {
        FlowInput in = input(w);
        FlowNext next;

        in.call = call;
        in.outcome = outcome;
        in.answer = answer;
        memset(&next, 0xff, sizeof(next));
        target_driver(TARGET_UMBRELLA)->flow_after(&in, &next);
        return next;
}

static FlowNext seen(World w, const Account *account, bool linked) {
        FlowInput in = input(w);
        FlowNext next;

        in.seen = account;
        in.seen_linked = linked;
        memset(&next, 0xff, sizeof(next));
        target_driver(TARGET_UMBRELLA)->flow_seen(&in, &next);
        return next;
}

static FlowNext seen_by_id(World w, const Account *account) {
        FlowInput in = input(w);
        FlowNext next;

        in.seen_id = account;
        memset(&next, 0xff, sizeof(next));
        target_driver(TARGET_UMBRELLA)->flow_seen(&in, &next);
        return next;
}

static void is(FlowNext next, FlowVerb verb, Step step) {
        assert_int_equal(next.verb, verb);
        assert_int_equal(next.step, step);
        assert_int_equal(next.detail[0] != 0, verb == FLOW_DEAD);
        if (verb != FLOW_DEAD)
                assert_false(next.critical);
}

static void is_call(FlowNext next, Step step, Call call) {
        is(next, FLOW_CALL, step);
        assert_int_equal(next.call, call);
}

static void is_done(FlowNext next, LinkEffect link) {
        assert_int_equal(next.verb, FLOW_DONE);
        assert_int_equal(next.link, link);
        if (link == LINK_PUT)
                assert_int_equal(next.origin, LINK_CREATED);
}

static void is_dead(FlowNext next, Step step, bool critical, const char *words) {
        is(next, FLOW_DEAD, step);
        assert_int_equal(next.critical, critical);
        if (!strstr(next.detail, words))
                fail_msg("\"%s\" isn't in \"%s\"", words, next.detail);
}

/* ---- delete ---- */

static void test_delete(void **state) {
        World w = { &delete_act, STEP_START, false, NULL };

        (void) state;
        is_call(begin(w), STEP_START, CALL_GET);
        is_call(after(w, CALL_GET, &ok, &same), STEP_DELETING, CALL_DELETE);
        /* Listed and not to be had: nothing is said to be done that isn't. */
        is(after(w, CALL_GET, &not_found, NULL), FLOW_LOOK, STEP_START);
        is_done(seen_by_id(w, NULL), LINK_DROP);
        is_dead(seen_by_id(w, &same.account), STEP_START, false, "is in the listing");
        w.step = STEP_DELETING;
        is_done(after(w, CALL_DELETE, &ok, NULL), LINK_DROP);
        is_done(after(w, CALL_DELETE, &already, NULL), LINK_DROP);
        is_call(after(w, CALL_DELETE, &uncertain, NULL), STEP_DELETING, CALL_GET);
        is_call(resume(w), STEP_DELETING, CALL_GET);
        is_call(begin(w), STEP_DELETING, CALL_GET);
        w.was_uncertain = true;
        is_done(after(w, CALL_GET, &not_found, NULL), LINK_DROP);
        is_call(after(w, CALL_GET, &ok, &same), STEP_DELETING, CALL_DELETE);
}

/* What surely didn't happen may still be called off; what may have happened not. */
static void failed_delete(const Action *a) {
        World sure = { a, STEP_DELETING, false, NULL }, unsure = { a, STEP_DELETING, true, NULL };
        World start = { a, STEP_START, false, NULL };

        for (size_t i = 0; i < ELEMENTSOF(later); i++) {
                is(after(sure, CALL_DELETE, &later[i], NULL), FLOW_LATER, STEP_START);
                is(after(unsure, CALL_DELETE, &later[i], NULL), FLOW_LATER, STEP_DELETING);
                is(after(start, CALL_GET, &later[i], NULL), FLOW_LATER, STEP_START);
                is(after(unsure, CALL_GET, &later[i], NULL), FLOW_LATER, STEP_DELETING);
        }
        is_dead(after(sure, CALL_DELETE, &rejected, NULL), STEP_START, false, "the last Full Admin stays");
        is_dead(after(unsure, CALL_DELETE, &rejected, NULL), STEP_DELETING, false,
                "the last Full Admin stays");
}

static void test_failed(void **state) {
        (void) state;
        failed_delete(&delete_act);
        failed_delete(&recreate);
}

/* An id is known to us by its address: under another one it isn't touched. */
static void test_another(void **state) {
        const Action *const acts[] = { &delete_act, &recreate };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(acts); i++) {
                World w = { acts[i], STEP_START, false, NULL };
                Action unknown = *acts[i];

                is_dead(after(w, CALL_GET, &ok, &other), STEP_START, false, "b@example.com");
                is_dead(after(w, CALL_GET, &ok, &other), STEP_START, false, "isn't touched");
                is_dead(after(w, CALL_GET, &ok, &nameless), STEP_START, false, "(none)");
                is_dead(after(w, CALL_GET, &ok, NULL), STEP_START, false, "77");
                w.step = STEP_DELETING;
                w.was_uncertain = true;
                is_dead(after(w, CALL_GET, &ok, &other), STEP_DELETING, false, "b@example.com");
                /* Nothing to compare with. */
                w = (World){ &unknown, STEP_START, false, NULL };
                unknown.has_before = false;
                is_call(after(w, CALL_GET, &ok, &other), STEP_DELETING, CALL_DELETE);
                unknown.has_before = true;
                unknown.before.address = NULL;
                is_call(after(w, CALL_GET, &ok, &other), STEP_DELETING, CALL_DELETE);
        }
}

/* ---- recreate ---- */

static void test_recreate(void **state) {
        World w = { &recreate, STEP_START, false, NULL };
        FlowNext next;

        (void) state;
        is_call(begin(w), STEP_START, CALL_GET);
        is_call(after(w, CALL_GET, &ok, &same), STEP_DELETING, CALL_DELETE);
        /* Somebody was faster, either way. */
        is_done(after(w, CALL_GET, &ok, &admin), LINK_PUT);
        is(after(w, CALL_GET, &not_found, NULL), FLOW_LOOK, STEP_START);
        is_dead(seen_by_id(w, NULL), STEP_START, false, "somebody removed it");
        is_dead(seen_by_id(w, &same.account), STEP_START, false, "is in the listing");

        w.step = STEP_DELETING;
        next = after(w, CALL_DELETE, &ok, NULL);
        is_call(next, STEP_DELETED, CALL_CREATE_SHORT);
        assert_string_equal(next.memo, "3600000000000");        /* NOW */
        next = after(w, CALL_DELETE, &already, NULL);
        is_call(next, STEP_DELETED, CALL_CREATE_SHORT);
        assert_string_equal(next.memo, "3600000000000");

        w = (World){ &recreate, STEP_DELETED, false, next.memo };
        is_done(after(w, CALL_CREATE_SHORT, &ok, &made), LINK_PUT);
        is_done(after(w, CALL_CREATE_SHORT, &already, &made), LINK_PUT);
        for (size_t i = 0; i < ELEMENTSOF(later); i++)
                is(after(w, CALL_CREATE_SHORT, &later[i], NULL), FLOW_LATER, STEP_DELETED);
        is(after(w, CALL_CREATE_SHORT, &uncertain, NULL), FLOW_LOOK, STEP_DELETED);
        is_dead(after(w, CALL_CREATE_SHORT, &rejected, NULL), STEP_DELETED, true,
                "the last Full Admin stays");
        is_dead(after(w, CALL_CREATE_SHORT, &rejected, NULL), STEP_DELETED, true, "\"Full Admin\"");
        is_call(begin(w), STEP_DELETED, CALL_CREATE_SHORT);
}

static void test_uncertain_delete(void **state) {
        World w = { &recreate, STEP_DELETING, true, NULL };
        FlowNext next;

        (void) state;
        is_call(after(w, CALL_DELETE, &uncertain, NULL), STEP_DELETING, CALL_GET);
        /* It was carried out: on, and the clock runs from now. */
        next = after(w, CALL_GET, &not_found, NULL);
        is_call(next, STEP_DELETED, CALL_CREATE_SHORT);
        assert_string_equal(next.memo, "3600000000000");
        /* It wasn't: again. */
        is_call(after(w, CALL_GET, &ok, &same), STEP_DELETING, CALL_DELETE);
        is_done(after(w, CALL_GET, &ok, &admin), LINK_PUT);
}

static void test_resume(void **state) {
        World w = { &recreate, STEP_START, true, NULL };

        (void) state;
        is_call(resume(w), STEP_START, CALL_GET);
        /* Before the first DELETE nobody but somebody else can have removed it. */
        is(after(w, CALL_GET, &not_found, NULL), FLOW_LOOK, STEP_START);
        w.step = STEP_DELETING;
        is_call(resume(w), STEP_DELETING, CALL_GET);
        is_call(begin(w), STEP_DELETING, CALL_GET);
        w.step = STEP_DELETED;
        is(resume(w), FLOW_LOOK, STEP_DELETED);
}

static void memo_of_age(usec_t age, char buf[static 32]) {
        snprintf(buf, 32, "%llu", (unsigned long long) (NOW - age));
}

static void test_in_use(void **state) {
        char memo[32];
        World w = { &recreate, STEP_DELETED, false, memo };
        FlowNext next;

        (void) state;
        memo_of_age(0, memo);
        next = after(w, CALL_CREATE_SHORT, &in_use, NULL);
        is(next, FLOW_WAIT, STEP_DELETED);
        assert_int_equal(next.call, CALL_CREATE_SHORT);
        assert_true(next.delay > 0 && next.delay <= USEC_PER_MINUTE);
        memo_of_age(10 * USEC_PER_MINUTE - 1, memo);
        is(after(w, CALL_CREATE_SHORT, &in_use, NULL), FLOW_WAIT, STEP_DELETED);
        memo_of_age(10 * USEC_PER_MINUTE, memo);
        is_dead(after(w, CALL_CREATE_SHORT, &in_use, NULL), STEP_DELETED, true, "Email already in use");
        is_dead(after(w, CALL_CREATE_SHORT, &in_use, NULL), STEP_DELETED, true, "retry");
        /* Since when isn't known: no endless wait. */
        w.memo = NULL;
        is_dead(after(w, CALL_CREATE_SHORT, &in_use, NULL), STEP_DELETED, true, "already in use");
        w.memo = "yesterday";
        is_dead(after(w, CALL_CREATE_SHORT, &in_use, NULL), STEP_DELETED, true, "already in use");
        /* A clock that was set back doesn't end it. */
        w.memo = memo;
        snprintf(memo, sizeof(memo), "%llu", (unsigned long long) (NOW + USEC_PER_HOUR));
        is(after(w, CALL_CREATE_SHORT, &in_use, NULL), FLOW_WAIT, STEP_DELETED);
}

static void test_seen(void **state) {
        char memo[32];
        World w = { &recreate, STEP_DELETED, true, memo };
        Account old = same.account, new = made.account;
        FlowNext next;

        (void) state;
        memo_of_age(USEC_PER_MINUTE, memo);
        next = seen(w, NULL, false);
        is_call(next, STEP_DELETED, CALL_CREATE_SHORT);
        assert_string_equal(next.memo, "");
        is_done(seen(w, &new, false), LINK_PUT);
        is_dead(seen(w, &new, true), STEP_DELETED, true, "88");
        is_dead(seen(w, &new, true), STEP_DELETED, true, "another person");

        /* The old id: still listed, or given again. */
        is_call(seen(w, &old, false), STEP_DELETED, CALL_GET);
        next = after(w, CALL_GET, &not_found, NULL);
        is_call(next, STEP_DELETED, CALL_CREATE_SHORT);
        assert_string_equal(next.memo, "");
        is_done(after(w, CALL_GET, &ok, &admin), LINK_PUT);
        next = after(w, CALL_GET, &ok, &same);
        is(next, FLOW_WAIT, STEP_DELETED);
        assert_int_equal(next.call, CALL_GET);
        memo_of_age(11 * USEC_PER_MINUTE, memo);
        is_dead(after(w, CALL_GET, &ok, &same), STEP_DELETED, true, "can't be created again");
        /* Given to somebody else: our person is without an account. */
        is_dead(after(w, CALL_GET, &ok, &other), STEP_DELETED, true, "has the address");
        for (size_t i = 0; i < ELEMENTSOF(later); i++)
                is(after(w, CALL_GET, &later[i], NULL), FLOW_LATER, STEP_DELETED);
}

/* ---- Government has the same flows ---- */

static void test_government(void **state) {
        const TargetDriver *a = target_driver(TARGET_UMBRELLA), *b = target_driver(TARGET_UMBRELLA_GOV);

        (void) state;
        assert_true(a->flow_begin == b->flow_begin && a->flow_after == b->flow_after);
        assert_true(a->flow_resume == b->flow_resume && a->flow_seen == b->flow_seen);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_delete),
                cmocka_unit_test(test_failed),
                cmocka_unit_test(test_another),
                cmocka_unit_test(test_recreate),
                cmocka_unit_test(test_uncertain_delete),
                cmocka_unit_test(test_resume),
                cmocka_unit_test(test_in_use),
                cmocka_unit_test(test_seen),
                cmocka_unit_test(test_government),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
