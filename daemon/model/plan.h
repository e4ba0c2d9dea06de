/* SPDX-License-Identifier: Apache-2.0 */
/* The difference between people and accounts of one target, and whether it may go ahead. Pure functions. */
#pragma once

#include "config/config.h"
#include "model/account.h"
#include "model/action.h"
#include "model/person.h"

#define PLAN_HASH_LEN 12

/* dn: for people's eyes; NULL where the directory gave none. */
typedef struct PlanBlocked { const char *person, *dn, *address, *reason; } PlanBlocked;
typedef struct PlanDrift { const char *person, *dn, *field, *directory, *account; } PlanDrift;
/* Somebody that the plan knowingly leaves alone, or acts upon with a remark. */
typedef enum PlanNoteKind {
        NOTE_PROTECTED, /* the address is in `protect` */
        NOTE_LAST_OF, /* the last active account of a `last_of` role */
        NOTE_OWN_USER, /* the API's own user */
        NOTE_FOREIGN, /* adopt = "never": somebody else's account has the person's address */
        NOTE_KEPT, /* a leaver; leave = "keep" */
        NOTE_GRACE, /* a leaver; leave_grace still runs */
        NOTE_UNPROVEN, /* something would be taken away, but the last read proves no absence */
        NOTE_GONE, /* the linked account was removed at the API */
        NOTE_RELINK, /* the link is claimed by an entry with another id: the account is left alone */
        NOTE_UNABLE, /* the API, or the configuration (create = false), doesn't allow what would be needed */
        _PLAN_NOTE_KIND_MAX,
} PlanNoteKind;
typedef struct PlanNote {
        PlanNoteKind kind;
        const char *person, *address, *remote_id, *reason;      /* address and remote_id may be NULL */
} PlanNote;

/* Owns all that it points to, but `target`. No times stand in it: the same world gives the same plan. */
typedef struct Plan {
        const char *target;
        Action *actions;                /* canonical order: kind, person, address */
        size_t n_actions;
        PlanBlocked *blocked; /* this and the next two: by person; a person stands in blocked once */
        size_t n_blocked;
        PlanDrift *drift;
        size_t n_drift;
        PlanNote *notes;
        size_t n_notes;
        size_t count[_ACTION_KIND_MAX];
        size_t n_linked;                /* links of this target, those whose account is gone not counted */
        size_t n_in_scope;              /* people who belong at this target, blocked ones too */
        /* Some account would be adopted and changed in one go: such an adoption has an `after`. */
        bool adopts_and_changes;
        bool has_relink, has_gone_create;
        char hash[PLAN_HASH_LEN + 1];   /* over target and actions; of an empty plan too */
        Arena *arena;
} Plan;
/* target is borrowed. NULL when out of memory. */
Plan *plan_new(const char *target);
Plan *plan_free(Plan *plan);
DEFINE_CLEANUP(Plan *, plan_free);
/* Copies. 0, -ENOMEM. The lists are out of order, and counts and hash wrong, until plan_finish(). */
int plan_add_action(Plan *plan, const Action *a);
int plan_add_blocked(Plan *plan, const PlanBlocked *b);
int plan_add_drift(Plan *plan, const PlanDrift *d);
int plan_add_note(Plan *plan, const PlanNote *n);
/* Puts the lists in order, counts and hashes. 0, -ENOMEM. */
int plan_finish(Plan *plan);
/* Actions that are acts: adoptions aren't. */
size_t plan_n_acts(const Plan *plan);

/* What an API can do, as data (target/target.h fills it). */
typedef struct Capabilities {
        bool create, role_update, recreate, disable, unlock, delete, reset;
        bool name_update, needs_names, needs_login;
        bool has_roles;                 /* one role by label per account */
        bool disable_takes_roles;       /* disabling leaves access: a leaver's application roles go too */
} Capabilities;

typedef struct DiffInput {
        const TargetConfig *target;
        const Capabilities *capabilities;
        size_t n_groups;                /* Config.n_groups */
        const People *people;           /* rows of the store: present ones and those still remembered */
        const Accounts *accounts;       /* a complete listing */
        const Links *links;
        const char *const *known_roles; /* labels that the API knows; NULL: not checked */
        size_t n_known_roles;
        bool absence_proven;            /* the last read allows removals */
        const char *own_login;          /* the API's own user; NULL: none */
        /* Unfinished actions of this target: their removals count as gone for last_of. */
        const Action *queued;
        size_t n_queued;
} DiffInput;

