/* SPDX-License-Identifier: Apache-2.0 */
/* Umbrella's outcome table: every answer or failure, of any call, to its class. Rows are tried in order;
 * the last two take what is left: a read that we don't understand is transient, a write uncertain.
 *
 * Sources: the API's reference ("Response codes"; "Getting started" for the expired token; "Create User"
 * for the address in use), and RFC 9110 for whether a status means that a request was carried out.
 * Decisions:
 *   - 401, 403, 429 and 503 count by their status line alone, also if the body is cut or too large.
 *   - A redirect is never followed. 301, 307 and 308 say "not here": a write wasn't done. 302 and 303 also
 *     answer a write that was done (RFC 9110 §15.4.4): uncertain.
 *   - 404 to a create or reset is a refusal if it has words in JSON; else a gateway lost its way: no dead
 *     letter.
 *   - Which organizations have an address is asked to explain a conflict: a key that may not ask, or
 *     whatever other answer, parks nothing and is no reason to ask again.
 *   - A page of HTML is never Umbrella speaking: no proof that an account is gone. */
#include "base/strings.h"
#include "target/outcome.h"
#include "target/umbrella.h"

#define CREATES (BIT(CALL_CREATE) | BIT(CALL_CREATE_SHORT))
#define WRITES (CREATES | BIT(CALL_DELETE) | BIT(CALL_RESET))
#define READS (BIT(CALL_TOKEN) | BIT(CALL_ROLES) | BIT(CALL_LIST) | BIT(CALL_GET))
#define ASK BIT(CALL_ORGANIZATIONS)
#define EVERY (WRITES | READS | ASK)

#define NOT_THE_API "this isn't the API's answer; check url"
#define NO_REDIRECT "redirects are refused; check url"

static bool body_is_account(const HttpResult *result, const char *words);
static bool body_is_expired(const HttpResult *result, const char *words);
static bool body_is_in_use(const HttpResult *result, const char *words);

