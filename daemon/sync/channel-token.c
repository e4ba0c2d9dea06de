/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens: one per channel, fetched by one call at a time, kept until shortly before the end. Never stored. */
#include <errno.h>

#include "base/log.h"
#include "sync/channel-internal.h"

#define TOKEN_MARGIN USEC_PER_MINUTE

bool channel_token_usable(const Channel *c) {
        return c->bearer && loop_now(c->channels->loop) < c->bearer_end;
}

bool channel_token_pending(const Channel *c) {
        return c->token_request;
}

void channel_token_drop(Channel *c) {
        c->bearer = secret_free(c->bearer);
        c->bearer_end = 0;
}

static int keep_token(Channel *c, const HttpResult *result, Outcome *outcome) {
        usec_t lifetime, margin;
        ErrCtx err = { 0 };
        int r;

        channel_token_drop(c);
        r = c->driver->decode_token(result, &c->bearer, &lifetime, &err);
        if (r < 0) {
                outcome->class = OUTCOME_TRANSIENT;
                snprintf(outcome->detail, sizeof(outcome->detail), "the token endpoint's answer can't be read: %.400s",
                         err.text);
                return r;
        }
        /* A short life gets a short margin, so that such a token is of use at all. */
        margin = lifetime / 10 < TOKEN_MARGIN ? lifetime / 10 : TOKEN_MARGIN;
        c->bearer_end = usec_add(loop_now(c->channels->loop), lifetime - margin);
        return 0;
}

static void on_token(HttpRequest *request _unused_, const HttpResult *result, void *userdata) {
        Channel *c = userdata;
        Outcome outcome = { 0 };

        c->token_request = NULL;
        call_request_deinit(&c->token_built);
        channel_answered(c, CALL_TOKEN, result, &outcome);
        if (outcome.class == OUTCOME_OK)
                (void) keep_token(c, result, &outcome);
        if (outcome.class == OUTCOME_THROTTLED)
                (void) budget_throttle(c->budget, outcome.has_retry_after, outcome.retry_after,
                                       loop_wall(c->channels->loop));
        else if (outcome.class != OUTCOME_OK) {
                /* Whatever else the token endpoint says, no call can be made. */
                if (outcome.class != OUTCOME_AUTH)
                        outcome.class = OUTCOME_TRANSIENT;
                channel_park_by(c, &outcome);
        }
        loop_task_arm(c->channels->dispatch);
}

static int token_start(Channel *c, usec_t wall) {
        CallInput in = { .call = CALL_TOKEN, .key = c->key, .secret = c->secret };
        int r;

        r = c->driver->build(c->config, &in, &c->token_built);
        if (r < 0)
                return r;
        r = budget_spend(c->budget, true, wall);
        if (r < 0)
                return r;
        return channel_request(c, &c->token_built, c->token_built.authorization, on_token, c, &c->token_request);
}

void channel_token_fetch(Channel *c, usec_t wall, usec_t *ret_next) {
        usec_t next = budget_next(c->budget, true, 1, wall);
        Outcome outcome = { .class = OUTCOME_TRANSIENT };
        int r;

        if (next > wall) {
                *ret_next = next;
                return;
        }
        *ret_next = USEC_INFINITY;
        r = token_start(c, wall);
        if (r >= 0)
                return;
        call_request_deinit(&c->token_built);
        snprintf(outcome.detail, sizeof(outcome.detail), "the token can't be asked for: %s",
                 r == -ENOSPC || r == -EIO ? store_error(c->channels->store) : strerror(-r));
        channel_park_by(c, &outcome);
}
