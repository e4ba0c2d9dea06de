/* SPDX-License-Identifier: Apache-2.0 */
/* One batch at a time. A batch that is refused, whatever the reason, is halved until the bad member is
 * alone, so that one bad address stops nobody else. */
#include <errno.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "store/store-queue.h"
#include "sync/guard.h"
#include "sync/resetter.h"

struct Resetter {
        Loop *loop;
        Store *store;
        const Config *config;
        const TargetConfig *target;
        const TargetDriver *driver;
        Channel *channel;
        Quarantine *quarantine;
        WorkerHooks hooks;
        LoopTask *task;
        LoopTimer *timer;
        bool started, draining, must_recover;
        /* before an uncertain reset is settled: a listing that begins after its call */
        bool must_look, look_begun;
        bool waits_for_look;            /* some uncertain reset is due */
        ChannelCall *call;
        bool recorded;                  /* its rows stand as running: it goes on to its end */
        QueueItem **items;              /* of the batch under way; room for reset_batch */
        size_t n_items;
        size_t next_size;               /* of the next batch: smaller after a refusal */
        size_t n_seen;                  /* rows looked at for this batch */
        Secret **passwords;
        const Account **accounts;
        const Action **actions;
        Arena *arena;
        Answer answer;
};

static void forget_batch(Resetter *r) {
        for (size_t i = 0; i < r->n_items; i++) {
                quarantine_leave(r->quarantine, r->items[i]->id);
                r->items[i] = queue_item_free(r->items[i]);
                r->passwords[i] = secret_free(r->passwords[i]);
        }
        r->n_items = 0;
        r->recorded = false;
        r->arena = arena_free(r->arena);
        r->answer = (Answer){ 0 };
}

static void store_fault(Resetter *r, int q) {
        LogFields fields = { .message_id = MSGID_STORE_FAULT, .target = r->target->name };

        r->must_recover = true;
        log_event(LOG_ERR, &fields, "%s: the queue can't be written: %s", r->target->name,
                  store_strerror(r->store, q));
}

/* The rows stay as they are: the next batch is made of those that still wait. */
static void leave_batch(Resetter *r) {
        forget_batch(r);
        loop_task_arm(r->task);
        r->hooks.changed(r->hooks.userdata);
}

/* For those who look on: the call is about to be sent (outcome NULL), or has ended. */
static void tell_call(const Resetter *r, const Outcome *outcome) {
        for (size_t i = 0; i < r->n_items; i++) {
                const CallEvent event = {
                                .target = r->target->name,
                                .person = r->items[i]->action.person,
                                .action = r->items[i]->id,
                                .call = CALL_RESET,
                                .outcome = outcome,
                };

                r->hooks.called(&event, r->hooks.userdata);
        }
}

/* ---- ends ---- */

/* How a row ends, or waits on. */
typedef struct End { QueueState state; usec_t due; const char *detail; } End;

static const End unknown = {
        QUEUE_DEAD, 0,
        "it is unknown whether the password was reset; by reset_uncertain = \"once\" it isn't tried again",
};

static void log_end(const Resetter *r, const QueueItem *item, End end, const Outcome *outcome) {
        static const struct { const char *id, *word; int priority; } forms[_QUEUE_STATE_MAX] = {
                [QUEUE_DONE] = { MSGID_ACTION_DONE, "done", LOG_INFO },
                [QUEUE_DEAD] = { MSGID_DEAD_LETTER, "given up", LOG_ERR },
                [QUEUE_DROPPED] = { MSGID_LAST_OR_PROTECTED_KEPT, "not done", LOG_WARNING },
        };
        LogFields fields = {
                .message_id = forms[end.state].id,
                .target = r->target->name,
                .action = action_kind_to_string(ACTION_RESET),
                .action_id = item->id,
                .cycle = item->cycle,
                .person = item->action.person,
                .account = item->action.address,
                .remote_id = item->action.remote_id,
                .outcome = outcome ? outcome_class_to_string(outcome->class) : NULL,
                .http_status = outcome ? outcome->http_status : 0,
        };

        if (forms[end.state].word)
                log_event(forms[end.state].priority, &fields, "%s: reset %s: %s%s%s", r->target->name,
                          item->action.address, forms[end.state].word, end.detail ? ": " : "",
                          end.detail ?: "");
}

