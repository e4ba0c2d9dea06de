/* SPDX-License-Identifier: Apache-2.0 */
#include "store-fixture.h"

#include "base/time.h"

static Action create(const char *person, const char *role) {
        return (Action){
                .kind = ACTION_CREATE, .person = person, .address = "a@example.com",
                .has_after = true, .after = { .role = role, .first_name = "\"quoted\"" },
        };
}

static Action destroy(const char *person) {
        return (Action){.kind = ACTION_DELETE,
                        .person = person,
                        .address = "a@example.com",
                        .remote_id = "17"};
}

static QueuePut put(Fixture *f, const Action *a, int64_t *ret_id) {
        QueuePut would, done;
        int64_t id = -1;

        /* Asking beforehand gives the same answer, and changes nothing. */
        ok(store_queue_probe(f->store, "t", a, &would));
        ok(store_queue_put(f->store, "t", a, 3, false, 1000, &id, &done));
        assert_int_equal(would, done);
        if (ret_id)
                *ret_id = id;
        return done;
}

static int64_t put_new(Fixture *f, const Action *a) {
        int64_t id;

        assert_int_equal(put(f, a, &id), QUEUE_PUT_NEW);
        assert_true(id > 0);
        return id;
}

static QueueItem *get(Fixture *f, int64_t id) {
        QueueItem *item = NULL;

        ok(store_queue_get(f->store, id, &item));
        assert_non_null(item);
        return item;
}

static QueueState state_of(Fixture *f, int64_t id) {
        _cleanup_(queue_item_freep) QueueItem *item = get(f, id);

        return item->state;
}

static bool stands(Fixture *f, int64_t id) {
        _cleanup_(queue_item_freep) QueueItem *item = get(f, id);

        return item->stands;
}

static void become(Fixture *f, int64_t id, QueueState state) {
        if (state == QUEUE_RUNNING)
                ok(store_queue_running(f->store, id, 0, 1500));
        else
                ok(store_queue_change(f->store, id, &(QueueChange){ .state = state, .due = 1600 }, 1700));
}

/* ---- putting ---- */

static void test_all_comes_back(void **state) {
        Fixture *f = *state;
        const char *roles[] = { "P6", "Unifier" };
        Action a = {
                        .kind = ACTION_UPDATE,
                        .person = "id'1",
                        .address = "\xc3\xa9@example.com",
                        .remote_id = "42",
                        .has_before = true,
                        .before = {.role = "Old", .status = "active"},
                        .has_after = true,
                        .after = {.roles = roles, .n_roles = 2, .address = ""},
        };
        QueueItem *item;
        int64_t id;

        ok(store_queue_put(f->store, "t'x", &a, 9, true, 1234, &id, NULL));
        ok(store_queue_running(f->store, id, 2, 1300));
        ok(store_queue_change(f->store, id,
                              &(QueueChange){.state = QUEUE_UNCERTAIN,
                                             .step = 3,
                                             .was_uncertain = true,
                                             .attempts = 4,
                                             .due = USEC_INFINITY,
                                             .outcome = "uncertain",
                                             .detail = "cut",
                                             .http_status = 502,
                                             .remote_id = "43"},
                              1400));
        ok(store_queue_memo(f->store, id, "job 5"));
        ok(store_queue_memo(f->store, id, "job 6"));
        assert_int_equal(store_queue_memo(f->store, 4711, "job 7"), -ENOENT);
        reopen(f);
        item = get(f, id);
        assert_string_equal(item->memo, "job 6");
        assert_int_equal(item->id, id);
        assert_string_equal(item->target, "t'x");
        assert_int_equal(item->state, QUEUE_UNCERTAIN);
        assert_int_equal(item->step, 3);
        assert_true(item->was_uncertain && item->approved && !item->stands);
        assert_int_equal(item->attempts, 4);
        assert_true(item->due == USEC_INFINITY);
        assert_int_equal(item->queued, 1234);
        assert_int_equal(item->begun, 1300);
        assert_int_equal(item->finished, 0);
        assert_int_equal(item->cycle, 9);
        assert_string_equal(item->outcome, "uncertain");
        assert_string_equal(item->detail, "cut");
        assert_int_equal(item->http_status, 502);
        assert_int_equal(item->action.kind, ACTION_UPDATE);
        assert_string_equal(item->action.person, "id'1");
        assert_string_equal(item->action.address, "\xc3\xa9@example.com");
        assert_string_equal(item->action.remote_id, "43");
        assert_true(item->action.has_before && item->action.has_after);
        assert_true(account_state_equal(&item->action.before, &a.before));
        assert_true(account_state_equal(&item->action.after, &a.after));
        queue_item_free(item);
        item = (QueueItem *) f;
        ok(store_queue_get(f->store, 4711, &item));
        assert_null(item);
}

static void test_one_unfinished_per_person(void **state) {
        Fixture *f = *state;
        Action first = create("p", "User"), same = create("p", "User"), other = create("p", "Admin");
        Action somebody = create("q", "User");
        int64_t id, kept, newer;

        id = put_new(f, &first);
        assert_int_equal(put(f, &same, &kept), QUEUE_PUT_KEPT);
        assert_int_equal(kept, id);
        (void) put_new(f, &somebody);
        ok(store_queue_put(f->store, "another target", &first, 3, false, 1000, &kept, NULL));
        assert_true(kept > id);

        /* A waiting wish is replaced, and the old one is history. */
        newer = put_new(f, &other);
        assert_int_equal(state_of(f, id), QUEUE_SUPERSEDED);
        assert_int_equal(state_of(f, newer), QUEUE_WAITING);
        assert_false(stands(f, id));
        /* What was superseded isn't suppressed. */
        id = put_new(f, &first);
        assert_int_equal(state_of(f, newer), QUEUE_SUPERSEDED);
        assert_int_equal(state_of(f, id), QUEUE_WAITING);
}

