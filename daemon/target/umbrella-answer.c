/* SPDX-License-Identifier: Apache-2.0 */
/* Umbrella's outcome table: every answer or failure, of any call, to its class. Rows are tried in order; the
 * last two take what is left: a read that we don't understand is transient, a write uncertain.
 *
 * Sources: the API's reference ("Response codes"; "Getting started" for the expired token; "Create User" for
 * the address in use), and RFC 9110 for whether a status means that a request was carried out. Decisions:
 *   - 401, 403, 429 and 503 count by their status line alone, also if the body is cut or too large.
 *   - A redirect is never followed. 301, 307 and 308 say "not here": a write wasn't done. 302 and 303 also
 *     answer a write that was done (RFC 9110 §15.4.4): uncertain.
 *   - 404 to a create or reset is a refusal if it has words in JSON; else a gateway lost its way: no dead letter.
 *   - A page of HTML is never Umbrella speaking: no proof that an account is gone. */
#include <ctype.h>
#include <strings.h>

#include "base/strings.h"
#include "target/umbrella.h"

#define BIT(x) (1u << (x))
#define CREATES (BIT(CALL_CREATE) | BIT(CALL_CREATE_SHORT))
#define WRITES (CREATES | BIT(CALL_DELETE) | BIT(CALL_RESET))
#define READS (BIT(CALL_TOKEN) | BIT(CALL_ROLES) | BIT(CALL_LIST) | BIT(CALL_GET))
#define EVERY (WRITES | READS)

#define WHOLE BIT(HTTP_DONE)
#define LOST (BIT(HTTP_CUT) | BIT(HTTP_TOO_LARGE))
#define NOT_SENT BIT(HTTP_CONNECT)
#define STATUS_ANY 0, 9999

#define NOT_THE_API "this isn't the API's answer; check url"
#define NO_REDIRECT "redirects are refused; check url"

typedef enum BodyTest {
        BODY_ANY,
        BODY_JSON,              /* begins like an object or array; whether it is one, the decoder finds */
        BODY_NO_PAGE,           /* anything but HTML, nothing included */
        BODY_ACCOUNT,           /* an account with an id */
        BODY_EXPIRED,           /* exactly {"error":"invalid_request"} */
        BODY_IN_USE,            /* words that contain "already in use", in any case */
} BodyTest;

typedef struct OutcomeRow {
        unsigned calls, failures;
        int low, high;          /* status, inclusive */
        BodyTest body;
        OutcomeClass class;
        OutcomeHint hint;
        const char *advice;     /* follows the words of the answer */
} OutcomeRow;