static int end_item(Resetter *r, const QueueItem *item, End end, const Outcome *outcome) {
        QueueChange change = {
                .state = end.state,
                .was_uncertain = item->was_uncertain,
                .attempts = item->attempts,
                .due = end.due,
                .outcome = outcome ? outcome_class_to_string(outcome->class) : NULL,
                .detail = end.detail,
                .http_status = outcome ? outcome->http_status : 0,
                .forget = end.state == QUEUE_DROPPED,
        };

        return store_queue_change(r->store, item->id, &change, loop_wall(r->loop));
}

/* A member that was refused by name ends as a dead letter, whatever becomes of the batch. */
static End end_of_member(const Resetter *r, size_t i, End batch) {
        const char *refusal = r->answer.refused ? r->answer.refused[i] : NULL;

        return refusal ? (End){ QUEUE_DEAD, 0, refusal } : batch;
}

static int write_ends(Resetter *r, End batch, const Outcome *outcome) {
        int q;

        q = store_begin(r->store);
        if (q < 0)
                return q;
        for (size_t i = 0; q >= 0 && i < r->n_items; i++)
                q = end_item(r, r->items[i], end_of_member(r, i, batch), outcome);
        return store_end(r->store, q);
}

static void tell_ends(Resetter *r, End batch, const Outcome *outcome) {
        for (size_t i = 0; i < r->n_items; i++) {
                const QueueItem *item = r->items[i];
                End end = end_of_member(r, i, batch);

                log_end(r, item, end, outcome);
                if (end.state == QUEUE_DONE)
                        r->hooks.account_reset(item->action.remote_id, r->hooks.userdata);
                if (end.state == QUEUE_DONE || end.state == QUEUE_DEAD)
                        quarantine_ended(r->quarantine, item->id, end.state == QUEUE_DONE);
        }
        quarantine_judge(r->quarantine);
}

/* All rows of the batch in one transaction, then whoever has to know. */
static void end_batch(Resetter *r, End end, const Outcome *outcome) {
        int q;

        q = write_ends(r, end, outcome);
        failpoint("reset-recorded");
        if (q < 0)
                store_fault(r, q);
        else
                tell_ends(r, end, outcome);
        if (end.due > loop_wall(r->loop))
                loop_timer_after(r->timer, end.due - loop_wall(r->loop));
        leave_batch(r);
}

static void end_refused(Resetter *r, const Outcome *outcome) {
        bool halve = r->n_items > 1;

        if (halve)
                r->next_size = (r->n_items + 1) / 2;
        end_batch(r, (End){ halve ? QUEUE_WAITING : QUEUE_DEAD, halve ? loop_wall(r->loop) : 0,
                            outcome->detail }, outcome);
}

static void end_uncertain(Resetter *r, const Outcome *outcome) {
        const End look = { QUEUE_UNCERTAIN, channel_next_free(r->channel), "no answer came" },
                  again = { QUEUE_WAITING, look.due, look.detail };

        r->must_look = true;
        r->look_begun = false;
        if (r->driver->reset_fate)
                end_batch(r, look, outcome);
        else
                end_batch(r, r->target->reset_uncertain_again ? again : unknown, outcome);
}

static void on_done(const Outcome *outcome, bool sent _unused_, void *userdata) {
        Resetter *r = userdata;

        failpoint("reset-answered");
        r->call = NULL;
        if (outcome->hint == HINT_NOT_WANTED) {
                leave_batch(r);
                return;
        }
        tell_call(r, outcome);
        if (outcome->class == OUTCOME_OK || outcome->class == OUTCOME_ALREADY) {
                /* Grown back step by step: the bad member may have been the only one. */
                r->next_size = r->next_size * 2 < r->target->reset_batch ? r->next_size * 2
                                                                         : r->target->reset_batch;
                end_batch(r, (End){ .state = QUEUE_DONE }, outcome);
        } else if (outcome->class == OUTCOME_REJECTED)
                end_refused(r, outcome);
        else if (outcome->class == OUTCOME_UNCERTAIN)
                end_uncertain(r, outcome);
        else
                end_batch(r, (End){ QUEUE_WAITING, channel_next_free(r->channel), outcome->detail },
                          outcome);
}

