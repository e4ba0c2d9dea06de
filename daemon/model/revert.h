/* SPDX-License-Identifier: Apache-2.0 */
/* What takes a done action back, as far as the API can. Pure. */
#pragma once

#include "model/invariant.h"

/* Whom the action is about, as all is now. Borrowed. */
typedef struct RevertInput {
        const TargetConfig *target;
        const Capabilities *capabilities;
        unsigned kinds;                 /* bit per ActionKind: carried out at this API */
        size_t n_groups;                /* Config.n_groups */
        const char *own_login;          /* the API's own user; NULL: none */
        const Accounts *accounts;       /* a complete listing */
        const Person *person;           /* as the store knows them; NULL: not any more */
        const Link *link;               /* theirs; NULL: none, or their account is gone */
        const Action *asked;            /* what the plan asks for of them; NULL: nothing */
        const char *hindrance;          /* why nothing can be done whatever else is true; NULL: nothing */
        LastOf *last_of;                /* the result counts as under way from now on */
} RevertInput;

/* The inverse of `done`, the row of the history that has the account's id as it is known since:
 *
 *   create      delete; where the API can't: disable
 *   delete      create, from the account as it was before
 *   recreate    recreate, with the role from before
 *   update      update, to the texts and roles from before
 *   disable     enable, with the roles from before
 *   enable      disable
 *
 * Only where nothing has changed since: the account is as the action left it, the person's link still has
 * it (or, of a deleted one, neither link nor address are taken again), and the plan asks for nothing else.
 * The invariants hold. What isn't an account's state can't be taken back: an adoption made no call, a
 * password is gone, a relink is about two people.
 *
 * Texts of the result are in the arena or borrowed from the input and `done`. 0; REVERT_E_CANT with the
 * reason for people in *ret_why (in the arena, or static); -ENOMEM. */
#define REVERT_E_CANT 1
int revert_action(const RevertInput *in, const Action *done, Arena *arena, Action *ret,
                  const char **ret_why);

/* What a person's wishes at the target come from, but for the configuration: equal texts, equal wishes. A
 * person who isn't there is the same as one who is forgotten (NULL). */
void revert_basis(const TargetConfig *target, size_t n_groups, const Person *person, StrBuf *out);
/* The account that the person has or would get, as far as an operator cares: of the link, else the one with
 * the person's address. */
void revert_account(const Accounts *accounts, const Person *person, const Link *link, StrBuf *out);