static const OutcomeRow rows[] = {
        /* No answer, or one that its status alone explains */
        { EVERY, NOT_SENT, STATUS_ANY, BODY_ANY, OUTCOME_TRANSIENT, 0, NULL },
        { BIT(CALL_TOKEN), WHOLE | LOST, 401, 401, BODY_ANY, OUTCOME_AUTH, 0,
          "check the key and its secret, whether the key has expired, and its allowed networks" },
        { EVERY, WHOLE | LOST, 401, 401, BODY_ANY, OUTCOME_AUTH, 0, NULL },
        { BIT(CALL_TOKEN), WHOLE | LOST, 403, 403, BODY_ANY, OUTCOME_AUTH, 0,
          "check the key, its allowed networks, and whether it may act for this organization" },
        { BIT(CALL_ROLES), WHOLE | LOST, 403, 403, BODY_ANY, OUTCOME_AUTH, 0,
          "the key needs the scope admin.roles:read" },
        { BIT(CALL_LIST) | BIT(CALL_GET), WHOLE | LOST, 403, 403, BODY_ANY, OUTCOME_AUTH, 0,
          "the key needs the scope admin.users:read" },
        { BIT(CALL_RESET), WHOLE | LOST, 403, 403, BODY_ANY, OUTCOME_AUTH, 0,
          "the key needs the scope admin.passwordreset:write, and must be of the parent organization" },
        { WRITES, WHOLE | LOST, 403, 403, BODY_ANY, OUTCOME_AUTH, 0,
          "the key needs the scope admin.users:write" },
        { EVERY, WHOLE | LOST, 429, 429, BODY_ANY, OUTCOME_THROTTLED, 0, NULL },
        { EVERY, WHOLE | LOST, 503, 503, BODY_ANY, OUTCOME_TRANSIENT, 0, NULL },
        { BIT(CALL_LIST), BIT(HTTP_TOO_LARGE), STATUS_ANY, BODY_ANY, OUTCOME_TRANSIENT, 0,
          "a listing may have max_listing" },
        { READS, LOST, STATUS_ANY, BODY_ANY, OUTCOME_TRANSIENT, 0, NULL },
        { WRITES, LOST, STATUS_ANY, BODY_ANY, OUTCOME_UNCERTAIN, 0, NULL },

        /* Success */
        { BIT(CALL_DELETE) | BIT(CALL_RESET), WHOLE, 200, 299, BODY_NO_PAGE, OUTCOME_OK, 0, NULL },
        { BIT(CALL_DELETE) | BIT(CALL_RESET), WHOLE, 200, 299, BODY_ANY, OUTCOME_UNCERTAIN, 0, NOT_THE_API },
        { CREATES, WHOLE, 200, 299, BODY_ACCOUNT, OUTCOME_OK, 0, NULL },
        { CREATES, WHOLE, 200, 299, BODY_ANY, OUTCOME_UNCERTAIN, 0,
          "success was told without a readable account" },
        { READS, WHOLE, 200, 299, BODY_JSON, OUTCOME_OK, 0, NULL },
        { READS, WHOLE, 200, 299, BODY_ANY, OUTCOME_TRANSIENT, 0,
          "success was told without JSON; check url" },

        /* Redirects */
        { READS, WHOLE, 300, 399, BODY_ANY, OUTCOME_TRANSIENT, 0, NO_REDIRECT },
        { WRITES, WHOLE, 301, 301, BODY_ANY, OUTCOME_TRANSIENT, 0, NO_REDIRECT },
        { WRITES, WHOLE, 307, 308, BODY_ANY, OUTCOME_TRANSIENT, 0, NO_REDIRECT },
        { WRITES, WHOLE, 300, 399, BODY_ANY, OUTCOME_UNCERTAIN, 0, NO_REDIRECT },

        /* Refusals */
        { BIT(CALL_TOKEN), WHOLE, 400, 400, BODY_ANY, OUTCOME_AUTH, 0,
          "check the key, its secret and organization" },
        { EVERY, WHOLE, 400, 400, BODY_EXPIRED, OUTCOME_AUTH, 0, NULL },
        { CREATES, WHOLE, 400, 400, BODY_IN_USE, OUTCOME_REJECTED, HINT_ADDRESS_IN_USE, NULL },
        { CREATES, WHOLE, 409, 409, BODY_IN_USE, OUTCOME_REJECTED, HINT_ADDRESS_IN_USE, NULL },
        { BIT(CALL_DELETE), WHOLE, 404, 404, BODY_NO_PAGE, OUTCOME_ALREADY, 0, NULL },
        { BIT(CALL_DELETE), WHOLE, 404, 404, BODY_ANY, OUTCOME_UNCERTAIN, 0, NOT_THE_API },
        { BIT(CALL_GET), WHOLE, 404, 404, BODY_NO_PAGE, OUTCOME_OK, HINT_NOT_FOUND, NULL },
        { READS, WHOLE, 404, 404, BODY_ANY, OUTCOME_TRANSIENT, 0, "check url" },
        { CREATES, WHOLE, 404, 404, BODY_JSON, OUTCOME_REJECTED, 0, "check url and the role" },
        { BIT(CALL_RESET), WHOLE, 404, 404, BODY_JSON, OUTCOME_REJECTED, 0, "check url and organization" },
        { CREATES | BIT(CALL_RESET), WHOLE, 404, 404, BODY_ANY, OUTCOME_TRANSIENT, 0, "check url" },
        /* Request time-out, misdirected, too early: by definition not carried out */
        { WRITES, WHOLE, 408, 408, BODY_ANY, OUTCOME_TRANSIENT, 0, NULL },
        { WRITES, WHOLE, 421, 421, BODY_ANY, OUTCOME_TRANSIENT, 0, NULL },
        { WRITES, WHOLE, 425, 425, BODY_ANY, OUTCOME_TRANSIENT, 0, NULL },
        { WRITES, WHOLE, 400, 499, BODY_ANY, OUTCOME_REJECTED, 0, NULL },

        { READS, ~0u, STATUS_ANY, BODY_ANY, OUTCOME_TRANSIENT, 0, NULL },
        { EVERY, ~0u, STATUS_ANY, BODY_ANY, OUTCOME_UNCERTAIN, 0, NULL },
};

/* ---- body tests ---- */

static char first_char(const HttpResult *result) {
        const char *p = result->body + strspn(result->body, " \t\r\n");

        return *p;
}

static bool body_is_page(const HttpResult *result) {
        return first_char(result) == '<';
}

static bool body_is_account(const HttpResult *result) {
        _cleanup_(json_object_putp) struct json_object *object = NULL;
        char id[UMBRELLA_ID_SIZE];
        Account a;

        return json_read(result->body, result->body_len, &object, NULL) >= 0 &&
               umbrella_read_account(object, &a, id, NULL) >= 0;
}

static bool body_is_expired(const HttpResult *result) {
        _cleanup_(json_object_putp) struct json_object *object = NULL;
        const char *error = NULL;

        return json_read(result->body, result->body_len, &object, NULL) >= 0 &&
               json_object_is_type(object, json_type_object) && json_object_object_length(object) == 1 &&
               json_get_string(object, "error", &error, NULL) >= 0 && str_eq(error, "invalid_request");
}

static bool contains_nocase(const char *text, const char *part) {
        size_t len = strlen(part);

        for (; *text; text++)
                if (strncasecmp(text, part, len) == 0)
                        return true;
        return false;
}

static bool body_test(BodyTest test, const HttpResult *result, const char *words) {
        switch (test) {
        case BODY_ANY:
                return true;
        case BODY_JSON:
                return first_char(result) == '{' || first_char(result) == '[';
        case BODY_NO_PAGE:
                return !body_is_page(result);
        case BODY_ACCOUNT:
                return body_is_account(result);
        case BODY_EXPIRED:
                return body_is_expired(result);
        case BODY_IN_USE:
                return !body_is_page(result) && contains_nocase(words, "already in use");
        }
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
               body_test(row->body, result, words);
}

void umbrella_classify(const TargetConfig *target, Call call, const HttpResult *result, Outcome *ret) {
        const OutcomeRow *row = rows;
        char words[256];

        (void) target;
        answer_words(result, words, sizeof(words));
        /* Ends: the last rows fit everything. */
        while (row < rows + ELEMENTSOF(rows) - 1 && !row_fits(row, call, result, words))
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
