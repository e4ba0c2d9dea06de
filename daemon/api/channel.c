/* SPDX-License-Identifier: Apache-2.0 */
/* Calls wait in one list for all targets, in order of priority; a task sends what budget, parking and
 * concurrency allow. Callers hear of the end of their calls from a second task, so that nothing calls
 * back from inside a start or a failure. */
#include <errno.h>
#include <string.h>

#include "api/channel-internal.h"
#include "base/failpoint.h"
#include "base/log.h"

/* ---- the life of a call ---- */

static ChannelCall *call_free(ChannelCall *call) {
        http_request_cancel(call->request);
        call_request_deinit(&call->built);
        free(call);
        return NULL;
}

static void call_finish(ChannelCall *call, const Outcome *outcome) {
        Channels *cs = call->channel->channels;

        call->outcome = *outcome;
        call->finished = true;
        TAILQ_INSERT_TAIL(&cs->finished, call, link);
        loop_task_arm(cs->complete);
}

static void insert_by_priority(Channels *cs, ChannelCall *call) {
        ChannelCall *other;

        TAILQ_FOREACH(other, &cs->pending, link)
                if (other->spec.priority > call->spec.priority ||
                    (other->spec.priority == call->spec.priority && other->seq > call->seq)) {
                        TAILQ_INSERT_BEFORE(other, call, link);
                        return;
                }
        TAILQ_INSERT_TAIL(&cs->pending, call, link);
}

static void call_requeue(ChannelCall *call) {
        insert_by_priority(call->channel->channels, call);
        loop_task_arm(call->channel->channels->dispatch);
}

int channel_call(Channel *c, const ChannelSpec *spec, ChannelCall **ret) {
        ChannelCall *call = calloc(1, sizeof(*call));

        if (!call)
                return -ENOMEM;
        call->channel = c;
        call->spec = *spec;
        call->seq = c->channels->seq++;
        call_requeue(call);
        *ret = call;
        return 0;
}

ChannelCall *channel_call_cancel(ChannelCall *call) {
        if (!call)
                return NULL;
        if (call->finished)
                TAILQ_REMOVE(&call->channel->channels->finished, call, link);
        else if (call->sent)
                call->channel->n_sent--;
        else
                TAILQ_REMOVE(&call->channel->channels->pending, call, link);
        loop_task_arm(call->channel->channels->dispatch);
        return call_free(call);
}

bool channel_call_is_sent(const ChannelCall *call) {
        return call->sent;
}

bool channel_call_is_waiting(const ChannelCall *call) {
        return !call->sent && !call->finished;
}

void channel_fail_pending(Channel *c, const Outcome *outcome) {
        ChannelCall *call, *next;

        for (call = TAILQ_FIRST(&c->channels->pending); call; call = next) {
                next = TAILQ_NEXT(call, link);
                if (call->channel != c)
                        continue;
                TAILQ_REMOVE(&c->channels->pending, call, link);
                call_finish(call, outcome);
        }
}

static void on_complete(void *userdata) {
        Channels *cs = userdata;
        ChannelCall *call;

        /* One at a time from the head: done may cancel or start others. */
        while ((call = TAILQ_FIRST(&cs->finished))) {
                TAILQ_REMOVE(&cs->finished, call, link);
                call->spec.done(&call->outcome, call->sent, call->spec.userdata);
                call_free(call);
        }
        loop_task_arm(cs->dispatch);
}

/* ---- answers ---- */

/* So many of its first characters are a secret, too: what an answer says was cut. */
#define GIVEAWAY 8

static void blank(const char *secret, char *text) {
        for (size_t n; *text; text += n > 0 ? n : 1) {
                for (n = 0; secret[n] && secret[n] == text[n];)
                        n++;
                if (n < GIVEAWAY && secret[n])
                        n = 0;
                memset(text, '*', n);
        }
}

static void blank_secret(const Secret *secret, char *text) {
        if (secret && secret_len(secret) > 0)
                blank(secret_data(secret), text);
}

/* An API, or what stands before it, may repeat what it was sent: that must come neither into the log nor
 * into the store. */
