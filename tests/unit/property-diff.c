/* SPDX-License-Identifier: Apache-2.0 */
/* Random worlds – directories, listings, links, configurations – and what must be true of every plan for
 * them, told by a checker that shares no code with the diff. Each world is planned, planned again in
 * another order, and worked off until nothing is left to do.
 *
 * Then the proof that the checker has teeth: the diff is blinded to one fact after the other, as if its
 * rule for it had been removed, and each time the checker has to find the breach.
 *
 *     property-diff [SEED [WORLDS]]       or IDSYNCD_SEED, IDSYNCD_WORLDS
 *
 * The same seed gives the same worlds. */
#include <stdio.h>
#include <string.h>

#include "property.h"

#define ROUNDS 8

/* ---- working a plan off ---- */

static void put_link(World *w, const char *person, const char *remote_id) {
        for (size_t i = 0; i < w->n_links; i++)
                if (str_eq(w->links[i].person, person)) {
                        w->links[i].remote_id = remote_id;
                        return;
                }
        if (w->n_links == WORLD_MAX)
                world_die("the world is too small");
        w->links[w->n_links++] = (Link){ .person = person, .remote_id = remote_id };
}

/* Texts of a plan die with it: what a world keeps is copied here, and lives as long as the world. */
static Arena *kept;

static void set_state(Account *a, const AccountState *s) {
        Action copy;

        if (action_copy(&(Action){ .after = *s }, kept, &copy) < 0)
                world_die("out of memory");
        a->address = copy.after.address ?: a->address;
        a->first_name = copy.after.first_name ?: a->first_name;
        a->last_name = copy.after.last_name ?: a->last_name;
        a->timezone = copy.after.timezone ?: a->timezone;
        a->login = copy.after.login ?: a->login;
        a->role = copy.after.role ?: a->role;
        if (copy.after.roles) {
                a->roles = copy.after.roles;
                a->n_roles = copy.after.n_roles;
        }
}

static void work_off(World *w, const Action *a) {
        const char *person = arena_strdup(kept, a->person);
        Account *account = (Account *) world_account(w, a->remote_id);
        Link *l = a->remote_id ? (Link *) world_link(w, NULL, a->remote_id, NULL) : NULL;

        switch (a->kind) {
        case ACTION_CREATE:
                if (w->n_accounts == WORLD_MAX)
                        world_die("the world is too small");
                account = &w->accounts[w->n_accounts++];
                *account = (Account){ .remote_id = world_new_id(w), .status = "Active" };
                set_state(account, &a->after);
                put_link(w, person, account->remote_id);
                break;
        case ACTION_ADOPT:
                put_link(w, person, account->remote_id);
                break;
        case ACTION_RECREATE:
                set_state(account, &a->after);
                l->remote_id = account->remote_id = world_new_id(w);
                break;
        case ACTION_UPDATE:
                set_state(account, &a->after);
                break;
        case ACTION_ENABLE:
                account->locked = false;
                if (!str_eq(a->after.status, "unlocked"))
                        account->disabled = false;
                break;
        case ACTION_DISABLE:
                account->disabled = true;
                if (a->after.roles)
                        account->n_roles = 0;
                break;
        case ACTION_DELETE:
                *account = w->accounts[--w->n_accounts];
                *l = w->links[--w->n_links];
                break;
        case ACTION_RELINK:
                l->person = person;
                break;
        case ACTION_RESET:
        case _ACTION_KIND_MAX:
                world_die("unexpected kind");
        }
}

/* Works off until nothing is left. Nothing is asked for twice; what may follow follows from something. */
static const char *check_end(World *w, const Plan *first, bool apply) {
        char done[ROUNDS * WORLD_MAX][16];
        size_t n_done = 0;
        const char *why = NULL;
        Plan *plan = NULL;

        for (size_t round = 0; round < ROUNDS && !why; round++) {
                const Plan *now = plan ?: first;
                bool follows = false;

                for (size_t i = 0; i < now->n_actions && !why; i++) {
                        const Action *a = &now->actions[i];

                        snprintf(done[n_done], sizeof(done[0]), "%d %s", a->kind, a->person);
                        for (size_t k = 0; k < n_done; k++)
                                if (strcmp(done[k], done[n_done]) == 0)
                                        why = "what was done is asked for again";
                        n_done++;
                        follows |= a->has_before && a->has_after &&
                                   !str_eq(world_key(a->before.address), world_key(a->after.address));
                        follows |= a->kind == ACTION_RELINK || a->kind == ACTION_ENABLE ||
                                   a->kind == ACTION_DELETE || (a->kind == ACTION_ADOPT && a->has_after);
                }
                /* Another active account may let go of the last one of a role. A new address or login may
                 * be somebody's. */
                for (size_t i = 0; i < now->n_notes; i++)
                        follows |= now->notes[i].kind == NOTE_LAST_OF;
                for (size_t i = 0; i < now->n_actions && apply && !why; i++)
                        work_off(w, &now->actions[i]);
                if (why || now->n_actions == 0)
                        break;
                plan_free(plan);
                plan = world_plan(w, 0);
                if (!follows && plan->n_actions > 0)
                        why = "a plan that was worked off leaves something to do";
                why = why ?: world_check(w, plan);
                if (round + 1 == ROUNDS && plan->n_actions > 0)
                        why = "there is no end to it";
        }
        plan_free(plan);
        return why;
}

