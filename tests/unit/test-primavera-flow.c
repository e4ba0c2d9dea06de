/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/strings.h"
#include "target/target.h"

#define START_TIME (UINT64_C(1700000000) * USEC_PER_SEC)
#define MEMO "95733 1700000000000000 0"

static char p6[] = "P6", unifier[] = "Unifier";
static char *row_names[] = { p6, unifier };
static ApplicationRule rule = { .group = -1, .names = row_names, .n_names = 2 };
static TargetConfig target = { .adopt = ADOPT_EMAIL, .applications = &rule, .n_applications = 1 };

static const char *const wanted[] = { "Foreign", "P6" }, *const none[] = { NULL };
static const Action create = {
        .kind = ACTION_CREATE, .person = "p", .address = "a@example.com", .has_after = true, .after =
                { .login = "jsmith" },
};
static const Action update = {
        .kind = ACTION_UPDATE, .person = "p", .address = "a@example.com", .remote_id = "jsmith",
                .has_before = true,
        .before = { .address = "a@example.com" }, .has_after = true,
        .after = { .address = "New@example.com", .first_name = "F", .last_name = "L", .roles = wanted,
                   .n_roles = 2 },
};
static const Action disable = {
        .kind = ACTION_DISABLE, .person = "p", .address = "a@example.com", .remote_id = "jsmith",
                .has_before = true,
        .before = { .address = "a@example.com" }, .has_after = true, .after =
                { .status = "disabled", .roles = none },
};
static const Action enable = {
        .kind = ACTION_ENABLE, .person = "p", .address = "a@example.com", .remote_id = "jsmith",
                .has_before = true,
        .before = { .address = "a@example.com" }, .has_after = true, .after = { .status = "enabled" },
};

static const Outcome ok = { .class = OUTCOME_OK }, not_found =
        { .class = OUTCOME_OK, .hint = HINT_NOT_FOUND, .detail = "404" };
static const Outcome transient = { .class = OUTCOME_TRANSIENT, .detail = "no" }, auth =
        { .class = OUTCOME_AUTH, .detail = "no" };
static const Outcome garbled = { .class = OUTCOME_TRANSIENT, .http_status = 500, .detail = "no" },
                     unavailable = { .class = OUTCOME_TRANSIENT, .http_status = 503, .detail = "later" };
static const Outcome uncertain = { .class = OUTCOME_UNCERTAIN, .detail = "cut" };
static const Outcome rejected = { .class = OUTCOME_REJECTED, .detail = "no licence" };
static const Outcome busy = { .class = OUTCOME_THROTTLED, .hint = HINT_JOB_RUNNING, .detail = "a job runs" };
static const Outcome maybe = { .class = OUTCOME_REJECTED, .hint = HINT_JOB_RUNNING,
                               .detail = "Invalid input" };

static FlowInput in;
static FlowNext next;

static int setup(void **state) {
        (void) state;
        in = (FlowInput){ .target = &target, .action = &create, .wall = START_TIME };
        target.adopt = ADOPT_EMAIL;
        return 0;
}

static const TargetDriver *driver(void) {
        memset(&next, 0xff, sizeof(next));
        return target_driver(TARGET_PRIMAVERA);
}

static void begin(Step step, const char *memo) {
        FlowNext resumed;

        in.step = step;
        in.memo = memo;
        driver()->flow_begin(&in, &next);
        /* After a restart the same: each begins with a look. */
        memset(&resumed, 0xff, sizeof(resumed));
        target_driver(TARGET_PRIMAVERA)->flow_resume(&in, &resumed);
        assert_int_equal(resumed.verb, next.verb);
        assert_int_equal(resumed.step, next.step);
}

static void after(Step step, Call call, const Outcome *outcome, const Answer *answer) {
        in.step = step;
        in.call = call;
        in.outcome = outcome;
        in.answer = outcome == &ok ? answer : NULL;
        driver()->flow_after(&in, &next);
}

static void seen(Step step, const Account *by_address, const Account *by_login, bool linked) {
        in.step = step;
        in.seen = by_address;
        in.seen_login = by_login;
        in.seen_linked = linked;
        driver()->flow_seen(&in, &next);
}

