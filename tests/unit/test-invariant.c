/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "model/invariant.h"

static char name[] = "t", admin_role[] = "Full Admin", other_role[] = "Investigate Only";
static char breakglass[] = "breakglass@example.com", vendors[] = "*@vendor.example", service[] = "svc*";
static char *full_admin[] = { admin_role }, *investigate[] = { other_role };
static char *patterns[] = { breakglass, vendors };

static TargetConfig target;
static Accounts *accounts;
static LastOf *last_of;
static Action action;
static Link tie;
static InvariantInput in;

static void add(const char *id, const char *address, const char *role, const char *status) {
        assert_int_equal(
                accounts_add(
                        accounts,
                        &(Account){ .remote_id = id, .address = address, .role = role, .status = status }),
                0);
}

/* Two administrators, one of whom never signed in, and a reader. */
static int setup(void **state) {
        (void) state;
        target = (TargetConfig){ .name = name, .protect = patterns, .n_protect = 2, .last_of = full_admin,
                                 .n_last_of = 1 };
        accounts = accounts_new(0);
        add("1", "alice@example.com", "Full Admin", "Active");
        add("2", "bob@example.com", "full admin", "Pending");
        add("3", "carol@example.com", "Read Only", "Active");
        last_of = NULL;
        action = (Action){
                .kind = ACTION_DELETE, .person = "carol", .address = "carol@example.com", .remote_id = "3"
        };
        tie = (Link){ .person = "carol", .remote_id = "3", .address = "carol@example.com" };
        return 0;
}

static int teardown(void **state) {
        (void) state;
        accounts_free(accounts);
        last_of_free(last_of);
        return 0;
}

static void prepare(void) {
        last_of_free(last_of);
        last_of = last_of_new(&target, accounts, NULL, 0);
        in = (InvariantInput){ .target = &target, .action = &action, .link = &tie, .last_of = last_of,
                               .account = accounts_by_id(accounts, action.remote_id) };
}

static void holds(void) {
        const char *why;

        prepare();
        why = invariant_breach(&in, NULL);
        if (why)
                fail_msg("%s", why);
}

static void breaks(PlanNoteKind kind) {
        PlanNoteKind got = _PLAN_NOTE_KIND_MAX;

        prepare();
        assert_non_null(invariant_breach(&in, &got));
        assert_int_equal(got, kind);
}

static void test_link(void **state) {
        static const ActionKind touching[] = { ACTION_RECREATE, ACTION_UPDATE, ACTION_ENABLE,
                                               ACTION_DISABLE,  ACTION_DELETE, ACTION_RESET };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(touching); i++) {
                action.kind = touching[i];
                holds();
                prepare();
                in.link = NULL;
                assert_non_null(invariant_breach(&in, NULL));
                tie.person = "somebody else";
                breaks(NOTE_FOREIGN);
                tie.person = "carol";
                tie.remote_id = "4";
                breaks(NOTE_FOREIGN);
                tie.remote_id = "3";
                prepare();
                in.account = &accounts->items[0];
                assert_non_null(invariant_breach(&in, NULL));
        }
        action.remote_id = NULL;
        breaks(NOTE_FOREIGN);
        action.kind = _ACTION_KIND_MAX;
        breaks(NOTE_FOREIGN);
}

static void test_adopt_and_relink(void **state) {
        (void) state;
        action.kind = ACTION_ADOPT;
        breaks(NOTE_FOREIGN);
        prepare();
        in.link = NULL;
        assert_null(invariant_breach(&in, NULL));
        action.kind = ACTION_RELINK;
        breaks(NOTE_FOREIGN);
        action.person = "carol's new id";
        holds();
        prepare();
        in.link = NULL;
        assert_non_null(invariant_breach(&in, NULL));
        action = (Action){ .kind = ACTION_CREATE, .person = "dave", .address = "dave@example.com" };
        prepare();
        in.link = NULL;
        assert_null(invariant_breach(&in, NULL));
}

static void test_protect(void **state) {
        (void) state;
        action.address = "BreakGlass@Example.com";
        breaks(NOTE_PROTECTED);
        action.address = "carol@example.com";
        tie.address = "carol@vendor.example";
        breaks(NOTE_PROTECTED);
        tie.address = NULL;
        action.address = NULL;
        holds();
        prepare();
        in.account = &(Account){ .remote_id = "3", .key = "x@vendor.example" };
        assert_non_null(invariant_breach(&in, NULL));
        in.account = &(Account){ .remote_id = "3", .key = "x@example.com" };
        assert_null(invariant_breach(&in, NULL));
        /* Logins in whatever case. */
        in.account = &(Account){ .remote_id = "3", .key = "x@example.com", .login = "X@Vendor.Example" };
        assert_non_null(invariant_breach(&in, NULL));
        patterns[0] = service;
        in.account = &(Account){ .remote_id = "3", .key = "x@example.com", .login = "SVC Root" };
        assert_non_null(invariant_breach(&in, NULL));
        patterns[0] = breakglass;
        action = (Action){ .kind = ACTION_CREATE, .person = "dave", .address = "dave@vendor.example" };
        breaks(NOTE_PROTECTED);
        /* Not an address, yet held against the patterns. */
        patterns[0] = service;
        action.address = "svc admin";
        breaks(NOTE_PROTECTED);
        patterns[0] = breakglass;
}