/* ---- blinders ---- */

/* Each hides a fact from the diff, or spoils its plan; the checker knows better. */
typedef enum Blind {
        BLIND_NONE,
        BLIND_LINKS,
        BLIND_PROTECT,
        BLIND_LAST_OF,
        BLIND_QUEUED,
        BLIND_OWN_USER,
        BLIND_MISSING,
        BLIND_UNREADABLE,
        BLIND_DUPLICATES,
        BLIND_ABSENCE,
        BLIND_GRACE,
        BLIND_LEAVE,
        BLIND_PRESENT,
        BLIND_DISABLED,
        BLIND_GROUPS,
        BLIND_CAPABILITIES,
        BLIND_ADOPT,
        BLIND_CREATE,
        BLIND_GONE,
        BLIND_FRESH,
        BLIND_NUMBERS,
        BLIND_ACCOUNTS,
        BLIND_PEOPLE,
        BLIND_TWICE,
        BLIND_HASH,
        BLIND_WORK,
        _BLIND_MAX,
} Blind;

static const char *const blinds[_BLIND_MAX] = {
        [BLIND_LINKS] = "whose account it is",
        [BLIND_PROTECT] = "protect",
        [BLIND_LAST_OF] = "last_of",
        [BLIND_QUEUED] = "removals that are under way",
        [BLIND_OWN_USER] = "the API's own user",
        [BLIND_MISSING] = "missing attributes",
        [BLIND_UNREADABLE] = "unreadable attributes",
        [BLIND_DUPLICATES] = "duplicate addresses",
        [BLIND_ABSENCE] = "incomplete reads",
        [BLIND_GRACE] = "leave_grace",
        [BLIND_LEAVE] = "leave = keep",
        [BLIND_PRESENT] = "people who are there",
        [BLIND_DISABLED] = "disabled people",
        [BLIND_GROUPS] = "groups",
        [BLIND_CAPABILITIES] = "what the API can't do",
        [BLIND_ADOPT] = "adopt = never",
        [BLIND_CREATE] = "create = false",
        [BLIND_GONE] = "gone",
        [BLIND_FRESH] = "links younger than the listing",
        [BLIND_NUMBERS] = "employee numbers",
        [BLIND_ACCOUNTS] = "accounts with an address that is taken",
        [BLIND_PEOPLE] = "one person",
        [BLIND_TWICE] = "what it asked for already",
        [BLIND_HASH] = "the order of a plan's parts",
        [BLIND_WORK] = "what was done",
};

static void blind_world(World *w, Blind blind) {
        TargetConfig *t = &w->target;

        for (size_t i = 0; i < w->n_people; i++) {
                Person *p = &w->people[i];

                if (blind == BLIND_UNREADABLE)
                        p->unreadable = 0;
                if (blind == BLIND_MISSING)
                        for (size_t f = 0; f < _PERSON_FIELD_MAX; f++)
                                p->field[f] = str_empty(p->field[f]) ? "zz" : p->field[f];
                if (blind == BLIND_DUPLICATES && world_percent(50))
                        p->field[PERSON_EMAIL] = "unique@x.example";
                p->present &= blind != BLIND_PRESENT;
                p->disabled &= blind != BLIND_DISABLED;
                if (blind == BLIND_GROUPS)
                        *(uint64_t *) p->marks = (1 << WORLD_GROUPS) - 1;
                if (blind == BLIND_NUMBERS)
                        p->field[PERSON_EMPLOYEE_NUMBER] = NULL;
        }
        for (size_t i = 0; i < w->n_links && blind == BLIND_LINKS && w->n_accounts > 0; i++)
                w->links[i].remote_id = w->accounts[world_below(w->n_accounts)].remote_id;
        for (size_t i = 0; i < w->n_links && blind == BLIND_FRESH; i++)
                w->links[i].since = 0;
        if (blind == BLIND_PROTECT)
                t->n_protect = 0;
        if (blind == BLIND_LAST_OF)
                t->n_last_of = 0;
        if (blind == BLIND_QUEUED)
                w->n_queued = 0;
        if (blind == BLIND_OWN_USER)
                w->own_login = NULL;
        if (blind == BLIND_GRACE)
                t->leave_grace = 0;
        if (blind == BLIND_LEAVE)
                t->leave = LEAVE_DELETE;
        if (blind == BLIND_CAPABILITIES)
                memset(&w->can, true, sizeof(w->can));
        if (blind == BLIND_ADOPT)
                t->adopt = ADOPT_EMAIL;
        if (blind == BLIND_CREATE)
                t->create = true;
        if (blind == BLIND_GONE)
                t->gone = GONE_CREATE;
        if (blind == BLIND_ACCOUNTS && w->n_accounts > 0)
                w->n_accounts--;
        if (blind == BLIND_PEOPLE && w->n_people > 0)
                w->n_people--;
        w->absence_proven |= blind == BLIND_ABSENCE;
}

