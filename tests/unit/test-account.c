/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/strings.h"
#include "model/account.h"

static void test_add(void **state) {
        _cleanup_(accounts_freep) Accounts *accounts = accounts_new(42);
        const char *roles[] = { "A", "B" };
        char id[16] = "7", address[32] = "Alice@Example.com";
        const Account in = {
                .remote_id = id,
                .address = address,
                .key = "ignored",
                .login = "alice",
                .first_name = "A",
                .last_name = "",
                .timezone = "UTC",
                .role = "Read Only",
                .roles = roles,
                .n_roles = 2,
                .status = "Active",
                .locked = true,
                .last_login = "yesterday",
        };
        const Account *a;

        (void) state;
        assert_non_null(accounts);
        assert_int_equal(accounts->begun, 42);
        assert_null(accounts_by_id(accounts, "7"));
        assert_int_equal(accounts_add(accounts, &in), 0);
        assert_int_equal(accounts_add(accounts, &in), ACCOUNTS_E_KNOWN);
        memset(id, 'x', 15);
        memset(address, 'x', 31);
        roles[0] = "Z";
        assert_int_equal(accounts->n, 1);
        a = accounts_by_id(accounts, "7");
        assert_non_null(a);
        assert_string_equal(a->address, "Alice@Example.com");
        assert_string_equal(a->key, "alice@example.com");
        assert_string_equal(a->roles[0], "A");
        assert_string_equal(a->last_name, "");
        assert_string_equal(a->last_login, "yesterday");
        assert_true(a->locked && !a->disabled);
        assert_ptr_equal(accounts_by_key(accounts, "alice@example.com"), a);
        assert_null(accounts_by_key(accounts, "Alice@Example.com"));
        assert_null(accounts_by_key(accounts, NULL));
        assert_null(accounts_by_id(accounts, NULL));
        assert_null(accounts_next_by_key(accounts, a));
}

static void test_without_key(void **state) {
        _cleanup_(accounts_freep) Accounts *accounts = accounts_new(0);

        (void) state;
        assert_int_equal(accounts_add(accounts, &(Account){ .remote_id = "1" }), 0);
        assert_int_equal(accounts_add(accounts, &(Account){ .remote_id = "2", .address = "no address" }), 0);
        assert_int_equal(accounts_add(accounts, &(Account){ .remote_id = "3", .address = "" }), 0);
        for (size_t i = 0; i < 3; i++) {
                assert_null(accounts->items[i].key);
                assert_null(accounts_next_by_key(accounts, &accounts->items[i]));
        }
        assert_string_equal(accounts_by_id(accounts, "2")->address, "no address");
}

static void test_same_key(void **state) {
        _cleanup_(accounts_freep) Accounts *accounts = accounts_new(0);
        char id[32];
        size_t n = 0;
        unsigned seen = 0;

        (void) state;
        for (unsigned i = 0; i < 500; i++) {
                snprintf(id, sizeof(id), "%u", i);
                assert_int_equal(
                        accounts_add(accounts,
                                     &(Account){ .remote_id = id, .address = i % 100 == 7 ? "A@b" : "c@d" }),
                        0);
        }
        assert_string_equal(accounts_by_key(accounts, "a@b")->remote_id, "7");
        for (const Account *a = accounts_by_key(accounts, "a@b"); a; a = accounts_next_by_key(accounts, a)) {
                seen |= 1u << (a - accounts->items) / 100;
                assert_int_equal((a - accounts->items) % 100, 7);
                n++;
        }
        assert_int_equal(n, 5);
        assert_int_equal(seen, 31);
}

