/* SPDX-License-Identifier: Apache-2.0 */
/* What takes back what a cycle did: an operator asks for it, no plan does. It is held until it is approved;
 * what is queued of it stays there only while it would be made anew just the same; and what was taken back
 * isn't asked for again until person, account or configuration change. */
#pragma once

#include "model/revert.h"
#include "sync/judge.h"

/* One target as it is now; borrowed. */
typedef struct RevertWorld {
        Store *store;
        const Config *config;
        const TargetConfig *target;
        const Plan *plan;               /* the last one */
        const People *people;
        const Links *links;
        const Accounts *accounts;
        const char *own_login;
} RevertWorld;

typedef struct Reverter Reverter;
/* 0, -ENOMEM, -errno of the store. */
int reverter_new(const RevertWorld *world, Reverter **ret);
Reverter *reverter_free(Reverter *r);
DEFINE_CLEANUP(Reverter *, reverter_free);
/* The inverse of a done row, with `reverts` set. `but`: a row that doesn't count as a later action; 0: none.
 * The result is good as long as the reverter and the item. 0; REVERT_E_CANT with the reason in *ret_why;
 * -errno. */
int reverter_invert(Reverter *r, const QueueItem *done, int64_t but, Action *ret, const char **ret_why);
/* Would this action, of the row `but` or of none (0), be made anew just the same? *ret_why NULL: it would.
 * 0, -errno. */
int reverter_fits(Reverter *r, const Action *a, int64_t but, const char **ret_why);

/* Within the transaction of a judgement: rows that don't fit any more leave the queue; a held revert that is
 * approved goes, or, where one of its actions wouldn't be made anew just the same, is dropped, with the
 * reason in j->unfit; wishes that lead back to what was taken back are suppressed. 0, -errno. */
int reverts_settle(const JudgeInput *in, Judgement *j);
