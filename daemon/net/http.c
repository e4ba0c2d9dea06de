/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl's multi-socket interface on the loop.
 *
 * libcurl tells us which fds to watch (on_socket) and when to come back (on_timer); we tell it what happened
 * (act), after which any number of transfers may be over. These are first collected and then reported,
 * because a report may start, cancel or free anything. */
#include "net/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/epoll.h>

#include "net/http-request.h"

#define MAX_CACHED_CONNECTIONS 8L

typedef struct SocketWatch SocketWatch;

struct SocketWatch {
        SocketWatch *next;
        curl_socket_t fd;
        LoopIo *io;
};

struct Http {
        Loop *loop;
        CURLM *multi;           /* NULL if it broke and couldn't be made again yet */
        LoopTimer *timer;
        SocketWatch *sockets;
        HttpRequest *active, *finished;
        char *user_agent;
        bool delivering, dead;  /* freed by a callback: deliver_all() ends it */
};

/* libcurl copies bodies and headers into buffers of its own: so it gets a free() that wipes. */
static void wipe_free(void *p) {
        if (!p)
                return;
        explicit_bzero(p, malloc_usable_size(p));
        free(p);
}

static void *wipe_realloc(void *p, size_t size) {
        size_t old = p ? malloc_usable_size(p) : 0;
        void *q;

        if (p && old >= size && size >= old / 2)
                return p;
        q = malloc(size);
        if (!q)
                return NULL;
        if (p)
                memcpy(q, p, old < size ? old : size);
        wipe_free(p);
        return q;
}

/* ---- Lists of requests */

static void request_link(HttpRequest *r, HttpRequest **list) {
        HttpRequest **end = list;

        while (*end)
                end = &(*end)->next;
        *end = r;
        r->list = list;
        r->next = NULL;
}

static void request_unlink(HttpRequest *r) {
        HttpRequest **p = r->list;

        if (!p)
                return;
        while (*p != r)
                p = &(*p)->next;
        *p = r->next;
        r->list = NULL;
        r->next = NULL;
}

/* The request is closed before its callback runs, which may start, cancel or free anything. */
static void deliver(HttpRequest *r) {
        HttpResult result;

        http_request_result(r, &result);
        request_unlink(r);
        http_request_close(r);
        r->done(r, &result, r->userdata);
        (void) http_request_free(r);
}

static void deliver_all(Http *http) {
        http->delivering = true;
        while (http->finished)
                deliver(http->finished);
        http->delivering = false;
        if (http->dead)
                (void) http_free(http);
}

static void request_finish(HttpRequest *r, CURLcode code) {
        r->code = code;
        if (r->http->multi)
                (void) curl_multi_remove_handle(r->http->multi, r->easy);
        request_unlink(r);
        request_link(r, &r->http->finished);
}

/* ---- The multi handle */

static void collect(Http *http) {
        CURLMsg *message;
        int left;

        while ((message = curl_multi_info_read(http->multi, &left))) {
                CURL *easy = message->easy_handle;
                CURLcode code = message->data.result; /* gone after remove_handle */
                HttpRequest *r = NULL;

                if (message->msg != CURLMSG_DONE)
                        continue;
                if (curl_easy_getinfo(easy, CURLINFO_PRIVATE, &r) == CURLE_OK && r)
                        request_finish(r, code);
        }
}

static void free_sockets(Http *http) {
        SocketWatch *w;

        while ((w = http->sockets)) {
                http->sockets = w->next;
                (void) loop_io_free(w->io);
                free(w);
        }
}

static void close_multi(Http *http) {
        if (!http->multi)
                return;
        /* Calls on_socket() for what it closes: the table must still be there. */
        (void) curl_multi_cleanup(http->multi);
        http->multi = NULL;
        loop_timer_stop(http->timer);
        free_sockets(http);
}

static int open_multi(Http *http);

/* libcurl says that a multi can't be continued after an error. */
static void fail_all(Http *http, CURLMcode code) {
        collect(http);
        while (http->active) {
                http->active->multi_code = code;
                request_finish(http->active, CURLE_ABORTED_BY_CALLBACK);
        }
        close_multi(http);
        (void) open_multi(http); /* else http_request_start() tries again */
}

static void act(Http *http, curl_socket_t fd, int what) {
        CURLMcode code;
        int running;

        code = curl_multi_socket_action(http->multi, fd, what, &running);
        if (code == CURLM_OK)
                collect(http);
        else
                fail_all(http, code);
        deliver_all(http);
}

static void on_io(int fd, uint32_t events, void *userdata) {
        int what = 0;

        /* A bare EPOLLHUP has no name at libcurl: 0 lets it look for itself. */
        if (events & EPOLLIN)
                what |= CURL_CSELECT_IN;
        if (events & EPOLLOUT)
                what |= CURL_CSELECT_OUT;
        if (events & EPOLLERR)
                what |= CURL_CSELECT_ERR;
        act(userdata, fd, what);
}

