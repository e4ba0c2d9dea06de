/* SPDX-License-Identifier: Apache-2.0 */
/* A thin shim on sd-event. It exists so that handlers can't disable their source by a stray return value, so
 * that a timer is never given accuracy 0 (which sd-event reads as 250 ms), and so that what blocks the loop
 * is named in the log. */
#include "base/loop.h"

#include <errno.h>
#include <inttypes.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "base/log.h"

#define SLOW_HANDLER (50 * USEC_PER_MSEC)
#define SLOW_REPORT_INTERVAL (10 * USEC_PER_SEC)

typedef struct SignalWatch SignalWatch;

struct SignalWatch {
        SignalWatch *next;
        Loop *loop;
        sd_event_source *source;
        loop_signal_fn_t fn;
        void *userdata;
};

struct Loop {
        sd_event *event;
        SignalWatch *signals;
        bool exiting;
        int code;
        usec_t slow_reported;
        unsigned slow_hidden;
};

struct LoopTimer {
        Loop *loop;
        sd_event_source *source;
        const char *name;
        loop_fn_t fn;
        void *userdata;
};

struct LoopTask {
        Loop *loop;
        sd_event_source *source;
        const char *name;
        loop_fn_t fn;
        void *userdata;
};

struct LoopIo {
        Loop *loop;
        sd_event_source *source;
        const char *name;
        loop_io_fn_t fn;
        void *userdata;
};

static usec_t clock_usec(clockid_t clock) {
        struct timespec ts;

        if (clock_gettime(clock, &ts) < 0)
                return 0;
        return (usec_t) ts.tv_sec * USEC_PER_SEC + (usec_t) ts.tv_nsec / 1000;
}

/* Called after a handler, when the handler's own object may be gone: works on the loop alone. */
static void account(Loop *loop, const char *name, usec_t begun) {
        usec_t now = clock_usec(CLOCK_MONOTONIC);

        if (now - begun <= SLOW_HANDLER)
                return;
        if (loop->slow_reported != 0 && now - loop->slow_reported < SLOW_REPORT_INTERVAL) {
                loop->slow_hidden++;
                return;
        }
        log_event(LOG_WARNING, &(LogFields){.duration = now - begun},
                  "The event loop was blocked for %" PRIu64
                  " ms by \"%s\" (%u more since the last such line).",
                  (now - begun) / USEC_PER_MSEC, name, loop->slow_hidden);
        loop->slow_reported = now;
        loop->slow_hidden = 0;
}

int loop_new(Loop **ret) {
        _cleanup_(loop_freep) Loop *loop = NULL;
        int r;

        loop = calloc(1, sizeof(*loop));
        if (!loop)
                return -ENOMEM;
        r = sd_event_new(&loop->event);
        if (r < 0)
                return r;
        *ret = TAKE(loop);
        return 0;
}

Loop *loop_free(Loop *loop) {
        SignalWatch *w;

        if (!loop)
                return NULL;
        while ((w = loop->signals)) {
                loop->signals = w->next;
                (void) sd_event_source_disable_unref(w->source);
                free(w);
        }
        (void) sd_event_unref(loop->event);
        free(loop);
        return NULL;
}

int loop_run(Loop *loop) {
        int r, code;

        while (!loop->exiting) {
                r = sd_event_run(loop->event, UINT64_MAX);
                if (r < 0)
                        return r;
                /* Somebody who was handed loop_event() may have called sd_event_exit(). */
                if (sd_event_get_state(loop->event) == SD_EVENT_FINISHED) {
                        r = sd_event_get_exit_code(loop->event, &code);
                        return r < 0 ? r : code;
                }
        }
        loop->exiting = false;
        return loop->code;
}

void loop_exit(Loop *loop, int code) {
        loop->exiting = true;
        loop->code = code;
}

void *loop_event(Loop *loop) {
        return loop->event;
}

int loop_enable_watchdog(Loop *loop) {
        return sd_event_set_watchdog(loop->event, true);
}

static usec_t turn_time(Loop *loop, clockid_t clock) {
        uint64_t now;

        return sd_event_now(loop->event, clock, &now) < 0 ? clock_usec(clock) : now;
}

usec_t loop_now(Loop *loop) {
        return turn_time(loop, CLOCK_MONOTONIC);
}

usec_t loop_wall(Loop *loop) {
        return turn_time(loop, CLOCK_REALTIME);
}

/* The common part of all sources: priority, name, and off until armed. */
static int source_setup(sd_event_source *source, LoopPriority priority, const char *name, int enabled) {
        int r;

        r = sd_event_source_set_enabled(source, enabled);
        if (r < 0)
                return r;
        r = sd_event_source_set_priority(source, priority);
        if (r < 0)
                return r;
        return sd_event_source_set_description(source, name);
}

static int on_timer(sd_event_source *source _unused_, uint64_t when _unused_, void *userdata) {
        LoopTimer *timer = userdata;
        Loop *loop = timer->loop;
        const char *name = timer->name;
        usec_t begun = clock_usec(CLOCK_MONOTONIC);

        timer->fn(timer->userdata);
        account(loop, name, begun);
        return 0;
}

