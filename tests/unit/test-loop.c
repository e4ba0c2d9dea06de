/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/random.h"

typedef struct Trace {
        Loop *loop;
        LoopTimer *timer;
        LoopTask *task, *other;
        LoopIo *io;
        char marks[64];
        size_t n;
        int rounds;
} Trace;

static void mark(Trace *t, char c) {
        assert_true(t->n < sizeof(t->marks) - 1);
        t->marks[t->n++] = c;
}

static usec_t monotonic(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (usec_t) ts.tv_sec * USEC_PER_SEC + (usec_t) ts.tv_nsec / 1000;
}

static void on_exit_timer(void *userdata) {
        Trace *t = userdata;

        mark(t, 'x');
        loop_exit(t->loop, 7);
}

static void test_timer(void **state) {
        _cleanup_(loop_freep) Loop *loop = NULL;
        _cleanup_(loop_timer_freep) LoopTimer *timer = NULL;
        Trace t = { 0 };
        usec_t begun, took;

        (void) state;
        assert_int_equal(loop_new(&loop), 0);
        t.loop = loop;
        assert_int_equal(loop_timer_new(loop, LOOP_TIMER, "test", on_exit_timer, &t, &timer), 0);
        assert_false(loop_timer_is_armed(timer));
        begun = monotonic();
        loop_timer_after(timer, 20 * USEC_PER_MSEC);
        assert_true(loop_timer_is_armed(timer));
        assert_int_equal(loop_run(loop), 7);
        took = monotonic() - begun;
        /* Accuracy 0 would let sd-event add up to 250 ms. */
        assert_in_range(took, 20 * USEC_PER_MSEC, 200 * USEC_PER_MSEC);
        assert_false(loop_timer_is_armed(timer));
        assert_string_equal(t.marks, "x");

        /* Past times fire at once; the loop runs again after an exit. */
        loop_timer_at(timer, 1);
        assert_int_equal(loop_run(loop), 7);
        assert_string_equal(t.marks, "xx");

        /* A later setting replaces an earlier one; a stopped timer is silent. */
        loop_timer_after(timer, 0);
        loop_timer_stop(timer);
        assert_false(loop_timer_is_armed(timer));
        loop_timer_after(timer, USEC_PER_HOUR);
        loop_timer_after(timer, 0);
        assert_int_equal(loop_run(loop), 7);
        assert_string_equal(t.marks, "xxx");
}

static void on_order_timer(void *userdata) {
        mark(userdata, 't');
}

static void on_order_task(void *userdata) {
        mark(userdata, 'n');
}

static void on_order_slice(void *userdata) {
        Trace *t = userdata;

        mark(t, 's');
        if (++t->rounds < 3) {
                loop_task_arm(t->task);
                if (t->rounds == 1)
                        loop_task_arm(t->other);
        } else
                loop_exit(t->loop, 0);
}

static void on_order_io(int fd, uint32_t events, void *userdata) {
        char c;

        assert_true(events & EPOLLIN);
        assert_int_equal(read(fd, &c, 1), 1);
        mark(userdata, 'i');
}

static void test_order(void **state) {
        _cleanup_(loop_freep) Loop *loop = NULL;
        _cleanup_(loop_timer_freep) LoopTimer *timer = NULL;
        _cleanup_(loop_task_freep) LoopTask *slice = NULL, *task = NULL;
        _cleanup_(loop_io_freep) LoopIo *io = NULL;
        Trace t = { 0 };
        int fds[2];

        (void) state;
        assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
        assert_int_equal(write(fds[1], "x", 1), 1);
        assert_int_equal(loop_new(&loop), 0);
        assert_int_equal(loop_task_new(loop, LOOP_SLICE, "slice", on_order_slice, &t, &slice), 0);
        assert_int_equal(loop_task_new(loop, LOOP_NORMAL, "task", on_order_task, &t, &task), 0);
        assert_int_equal(loop_timer_new(loop, LOOP_TIMER, "timer", on_order_timer, &t, &timer), 0);
        assert_int_equal(loop_io_new(loop, fds[0], EPOLLIN, "io", on_order_io, &t, &io), 0);
        t.loop = loop;
        t.task = slice;
        t.other = task;
        loop_task_arm(slice);
        loop_task_arm(slice); /* once is enough */
        loop_task_arm(task);
        loop_timer_at(timer, 1);
        assert_int_equal(loop_run(loop), 0);
        /* The armed task of higher priority goes between two slices. */
        assert_string_equal(t.marks, "itnsnss");
        io = loop_io_free(io);
        (void) close(fds[0]);
        (void) close(fds[1]);
}

static void on_free_self(void *userdata) {
        Trace *t = userdata;

        mark(t, 'f');
        t->timer = loop_timer_free(t->timer);
        t->task = loop_task_free(t->task);
        loop_exit(t->loop, 0);
}

static void on_free_io(int fd, uint32_t events, void *userdata) {
        Trace *t = userdata;

        (void) fd;
        assert_true(events & EPOLLOUT);
        t->io = loop_io_free(t->io);
        loop_exit(t->loop, 0);
}

