/* SPDX-License-Identifier: Apache-2.0 */
#include "store-fixture.h"
#include "sync/judge.h"
#include "sync/standing.h"
#include "target/target.h"

/* Bob is wanted with another role than before, Carol is new. */
typedef struct World {
        Fixture *f;
        Config config;
        TargetConfig target;
        RoleRule role;
        Links *links;
        People people;
        Resets resets;
        Judgement j;
        bool unproven;                  /* the read proves no absence */
        const char *standing;           /* the approval that the store keeps */
} World;

static World world_new(Fixture *f) {
        World w = {
                .f = f,
                .config = { .first_plan_apply = true },
                .target = {
                        .name = (char *) "t",
                        .type = TARGET_UMBRELLA,
                        .url = (char *) "https://api.example.com",
                        .limits = { .create = 10, .percent = 100 },
                        .n_roles = 1,
                },
                .role = { .group = -1, .role = (char *) "Read Only" },
                .links = links_new(),
        };

        assert_non_null(w.links);
        return w;
}

static void world_free(World *w) {
        judgement_deinit(&w->j);
        links_free(w->links);
}

static Action create(const char *person, const char *role) {
        return (Action){
                .kind = ACTION_CREATE,
                .person = person,
                .address = "x@example.com",
                .has_after = true,
                .after = { .address = "x@example.com", .role = role },
        };
}

/* Judges a plan of these actions in the world as it is. */
static void judge(World *w, const Action *actions, size_t n, char *const *approvals, size_t n_approvals) {
        _cleanup_(plan_freep) Plan *plan = plan_new("t");
        Fixture *f = w->f;
        JudgeInput in = {
                .store = f->store,
                .config = &w->config,
                .target = &w->target,
                .plan = plan,
                .links = w->links,
                .people = &w->people,
                .resets = &w->resets,
                .approvals = approvals,
                .n_approvals = n_approvals,
                .standing = w->standing,
                .cycle = 1,
                .wall = USEC_PER_DAY,
                .absence_proven = !w->unproven,
        };

        w->target.roles = &w->role;
        assert_non_null(plan);
        for (size_t i = 0; i < n; i++)
                ok(plan_add_action(plan, &actions[i]));
        ok(plan_finish(plan));
        judgement_deinit(&w->j);
        w->j = (Judgement){ 0 };
        ok(judge_plan(&in, &w->j));
}

/* ---- rules ---- */

static int64_t begin_create(World *w) {
        const Action a = create("bob", "Read Only");
        Fixture *f = w->f;
        int64_t id = 0;

        ok(store_queue_put(f->store, "t", &a, 1, false, USEC_PER_DAY, &id, NULL));
        ok(store_queue_running(f->store, id, 0, USEC_PER_DAY));
        return id;
}

/* A plan that is empty because it waits for what is under way was seen by nobody. */
static void test_busy_accepts_no_rules(void **state) {
        const QueueChange done = { .state = QUEUE_DONE, .outcome = "ok" };
        const Action wanted = create("bob", "Full Admin");
        Fixture *f = *state;
        World w = world_new(f);
        int64_t id;

        judge(&w, NULL, 0, NULL, 0);
        id = begin_create(&w);
        w.role.role = (char *) "Full Admin";
        judge(&w, &wanted, 1, NULL, 0);
        assert_int_equal(w.j.n_busy, 1);
        assert_null(w.j.held);
        ok(store_queue_change(f->store, id, &done, USEC_PER_DAY));
        judge(&w, &wanted, 1, NULL, 0);
        assert_non_null(w.j.held);
        assert_non_null(strstr(w.j.held->reason, "roles"));
        assert_int_equal(w.j.n_queued, 0);
        world_free(&w);
}

/* A listing may show the account before its create is known to be done: it is nobody else's to adopt. */
static void test_own_create_is_not_adopted(void **state) {
        const Action wanted = {
                .kind = ACTION_ADOPT,
                .person = "bob",
                .address = "x@example.com",
                .remote_id = "7",
                .has_before = true,
                .before = { .address = "x@example.com", .first_name = "Rob" },
                .has_after = true,
                .after = { .address = "x@example.com", .first_name = "Bob" },
        };
        World w = world_new(*state);

        judge(&w, NULL, 0, NULL, 0);
        (void) begin_create(&w);
        judge(&w, &wanted, 1, NULL, 0);
        assert_null(w.j.held);
        assert_int_equal(w.j.n_adopted, 0);
        assert_int_equal(w.j.n_busy, 1);
        world_free(&w);
}

