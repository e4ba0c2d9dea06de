/* SPDX-License-Identifier: Apache-2.0 */
/* When a link remembers that its person was disabled: for a lock that is to be lifted afterwards. */
#include "store-fixture.h"

#include "store/store-ledger.h"
#include "sync/upkeep.h"

#define READ 1000

static char name[] = "t";
static const TargetConfig target = { .name = name };

/* One comparison: the person and the account as they are; the link as it is stored afterwards. */
static bool remembers(Fixture *f, bool disabled, bool locked, usec_t listed) {
        _cleanup_(people_freep) People *people = people_new();
        _cleanup_(accounts_freep) Accounts *accounts = accounts_new(listed);
        _cleanup_(links_freep) Links *links = NULL, *stored = NULL;
        const uint64_t marks = 0;
        const UpkeepInput in = { .store = f->store, .target = &target, .people = people,
                                 .accounts = accounts, .read = READ };

        assert_int_equal(people_add(people, &(Person){ .id = "p", .dn = "uid=p", .marks = &marks,
                                                       .present = true, .disabled = disabled }, 1), 0);
        assert_int_equal(accounts_add(accounts, &(Account){ .remote_id = "17", .locked = locked }), 0);
        assert_int_equal(store_links_load(f->store, "t", &links), 0);
        assert_int_equal(upkeep_links(&in, links), 0);
        reopen(f);
        assert_int_equal(store_links_load(f->store, "t", &stored), 0);
        assert_int_equal(stored->n, 1);
        assert_int_equal(stored->items[0].was_disabled, links->items[0].was_disabled);
        return stored->items[0].was_disabled;
}

static void test_locks(void **state) {
        Fixture *f = *state;
        const Link link = { .person = "p", .remote_id = "17" };

        assert_int_equal(store_link_put(f->store, "t", &link), 0);
        /* A lock of somebody in good standing is the API's own affair. */
        assert_false(remembers(f, false, true, READ));
        assert_true(remembers(f, true, false, READ));
        assert_true(remembers(f, true, true, READ));
        /* Until a listing shows that it was lifted, and not one from before: a lock may have come since. */
        assert_true(remembers(f, false, true, READ));
        assert_true(remembers(f, false, false, READ - 1));
        assert_false(remembers(f, false, false, READ));
        assert_false(remembers(f, false, true, READ));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_locks, setup_store, teardown_store),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
