/* SPDX-License-Identifier: Apache-2.0 */
/* Against a server of our own that misbehaves (http-server.py), with real TLS. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "base/loop.h"
#include "base/strings.h"
#include "net/http-headers.h"
#include "net/http.h"

static char dir[64], ca_file[96];
static pid_t server;
static int server_stdin = -1;
static int good, stranger, misnamed, mute, plain;
static Loop *loop;
static Http *http;

/* ---- What the libraries call, when we want it to fail */

static bool epoll_fails;

int epoll_ctl(int fd, int op, int target, struct epoll_event *event) {
        static int (*real)(int, int, int, struct epoll_event *);

        if (!real)
                *(void **) &real = dlsym(RTLD_NEXT, "epoll_ctl");
        if (epoll_fails && op == EPOLL_CTL_ADD) {
                errno = ENOSPC;
                return -1;
        }
        return real(fd, op, target, event);
}

static volatile int resolver_running;

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **ret) {
        int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

        if (node && strcmp(node, "slow.example") == 0) {
                resolver_running++;
                (void) poll(NULL, 0, 5000);
                resolver_running--;
                return EAI_AGAIN;
        }
        if (node && strcmp(node, "unknown.example") == 0)
                return EAI_NONAME;
        *(void **) &real = dlsym(RTLD_NEXT, "getaddrinfo");
        return real(node, service, hints, ret);
}

/* ---- One request, from start to end */

typedef struct Call {
        HttpRequest *request;
        int called;
        HttpResult result;
        char body[65536];
        char content_type[128], location[512];
        bool keep_running;
} Call;

static int calls_open;

static void on_done(HttpRequest *request, const HttpResult *result, void *userdata) {
        Call *call = userdata;

        assert_ptr_equal(request, call->request);
        call->request = NULL;
        call->called++;
        call->result = *result;
        assert_int_equal(result->body[result->body_len], '\0');
        if (result->body_len < sizeof(call->body))
                memcpy(call->body, result->body, result->body_len + 1);
        (void) snprintf(call->content_type, sizeof(call->content_type), "%s", result->content_type);
        (void) snprintf(call->location, sizeof(call->location), "%s",
                        result->location ? result->location : "");
        if (--calls_open == 0 && !call->keep_running)
                loop_exit(loop, 0);
}

static int start(Call *call, HttpSpec spec, int port, const char *path) {
        char url[256];
        int r;

        *call = (Call){ 0 };
        if (!spec.url) {
                (void) snprintf(url, sizeof(url), "https://localhost:%d%s", port, path);
                spec.url = url;
        }
        spec.method = spec.method ? spec.method : "GET";
        spec.ca_file = spec.ca_file ? spec.ca_file : ca_file;
        spec.timeout = spec.timeout ? spec.timeout : 10 * USEC_PER_SEC;
        r = http_request_start(http, &spec, on_done, call, &call->request);
        assert_int_equal(call->called, 0);
        if (r >= 0)
                calls_open++;
        return r;
}

static void fetch(Call *call, HttpSpec spec, int port, const char *path) {
        assert_int_equal(start(call, spec, port, path), 0);
        assert_int_equal(loop_run(loop), 0);
        assert_int_equal(call->called, 1);
        /* What failed is said; what didn't, isn't. */
        assert_int_equal(call->result.failure == HTTP_DONE, *call->result.error == '\0');
        print_message("# %s %s: failure %d status %d %s\n", spec.method ? spec.method : "GET", path,
                      call->result.failure, call->result.status, call->result.error);
}

/* Lines of the ledger that begin with `text`. */
static unsigned count_ledger(const char *text) {
        char path[96], line[256];
        unsigned n = 0;

        (void) snprintf(path, sizeof(path), "%s/ledger", dir);
        _cleanup_(fclosep) FILE *f = fopen(path, "re");
        while (f && fgets(line, sizeof(line), f))
                n += str_starts_with(line, text);
        return n;
}

static usec_t monotonic(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (usec_t) ts.tv_sec * USEC_PER_SEC + (usec_t) ts.tv_nsec / 1000;
}