void channel_blank(const Channel *c, const Secret *authorization, char *text) {
        const char *credentials = authorization ? strchr(secret_data(authorization), ' ') : NULL;

        blank_secret(c->secret, text);
        /* A shorter one may be any word. */
        if (c->key && secret_len(c->key) >= GIVEAWAY)
                blank_secret(c->key, text);
        if (credentials && credentials[1])
                blank(credentials + 1, text);
}

static void blank_call(const ChannelCall *call, char *text) {
        const Token *t = token_of(call->channel, call->spec.call);

        /* The one that it was sent with may have been dropped meanwhile. */
        channel_blank(call->channel, t->bearer, text);
        channel_blank(call->channel, t->spent, text);
        blank_secret(call->in.password, text);
        for (size_t i = 0; call->in.passwords && i < call->in.n_batch; i++)
                blank_secret(call->in.passwords[i], text);
}

void channel_answered(Channel *c, Call call, const HttpResult *result, Outcome *ret) {
        LogFields fields = {
                .target = c->config->name,
                .http_status = result->status,
                .duration = result->duration,
        };

        c->driver->classify(c->config, call, result, ret);
        if (call != CALL_TOKEN)
                budget_hint(c->budget, result, loop_wall(c->channels->loop));
        channel_note(c, result);
        fields.outcome = outcome_class_to_string(ret->class);
        log_event(LOG_DEBUG, &fields, "%s: %s: %s", c->config->name, call_to_string(call), fields.outcome);
}

static void decode_answer(ChannelCall *call, const HttpResult *result, Outcome *outcome) {
        ErrCtx err = { 0 };

        if (outcome->class != OUTCOME_OK || outcome->hint == HINT_NOT_FOUND || !call->spec.decode)
                return;
        if (call->spec.decode(result, call->spec.userdata, &err) >= 0)
                return;
        outcome->class = call_is_write(call->spec.call) ? OUTCOME_UNCERTAIN : OUTCOME_TRANSIENT;
        snprintf(outcome->detail, sizeof(outcome->detail), "the answer can't be read: %.400s", err.text);
}

void channel_throttle(Channel *c, const Outcome *outcome) {
        Channels *cs = c->channels;
        char until[USEC_FORMAT_MAX];
        usec_t end;
        LogFields fields = {
                .message_id = MSGID_THROTTLED,
                .target = c->config->name,
                .outcome = outcome_class_to_string(outcome->class),
                .http_status = outcome->http_status,
        };

        end = budget_throttle(c->budget, outcome->has_retry_after, outcome->retry_after,
                              loop_wall(cs->loop));
        log_event(LOG_WARNING, &fields, "%s: %s; no call under this key until %s", c->config->name,
                  outcome->detail, usec_format_wall(end, until));
}

/* Consequences for the target; true: the call goes out once more, so its owner isn't told yet. */
static bool settle(ChannelCall *call, const Outcome *outcome) {
        Channel *c = call->channel;
        bool write = call_is_write(call->spec.call);

        switch (outcome->class) {
        case OUTCOME_OK:
        case OUTCOME_ALREADY:
                if (write)
                        c->n_successes++;
                channel_park_clear(c, call->spec.call);
                return false;
        case OUTCOME_REJECTED:
                channel_park_clear(c, call->spec.call);
                return false;
        case OUTCOME_THROTTLED:
                if (outcome->hint == HINT_JOB_RUNNING) {
                        channel_park_clear(c, call->spec.call);
                        return false;
                }
                channel_throttle(c, outcome);
                return !write;
        case OUTCOME_AUTH:
                token_drop(token_of(c, call->spec.call));
                if (!call->renewed) {
                        call->renewed = true;
                        return true;
                }
                channel_park_by(c, call->spec.call, outcome);
                return false;
        default:
                channel_park_by(c, call->spec.call, outcome);
                return false;
        }
}