static void is(FlowVerb verb, Step step) {
        assert_int_equal(next.verb, verb);
        assert_int_equal(next.step, step);
        assert_int_equal(next.detail[0] != 0, verb == FLOW_DEAD);
}

static void is_call(FlowVerb verb, Step step, Call call) {
        is(verb, step);
        assert_int_equal(next.call, call);
}

static void is_dead(const char *words) {
        assert_int_equal(next.verb, FLOW_DEAD);
        if (!strstr(next.detail, words))
                fail_msg("\"%s\" isn't in \"%s\"", words, next.detail);
}

static void is_created(void) {
        assert_int_equal(next.verb, FLOW_DONE);
        assert_int_equal(next.link, LINK_PUT);
        assert_int_equal(next.origin, LINK_CREATED);
        assert_true(next.reset_follows);
}

static const Answer taken = { .memo = "95733", .running = true }, running = { .running = true }, silent =
        { 0 };
static const Answer did = { .did = true, .has_account = true }, unnamed = { .did = true }, failed =
        { .failed = true, .words = "no licence" };

/* ---- create ---- */

static void test_create_begins(void **state) {
        static const char *const bad[] = { "..", ".", "", NULL };
        Action a = create;

        (void) state;
        begin(STEP_START, NULL);
        is(FLOW_LOOK, STEP_START);
        assert_true(next.recent_will_do);
        begin(STEP_SENT, NULL);
        is(FLOW_LOOK, STEP_SENT);
        assert_false(next.recent_will_do);
        begin(STEP_JOB, MEMO);
        is_call(FLOW_CALL, STEP_JOB, CALL_JOB);
        begin(STEP_JOB, "!words");
        is(FLOW_LOOK, STEP_JOB);
        in.action = &a;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                a.after.login = bad[i];
                begin(STEP_START, NULL);
                is_dead("can't be a login");
        }
        a.kind = ACTION_ADOPT;
        begin(STEP_START, NULL);
        is(FLOW_DONE, STEP_START);
        assert_int_equal(next.link, LINK_PUT);
        assert_int_equal(next.origin, LINK_ADOPTED);
}

static void test_create_sent(void **state) {
        (void) state;
        after(STEP_SENT, CALL_UPSERT, &ok, &taken);
        is_call(FLOW_WAIT, STEP_JOB, CALL_JOB);
        assert_string_equal(next.memo, MEMO);
        assert_true(next.delay == USEC_PER_SEC);
        after(STEP_SENT, CALL_UPSERT, &ok, &did);
        is_created();
        after(STEP_SENT, CALL_UPSERT, &ok, &failed);
        is(FLOW_LOOK, STEP_JOB);
        assert_string_equal(next.memo, "!no licence");
        after(STEP_SENT, CALL_UPSERT, &uncertain, NULL);
        is(FLOW_LOOK, STEP_SENT);
        assert_false(next.recent_will_do);
        after(STEP_SENT, CALL_UPSERT, &rejected, NULL);
        is_dead("no licence");
        /* Nothing is there yet: it may be dropped. */
        after(STEP_SENT, CALL_UPSERT, &transient, NULL);
        is(FLOW_LATER, STEP_START);
        after(STEP_SENT, CALL_UPSERT, &auth, NULL);
        is(FLOW_LATER, STEP_START);
        /* Perhaps something is. */
        in.was_uncertain = true;
        after(STEP_SENT, CALL_UPSERT, &transient, NULL);
        is(FLOW_LOOK, STEP_SENT);
}

