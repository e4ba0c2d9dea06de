/* SPDX-License-Identifier: Apache-2.0 */
/* What a judgement makes of actions that take others back. */
#include "store-fixture.h"
#include "sync/reverts.h"

/* Bob's account 7 was created in cycle 3; he is wanted as he is. */
typedef struct World {
        Fixture *f;
        Config config;
        TargetConfig target;
        RoleRule role;
        Links *links;
        Accounts *accounts;
        Person bob;
        People people;
        Resets resets;
        int64_t created;                /* the row */
        Judgement j;
} World;

#define NOW USEC_PER_DAY

static const Action wish = {
        .kind = ACTION_CREATE,
        .person = "bob",
        .address = "bob@example.com",
        .has_after = true,
        .after = { .address = "bob@example.com", .role = "Read Only" },
};

static void list(World *w, usec_t begun, const char *remote_id) {
        const Account a = { .remote_id = remote_id, .address = "bob@example.com", .role = "Read Only" };

        accounts_free(w->accounts);
        w->accounts = accounts_new(begun);
        assert_non_null(w->accounts);
        if (remote_id)
                assert_int_equal(accounts_add(w->accounts, &a), 0);
}

static void load_links(World *w) {
        w->links = links_free(w->links);
        assert_int_equal(store_links_load(w->f->store, "t", &w->links), 0);
}

static void world_init(World *w, Fixture *f) {
        const QueueChange done = { .state = QUEUE_DONE, .remote_id = "7" };
        const Link link = { .person = "bob", .remote_id = "7", .address = "bob@example.com" };

        *w = (World){
                .f = f,
                .config = { .first_plan_apply = true },
                .target = {
                        .name = (char *) "t",
                        .type = TARGET_UMBRELLA,
                        .url = (char *) "https://api.example.com",
                        .create = true,
                        .limits = { .create = 10, .percent = 100 },
                        .n_roles = 1,
                },
                .role = { .group = -1, .role = (char *) "Read Only" },
                .bob = { .id = "bob", .present = true, .field = { [PERSON_EMAIL] = "bob@example.com" } },
        };
        w->target.roles = &w->role;
        w->people = (People){ .items = &w->bob, .n = 1 };
        ok(store_queue_put(f->store, "t", &wish, 3, true, 1, &w->created, NULL));
        ok(store_queue_running(f->store, w->created, 0, 2));
        ok(store_queue_change(f->store, w->created, &done, 3));
        ok(store_link_put(f->store, "t", &link));
        load_links(w);
        list(w, 10, "7");
}

static void world_deinit(World *w) {
        judgement_deinit(&w->j);
        links_free(w->links);
        accounts_free(w->accounts);
}

static void judge(World *w, const Action *asked, const char *approval) {
        _cleanup_(plan_freep) Plan *plan = plan_new("t");
        char *const approvals[] = { (char *) approval };
        Fixture *f = w->f;
        JudgeInput in = {
                .store = f->store,
                .config = &w->config,
                .target = &w->target,
                .plan = plan,
                .links = w->links,
                .accounts = w->accounts,
                .people = &w->people,
                .resets = &w->resets,
                .approvals = approvals,
                .n_approvals = approval ? 1 : 0,
                .cycle = 9,
                .wall = NOW,
                .absence_proven = true,
        };

        assert_non_null(plan);
        if (asked)
                ok(plan_add_action(plan, asked));
        ok(plan_finish(plan));
        judgement_deinit(&w->j);
        w->j = (Judgement){ 0 };
        ok(judge_plan(&in, &w->j));
}

/* Holds what takes the creation back. */
static void hold(World *w, char hash[static PLAN_HASH_LEN + 1]) {
        Action take = {
                .kind = ACTION_DELETE,
                .person = "bob",
                .address = "bob@example.com",
                .remote_id = "7",
                .has_before = true,
                .before = { .address = "bob@example.com", .role = "Read Only" },
                .reverts = w->created,
        };
        Fixture *f = w->f;

        ok(plan_hash("t", &take, 1, hash));
        ok(store_held_put(f->store, "t", HELD_REVERT, hash, "takes back", &take, 1, 5));
}

static int64_t find_row(World *w, const char *state) {
        char question[160];

        snprintf(question, sizeof(question),
                 "SELECT coalesce(max(id), 0) FROM action WHERE reverts = %lld AND state = '%s'",
                 (long long) w->created, state);
        return ask_sql(w->f, question);
}

