/* SPDX-License-Identifier: Apache-2.0 */
/* Small worlds, each with what the diff makes of it. Random ones: property-diff.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "model/plan.h"

#define N_GROUPS 3
#define HOUR USEC_PER_HOUR

static char name[] = "umbrella", utc[] = "UTC", admin_role[] = "Full Admin", reader_role[] = "Read Only";
static char breakglass[] = "breakglass@example.com", vendors[] = "*@vendor.example";
static int groups[] = { 0 };
static RoleRule rules[] = { { .group = 1, .role = admin_role }, { .group = -1, .role = reader_role } };
static char *last_of[] = { admin_role };
static char *patterns[] = { breakglass, vendors };

static TargetConfig target;
static Capabilities can;
static DiffInput in;
static People *people;
static Accounts *accounts;
static Links *links;
static Plan *plan;
static ErrCtx error;

static int setup(void **state) {
        (void) state;
        target = (TargetConfig){
                .name = name,
                .groups = groups,
                .n_groups = 1,
                .roles = rules,
                .n_roles = 2,
                .timezone = utc,
                .create = true,
                .adopt = ADOPT_EMAIL,
                .leave = LEAVE_DELETE,
                .leave_grace = 7 * USEC_PER_DAY,
                .protect = patterns,
                .n_protect = 2,
                .last_of = last_of,
                .n_last_of = 1,
        };
        can = (Capabilities){
                .create = true, .recreate = true, .delete = true, .needs_names = true, .has_roles = true
        };
        people = people_new();
        accounts = accounts_new(1000 * HOUR);
        links = links_new();
        in = (DiffInput){
                .target = &target,
                .capabilities = &can,
                .n_groups = N_GROUPS,
                .people = people,
                .accounts = accounts,
                .links = links,
                .absence_proven = true,
        };
        return 0;
}

static int teardown(void **state) {
        (void) state;
        people = people_free(people);
        accounts = accounts_free(accounts);
        links = links_free(links);
        plan = plan_free(plan);
        return 0;
}

/* Somebody who is present and in group 0. The address is ID@example.com; the caller may change the row. */
static Person *person(const char *id) {
        char dn[64], email[64];
        const uint64_t marks = 1;

        snprintf(dn, sizeof(dn), "uid=%s,dc=example", id);
        snprintf(email, sizeof(email), "%s@example.com", id);
        assert_int_equal(people_add(people,
                                    &(Person){
                                            .id = id,
                                            .dn = dn,
                                            .field = { id, email, "First", "Last" },
                                            .marks = &marks,
                                            .present = true,
                                    },
                                    N_GROUPS),
                         0);
        return &people->items[people->n - 1];
}

static void join(Person *p, size_t group) {
        marks_set((uint64_t *) p->marks, group);
}

static void quit(Person *p, size_t group) {
        ((uint64_t *) p->marks)[0] &= ~(UINT64_C(1) << group);
}

static Account *account(const char *id, const char *address) {
        assert_int_equal(accounts_add(accounts, &(Account){ .remote_id = id,
                                                            .address = address,
                                                            .first_name = "First",
                                                            .last_name = "Last",
                                                            .timezone = "UTC",
                                                            .role = "Read Only",
                                                            .status = "Active" }),
                         0);
        return &accounts->items[accounts->n - 1];
}

static Link *tie(const char *id, const char *remote_id) {
        char address[64];

        snprintf(address, sizeof(address), "%s@example.com", id);
        assert_int_equal(links_add(links, &(Link){ .person = id, .remote_id = remote_id, .address = address,
                                                   .role = "Read Only", .since = HOUR }),
                         0);
        return &links->items[links->n - 1];
}

/* A person, an account and their link; the account's position is the caller's way to it. */
static Person *linked(const char *id, const char *remote_id) {
        Person *p = person(id);

        account(remote_id, p->field[PERSON_EMAIL]);
        tie(id, remote_id);
        return p;
}

static void run(void) {
        plan = plan_free(plan);
        error = (ErrCtx){};
        if (diff_run(&in, &plan, &error) != 0)
                fail_msg("diff_run: %s", error.text);
        assert_int_equal(strlen(plan->hash), PLAN_HASH_LEN);
}

static void nothing(void) {
        run();
        if (plan->n_actions > 0)
                fail_msg("%s %s", action_kind_to_string(plan->actions[0].kind), plan->actions[0].person);
        if (plan->n_blocked > 0)
                fail_msg("blocked: %s: %s", plan->blocked[0].person, plan->blocked[0].reason);
        assert_int_equal(plan->n_drift, 0);
}

/* Exactly this. */
static const Action *only(ActionKind kind, const char *id) {
        run();
        if (plan->n_actions == 0 && plan->n_blocked > 0)
                fail_msg("blocked: %s: %s", plan->blocked[0].person, plan->blocked[0].reason);
        if (plan->n_actions == 0 && plan->n_notes > 0)
                fail_msg("noted: %s: %s", plan->notes[0].person, plan->notes[0].reason);
        assert_int_equal(plan->n_actions, 1);
        assert_string_equal(action_kind_to_string(plan->actions[0].kind), action_kind_to_string(kind));
        assert_string_equal(plan->actions[0].person, id);
        return &plan->actions[0];
}

