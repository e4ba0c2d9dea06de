/* SPDX-License-Identifier: Apache-2.0 */
/* Random worlds: see property.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/address.h"
#include "property.h"

_Noreturn void world_die(const char *what) {
        printf("Bail out! %s\n", what);
        exit(99);
}

/* ---- chance ---- */

static uint64_t random_state;

static uint64_t next_random(void) {
        uint64_t x = random_state += UINT64_C(0x9e3779b97f4a7c15);

        x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
        return x ^ x >> 31;
}

void world_seed(uint64_t seed, size_t world) {
        random_state = seed + world * UINT64_C(0x632be59bd9b4e019);
}

size_t world_below(size_t n) {
        return next_random() % n;
}

/* True n times of a hundred. */
bool world_percent(unsigned n) {
        return world_below(100) < n;
}

/* ---- worlds ---- */

static char roles_pool[3][16] = { "Full Admin", "Read Only", "Reporting" };
static char patterns_pool[3][16] = { "a@x.example", "*@y.example", "B*" };
static char apps_pool[2][16] = { "P6", "Unifier" };
static const char *const addresses[] = {
        "a@x.example", "A@X.example ", "b@x.example", "c@x.example", "d@x.example", "d@X.EXAMPLE",
        "e@x.example", "f@y.example", "g@z.example",   "h@z.example", "not an address",
};
static const char *const numbers[] = { "1", "2", "3" };
static const char *const names[] = { "Ann", "Bob", "" };

static const char *pick_address(void) {
        return addresses[world_below(ELEMENTSOF(addresses))];
}

const char *world_new_id(World *w) {
        snprintf(w->ids[w->next_id], sizeof(w->ids[0]), "r%02u", w->next_id);
        return w->ids[w->next_id++];
}

static void make_config(World *w) {
        TargetConfig *t = &w->target;

        *t = (TargetConfig){
                .name = patterns_pool[2],
                .timezone = roles_pool[1],
                .groups = w->groups,
                .n_groups = world_below(3),
                .roles = w->roles,
                .n_roles = world_below(4),
                .create = world_percent(85),
                .adopt = world_percent(70) ? ADOPT_EMAIL : ADOPT_NEVER,
                .leave = (LeavePolicy) world_below(_LEAVE_MAX),
                .leave_grace = world_below(3) * 10,
                .gone = (GonePolicy) world_below(_GONE_MAX),
                .protect = w->protect,
                .n_protect = world_percent(40) ? 1 + world_below(2) : 0,
                .last_of = w->last_of,
                .n_last_of = world_percent(70) ? 1 + world_below(2) : 0,
        };
        for (size_t i = 0; i < 2; i++) {
                w->groups[i] = (int) world_below(WORLD_GROUPS);
                w->protect[i] = patterns_pool[world_below(3)];
                w->last_of[i] = world_percent(80) ? roles_pool[i] : apps_pool[i];
                w->app_names[i][0] = apps_pool[i];
                w->applications[i] = (ApplicationRule){ .group = (int) world_below(WORLD_GROUPS + 1) - 1,
                                                        .names = w->app_names[i],
                                                        .n_names = 1 };
        }
        for (size_t i = 0; i < 3; i++)
                w->roles[i] = (RoleRule){ .group = (int) world_below(WORLD_GROUPS + 1) - 1,
                                          .role = roles_pool[world_below(3)] };
        if (world_percent(50))
                w->can = (Capabilities){ .create = true,
                                         .recreate = true,
                                         .delete = true,
                                         .needs_names = true,
                                         .has_roles = true };
        else if (world_percent(50))
                w->can = (Capabilities){ .create = true,
                                         .role_update = true,
                                         .disable = true,
                                         .unlock = true,
                                         .name_update = true,
                                         .needs_names = true,
                                         .needs_login = true,
                                         .disable_takes_roles = world_percent(50) };
        else
                w->can = (Capabilities){ world_percent(80), world_percent(50), world_percent(50),
                                         world_percent(50), world_percent(50), world_percent(50),
                                         world_percent(50), world_percent(50), world_percent(50),
                                         world_percent(50), world_percent(50), world_percent(50) };
        t->applications = w->applications;
        t->n_applications = w->can.role_update && world_percent(60) ? world_below(3) : 0;
}

