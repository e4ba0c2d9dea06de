/* SPDX-License-Identifier: Apache-2.0 */
/* The one way to a target's API. A channel waits for budget, fetches tokens, makes the call, maps the
 * answer to a class, and parks target or key by that class; its callers see outcomes alone. */
#pragma once

#include "base/loop.h"
#include "config/config.h"
#include "store/store.h"
#include "target/target.h"

typedef struct Channels Channels;
typedef struct Channel Channel;
typedef struct ChannelCall ChannelCall;

/* Order in which calls of one key get the budget. */
typedef enum CallPriority {
        CALL_PRIORITY_REMOVAL,
        CALL_PRIORITY_CREATE,
        CALL_PRIORITY_LISTING
} CallPriority;

/* All borrowed. */
int channels_new(Loop *loop, Http *http, Store *store, Channels **ret);
/* Frees its channels and budgets too. No call may be pending. */
Channels *channels_free(Channels *channels);
DEFINE_CLEANUP(Channels *, channels_free);

/* config is borrowed and must outlive the channels. Takes both secrets, also on failure. */
int channel_new(Channels *channels, const TargetConfig *config, Secret *take_key, Secret *take_secret,
                Channel **ret);
const TargetConfig *channel_config(const Channel *channel);
const TargetDriver *channel_driver(const Channel *channel);
/* The login of the API's own user; NULL: a key has none. */
const char *channel_own_login(const Channel *channel);

#define CHANNEL_E_NOT_WANTED 1
typedef struct ChannelSpec {
        Call call;
        CallPriority priority;
        /* calls that must be free after this one: set aside when it is sent (channel_give_back()) */
        unsigned follow_up;
        bool has_place;                 /* this call is one that was set aside */
        /* the caller's count of what is set aside for it; kept when the call is sent. May be NULL */
        unsigned *places;
        /* Right before sending, within the transaction that records the call in the budget: fills in what
         * the call needs (valid until this call's done). Negative: it isn't sent, done gets
         * OUTCOME_TRANSIENT. CHANNEL_E_NOT_WANTED: nor is it, with HINT_NOT_WANTED: that is nobody's
         * fault. */
        int (*prepare)(CallInput *in, void *userdata);
        /* A body that isn't kept, as it comes (HttpSpec.on_data); NULL: it is kept. */
        void (*on_data)(const char *data, size_t len, void *userdata);
        /* The answer of a call classified OK; negative (with err): it wasn't usable. NULL: no body is
         * needed. */
        int (*decode)(const HttpResult *result, void *userdata, ErrCtx *err);
        /* Exactly once, never from inside channel_call(); the call is gone then. sent: bytes may have
         * reached the API. */
        void (*done)(const Outcome *outcome, bool sent, void *userdata);
        void *userdata;
} ChannelSpec;

int channel_call(Channel *channel, const ChannelSpec *spec, ChannelCall **ret);
/* done won't come; a call that was sent is cut off (a write is then uncertain). NULL is fine; returns
 * NULL. */
ChannelCall *channel_call_cancel(ChannelCall *call);
bool channel_call_is_sent(const ChannelCall *call);
/* Gives back n calls that were set aside and not used. */
void channel_give_back(Channel *channel, unsigned n);

/* It waits for its turn, as opposed to being under way or over. */
bool channel_call_is_waiting(const ChannelCall *call);

/* The wall time from which a call may go out: parking and budget; <= loop_wall(): now. */
usec_t channel_next_free(Channel *channel);
/* The same for a call that waits: what must be free after it counts. */
usec_t channel_call_free(const ChannelCall *call);
/* About when the last of n more calls can have gone out: for people. */
usec_t channel_estimate(Channel *channel, uint64_t n);
bool channel_shares_key(const Channel *a, const Channel *b);
/* How the target is parked: 0 if it isn't. *ret_detail (may be NULL) says why. */
usec_t channel_parked_until(Channel *channel, OutcomeClass *ret_class, const char **ret_detail);
/* The last calls failed for the target's sake, whether or not it is parked for that at this moment. */
bool channel_is_failing(const Channel *channel);
/* How its key is: the API said 429, and no call goes out until then; 0: it isn't throttled. */
usec_t channel_throttled_until(Channel *channel);
/* Refused credentials are tried again now: somebody may have mended what was wrong. Refused again, the
 * wait goes on growing. */
void channel_retry_refused(Channel *channel);
/* No write is begun while it is: the configuration says so, or an operator. */
bool channel_is_paused(const Channel *channel);
void channel_set_paused(Channel *channel, bool paused);
/* An operator's word that the target can be called again: parking ends at once, and its times begin anew. */
void channel_unpark(Channel *channel);
/* What the answers so far told beside what was asked. */
typedef struct ChannelFacts {
        usec_t heard;                   /* monotonic: when the server last said anything; 0: never */
        bool token_asked;               /* `token` is the outcome of the last token call */
        Outcome token;
        bool has_token;
        usec_t token_left;              /* USEC_INFINITY: this target needs none */
        bool has_skew;
        int64_t skew;                   /* the server's clock minus ours, to a second or so */
        /* of the last handshake; 0: unknown. refused: why it failed, "" */
        usec_t certificate_end, chain_end;
        char refused[256];
} ChannelFacts;
void channel_facts(const Channel *channel, ChannelFacts *ret);

/* Actions that succeeded at this target so far, to tell a bad action from a bad target. */
uint64_t channel_successes(const Channel *channel);