static void test_running_and_uncertain_are_finished_first(void **state) {
        Fixture *f = *state;
        Action first = create("p", "User"), other = create("p", "Admin");
        int64_t id = put_new(f, &first), got;

        become(f, id, QUEUE_RUNNING);
        assert_int_equal(put(f, &other, &got), QUEUE_PUT_BUSY);
        assert_int_equal(got, 0);
        assert_int_equal(put(f, &first, &got), QUEUE_PUT_BUSY);
        become(f, id, QUEUE_UNCERTAIN);
        assert_int_equal(put(f, &other, &got), QUEUE_PUT_BUSY);
        assert_int_equal(state_of(f, id), QUEUE_UNCERTAIN);
        become(f, id, QUEUE_DONE);
        (void) put_new(f, &other);
}

/* The account may be deleted already: only this action knows that it has to come back. */
static void test_begun_recreate_is_finished_first(void **state) {
        Fixture *f = *state;
        Action recreate = destroy("p"), other = create("p", "Admin");
        int64_t id, got;
        size_t dropped = 9;

        recreate.kind = ACTION_RECREATE;
        id = put_new(f, &recreate);
        ok(store_queue_running(f->store, id, 2, 1));
        ok(store_queue_change(f->store, id, &(QueueChange){.state = QUEUE_WAITING, .step = 3, .due = 5}, 2));
        assert_int_equal(put(f, &other, &got), QUEUE_PUT_BUSY);
        ok(store_queue_keep_only(f->store, "t", NULL, 0, true, 3, &dropped));
        assert_int_equal(dropped, 0);
        assert_int_equal(state_of(f, id), QUEUE_WAITING);
}

/* An adoption is history at once, of the cycle under way, and drives out what waits like any wish. */
static void test_put_done(void **state) {
        Fixture *f = *state;
        Action waits = create("p", "User"), adopt = { .kind = ACTION_ADOPT,
                                                      .person = "p",
                                                      .address = "a@example.com",
                                                      .remote_id = "17",
                                                      .has_before = true,
                                                      .before = { .role = "User" } };
        int64_t waiting = put_new(f, &waits);
        QueueItem *item;
        QueuePut put;

        ok(store_meta_set_u64(f->store, "cycle", 5));
        ok(store_queue_put_done(f->store, "t", &adopt, 3, true, 1000, &put));
        assert_int_equal(put, QUEUE_PUT_NEW);
        assert_int_equal(state_of(f, waiting), QUEUE_SUPERSEDED);
        item = get(f, waiting + 1);
        assert_int_equal(item->state, QUEUE_DONE);
        assert_string_equal(item->outcome, "ok");
        assert_int_equal(item->cycle, 3);
        assert_int_equal(item->queued, 1000);
        assert_int_equal(item->finished, 1000);
        assert_true(item->approved);
        assert_int_equal(item->action.kind, ACTION_ADOPT);
        assert_string_equal(item->action.before.role, "User");
        queue_item_free(item);
        assert_int_equal(ask_sql(f, "SELECT finished_cycle FROM action WHERE kind = 'adopt'"), 5);

        /* What was rejected isn't done either. */
        become(f, put_new(f, &waits), QUEUE_DEAD);
        ok(store_queue_put_done(f->store, "t", &waits, 3, true, 1000, &put));
        assert_int_equal(put, QUEUE_PUT_SUPPRESSED);
}

static void test_dead_letter_suppresses(void **state) {
        Fixture *f = *state;
        Action wish = create("p", "User"), other = create("p", "Admin"), somebody = create("q", "User");
        int64_t id = put_new(f, &wish), got;
        QueuePut would;

        become(f, id, QUEUE_DEAD);
        assert_true(stands(f, id));
        reopen(f);
        assert_int_equal(put(f, &wish, &got), QUEUE_PUT_SUPPRESSED);
        assert_int_equal(got, 0);
        ok(store_queue_probe(f->store, "t", &wish, &would));
        assert_int_equal(would, QUEUE_PUT_SUPPRESSED);
        (void) put_new(f, &somebody);

        /* Something changed: another wish goes in, and from then on the old one may as well. */
        got = put_new(f, &other);
        assert_false(stands(f, id));
        assert_int_equal(state_of(f, id), QUEUE_DEAD);
        become(f, got, QUEUE_DONE);
        (void) put_new(f, &wish);
}

static void test_drop_by_operator_suppresses(void **state) {
        Fixture *f = *state;
        Action wish = create("p", "User");
        int64_t id = put_new(f, &wish), got;

        become(f, id, QUEUE_DROPPED);
        assert_int_equal(put(f, &wish, &got), QUEUE_PUT_SUPPRESSED);
        ok(store_history_prune(f->store, USEC_INFINITY));
        assert_int_equal(put(f, &wish, &got), QUEUE_PUT_SUPPRESSED);
}

static void test_forgetting_drop_suppresses_nothing(void **state) {
        Fixture *f = *state;
        Action wish = create("p", "User");
        int64_t id = put_new(f, &wish);

        ok(store_queue_change(f->store, id, &(QueueChange){ .state = QUEUE_DROPPED, .forget = true }, 2));
        assert_false(stands(f, id));
        (void) put_new(f, &wish);
}

static void test_retry(void **state) {
        Fixture *f = *state;
        Action wish = create("p", "User"), other = create("p", "Admin");
        QueueChange retry = { .state = QUEUE_WAITING, .due = 2000 };
        int64_t id = put_new(f, &wish), got, newer;
        QueueCounts counts;

        become(f, id, QUEUE_DEAD);
        ok(store_queue_change(f->store, id, &retry, 1999));
        assert_int_equal(state_of(f, id), QUEUE_WAITING);
        assert_false(stands(f, id));
        assert_int_equal(put(f, &wish, &got), QUEUE_PUT_KEPT);
        assert_int_equal(got, id);
        ok(store_queue_counts(f->store, "t", &counts));
        assert_int_equal(counts.waiting, 1);
        assert_int_equal(counts.dead, 0);

        /* Not beside another one. */
        become(f, id, QUEUE_DEAD);
        newer = put_new(f, &other);
        assert_int_equal(store_queue_change(f->store, id, &retry, 1999), STORE_E_BUSY);
        assert_int_equal(state_of(f, id), QUEUE_DEAD);
        become(f, newer, QUEUE_DONE);
        ok(store_queue_change(f->store, id, &retry, 1999));
        assert_int_equal(state_of(f, id), QUEUE_WAITING);
}