static void make_person(World *w, size_t i) {
        static const char *const logins[] = { "l0", "l1", "l2", "l3", "l4", "l5",
                                              "l6", "l7", "l8", "l9", "L1", NULL };
        static char dns[WORLD_MAX][16], ids[WORLD_MAX][8];

        snprintf(dns[i], sizeof(dns[i]), "uid=%zu,o", i);
        snprintf(ids[i], sizeof(ids[i]), "p%02zu", i);
        w->marks[i] = world_below(1 << WORLD_GROUPS);
        w->people[i] = (Person){
                .id = ids[i],
                .dn = dns[i],
                .field = { logins[world_below(ELEMENTSOF(logins))],
                           world_percent(95) ? pick_address() : NULL,
                           world_percent(90) ? names[world_below(2)] : NULL,
                           names[world_percent(90) ? world_below(2) : 2],
                           world_percent(20) ? "Europe/Berlin" : NULL,
                           world_percent(30) ? numbers[world_below(3)] : NULL },
                .unreadable = world_percent(10) ? 1u << world_below(_PERSON_FIELD_MAX) : 0,
                .disabled = world_percent(10),
                .marks = &w->marks[i],
                .present = world_percent(75),
                .absent_for = world_below(4) * 10,
        };
}

static void make_account(World *w, size_t i) {
        static const char *const status[] = { "Active", "Pending", NULL, "on" };
        const char *id = world_new_id(w);
        size_t n = 0;

        for (size_t k = 0; k < 3; k++)
                if (world_percent(30))
                        w->account_roles[i][n++] = k < 2 ? apps_pool[k] : "Zzz";
        w->accounts[i] = (Account){
                .remote_id = id,
                .address = world_percent(95) ? pick_address() : NULL,
                .login = world_percent(50) ? id : world_percent(10) ? "Boss" : NULL,
                .first_name = names[world_below(3)],
                .last_name = names[world_below(3)],
                .timezone = world_percent(50) ? "UTC" : "Europe/Berlin",
                .role = world_percent(90) ? roles_pool[world_below(3)] : NULL,
                .roles = w->account_roles[i],
                .n_roles = w->can.role_update ? n : 0,
                .status = status[world_below(4)],
                .disabled = world_percent(15),
                .locked = world_percent(15),
        };
}

/* Remembers: worlds have few addresses. */
const char *world_key(const char *address) {
        static struct { char address[32], key[32]; bool valid; } known[64];
        static size_t n;
        char key[ADDRESS_MAX + 1];
        size_t i = 0;

        if (!address)
                return NULL;
        while (i < n && strcmp(known[i].address, address) != 0)
                i++;
        if (i == n) {
                if (n == ELEMENTSOF(known) || strlen(address) >= sizeof(known[i].address))
                        world_die("too many addresses");
                known[i].valid = address_key_buf(address, key, NULL) == 0;
                snprintf(known[i].address, sizeof(known[i].address), "%s", address);
                snprintf(known[i].key, sizeof(known[i].key), "%.31s", known[i].valid ? key : "");
                n++;
        }
        return known[i].valid ? known[i].key : NULL;
}

static void make_link(World *w, size_t i) {
        static char unknown[WORLD_MAX][8], address_keys[WORLD_MAX][32];
        const Account *a =
                world_percent(85) && w->n_accounts > 0 ? &w->accounts[world_below(w->n_accounts)] : NULL;
        const Person *p = world_percent(85) && w->n_people > 0 ? &w->people[world_below(w->n_people)] : NULL;
        const char *key;

        /* Mostly a person and an account stand in one link. */
        for (size_t k = 0; k < w->n_links && world_percent(95); k++) {
                if (p && str_eq(w->links[k].person, p->id))
                        p = NULL;
                if (a && str_eq(w->links[k].remote_id, a->remote_id))
                        a = NULL;
        }
        /* And have the same address. */
        if (a && p && world_percent(60)) {
                Account *changed = &w->accounts[a - w->accounts];

                if (world_key(p->field[PERSON_EMAIL]))
                        changed->address = p->field[PERSON_EMAIL];
        }
        key = world_key(a && world_percent(80) ? a->address : pick_address());
        snprintf(address_keys[i], sizeof(address_keys[i]), "%s", key ?: "");
        snprintf(unknown[i], sizeof(unknown[i]), "q%02zu", i);
        w->links[i] = (Link){
                .person = p ? p->id : unknown[i],
                .remote_id = a ? a->remote_id : world_new_id(w),
                .address = key ? address_keys[i] : NULL,
                .employee_number = world_percent(30) ? numbers[world_below(3)] : NULL,
                .role = world_percent(50) ? roles_pool[world_below(3)] : NULL,
                .since = (world_percent(90) ? world_below(990) : 990 + world_below(20)) * USEC_PER_MINUTE,
                .out_for = world_below(4) * 10,
                .was_disabled = world_percent(40),
        };
        w->n_links++;
}