static void test_create_busy(void **state) {
        const Outcome later = { .class = OUTCOME_THROTTLED, .hint = HINT_JOB_RUNNING,
                                .has_retry_after = true,
                                .retry_after = 5 * USEC_PER_HOUR, .detail = "x" };

        (void) state;
        after(STEP_SENT, CALL_UPSERT, &busy, NULL);
        is_call(FLOW_WAIT, STEP_SENT, CALL_GET);
        assert_true(next.delay == USEC_PER_MINUTE);
        assert_string_equal(next.memo, "- 1700000000000000 0");
        after(STEP_SENT, CALL_UPSERT, &later, NULL);
        assert_true(next.delay == USEC_PER_HOUR);
        in.memo = "- 1700000000000000 1";
        in.wall = START_TIME + USEC_PER_HOUR;
        after(STEP_SENT, CALL_UPSERT, &busy, NULL);
        is_call(FLOW_WAIT, STEP_SENT, CALL_GET);
        assert_string_equal(next.memo, in.memo);
        in.wall = START_TIME + 6 * USEC_PER_HOUR;
        after(STEP_SENT, CALL_UPSERT, &busy, NULL);
        is_dead("another job");
        /* The wait of a retry begins anew. */
        assert_string_equal(next.memo, "- 0 1");
        in.memo = "- 0 1";
        after(STEP_SENT, CALL_UPSERT, &busy, NULL);
        is_call(FLOW_WAIT, STEP_SENT, CALL_GET);
        assert_string_equal(next.memo, "- 1700021600000000 1");
        in.memo = "- 1700000000000000 1";
        /* It may just as well be a refusal. */
        in.wall = START_TIME + USEC_PER_MINUTE;
        after(STEP_SENT, CALL_UPSERT, &maybe, NULL);
        is_call(FLOW_WAIT, STEP_SENT, CALL_GET);
        in.wall = START_TIME + 3 * USEC_PER_MINUTE;
        after(STEP_SENT, CALL_UPSERT, &maybe, NULL);
        is_dead("Invalid input");
        assert_string_equal(next.memo, "- 0 1");

        after(STEP_SENT, CALL_GET, &not_found, NULL);
        is_call(FLOW_CALL, STEP_SENT, CALL_UPSERT);
        after(STEP_SENT, CALL_GET, &ok, &silent);
        is(FLOW_LOOK, STEP_SENT);
        after(STEP_SENT, CALL_GET, &transient, NULL);
        is_call(FLOW_WAIT, STEP_SENT, CALL_GET);
}

static void test_create_polled(void **state) {
        static const struct { unsigned seconds, delay; } cases[] =
                { { 1, 1 }, { 9, 3 }, { 60, 20 }, { 600, 30 }, { 20000, 30 } };

        (void) state;
        in.memo = MEMO;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                in.wall = START_TIME + cases[i].seconds * USEC_PER_SEC;
                after(STEP_JOB, CALL_JOB, &ok, &running);
                is_call(FLOW_WAIT, STEP_JOB, CALL_JOB);
                assert_true(next.delay == cases[i].delay * USEC_PER_SEC);
                assert_string_equal(next.memo, "");
        }
        in.wall = START_TIME + 6 * USEC_PER_HOUR;
        after(STEP_JOB, CALL_JOB, &ok, &running);
        is(FLOW_LOOK, STEP_JOB);
        after(STEP_JOB, CALL_JOB, &ok, &did);
        is_created();
        after(STEP_JOB, CALL_JOB, &ok, &failed);
        is(FLOW_LOOK, STEP_JOB);
        assert_string_equal(next.memo, "!no licence");
        after(STEP_JOB, CALL_JOB, &ok, &silent);
        is(FLOW_LOOK, STEP_JOB);
        assert_string_equal(next.memo, "");
        after(STEP_JOB, CALL_JOB, &not_found, NULL);
        is(FLOW_LOOK, STEP_JOB);
        after(STEP_JOB, CALL_JOB, &ok, &unnamed);
        is(FLOW_LOOK, STEP_JOB);
        /* Never back to waiting, from where it could be dropped. */
        in.wall = START_TIME + USEC_PER_HOUR;
        after(STEP_JOB, CALL_JOB, &transient, NULL);
        is_call(FLOW_WAIT, STEP_JOB, CALL_JOB);
        after(STEP_JOB, CALL_JOB, &auth, NULL);
        is_call(FLOW_WAIT, STEP_JOB, CALL_JOB);
}

static const Account ours = { .remote_id = "jsmith", .login = "jsmith", .address = "a@example.com" };
static const Account other = { .remote_id = "JSmith", .login = "JSmith", .address = "b@example.com" };