static void blocked(const char *id, const char *why) {
        for (size_t i = 0; i < plan->n_blocked; i++)
                if (strcmp(plan->blocked[i].person, id) == 0) {
                        if (!strstr(plan->blocked[i].reason, why))
                                fail_msg("%s is blocked with \"%s\"", id, plan->blocked[i].reason);
                        return;
                }
        fail_msg("%s isn't blocked", id);
}

static void only_blocked(const char *id, const char *why) {
        run();
        assert_int_equal(plan->n_actions, 0);
        assert_int_equal(plan->n_blocked, 1);
        blocked(id, why);
}

static void noted(const char *id, PlanNoteKind kind) {
        for (size_t i = 0; i < plan->n_notes; i++)
                if (strcmp(plan->notes[i].person, id) == 0 && plan->notes[i].kind == kind)
                        return;
        fail_msg("nothing of kind %d is noted of %s", kind, id);
}

static void only_noted(const char *id, PlanNoteKind kind) {
        run();
        if (plan->n_actions > 0)
                fail_msg("%s %s", action_kind_to_string(plan->actions[0].kind), plan->actions[0].person);
        assert_int_equal(plan->n_blocked, 0);
        noted(id, kind);
}

static void drifts(const char *field, const char *directory, const char *there) {
        for (size_t i = 0; i < plan->n_drift; i++)
                if (strcmp(plan->drift[i].field, field) == 0) {
                        assert_string_equal(plan->drift[i].directory, directory);
                        assert_string_equal(plan->drift[i].account, there);
                        return;
                }
        fail_msg("no drift of %s", field);
}

/* ---- joining ---- */

static void test_empty(void **state) {
        (void) state;
        nothing();
        assert_int_equal(plan->n_linked + plan->n_in_scope + plan->n_notes, 0);
        assert_string_equal(plan->target, "umbrella");
}

static void test_in_step(void **state) {
        (void) state;
        linked("alice", "1");
        linked("bob", "2");
        account("3", "stranger@example.com");
        nothing();
        assert_int_equal(plan->n_notes, 0);
        assert_int_equal(plan->n_linked, 2);
        assert_int_equal(plan->n_in_scope, 2);
}

static void test_create(void **state) {
        Person *p = person("alice");
        const Action *a;

        (void) state;
        p->field[PERSON_EMAIL] = " Alice.X@Example.com\t";
        p->field[PERSON_FIRST_NAME] = "\xc2\xa0Zo\xc3\xab ";
        a = only(ACTION_CREATE, "alice");
        assert_string_equal(a->address, "Alice.X@Example.com");
        assert_null(a->remote_id);
        assert_true(!a->has_before && a->has_after);
        assert_string_equal(a->after.address, "Alice.X@Example.com");
        assert_string_equal(a->after.first_name, "Zo\xc3\xab");
        assert_string_equal(a->after.last_name, "Last");
        assert_string_equal(a->after.timezone, "UTC");
        assert_string_equal(a->after.role, "Read Only");
        assert_true(!a->after.login && !a->after.roles && !a->after.status);
        p->field[PERSON_TIMEZONE] = "Europe/Berlin";
        assert_string_equal(only(ACTION_CREATE, "alice")->after.timezone, "Europe/Berlin");
}

static void test_create_not_allowed(void **state) {
        (void) state;
        person("alice");
        target.create = false;
        only_noted("alice", NOTE_UNABLE);
        target.create = true;
        can.create = false;
        only_noted("alice", NOTE_UNABLE);
}

static void test_paused_is_planned(void **state) {
        (void) state;
        person("alice");
        target.paused = true;
        only(ACTION_CREATE, "alice");
}

static void test_roles(void **state) {
        Person *p = person("alice");

        (void) state;
        join(p, 1);
        assert_string_equal(only(ACTION_CREATE, "alice")->after.role, "Full Admin");
        /* The first row that matches. */
        rules[0].group = -1;
        quit(p, 1);
        assert_string_equal(only(ACTION_CREATE, "alice")->after.role, "Full Admin");
        rules[0].group = 1;
        /* Who matches none doesn't belong here. */
        target.n_roles = 1;
        nothing();
        assert_int_equal(plan->n_in_scope, 0);
        join(p, 1);
        only(ACTION_CREATE, "alice");
        /* No rows, no roles. */
        target.n_roles = 0;
        assert_null(only(ACTION_CREATE, "alice")->after.role);
}

static void test_groups(void **state) {
        static int two[] = { 0, 2 };
        Person *p = person("alice");

        (void) state;
        quit(p, 0);
        nothing();
        target.groups = two;
        target.n_groups = 2;
        nothing();
        join(p, 2);
        only(ACTION_CREATE, "alice");
        quit(p, 2);
        target.n_groups = 0;
        only(ACTION_CREATE, "alice");
        p->marks = NULL;
        only(ACTION_CREATE, "alice");
        p->disabled = true;
        nothing();
        p->disabled = false;
        p->present = false;
        nothing();
}

static void test_person_belongs(void **state) {
        Person *p = person("alice");

        (void) state;
        assert_true(diff_person_belongs(&target, N_GROUPS, p));
        p->disabled = true;
        assert_false(diff_person_belongs(&target, N_GROUPS, p));
        p->disabled = false;
        p->present = false;
        assert_false(diff_person_belongs(&target, N_GROUPS, p));
        p->present = true;
        quit(p, 0);
        assert_false(diff_person_belongs(&target, N_GROUPS, p));
}

