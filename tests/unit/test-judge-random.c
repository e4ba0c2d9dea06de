/* SPDX-License-Identifier: Apache-2.0 */
/* Random sequences of what happens between judgements: people who leave, come back and change, reads without
 * proof, a clock that jumps, resets under way, approvals and rejections. What must be true of each judgement
 * is told by a bookkeeping of its own; then the judge is blinded to one fact after the other, and the
 * bookkeeping has to find the breach. IDSYNCD_SEED: the same sequences again; IDSYNCD_WORLDS: fewer of
 * them, as of the property tests' worlds. */
#include <sys/random.h>

#include "store-fixture.h"
#include "store/store-ledger.h"
#include "store/store-queue.h"
#include "sync/judge.h"

#define PEOPLE 8
#define LIMIT 2
#define STEPS 40
#define SEQUENCES 600
#define WORLDS_A_SEQUENCE 50            /* so much more it costs */
#define ROWS_MAX 512

typedef enum Blind {
        BLIND_NONE,
        BLIND_LIMIT,
        BLIND_HISTORY,
        BLIND_REJECTION,
        BLIND_PROOF,
        BLIND_APPROVAL,
        _BLIND_MAX,
} Blind;

static const char *const ids[PEOPLE] = { "a", "b", "c", "d", "e", "f", "g", "h" };
static const char *const remote_ids[PEOPLE] = { "1", "2", "3", "4", "5", "6", "7", "8" };
static const char *const variants[] = { NULL, "Read Only", "Full Admin" };

static uint64_t random_state;

static size_t below(size_t n) {
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return (size_t) (random_state >> 11) % n;
}

typedef struct Sequence {
        Fixture *f;
        char target[32];
        Blind blind;
        usec_t wall;
        unsigned wish[PEOPLE];          /* the account is to be deleted as it is: a variant; 0: it isn't */
        unsigned rejected[PEOPLE];      /* a variant; 0: none */
        unsigned approved[PEOPLE];      /* of the plan that is approved in this step */
        usec_t counted[ROWS_MAX];       /* when removals were queued that nobody approved */
        size_t n_counted;
        int64_t last;                   /* row that was seen */
        bool proven, held;
        const char *breach;
} Sequence;

static Action removal(size_t person, unsigned variant) {
        return (Action){
                .kind = ACTION_DELETE,
                .person = ids[person],
                .address = "x@example.com",
                .remote_id = remote_ids[person],
                .has_before = true,
                .before = { .role = variants[variant] },
        };
}

static unsigned variant_of(const Action *a) {
        return str_eq(a->before.role, variants[1]) ? 1 : 2;
}

static size_t person_of(const Action *a) {
        return (size_t) (a->person[0] - 'a');
}

/* ---- what must be true ---- */

static void breach(Sequence *s, const char *what) {
        s->breach = s->breach ?: what;
}

static void count(Sequence *s) {
        size_t n = 0;

        s->counted[s->n_counted++] = s->wall;
        for (size_t i = 0; i < s->n_counted; i++)
                n += usec_add(s->counted[i], USEC_PER_DAY) >= s->wall;
        if (n > LIMIT)
                breach(s, "more than the limit went in 24 hours");
        if (s->held)
                breach(s, "a part of what is held went");
}

static int look_at_row(const QueueItem *item, void *userdata) {
        Sequence *s = userdata;
        size_t person = person_of(&item->action);
        unsigned variant = variant_of(&item->action);

        if (item->id <= s->last)
                return 0;
        s->last = item->id;
        if (item->action.kind == ACTION_RESET || item->state != QUEUE_WAITING)
                return 0;
        if (!s->proven)
                breach(s, "a removal without proof");
        if (s->wish[person] != variant)
                breach(s, "nobody asks for it");
        if (s->rejected[person] == variant)
                breach(s, "what was rejected went");
        if (item->approved && s->approved[person] != variant)
                breach(s, "nobody approved it");
        if (!item->approved)
                count(s);
        return 0;
}

/* ---- what happens ---- */

