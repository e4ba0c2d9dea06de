/* SPDX-License-Identifier: Apache-2.0 */
/* What the property tests are made of: random worlds (property-world.c), a checker that shares no code with
 * what is tested (property-check.c), and the way to run them (property-main.c). Whatever can't go on ends
 * the program. */
#pragma once

#include "base/strings.h"
#include "model/plan.h"

#define WORLD_MAX 24            /* of anything; worlds begin with at most half of it */
#define WORLD_GROUPS 3
#define WORLD_BEGUN (1000 * USEC_PER_MINUTE)    /* when the listing was */

typedef struct World {
        TargetConfig target;
        Capabilities can;
        int groups[2];
        RoleRule roles[3];
        ApplicationRule applications[2];
        char *app_names[2][1], *protect[2], *last_of[2];
        Person people[WORLD_MAX];
        uint64_t marks[WORLD_MAX];
        Account accounts[WORLD_MAX];
        const char *account_roles[WORLD_MAX][3];
        Link links[WORLD_MAX];
        Action queued[2];
        size_t n_people, n_accounts, n_links, n_queued;
        bool absence_proven;
        const char *own_login;
        usec_t begun;
        unsigned next_id;
        char ids[2 * WORLD_MAX + 64][8];
} World;

_Noreturn void world_die(const char *what);

/* Everything random comes from here. */
void world_seed(uint64_t seed, size_t world);
size_t world_below(size_t n);
/* True n times of a hundred. */
bool world_percent(unsigned n);

void world_make(World *w);
const char *world_new_id(World *w);
/* The key of an address; NULL: it isn't one. Lives as long as the program. */
const char *world_key(const char *address);
/* The plan for a world that is given in order (step 0), or in an order of its own. */
Plan *world_plan(const World *w, size_t step);
void world_print(const World *w);

/* Facts, told plainly. NULL: none. */
const Account *world_account(const World *w, const char *id);
/* The link of a person, or where that is NULL of an account; ret_n (may be NULL): how many there are. */
const Link *world_link(const World *w, const char *person, const char *remote_id, size_t *ret_n);
/* Mostly of a person with an account, and of theirs; now and then one that isn't there. */
const char *world_pick_person(const World *w);
const char *world_pick_account(const World *w, const char *person);
bool world_wants(const World *w, const Person *p, const char **ret_role);

/* What isn't true of the plan that must be; NULL: nothing. */
const char *world_check(const World *w, const Plan *plan);
/* Likewise of one action that nobody planned: of what must hold right before an account is touched. */
const char *world_check_alone(const World *w, const Action *a);

typedef struct Property {
        const char *const *blinds;      /* what is hidden from the tested code, by number; 0: nothing */
        unsigned n_blinds;
        /* Tries one world; what was breached, or NULL. */
        const char *(*try)(uint64_t seed, size_t world, unsigned blind);
        void (*print)(uint64_t seed, size_t world);     /* may be NULL */
        /* After all worlds: what should have been seen, and wasn't; may be NULL. */
        const char *(*never_seen)(void);
} Property;
/* Runs the worlds that the arguments ask for, then each blinder until a breach is found. TAP; the exit
 * status. */
int property_main(const Property *p, int argc, char **argv);
