/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http-request.h"

#include <errno.h>
#include <inttypes.h>

#include "base/strings.h"

#define MAX_BODY_DEFAULT ((uint64_t) 1024 * 1024)
/* A distribution's bundle costs tens of milliseconds of CPU; without a cache, for each connection. */
#define CA_CACHE_SECONDS (6 * 3600L)

void http_request_close(HttpRequest *r) {
        r->silence = loop_timer_free(r->silence);
        curl_easy_cleanup(r->easy);
        r->easy = NULL;
        curl_slist_free_all(r->headers);
        r->headers = NULL;
        r->body = secret_free(r->body);
}

HttpRequest *http_request_free(HttpRequest *r) {
        if (!r)
                return NULL;
        http_request_close(r);
        if (r->data)
                explicit_bzero(r->data, r->size);
        free(r->data);
        free(r);
        return NULL;
}

static int reserve(HttpRequest *r, size_t more) {
        curl_off_t announced = -1;
        size_t size;
        char *data;

        if (r->size - r->len > more)
                return 0;
        size = r->size > 0 ? r->size * 2 : 4096;
        if (r->size == 0 &&
            curl_easy_getinfo(r->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced) == CURLE_OK &&
            announced > 0 && (uint64_t) announced <= r->max_body)
                size = (size_t) announced + 1;
        if (size < r->len + more + 1)
                size = r->len + more + 1;
        data = malloc(size);
        if (!data)
                return -ENOMEM;
        if (r->data) {
                memcpy(data, r->data, r->len);
                explicit_bzero(r->data, r->size);
                free(r->data);
        }
        r->data = data;
        r->size = size;
        return 0;
}

/* ---- What libcurl calls while a transfer runs. None of these reports to our callers. */

static int on_ready_to_send(void *userdata, char *peer _unused_, char *own _unused_, int peer_port _unused_,
                            int own_port _unused_) {
        HttpRequest *r = userdata;

        r->sent = true;
        r->last_byte = loop_now(r->loop);
        loop_timer_after(r->silence, r->timeout);
        return CURL_PREREQFUNC_OK;
}

static size_t on_header(char *data, size_t size, size_t n, void *userdata) {
        HttpRequest *r = userdata;

        r->last_byte = loop_now(r->loop);
        if (http_headers_line(&r->answer, data, size * n) < 0) {
                r->flooded = true;
                return 0;
        }
        return size * n;
}

static size_t on_body(char *data, size_t size, size_t n, void *userdata) {
        HttpRequest *r = userdata;
        size_t len = size * n;

        r->last_byte = loop_now(r->loop);
        if (len > r->max_body - r->len) {
                r->too_large = true;
                return 0;
        }
        if (r->on_data && r->answer.status >= 200 && r->answer.status <= 299) {
                r->len += len;
                r->on_data(data, len, r->userdata);
                return len;
        }
        if (reserve(r, len) < 0) {
                r->no_memory = true;
                return 0;
        }
        memcpy(r->data + r->len, data, len);
        r->len += len;
        return len;
}

bool http_request_is_alive(HttpRequest *r) {
        usec_t now = loop_now(r->loop);
        curl_off_t uploaded = 0;

        if (curl_easy_getinfo(r->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded) == CURLE_OK &&
            uploaded != r->uploaded) {
                r->uploaded = uploaded;
                r->last_byte = now;
        }
        if (usec_add(r->last_byte, r->timeout) <= now)
                return false;
        loop_timer_at(r->silence, usec_add(r->last_byte, r->timeout));
        return true;
}

/* ---- The result */

/* The length is known and there: whatever became of the connection afterwards, the answer stands. */
static bool is_whole_by_length(HttpRequest *r) {
        curl_off_t announced = -1;

        if (r->answer.status == 204 || r->answer.status == 304)
                return true;
        return curl_easy_getinfo(r->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced) == CURLE_OK &&
               announced >= 0 && (uint64_t) announced == r->len;
}

