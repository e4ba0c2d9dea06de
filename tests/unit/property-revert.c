/* SPDX-License-Identifier: Apache-2.0 */
/* Taking back in random worlds (property-world.c): whatever the history says was done, what takes it back
 * breaks none of the invariants, touches nothing that has changed since, and never the last of a role, also
 * when several are taken back at once. The checker shares no code with what is tested; then that is blinded
 * to one fact after the other.
 *
 *     property-revert [SEED [WORLDS]]      or IDSYNCD_SEED, IDSYNCD_WORLDS */
#include <strings.h>

#include "model/revert.h"
#include "property.h"

#define ASKED 4                 /* actions a world */

typedef enum Blind {
        BLIND_NONE,
        BLIND_LINK,
        BLIND_PROTECT,
        BLIND_OWN_USER,
        BLIND_LAST_OF,
        BLIND_ROLE,
        BLIND_DISABLED,
        BLIND_BELONGS,
        BLIND_TAKEN,
        _BLIND_MAX,
} Blind;

static const char *const blinds[_BLIND_MAX] = {
        [BLIND_LINK] = "whose account it is",
        [BLIND_PROTECT] = "protect",
        [BLIND_OWN_USER] = "the API's own user",
        [BLIND_LAST_OF] = "last_of",
        [BLIND_ROLE] = "the account's role",
        [BLIND_DISABLED] = "whether the account is disabled",
        [BLIND_BELONGS] = "who has left",
        [BLIND_TAKEN] = "accounts with the address",
};

/* ---- what was done ---- */

/* Mostly the account is as the action left it. */
static Action make_done(const World *w) {
        static const ActionKind kinds[] = { ACTION_CREATE, ACTION_RECREATE, ACTION_UPDATE,
                                            ACTION_ENABLE, ACTION_DISABLE,  ACTION_DELETE };
        static const char *const roles[] = { "Full Admin", "Read Only" };
        Action a = { .kind = kinds[world_below(ELEMENTSOF(kinds))], .person = world_pick_person(w) };
        const Account *account;

        a.remote_id = world_pick_account(w, a.person);
        account = world_account(w, a.remote_id);
        a.address = account && world_percent(70) ? account->address : "gone@x.example";
        a.has_before = a.kind != ACTION_CREATE;
        a.before = (AccountState){ .address = a.address, .first_name = "A", .last_name = "B",
                                   .role = roles[world_below(2)] };
        a.before.status = a.kind == ACTION_ENABLE ? "disabled" : NULL;
        a.has_after = a.kind != ACTION_DELETE;
        if (a.has_after && a.kind != ACTION_ENABLE && a.kind != ACTION_DISABLE)
                a.after.role = account && world_percent(80) ? account->role : roles[world_below(2)];
        if (a.kind == ACTION_ENABLE || a.kind == ACTION_DISABLE)
                a.after.status = a.kind == ACTION_ENABLE ? "enabled" : "disabled";
        return a;
}

/* ---- what is seen of it ---- */

static Accounts *listing(const World *w, const Action *done, Blind blind) {
        _cleanup_(accounts_freep) Accounts *accounts = accounts_new(w->begun);

        if (!accounts)
                world_die("out of memory");
        for (size_t i = 0; i < w->n_accounts; i++) {
                Account a = w->accounts[i];

                if (blind == BLIND_ROLE && str_eq(a.remote_id, done->remote_id))
                        a.role = done->after.role;
                if (blind == BLIND_DISABLED)
                        a.disabled = str_eq(done->after.status, "disabled");
                if (blind == BLIND_TAKEN && done->kind == ACTION_DELETE)
                        continue;
                if (accounts_add(accounts, &a) != 0)
                        world_die("accounts_add");
        }
        return TAKE(accounts);
}

/* The store has one link a person and an account at most. */
static bool is_stored(const World *w, const Action *a) {
        size_t persons, accounts;

        (void) world_link(w, a->person, NULL, &persons);
        (void) world_link(w, NULL, a->remote_id, &accounts);
        return persons <= 1 && accounts <= 1;
}

static const Person *find_person(const World *w, const char *id) {
        for (size_t i = 0; i < w->n_people; i++)
                if (str_eq(w->people[i].id, id))
                        return &w->people[i];
        return NULL;
}