static usec_t cpu_used(void) {
        struct rusage u;

        (void) getrusage(RUSAGE_SELF, &u);
        return (usec_t) (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * USEC_PER_SEC +
               (usec_t) (u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* ---- Answers */

static void test_ok(void **state) {
        Call c;

        (void) state;
        fetch(&c, (HttpSpec){ 0 }, good, "/ok");
        assert_int_equal(c.result.failure, HTTP_DONE);
        assert_int_equal(c.result.status, 200);
        assert_string_equal(c.body, "{\"ok\":true}");
        assert_string_equal(c.content_type, "application/json");
        assert_false(c.result.has_retry_after);
        for (int i = 0; i < _HTTP_WINDOW_MAX; i++)
                assert_int_equal(c.result.remaining[i], -1);
        assert_int_equal(c.result.date, 0);
        assert_in_range(c.result.duration, 1, 60 * USEC_PER_SEC);
        /* Made for thirty days. */
        assert_in_range(c.result.certificate_end, ((usec_t) time(NULL) + 29 * 86400) * USEC_PER_SEC,
                        ((usec_t) time(NULL) + 31 * 86400) * USEC_PER_SEC);
}

static void test_statuses(void **state) {
        static const struct {
                const char *path;
                int status;
                const char *body;
        } cases[] = {
                { "/204", 204, "" },
                { "/404", 404, "{\"message\":\"Not Found\"}" },
                { "/503", 503, "" },
                { "/interim", 200, "{}" },
                { "/chunked", 200, "abcdef" },
                { "/until-close", 200, "abc" },
                { "/abrupt", 200, "abc" }, /* likewise without TLS's goodbye: libcurl can't tell */
                { "/gzip", 200, "\x1f\x8b\x08" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Call c;

                fetch(&c, (HttpSpec){ 0 }, good, cases[i].path);
                assert_int_equal(c.result.failure, HTTP_DONE);
                assert_int_equal(c.result.status, cases[i].status);
                assert_string_equal(c.body, cases[i].body);
                assert_int_equal(c.result.has_retry_after, cases[i].status == 503);
        }
}

static void test_headers(void **state) {
        Call c;

        (void) state;
        fetch(&c, (HttpSpec){ 0 }, good, "/429");
        assert_int_equal(c.result.status, 429);
        assert_string_equal(c.content_type, "application/json");
        assert_true(c.result.has_retry_after);
        assert_int_equal(c.result.retry_after, 120 * USEC_PER_SEC);
        assert_int_equal(c.result.remaining[HTTP_WINDOW_SECOND], 4);
        assert_int_equal(c.result.remaining[HTTP_WINDOW_MINUTE], 0);
        assert_int_equal(c.result.remaining[HTTP_WINDOW_HALF_HOUR], 301);
        assert_int_equal(c.result.date, 784111777 * USEC_PER_SEC);
        fetch(&c, (HttpSpec){ 0 }, good, "/retry-date");
        assert_true(c.result.has_retry_after);
        assert_int_equal(c.result.retry_after, 30 * USEC_PER_SEC);
        fetch(&c, (HttpSpec){ 0 }, good, "/nul");
        assert_int_equal(c.result.body_len, 3);
        assert_memory_equal(c.body, "a\0b", 4);
}

static void test_redirect(void **state) {
        Call c;

        (void) state;
        fetch(&c, (HttpSpec){ 0 }, good, "/redirect");
        assert_int_equal(c.result.failure, HTTP_DONE);
        assert_int_equal(c.result.status, 302);
        assert_string_equal(c.location, "https://localhost:1/ok");
}

/* ---- What we send */

static void test_request(void **state) {
        static const HttpHeader headers[] = { { "X-Umbrella-OrgId", "8000" }, { "X-Empty", "" } };
        _cleanup_(secret_freep) Secret *authorization = secret_new("Bearer abc", 10);
        _cleanup_(secret_freep) Secret *body = secret_new("{\"a\":\"\0\"}", 9);
        Call c;

        (void) state;
        fetch(&c,
              (HttpSpec){ .method = "POST", .authorization = authorization, .body = body, .n_headers = 2,
                          .content_type = "application/json", .headers = headers },
              good, "/echo");
        assert_int_equal(c.result.status, 200);
        assert_true(str_starts_with(c.body, "POST /echo HTTP/1.1\r\n"));
        assert_non_null(strstr(c.body, "\r\nUser-Agent: idsyncd-test/1\r\n"));
        assert_non_null(strstr(c.body, "\r\nAccept: application/json\r\n"));
        assert_non_null(strstr(c.body, "\r\nContent-Type: application/json\r\n"));
        assert_non_null(strstr(c.body, "\r\nAuthorization: Bearer abc\r\n"));
        assert_non_null(strstr(c.body, "\r\nX-Umbrella-OrgId: 8000\r\n"));
        assert_non_null(strstr(c.body, "\r\nContent-Length: 9\r\n"));
        assert_null(strcasestr(c.body, "Expect"));
        assert_null(strcasestr(c.body, "Accept-Encoding"));
        assert_memory_equal(c.body + c.result.body_len - 9, "{\"a\":\"\0\"}", 9);
}

static void test_methods(void **state) {
        static const char *const methods[] = { "GET", "POST", "PUT", "DELETE" };
        _cleanup_(secret_freep) Secret *body = secret_new("x", 1);
        Call c;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(methods); i++) {
                char expected[32];

                fetch(&c, (HttpSpec){ .method = methods[i], .accept = "text/plain" }, good, "/echo");
                (void) snprintf(expected, sizeof(expected), "%s /echo HTTP/1.1\r\n", methods[i]);
                assert_true(str_starts_with(c.body, expected));
                assert_null(strcasestr(c.body, "Content-Type"));
                assert_non_null(strstr(c.body, "\r\nAccept: text/plain\r\n"));
                assert_true(str_eq(methods[i], "POST") ==
                            (strstr(c.body, "\r\nContent-Length: 0\r\n") != NULL));
        }
        for (size_t i = 1; i < ELEMENTSOF(methods); i++) {
                char expected[32];

                fetch(&c, (HttpSpec){.method = methods[i], .body = body, .content_type = "text/plain"}, good,
                      "/echo");
                (void) snprintf(expected, sizeof(expected), "%s /echo HTTP/1.1\r\n", methods[i]);
                assert_true(str_starts_with(c.body, expected));
                assert_non_null(strstr(c.body, "\r\nContent-Length: 1\r\n"));
                assert_non_null(strstr(c.body, "\r\nContent-Type: text/plain\r\n"));
        }
}

static void test_refused_specs(void **state) {
        _cleanup_(secret_freep) Secret *broken = secret_new("Bearer a\r\nX: y", 14);
        _cleanup_(secret_freep) Secret *nul = secret_new("Bearer\0a", 8);
        const HttpSpec bad[] = {
                { .url = "http://localhost/" },
                { .url = "ftp://localhost/" },
                { .url = "https://localhost/\r\nX: y" },
                { .method = "PATCH\r\n" },
                { .method = "" },
                { .authorization = broken },
                { .authorization = nul },
                { .headers = &(HttpHeader){ "X", "a\nb" }, .n_headers = 1 },
                { .headers = &(HttpHeader){ "", "a" }, .n_headers = 1 },
                { .content_type = "a\r\nb", .body = nul },
                { .accept = "a\r\nb" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                Call c;

                assert_int_equal(start(&c, bad[i], good, "/ok"), -EINVAL);
                assert_null(c.request);
        }
        assert_int_equal(calls_open, 0);
        assert_null(http_request_cancel(NULL));
}

/* The environment's proxy would see, or lose, every request. */
static void test_environment(void **state) {
        Call c;

        (void) state;
        (void) setenv("https_proxy", "http://127.0.0.1:1", 1);
        (void) setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
        fetch(&c, (HttpSpec){ 0 }, good, "/ok");
        assert_int_equal(c.result.failure, HTTP_DONE);
        (void) unsetenv("https_proxy");
        (void) unsetenv("ALL_PROXY");
        /* A named one is used, and the environment's list of exceptions is not. */
        (void) setenv("no_proxy", "localhost", 1);
        fetch(&c, (HttpSpec){ .proxy = "http://127.0.0.1:1" }, good, "/ok");
        assert_int_equal(c.result.failure, HTTP_CONNECT);
        (void) unsetenv("no_proxy");
}

/* ---- Failures */

static void test_cut(void **state) {
        static const char *const paths[] = {
                        "/truncated", "/truncated-chunk",       "/garbage",
                        "/half-head", "/only-interim",    "/many-headers", "/empty",
                        "/reset",     "/bad-status",      "/two-lengths",
        };
        _cleanup_(secret_freep) Secret *body = secret_new("{}", 2);

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                char line[64];
                Call c;

                fetch(&c, (HttpSpec){ .method = "POST", .body = body }, good, paths[i]);
                assert_int_equal(c.result.failure, HTTP_CUT);
                assert_false(c.result.certificate);
                (void) snprintf(line, sizeof(line), "POST %s ", paths[i]);
                assert_int_equal(count_ledger(line), 1);
                fetch(&c, (HttpSpec){ 0 }, good, paths[i]);
                assert_int_equal(c.result.failure, HTTP_CUT);
        }
}

static void test_connect(void **state) {
        Call c;

        (void) state;
        fetch(&c, (HttpSpec){ .method = "POST" }, 1, "/ok"); /* nobody listens */
        assert_int_equal(c.result.failure, HTTP_CONNECT);
        assert_false(c.result.certificate);
        assert_int_equal(c.result.status, 0);
        fetch(&c, (HttpSpec){ .url = "https://unknown.example/" }, 0, "unknown name");
        assert_int_equal(c.result.failure, HTTP_CONNECT);
        fetch(&c, (HttpSpec){ .method = "POST" }, plain, "/ok");
        assert_int_equal(c.result.failure, HTTP_CONNECT);
        assert_false(c.result.certificate);
        fetch(&c, (HttpSpec){ .ca_file = "/nonexistent" }, good, "/ok");
        assert_int_equal(c.result.failure, HTTP_CONNECT);
        assert_false(c.result.certificate);
}

static void test_certificates(void **state) {
        const int ports[] = { stranger, misnamed };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(ports); i++) {
                Call c;

                fetch(&c, (HttpSpec){ .method = "POST" }, ports[i], "/certificate");
                assert_int_equal(c.result.failure, HTTP_CONNECT);
                assert_true(c.result.certificate);
        }
        assert_int_equal(count_ledger("POST /certificate"), 0);
}

static void test_too_large(void **state) {
        static const char *const paths[] = { "/big", "/big-chunked" };
        Call c;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                fetch(&c, (HttpSpec){ 0 }, good, paths[i]);
                assert_int_equal(c.result.failure, HTTP_TOO_LARGE);
                assert_true(c.result.body_len <= 1024 * 1024);
        }
        fetch(&c, (HttpSpec){ .max_body = 10 }, good, "/ok");
        assert_int_equal(c.result.failure, HTTP_TOO_LARGE);
        fetch(&c, (HttpSpec){ .max_body = 11 }, good, "/ok");
        assert_int_equal(c.result.failure, HTTP_DONE);
        fetch(&c, (HttpSpec){ .max_body = 5 }, good, "/chunked");
        assert_int_equal(c.result.failure, HTTP_TOO_LARGE);
        fetch(&c, (HttpSpec){ .max_body = 6000000 }, good, "/big");
        assert_int_equal(c.result.failure, HTTP_DONE);
        assert_int_equal(c.result.body_len, 5000000);
}

static char streamed[64];
static size_t n_streamed, n_pieces;

static void on_data(const char *data, size_t len, void *userdata) {
        assert_non_null(((Call *) userdata)->request);
        if (n_streamed + len <= sizeof(streamed))
                memcpy(streamed + n_streamed, data, len);
        n_streamed += len;
        n_pieces++;
}

static void stream(Call *c, HttpSpec spec, const char *path) {
        n_streamed = n_pieces = 0;
        spec.on_data = on_data;
        fetch(c, spec, good, path);
}

/* A body that is taken as it comes isn't collected, and is held to the same limits. */
static void test_streamed(void **state) {
        Call c;

        (void) state;
        stream(&c, (HttpSpec){ 0 }, "/chunked");
        assert_int_equal(c.result.failure, HTTP_DONE);
        assert_int_equal(n_streamed, 6);
        assert_memory_equal(streamed, "abcdef", 6);
        assert_int_equal(c.result.body_len, 0);
        assert_string_equal(c.body, "");
        stream(&c, (HttpSpec){ .max_body = 6000000 }, "/big");
        assert_int_equal(c.result.failure, HTTP_DONE);
        assert_int_equal(n_streamed, 5000000);
        assert_true(n_pieces > 1 && c.result.body_len == 0);
        stream(&c, (HttpSpec){ .max_body = 100000 }, "/big-chunked");
        assert_int_equal(c.result.failure, HTTP_TOO_LARGE);
        assert_true(n_streamed <= 100000);
        stream(&c, (HttpSpec){ 0 }, "/truncated");
        assert_int_equal(c.result.failure, HTTP_CUT);
        assert_int_equal(n_streamed, 8);
        /* What isn't a success is collected: its text is for people. */
        stream(&c, (HttpSpec){ 0 }, "/404");
        assert_int_equal(n_streamed, 0);
        assert_string_equal(c.body, "{\"message\":\"Not Found\"}");
        stream(&c, (HttpSpec){ 0 }, "/204");
        assert_true(n_streamed == 0 && c.result.failure == HTTP_DONE);
}

/* The server answers and closes before it has read the body. */
static void test_early_answer(void **state) {
        static char large[4000000];
        _cleanup_(secret_freep) Secret *body = NULL;
        Call c;

        (void) state;
        memset(large, 'x', sizeof(large));
        body = secret_new(large, sizeof(large));
        fetch(&c, (HttpSpec){ .method = "POST", .body = body }, good, "/early");
        assert_int_equal(c.result.failure, HTTP_DONE);
        assert_int_equal(c.result.status, 413);
        assert_string_equal(c.body, "{\"message\":\"too much\"}");
}

/* ---- Time */

static void test_silence(void **state) {
        static const struct {
                const char *path;
                HttpFailure failure;
        } cases[] = { { "/stall", HTTP_CUT }, { "/stall-body", HTTP_CUT }, { "/mute", HTTP_CONNECT } };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                usec_t begun = monotonic(), cpu = cpu_used(), took;
                Call c;

                fetch(&c, (HttpSpec){ .timeout = USEC_PER_SEC }, i == 2 ? mute : good, cases[i].path);
                took = monotonic() - begun;
                assert_int_equal(c.result.failure, cases[i].failure);
                assert_in_range(took, 950 * USEC_PER_MSEC, 8 * USEC_PER_SEC);
                /* Nothing spins while nothing happens. */
                assert_in_range(cpu_used() - cpu, 0, took / 5);
        }
}