static HttpFailure classify(HttpRequest *r) {
        if (r->too_large || r->code == CURLE_FILESIZE_EXCEEDED)
                return HTTP_TOO_LARGE;
        /* libcurl is content with a head that breaks off. */
        if (r->answer.status >= 200 && r->answer.complete && !r->answer.contradictory &&
            (r->code == CURLE_OK || is_whole_by_length(r)))
                return HTTP_DONE;
        return r->sent ? HTTP_CUT : HTTP_CONNECT;
}

static void describe(const HttpRequest *r, HttpResult *result) {
        char span[USEC_FORMAT_MAX];

        if (result->failure == HTTP_DONE)
                return;
        if (result->failure == HTTP_TOO_LARGE)
                (void) snprintf(result->error, sizeof(result->error),
                                "the answer is larger than %" PRIu64 " bytes", r->max_body);
        else if (r->flooded)
                (void) snprintf(result->error, sizeof(result->error), "the answer has too many headers");
        else if (r->answer.contradictory)
                (void) snprintf(result->error, sizeof(result->error), "the answer has two lengths");
        else if (r->no_memory)
                (void) snprintf(result->error, sizeof(result->error), "out of memory for the answer");
        else if (r->silent)
                (void) snprintf(result->error, sizeof(result->error), "nothing came from the server for %s",
                                usec_format(r->timeout, span));
        else if (r->multi_code != CURLM_OK)
                (void) snprintf(result->error, sizeof(result->error), "all transfers were given up: %s",
                                curl_multi_strerror(r->multi_code));
        else if (r->code == CURLE_OK)
                (void) snprintf(result->error, sizeof(result->error),
                                "the connection ended before the answer did");
        else
                (void) str_printable(*r->error ? r->error : curl_easy_strerror(r->code), result->error,
                                     sizeof(result->error));
}

/* notAfter; 0: it can't be read. */
static usec_t end_of_certificate(const struct curl_slist *line) {
        static const char label[] = "Expire date:";
        usec_t end = 0;

        for (; line; line = line->next)
                if (strncmp(line->data, label, sizeof(label) - 1) == 0)
                        (void) http_date_parse(line->data + sizeof(label) - 1,
                                               strlen(line->data) - sizeof(label) + 1, &end);
        return end;
}

/* The peer's own certificate is the first of the chain. */
static void read_chain(HttpRequest *r, HttpResult *result) {
        struct curl_certinfo *info = NULL;
        usec_t end;

        if (curl_easy_getinfo(r->easy, CURLINFO_CERTINFO, &info) != CURLE_OK || !info)
                return;
        for (int i = 0; i < info->num_of_certs; i++) {
                end = end_of_certificate(info->certinfo[i]);
                if (i == 0)
                        result->certificate_end = end;
                if (end > loop_wall(r->loop) && (result->chain_end == 0 || end < result->chain_end))
                        result->chain_end = end;
        }
}

void http_request_result(HttpRequest *r, HttpResult *result) {
        *result = (HttpResult){ .failure = classify(r) };
        result->certificate = result->failure == HTTP_CONNECT &&
                              (r->code == CURLE_PEER_FAILED_VERIFICATION ||
                               r->code == CURLE_SSL_ISSUER_ERROR || r->code == CURLE_SSL_INVALIDCERTSTATUS);
        http_headers_into(&r->answer, loop_wall(r->loop), result);
        if (r->data)
                r->data[r->len] = '\0';
        result->body = r->data ? r->data : "";
        result->body_len = r->data ? r->len : 0;
        read_chain(r, result);
        result->duration = usec_sub(loop_now(r->loop), r->begun);
        describe(r, result);
}

/* ---- Making one */

/* NULL too: such a header is left out. */
static bool is_header_text(const char *text) {
        for (; text && *text; text++)
                if ((unsigned char) *text < 0x20 || *text == 0x7f)
                        return false;
        return true;
}

static bool is_write(const HttpSpec *spec) {
        return !str_eq(spec->method, "GET") || spec->body;
}