static void test_own_user(void **state) {
        (void) state;
        prepare();
        in.own_login = "CAROL";
        assert_null(invariant_breach(&in, NULL));
        in.account = &(Account){ .remote_id = "3", .login = "carol" };
        assert_non_null(invariant_breach(&in, NULL));
        in.own_login = "3";
        in.account = NULL;
        assert_non_null(invariant_breach(&in, NULL));
        action = (Action){
                .kind = ACTION_CREATE, .person = "dave", .has_after = true, .after = { .login = "Api" }
        };
        prepare();
        in.own_login = "api";
        assert_non_null(invariant_breach(&in, NULL));
}

static void admin(const char *id) {
        action.remote_id = tie.remote_id = id;
}

static void test_last_of(void **state) {
        (void) state;
        /* Bob is no second one: he never signed in. */
        admin("1");
        breaks(NOTE_LAST_OF);
        action.kind = ACTION_DISABLE;
        breaks(NOTE_LAST_OF);
        action.kind = ACTION_RECREATE;
        breaks(NOTE_LAST_OF);
        action.kind = ACTION_RESET;
        holds();
        action.kind = ACTION_UPDATE;
        holds();
        action.has_after = true;
        action.after.role = "FULL ADMIN";
        holds();
        action.after.role = "Read Only";
        breaks(NOTE_LAST_OF);
        action.kind = ACTION_DELETE;
        admin("2");
        holds();
        add("4", "dave@example.com", "Full Admin", "Active");
        admin("1");
        holds();
        admin("4");
        holds();
}

/* Of two at most one, whichever is first; with what was queued before counted as gone. */
static void test_two_at_once(void **state) {
        Action other = { .kind = ACTION_DELETE, .person = "dave", .remote_id = "4" };

        (void) state;
        add("4", "dave@example.com", "Full Admin", "Active");
        admin("1");
        holds();
        last_of_take(last_of, &action);
        last_of_take(last_of, &action);
        assert_null(invariant_breach(&in, NULL));
        action = other;
        tie = (Link){ .person = "dave", .remote_id = "4" };
        in.account = accounts_by_id(accounts, "4");
        assert_non_null(invariant_breach(&in, NULL));

        /* A reset, or what takes nothing, doesn't count. */
        other.kind = ACTION_RESET;
        last_of_free(last_of);
        last_of = last_of_new(&target, accounts, &other, 1);
        action.remote_id = "1", action.person = tie.person = "alice", tie.remote_id = "1";
        in.last_of = last_of;
        in.account = accounts_by_id(accounts, "1");
        assert_null(invariant_breach(&in, NULL));
        other.kind = ACTION_DISABLE;
        last_of_free(last_of);
        in.last_of = last_of = last_of_new(&target, accounts, &other, 1);
        assert_non_null(invariant_breach(&in, NULL));
}

/* Without the account its link says which role it had. */
/* Where an account has several roles an update may take one away. */
static void test_last_of_several_roles(void **state) {
        static const char *const both[] = { "full admin", "P6" }, *const less[] = { "P6" },
                *const spelt[] = { "P6", "FULL ADMIN" };
        Action other;

        (void) state;
        accounts->items[0].role = accounts->items[1].role = NULL;
        accounts->items[1].status = "Active";
        accounts->items[0].roles = accounts->items[1].roles = both;
        accounts->items[0].n_roles = accounts->items[1].n_roles = 2;
        action = (Action){ .kind = ACTION_UPDATE, .person = "carol", .remote_id = "1",
                           .address = "alice@example.com", .has_after = true,
                           .after = { .roles = less, .n_roles = 1 } };
        tie.remote_id = "1";
        holds();
        other = action;
        other.remote_id = "2";
        prepare();
        last_of_free(last_of);
        in.last_of = last_of = last_of_new(&target, accounts, &other, 1);
        assert_non_null(invariant_breach(&in, NULL));
        accounts->items[1].disabled = true;
        breaks(NOTE_LAST_OF);
        action.after = (AccountState){ .roles = spelt, .n_roles = 2 };
        holds();
        action.after = (AccountState){ .first_name = "New" };
        holds();
}

static void test_last_of_unlisted(void **state) {
        (void) state;
        admin("9");
        holds();
        tie.role = "Full Admin";
        holds();
        action.kind = ACTION_DELETE;
        target.last_of = investigate;
        tie.role = "investigate only";
        breaks(NOTE_LAST_OF);
}

/* Fetched right before the act, the account may have another role than the listing had. */
static void test_last_of_fresh(void **state) {
        const Account fresh = {
                .remote_id = "3", .key = "carol@example.com", .role = "Full Admin", .status = "Active"
        };

        (void) state;
        prepare();
        in.account = &fresh;
        assert_null(invariant_breach(&in, NULL));
        target.last_of = investigate;
        prepare();
        in.account = &(Account){ .remote_id = "3", .role = "Investigate Only" };
        assert_non_null(invariant_breach(&in, NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_link, setup, teardown),
                cmocka_unit_test_setup_teardown(test_adopt_and_relink, setup, teardown),
                cmocka_unit_test_setup_teardown(test_protect, setup, teardown),
                cmocka_unit_test_setup_teardown(test_own_user, setup, teardown),
                cmocka_unit_test_setup_teardown(test_last_of, setup, teardown),
                cmocka_unit_test_setup_teardown(test_two_at_once, setup, teardown),
                cmocka_unit_test_setup_teardown(test_last_of_several_roles, setup, teardown),
                cmocka_unit_test_setup_teardown(test_last_of_unlisted, setup, teardown),
                cmocka_unit_test_setup_teardown(test_last_of_fresh, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
