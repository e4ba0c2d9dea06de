/* SPDX-License-Identifier: Apache-2.0 */
/* Ownership by scope: cleanup attributes and the hand-over of owned pointers. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(fmt, args) __attribute__((format(printf, fmt, args)))
#define _unused_ __attribute__((unused))

/* Gives an owned pointer away: evaluates to its value and leaves NULL behind. */
#define TAKE(p)                                 \
        ({                                      \
                __typeof__(p) *_pp = &(p);      \
                __typeof__(p) _v = *_pp;        \
                *_pp = NULL;                    \
                _v;                             \
        })

/* Defines func##p(), fit for _cleanup_: calls func on the pointer unless it is NULL. */
#define DEFINE_CLEANUP(type, func)                      \
        static inline void func##p(type *p) {           \
                if (*p)                                 \
                        (void) func(*p);                \
        }                                               \
        struct func##_cleanup_defined_

static inline void freep(void *p) {
        free(*(void **) p);
}

static inline void closep(int *fd) {
        if (*fd >= 0)
                (void) close(*fd);
        *fd = -1;
}

static inline int take_fd(int *fd) {
        int v = *fd;

        *fd = -1;
        return v;
}

DEFINE_CLEANUP(FILE *, fclose);

#define ELEMENTSOF(x) (sizeof(x) / sizeof((x)[0]))