static void test_many(void **state) {
        _cleanup_(accounts_freep) Accounts *accounts = accounts_new(0);
        char id[32], address[64];

        (void) state;
        for (unsigned i = 0; i < 20000; i++) {
                snprintf(id, sizeof(id), "%u", i);
                snprintf(address, sizeof(address), "P%u@example.com", i);
                assert_int_equal(accounts_add(accounts, &(Account){ .remote_id = id, .address = address }),
                                 0);
        }
        for (unsigned i = 0; i < 20000; i++) {
                snprintf(id, sizeof(id), "%u", i);
                snprintf(address, sizeof(address), "p%u@example.com", i);
                assert_ptr_equal(accounts_by_id(accounts, id), &accounts->items[i]);
                assert_ptr_equal(accounts_by_key(accounts, address), &accounts->items[i]);
        }
        assert_null(accounts_by_id(accounts, "20000"));
}

static void test_is_active(void **state) {
        (void) state;
        assert_true(account_is_active(&(Account){}));
        assert_true(account_is_active(&(Account){ .status = "" }));
        assert_true(account_is_active(&(Account){ .status = "Active" }));
        assert_true(account_is_active(&(Account){ .status = "ON" }));
        assert_false(account_is_active(&(Account){ .status = "Pending" }));
        assert_false(account_is_active(&(Account){ .status = "Active", .disabled = true }));
        assert_false(account_is_active(&(Account){ .status = "Active", .locked = true }));
}

static void test_has_role(void **state) {
        const char *const roles[] = { "A", "B" };

        (void) state;
        assert_true(account_has_role(&(Account){ .role = "Full Admin" }, "full admin"));
        assert_false(account_has_role(&(Account){ .role = "Read Only" }, "Full Admin"));
        assert_true(account_has_role(&(Account){ .roles = roles, .n_roles = 2 }, "B"));
        assert_false(account_has_role(&(Account){}, "B"));
}

static void test_logins(void **state) {
        static const char *const roles[] = { "A", "B" }, *const other[] = { "B", "C" };
        const Account first = { .remote_id = "JSMITH", .login = "JSMITH", .address = "a@example.com",
                                .roles = roles, .n_roles = 2,
                                .company = "{}", .number = "7", .password_reset = "then" };
        Account second = { .remote_id = "jsmith", .login = "jsmith", .address = "b@example.com",
                           .roles = other, .n_roles = 2, .company = "{}" };
        _cleanup_(accounts_freep) Accounts *accounts = accounts_new(1);
        const Account *a;

        (void) state;
        assert_int_equal(accounts_add(accounts, &first), 0);
        assert_int_equal(accounts_add(accounts, &second), 0);
        assert_string_equal(accounts_by_login(accounts, "jsmith")->address, "b@example.com");
        assert_string_equal(accounts_by_login(accounts, "JSmith")->address, "a@example.com");
        assert_null(accounts_by_login(accounts, "jsmit"));
        assert_null(accounts_by_login(accounts, NULL));
        assert_null(accounts_by_login(accounts, "jsm\xc3\x8fth"));
        assert_string_equal(accounts->items[1].roles[0], "B");
        assert_string_equal(accounts->items[1].roles[1], "C");
        assert_string_equal(accounts->items[0].number, "7");

        second.first_name = "New";
        second.roles = roles;
        assert_int_equal(accounts_replace(accounts, &second), 0);
        a = accounts_by_id(accounts, "jsmith");
        assert_string_equal(a->first_name, "New");
        assert_string_equal(a->roles[0], "A");
        second.address = "c@example.com";
        assert_int_equal(accounts_replace(accounts, &second), ACCOUNTS_E_OTHER);
        assert_string_equal(accounts_by_id(accounts, "jsmith")->address, "b@example.com");
        second.remote_id = "nobody";
        assert_int_equal(accounts_replace(accounts, &second), ACCOUNTS_E_OTHER);

        accounts_forget_reset(accounts, "JSMITH");
        accounts_forget_reset(accounts, "nobody");
        assert_string_equal(accounts_by_id(accounts, "JSMITH")->password_reset, "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_logins),
                cmocka_unit_test(test_add),      cmocka_unit_test(test_without_key),
                cmocka_unit_test(test_same_key), cmocka_unit_test(test_many),
                cmocka_unit_test(test_is_active), cmocka_unit_test(test_has_role),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
