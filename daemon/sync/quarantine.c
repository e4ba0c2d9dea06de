/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/log.h"
#include "net/backoff.h"
#include "sync/quarantine.h"

#define WAIT_FIRST (15 * USEC_PER_MINUTE)
#define WAIT_CAP (6 * USEC_PER_HOUR)
#define OFF 100

struct Quarantine {
        Loop *loop;
        Store *store;
        const TargetConfig *target;
        char scope[300];
        Park park;                      /* tries: how often it was lengthened, and 1; 0: it isn't on */
        usec_t lifted;                  /* wall: what ended later counts */
        int64_t tried;                  /* 0: no action is under way */
        LoopTask *task;
};

/* ---- state ---- */

static int load(Quarantine *q) {
        bool found;
        int r;

        r = store_park_get(q->store, q->scope, &q->park, &found);
        if (r >= 0)
                r = store_meta_get_u64(q->store, q->scope, &q->lifted, NULL);
        return r == -EBADMSG ? 0 : r;
}

static int save(const Quarantine *q) {
        int r;

        r = store_begin(q->store);
        if (r < 0)
                return r;
        r = store_park_set(q->store, q->scope, &q->park);
        if (r >= 0)
                r = store_meta_set_u64(q->store, q->scope, q->lifted);
        return store_end(q->store, r);
}

/* Unsaved it still holds in this process. */
static void change(Quarantine *q) {
        LogFields fields = { .message_id = MSGID_STORE_FAULT, .target = q->target->name };

        if (save(q) < 0)
                log_event(LOG_ERR, &fields, "%s: the quarantine can't be recorded: %s", q->target->name,
                          store_error(q->store));
        loop_task_arm(q->task);
}

bool quarantine_is_on(const Quarantine *q) {
        return q->park.tries > 0;
}

const char *quarantine_reason(const Quarantine *q, usec_t *ret_until) {
        if (!quarantine_is_on(q))
                return NULL;
        *ret_until = q->park.until;
        return q->park.detail;
}

usec_t quarantine_next(Quarantine *q) {
        usec_t latest = usec_add(loop_wall(q->loop), WAIT_CAP);

        if (!quarantine_is_on(q))
                return 0;
        if (q->tried != 0)
                return USEC_INFINITY;
        /* A wall clock that was set back must not lengthen the wait. */
        if (q->park.until > latest)
                q->park.until = latest;
        return q->park.until;
}

bool quarantine_admits(Quarantine *q) {
        return quarantine_next(q) <= loop_wall(q->loop);
}

/* ---- the action that is tried ---- */

void quarantine_try(Quarantine *q, int64_t id) {
        if (quarantine_is_on(q))
                q->tried = id;
}

int64_t quarantine_tried(const Quarantine *q) {
        return q->tried;
}

void quarantine_leave(Quarantine *q, int64_t id) {
        if (q->tried != id)
                return;
        q->tried = 0;
        loop_task_arm(q->task);
}

/* ---- beginning and end ---- */

static void begin(Quarantine *q) {
        LogFields fields = {
                .message_id = MSGID_QUARANTINE,
                .target = q->target->name,
                .attempt = q->park.tries + 1,
        };
        usec_t span = backoff_doubled(++q->park.tries, WAIT_FIRST, WAIT_CAP);
        char text[USEC_FORMAT_MAX], until[USEC_FORMAT_MAX];

        q->park.until = usec_add(loop_wall(q->loop), span);
        snprintf(q->park.reason, sizeof(q->park.reason), "quarantine");
        change(q);
        /* The first one calls for attention, its repetitions for less. */
        log_event(q->park.tries == 1 ? LOG_ERR : LOG_NOTICE, &fields,
                  "%s: in quarantine: %s; nothing is written but one action that is tried in %s, at %s",
                  q->target->name, q->park.detail, usec_format(span, text),
                  usec_format_wall(q->park.until, until));
}

void quarantine_lift(Quarantine *q, const char *why) {
        LogFields fields = { .message_id = MSGID_TARGET_UNPARKED, .target = q->target->name };

        if (!quarantine_is_on(q))
                return;
        q->park = (Park){ 0 };
        q->lifted = loop_wall(q->loop);
        change(q);
        log_event(LOG_NOTICE, &fields, "%s: the quarantine is over: %s", q->target->name, why);
}

void quarantine_ended(Quarantine *q, int64_t id, bool done) {
        if (!quarantine_is_on(q) || q->tried != id)
                return;
        if (done)
                quarantine_lift(q, "an action succeeded");
        else
                begin(q);
}

void quarantine_judge(Quarantine *q) {
        unsigned percent = q->target->quarantine.percent, after = q->target->quarantine.after;
        LogFields fields = { .message_id = MSGID_STORE_FAULT, .target = q->target->name };
        size_t n, failed;

        if (percent >= OFF || quarantine_is_on(q))
                return;
        if (store_queue_ended(q->store, q->target->name, q->lifted, after, &n, &failed) < 0) {
                log_event(LOG_ERR, &fields, "%s: the history can't be read: %s", q->target->name,
                          store_error(q->store));
                return;
        }
        if (n < after || (uint64_t) failed * 100 <= (uint64_t) n * percent)
                return;
        snprintf(q->park.detail, sizeof(q->park.detail),
                 "%zu of the last %zu actions failed, more than quarantine.percent = %u allows", failed, n,
                 percent);
        begin(q);
}

/* ---- making and freeing ---- */

int quarantine_new(Loop *loop, Store *store, const TargetConfig *target, void (*changed)(void *userdata),
                   void *userdata, Quarantine **ret) {
        _cleanup_(quarantine_freep) Quarantine *q = calloc(1, sizeof(*q));
        int r;

        if (!q)
                return -ENOMEM;
        q->loop = loop;
        q->store = store;
        q->target = target;
        snprintf(q->scope, sizeof(q->scope), "quarantine:%s", target->name);
        r = loop_task_new(loop, LOOP_NORMAL, "the quarantine changed", changed, userdata, &q->task);
        if (r >= 0)
                r = load(q);
        if (r < 0)
                return r;
        if (target->quarantine.percent >= OFF)
                quarantine_lift(q, "quarantine.percent = 100");
        *ret = TAKE(q);
        return 0;
}

Quarantine *quarantine_free(Quarantine *q) {
        if (!q)
                return NULL;
        loop_task_free(q->task);
        free(q);
        return NULL;
}