static void test_empty_accepts_rules(void **state) {
        const Action wanted = create("bob", "Full Admin");
        World w = world_new(*state);

        judge(&w, NULL, 0, NULL, 0);
        w.role.role = (char *) "Full Admin";
        judge(&w, NULL, 0, NULL, 0);
        judge(&w, &wanted, 1, NULL, 0);
        assert_null(w.j.held);
        assert_int_equal(w.j.n_queued, 1);
        world_free(&w);
}

/* ---- approvals ---- */

/* The held plan, and what came on top of it: two plans of one target in one judgement. */
static void test_two_approvals(void **state) {
        const Action actions[] = { create("bob", "Read Only"), create("carol", "Read Only") };
        char held[PLAN_HASH_LEN + 1], top[PLAN_HASH_LEN + 1];
        char *const approvals[] = { held, top };
        World w = world_new(*state);

        w.target.limits.create = 0;
        judge(&w, actions, 1, NULL, 0);
        assert_non_null(w.j.held);
        memcpy(held, w.j.held->hash, sizeof(held));
        assert_int_equal(plan_hash("t", &actions[1], 1, top), 0);
        judge(&w, actions, 2, approvals, 2);
        assert_int_equal(w.j.n_queued, 2);
        assert_true(approval_was_used(&w.j.approved, held));
        assert_true(approval_was_used(&w.j.approved, top));
        assert_false(approval_was_used(&w.j.approved, "000000000000"));
        world_free(&w);
}

/* A judgement that let a plan go leaves no approval behind that the next one, after a crash, would take for
 * stale: neither of what was held, nor of what is open. One that fitted nothing stays, to be told. */
static void test_approval_is_spent(void **state) {
        const Action actions[] = { create("bob", "Read Only"), create("carol", "Read Only") };
        char hash[PLAN_HASH_LEN + 1], standing[PLAN_HASH_LEN + 1];
        char *const approvals[] = { hash };
        Fixture *f = *state;
        World w = world_new(f);

        w.target.limits.create = 0;
        w.standing = hash;
        for (unsigned i = 0; i < 3; i++) {
                if (i == 0)
                        judge(&w, actions, 1, NULL, 0);
                if (i < 2)
                        ok(plan_hash("t", &actions[i], 1, hash));
                else
                        strcpy(hash, "0123456789ab");
                ok(standing_approve(f->store, "t", hash));
                judge(&w, actions, i == 0 ? 1 : 2, approvals, 1);
                ok(standing_approval(f->store, "t", standing));
                assert_string_equal(standing, i < 2 ? "" : hash);
        }
        assert_int_equal(ask_sql(f, "SELECT count(*) FROM action WHERE finished IS NULL"), 2);
        world_free(&w);
}

/* Who approves a plan has seen what it was frozen by, and not what came with another configuration. */
static void test_rules_that_changed_since(void **state) {
        const Action actions[] = { create("bob", "Read Only"), create("carol", "Read Only"),
                                   create("dave", "Full Admin") };
        char held[PLAN_HASH_LEN + 1], *const approvals[] = { held };
        World w = world_new(*state);

        w.target.limits.create = 1;
        judge(&w, NULL, 0, NULL, 0);
        judge(&w, actions, 2, NULL, 0);
        assert_non_null(w.j.held);
        memcpy(held, w.j.held->hash, sizeof(held));
        w.role.role = (char *) "Full Admin";
        judge(&w, actions, 3, approvals, 1);
        assert_true(approval_was_used(&w.j.approved, held));
        assert_int_equal(w.j.n_queued, 2);
        assert_non_null(w.j.held);
        assert_non_null(strstr(w.j.held->reason, "roles"));
        world_free(&w);
}

