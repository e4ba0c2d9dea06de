/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by channel.c (calls), channel-facts.c, channel-token.c and channel-park.c alone. */
#pragma once

#include <sys/queue.h>

#include "api/budget.h"
#include "api/channel.h"

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
        CallInput in;                   /* as prepare filled it in */
        CallRequest built;
};

TAILQ_HEAD(CallList, ChannelCall);

typedef struct Token {
        Channel *channel;
        bool parent;
        bool failed;                    /* its last call did, or may have, before a restart */
        Secret *bearer, *spent;         /* the header's value; the one before it */
        usec_t end;                     /* monotonic */
        HttpRequest *request;
        CallRequest built;
} Token;

struct Channel {
        Channels *channels;
        const TargetConfig *config;
        const TargetDriver *driver;
        Secret *key, *secret;
        Budget *budget;
        unsigned n_sent;
        uint64_t n_successes;
        bool paused;                    /* by an operator */
        /* of the organization; of the key's own, for some calls of child organizations */
        Token token, parent_token;
        usec_t certificate_warned;
        ChannelFacts facts;             /* but for what the token itself tells */
        /* parking */
        char scope[300], credentials[9];
        Park park;                      /* until 0: not parked; tries 0: nothing failed lately */
        OutcomeClass park_class;
        /* in a row, by kind: a list that fails isn't mended by roles that come */
        unsigned failed[_CALL_MAX];
};

struct Channels {
        Loop *loop;
        Http *http;
        Store *store;
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
int channel_request(Channel *c, CallRequest *built, const Secret *authorization,
                    void (*on_data)(const char *, size_t, void *), http_done_t done, void *userdata,
                    HttpRequest **ret);
void channel_answered(Channel *c, Call call, const HttpResult *result, Outcome *ret);
/* Takes out of an answer's words what we sent. authorization: a header's value, scheme first; or NULL. */
void channel_blank(const Channel *c, const Secret *authorization, char *text);
void channel_throttle(Channel *c, const Outcome *outcome);

/* channel-facts.c */
void channel_note(Channel *c, const HttpResult *result);

/* channel-token.c */
void token_init(Token *t, Channel *c, bool parent);
void token_deinit(Token *t);
/* The one that such a call is made with. */
Token *token_of(Channel *c, Call call);
bool token_is_usable(const Token *t);
bool token_is_pending(const Token *t);
void token_drop(Token *t);
/* Starts fetching one, if budget allows it at `wall`. *ret_next: when to try again, else. */
void token_fetch(Token *t, usec_t wall, usec_t *ret_next);

/* channel-park.c */
int channel_park_load(Channel *c);
/* A wall clock that was set back must not lengthen the wait. */
void channel_park_settle(Channel *c, usec_t wall);
/* By class; logs. Pending calls of the channel fail with the outcome where the whole target is parked.
 * call: the one that failed. */
void channel_park_by(Channel *c, Call call, const Outcome *outcome);
/* Such a call succeeded, or was understood and refused. */
void channel_park_clear(Channel *c, Call call);
/* After a failure: one call alone until one succeeds. */
static inline bool channel_is_probing(const Channel *c) {
        return c->park.tries > 0;
}