static void judge(Sequence *s, const char *approval) {
        _cleanup_(plan_freep) Plan *plan = plan_new(s->target);
        _cleanup_(held_plan_freep) HeldPlan *held = NULL;
        _cleanup_(judgement_deinit) Judgement j = { 0 };
        RoleRule role = { .group = -1, .role = (char *) "Read Only" };
        TargetConfig target = {
                .name = s->target,
                .type = TARGET_UMBRELLA,
                .url = (char *) "https://api.example.com",
                .limits = { .delete = s->blind == BLIND_LIMIT ? 100 : LIMIT, .percent = 100 },
                .roles = &role,
                .n_roles = 1,
        };
        const Config config = { .first_plan_apply = true };
        const Links links = { 0 };
        const People people = { 0 };
        const Resets resets = { 0 };
        Fixture *f = s->f;
        JudgeInput in = {
                .store = f->store,
                .config = &config,
                .target = &target,
                .plan = plan,
                .links = &links,
                .people = &people,
                .resets = &resets,
                .approvals = (char *const *) &approval,
                .n_approvals = approval ? 1 : 0,
                .cycle = 1,
                .wall = s->wall,
                .absence_proven = s->proven || s->blind == BLIND_PROOF,
        };

        ok(store_held_get(f->store, s->target, HELD_PLAN, &held));
        if (s->blind == BLIND_APPROVAL && held) {
                approval = held->hash;
                in.n_approvals = 1;
        }
        for (size_t i = 0; i < PEOPLE && s->proven; i++) {
                const Action a = removal(i, s->wish[i]);

                if (s->wish[i] > 0)
                        ok(plan_add_action(plan, &a));
        }
        ok(plan_finish(plan));
        ok(store_history_prune(f->store, s->blind == BLIND_HISTORY ? USEC_INFINITY :
                                                                     usec_sub(s->wall, 2 * USEC_PER_DAY)));
        ok(judge_plan(&in, &j));
        s->held = j.held;
        ok(store_queue_list(f->store, s->target, 0, look_at_row, s));
        for (size_t i = 0; i < PEOPLE && s->proven; i++)
                if (s->rejected[i] != s->wish[i])
                        s->rejected[i] = 0;
        memset(s->approved, 0, sizeof(s->approved));
}

static void ask_reset(Sequence *s, size_t person) {
        const Action a = { .kind = ACTION_RESET, .person = ids[person], .address = "x@example.com",
                           .remote_id = remote_ids[person] };
        Fixture *f = s->f;
        QueuePut put;
        int64_t id;

        ok(store_queue_put(f->store, s->target, &a, 1, true, s->wall, &id, &put));
        if (put == QUEUE_PUT_NEW && below(2))
                ok(store_queue_running(f->store, id, 0, s->wall));
}

typedef struct Rows { int64_t ids[PEOPLE]; size_t persons[PEOPLE]; bool removes[PEOPLE]; size_t n; } Rows;

static int take_unfinished(const QueueItem *item, void *userdata) {
        Rows *rows = userdata;

        if (item->finished > 0)
                return 0;
        rows->removes[rows->n] = item->action.kind == ACTION_DELETE;
        rows->persons[rows->n] = person_of(&item->action);
        rows->ids[rows->n++] = item->id;
        return 0;
}

/* Half of what is queued is done, or given up. */
static void work(Sequence *s) {
        Fixture *f = s->f;
        Rows rows = { 0 };

        ok(store_queue_list(f->store, s->target, INT64_MAX, take_unfinished, &rows));
        for (size_t i = 0; i < rows.n; i++) {
                const QueueChange end = { .state = below(5) ? QUEUE_DONE : QUEUE_DEAD };

                if (below(2))
                        continue;
                ok(store_queue_running(f->store, rows.ids[i], 0, s->wall));
                ok(store_queue_change(f->store, rows.ids[i], &end, s->wall));
                if (rows.removes[i] && end.state == QUEUE_DONE)
                        s->wish[rows.persons[i]] = 0;
        }
}