static void test_slow_but_alive(void **state) {
        usec_t begun = monotonic();
        Call c;

        (void) state;
        /* 1.5 s in all, never silent for 0.6 s. */
        fetch(&c, (HttpSpec){ .timeout = 600 * USEC_PER_MSEC }, good, "/drip");
        assert_int_equal(c.result.failure, HTTP_DONE);
        assert_string_equal(c.body, "1111111111");
        assert_true(monotonic() - begun > 1400 * USEC_PER_MSEC);
        /* But not for ever: four times the silence. */
        begun = monotonic();
        fetch(&c, (HttpSpec){ .timeout = 400 * USEC_PER_MSEC }, good, "/drip-forever");
        assert_int_equal(c.result.failure, HTTP_CUT);
        assert_in_range(monotonic() - begun, 1500 * USEC_PER_MSEC, 10 * USEC_PER_SEC);
}

/* A resolver's thread that hangs must not be waited for. */
static void test_slow_name(void **state) {
        static Call c, other;
        usec_t begun = monotonic();

        (void) state;
        fetch(&c, (HttpSpec){.url = "https://slow.example/", .timeout = 300 * USEC_PER_MSEC}, 0,
              "slow name");
        assert_int_equal(c.result.failure, HTTP_CONNECT);
        assert_in_range(monotonic() - begun, 250 * USEC_PER_MSEC, 4 * USEC_PER_SEC);
        /* Nor when cancelled. */
        begun = monotonic();
        assert_int_equal(start(&c, (HttpSpec){ .url = "https://slow.example/" }, 0, ""), 0);
        calls_open = 0;
        fetch(&other, (HttpSpec){ 0 }, good, "/ok");
        c.request = http_request_cancel(c.request);
        assert_true(monotonic() - begun < 4 * USEC_PER_SEC);
}