static void test_unknown_role(void **state) {
        static const char *const known[] = { "FULL ADMIN", "Block Page Bypass" };

        (void) state;
        person("alice");
        in.known_roles = known;
        in.n_known_roles = 2;
        assert_int_equal(diff_run(&in, &plan, &error), PLAN_E_ROLE);
        assert_null(plan);
        assert_string_equal(error.text,
                            "targets[umbrella].roles: there is no role \"Read Only\" at the API; "
                            "it has \"FULL ADMIN\", \"Block Page Bypass\"");
        /* As the API writes it. */
        rules[1].role = admin_role;
        assert_string_equal(only(ACTION_CREATE, "alice")->after.role, "FULL ADMIN");
        rules[1].role = reader_role;
        in.n_known_roles = 0;
        assert_int_equal(diff_run(&in, &plan, &error), PLAN_E_ROLE);
}

static void test_adopt(void **state) {
        const Action *a;

        (void) state;
        person("alice");
        account("1", "ALICE@example.com");
        account("2", "other@example.com");
        a = only(ACTION_ADOPT, "alice");
        assert_string_equal(a->remote_id, "1");
        assert_true(a->has_before && !a->has_after);
        assert_string_equal(a->before.address, "ALICE@example.com");
        assert_string_equal(a->before.role, "Read Only");
        assert_false(plan->adopts_and_changes);
        assert_int_equal(plan_n_acts(plan), 0);
        target.create = false;
        only(ACTION_ADOPT, "alice");
        target.adopt = ADOPT_NEVER;
        only_noted("alice", NOTE_FOREIGN);
}

static void test_adopt_and_change(void **state) {
        const Action *a;

        (void) state;
        person("alice");
        account("1", "alice@example.com")->role = "Full Admin";
        a = only(ACTION_ADOPT, "alice");
        assert_true(plan->adopts_and_changes && a->has_after);
        assert_string_equal(a->before.role, "Full Admin");
        assert_string_equal(a->after.role, "Read Only");
        /* An API that can't change it. */
        can.recreate = false;
        a = only(ACTION_ADOPT, "alice");
        assert_true(!plan->adopts_and_changes && !a->has_after);
        drifts("role", "Read Only", "Full Admin");
}

static void test_two_accounts(void **state) {
        (void) state;
        person("alice");
        person("bob");
        account("12", "alice@example.com");
        account("11", "Alice@Example.com");
        run();
        blocked("alice", "2 accounts have the address alice@example.com, among them 11 and 12");
        assert_int_equal(plan->n_blocked, 1);
        only(ACTION_CREATE, "bob");
        account("10", "Alice@Example.COM");
        run();
        blocked("alice", "3 accounts have the address alice@example.com, among them 10 and 11");
}

static void test_account_of_another(void **state) {
        Person *bob;

        (void) state;
        /* Bob got another address, and Alice his old one; his account can't follow. */
        bob = linked("bob", "1");
        bob->field[PERSON_EMAIL] = "robert@example.com";
        person("alice")->field[PERSON_EMAIL] = "bob@example.com";
        run();
        assert_int_equal(plan->n_actions, 0);
        assert_int_equal(plan->n_blocked, 1);
        blocked("alice", "the account 1 with its address belongs to uid=bob,dc=example");
        drifts("email", "robert@example.com", "bob@example.com");
}

/* ---- who can't be dealt with ---- */

static void test_missing(void **state) {
        Person *p = person("alice");

        (void) state;
        p->field[PERSON_EMAIL] = NULL;
        only_blocked("alice", "directory.attributes.email is missing");
        assert_null(plan->blocked[0].address);
        p->field[PERSON_EMAIL] = " ";
        only_blocked("alice", "directory.attributes.email is missing");
        p->field[PERSON_EMAIL] = "alice";
        only_blocked("alice", "directory.attributes.email is not an address: it has no '@'");
        p->field[PERSON_EMAIL] = "alice@example.com";
        p->field[PERSON_FIRST_NAME] = NULL;
        only_blocked("alice", "directory.attributes.first_name is missing");
        p->field[PERSON_FIRST_NAME] = "First";
        p->field[PERSON_LAST_NAME] = "  ";
        only_blocked("alice", "directory.attributes.last_name is missing");
        can.needs_names = false;
        only(ACTION_CREATE, "alice");
        assert_null(plan->actions[0].after.last_name);
        can.needs_login = true;
        p->field[PERSON_LOGIN] = NULL;
        only_blocked("alice", "directory.attributes.login is missing");
        /* Nobody who doesn't belong here. */
        quit(p, 0);
        nothing();
}

static void test_unreadable(void **state) {
        Person *p = person("alice");

        (void) state;
        p->unreadable = 1 << PERSON_LAST_NAME;
        p->field[PERSON_LAST_NAME] = NULL;
        only_blocked("alice", "directory.attributes.last_name can't be read");
        /* What isn't required doesn't block, and isn't used. */
        p->field[PERSON_LAST_NAME] = "Last";
        p->unreadable = 1 << PERSON_TIMEZONE | 1 << PERSON_LOGIN;
        p->field[PERSON_TIMEZONE] = "Mars";
        assert_string_equal(only(ACTION_CREATE, "alice")->after.timezone, "UTC");
        p->unreadable = 1 << PERSON_EMAIL;
        only_blocked("alice", "directory.attributes.email can't be read");
}

