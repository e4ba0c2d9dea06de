/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/remote-internal.h"
#include "sync/standing.h"

bool remote_is_busy(const Remote *r) {
        return r->done;
}

bool remote_is_listing(const Remote *r) {
        return lister_is_running(r->lister);
}

void remote_ask_again(Remote *r) {
        r->again = true;
}

bool remote_is_asked_again(const Remote *r) {
        return r->again;
}

void remote_want_whole(Remote *r) {
        r->want_whole = true;
}

void remote_kick(Remote *r) {
        worker_kick(r->worker);
        resetter_kick(r->resetter);
}

int remote_update_pause(Remote *r) {
        bool all, one;
        int q;

        q = standing_is_paused(r->env.store, NULL, &all);
        if (q >= 0)
                q = standing_is_paused(r->env.store, r->target->name, &one);
        if (q < 0)
                return q;
        channel_set_paused(r->channel, all || one);
        if (all || one) {
                worker_put_back(r->worker);
                resetter_pause(r->resetter);
        } else
                remote_kick(r);
        return 0;
}

bool remote_is_paused(const Remote *r) {
        return channel_is_paused(r->channel);
}

void remote_unpark(Remote *r) {
        channel_unpark(r->channel);
        quarantine_lift(r->quarantine, "resumed by an operator");
        remote_kick(r);
}

usec_t remote_action_due(const Remote *r, const QueueItem *item) {
        return worker_action_due(r->worker, item);
}

int remote_urge(Remote *r, int64_t id) {
        int q;

        q = store_queue_urge(r->env.store, id, loop_wall(r->env.loop));
        if (q < 0)
                return q;
        worker_put_back(r->worker);
        remote_kick(r);
        return 0;
}

int remote_let_go(Remote *r, int64_t id) {
        int q = worker_let_go(r->worker, id);

        return q < 0 ? q : resetter_let_go(r->resetter, id);
}

const Accounts *remote_accounts(const Remote *r) {
        return r->accounts;
}

const char *remote_own_login(const Remote *r) {
        return channel_own_login(r->channel);
}

usec_t remote_parked(const Remote *r, OutcomeClass *ret_class, const char **ret_detail) {
        usec_t parked = channel_parked_until(r->channel, ret_class, ret_detail), until = 0;
        const char *reason = quarantine_reason(r->quarantine, &until);

        if (parked > 0)
                return parked;
        if (ret_class)
                *ret_class = reason ? OUTCOME_REJECTED : OUTCOME_THROTTLED;
        if (ret_detail)
                *ret_detail = reason ?: "the API asked for a pause: no call under this key";
        return reason ? until : channel_throttled_until(r->channel);
}

usec_t remote_estimate(const Remote *r, uint64_t n) {
        return channel_estimate(r->channel, n);
}

bool remote_shares_key(const Remote *a, const Remote *b) {
        return channel_shares_key(a->channel, b->channel);
}

usec_t remote_next_free(const Remote *r) {
        return channel_next_free(r->channel);
}