void world_make(World *w) {
        memset(w, 0, sizeof(*w));
        make_config(w);
        w->begun = WORLD_BEGUN;
        w->absence_proven = world_percent(70);
        w->n_people = world_below(WORLD_MAX / 2 + 1);
        w->n_accounts = world_below(WORLD_MAX / 2 + 1);
        for (size_t i = 0; i < w->n_people; i++)
                make_person(w, i);
        for (size_t i = 0; i < w->n_accounts; i++)
                make_account(w, i);
        for (size_t n = world_below(WORLD_MAX / 3 + 1); w->n_links < n;)
                make_link(w, w->n_links);
        for (size_t n = world_percent(30) && w->n_accounts > 0 ? 1 + world_below(2) : 0; w->n_queued < n;) {
                static const ActionKind kinds[] = { ACTION_DELETE, ACTION_DISABLE, ACTION_RECREATE,
                                                    ACTION_RESET };

                w->queued[w->n_queued++] =
                        (Action){ .kind = kinds[world_below(4)],
                                  .person = "x",
                                  .remote_id = w->accounts[world_below(w->n_accounts)].remote_id };
        }
        if (world_percent(20) && w->n_accounts > 0)
                w->own_login = w->accounts[world_below(w->n_accounts)].remote_id;
}

/* ---- the plan of a world ---- */

/* The i-th of n, in order or in an order of its own. */
static size_t place(size_t i, size_t n, size_t step) {
        static const size_t primes[] = { 29, 31, 37, 41 };

        return step == 0 ? i : (i * primes[step % 4] + step) % n;
}

Plan *world_plan(const World *w, size_t step) {
        _cleanup_(people_freep) People *people = people_new();
        _cleanup_(accounts_freep) Accounts *accounts = accounts_new(w->begun);
        _cleanup_(links_freep) Links *links = links_new();
        Plan *plan = NULL;

        if (!people || !accounts || !links)
                world_die("out of memory");
        for (size_t i = 0; i < w->n_people; i++)
                if (people_add(people, &w->people[place(i, w->n_people, step)], WORLD_GROUPS) < 0)
                        world_die("people_add");
        for (size_t i = 0; i < w->n_accounts; i++)
                if (accounts_add(accounts, &w->accounts[place(i, w->n_accounts, step)]) != 0)
                        world_die("accounts_add");
        for (size_t i = 0; i < w->n_links; i++)
                if (links_add(links, &w->links[place(i, w->n_links, step)]) < 0)
                        world_die("links_add");
        if (diff_run(&(DiffInput){ .target = &w->target,
                                   .capabilities = &w->can,
                                   .n_groups = WORLD_GROUPS,
                                   .people = people,
                                   .accounts = accounts,
                                   .links = links,
                                   .absence_proven = w->absence_proven,
                                   .own_login = w->own_login,
                                   .queued = w->queued,
                                   .n_queued = w->n_queued },
                     &plan, NULL) != 0)
                world_die("diff_run");
        return plan;
}

void world_print(const World *w) {
        const TargetConfig *t = &w->target;

        printf("# create %d adopt %d leave %d grace %" PRIu64 " gone %d proven %d own %s\n", t->create,
               t->adopt, t->leave, t->leave_grace, t->gone, w->absence_proven, w->own_login ?: "-");
        for (size_t i = 0; i < w->n_people; i++) {
                const Person *p = &w->people[i];
                const char *role = NULL;

                printf("# person %s%s%s%s, %s, %s, number %s, unreadable %x, absent %" PRIu64 "\n", p->id,
                       p->present ? "" : " absent", p->disabled ? " disabled" : "",
                       world_wants(w, p, &role) ? " wanted" : "", p->field[PERSON_EMAIL] ?: "-", role ?: "-",
                       p->field[PERSON_EMPLOYEE_NUMBER] ?: "-", p->unreadable, p->absent_for);
        }
        for (size_t i = 0; i < w->n_accounts; i++)
                printf("# account %s%s, %s, %s, %s\n", w->accounts[i].remote_id,
                       w->accounts[i].disabled ? " disabled" : "", w->accounts[i].address ?: "-",
                       w->accounts[i].role ?: "-", w->accounts[i].status ?: "-");
        for (size_t i = 0; i < w->n_links; i++)
                printf("# link %s %s, %s, number %s, since %" PRIu64 ", out %" PRIu64 "\n",
                       w->links[i].person, w->links[i].remote_id, w->links[i].address ?: "-",
                       w->links[i].employee_number ?: "-", w->links[i].since, w->links[i].out_for);
}

const char *world_pick_person(const World *w) {
        if (w->n_links > 0 && world_percent(80))
                return w->links[world_below(w->n_links)].person;
        return w->n_people > 0 ? w->people[world_below(w->n_people)].id : "nobody";
}

const char *world_pick_account(const World *w, const char *person) {
        const Link *l = world_link(w, person, NULL, NULL);

        if (l && world_percent(75))
                return l->remote_id;
        return w->n_accounts > 0 && world_percent(90) ? w->accounts[world_below(w->n_accounts)].remote_id
                                                      : "r99";
}