static void finish(World *w, usec_t wall) {
        const QueueChange done = { .state = QUEUE_DONE };
        int64_t id = find_row(w, "waiting");
        Fixture *f = w->f;

        assert_true(id > 0);
        ok(store_queue_running(f->store, id, 0, wall));
        ok(store_queue_change(f->store, id, &done, wall));
        ok(store_link_drop(f->store, "t", "bob"));
        load_links(w);
}

static void test_approved(void **state) {
        char hash[PLAN_HASH_LEN + 1];
        Fixture *f = *state;
        World w;

        world_init(&w, f);
        hold(&w, hash);
        judge(&w, NULL, NULL);
        assert_int_equal(find_row(&w, "waiting"), 0);
        judge(&w, NULL, "0123456789ab");
        assert_int_equal(find_row(&w, "waiting"), 0);
        judge(&w, NULL, hash);
        assert_true(approval_was_used(&w.j.approved, hash));
        assert_true(find_row(&w, "waiting") > 0);
        assert_int_equal(ask_sql(f, "SELECT count(*) FROM held"), 0);
        /* No plan asks for it, and still it waits. */
        judge(&w, NULL, NULL);
        assert_true(find_row(&w, "waiting") > 0);
        world_deinit(&w);
}

/* All of it or nothing, and then it is gone. */
static void test_stale(void **state) {
        const Action other = { .kind = ACTION_RECREATE, .person = "bob", .address = "bob@example.com" };
        char hash[PLAN_HASH_LEN + 1];
        Fixture *f = *state;
        World w;

        world_init(&w, f);
        hold(&w, hash);
        judge(&w, &other, hash);
        assert_false(approval_was_used(&w.j.approved, hash));
        assert_non_null(strstr(w.j.unfit, "recreate"));
        assert_int_equal(ask_sql(f, "SELECT count(*) FROM action WHERE reverts > 0"), 0);
        assert_int_equal(ask_sql(f, "SELECT count(*) FROM held WHERE slot = 'revert'"), 0);
        world_deinit(&w);
}

/* It could be taken back, but what was approved is something else. */
static void test_not_the_same(void **state) {
        const Account a = { .remote_id = "7",
                            .address = "bob@example.com",
                            .role = "Read Only",
                            .last_name = "New" };
        char hash[PLAN_HASH_LEN + 1];
        World w;

        world_init(&w, *state);
        hold(&w, hash);
        list(&w, 20, NULL);
        assert_int_equal(accounts_add(w.accounts, &a), 0);
        judge(&w, NULL, hash);
        assert_int_equal(find_row(&w, "waiting"), 0);
        assert_non_null(strstr(w.j.unfit, "have changed"));
        world_deinit(&w);
}

static void test_waiting_row_that_fits_no_more(void **state) {
        char hash[PLAN_HASH_LEN + 1];
        Fixture *f = *state;
        World w;

        world_init(&w, f);
        hold(&w, hash);
        judge(&w, NULL, hash);
        list(&w, 20, NULL);
        judge(&w, NULL, NULL);
        assert_int_equal(find_row(&w, "waiting"), 0);
        assert_true(find_row(&w, "dropped") > 0);
        assert_int_equal(ask_sql(f, "SELECT count(*) FROM action WHERE stands = 1"), 0);
        assert_int_equal(ask_sql(f, "SELECT count(*) FROM reverted"), 0);
        world_deinit(&w);
}

/* A row that went out is finished, whatever the world looks like. */
static void test_row_under_way(void **state) {
        char hash[PLAN_HASH_LEN + 1];
        Fixture *f = *state;
        World w;

        world_init(&w, f);
        hold(&w, hash);
        judge(&w, NULL, hash);
        ok(store_queue_running(f->store, find_row(&w, "waiting"), 0, NOW));
        list(&w, 20, NULL);
        judge(&w, NULL, NULL);
        assert_true(find_row(&w, "running") > 0);
        world_deinit(&w);
}

static void take_back(World *w) {
        char hash[PLAN_HASH_LEN + 1];

        hold(w, hash);
        judge(w, NULL, hash);
        finish(w, NOW);
}

static void test_not_asked_for_again(void **state) {
        World w;

        world_init(&w, *state);
        take_back(&w);
        /* A listing from before shows the account still: it tells nothing. */
        judge(&w, &wish, NULL);
        assert_int_equal(w.j.n_queued, 0);
        assert_int_equal(w.j.n_suppressed, 1);
        list(&w, 2 * NOW, NULL);
        judge(&w, &wish, NULL);
        assert_int_equal(w.j.n_queued, 0);
        /* It comes and goes: an incomplete read asks for nothing. */
        judge(&w, NULL, NULL);
        judge(&w, &wish, NULL);
        assert_int_equal(w.j.n_queued, 0);
        assert_int_equal(w.j.n_suppressed, 1);
        world_deinit(&w);
}

