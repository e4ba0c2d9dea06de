/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/strings.h"
#include "config/dn.h"

static void test_normal_form(void **state) {
        static const struct {
                const char *dn, *normal;
        } rows[] = {
                        {"cn=a,dc=example", "cn=a,dc=example"},
                        {" CN = A B , DC = Example ", "cn=a b,dc=example"},
                        {"cn=a  \t b", "cn=a b"},
                        {"cn=Gr\xc3\xbc\xc3\x9f"
                         "e",
                         "cn=gr\xc3\xbcsse"},
                        /* Composed and decomposed are one. */
                        {"cn=u\xcc\x88", "cn=\xc3\xbc"},
                        {"cn=\\4c\\75", "cn=lu"},
                        {"cn=a\\2Cb,dc=x", "cn=a\\,b,dc=x"},
                        {"cn=a\\,b,dc=x", "cn=a\\,b,dc=x"},
                        {"cn=\\23a", "cn=\\#a"},
                        {"cn=a\\3db", "cn=a=b"},
                        {"cn=a\\ ", "cn=a"},
                        {"cn=\\20", "cn=\\20"},
                        {"cn=\\0a\\01x", "cn=\\01x"},
                        {"1.2.840.113556=x", "1.2.840.113556=x"},
                        {"cn=#04FF,dc=x", "cn=#04ff,dc=x"},
                        /* The parts of one RDN have no order. */
                        {"ou=b + cn=a,dc=x", "cn=a+ou=b,dc=x"},
                        {"cn=a+ou=b,dc=x", "cn=a+ou=b,dc=x"},
                        {"cn=\\ff", "cn=\xff"},
        };
        ErrCtx err;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(freep) char *normal = NULL, *again = NULL;

                if (dn_normalise(rows[i].dn, &normal, &err) != 0)
                        fail_msg("%s: %s", rows[i].dn, err.text);
                assert_string_equal(normal, rows[i].normal);
                assert_int_equal(dn_normalise(normal, &again, &err), 0);
                assert_string_equal(again, normal);
        }
}

static void test_refused(void **state) {
        static const struct {
                const char *dn, *why;
        } rows[] = {
                        {"", "is empty"},
                        {"  ", "is empty"},
                        {"people", "\"=\" is missing after \"people\""},
                        {"=x", "an attribute's name is missing"},
                        {"cn=", "a value is missing"},
                        {"cn=a,", "an attribute's name is missing"},
                        {"cn=a,,dc=x", "an attribute's name is missing"},
                        {"cn=a+", "an attribute's name is missing"},
                        {"c n=a", "\"=\" is missing after \"c\""},
                        {"-cn=a", "an attribute's name is missing"},
                        {"1.=a", "an attribute's name is missing"},
                        {"cn=a;dc=x", "; must be written \\;"},
                        {"cn=\"a\"", "\" must be written"},
                        {"cn=<a>", "< must be written"},
                        {"cn=a\\", "must be followed by"},
                        {"cn=a\\g", "must be followed by"},
                        {"cn=a\\0", "must be followed by"},
                        {"cn=a\\00", "must be followed by"},
                        {"cn=#", "pairs of hex digits"},
                        {"cn=#0", "pairs of hex digits"},
                        {"cn=#00x", "stands where"},
                        {"a=1+b=1+c=1+d=1+e=1+f=1+g=1+h=1+i=1+j=1+k=1+l=1+m=1+n=1+o=1+p=1+q=1",
                         "more than 16 parts"},
        };
        char longer[5000];
        ErrCtx err;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char *normal = (char *) "untouched";

                if (dn_normalise(rows[i].dn, &normal, &err) != DN_E_INVALID)
                        fail_msg("\"%s\" was accepted", rows[i].dn);
                assert_string_equal(normal, "untouched");
                if (!strstr(err.text, rows[i].why))
                        fail_msg("\"%s\": %s", rows[i].dn, err.text);
        }
        memset(longer, 'a', sizeof(longer) - 1);
        longer[sizeof(longer) - 1] = 0;
        memcpy(longer, "cn=", 3);
        assert_int_equal(dn_normalise(longer, NULL, &err), DN_E_INVALID);
        assert_non_null(strstr(err.text, "longer than"));
        longer[4096] = 0;
        assert_int_equal(dn_normalise(longer, NULL, &err), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(test_normal_form),
                        cmocka_unit_test(test_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