/* ---- Several, cancelling, freeing */

static void test_together(void **state) {
        static Call calls[20];
        static const char *const paths[] = { "/ok", "/404", "/204", "/reset", "/drip" };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(calls); i++)
                assert_int_equal(start(&calls[i], (HttpSpec){ 0 }, i % 7 == 6 ? 1 : good, paths[i % 5]), 0);
        assert_int_equal(loop_run(loop), 0);
        for (size_t i = 0; i < ELEMENTSOF(calls); i++) {
                assert_int_equal(calls[i].called, 1);
                assert_int_equal(calls[i].result.failure,
                                 i % 7 == 6 ? HTTP_CONNECT : i % 5 == 3 ? HTTP_CUT : HTTP_DONE);
        }
}

/* Many that fail in the same instant are all reported. */
static void test_fail_together(void **state) {
        static Call calls[20];
        usec_t begun = monotonic();

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(calls); i++)
                assert_int_equal(start(&calls[i], (HttpSpec){ 0 }, 1, "/ok"), 0);
        assert_int_equal(loop_run(loop), 0);
        for (size_t i = 0; i < ELEMENTSOF(calls); i++)
                assert_int_equal(calls[i].result.failure, HTTP_CONNECT);
        assert_true(monotonic() - begun < 8 * USEC_PER_SEC);
}

