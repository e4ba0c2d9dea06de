/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/time.h"

typedef struct Unit {
        const char *name;
        uint64_t factor;
} Unit;

static const Unit time_units[] = {
        { "us", 1 },
        { "ms", USEC_PER_MSEC },
        { "s", USEC_PER_SEC },
        { "sec", USEC_PER_SEC },
        { "min", USEC_PER_MINUTE },
        { "h", USEC_PER_HOUR },
        { "d", USEC_PER_DAY },
        { "w", 7 * USEC_PER_DAY },
};

static const Unit size_units[] = {
        { "B", 1 },
        { "KiB", UINT64_C(1) << 10 },
        { "MiB", UINT64_C(1) << 20 },
        { "GiB", UINT64_C(1) << 30 },
        { "TiB", UINT64_C(1) << 40 },
};

usec_t usec_add(usec_t a, usec_t b) {
        usec_t sum;

        return __builtin_add_overflow(a, b, &sum) ? USEC_INFINITY : sum;
}

usec_t usec_sub(usec_t a, usec_t b) {
        if (a == USEC_INFINITY)
                return USEC_INFINITY;
        return a > b ? a - b : 0;
}

/* No isalpha() here: the locale must not change what a configuration means. */
static bool is_letter(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void skip_blanks(const char **text) {
        while (**text == ' ' || **text == '\t')
                (*text)++;
}

/* One number with its unit; *text then stands behind it. */
static int parse_with_unit(const char **text, const Unit *units, size_t n_units, uint64_t *ret) {
        const char *p = *text;
        uint64_t value = 0;
        size_t len = 0;

        if (*p < '0' || *p > '9')
                return -EINVAL;
        for (; *p >= '0' && *p <= '9'; p++)
                if (__builtin_mul_overflow(value, 10, &value) ||
                    __builtin_add_overflow(value, (uint64_t) (*p - '0'), &value))
                        return -EINVAL;
        skip_blanks(&p);
        while (is_letter(p[len]))
                len++;
        for (size_t i = 0; i < n_units; i++) {
                if (strlen(units[i].name) != len || strncmp(units[i].name, p, len) != 0)
                        continue;
                if (__builtin_mul_overflow(value, units[i].factor, ret))
                        return -EINVAL;
                *text = p + len;
                return 0;
        }
        return -EINVAL;
}

int usec_parse(const char *text, usec_t *ret) {
        usec_t sum = 0, part;
        int r;

        if (!text)
                return -EINVAL;
        skip_blanks(&text);
        do {
                r = parse_with_unit(&text, time_units, ELEMENTSOF(time_units), &part);
                if (r < 0)
                        return r;
                if (__builtin_add_overflow(sum, part, &sum) || sum == USEC_INFINITY)
                        return -EINVAL;
                skip_blanks(&text);
        } while (*text);

        *ret = sum;
        return 0;
}

int size_parse(const char *text, uint64_t *ret) {
        uint64_t size;
        int r;

        if (!text)
                return -EINVAL;
        skip_blanks(&text);
        r = parse_with_unit(&text, size_units, ELEMENTSOF(size_units), &size);
        if (r < 0)
                return r;
        skip_blanks(&text);
        if (*text)
                return -EINVAL;

        *ret = size;
        return 0;
}

/* Seconds and below: "2.5s", "250ms", "17us". */
static void format_small(usec_t span, char *buf, size_t size) {
        static const Unit units[] = { { "s", USEC_PER_SEC }, { "ms", USEC_PER_MSEC } };

        for (size_t i = 0; i < ELEMENTSOF(units); i++) {
                uint64_t whole = span / units[i].factor;
                uint64_t tenths = span % units[i].factor * 10 / units[i].factor;

                if (whole == 0)
                        continue;
                if (tenths > 0)
                        (void) snprintf(buf, size, "%" PRIu64 ".%" PRIu64 "%s", whole, tenths,
                                        units[i].name);
                else
                        (void) snprintf(buf, size, "%" PRIu64 "%s", whole, units[i].name);
                return;
        }
        (void) snprintf(buf, size, "%" PRIu64 "us", span);
}

const char *usec_format(usec_t span, char buf[static USEC_FORMAT_MAX]) {
        static const Unit units[] = {
                { "d", USEC_PER_DAY },
                { "h", USEC_PER_HOUR },
                { "min", USEC_PER_MINUTE },
                { "s", USEC_PER_SEC },
        };
        size_t len = 0;

        if (span == USEC_INFINITY)
                return strcpy(buf, "infinity");
        if (span == 0)
                return strcpy(buf, "0s");
        if (span < USEC_PER_MINUTE) {
                format_small(span, buf, USEC_FORMAT_MAX);
                return buf;
        }
        for (size_t i = 0; i < ELEMENTSOF(units); i++) {
                uint64_t n = span / units[i].factor;

                if (n == 0)
                        continue;
                span -= n * units[i].factor;
                len += (size_t) snprintf(buf + len, USEC_FORMAT_MAX - len, "%s%" PRIu64 "%s",
                                         len > 0 ? " " : "", n, units[i].name);
        }
        return buf;
}

const char *usec_format_wall(usec_t wall, char buf[static USEC_FORMAT_MAX]) {
        time_t seconds = (time_t) (wall / USEC_PER_SEC);
        struct tm tm;

        if (wall == USEC_INFINITY || !gmtime_r(&seconds, &tm) ||
            strftime(buf, USEC_FORMAT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
                return strcpy(buf, "never");
        return buf;
}
