/* SPDX-License-Identifier: Apache-2.0 */
/* Parking: a target that can't be reached or refuses us gets no call for a while, also after a restart. */
#include <errno.h>
#include <nettle/sha2.h>

#include "api/channel-internal.h"
#include "base/log.h"
#include "base/random.h"
#include "net/backoff.h"

#define TRANSIENT_FIRST USEC_PER_SEC
#define TRANSIENT_CAP (15 * USEC_PER_MINUTE)
#define RELAPSE (10 * USEC_PER_MINUTE)
#define AUTH_FIRST (15 * USEC_PER_MINUTE)
#define AUTH_CAP (6 * USEC_PER_HOUR)

/* A short salted hash tells whether credentials changed since they were refused; at 32 bits it can't
 * confirm a guess. */
static int credentials_id(Channel *c) {
        _cleanup_(freep) char *salt = NULL;
        uint8_t digest[SHA256_DIGEST_SIZE];
        struct sha256_ctx ctx;
        int r;

        r = store_meta_get(c->channels->store, "salt", &salt);
        if (r < 0)
                return r;
        if (!salt) {
                if (asprintf(&salt, "%016llx%016llx", (unsigned long long) random_u64(),
                             (unsigned long long) random_u64()) < 0)
                        return -ENOMEM;
                r = store_meta_set(c->channels->store, "salt", salt);
                if (r < 0)
                        return r;
        }
        sha256_init(&ctx);
        sha256_update(&ctx, strlen(salt), (const uint8_t *) salt);
        sha256_update(&ctx, secret_len(c->key), (const uint8_t *) secret_data(c->key));
        sha256_update(&ctx, 1, (const uint8_t *) "\n");
        sha256_update(&ctx, secret_len(c->secret), (const uint8_t *) secret_data(c->secret));
        sha256_digest(&ctx, sizeof(digest), digest);
        hex_encode(digest, 4, c->credentials);
        return 0;
}

/* The reason column holds the class, and for refused credentials which ones: "auth:1a2b3c4d". */
static void save_park(Channel *c) {
        /* Unsaved it still holds in this process. */
        (void) store_park_set(c->channels->store, c->scope, &c->park);
}

static void write_reason(Channel *c) {
        if (c->park_class == OUTCOME_AUTH)
                snprintf(c->park.reason, sizeof(c->park.reason), "auth:%s", c->credentials);
        else
                snprintf(c->park.reason, sizeof(c->park.reason), "%s",
                         outcome_class_to_string(c->park_class));
}

static void read_reason(Channel *c) {
        if (!str_starts_with(c->park.reason, "auth:"))
                c->park_class = OUTCOME_TRANSIENT;
        else if (str_eq(c->park.reason + strlen("auth:"), c->credentials))
                c->park_class = OUTCOME_AUTH;
        else
                c->park = (Park){ 0 };
}

void channel_park_settle(Channel *c, usec_t wall) {
        usec_t latest = usec_add(wall, c->park_class == OUTCOME_AUTH ? AUTH_CAP : TRANSIENT_CAP);

        if (c->park.until > latest)
                c->park.until = latest;
}

int channel_park_load(Channel *c) {
        usec_t wall = loop_wall(c->channels->loop);
        bool found;
        int r;

        snprintf(c->scope, sizeof(c->scope), "target:%s", c->config->name);
        r = credentials_id(c);
        if (r < 0)
                return r;
        r = store_park_get(c->channels->store, c->scope, &c->park, &found);
        if (r < 0)
                return r;
        if (!found) {
                c->park = (Park){ 0 };
                return 0;
        }
        read_reason(c);
        for (size_t i = 0; i < _CALL_MAX; i++)
                c->failed[i] = c->park.tries;
        channel_park_settle(c, wall);
        return 0;
}

static void log_park(Channel *c, Call call, const Outcome *outcome, usec_t span) {
        char until[USEC_FORMAT_MAX], text[USEC_FORMAT_MAX];
        bool auth = outcome->class == OUTCOME_AUTH;
        LogFields fields = {
                .message_id = auth ? MSGID_AUTH_REFUSED : MSGID_TARGET_PARKED,
                .target = c->config->name,
                .outcome = outcome_class_to_string(outcome->class),
                .http_status = outcome->http_status,
                .attempt = c->park.tries,
        };

        /* The first one calls for attention, its repetitions for less. */
        log_event(auth                 ? LOG_ERR
                  : c->park.tries == 1 ? LOG_WARNING
                                       : LOG_NOTICE,
                  &fields, "%s: %s: %s; next try in %s, at %s", c->config->name, call_to_string(call),
                  outcome->detail, usec_format(span, text), usec_format_wall(c->park.until, until));
}

static usec_t next_span(const Channel *c) {
        if (c->park_class == OUTCOME_AUTH)
                return backoff_doubled(c->park.tries, AUTH_FIRST, AUTH_CAP);
        return backoff_span(c->park.tries, TRANSIENT_FIRST, TRANSIENT_CAP, random_u64());
}

void channel_park_by(Channel *c, Call call, const Outcome *outcome) {
        OutcomeClass class = outcome->class == OUTCOME_AUTH ? OUTCOME_AUTH : OUTCOME_TRANSIENT;
        usec_t wall = loop_wall(c->channels->loop), span;
        Outcome parked = *outcome;

        /* Calls that were under way when the first of them failed tell nothing new. */
        if (c->park.until > wall && c->park_class == class)
                return;
        if (c->park_class != class && class == OUTCOME_AUTH)
                c->failed[call] = 0;
        c->park_class = class;
        c->park.tries = ++c->failed[call];
        span = next_span(c);
        c->park.until = usec_add(wall, span);
        snprintf(c->park.detail, sizeof(c->park.detail), "%.*s", (int) sizeof(c->park.detail) - 1,
                 outcome->detail);
        write_reason(c);
        save_park(c);
        log_park(c, call, outcome, span);

        parked.class = c->park_class;
        channel_fail_pending(c, &parked);
}

void channel_park_clear(Channel *c, Call call) {
        LogFields fields = { .message_id = MSGID_TARGET_UNPARKED, .target = c->config->name };

        c->failed[call] = 0;
        if (c->park.tries == 0)
                return;
        log_event(LOG_NOTICE, &fields, "%s: answers again, after %u failed %s", c->config->name,
                  c->park.tries, c->park.tries == 1 ? "call" : "calls");
        c->park = (Park){ 0 };
        save_park(c);
}

void channel_retry_refused(Channel *c) {
        usec_t wall = loop_wall(c->channels->loop);

        if (c->park.until <= wall || c->park_class != OUTCOME_AUTH)
                return;
        c->park.until = wall;
        save_park(c);
        loop_task_arm(c->channels->dispatch);
}

void channel_unpark(Channel *c) {
        memset(c->failed, 0, sizeof(c->failed));
        if (c->park.tries > 0 || c->park.until > 0) {
                c->park = (Park){ 0 };
                save_park(c);
        }
        loop_task_arm(c->channels->dispatch);
}

bool channel_is_failing(const Channel *c) {
        return c->park.tries > 0;
}

usec_t channel_parked_until(Channel *c, OutcomeClass *ret_class, const char **ret_detail) {
        usec_t wall = loop_wall(c->channels->loop);

        channel_park_settle(c, wall);
        if (c->park.until <= wall)
                return 0;
        if (ret_class)
                *ret_class = c->park_class;
        if (ret_detail)
                *ret_detail = c->park.detail;
        return c->park.until;
}