static void test_free_in_handler(void **state) {
        _cleanup_(loop_freep) Loop *loop = NULL;
        Trace t = { 0 };
        int fds[2];

        (void) state;
        assert_int_equal(loop_new(&loop), 0);
        t.loop = loop;
        assert_int_equal(loop_timer_new(loop, LOOP_TIMER, "self", on_free_self, &t, &t.timer), 0);
        loop_timer_at(t.timer, 1);
        assert_int_equal(loop_run(loop), 0);
        assert_int_equal(loop_task_new(loop, LOOP_NORMAL, "self", on_free_self, &t, &t.task), 0);
        loop_task_arm(t.task);
        loop_task_stop(t.task);
        loop_task_arm(t.task);
        assert_int_equal(loop_run(loop), 0);
        assert_string_equal(t.marks, "ff");

        assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
        assert_int_equal(loop_io_new(loop, fds[1], 0, "self", on_free_io, &t, &t.io), 0);
        assert_int_equal(loop_io_set_events(t.io, EPOLLOUT), 0);
        assert_int_equal(loop_run(loop), 0);
        assert_null(t.io);
        (void) close(fds[0]);
        (void) close(fds[1]);
        assert_true(loop_io_new(loop, fds[0], EPOLLIN, "closed", on_free_io, &t, &t.io) < 0);
        assert_null(t.io);
}

static void on_term(int signo, void *userdata) {
        Trace *t = userdata;

        mark(t, signo == SIGTERM ? 'T' : '?');
        loop_exit(t->loop, 0);
}

static void test_signal(void **state) {
        _cleanup_(loop_freep) Loop *loop = NULL;
        Trace t = { 0 };
        sigset_t set;

        (void) state;
        assert_int_equal(loop_new(&loop), 0);
        t.loop = loop;
        assert_int_equal(loop_signal(loop, SIGTERM, on_term, &t), -EBUSY); /* not blocked */
        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGTERM);
        assert_int_equal(sigprocmask(SIG_BLOCK, &set, NULL), 0);
        assert_int_equal(loop_signal(loop, SIGTERM, on_term, &t), 0);
        assert_int_equal(raise(SIGTERM), 0);
        assert_int_equal(loop_run(loop), 0);
        assert_string_equal(t.marks, "T");
        assert_int_equal(sigprocmask(SIG_UNBLOCK, &set, NULL), 0);
}

static void on_slow(void *userdata) {
        Trace *t = userdata;

        (void) poll(NULL, 0, 70);
        if (++t->rounds < 3)
                loop_task_arm(t->task);
        else
                loop_exit(t->loop, 0);
}

static void test_slow_handler(void **state) {
        _cleanup_(loop_freep) Loop *loop = NULL;
        _cleanup_(loop_task_freep) LoopTask *task = NULL;
        Trace t = { 0 };
        char text[4096] = "";
        int fds[2], saved;
        const char *p;

        (void) state;
        assert_int_equal(loop_new(&loop), 0);
        assert_int_equal(loop_task_new(loop, LOOP_NORMAL, "dawdler", on_slow, &t, &task), 0);
        t.loop = loop;
        t.task = task;
        assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
        saved = dup(STDERR_FILENO);
        (void) dup2(fds[1], STDERR_FILENO);
        loop_task_arm(task);
        assert_int_equal(loop_run(loop), 0);
        (void) dup2(saved, STDERR_FILENO);
        assert_true(read(fds[0], text, sizeof(text) - 1) > 0);
        (void) close(saved);
        (void) close(fds[0]);
        (void) close(fds[1]);
        p = strstr(text, "warning: The event loop was blocked");
        assert_non_null(p);
        assert_non_null(strstr(p, "\"dawdler\""));
        /* Three slow handlers, one line. */
        assert_null(strstr(p + 1, "warning:"));
}

static void test_times(void **state) {
        _cleanup_(loop_freep) Loop *loop = NULL;
        usec_t now = monotonic();

        (void) state;
        assert_int_equal(loop_new(&loop), 0);
        assert_in_range(loop_now(loop), now, now + USEC_PER_SEC);
        assert_in_range(loop_wall(loop), (usec_t) time(NULL) * USEC_PER_SEC - USEC_PER_SEC,
                        (usec_t) time(NULL) * USEC_PER_SEC + 2 * USEC_PER_SEC);
        assert_non_null(loop_event(loop));
        (void) unsetenv("WATCHDOG_USEC");
        assert_int_equal(loop_enable_watchdog(loop), 0);
        loop_exit(loop, 3);
        assert_int_equal(loop_run(loop), 3);
}

/* The seed is read once per process, so this must be the first use. */
static void test_random(void **state) {
        uint64_t a, b;

        (void) state;
        (void) setenv("IDSYNCD_SEED", "42", 1);
        a = random_u64();
        b = random_u64();
        assert_true(a != b);
        assert_true(a == UINT64_C(0xbdd732262feb6e95)); /* SplitMix64's first value for 42 */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_timer),
                cmocka_unit_test(test_order),
                cmocka_unit_test(test_free_in_handler),
                cmocka_unit_test(test_signal),
                cmocka_unit_test(test_slow_handler),
                cmocka_unit_test(test_times),
                cmocka_unit_test(test_random),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
