/* SPDX-License-Identifier: Apache-2.0 */
/* One transfer's easy handle: its options, what it receives, and what that means. For net/http.c alone. */
#pragma once

#include <curl/curl.h>

#include "net/http-headers.h"
#include "net/http.h"

struct HttpRequest {
        Http *http;
        Loop *loop;
        HttpRequest **list, *next;      /* the list that it is in */
        http_done_t done;
        void (*on_data)(const char *data, size_t len, void *userdata);
        void *userdata;

        CURL *easy;
        struct curl_slist *headers;
        Secret *body;
        LoopTimer *silence;     /* armed once the request is sent */
        usec_t timeout, begun, last_byte;
        curl_off_t uploaded;

        HttpHeaders answer;
        char *data;             /* may hold a token: wiped whenever it moves or goes */
        size_t len, size;       /* len: received, also what on_data took */
        uint64_t max_body;

        bool sent;              /* the connection stands, and the request may be on its way */
        bool too_large, flooded, silent, no_memory;
        CURLcode code;
        CURLMcode multi_code;
        char error[CURL_ERROR_SIZE];
};

/* An easy handle with every option set, in no multi yet. 0, -EINVAL (a spec that must not be sent), -ENOMEM.
 */
int http_request_new(Loop *loop, const HttpSpec *spec, const char *user_agent, HttpRequest **ret);
/* Lets go of everything of libcurl's; the answer stays. It must be in no multi any more. */
void http_request_close(HttpRequest *r);
HttpRequest *http_request_free(HttpRequest *r);
DEFINE_CLEANUP(HttpRequest *, http_request_free);

/* True, and a new deadline noted, if something moved within the time-out. */
bool http_request_is_alive(HttpRequest *r);
/* What came of it, once it is over and before it is closed. Borrows from r. */
void http_request_result(HttpRequest *r, HttpResult *result);