static void on_answer(HttpRequest *request _unused_, const HttpResult *result, void *userdata) {
        ChannelCall *call = userdata;
        Outcome outcome = { 0 };

        failpoint(call_is_write(call->spec.call) ? "call-write-answered" : "call-read-answered");
        call->request = NULL;
        call->channel->n_sent--;
        channel_answered(call->channel, call->spec.call, result, &outcome);
        decode_answer(call, result, &outcome);
        blank_call(call, outcome.detail);
        call_request_deinit(&call->built);
        if (settle(call, &outcome)) {
                call->sent = false;
                call_requeue(call);
                return;
        }
        call->sent = result->failure != HTTP_CONNECT;
        call_finish(call, &outcome);
}

static void on_body(const char *data, size_t len, void *userdata) {
        ChannelCall *call = userdata;

        call->spec.on_data(data, len, call->spec.userdata);
}

/* ---- sending ---- */

int channel_request(Channel *c, CallRequest *built, const Secret *authorization,
                    void (*on_data)(const char *, size_t, void *), http_done_t done, void *userdata,
                    HttpRequest **ret) {
        HttpSpec spec = {
                .method = built->method,
                .url = built->url,
                .authorization = authorization,
                .body = built->body,
                .content_type = built->content_type,
                .accept = built->accept,
                .headers = built->headers,
                .n_headers = built->n_headers,
                .ca_file = c->config->ca_file,
                .proxy = c->config->proxy,
                .timeout = c->config->timeout,
                .max_body = built->max_body,
                .on_data = on_data,
        };

        return http_request_start(c->channels->http, &spec, done, userdata, ret);
}

/* Budget and the caller's own record are one transaction, durable before the first byte. 0;
 * CHANNEL_E_NOT_WANTED; negative. */
static int call_record(ChannelCall *call, CallInput *in, usec_t wall) {
        Channels *cs = call->channel->channels;
        int r;

        r = store_begin(cs->store);
        if (r < 0)
                return r;
        r = budget_spend(call->channel->budget, false, wall);
        if (r >= 0 && call->spec.prepare)
                r = call->spec.prepare(in, call->spec.userdata);
        if (r == 0)
                r = call->channel->driver->build(call->channel->config, in, &call->built);
        if (r != 0) {
                store_rollback(cs->store);
                return r;
        }
        return store_commit(cs->store);
}

static void call_not_wanted(ChannelCall *call) {
        const Outcome outcome = {
                .class = OUTCOME_TRANSIENT,
                .hint = HINT_NOT_WANTED,
                .detail = "not sent: the action was ended meanwhile",
        };

        call_finish(call, &outcome);
}

/* The request can't be made of what the action says: nothing that waiting would mend, and nobody else's
 * trouble. */
static void call_impossible(ChannelCall *call) {
        const Outcome outcome = {
                .class = OUTCOME_REJECTED,
                .detail = "not sent: the API can't be asked for this with what is known of the person and "
                          "the account",
        };

        call_request_deinit(&call->built);
        call_finish(call, &outcome);
}

static void call_not_sent(ChannelCall *call, int r) {
        Outcome outcome = { .class = OUTCOME_TRANSIENT };
        bool store = r == -ENOSPC || r == -EIO;

        snprintf(outcome.detail, sizeof(outcome.detail), "not sent: %s",
                 store ? store_error(call->channel->channels->store) : strerror(-r));
        call_request_deinit(&call->built);
        call_finish(call, &outcome);
        /* Also a brake: whatever hinders us here would hinder the next call too. */
        channel_park_by(call->channel, call->spec.call, &outcome);
}

/* Once per call: the repetition with a new token has its place in neither count. */
static void settle_places(ChannelCall *call) {
        int more = (int) call->spec.follow_up - (call->spec.has_place ? 1 : 0);

        budget_set_aside(call->channel->budget, more);
        if (call->spec.places)
                *call->spec.places += (unsigned) more;
        call->spec.follow_up = 0;
        call->spec.has_place = false;
}

