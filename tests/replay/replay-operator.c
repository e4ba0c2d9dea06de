/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator says, and what has changed until then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sqlite3.h>

#include "play.h"
#include "store/store-ledger.h"
#include "sync/operate.h"
#include "sync/standing.h"

#define LEAVE "leave = \"delete\"; leave_grace = \"0s\"; "

static Operate operate(const Play *play) {
        return (Operate){ .engine = play->engine, .store = play->store, .loop = play->loop };
}

static void pause_all(const Play *play, bool pause) {
        const Operate o = operate(play);
        ErrCtx text = { 0 };

        assert_int_equal(pause ? operate_pause(&o, NULL, &text) : operate_resume(&o, NULL, &text), 0);
}

typedef struct Found { ActionKind kind; QueueState state; int64_t id; } Found;

static int take_id(const QueueItem *item, void *userdata) {
        Found *f = userdata;

        if (item->action.kind == f->kind && item->state == f->state)
                f->id = item->id;
        return 0;
}

static int64_t find(const Play *play, ActionKind kind, QueueState state) {
        Found f = { .kind = kind, .state = state };

        assert_int_equal(store_queue_list(play->store, "umbrella", 0, take_id, &f), 0);
        return f.id;
}

/* Who came back before the target was resumed isn't removed by an old number. */
static void test_retry_of_what_nobody_asks_for(void **state _unused_) {
        ErrCtx text = { 0 };
        int64_t id;
        Play play;
        Operate o;

        play_setup(&play, 10, LEAVE, "");
        play_start(&play);
        play_run(play.loop, USEC_PER_HOUR);
        pause_all(&play, true);
        play_directory.n = 9;
        play_run(play.loop, 10 * USEC_PER_MINUTE);
        assert_true(find(&play, ACTION_DELETE, QUEUE_WAITING) > 0);
        play_directory.n = 10;
        play_run(play.loop, 10 * USEC_PER_MINUTE);
        id = find(&play, ACTION_DELETE, QUEUE_DROPPED);
        assert_true(id > 0);
        pause_all(&play, false);
        play_run(play.loop, 10 * USEC_PER_MINUTE);
        o = operate(&play);
        assert_int_equal(operate_retry(&o, id, &text), OPERATE_E_REFUSED);
        assert_non_null(strstr(text.text, "isn't asked for any more"));
        play_run(play.loop, USEC_PER_HOUR);
        assert_int_equal(play_umbrella.deleted, 0);
        play_teardown(&play);
}

/* One that was dropped, and is asked for, is another matter. */
static void test_retry_of_what_was_dropped(void **state _unused_) {
        ErrCtx text = { 0 };
        int64_t id;
        Play play;
        Operate o;

        play_setup(&play, 10, LEAVE, "");
        play_start(&play);
        play_run(play.loop, USEC_PER_HOUR);
        pause_all(&play, true);
        play_directory.n = 9;
        play_run(play.loop, 10 * USEC_PER_MINUTE);
        id = find(&play, ACTION_DELETE, QUEUE_WAITING);
        o = operate(&play);
        assert_int_equal(operate_drop(&o, id, &text), 0);
        pause_all(&play, false);
        play_run(play.loop, USEC_PER_HOUR);
        assert_int_equal(play_umbrella.deleted, 0);
        assert_int_equal(operate_retry(&o, id, &text), 0);
        play_run(play.loop, 10 * USEC_PER_MINUTE);
        assert_int_equal(play_umbrella.deleted, 1);
        play_teardown(&play);
}

static void refuse_removals(const char *method, const char *url, const char *body, PlayAnswer *answer,
                            void *userdata) {
        bool removal = str_eq(method, "DELETE");

        play_umbrella_api(method, removal ? "https://played/none" : url, body, answer, userdata);
        if (removal)
                answer->status = 400;
}

