/* SPDX-License-Identifier: Apache-2.0 */
/* Input: a plan file that an operator applies. */
#include <stdlib.h>

#include "fuzz.h"
#include "model/plan-file.h"

static void check(int ok) {
        if (!ok)
                abort();
}

static void write_plan(const Plan *plan, StrBuf *out) {
        plan_file_head(plan->target, plan->hash, "why", out);
        for (size_t i = 0; i < plan->n_actions; i++)
                plan_file_action(&plan->actions[i], i == 0, out);
        plan_file_end(out);
        check(out->error == 0);
}

static Plan *must_read(const StrBuf *text) {
        char *copy = malloc(text->len + 1);
        Plan *plan = NULL;

        check(copy != NULL);
        memcpy(copy, text->data, text->len + 1);
        check(plan_file_read(copy, text->len, &plan, NULL) == 0);
        free(copy);
        return plan;
}

/* What can be read can be written, and reads as the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        StrBuf first = STRBUF_INIT(PLAN_FILE_MAX), second = STRBUF_INIT(PLAN_FILE_MAX);
        char *text = malloc(size + 1);
        Plan *plan = NULL, *again;
        ErrCtx err = { 0 };
        int r;

        check(text != NULL);
        memcpy(text, data, size);
        r = plan_file_read(text, size, &plan, &err);
        check(r == 0 || (r == PLAN_FILE_E_REFUSED && *err.text));
        if (r == 0) {
                write_plan(plan, &first);
                again = must_read(&first);
                check(str_eq(plan->hash, again->hash) && plan->n_actions == again->n_actions);
                write_plan(again, &second);
                check(str_eq(first.data, second.data));
                plan_free(again);
        }
        plan_free(plan);
        free(text);
        strbuf_deinit(&first);
        strbuf_deinit(&second);
        return 0;
}