/* Whatever else is true of them, nothing happens to a blocked person's account. */
static void test_blocked_are_no_leavers(void **state) {
        Person *p = linked("alice", "1");

        (void) state;
        links->items[0].out_for = 100 * USEC_PER_DAY;
        p->field[PERSON_EMAIL] = NULL;
        only_blocked("alice", "missing");
        p->disabled = true;
        only_blocked("alice", "missing");
        p->disabled = false;
        quit(p, 0);
        only_blocked("alice", "missing");
        target.leave = LEAVE_DISABLE;
        can.disable = true;
        p->disabled = true;
        only_blocked("alice", "missing");
}

static void test_duplicates(void **state) {
        Person *eve;

        (void) state;
        linked("alice", "1");
        linked("bob", "2")->field[PERSON_EMAIL] = "ALICE@example.com";
        person("carol");
        only(ACTION_CREATE, "carol");
        assert_int_equal(plan->n_blocked, 2);
        blocked("alice", "the address alice@example.com is also that of uid=bob,dc=example");
        blocked("bob", "the address alice@example.com is also that of uid=alice,dc=example");
        /* Of a disabled person, or of one who doesn't belong here: it is the directory that has it twice. */
        people->items[1].disabled = true;
        only(ACTION_CREATE, "carol");
        assert_int_equal(plan->n_blocked, 2);
        eve = person("eve");
        eve->field[PERSON_EMAIL] = "carol@example.com";
        quit(eve, 0);
        run();
        assert_int_equal(plan->n_actions, 0);
        assert_int_equal(plan->n_blocked, 4);
        blocked("carol", "uid=eve,dc=example");
        blocked("eve", "uid=carol,dc=example");
        /* Not of one who is gone. */
        eve->present = false;
        only(ACTION_CREATE, "carol");
        /* And nobody's business where neither belongs. */
        eve->present = true;
        quit(&people->items[2], 0);
        run();
        assert_int_equal(plan->n_blocked, 2);
}

static void test_many_duplicates(void **state) {
        char id[8];

        (void) state;
        for (unsigned i = 9; i > 0; i--) {
                snprintf(id, sizeof(id), "p%u", i);
                person(id)->field[PERSON_EMAIL] = i < 7 ? "same@example.com" : "other@example.com";
        }
        run();
        assert_int_equal(plan->n_actions, 0);
        assert_int_equal(plan->n_blocked, 9);
        blocked("p5",
                "is also that of uid=p1,dc=example and uid=p2,dc=example and uid=p3,dc=example and 2 more");
        blocked("p1",
                "is also that of uid=p2,dc=example and uid=p3,dc=example and uid=p4,dc=example and 2 more");
        blocked("p9", "is also that of uid=p7,dc=example and uid=p8,dc=example");
}

static void test_duplicate_logins(void **state) {
        (void) state;
        person("alice")->field[PERSON_LOGIN] = "Same";
        person("bob")->field[PERSON_LOGIN] = "same";
        run();
        assert_int_equal(plan->n_actions, 2);
        can.needs_login = true;
        run();
        assert_int_equal(plan->n_actions, 0);
        blocked("alice", "the login same is also that of uid=bob,dc=example");
}

static void test_ambiguous_links(void **state) {
        (void) state;
        linked("alice", "1");
        person("bob");
        tie("bob", "1");
        run();
        assert_int_equal(plan->n_actions, 0);
        blocked("alice", "several links");
        blocked("bob", "several links");
        /* Gone people too. */
        people->items[0].present = people->items[1].present = false;
        people->items[0].absent_for = people->items[1].absent_for = 100 * USEC_PER_DAY;
        only_noted("alice", NOTE_UNABLE);
        noted("bob", NOTE_UNABLE);
}

/* ---- changes ---- */

static void test_role_change(void **state) {
        Person *p = linked("alice", "1");
        const Action *a;

        (void) state;
        join(p, 1);
        a = only(ACTION_RECREATE, "alice");
        assert_string_equal(a->remote_id, "1");
        assert_string_equal(a->before.role, "Read Only");
        assert_string_equal(a->before.last_name, "Last");
        assert_string_equal(a->after.role, "Full Admin");
        can.role_update = true;
        only(ACTION_UPDATE, "alice");
        in.absence_proven = false;
        only_noted("alice", NOTE_UNPROVEN);
        in.absence_proven = true;
        can.role_update = can.recreate = false;
        run();
        assert_int_equal(plan->n_actions, 0);
        drifts("role", "Full Admin", "Read Only");
        /* Labels are compared without case; one that isn't told is none that differs. */
        can.recreate = true;
        accounts->items[0].role = "FULL admin";
        nothing();
        accounts->items[0].role = NULL;
        nothing();
        accounts->items[0].role = "";
        nothing();
}

static void test_drift(void **state) {
        Person *p = linked("alice", "1");

        (void) state;
        p->field[PERSON_FIRST_NAME] = "Alicia";
        p->field[PERSON_LAST_NAME] = "Miller";
        p->field[PERSON_EMAIL] = "alicia@example.com";
        p->field[PERSON_TIMEZONE] = "Europe/Berlin";
        run();
        assert_int_equal(plan->n_actions + plan->n_blocked, 0);
        assert_int_equal(plan->n_drift, 4);
        drifts("first_name", "Alicia", "First");
        drifts("last_name", "Miller", "Last");
        drifts("email", "alicia@example.com", "alice@example.com");
        drifts("timezone", "Europe/Berlin", "UTC");
        can.name_update = true;
        assert_string_equal(only(ACTION_UPDATE, "alice")->after.last_name, "Miller");
        assert_int_equal(plan->n_drift, 0);
        /* Names take nothing away: no proof is needed. */
        in.absence_proven = false;
        only(ACTION_UPDATE, "alice");
}

