/* SPDX-License-Identifier: Apache-2.0 */
/* What we read of an answer's headers. Pure: bytes from a stranger in, bounded plain values out. Not by
 * curl_easy_header(): that tells neither whether the head came whole, nor bounds it in all versions. */
#pragma once

#include "net/http.h"

typedef struct HttpHeaders {
        unsigned n_lines;
        size_t n_bytes;
        bool complete;          /* the empty line came: this block is whole */
        int status;
        bool contradictory;     /* more than one Content-Length */
        char length[32];
        char content_type[128];
        char location[512];
        bool has_retry_after;
        bool retry_is_date;
        usec_t retry_after;     /* a span, or a wall time */
        int64_t remaining[_HTTP_WINDOW_MAX];
        usec_t date;
} HttpHeaders;

/* Takes one line, with or without its line end. A status line begins a new block: 1xx answers go before the
 * final one. Lines after the empty one (trailers) are ignored. 0, or -E2BIG once there are more than 128
 * lines or 64 KiB in all. */
int http_headers_line(HttpHeaders *h, const char *line, size_t len);
/* The block in terms of a result; `wall` stands in for a missing Date. Strings stay in h. */
void http_headers_into(const HttpHeaders *h, usec_t wall, HttpResult *result);

/* Dates of RFC 9110 §5.6.7 (all three forms), and as OpenSSL and GnuTLS print a certificate's: "Nov  6
 * 08:49:37 1994 GMT", "1994-11-06 08:49:37 GMT". 0, or -EINVAL for everything else, before 1970, and for
 * other zones than GMT. */
int http_date_parse(const char *text, size_t len, usec_t *ret);
