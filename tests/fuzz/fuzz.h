/* SPDX-License-Identifier: Apache-2.0 */
/* What each fuzzer defines: called by libFuzzer, or by fuzz-main.c for every file of its corpus. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void require(bool fact) {
        if (!fact)
                __builtin_trap();
}
