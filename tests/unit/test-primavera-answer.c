/* SPDX-License-Identifier: Apache-2.0 */
/* The outcome table, row by row: what an answer to which calls means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/strings.h"
#include "target/target.h"

#define BIT(x) (1u << (x))
#define TOKEN BIT(CALL_TOKEN)
#define LIST BIT(CALL_LIST)
#define NAMED (BIT(CALL_GET) | BIT(CALL_JOB))
#define UPSERT BIT(CALL_UPSERT)
#define CHANGES (BIT(CALL_STATUS) | BIT(CALL_UNLOCK))
#define RESET BIT(CALL_RESET)
#define READS (TOKEN | LIST | NAMED)
#define WRITES (UPSERT | CHANGES | RESET)
#define ALL (READS | WRITES)

#define PAGE "<html><head><title>404 Not Found</title></head></html>"
#define INVALID "Invalid input, Please check."

typedef struct Case {
        unsigned calls;
        HttpFailure failure;
        int status;
        const char *body;
        OutcomeClass class;
        OutcomeHint hint;
        const char *detail;     /* part of it; NULL: don't care */
} Case;

static const Case cases[] = {
        { ALL, HTTP_CONNECT, 0, "", OUTCOME_TRANSIENT, 0, "it failed" },
        { READS, HTTP_CUT, 0, "", OUTCOME_TRANSIENT, 0, "it failed" },
        { WRITES, HTTP_CUT, 0, "", OUTCOME_UNCERTAIN, 0, "it failed" },
        { WRITES, HTTP_CUT, 202, "", OUTCOME_UNCERTAIN, 0, NULL },
        { WRITES, HTTP_CUT, 400, "a job is running", OUTCOME_UNCERTAIN, 0, NULL },
        { LIST, HTTP_TOO_LARGE, 200, "", OUTCOME_TRANSIENT, 0, "max_listing" },
        { ALL, HTTP_CUT, 401, "", OUTCOME_AUTH, 0, NULL },
        { ALL, HTTP_TOO_LARGE, 403, "", OUTCOME_AUTH, 0, NULL },
        { ALL, HTTP_CUT, 429, "", OUTCOME_THROTTLED, 0, NULL },
        { ALL, HTTP_CUT, 503, "", OUTCOME_TRANSIENT, 0, NULL },

        /* Success */
        { TOKEN, HTTP_DONE, 200, "abc", OUTCOME_OK, 0, "" },
        { LIST, HTTP_DONE, 200, "", OUTCOME_OK, 0, "" },
        { NAMED, HTTP_DONE, 200, "{}", OUTCOME_OK, 0, "" },
        { BIT(CALL_GET), HTTP_DONE, 200, "", OUTCOME_TRANSIENT, 0, "without JSON" },
        { BIT(CALL_JOB), HTTP_DONE, 202, "", OUTCOME_OK, 0, "" },
        { NAMED, HTTP_DONE, 200, PAGE, OUTCOME_TRANSIENT, 0, "check url" },
        { WRITES, HTTP_DONE, 200, "", OUTCOME_OK, 0, "" },
        { WRITES, HTTP_DONE, 202, "95733", OUTCOME_OK, 0, "" },
        { WRITES, HTTP_DONE, 200, PAGE, OUTCOME_UNCERTAIN, 0, "isn't the API" },

        /* Redirects */
        { READS, HTTP_DONE, 302, "", OUTCOME_TRANSIENT, 0, "redirects are refused" },
        { WRITES, HTTP_DONE, 301, "", OUTCOME_TRANSIENT, 0, "redirects are refused" },
        { WRITES, HTTP_DONE, 307, "", OUTCOME_TRANSIENT, 0, "redirects are refused" },
        { WRITES, HTTP_DONE, 302, "", OUTCOME_UNCERTAIN, 0, "redirects are refused" },
        { WRITES, HTTP_DONE, 303, "", OUTCOME_UNCERTAIN, 0, "redirects are refused" },

        /* Rights */
        { TOKEN, HTTP_DONE, 401, "", OUTCOME_AUTH, 0, "name and password" },
        { TOKEN, HTTP_DONE, 403, "", OUTCOME_AUTH, 0, "the tenant" },
        { TOKEN, HTTP_DONE, 400, INVALID, OUTCOME_AUTH, 0, "tenant" },
        { TOKEN, HTTP_DONE, 404, "", OUTCOME_TRANSIENT, 0, "url and tenant" },
        { LIST | WRITES, HTTP_DONE, 404, "Not Found", OUTCOME_AUTH, 0, "the right" },
        { LIST | WRITES, HTTP_DONE, 404, PAGE, OUTCOME_TRANSIENT, 0, "isn't the API" },
        /* No proof of anything */
        { NAMED, HTTP_DONE, 404, "", OUTCOME_OK, HINT_NOT_FOUND, NULL },
        { NAMED, HTTP_DONE, 400, INVALID, OUTCOME_OK, HINT_NOT_FOUND, NULL },
        { NAMED, HTTP_DONE, 404, PAGE, OUTCOME_TRANSIENT, 0, NULL },
        { NAMED, HTTP_DONE, 408, "", OUTCOME_TRANSIENT, 0, NULL },

        /* Jobs */
        { UPSERT | CHANGES, HTTP_DONE, 400, "Another job is Running", OUTCOME_THROTTLED, HINT_JOB_RUNNING,
          "Running" },
        { UPSERT, HTTP_DONE, 503, "The previous job must be complete", OUTCOME_THROTTLED, HINT_JOB_RUNNING,
          NULL },
        { UPSERT | CHANGES, HTTP_DONE, 500, "The job could not complete", OUTCOME_UNCERTAIN, 0, "complete" },
        { UPSERT, HTTP_DONE, 409, "", OUTCOME_THROTTLED, HINT_JOB_RUNNING, NULL },
        { UPSERT, HTTP_DONE, 423, "", OUTCOME_THROTTLED, HINT_JOB_RUNNING, NULL },
        { UPSERT, HTTP_DONE, 400, INVALID, OUTCOME_REJECTED, HINT_JOB_RUNNING, INVALID },
        { UPSERT, HTTP_DONE, 400, "", OUTCOME_REJECTED, HINT_JOB_RUNNING, NULL },
        { UPSERT, HTTP_DONE, 400, "<p>a job is running</p>", OUTCOME_REJECTED, 0, NULL },
        { UPSERT, HTTP_DONE, 400, "still running", OUTCOME_REJECTED, 0, NULL },
        { UPSERT, HTTP_DONE, 400, "The job title is too long", OUTCOME_REJECTED, 0, "title" },
        { RESET, HTTP_DONE, 400, "a job is running", OUTCOME_REJECTED, 0, NULL },

        /* Refusals */
        { CHANGES | RESET, HTTP_DONE, 400, INVALID, OUTCOME_REJECTED, 0, INVALID },
        { WRITES, HTTP_DONE, 413, "{\"message\":\"too much\"}", OUTCOME_REJECTED, 0, "too much" },
        { WRITES, HTTP_DONE, 408, "", OUTCOME_TRANSIENT, 0, NULL },
        { ALL, HTTP_DONE, 421, "", OUTCOME_TRANSIENT, 0, NULL },
        { ALL, HTTP_DONE, 425, "", OUTCOME_TRANSIENT, 0, NULL },
        { LIST, HTTP_DONE, 406, "", OUTCOME_TRANSIENT, 0, NULL },
        { WRITES, HTTP_DONE, 500, "Underlying Identity Management System threw an error", OUTCOME_UNCERTAIN,
          0, "500" },
        { READS, HTTP_DONE, 500, "", OUTCOME_TRANSIENT, 0, NULL },
        { ALL, HTTP_DONE, 503, "", OUTCOME_TRANSIENT, 0, NULL },
        { ALL, HTTP_DONE, 429, "", OUTCOME_THROTTLED, 0, NULL },
};

