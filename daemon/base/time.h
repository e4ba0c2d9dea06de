/* SPDX-License-Identifier: Apache-2.0 */
/* Times are microseconds in uint64_t: wall times since the epoch, monotonic times since boot, or spans. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t usec_t;

#define USEC_PER_MSEC ((usec_t) 1000)
#define USEC_PER_SEC ((usec_t) 1000000)
#define USEC_PER_MINUTE (60 * USEC_PER_SEC)
#define USEC_PER_HOUR (60 * USEC_PER_MINUTE)
#define USEC_PER_DAY (24 * USEC_PER_HOUR)
#define USEC_INFINITY UINT64_MAX

/* Saturating: infinity plus anything, and anything past it, is infinity; below zero is zero. */
usec_t usec_add(usec_t a, usec_t b);
usec_t usec_sub(usec_t a, usec_t b);

/* "90s", "5min", "1h 30min", "7d", "250ms", "0s": numbers with a unit (us, ms, s, sec, min, h, d, w), added
 * up. No unit, sign, fraction or overflow is accepted. 0, or -EINVAL with *ret untouched. */
int usec_parse(const char *text, usec_t *ret);

/* "64MiB", "4KiB", "1GiB", "512B": a whole number with a unit. 0, or -EINVAL. */
int size_parse(const char *text, uint64_t *ret);

#define USEC_FORMAT_MAX 64
/* "1h 30min", "2.5s", "0s", "infinity" for people; returns buf. */
const char *usec_format(usec_t span, char buf[static USEC_FORMAT_MAX]);
/* RFC 3339 in UTC with whole seconds, "2026-03-01T12:00:00Z"; returns buf. */
const char *usec_format_wall(usec_t wall, char buf[static USEC_FORMAT_MAX]);