/* ---- calls ---- */

/* When the password was last reset, as far as is known: to tell later whether this call did it. */
static int note_mark(Resetter *r, size_t i) {
        const char *mark =
                        r->driver->reset_mark && r->accounts[i] ? r->driver->reset_mark(r->accounts[i]) : "";

        return r->driver->reset_mark ? store_queue_memo(r->store, r->items[i]->id, *mark ? mark : NULL) : 0;
}

static int on_prepare(CallInput *in, void *userdata) {
        Resetter *r = userdata;
        const Accounts *accounts = r->hooks.accounts(r->hooks.userdata);
        int q;

        r->recorded = true;
        for (size_t i = 0; i < r->n_items; i++) {
                r->actions[i] = &r->items[i]->action;
                /* Only now: the call may have waited while the listing changed. */
                r->accounts[i] = accounts ? accounts_by_id(accounts, r->actions[i]->remote_id) : NULL;
                q = store_queue_running(r->store, r->items[i]->id, 0, loop_wall(r->loop));
                if (q == -EINVAL || q == -ENOENT)
                        return CHANNEL_E_NOT_WANTED;
                if (q >= 0)
                        q = note_mark(r, i);
                if (q < 0)
                        return q;
        }
        tell_call(r, NULL);
        in->batch = r->actions;
        in->n_batch = r->n_items;
        in->accounts = r->accounts;
        in->passwords = r->passwords;
        return 0;
}

static int on_decode(const HttpResult *result, void *userdata, ErrCtx *err) {
        Resetter *r = userdata;

        r->arena = arena_free(r->arena);
        r->arena = arena_new();
        if (!r->arena)
                return -ENOMEM;
        if (!r->driver->decode_reset)
                return 0;
        return r->driver->decode_reset(r->target, r->actions, r->n_items, result, r->arena, &r->answer, err);
}

static int send_batch(Resetter *r) {
        ChannelSpec spec = {
                .call = CALL_RESET,
                .priority = CALL_PRIORITY_REMOVAL,
                .prepare = on_prepare,
                .decode = on_decode,
                .done = on_done,
                .userdata = r,
        };

        return channel_call(r->channel, &spec, &r->call);
}

/* ---- making a batch ---- */

static ResetFate fate_of(const Resetter *r, const QueueItem *item) {
        const Account *account =
                        accounts_by_id(r->hooks.accounts(r->hooks.userdata), item->action.remote_id);

        return r->driver->reset_fate ? r->driver->reset_fate(item->memo, item->begun, account)
                                     : RESET_UNKNOWN;
}

/* What a crash or a lost answer left. 1: it goes into the batch; 0: it ended here, or waits for a
 * listing. */
static int settle_uncertain(Resetter *r, const QueueItem *item) {
        End end = unknown;
        ResetFate fate;
        int q;

        if (r->driver->reset_fate && r->must_look) {
                r->waits_for_look = true;
                return 0;
        }
        fate = fate_of(r, item);
        if (fate == RESET_DONE)
                end = (End){ .state = QUEUE_DONE };
        else if (fate == RESET_NOT_DONE || r->target->reset_uncertain_again)
                return 1;
        q = end_item(r, item, end, NULL);
        if (fate == RESET_DONE)
                end.detail = "as its account shows";
        if (q >= 0)
                log_end(r, item, end, NULL);
        return q;
}

