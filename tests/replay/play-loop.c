/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "play.h"

#define TURNS_MAX 100000

struct LoopTimer {
        TAILQ_ENTRY(LoopTimer) link;
        Loop *loop;
        const char *name;
        LoopPriority priority;
        loop_fn_t fn;
        void *userdata;
        usec_t at;                      /* USEC_INFINITY: not armed */
        uint64_t order;                 /* of arming */
};

/* A task is a timer that is due as soon as it is armed. */
struct LoopTask { LoopTimer timer; };
struct LoopIo { int fd; };

TAILQ_HEAD(TimerList, LoopTimer);

struct Loop {
        struct TimerList timers;
        usec_t now;
        int64_t wall;
        uint64_t order, turns;
        bool exited;
        int code;
};

int loop_new(Loop **ret) {
        Loop *loop = calloc(1, sizeof(*loop));

        assert(loop);
        TAILQ_INIT(&loop->timers);
        loop->now = USEC_PER_SEC;
        loop->wall = PLAY_EPOCH;
        *ret = loop;
        return 0;
}

Loop *loop_free(Loop *loop) {
        free(loop);
        return NULL;
}

void loop_exit(Loop *loop, int code) {
        loop->exited = true;
        loop->code = code;
}

void *loop_event(Loop *loop _unused_) {
        return NULL;
}

int loop_enable_watchdog(Loop *loop _unused_) {
        return 0;
}

usec_t loop_now(Loop *loop) {
        return loop->now;
}

usec_t loop_wall(Loop *loop) {
        return (usec_t) loop->wall;
}

static void init(Loop *loop, LoopPriority priority, const char *name, loop_fn_t fn, void *userdata,
                 LoopTimer *t) {
        *t = (LoopTimer){ .loop = loop, .priority = priority, .name = name, .fn = fn, .userdata = userdata };
        t->at = USEC_INFINITY;
        TAILQ_INSERT_TAIL(&loop->timers, t, link);
}

int loop_timer_new(Loop *loop, LoopPriority priority, const char *name, loop_fn_t fn, void *userdata,
                   LoopTimer **ret) {
        *ret = calloc(1, sizeof(**ret));
        assert(*ret);
        init(loop, priority, name, fn, userdata, *ret);
        return 0;
}

void loop_timer_at(LoopTimer *t, usec_t monotonic) {
        t->at = monotonic;
        t->order = t->loop->order++;
}

void loop_timer_after(LoopTimer *t, usec_t span) {
        loop_timer_at(t, usec_add(t->loop->now, span));
}

void loop_timer_stop(LoopTimer *t) {
        t->at = USEC_INFINITY;
}

bool loop_timer_is_armed(const LoopTimer *t) {
        return t->at != USEC_INFINITY;
}

LoopTimer *loop_timer_free(LoopTimer *t) {
        if (!t)
                return NULL;
        TAILQ_REMOVE(&t->loop->timers, t, link);
        free(t);
        return NULL;
}

int loop_task_new(Loop *loop, LoopPriority priority, const char *name, loop_fn_t fn, void *userdata,
                  LoopTask **ret) {
        *ret = calloc(1, sizeof(**ret));
        assert(*ret);
        init(loop, priority, name, fn, userdata, &(*ret)->timer);
        return 0;
}

void loop_task_arm(LoopTask *task) {
        if (!loop_timer_is_armed(&task->timer))
                loop_timer_at(&task->timer, task->timer.loop->now);
}

void loop_task_stop(LoopTask *task) {
        loop_timer_stop(&task->timer);
}

bool loop_task_is_armed(const LoopTask *task) {
        return loop_timer_is_armed(&task->timer);
}

LoopTask *loop_task_free(LoopTask *task) {
        if (!task)
                return NULL;
        TAILQ_REMOVE(&task->timer.loop->timers, &task->timer, link);
        free(task);
        return NULL;
}

int loop_io_new(Loop *loop _unused_, int fd _unused_, uint32_t events _unused_, const char *name _unused_,
                loop_io_fn_t fn _unused_, void *userdata _unused_, LoopIo **ret _unused_) {
        return -EOPNOTSUPP;
}

int loop_io_set_events(LoopIo *io _unused_, uint32_t events _unused_) {
        return -EOPNOTSUPP;
}

LoopIo *loop_io_free(LoopIo *io _unused_) {
        return NULL;
}

int loop_signal(Loop *loop _unused_, int signo _unused_, loop_signal_fn_t fn _unused_,
                void *userdata _unused_) {
        return 0;
}

/* Of what is due the first by priority; else what falls due first. */
static bool before(const LoopTimer *a, const LoopTimer *b, usec_t now) {
        bool a_due = a->at <= now, b_due = b->at <= now;

        if (a_due != b_due)
                return a_due;
        if (a_due && a->priority != b->priority)
                return a->priority < b->priority;
        if (!a_due && a->at != b->at)
                return a->at < b->at;
        return a->order < b->order;
}

static LoopTimer *next_timer(Loop *loop) {
        LoopTimer *t, *first = NULL;

        TAILQ_FOREACH(t, &loop->timers, link)
                if (t->at != USEC_INFINITY && (!first || before(t, first, loop->now)))
                        first = t;
        return first;
}

void play_run(Loop *loop, usec_t span) {
        usec_t end = usec_add(loop->now, span);
        unsigned turns = 0;
        LoopTimer *t;

        while (!loop->exited && (t = next_timer(loop)) && t->at <= end) {
                if (t->at > loop->now) {
                        loop->wall += (int64_t) (t->at - loop->now);
                        loop->now = t->at;
                        turns = 0;
                }
                assert(turns++ < TURNS_MAX);
                loop->turns++;
                t->at = USEC_INFINITY;
                t->fn(t->userdata);
        }
        loop->wall += (int64_t) (end - loop->now);
        loop->now = end;
}

int loop_run(Loop *loop) {
        play_run(loop, 3650 * USEC_PER_DAY);
        return loop->code;
}

void play_step_wall(Loop *loop, int64_t usec) {
        loop->wall += usec;
}

uint64_t play_turns(const Loop *loop) {
        return loop->turns;
}
