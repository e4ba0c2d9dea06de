/* SPDX-License-Identifier: Apache-2.0 */
/* What holds whatever a plan says; asked when a plan is made, and again right before an action runs. */
#pragma once

#include "config/config.h"
#include "model/account.h"
#include "model/action.h"
#include "model/plan.h"

/* How many active accounts each role of `last_of` has, removals that are under way counted as gone. */
typedef struct LastOf LastOf;
/* target and accounts are borrowed. queued: unfinished actions (of the worker: all but the one that it
 * asks about). NULL: out of memory. */
LastOf *last_of_new(const TargetConfig *target, const Accounts *accounts, const Action *queued,
                    size_t n_queued);
LastOf *last_of_free(LastOf *l);
DEFINE_CLEANUP(LastOf *, last_of_free);
/* From now on this action is under way. One that takes no role away changes nothing. */
void last_of_take(LastOf *l, const Action *a);

typedef struct InvariantInput {
        const TargetConfig *target;
        const char *own_login;          /* the API's own user; NULL: none */
        const Action *action;
        const Account *account;         /* the action's account as last seen; NULL: not there */
        const Link *link;               /* the link that has the action's remote_id; NULL: none */
        const LastOf *last_of;          /* a create takes nothing from anybody: NULL will do */
} InvariantInput;

/* Why this action mustn't touch this account now, for people, and how to note it (ret may be NULL); NULL:
 * it may.
 *
 * - Only an account whose link names the action's person is touched; one without a link may be adopted,
 *   one of another person be relinked.
 * - Nothing happens to a protected address, be it the account's, the link's or the action's; nor to a
 *   login that a pattern fits.
 * - The last active account with a role of last_of keeps it: no delete, disable or recreate, no update
 *   without that role.
 * - The API's own user is left alone. */
const char *invariant_breach(const InvariantInput *in, PlanNoteKind *ret);