static void test_create_seen(void **state) {
        (void) state;
        seen(STEP_START, NULL, NULL, false);
        is_call(FLOW_CALL, STEP_SENT, CALL_UPSERT);
        seen(STEP_START, NULL, &other, false);
        is_dead("the login JSmith is that of the account with the address b@example.com");
        seen(STEP_START, &ours, &other, false);
        is_dead("the login");
        seen(STEP_START, &ours, &ours, true);
        is_dead("another person's");
        seen(STEP_START, &ours, &ours, false);
        is(FLOW_DONE, STEP_START);
        assert_int_equal(next.origin, LINK_ADOPTED);
        assert_false(next.reset_follows);
        target.adopt = ADOPT_NEVER;
        seen(STEP_START, &ours, NULL, false);
        is_dead("adopt");
        seen(STEP_SENT, &ours, &ours, false);
        is_dead("adopt");

        in.was_uncertain = true;
        seen(STEP_SENT, &ours, &ours, false);
        is_created();
        seen(STEP_SENT, NULL, NULL, false);
        is_call(FLOW_CALL, STEP_SENT, CALL_UPSERT);
        seen(STEP_SENT, NULL, &other, false);
        is_dead("the login");
}

/* What is said of the job can't be read for hours: the listing tells, and a retry begins anew. */
static void test_create_job_unreadable(void **state) {
        (void) state;
        in.memo = MEMO;
        in.wall = START_TIME + 6 * USEC_PER_HOUR - 1;
        after(STEP_JOB, CALL_JOB, &garbled, NULL);
        is_call(FLOW_WAIT, STEP_JOB, CALL_JOB);
        in.wall++;
        /* An API that is away says nothing of the job. */
        after(STEP_JOB, CALL_JOB, &transient, NULL);
        is_call(FLOW_WAIT, STEP_JOB, CALL_JOB);
        after(STEP_JOB, CALL_JOB, &unavailable, NULL);
        is_call(FLOW_WAIT, STEP_JOB, CALL_JOB);
        after(STEP_JOB, CALL_JOB, &auth, NULL);
        is_call(FLOW_WAIT, STEP_JOB, CALL_JOB);
        after(STEP_JOB, CALL_JOB, &garbled, NULL);
        is(FLOW_LOOK, STEP_JOB);
        assert_string_equal(next.memo, "!no");
        in.memo = "!no";
        seen(STEP_JOB, NULL, NULL, false);
        is_dead("no");
        assert_int_equal(next.step, STEP_START);
        seen(STEP_JOB, &ours, &ours, false);
        is_created();
}

static void test_create_job_seen(void **state) {
        (void) state;
        target.adopt = ADOPT_NEVER;
        in.memo = MEMO;
        seen(STEP_JOB, &ours, &ours, false);
        is_created();
        seen(STEP_JOB, NULL, NULL, false);
        is_call(FLOW_CALL, STEP_SENT, CALL_UPSERT);
        assert_string_equal(next.memo, "95733 1700000000000000 1");
        /* The next job is another one, and counts on. */
        in.memo = "95732 1600000000000000 1";
        after(STEP_SENT, CALL_UPSERT, &ok, &taken);
        is_call(FLOW_WAIT, STEP_JOB, CALL_JOB);
        assert_string_equal(next.memo, "95733 1700000000000000 1");
        in.memo = "95733 1700000000000000 2";
        seen(STEP_JOB, NULL, NULL, false);
        is_dead("without a word");
        assert_int_equal(next.step, STEP_START);        /* a retry doesn't ask the old job */
        in.memo = "!User not created";
        seen(STEP_JOB, NULL, NULL, false);
        is_dead("User not created");
        assert_int_equal(next.step, STEP_START);
        seen(STEP_START, NULL, NULL, false);
        is_call(FLOW_CALL, STEP_SENT, CALL_UPSERT);
        seen(STEP_JOB, &ours, &ours, false);
        is_created();
        assert_string_equal(next.detail, "Primavera said: User not created");
        in.memo = "what is that";
        seen(STEP_JOB, NULL, NULL, false);
        is_call(FLOW_CALL, STEP_SENT, CALL_UPSERT);
        in.memo = MEMO;
        seen(STEP_JOB, &ours, &ours, false);
        is_created();
        assert_string_equal(next.detail, "");
        in.wall = START_TIME + 7 * USEC_PER_HOUR;
        seen(STEP_JOB, NULL, NULL, false);
        is_dead("doesn't end");
}

