/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <uniwidth.h>

#include "base/strings.h"

int str_cmp(const char *a, const char *b) {
        if (!a || !b)
                return (a != NULL) - (b != NULL);
        return strcmp(a, b);
}

bool str_starts_with(const char *s, const char *prefix) {
        return s && prefix && strncmp(s, prefix, strlen(prefix)) == 0;
}

void strbuf_deinit(StrBuf *b) {
        free(b->data);
        *b = STRBUF_INIT(b->max);
}

void strbuf_reset(StrBuf *b) {
        b->len = 0;
        b->error = 0;
        if (b->data)
                b->data[0] = 0;
}

/* Makes room for `more` bytes and the final NUL. */
static bool strbuf_grow(StrBuf *b, size_t more) {
        size_t need, size;
        char *data;

        if (b->error)
                return false;
        if (more > b->max || b->len > b->max - more || __builtin_add_overflow(b->len + more, 1, &need)) {
                b->error = -E2BIG;
                return false;
        }
        if (need <= b->size)
                return true;
        size = need < 64 ? 64 : need;
        if (size < SIZE_MAX / 2 && size < 2 * b->size)
                size = 2 * b->size;
        if (b->max < SIZE_MAX && size > b->max + 1)
                size = b->max + 1;
        data = realloc(b->data, size);
        if (!data) {
                b->error = -ENOMEM;
                return false;
        }
        b->data = data;
        b->size = size;
        return true;
}

void strbuf_append(StrBuf *b, const void *data, size_t len) {
        if (!strbuf_grow(b, len))
                return;
        if (len > 0)
                memcpy(b->data + b->len, data, len);
        b->len += len;
        b->data[b->len] = 0;
}

void strbuf_puts(StrBuf *b, const char *text) {
        strbuf_append(b, text, strlen(text));
}

void strbuf_putc(StrBuf *b, char c) {
        strbuf_append(b, &c, 1);
}

void strbuf_printf(StrBuf *b, const char *format, ...) {
        va_list ap;
        int len;

        va_start(ap, format);
        len = vsnprintf(NULL, 0, format, ap);
        va_end(ap);
        if (len < 0) {
                b->error = b->error ?: -EINVAL;
                return;
        }
        if (!strbuf_grow(b, (size_t) len))
                return;
        va_start(ap, format);
        (void) vsnprintf(b->data + b->len, (size_t) len + 1, format, ap);
        va_end(ap);
        b->len += (size_t) len;
}

/* The length of the UTF-8 sequence that text starts with, 0 if there is none (RFC 3629 §4: no surrogates,
 * nothing overlong, nothing past U+10FFFF). */
static size_t utf8_sequence(const char *text, size_t len) {
        const uint8_t *p = (const uint8_t *) text;
        uint8_t low = 0x80, high = 0xbf;
        size_t n;

        if (len == 0)
                return 0;
        if (p[0] < 0x80)
                return 1;
        if (p[0] < 0xc2 || p[0] > 0xf4)
                return 0;
        n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
        if (n > len)
                return 0;
        if (p[0] == 0xe0)
                low = 0xa0;
        else if (p[0] == 0xed)
                high = 0x9f;
        else if (p[0] == 0xf0)
                low = 0x90;
        else if (p[0] == 0xf4)
                high = 0x8f;
        if (p[1] < low || p[1] > high)
                return 0;
        for (size_t i = 2; i < n; i++)
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
        return n;
}