/* An accuracy of 250 ms of the timer would show here. */
static void test_brisk(void **state) {
        usec_t begun = monotonic();

        (void) state;
        for (int i = 0; i < 40; i++) {
                Call c;

                fetch(&c, (HttpSpec){ 0 }, good, "/ok");
                assert_int_equal(c.result.failure, HTTP_DONE);
        }
        assert_true(monotonic() - begun < 8 * USEC_PER_SEC);
}

static void test_cancel(void **state) {
        Call stalled, early, done;

        (void) state;
        assert_int_equal(start(&stalled, (HttpSpec){ 0 }, good, "/stall"), 0);
        assert_int_equal(start(&early, (HttpSpec){ 0 }, good, "/ok"), 0);
        early.request = http_request_cancel(early.request); /* before a byte */
        calls_open--;
        calls_open--;                                       /* the stalled one isn't waited for */
        fetch(&done, (HttpSpec){ 0 }, good, "/moment");
        stalled.request = http_request_cancel(stalled.request); /* in the middle */
        fetch(&done, (HttpSpec){ 0 }, good, "/ok");
        assert_int_equal(stalled.called, 0);
        assert_int_equal(early.called, 0);
}

typedef struct Nested {
        Call first, second, third;
        int phase;
} Nested;

static void on_nested(HttpRequest *request, const HttpResult *result, void *userdata) {
        Nested *n = userdata;

        n->first.request = NULL;
        n->phase = result->status;
        assert_null(http_request_cancel(request)); /* its own: harmless */
        n->second.request = http_request_cancel(n->second.request);
        calls_open--;
        assert_int_equal(start(&n->third, (HttpSpec){ 0 }, good, "/ok"), 0);
}

static void test_start_and_cancel_in_callback(void **state) {
        static Nested n;
        char url[64];

        (void) state;
        (void) snprintf(url, sizeof(url), "https://localhost:%d/ok", good);
        assert_int_equal(start(&n.second, (HttpSpec){ 0 }, good, "/stall"), 0);
        assert_int_equal(http_request_start(http,
                                            &(HttpSpec){ .method = "GET", .url = url, .ca_file = ca_file,
                                                         .timeout = USEC_PER_SEC * 10 },
                                            on_nested, &n, &n.first.request), 0);
        assert_int_equal(loop_run(loop), 0);
        assert_int_equal(n.phase, 200);
        assert_int_equal(n.second.called, 0);
        assert_int_equal(n.third.called, 1);
        assert_int_equal(n.third.result.status, 200);
}

static void on_free_http(HttpRequest *request, const HttpResult *result, void *userdata) {
        int *called = userdata;

        (void) request;
        assert_int_equal(result->failure, HTTP_CONNECT);
        (*called)++;
        http = http_free(http);
        loop_exit(loop, 0);
}

static void test_free_pending(void **state) {
        static Call calls[4], done;
        int called = 0;
        char url[64];
        HttpRequest *request;

        (void) state;
        for (int i = 0; i < 3; i++)
                assert_int_equal(start(&calls[i], (HttpSpec){0}, good, i == 0 ? "/stall" : "/stall-body"),
                                 0);
        calls_open = 0;
        fetch(&done, (HttpSpec){ 0 }, good, "/moment");
        assert_int_equal(start(&calls[3], (HttpSpec){ 0 }, good, "/ok"), 0);
        calls_open = 0;
        http = http_free(http);
        for (int i = 0; i < 4; i++)
                assert_int_equal(calls[i].called, 0);

        /* In a callback, with others that are done at the same time. */
        assert_int_equal(http_new(loop, "idsyncd-test/1", &http), 0);
        (void) snprintf(url, sizeof(url), "https://localhost:1/");
        for (int i = 0; i < 5; i++)
                assert_int_equal(http_request_start(http,
                                                    &(HttpSpec){.method = "GET",
                                                                .url = url,
                                                                .ca_file = ca_file,
                                                                .timeout = USEC_PER_SEC * 10},
                                                    on_free_http, &called, &request),
                                 0);
        assert_int_equal(loop_run(loop), 0);
        assert_int_equal(called, 1);
        assert_null(http);
        assert_int_equal(http_new(loop, "idsyncd-test/1", &http), 0);
        fetch(&done, (HttpSpec){ 0 }, good, "/ok");
        assert_int_equal(done.result.status, 200);
}

/* The loop can't watch a socket: all transfers of libcurl's end, and later ones work again. */
static void test_rebuilt(void **state) {
        static Call broken, bystander, after;

        (void) state;
        assert_int_equal(start(&bystander, (HttpSpec){ 0 }, good, "/stall"), 0);
        calls_open = 0;
        fetch(&after, (HttpSpec){ 0 }, good, "/moment");
        calls_open = 1;
        assert_int_equal(start(&broken, (HttpSpec){ .method = "POST" }, good, "/ok"), 0);
        epoll_fails = true;
        assert_int_equal(loop_run(loop), 0);
        epoll_fails = false;
        assert_int_equal(broken.called, 1);
        assert_int_equal(broken.result.failure, HTTP_CONNECT);
        assert_int_equal(bystander.called, 1);
        assert_int_equal(bystander.result.failure, HTTP_CUT);
        print_message("# %s\n", bystander.result.error);
        fetch(&after, (HttpSpec){ .method = "POST" }, good, "/ok");
        assert_int_equal(after.result.status, 200);
}