/* One that is changed keeps the rest, and gets no address that another one has. */
static void test_update_keeps_the_rest(void **state) {
        Person *p = linked("alice", "1");
        const Action *a;

        (void) state;
        can.role_update = can.name_update = true;
        p->field[PERSON_LAST_NAME] = "Miller";
        accounts->items[0].role = NULL;
        a = only(ACTION_UPDATE, "alice");
        assert_null(a->after.role);
        assert_string_equal(a->after.last_name, "Miller");
        can.name_update = false;
        accounts->items[0].role = "Full Admin";
        target.n_last_of = 0;
        a = only(ACTION_UPDATE, "alice");
        assert_string_equal(a->after.role, "Read Only");
        assert_string_equal(a->after.last_name, "Last");
        drifts("last_name", "Miller", "Last");
}

static void test_address_is_taken(void **state) {
        Person *p = linked("alice", "1");

        (void) state;
        account("2", "new@example.com");
        p->field[PERSON_EMAIL] = "New@example.com";
        run();
        assert_int_equal(plan->n_actions + plan->n_blocked, 0);
        drifts("email", "New@example.com", "alice@example.com");
        can.name_update = true;
        only_blocked("alice", "the account 2 has its address, and isn't its own");
        can.name_update = false;
        join(p, 1);
        only_blocked("alice", "the account 2 has its address, and isn't its own");
        can.role_update = true;
        assert_string_equal(only(ACTION_UPDATE, "alice")->after.address, "alice@example.com");
}

static void test_no_drift(void **state) {
        Person *p = linked("alice", "1");

        (void) state;
        p->field[PERSON_FIRST_NAME] = "Zo\xc3\xab";
        accounts->items[0].first_name = " Zoe\xcc\x88";
        accounts->items[0].last_name = "";
        p->field[PERSON_EMAIL] = "ALICE@example.com";
        /* The default of the target is not what the directory says. */
        accounts->items[0].timezone = "Europe/Berlin";
        nothing();
        accounts->items[0].last_name = NULL;
        accounts->items[0].timezone = NULL;
        p->field[PERSON_TIMEZONE] = "UTC";
        nothing();
}

static void test_returner(void **state) {
        Person *p = linked("alice", "1");
        const Action *a;

        (void) state;
        accounts->items[0].disabled = true;
        join(p, 1);
        target.leave = LEAVE_DISABLE;
        can.disable = true;
        a = only(ACTION_ENABLE, "alice");
        assert_string_equal(a->before.status, "disabled");
        assert_string_equal(a->after.status, "enabled");
        /* Somebody else disabled it: we never do. */
        target.leave = LEAVE_DELETE;
        only(ACTION_RECREATE, "alice");
        drifts("status", "enabled", "Active");
}

/* A lock goes only with the directory's own, and whatever happens to leavers. */
static void test_lock(void **state) {
        static const LeavePolicy leaves[] = { LEAVE_KEEP, LEAVE_DISABLE };
        const Action *a;

        (void) state;
        linked("alice", "1");
        accounts->items[0].locked = true;
        can.disable = can.unlock = true;
        for (size_t i = 0; i < ELEMENTSOF(leaves); i++) {
                target.leave = leaves[i];
                links->items[0].was_disabled = false;
                nothing();
                links->items[0].was_disabled = true;
                a = only(ACTION_ENABLE, "alice");
                assert_string_equal(a->before.status, "locked");
                assert_string_equal(a->after.status, "unlocked");
                assert_null(a->after.roles);
        }
        /* With the enabling, in one. */
        accounts->items[0].disabled = true;
        a = only(ACTION_ENABLE, "alice");
        assert_string_equal(a->after.status, "enabled");
        /* Somebody disabled it by hand: it isn't half touched. */
        target.leave = LEAVE_KEEP;
        run();
        assert_int_equal(plan->n_actions, 0);
        drifts("status", "enabled", "Active");
        accounts->items[0].disabled = false;
        can.unlock = false;
        nothing();
        can.unlock = true;
        people->items[0].disabled = true;
        run();
        assert_int_equal(plan->n_actions, 0);
}

static void test_applications(void **state) {
        static char p6[] = "P6", unifier[] = "Unifier";
        static char *first[] = { p6 }, *second[] = { unifier, p6 };
        ApplicationRule applications[] = { { .group = 0, .names = first, .n_names = 1 },
                                           { .group = 1, .names = second, .n_names = 2 } };
        static const char *const has[] = { "Foreign", "P6" };
        Person *p = linked("alice", "1");
        const Action *a;

        (void) state;
        target.n_roles = 0;
        target.applications = applications;
        target.n_applications = 2;
        can = (Capabilities){ .create = true, .role_update = true, .disable = true, .needs_login = true };
        accounts->items[0].role = NULL;
        accounts->items[0].login = "Alice-at-API";
        accounts->items[0].roles = has;
        accounts->items[0].n_roles = 2;
        run();
        assert_int_equal(plan->n_actions, 0);
        drifts("login", "alice", "Alice-at-API");
        /* All rows that match; foreign ones stay, and so does the login. */
        join(p, 1);
        a = only(ACTION_UPDATE, "alice");
        assert_int_equal(a->after.n_roles, 3);
        assert_string_equal(a->after.roles[0], "Foreign");
        assert_string_equal(a->after.roles[1], "P6");
        assert_string_equal(a->after.roles[2], "Unifier");
        assert_string_equal(a->after.login, "Alice-at-API");
        assert_int_equal(a->before.n_roles, 2);
        applications[0].group = 2;
        quit(p, 1);
        a = only(ACTION_UPDATE, "alice");
        assert_int_equal(a->after.n_roles, 1);
        assert_string_equal(a->after.roles[0], "Foreign");
        in.absence_proven = false;
        only_noted("alice", NOTE_UNPROVEN);
}

