/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/strings.h"
#include "model/signal.h"

typedef struct Case {
        const char *before, *now;
        SignalEdge edge;
} Case;

static void check(ResetWhen when, const Case *cases, size_t n) {
        for (size_t i = 0; i < n; i++) {
                SignalEdge edge = signal_edge(when, true, cases[i].before, cases[i].now);

                if (edge != cases[i].edge)
                        fail_msg("%s -> %s: %d, expected %d", cases[i].before ? cases[i].before : "(none)",
                                 cases[i].now ? cases[i].now : "(none)", edge, cases[i].edge);
        }
}

static void test_first_sight_records(void **state) {
        static const char *const values[] = { NULL, "", "TRUE", "FALSE", "20260101000000Z" };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(values); i++) {
                assert_int_equal(signal_edge(RESET_TRUE, false, NULL, values[i]), SIGNAL_RECORD);
                assert_int_equal(signal_edge(RESET_CHANGED, false, NULL, values[i]), SIGNAL_RECORD);
        }
}

static void test_true(void **state) {
        static const Case cases[] = {
                { NULL, "TRUE", SIGNAL_FIRES },   { "FALSE", "TRUE", SIGNAL_FIRES },
                { "", "TRUE", SIGNAL_FIRES },     { "FALSE", "true", SIGNAL_FIRES },
                { "TRUE", "TRUE", SIGNAL_SAME },  { NULL, NULL, SIGNAL_SAME },
                { "FALSE", "FALSE", SIGNAL_SAME }, { "TRUE", "true", SIGNAL_RECORD },
                { "TRUE", "FALSE", SIGNAL_RECORD }, { "TRUE", NULL, SIGNAL_RECORD },
                { NULL, "FALSE", SIGNAL_RECORD }, { NULL, "TRUE ", SIGNAL_RECORD },
                { "FALSE", "1", SIGNAL_RECORD },
        };

        (void) state;
        check(RESET_TRUE, cases, ELEMENTSOF(cases));
}

static void test_changed(void **state) {
        static const Case cases[] = {
                { "1", "2", SIGNAL_FIRES },       { NULL, "1", SIGNAL_FIRES },
                { "1", "", SIGNAL_FIRES },        { "a", "A", SIGNAL_FIRES },
                { "1", "1", SIGNAL_SAME },        { NULL, NULL, SIGNAL_SAME },
                { "1", NULL, SIGNAL_RECORD },
        };

        (void) state;
        check(RESET_CHANGED, cases, ELEMENTSOF(cases));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_first_sight_records),
                cmocka_unit_test(test_true),
                cmocka_unit_test(test_changed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
