/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http-headers.h"

#include <ctype.h>
#include <errno.h>
#include <strings.h>
#include <time.h>

#include "base/strings.h"

#define MAX_LINES 128
#define MAX_BYTES 65536

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

static int two_digits(const char *text) {
        return (text[0] - '0') * 10 + (text[1] - '0');
}

/* Days that no month has are turned into those of the next one: not here. */
static int date_from(struct tm *tm, usec_t *ret) {
        int day = tm->tm_mday, second = tm->tm_sec;
        time_t minute;

        tm->tm_sec = 0;
        minute = timegm(tm);
        if (minute < 0 || tm->tm_mday != day)
                return -EINVAL;
        *ret = ((usec_t) minute + (usec_t) second) * USEC_PER_SEC;
        return 0;
}

/* No locale is set: names are English. */
int http_date_parse(const char *text, size_t len, usec_t *ret) {
        static const char *const forms[] = {
                "%a, %d %b %Y %T GMT", "%A, %d-%b-%y %T GMT", "%a %b %d %T %Y",
                "%b %d %T %Y GMT", "%Y-%m-%d %T GMT",
        };
        char copy[64];

        if (len >= sizeof(copy) || memchr(text, 0, len))
                return -EINVAL;
        memcpy(copy, text, len);
        copy[len] = '\0';
        for (size_t i = 0; i < ELEMENTSOF(forms); i++) {
                struct tm tm = { 0 };
                const char *end = strptime(copy + strspn(copy, " "), forms[i], &tm);

                if (end && !*end)
                        return date_from(&tm, ret);
        }
        return -EINVAL;
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