/* Each edge of the signal is a wish of its own. */
static void test_resets(void **state) {
        Fixture *f = *state;
        Action reset = { .kind = ACTION_RESET, .person = "p", .address = "a@b" }, wish = create("p", "User");
        int64_t dead, id;
        size_t dropped;

        dead = put_new(f, &wish);
        become(f, dead, QUEUE_DEAD);
        id = put_new(f, &reset);
        assert_true(stands(f, dead));
        become(f, id, QUEUE_DEAD);
        id = put_new(f, &reset);
        ok(store_queue_keep_only(f->store, "t", &wish, 1, true, 5, &dropped));
        assert_int_equal(dropped, 0);
        assert_int_equal(state_of(f, id), QUEUE_WAITING);
        assert_true(stands(f, dead));
}

/* A waiting reset and a waiting wish leave each other alone. */
static void test_resets_replace_nothing(void **state) {
        Fixture *f = *state;
        Action reset = { .kind = ACTION_RESET, .person = "p", .address = "a@b" }, wish = create("p", "User");
        Action other = reset;
        int64_t id = put_new(f, &reset), got;

        assert_int_equal(put(f, &reset, &got), QUEUE_PUT_KEPT);
        assert_int_equal(got, id);
        other.remote_id = "another";
        assert_int_equal(put(f, &other, &got), QUEUE_PUT_BUSY);
        assert_int_equal(put(f, &wish, &got), QUEUE_PUT_BUSY);
        assert_int_equal(state_of(f, id), QUEUE_WAITING);
        become(f, id, QUEUE_DONE);
        id = put_new(f, &wish);
        assert_int_equal(put(f, &reset, &got), QUEUE_PUT_BUSY);
        assert_int_equal(state_of(f, id), QUEUE_WAITING);
}

/* A leaver needs no new password: what ends the access takes a waiting reset's place, and nothing else
 * does. */
static void test_resets_yield_to_leaving(void **state) {
        Fixture *f = *state;
        Action reset = { .kind = ACTION_RESET, .person = "p", .address = "a@b" }, leave = destroy("p"),
               other = destroy("p");
        int64_t id = put_new(f, &reset), newer;

        other.kind = ACTION_RECREATE;
        assert_int_equal(put(f, &other, &newer), QUEUE_PUT_BUSY);
        newer = put_new(f, &leave);
        assert_int_equal(state_of(f, id), QUEUE_SUPERSEDED);
        assert_int_equal(state_of(f, newer), QUEUE_WAITING);
        assert_int_equal(put(f, &reset, &id), QUEUE_PUT_BUSY);
        become(f, newer, QUEUE_DONE);

        leave.kind = ACTION_DISABLE;
        id = put_new(f, &reset);
        newer = put_new(f, &leave);
        assert_int_equal(state_of(f, id), QUEUE_SUPERSEDED);
        become(f, newer, QUEUE_DONE);

        /* Once it has begun it is finished first. */
        id = put_new(f, &reset);
        become(f, id, QUEUE_RUNNING);
        assert_int_equal(put(f, &leave, &newer), QUEUE_PUT_BUSY);
}

/* The account is away: until it is back, or somebody says otherwise, the dead letter stands. */
static void test_dead_recreate_stands(void **state) {
        Fixture *f = *state;
        Action recreate = destroy("p"), back = create("p", "Admin");
        int64_t id;

        recreate.kind = ACTION_RECREATE;
        id = put_new(f, &recreate);
        ok(store_queue_running(f->store, id, 3, 1));
        ok(store_queue_change(f->store, id, &(QueueChange){ .state = QUEUE_DEAD, .step = 3 }, 2));
        ok(store_queue_keep_only(f->store, "t", NULL, 0, true, 3, NULL));
        assert_true(stands(f, id));
        (void) put_new(f, &back);
        assert_false(stands(f, id));

        /* One that ended before anything was taken away is like any other. */
        recreate.person = "q";
        id = put_new(f, &recreate);
        become(f, id, QUEUE_DEAD);
        ok(store_queue_keep_only(f->store, "t", NULL, 0, true, 3, NULL));
        assert_false(stands(f, id));
}

static void test_ids_are_never_used_again(void **state) {
        Fixture *f = *state;
        Action wish = create("p", "User");
        int64_t id = put_new(f, &wish), next;

        become(f, id, QUEUE_DONE);
        ok(store_history_prune(f->store, USEC_INFINITY));
        assert_int_equal(ask_sql(f, "SELECT count(*) FROM action"), 0);
        reopen(f);
        next = put_new(f, &wish);
        assert_true(next > id);
}

/* ---- no longer asked for ---- */

static void test_keep_only(void **state) {
        Fixture *f = *state;
        Action kept = create("kept", "User"), gone = create("gone", "User"),
               changed = create("changed", "User");
        Action now = create("changed", "Admin"), running = create("running", "User"),
               uncertain = create("uncertain", "User");
        int64_t id[5], elsewhere;
        size_t dropped = 0;

        id[0] = put_new(f, &kept);
        id[1] = put_new(f, &gone);
        id[2] = put_new(f, &changed);
        id[3] = put_new(f, &running);
        id[4] = put_new(f, &uncertain);
        ok(store_queue_put(f->store, "elsewhere", &gone, 1, false, 5, &elsewhere, NULL));
        become(f, id[3], QUEUE_RUNNING);
        become(f, id[4], QUEUE_UNCERTAIN);
        ok(store_queue_keep_only(f->store, "t", (Action[]){ now, kept }, 2, true, 77, &dropped));
        assert_int_equal(dropped, 2);
        assert_int_equal(state_of(f, id[0]), QUEUE_WAITING);
        assert_int_equal(state_of(f, id[1]), QUEUE_DROPPED);
        assert_int_equal(state_of(f, id[2]), QUEUE_DROPPED);
        assert_int_equal(state_of(f, id[3]), QUEUE_RUNNING);
        assert_int_equal(state_of(f, id[4]), QUEUE_UNCERTAIN);
        assert_int_equal(state_of(f, elsewhere), QUEUE_WAITING);
        /* That suppresses nothing. */
        assert_false(stands(f, id[1]));
        (void) put_new(f, &gone);
        ok(store_queue_keep_only(f->store, "t", (Action[]){ now, kept, gone }, 3, true, 78, NULL));
}