/* A name that no application has shows here alone: the row that wrote it is told. */
static void test_applications_are_named(void **state) {
        static char gateway[] = "Gateway";
        static char *more[] = { gateway, p6 };
        ApplicationRule rules[] = { rule, { .group = 3, .names = more, .n_names = 2 } };
        static const char *const roles[] = { "Foreign", "Gateway", "P6" };
        Action a = create;

        (void) state;
        target.applications = rules;
        target.n_applications = 2;
        a.after.roles = roles;
        a.after.n_roles = 3;
        in.action = &a;
        in.memo = "!Access failed";
        seen(STEP_JOB, NULL, NULL, false);
        is_dead("Access failed; asked for Gateway (applications[1]), P6 (applications[0])");
        seen(STEP_JOB, &ours, &ours, false);
        is_created();
        assert_string_equal(next.detail,
                            "Primavera said: Access failed; asked for Gateway (applications[1]), "
                            "P6 (applications[0])");
        /* What the account has already isn't asked for anew. */
        a = update;
        a.before.roles = wanted;
        a.before.n_roles = 2;
        a.after.roles = roles;
        a.after.n_roles = 3;
        after(STEP_JOB, CALL_JOB, &ok, &failed);
        is_dead("no licence; asked for Gateway (applications[1])");
        assert_null(strstr(next.detail, "P6"));
        target.applications = &rule;
        target.n_applications = 1;
}

/* ---- changes ---- */

static Answer got(bool disabled, bool locked, const char *const *roles, size_t n, const char *address) {
        return (Answer){ .has_account = true, .document = "{}",
                         .account = { .remote_id = "jsmith", .login = "jsmith", .address = address,
                                      .first_name = "F",
                                      .last_name = "L", .disabled = disabled, .locked = locked, .roles =
                                              roles, .n_roles = n } };
}

static void test_update(void **state) {
        static const char *const full[] = { "Foreign", "P6" }, *const more[] = { "P6", "Unifier" },
                *const less[] = { "Foreign" },
                          *const fine[] = { "Another", "P6" };
        Action u = update;
        Answer a;

        (void) state;
        in.action = &update;
        begin(STEP_START, NULL);
        is_call(FLOW_CALL, STEP_START, CALL_GET);
        begin(STEP_JOB, MEMO);
        is_call(FLOW_CALL, STEP_JOB, CALL_JOB);

        in.memo = NULL;
        a = got(false, false, full, 2, "A@example.com");
        after(STEP_START, CALL_GET, &ok, &a);
        is_call(FLOW_CALL, STEP_START, CALL_UPSERT);
        /* As it shall be: foreign roles don't count. */
        a = got(false, false, fine, 2, "New@example.com");
        after(STEP_START, CALL_GET, &ok, &a);
        is(FLOW_DONE, STEP_START);
        a = got(false, false, more, 2, "New@example.com");
        after(STEP_START, CALL_GET, &ok, &a);
        is_call(FLOW_CALL, STEP_START, CALL_UPSERT);
        a = got(false, false, less, 1, "New@example.com");
        after(STEP_START, CALL_GET, &ok, &a);
        is_call(FLOW_CALL, STEP_START, CALL_UPSERT);
        a = got(false, false, full, 2, "third@example.com");
        after(STEP_START, CALL_GET, &ok, &a);
        is_dead("third@example.com");
        a = got(false, false, full, 2, NULL);
        after(STEP_START, CALL_GET, &ok, &a);
        is_dead("(none)");
        /* Nothing to compare with; and no roles that are stated. */
        u.has_before = false;
        in.action = &u;
        a = got(false, false, full, 2, "third@example.com");
        after(STEP_START, CALL_GET, &ok, &a);
        is_call(FLOW_CALL, STEP_START, CALL_UPSERT);
        u.after.roles = NULL;
        u.after.n_roles = 0;
        a = got(false, false, more, 2, "New@example.com");
        after(STEP_START, CALL_GET, &ok, &a);
        is(FLOW_DONE, STEP_START);
        in.action = &update;
        after(STEP_START, CALL_GET, &not_found, NULL);
        is(FLOW_LOOK, STEP_START);
        after(STEP_START, CALL_GET, &transient, NULL);
        is(FLOW_LATER, STEP_START);

        after(STEP_START, CALL_UPSERT, &ok, &taken);
        is_call(FLOW_WAIT, STEP_JOB, CALL_JOB);
        assert_string_equal(next.memo, MEMO);
        after(STEP_START, CALL_UPSERT, &ok, &did);
        is(FLOW_DONE, STEP_START);
        assert_int_equal(next.link, LINK_KEEP);
        after(STEP_START, CALL_UPSERT, &ok, &failed);
        is_dead("no licence");
        after(STEP_START, CALL_UPSERT, &uncertain, NULL);
        is_call(FLOW_WAIT, STEP_START, CALL_GET);
        after(STEP_START, CALL_UPSERT, &busy, NULL);
        is_call(FLOW_WAIT, STEP_START, CALL_GET);
        after(STEP_START, CALL_UPSERT, &rejected, NULL);
        is_dead("no licence");
        after(STEP_START, CALL_UPSERT, &auth, NULL);
        is(FLOW_LATER, STEP_START);
}

