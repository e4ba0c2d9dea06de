/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory something takes, for tests that say it is little. */
#pragma once

#include <malloc.h>
#include <stddef.h>

/* Bytes that malloc() has handed out by now; 0 always where a sanitizer or valgrind has a malloc() of its
 * own. */
static inline size_t heap_in_use(void) {
        struct mallinfo2 info = mallinfo2();

        return info.uordblks + info.hblkhd;
}