static void on_timeout(void *userdata) {
        act(userdata, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer(CURLM *multi _unused_, long ms, void *userdata) {
        Http *http = userdata;

        /* Never from here into libcurl: even 0 ms only arms. */
        if (ms < 0)
                loop_timer_stop(http->timer);
        else
                loop_timer_after(http->timer, (usec_t) ms * USEC_PER_MSEC);
        return 0;
}

static int watch_socket(Http *http, curl_socket_t fd, uint32_t events) {
        SocketWatch *w;

        for (w = http->sockets; w && w->fd != fd; w = w->next)
                ;
        /* Fails if the fd was closed and its number given out again behind our back: then it is watched
         * anew. */
        if (w && w->io && loop_io_set_events(w->io, events) >= 0)
                return 0;
        if (!w) {
                w = calloc(1, sizeof(*w));
                if (!w)
                        return -1;
                w->fd = fd;
                w->next = http->sockets;
                http->sockets = w;
        }
        w->io = loop_io_free(w->io);
        return loop_io_new(http->loop, fd, events, "http", on_io, http, &w->io) < 0 ? -1 : 0;
}

static void forget_socket(Http *http, curl_socket_t fd) {
        SocketWatch **p, *w;

        for (p = &http->sockets; (w = *p); p = &w->next)
                if (w->fd == fd) {
                        *p = w->next;
                        (void) loop_io_free(w->io);
                        free(w);
                        return;
                }
}

static int on_socket(CURL *easy _unused_, curl_socket_t fd, int what, void *userdata,
                     void *socket_userdata _unused_) {
        Http *http = userdata;
        uint32_t events = 0;

        if (what == CURL_POLL_REMOVE) {
                forget_socket(http, fd);
                return 0;
        }
        if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
                events |= EPOLLIN;
        if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
                events |= EPOLLOUT;
        return watch_socket(http, fd, events);
}

static int open_multi(Http *http) {
        CURLM *multi = curl_multi_init();

        if (!multi)
                return -ENOMEM;
        if (curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket) != CURLM_OK ||
            curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, http) != CURLM_OK ||
            curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer) != CURLM_OK ||
            curl_multi_setopt(multi, CURLMOPT_TIMERDATA, http) != CURLM_OK ||
            curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING) != CURLM_OK ||
            curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, MAX_CACHED_CONNECTIONS) != CURLM_OK) {
                (void) curl_multi_cleanup(multi);
                return -ENOMEM;
        }
        http->multi = multi;
        return 0;
}

int http_new(Loop *loop, const char *user_agent, Http **ret) {
        _cleanup_(http_freep) Http *http = NULL;
        int r;

        /* Counted: http_free() takes one back. */
        if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, wipe_free, wipe_realloc, strdup, calloc) !=
            CURLE_OK)
                return -ENOMEM;
        http = calloc(1, sizeof(*http));
        if (!http) {
                curl_global_cleanup();
                return -ENOMEM;
        }
        http->loop = loop;
        /* A resolver that blocks would stop the loop. */
        if (!(curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_ASYNCHDNS))
                return -EOPNOTSUPP;
        http->user_agent = strdup(user_agent);
        if (!http->user_agent)
                return -ENOMEM;
        r = loop_timer_new(loop, LOOP_IO, "http", on_timeout, http, &http->timer);
        if (r < 0)
                return r;
        r = open_multi(http);
        if (r < 0)
                return r;
        *ret = TAKE(http);
        return 0;
}

/* ---- Starting and ending */

static void drop(HttpRequest *r) {
        if (r->list == &r->http->active && r->http->multi)
                (void) curl_multi_remove_handle(r->http->multi, r->easy);
        request_unlink(r);
        (void) http_request_free(r);
}

Http *http_free(Http *http) {
        if (!http)
                return NULL;
        while (http->active)
                drop(http->active);
        while (http->finished)
                drop(http->finished);
        if (http->delivering) {
                http->dead = true;
                return NULL;
        }
        close_multi(http);
        (void) loop_timer_free(http->timer);
        free(http->user_agent);
        free(http);
        curl_global_cleanup();
        return NULL;
}

static void on_silence(void *userdata) {
        HttpRequest *r = userdata;
        Http *http = r->http;

        if (http_request_is_alive(r))
                return;
        r->silent = true;
        request_finish(r, CURLE_OPERATION_TIMEDOUT);
        deliver_all(http);
}

int http_request_start(Http *http, const HttpSpec *spec, http_done_t done, void *userdata,
                       HttpRequest **ret) {
        _cleanup_(http_request_freep) HttpRequest *r = NULL;
        int k;

        if (!http->multi) {
                k = open_multi(http);
                if (k < 0)
                        return k;
        }
        k = http_request_new(http->loop, spec, http->user_agent, &r);
        if (k < 0)
                return k;
        r->http = http;
        r->done = done;
        r->userdata = userdata;
        k = loop_timer_new(http->loop, LOOP_TIMER, "http silence", on_silence, r, &r->silence);
        if (k < 0)
                return k;
        if (curl_multi_add_handle(http->multi, r->easy) != CURLM_OK)
                return -ENOMEM;
        request_link(r, &http->active);
        *ret = TAKE(r);
        return 0;
}

HttpRequest *http_request_cancel(HttpRequest *request) {
        /* In its own callback it is in no list, and freed afterwards. */
        if (request && request->list)
                drop(request);
        return NULL;
}
