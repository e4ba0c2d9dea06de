/* SPDX-License-Identifier: Apache-2.0 */
/* What the end of a step or an action leaves in the store: one transaction each. */
#include <errno.h>

#include "model/address.h"
#include "store/store-ledger.h"
#include "sync/worker-internal.h"

int job_change_row(Job *job, QueueState state, usec_t due, const Outcome *outcome, const char *detail) {
        QueueItem *item = job->item;
        QueueChange change = {
                .state = state,
                .step = job->step,
                .was_uncertain = item->was_uncertain,
                .attempts = item->attempts,
                .due = due,
                .outcome = outcome ? outcome_class_to_string(outcome->class) : NULL,
                .detail = detail,
                .http_status = outcome ? outcome->http_status : 0,
                .remote_id = state == QUEUE_DONE && job->account ? job->account->remote_id : NULL,
                .forget = state == QUEUE_DROPPED,
        };

        return store_queue_change(job->worker->store, item->id, &change, loop_wall(job->worker->loop));
}

int job_keep_memo(Job *job, const char *memo) {
        char *copy;

        if (!*memo)
                return 0;
        copy = arena_strdup(job->item->arena, memo);
        if (!copy)
                return -ENOMEM;
        job->item->memo = copy;
        return store_queue_memo(job->worker->store, job->item->id, memo);
}

bool job_row_has_ended(const Job *job) {
        _cleanup_(queue_item_freep) QueueItem *item = NULL;

        return store_queue_get(job->worker->store, job->item->id, &item) >= 0 &&
               (!item || item->finished > 0);
}

static int put_link(Job *job, LinkOrigin origin) {
        const Action *a = &job->item->action;
        Worker *w = job->worker;
        _cleanup_(freep) char *key = NULL;
        Link link = {
                .person = a->person,
                .remote_id = job->account->remote_id,
                .role = a->after.role ? a->after.role : job->account->role,
                .origin = origin,
                .since = loop_wall(w->loop),
        };
        int r;

        if (address_key(a->address, &key) == 0)
                link.address = key;
        r = store_link_put(w->store, w->target->name, &link);
        return r > 0 ? -EEXIST : r;
}

/* The address of a link is held against what comes later: it goes with the account's. */
static int follow_address(Job *job) {
        _cleanup_(links_freep) Links *links = NULL;
        const Action *a = &job->item->action;
        _cleanup_(freep) char *key = NULL;
        Worker *w = job->worker;
        int r;

        if (a->kind != ACTION_UPDATE || !a->after.address || str_eq(a->after.address, a->before.address))
                return 0;
        r = address_key(a->after.address, &key);
        if (r == 0)
                r = store_links_load(w->store, w->target->name, &links);
        for (size_t i = 0; r >= 0 && links && i < links->n; i++)
                if (str_eq(links->items[i].person, a->person)) {
                        links->items[i].address = key;
                        r = store_link_put(w->store, w->target->name, &links->items[i]);
                        break;
                }
        return r < 0 ? r : 0;
}

/* The account has no password yet: its reset is as durable as its creation, and may share a batch with
 * others. */
static int queue_reset(Job *job) {
        const Action reset = {
                .kind = ACTION_RESET,
                .person = job->item->action.person,
                .address = job->item->action.address,
                .remote_id = job->account->remote_id,
        };

        return store_queue_put(job->worker->store, job->worker->target->name, &reset, job->item->cycle, true,
                               loop_wall(job->worker->loop), NULL, NULL);
}

int job_write_done(Job *job, const Outcome *outcome, const FlowNext *next) {
        Worker *w = job->worker;
        int r;

        r = store_begin(w->store);
        if (r < 0)
                return r;
        r = job_change_row(job, QUEUE_DONE, 0, outcome, *next->detail ? next->detail : NULL);
        if (r >= 0 && next->link == LINK_PUT && job->account)
                r = put_link(job, next->origin);
        if (r >= 0 && next->reset_follows && job->account)
                r = queue_reset(job);
        if (r >= 0)
                r = follow_address(job);
        if (r >= 0 && next->link == LINK_DROP)
                r = store_link_drop(w->store, w->target->name, job->item->action.person);
        return store_end(w->store, r);
}

const Account *job_changed_account(const Job *job, Account *buf) {
        const Accounts *accounts = job->worker->hooks.accounts(job->worker->hooks.userdata);
        const Action *a = &job->item->action;
        const Account *listed;

        if (job->account || !(a->kind == ACTION_UPDATE || a->kind == ACTION_ENABLE ||
                              a->kind == ACTION_DISABLE))
                return job->account;
        listed = accounts ? accounts_by_id(accounts, a->remote_id) : NULL;
        if (!listed)
                return NULL;
        *buf = *listed;
        buf->address = a->after.address ?: buf->address;
        buf->first_name = a->after.first_name ?: buf->first_name;
        buf->last_name = a->after.last_name ?: buf->last_name;
        if (a->after.roles) {
                buf->roles = a->after.roles;
                buf->n_roles = a->after.n_roles;
        }
        if (a->kind == ACTION_ENABLE)
                buf->locked = false;
        if (a->kind != ACTION_UPDATE && !str_eq(a->after.status, "unlocked"))
                buf->disabled = a->kind == ACTION_DISABLE;
        return buf;
}