static void test_cases(void **state) {
        const TargetDriver *d = target_driver(TARGET_PRIMAVERA);
        static const TargetConfig target = { 0 };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (Call call = 0; call < _CALL_MAX; call++) {
                        const Case *c = &cases[i];
                        HttpResult result = { .failure = c->failure, .status = c->status, .body = c->body,
                                              .body_len = strlen(c->body), .content_type = "", .error =
                                                      "it failed" };
                        Outcome o;

                        if (!(c->calls & BIT(call)))
                                continue;
                        memset(&o, 0xff, sizeof(o));
                        d->classify(&target, call, &result, &o);
                        if (o.class != c->class || o.hint != c->hint || o.http_status != c->status)
                                fail_msg("case %zu, %s: %s, hint %d: %s", i, call_to_string(call),
                                         outcome_class_to_string(o.class), (int) o.hint, o.detail);
                        if (c->detail && !strstr(o.detail, c->detail))
                                fail_msg("case %zu, %s: \"%s\"", i, call_to_string(call), o.detail);
                        if (c->detail && !*c->detail)
                                assert_string_equal(o.detail, "");
                }
}

/* Reads are never refused for good, and never uncertain; every status has a class. */
static void test_all(void **state) {
        static const char *const bodies[] = { "", "{}", "95733", PAGE, INVALID, "a job is running" };
        const TargetDriver *d = target_driver(TARGET_PRIMAVERA);
        static const TargetConfig target = { 0 };

        (void) state;
        for (int status = 0; status < 1000; status++)
                for (size_t b = 0; b < ELEMENTSOF(bodies); b++)
                        for (Call call = 0; call < _CALL_MAX; call++) {
                                HttpResult result = { .status = status, .body = bodies[b],
                                                      .body_len = strlen(bodies[b]), .content_type = "" };
                                Outcome o;

                                if (!(ALL & BIT(call)))
                                        continue;
                                d->classify(&target, call, &result, &o);
                                if (!call_is_write(call))
                                        assert_true(o.class != OUTCOME_REJECTED &&
                                                    o.class != OUTCOME_UNCERTAIN);
                                assert_true(o.class != OUTCOME_OK || (status >= 200 && status <= 299) ||
                                            o.hint == HINT_NOT_FOUND);
                                assert_true((o.class == OUTCOME_OK && o.hint == HINT_NONE) || o.detail[0]);
                        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_cases),
                cmocka_unit_test(test_all),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
