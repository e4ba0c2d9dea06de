/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/secret.h"

static void test_append(void **state) {
        _cleanup_(secret_freep) Secret *s = secret_new("ab\0cd", 5);
        _cleanup_(secret_freep) Secret *empty = secret_with_capacity(0);
        _cleanup_(secret_freep) Secret *nothing = secret_new(NULL, 0);

        (void) state;
        assert_int_equal(secret_len(s), 5);
        assert_memory_equal(secret_data(s), "ab\0cd", 6);
        assert_int_equal(secret_append_str(s, "ef"), 0);
        assert_memory_equal(secret_data(s), "ab\0cdef", 8);
        assert_string_equal(secret_data(empty), "");
        assert_string_equal(secret_data(nothing), "");
        assert_null(secret_free(NULL));
}

static void test_growth(void **state) {
        _cleanup_(secret_freep) Secret *s = secret_with_capacity(1);

        (void) state;
        for (int i = 0; i < 100000; i++)
                assert_int_equal(secret_append(s, &"0123456789"[i % 10], 1), 0);
        assert_int_equal(secret_len(s), 100000);
        for (size_t i = 0; i < 100000; i++)
                if (secret_data(s)[i] != (char) ('0' + i % 10))
                        fail();
        assert_int_equal(secret_data(s)[100000], '\0');
        assert_int_equal(secret_append(s, "x", SIZE_MAX - 10), -ENOMEM);
        assert_null(secret_with_capacity(SIZE_MAX));
        assert_int_equal(secret_len(s), 100000);
}

static void test_json(void **state) {
        _cleanup_(secret_freep) Secret *s = secret_new("{\"p\":", 5);
        static const char text[] = "a\"b\\c\n\r\t\b\f/\x01\x1f\x7f\0é";

        (void) state;
        assert_int_equal(secret_append_json(s, text, sizeof(text) - 1), 0);
        assert_string_equal(secret_data(s),
                            "{\"p\":\"a\\\"b\\\\c\\n\\r\\t\\b\\f/\\u0001\\u001f\x7f\\u0000é\"");
        assert_int_equal(secret_append_json(s, "", 0), 0);
        assert_string_equal(secret_data(s) + secret_len(s) - 2, "\"\"");
}

/* RFC 4648 §10. */
static void test_base64(void **state) {
        static const char *const vectors[][2] = {
                { "", "" },
                { "f", "Zg==" },
                { "fo", "Zm8=" },
                { "foo", "Zm9v" },
                { "foobar", "Zm9vYmFy" },
                { "\xff\xfe\xfd", "//79" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(vectors); i++) {
                _cleanup_(secret_freep) Secret *s = secret_new("Basic ", 6);

                assert_int_equal(secret_append_base64(s, vectors[i][0], strlen(vectors[i][0])), 0);
                assert_string_equal(secret_data(s) + 6, vectors[i][1]);
                assert_int_equal(secret_len(s), 6 + strlen(vectors[i][1]));
        }
}

/* The flag "dd" in the mapping's VmFlags: do not dump. */
static void test_not_dumped(void **state) {
        _cleanup_(secret_freep) Secret *s = secret_new("hidden", 6);
        _cleanup_(fclosep) FILE *f = fopen("/proc/self/smaps", "re");
        char line[512];
        unsigned long first, last;
        int inside = 0, found = 0;

        (void) state;
        if (!f)
                skip();
        while (fgets(line, sizeof(line), f)) {
                if (sscanf(line, "%lx-%lx ", &first, &last) == 2)
                        inside = (uintptr_t) secret_data(s) >= first && (uintptr_t) secret_data(s) < last;
                else if (inside && strncmp(line, "VmFlags:", 8) == 0)
                        found = strstr(line, " dd") ? 1 : -1;
        }
        assert_int_equal(found, 1);
}

static void test_password(void **state) {
        _cleanup_(secret_freep) Secret *none = NULL;

        (void) state;
        for (unsigned classes = 1; classes <= 4; classes++)
                for (int i = 0; i < 200; i++) {
                        _cleanup_(secret_freep) Secret *s = NULL;
                        const char *p;

                        assert_int_equal(secret_generate_password(16, classes, &s), 0);
                        p = secret_data(s);
                        assert_int_equal(strlen(p), 16);
                        assert_int_equal(strpbrk(p, "abcdefghijkmnpqrstuvwxyz") != NULL, 1);
                        assert_int_equal(strpbrk(p, "ABCDEFGHJKLMNPQRSTUVWXYZ") != NULL, classes >= 2);
                        assert_int_equal(strpbrk(p, "23456789") != NULL, classes >= 3);
                        assert_int_equal(strpbrk(p, "!#%+-.:=?@_") != NULL, classes >= 4);
                        assert_null(strpbrk(p, "loIO01\"'\\`&<> "));
                }
        assert_int_equal(secret_generate_password(24, 0, &none), -EINVAL);
        assert_int_equal(secret_generate_password(24, 5, &none), -EINVAL);
        assert_int_equal(secret_generate_password(3, 4, &none), -EINVAL);
        assert_null(none);
        assert_int_equal(secret_generate_password(4, 4, &none), 0);
        assert_int_equal(secret_len(none), 4);
}

static void test_password_spread(void **state) {
        unsigned seen[256] = { 0 }, letters = 0;

        (void) state;
        for (int i = 0; i < 1000; i++) {
                _cleanup_(secret_freep) Secret *s = NULL;

                assert_int_equal(secret_generate_password(24, 1, &s), 0);
                for (size_t k = 0; k < 24; k++)
                        seen[(unsigned char) secret_data(s)[k]]++;
        }
        /* 24 letters, 1000 expected of each; eight standard deviations to either side. */
        for (size_t c = 0; c < ELEMENTSOF(seen); c++)
                if (seen[c] > 0) {
                        letters++;
                        assert_in_range(seen[c], 750, 1250);
                }
        assert_int_equal(letters, 24);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_append),
                cmocka_unit_test(test_growth),
                cmocka_unit_test(test_json),
                cmocka_unit_test(test_base64),
                cmocka_unit_test(test_not_dumped),
                cmocka_unit_test(test_password),
                cmocka_unit_test(test_password_spread),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
