/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <endian.h>

#include "base/siphash.h"

/* Values of an implementation of its own, which also gives the one that the paper prints for its key. */
static void test_siphash(void **state) {
        char data[64];

        (void) state;
        for (size_t i = 0; i < sizeof(data); i++)
                data[i] = (char) i;
        assert_true(siphash("", 0) == UINT64_C(0x8be03b45c4caf512));
        assert_true(siphash("alice@example.com", 17) == UINT64_C(0xb8eaf67256935767));
        for (size_t len = 1; len <= sizeof(data); len++)
                assert_true(siphash(data, len) != siphash(data, len - 1));
}

static uint64_t hash_of(const char *a, const char *b) {
        SipHash h;

        siphash_init(&h);
        siphash_add_str(&h, a);
        siphash_add_str(&h, b);
        return siphash_end(&h);
}

static void test_siphash_texts(void **state) {
        (void) state;
        assert_true(hash_of("ab", "c") == hash_of("ab", "c"));
        assert_true(hash_of("ab", "c") != hash_of("a", "bc"));
        assert_true(hash_of("", NULL) != hash_of(NULL, ""));
        assert_true(hash_of("12345678", "") != hash_of("12345678", NULL));
        assert_true(hash_of("1234567", "8") != hash_of("12345678", ""));
}

/* The authors' own values: the key 00 01 … 0f, and the first bytes of 00 01 02 …. */
static void test_siphash128(void **state) {
        static const unsigned char expected[2][16] = {
                { 0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02,
                  0x93 },
                { 0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc,
                  0x45 },
        };
        const uint64_t key[2] = { UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908) };
        uint64_t hash[2], other[2] = { 0, 0 };

        (void) state;
        for (size_t len = 0; len < 2; len++) {
                siphash128(key, "", len, hash);
                hash[0] = htole64(hash[0]);
                hash[1] = htole64(hash[1]);
                assert_memory_equal(hash, expected[len], sizeof(hash));
        }
        siphash128(other, "", 0, hash);
        assert_true(hash[0] != UINT64_C(0xe6a825ba047f81a3));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_siphash),
                cmocka_unit_test(test_siphash_texts),
                cmocka_unit_test(test_siphash128),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