static bool take_back(const World *w, const Action *done, Blind blind, Arena *arena, Action *ret) {
        static const uint64_t marks[] = { UINT64_MAX };
        static const Person anybody = { .id = "anybody", .present = true, .marks = marks };
        _cleanup_(accounts_freep) Accounts *accounts = listing(w, done, blind);
        const Link made_up = { .person = done->person, .remote_id = done->remote_id };
        const Link *l = world_link(w, done->person, NULL, NULL);
        TargetConfig target = w->target;
        const char *why = NULL;
        Action result;
        RevertInput in = {
                .target = &target,
                .capabilities = &w->can,
                .kinds = ~0u,
                .n_groups = WORLD_GROUPS,
                .own_login = blind == BLIND_OWN_USER ? NULL : w->own_login,
                .accounts = accounts,
                .person = blind == BLIND_BELONGS ? &anybody : find_person(w, done->person),
                .link = blind == BLIND_LINK ? &made_up : l && !l->gone ? l : NULL,
        };
        int r;

        target.n_protect = blind == BLIND_PROTECT ? 0 : target.n_protect;
        target.n_last_of = blind == BLIND_LAST_OF ? 0 : target.n_last_of;
        in.last_of = last_of_new(&target, accounts, w->queued, w->n_queued);
        if (!in.last_of)
                world_die("out of memory");
        r = revert_action(&in, done, arena, &result, &why);
        last_of_free(in.last_of);
        /* It borrows from the listing. */
        if (r < 0 || (r > 0 && !why) || (r == 0 && action_copy(&result, arena, ret) < 0))
                world_die("revert_action");
        return r == 0;
}

/* ---- what must be true ---- */

static const char *check_created(const World *w, const Action *result) {
        size_t persons;

        for (size_t i = 0; i < w->n_accounts; i++)
                if (str_eq(world_key(w->accounts[i].address), world_key(result->address)))
                        return "an account is created beside one with its address";
        (void) world_link(w, result->person, NULL, &persons);
        return persons > 0 && !world_link(w, result->person, NULL, NULL)->gone
                               ? "an account is created for somebody who has one" : NULL;
}

static const char *check_touched(const World *w, const Action *done, const Action *result) {
        const Account *a = world_account(w, result->remote_id);
        const Person *p = find_person(w, done->person);
        const char *role;

        if (!a || !str_eq(result->remote_id, done->remote_id))
                return "an account is touched that isn't there, or isn't the action's";
        if (done->after.role && (!a->role || strcasecmp(a->role, done->after.role) != 0))
                return "an account is touched that has another role than the action gave it";
        if (a->disabled != str_eq(done->after.status, "disabled"))
                return "an account is touched that was enabled or disabled since";
        if (result->kind == ACTION_RECREATE && (!p || !world_wants(w, p, &role)))
                return "an account is recreated whose person has left";
        return NULL;
}

static size_t n_taken[_ACTION_KIND_MAX];

static const char *try_world(uint64_t seed, size_t i, unsigned blind) {
        static World w;
        const char *why = NULL;

        world_seed(seed, i);
        world_make(&w);
        for (size_t n = 0; n < ASKED && !why; n++) {
                _cleanup_(arena_freep) Arena *arena = arena_new();
                const Action done = make_done(&w);
                Action result;

                if (!arena)
                        world_die("out of memory");
                if (!is_stored(&w, &done) || !take_back(&w, &done, (Blind) blind, arena, &result))
                        continue;
                n_taken[done.kind]++;
                why = result.kind == ACTION_CREATE ? check_created(&w, &result)
                                                   : check_touched(&w, &done, &result);
                why = why ?: world_check_alone(&w, &result);
        }
        return why;
}

static const char *check_taken(void) {
        for (ActionKind k = 0; k < _ACTION_KIND_MAX; k++)
                if (n_taken[k] == 0 && k != ACTION_ADOPT && k != ACTION_RELINK && k != ACTION_RESET)
                        return action_kind_to_string(k);
        return NULL;
}

int main(int argc, char **argv) {
        const Property property = {
                .blinds = blinds,
                .n_blinds = _BLIND_MAX,
                .try = try_world,
                .never_seen = check_taken,
        };

        return property_main(&property, argc, argv);
}