/* An account of ours that isn't listed yet, or no longer: the next listing tells more. */
static int require_account(Resetter *r, const QueueItem *item) {
        const End later = { QUEUE_WAITING, usec_add(loop_wall(r->loop), USEC_PER_MINUTE),
                            "waits for a listing that has the account" };

        if (accounts_by_id(r->hooks.accounts(r->hooks.userdata), item->action.remote_id))
                return 1;
        return end_item(r, item, later, NULL);
}

/* 1: it goes into the batch; 0: it ended here. */
static int admit(Resetter *r, const QueueItem *item) {
        GuardInput guard = {
                .store = r->store,
                .target = r->target,
                .accounts = r->hooks.accounts(r->hooks.userdata),
                .id = item->id,
                .action = &item->action,
                .own_login = channel_own_login(r->channel),
        };
        ErrCtx err = { 0 };
        int q;

        if (item->state == QUEUE_UNCERTAIN) {
                q = settle_uncertain(r, item);
                if (q <= 0)
                        return q;
        }
        q = guard_check(&guard, &err);
        if (q < 0)
                return q;
        if (q == GUARD_E_BREACH) {
                const End end = { QUEUE_DROPPED, 0, err.text };

                q = end_item(r, item, end, NULL);
                if (q >= 0)
                        log_end(r, item, end, NULL);
                return q;
        }
        return r->driver->reset_needs_account ? require_account(r, item) : 1;
}

static int add_member(Resetter *r, QueueItem *take_item) {
        int q = 0;

        r->items[r->n_items] = take_item;
        if (r->driver->reset_has_passwords && r->driver->reset_has_passwords(r->target))
                q = secret_generate_password(r->config->password.length, r->config->password.classes,
                                             &r->passwords[r->n_items]);
        r->n_items++;
        return q;
}

static int take_due(QueueItem *take_item, void *userdata) {
        _cleanup_(queue_item_freep) QueueItem *item = take_item;
        Resetter *r = userdata;
        int q;

        r->n_seen++;
        q = admit(r, item);
        if (q > 0)
                q = add_member(r, TAKE(item));
        return q < 0 ? q : 0;
}

static bool may_run(const Resetter *r) {
        usec_t wall = loop_wall(r->loop), parked = channel_parked_until(r->channel, NULL, NULL);
        usec_t quarantined = quarantine_next(r->quarantine);

        parked = quarantined > parked ? quarantined : parked;
        if (parked > wall && parked != USEC_INFINITY)
                loop_timer_after(r->timer, parked - wall);
        return r->started && !r->draining && !channel_is_paused(r->channel) && !r->call &&
               r->hooks.accounts(r->hooks.userdata) && parked <= wall;
}

static size_t batch_size(const Resetter *r) {
        return quarantine_is_on(r->quarantine) ? 1 : r->next_size;
}

/* What a quarantine doesn't try goes back to waiting. */
static void take_back(Resetter *r) {
        if (r->n_items > 0 && r->items[0]->id != quarantine_tried(r->quarantine))
                resetter_pause(r);
}

/* After a fault of the store rows may stand as running that nobody runs. */
static void recover(Resetter *r) {
        if (r->must_recover && !r->call && store_queue_recover(r->store, r->target->name, true) >= 0) {
                r->must_recover = false;
                /* One that began before their calls ended tells nothing of them. */
                r->look_begun = false;
                r->must_look = true;
        }
}

static void on_task(void *userdata) {
        Resetter *r = userdata;
        int q;

        recover(r);
        if (quarantine_is_on(r->quarantine))
                take_back(r);
        if (!may_run(r))
                return;
        r->n_seen = 0;
        r->waits_for_look = false;
        q = store_queue_due(r->store, r->target->name, true, loop_wall(r->loop), batch_size(r), take_due, r);
        if (q >= 0 && r->n_items > 0) {
                quarantine_try(r->quarantine, r->items[0]->id);
                q = send_batch(r);
        } else if (q >= 0 && r->waits_for_look)
                r->hooks.look(r->hooks.userdata);
        else if (q >= 0 && r->n_seen > 0)
                /* All of them ended here: there may be more. */
                loop_task_arm(r->task);
        if (q < 0) {
                store_fault(r, q);
                forget_batch(r);
                loop_timer_after(r->timer, USEC_PER_MINUTE);
        }
}

