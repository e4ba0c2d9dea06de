/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/strings.h"
#include "model/person.h"

static Person example(void) {
        static const uint64_t marks[2] = { 5, 1 };

        return (Person){
                .id = "11111111-2222-3333-4444-555555555555",
                .dn = "uid=a,dc=example",
                .field = { "a", "a@example.com", "A", "B", NULL, "42" },
                .unreadable = 1 << PERSON_TIMEZONE,
                .signal = "TRUE",
                .marks = marks,
                .present = true,
        };
}

static void test_fields(void **state) {
        (void) state;
        assert_string_equal(person_field_to_string(PERSON_LOGIN), "login");
        assert_string_equal(person_field_to_string(PERSON_EMPLOYEE_NUMBER), "employee_number");
        assert_null(person_field_to_string(_PERSON_FIELD_MAX));
        for (PersonField f = 0; f < _PERSON_FIELD_MAX; f++)
                assert_non_null(person_field_to_string(f));
}

/* Stands in the store: another value would make every row look changed after an upgrade. */
static void test_fingerprint_is_stable(void **state) {
        Person p = example();

        (void) state;
        assert_true(person_fingerprint(&p, 70) == UINT64_C(0x2dae425990ae4803));
}

static void test_fingerprint(void **state) {
        Person p = example(), q;
        uint64_t was = person_fingerprint(&p, 70), marks[2] = { 5, 1 };

        (void) state;
        /* The same in another place; what the store knows doesn't count, nor bits past the last group. */
        q = p;
        q.marks = marks;
        marks[1] |= UINT64_C(1) << 6 | UINT64_C(1) << 63;
        q.present = false;
        q.absent_for = 7;
        assert_true(person_fingerprint(&q, 70) == was);

        marks[1] = 3;
        assert_true(person_fingerprint(&q, 70) != was);
        assert_true(person_fingerprint(&p, 71) != was);
        q = p, q.id = "x";
        assert_true(person_fingerprint(&q, 70) != was);
        q = p, q.dn = "x";
        assert_true(person_fingerprint(&q, 70) != was);
        q = p, q.disabled = true;
        assert_true(person_fingerprint(&q, 70) != was);
        q = p, q.signal = NULL;
        assert_true(person_fingerprint(&q, 70) != was);
        q = p, q.unreadable = 0;
        assert_true(person_fingerprint(&q, 70) != was);
        for (size_t i = 0; i < _PERSON_FIELD_MAX; i++) {
                q = p, q.field[i] = "other";
                assert_true(person_fingerprint(&q, 70) != was);
        }
        /* Absent is not empty, and no text runs into the next. */
        q = p, q.field[PERSON_TIMEZONE] = "";
        assert_true(person_fingerprint(&q, 70) != was);
        q = p, q.field[PERSON_FIRST_NAME] = "AB", q.field[PERSON_LAST_NAME] = "";
        assert_true(person_fingerprint(&q, 70) != was);
        /* No marks at all are none set. */
        q = p, q.marks = NULL;
        marks[0] = marks[1] = 0;
        p.marks = marks;
        assert_true(person_fingerprint(&q, 70) == person_fingerprint(&p, 70));
}

static void test_people(void **state) {
        _cleanup_(people_freep) People *people = people_new();
        char id[32] = "", email[64] = "";
        uint64_t marks[2] = {};
        Person p = example();

        (void) state;
        assert_non_null(people);
        p.id = id;
        p.field[PERSON_EMAIL] = email;
        p.marks = marks;
        for (unsigned i = 0; i < 1000; i++) {
                snprintf(id, sizeof(id), "id-%u", i);
                snprintf(email, sizeof(email), "p%u@example.com", i);
                marks[1] = i;
                assert_int_equal(people_add(people, &p, 70), 0);
        }
        p.marks = NULL;
        assert_int_equal(people_add(people, &p, 70), 0);
        memset(id, 'x', sizeof(id) - 1);
        assert_int_equal(people->n, 1001);
        for (unsigned i = 0; i < 1000; i++) {
                snprintf(id, sizeof(id), "id-%u", i);
                assert_string_equal(people->items[i].id, id);
                assert_int_equal(people->items[i].marks[1], i);
                assert_string_equal(people->items[i].dn, "uid=a,dc=example");
                assert_string_equal(people->items[i].signal, "TRUE");
                assert_string_equal(people->items[i].field[PERSON_EMPLOYEE_NUMBER], "42");
                assert_null(people->items[i].field[PERSON_TIMEZONE]);
        }
        assert_true(people->items[1000].marks[0] == 0 && people->items[1000].marks[1] == 0);
        assert_null(people_free(NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_fields),
                cmocka_unit_test(test_fingerprint_is_stable),
                cmocka_unit_test(test_fingerprint),
                cmocka_unit_test(test_people),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
