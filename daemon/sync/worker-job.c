/* SPDX-License-Identifier: Apache-2.0 */
/* One action through the steps of its flow. Each change of step is in the store before the next byte goes
 * out, so that a crash finds the row RUNNING and the next start looks first. */
#include <errno.h>

#include "base/failpoint.h"
#include "model/address.h"
#include "store/store-ledger.h"
#include "sync/guard.h"
#include "sync/worker-internal.h"

static void job_follow(Job *job, const FlowNext *next, const Outcome *outcome);

static FlowInput flow_input(const Job *job) {
        return (FlowInput){
                .target = job->worker->target,
                .action = &job->item->action,
                .step = job->step,
                .was_uncertain = job->item->was_uncertain,
                .memo = job->item->memo,
                .wall = loop_wall(job->worker->loop),
        };
}

/* ---- calls ---- */

/* The places that a call leaves behind, or uses up. A write that follows a look goes out before what was
 * seen is old. */
static unsigned follow_up_of(const Job *job) {
        ActionKind kind = job->item->action.kind;

        if (job->places > 0 || job->step == STEP_DELETED)
                return 0;
        if (job->kind == CALL_GET)
                return kind == ACTION_RECREATE ? 2 : 1;
        return job->kind == CALL_DELETE && kind == ACTION_RECREATE ? 1 : 0;
}

static int make_password(Job *job, CallInput *in) {
        const Config *config = job->worker->config;
        int r;

        job->password = secret_free(job->password);
        r = secret_generate_password(config->password.length, config->password.classes, &job->password);
        in->password = job->password;
        return r;
}

static void tell_call(const Job *job, const Outcome *outcome) {
        const Worker *w = job->worker;
        const CallEvent event = {
                        .target = w->target->name,
                        .person = job->item->action.person,
                        .action = job->item->id,
                        .call = job->kind,
                        .outcome = outcome,
        };

        w->hooks.called(&event, w->hooks.userdata);
}

static bool only_looks(const Job *job) {
        return job_is_untouched(job) && !call_is_write(job->kind) && job->step == STEP_START;
}

static int on_prepare(CallInput *in, void *userdata) {
        Job *job = userdata;
        Worker *w = job->worker;
        const Roles *roles = w->hooks.roles(w->hooks.userdata);
        int r;

        in->action = &job->item->action;
        in->remote_id = job->item->action.remote_id;
        in->memo = job->item->memo;
        in->document = job->document;
        if (w->driver->has_roles_call)
                in->role_id = roles ? roles_id(roles, job->item->action.after.role) : NULL;
        if (call_has_password(job->kind)) {
                r = make_password(job, in);
                if (r < 0)
                        return r;
        }
        tell_call(job, NULL);
        if (only_looks(job))
                return 0;
        job->recorded = true;
        r = store_queue_running(w->store, job->item->id, job->step, loop_wall(w->loop));
        return r == -EINVAL || r == -ENOENT ? CHANNEL_E_NOT_WANTED : r;
}

static int on_decode(const HttpResult *result, void *userdata, ErrCtx *err) {
        Job *job = userdata;
        Worker *w = job->worker;

        job->document = NULL;
        job->arena = arena_free(job->arena);
        job->arena = arena_new();
        if (!job->arena)
                return -ENOMEM;
        return w->driver->decode_answer(w->target, job->kind, &job->item->action, result, job->arena,
                                        &job->answer, err);
}

static void on_call_done(const Outcome *outcome, bool sent, void *userdata) {
        Job *job = userdata;
        Outcome own = *outcome;
        FlowInput in;
        FlowNext next = { 0 };

        job->call = NULL;
        job->sent = sent;
        tell_call(job, outcome);
        job->password = secret_free(job->password);
        if (own.hint == HINT_NOT_WANTED || (only_looks(job) && job_row_has_ended(job))) {
                job_end(job);
                return;
        }
        if (own.class == OUTCOME_UNCERTAIN) {
                job->item->was_uncertain = true;
                job_count_try(job);
        }
        in = flow_input(job);
        in.outcome = &own;
        in.call = job->kind;
        if (own.class == OUTCOME_OK && own.hint != HINT_NOT_FOUND) {
                in.answer = &job->answer;
                job->account = job->answer.has_account ? &job->answer.account : NULL;
                job->document = job->answer.document;
        }
        job->worker->driver->flow_after(&in, &next);
        job_follow(job, &next, &own);
}