/* ---- Secrets */

/* In all memory that can be written to (but a sanitizer's, which is endless). The needle is given shifted by
 * one, so that it isn't found itself. */
static unsigned count_in_memory(const char *shifted) {
        _cleanup_(fclosep) FILE *maps = fopen("/proc/self/maps", "re");
        _cleanup_(closep) int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
        size_t len = strlen(shifted);
        unsigned long first, last;
        unsigned found = 0;
        char line[512];

        while (maps && fgets(line, sizeof(line), maps)) {
                _cleanup_(freep) char *copy = NULL;
                const char *p;
                ssize_t n;

                if (sscanf(line, "%lx-%lx", &first, &last) != 2 || !strstr(line, " rw") ||
                    last - first > 1 << 26)
                        continue;
                copy = malloc(last - first);
                n = pread(memory, copy, last - first, (off_t) first);
                for (p = copy; n > 0 && (p = memchr(p, shifted[0] - 1, (size_t) (copy + n - p))); p++) {
                        size_t same = 0;

                        while (same < len && p + same < copy + n && p[same] == shifted[same] - 1)
                                same++;
                        found += same == len;
                }
                explicit_bzero(copy, last - first);
        }
        return found;
}

/* Neither we nor libcurl keep a copy of what was sent. */
static void test_wiped(void **state) {
        static const char shifted[] = "upq.tfdsfu.upLfo.1284";
        char text[sizeof(shifted)];
        Secret *authorization, *body;
        Call c;

        (void) state;
        for (size_t i = 0; i < sizeof(text); i++)
                text[i] = (char) (shifted[i] ? shifted[i] - 1 : 0);
        authorization = secret_new("Bearer ", 7);
        assert_int_equal(secret_append_str(authorization, text), 0);
        body = secret_new("", 0);
        assert_int_equal(secret_append_json(body, text, strlen(text)), 0);
        explicit_bzero(text, sizeof(text));
        assert_int_equal(count_in_memory(shifted), 2);
        fetch(&c, (HttpSpec){ .method = "POST", .authorization = authorization, .body = body }, good, "/ok");
        assert_int_equal(c.result.status, 200);
        (void) secret_free(authorization);
        (void) secret_free(body);
        assert_int_equal(count_in_memory(shifted), 0);
}

/* ---- Connections */

static void test_keep_alive(void **state) {
        unsigned before;
        Call c;

        (void) state;
        fetch(&c, (HttpSpec){ 0 }, good, "/ok");
        before = count_ledger("connect");
        for (int i = 0; i < 5; i++)
                fetch(&c, (HttpSpec){ 0 }, good, "/ok");
        assert_int_equal(count_ledger("connect"), before);
        for (unsigned i = 1; i <= 3; i++) {
                fetch(&c, (HttpSpec){ .method = i == 1 ? "POST" : i == 2 ? "PUT" : "DELETE" }, good, "/ok");
                assert_int_equal(count_ledger("connect"), before + i);
        }
        fetch(&c, (HttpSpec){ 0 }, good, "/ok");
        assert_int_equal(count_ledger("connect"), before + 3);
}

/* A kept connection dies when the next request comes: a read is repeated by libcurl, a write must not be. */
static void test_write_is_sent_once(void **state) {
        _cleanup_(secret_freep) Secret *body = secret_new("{}", 2);
        Call c;

        (void) state;
        fetch(&c, (HttpSpec){ 0 }, good, "/once");
        fetch(&c, (HttpSpec){ 0 }, good, "/once");
        assert_int_equal(c.result.failure, HTTP_DONE);
        assert_true(count_ledger("GET /once") > 2);
        fetch(&c, (HttpSpec){ .method = "POST", .body = body }, good, "/once");
        assert_int_equal(c.result.failure, HTTP_DONE);
        assert_int_equal(count_ledger("POST /once"), 1);
        fetch(&c, (HttpSpec){ .method = "DELETE" }, good, "/once");
        assert_int_equal(c.result.failure, HTTP_DONE);
        assert_int_equal(count_ledger("DELETE /once"), 1);
        fetch(&c, (HttpSpec){ .method = "POST", .body = body }, good, "/drop");
        assert_int_equal(c.result.failure, HTTP_CUT);
        assert_int_equal(count_ledger("POST /drop"), 1);
}

/* ---- Headers by themselves */

static void assert_date(const char *text, int64_t expected) {
        usec_t when = 7;
        int r = http_date_parse(text, strlen(text), &when);

        if (expected < 0 ? r != -EINVAL || when != 7 : r != 0 || when != (usec_t) expected * USEC_PER_SEC)
                fail_msg("\"%s\": %d, %llu", text, r, (unsigned long long) when);
}

