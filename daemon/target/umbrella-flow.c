/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of Umbrella's actions.
 *
 * Create:   START ──long body──► done
 *             │  "in use"  (a duplicate, a deleted account, or one of another organization)
 *             ▼
 *           IN_USE ──fresh listing── there ──► ours or adopted
 *             │ not there
 *             ▼
 *           SHORT ──two fields──► done
 *             │  "in use"
 *             ▼
 *           CONFLICT ──who has it?──► dead letter that names the conflict
 *
 * Government has no such question: there the dead letter follows SHORT.
 *
 * An answer that never came, in START or SHORT: look. There: ours. Not there: the same step again. */
#include "base/strings.h"
#include "target/flow.h"
#include "target/umbrella.h"

#define BIT(x) (1u << (x))
#define STEPS_ANY ~0u
#define CLASSES_ANY ~0u
#define HINTS_ANY ~0u

static const char *printable_address(const FlowInput *in, char buf[static 256]) {
        return str_printable(in->action->address ? in->action->address : "", buf, 256);
}

/* A kind without steps here, or a step that its kind doesn't have. */
static void unknown_step(const FlowInput *in, FlowNext *ret) {
        const char *kind = action_kind_to_string(in->action->kind);

        flow_dead(in, ret, "this version of idsyncd has no step %d of \"%s\" at Umbrella", (int) in->step,
                     kind ? kind : "?");
}

/* ---- create ---- */

static void create_refused(const FlowInput *in, FlowNext *ret) {
        flow_dead(in, ret, "%.400s", in->outcome->detail);
}

/* What the API told of the address's owner, as far as it did. */
static const char *owner_of(const FlowInput *in, char *buf, size_t size) {
        const Answer *answer = in->call == CALL_ORGANIZATIONS ? in->answer : NULL;

        if (answer && answer->words)
                snprintf(buf, size, "Umbrella names the organization %.240s as having that address",
                         answer->words);
        else
                snprintf(buf, size, "an account of another Umbrella organization%s has that address",
                         in->outcome->hint == HINT_NOT_FOUND ? ", one that this key can't ask about," : "");
        return buf;
}

/* A retry begins from the start: by then the address may be free for the long body. */
static void create_conflict(const FlowInput *in, FlowNext *ret) {
        char address[256], owner[320];
        bool asked = in->call == CALL_ORGANIZATIONS;

        flow_dead(in, ret,
                     "%.180s isn't among this organization's accounts, yet Umbrella says \"%.60s\" to both "
                     "ways of creating it: %s%s. "
                     "Remove the account there, or take the person out of this target's groups; then retry",
                     printable_address(in, address),
                     !asked            ? in->outcome->detail
                     : str_empty(in->memo) ? "Email already in use"
                                           : in->memo,
                     owner_of(in, owner, sizeof(owner)),
                     in->was_uncertain ? " (or ours has it, not listed yet: a later cycle finds it)" : "");
        ret->step = STEP_START;
}

static void create_ask(const FlowInput *in, FlowNext *ret) {
        flow_call(in, STEP_CONFLICT, CALL_ORGANIZATIONS, ret);
        if (in->outcome)
                snprintf(ret->memo, sizeof(ret->memo), "%.200s", in->outcome->detail);
}

static void create_refused_twice(const FlowInput *in, FlowNext *ret) {
        if (in->target->type == TARGET_UMBRELLA)
                create_ask(in, ret);
        else
                create_conflict(in, ret);
}

static void create_done(const FlowInput *in, FlowNext *ret) {
        flow_done_put(in, LINK_CREATED, ret);
}

static void create_later(const FlowInput *in, FlowNext *ret) {
        flow_next(in, FLOW_LATER, ret);
}

static void create_look(const FlowInput *in, FlowNext *ret) {
        flow_next(in, FLOW_LOOK, ret);
}

static void create_look_in_use(const FlowInput *in, FlowNext *ret) {
        flow_next(in, FLOW_LOOK, ret);
        ret->step = STEP_IN_USE;
}

static void create_long(const FlowInput *in, FlowNext *ret) {
        flow_call(in, STEP_START, CALL_CREATE, ret);
}

static void create_short(const FlowInput *in, FlowNext *ret) {
        flow_call(in, STEP_SHORT, CALL_CREATE_SHORT, ret);
}

/* The first row that fits decides. */
static const struct AfterRow {
        unsigned steps, classes, hints;
        void (*next)(const FlowInput *in, FlowNext *ret);
} create_after[] = {
        { BIT(STEP_CONFLICT), CLASSES_ANY, HINTS_ANY, create_conflict },
        { STEPS_ANY, BIT(OUTCOME_OK) | BIT(OUTCOME_ALREADY), HINTS_ANY, create_done },
        { STEPS_ANY, BIT(OUTCOME_TRANSIENT) | BIT(OUTCOME_THROTTLED) | BIT(OUTCOME_AUTH), HINTS_ANY,
          create_later },
        { STEPS_ANY, BIT(OUTCOME_UNCERTAIN), HINTS_ANY, create_look },
        { BIT(STEP_START), BIT(OUTCOME_REJECTED), BIT(HINT_ADDRESS_IN_USE), create_look_in_use },
        { BIT(STEP_SHORT), BIT(OUTCOME_REJECTED), BIT(HINT_ADDRESS_IN_USE), create_refused_twice },
        { STEPS_ANY, BIT(OUTCOME_REJECTED), HINTS_ANY, create_refused },
};