/* A dead letter that takes something back is tried again as long as it fits, and no longer. */
static void test_retry_of_a_revert(void **state _unused_) {
        _cleanup_(held_plan_freep) HeldPlan *held = NULL;
        StrBuf out = STRBUF_INIT(1 << 16);
        ErrCtx text = { 0 };
        Remote *remote;
        int64_t dead;
        Play play;
        Operate o;

        play_setup(&play, 1, "", "");
        play_start(&play);
        play_run(play.loop, USEC_PER_HOUR);
        o = operate(&play);
        assert_int_equal(operate_revert(&o, 1, &out, &text), 0);
        strbuf_deinit(&out);
        assert_int_equal(store_held_get(play.store, "umbrella", HELD_REVERT, &held), 0);
        assert_non_null(held);
        assert_int_equal(operate_approve(&o, held->hash, &remote, &text), 0);
        play_api(refuse_removals, NULL);
        play_run(play.loop, 10 * USEC_PER_MINUTE);
        dead = find(&play, ACTION_DELETE, QUEUE_DEAD);
        assert_true(dead > 0);
        assert_int_equal(operate_retry(&o, dead, &text), 0);
        play_run(play.loop, 10 * USEC_PER_MINUTE);
        assert_int_equal(find(&play, ACTION_DELETE, QUEUE_DEAD), dead);
        /* Somebody removed the account by hand. */
        play_umbrella.n = 0;
        play_run(play.loop, 2 * USEC_PER_HOUR);
        assert_int_equal(operate_retry(&o, dead, &text), OPERATE_E_REFUSED);
        assert_non_null(strstr(text.text, "doesn't fit any more"));
        assert_int_equal(find(&play, ACTION_DELETE, QUEUE_DEAD), dead);
        play_teardown(&play);
}

/* An approval that waits for its judgement is of one plan; another that is rejected is no word about it. */
static void test_reject_is_of_one_plan(void **state _unused_) {
        char hash[PLAN_HASH_LEN + 1];
        ErrCtx text = { 0 };
        Play play;
        Operate o;

        play_setup(&play, 2, "", "");
        o = operate(&play);
        for (int of_itself = 0; of_itself < 2; of_itself++) {
                const char *rejected = of_itself ? "0123456789ab" : "ba9876543210";

                assert_int_equal(standing_approve(play.store, "umbrella", "0123456789ab"), 0);
                assert_int_equal(store_held_put(play.store, "umbrella", HELD_PLAN, rejected, "why", NULL, 0,
                                                1),
                                 0);
                assert_int_equal(operate_reject(&o, rejected, &text), 0);
                assert_int_equal(standing_approval(play.store, "umbrella", hash), 0);
                assert_string_equal(hash, of_itself ? "" : "0123456789ab");
        }
        play_teardown(&play);
}

static void hold(const Play *play, HeldSlot slot, const char *hash) {
        assert_int_equal(store_held_put(play->store, "umbrella", slot, hash, "why", NULL, 0, 1), 0);
}

/* Of two orders for one judgement none is forgotten: the second one is refused, and says so. */
static void test_approve_two(void **state _unused_) {
        _cleanup_(plan_freep) Plan *file = plan_new("umbrella");
        char hash[PLAN_HASH_LEN + 1];
        ErrCtx text = { 0 };
        Remote *remote;
        Play play;
        Operate o;

        play_setup(&play, 2, "", "");
        o = operate(&play);
        assert_int_equal(plan_finish(file), 0);
        hold(&play, HELD_PLAN, "0123456789ab");
        hold(&play, HELD_REVERT, "ba9876543210");
        assert_int_equal(operate_approve(&o, "0123456789ab", &remote, &text), 0);
        assert_int_equal(operate_approve(&o, "0123456789ab", &remote, &text), 0);
        assert_int_equal(operate_approve(&o, "ba9876543210", &remote, &text), OPERATE_E_REFUSED);
        assert_non_null(strstr(text.text, "plan 0123456789ab is approved already"));
        assert_int_equal(operate_apply(&o, file, &remote, &text), OPERATE_E_REFUSED);
        assert_int_equal(standing_approval(play.store, "umbrella", hash), 0);
        assert_string_equal(hash, "0123456789ab");
        /* Each has its way out, an operator's file too. */
        assert_int_equal(operate_reject(&o, "0123456789ab", &text), 0);
        assert_int_equal(operate_apply(&o, file, &remote, &text), 0);
        assert_int_equal(operate_approve(&o, "ba9876543210", &remote, &text), OPERATE_E_REFUSED);
        assert_int_equal(operate_reject(&o, file->hash, &text), 0);
        assert_int_equal(operate_approve(&o, "ba9876543210", &remote, &text), 0);
        play_teardown(&play);
}

/* A password that was asked for is no part of the plan: it goes on, and lets nothing of the plan slip
 * through, whether it waits or is under way. */