static void call_send(ChannelCall *call, usec_t wall) {
        Channel *c = call->channel;
        int r;

        TAILQ_REMOVE(&c->channels->pending, call, link);
        call->in = (CallInput){ .call = call->spec.call };
        r = call_record(call, &call->in, wall);
        if (r == CHANNEL_E_NOT_WANTED) {
                call_not_wanted(call);
                return;
        }
        failpoint("call-recorded");
        if (r >= 0)
                r = channel_request(c, &call->built, token_of(c, call->spec.call)->bearer,
                                    call->spec.on_data ? on_body : NULL, on_answer, call, &call->request);
        if (r == -EINVAL && call_is_write(call->spec.call)) {
                call_impossible(call);
                return;
        }
        if (r < 0) {
                call_not_sent(call, r);
                return;
        }
        call->sent = true;
        c->n_sent++;
        settle_places(call);
}

/* When this call may go out: wall (now), a later time, or USEC_INFINITY when something else must happen
 * first. */
static usec_t call_ready(ChannelCall *call, usec_t wall) {
        Channel *c = call->channel;
        Token *token = token_of(c, call->spec.call);
        usec_t next;

        channel_park_settle(c, wall);
        if (c->park.until > wall)
                return c->park.until;
        if (c->n_sent >= (channel_is_probing(c) ? 1 : c->config->concurrency))
                return USEC_INFINITY;
        if (token_is_pending(token))
                return USEC_INFINITY;
        if (!token_is_usable(token)) {
                token_fetch(token, wall, &next);
                return next;
        }
        if (call->spec.has_place)
                budget_set_aside(c->budget, -1);
        next = budget_next(c->budget, false, 1 + call->spec.follow_up, wall);
        if (call->spec.has_place)
                budget_set_aside(c->budget, 1);
        return next;
}

static void on_dispatch(void *userdata) {
        Channels *cs = userdata;
        usec_t wall = loop_wall(cs->loop), earliest = USEC_INFINITY, ready;
        ChannelCall *call, *next;

        for (call = TAILQ_FIRST(&cs->pending); call; call = next) {
                ready = call_ready(call, wall);
                /* call_ready() may have failed every pending call of a channel. */
                if (call->finished) {
                        next = TAILQ_FIRST(&cs->pending);
                        continue;
                }
                next = TAILQ_NEXT(call, link);
                if (ready <= wall)
                        call_send(call, wall);
                else if (ready < earliest)
                        earliest = ready;
        }
        loop_timer_stop(cs->timer);
        if (earliest != USEC_INFINITY)
                loop_timer_after(cs->timer, earliest - wall);
}

usec_t channel_next_free(Channel *c) {
        usec_t wall = loop_wall(c->channels->loop);
        usec_t next = budget_next(c->budget, false, 1, wall), token;

        channel_park_settle(c, wall);
        if (!token_is_usable(&c->token) && !token_is_pending(&c->token)) {
                token = budget_next(c->budget, true, 1, wall);
                next = token > next ? token : next;
        }
        return c->park.until > next ? c->park.until : next;
}

usec_t channel_throttled_until(Channel *c) {
        return budget_throttled_until(c->budget, loop_wall(c->channels->loop));
}

usec_t channel_call_free(const ChannelCall *call) {
        Channel *c = call->channel;
        usec_t next = channel_next_free(c), both;

        if (call->spec.follow_up == 0)
                return next;
        both = budget_next(c->budget, false, 1 + call->spec.follow_up, loop_wall(c->channels->loop));
        return both > next ? both : next;
}

usec_t channel_estimate(Channel *c, uint64_t n) {
        usec_t wall = loop_wall(c->channels->loop);

        channel_park_settle(c, wall);
        return budget_estimate(c->budget, n, c->park.until > wall ? c->park.until : wall);
}

bool channel_shares_key(const Channel *a, const Channel *b) {
        return a->budget == b->budget;
}

void channel_give_back(Channel *c, unsigned n) {
        budget_set_aside(c->budget, -(int) n);
        loop_task_arm(c->channels->dispatch);
}

uint64_t channel_successes(const Channel *c) {
        return c->n_successes;
}

const TargetConfig *channel_config(const Channel *c) {
        return c->config;
}

bool channel_is_paused(const Channel *c) {
        return c->config->paused || c->paused;
}