/* ---- leaving ---- */

static void test_keep(void **state) {
        Person *p = linked("alice", "1");

        (void) state;
        target.leave = LEAVE_KEEP;
        p->present = false;
        p->absent_for = 100 * USEC_PER_DAY;
        only_noted("alice", NOTE_KEPT);
        p->present = true;
        p->disabled = true;
        only_noted("alice", NOTE_KEPT);
        assert_string_equal(plan->notes[0].address, "alice@example.com");
        assert_string_equal(plan->notes[0].remote_id, "1");
        people->n = 0;
        only_noted("alice", NOTE_KEPT);
        assert_int_equal(plan->n_linked, 1);
        assert_int_equal(plan->n_in_scope, 0);
}

static void test_delete(void **state) {
        Person *p = linked("alice", "1");
        const Action *a;

        (void) state;
        p->present = false;
        p->absent_for = target.leave_grace - 1;
        only_noted("alice", NOTE_GRACE);
        p->absent_for++;
        a = only(ACTION_DELETE, "alice");
        assert_string_equal(a->remote_id, "1");
        assert_string_equal(a->address, "alice@example.com");
        assert_true(a->has_before && !a->has_after);
        in.absence_proven = false;
        only_noted("alice", NOTE_UNPROVEN);
        in.absence_proven = true;
        can.delete = false;
        only_noted("alice", NOTE_UNABLE);
        /* Nothing to do where the account is gone as well. */
        can.delete = true;
        links->items[0].remote_id = "9";
        run();
        assert_int_equal(plan->n_actions + plan->n_notes, 0);
}

/* What the row doesn't know the link does: out of scope, or the row forgotten. */
static void test_delete_out_of_scope(void **state) {
        Person *p = linked("alice", "1");

        (void) state;
        quit(p, 0);
        only_noted("alice", NOTE_GRACE);
        links->items[0].out_for = target.leave_grace;
        only(ACTION_DELETE, "alice");
        in.absence_proven = false;
        only_noted("alice", NOTE_UNPROVEN);
        in.absence_proven = true;
        people->n = 0;
        assert_string_equal(only(ACTION_DELETE, "alice")->address, "alice@example.com");
        links->items[0].out_for--;
        only_noted("alice", NOTE_GRACE);
        target.leave_grace = 0;
        only(ACTION_DELETE, "alice");
}

/* The entry itself is the proof. */
static void test_disabled_person(void **state) {
        Person *p = linked("alice", "1");

        (void) state;
        in.absence_proven = false;
        p->disabled = true;
        only_noted("alice", NOTE_GRACE);
        links->items[0].out_for = target.leave_grace;
        only(ACTION_DELETE, "alice");
        p->present = false;
        only_noted("alice", NOTE_UNPROVEN);
}

static void test_disable(void **state) {
        Person *p = linked("alice", "1");
        const Action *a;

        (void) state;
        target.leave = LEAVE_DISABLE;
        can.disable = true;
        p->present = false;
        /* At once: no grace. */
        a = only(ACTION_DISABLE, "alice");
        assert_string_equal(a->before.status, "enabled");
        assert_string_equal(a->after.status, "disabled");
        in.absence_proven = false;
        only_noted("alice", NOTE_UNPROVEN);
        in.absence_proven = true;
        accounts->items[0].disabled = true;
        nothing();
        accounts->items[0].disabled = false;
        can.disable = false;
        only_noted("alice", NOTE_UNABLE);
}

static void test_disable_takes_roles(void **state) {
        static const char *const roles[] = { "Foreign", "P6" };
        Person *p = linked("alice", "1");
        const Action *a;

        (void) state;
        target.leave = LEAVE_DISABLE;
        can.disable = can.disable_takes_roles = true;
        p->present = false;
        accounts->items[0].roles = roles;
        accounts->items[0].n_roles = 2;
        a = only(ACTION_DISABLE, "alice");
        assert_int_equal(a->before.n_roles, 2);
        assert_non_null(a->after.roles);
        assert_int_equal(a->after.n_roles, 0);
        /* Disabled by hand, or half-way: roles are left. */
        accounts->items[0].disabled = true;
        a = only(ACTION_DISABLE, "alice");
        assert_string_equal(a->before.status, "disabled");
        accounts->items[0].n_roles = 0;
        nothing();
}