/* A dead letter whose wish a plan no longer has is over: when it comes back, something has changed. */
static void test_keep_only_ends_suppression(void **state) {
        Fixture *f = *state;
        Action wish = create("p", "User"), dropped = create("q", "User");
        int64_t dead = put_new(f, &wish), id = put_new(f, &dropped);

        become(f, dead, QUEUE_DEAD);
        become(f, id, QUEUE_DROPPED);
        ok(store_queue_keep_only(f->store, "t", (Action[]){ dropped, wish }, 2, true, 5, NULL));
        assert_true(stands(f, dead) && stands(f, id));
        ok(store_queue_keep_only(f->store, "t", &dropped, 1, true, 5, NULL));
        assert_false(stands(f, dead));
        assert_true(stands(f, id));
        (void) put_new(f, &wish);
}

/* ---- due ---- */

typedef struct Seen {
        Fixture *f;
        int64_t ids[64];
        size_t n, stop_at;
} Seen;

static int take_due(QueueItem *take_item, void *userdata) {
        _cleanup_(queue_item_freep) QueueItem *item = take_item;
        Seen *s = userdata;
        Fixture *f = s->f;

        s->ids[s->n++] = item->id;
        /* The callback starts it: that must not disturb the walk. */
        ok(store_queue_running(f->store, item->id, 0, 5));
        return s->n == s->stop_at ? 7 : 0;
}

static void test_due_order(void **state) {
        Fixture *f = *state;
        Action a = create("a", "User"), b = destroy("b"), c = create("c", "User"), d = destroy("d"),
               e = create("e", "User");
        Action reset = { .kind = ACTION_RESET, .person = "r", .address = "r@x" };
        int64_t ids[6];
        Seen s = { .f = f };
        usec_t next = 0;

        ok(store_queue_next_due(f->store, "t", true, &next));
        assert_true(next == USEC_INFINITY);
        ids[0] = put_new(f, &a);
        ids[1] = put_new(f, &b);
        ids[2] = put_new(f, &c);
        ids[3] = put_new(f, &d);
        ids[4] = put_new(f, &e);
        ids[5] = put_new(f, &reset);
        /* e: uncertain; d: later. */
        become(f, ids[4], QUEUE_RUNNING);
        ok(store_queue_change(f->store, ids[4], &(QueueChange){ .state = QUEUE_UNCERTAIN, .due = 900 }, 1));
        ok(store_queue_change(f->store, ids[3], &(QueueChange){ .state = QUEUE_WAITING, .due = 3000 }, 1));
        ok(store_queue_next_due(f->store, "t", true, &next));
        assert_int_equal(next, 0);
        ok(store_queue_due(f->store, "t", false, 2999, 3, take_due, &s));
        assert_int_equal(s.n, 3);
        assert_int_equal(s.ids[0], ids[4]);
        assert_int_equal(s.ids[1], ids[1]);
        assert_int_equal(s.ids[2], ids[0]);
        ok(store_queue_due(f->store, "t", false, 2999, SIZE_MAX, take_due, &s));
        assert_int_equal(s.n, 4);
        assert_int_equal(s.ids[3], ids[2]);
        ok(store_queue_due(f->store, "t", true, 2999, SIZE_MAX, take_due, &s));
        assert_int_equal(s.n, 5);
        assert_int_equal(s.ids[4], ids[5]);
        ok(store_queue_next_due(f->store, "t", true, &next));
        assert_int_equal(next, 3000);
        /* It is a delete that wasn't begun; one that was counts. */
        ok(store_queue_next_due(f->store, "t", false, &next));
        assert_true(next == USEC_INFINITY);
        ok(store_queue_change(f->store, ids[3],
                              &(QueueChange){ .state = QUEUE_WAITING, .step = 1, .due = 3000 }, 1));
        ok(store_queue_next_due(f->store, "t", false, &next));
        assert_int_equal(next, 3000);
        ok(store_queue_due(f->store, "t", false, 2999, 10, take_due, &s));
        ok(store_queue_due(f->store, "other", false, 9999, 10, take_due, &s));
        assert_int_equal(s.n, 5);
        s.stop_at = 6;
        assert_int_equal(store_queue_due(f->store, "t", false, 3000, 10, take_due, &s), 7);
}

/* First among its rank, and due; never before those of a lower one. */
static void test_urged(void **state) {
        Fixture *f = *state;
        Action a = create("a", "User"), b = create("b", "User"), c = create("c", "User"), d = destroy("d");
        int64_t ids[] = { put_new(f, &a), put_new(f, &b), put_new(f, &c), put_new(f, &d) };
        const int64_t order[] = { ids[3], ids[2], ids[0], ids[1] };
        Seen s = { .f = f };
        uint64_t place;

        ok(store_queue_change(f->store, ids[2], &(QueueChange){ .state = QUEUE_WAITING, .due = 9000 }, 1));
        ok(store_queue_urge(f->store, ids[2], 2000));
        for (uint64_t i = 0; i < ELEMENTSOF(order); i++) {
                ok(store_queue_position(f->store, order[i], &place));
                assert_int_equal(place, i + 1);
        }
        ok(store_queue_due(f->store, "t", false, 2000, 10, take_due, &s));
        assert_int_equal(s.n, ELEMENTSOF(order));
        assert_memory_equal(s.ids, order, sizeof(order));
}

static void test_person_known(void **state) {
        Fixture *f = *state;
        _cleanup_(arena_freep) Arena *arena = arena_new();
        Action wish = create("p", "User");
        const Link link = { .person = "q", .remote_id = "7", .address = "q@x", .since = 5 };
        const char *id, *address;

        (void) put_new(f, &wish);
        ok(store_link_put(f->store, "t", &link));
        ok(store_person_known(f->store, "p", arena, &id, &address));
        assert_string_equal(id, "p");
        assert_string_equal(address, wish.address);
        ok(store_person_known(f->store, "Q@X", arena, &id, &address));
        assert_string_equal(id, "q");
        ok(store_person_known(f->store, "r", arena, &id, &address));
        assert_null(id);
}

/* ---- transitions ---- */