static const OutcomeRow rows[] = {
        /* No answer, or one that its status alone explains */
        { EVERY, NOT_SENT, STATUS_ANY, NULL, OUTCOME_TRANSIENT, 0, NULL },
        { ASK, WHOLE | LOST, 400, 403, NULL, OUTCOME_REJECTED, 0,
          "the key needs the scope admin.organizations:read, and must be of the parent organization" },
        { BIT(CALL_TOKEN), WHOLE | LOST, 401, 401, NULL, OUTCOME_AUTH, 0,
          "check the key and its secret, whether the key has expired, and its allowed networks" },
        { EVERY, WHOLE | LOST, 401, 401, NULL, OUTCOME_AUTH, 0, NULL },
        { BIT(CALL_TOKEN), WHOLE | LOST, 403, 403, NULL, OUTCOME_AUTH, 0,
          "check the key, its allowed networks, and whether it may act for this organization" },
        { BIT(CALL_ROLES), WHOLE | LOST, 403, 403, NULL, OUTCOME_AUTH, 0,
          "the key needs the scope admin.roles:read" },
        { BIT(CALL_LIST) | BIT(CALL_GET), WHOLE | LOST, 403, 403, NULL, OUTCOME_AUTH, 0,
          "the key needs the scope admin.users:read" },
        { BIT(CALL_RESET), WHOLE | LOST, 403, 403, NULL, OUTCOME_AUTH, 0,
          "the key needs the scope admin.passwordreset:write, and must be of the parent organization" },
        { WRITES, WHOLE | LOST, 403, 403, NULL, OUTCOME_AUTH, 0,
          "the key needs the scope admin.users:write" },
        { EVERY, WHOLE | LOST, 429, 429, NULL, OUTCOME_THROTTLED, 0, NULL },
        { EVERY, WHOLE | LOST, 503, 503, NULL, OUTCOME_TRANSIENT, 0, NULL },
        { ASK, WHOLE, 200, 299, body_is_json, OUTCOME_OK, 0, NULL },
        { ASK, WHOLE, 404, 404, body_is_json, OUTCOME_OK, HINT_NOT_FOUND, NULL },
        { ASK, WHOLE | LOST, STATUS_ANY, NULL, OUTCOME_REJECTED, 0, NULL },
        { BIT(CALL_LIST), BIT(HTTP_TOO_LARGE), STATUS_ANY, NULL, OUTCOME_TRANSIENT, 0,
          "a listing may have max_listing" },

        /* Success */
        { BIT(CALL_DELETE) | BIT(CALL_RESET), WHOLE, 200, 299, body_is_no_page, OUTCOME_OK, 0, NULL },
        { BIT(CALL_DELETE) | BIT(CALL_RESET), WHOLE, 200, 299, NULL, OUTCOME_UNCERTAIN, 0, NOT_THE_API },
        { CREATES, WHOLE, 200, 299, body_is_account, OUTCOME_OK, 0, NULL },
        { CREATES, WHOLE, 200, 299, NULL, OUTCOME_UNCERTAIN, 0,
          "success was told without a readable account" },
        { READS, WHOLE, 200, 299, body_is_json, OUTCOME_OK, 0, NULL },
        { READS, WHOLE, 200, 299, NULL, OUTCOME_TRANSIENT, 0, "success was told without JSON; check url" },

        /* Redirects */
        { READS, WHOLE, 300, 399, NULL, OUTCOME_TRANSIENT, 0, NO_REDIRECT },
        { WRITES, WHOLE, 301, 301, NULL, OUTCOME_TRANSIENT, 0, NO_REDIRECT },
        { WRITES, WHOLE, 307, 308, NULL, OUTCOME_TRANSIENT, 0, NO_REDIRECT },
        { WRITES, WHOLE, 300, 399, NULL, OUTCOME_UNCERTAIN, 0, NO_REDIRECT },

        /* Refusals */
        { BIT(CALL_TOKEN), WHOLE, 400, 400, NULL, OUTCOME_AUTH, 0,
          "check the key, its secret and organization" },
        { EVERY, WHOLE, 400, 400, body_is_expired, OUTCOME_AUTH, 0, NULL },
        { CREATES, WHOLE, 400, 400, body_is_in_use, OUTCOME_REJECTED, HINT_ADDRESS_IN_USE, NULL },
        { CREATES, WHOLE, 409, 409, body_is_in_use, OUTCOME_REJECTED, HINT_ADDRESS_IN_USE, NULL },
        { BIT(CALL_DELETE), WHOLE, 404, 404, body_is_no_page, OUTCOME_ALREADY, 0, NULL },
        { BIT(CALL_DELETE), WHOLE, 404, 404, NULL, OUTCOME_UNCERTAIN, 0, NOT_THE_API },
        { BIT(CALL_GET), WHOLE, 404, 404, body_is_no_page, OUTCOME_OK, HINT_NOT_FOUND, NULL },
        { READS, WHOLE, 404, 404, NULL, OUTCOME_TRANSIENT, 0, "check url" },
        { CREATES, WHOLE, 404, 404, body_is_json, OUTCOME_REJECTED, 0, "check url and the role" },
        { BIT(CALL_RESET), WHOLE, 404, 404, body_is_json, OUTCOME_REJECTED, 0,
          "check url and organization" },
        { CREATES | BIT(CALL_RESET), WHOLE, 404, 404, NULL, OUTCOME_TRANSIENT, 0, "check url" },
        /* Request time-out, misdirected, too early: by definition not carried out */
        { WRITES, WHOLE, 408, 408, NULL, OUTCOME_TRANSIENT, 0, NULL },
        { WRITES, WHOLE, 421, 421, NULL, OUTCOME_TRANSIENT, 0, NULL },
        { WRITES, WHOLE, 425, 425, NULL, OUTCOME_TRANSIENT, 0, NULL },
        { WRITES, WHOLE, 400, 499, NULL, OUTCOME_REJECTED, 0, NULL },

        { READS, ~0u, STATUS_ANY, NULL, OUTCOME_TRANSIENT, 0, NULL },
        { EVERY, ~0u, STATUS_ANY, NULL, OUTCOME_UNCERTAIN, 0, NULL },
};

/* ---- body tests ---- */

/* An account with an id. */
static bool body_is_account(const HttpResult *result, const char *words _unused_) {
        _cleanup_(json_object_putp) struct json_object *object = NULL;
        char id[UMBRELLA_ID_SIZE];
        Account a;

        return json_read(result->body, result->body_len, &object, NULL) >= 0 &&
               umbrella_read_account(object, &a, id, NULL) >= 0;
}

/* Exactly {"error":"invalid_request"}. */
static bool body_is_expired(const HttpResult *result, const char *words _unused_) {
        _cleanup_(json_object_putp) struct json_object *object = NULL;
        const char *error = NULL;

        return json_read(result->body, result->body_len, &object, NULL) >= 0 &&
               json_object_is_type(object, json_type_object) && json_object_object_length(object) == 1 &&
               json_get_string(object, "error", &error, NULL) >= 0 && str_eq(error, "invalid_request");
}

static bool body_is_in_use(const HttpResult *result, const char *words) {
        return body_is_no_page(result, words) && text_contains(words, "already in use");
}

void umbrella_classify(const TargetConfig *target _unused_, Call call, const HttpResult *result,
                       Outcome *ret) {
        outcome_by_table(rows, ELEMENTSOF(rows), call, result, ret);
}