/* The copy's pointers into the world are made its own. */
static void copy_world(const World *w, World *ret) {
        *ret = *w;
        ret->target.groups = ret->groups;
        ret->target.roles = ret->roles;
        ret->target.applications = ret->applications;
        ret->target.protect = ret->protect;
        ret->target.last_of = ret->last_of;
        for (size_t i = 0; i < w->n_people; i++)
                ret->people[i].marks = &ret->marks[i];
}

static const char *try_world(World *w, Blind blind) {
        _cleanup_(plan_freep) Plan *plan = NULL, *again = NULL;
        static World seen;
        const char *why;

        copy_world(w, &seen);
        blind_world(&seen, blind);
        plan = world_plan(&seen, 0);
        again = world_plan(&seen, 1 + world_below(20));
        if (blind == BLIND_HASH && again->n_actions > 0)
                again->hash[0] ^= 1;
        if (strcmp(plan->hash, again->hash) != 0)
                return "another order gives another plan";
        if (plan->n_blocked != again->n_blocked || plan->n_notes != again->n_notes ||
            plan->n_drift != again->n_drift)
                return "another order gives other remarks";
        for (size_t i = 0; i < plan->n_blocked; i++)
                if (!str_eq(plan->blocked[i].person, again->blocked[i].person) ||
                    !str_eq(plan->blocked[i].reason, again->blocked[i].reason))
                        return "another order blocks others, or for other reasons";
        if (blind == BLIND_TWICE && plan->n_actions > 0 && plan_add_action(plan, &plan->actions[0]) < 0)
                world_die("out of memory");
        if (blind == BLIND_TWICE && plan_finish(plan) < 0)
                world_die("out of memory");
        why = world_check(w, plan);
        return why || (blind != BLIND_NONE && blind != BLIND_WORK) ? why
                                                                   : check_end(w, plan, blind != BLIND_WORK);
}

static const char *try_seed(uint64_t seed, size_t i, unsigned blind) {
        static World w;
        const char *why;

        world_seed(seed, i);
        kept = arena_new();
        if (!kept)
                world_die("out of memory");
        world_make(&w);
        why = try_world(&w, (Blind) blind);
        kept = arena_free(kept);
        return why;
}

/* ---- reports ---- */

static void print_plan(const Plan *plan) {
        for (size_t i = 0; i < plan->n_actions; i++) {
                _cleanup_(strbuf_deinit) StrBuf before = STRBUF_INIT(10000), after = STRBUF_INIT(10000);

                account_state_to_json(&plan->actions[i].before, &before);
                account_state_to_json(&plan->actions[i].after, &after);
                printf("# %s %s %s: %s -> %s\n", action_kind_to_string(plan->actions[i].kind),
                       plan->actions[i].person, plan->actions[i].remote_id ?: "-", before.data, after.data);
        }
        for (size_t i = 0; i < plan->n_blocked; i++)
                printf("# blocked %s: %s\n", plan->blocked[i].person, plan->blocked[i].reason);
        for (size_t i = 0; i < plan->n_notes; i++)
                printf("# noted %s %s: %s\n", plan->notes[i].person, plan->notes[i].remote_id ?: "-",
                       plan->notes[i].reason);
}

/* The world as it was at first, with its plan. */
static void print_seed(uint64_t seed, size_t i) {
        _cleanup_(plan_freep) Plan *plan = NULL;
        static World w;

        world_seed(seed, i);
        world_make(&w);
        world_print(&w);
        plan = world_plan(&w, 0);
        print_plan(plan);
}

int main(int argc, char **argv) {
        const Property property = {
                .blinds = blinds,
                .n_blinds = _BLIND_MAX,
                .try = try_seed,
                .print = print_seed,
        };

        return property_main(&property, argc, argv);
}
