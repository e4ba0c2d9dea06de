/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the diff share. A run goes: scope (who belongs here, who is blocked), relinks, people
 * (what each needs), leavers (whom links name that nobody needs any more), and last the invariants over
 * all that was asked for. */
#pragma once

#include "model/plan.h"
#include "model/strindex.h"

#define NONE STRINDEX_NONE
/* Look-ups that are made together, and how far ahead of its use something is fetched. */
#define DIFF_BATCH 64
#define DIFF_AHEAD 8

typedef enum RowFlag {
        ROW_BELONGS = 1 << 0,           /* wanted at this target */
        ROW_BLOCKED = 1 << 1,           /* left alone; stands in Plan.blocked */
        ROW_CLAIMS = 1 << 2,            /* may be somebody known, under another id */
        ROW_SHARES = 1 << 3,            /* scratch of block_same() */
        ROW_PRESENT = 1 << 4,
} RowFlag;

/* Per person. */
typedef struct Row {
        const char *key;                /* address_key(); NULL: none, or not present */
        const char *login;              /* lower case, where the API needs logins; NULL: none */
        const char *role;               /* label as the API writes it; NULL: none is configured */
        uint32_t link;                  /* position in Links; NONE */
        uint32_t account;               /* of the link: position in Accounts; NONE */
        unsigned flags;
} Row;

/* Per link. The members for relinks hold for links of gone people alone; n_… and all_… stand in the first
 * link of those that share something. */
typedef struct LinkRow {
        uint32_t person;                /* position in People; NONE: the row is forgotten */
        uint32_t account;               /* position in Accounts; NONE: not in the listing */
        bool ambiguous;                 /* another link has the same person or account */
        uint32_t same_address, same_number;     /* the first link with the same; NONE: it has none */
        uint32_t n_same_address, n_same_number;
        bool all_address, all_number;   /* somebody claims any of them */
        uint32_t claims;                /* people who may be its person under another id */
} LinkRow;

typedef struct Diff {
        const DiffInput *in;
        const TargetConfig *target;
        const Capabilities *can;
        Plan *plan;
        Row *rows;
        LinkRow *links;
        uint32_t *account_link;         /* per account: position in Links; NONE */
        StrIndex by_person;             /* links by person */
        const char **role_labels;       /* per RoleRule, as the API writes them */
        const char **managed;           /* application roles that some row names, sorted */
        size_t n_managed;
        bool *wanted, *has;             /* per managed one: scratch */
        const char **logins;            /* per account, in lower case; NULL: not needed yet */
        StrIndex by_login;              /* accounts by these */
        Arena *arena;                   /* lives as long as the run */
} Diff;

/* ---- diff-scope.c ---- */
/* 0; PLAN_E_ROLE; -ENOMEM. */
int diff_check_roles(Diff *d, ErrCtx *err);
/* Fills the rows: keys, who belongs here, who is blocked. */
int diff_scope(Diff *d);

/* The account with the person's login, whatever its case; *ret NULL: none, or the API knows no logins. 0,
 * -ENOMEM. */
int diff_login_holder(Diff *d, uint32_t person, const Account **ret);

/* ---- diff-state.c ---- */
void diff_state_of_account(const Account *a, AccountState *ret);
/* How the person's account shall be. account: the one that there is, for roles that no row names; may be
 * NULL. */
int diff_state_wanted(Diff *d, uint32_t person, const Account *account, AccountState *ret);
/* What of an account isn't as it shall be. */
typedef enum DiffChange {
        CHANGE_ROLE = 1 << 0,
        CHANGE_NAMES = 1 << 1,          /* names or address, where the API lets them be changed */
        CHANGE_DISABLED = 1 << 2,
        CHANGE_LOCKED = 1 << 3,
} DiffChange;
/* Reports as drift what the API can't change. 0, -ENOMEM. */
int diff_changes(Diff *d, uint32_t person, const Account *a, unsigned *ret);

/* ---- diff-relink.c ---- */
int diff_relink(Diff *d);
/* May somebody else be the link's person, under another id? */
bool diff_is_claimed(const Diff *d, uint32_t link);

/* ---- diff-leave.c ---- */
int diff_leavers(Diff *d);

/* ---- diff.c ---- */
static inline const Person *diff_person(const Diff *d, uint32_t i) {
        return &d->in->people->items[i];
}
static inline const Link *diff_link(const Diff *d, uint32_t i) {
        return &d->in->links->items[i];
}
/* NULL: not in the listing. */
static inline const Account *diff_account_of(const Diff *d, uint32_t link) {
        return d->links[link].account == NONE ? NULL : &d->in->accounts->items[d->links[link].account];
}
/* The link that ties an account; NONE. */
static inline uint32_t diff_link_of(const Diff *d, const Account *a) {
        return d->account_link[a - d->in->accounts->items];
}
/* Is the link's person absent (from the last complete read, or forgotten)? */
bool diff_is_gone(const Diff *d, uint32_t link);
/* The address in the directory's spelling, trimmed; NULL where there is none, or no memory. */
const char *diff_address(Diff *d, uint32_t person);
/* How a person is called in a text: by DN, else by id. */
const char *diff_name_of_link(const Diff *d, uint32_t link);
/* Blocks a person, once. */
int diff_block(Diff *d, uint32_t person, const char *format, ...) _printf_(3, 4);
/* person: NONE for a link whose row is forgotten; account and link may be NULL and NONE. */
int diff_note(Diff *d, PlanNoteKind kind, uint32_t person, uint32_t link, const Account *account,
              const char *format, ...) _printf_(6, 7);