static int ask_guard(Job *job, ErrCtx *err) {
        Worker *w = job->worker;
        GuardInput in = {
                .store = w->store,
                .target = w->target,
                .accounts = w->hooks.accounts(w->hooks.userdata),
                .id = job->item->id,
                .action = &job->item->action,
                .current = job->account,
                .own_login = channel_own_login(w->channel),
        };

        if (!in.accounts && in.action->kind != ACTION_CREATE)
                return err_set(err, GUARD_E_BREACH, 0, "no listing of the target's accounts is at hand");
        return guard_check(&in, err);
}

/* The role's id is looked up before anything is taken away for it. */
static bool lacks_role(const Job *job) {
        const Worker *w = job->worker;
        const Action *a = &job->item->action;
        const Roles *roles;

        if (!w->driver->has_roles_call || !a->has_after || !a->after.role)
                return false;
        roles = w->hooks.roles(w->hooks.userdata);
        return !roles || !roles_id(roles, a->after.role);
}

/* Nothing is taken away that a recent complete read doesn't ask for; what was begun is finished all the
 * same. */
static bool is_outdated(const Job *job) {
        const QueueItem *item = job->item;

        return !job->recorded && item->state == QUEUE_WAITING && item->step == STEP_START &&
               action_kind_is_destructive(item->action.kind) &&
               !job->worker->hooks.is_fresh(job->worker->hooks.userdata);
}

/* Right before a call; false: the job has ended. */
static bool may_call(Job *job) {
        char lacking[256];
        ErrCtx err = { 0 };
        int r;

        if (!call_is_write(job->kind))
                return true;
        if (worker_holds_back(job->worker, job)) {
                job_end(job);
                return false;
        }
        /* It may have waited long for the look before it. */
        if (is_outdated(job)) {
                job->step = STEP_START;
                job_put_off(job);
                return false;
        }
        if (lacks_role(job)) {
                snprintf(lacking, sizeof(lacking), "the API has no role \"%.200s\"",
                         job->item->action.after.role);
                job_dead(job, NULL, lacking, job->step == STEP_DELETED);
                return false;
        }
        r = job->step == STEP_DELETED ? 0 : ask_guard(job, &err);
        if (r < 0)
                job_end_after(job, r);
        else if (r > 0)
                job_refused(job, err.text);
        return r == 0;
}

static void job_call(Job *job, Call call) {
        static const Outcome no_memory = { .class = OUTCOME_TRANSIENT, .detail = "out of memory" };
        ChannelSpec spec = {
                .call = call,
                .priority = action_kind_is_destructive(job->item->action.kind) ? CALL_PRIORITY_REMOVAL
                                                                               : CALL_PRIORITY_CREATE,
                .prepare = on_prepare,
                .decode = on_decode,
                .done = on_call_done,
                .userdata = job,
        };

        job->kind = call;
        if (!may_call(job))
                return;
        job->account = NULL;
        job->answer = (Answer){ 0 };
        spec.follow_up = follow_up_of(job);
        spec.has_place = job->places > 0 && call_is_write(call);
        spec.places = &job->places;
        if (channel_call(job->worker->channel, &spec, &job->call) < 0)
                job_later(job, &no_memory);
}

/* ---- flows ---- */

static void on_wait_over(void *userdata) {
        Job *job = userdata;

        job->wait_until = 0;
        job_call(job, job->wait_call);
}

static void job_wait(Job *job, const FlowNext *next) {
        Worker *w = job->worker;
        int r = 0;

        if (!job->timer)
                r = loop_timer_new(w->loop, LOOP_TIMER, "a flow waits", on_wait_over, job, &job->timer);
        if (r < 0) {
                job_end_after(job, r);
                return;
        }
        job->wait_call = next->call;
        job->wait_until = usec_add(loop_wall(w->loop), next->delay);
        loop_timer_after(job->timer, next->delay);
        w->hooks.changed(w->hooks.userdata);
}

/* ---- looks ---- */

/* Whose link, other than this person's, has the account. */
static bool link_of_other(const Links *links, const Job *job, const Account *seen) {
        for (size_t i = 0; i < links->n; i++)
                if (!links->items[i].gone && str_eq(links->items[i].remote_id, seen->remote_id))
                        return !str_eq(links->items[i].person, job->item->action.person);
        return false;
}