static void test_change_job(void **state) {
        (void) state;
        in.action = &update;
        in.memo = MEMO;
        after(STEP_JOB, CALL_JOB, &ok, &running);
        is_call(FLOW_WAIT, STEP_JOB, CALL_JOB);
        after(STEP_JOB, CALL_JOB, &ok, &did);
        is(FLOW_DONE, STEP_JOB);
        after(STEP_JOB, CALL_JOB, &ok, &failed);
        is_dead("no licence");
        assert_int_equal(next.step, STEP_START);
        after(STEP_JOB, CALL_JOB, &transient, NULL);
        is_call(FLOW_WAIT, STEP_JOB, CALL_JOB);
        after(STEP_JOB, CALL_JOB, &not_found, NULL);
        is_call(FLOW_CALL, STEP_START, CALL_GET);
        assert_string_equal(next.memo, "95733 1700000000000000 1");
        in.memo = "95733 1700000000000000 2";
        after(STEP_JOB, CALL_JOB, &ok, &silent);
        is_dead("without a word");
        assert_int_equal(next.step, STEP_START);
        in.wall = START_TIME + 6 * USEC_PER_HOUR;
        after(STEP_JOB, CALL_JOB, &ok, &running);
        is_dead("doesn't end");
        /* Nor is one asked for ever that can't be asked about: the account itself tells. */
        in.memo = MEMO;
        after(STEP_JOB, CALL_JOB, &unavailable, NULL);
        is_call(FLOW_WAIT, STEP_JOB, CALL_JOB);
        after(STEP_JOB, CALL_JOB, &garbled, NULL);
        is_call(FLOW_CALL, STEP_START, CALL_GET);
        in.action = &disable;
        in.memo = MEMO;
        after(STEP_JOB, CALL_JOB, &not_found, NULL);
        is_call(FLOW_CALL, STEP_ROLES, CALL_GET);
}

static void test_disable(void **state) {
        static const char *const full[] = { "Foreign", "P6" };
        Answer a;

        (void) state;
        in.action = &disable;
        a = got(false, false, full, 2, "a@example.com");
        after(STEP_START, CALL_GET, &ok, &a);
        is_call(FLOW_CALL, STEP_START, CALL_STATUS);
        after(STEP_START, CALL_STATUS, &ok, &silent);
        is_call(FLOW_CALL, STEP_ROLES, CALL_GET);
        after(STEP_START, CALL_STATUS, &ok, &failed);
        is_dead("no licence");
        after(STEP_START, CALL_STATUS, &uncertain, NULL);
        is_call(FLOW_WAIT, STEP_START, CALL_GET);
        begin(STEP_ROLES, NULL);
        is_call(FLOW_CALL, STEP_ROLES, CALL_GET);
        a = got(true, false, full, 2, "a@example.com");
        after(STEP_ROLES, CALL_GET, &ok, &a);
        is_call(FLOW_CALL, STEP_ROLES, CALL_UPSERT);
        after(STEP_START, CALL_GET, &ok, &a);
        is_call(FLOW_CALL, STEP_ROLES, CALL_UPSERT);
        a = got(true, false, NULL, 0, "a@example.com");
        after(STEP_START, CALL_GET, &ok, &a);
        is(FLOW_DONE, STEP_START);
        a = got(false, false, NULL, 0, "a@example.com");
        after(STEP_ROLES, CALL_GET, &ok, &a);
        is_dead("stays enabled");

        seen(STEP_START, NULL, NULL, false);
        is(FLOW_DONE, STEP_START);
        seen(STEP_START, &ours, &ours, false);
        is_dead("can't be fetched");
        in.action = &update;
        seen(STEP_START, NULL, NULL, false);
        is_dead("gone");
}

