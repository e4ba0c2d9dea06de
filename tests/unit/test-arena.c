/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "heap.h"

static void test_strings(void **state) {
        size_t before = heap_in_use();
        _cleanup_(arena_freep) Arena *arena = arena_new();
        char *texts[5000], expected[32];

        (void) state;
        assert_non_null(arena);
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                (void) snprintf(expected, sizeof(expected), "person number %zu", i);
                texts[i] = arena_strdup(arena, expected);
                assert_non_null(texts[i]);
        }
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                (void) snprintf(expected, sizeof(expected), "person number %zu", i);
                assert_string_equal(texts[i], expected);
        }
        /* Little is lost: no more than the last chunk on top of the bytes themselves. */
        assert_true(heap_in_use() - before < 5000 * 19 + 70000);
        assert_null(arena_strdup(arena, NULL));
        assert_string_equal(arena_strndup(arena, "abcdef", 3), "abc");
        assert_string_equal(arena_strndup(arena, "", 0), "");
}

static void test_alignment_and_zero(void **state) {
        _cleanup_(arena_freep) Arena *arena = arena_new();

        (void) state;
        for (size_t i = 0; i < 1000; i++) {
                unsigned char *p = arena_alloc(arena, i);

                assert_non_null(p);
                assert_int_equal((uintptr_t) p % _Alignof(max_align_t), 0);
                for (size_t k = 0; k < i; k++)
                        assert_int_equal(p[k], 0);
                memset(p, 0xff, i);
                assert_non_null(arena_strndup(arena, "x", 1));
        }
}

static void test_large(void **state) {
        _cleanup_(arena_freep) Arena *arena = arena_new();
        char *before, *large, *after;

        (void) state;
        before = arena_strdup(arena, "before");
        large = arena_alloc(arena, 1000000);
        assert_non_null(large);
        memset(large, 'x', 1000000);
        after = arena_strdup(arena, "after");
        assert_string_equal(before, "before");
        /* The chunk that was being filled goes on being filled. */
        assert_ptr_equal(after, before + sizeof("before"));
        assert_null(arena_alloc(arena, SIZE_MAX - 4));
        assert_null(arena_strndup(arena, "x", SIZE_MAX));
}

static void test_large_first(void **state) {
        _cleanup_(arena_freep) Arena *arena = arena_new();

        (void) state;
        assert_non_null(arena_alloc(arena, 100000));
        assert_string_equal(arena_strdup(arena, "x"), "x");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_strings),
                cmocka_unit_test(test_alignment_and_zero),
                cmocka_unit_test(test_large),
                cmocka_unit_test(test_large_first),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