static int64_t in_state(Fixture *f, QueueState state) {
        static unsigned n;
        char name[32];
        Action a;
        int64_t id;

        (void) snprintf(name, sizeof(name), "p%u", n++);
        a = create(name, "User");
        id = put_new(f, &a);
        if (state != QUEUE_WAITING)
                become(f, id, state);
        return id;
}

/* Every pair: the allowed ones are made, the others leave the row alone. */
static void test_transitions(void **state) {
        static const char *const allowed[_QUEUE_STATE_MAX] = {
                [QUEUE_WAITING] = "WRUDXSO", [QUEUE_RUNNING] = "WRUDXO", [QUEUE_UNCERTAIN] = "WRUDXO",
                [QUEUE_DONE] = "", [QUEUE_DEAD] = "WO", [QUEUE_SUPERSEDED] = "", [QUEUE_DROPPED] = "W",
        };
        static const char letters[] = "WRUDXSO";
        Fixture *f = *state;

        for (QueueState from = 0; from < _QUEUE_STATE_MAX; from++)
                for (QueueState to = 0; to < _QUEUE_STATE_MAX; to++) {
                        bool may = strchr(allowed[from], letters[to]);
                        int64_t id = in_state(f, from);
                        _cleanup_(queue_item_freep) QueueItem *item = NULL;
                        int r;

                        assert_int_equal(queue_state_may_become(from, to), may);
                        r = to == QUEUE_RUNNING ? store_queue_running(f->store, id, 1, 5)
                                                : store_queue_change(f->store, id,
                                                                     &(QueueChange){.state = to}, 6);
                        assert_int_equal(r, may ? 0 : -EINVAL);
                        item = get(f, id);
                        assert_int_equal(item->state, may ? to : from);
                        assert_int_equal(item->finished > 0, item->state >= QUEUE_DONE);
                }
        assert_int_equal(store_queue_running(f->store, 4711, 0, 5), -ENOENT);
        assert_int_equal(store_queue_change(f->store, 4711, &(QueueChange){.state = QUEUE_DONE}, 5),
                         -ENOENT);
        assert_int_equal(store_queue_change(f->store, 1, &(QueueChange){.state = _QUEUE_STATE_MAX}, 5),
                         -EINVAL);
}

static void test_names(void **state) {
        (void) state;
        for (QueueState s = 0; s < _QUEUE_STATE_MAX; s++)
                assert_int_equal(queue_state_from_string(queue_state_to_string(s)), s);
        assert_int_equal(queue_state_from_string("other"), _QUEUE_STATE_MAX);
        assert_int_equal(queue_state_from_string(NULL), _QUEUE_STATE_MAX);
        assert_null(queue_state_to_string(_QUEUE_STATE_MAX));
}

static void test_running_becomes_uncertain(void **state) {
        Fixture *f = *state;
        Action a = create("p", "User"), b = create("q", "User");
        int64_t id = put_new(f, &a), other = put_new(f, &b);
        QueueItem *item;

        ok(store_queue_running(f->store, id, 2, 1500));
        reopen(f);
        item = get(f, id);
        assert_int_equal(item->state, QUEUE_UNCERTAIN);
        assert_true(item->was_uncertain);
        assert_int_equal(item->step, 2);
        queue_item_free(item);
        item = get(f, other);
        assert_int_equal(item->state, QUEUE_WAITING);
        assert_false(item->was_uncertain);
        queue_item_free(item);
}

static void test_recover(void **state) {
        Fixture *f = *state;
        int64_t running = in_state(f, QUEUE_RUNNING), waiting = in_state(f, QUEUE_WAITING);

        ok(store_queue_recover(f->store, "other", false));
        ok(store_queue_recover(f->store, "t", true));
        assert_int_equal(state_of(f, running), QUEUE_RUNNING);
        ok(store_queue_recover(f->store, "t", false));
        assert_int_equal(state_of(f, running), QUEUE_UNCERTAIN);
        ok(store_queue_running(f->store, running, 2, 1500));
        ok(store_queue_recover(f->store, NULL, false));
        assert_int_equal(state_of(f, running), QUEUE_UNCERTAIN);
        assert_int_equal(state_of(f, waiting), QUEUE_WAITING);
}

/* ---- numbers and lists ---- */

static void test_counts(void **state) {
        Fixture *f = *state;
        Action a = create("elsewhere", "User");
        QueueCounts c;

        (void) in_state(f, QUEUE_WAITING);
        (void) in_state(f, QUEUE_WAITING);
        (void) in_state(f, QUEUE_RUNNING);
        (void) in_state(f, QUEUE_UNCERTAIN);
        (void) in_state(f, QUEUE_DEAD);
        (void) in_state(f, QUEUE_DROPPED);
        (void) in_state(f, QUEUE_DONE);
        ok(store_queue_put(f->store, "u", &a, 1, false, 5, NULL, NULL));
        ok(store_queue_counts(f->store, "t", &c));
        assert_int_equal(c.waiting, 2);
        assert_int_equal(c.running, 1);
        assert_int_equal(c.uncertain, 1);
        assert_int_equal(c.dead, 1);
        ok(store_queue_counts(f->store, NULL, &c));
        assert_int_equal(c.waiting, 3);
        ok(store_queue_counts(f->store, "none", &c));
        assert_int_equal(c.waiting + c.running + c.uncertain + c.dead, 0);
}

static void put_at(Fixture *f, const char *person, ActionKind kind, bool approved, usec_t wall) {
        Action a = { .kind = kind, .person = person, .address = person };

        ok(store_queue_put(f->store, "t", &a, 1, approved, wall, NULL, NULL));
}

