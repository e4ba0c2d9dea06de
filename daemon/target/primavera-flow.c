/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of Primavera's actions. The POST is an upsert: whose login it names is created or overwritten.
 * So a create begins with a listing that is younger than its plan.
 *
 * Create:  START ──recent listing── login or address there ──► adopted, or a dead letter
 *            │ neither
 *            ▼
 *          SENT ──upsert── taken ──► JOB ──polled── did it ──► done; the first password is a reset of its
 *          own
 *            │ no answer, or another job ran meanwhile: look. There: ours. Not there: upsert
 *                                     │ failed, lost, never ends: fresh listing. There: done, as far as it
 *                                     went
 *                                     ▼ not there: again, twice at most; or a dead letter with the job's
 *                                     words
 *
 * Until SENT nothing is there that a person who leaves would leave behind: such an action may be dropped.
 * From then on it waits in a row that isn't. Update, enable, disable: primavera-change.c. */
#include "base/strings.h"
#include "model/address.h"
#include "target/flow.h"
#include "target/primavera.h"

#define RETRY_DELAY (30 * USEC_PER_SEC)
/* In front of a failed job's words, in the memo. */
#define FAILED '!'

static void unknown_step(const FlowInput *in, FlowNext *ret) {
        const char *kind = action_kind_to_string(in->action->kind);

        flow_dead(in, ret, "this version of idsyncd has no step %d of \"%s\" at Primavera", (int) in->step,
                  kind ? kind : "?");
}

/* ---- create ---- */

static void look(const FlowInput *in, Step step, FlowNext *ret) {
        flow_next(in, FLOW_LOOK, ret);
        ret->step = step;
        ret->recent_will_do = step == STEP_START;
}

static void create_begin(const FlowInput *in, FlowNext *ret) {
        const char *login = in->action->after.login;

        /* They would be steps of a path wherever the login stands in a URL. */
        if (str_empty(login) || str_eq(login, ".") || str_eq(login, ".."))
                flow_dead(in, ret, "\"%s\" can't be a login", login ? login : "");
        else if (in->step == STEP_JOB && in->memo && *in->memo != FAILED)
                flow_call(in, STEP_JOB, CALL_JOB, ret);
        else
                look(in, in->step, ret);
}

static void created(const FlowInput *in, FlowNext *ret) {
        flow_done_put(in, LINK_CREATED, ret);
        ret->reset_follows = true;
}

/* The account is there, though the job failed: what it lacks is a difference, of the next cycle. */
static void created_in_part(const FlowInput *in, FlowNext *ret) {
        char asked[256];

        created(in, ret);
        if (in->step == STEP_JOB && in->memo && *in->memo == FAILED)
                flow_remark(ret, "Primavera said: %.200s%s", in->memo + 1,
                            primavera_applications(in->target, in->action, asked, sizeof(asked)));
}

/* The account itself tells what became of it; these words are for the one who reads that it isn't there. */
static void look_after_failure(const FlowInput *in, const char *words, FlowNext *ret) {
        look(in, STEP_JOB, ret);
        snprintf(ret->memo, sizeof(ret->memo), "%c%.200s", FAILED,
                 words ? words : "the job failed without a word");
}

/* What the job's result, or the answer to the POST itself, says. */
static void create_result(const FlowInput *in, FlowNext *ret) {
        if (in->answer->running && in->step == STEP_JOB && primavera_job_is_overdue(in))
                look(in, STEP_JOB, ret);
        else if (in->answer->running)
                primavera_job_wait(in, ret);
        else if (in->answer->did && in->answer->has_account)
                created(in, ret);
        else if (in->answer->failed)
                look_after_failure(in, in->answer->words, ret);
        else
                look(in, STEP_JOB, ret);
}

static void create_sent(const FlowInput *in, FlowNext *ret) {
        switch (in->outcome->class) {
        case OUTCOME_OK:
        case OUTCOME_ALREADY:
                create_result(in, ret);
                break;
        case OUTCOME_UNCERTAIN:
                look(in, STEP_SENT, ret);
                break;
        default:
                if (in->outcome->hint == HINT_JOB_RUNNING)
                        primavera_job_busy(in, STEP_SENT, ret);
                else if (in->outcome->class == OUTCOME_REJECTED)
                        flow_dead(in, ret, "%.400s", in->outcome->detail);
                else if (in->was_uncertain)
                        look(in, STEP_SENT, ret);
                else {
                        flow_next(in, FLOW_LATER, ret);
                        ret->step = STEP_START;
                }
        }
}

static void create_polled(const FlowInput *in, FlowNext *ret) {
        if (flow_not_found(in))
                look(in, STEP_JOB, ret);
        else if (in->outcome->class == OUTCOME_OK)
                create_result(in, ret);
        else if (primavera_job_is_lost_sight_of(in))
                look_after_failure(in, in->outcome->detail, ret);
        else
                flow_wait(in, STEP_JOB, CALL_JOB, RETRY_DELAY, ret);
}