int loop_timer_new(Loop *loop, LoopPriority priority, const char *name, loop_fn_t fn, void *userdata,
                   LoopTimer **ret) {
        _cleanup_(loop_timer_freep) LoopTimer *timer = NULL;
        int r;

        timer = calloc(1, sizeof(*timer));
        if (!timer)
                return -ENOMEM;
        *timer = (LoopTimer){ .loop = loop, .name = name, .fn = fn, .userdata = userdata };
        r = sd_event_add_time(loop->event, &timer->source, CLOCK_MONOTONIC, UINT64_MAX, 1, on_timer, timer);
        if (r < 0)
                return r;
        r = source_setup(timer->source, priority, name, SD_EVENT_OFF);
        if (r < 0)
                return r;
        *ret = TAKE(timer);
        return 0;
}

void loop_timer_at(LoopTimer *timer, usec_t monotonic) {
        /* Neither can fail on a source of our own that is not being torn down. */
        (void) sd_event_source_set_time(timer->source, monotonic);
        (void) sd_event_source_set_enabled(timer->source, SD_EVENT_ONESHOT);
}

void loop_timer_after(LoopTimer *timer, usec_t span) {
        loop_timer_at(timer, usec_add(loop_now(timer->loop), span));
}

void loop_timer_stop(LoopTimer *timer) {
        (void) sd_event_source_set_enabled(timer->source, SD_EVENT_OFF);
}

bool loop_timer_is_armed(const LoopTimer *timer) {
        return sd_event_source_get_enabled(timer->source, NULL) > 0;
}

LoopTimer *loop_timer_free(LoopTimer *timer) {
        if (!timer)
                return NULL;
        (void) sd_event_source_disable_unref(timer->source);
        free(timer);
        return NULL;
}

static int on_task(sd_event_source *source _unused_, void *userdata) {
        LoopTask *task = userdata;
        Loop *loop = task->loop;
        const char *name = task->name;
        usec_t begun = clock_usec(CLOCK_MONOTONIC);

        task->fn(task->userdata);
        account(loop, name, begun);
        return 0;
}

int loop_task_new(Loop *loop, LoopPriority priority, const char *name, loop_fn_t fn, void *userdata,
                  LoopTask **ret) {
        _cleanup_(loop_task_freep) LoopTask *task = NULL;
        int r;

        task = calloc(1, sizeof(*task));
        if (!task)
                return -ENOMEM;
        *task = (LoopTask){ .loop = loop, .name = name, .fn = fn, .userdata = userdata };
        r = sd_event_add_defer(loop->event, &task->source, on_task, task);
        if (r < 0)
                return r;
        r = source_setup(task->source, priority, name, SD_EVENT_OFF);
        if (r < 0)
                return r;
        *ret = TAKE(task);
        return 0;
}

void loop_task_arm(LoopTask *task) {
        (void) sd_event_source_set_enabled(task->source, SD_EVENT_ONESHOT);
}

void loop_task_stop(LoopTask *task) {
        (void) sd_event_source_set_enabled(task->source, SD_EVENT_OFF);
}

bool loop_task_is_armed(const LoopTask *task) {
        return sd_event_source_get_enabled(task->source, NULL) > 0;
}

LoopTask *loop_task_free(LoopTask *task) {
        if (!task)
                return NULL;
        (void) sd_event_source_disable_unref(task->source);
        free(task);
        return NULL;
}

static int on_io(sd_event_source *source _unused_, int fd, uint32_t events, void *userdata) {
        LoopIo *io = userdata;
        Loop *loop = io->loop;
        const char *name = io->name;
        usec_t begun = clock_usec(CLOCK_MONOTONIC);

        io->fn(fd, events, io->userdata);
        account(loop, name, begun);
        return 0;
}

int loop_io_new(Loop *loop, int fd, uint32_t epoll_events, const char *name, loop_io_fn_t fn, void *userdata,
                LoopIo **ret) {
        _cleanup_(loop_io_freep) LoopIo *io = NULL;
        int r;

        io = calloc(1, sizeof(*io));
        if (!io)
                return -ENOMEM;
        *io = (LoopIo){ .loop = loop, .name = name, .fn = fn, .userdata = userdata };
        r = sd_event_add_io(loop->event, &io->source, fd, epoll_events, on_io, io);
        if (r < 0)
                return r;
        r = source_setup(io->source, LOOP_IO, name, SD_EVENT_ON);
        if (r < 0)
                return r;
        *ret = TAKE(io);
        return 0;
}

int loop_io_set_events(LoopIo *io, uint32_t epoll_events) {
        return sd_event_source_set_io_events(io->source, epoll_events);
}

LoopIo *loop_io_free(LoopIo *io) {
        if (!io)
                return NULL;
        (void) sd_event_source_disable_unref(io->source);
        free(io);
        return NULL;
}

static int on_signal(sd_event_source *source _unused_, const struct signalfd_siginfo *info, void *userdata) {
        SignalWatch *w = userdata;
        usec_t begun = clock_usec(CLOCK_MONOTONIC);

        w->fn((int) info->ssi_signo, w->userdata);
        account(w->loop, "signal", begun);
        return 0;
}

int loop_signal(Loop *loop, int signo, loop_signal_fn_t fn, void *userdata) {
        _cleanup_(freep) SignalWatch *w = NULL;
        int r;

        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        *w = (SignalWatch){ .next = loop->signals, .loop = loop, .fn = fn, .userdata = userdata };
        r = sd_event_add_signal(loop->event, &w->source, signo, on_signal, w);
        if (r < 0)
                return r;
        /* Before everything else: a signal must get through while transfers keep the loop busy. */
        r = source_setup(w->source, LOOP_IO - 1, "signal", SD_EVENT_ON);
        if (r < 0) {
                (void) sd_event_source_disable_unref(w->source);
                return r;
        }
        loop->signals = TAKE(w);
        return 0;
}