static void test_counted_since(void **state) {
        Fixture *f = *state;
        size_t n[_ACTION_KIND_MAX];
        Action changed = create("c2", "Changed");

        put_at(f, "c1", ACTION_CREATE, false, 100);
        put_at(f, "c2", ACTION_CREATE, false, 200);
        put_at(f, "c3", ACTION_CREATE, true, 200);
        put_at(f, "d1", ACTION_DELETE, false, 300);
        put_at(f, "x1", ACTION_DELETE, false, 50);
        /* The one in its place counts, not both. */
        ok(store_queue_put(f->store, "t", &changed, 1, false, 250, NULL, NULL));
        ok(store_queue_counted_since(f->store, "t", 100, n));
        assert_int_equal(n[ACTION_CREATE], 2);
        assert_int_equal(n[ACTION_DELETE], 1);
        assert_int_equal(n[ACTION_UPDATE], 0);
        /* What is done counts on. */
        run_sql(f, "UPDATE action SET state = 'done', finished = 400, finished_cycle = 1"
                   " WHERE finished IS NULL");
        ok(store_queue_counted_since(f->store, "t", 200, n));
        assert_int_equal(n[ACTION_CREATE], 1);
        assert_int_equal(n[ACTION_DELETE], 1);
}

static void end_at(Fixture *f, const char *person, ActionKind kind, QueueState state, usec_t wall) {
        const Action a = { .kind = kind, .person = person, .address = person, .remote_id = person };
        const QueueChange change = { .state = state };
        int64_t id;

        ok(store_queue_put(f->store, "t", &a, 1, false, 50, &id, NULL));
        ok(store_queue_change(f->store, id, &change, wall));
}

static void ended(Fixture *f, usec_t since, size_t limit, size_t n, size_t dead) {
        size_t got_n = 99, got_dead = 99;

        ok(store_queue_ended(f->store, "t", since, limit, &got_n, &got_dead));
        assert_int_equal(got_n, n);
        assert_int_equal(got_dead, dead);
}

static void test_ended(void **state) {
        Fixture *f = *state;
        size_t n, dead;

        ended(f, 0, 10, 0, 0);
        end_at(f, "a", ACTION_CREATE, QUEUE_DEAD, 100);
        end_at(f, "b", ACTION_CREATE, QUEUE_DONE, 200);
        end_at(f, "c", ACTION_DELETE, QUEUE_DEAD, 300);
        /* These make no call, or were called off. */
        end_at(f, "d", ACTION_ADOPT, QUEUE_DONE, 400);
        end_at(f, "e", ACTION_RELINK, QUEUE_DONE, 450);
        end_at(f, "f", ACTION_CREATE, QUEUE_DROPPED, 500);
        put_at(f, "g", ACTION_CREATE, false, 600);
        ended(f, 0, 10, 3, 2);
        ended(f, 100, 10, 2, 1);
        ended(f, 0, 1, 1, 1);
        ended(f, 0, 2, 2, 1);
        ended(f, 300, 10, 0, 0);
        ok(store_queue_ended(f->store, "other", 0, 10, &n, &dead));
        assert_int_equal(n + dead, 0);
}

static int list_item(const QueueItem *item, void *userdata) {
        Seen *s = userdata;
        Fixture *f = s->f;

        ok(store_meta_set(f->store, "listed", item->action.person));
        s->ids[s->n++] = item->id;
        return s->n == s->stop_at ? 7 : 0;
}

static void test_list(void **state) {
        Fixture *f = *state;
        Seen s = { .f = f };
        int64_t waiting, done4, done5, dead, lifted;
        Action other = create("lift", "Admin"), wish = create("lift", "User");

        ok(store_meta_set_u64(f->store, "cycle", 4));
        waiting = in_state(f, QUEUE_WAITING);
        done4 = in_state(f, QUEUE_DONE);
        dead = in_state(f, QUEUE_DEAD);
        lifted = put_new(f, &wish);
        become(f, lifted, QUEUE_DEAD);
        (void) put_new(f, &other);
        done5 = in_state(f, QUEUE_WAITING);
        ok(store_meta_set_u64(f->store, "cycle", 5));
        become(f, done5, QUEUE_DONE);

        ok(store_queue_list(f->store, "t", 5, list_item, &s));
        assert_int_equal(s.n, 4);
        assert_int_equal(s.ids[0], waiting);
        assert_int_equal(s.ids[1], dead);
        assert_int_equal(s.ids[2], lifted + 1);
        assert_int_equal(s.ids[3], done5);
        s.n = 0;
        ok(store_queue_list(f->store, "t", 4, list_item, &s));
        assert_int_equal(s.n, 6);
        assert_int_equal(s.ids[1], done4);
        s.n = 0;
        ok(store_queue_list(f->store, "t", INT64_MAX, list_item, &s));
        assert_int_equal(s.n, 3);
        s.n = 0;
        s.stop_at = 2;
        assert_int_equal(store_queue_list(f->store, "t", 0, list_item, &s), 7);
}

static void test_removals(void **state) {
        Fixture *f = *state;
        Seen s = { .f = f };
        Action wish = create("a", "User"), deletes = destroy("b"), updates = destroy("c");
        Action dead = destroy("d"), done = destroy("e"), reset = destroy("f");
        int64_t ids[3];

        updates.kind = ACTION_UPDATE;
        dead.kind = ACTION_RECREATE;
        reset.kind = ACTION_RESET;
        (void) put_new(f, &wish);
        (void) put_new(f, &reset);
        ids[0] = put_new(f, &dead);
        become(f, ids[0], QUEUE_DEAD);
        become(f, put_new(f, &done), QUEUE_DONE);
        ids[1] = put_new(f, &updates);
        ids[2] = put_new(f, &deletes);
        become(f, ids[2], QUEUE_RUNNING);
        ok(store_queue_removals(f->store, "t", list_item, &s));
        assert_int_equal(s.n, 3);
        assert_memory_equal(s.ids, ids, sizeof(ids));
        s.n = 0;
        ok(store_queue_removals(f->store, "u", list_item, &s));
        assert_int_equal(s.n, 0);
}

/* A clock that was set back makes an end look older than what it ended. */
static void test_history_of_a_clock(void **state) {
        const Action a = { .kind = ACTION_DELETE, .person = "a" };
        const QueueChange done = { .state = QUEUE_DONE };
        Fixture *f = *state;
        int64_t id;

        ok(store_queue_put(f->store, "t1", &a, 1, false, 2000, &id, NULL));
        ok(store_queue_change(f->store, id, &done, 1000));
        ok(store_history_prune(f->store, 1500));
        assert_int_equal(ask_sql(f, "SELECT count(*) FROM action"), 1);
}