static void test_enable(void **state) {
        Answer a;

        (void) state;
        in.action = &enable;
        a = got(true, true, NULL, 0, "a@example.com");
        after(STEP_START, CALL_GET, &ok, &a);
        is_call(FLOW_CALL, STEP_START, CALL_UNLOCK);
        after(STEP_START, CALL_UNLOCK, &ok, &silent);
        is_call(FLOW_CALL, STEP_UNLOCKED, CALL_GET);
        /* Once is enough. */
        after(STEP_UNLOCKED, CALL_GET, &ok, &a);
        is_call(FLOW_CALL, STEP_UNLOCKED, CALL_STATUS);
        after(STEP_UNLOCKED, CALL_STATUS, &ok, &silent);
        is(FLOW_DONE, STEP_UNLOCKED);
        a = got(false, false, NULL, 0, "a@example.com");
        after(STEP_START, CALL_GET, &ok, &a);
        is(FLOW_DONE, STEP_START);
}

/* What gives roles back with it. */
static void test_enable_with_roles(void **state) {
        static const char *const mine[] = { "P6" };
        Action e = enable;
        Answer a;

        (void) state;
        e.after.roles = mine;
        e.after.n_roles = 1;
        in.action = &e;
        a = got(true, false, NULL, 0, "a@example.com");
        after(STEP_START, CALL_GET, &ok, &a);
        is_call(FLOW_CALL, STEP_START, CALL_STATUS);
        after(STEP_START, CALL_STATUS, &ok, &silent);
        is_call(FLOW_CALL, STEP_ROLES, CALL_GET);
        after(STEP_ROLES, CALL_GET, &ok, &a);
        is_dead("stays disabled");
        a = got(false, false, NULL, 0, "a@example.com");
        after(STEP_ROLES, CALL_GET, &ok, &a);
        is_call(FLOW_CALL, STEP_ROLES, CALL_UPSERT);
        after(STEP_START, CALL_GET, &ok, &a);
        is_call(FLOW_CALL, STEP_ROLES, CALL_UPSERT);
        a = got(false, false, mine, 1, "a@example.com");
        after(STEP_ROLES, CALL_GET, &ok, &a);
        is(FLOW_DONE, STEP_ROLES);
}

static void test_unlock(void **state) {
        Action unlock = enable;
        Answer a;

        (void) state;
        unlock.after.status = "unlocked";
        in.action = &unlock;
        a = got(false, true, NULL, 0, "a@example.com");
        after(STEP_START, CALL_GET, &ok, &a);
        is_call(FLOW_CALL, STEP_START, CALL_UNLOCK);
        after(STEP_START, CALL_UNLOCK, &ok, &silent);
        is_call(FLOW_CALL, STEP_UNLOCKED, CALL_GET);
        /* Disabled meanwhile, by somebody else. */
        a = got(true, false, NULL, 0, "a@example.com");
        after(STEP_UNLOCKED, CALL_GET, &ok, &a);
        is(FLOW_DONE, STEP_UNLOCKED);
}

static void test_unknown(void **state) {
        static const Action delete = { .kind = ACTION_DELETE, .remote_id = "x" };

        (void) state;
        in.action = &delete;
        begin(STEP_START, NULL);
        is_dead("no step");
        in.action = &create;
        begin(STEP_DELETING, NULL);
        is_dead("no step");
        begin((Step) 99, NULL);
        is_dead("no step");
}

#define TEST(fn) cmocka_unit_test_setup(fn, setup)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_create_begins),
                TEST(test_create_sent),
                TEST(test_create_busy),
                TEST(test_create_polled),
                TEST(test_create_job_unreadable),
                TEST(test_create_seen),
                TEST(test_create_job_seen),
                TEST(test_update),
                TEST(test_change_job),
                TEST(test_disable),
                TEST(test_enable),
                TEST(test_enable_with_roles),
                TEST(test_unlock),
                TEST(test_applications_are_named),
                TEST(test_unknown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