static void job_seen(Job *job, const Accounts *accounts, const Links *links) {
        const Action *a = &job->item->action;
        _cleanup_(freep) char *key = NULL;
        FlowInput in = flow_input(job);
        FlowNext next = { 0 };

        /* A recreated account keeps its address, whatever the directory says by now. */
        if (address_key(a->kind == ACTION_RECREATE && a->before.address ? a->before.address : a->address,
                        &key) == 0)
                in.seen = accounts_by_key(accounts, key);
        in.seen_login = accounts_by_login(accounts, a->remote_id ?: a->after.login);
        in.seen_id = accounts_by_id(accounts, a->remote_id);
        /* Borrowed from the listing, which outlives this call. */
        job->account = in.seen_login ?: in.seen;
        in.seen_linked = job->account && link_of_other(links, job, job->account);
        job->worker->driver->flow_seen(&in, &next);
        job_follow(job, &next, NULL);
}

/* Begun after the action was queued: all that a flow asks for which has sent nothing yet. */
static bool has_recent_listing(const Job *job) {
        const Accounts *accounts = job->worker->hooks.accounts(job->worker->hooks.userdata);

        return accounts && accounts->begun > job->item->queued &&
               accounts->begun <= loop_wall(job->worker->loop);
}

static void look_at_hand(Job *job) {
        _cleanup_(links_freep) Links *links = NULL;
        Worker *w = job->worker;
        int r;

        r = store_links_load(w->store, w->target->name, &links);
        if (r < 0)
                job_end_after(job, r);
        else
                job_seen(job, w->hooks.accounts(w->hooks.userdata), links);
}

void job_looked(Job *job, const Accounts *accounts, const Links *links) {
        job->looking = false;
        job->worker->n_looking--;
        job_seen(job, accounts, links);
}

static void job_follow(Job *job, const FlowNext *next, const Outcome *outcome) {
        static const Outcome done = { .class = OUTCOME_OK };
        int r;

        failpoint("job-step");
        job->step = next->step;
        r = job_keep_memo(job, next->memo);
        if (r < 0) {
                job_end_after(job, r);
                return;
        }
        switch (next->verb) {
        case FLOW_CALL:
                if (!job_is_out_of_tries(job, outcome))
                        job_call(job, next->call);
                break;
        case FLOW_LOOK:
                if (next->recent_will_do && has_recent_listing(job))
                        look_at_hand(job);
                else
                        job_look(job, outcome);
                break;
        case FLOW_DONE:
                job_done(job, outcome ? outcome : &done, next);
                break;
        case FLOW_WAIT:
                job_wait(job, next);
                break;
        case FLOW_DEAD:
                job_dead(job, outcome, next->detail, next->critical);
                break;
        case FLOW_LATER:
                job_later(job, outcome);
                break;
        }
}

/* Is the person of a half-done recreate still there? The first read says so; not without it for ever. */
static bool awaits_first_read(const Job *job) {
        const Worker *w = job->worker;

        return job->item->action.kind == ACTION_RECREATE && job->step != STEP_START &&
               !w->hooks.is_fresh(w->hooks.userdata) && loop_now(w->loop) - w->started_at < USEC_PER_MINUTE;
}

static void job_begin(Job *job) {
        FlowInput in = flow_input(job);
        FlowNext next = { 0 };

        if (is_outdated(job) || awaits_first_read(job)) {
                job_put_off(job);
                return;
        }
        if (job->item->state == QUEUE_UNCERTAIN)
                job->worker->driver->flow_resume(&in, &next);
        else
                job->worker->driver->flow_begin(&in, &next);
        job_follow(job, &next, NULL);
}

int job_start(Worker *w, QueueItem *take_item) {
        Job *job = calloc(1, sizeof(*job));

        if (!job) {
                queue_item_free(take_item);
                return -ENOMEM;
        }
        job->worker = w;
        job->item = take_item;
        job->step = (Step) take_item->step;
        TAILQ_INSERT_TAIL(&w->jobs, job, link);
        w->n_jobs++;
        quarantine_try(w->quarantine, job->item->id);
        job_begin(job);
        return 0;
}