/* What happened since the backup isn't known here: the smallest plan waits, until a person approves one. */
static void test_database_put_back(void **state) {
        const Action actions[] = { create("bob", "Read Only"), create("carol", "Read Only") };
        char held[PLAN_HASH_LEN + 1], *const approvals[] = { held };
        Fixture *f = *state;
        World w = world_new(f);

        judge(&w, NULL, 0, NULL, 0);
        ok(store_meta_set_u64(f->store, "restored", 5));
        judge(&w, actions, 1, NULL, 0);
        assert_int_equal(w.j.n_queued, 0);
        assert_non_null(w.j.held);
        assert_non_null(strstr(w.j.held->reason, "put back from a backup"));
        memcpy(held, w.j.held->hash, sizeof(held));
        judge(&w, actions, 1, approvals, 1);
        assert_int_equal(w.j.n_queued, 1);
        judge(&w, actions, 2, NULL, 0);
        assert_int_equal(w.j.n_queued, 1);
        assert_null(w.j.held);
        world_free(&w);
}

/* ---- an operator's file ---- */

static char *bring(World *w, const Action *actions, size_t n, char hash[static PLAN_HASH_LEN + 1]) {
        _cleanup_(plan_freep) Plan *plan = plan_new("t");
        Fixture *f = w->f;

        assert_non_null(plan);
        for (size_t i = 0; i < n; i++)
                ok(plan_add_action(plan, &actions[i]));
        ok(plan_finish(plan));
        ok(standing_apply(f->store, plan, 1));
        memcpy(hash, plan->hash, PLAN_HASH_LEN + 1);
        return hash;
}

/* A part of what is held goes; the rest is a plan of its own, and the rules aren't accepted with it. */
static void test_file_of_a_part(void **state) {
        const Action actions[] = { create("bob", "Read Only"), create("carol", "Read Only"),
                                   create("dave", "Read Only") };
        World w = world_new(*state);
        char hash[PLAN_HASH_LEN + 1], *approval;

        w.config.first_plan_apply = false;
        judge(&w, actions, 3, NULL, 0);
        assert_int_equal(w.j.held->n_actions, 3);
        approval = bring(&w, actions, 2, hash);
        judge(&w, actions, 3, &approval, 1);
        assert_int_equal(w.j.n_queued, 2);
        assert_true(approval_was_used(&w.j.approved, hash));
        assert_int_equal(w.j.held->n_actions, 1);
        assert_string_equal(w.j.held->actions[0].person, "dave");
        assert_non_null(strstr(w.j.held->reason, "first"));
        world_free(&w);
}

static void test_file_of_all(void **state) {
        const Action actions[] = { create("bob", "Read Only"), create("carol", "Read Only") };
        World w = world_new(*state);
        char hash[PLAN_HASH_LEN + 1], *approval;

        w.config.first_plan_apply = false;
        judge(&w, actions, 1, NULL, 0);
        assert_int_equal(w.j.held->n_actions, 1);
        approval = bring(&w, actions, 1, hash);
        judge(&w, actions, 1, &approval, 1);
        assert_int_equal(w.j.n_queued, 1);
        assert_null(w.j.held);
        judge(&w, actions, 2, NULL, 0);
        assert_int_equal(w.j.n_queued, 1);
        assert_null(w.j.held);
        world_free(&w);
}

/* Nothing that isn't asked for, and then nothing at all; what was held stays as it was. */
static void test_file_is_stale(void **state) {
        const Action wanted[] = { create("bob", "Read Only"), create("carol", "Read Only") };
        const Action brought[] = { create("bob", "Read Only"), create("carol", "Full Admin") };
        World w = world_new(*state);
        char hash[PLAN_HASH_LEN + 1], held[PLAN_HASH_LEN + 1], *approval;

        w.config.first_plan_apply = false;
        judge(&w, wanted, 2, NULL, 0);
        memcpy(held, w.j.held->hash, sizeof(held));
        approval = bring(&w, brought, 2, hash);
        judge(&w, wanted, 2, &approval, 1);
        assert_int_equal(w.j.n_queued, 0);
        assert_false(approval_was_used(&w.j.approved, hash));
        assert_non_null(strstr(w.j.unfit, "create x@example.com isn't asked for"));
        assert_string_equal(w.j.held->hash, held);
        world_free(&w);
}

/* Without its approval a file is nothing. */
static void test_file_without_approval(void **state) {
        const Action wanted = create("bob", "Read Only");
        World w = world_new(*state);
        char hash[PLAN_HASH_LEN + 1];

        w.config.first_plan_apply = false;
        (void) bring(&w, &wanted, 1, hash);
        judge(&w, &wanted, 1, NULL, 0);
        assert_int_equal(w.j.n_queued, 0);
        assert_non_null(w.j.held);
        world_free(&w);
}

