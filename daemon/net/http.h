/* SPDX-License-Identifier: Apache-2.0 */
/* HTTPS requests on the loop, and the second seam: replay tests link their own http_* that play an API.
 *
 * Fixed for every request: https only, certificates and names verified, TLS 1.2 or later, no redirects, no
 * proxy but a named one, no decompression, HTTP/1.1, bounded sizes. A request with a body, a DELETE and a
 * PUT go out on a fresh connection: libcurl silently repeats a request when a reused connection dies before
 * the answer, and a write must not be sent twice. */
#pragma once

#include "base/loop.h"
#include "base/secret.h"

typedef struct Http Http;
typedef struct HttpRequest HttpRequest;

typedef struct HttpHeader { const char *name, *value; } HttpHeader;

/* Borrowed during http_request_start() only. */
typedef struct HttpSpec {
        const char *method;             /* GET, POST, PUT, DELETE */
        const char *url;
        const Secret *authorization;    /* whole value of the Authorization header, or NULL */
        const Secret *body;             /* or NULL */
        const char *content_type;       /* of the body */
        const char *accept;             /* NULL: application/json */
        const HttpHeader *headers;
        size_t n_headers;
        const char *ca_file;            /* a changed file is read within six hours, or by a new Http */
        const char *proxy;              /* NULL or "" for none; the environment's is ignored */
        usec_t timeout;                 /* silence: connecting, or no byte; the whole: four times */
        uint64_t max_body;              /* of the answer; 0: 1 MiB */
        /* Takes the body of a 2xx answer as it comes, from inside libcurl: it must not touch requests.
         * The result's body is then empty; any other answer's is collected all the same. NULL: every body
         * is collected. userdata: as given to http_request_start(). */
        void (*on_data)(const char *data, size_t len, void *userdata);
} HttpSpec;

/* DONE doesn't look at the status. A body without a length that ends with the connection counts as whole
 * (libcurl can't tell): its reader must notice what is missing, as a JSON parser does. */
typedef enum HttpFailure {
        HTTP_DONE,      /* an answer came whole, status and body can be used */
        HTTP_CONNECT,   /* resolving, connecting, TLS, certificate: nothing of the request was sent */
        HTTP_CUT,       /* perhaps sent, but no whole answer: reset, garbage, time-out, short body */
        HTTP_TOO_LARGE, /* the answer is over max_body */
} HttpFailure;

typedef enum HttpWindow {
        HTTP_WINDOW_SECOND,
        HTTP_WINDOW_MINUTE,
        HTTP_WINDOW_HALF_HOUR,
        _HTTP_WINDOW_MAX
} HttpWindow;

/* Valid during the callback only. */
typedef struct HttpResult {
        HttpFailure failure;
        bool certificate;               /* HTTP_CONNECT because the peer's certificate was refused */
        int status;                     /* 0 without a status line */
        const char *body;               /* NUL-terminated, "" if none */
        size_t body_len;
        const char *content_type;       /* without parameters, lower case, "" if none */
        const char *location;           /* or NULL */
        bool has_retry_after;           /* Retry-After as seconds or date (RFC 9110 §10.2.3) */
        usec_t retry_after;             /* span from now */
        int64_t remaining[_HTTP_WINDOW_MAX];    /* x-ratelimit-remaining-{second,minute,1800}; -1: absent */
        usec_t date;                    /* Date header as wall time, 0: absent; for clock skew */
        /* notAfter of the peer's certificate, and the earliest of all that it sent but those that have ended
         * (they weren't needed); 0: unknown, as on a connection that was there before */
        usec_t certificate_end, chain_end;
        usec_t duration;
        char error[256];                /* what failed, for people; no secrets */
} HttpResult;

typedef void (*http_done_t)(HttpRequest *request, const HttpResult *result, void *userdata);

/* 0, -ENOMEM, -EOPNOTSUPP (this libcurl's resolver would block the loop). */
int http_new(Loop *loop, const char *user_agent, Http **ret);
/* Pending requests go with it: their callbacks don't come, and pointers to them are dead. */
Http *http_free(Http *http);
DEFINE_CLEANUP(Http *, http_free);

/* < 0: nothing pending, no callback (-EINVAL: not https, or a control character in URL or headers). 0:
 * exactly one callback, never from inside this call; the request is freed after it. */
int http_request_start(Http *http, const HttpSpec *spec, http_done_t done, void *userdata,
                       HttpRequest **ret);
/* NULL is fine; returns NULL; the callback will not come. Connections of requests that were under way are
 * closed. */
HttpRequest *http_request_cancel(HttpRequest *request);
