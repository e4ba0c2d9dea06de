/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/strings.h"
#include "model/expect.h"

#define TEXT(s) ((char *) (s))

enum { STAFF, ADMINS, PLANNERS, N_GROUPS };
static const uint64_t nothing = 0, staff = 1u << STAFF, admin = 1u << STAFF | 1u << ADMINS,
                      planner = 1u << STAFF | 1u << PLANNERS;

static Person persons[] = {
        { .id = "id-1", .dn = "uid=alice,dc=x", .present = true, .marks = &admin,
          .field = { [PERSON_LOGIN] = "alice", [PERSON_EMAIL] = "Alice@Example.com" } },
        { .id = "id-2", .dn = "uid=bob,dc=x", .present = true, .marks = &staff,
          .field = { [PERSON_LOGIN] = "bob", [PERSON_EMAIL] = "bob@example.com" } },
        { .id = "id-3", .dn = "uid=carol,dc=x", .present = true, .marks = &nothing,
          .field = { [PERSON_LOGIN] = "carol", [PERSON_EMAIL] = "twin@example.com" } },
        { .id = "id-4", .dn = "uid=dan,dc=x", .present = true, .disabled = true, .marks = &admin,
          .field = { [PERSON_LOGIN] = "dan", [PERSON_EMAIL] = "twin@example.com" } },
        { .id = "id-5", .dn = "uid=eve,dc=x", .marks = &admin, .field = { [PERSON_LOGIN] = "eve" } },
        { .id = "id-6", .dn = "uid=fay,dc=x", .present = true, .marks = &planner,
          .field = { [PERSON_LOGIN] = "fay", [PERSON_EMAIL] = "fay@example.com" } },
};
static const People people = { .items = persons, .n = ELEMENTSOF(persons) };

static int only_staff[] = { STAFF };
static RoleRule roles[] = { { ADMINS, TEXT("Full Admin") }, { STAFF, TEXT("Read Only") } };
static char *p6[] = { TEXT("P6"), TEXT("Team") }, *unifier[] = { TEXT("Unifier") };
static ApplicationRule applications[] = { { PLANNERS, p6, 2 }, { -1, unifier, 1 } };
static TargetConfig umbrella = {
        .name = TEXT("umbrella"), .groups = only_staff, .n_groups = 1, .roles = roles, .n_roles = 2,
};
static TargetConfig primavera = {
        .name = TEXT("p6"), .type = TARGET_PRIMAVERA, .groups = only_staff, .n_groups = 1,
        .applications = applications, .n_applications = 2,
};
static PlanBlocked blocked[] = {
        { .person = "id-2", .address = "bob@example.com", .reason = "the address is also that of another" },
};
static const Plan plan = { .blocked = blocked, .n_blocked = 1 };

/* One row, at the target; text without the place, which is always the same. */
static void check(const TargetConfig *target, const Plan *of, ExpectRule rule, bool holds,
                  const char *text) {
        _cleanup_(expectations_deinit) Expectations e = { 0 };
        Config config = { .n_groups = N_GROUPS, .expect = &rule, .n_expect = 1 };
        const ExpectInput in = { &config, target, &people, of };
        static const char place[] = "idsyncd.conf:57: expect[0]: ";

        rule.target = target->name;
        rule.file = TEXT("idsyncd.conf");
        rule.line = 57;
        assert_int_equal(expect_examine(&in, &e), 0);
        assert_int_equal(e.n, 1);
        assert_memory_equal(e.items[0].text, place, strlen(place));
        assert_string_equal(e.items[0].text + strlen(place), text);
        assert_int_equal(e.items[0].holds, holds);
        assert_int_equal(e.n_failed, !holds);
}

#define IS(who, what) ((ExpectRule){ .person = TEXT(who), .role = TEXT(what) })
#define ABSENT(who) ((ExpectRule){ .person = TEXT(who), .absent = true })