void channel_set_paused(Channel *c, bool paused) {
        c->paused = paused;
}

const TargetDriver *channel_driver(const Channel *c) {
        return c->driver;
}

const char *channel_own_login(const Channel *c) {
        return c->driver->key_is_login ? secret_data(c->key) : NULL;
}

/* ---- making and freeing ---- */

int channels_new(Loop *loop, Http *http, Store *store, Channels **ret) {
        _cleanup_(channels_freep) Channels *cs = calloc(1, sizeof(*cs));
        int r;

        if (!cs)
                return -ENOMEM;
        cs->loop = loop;
        cs->http = http;
        cs->store = store;
        TAILQ_INIT(&cs->pending);
        TAILQ_INIT(&cs->finished);
        r = loop_task_new(loop, LOOP_NORMAL, "dispatch calls", on_dispatch, cs, &cs->dispatch);
        if (r < 0)
                return r;
        r = loop_task_new(loop, LOOP_NORMAL, "complete calls", on_complete, cs, &cs->complete);
        if (r < 0)
                return r;
        r = loop_timer_new(loop, LOOP_TIMER, "next free call", on_dispatch, cs, &cs->timer);
        if (r < 0)
                return r;
        *ret = TAKE(cs);
        return 0;
}

static Channel *channel_free(Channel *c) {
        token_deinit(&c->token);
        token_deinit(&c->parent_token);
        secret_free(c->key);
        secret_free(c->secret);
        free(c);
        return NULL;
}
DEFINE_CLEANUP(Channel *, channel_free);

Channels *channels_free(Channels *cs) {
        if (!cs)
                return NULL;
        loop_task_free(cs->dispatch);
        loop_task_free(cs->complete);
        loop_timer_free(cs->timer);
        for (size_t i = 0; i < cs->n_channels; i++)
                channel_free(cs->channels[i]);
        for (size_t i = 0; i < cs->n_budgets; i++)
                budget_free(cs->budgets[i]);
        free(cs->channels);
        free(cs->budgets);
        free(cs);
        return NULL;
}

static int find_budget(Channels *cs, Channel *c) {
        char id[BUDGET_ID_LEN + 1];
        usec_t wall = loop_wall(cs->loop);
        Budget **budgets;
        int r;

        budget_id(c->config->url, c->key, id);
        for (size_t i = 0; i < cs->n_budgets; i++)
                if (str_eq(budget_get_id(cs->budgets[i]), id)) {
                        c->budget = cs->budgets[i];
                        return budget_lower(c->budget, &c->config->rate, wall);
                }
        budgets = reallocarray(cs->budgets, cs->n_budgets + 1, sizeof(*budgets));
        if (!budgets)
                return -ENOMEM;
        cs->budgets = budgets;
        r = budget_new(cs->store, id, &c->config->rate, &c->driver->token_limit, wall,
                       &c->budget);
        if (r < 0)
                return r;
        cs->budgets[cs->n_budgets++] = c->budget;
        return 0;
}

int channel_new(Channels *cs, const TargetConfig *config, Secret *take_key, Secret *take_secret,
                Channel **ret) {
        _cleanup_(channel_freep) Channel *c = calloc(1, sizeof(*c));
        Channel **channels;
        int r;

        if (!c) {
                secret_free(take_key);
                secret_free(take_secret);
                return -ENOMEM;
        }
        c->channels = cs;
        token_init(&c->token, c, false);
        token_init(&c->parent_token, c, true);
        c->config = config;
        c->key = take_key;
        c->secret = take_secret;
        c->driver = target_driver(config->type);
        if (!c->driver)
                return -EOPNOTSUPP;
        r = find_budget(cs, c);
        if (r < 0)
                return r;
        r = channel_park_load(c);
        if (r < 0)
                return r;
        channels = reallocarray(cs->channels, cs->n_channels + 1, sizeof(*channels));
        if (!channels)
                return -ENOMEM;
        cs->channels = channels;
        *ret = cs->channels[cs->n_channels++] = TAKE(c);
        return 0;
}