static void test_file_waits_for_nobody(void **state) {
        const Action wanted = create("bob", "Full Admin");
        World w = world_new(*state);
        char hash[PLAN_HASH_LEN + 1], *approval;

        (void) begin_create(&w);
        approval = bring(&w, &wanted, 1, hash);
        judge(&w, &wanted, 1, &approval, 1);
        assert_int_equal(w.j.n_queued, 0);
        assert_non_null(strstr(w.j.unfit, "under way"));
        world_free(&w);
}

/* ---- relinks ---- */

static void reload_links(World *w) {
        Fixture *f = w->f;

        links_free(w->links);
        ok(store_links_load(f->store, "t", &w->links));
}

/* Held whatever the limits are; then the link goes over as it was, and nothing is left to do or to say. */
static void test_relink(void **state) {
        const Link link = {
                .person = "old",
                .remote_id = "7",
                .address = "x@example.com",
                .role = "Full Admin",
                .origin = LINK_CREATED,
                .since = 5,
        };
        const Action relink = {
                .kind = ACTION_RELINK,
                .person = "new",
                .address = "X@example.com",
                .remote_id = "7",
                .has_before = true,
        };
        char hash[PLAN_HASH_LEN + 1];
        char *const approvals[] = { hash };
        Fixture *f = *state;
        World w = world_new(f);

        ok(store_link_put(f->store, "t", &link));
        reload_links(&w);
        judge(&w, &relink, 1, NULL, 0);
        assert_non_null(w.j.held);
        assert_non_null(strstr(w.j.held->reason, "1 relink"));
        assert_int_equal(w.j.n_open, 1);
        memcpy(hash, w.j.held->hash, sizeof(hash));
        judge(&w, &relink, 1, approvals, 1);
        assert_null(w.j.held);
        assert_int_equal(w.j.n_open, 0);
        reload_links(&w);
        assert_int_equal(w.links->n, 1);
        assert_string_equal(w.links->items[0].person, "new");
        assert_string_equal(w.links->items[0].address, "x@example.com");
        assert_string_equal(w.links->items[0].role, "Full Admin");
        assert_int_equal(w.links->items[0].origin, LINK_CREATED);
        assert_int_equal(w.links->items[0].since, 5);
        world_free(&w);
}

static Action delete(const char *person, const char *remote_id) {
        return (Action){ .kind = ACTION_DELETE, .person = person, .address = "x@example.com",
                         .remote_id = remote_id, .has_before = true };
}

/* What a read without proof doesn't ask for is neither out of a held plan, nor asked for anew later. */
static void test_unproven_changes_nothing(void **state) {
        const QueueChange dropped = { .state = QUEUE_DROPPED };
        const Action actions[] = { create("dave", "Read Only"), delete("bob", "1"), delete("carol", "2") };
        char hash[PLAN_HASH_LEN + 1];
        Fixture *f = *state;
        World w = world_new(f);
        int64_t id;

        w.target.limits.delete = 1;
        judge(&w, actions, 3, NULL, 0);
        assert_non_null(w.j.held);
        memcpy(hash, w.j.held->hash, sizeof(hash));
        w.unproven = true;
        judge(&w, actions, 1, NULL, 0);
        assert_non_null(w.j.held);
        assert_string_equal(w.j.held->hash, hash);
        assert_int_equal(w.j.n_queued, 0);
        judge(&w, NULL, 0, NULL, 0);
        assert_non_null(w.j.held);

        for (size_t i = 0; i < 3; i++) {
                ok(store_queue_put(f->store, "t", &actions[i], 1, true, USEC_PER_DAY, &id, NULL));
                ok(store_queue_change(f->store, id, &dropped, USEC_PER_DAY));
        }
        ok(store_held_drop(f->store, "t", HELD_PLAN));
        judge(&w, NULL, 0, NULL, 0);
        w.unproven = false;
        judge(&w, &actions[1], 1, NULL, 0);
        assert_int_equal(w.j.n_suppressed, 1);
        assert_int_equal(w.j.n_queued, 0);
        world_free(&w);
}