static void test_role(void **state) {
        (void) state;
        check(&umbrella, NULL, IS("alice@example.com", "Full Admin"), true,
              "alice@example.com is \"Full Admin\" at umbrella by roles[0]");
        check(&umbrella, NULL, IS("alice", "Read Only"), false,
              "alice should be \"Read Only\" at umbrella, and would be \"Full Admin\" by roles[0]");
        check(&umbrella, NULL, IS("UID=bob,dc=x", "Full Admin"), false,
              "UID=bob,dc=x should be \"Full Admin\" at umbrella, and would be \"Read Only\" by roles[1]");
        check(&umbrella, NULL, IS("id-3", "Read Only"), false,
              "id-3 should be \"Read Only\" at umbrella, and is in none of the target's groups");
        check(&umbrella, NULL, IS("dan", "Full Admin"), false,
              "dan should be \"Full Admin\" at umbrella, and is disabled in the directory");
        check(&umbrella, NULL, IS("eve", "Full Admin"), false,
              "eve should be \"Full Admin\" at umbrella, and is no longer in the directory");
        check(&umbrella, NULL, IS("nobody", "Full Admin"), false,
              "nobody should be \"Full Admin\" at umbrella, and nobody in the directory has this address, "
              "login, DN or id");
        check(&umbrella, NULL, IS("twin@example.com", "Full Admin"), false,
              "twin@example.com should be \"Full Admin\" at umbrella, and two entries have this address, "
              "login or DN: uid=carol,dc=x and uid=dan,dc=x");
}

static void test_no_row(void **state) {
        TargetConfig strict = umbrella;

        (void) state;
        strict.n_roles = 1;
        check(&strict, NULL, IS("bob", "Full Admin"), false,
              "bob should be \"Full Admin\" at umbrella, and matches no row of roles");
        check(&strict, NULL, ABSENT("bob"), true, "bob is absent from umbrella: matches no row of roles");
}

static void test_absent(void **state) {
        (void) state;
        check(&umbrella, NULL, ABSENT("bob"), false,
              "bob should be absent from umbrella, and would be \"Read Only\" by roles[1]");
        check(&umbrella, NULL, ABSENT("carol"), true,
              "carol is absent from umbrella: is in none of the target's groups");
        check(&umbrella, NULL, ABSENT("dan"), true,
              "dan is absent from umbrella: is disabled in the directory");
        check(&umbrella, NULL, ABSENT("eve"), true,
              "eve is absent from umbrella: is no longer in the directory");
        check(&umbrella, NULL, ABSENT("nobody"), true,
              "nobody is absent from umbrella: nobody in the directory has this address, login, DN or id");
        /* Neither would belong; but who is meant can't be told. */
        check(&umbrella, NULL, ABSENT("twin@example.com"), false,
              "twin@example.com should be absent from umbrella, and two entries have this address, login or "
              "DN: uid=carol,dc=x and uid=dan,dc=x");
}

/* Who is blocked gets nothing; that they would is not hidden by it. */
static void test_blocked(void **state) {
        (void) state;
        check(&umbrella, &plan, IS("bob", "Read Only"), false,
              "bob should be \"Read Only\" at umbrella, and is blocked: the address is also that of "
              "another");
        check(&umbrella, &plan, IS("bob", "Full Admin"), false,
              "bob should be \"Full Admin\" at umbrella, and would be \"Read Only\" by roles[1]");
        check(&umbrella, &plan, ABSENT("bob"), false,
              "bob should be absent from umbrella, and would be \"Read Only\" by roles[1]");
        check(&umbrella, &plan, IS("alice", "Full Admin"), true,
              "alice is \"Full Admin\" at umbrella by roles[0]");
}