/* ---- making, starting, stopping ---- */

static int make_room(Resetter *r) {
        size_t n = r->target->reset_batch;

        r->items = calloc(n, sizeof(*r->items));
        r->passwords = calloc(n, sizeof(*r->passwords));
        r->accounts = calloc(n, sizeof(*r->accounts));
        r->actions = calloc(n, sizeof(*r->actions));
        r->next_size = n;
        return r->items && r->passwords && r->accounts && r->actions ? 0 : -ENOMEM;
}

int resetter_new(Loop *loop, Store *store, const Config *config, Channel *channel, Quarantine *quarantine,
                 const WorkerHooks *hooks, Resetter **ret) {
        _cleanup_(resetter_freep) Resetter *r = calloc(1, sizeof(*r));
        int q;

        if (!r)
                return -ENOMEM;
        r->loop = loop;
        r->store = store;
        r->config = config;
        r->target = channel_config(channel);
        r->driver = channel_driver(channel);
        r->channel = channel;
        r->quarantine = quarantine;
        r->hooks = *hooks;
        q = make_room(r);
        if (q < 0)
                return q;
        q = loop_task_new(loop, LOOP_NORMAL, "take up resets", on_task, r, &r->task);
        if (q < 0)
                return q;
        q = loop_timer_new(loop, LOOP_TIMER, "take up resets", on_task, r, &r->timer);
        if (q < 0)
                return q;
        *ret = TAKE(r);
        return 0;
}

Resetter *resetter_free(Resetter *r) {
        if (!r)
                return NULL;
        channel_call_cancel(r->call);
        if (r->items && r->passwords)
                forget_batch(r);
        loop_task_free(r->task);
        loop_timer_free(r->timer);
        free(r->items);
        free(r->passwords);
        free(r->accounts);
        free(r->actions);
        free(r);
        return NULL;
}

void resetter_start(Resetter *r) {
        r->started = true;
        resetter_kick(r);
}

/* A plan may have ended the row of a member while the batch waits for its call: it is made up anew. */
static void leave_ended(Resetter *r) {
        if (!r->call || resetter_is_sent(r))
                return;
        for (size_t i = 0; i < r->n_items; i++) {
                _cleanup_(queue_item_freep) QueueItem *item = NULL;

                if (store_queue_get(r->store, r->items[i]->id, &item) >= 0 &&
                    (!item || item->finished > 0)) {
                        r->call = channel_call_cancel(r->call);
                        forget_batch(r);
                        return;
                }
        }
}

void resetter_kick(Resetter *r) {
        leave_ended(r);
        loop_task_arm(r->task);
}

bool resetter_wants_look(const Resetter *r) {
        return r->waits_for_look && !r->call;
}

void resetter_look_begins(Resetter *r) {
        r->look_begun = r->must_look;
}

void resetter_looked(Resetter *r, bool complete) {
        if (r->look_begun && complete)
                r->must_look = false;
        r->look_begun = false;
        resetter_kick(r);
}

bool resetter_is_sent(const Resetter *r) {
        return r->call && channel_call_is_sent(r->call);
}

void resetter_drain(Resetter *r) {
        r->draining = true;
        if (!resetter_is_sent(r)) {
                r->call = channel_call_cancel(r->call);
                forget_batch(r);
        }
}

void resetter_pause(Resetter *r) {
        if (r->call && !r->recorded) {
                r->call = channel_call_cancel(r->call);
                forget_batch(r);
        }
}

int resetter_let_go(Resetter *r, int64_t id) {
        for (size_t i = 0; i < r->n_items; i++) {
                if (r->items[i]->id != id)
                        continue;
                if (r->recorded)
                        return -EBUSY;
                resetter_pause(r);
                resetter_kick(r);
                return 0;
        }
        return 0;
}

bool resetter_is_idle(const Resetter *r) {
        return !r->call;
}