static void test_reject_beside_a_reset(void **state _unused_) {
        const Action reset = { .kind = ACTION_RESET, .person = "id-0000", .address = "p0@example.com" };
        const Action removal = { .kind = ACTION_DELETE, .person = "id-0000", .address = "p0@example.com",
                                 .remote_id = "7" };
        const QueueChange done = { .state = QUEUE_DONE };

        for (int runs = 0; runs < 2; runs++) {
                ErrCtx text = { 0 };
                QueuePut put;
                int64_t id;
                Play play;
                Operate o;

                play_setup(&play, 2, "", "");
                o = operate(&play);
                assert_int_equal(store_queue_put(play.store, "umbrella", &reset, 1, true, 1, &id, &put), 0);
                if (runs)
                        assert_int_equal(store_queue_running(play.store, id, 0, 1), 0);
                assert_int_equal(store_held_put(play.store, "umbrella", HELD_PLAN, "0123456789ab", "why",
                                                &removal, 1, 1),
                                 0);
                assert_int_equal(operate_reject(&o, "0123456789ab", &text), 0);
                assert_int_equal(find(&play, ACTION_RESET, runs ? QUEUE_RUNNING : QUEUE_WAITING), id);
                assert_int_equal(store_queue_change(play.store, id, &done, 2), 0);
                assert_int_equal(store_queue_probe(play.store, "umbrella", &removal, &put), 0);
                assert_int_equal(put, QUEUE_PUT_SUPPRESSED);
                play_teardown(&play);
        }
}

static unsigned looks;

/* The one account that is looked at before it goes. */
static void look_takes_long(const char *method, const char *url, const char *body, PlayAnswer *answer,
                            void *userdata) {
        play_umbrella_api(method, url, body, answer, userdata);
        if (str_eq(method, "GET") && strstr(url, "/users/")) {
                looks++;
                answer->delay = 20 * USEC_PER_SEC;
        }
}

/* Somebody leaves, and the account is being looked at. */
static void setup_look(Play *play) {
        play_setup(play, 10, LEAVE, "");
        play_start(play);
        play_run(play->loop, USEC_PER_HOUR);
        play_api(look_takes_long, NULL);
        looks = 0;
        play_directory.n = 9;
        for (unsigned i = 0; i < 600 && looks == 0; i++)
                play_run(play->loop, USEC_PER_SEC);
        assert_int_equal(looks, 1);
}

/* To look is no write: what follows it waits as if it hadn't begun. */
static void test_pause_during_look(void **state _unused_) {
        Play play;

        setup_look(&play);
        pause_all(&play, true);
        play_run(play.loop, USEC_PER_HOUR);
        assert_int_equal(play_umbrella.deleted, 0);
        assert_true(find(&play, ACTION_DELETE, QUEUE_WAITING) > 0);
        pause_all(&play, false);
        play_run(play.loop, 10 * USEC_PER_MINUTE);
        assert_int_equal(play_umbrella.deleted, 1);
        play_teardown(&play);
}

/* For a reload, say, that protects the account. */
static void test_drain_during_look(void **state _unused_) {
        Play play;

        setup_look(&play);
        engine_drain(play.engine);
        play_run(play.loop, USEC_PER_MINUTE);
        assert_true(engine_is_idle(play.engine));
        assert_int_equal(play_umbrella.deleted, 0);
        play_teardown(&play);
}

static unsigned refusals;

/* Refuses the token of the first create, and takes its time for a new one. */
static void new_token_takes_long(const char *method, const char *url, const char *body, PlayAnswer *answer,
                                 void *userdata) {
        if (str_eq(method, "POST") && strstr(url, "/users") && refusals == 0) {
                refusals++;
                answer->status = 401;
                snprintf(answer->body, sizeof(answer->body), "{\"message\":\"Unauthorized\"}");
                return;
        }
        play_umbrella_api(method, url, body, answer, userdata);
        if (refusals == 1 && strstr(url, "/token")) {
                refusals++;
                answer->delay = 20 * USEC_PER_SEC;
        }
}

/* What was sent once, and goes out again, is neither put back nor forgotten. */
static void test_pause_before_new_token(void **state _unused_) {
        Play play;

        play_setup(&play, 2, "", "");
        refusals = 0;
        play_api(new_token_takes_long, NULL);
        play_start(&play);
        for (unsigned i = 0; i < 600 && refusals < 2; i++)
                play_run(play.loop, USEC_PER_SEC);
        assert_int_equal(refusals, 2);
        pause_all(&play, true);
        play_run(play.loop, USEC_PER_MINUTE);
        pause_all(&play, false);
        play_run(play.loop, USEC_PER_HOUR);
        assert_int_equal(play_umbrella.created, 2);
        assert_int_equal(play_counts(&play).running, 0);
        play_teardown(&play);
}

