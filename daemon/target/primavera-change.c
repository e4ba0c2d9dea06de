/* SPDX-License-Identifier: Apache-2.0 */
/* What changes an account that is there. Each write is preceded by a look at the account: foreign roles, and
 * all that nobody here decides, go back as they were found; and what is as it shall be already isn't asked
 * for.
 *
 * Update:   START ──get── differs ──► upsert ──► JOB ──► done
 * Disable:  START ──get── enabled ──► status ──► ROLES ──get── has roles ──► upsert (none) ──► JOB ──► done
 * Enable:   START ──get── locked ──► unlock ──► UNLOCKED ──get── disabled ──► status ──► done
 *           (of one that lifts a lock alone: no status)
 *           ... status ──► ROLES ──get── lacks roles ──► upsert ──► JOB ──► done, where roles are stated
 *
 * All of it may be said twice without harm: after an answer that never came, begin with the look again. */
#include "base/strings.h"
#include "model/address.h"
#include "target/flow.h"
#include "target/primavera.h"

#define RETRY_DELAY (5 * USEC_PER_SEC)

void primavera_change_begin(const FlowInput *in, FlowNext *ret) {
        PrimaveraJob job;

        if (in->step == STEP_JOB && primavera_job_read(in->memo, &job))
                flow_call(in, STEP_JOB, CALL_JOB, ret);
        else
                flow_call(in, in->step == STEP_JOB ? STEP_START : in->step, CALL_GET, ret);
}

/* ---- the account as it is ---- */

static bool same_address(const char *a, const char *b) {
        _cleanup_(freep) char *ka = NULL, *kb = NULL;

        return a && b && address_key(a, &ka) == 0 && address_key(b, &kb) == 0 && str_eq(ka, kb);
}

/* A login may have been given to somebody else. */
static bool is_the_one(const FlowInput *in) {
        const Action *a = in->action;
        const char *address = in->answer->account.address;

        if (!a->has_before || !a->before.address)
                return true;
        return same_address(address, a->before.address) || (a->has_after &&
                                                            same_address(address, a->after.address));
}

static void another_one(const FlowInput *in, FlowNext *ret) {
        const char *address = in->answer->account.address;

        flow_dead(in, ret,
                  "account %.100s has the address %.180s now, not %.180s: it isn't touched; see whose it "
                  "is, then retry",
                  in->action->remote_id, address ? address : "(none)", in->action->before.address);
}

static bool has_role(const AccountState *s, const char *role) {
        for (size_t i = 0; i < s->n_roles; i++)
                if (str_eq(s->roles[i], role))
                        return true;
        return false;
}

/* Of the roles that rows of `applications` name: does it have those wanted, and no others? */
static bool roles_differ(const FlowInput *in, const Account *a) {
        const AccountState *after = &in->action->after;

        if (!after->roles)
                return false;
        for (size_t i = 0; i < a->n_roles; i++)
                if (primavera_is_managed(in->target, a->roles[i]) && !has_role(after, a->roles[i]))
                        return true;
        for (size_t i = 0; i < after->n_roles; i++)
                if ((in->action->reverts > 0 || primavera_is_managed(in->target, after->roles[i])) &&
                    !account_has_role(a, after->roles[i]))
                        return true;
        return false;
}

static bool text_differs(const char *wanted, const char *is) {
        return wanted && !str_eq(wanted, is ? is : "");
}

static bool update_is_done(const FlowInput *in, const Account *a) {
        const AccountState *after = &in->action->after;

        return !roles_differ(in, a) && !text_differs(after->address, a->address) &&
               !text_differs(after->first_name, a->first_name) &&
                       !text_differs(after->last_name, a->last_name);
}

static void done(const FlowInput *in, FlowNext *ret) {
        flow_done(in, LINK_KEEP, ret);
}

static void stays(const FlowInput *in, const Account *a, const char *as, const char *told, FlowNext *ret) {
        flow_dead(in, ret, "account %.100s stays %s, though Primavera said that it was %s", a->remote_id, as,
                  told);
}

static void disable_next(const FlowInput *in, const Account *a, FlowNext *ret) {
        if (in->step == STEP_START && !a->disabled)
                flow_call(in, STEP_START, CALL_STATUS, ret);
        else if (a->n_roles > 0)
                flow_call(in, STEP_ROLES, CALL_UPSERT, ret);
        else if (!a->disabled)
                stays(in, a, "enabled", "disabled", ret);
        else
                done(in, ret);
}

