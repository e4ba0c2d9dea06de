/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "model/revert.h"
#include "target/target.h"

/* Bob has account 7, as the last action left it. */
typedef struct World {
        TargetConfig target;
        RoleRule role;
        char *protect[1], *last_of[1];
        Person person;
        Link link;
        Accounts *accounts;
        LastOf *last_of_now;
        Arena *arena;
        RevertInput in;
        Action result;
        const char *why;
} World;

static const char *const p6[] = { "P6" }, *const both[] = { "Analytics", "P6" }, *const none[] = { NULL };

static void setup(World *w, TargetType type) {
        *w = (World){
                .target = { .name = (char *) "t", .type = type, .create = true, .n_roles = 1 },
                .role = { .group = -1, .role = (char *) "Read Only" },
                .person = { .id = "bob", .present = true, .field = { [PERSON_EMAIL] = "bob@example.com" } },
                .link = { .person = "bob", .remote_id = "7", .address = "bob@example.com" },
                .accounts = accounts_new(1),
                .arena = arena_new(),
        };
        w->target.roles = &w->role;
        assert_non_null(w->accounts);
        assert_non_null(w->arena);
}

static void teardown(World *w) {
        accounts_free(w->accounts);
        last_of_free(w->last_of_now);
        arena_free(w->arena);
}

static void add(World *w, const Account *a) {
        assert_int_equal(accounts_add(w->accounts, a), 0);
}

static int ask(World *w, const Action *done) {
        const TargetDriver *driver = target_driver(w->target.type);

        w->in.target = &w->target;
        w->in.capabilities = &driver->capabilities;
        w->in.kinds = driver->kinds;
        w->in.accounts = w->accounts;
        w->last_of_now = last_of_new(&w->target, w->accounts, NULL, 0);
        assert_non_null(w->last_of_now);
        w->in.last_of = w->last_of_now;
        return revert_action(&w->in, done, w->arena, &w->result, &w->why);
}

static void refused(World *w, const Action *done, const char *words) {
        assert_int_equal(ask(w, done), REVERT_E_CANT);
        if (!strstr(w->why, words))
                fail_msg("%s: not in: %s", words, w->why);
        teardown(w);
}

static const Account bob = { .remote_id = "7", .address = "Bob@example.com", .role = "Read Only" };
static const Action created = {
        .kind = ACTION_CREATE,
        .person = "bob",
        .address = "bob@example.com",
        .remote_id = "7",
        .has_after = true,
        .after = { .address = "bob@example.com", .first_name = "Bob", .role = "read only" },
};
static const Action deleted = {
        .kind = ACTION_DELETE,
        .person = "bob",
        .address = "bob@example.com",
        .remote_id = "7",
        .has_before = true,
        .before = { .address = "Bob@example.com",
                    .first_name = "Bob",
                    .last_name = "B",
                    .role = "Full Admin" },
};
static const Action recreated = {
        .kind = ACTION_RECREATE,
        .person = "bob",
        .address = "bob@example.com",
        .remote_id = "7",
        .has_before = true,
        .before = { .address = "Bob@example.com", .role = "Full Admin" },
        .has_after = true,
        .after = { .address = "bob@example.com",
                   .first_name = "Bob",
                   .last_name = "B",
                   .role = "Read Only" },
};

/* Bob's account and link are there. */
static void linked(World *w, TargetType type, const Account *a) {
        setup(w, type);
        w->in.person = &w->person;
        w->in.link = &w->link;
        add(w, a);
}

static void test_create(void **state _unused_) {
        World w;

        linked(&w, TARGET_UMBRELLA, &bob);
        assert_int_equal(ask(&w, &created), 0);
        assert_int_equal(w.result.kind, ACTION_DELETE);
        assert_string_equal(w.result.remote_id, "7");
        assert_true(w.result.has_before && !w.result.has_after);
        assert_string_equal(w.result.before.role, "Read Only");
        teardown(&w);
}