/* An account that was deleted for a new role is made anew, unless it is proven that its person has left. */
static void test_half_done_recreate(void **state) {
        const Action recreate = { .kind = ACTION_RECREATE, .person = "bob", .address = "x@example.com",
                                  .remote_id = "1" };
        const QueueChange deleted = { .state = QUEUE_WAITING, .step = STEP_DELETED };
        Fixture *f = *state;
        World w = world_new(f);
        int64_t id;

        ok(store_queue_put(f->store, "t", &recreate, 1, true, 1, &id, NULL));
        ok(store_queue_running(f->store, id, STEP_DELETING, 1));
        ok(store_queue_change(f->store, id, &deleted, 1));
        w.unproven = true;
        judge(&w, NULL, 0, NULL, 0);
        assert_int_equal(ask_sql(f, "SELECT count(*) FROM action WHERE state = 'waiting'"), 1);
        w.unproven = false;
        judge(&w, NULL, 0, NULL, 0);
        assert_int_equal(ask_sql(f, "SELECT count(*) FROM action WHERE state = 'dropped'"), 1);
        world_free(&w);
}

/* Nobody has seen what another mind of the configuration would take away. */
static void test_unproven_accepts_no_rules(void **state) {
        const Action gone = delete("bob", "1");
        World w = world_new(*state);

        w.target.limits.delete = 10;
        judge(&w, NULL, 0, NULL, 0);
        w.role.role = (char *) "Full Admin";
        w.unproven = true;
        judge(&w, NULL, 0, NULL, 0);
        w.unproven = false;
        judge(&w, &gone, 1, NULL, 0);
        assert_non_null(w.j.held);
        assert_non_null(strstr(w.j.held->reason, "roles"));
        world_free(&w);
}

/* Somebody decided that what was removed at the API stays away: others needn't wait for that. */
static void test_rejected_gone_create(void **state) {
        const QueueChange dropped = { .state = QUEUE_DROPPED };
        Action actions[] = { create("bob", "Read Only"), create("carol", "Read Only") };
        Fixture *f = *state;
        World w = world_new(f);
        int64_t id;

        actions[0].again = true;
        judge(&w, actions, 2, NULL, 0);
        assert_non_null(w.j.held);
        assert_non_null(strstr(w.j.held->reason, "gone"));
        ok(store_queue_put(f->store, "t", &actions[0], 1, true, USEC_PER_DAY, &id, NULL));
        ok(store_queue_change(f->store, id, &dropped, USEC_PER_DAY));
        ok(store_held_drop(f->store, "t", HELD_PLAN));
        judge(&w, actions, 2, NULL, 0);
        assert_null(w.j.held);
        assert_int_equal(w.j.n_suppressed, 1);
        assert_int_equal(w.j.n_queued, 1);
        world_free(&w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_busy_accepts_no_rules, setup_store, teardown_store),
                cmocka_unit_test_setup_teardown(test_own_create_is_not_adopted, setup_store, teardown_store),
                cmocka_unit_test_setup_teardown(test_empty_accepts_rules, setup_store, teardown_store),
                cmocka_unit_test_setup_teardown(test_two_approvals, setup_store, teardown_store),
                cmocka_unit_test_setup_teardown(test_approval_is_spent, setup_store, teardown_store),
                cmocka_unit_test_setup_teardown(test_rules_that_changed_since, setup_store, teardown_store),
                cmocka_unit_test_setup_teardown(test_database_put_back, setup_store, teardown_store),
                cmocka_unit_test_setup_teardown(test_file_of_a_part, setup_store, teardown_store),
                cmocka_unit_test_setup_teardown(test_file_of_all, setup_store, teardown_store),
                cmocka_unit_test_setup_teardown(test_file_is_stale, setup_store, teardown_store),
                cmocka_unit_test_setup_teardown(test_file_without_approval, setup_store, teardown_store),
                cmocka_unit_test_setup_teardown(test_file_waits_for_nobody, setup_store, teardown_store),
                cmocka_unit_test_setup_teardown(test_relink, setup_store, teardown_store),
                cmocka_unit_test_setup_teardown(test_rejected_gone_create, setup_store, teardown_store),
                cmocka_unit_test_setup_teardown(test_unproven_changes_nothing, setup_store, teardown_store),
                cmocka_unit_test_setup_teardown(test_half_done_recreate, setup_store, teardown_store),
                cmocka_unit_test_setup_teardown(test_unproven_accepts_no_rules, setup_store, teardown_store),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