/* ---- a reset whose end can't be written ---- */

static const char *broken_state;

/* Everything can be read, and no action ends. */
static void break_store(const char *sql) {
        sqlite3 *db = NULL;

        assert_int_equal(sqlite3_open(broken_state, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
}

static unsigned reset_calls;
static int refused_with;

static void resetting_api(const char *method, const char *url, const char *body, PlayAnswer *answer,
                          void *userdata) {
        if (!strstr(url, "/passwordResets/")) {
                play_umbrella_api(method, url, body, answer, userdata);
                return;
        }
        *answer = (PlayAnswer){ .failure = HTTP_DONE, .status = 200, .body = "\"\"" };
        if (refused_with && strstr(body, "\"p1@example.com\""))
                *answer = (PlayAnswer){ .failure = HTTP_DONE, .status = refused_with,
                                        .body = "{\"message\":\"no such user\"}" };
        if (reset_calls++ == 0 && !refused_with)
                break_store("CREATE TRIGGER broken BEFORE UPDATE ON action WHEN new.state = 'done'"
                            " BEGIN SELECT raise(ABORT, 'broken'); END");
}

/* It isn't forgotten: as soon as something can be written again, it is told that nobody knows. */
static void test_reset_and_a_broken_store(void **state _unused_) {
        ErrCtx text = { 0 };
        char path[512];
        Play play;
        Operate o;

        play_setup(&play, 2, "organization = 5; ", "");
        snprintf(path, sizeof(path), "%s/state/idsyncd.db", play.directory);
        broken_state = path;
        reset_calls = 0;
        refused_with = 0;
        play_api(resetting_api, NULL);
        play_start(&play);
        play_run(play.loop, USEC_PER_HOUR);
        o = operate(&play);
        assert_int_equal(operate_reset(&o, "p0", "umbrella", &text), 0);
        play_run(play.loop, USEC_PER_MINUTE);
        assert_int_equal(reset_calls, 1);
        break_store("DROP TRIGGER broken");
        play_run(play.loop, USEC_PER_HOUR);
        assert_int_equal(reset_calls, 1);
        assert_true(find(&play, ACTION_RESET, QUEUE_DEAD) > 0);
        play_teardown(&play);
}

static int count_done(const QueueItem *item, void *userdata) {
        size_t *n = userdata;

        *n += item->action.kind == ACTION_RESET && item->state == QUEUE_DONE;
        return 0;
}

/* However an API says no to one of many: the others are done. */
static void test_one_bad_address(void **state _unused_) {
        static const int statuses[] = { 400, 404, 409, 413, 422 };
        char person[8];
        ErrCtx text = { 0 };
        size_t n_done;
        Play play;
        Operate o;

        for (size_t i = 0; i < ELEMENTSOF(statuses); i++) {
                n_done = 0;
                play_setup(&play, 8, "organization = 5; ", "");
                reset_calls = 0;
                refused_with = statuses[i];
                play_api(resetting_api, NULL);
                play_start(&play);
                play_run(play.loop, USEC_PER_HOUR);
                o = operate(&play);
                pause_all(&play, true);
                for (size_t k = 0; k < 8; k++) {
                        snprintf(person, sizeof(person), "p%zu", k);
                        assert_int_equal(operate_reset(&o, person, "umbrella", &text), 0);
                }
                pause_all(&play, false);
                play_run(play.loop, 10 * USEC_PER_MINUTE);
                assert_in_range(reset_calls, 5, 9);
                assert_true(find(&play, ACTION_RESET, QUEUE_DEAD) > 0);
                assert_int_equal(store_queue_list(play.store, "umbrella", 0, count_done, &n_done), 0);
                assert_int_equal(n_done, 7);
                play_teardown(&play);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_reset_and_a_broken_store),
                cmocka_unit_test(test_one_bad_address),
                cmocka_unit_test(test_retry_of_what_nobody_asks_for),
                cmocka_unit_test(test_retry_of_what_was_dropped),
                cmocka_unit_test(test_retry_of_a_revert),
                cmocka_unit_test(test_reject_is_of_one_plan),
                cmocka_unit_test(test_approve_two),
                cmocka_unit_test(test_reject_beside_a_reset),
                cmocka_unit_test(test_pause_during_look),
                cmocka_unit_test(test_drain_during_look),
                cmocka_unit_test(test_pause_before_new_token),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