static void test_dates(void **state) {
        (void) state;
        assert_date("Sun, 06 Nov 1994 08:49:37 GMT", 784111777);
        assert_date("Sunday, 06-Nov-94 08:49:37 GMT", 784111777);
        assert_date("Sun Nov  6 08:49:37 1994", 784111777);
        assert_date("Nov  6 08:49:37 1994 GMT", 784111777);
        assert_date("1994-11-06 08:49:37 GMT", 784111777);
        assert_date("Thu, 01 Jan 1970 00:00:00 GMT", 0);
        assert_date("Thu, 29 Feb 2024 23:59:60 GMT", 1709251200);
        assert_date("Dec 31 23:59:59 9999 GMT", INT64_C(253402300799));
        assert_date("Mon, 01 Mar 2100 00:00:00 GMT", INT64_C(4107542400));
        assert_date("", -1);
        assert_date("Sun, 06 Nov 1994", -1);
        assert_date("06 Nov 08:49:37 GMT", -1);
        assert_date("Sun, 29 Feb 2023 00:00:00 GMT", -1);
        assert_date("Sun, 29 Feb 2100 00:00:00 GMT", -1);
        assert_date("Sun, 31 Apr 2023 00:00:00 GMT", -1);
        assert_date("Sun, 06 Nov 1969 08:49:37 GMT", -1);
        assert_date("Sun, 06 Nov 1994 24:00:00 GMT", -1);
        assert_date("Sun, 06 Nov 1994 08:60:00 GMT", -1);
        assert_date("Sun, 06 Nov 1994 08:49:37 PST", -1);
        assert_date("Sun, 06 Nov 1994 08:49:37 +0200", -1);
        assert_date("Sun, 06 Nov Dec 1994 08:49:37 GMT", -1);
        assert_date("Sun, 06 Nov 1994 08:49:37 GMT\x01", -1);
        assert_date("Sun, 00 Nov 1994 08:49:37 GMT", -1);
        assert_date("1994-13-06 08:49:37 GMT", -1);
        assert_date("120", -1);
}

static HttpResult parse(const char *text, HttpHeaders *h) {
        HttpResult result = { 0 };

        *h = (HttpHeaders){ 0 };
        while (*text) {
                const char *end = strchrnul(text, '\n');

                end += *end == '\n';
                assert_int_equal(http_headers_line(h, text, (size_t) (end - text)), 0);
                text = end;
        }
        http_headers_into(h, 1000 * USEC_PER_SEC, &result);
        return result;
}