static void json_escape_char(StrBuf *b, char c) {
        static const char names[][2] = {
                { '"', '"' }, { '\\', '\\' }, { '\b', 'b' }, { '\f', 'f' },
                { '\n', 'n' }, { '\r', 'r' }, { '\t', 't' },
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (names[i][0] == c) {
                        strbuf_putc(b, '\\');
                        strbuf_putc(b, names[i][1]);
                        return;
                }
        if ((unsigned char) c < 0x20)
                strbuf_printf(b, "\\u%04x", (unsigned) c);
        else
                strbuf_putc(b, c);
}

/* How many characters at the start stand for themselves in JSON, as far as ASCII goes. */
static size_t json_plain(const char *text) {
        size_t n = 0;

        while (text[n] >= ' ' && text[n] < 0x7f && text[n] != '"' && text[n] != '\\')
                n++;
        return n;
}

void strbuf_json(StrBuf *b, const char *text) {
        size_t len, n;

        if (!text) {
                strbuf_puts(b, "null");
                return;
        }
        strbuf_putc(b, '"');
        for (len = strlen(text); len > 0; text += n, len -= n) {
                n = json_plain(text);
                if (n > 0) {
                        strbuf_append(b, text, n);
                        continue;
                }
                n = utf8_sequence(text, len);
                if (n == 1)
                        json_escape_char(b, *text);
                else if (n > 1)
                        strbuf_append(b, text, n);
                else {
                        /* Not UTF-8 is not JSON either: U+FFFD stands in for the byte. */
                        strbuf_puts(b, "\xef\xbf\xbd");
                        n = 1;
                }
        }
        strbuf_putc(b, '"');
}

void strbuf_printable(StrBuf *b, const char *text) {
        size_t size = 4 * strlen(text) + 1;
        _cleanup_(freep) char *printable = malloc(size);

        if (printable)
                strbuf_puts(b, str_printable(text, printable, size));
        else
                b->error = b->error ?: -ENOMEM;
}

void strbuf_urlencode(StrBuf *b, const char *text) {
        for (; *text; text++) {
                char c = *text;

                if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    strchr("-._~", c))
                        strbuf_putc(b, c);
                else
                        strbuf_printf(b, "%%%02X", (unsigned) (unsigned char) c);
        }
}

char *strbuf_take(StrBuf *b) {
        char *text;

        strbuf_append(b, "", 0);
        if (b->error)
                return NULL;
        text = TAKE(b->data);
        *b = STRBUF_INIT(b->max);
        return text;
}

int parse_u64(const char *text, uint64_t *ret) {
        unsigned long long value;

        /* strtoull() takes white space and signs, too. */
        if (str_empty(text) || text[strspn(text, "0123456789")])
                return -EINVAL;
        errno = 0;
        value = strtoull(text, NULL, 10);
        if (errno != 0)
                return -errno;
        *ret = value;
        return 0;
}

int parse_i64(const char *text, int64_t *ret) {
        bool negative = text && *text == '-';
        uint64_t value = 0;
        int r;

        r = parse_u64(negative ? text + 1 : text, &value);
        if (r < 0)
                return r;
        if (value > (uint64_t) INT64_MAX + negative)
                return -ERANGE;
        *ret = negative ? (int64_t) (0 - value) : (int64_t) value;
        return 0;
}

bool utf8_is_valid(const char *text, size_t len) {
        while (len > 0) {
                size_t n = utf8_sequence(text, len);

                if (n == 0 || *text == 0)
                        return false;
                text += n;
                len -= n;
        }
        return true;
}

#define NAME_MAX_LEN 63

/* Case and the choice between '-' and '_' are no difference worth counting. */
static char fold(char c) {
        if (c >= 'A' && c <= 'Z')
                return (char) (c - 'A' + 'a');
        return c == '-' ? '_' : c;
}

static unsigned min3(unsigned a, unsigned b, unsigned c) {
        unsigned m = a < b ? a : b;

        return m < c ? m : c;
}