static void test_until_the_person_changes(void **state) {
        World w;

        world_init(&w, *state);
        take_back(&w);
        list(&w, 2 * NOW, NULL);
        judge(&w, NULL, NULL);
        w.bob.field[PERSON_LAST_NAME] = "New";
        judge(&w, &wish, NULL);
        assert_int_equal(w.j.n_queued, 1);
        world_deinit(&w);
}

static void test_until_the_rules_change(void **state) {
        World w;

        world_init(&w, *state);
        take_back(&w);
        list(&w, 2 * NOW, NULL);
        judge(&w, NULL, NULL);
        w.role.role = (char *) "Full Admin";
        judge(&w, &wish, NULL);
        assert_int_equal(w.j.n_suppressed, 0);
        assert_non_null(w.j.held);
        world_deinit(&w);
}

static void test_until_the_account_changes(void **state) {
        const Action adopt = {
                .kind = ACTION_ADOPT,
                .person = "bob",
                .address = "bob@example.com",
                .remote_id = "8",
                .has_before = true,
                .before = { .address = "bob@example.com", .role = "Read Only" },
        };
        World w;

        world_init(&w, *state);
        take_back(&w);
        list(&w, 2 * NOW, NULL);
        judge(&w, NULL, NULL);
        list(&w, 3 * NOW, "8");
        judge(&w, &adopt, NULL);
        assert_int_equal(w.j.n_adopted, 1);
        world_deinit(&w);
}

/* ---- rows ---- */

static void test_rows(void **state) {
        const QueueChange dead = { .state = QUEUE_DEAD };
        Action take = { .kind = ACTION_DELETE, .person = "bob", .remote_id = "7", .reverts = 4 };
        _cleanup_(queue_item_freep) QueueItem *item = NULL;
        Fixture *f = *state;
        QueuePut put;
        int64_t id;

        ok(store_queue_put(f->store, "t", &take, 1, true, 1, &id, &put));
        ok(store_queue_keep_only(f->store, "t", NULL, 0, true, 2, NULL));
        ok(store_queue_get(f->store, id, &item));
        assert_int_equal(item->state, QUEUE_WAITING);
        assert_int_equal(item->action.reverts, 4);
        /* Given up, it is seen until it is tried again; the same wish of a plan is another one. */
        ok(store_queue_change(f->store, id, &dead, 3));
        ok(store_queue_keep_only(f->store, "t", NULL, 0, true, 4, NULL));
        ok(store_queue_probe(f->store, "t", &take, &put));
        assert_int_equal(put, QUEUE_PUT_SUPPRESSED);
        take.reverts = 0;
        ok(store_queue_probe(f->store, "t", &take, &put));
        assert_int_equal(put, QUEUE_PUT_NEW);
}

static void test_later(void **state) {
        const QueueChange drop = { .state = QUEUE_DROPPED };
        const Action reset = { .kind = ACTION_RESET, .person = "bob", .remote_id = "7" };
        const Action take = { .kind = ACTION_DELETE, .person = "bob", .remote_id = "7" };
        int64_t id, later;
        Fixture *f = *state;
        World w;

        world_init(&w, f);
        ok(store_queue_later(f->store, "t", "bob", w.created, 0, &later));
        assert_int_equal(later, 0);
        ok(store_queue_put(f->store, "t", &reset, 5, true, 5, &id, NULL));
        ok(store_queue_later(f->store, "t", "bob", w.created, 0, &later));
        assert_int_equal(later, 0);
        ok(store_queue_change(f->store, id, &drop, 6));
        ok(store_queue_put(f->store, "t", &take, 5, true, 5, &id, NULL));
        ok(store_queue_later(f->store, "t", "bob", w.created, 0, &later));
        assert_int_equal(later, id);
        ok(store_queue_later(f->store, "t", "bob", w.created, id, &later));
        assert_int_equal(later, 0);
        /* It never went out. */
        ok(store_queue_change(f->store, id, &drop, 6));
        ok(store_queue_later(f->store, "t", "bob", w.created, 0, &later));
        assert_int_equal(later, 0);
        world_deinit(&w);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_store, teardown_store)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_approved),
                TEST(test_stale),
                TEST(test_not_the_same),
                TEST(test_waiting_row_that_fits_no_more),
                TEST(test_row_under_way),
                TEST(test_not_asked_for_again),
                TEST(test_until_the_person_changes),
                TEST(test_until_the_rules_change),
                TEST(test_until_the_account_changes),
                TEST(test_rows),
                TEST(test_later),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