/* A login that an account with another address has blocks, whatever its case, and by name. */
static void test_login_taken(void **state) {
        (void) state;
        can.needs_login = true;
        person("alice");
        only(ACTION_CREATE, "alice");
        account("ALICE", "other@example.com")->login = "ALICE";
        run();
        assert_int_equal(plan->n_actions, 0);
        assert_int_equal(plan->n_blocked, 1);
        assert_string_equal(plan->blocked[0].reason,
                            "the login ALICE is that of the account with the address other@example.com");
        can.needs_login = false;
        only(ACTION_CREATE, "alice");
        /* Any letter has a case. */
        can.needs_login = true;
        accounts->items[0].login = accounts->items[0].remote_id = "M\xc3\x9cLLER";
        only(ACTION_CREATE, "alice");
        people->items[0].field[PERSON_LOGIN] = "m\xc3\xbcller";
        run();
        assert_int_equal(plan->n_actions, 0);
        assert_non_null(strstr(plan->blocked[0].reason, "the login M\xc3\x9cLLER is that of the account"));
}

static void test_protected(void **state) {
        Person *p = linked("breakglass", "1");

        (void) state;
        join(p, 1);
        only_noted("breakglass", NOTE_PROTECTED);
        p->present = false;
        p->absent_for = 100 * USEC_PER_DAY;
        only_noted("breakglass", NOTE_PROTECTED);
        /* Neither adopted nor created. */
        links->n = 0;
        p->present = true;
        only_noted("breakglass", NOTE_PROTECTED);
        person("bob")->field[PERSON_EMAIL] = "bob@vendor.example";
        only_noted("bob", NOTE_PROTECTED);
}

static void test_last_admin(void **state) {
        (void) state;
        linked("alice", "1");
        linked("bob", "2");
        linked("carol", "3");
        accounts->items[0].role = accounts->items[1].role = "Full Admin";
        /* Two demotions, of which one is carried out. */
        only(ACTION_RECREATE, "alice");
        noted("bob", NOTE_LAST_OF);
        /* A promotion isn't one yet. */
        join(&people->items[2], 1);
        run();
        assert_int_equal(plan->n_actions, 2);
        noted("bob", NOTE_LAST_OF);
        /* What was queued before counts as gone. */
        in.queued = &(Action){ .kind = ACTION_DELETE, .person = "bob", .remote_id = "2" };
        in.n_queued = 1;
        run();
        assert_int_equal(plan->count[ACTION_RECREATE], 2);
        noted("alice", NOTE_LAST_OF);
}

static void test_own_user(void **state) {
        (void) state;
        linked("alice", "1")->present = false;
        people->items[0].absent_for = 100 * USEC_PER_DAY;
        accounts->items[0].login = "API-user";
        in.own_login = "api-user";
        only_noted("alice", NOTE_OWN_USER);
}

/* ---- gone accounts ---- */

static void test_gone(void **state) {
        (void) state;
        person("alice");
        tie("alice", "1");
        target.gone = GONE_HOLD;
        only(ACTION_CREATE, "alice");
        assert_true(plan->has_gone_create);
        assert_int_equal(plan->n_linked, 0);
        noted("alice", NOTE_GONE);
        target.gone = GONE_CREATE;
        only(ACTION_CREATE, "alice");
        assert_false(plan->has_gone_create);
        target.gone = GONE_REPORT;
        only_noted("alice", NOTE_GONE);
        /* An ordinary create is none of a gone account. */
        links->items[0].since = accounts->begun;
        target.gone = GONE_HOLD;
        person("bob");
        only(ACTION_CREATE, "bob");
        assert_false(plan->has_gone_create);
}

/* A listing that is older than the link can't have the account, and one that began soon after may not
 * have it yet. */
static void test_young_is_not_gone(void **state) {
        const usec_t ages[] = { 0, 1, 10 * USEC_PER_MINUTE - 1 };

        (void) state;
        person("alice");
        tie("alice", "1");
        target.gone = GONE_CREATE;
        for (size_t i = 0; i < ELEMENTSOF(ages); i++) {
                links->items[0].since = accounts->begun - ages[i];
                run();
                assert_int_equal(plan->n_actions + plan->n_notes + plan->n_blocked, 0);
                assert_int_equal(plan->n_linked, 1);
        }
        links->items[0].since = accounts->begun + HOUR;
        run();
        assert_int_equal(plan->n_actions, 0);
        links->items[0].since = accounts->begun - 10 * USEC_PER_MINUTE;
        only(ACTION_CREATE, "alice");
        assert_int_equal(plan->n_linked, 0);
}

static void test_gone_and_back(void **state) {
        (void) state;
        person("alice");
        tie("alice", "1");
        account("7", "alice@example.com");
        assert_string_equal(only(ACTION_ADOPT, "alice")->remote_id, "7");
        assert_false(plan->has_gone_create);
        target.adopt = ADOPT_NEVER;
        only_noted("alice", NOTE_FOREIGN);
}

/* ---- relinks ---- */

