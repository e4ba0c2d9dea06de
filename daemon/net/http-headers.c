/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http-headers.h"

#include <ctype.h>
#include <errno.h>
#include <strings.h>

#include "base/strings.h"

#define MAX_LINES 128
#define MAX_BYTES 65536

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

static bool is_alpha(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

typedef struct Date {
        int year, month, day, hour, minute, second; /* -1: not seen */
} Date;

static int two_digits(const char *text) {
        return (text[0] - '0') * 10 + (text[1] - '0');
}

/* hour ":" minute ":" second, each 2DIGIT */
static bool date_time(Date *d, const char *token, size_t len) {
        if (len != 8 || d->hour >= 0 || token[2] != ':' || token[5] != ':')
                return false;
        for (int i = 0; i < 8; i++)
                if (i % 3 != 2 && !is_digit(token[i]))
                        return false;
        d->hour = two_digits(token);
        d->minute = two_digits(token + 3);
        d->second = two_digits(token + 6);
        return true;
}

static bool date_number(Date *d, const char *token, size_t len) {
        int value = 0;

        if (len > 4 || len == 3)
                return false;
        for (size_t i = 0; i < len; i++) {
                if (!is_digit(token[i]))
                        return false;
                value = value * 10 + (token[i] - '0');
        }
        if (len == 4 && d->year < 0)
                d->year = value;
        else if (len < 4 && d->year >= 0 && d->month < 0)
                d->month = value; /* year-month-day */
        else if (len < 4 && d->day < 0)
                d->day = value;
        else if (len == 2 && d->year < 0)
                d->year = value + (value < 70 ? 2000 : 1900); /* the obsolete form of RFC 850 */
        else
                return false;
        return true;
}

static bool date_name(Date *d, const char *token, size_t len) {
        static const char months[] = "janfebmaraprmayjunjulaugsepoctnovdec";
        static const char *const days[] = {"monday", "tuesday",  "wednesday", "thursday",
                                           "friday", "saturday", "sunday"};

        for (int i = 0; i < 12; i++)
                if (len == 3 && strncasecmp(token, months + 3 * i, 3) == 0) {
                        if (d->month >= 0)
                                return false;
                        d->month = i + 1;
                        return true;
                }
        for (int i = 0; i < 7; i++)
                if ((len == 3 || len == strlen(days[i])) && strncasecmp(token, days[i], len) == 0)
                        return true;
        return len == 3 && (strncasecmp(token, "GMT", 3) == 0 || strncasecmp(token, "UTC", 3) == 0);
}

static bool date_is_valid(const Date *d) {
        static const int lengths[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        bool leap = d->year % 4 == 0 && (d->year % 100 != 0 || d->year % 400 == 0);

        return d->year >= 1970 && d->month >= 1 && d->month <= 12 && d->day >= 1 &&
               d->day <= lengths[d->month - 1] && (d->month != 2 || d->day < 29 || leap) && d->hour >= 0 &&
               d->hour < 24 && d->minute < 60 && d->second <= 60;
}

/* Days since 1970-01-01 in the Gregorian calendar; years begin in March, so that the odd day comes last. */
static int64_t date_days(const Date *d) {
        int64_t year = d->month <= 2 ? d->year - 1 : d->year;
        int64_t day_of_year = (153 * (d->month + (d->month > 2 ? -3 : 9)) + 2) / 5 + d->day - 1;

        return year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719468;
}

int http_date_parse(const char *text, size_t len, usec_t *ret) {
        Date d = {-1, -1, -1, -1, -1, -1};
        size_t i = 0;

        while (i < len) {
                size_t begin = i;
                bool good;

                while (i < len && (is_digit(text[i]) || is_alpha(text[i]) || text[i] == ':'))
                        i++;
                if (i == begin) {
                        if (text[i] != ' ' && text[i] != ',' && text[i] != '-')
                                return -EINVAL;
                        i++;
                        continue;
                }
                if (is_alpha(text[begin]))
                        good = date_name(&d, text + begin, i - begin);
                else if (memchr(text + begin, ':', i - begin))
                        good = date_time(&d, text + begin, i - begin);
                else
                        good = date_number(&d, text + begin, i - begin);
                if (!good)
                        return -EINVAL;
        }
        if (!date_is_valid(&d))
                return -EINVAL;
        *ret = ((usec_t) date_days(&d) * 86400 + (usec_t) (d.hour * 3600 + d.minute * 60 + d.second)) *
               USEC_PER_SEC;
        return 0;
}

/* delay-seconds of RFC 9110 §10.2.3; a fraction, which some gateways send, is rounded up. */
static bool parse_seconds(const char *text, size_t len, usec_t *ret) {
        usec_t seconds = 0;
        size_t i = 0;

        while (i < len && is_digit(text[i])) {
                if (seconds < USEC_INFINITY / USEC_PER_SEC / 16)
                        seconds = seconds * 10 + (usec_t) (text[i] - '0');
                i++;
        }
        if (i == 0)
                return false;
        if (i + 1 < len && text[i] == '.') {
                seconds++;
                for (i++; i < len; i++)
                        if (!is_digit(text[i]))
                                return false;
        }
        if (i < len)
                return false;
        *ret = seconds * USEC_PER_SEC;
        return true;
}

/* Of two headers the longer wait counts; a span and a date can't be compared here, and the span is the
 * plainer word. */
static void take_retry_after(HttpHeaders *h, const char *value, size_t len) {
        usec_t span, when;

        if (parse_seconds(value, len, &span)) {
                if (!h->has_retry_after || h->retry_is_date || span > h->retry_after)
                        h->retry_after = span;
                h->has_retry_after = true;
                h->retry_is_date = false;
        } else if (!(h->has_retry_after && !h->retry_is_date) && http_date_parse(value, len, &when) >= 0) {
                if (!h->has_retry_after || when > h->retry_after)
                        h->retry_after = when;
                h->has_retry_after = h->retry_is_date = true;
        }
}

static void take_remaining(HttpHeaders *h, HttpWindow window, const char *value, size_t len) {
        char text[24];
        uint64_t number;

        if (len >= sizeof(text) || memchr(value, 0, len))
                return;
        memcpy(text, value, len);
        text[len] = '\0';
        if (parse_u64(text, &number) < 0 || number > INT64_MAX)
                return;
        if (h->remaining[window] < 0 || (int64_t) number < h->remaining[window])
                h->remaining[window] = (int64_t) number;
}

static void copy_printable(char *buf, size_t size, const char *value, size_t len, bool lower) {
        size_t used = 0;

        for (size_t i = 0; i < len && used + 1 < size; i++)
                if (value[i] > 0x20 && value[i] < 0x7f)
                        buf[used++] = (char) (lower ? tolower((unsigned char) value[i]) : value[i]);
        buf[used] = '\0';
}

static void take_content_type(HttpHeaders *h, const char *value, size_t len) {
        const char *end = memchr(value, ';', len);

        if (!*h->content_type)
                copy_printable(h->content_type, sizeof(h->content_type), value,
                               end ? (size_t) (end - value) : len, true);
}

/* Two lengths that differ: where the answer ends is anybody's guess (RFC 9112 §6.3). */
static void take_length(HttpHeaders *h, const char *value, size_t len) {
        char text[sizeof(h->length)];

        copy_printable(text, sizeof(text), value, len, false);
        if (*h->length && !str_eq(h->length, text))
                h->contradictory = true;
        (void) snprintf(h->length, sizeof(h->length), "%s", text);
}

static bool is_name(const char *line, size_t len, const char *name) {
        return len == strlen(name) && strncasecmp(line, name, len) == 0;
}

static void take_field(HttpHeaders *h, const char *name, size_t name_len, const char *value, size_t len) {
        if (is_name(name, name_len, "retry-after"))
                take_retry_after(h, value, len);
        else if (is_name(name, name_len, "x-ratelimit-remaining-second"))
                take_remaining(h, HTTP_WINDOW_SECOND, value, len);
        else if (is_name(name, name_len, "x-ratelimit-remaining-minute"))
                take_remaining(h, HTTP_WINDOW_MINUTE, value, len);
        else if (is_name(name, name_len, "x-ratelimit-remaining-1800"))
                take_remaining(h, HTTP_WINDOW_HALF_HOUR, value, len);
        else if (is_name(name, name_len, "date") && h->date == 0)
                (void) http_date_parse(value, len, &h->date);
        else if (is_name(name, name_len, "content-length"))
                take_length(h, value, len);
        else if (is_name(name, name_len, "content-type"))
                take_content_type(h, value, len);
        else if (is_name(name, name_len, "location") && !*h->location)
                copy_printable(h->location, sizeof(h->location), value, len, false);
}

/* HTTP-version SP 3DIGIT (RFC 9112 §4); curl shows HTTP/2 and later in the same form. */
static void begin_block(HttpHeaders *h, const char *line, size_t len) {
        const char *p = memchr(line, ' ', len);

        *h = (HttpHeaders){ .n_lines = h->n_lines, .n_bytes = h->n_bytes, .remaining = { -1, -1, -1 } };
        if (!p || line + len - p < 4 || !is_digit(p[1]) || !is_digit(p[2]) || !is_digit(p[3]))
                return;
        h->status = (p[1] - '0') * 100 + two_digits(p + 2);
}

int http_headers_line(HttpHeaders *h, const char *line, size_t len) {
        const char *colon, *value;

        if (++h->n_lines > MAX_LINES || len > MAX_BYTES - h->n_bytes)
                return -E2BIG;
        h->n_bytes += len;
        while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r' || line[len - 1] == ' ' ||
                           line[len - 1] == '\t'))
                len--;
        if (len >= 5 && strncmp(line, "HTTP/", 5) == 0) {
                begin_block(h, line, len);
                return 0;
        }
        if (h->complete || h->status == 0)
                return 0;
        if (len == 0) {
                h->complete = true;
                return 0;
        }
        colon = memchr(line, ':', len);
        if (!colon)
                return 0;
        for (value = colon + 1; value < line + len && (*value == ' ' || *value == '\t'); value++)
                ;
        take_field(h, line, (size_t) (colon - line), value, (size_t) (line + len - value));
        return 0;
}

void http_headers_into(const HttpHeaders *h, usec_t wall, HttpResult *result) {
        result->status = h->status;
        result->content_type = h->content_type;
        result->location = *h->location ? h->location : NULL;
        result->has_retry_after = h->has_retry_after;
        /* A date is the server's, and so is read by the server's clock. */
        result->retry_after = h->retry_is_date ? usec_sub(h->retry_after, h->date ? h->date : wall)
                                               : h->retry_after;
        for (int i = 0; i < _HTTP_WINDOW_MAX; i++)
                result->remaining[i] = h->status != 0 ? h->remaining[i] : -1;
        result->date = h->date;
}
