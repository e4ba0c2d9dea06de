/* SPDX-License-Identifier: Apache-2.0 */
/* What takes an account away at Umbrella: each begins with a look at that one account.
 *
 * Delete:    START ──get── there ──► DELETING ──delete──► done
 *              │ not there: fresh listing               │ no answer: get; not there: done
 *              ▼ not there either: done already; there: dead letter
 *
 * Recreate:  START ──get── there ──► DELETING ──delete──► DELETED ──two fields──► done
 *              │ not there:              │ no answer: get;      │ no answer: fresh listing
 *              │ fresh listing           │ not there: on        ▼ "in use": again for ten minutes, then a
 *              ▼ dead letter                                      dead letter of priority crit
 *
 * From DELETED on somebody is without the account that they had: there is no way back but on. A DELETE
 * that surely wasn't carried out leads back to START, where the act may still be called off. */
#include "model/address.h"
#include "target/flow.h"
#include "target/umbrella.h"

#define IN_USE_WAIT (30 * USEC_PER_SEC)
#define IN_USE_PATIENCE (10 * USEC_PER_MINUTE)

static bool is_done(const FlowInput *in) {
        return in->outcome->class == OUTCOME_OK || in->outcome->class == OUTCOME_ALREADY;
}

/* Ids are never reused as far as anybody knows; a look costs nothing more, for the account is at hand. */
static bool is_the_one(const FlowInput *in) {
        _cleanup_(freep) char *was = NULL, *is = NULL;
        const AccountState *before = &in->action->before;

        if (!in->answer || !in->answer->has_account)
                return false;
        if (!in->action->has_before || !before->address)
                return true;
        return address_key(before->address, &was) == 0 &&
               address_key(in->answer->account.address ? in->answer->account.address : "", &is) == 0 &&
               str_eq(was, is);
}

static void another_one(const FlowInput *in, FlowNext *ret) {
        const char *address = in->answer && in->answer->has_account ? in->answer->account.address : NULL;

        flow_dead(in, ret,
                  "account %s has the address %.180s now, not %.180s: it isn't touched; see whose it is, "
                  "then retry",
                  in->action->remote_id, address ? address : "(none)",
                  in->action->before.address ? in->action->before.address : "(none)");
}

static void delete_failed(const FlowInput *in, FlowNext *ret) {
        if (in->outcome->class == OUTCOME_UNCERTAIN) {
                flow_call(in, STEP_DELETING, CALL_GET, ret);
                return;
        }
        flow_by_class(in, ret);
        if (!in->was_uncertain)
                ret->step = STEP_START;
}

/* ---- delete ---- */

void umbrella_delete_begin(const FlowInput *in, FlowNext *ret) {
        flow_call(in, in->step, CALL_GET, ret);
}

void umbrella_delete_after(const FlowInput *in, FlowNext *ret) {
        if (in->call == CALL_GET) {
                if (flow_not_found(in) && in->step == STEP_START)
                        flow_next(in, FLOW_LOOK, ret);
                else if (flow_not_found(in))
                        flow_done(in, LINK_DROP, ret);
                else if (in->outcome->class != OUTCOME_OK)
                        flow_by_class(in, ret);
                else if (is_the_one(in))
                        flow_call(in, STEP_DELETING, CALL_DELETE, ret);
                else
                        another_one(in, ret);
        } else if (is_done(in))
                flow_done(in, LINK_DROP, ret);
        else
                delete_failed(in, ret);
}

/* That one account can be asked for is documented for some of the Umbrellas alone: a 404 doesn't outweigh a
 * listing. */
static void listed_only(const FlowInput *in, const char *undone, FlowNext *ret) {
        flow_dead(in, ret,
                  "account %s is in the listing, and Umbrella says \"not found\" when asked for it: "
                  "%s by hand, or retry",
                  in->action->remote_id, undone);
}

void umbrella_delete_seen(const FlowInput *in, FlowNext *ret) {
        if (in->seen_id)
                listed_only(in, "it isn't deleted; delete it", ret);
        else
                flow_done(in, LINK_DROP, ret);
}

/* ---- recreate ---- */

static void unfinished(const FlowInput *in, FlowNext *ret) {
        flow_dead(in, ret,
                  "the account was deleted for its new role \"%.100s\", and can't be created again: %.300s; "
                  "retry, or "
                  "create it by hand",
                  in->action->after.role ? in->action->after.role : "", in->outcome->detail);
        ret->critical = true;
}