static void test_relink(void **state) {
        Person *p;
        const Action *a;

        (void) state;
        /* The old entry is gone, its account still there: by the link's address. */
        account("1", "old@example.com");
        links_add(links, &(Link){ .person = "gone", .remote_id = "1", .address = "alice@example.com",
                                  .employee_number = "42", .out_for = 100 * USEC_PER_DAY });
        p = person("alice");
        a = only(ACTION_RELINK, "alice");
        assert_true(plan->has_relink);
        assert_string_equal(a->remote_id, "1");
        noted("gone", NOTE_RELINK);
        /* By the employee number. */
        p->field[PERSON_EMAIL] = "new@example.com";
        run();
        assert_true(plan->count[ACTION_DELETE] == 1 && plan->count[ACTION_CREATE] == 1);
        p->field[PERSON_EMPLOYEE_NUMBER] = "42";
        only(ACTION_RELINK, "alice");
        p->unreadable = 1 << PERSON_EMPLOYEE_NUMBER;
        run();
        assert_int_equal(plan->count[ACTION_CREATE], 1);
        /* By the account's address of today. */
        p->field[PERSON_EMAIL] = "OLD@example.com";
        only(ACTION_RELINK, "alice");
        /* Nothing is decided on a read that proves nothing. */
        in.absence_proven = false;
        only_noted("alice", NOTE_UNPROVEN);
        in.absence_proven = true;
        /* Who is there, or whose account is not, leaves nothing to take over. */
        p->unreadable = 0;
        links->items[0].remote_id = "9";
        only(ACTION_ADOPT, "alice");
}

static void test_relink_of_the_present(void **state) {
        Person *bob = linked("bob", "1");

        (void) state;
        links->items[0].employee_number = "42";
        person("alice")->field[PERSON_EMPLOYEE_NUMBER] = "42";
        only(ACTION_CREATE, "alice");
        bob->present = false;
        only(ACTION_RELINK, "alice");
        /* An entry that doesn't belong here claims nothing. */
        quit(&people->items[1], 0);
        only_noted("bob", NOTE_GRACE);
}

static void test_relink_blocked(void **state) {
        Person *p;

        (void) state;
        linked("gone", "1")->present = false;
        links->items[0].employee_number = "42";
        links->items[0].out_for = 100 * USEC_PER_DAY;
        p = person("alice");
        p->field[PERSON_EMPLOYEE_NUMBER] = "42";
        p->field[PERSON_EMAIL] = NULL;
        only_blocked("alice", "missing");
        noted("gone", NOTE_RELINK);
        p->field[PERSON_EMAIL] = "a@example.com";
        person("bob")->field[PERSON_EMPLOYEE_NUMBER] = "42";
        run();
        assert_int_equal(plan->n_actions, 0);
        blocked("alice", "several entries may be uid=gone,dc=example");
        blocked("bob", "several entries may be uid=gone,dc=example");
}

static void test_relink_ambiguous(void **state) {
        Person *p;

        (void) state;
        linked("gone1", "1")->present = false;
        linked("gone2", "2")->present = false;
        links->items[0].out_for = links->items[1].out_for = 100 * USEC_PER_DAY;
        links->items[1].employee_number = "42";
        p = person("alice");
        p->field[PERSON_EMAIL] = "gone1@example.com";
        p->field[PERSON_EMPLOYEE_NUMBER] = "42";
        only_blocked("alice",
                     "may be one of several people whose entries are gone: uid=gone1,dc=example and "
                     "uid=gone2,dc=example");
        noted("gone1", NOTE_RELINK);
        noted("gone2", NOTE_RELINK);
        /* A number that several had says nothing beside an address, and too much alone. */
        links->items[0].employee_number = "42";
        p = &people->items[2];
        run();
        assert_int_equal(plan->count[ACTION_RELINK], 1);
        p->field[PERSON_EMAIL] = "alice@example.com";
        only_blocked("alice", "had its employee number");
        noted("gone1", NOTE_RELINK);
        noted("gone2", NOTE_RELINK);
        links->items[0].address = links->items[1].address = "alice@example.com";
        only_blocked("alice", "had its address");
}

/* A released id's address may be that of a stranger's account as well. */
static void test_leaver_keeps_address(void **state) {
        (void) state;
        linked("bob", "1")->disabled = true;
        people->items[0].field[PERSON_EMAIL] = "bob.old@example.com";
        person("alice")->field[PERSON_EMAIL] = "bob@example.com";
        run();
        blocked("alice", "belongs to uid=bob,dc=example");
        noted("bob", NOTE_GRACE);
        assert_int_equal(plan->n_actions, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_empty),
                TEST(test_in_step),
                TEST(test_create),
                TEST(test_create_not_allowed),
                TEST(test_paused_is_planned),
                TEST(test_roles),
                TEST(test_groups),
                TEST(test_person_belongs),
                TEST(test_unknown_role),
                TEST(test_adopt),
                TEST(test_adopt_and_change),
                TEST(test_two_accounts),
                TEST(test_account_of_another),
                TEST(test_missing),
                TEST(test_unreadable),
                TEST(test_blocked_are_no_leavers),
                TEST(test_duplicates),
                TEST(test_many_duplicates),
                TEST(test_duplicate_logins),
                TEST(test_ambiguous_links),
                TEST(test_role_change),
                TEST(test_drift),
                TEST(test_update_keeps_the_rest),
                TEST(test_address_is_taken),
                TEST(test_no_drift),
                TEST(test_returner),
                TEST(test_lock),
                TEST(test_applications),
                TEST(test_keep),
                TEST(test_delete),
                TEST(test_delete_out_of_scope),
                TEST(test_disabled_person),
                TEST(test_disable),
                TEST(test_disable_takes_roles),
                TEST(test_login_taken),
                TEST(test_protected),
                TEST(test_last_admin),
                TEST(test_own_user),
                TEST(test_gone),
                TEST(test_young_is_not_gone),
                TEST(test_gone_and_back),
                TEST(test_relink),
                TEST(test_relink_of_the_present),
                TEST(test_relink_blocked),
                TEST(test_relink_ambiguous),
                TEST(test_leaver_keeps_address),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
