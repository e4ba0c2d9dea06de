/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's half of the property test: whatever a plan, or a spoilt queue, asks for, what the invariants
 * let pass breaks none of them. In random worlds (property-world.c) any action is asked for any person and
 * account, and the checker, which shares no code with the invariants, looks at those that may run. As in
 * property-diff, the invariants are then blinded to one fact after the other.
 *
 *     property-guard [SEED [WORLDS]]      or IDSYNCD_SEED, IDSYNCD_WORLDS */
#include "model/invariant.h"
#include "property.h"

#define ASKED 4                 /* actions a world */

typedef enum Blind {
        BLIND_NONE,
        BLIND_OWNER,
        BLIND_PROTECT,
        BLIND_LINK_ADDRESS,
        BLIND_LOGIN,
        BLIND_OWN_USER,
        BLIND_LAST_OF,
        BLIND_QUEUED,
        BLIND_ACTIVE,
        _BLIND_MAX,
} Blind;

static const char *const blinds[_BLIND_MAX] = {
        [BLIND_OWNER] = "whose account it is",
        [BLIND_PROTECT] = "protect",
        [BLIND_LINK_ADDRESS] = "the link's address",
        [BLIND_LOGIN] = "the account's login",
        [BLIND_OWN_USER] = "the API's own user",
        [BLIND_LAST_OF] = "last_of",
        [BLIND_QUEUED] = "removals that are under way",
        [BLIND_ACTIVE] = "accounts that aren't active",
};

/* ---- what is asked ---- */

static Action make_action(const World *w) {
        static const ActionKind kinds[] = { ACTION_CREATE,  ACTION_RECREATE, ACTION_UPDATE, ACTION_ENABLE,
                                            ACTION_DISABLE, ACTION_DELETE,   ACTION_RESET };
        static const char *const roles[] = { "Full Admin", "Read Only", NULL };
        Action a = { .kind = kinds[world_below(ELEMENTSOF(kinds))], .person = world_pick_person(w) };
        const Account *account;

        a.remote_id = a.kind == ACTION_CREATE ? NULL : world_pick_account(w, a.person);
        account = world_account(w, a.remote_id);
        a.address = account && world_percent(70) ? account->address : "e@x.example";
        a.has_after = a.kind == ACTION_UPDATE || a.kind == ACTION_RECREATE;
        a.after.role = a.has_after ? roles[world_below(ELEMENTSOF(roles))] : NULL;
        return a;
}

/* ---- what the invariants see of it ---- */

static Accounts *listing(const World *w, Blind blind) {
        _cleanup_(accounts_freep) Accounts *accounts = accounts_new(w->begun);

        if (!accounts)
                world_die("out of memory");
        for (size_t i = 0; i < w->n_accounts; i++) {
                Account a = w->accounts[i];

                if (blind == BLIND_ACTIVE) {
                        a.disabled = false;
                        a.status = NULL;
                }
                if (blind == BLIND_LOGIN)
                        a.login = NULL;
                if (accounts_add(accounts, &a) != 0)
                        world_die("accounts_add");
        }
        return TAKE(accounts);
}

/* The store has one link a person and an account at most. */
static bool is_stored(const World *w, const Action *a) {
        size_t persons, accounts = 0;

        (void) world_link(w, a->person, NULL, &persons);
        if (a->remote_id)
                (void) world_link(w, NULL, a->remote_id, &accounts);
        return persons <= 1 && accounts <= 1;
}

static bool may_run(const World *w, const Action *a, Blind blind) {
        _cleanup_(accounts_freep) Accounts *accounts = listing(w, blind);
        TargetConfig target = w->target;
        const Link *l = a->remote_id ? world_link(w, NULL, a->remote_id, NULL) : NULL;
        Link link = l ? *l : (Link){ .person = a->person, .remote_id = a->remote_id };
        LastOf *last;
        const char *why;

        if (blind == BLIND_PROTECT)
                target.n_protect = 0;
        if (blind == BLIND_LAST_OF)
                target.n_last_of = 0;
        if (blind == BLIND_OWNER)
                link.person = a->person;
        if (blind == BLIND_LINK_ADDRESS)
                link.address = NULL;
        last = last_of_new(&target, accounts, w->queued, blind == BLIND_QUEUED ? 0 : w->n_queued);
        if (!last)
                world_die("out of memory");
        why = invariant_breach(&(InvariantInput){
                        .target = &target,
                        .own_login = blind == BLIND_OWN_USER ? NULL : w->own_login,
                        .action = a,
                        .account = accounts_by_id(accounts, a->remote_id),
                        .link = l || blind == BLIND_OWNER ? &link : NULL,
                        .last_of = last }, NULL);
        last_of_free(last);
        return !why;
}

static size_t n_passed[_ACTION_KIND_MAX];

static const char *try_world(uint64_t seed, size_t i, unsigned blind) {
        static World w;
        const char *why = NULL;

        world_seed(seed, i);
        world_make(&w);
        for (size_t n = 0; n < ASKED && !why; n++) {
                const Action a = make_action(&w);

                if (!is_stored(&w, &a) || !may_run(&w, &a, (Blind) blind))
                        continue;
                n_passed[a.kind]++;
                why = world_check_alone(&w, &a);
        }
        return why;
}

/* Invariants that refuse everything would break nothing too. */
static const char *check_passed(void) {
        for (ActionKind k = 0; k < _ACTION_KIND_MAX; k++)
                if (n_passed[k] == 0 && k != ACTION_ADOPT && k != ACTION_RELINK)
                        return action_kind_to_string(k);
        return NULL;
}

int main(int argc, char **argv) {
        const Property property = {
                .blinds = blinds,
                .n_blinds = _BLIND_MAX,
                .try = try_world,
                .never_seen = check_passed,
        };

        return property_main(&property, argc, argv);
}
