/* SPDX-License-Identifier: Apache-2.0 */
/* What an API's outcome table is made of: every answer or failure, of any call, to its class. */
#pragma once

#include "target/target.h"

#define BIT(x) (1u << (x))
/* HttpFailure, as bits */
#define WHOLE BIT(HTTP_DONE)
#define LOST (BIT(HTTP_CUT) | BIT(HTTP_TOO_LARGE))
#define NOT_SENT BIT(HTTP_CONNECT)
#define STATUS_ANY 0, 9999

/* words: what the answer says, as the outcome's detail begins. */
typedef bool (*body_test_t)(const HttpResult *result, const char *words);
/* It begins like an object or array; whether it is one, the decoder finds. */
bool body_is_json(const HttpResult *result, const char *words);
/* Anything but HTML, nothing included: a page is never the API speaking. */
bool body_is_no_page(const HttpResult *result, const char *words);
/* Has the text the part, in any case? */
bool text_contains(const char *text, const char *part);

typedef struct OutcomeRow {
        unsigned calls, failures;
        int low, high;          /* status, inclusive */
        body_test_t body;       /* NULL: any */
        OutcomeClass class;
        OutcomeHint hint;
        const char *advice;     /* follows the words of the answer */
} OutcomeRow;

/* The first row that fits decides; the last one is taken for what fits none. */
void outcome_by_table(const OutcomeRow *rows, size_t n, Call call, const HttpResult *result, Outcome *ret);