static void test_retry_after(void **state) {
        static const struct {
                const char *text;
                int64_t seconds; /* -1: none */
        } cases[] = {
                { "Retry-After: 0", 0 },
                { "retry-after:7", 7 },
                { "RETRY-AFTER: \t 7 \t", 7 },
                { "Retry-After: 1.5", 2 },
                { "Retry-After: Thu, 01 Jan 1970 00:17:40 GMT", 60 },
                { "Retry-After: Thu, 01 Jan 1970 00:10:00 GMT", 0 },
                { "Date: Thu, 01 Jan 1970 01:00:00 GMT\r\nRetry-After: Thu, 01 Jan 1970 01:00:30 GMT", 30 },
                { "Retry-After: Thu, 01 Jan 1970 01:00:30 GMT\r\nDate: Thu, 01 Jan 1970 01:00:00 GMT", 30 },
                { "Retry-After: 5\r\nRetry-After: 60\r\nRetry-After: 7", 60 },
                { "Retry-After: Thu, 01 Jan 1970 00:17:40 GMT\r\nRetry-After: 7", 7 },
                { "Retry-After: 7\r\nRetry-After: Thu, 01 Jan 1970 00:17:40 GMT", 7 },
                { "Retry-After: -1", -1 },
                { "Retry-After: soon", -1 },
                { "Retry-After: 7s", -1 },
                { "Retry-After: 1.5.5", -1 },
                { "Retry-After: .5", -1 },
                { "Retry-After:", -1 },
                { "Retry-After 7", -1 },
                { "X-Retry-After: 7", -1 },
                { "\r\nRetry-After: 7", -1 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char text[256];
                HttpHeaders h;
                HttpResult result;

                (void) snprintf(text, sizeof(text), "HTTP/1.1 429 Slow\r\n%s\r\n\r\n", cases[i].text);
                result = parse(text, &h);
                if (result.has_retry_after != (cases[i].seconds >= 0) ||
                    (cases[i].seconds >= 0 &&
                     result.retry_after != (usec_t) cases[i].seconds * USEC_PER_SEC))
                        fail_msg("%s", cases[i].text);
        }
}

/* As Umbrella sends them: of its windows each, while ratelimit-* tells of one alone. */
static void test_recorded_headers(void **state) {
        const char *srcdir = getenv("IDSYNCD_SRCDIR");
        char path[4096], text[4096];
        HttpHeaders h;
        HttpResult result;
        FILE *f;

        (void) state;
        snprintf(path, sizeof(path), "%s/tests/fixtures/umbrella/headers-users.txt", srcdir ? srcdir : ".");
        f = fopen(path, "re");
        assert_non_null(f);
        text[fread(text, 1, sizeof(text) - 1, f)] = 0;
        fclose(f);
        result = parse(text, &h);
        assert_true(h.complete && !result.has_retry_after);
        assert_int_equal(result.status, 200);
        assert_int_equal(result.remaining[HTTP_WINDOW_SECOND], 4);
        assert_int_equal(result.remaining[HTTP_WINDOW_MINUTE], 13);
        assert_int_equal(result.remaining[HTTP_WINDOW_HALF_HOUR], 343);
}

static void test_header_blocks(void **state) {
        HttpHeaders h;
        HttpResult result;

        (void) state;
        result = parse("HTTP/1.1 100 Continue\r\nRetry-After: 9\r\n\r\n"
                       "HTTP/2 404\r\nContent-Type: TEXT/html;x\r\nLocation: /a b\x01\xff"
                       "c\r\nx-ratelimit-remaining-minute: 7\r\nX-RateLimit-Remaining-Minute: 3\r\n"
                       "x-ratelimit-remaining-1800: 99999999999999999999\r\n"
                       "x-ratelimit-remaining-second: -1\r\n\r\n",
                       &h);
        assert_int_equal(result.status, 404);
        assert_true(h.complete);
        assert_string_equal(result.content_type, "text/html");
        assert_string_equal(result.location, "/abc");
        assert_int_equal(result.remaining[HTTP_WINDOW_MINUTE], 3);
        assert_int_equal(result.remaining[HTTP_WINDOW_HALF_HOUR], -1);
        assert_int_equal(result.remaining[HTTP_WINDOW_SECOND], -1);
        assert_false(result.has_retry_after);
        assert_int_equal(parse("HTTP/1.1 2x0 OK\r\n\r\n", &h).status, 0);
        assert_int_equal(parse("HTTP/1.1\r\n\r\n", &h).status, 0);
        assert_int_equal(parse("HTTP/1.1 20", &h).status, 0);
        result = parse("Retry-After: 7\r\n", &h);
        assert_false(result.has_retry_after);
        assert_int_equal(result.remaining[0], -1);
        assert_false(parse("HTTP/1.1 200 OK\r\nA: b\r\n", &h).status != 200 || h.complete);
}

static void test_header_caps(void **state) {
        HttpHeaders h = { 0 };
        static char line[40000];
        int n = 0;

        (void) state;
        while (http_headers_line(&h, "HTTP/1.1 100 Continue\r\n", 23) == 0)
                n++;
        assert_int_equal(n, 128);
        h = (HttpHeaders){ 0 };
        memset(line, 'a', sizeof(line));
        assert_int_equal(http_headers_line(&h, line, sizeof(line)), 0);
        assert_int_equal(http_headers_line(&h, line, sizeof(line)), -E2BIG);
}

/* ---- The server */

static int start_server(void **state) {
        const char *source = getenv("IDSYNCD_SRCDIR");
        char script[512], line[128] = "";
        int in[2], out[2];

        (void) state;
        (void) snprintf(dir, sizeof(dir), "/tmp/idsync-test-http-XXXXXX");
        if (!mkdtemp(dir) || pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
                return -1;
        (void) snprintf(ca_file, sizeof(ca_file), "%s/ca.pem", dir);
        (void) snprintf(script, sizeof(script), "%s/tests/unit/http-server.py", source ? source : ".");
        server = fork();
        if (server == 0) {
                (void) dup2(in[0], STDIN_FILENO);
                (void) dup2(out[1], STDOUT_FILENO);
                (void) execl("/usr/bin/python3", "python3", script, dir, (char *) NULL);
                _exit(127);
        }
        (void) close(in[0]);
        (void) close(out[1]);
        server_stdin = in[1];
        _cleanup_(fclosep) FILE *ports = fdopen(out[0], "r");
        if (!ports || !fgets(line, sizeof(line), ports) ||
            sscanf(line, "%d %d %d %d %d", &good, &stranger, &misnamed, &mute, &plain) != 5)
                return -1;
        if (loop_new(&loop) < 0)
                return -1;
        return http_new(loop, "idsyncd-test/1", &http);
}

static int stop_server(void **state) {
        char command[128];

        (void) state;
        http = http_free(http);
        loop = loop_free(loop);
        (void) close(server_stdin);
        (void) waitpid(server, NULL, 0);
        /* The thread of test_slow_name must be gone before memory is checked for leaks. */
        for (int i = 0; i < 80 && resolver_running > 0; i++)
                (void) poll(NULL, 0, 100);
        (void) poll(NULL, 0, 100);
        (void) snprintf(command, sizeof(command), "rm -rf '%s'", dir);
        return system(command);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_dates),
                cmocka_unit_test(test_retry_after),
                cmocka_unit_test(test_recorded_headers),
                cmocka_unit_test(test_header_blocks),
                cmocka_unit_test(test_header_caps),
                cmocka_unit_test(test_ok),
                cmocka_unit_test(test_statuses),
                cmocka_unit_test(test_headers),
                cmocka_unit_test(test_redirect),
                cmocka_unit_test(test_request),
                cmocka_unit_test(test_methods),
                cmocka_unit_test(test_refused_specs),
                cmocka_unit_test(test_environment),
                cmocka_unit_test(test_cut),
                cmocka_unit_test(test_connect),
                cmocka_unit_test(test_certificates),
                cmocka_unit_test(test_too_large),
                cmocka_unit_test(test_streamed),
                cmocka_unit_test(test_early_answer),
                cmocka_unit_test(test_silence),
                cmocka_unit_test(test_slow_but_alive),
                cmocka_unit_test(test_slow_name),
                cmocka_unit_test(test_together),
                cmocka_unit_test(test_fail_together),
                cmocka_unit_test(test_brisk),
                cmocka_unit_test(test_cancel),
                cmocka_unit_test(test_start_and_cancel_in_callback),
                cmocka_unit_test(test_free_pending),
                cmocka_unit_test(test_rebuilt),
                cmocka_unit_test(test_wiped),
                cmocka_unit_test(test_keep_alive),
                cmocka_unit_test(test_write_is_sent_once),
        };

        (void) signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, start_server, stop_server);
}
