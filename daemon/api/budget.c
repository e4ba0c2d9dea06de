/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <nettle/sha2.h>
#include <string.h>

#include "api/budget.h"

#define THROTTLE_DEFAULT (60 * USEC_PER_SEC)
#define THROTTLE_CAP USEC_PER_HOUR

struct Budget {
        Store *store;
        char id[BUDGET_ID_LEN + 1];
        char scope[BUDGET_ID_LEN + 8];
        RateConfig rate;
        Pace *pace, *token_pace;
        usec_t parked_until;
        unsigned aside;
};

void budget_id(const char *url, const Secret *key, char ret[static BUDGET_ID_LEN + 1]) {
        const char *host = strstr(url, "://");
        uint8_t digest[SHA256_DIGEST_SIZE];
        struct sha256_ctx ctx;

        host = host ? host + 3 : url;
        sha256_init(&ctx);
        sha256_update(&ctx, strcspn(host, "/"), (const uint8_t *) host);
        sha256_update(&ctx, 1, (const uint8_t *) "\n");
        sha256_update(&ctx, secret_len(key), (const uint8_t *) secret_data(key));
        sha256_digest(&ctx, sizeof(digest), digest);
        hex_encode(digest, BUDGET_ID_LEN / 2, ret);
}

const char *budget_get_id(const Budget *budget) {
        return budget->id;
}

static int remember_call(usec_t wall, void *userdata) {
        return pace_record(userdata, wall);
}

static int load_calls(Budget *b, Pace *pace, bool token, usec_t wall) {
        return store_calls_since(b->store, b->id, token, usec_sub(wall, pace_longest(pace)), remember_call,
                                 pace);
}

static int make_pace(Budget *b, usec_t wall) {
        const PaceLimit limits[] = {
                { USEC_PER_SEC, b->rate.second },
                { USEC_PER_MINUTE, b->rate.minute },
                { 30 * USEC_PER_MINUTE, b->rate.half_hour },
        };
        _cleanup_(pace_freep) Pace *pace = NULL;
        int r;

        r = pace_new(limits, ELEMENTSOF(limits), &pace);
        if (r < 0)
                return r;
        r = load_calls(b, pace, false, wall);
        if (r < 0)
                return r;
        pace_free(b->pace);
        b->pace = TAKE(pace);
        return 0;
}

/* A wall clock that was set back must not lengthen the wait. */
static void settle(Budget *b, usec_t wall) {
        if (b->parked_until > usec_add(wall, THROTTLE_CAP))
                b->parked_until = usec_add(wall, THROTTLE_CAP);
}

static int load_park(Budget *b, usec_t wall) {
        Park park;
        bool found;
        int r;

        r = store_park_get(b->store, b->scope, &park, &found);
        if (r < 0)
                return r;
        if (found)
                b->parked_until = park.until;
        settle(b, wall);
        return 0;
}

int budget_new(Store *store, const char *id, const RateConfig *rate,
               const PaceLimit *token_limit, usec_t wall, Budget **ret) {
        _cleanup_(budget_freep) Budget *b = calloc(1, sizeof(*b));
        int r;

        if (!b)
                return -ENOMEM;
        b->store = store;
        b->rate = *rate;
        snprintf(b->id, sizeof(b->id), "%s", id);
        snprintf(b->scope, sizeof(b->scope), "key:%s", b->id);
        r = make_pace(b, wall);
        if (r < 0)
                return r;
        r = pace_new(token_limit, 1, &b->token_pace);
        if (r < 0)
                return r;
        r = load_calls(b, b->token_pace, true, wall);
        if (r < 0)
                return r;
        r = load_park(b, wall);
        if (r < 0)
                return r;
        *ret = TAKE(b);
        return 0;
}

Budget *budget_free(Budget *b) {
        if (!b)
                return NULL;
        pace_free(b->pace);
        pace_free(b->token_pace);
        free(b);
        return NULL;
}

int budget_lower(Budget *b, const RateConfig *rate, usec_t wall) {
        if (rate->second < b->rate.second)
                b->rate.second = rate->second;
        if (rate->minute < b->rate.minute)
                b->rate.minute = rate->minute;
        if (rate->half_hour < b->rate.half_hour)
                b->rate.half_hour = rate->half_hour;
        return make_pace(b, wall);
}

/* More than a window ever lets through can't be waited for: then the follow-up is as good as free a
 * window later. */
static unsigned fitting(const Budget *b, unsigned n) {
        const unsigned limits[] = { b->rate.second, b->rate.minute, b->rate.half_hour };

        for (size_t i = 0; i < ELEMENTSOF(limits); i++)
                if (limits[i] > 0 && n > limits[i])
                        n = limits[i];
        return n;
}

usec_t budget_next(Budget *b, bool token, unsigned n, usec_t wall) {
        usec_t next = token ? pace_next(b->token_pace, n, wall)
                            : pace_next(b->pace, fitting(b, n + b->aside), wall);

        settle(b, wall);
        return next > b->parked_until ? next : b->parked_until;
}

usec_t budget_estimate(Budget *b, uint64_t n, usec_t from) {
        return pace_estimate(b->pace, n, b->parked_until > from ? b->parked_until : from);
}

void budget_set_aside(Budget *b, int n) {
        /* A call that couldn't be sent never took its place. */
        if (n < 0 && (unsigned) -n > b->aside)
                b->aside = 0;
        else
                b->aside += (unsigned) n;
}

int budget_spend(Budget *b, bool token, usec_t wall) {
        int r;

        r = store_call_record(b->store, b->id, token, wall);
        if (r < 0)
                return r;
        return pace_record(token ? b->token_pace : b->pace, wall);
}

void budget_hint(Budget *b, const HttpResult *result, usec_t wall) {
        static const usec_t windows[_HTTP_WINDOW_MAX] = { USEC_PER_SEC, USEC_PER_MINUTE,
                                                          30 * USEC_PER_MINUTE };

        for (size_t i = 0; i < _HTTP_WINDOW_MAX; i++)
                if (result->remaining[i] >= 0)
                        pace_hint(b->pace, windows[i], (uint64_t) result->remaining[i], wall);
}

usec_t budget_throttle(Budget *b, bool has_retry_after, usec_t retry_after, usec_t wall) {
        Park park = { .tries = 1, .reason = "throttled" };
        usec_t span = has_retry_after ? retry_after : THROTTLE_DEFAULT;
        usec_t own = pace_next(b->pace, 1, wall);

        if (span > THROTTLE_CAP)
                span = THROTTLE_CAP;
        park.until = usec_add(wall, span);
        if (own != USEC_INFINITY && own > park.until)
                park.until = own;
        if (park.until > b->parked_until)
                b->parked_until = park.until;
        /* Unsaved it still holds in this process, and the calls themselves are on record. */
        (void) store_park_set(b->store, b->scope, &park);
        return b->parked_until;
}

usec_t budget_throttled_until(Budget *b, usec_t wall) {
        settle(b, wall);
        return b->parked_until > wall ? b->parked_until : 0;
}