/* Since when the account is away stands in the memo, for a wait that must end also over restarts. */
static void create_again(const FlowInput *in, FlowNext *ret) {
        flow_call(in, STEP_DELETED, CALL_CREATE_SHORT, ret);
        if (in->step != STEP_DELETED)
                snprintf(ret->memo, sizeof(ret->memo), "%llu", (unsigned long long) in->wall);
}

static bool patience_ended(const FlowInput *in) {
        uint64_t since;

        return !in->memo || parse_u64(in->memo, &since) < 0 || usec_sub(in->wall, since) >= IN_USE_PATIENCE;
}

static void wait_or_give_up(const FlowInput *in, Call call, FlowNext *ret) {
        if (patience_ended(in))
                unfinished(in, ret);
        else
                flow_wait(in, STEP_DELETED, call, IN_USE_WAIT, ret);
}

void umbrella_recreate_begin(const FlowInput *in, FlowNext *ret) {
        if (in->step == STEP_DELETED)
                flow_call(in, STEP_DELETED, CALL_CREATE_SHORT, ret);
        else
                flow_call(in, in->step, CALL_GET, ret);
}

void umbrella_recreate_resume(const FlowInput *in, FlowNext *ret) {
        if (in->step == STEP_DELETED)
                flow_next(in, FLOW_LOOK, ret);
        else
                flow_call(in, in->step, CALL_GET, ret);
}

static bool has_wanted_role(const FlowInput *in, const Account *account) {
        return account_has_role(account, in->action->after.role ? in->action->after.role : "");
}

static void got(const FlowInput *in, FlowNext *ret) {
        if (in->outcome->class != OUTCOME_OK)
                flow_by_class(in, ret);
        else if (flow_not_found(in) && in->step == STEP_START)
                flow_next(in, FLOW_LOOK, ret);
        else if (flow_not_found(in))
                create_again(in, ret);
        else if (!is_the_one(in)) {
                another_one(in, ret);
                ret->critical = in->step == STEP_DELETED;
        } else if (has_wanted_role(in, &in->answer->account))
                flow_done_put(in, LINK_CREATED, ret);
        else if (in->step == STEP_DELETED)
                wait_or_give_up(in, CALL_GET, ret);
        else
                flow_call(in, STEP_DELETING, CALL_DELETE, ret);
}

static void deleted(const FlowInput *in, FlowNext *ret) {
        if (is_done(in))
                create_again(in, ret);
        else
                delete_failed(in, ret);
}

static void created(const FlowInput *in, FlowNext *ret) {
        if (is_done(in))
                flow_done_put(in, LINK_CREATED, ret);
        else if (in->outcome->class == OUTCOME_UNCERTAIN)
                flow_next(in, FLOW_LOOK, ret);
        else if (in->outcome->class != OUTCOME_REJECTED)
                flow_next(in, FLOW_LATER, ret);
        else if (in->outcome->hint == HINT_ADDRESS_IN_USE)
                wait_or_give_up(in, CALL_CREATE_SHORT, ret);
        else
                unfinished(in, ret);
}

void umbrella_recreate_after(const FlowInput *in, FlowNext *ret) {
        if (in->call == CALL_GET)
                got(in, ret);
        else if (in->call == CALL_DELETE)
                deleted(in, ret);
        else
                created(in, ret);
}

void umbrella_recreate_seen(const FlowInput *in, FlowNext *ret) {
        if (in->step == STEP_START && in->seen_id)
                listed_only(in, "its role isn't changed; change it", ret);
        else if (in->step == STEP_START)
                flow_dead(in, ret,
                          "account %s was gone before its role could change: somebody removed it at "
                          "Umbrella",
                          in->action->remote_id);
        else if (!in->seen)
                flow_call(in, STEP_DELETED, CALL_CREATE_SHORT, ret);
        else if (in->seen_linked) {
                flow_dead(in, ret,
                          "the account %s with this address is another person's now: correct the directory, "
                          "then retry",
                          in->seen->remote_id);
                ret->critical = true;
        } else if (str_eq(in->seen->remote_id, in->action->remote_id))
                /* The deleted one, still listed; or the new one under the old id. */
                flow_call(in, STEP_DELETED, CALL_GET, ret);
        else
                flow_done_put(in, LINK_CREATED, ret);
}