/* What can't be deleted is disabled, as a leaver's account is. */
static void test_create_at_primavera(void **state _unused_) {
        const Account a = { .remote_id = "7", .address = "bob@example.com", .roles = p6, .n_roles = 1 };
        Action done = created;
        World w;

        done.after.role = NULL;
        done.after.roles = p6;
        done.after.n_roles = 1;
        linked(&w, TARGET_PRIMAVERA, &a);
        assert_int_equal(ask(&w, &done), 0);
        assert_int_equal(w.result.kind, ACTION_DISABLE);
        assert_string_equal(w.result.after.status, "disabled");
        assert_non_null(w.result.after.roles);
        assert_int_equal(w.result.after.n_roles, 0);
        assert_int_equal(w.result.before.n_roles, 1);
        teardown(&w);
}

static void test_create_changed_since(void **state _unused_) {
        Account a = bob;
        World w;

        a.role = "Full Admin";
        linked(&w, TARGET_UMBRELLA, &a);
        refused(&w, &created, "changed since");
        a = bob;
        a.address = "carol@example.com";
        linked(&w, TARGET_UMBRELLA, &a);
        refused(&w, &created, "changed since");
        a = bob;
        a.disabled = true;
        linked(&w, TARGET_UMBRELLA, &a);
        refused(&w, &created, "changed since");
        a = bob;
        a.remote_id = "8";
        linked(&w, TARGET_UMBRELLA, &a);
        refused(&w, &created, "isn't there");
        linked(&w, TARGET_UMBRELLA, &bob);
        w.link.remote_id = "8";
        refused(&w, &created, "isn't linked");
        linked(&w, TARGET_UMBRELLA, &bob);
        w.in.link = NULL;
        refused(&w, &created, "isn't linked");
}

static void test_invariants(void **state _unused_) {
        World w;

        linked(&w, TARGET_UMBRELLA, &bob);
        w.protect[0] = (char *) "bob@example.com";
        w.target.protect = w.protect;
        w.target.n_protect = 1;
        refused(&w, &created, "protect");
        linked(&w, TARGET_UMBRELLA, &bob);
        w.last_of[0] = (char *) "Read Only";
        w.target.last_of = w.last_of;
        w.target.n_last_of = 1;
        refused(&w, &created, "last active");
        setup(&w, TARGET_UMBRELLA);
        w.protect[0] = (char *) "*@example.com";
        w.target.protect = w.protect;
        w.target.n_protect = 1;
        refused(&w, &deleted, "protect");
}

/* Of two the first may go, and counts as gone. */
static void test_last_of_two(void **state _unused_) {
        const Account carol = { .remote_id = "8", .address = "carol@example.com", .role = "Read Only" };
        const Link hers = { .person = "carol", .remote_id = "8", .address = "carol@example.com" };
        Action second = created;
        World w;

        linked(&w, TARGET_UMBRELLA, &bob);
        add(&w, &carol);
        w.last_of[0] = (char *) "Read Only";
        w.target.last_of = w.last_of;
        w.target.n_last_of = 1;
        assert_int_equal(ask(&w, &created), 0);
        second.person = "carol";
        second.address = second.after.address = "carol@example.com";
        second.remote_id = "8";
        w.in.link = &hers;
        assert_int_equal(revert_action(&w.in, &second, w.arena, &w.result, &w.why), REVERT_E_CANT);
        assert_non_null(strstr(w.why, "last active"));
        teardown(&w);
}

static void test_delete(void **state _unused_) {
        World w;

        setup(&w, TARGET_UMBRELLA);
        assert_int_equal(ask(&w, &deleted), 0);
        assert_int_equal(w.result.kind, ACTION_CREATE);
        assert_null(w.result.remote_id);
        assert_false(w.result.has_before);
        assert_string_equal(w.result.address, "Bob@example.com");
        assert_string_equal(w.result.after.role, "Full Admin");
        assert_string_equal(w.result.after.last_name, "B");
        teardown(&w);
}

