/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <errno.h>
#include <stdalign.h>
#include <stdint.h>
#include <string.h>

/* With their heads, and what malloc() adds, just below whole pages. */
#define CHUNK_FIRST ((size_t) 4032)
#define CHUNK_MAX (16 * CHUNK_FIRST)

typedef struct Chunk Chunk;

struct Chunk {
        Chunk *next;
        size_t size, used;
        alignas(max_align_t) unsigned char data[];
};

struct Arena {
        Chunk *chunks;          /* the first one is being filled */
        size_t next_size;
};

Arena *arena_new(void) {
        Arena *arena = calloc(1, sizeof(*arena));

        if (arena)
                arena->next_size = CHUNK_FIRST;
        return arena;
}

Arena *arena_free(Arena *arena) {
        Chunk *c;

        if (!arena)
                return NULL;
        while ((c = arena->chunks)) {
                arena->chunks = c->next;
                free(c);
        }
        free(arena);
        return NULL;
}

static Chunk *chunk_new(size_t size) {
        Chunk *c;

        if (size > SIZE_MAX - sizeof(*c))
                return NULL;
        c = malloc(sizeof(*c) + size);
        if (!c)
                return NULL;
        c->next = NULL;
        c->size = size;
        c->used = 0;
        return c;
}

/* Large pieces get a chunk of their own behind the first, so that the room left in that one isn't lost. */
static void *take_large(Arena *arena, size_t size) {
        Chunk *c = chunk_new(size);

        if (!c)
                return NULL;
        c->used = size;
        if (arena->chunks) {
                c->next = arena->chunks->next;
                arena->chunks->next = c;
        } else
                arena->chunks = c;
        return c->data;
}

static void *take(Arena *arena, size_t size, size_t align) {
        Chunk *c = arena->chunks;
        size_t start = c ? (c->used + align - 1) & ~(align - 1) : 0;

        if (!c || start > c->size || size > c->size - start) {
                if (size > CHUNK_MAX / 4)
                        return take_large(arena, size);
                while (arena->next_size < size)
                        arena->next_size *= 2;
                c = chunk_new(arena->next_size);
                if (!c)
                        return NULL;
                if (arena->next_size < CHUNK_MAX)
                        arena->next_size *= 2;
                c->next = arena->chunks;
                arena->chunks = c;
                start = 0;
        }
        c->used = start + size;
        return c->data + start;
}

void *arena_alloc(Arena *arena, size_t size) {
        void *p = take(arena, size > 0 ? size : 1, alignof(max_align_t));

        return p ? memset(p, 0, size > 0 ? size : 1) : NULL;
}

char *arena_strdup(Arena *arena, const char *text) {
        return text ? arena_strndup(arena, text, strlen(text)) : NULL;
}

char *arena_strndup(Arena *arena, const char *text, size_t len) {
        char *p;

        if (!text || len == SIZE_MAX)
                return NULL;
        p = take(arena, len + 1, 1);
        if (!p)
                return NULL;
        memcpy(p, text, len);
        p[len] = '\0';
        return p;
}