static void enable_next(const FlowInput *in, const Account *a, FlowNext *ret) {
        /* Whoever disabled it by hand under leave = "keep" may have had a reason. */
        bool lock_alone = str_eq(in->action->after.status, "unlocked");

        if (in->step == STEP_START && a->locked)
                flow_call(in, STEP_START, CALL_UNLOCK, ret);
        else if (a->disabled && in->step == STEP_ROLES)
                stays(in, a, "disabled", "enabled", ret);
        else if (a->disabled && !lock_alone)
                flow_call(in, in->step, CALL_STATUS, ret);
        else if (roles_differ(in, a))
                flow_call(in, STEP_ROLES, CALL_UPSERT, ret);
        else
                done(in, ret);
}

static void update_next(const FlowInput *in, const Account *a, FlowNext *ret) {
        if (update_is_done(in, a))
                done(in, ret);
        else
                flow_call(in, STEP_START, CALL_UPSERT, ret);
}

static void got(const FlowInput *in, FlowNext *ret) {
        const Account *a;

        if (in->outcome->class != OUTCOME_OK) {
                flow_by_class(in, ret);
                return;
        }
        /* 404 proves nothing here. */
        if (flow_not_found(in)) {
                flow_next(in, FLOW_LOOK, ret);
                return;
        }
        a = &in->answer->account;
        if (!is_the_one(in))
                another_one(in, ret);
        else if (in->action->kind == ACTION_DISABLE)
                disable_next(in, a, ret);
        else if (in->action->kind == ACTION_ENABLE)
                enable_next(in, a, ret);
        else
                update_next(in, a, ret);
}

/* ---- after writes ---- */

/* The job ended, and its result says nothing of this account: the account itself tells, so many times. */
static void lost(const FlowInput *in, FlowNext *ret) {
        PrimaveraJob job = { .id = "-", .since = in->wall };

        (void) primavera_job_read(in->memo, &job);
        primavera_job_lost(in, &job, in->action->kind == ACTION_DISABLE ? STEP_ROLES : STEP_START, CALL_GET,
                           ret);
}

static void result(const FlowInput *in, FlowNext *ret) {
        if (in->answer->running && in->step == STEP_JOB && primavera_job_is_overdue(in))
                flow_dead(in, ret, "job %.64s doesn't end; see to it at Primavera, then retry", in->memo);
        else if (in->answer->running)
                primavera_job_wait(in, ret);
        else if (in->answer->failed)
                primavera_job_failed(in, in->answer->words, ret);
        else if (in->answer->did)
                done(in, ret);
        else
                lost(in, ret);
}

static void polled(const FlowInput *in, FlowNext *ret) {
        if (flow_not_found(in))
                lost(in, ret);
        else if (in->outcome->class == OUTCOME_OK)
                result(in, ret);
        else if (primavera_job_is_lost_sight_of(in))
                lost(in, ret);
        else
                flow_wait(in, STEP_JOB, CALL_JOB, RETRY_DELAY, ret);
}

static void wrote(const FlowInput *in, FlowNext *ret) {
        if (in->answer && in->answer->failed)
                primavera_job_failed(in, in->answer->words, ret);
        else if (in->call == CALL_UPSERT)
                result(in, ret);
        else if (in->call == CALL_UNLOCK)
                flow_call(in, STEP_UNLOCKED, CALL_GET, ret);
        else if (in->action->kind == ACTION_DISABLE || in->action->after.roles)
                flow_call(in, STEP_ROLES, CALL_GET, ret);
        else
                done(in, ret);
}

void primavera_change_after(const FlowInput *in, FlowNext *ret) {
        if (in->call == CALL_GET)
                got(in, ret);
        else if (in->call == CALL_JOB)
                polled(in, ret);
        else if (in->outcome->class == OUTCOME_OK || in->outcome->class == OUTCOME_ALREADY)
                wrote(in, ret);
        else if (in->outcome->hint == HINT_JOB_RUNNING)
                primavera_job_busy(in, in->step, ret);
        else if (in->outcome->class == OUTCOME_UNCERTAIN)
                flow_wait(in, in->step, CALL_GET, RETRY_DELAY, ret);
        else
                flow_by_class(in, ret);
}

/* ---- what a listing shows of an account that a get didn't find ---- */

void primavera_change_seen(const FlowInput *in, FlowNext *ret) {
        if (in->seen_login)
                flow_dead(in, ret,
                          "account %.100s is in the listing, and can't be fetched: check what the API's "
                          "user may see",
                          in->seen_login->remote_id);
        else if (in->action->kind == ACTION_DISABLE)
                done(in, ret);
        else
                flow_dead(in, ret,
                          "account %.100s was gone before it could change: somebody removed it at Primavera",
                          in->action->remote_id);
}
