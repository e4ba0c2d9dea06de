/* SPDX-License-Identifier: Apache-2.0 */
/* What comes again with every poll, and what mustn't: reads that fail, listings that take longer than a
 * poll, roles that nobody knows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "play.h"

/* ---- reads that fail ---- */

/* A target that is tried again in between is no further failed read. */
static void test_failed_reads_are_counted(void **state _unused_) {
        Play play;
        unsigned reads;

        play_setup(&play, 3, "list_interval = \"1s\";", "");
        play_start(&play);
        play_run(play.loop, USEC_PER_MINUTE);
        assert_int_equal(cycle_report(engine_cycle(play.engine))->failed_reads, 0);
        play_umbrella.fail_all = -1;
        /* Until the next poll has seen the outage, the target is tried again and again. */
        play_run(play.loop, 5 * USEC_PER_MINUTE);
        play_directory.state = READ_UNREACHABLE;
        play_directory.error = "nobody there";
        reads = play_directory.reads;
        play.cycles = 0;
        play_run(play.loop, 15 * USEC_PER_MINUTE);
        assert_int_equal(play_directory.reads, reads + 3);
        assert_true(play.cycles > 3);
        assert_int_equal(cycle_report(engine_cycle(play.engine))->failed_reads, 3);
        play_directory.state = READ_COMPLETE;
        play_run(play.loop, 5 * USEC_PER_MINUTE);
        assert_int_equal(cycle_report(engine_cycle(play.engine))->failed_reads, 0);
        play_teardown(&play);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_failed_reads_are_counted),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