/* While a plan is held, its limits count as of then: forgetting lets nothing go. */
static void test_history_of_a_held_plan(void **state) {
        const usec_t held = 10 * USEC_PER_DAY, queued[] = { 8 * USEC_PER_DAY, 9 * USEC_PER_DAY };
        const QueueChange done = { .state = QUEUE_DONE };
        Fixture *f = *state;

        for (size_t i = 0; i < 2; i++) {
                const Action a = { .kind = ACTION_DELETE, .person = i ? "a" : "b" };
                int64_t id;

                ok(store_queue_put(f->store, "t1", &a, 1, false, queued[i], &id, NULL));
                ok(store_queue_change(f->store, id, &done, queued[i]));
        }
        ok(store_held_put(f->store, "t1", HELD_PLAN, "0123456789ab", "why", NULL, 0, held));
        ok(store_history_prune(f->store, USEC_INFINITY));
        assert_int_equal(ask_sql(f, "SELECT min(queued) FROM action"), 9 * USEC_PER_DAY);
        ok(store_held_drop(f->store, "t1", HELD_PLAN));
        ok(store_history_prune(f->store, USEC_INFINITY));
        assert_int_equal(ask_sql(f, "SELECT count(*) FROM action"), 0);
}

static void test_history_prune(void **state) {
        Fixture *f = *state;
        int64_t dead = in_state(f, QUEUE_DEAD), done = in_state(f, QUEUE_DONE),
                waiting = in_state(f, QUEUE_WAITING);
        QueueItem *item = NULL;

        ok(store_history_prune(f->store, 1700));
        ok(store_queue_get(f->store, done, &item));
        assert_non_null(item);
        queue_item_free(item);
        ok(store_history_prune(f->store, 1701));
        ok(store_queue_get(f->store, done, &item));
        assert_null(item);
        assert_int_equal(state_of(f, dead), QUEUE_DEAD);
        assert_int_equal(state_of(f, waiting), QUEUE_WAITING);
}

/* A row that somebody changed by hand is an error, not a crash, and says which. */
static void test_row_that_cannot_be_read(void **state) {
        static const char *const changes[] = {
                "UPDATE action SET kind = 'explode'",
                "UPDATE action SET kind = 'create', after = '{\"role\":'",
                "UPDATE action SET after = '[]'",
                "UPDATE action SET after = NULL, person = ''",
        };
        Fixture *f = *state;
        Action a = create("p", "User");
        int64_t id = put_new(f, &a);
        QueueItem *item = NULL;

        for (size_t i = 0; i < ELEMENTSOF(changes); i++) {
                run_sql(f, changes[i]);
                assert_int_equal(store_queue_get(f->store, id, &item), -EIO);
                assert_non_null(strstr(store_error(f->store), "can't be read"));
        }
}

/* ---- links and held plans ---- */

static void test_links(void **state) {
        Fixture *f = *state;
        Link a = {
                        .person = "p",
                        .remote_id = "17",
                        .address = "p@x",
                        .employee_number = "4711",
                        .role = "User",
                        .origin = LINK_ADOPTED,
                        .since = 99,
                        .out_for = 12,
                        .was_disabled = true,
        };
        Link b = { .person = "q", .remote_id = "17", .origin = LINK_CREATED, .since = 5 };
        Links *links = NULL;

        ok(store_link_put(f->store, "t", &a));
        /* An account has one owner. */
        assert_int_equal(store_link_put(f->store, "t", &b), STORE_E_DUPLICATE);
        ok(store_link_put(f->store, "u", &b));
        b.remote_id = "18";
        ok(store_link_put(f->store, "t", &b));
        reopen(f);
        ok(store_links_load(f->store, "t", &links));
        assert_int_equal(links->n, 2);
        assert_string_equal(links->items[0].person, "p");
        assert_string_equal(links->items[0].remote_id, "17");
        assert_string_equal(links->items[0].address, "p@x");
        assert_string_equal(links->items[0].employee_number, "4711");
        assert_string_equal(links->items[0].role, "User");
        assert_int_equal(links->items[0].origin, LINK_ADOPTED);
        assert_int_equal(links->items[0].since, 99);
        assert_int_equal(links->items[0].out_for, 12);
        assert_true(!links->items[0].gone && links->items[0].was_disabled);
        assert_null(links->items[1].address);
        assert_false(links->items[1].was_disabled);
        assert_int_equal(links->items[1].origin, LINK_CREATED);
        links = links_free(links);

        /* Replaced, and given up when the account is gone. */
        a.gone = true;
        a.remote_id = "19";
        a.out_for = USEC_INFINITY;
        ok(store_link_put(f->store, "t", &a));
        b.remote_id = "19";
        ok(store_link_put(f->store, "t", &b));
        ok(store_links_load(f->store, "t", &links));
        assert_int_equal(links->n, 2);
        assert_true(links->items[0].gone && links->items[0].out_for == USEC_INFINITY);
        links = links_free(links);
        ok(store_link_drop(f->store, "t", "p"));
        ok(store_link_drop(f->store, "t", "nobody"));
        ok(store_links_load(f->store, "t", &links));
        assert_int_equal(links->n, 1);
        links_free(links);
}

static int take_signal(const char *person, const char *value, void *userdata) {
        StrBuf *b = userdata;

        strbuf_printf(b, "%s=%s;", person, value ? value : "(absent)");
        return strcmp(person, "stop") == 0 ? 7 : 0;
}

static void test_signals(void **state) {
        Fixture *f = *state;
        StrBuf b = STRBUF_INIT(1000);

        ok(store_signal_set(f->store, "t", "b", "TRUE"));
        ok(store_signal_set(f->store, "t", "a", NULL));
        ok(store_signal_set(f->store, "t", "b", ""));
        ok(store_signal_set(f->store, "u", "stop", "1"));
        ok(store_signal_set(f->store, "u", "xyz", "1"));
        reopen(f);
        ok(store_signals_walk(f->store, "t", take_signal, &b));
        assert_string_equal(b.data, "a=(absent);b=;");
        strbuf_reset(&b);
        assert_int_equal(store_signals_walk(f->store, "u", take_signal, &b), 7);
        assert_string_equal(b.data, "stop=1;");
        strbuf_deinit(&b);
}

