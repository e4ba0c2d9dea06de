/* SPDX-License-Identifier: Apache-2.0 */
#include <strings.h>

#include "base/strings.h"
#include "net/json.h"
#include "target/outcome.h"

/* ---- body tests ---- */

static char first_char(const HttpResult *result) {
        const char *p = result->body + strspn(result->body, " \t\r\n");

        return *p;
}

bool body_is_json(const HttpResult *result, const char *words _unused_) {
        return first_char(result) == '{' || first_char(result) == '[';
}

bool body_is_no_page(const HttpResult *result, const char *words _unused_) {
        return first_char(result) != '<';
}

bool text_contains(const char *text, const char *part) {
        size_t len = strlen(part);

        for (; *text; text++)
                if (strncasecmp(text, part, len) == 0)
                        return true;
        return false;
}

/* ---- words ---- */

/* The host of a Location header; a relative one stays at the same host. */
static void redirect_words(const HttpResult *result, char *buf, size_t size) {
        char host[128] = "the same host", location[256];
        const char *p;

        if (result->location) {
                str_printable(result->location, location, sizeof(location));
                p = strstr(location, "//");
                if (p && p[2])
                        snprintf(host, sizeof(host), "%.*s", (int) strcspn(p + 2, "/?#"), p + 2);
                snprintf(buf, size, "HTTP %d redirects to %s", result->status, host);
        } else
                snprintf(buf, size, "HTTP %d, a redirect to nowhere", result->status);
}

/* "HTTP 503: " and the text that the answer has for people. */
static void error_words(const HttpResult *result, char *buf, size_t size) {
        int n = snprintf(buf, size, "HTTP %d: ", result->status);

        (void) json_error_text(result->body, result->body_len, buf + n, size - (size_t) n);
        if (!buf[n])
                buf[0] = 0;
}

/* What the answer says, in one printable line. */
static void answer_words(const HttpResult *result, char *buf, size_t size) {
        buf[0] = 0;
        if (result->failure != HTTP_DONE)
                str_printable(result->error, buf, size);
        else if (result->status >= 300 && result->status <= 399)
                redirect_words(result, buf, size);
        else if (result->status >= 400)
                error_words(result, buf, size);
        if (!*buf)
                snprintf(buf, size, "HTTP %d without a text", result->status);
}

/* ---- the table ---- */

static bool row_fits(const OutcomeRow *row, Call call, const HttpResult *result, const char *words) {
        return row->calls & BIT(call) && row->failures & BIT(result->failure) &&
               result->status >= row->low && result->status <= row->high &&
               (!row->body || row->body(result, words));
}

void outcome_by_table(const OutcomeRow *rows, size_t n, Call call, const HttpResult *result, Outcome *ret) {
        const OutcomeRow *row = rows;
        char words[256];

        answer_words(result, words, sizeof(words));
        while (row < rows + n - 1 && !row_fits(row, call, result, words))
                row++;
        *ret = (Outcome){
                .class = row->class,
                .hint = row->hint,
                .http_status = result->status,
                .has_retry_after = result->has_retry_after,
                .retry_after = result->retry_after,
        };
        if (row->class == OUTCOME_OK && row->hint == HINT_NONE)
                return;
        snprintf(ret->detail, sizeof(ret->detail), "%s%s%s", words, row->advice ? "; " : "",
                 row->advice ? row->advice : "");
}
