/* SPDX-License-Identifier: Apache-2.0 */
/* One sorted ring of times serves all windows: `n` more calls fit into a window of C calls once the call
 * that is C-n+1 from the end has left it. So an answer costs one look per limit. */
#include "net/pace.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define MAX_LIMITS 4
#define FIRST_ROOM 64
/* Answers to calls that ran side by side come in any order; so long a milder one doesn't overrule a stricter
 * one. */
#define HINT_SETTLE (2 * USEC_PER_SEC)

typedef struct Limit {
        usec_t window;
        unsigned calls;
        usec_t hint_at;
        unsigned hint_calls;    /* calls of others in the window, as of hint_at */
} Limit;

/* Ascending; the first is at `head`. */
typedef struct Ring {
        usec_t *times;
        size_t head, n, room;
} Ring;

struct Pace {
        Limit *limits;          /* these two apart, because a look at the present forgets the past */
        size_t n_limits;
        size_t capacity;        /* the largest limit: older calls than these decide nothing */
        usec_t longest;
        Ring *ring;
};

static usec_t *at(const Ring *ring, size_t i) {
        return &ring->times[(ring->head + i) % ring->room];
}

int pace_new(const PaceLimit *limits, size_t n_limits, Pace **ret) {
        _cleanup_(pace_freep) Pace *pace = NULL;

        if (n_limits > MAX_LIMITS)
                return -EINVAL;
        pace = calloc(1, sizeof(*pace));
        if (!pace)
                return -ENOMEM;
        pace->limits = calloc(MAX_LIMITS, sizeof(*pace->limits));
        pace->ring = calloc(1, sizeof(*pace->ring));
        if (!pace->limits || !pace->ring)
                return -ENOMEM;
        for (size_t i = 0; i < n_limits; i++) {
                if (limits[i].calls == 0)
                        continue;
                pace->limits[pace->n_limits++] =
                                (Limit){.window = limits[i].window, .calls = limits[i].calls};
                if (limits[i].calls > pace->capacity)
                        pace->capacity = limits[i].calls;
                if (limits[i].window > pace->longest)
                        pace->longest = limits[i].window;
        }
        *ret = TAKE(pace);
        return 0;
}

Pace *pace_free(Pace *pace) {
        if (!pace)
                return NULL;
        if (pace->ring)
                free(pace->ring->times);
        free(pace->ring);
        free(pace->limits);
        free(pace);
        return NULL;
}

static int grow(Ring *ring, size_t capacity) {
        size_t room = ring->room > 0 ? ring->room * 2 : FIRST_ROOM;
        usec_t *times;

        if (room > capacity)
                room = capacity;
        times = calloc(room, sizeof(*times));
        if (!times)
                return -ENOMEM;
        for (size_t i = 0; i < ring->n; i++)
                times[i] = *at(ring, i);
        free(ring->times);
        ring->times = times;
        ring->room = room;
        ring->head = 0;
        return 0;
}

static void drop_first(Ring *ring) {
        ring->head = (ring->head + 1) % ring->room;
        ring->n--;
}

int pace_record(Pace *pace, usec_t wall) {
        Ring *ring = pace->ring;
        size_t i;
        int r;

        if (pace->n_limits == 0)
                return 0;
        if (ring->n == pace->capacity) {
                if (wall <= *at(ring, 0))
                        return 0;
                drop_first(ring);
        } else if (ring->n == ring->room) {
                r = grow(ring, pace->capacity);
                if (r < 0)
                        return r;
        }
        for (i = ring->n; i > 0 && *at(ring, i - 1) > wall; i--)
                *at(ring, i) = *at(ring, i - 1);
        *at(ring, i) = wall;
        ring->n++;
        return 0;
}

static usec_t leaves(usec_t called, usec_t window) {
        return usec_add(usec_add(called, window), PACE_MARGIN);
}

/* Calls that seem to lie in the future become calls of now, once and for all: else they would count until
 * the clock has caught up. */
static void settle(const Pace *pace, usec_t wall) {
        Ring *ring = pace->ring;

        for (size_t i = ring->n; i > 0 && *at(ring, i - 1) > wall; i--)
                *at(ring, i - 1) = wall;
        for (size_t i = 0; i < pace->n_limits; i++)
                if (pace->limits[i].hint_at > wall)
                        pace->limits[i].hint_at = wall;
        while (ring->n > 0 && leaves(*at(ring, 0), pace->longest) <= wall)
                drop_first(ring);
}

