/* SPDX-License-Identifier: Apache-2.0 */
/* Many small strings with one lifetime: freed together. (The obstack of glibc ends the process when it is
 * out of memory.) */
#pragma once

#include <stddef.h>

#include "base/cleanup.h"

typedef struct Arena Arena;

Arena *arena_new(void);
Arena *arena_free(Arena *arena);
DEFINE_CLEANUP(Arena *, arena_free);

/* Zeroed, aligned for any type; NULL when out of memory. Lives as long as the arena. */
void *arena_alloc(Arena *arena, size_t size);
/* Copies; NULL stays NULL (and is then no error: check the input). */
char *arena_strdup(Arena *arena, const char *text);
char *arena_strndup(Arena *arena, const char *text, size_t len);
