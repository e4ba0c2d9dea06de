/* SPDX-License-Identifier: Apache-2.0 */
/* Text: comparison, growing buffers with a cap (json-c's printbuf has none), parsing of whole numbers. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"

static inline bool str_eq(const char *a, const char *b) {
        return a == b || (a && b && strcmp(a, b) == 0);
}
static inline bool str_empty(const char *s) {
        return !s || !*s;
}
/* For ORDER: NULL first. */
int str_cmp(const char *a, const char *b);
bool str_starts_with(const char *s, const char *prefix);

/* A buffer that grows up to `max` bytes; past it, and when out of memory, `error` is set once and stays
 * (-E2BIG, -ENOMEM), so that a run of appends needs one check. Not for secrets: see base/secret.h. */
typedef struct StrBuf {
        char *data;        /* NUL-terminated; NULL while empty */
        size_t len, size, max;
        int error;
} StrBuf;

/* Hidden: libconfig has a strbuf_append() of its own, and would call ours instead of it. */
#pragma GCC visibility push(hidden)
#define STRBUF_INIT(limit) ((StrBuf){ .max = (limit) })
void strbuf_deinit(StrBuf *b);
void strbuf_reset(StrBuf *b);
void strbuf_append(StrBuf *b, const void *data, size_t len);
void strbuf_puts(StrBuf *b, const char *text);
void strbuf_putc(StrBuf *b, char c);
void strbuf_printf(StrBuf *b, const char *format, ...) _printf_(2, 3);
/* As a JSON string with quotes (RFC 8259 §7). NULL is written as null. */
void strbuf_json(StrBuf *b, const char *text);
/* As str_printable() has it. */
void strbuf_printable(StrBuf *b, const char *text);
/* As one component of a URL path or query (RFC 3986 §2.1). */
void strbuf_urlencode(StrBuf *b, const char *text);
/* The text, owned by the caller, and an empty buffer; NULL on error (see error) . Empty gives "". */
char *strbuf_take(StrBuf *b);
#pragma GCC visibility pop

/* Whole decimal numbers and nothing else. 0, -EINVAL, -ERANGE. */
int parse_u64(const char *text, uint64_t *ret);
int parse_i64(const char *text, int64_t *ret);

/* Valid UTF-8 (RFC 3629) without NUL. */
bool utf8_is_valid(const char *text, size_t len);

/* The nearest of n names by edit distance, NULL if none is near: for "did you mean". */
const char *nearest_name(const char *name, const char *const *names, size_t n);

/* The printable form of text: control characters, and those that turn the order of what stands beside them
 * (Unicode's bidirectional formatting), as \xNN; at most size-1 bytes; returns buf. */
const char *str_printable(const char *text, char *buf, size_t size);
/* Columns of a terminal. */
size_t str_width(const char *text);

/* Lower-case hex; out has 2*len+1 bytes. */
void hex_encode(const void *data, size_t len, char *out);