/* Optimal string alignment: insert, delete, replace, swap of neighbours. Both at most NAME_MAX_LEN long. */
static unsigned edit_distance(const char *a, size_t la, const char *b, size_t lb) {
        unsigned rows[3][NAME_MAX_LEN + 1];
        unsigned *before = rows[0], *previous = rows[1], *current = rows[2];

        for (unsigned j = 0; j <= lb; j++)
                previous[j] = j;
        for (size_t i = 1; i <= la; i++) {
                unsigned *spare = before;

                current[0] = (unsigned) i;
                for (size_t j = 1; j <= lb; j++) {
                        unsigned cost = fold(a[i - 1]) != fold(b[j - 1]);

                        current[j] = min3(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + cost);
                        if (i > 1 && j > 1 && before[j - 2] + 1 < current[j] &&
                            fold(a[i - 1]) == fold(b[j - 2]) && fold(a[i - 2]) == fold(b[j - 1]))
                                current[j] = before[j - 2] + 1;
                }
                before = previous;
                previous = current;
                current = spare;
        }
        return previous[lb];
}

const char *nearest_name(const char *name, const char *const *names, size_t n) {
        size_t len = name ? strlen(name) : 0;
        const char *best = NULL;
        unsigned best_distance;

        if (len == 0 || len > NAME_MAX_LEN)
                return NULL;
        /* A third of the letters may be wrong; more is a guess and no help. */
        best_distance = (unsigned) len / 3 + 1;
        if (best_distance < 2)
                best_distance = 2;
        for (size_t i = 0; i < n; i++) {
                size_t other = strlen(names[i]);
                unsigned distance;

                if (other == 0 || other > NAME_MAX_LEN)
                        continue;
                distance = edit_distance(name, len, names[i], other);
                if (distance < best_distance && distance < other) {
                        best = names[i];
                        best_distance = distance;
                }
        }
        return best;
}

/* Of a valid sequence: no control character, no line separator, nothing that turns its neighbours around. */
static bool shows_as_itself(const char *text, size_t n) {
        static const char *const others[] = {
                        "\xd8\x9c",                             /* U+061C */
                        "\xe2\x80\x8e", "\xe2\x80\x8f",         /* U+200E, U+200F */
                        "\xe2\x80\xa8", "\xe2\x80\xa9",         /* U+2028, U+2029 */
                        "\xe2\x80\xaa", "\xe2\x80\xab", "\xe2\x80\xac", /* U+202A to U+202E */
                        "\xe2\x80\xad", "\xe2\x80\xae",
                        "\xe2\x81\xa6", "\xe2\x81\xa7", "\xe2\x81\xa8", /* U+2066 to U+2069 */
                        "\xe2\x81\xa9",
        };

        if (n == 1)
                return (unsigned char) *text >= 0x20 && *text != 0x7f;
        if (n == 2 && (unsigned char) text[0] == 0xc2 && (unsigned char) text[1] < 0xa0)
                return false;
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                if (str_starts_with(text, others[i]))
                        return false;
        return true;
}

size_t str_width(const char *text) {
        int width = u8_strwidth((const uint8_t *) text, "UTF-8");

        return width > 0 ? (size_t) width : 0;
}

const char *str_printable(const char *text, char *buf, size_t size) {
        size_t len = strlen(text), used = 0;

        if (size == 0)
                return buf;
        while (len > 0) {
                size_t n = utf8_sequence(text, len), need;
                bool plain = n > 0 && shows_as_itself(text, n);

                if (!plain)
                        n = 1;
                need = plain ? n : 4;
                if (used + need >= size)
                        break;
                if (plain)
                        memcpy(buf + used, text, n);
                else {
                        buf[used] = '\\';
                        buf[used + 1] = 'x';
                        hex_encode(text, 1, buf + used + 2);
                }
                used += need;
                text += n;
                len -= n;
        }
        buf[used] = 0;
        return buf;
}

void hex_encode(const void *data, size_t len, char *out) {
        static const char digits[] = "0123456789abcdef";
        const uint8_t *bytes = data;

        for (size_t i = 0; i < len; i++) {
                *out++ = digits[bytes[i] >> 4];
                *out++ = digits[bytes[i] & 15];
        }
        *out = 0;
}