static void test_delete_lacks_something(void **state _unused_) {
        Action done = deleted;
        World w;

        done.before.last_name = NULL;
        setup(&w, TARGET_UMBRELLA);
        refused(&w, &done, "wants a name");
        setup(&w, TARGET_UMBRELLA);
        w.person.field[PERSON_LAST_NAME] = "Known";
        w.in.person = &w.person;
        assert_int_equal(ask(&w, &done), 0);
        assert_string_equal(w.result.after.last_name, "Known");
        teardown(&w);
        done = deleted;
        done.before.role = NULL;
        setup(&w, TARGET_UMBRELLA);
        refused(&w, &done, "which role");
        done = deleted;
        done.before.address = "nobody";
        setup(&w, TARGET_UMBRELLA);
        refused(&w, &done, "isn't one");
        setup(&w, TARGET_UMBRELLA);
        w.target.create = false;
        refused(&w, &deleted, "aren't created");
        setup(&w, TARGET_UMBRELLA);
        add(&w, &bob);
        refused(&w, &deleted, "is there again");
        setup(&w, TARGET_UMBRELLA);
        w.in.link = &w.link;
        refused(&w, &deleted, "has an account here again");
}

static void test_recreate(void **state _unused_) {
        World w;

        linked(&w, TARGET_UMBRELLA, &bob);
        assert_int_equal(ask(&w, &recreated), 0);
        assert_int_equal(w.result.kind, ACTION_RECREATE);
        assert_string_equal(w.result.before.role, "Read Only");
        assert_string_equal(w.result.after.role, "Full Admin");
        assert_string_equal(w.result.after.last_name, "B");
        teardown(&w);
        linked(&w, TARGET_UMBRELLA, &bob);
        w.person.present = false;
        refused(&w, &recreated, "doesn't belong");
}

static void test_update(void **state _unused_) {
        const Account a = { .remote_id = "7", .address = "bob@example.com", .roles = both, .n_roles = 2 };
        Action done = {
                .kind = ACTION_UPDATE,
                .person = "bob",
                .remote_id = "7",
                .has_before = true,
                .before = { .address = "bob@example.com", .last_name = "Before" },
                .has_after = true,
                .after = { .address = "bob@example.com", .last_name = "After", .roles = both, .n_roles = 2 },
        };
        World w;

        linked(&w, TARGET_PRIMAVERA, &a);
        assert_int_equal(ask(&w, &done), 0);
        assert_int_equal(w.result.kind, ACTION_UPDATE);
        assert_string_equal(w.result.after.last_name, "Before");
        /* None, and stated. */
        assert_non_null(w.result.after.roles);
        assert_int_equal(w.result.after.n_roles, 0);
        teardown(&w);
        done.after.n_roles = 1;
        linked(&w, TARGET_PRIMAVERA, &a);
        refused(&w, &done, "changed since");
}

static void test_disable_and_enable(void **state _unused_) {
        const Account a = { .remote_id = "7", .address = "bob@example.com", .disabled = true };
        const Account b = { .remote_id = "7", .address = "bob@example.com" };
        Action done = {
                .kind = ACTION_DISABLE,
                .person = "bob",
                .remote_id = "7",
                .has_before = true,
                .before = { .status = "enabled", .roles = both, .n_roles = 2 },
                .has_after = true,
                .after = { .status = "disabled", .roles = none },
        };
        World w;

        linked(&w, TARGET_PRIMAVERA, &a);
        assert_int_equal(ask(&w, &done), 0);
        assert_int_equal(w.result.kind, ACTION_ENABLE);
        assert_string_equal(w.result.after.status, "enabled");
        assert_int_equal(w.result.after.n_roles, 2);
        teardown(&w);
        linked(&w, TARGET_PRIMAVERA, &b);
        refused(&w, &done, "changed since");
        done.before.status = "disabled";
        linked(&w, TARGET_PRIMAVERA, &a);
        refused(&w, &done, "was disabled before");

        done = (Action){
                .kind = ACTION_ENABLE,
                .person = "bob",
                .remote_id = "7",
                .has_before = true,
                .before = { .status = "disabled" },
                .has_after = true,
                .after = { .status = "enabled" },
        };
        linked(&w, TARGET_PRIMAVERA, &b);
        assert_int_equal(ask(&w, &done), 0);
        assert_int_equal(w.result.kind, ACTION_DISABLE);
        teardown(&w);
        done.before.status = "locked";
        done.after.status = "unlocked";
        linked(&w, TARGET_PRIMAVERA, &b);
        refused(&w, &done, "lock");
}