static void test_applications(void **state) {
        TargetConfig narrow = primavera;

        (void) state;
        check(&primavera, NULL, IS("fay", "Team"), true, "fay has \"Team\" at p6 by applications[0]");
        /* All matching rows count. */
        check(&primavera, NULL, IS("fay", "Unifier"), true, "fay has \"Unifier\" at p6 by applications[1]");
        check(&primavera, NULL, IS("bob", "P6"), false,
              "bob should have \"P6\" at p6, and would have \"Unifier\" by applications[1]");
        check(&primavera, NULL, ABSENT("fay"), false,
              "fay should be absent from p6, and would have \"P6\" by applications[0], \"Team\" by "
              "applications[0], \"Unifier\" by applications[1]");
        check(&primavera, NULL, IS("carol", "Unifier"), false,
              "carol should have \"Unifier\" at p6, and is in none of the target's groups");
        narrow.n_applications = 1;
        check(&narrow, NULL, IS("bob", "P6"), false,
              "bob should have \"P6\" at p6, and would have an account, and matches no row of applications");
}

static ExpectRule rows[] = {
        { .person = TEXT("alice"), .target = TEXT("umbrella"), .role = TEXT("Read Only"), .line = 1 },
        { .person = TEXT("alice"), .target = TEXT("p6"), .absent = true, .line = 2 },
        { .person = TEXT("bob"), .target = TEXT("umbrella"), .role = TEXT("Read Only"), .line = 3 },
        { .person = TEXT("bob"), .target = TEXT("umbrella"), .absent = true, .line = 4 },
        { .person = TEXT("x"), .target = TEXT("umbrella"), .role = TEXT("Read Only"), .line = 5 },
        { .person = TEXT("y"), .target = TEXT("umbrella"), .role = TEXT("Read Only"), .line = 6 },
        { .person = TEXT("z"), .target = TEXT("umbrella"), .role = TEXT("Read Only"), .line = 7 },
};
static Config config = { .n_groups = N_GROUPS, .expect = rows, .n_expect = ELEMENTSOF(rows) };

/* Each target has its own; the first few failures are told, the rest is counted. */
static void test_many(void **state) {
        _cleanup_(expectations_deinit) Expectations e = { 0 }, none = { 0 };
        _cleanup_(strbuf_deinit) StrBuf text = STRBUF_INIT(4096);
        const ExpectInput in = { &config, &umbrella, &people, NULL };
        const ExpectInput other = { &config, &primavera, &people, NULL };

        (void) state;
        for (size_t i = 0; i < config.n_expect; i++)
                rows[i].file = TEXT("f");
        assert_int_equal(expect_examine(&in, &e), 0);
        assert_int_equal(e.n, 6);
        assert_int_equal(e.n_failed, 5);
        assert_ptr_equal(e.items[1].rule, &rows[2]);
        assert_true(e.items[1].holds);
        expect_put_failed(&e, &text);
        assert_string_equal(text.data,
                            "f:1: expect[0]: alice should be \"Read Only\" at umbrella, and would be \"Full "
                            "Admin\" by roles[0]; f:4: expect[3]: bob should be absent from umbrella, and "
                            "would be \"Read Only\" by roles[1]; f:5: expect[4]: x should be \"Read Only\" "
                            "at umbrella, and nobody in the directory has this address, login, DN or id; 2 "
                            "more expectations fail");
        assert_int_equal(expect_examine(&other, &none), 0);
        assert_int_equal(none.n, 1);
}

/* Where a row stands is no part of what it expects. */
static void test_text(void **state) {
        _cleanup_(freep) char *before = expect_text(&config, &umbrella), *other = NULL, *after = NULL;

        (void) state;
        assert_non_null(strstr(before, "\"bob\" null\n"));
        other = expect_text(&config, &primavera);
        assert_string_equal(other, "\"alice\" null\n");
        rows[0].line = 100;
        after = expect_text(&config, &umbrella);
        assert_string_equal(before, after);
        free(after);
        rows[0].role = TEXT("Full Admin");
        after = expect_text(&config, &umbrella);
        assert_string_not_equal(before, after);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_role),
                cmocka_unit_test(test_no_row),
                cmocka_unit_test(test_absent),
                cmocka_unit_test(test_blocked),
                cmocka_unit_test(test_applications),
                cmocka_unit_test(test_many),
                cmocka_unit_test(test_text),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