static int check_spec(const HttpSpec *spec) {
        static const char *const methods[] = { "GET", "POST", "PUT", "DELETE" };
        bool known = false;

        for (size_t i = 0; i < ELEMENTSOF(methods); i++)
                known = known || str_eq(spec->method, methods[i]);
        if (!known || spec->timeout == 0 || !str_starts_with(spec->url, "https://") ||
            !is_header_text(spec->url))
                return -EINVAL;
        if (!is_header_text(spec->accept) || !is_header_text(spec->content_type))
                return -EINVAL;
        if (spec->authorization &&
            (strlen(secret_data(spec->authorization)) != secret_len(spec->authorization) ||
             !is_header_text(secret_data(spec->authorization))))
                return -EINVAL;
        for (size_t i = 0; i < spec->n_headers; i++)
                if (str_empty(spec->headers[i].name) || !spec->headers[i].value ||
                    !is_header_text(spec->headers[i].name) || !is_header_text(spec->headers[i].value))
                        return -EINVAL;
        return 0;
}

static int add_header(HttpRequest *r, const char *name, const char *separator, const char *value) {
        _cleanup_(secret_freep) Secret *line = secret_with_capacity(256);
        struct curl_slist *list;

        if (!line || secret_append_str(line, name) < 0 || secret_append_str(line, separator) < 0 ||
            secret_append_str(line, value) < 0)
                return -ENOMEM;
        list = curl_slist_append(r->headers, secret_data(line));
        if (!list)
                return -ENOMEM;
        r->headers = list;
        return 0;
}

static int add_headers(HttpRequest *r, const HttpSpec *spec) {
        int k;

        k = add_header(r, "Accept", ": ", spec->accept ? spec->accept : "application/json");
        if (k >= 0)
                k = add_header(r, "Expect", ":", ""); /* none */
        if (k >= 0)
                k = add_header(r, "Content-Type", spec->body && spec->content_type ? ": " : ":",
                               spec->body && spec->content_type ? spec->content_type : "");
        if (k >= 0 && spec->authorization)
                k = add_header(r, "Authorization", ": ", secret_data(spec->authorization));
        for (size_t i = 0; k >= 0 && i < spec->n_headers; i++)
                k = add_header(r, spec->headers[i].name, ": ", spec->headers[i].value);
        return k;
}

#define SET(option, value)                                                      \
        do {                                                                    \
                if (code == CURLE_OK)                                           \
                        code = curl_easy_setopt(r->easy, option, value);        \
        } while (0)

static long milliseconds(usec_t span) {
        usec_t ms = span / USEC_PER_MSEC;

        return ms < 1 ? 1 : ms > 86400000 ? 86400000 : (long) ms;
}

/* libcurl's defaults are a browser's: nothing that matters is left to them, nor to the environment. */
static CURLcode set_limits(HttpRequest *r, const HttpSpec *spec) {
        CURLcode code = CURLE_OK;

        SET(CURLOPT_NOSIGNAL, 1L);
        /* Or a name server that doesn't answer would block the loop in pthread_join() at the end of a
         * transfer. */
        SET(CURLOPT_QUICK_EXIT, 1L);
        SET(CURLOPT_PROTOCOLS_STR, "https");
        SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
        SET(CURLOPT_PATH_AS_IS, 1L);
        SET(CURLOPT_FOLLOWLOCATION, 0L);
        SET(CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
        SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
        SET(CURLOPT_HTTP09_ALLOWED, 0L);
        SET(CURLOPT_ACCEPT_ENCODING, NULL);
        SET(CURLOPT_HTTP_CONTENT_DECODING, 0L);
        SET(CURLOPT_PROXY, spec->proxy ? spec->proxy : "");
        SET(CURLOPT_NOPROXY, "");
        SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
        SET(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(r->timeout));
        SET(CURLOPT_TIMEOUT_MS,
            milliseconds(usec_add(usec_add(r->timeout, r->timeout), usec_add(r->timeout, r->timeout))));
        SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t) (r->max_body > INT64_MAX ? INT64_MAX : r->max_body));
        return code;
}

