/* SPDX-License-Identifier: Apache-2.0 */
/* What answers tell beside what was asked: certificates, clocks, tokens. */
#include "api/channel-internal.h"
#include "base/log.h"

#define CERTIFICATE_WARNING (14 * USEC_PER_DAY)

static void warn_certificate(Channel *c, usec_t end) {
        usec_t wall = loop_wall(c->channels->loop);
        char text[USEC_FORMAT_MAX];
        LogFields fields = { .message_id = MSGID_CERTIFICATE_ENDS, .target = c->config->name };

        if (end == 0 || end > usec_add(wall, CERTIFICATE_WARNING) ||
            usec_sub(wall, c->certificate_warned) < USEC_PER_DAY)
                return;
        c->certificate_warned = wall;
        log_event(LOG_WARNING, &fields, "%s: the certificate of %s ends at %s", c->config->name,
                  c->config->url, usec_format_wall(end, text));
}

/* A connection that was there before shows no certificate again. */
void channel_note(Channel *c, const HttpResult *result) {
        warn_certificate(c, result->certificate_end);
        if (result->status > 0 || result->certificate)
                c->facts.heard = loop_now(c->channels->loop);
        if (result->date > 0) {
                c->facts.has_skew = true;
                c->facts.skew = (int64_t) (result->date - loop_wall(c->channels->loop));
        }
        if (result->certificate)
                snprintf(c->facts.refused, sizeof(c->facts.refused), "%s", result->error);
        if (result->certificate_end == 0)
                return;
        c->facts.certificate_end = result->certificate_end;
        c->facts.chain_end = result->chain_end;
        c->facts.refused[0] = '\0';
}

void channel_facts(const Channel *c, ChannelFacts *ret) {
        const Token *token = &c->token;

        *ret = c->facts;
        ret->has_token = token_is_usable(token);
        ret->token_left = !ret->has_token                ? 0
                          : token->end == USEC_INFINITY ? USEC_INFINITY
                                                        : token->end - loop_now(c->channels->loop);
}
