/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "model/plan.h"

static const char *const roles_ab[] = { "a", "b" };

/* In canonical order. */
static const Action ordered[] = {
        { .kind = ACTION_CREATE, .person = "1", .address = "b@x" },
        { .kind = ACTION_CREATE,
          .person = "2",
          .address = "a@x",
          .has_after = true,
          .after = { .address = "a@x",
                     .first_name = "A",
                     .last_name = "B",
                     .timezone = "UTC",
                     .role = "Read Only" } },
        { .kind = ACTION_ADOPT, .person = "0", .address = "a@x", .remote_id = "1" },
        { .kind = ACTION_ADOPT, .person = "0", .address = "b@x", .remote_id = "1" },
        { .kind = ACTION_ADOPT, .person = "0", .address = "b@x", .remote_id = "2" },
        { .kind = ACTION_RECREATE,
          .person = "5",
          .remote_id = "2",
          .has_before = true,
          .before = { .role = "A" } },
        { .kind = ACTION_RECREATE,
          .person = "5",
          .remote_id = "2",
          .has_before = true,
          .before = { .role = "B" } },
        { .kind = ACTION_RECREATE,
          .person = "5",
          .remote_id = "2",
          .has_before = true,
          .before = { .role = "B" },
          .has_after = true,
          .after = { .roles = roles_ab } },
        { .kind = ACTION_RECREATE,
          .person = "5",
          .remote_id = "2",
          .has_before = true,
          .before = { .role = "B" },
          .has_after = true,
          .after = { .roles = roles_ab, .n_roles = 1 } },
        { .kind = ACTION_RECREATE,
          .person = "5",
          .remote_id = "2",
          .has_before = true,
          .before = { .role = "B" },
          .has_after = true,
          .after = { .roles = roles_ab, .n_roles = 2 } },
        { .kind = ACTION_RELINK, .person = "0", .address = "a@x", .remote_id = "1" },
};
#define N ELEMENTSOF(ordered)

static void test_compare(void **state) {
        (void) state;
        for (size_t i = 0; i < N; i++)
                for (size_t k = 0; k < N; k++) {
                        int r = action_compare(&ordered[i], &ordered[k]);

                        assert_int_equal((r > 0) - (r < 0), (i > k) - (i < k));
                }
}

/* The documented form, hashed by another program:
 * printf '%s\n' '{"target":"umbrella"}' '{"action":"create","person":"2",…}' | sha256sum */
static void test_hash_is_documented(void **state) {
        char hash[PLAN_HASH_LEN + 1];

        (void) state;
        assert_int_equal(plan_hash("umbrella", NULL, 0, hash), 0);
        assert_string_equal(hash, "957e76f2c8c5");
        assert_int_equal(plan_hash("umbrella", &ordered[1], 1, hash), 0);
        assert_string_equal(hash, "d2aed3ba254b");
}

static void test_hash_has_no_order(void **state) {
        Action shuffled[N];
        char hash[PLAN_HASH_LEN + 1], other[PLAN_HASH_LEN + 1];

        (void) state;
        assert_int_equal(plan_hash("t", ordered, N, hash), 0);
        assert_int_equal(strspn(hash, "0123456789abcdef"), PLAN_HASH_LEN);
        for (size_t i = 0; i < N; i++)
                shuffled[i] = ordered[(i * 7 + 3) % N];
        assert_int_equal(plan_hash("t", shuffled, N, other), 0);
        assert_string_equal(hash, other);
        assert_int_equal(plan_hash("u", ordered, N, other), 0);
        assert_string_not_equal(hash, other);
        assert_int_equal(plan_hash("t", ordered, N - 1, other), 0);
        assert_string_not_equal(hash, other);
}

/* Every member counts. */
static void test_hash_tells_all(void **state) {
        const char *const values[] = { NULL, "", "x", "null" };
        char seen[64][PLAN_HASH_LEN + 1];
        size_t n = 0;

        (void) state;
        for (size_t member = 0; member < 12; member++)
                for (size_t v = 0; v < ELEMENTSOF(values); v++) {
                        Action a = { .kind = ACTION_UPDATE, .person = "p", .has_after = true };
                        const char **const places[] = {
                                &a.address,          &a.remote_id,       &a.after.address,  &a.after.login,
                                &a.after.first_name, &a.after.last_name, &a.after.timezone, &a.after.role,
                                &a.after.status,     &a.before.address,  &a.before.role,    &a.person,
                        };

                        a.has_before = member == 9 || member == 10;
                        *places[member] = values[v];
                        /* Nothing said is the same for all of them. */
                        if (!values[v] && member != 9 && member != 11)
                                continue;
                        if (member == 11 && !values[v])
                                continue;
                        assert_int_equal(plan_hash("t", &a, 1, seen[n]), 0);
                        for (size_t i = 0; i < n; i++)
                                assert_string_not_equal(seen[i], seen[n]);
                        n++;
                }
        assert_true(n > 30);
}

static void test_finish(void **state) {
        _cleanup_(plan_freep) Plan *plan = plan_new("t");
        char hash[PLAN_HASH_LEN + 1];

        (void) state;
        for (size_t i = N; i > 0; i--)
                assert_int_equal(plan_add_action(plan, &ordered[i - 1]), 0);
        for (unsigned i = 100; i > 0; i--) {
                char id[8];

                snprintf(id, sizeof(id), "%03u", i);
                assert_int_equal(plan_add_blocked(plan, &(PlanBlocked){ id, "uid=b", NULL, "why" }), 0);
                assert_int_equal(plan_add_drift(plan, &(PlanDrift){ id, "d", "last_name", "A", "B" }), 0);
                assert_int_equal(plan_add_note(plan, &(PlanNote){ NOTE_KEPT, id, NULL, "7", "why" }), 0);
        }
        assert_int_equal(plan_finish(plan), 0);
        for (size_t i = 0; i < N; i++)
                assert_int_equal(action_compare(&plan->actions[i], &ordered[i]), 0);
        assert_string_equal(plan->blocked[0].person, "001");
        assert_string_equal(plan->drift[99].person, "100");
        assert_string_equal(plan->notes[1].person, "002");
        assert_int_equal(plan->count[ACTION_CREATE], 2);
        assert_int_equal(plan->count[ACTION_ADOPT], 3);
        assert_int_equal(plan->count[ACTION_RECREATE], 5);
        assert_int_equal(plan->count[ACTION_DELETE], 0);
        assert_int_equal(plan_n_acts(plan), N - 3);
        assert_true(plan->has_relink && !plan->adopts_and_changes);
        assert_int_equal(plan_hash("t", ordered, N, hash), 0);
        assert_string_equal(plan->hash, hash);
        assert_int_equal(plan_add_action(plan, &(Action){ .kind = ACTION_ADOPT, .has_after = true }), 0);
        assert_int_equal(plan_finish(plan), 0);
        assert_true(plan->adopts_and_changes);
        assert_string_not_equal(plan->hash, hash);
        assert_null(plan_free(NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_compare),        cmocka_unit_test(test_hash_is_documented),
                cmocka_unit_test(test_hash_has_no_order), cmocka_unit_test(test_hash_tells_all),
                cmocka_unit_test(test_finish),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
