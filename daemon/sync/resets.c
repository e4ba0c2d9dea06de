/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/log.h"
#include "model/signal.h"
#include "store/store-ledger.h"
#include "store/store-queue.h"
#include "sync/resets.h"

/* The signals as they were remembered, and the links, by person. */
typedef struct Known {
        SignalRecord *items;
        size_t n, size;
        Arena *arena;
        StrIndex signals, links;
        StrIndex acts;                  /* of the plan, before resets are added */
} Known;

static const char *record_person(const void *items, uint32_t pos) {
        return ((const SignalRecord *) items)[pos].person;
}

static void known_deinit(Known *k) {
        free(k->items);
        arena_free(k->arena);
        strindex_deinit(&k->signals);
        strindex_deinit(&k->links);
        strindex_deinit(&k->acts);
}

void resets_deinit(Resets *r) {
        free(r->records);
}

static int append(SignalRecord **items, size_t *n, size_t *size, SignalRecord record) {
        size_t wanted = *size ? *size * 2 : 64;
        SignalRecord *grown;

        if (*n == *size) {
                grown = reallocarray(*items, wanted, sizeof(*grown));
                if (!grown)
                        return -ENOMEM;
                *items = grown;
                *size = wanted;
        }
        (*items)[(*n)++] = record;
        return 0;
}

static int on_signal(const char *person, const char *value, void *userdata) {
        Known *k = userdata;
        SignalRecord record = { arena_strdup(k->arena, person), arena_strdup(k->arena, value) };

        if (!record.person || (value && !record.value))
                return -ENOMEM;
        return append(&k->items, &k->n, &k->size, record);
}

static int load_known(const ResetsInput *in, const Plan *plan, Known *k) {
        int r;

        k->arena = arena_new();
        if (!k->arena)
                return -ENOMEM;
        r = store_signals_walk(in->store, in->target->name, on_signal, k);
        k->signals = STRINDEX_INIT(record_person);
        if (r >= 0)
                r = strindex_fill(&k->signals, k->items, k->n);
        if (r >= 0)
                r = links_index(in->links, &k->links);
        if (r >= 0)
                r = actions_index(plan->actions, plan->n_actions, &k->acts);
        return r < 0 ? r : 0;
}

static const Account *account_of(const ResetsInput *in, const Known *k, const char *person) {
        uint32_t pos = strindex_find(&k->links, in->links->items, person);
        const Link *link = pos == STRINDEX_NONE ? NULL : &in->links->items[pos];

        return link && !link->gone ? accounts_by_id(in->accounts, link->remote_id) : NULL;
}

static void say_consumed(const ResetsInput *in, const Person *p, const char *why) {
        LogFields fields = {
                .target = in->target->name,
                .action = action_kind_to_string(ACTION_RESET),
                .person = p->id,
                .account = p->field[PERSON_EMAIL],
                .cycle = in->cycle,
        };

        log_event(LOG_NOTICE, &fields, "%s: the password signal of %s leads to nothing: %s",
                  in->target->name, p->field[PERSON_EMAIL] ? p->field[PERSON_EMAIL] : p->id, why);
}

static Action reset_of(const Person *p, const Account *account) {
        return (Action){
                .kind = ACTION_RESET,
                .person = p->id,
                .address = account->address,
                .remote_id = account->remote_id,
        };
}

/* Does the plan ask for something else that is still to be done? A dead letter, or what was rejected, isn't
 * waited for, but for a person whom the plan wants out. 1; 0; negative. */
static int has_other(const ResetsInput *in, const Known *k, const Plan *plan, const char *person) {
        uint32_t pos = strindex_find(&k->acts, plan->actions, person);
        QueuePut put;
        int r;

        if (pos == STRINDEX_NONE)
                return 0;
        if (plan->actions[pos].kind == ACTION_DELETE || plan->actions[pos].kind == ACTION_DISABLE)
                return 1;
        r = store_queue_probe(in->store, in->target->name, &plan->actions[pos], &put);
        return r < 0 ? r : put != QUEUE_PUT_SUPPRESSED;
}

/* 1: the signal fires, and it is too early for it; 0 otherwise. */
static int fire(const ResetsInput *in, const Known *k, const Person *p, Plan *plan) {
        const Account *account = account_of(in, k, p->id);
        Action a;
        QueuePut put;
        int r;

        if (in->paused || !account) {
                say_consumed(in, p, account ? "the target is paused" : "there is no account of ours here");
                return 0;
        }
        a = reset_of(p, account);
        r = store_queue_probe(in->store, in->target->name, &a, &put);
        if (r < 0)
                return r;
        /* One thing at a time: what the plan asks for goes first, then the signal still differs from what
         * is remembered. */
        r = put != QUEUE_PUT_NEW ? 1 : has_other(in, k, plan, p->id);
        return r != 0 ? r : plan_add_action(plan, &a);
}

static int look_at(const ResetsInput *in, const Known *k, const Person *p, Plan *plan, Resets *ret) {
        uint32_t pos = strindex_find(&k->signals, k->items, p->id);
        bool known = pos != STRINDEX_NONE;
        SignalEdge edge = signal_edge(in->config->directory.password_reset.when, known,
                                      known ? k->items[pos].value : NULL, p->signal);
        int r;

        if (edge == SIGNAL_SAME)
                return 0;
        if (edge == SIGNAL_FIRES) {
                r = fire(in, k, p, plan);
                if (r != 0)
                        return r < 0 ? r : 0;
        }
        return append(&ret->records, &ret->n, &ret->size, (SignalRecord){ p->id, p->signal });
}

/* Resets of a held plan stay asked for: their signal was taken in when the plan was frozen. */
static int add_held(const ResetsInput *in, const Known *k, size_t n_before, Plan *plan) {
        _cleanup_(strindex_deinit) StrIndex resets = { 0 };
        _cleanup_(held_plan_freep) HeldPlan *held = NULL;
        int r;

        r = store_held_get(in->store, in->target->name, HELD_PLAN, &held);
        if (r < 0 || !held)
                return r;
        /* They stand behind the n_before actions that the plan had. */
        r = actions_index(plan->actions + n_before, plan->n_actions - n_before, &resets);
        if (r < 0)
                return r;
        for (size_t i = 0; i < held->n_actions; i++) {
                const Action *a = &held->actions[i];

                if (a->kind != ACTION_RESET || !account_of(in, k, a->person) ||
                    strindex_find(&resets, plan->actions + n_before, a->person) != STRINDEX_NONE)
                        continue;
                r = plan_add_action(plan, a);
                if (r < 0)
                        return r;
        }
        return 0;
}

int resets_find(const ResetsInput *in, Plan *plan, Resets *ret) {
        _cleanup_(known_deinit) Known known = { 0 };
        size_t n_before = plan->n_actions;
        int r;

        if (!in->target->password_reset)
                return 0;
        r = load_known(in, plan, &known);
        for (size_t i = 0; r >= 0 && i < in->people->n; i++)
                if (in->people->items[i].present)
                        r = look_at(in, &known, &in->people->items[i], plan, ret);
        if (r >= 0)
                r = add_held(in, &known, n_before, plan);
        return r < 0 ? r : plan_finish(plan);
}

int resets_record(Store *store, const char *target, const Resets *resets) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < resets->n; i++)
                r = store_signal_set(store, target, resets->records[i].person, resets->records[i].value);
        return r;
}
