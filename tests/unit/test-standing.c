/* SPDX-License-Identifier: Apache-2.0 */
/* An operator's orders in the store, and what the queue's history tells. */
#include "store-fixture.h"

#include "store/store-ledger.h"
#include "store/store-queue.h"
#include "sync/standing.h"

static void test_pauses(void **state) {
        Fixture *f = *state;
        bool paused = true;

        assert_int_equal(standing_is_paused(f->store, "umbrella", &paused), 0);
        assert_false(paused);
        assert_int_equal(standing_set_paused(f->store, "umbrella", true), 0);
        assert_int_equal(standing_is_paused(f->store, "umbrella", &paused), 0);
        assert_true(paused);
        assert_int_equal(standing_is_paused(f->store, "other", &paused), 0);
        assert_false(paused);
        assert_int_equal(standing_is_paused(f->store, NULL, &paused), 0);
        assert_false(paused);
        assert_int_equal(standing_set_paused(f->store, NULL, true), 0);
        assert_int_equal(standing_set_paused(f->store, "umbrella", false), 0);
        assert_int_equal(standing_is_paused(f->store, NULL, &paused), 0);
        assert_true(paused);
}

static void test_approvals(void **state) {
        Fixture *f = *state;
        char hash[PLAN_HASH_LEN + 1] = "x";

        assert_int_equal(standing_approval(f->store, "umbrella", hash), 0);
        assert_string_equal(hash, "");
        assert_int_equal(standing_approve(f->store, "umbrella", "0123456789ab"), 0);
        reopen(f);
        assert_int_equal(standing_approval(f->store, "umbrella", hash), 0);
        assert_string_equal(hash, "0123456789ab");
        assert_int_equal(standing_approval(f->store, "other", hash), 0);
        assert_string_equal(hash, "");
        assert_int_equal(standing_approve(f->store, "umbrella", NULL), 0);
        assert_int_equal(standing_approval(f->store, "umbrella", hash), 0);
        assert_string_equal(hash, "");
}

static bool file_waits(Fixture *f, const char *hash) {
        _cleanup_(held_plan_freep) HeldPlan *file = NULL;

        assert_int_equal(store_held_get(f->store, "umbrella", HELD_FILE, &file), 0);
        return file && str_eq(file->hash, hash);
}

/* One order a target: the last one. */
static void test_files(void **state) {
        const Action a = { .kind = ACTION_CREATE, .person = "p1", .address = "a@example.com" };
        _cleanup_(plan_freep) Plan *plan = plan_new("umbrella");
        char hash[PLAN_HASH_LEN + 1];
        Fixture *f = *state;

        assert_non_null(plan);
        assert_int_equal(plan_add_action(plan, &a), 0);
        assert_int_equal(plan_finish(plan), 0);
        assert_int_equal(store_held_put(f->store, "umbrella", HELD_PLAN, "0123456789ab", "", &a, 1, 1), 0);
        assert_int_equal(standing_apply(f->store, plan, 1), 0);
        reopen(f);
        assert_int_equal(standing_approval(f->store, "umbrella", hash), 0);
        assert_string_equal(hash, plan->hash);
        assert_true(file_waits(f, plan->hash));
        assert_int_equal(standing_approve(f->store, "umbrella", "0123456789ab"), 0);
        assert_false(file_waits(f, plan->hash));
        assert_int_equal(standing_apply(f->store, plan, 1), 0);
        assert_int_equal(standing_approve(f->store, "umbrella", NULL), 0);
        assert_false(file_waits(f, plan->hash));
        assert_int_equal(ask_sql(f, "SELECT count(*) FROM held"), 1);
}

static int64_t put(Fixture *f, ActionKind kind, const char *person) {
        const Action a = { .kind = kind, .person = person, .address = "a@example.com" };
        QueuePut how;
        int64_t id;

        assert_int_equal(store_queue_put(f->store, "umbrella", &a, 1, false, 1000, &id, &how), 0);
        assert_int_equal(how, QUEUE_PUT_NEW);
        return id;
}

typedef struct Seen { int64_t ids[8]; size_t n; } Seen;

static int see(const QueueItem *item, void *userdata) {
        Seen *seen = userdata;

        seen->ids[seen->n++] = item->id;
        return 0;
}

static void test_history(void **state) {
        Fixture *f = *state;
        const QueueChange done = { .state = QUEUE_DONE };
        int64_t one = put(f, ACTION_CREATE, "p1"), two = put(f, ACTION_CREATE, "p2"), three;
        Seen seen = { 0 };

        assert_int_equal(store_queue_change(f->store, one, &done, 3000), 0);
        assert_int_equal(store_queue_change(f->store, two, &done, 2000), 0);
        three = put(f, ACTION_UPDATE, "p1");
        assert_int_equal(store_history_list(f->store, NULL, 8, see, &seen), 0);
        assert_int_equal(seen.n, 2);
        assert_int_equal(seen.ids[0], one);
        assert_int_equal(seen.ids[1], two);
        seen.n = 0;
        assert_int_equal(store_history_list(f->store, "p1", 8, see, &seen), 0);
        assert_int_equal(seen.n, 2);
        assert_int_equal(seen.ids[0], three);
        seen.n = 0;
        assert_int_equal(store_history_list(f->store, NULL, 1, see, &seen), 0);
        assert_int_equal(seen.n, 1);
}

static void test_position(void **state) {
        Fixture *f = *state;
        int64_t one = put(f, ACTION_CREATE, "p1"), two = put(f, ACTION_CREATE, "p2"),
                three = put(f, ACTION_DELETE, "p3");
        uint64_t position;

        assert_int_equal(store_queue_position(f->store, three, &position), 0);
        assert_int_equal(position, 1);
        assert_int_equal(store_queue_position(f->store, one, &position), 0);
        assert_int_equal(position, 2);
        assert_int_equal(store_queue_position(f->store, two, &position), 0);
        assert_int_equal(position, 3);
        assert_int_equal(store_queue_position(f->store, 99, &position), 0);
        assert_int_equal(position, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_pauses, setup_store, teardown_store),
                cmocka_unit_test_setup_teardown(test_approvals, setup_store, teardown_store),
                cmocka_unit_test_setup_teardown(test_files, setup_store, teardown_store),
                cmocka_unit_test_setup_teardown(test_history, setup_store, teardown_store),
                cmocka_unit_test_setup_teardown(test_position, setup_store, teardown_store),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