/* While another job ran the account may have come into being, by that very job. */
static void create_got(const FlowInput *in, FlowNext *ret) {
        if (flow_not_found(in))
                flow_call(in, STEP_SENT, CALL_UPSERT, ret);
        else if (in->outcome->class == OUTCOME_OK)
                look(in, STEP_SENT, ret);
        else
                flow_wait(in, STEP_SENT, CALL_GET, RETRY_DELAY, ret);
}

static void create_after(const FlowInput *in, FlowNext *ret) {
        if (in->call == CALL_UPSERT)
                create_sent(in, ret);
        else if (in->call == CALL_JOB)
                create_polled(in, ret);
        else
                create_got(in, ret);
}

/* ---- create: what a listing shows ---- */

static void login_taken(const FlowInput *in, FlowNext *ret) {
        char address[256];

        flow_dead(in, ret,
                  "the login %.100s is that of the account with the address %.180s; one login can't serve "
                  "two people: correct the directory, or the account, then retry", in->seen_login->login,
                  str_printable(in->seen_login->address ? in->seen_login->address : "(none)", address,
                                sizeof(address)));
}

static void account_there(const FlowInput *in, const Account *a, FlowNext *ret) {
        if (in->seen_linked)
                flow_dead(in, ret,
                          "the account %.100s is another person's already: correct the directory, then "
                          "retry", a->remote_id);
        else if (in->step == STEP_JOB || (in->step == STEP_SENT && in->was_uncertain))
                created_in_part(in, ret);
        else if (in->target->adopt == ADOPT_EMAIL)
                flow_done_put(in, LINK_ADOPTED, ret);
        else
                flow_dead(in, ret,
                          "the account %.100s has this person's address already, isn't ours, and adopt = "
                          "\"never\" leaves it alone; remove its address by hand, or set adopt = \"email\"",
                          a->remote_id);
}

/* Neither login nor address is there, though a job was to see to it. */
static void job_left_nothing(const FlowInput *in, FlowNext *ret) {
        PrimaveraJob job;

        if (in->memo && *in->memo == FAILED)
                primavera_job_failed(in, in->memo + 1, ret);
        else if (!primavera_job_read(in->memo, &job))
                flow_call(in, STEP_SENT, CALL_UPSERT, ret);
        else if (primavera_job_is_overdue(in))
                flow_dead(in, ret, "job %s doesn't end; see to it at Primavera, then retry", job.id);
        else
                primavera_job_lost(in, &job, STEP_SENT, CALL_UPSERT, ret);
}

static void create_seen(const FlowInput *in, FlowNext *ret) {
        if (in->seen_login && in->seen_login != in->seen)
                login_taken(in, ret);
        else if (in->seen)
                account_there(in, in->seen, ret);
        else if (in->step == STEP_JOB)
                job_left_nothing(in, ret);
        else
                flow_call(in, STEP_SENT, CALL_UPSERT, ret);
}

/* ---- every kind ---- */

static void adopt_begin(const FlowInput *in, FlowNext *ret) {
        flow_done_put(in, LINK_ADOPTED, ret);
}

static const struct KindRow {
        /* and after a restart: each begins with a look */
        void (*begin)(const FlowInput *in, FlowNext *ret);
        void (*after)(const FlowInput *in, FlowNext *ret);
        void (*seen)(const FlowInput *in, FlowNext *ret);
} kinds[_ACTION_KIND_MAX] = {
        [ACTION_CREATE] = { create_begin, create_after, create_seen },
        [ACTION_ADOPT] = { adopt_begin, unknown_step, unknown_step },
        [ACTION_UPDATE] = { primavera_change_begin, primavera_change_after, primavera_change_seen },
        [ACTION_ENABLE] = { primavera_change_begin, primavera_change_after, primavera_change_seen },
        [ACTION_DISABLE] = { primavera_change_begin, primavera_change_after, primavera_change_seen },
};

static bool step_is_known(Step step) {
        return step == STEP_START || (step >= STEP_SENT && step <= STEP_UNLOCKED);
}

static const struct KindRow *find_kind(const FlowInput *in) {
        static const struct KindRow unknown = { unknown_step, unknown_step, unknown_step };

        if ((unsigned) in->action->kind >= _ACTION_KIND_MAX || !kinds[in->action->kind].begin ||
            !step_is_known(in->step))
                return &unknown;
        return &kinds[in->action->kind];
}

void primavera_flow_begin(const FlowInput *in, FlowNext *ret) {
        find_kind(in)->begin(in, ret);
}

void primavera_flow_resume(const FlowInput *in, FlowNext *ret) {
        find_kind(in)->begin(in, ret);
}

void primavera_flow_after(const FlowInput *in, FlowNext *ret) {
        find_kind(in)->after(in, ret);
}

void primavera_flow_seen(const FlowInput *in, FlowNext *ret) {
        find_kind(in)->seen(in, ret);
}
