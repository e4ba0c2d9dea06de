/* SPDX-License-Identifier: Apache-2.0 */
#include "store-fixture.h"
#include "sync/shrink.h"

#define HOUR (60 * USEC_PER_MINUTE)

static char text[SHRINK_TEXT_MAX];

/* n linked accounts, "1" … */
static Links *linked(unsigned n) {
        Links *links = links_new();
        char id[16];

        assert_non_null(links);
        for (unsigned i = 1; i <= n; i++) {
                snprintf(id, sizeof(id), "%u", i);
                assert_int_equal(links_add(links, &(Link){ .person = id, .remote_id = id }), 0);
        }
        return links;
}

/* Judges a listing, begun at an hour past the epoch, of the accounts first … last. */
static int judge(Fixture *f, const Links *links, unsigned percent, unsigned first, unsigned last) {
        const TargetConfig target = { .name = (char *) "t", .limits = { .percent = percent } };
        _cleanup_(accounts_freep) Accounts *accounts = accounts_new(HOUR);
        char id[16], address[32];

        assert_non_null(accounts);
        for (unsigned i = first; i <= last; i++) {
                snprintf(id, sizeof(id), "%u", i);
                snprintf(address, sizeof(address), "%u@example.com", i);
                ok(accounts_add(accounts, &(Account){ .remote_id = id, .address = address }));
        }
        return shrink_judge(f->store, &target, links, accounts, text);
}

static void test_limits(void **state) {
        _cleanup_(links_freep) Links *ten = linked(10), *hundred = linked(100);
        Fixture *f = *state;

        assert_int_equal(judge(f, ten, 10, 1, 10), 0);
        assert_int_equal(judge(f, ten, 10, 4, 10), 0);
        assert_string_equal(text, "");
        assert_int_equal(judge(f, ten, 10, 5, 10), SHRINK_E_DOUBTED);
        assert_non_null(strstr(text, "4 of 10"));
        assert_int_equal(judge(f, ten, 100, 1, 0), 0);
        assert_int_equal(judge(f, hundred, 10, 11, 100), 0);
        assert_int_equal(judge(f, hundred, 10, 12, 100), SHRINK_E_DOUBTED);
}

/* Agreed is only what is the same, and nothing else was seen in between. */
static void test_second_listing(void **state) {
        _cleanup_(links_freep) Links *links = linked(10);
        Fixture *f = *state;

        assert_int_equal(judge(f, links, 10, 5, 10), SHRINK_E_DOUBTED);
        assert_int_equal(judge(f, links, 10, 6, 10), SHRINK_E_DOUBTED);
        assert_int_equal(judge(f, links, 10, 5, 10), SHRINK_E_DOUBTED);
        assert_int_equal(judge(f, links, 10, 5, 10), SHRINK_E_AGREED);
        assert_int_equal(judge(f, links, 10, 5, 10), SHRINK_E_AGREED);
        assert_int_equal(judge(f, links, 10, 1, 10), 0);
        assert_int_equal(judge(f, links, 10, 5, 10), SHRINK_E_DOUBTED);
}

static void test_what_is_not_lost(void **state) {
        _cleanup_(links_freep) Links *links = linked(10);
        Fixture *f = *state;

        links->items[0].gone = true;
        links->items[1].since = HOUR - USEC_PER_MINUTE;
        assert_int_equal(judge(f, links, 10, 6, 10), 0);
        assert_int_equal(judge(f, links, 10, 7, 10), SHRINK_E_DOUBTED);
        assert_non_null(strstr(text, "4 of 9"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_limits, setup_store, teardown_store),
                cmocka_unit_test_setup_teardown(test_second_listing, setup_store, teardown_store),
                cmocka_unit_test_setup_teardown(test_what_is_not_lost, setup_store, teardown_store),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