static void test_never(void **state _unused_) {
        Action done = created;
        World w;

        done.kind = ACTION_ADOPT;
        linked(&w, TARGET_UMBRELLA, &bob);
        w.in.hindrance = "something else";
        refused(&w, &done, "into protect");
        done.kind = ACTION_RESET;
        linked(&w, TARGET_UMBRELLA, &bob);
        refused(&w, &done, "password");
        done.kind = ACTION_RELINK;
        linked(&w, TARGET_UMBRELLA, &bob);
        refused(&w, &done, "can't be taken back");
}

static void test_plan_asks(void **state _unused_) {
        Action asked = created;
        World w;

        linked(&w, TARGET_UMBRELLA, &bob);
        w.in.asked = &recreated;
        refused(&w, &created, "\"recreate\"");
        /* The very wish that was carried out. */
        asked.remote_id = NULL;
        linked(&w, TARGET_UMBRELLA, &bob);
        w.in.asked = &asked;
        assert_int_equal(ask(&w, &created), 0);
        teardown(&w);
        asked.after.role = "Full Admin";
        linked(&w, TARGET_UMBRELLA, &bob);
        w.in.asked = &asked;
        refused(&w, &created, "\"create\"");
        linked(&w, TARGET_UMBRELLA, &bob);
        w.in.hindrance = "is blocked";
        refused(&w, &created, "is blocked");
}

/* ---- until when ---- */

static char *basis(const World *w) {
        StrBuf out = STRBUF_INIT(4096);

        revert_basis(&w->target, 2, w->in.person, &out);
        return strbuf_take(&out);
}

static void test_basis(void **state _unused_) {
        static const uint64_t marks[] = { 1 }, others[] = { 2 };
        int groups[] = { 0 };
        char *before, *now;
        World w;

        linked(&w, TARGET_UMBRELLA, &bob);
        w.target.groups = groups;
        w.target.n_groups = 1;
        w.person.marks = marks;
        before = basis(&w);
        w.person.absent_for = 7;
        w.person.signal = "later";
        now = basis(&w);
        assert_string_equal(before, now);
        free(now);
        w.person.marks = others;
        now = basis(&w);
        assert_string_not_equal(before, now);
        free(before);
        before = now;
        w.person.field[PERSON_LAST_NAME] = "New";
        now = basis(&w);
        assert_string_not_equal(before, now);
        free(before);
        free(now);
        w.person.present = false;
        before = basis(&w);
        w.in.person = NULL;
        now = basis(&w);
        assert_string_equal(before, now);
        free(before);
        free(now);
        teardown(&w);
}

static char *account_of(const World *w) {
        StrBuf out = STRBUF_INIT(4096);

        revert_account(w->accounts, w->in.person, w->in.link, &out);
        return strbuf_take(&out);
}

static void test_account(void **state _unused_) {
        char *by_link, *by_address, *other;
        World w;

        linked(&w, TARGET_UMBRELLA, &bob);
        by_link = account_of(&w);
        w.in.link = NULL;
        by_address = account_of(&w);
        assert_string_equal(by_link, by_address);
        w.person.field[PERSON_EMAIL] = "nobody@example.com";
        other = account_of(&w);
        assert_string_equal(other, "none");
        free(by_link);
        free(by_address);
        free(other);
        teardown(&w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_create),
                cmocka_unit_test(test_create_at_primavera),
                cmocka_unit_test(test_create_changed_since),
                cmocka_unit_test(test_invariants),
                cmocka_unit_test(test_last_of_two),
                cmocka_unit_test(test_delete),
                cmocka_unit_test(test_delete_lacks_something),
                cmocka_unit_test(test_recreate),
                cmocka_unit_test(test_update),
                cmocka_unit_test(test_disable_and_enable),
                cmocka_unit_test(test_never),
                cmocka_unit_test(test_plan_asks),
                cmocka_unit_test(test_basis),
                cmocka_unit_test(test_account),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
