/* SPDX-License-Identifier: Apache-2.0 */
/* A target: its roles and one whole listing, over the channel that all other calls take too, and what the
 * answers tell beside that. A write is never sent, so what only a write would prove is said to be
 * unproven. */
#include <errno.h>
#include <inttypes.h>

#include "check/check-internal.h"

#define SKEW_MAX (30 * (int64_t) USEC_PER_SEC)

#define LINE(c, verdict, what, ...) \
        check_line(&(c)->lines, verdict, EXIT_TARGET, "target", (c)->target->name, what, __VA_ARGS__)

/* ---- what it tells ---- */

/* Where the outcome table has no advice of its own. */
static const char *way_out(const Outcome *outcome) {
        if (outcome->class != OUTCOME_TRANSIENT)
                return "";
        return outcome->http_status == 0     ? ": check url, ca_file, proxy, and the way there"
               : outcome->http_status >= 500 ? ": the API's own trouble, check again later"
                                             : "";
}

/* False: without one nothing was asked, and what would be told of it is the same again. */
static bool tell_token(CheckApi *c, const ChannelFacts *facts) {
        char text[USEC_FORMAT_MAX];

        if (facts->token_asked && facts->token.class != OUTCOME_OK) {
                LINE(c, CHECK_FAIL, "token", "%s%s", facts->token.detail, way_out(&facts->token));
                return false;
        }
        if (facts->has_token && facts->token_left == USEC_INFINITY)
                LINE(c, CHECK_OK, "token", "none is needed: name and password go with every call");
        else if (facts->has_token)
                LINE(c, CHECK_OK, "token", "given for key and secret, good for another %s",
                     usec_format(facts->token_left / USEC_PER_SEC * USEC_PER_SEC, text));
        else if (facts->token_asked)
                LINE(c, CHECK_OK, "token", "given for key and secret, but not taken with the calls below");
        return true;
}

static void tell_scopes(CheckApi *c) {
        LINE(c, CHECK_OK, "scopes",
             "enough to read (%s); whether they are enough to write (%s) only a write would show",
             c->driver->rights_read, c->driver->rights_write);
}

static void put_known(const CheckApi *c, StrBuf *out) {
        for (size_t i = 0; i < c->roles.n; i++)
                strbuf_printf(out, "%s%s", i > 0 ? ", " : "", c->roles.items[i].label);
}

static void tell_unknown_role(CheckApi *c, const char *label) {
        _cleanup_(strbuf_deinit) StrBuf known = STRBUF_INIT(4096);

        put_known(c, &known);
        check_line(&c->lines, CHECK_FAIL, EXIT_CONFIG, "target", c->target->name, "roles",
                   "\"%s\" isn't a role of this API, and nothing is planned while it is configured; there "
                   "are: %s",
                   label, known.data ? known.data : "none");
}

static bool was_named_before(const TargetConfig *target, size_t i) {
        for (size_t k = 0; k < i; k++)
                if (str_eq(target->roles[k].role, target->roles[i].role))
                        return true;
        return false;
}

static void tell_roles(CheckApi *c) {
        size_t unknown = 0;

        for (size_t i = 0; i < c->target->n_roles; i++)
                if (!roles_id(&c->roles, c->target->roles[i].role)) {
                        unknown++;
                        if (!was_named_before(c->target, i))
                                tell_unknown_role(c, c->target->roles[i].role);
                }
        for (size_t i = 0; i < c->target->n_last_of; i++)
                if (!roles_id(&c->roles, c->target->last_of[i]))
                        LINE(c, CHECK_WARN, "roles",
                             "\"%s\" (last_of) isn't a role of this API: it protects nobody",
                             c->target->last_of[i]);
        if (unknown == 0)
                LINE(c, CHECK_OK, "roles", "the API has %zu; all that are configured are among them",
                     c->roles.n);
}

static void tell_listing(CheckApi *c, const ListerResult *result) {
        if (result && result->accounts)
                LINE(c, CHECK_OK, "listing", "%zu %s in %u %s, complete%s", result->accounts->n,
                     result->accounts->n == 1 ? "account" : "accounts", result->pages,
                     result->pages == 1 ? "page" : "pages",
                     c->target->n_canaries > 0 ? ", with all canaries" : "");
        else
                LINE(c, CHECK_FAIL, c->outcome.http_status == 403 ? "scopes" : result ? "listing" : "roles",
                     "%s%s%s", result && result->incomplete ? "incomplete: " : "", c->outcome.detail,
                     result && result->incomplete ? "" : way_out(&c->outcome));
}

static void tell_clock(CheckApi *c, const ChannelFacts *facts) {
        uint64_t skew = (uint64_t) (facts->skew < 0 ? -facts->skew : facts->skew);
        char text[USEC_FORMAT_MAX];

        if (!facts->has_skew)
                return;
        skew -= skew % USEC_PER_SEC;
        if (skew > (uint64_t) SKEW_MAX)
                LINE(c, CHECK_WARN, "clock",
                     "the server's is %s %s of ours: tokens may seem to end at the wrong time; see "
                     "timedatectl",
                     usec_format(skew, text), facts->skew > 0 ? "ahead" : "behind");
        else
                LINE(c, CHECK_OK, "clock", "within %s of the server's",
                     usec_format(skew > 0 ? skew : USEC_PER_SEC, text));
}

static void tell_certificate(CheckApi *c, const ChannelFacts *facts) {
        if (*facts->refused)
                LINE(c, CHECK_FAIL, "certificate",
                     "refused: %s: who runs the server must renew it, or see ca_file", facts->refused);
        else
                check_certificate(&c->lines, "target", c->target->name, facts->certificate_end,
                                  facts->chain_end, loop_wall(c->loop));
}

