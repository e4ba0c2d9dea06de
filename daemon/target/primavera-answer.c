/* SPDX-License-Identifier: Apache-2.0 */
/* Primavera's outcome table. Rows are tried in order; the last two take what is left: a read that we
 * don't understand is transient, a write uncertain.
 *
 * Sources: the API's status codes (D109129), the operations' own pages, and RFC 9110. What its pages
 * leave open is decided here:
 *   - "Not allowed" is 403 on one page, 401 or 404 on another: so 404 to a call whose path names no user is
 *     a question of rights. To one that does it is no proof of anything: HINT_NOT_FOUND, and a listing
 *     decides. The same for any other refusal of such a read: a login that the API won't have in a path
 *     must not park the target.
 *   - How a POST is refused while another job runs isn't told: 409, 423, or words about a job. It may be
 *     the documented 400 "Invalid input", which says nothing: refused, but with HINT_JOB_RUNNING, worth a
 *     few more tries.
 *   - 500 is "Underlying Identity Management System threw an error": it may have done something,
 *     whatever the words. */
#include "base/strings.h"
#include "target/outcome.h"
#include "target/primavera.h"

#define CHANGES (BIT(CALL_STATUS) | BIT(CALL_UNLOCK))
#define WRITES (BIT(CALL_UPSERT) | CHANGES | BIT(CALL_RESET))
#define NAMED (BIT(CALL_GET) | BIT(CALL_JOB))
#define READS (BIT(CALL_TOKEN) | BIT(CALL_LIST) | NAMED)
#define EVERY (WRITES | READS)

#define NOT_THE_API "this isn't the API's answer; check url and tenant"
#define NO_REDIRECT "redirects are refused; check url"
#define RIGHTS "check what the API's user may do; Primavera answers so to users without the right"

static bool is_about_a_job(const HttpResult *result, const char *words) {
        static const char *const parts[] = { "running", "progress", "complete", "pending", "wait" };

        if (!body_is_no_page(result, words) || !text_contains(words, "job"))
                return false;
        for (size_t i = 0; i < ELEMENTSOF(parts); i++)
                if (text_contains(words, parts[i]))
                        return true;
        return false;
}

/* The text that the documentation has for every 400, or none. */
static bool is_bare(const HttpResult *result, const char *words) {
        return result->body_len == 0 || text_contains(words, "invalid input, please check");
}

static const OutcomeRow rows[] = {
        /* No answer, or one that its status alone explains */
        { EVERY, NOT_SENT, STATUS_ANY, NULL, OUTCOME_TRANSIENT, 0, NULL },
        { BIT(CALL_TOKEN), WHOLE | LOST, 401, 401, NULL, OUTCOME_AUTH, 0,
          "check the API user's name and password" },
        { EVERY, WHOLE | LOST, 401, 401, NULL, OUTCOME_AUTH, 0, NULL },
        { BIT(CALL_TOKEN), WHOLE | LOST, 403, 403, NULL, OUTCOME_AUTH, 0,
          "check the API user, its password and the tenant" },
        { EVERY, WHOLE | LOST, 403, 403, NULL, OUTCOME_AUTH, 0, "check what the API's user may do" },
        { EVERY, WHOLE | LOST, 429, 429, NULL, OUTCOME_THROTTLED, 0, NULL },
        { BIT(CALL_UPSERT) | CHANGES, WHOLE, 400, 499, is_about_a_job, OUTCOME_THROTTLED, HINT_JOB_RUNNING,
          NULL },
        { BIT(CALL_UPSERT) | CHANGES, WHOLE, 503, 503, is_about_a_job, OUTCOME_THROTTLED, HINT_JOB_RUNNING,
          NULL },
        { EVERY, WHOLE | LOST, 503, 503, NULL, OUTCOME_TRANSIENT, 0, NULL },
        { BIT(CALL_LIST), BIT(HTTP_TOO_LARGE), STATUS_ANY, NULL, OUTCOME_TRANSIENT, 0,
          "a listing may have max_listing" },

        /* Success */
        { BIT(CALL_JOB), WHOLE, 202, 202, body_is_no_page, OUTCOME_OK, 0, NULL },
        { NAMED, WHOLE, 200, 299, body_is_json, OUTCOME_OK, 0, NULL },
        { NAMED, WHOLE, 200, 299, NULL, OUTCOME_TRANSIENT, 0, "success was told without JSON; check url" },
        /* A listing's body was read as it came. */
        { BIT(CALL_LIST) | BIT(CALL_TOKEN), WHOLE, 200, 299, NULL, OUTCOME_OK, 0, NULL },
        { WRITES, WHOLE, 200, 299, body_is_no_page, OUTCOME_OK, 0, NULL },
        { WRITES, WHOLE, 200, 299, NULL, OUTCOME_UNCERTAIN, 0, NOT_THE_API },

        /* Redirects: 301, 307 and 308 say "not here"; 303 also answers a write that was done (RFC 9110
         * §15.4.4) */
        { READS, WHOLE, 300, 399, NULL, OUTCOME_TRANSIENT, 0, NO_REDIRECT },
        { WRITES, WHOLE, 301, 301, NULL, OUTCOME_TRANSIENT, 0, NO_REDIRECT },
        { WRITES, WHOLE, 307, 308, NULL, OUTCOME_TRANSIENT, 0, NO_REDIRECT },
        { WRITES, WHOLE, 300, 399, NULL, OUTCOME_UNCERTAIN, 0, NO_REDIRECT },

        /* Refusals */
        { BIT(CALL_TOKEN), WHOLE, 400, 400, NULL, OUTCOME_AUTH, 0,
          "check the API user, its password and the tenant" },
        { BIT(CALL_TOKEN), WHOLE, 404, 404, NULL, OUTCOME_TRANSIENT, 0, "check url and tenant" },
        { BIT(CALL_LIST) | WRITES, WHOLE, 404, 404, body_is_no_page, OUTCOME_AUTH, 0,
          RIGHTS ", and to a wrong url or tenant" },
        { BIT(CALL_LIST) | WRITES, WHOLE, 404, 404, NULL, OUTCOME_TRANSIENT, 0, NOT_THE_API },
        { EVERY, WHOLE, 408, 408, NULL, OUTCOME_TRANSIENT, 0, NULL },
        { EVERY, WHOLE, 421, 421, NULL, OUTCOME_TRANSIENT, 0, NULL },
        { EVERY, WHOLE, 425, 425, NULL, OUTCOME_TRANSIENT, 0, NULL },
        { NAMED, WHOLE, 400, 499, body_is_no_page, OUTCOME_OK, HINT_NOT_FOUND, NULL },
        { BIT(CALL_UPSERT), WHOLE, 409, 409, NULL, OUTCOME_THROTTLED, HINT_JOB_RUNNING, NULL },
        { BIT(CALL_UPSERT), WHOLE, 423, 423, NULL, OUTCOME_THROTTLED, HINT_JOB_RUNNING, NULL },
        { BIT(CALL_UPSERT), WHOLE, 400, 400, is_bare, OUTCOME_REJECTED, HINT_JOB_RUNNING, NULL },
        { WRITES, WHOLE, 400, 499, NULL, OUTCOME_REJECTED, 0, NULL },

        { READS, ~0u, STATUS_ANY, NULL, OUTCOME_TRANSIENT, 0, NULL },
        { EVERY, ~0u, STATUS_ANY, NULL, OUTCOME_UNCERTAIN, 0, NULL },
};

void primavera_classify(const TargetConfig *target _unused_, Call call, const HttpResult *result,
                        Outcome *ret) {
        outcome_by_table(rows, ELEMENTSOF(rows), call, result, ret);
}