/* What each step of a create begins with, and what follows when a fresh listing lacks the account. */
static const struct StepRow {
        bool known;
        void (*begin)(const FlowInput *in, FlowNext *ret);
        void (*absent)(const FlowInput *in, FlowNext *ret);
} create_steps[] = {
        [STEP_START] = { true, create_long, create_long },
        [STEP_SHORT] = { true, create_short, create_short },
        [STEP_IN_USE] = { true, create_look, create_short },
        [STEP_CONFLICT] = { true, create_ask, create_ask },
};

static const struct StepRow *create_step(Step step) {
        if ((unsigned) step >= ELEMENTSOF(create_steps) || !create_steps[step].known)
                return NULL;
        return &create_steps[step];
}

static void create_begin(const FlowInput *in, FlowNext *ret) {
        create_step(in->step)->begin(in, ret);
}

static void create_ended(const FlowInput *in, FlowNext *ret) {
        const struct AfterRow *row = create_after, *end = create_after + ELEMENTSOF(create_after);

        while (row < end && !(row->steps & BIT(in->step) && row->classes & BIT(in->outcome->class) &&
                              row->hints & BIT(in->outcome->hint)))
                row++;
        (row < end ? row->next : unknown_step)(in, ret);
}

/* The listing that the plan was made from lacked the account: one that is there after a create of ours
 * whose answer was lost is ours. */
static void create_seen(const FlowInput *in, FlowNext *ret) {
        char address[256];

        if (!in->seen)
                create_step(in->step)->absent(in, ret);
        else if (in->seen_linked)
                flow_dead(in, ret,
                             "the account %s with the address %.180s is another person's already; one "
                             "address can't serve two people: correct the directory, then retry",
                             in->seen->remote_id, printable_address(in, address));
        else if (in->was_uncertain)
                flow_done_put(in, LINK_CREATED, ret);
        else if (in->target->adopt == ADOPT_EMAIL)
                flow_done_put(in, LINK_ADOPTED, ret);
        else
                flow_dead(in, ret,
                             "%.180s has an account here already (%s) that isn't ours, and adopt = "
                             "\"never\" leaves it alone; remove it by hand, or set adopt = \"email\"",
                             printable_address(in, address), in->seen->remote_id);
}

/* ---- every kind ---- */

static void adopt_begin(const FlowInput *in, FlowNext *ret) {
        flow_done_put(in, LINK_ADOPTED, ret);
}

static void create_resume(const FlowInput *in, FlowNext *ret) {
        flow_next(in, FLOW_LOOK, ret);
}

static const struct KindRow {
        void (*begin)(const FlowInput *in, FlowNext *ret);
        void (*resume)(const FlowInput *in, FlowNext *ret);
        void (*after)(const FlowInput *in, FlowNext *ret);
        void (*seen)(const FlowInput *in, FlowNext *ret);
        const struct StepRow *(*step)(Step step);
} kinds[_ACTION_KIND_MAX] = {
        [ACTION_CREATE] = { create_begin, create_resume, create_ended, create_seen, create_step },
        [ACTION_ADOPT] = { adopt_begin, adopt_begin, unknown_step, unknown_step, NULL },
        [ACTION_DELETE] = { umbrella_delete_begin, umbrella_delete_begin, umbrella_delete_after,
                            umbrella_delete_seen, NULL },
        [ACTION_RECREATE] = { umbrella_recreate_begin, umbrella_recreate_resume, umbrella_recreate_after,
                              umbrella_recreate_seen, NULL },
};

static const struct KindRow *find_kind(const FlowInput *in) {
        const struct KindRow *row;

        if ((unsigned) in->action->kind >= _ACTION_KIND_MAX)
                return NULL;
        row = &kinds[in->action->kind];
        if (!row->begin || (row->step && !row->step(in->step)))
                return NULL;
        return row;
}

void umbrella_flow_begin(const FlowInput *in, FlowNext *ret) {
        const struct KindRow *row = find_kind(in);

        (row ? row->begin : unknown_step)(in, ret);
}

void umbrella_flow_resume(const FlowInput *in, FlowNext *ret) {
        const struct KindRow *row = find_kind(in);

        (row ? row->resume : unknown_step)(in, ret);
}

void umbrella_flow_after(const FlowInput *in, FlowNext *ret) {
        const struct KindRow *row = find_kind(in);

        (row ? row->after : unknown_step)(in, ret);
}

void umbrella_flow_seen(const FlowInput *in, FlowNext *ret) {
        const struct KindRow *row = find_kind(in);

        (row ? row->seen : unknown_step)(in, ret);
}