/* result NULL: the roles didn't come. */
static void finish(CheckApi *c, const ListerResult *result) {
        ChannelFacts facts;

        channel_facts(c->channel, &facts);
        if (facts.heard >= c->begun) {
                tell_certificate(c, &facts);
                tell_clock(c, &facts);
        }
        if (tell_token(c, &facts)) {
                if (result && result->accounts)
                        tell_scopes(c);
                if (c->roles.n > 0)
                        tell_roles(c);
                tell_listing(c, result);
        }
        c->over = true;
        c->done(c->userdata);
}

/* ---- the calls ---- */

static void on_listed(ListerResult *result, void *userdata) {
        CheckApi *c = userdata;

        c->outcome = result->outcome;
        finish(c, result);
}

static void list(CheckApi *c) {
        if (lister_start(c->lister, false, false, NULL, on_listed, c) == 0)
                return;
        c->lines.error = -ENOMEM;
        c->over = true;
        c->done(c->userdata);
}

static int on_decode_roles(const HttpResult *result, void *userdata, ErrCtx *err) {
        CheckApi *c = userdata;

        return c->driver->decode_roles(result, &c->roles, err);
}

static void on_roles(const Outcome *outcome, bool sent _unused_, void *userdata) {
        CheckApi *c = userdata;

        c->call = NULL;
        c->outcome = *outcome;
        if (outcome->class == OUTCOME_OK)
                list(c);
        else
                finish(c, NULL);
}

static int ask_roles(CheckApi *c) {
        const ChannelSpec spec = {
                .call = CALL_ROLES,
                .priority = CALL_PRIORITY_LISTING,
                .decode = on_decode_roles,
                .done = on_roles,
                .userdata = c,
        };

        return channel_call(c->channel, &spec, &c->call);
}

/* ---- when none may be made ---- */

static void stop(CheckApi *c) {
        c->call = channel_call_cancel(c->call);
        lister_cancel(c->lister);
        c->over = true;
        c->done(c->userdata);
}

/* A parked target isn't called, not even to check it; what a moment may mend is waited for. */
static bool is_parked(CheckApi *c) {
        const char *detail = "";
        OutcomeClass class = OUTCOME_TRANSIENT;
        usec_t until = channel_parked_until(c->channel, &class, &detail);
        char text[USEC_FORMAT_MAX];

        if (until == 0 ||
            (class != OUTCOME_AUTH && until <= usec_add(loop_wall(c->loop), CHECK_PATIENCE)))
                return false;
        LINE(c, CHECK_FAIL, "parked", "not called before %s: %s%s%s", usec_format_wall(until, text), detail,
             *detail ? "; " : "",
             class == OUTCOME_AUTH ? "a new key or secret takes a restart of idsyncd; what was mended at "
                                     "the API: idsyncctl resume"
                                   : "mended already? idsyncctl resume");
        return true;
}

static bool is_spent(CheckApi *c) {
        usec_t free_at = channel_next_free(c->channel), wall = loop_wall(c->loop);
        char text[USEC_FORMAT_MAX];

        if (free_at <= usec_add(wall, CHECK_PATIENCE))
                return false;
        LINE(c, CHECK_FAIL, "calls", "%s until %s: check again then",
             channel_throttled_until(c->channel) > wall ? "the API has asked for a pause"
                                                        : "the calls that this key may make are used up",
             usec_format_wall(free_at, text));
        return true;
}

void check_api_tick(CheckApi *c) {
        bool waiting = (c->call && channel_call_is_waiting(c->call)) || lister_is_waiting(c->lister);

        if (!c->over && waiting && (is_parked(c) || is_spent(c)))
                stop(c);
}

void check_api_give_up(CheckApi *c) {
        char text[USEC_FORMAT_MAX];

        if (c->over)
                return;
        LINE(c, CHECK_FAIL, "listing", "it wasn't over after %s and was given up: other calls go first",
             usec_format(CHECK_MAX, text));
        stop(c);
}

/* ---- starting, stopping ---- */

/* What keeps writes back, and no reading. */
static void tell_pauses(CheckApi *c) {
        const char *detail = "";

        if (remote_is_paused(c->remote))
                LINE(c, CHECK_WARN, "paused", "nothing is written there: %s",
                     c->target->paused ? "the configuration says so (paused)"
                                       : "idsyncctl resume ends it");
        if (!remote_is_quarantined(c->remote))
                return;
        (void) remote_parked(c->remote, NULL, &detail);
        LINE(c, CHECK_WARN, "quarantine",
             "nothing is written there but one action now and then: %s; see idsyncctl queue --dead, then "
             "idsyncctl resume",
             detail);
}

int check_api_start(CheckApi *c, Loop *loop, Remote *remote, void (*done)(void *userdata), void *userdata) {
        int r;

        c->loop = loop;
        c->remote = remote;
        c->channel = remote_channel(remote);
        c->target = channel_config(c->channel);
        c->driver = channel_driver(c->channel);
        c->begun = loop_now(loop);
        c->done = done;
        c->userdata = userdata;
        r = lister_new(c->channel, loop, &c->lister);
        if (r < 0)
                return r;
        tell_pauses(c);
        if (is_parked(c) || is_spent(c)) {
                stop(c);
                return 0;
        }
        if (c->driver->has_roles_call)
                return ask_roles(c);
        return lister_start(c->lister, false, false, NULL, on_listed, c);
}

void check_api_deinit(CheckApi *c) {
        channel_call_cancel(c->call);
        lister_free(c->lister);
        roles_deinit(&c->roles);
        check_lines_deinit(&c->lines);
}
