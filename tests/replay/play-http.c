/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "play.h"

struct Http { Loop *loop; };

struct HttpRequest {
        LoopTimer *timer;
        PlayAnswer *answer;
        http_done_t done;
        void *userdata;
};

static play_api_t the_api;
static void *the_userdata;
static PlayCall *calls;
static size_t n_calls;

void play_api(play_api_t api, void *userdata) {
        the_api = api;
        the_userdata = userdata;
}

const PlayCall *play_calls(size_t *ret_n) {
        *ret_n = n_calls;
        return calls;
}

void play_forget_calls(void) {
        free(calls);
        calls = NULL;
        n_calls = 0;
}

static void record(Loop *loop, const HttpSpec *spec, int status) {
        const char *path = strchr(strstr(spec->url, "://") + 3, '/');

        calls = reallocarray(calls, n_calls + 1, sizeof(*calls));
        assert(calls);
        calls[n_calls] = (PlayCall){ .at = loop_wall(loop), .status = status };
        snprintf(calls[n_calls].method, sizeof(calls->method), "%s", spec->method);
        snprintf(calls[n_calls].path, sizeof(calls->path), "%s", path);
        n_calls++;
}

int http_new(Loop *loop, const char *user_agent _unused_, Http **ret) {
        *ret = calloc(1, sizeof(**ret));
        assert(*ret);
        (*ret)->loop = loop;
        return 0;
}

Http *http_free(Http *http) {
        free(http);
        return NULL;
}

static void request_free(HttpRequest *request) {
        loop_timer_free(request->timer);
        free(request->answer);
        free(request);
}

static void answer(void *userdata) {
        HttpRequest *request = userdata;
        const PlayAnswer *a = request->answer;
        HttpResult result = {
                .failure = a->failure,
                .status = a->failure == HTTP_CONNECT ? 0 : a->status,
                .body = a->body,
                .body_len = strlen(a->body),
                .content_type = "application/json",
                .has_retry_after = a->has_retry_after,
                .retry_after = a->retry_after,
                .remaining = { -1, -1, -1 },
                .error = "played",
        };

        request->done(request, &result, request->userdata);
        request_free(request);
}

int http_request_start(Http *http, const HttpSpec *spec, http_done_t done, void *userdata,
                       HttpRequest **ret) {
        HttpRequest *request = calloc(1, sizeof(*request));

        assert(request && the_api);
        request->answer = calloc(1, sizeof(*request->answer));
        assert(request->answer);
        request->done = done;
        request->userdata = userdata;
        the_api(spec->method, spec->url, spec->body ? secret_data(spec->body) : "", request->answer,
                the_userdata);
        record(http->loop, spec, request->answer->failure == HTTP_DONE ? request->answer->status : 0);
        assert(loop_timer_new(http->loop, LOOP_IO, "played answer", answer, request, &request->timer) == 0);
        loop_timer_after(request->timer, request->answer->delay + USEC_PER_MSEC);
        *ret = request;
        return 0;
}

HttpRequest *http_request_cancel(HttpRequest *request) {
        if (request)
                request_free(request);
        return NULL;
}