/* What a target asks of the people and accounts. Rules, beside those of idsyncd.conf(5):
 *
 * - Each person has at most one action, each account too. What needs two takes two cycles.
 * - A link that was made after the listing began, or less than 10 minutes before (since + 10min >
 *   accounts.begun), is never taken for gone: APIs list new accounts late.
 * - Nothing that takes access away (delete, disable, recreate, a change of roles) is asked for unless
 *   absence_proven, or the entry itself is disabled. A blocked person is left alone whatever else is true
 *   of them, disabled ones too.
 * - Blocked are, of those who belong here or have a link: who lacks a required attribute or has one that
 *   can't be read; everybody present who shares an address (or, where the API needs it, a login) with
 *   them; who would get an address that several accounts have, or that another person's account has;
 *   ambiguous links and relinks.
 * - An entry without link is a relink if a link of a person who is gone (not present; the account still
 *   there) has its address or employee number, or that person's account has its address.
 * - A person whose linked account is gone gets an account of the same address adopted like anybody else,
 *   before `gone` counts.
 * - Protected addresses are neither created nor adopted.
 * - Nobody is created whose login an account with another address has: such people are blocked.
 * - A lock is lifted only if its person was disabled in the directory and no longer is (Link.was_disabled),
 *   whatever `leave` says; a disabled account's only with the enabling.
 * - Time zones are compared only where the directory states one.
 *
 * 0 and *ret; PLAN_E_ROLE: a configured role is unknown at the API, named in err with those that it knows
 * (nothing is planned); -ENOMEM. O(n log n) in people, accounts and links. */
#define PLAN_E_ROLE 1
int diff_run(const DiffInput *in, Plan **ret, ErrCtx *err);

/* Is the person wanted at the target: present, not disabled, in one of its groups, with a role where
 * any is configured? Says nothing of blocked people. For Link.out_for too: those who aren't wanted are
 * out. */
bool diff_person_belongs(const TargetConfig *target, size_t n_groups, const Person *p);

/* May a listing lack the account of a link only because that is new to us? */
bool link_is_young(const Link *l, const Accounts *accounts);

/* Why a plan must wait for a person; empty: it may go. */
typedef struct PolicyInput {
        const TargetConfig *target;
        const Plan *plan;
        bool first_plan;                /* no plan of this target was approved or applied yet */
        bool first_plan_apply;          /* first_plan = "apply" */
        /* A configuration key that decides who belongs where, and has changed since the last approved plan;
         * NULL: none has. */
        const char *changed_key;
        const char *failed;             /* expectations that fail, in words; NULL: none does */
        size_t queued_24h[_ACTION_KIND_MAX];    /* queued without approval in the last 24 hours */
} PolicyInput;

/* 0: it may go (a plan without acts too, unless it adopts what it would change: that an empty first plan
 * counts as approved is for the caller to record); POLICY_E_HOLD with all reasons for people in reason,
 * joined by "; ", each with limit, count and key: the plan is then held whole; -ENOMEM. A kind is held at
 * count + queued_24h > limits.KIND, and, but for creates, at more than limits.percent of n_linked, which
 * stands for at least 3. */
#define POLICY_E_HOLD 1
int policy_judge(const PolicyInput *in, StrBuf *reason);

/* The hash of a list of actions, in whatever order they stand: the first 12 hex digits of SHA-256 over
 * one line for the target and one for each action in canonical order, each line JSON (RFC 8259) without
 * white space, members in this order, ended by LF:
 *
 *   {"target":"umbrella"}
 *   {"action":"create","person":ID,"address":A,"remote_id":R,"before":STATE,"after":STATE}
 *
 * STATE is account_state_to_json(); A, R and STATE are null where there is none. No times and no secrets.
 * 0, -ENOMEM. */
int plan_hash(const char *target, const Action *actions, size_t n, char ret[static PLAN_HASH_LEN + 1]);
/* Canonical order of Action, for qsort: kind (in the order of ActionKind), person, address; then remote
 * id, before, after, so that no two different actions are equal. */
int action_compare(const void *a, const void *b);
void plan_sort_actions(Action *actions, size_t n);
/* Is this very action among those? They stand in canonical order, as those of plans and held plans do. */
bool actions_have(const Action *sorted, size_t n, const Action *a);
