/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens: one per channel, fetched by one call at a time, kept until shortly before the end. Never
 * stored. */
#include <errno.h>

#include "api/channel-internal.h"
#include "base/log.h"

#define TOKEN_MARGIN USEC_PER_MINUTE

void token_init(Token *t, Channel *c, bool parent) {
        *t = (Token){ .channel = c, .parent = parent, .failed = true };
}

void token_deinit(Token *t) {
        http_request_cancel(t->request);
        call_request_deinit(&t->built);
        secret_free(t->bearer);
        secret_free(t->spent);
}

Token *token_of(Channel *c, Call call) {
        return c->config->organization != 0 && (c->driver->parent_calls >> call & 1) ? &c->parent_token
                                                                                     : &c->token;
}

bool token_is_usable(const Token *t) {
        return t->bearer && loop_now(t->channel->channels->loop) < t->end;
}

bool token_is_pending(const Token *t) {
        return t->request;
}

void token_drop(Token *t) {
        if (t->bearer) {
                secret_free(t->spent);
                t->spent = TAKE(t->bearer);
        }
        t->end = 0;
}

static int keep_token(Token *t, const HttpResult *result, Outcome *outcome) {
        usec_t lifetime, margin;
        ErrCtx err = { 0 };
        int r;

        token_drop(t);
        r = t->channel->driver->decode_token(result, &t->bearer, &lifetime, &err);
        if (r < 0) {
                outcome->class = OUTCOME_TRANSIENT;
                snprintf(outcome->detail, sizeof(outcome->detail), "the answer can't be read: %.400s",
                         err.text);
                return r;
        }
        /* A short life gets a short margin, so that such a token is of use at all. */
        margin = lifetime / 10 < TOKEN_MARGIN ? lifetime / 10 : TOKEN_MARGIN;
        t->end = usec_add(loop_now(t->channel->channels->loop), lifetime - margin);
        return 0;
}

static void on_token(HttpRequest *request _unused_, const HttpResult *result, void *userdata) {
        Token *t = userdata;
        Channel *c = t->channel;
        Outcome outcome = { 0 };

        t->request = NULL;
        channel_answered(c, CALL_TOKEN, result, &outcome);
        if (outcome.class == OUTCOME_OK)
                (void) keep_token(t, result, &outcome);
        channel_blank(c, t->built.authorization, outcome.detail);
        call_request_deinit(&t->built);
        if (outcome.class == OUTCOME_OK && t->failed)
                c->failed[CALL_TOKEN] = 0;
        t->failed = outcome.class != OUTCOME_OK;
        if (!t->parent) {
                c->facts.token_asked = true;
                c->facts.token = outcome;
        }
        if (outcome.class == OUTCOME_THROTTLED)
                channel_throttle(c, &outcome);
        else if (outcome.class != OUTCOME_OK) {
                /* Whatever else the token endpoint says, no call can be made. */
                if (outcome.class != OUTCOME_AUTH)
                        outcome.class = OUTCOME_TRANSIENT;
                channel_park_by(c, CALL_TOKEN, &outcome);
        }
        loop_task_arm(c->channels->dispatch);
}

/* 1: it is here, without a call. */
static int token_start(Token *t, usec_t wall) {
        Channel *c = t->channel;
        CallInput in = { .call = CALL_TOKEN, .key = c->key, .secret = c->secret, .parent = t->parent };
        int r;

        r = c->driver->authorize ? c->driver->authorize(c->config, c->key, c->secret, &t->bearer) : 1;
        if (r < 0)
                return r;
        if (r == 0) {
                t->end = USEC_INFINITY;
                return 1;
        }
        r = c->driver->build(c->config, &in, &t->built);
        if (r < 0)
                return r;
        r = budget_spend(c->budget, true, wall);
        if (r < 0)
                return r;
        return channel_request(c, &t->built, t->built.authorization, NULL, on_token, t, &t->request);
}

void token_fetch(Token *t, usec_t wall, usec_t *ret_next) {
        Channel *c = t->channel;
        usec_t next = budget_next(c->budget, true, 1, wall);
        Outcome outcome = { .class = OUTCOME_TRANSIENT };
        int r;

        if (next > wall) {
                *ret_next = next;
                return;
        }
        *ret_next = USEC_INFINITY;
        r = token_start(t, wall);
        if (r > 0)
                *ret_next = wall;
        if (r >= 0)
                return;
        call_request_deinit(&t->built);
        snprintf(outcome.detail, sizeof(outcome.detail), "not sent: %s",
                 store_strerror(c->channels->store, r));
        channel_park_by(c, CALL_TOKEN, &outcome);
}