static void test_held(void **state) {
        Fixture *f = *state;
        Action actions[] = { destroy("z"), create("b", "User"), create("a", "User") };
        HeldPlan *h = (HeldPlan *) f;

        ok(store_held_get(f->store, "t", HELD_PLAN, &h));
        assert_null(h);
        ok(store_held_put(f->store, "t", HELD_PLAN, "0123456789ab", "the first plan", actions, 3, 77));
        ok(store_held_put(f->store, "u", HELD_PLAN, "bbbbbbbbbbbb", "empty", NULL, 0, 78));
        reopen(f);
        ok(store_held_get(f->store, "t", HELD_PLAN, &h));
        assert_string_equal(h->hash, "0123456789ab");
        assert_string_equal(h->reason, "the first plan");
        assert_int_equal(h->since, 77);
        assert_int_equal(h->n_actions, 3);
        assert_string_equal(h->actions[0].person, "z");
        assert_int_equal(h->actions[0].kind, ACTION_DELETE);
        assert_string_equal(h->actions[0].remote_id, "17");
        assert_false(h->actions[0].has_after);
        assert_string_equal(h->actions[2].person, "a");
        assert_true(account_state_equal(&h->actions[2].after, &actions[2].after));
        h = held_plan_free(h);
        ok(store_held_head(f->store, "t", HELD_PLAN, &h));
        assert_string_equal(h->hash, "0123456789ab");
        assert_string_equal(h->reason, "the first plan");
        assert_int_equal(h->since, 77);
        assert_int_equal(h->n_actions, 3);
        assert_null(h->actions);
        h = held_plan_free(h);
        ok(store_held_head(f->store, "t", HELD_REVERT, &h));
        assert_null(h);
        ok(store_held_get(f->store, "u", HELD_PLAN, &h));
        assert_int_equal(h->n_actions, 0);
        h = held_plan_free(h);
        ok(store_held_put(f->store, "t", HELD_PLAN, "cccccccccccc", "another", actions + 1, 1, 80));
        ok(store_held_get(f->store, "t", HELD_PLAN, &h));
        assert_string_equal(h->hash, "cccccccccccc");
        assert_int_equal(h->n_actions, 1);
        h = held_plan_free(h);
        ok(store_held_drop(f->store, "t", HELD_PLAN));
        ok(store_held_get(f->store, "t", HELD_PLAN, &h));
        assert_null(h);
        assert_int_equal(ask_sql(f, "SELECT count(*) FROM held_action"), 0);
}

/* The statements that run often find their rows by an index, whatever the history has grown to. */
static void test_indexes_are_used(void **state) {
        Fixture *f = *state;
        static const char *const questions[] = {
                "SELECT id FROM action WHERE target = 't' AND finished IS NULL ORDER BY rank, urged DESC,"
                " id",
                "SELECT min(due) FROM action WHERE target = 't' AND finished IS NULL AND state = 'waiting'",
                "SELECT id FROM action WHERE target = 't' AND person = 'p' AND finished IS NULL",
                "SELECT id FROM action WHERE target = 't' AND person = 'p' AND stands = 1 AND wish = x'00'",
                "SELECT id FROM action WHERE target = 't' AND finished_cycle >= 5",
                "SELECT id FROM action WHERE target = 't' AND finished IS NULL AND kind IN ('update',"
                " 'delete')",
                "SELECT max(position) FROM held_action WHERE target = 't' AND slot = 'plan'",
                "SELECT kind FROM action WHERE target = 't' AND queued >= 5 AND approved = 0",
                "SELECT state FROM action WHERE target = 't' AND finished > 5 AND state IN ('done', 'dead')"
                " AND kind <> 'adopt' ORDER BY finished DESC LIMIT 20",
                "DELETE FROM action WHERE finished < 5 AND stands = 0",
                "UPDATE person SET absent_for = 1 WHERE present = 0",
                "SELECT wall FROM call WHERE key = 'k' AND token = 0 AND wall >= 5 ORDER BY wall",
        };

        for (size_t i = 0; i < ELEMENTSOF(questions); i++) {
                sqlite3_stmt *q = NULL;
                sqlite3 *db = NULL;
                char sql[512];

                (void) snprintf(sql, sizeof(sql), "EXPLAIN QUERY PLAN %s", questions[i]);
                assert_int_equal(sqlite3_open(f->database, &db), SQLITE_OK);
                assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
                while (sqlite3_step(q) == SQLITE_ROW) {
                        const char *plan = (const char *) sqlite3_column_text(q, 3);

                        if (strncmp(plan, "SCAN", 4) == 0 || strstr(plan, "TEMP B-TREE"))
                                fail_msg("%s: %s", questions[i], plan);
                }
                sqlite3_finalize(q);
                sqlite3_close(db);
        }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_store, teardown_store)
        const struct CMUnitTest tests[] = {
                TEST(test_all_comes_back),
                TEST(test_one_unfinished_per_person),
                TEST(test_running_and_uncertain_are_finished_first),
                TEST(test_begun_recreate_is_finished_first),
                TEST(test_put_done),
                        TEST(test_dead_letter_suppresses),
                TEST(test_drop_by_operator_suppresses),
                TEST(test_forgetting_drop_suppresses_nothing),
                TEST(test_retry),
                TEST(test_resets),
                TEST(test_resets_replace_nothing),
                TEST(test_resets_yield_to_leaving),
                TEST(test_dead_recreate_stands),
                TEST(test_ids_are_never_used_again),
                TEST(test_keep_only),
                TEST(test_keep_only_ends_suppression),
                TEST(test_due_order),
                TEST(test_urged),
                TEST(test_person_known),
                TEST(test_transitions),
                cmocka_unit_test(test_names),
                TEST(test_running_becomes_uncertain),
                TEST(test_recover),
                TEST(test_counts),
                TEST(test_counted_since),
                TEST(test_ended),
                TEST(test_list),
                TEST(test_removals),
                TEST(test_history_prune),
                TEST(test_history_of_a_clock),
                TEST(test_history_of_a_held_plan),
                TEST(test_row_that_cannot_be_read),
                TEST(test_links),
                TEST(test_signals),
                TEST(test_held),
                TEST(test_indexes_are_used),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