/* Calls still in the window, by halving: the ring is sorted. */
static size_t count(const Ring *ring, usec_t window, usec_t wall) {
        size_t low = 0, high = ring->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (leaves(*at(ring, middle), window) <= wall)
                        low = middle + 1;
                else
                        high = middle;
        }
        return ring->n - low;
}

/* From when on there are at most `allowed` calls of ours in the window. */
static usec_t room_from(const Ring *ring, usec_t window, size_t allowed) {
        return ring->n <= allowed ? 0 : leaves(*at(ring, ring->n - allowed - 1), window);
}

static usec_t hint_end(const Limit *l) {
        return l->hint_calls == 0 ? 0 : leaves(l->hint_at, l->window);
}

static usec_t next_for(const Pace *pace, const Limit *l, unsigned n, usec_t wall) {
        usec_t end = hint_end(l), own, with_others;

        if (n > l->calls)
                return USEC_INFINITY;
        own = room_from(pace->ring, l->window, l->calls - n);
        if (end <= wall || end <= own)
                return own;
        if (n + l->hint_calls > l->calls)
                return end;
        with_others = room_from(pace->ring, l->window, l->calls - n - l->hint_calls);
        return with_others < end ? with_others : end;
}

usec_t pace_next(const Pace *pace, unsigned n, usec_t wall) {
        usec_t next = 0;

        settle(pace, wall);
        for (size_t i = 0; i < pace->n_limits; i++) {
                usec_t t = next_for(pace, &pace->limits[i], n, wall);

                if (t > next)
                        next = t;
        }
        return next;
}

void pace_hint(Pace *pace, usec_t window, uint64_t remaining, usec_t wall) {
        settle(pace, wall);
        for (size_t i = 0; i < pace->n_limits; i++) {
                Limit *l = &pace->limits[i];
                size_t own = count(pace->ring, window, wall);
                uint64_t known = own + remaining;
                unsigned others = known < l->calls ? (unsigned) (l->calls - known) : 0;

                if (l->window != window)
                        continue;
                if (others < l->hint_calls && wall - l->hint_at < HINT_SETTLE)
                        return;
                l->hint_calls = others;
                l->hint_at = wall;
        }
}

usec_t pace_longest(const Pace *pace) {
        return pace->longest > 0 ? usec_add(pace->longest, PACE_MARGIN) : 0;
}

static int copy(const Pace *pace, Pace **ret) {
        PaceLimit limits[MAX_LIMITS];
        _cleanup_(pace_freep) Pace *p = NULL;
        int r;

        for (size_t i = 0; i < pace->n_limits; i++)
                limits[i] = (PaceLimit){ pace->limits[i].window, pace->limits[i].calls };
        r = pace_new(limits, pace->n_limits, &p);
        if (r < 0)
                return r;
        memcpy(p->limits, pace->limits, pace->n_limits * sizeof(*p->limits));
        for (size_t i = 0; i < pace->ring->n; i++) {
                r = pace_record(p, *at(pace->ring, i));
                if (r < 0)
                        return r;
        }
        *ret = TAKE(p);
        return 0;
}

/* Between two calls, in the long run. */
static usec_t slowest(const Pace *pace) {
        usec_t most = 0;

        for (size_t i = 0; i < pace->n_limits; i++) {
                usec_t each = leaves(0, pace->limits[i].window) / pace->limits[i].calls;

                most = each > most ? each : most;
        }
        return most;
}

usec_t pace_estimate(const Pace *pace, uint64_t n, usec_t from) {
        uint64_t exact = n < 2 * pace->capacity ? n : 2 * pace->capacity;
        _cleanup_(pace_freep) Pace *p = NULL;
        usec_t next, t = from;

        if (copy(pace, &p) < 0)
                return USEC_INFINITY;
        for (uint64_t i = 0; i < exact; i++) {
                next = pace_next(p, 1, t);
                t = next > t ? next : t;
                if (pace_record(p, t) < 0)
                        return USEC_INFINITY;
        }
        return n - exact > USEC_PER_DAY * 1000 ? USEC_INFINITY : usec_add(t, (n - exact) * slowest(pace));
}