/* As an operator does it. */
static void decide(Sequence *s, bool approve) {
        _cleanup_(held_plan_freep) HeldPlan *held = NULL;
        Fixture *f = s->f;

        ok(store_held_get(f->store, s->target, HELD_PLAN, &held));
        for (size_t i = 0; held && i < held->n_actions; i++) {
                const Action *a = &held->actions[i];
                unsigned *mark = approve ? s->approved : s->rejected;

                mark[person_of(a)] = variant_of(a);
                if (!approve && s->blind != BLIND_REJECTION)
                        ok(store_queue_reject(f->store, s->target, a, 1, "rejected", s->wall));
        }
        if (held && !approve)
                ok(store_held_drop(f->store, s->target, HELD_PLAN));
        judge(s, held && approve ? held->hash : NULL);
}

static void step(Sequence *s) {
        s->proven = below(8) > 0;
        switch (below(10)) {
        case 0 ... 3:
                s->wish[below(PEOPLE)] = (unsigned) below(ELEMENTSOF(variants));
                break;
        case 4:
                s->wall += below(20) * USEC_PER_HOUR;
                break;
        case 7:
                s->wall -= below(5) * USEC_PER_HOUR * !below(5);
                break;
        case 5:
                ask_reset(s, below(PEOPLE));
                break;
        case 6:
                work(s);
                break;
        default:
                decide(s, below(2));
                return;
        }
        judge(s, NULL);
}

/* What was breached, or NULL. */
static const char *play(Fixture *f, uint64_t seed, size_t n, Blind blind) {
        Sequence s = { .f = f, .blind = blind, .wall = 1000 * USEC_PER_DAY, .proven = true };

        random_state = (seed ^ n * 0x9e3779b97f4a7c15) | 1;
        snprintf(s.target, sizeof(s.target), "t%zu-%d", n, blind);
        judge(&s, NULL);
        for (size_t i = 0; i < STEPS && !s.breach; i++)
                step(&s);
        return s.breach;
}

static uint64_t get_seed(void) {
        const char *text = getenv("IDSYNCD_SEED");
        uint64_t seed = 0;

        if (!text || parse_u64(text, &seed) < 0)
                assert_int_equal(getrandom(&seed, sizeof(seed), 0), sizeof(seed));
        print_message("# seed %llu\n", (unsigned long long) seed);
        return seed;
}

static size_t get_number(void) {
        const char *text = getenv("IDSYNCD_WORLDS");
        uint64_t worlds;

        if (!text || parse_u64(text, &worlds) < 0 || worlds / WORLDS_A_SEQUENCE > SEQUENCES)
                return SEQUENCES;
        return (size_t) worlds / WORLDS_A_SEQUENCE;
}

static void test_sequences(void **state) {
        uint64_t seed = get_seed();
        size_t n = get_number();

        for (size_t i = 0; i < n; i++) {
                const char *breached = play(*state, seed, i, BLIND_NONE);

                if (breached)
                        fail_msg("sequence %zu: %s", i, breached);
        }
}

static void test_teeth(void **state) {
        uint64_t seed = get_seed();

        for (Blind blind = BLIND_NONE + 1; blind < _BLIND_MAX; blind++) {
                const char *breached = NULL;

                for (size_t i = 0; i < SEQUENCES && !breached; i++)
                        breached = play(*state, seed, i, blind);
                if (!breached)
                        fail_msg("blind %d: no breach was found", blind);
                print_message("# blind %d: %s\n", blind, breached);
        }
}

/* In memory: nothing has to last. */
static int setup_scratch(void **state) {
        ErrCtx err = { 0 };
        Fixture *f;

        assert_int_equal(setup_store(state), 0);
        f = *state;
        f->store = store_free(f->store);
        assert_int_equal(store_open_scratch(f->directory, &f->store, NULL, &err), 0);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_sequences, setup_scratch, teardown_store),
                cmocka_unit_test_setup_teardown(test_teeth, setup_scratch, teardown_store),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