static CURLcode set_tls(HttpRequest *r, const HttpSpec *spec) {
        CURLcode code = CURLE_OK;

        SET(CURLOPT_SSL_VERIFYPEER, 1L);
        SET(CURLOPT_SSL_VERIFYHOST, 2L);
        SET(CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
        SET(CURLOPT_PROXY_SSL_VERIFYPEER, 1L);
        SET(CURLOPT_PROXY_SSL_VERIFYHOST, 2L);
        SET(CURLOPT_PROXY_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
        SET(CURLOPT_CERTINFO, 1L);
        if (!str_empty(spec->ca_file)) {
                SET(CURLOPT_CAINFO, spec->ca_file);
                SET(CURLOPT_PROXY_CAINFO, spec->ca_file);
        }
        /* The distribution's directory of authorities would be trusted beside the file. */
        SET(CURLOPT_CAPATH, NULL);
        SET(CURLOPT_PROXY_CAPATH, NULL);
#if LIBCURL_VERSION_NUM >= 0x075700
        SET(CURLOPT_CA_CACHE_TIMEOUT, CA_CACHE_SECONDS);
#endif
        return code;
}

static CURLcode set_request(HttpRequest *r, const HttpSpec *spec, const char *user_agent) {
        CURLcode code = CURLE_OK;

        SET(CURLOPT_URL, spec->url);
        SET(CURLOPT_USERAGENT, user_agent);
        SET(CURLOPT_HTTPHEADER, r->headers);
        if (r->body || str_eq(spec->method, "POST")) {
                SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) (r->body ? secret_len(r->body) : 0));
                SET(CURLOPT_POSTFIELDS,
                    r->body ? secret_data(r->body) : ""); /* borrowed, so the body is ours */
        }
        if (!str_eq(spec->method, "POST") && is_write(spec))
                SET(CURLOPT_CUSTOMREQUEST, spec->method);
        SET(CURLOPT_FRESH_CONNECT, is_write(spec) ? 1L : 0L);
        SET(CURLOPT_PRIVATE, r);
        SET(CURLOPT_ERRORBUFFER, r->error);
        SET(CURLOPT_PREREQFUNCTION, on_ready_to_send);
        SET(CURLOPT_PREREQDATA, r);
        SET(CURLOPT_HEADERFUNCTION, on_header);
        SET(CURLOPT_HEADERDATA, r);
        SET(CURLOPT_WRITEFUNCTION, on_body);
        SET(CURLOPT_WRITEDATA, r);
        return code;
}

static int set_options(HttpRequest *r, const HttpSpec *spec, const char *user_agent) {
        CURLcode code;

        code = set_limits(r, spec);
        if (code == CURLE_OK)
                code = set_tls(r, spec);
        if (code == CURLE_OK)
                code = set_request(r, spec, user_agent);
        return code == CURLE_OK ? 0 : code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
}

int http_request_new(Loop *loop, const HttpSpec *spec, const char *user_agent, HttpRequest **ret) {
        _cleanup_(http_request_freep) HttpRequest *r = NULL;
        int k;

        k = check_spec(spec);
        if (k < 0)
                return k;
        r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        *r = (HttpRequest){
                .loop = loop,
                .timeout = spec->timeout,
                .begun = loop_now(loop),
                .max_body = spec->max_body > 0 ? spec->max_body : MAX_BODY_DEFAULT,
                .on_data = spec->on_data,
                .easy = curl_easy_init(),
                .body = spec->body ? secret_new(secret_data(spec->body), secret_len(spec->body)) : NULL,
        };
        if (!r->easy || (spec->body && !r->body))
                return -ENOMEM;
        k = add_headers(r, spec);
        if (k < 0)
                return k;
        k = set_options(r, spec, user_agent);
        if (k < 0)
                return k;
        *ret = TAKE(r);
        return 0;
}
