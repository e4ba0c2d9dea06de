/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop, and the first seam: time. Replay tests link their own loop that plays time instead of this
 * one. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/time.h"

typedef struct Loop Loop;
typedef struct LoopTimer LoopTimer;
typedef struct LoopTask LoopTask;
typedef struct LoopIo LoopIo;

/* Dispatch order, first is first: running transfers, then time, then new work, then slices of long work. */
typedef enum LoopPriority {
        LOOP_IO = -20,
        LOOP_TIMER = -10,
        LOOP_NORMAL = 0,
        LOOP_SLICE = 10,
} LoopPriority;

/* Handlers return nothing on purpose: a negative return would silently disable an sd-event source. */
typedef void (*loop_fn_t)(void *userdata);
typedef void (*loop_io_fn_t)(int fd, uint32_t epoll_events, void *userdata);
typedef void (*loop_signal_fn_t)(int signo, void *userdata);

int loop_new(Loop **ret);
/* After everything that was made with it. */
Loop *loop_free(Loop *loop);
DEFINE_CLEANUP(Loop *, loop_free);

/* Runs until loop_exit(); returns the code given there, or -errno. May be called again. An exit asked for
 * before counts. */
int loop_run(Loop *loop);
void loop_exit(Loop *loop, int code);
/* The sd_event, for D-Bus; borrowed. NULL in a replayed loop. */
void *loop_event(Loop *loop);
/* WATCHDOG=1 is sent from the turning loop alone, if the service manager asks for it. 1: it does, 0: it
 * doesn't. */
int loop_enable_watchdog(Loop *loop);

/* CLOCK_MONOTONIC and CLOCK_REALTIME of this turn of the loop. */
usec_t loop_now(Loop *loop);
usec_t loop_wall(Loop *loop);

/* A timer, not armed. `name` is borrowed (a literal) and stands in logs when a handler takes longer than 50
 * ms. The handler may free the timer, but not the loop; so for all sources. */
int loop_timer_new(Loop *loop, LoopPriority priority, const char *name, loop_fn_t fn, void *userdata,
                   LoopTimer **ret);
/* Fires once at that monotonic time (in the next turn if it is past), replacing an earlier setting; accuracy
 * 1 us. */
void loop_timer_at(LoopTimer *timer, usec_t monotonic);
void loop_timer_after(LoopTimer *timer, usec_t span);
void loop_timer_stop(LoopTimer *timer);
bool loop_timer_is_armed(const LoopTimer *timer);
LoopTimer *loop_timer_free(LoopTimer *timer);
DEFINE_CLEANUP(LoopTimer *, loop_timer_free);

/* Work for a later turn: runs once per loop_task_arm(), never from inside it. */
int loop_task_new(Loop *loop, LoopPriority priority, const char *name, loop_fn_t fn, void *userdata,
                  LoopTask **ret);
void loop_task_arm(LoopTask *task);
void loop_task_stop(LoopTask *task);
bool loop_task_is_armed(const LoopTask *task);
LoopTask *loop_task_free(LoopTask *task);
DEFINE_CLEANUP(LoopTask *, loop_task_free);

/* Watches an fd (borrowed) for EPOLLIN, EPOLLOUT; level-triggered. Free it before the fd is closed. */
int loop_io_new(Loop *loop, int fd, uint32_t epoll_events, const char *name, loop_io_fn_t fn, void *userdata,
                LoopIo **ret);
int loop_io_set_events(LoopIo *io, uint32_t epoll_events);
LoopIo *loop_io_free(LoopIo *io);
DEFINE_CLEANUP(LoopIo *, loop_io_free);

/* The signal must be blocked in the process; lives as long as the loop. Goes before all other sources. */
int loop_signal(Loop *loop, int signo, loop_signal_fn_t fn, void *userdata);
