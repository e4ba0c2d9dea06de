/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/strings.h"
#include "model/who.h"

static Person staff[] = {
        { .id = "id-1", .dn = "uid=ann,dc=example", .present = true,
          .field = { [PERSON_LOGIN] = "ann", [PERSON_EMAIL] = "Ann.Lee@Example.com" } },
        { .id = "id-2", .dn = "uid=bob,dc=example", .present = true,
          .field = { [PERSON_LOGIN] = "bob", [PERSON_EMAIL] = "bob@example.com" } },
        /* Two entries with one address, and one whose login is another's id. */
        { .id = "id-3", .dn = "uid=bob2,dc=example", .present = true,
          .field = { [PERSON_LOGIN] = "id-1", [PERSON_EMAIL] = "BOB@example.com" } },
        { .id = "id-4" },
};
static const People people = { .items = staff, .n = ELEMENTSOF(staff) };

static int find(const char *text, const Person **ret, ErrCtx *err) {
        *err = (ErrCtx){ 0 };
        *ret = NULL;
        return who_find(&people, text, ret, err);
}

static void is(const char *text, const Person *expected) {
        const Person *found;
        ErrCtx err;

        assert_int_equal(find(text, &found, &err), 0);
        assert_ptr_equal(found, expected);
}

static void test_found(void **state) {
        (void) state;
        is("id-2", &staff[1]);
        is("ann", &staff[0]);
        is("bob", &staff[1]);
        is("UID=Ann,DC=example", &staff[0]);
        is("ann.lee@EXAMPLE.com", &staff[0]);
        /* An id is never taken for a login. */
        is("id-1", &staff[0]);
        is("id-4", &staff[3]);
}

static void test_not_found(void **state) {
        static const char *const texts[] = { "carol", "", "@", "Ann", "ID-1", "ann.lee@example.org", "an" };
        const Person *found;
        ErrCtx err;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                assert_int_equal(find(texts[i], &found, &err), WHO_E_UNKNOWN);
                assert_null(found);
                assert_non_null(strstr(err.text, "nobody"));
        }
}

static void test_several(void **state) {
        const Person *found;
        ErrCtx err;

        (void) state;
        assert_int_equal(find("bob@example.com", &found, &err), WHO_E_SEVERAL);
        assert_null(found);
        assert_non_null(strstr(err.text, "id-2"));
        assert_non_null(strstr(err.text, "id-3"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_found),
                cmocka_unit_test(test_not_found),
                cmocka_unit_test(test_several),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
