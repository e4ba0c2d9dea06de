/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by channel.c (calls), channel-token.c and channel-park.c alone. */
#pragma once

#include <sys/queue.h>

#include "sync/budget.h"
#include "sync/channel.h"

struct ChannelCall {
        TAILQ_ENTRY(ChannelCall) link;
        Channel *channel;
        ChannelSpec spec;
        uint64_t seq;
        bool sent;                      /* in the channel's `sent` count; else in Channels.pending */
        bool renewed;                   /* a new token was fetched for it once already */
        bool finished;                  /* in Channels.finished: done is due */
        Outcome outcome;
        HttpRequest *request;
        CallRequest built;
};

TAILQ_HEAD(CallList, ChannelCall);

struct Channel {
        Channels *channels;
        const TargetConfig *config;
        const TargetDriver *driver;
        Secret *key, *secret;
        Budget *budget;
        unsigned n_sent;
        uint64_t n_successes;
        /* token */
        Secret *bearer;
        usec_t bearer_end;              /* monotonic */
        HttpRequest *token_request;
        CallRequest token_built;
        usec_t certificate_warned;
        /* parking */
        char scope[300], credentials[9];
        Park park;                      /* until 0: not parked; tries 0: nothing failed lately */
        OutcomeClass park_class;
};

struct Channels {
        Loop *loop;
        Http *http;
        Store *store;
        bool dry_run;
        Budget **budgets;
        size_t n_budgets;
        Channel **channels;
        size_t n_channels;
        struct CallList pending, finished;
        LoopTask *dispatch, *complete;
        LoopTimer *timer;
        uint64_t seq;
};

/* channel.c */
void channel_fail_pending(Channel *c, const Outcome *outcome);
int channel_request(Channel *c, CallRequest *built, const Secret *authorization, http_done_t done, void *userdata, HttpRequest **ret);
void channel_answered(Channel *c, Call call, const HttpResult *result, Outcome *ret);

/* channel-token.c */
bool channel_token_usable(const Channel *c);
void channel_token_drop(Channel *c);
bool channel_token_pending(const Channel *c);
/* Starts fetching one, if budget allows it at `wall`. *ret_next: when to try again, else. */
void channel_token_fetch(Channel *c, usec_t wall, usec_t *ret_next);

/* channel-park.c */
int channel_park_load(Channel *c);
/* By class; logs. Pending calls of the channel fail with the outcome where the whole target is parked. */
void channel_park_by(Channel *c, const Outcome *outcome);
void channel_park_clear(Channel *c);
/* After a failure: one call alone until one succeeds. */
static inline bool channel_is_probing(const Channel *c) {
        return c->park.tries > 0;
}
