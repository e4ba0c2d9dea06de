/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing with linear probing, at most 3/4 full. The pairs of one key lie in one run of the
 * table. */
#include "reader/memberset.h"

#include <errno.h>
#include <stdlib.h>

#define FREE UINT32_MAX
#define FIRST_SIZE 256

typedef struct Slot {
        uint64_t a;
        uint32_t b;
        uint32_t number;
} Slot;

struct MemberSet {
        Slot *slots;
        size_t size, n; /* size is a power of two */
};

MemberSet *memberset_new(void) {
        return calloc(1, sizeof(MemberSet));
}

MemberSet *memberset_free(MemberSet *set) {
        if (!set)
                return NULL;
        free(set->slots);
        free(set);
        return NULL;
}

/* False if the pair was there. */
static bool insert(Slot *slots, size_t size, const Slot *slot) {
        size_t i;

        for (i = slot->a & (size - 1); slots[i].number != FREE; i = (i + 1) & (size - 1))
                if (slots[i].a == slot->a && slots[i].b == slot->b && slots[i].number == slot->number)
                        return false;
        slots[i] = *slot;
        return true;
}

static int grow(MemberSet *set) {
        size_t size = set->size > 0 ? set->size * 2 : FIRST_SIZE;
        Slot *slots = malloc(size * sizeof(*slots));

        if (!slots)
                return -ENOMEM;
        for (size_t i = 0; i < size; i++)
                slots[i].number = FREE;
        for (size_t i = 0; i < set->size; i++)
                if (set->slots[i].number != FREE)
                        (void) insert(slots, size, &set->slots[i]);
        free(set->slots);
        set->slots = slots;
        set->size = size;
        return 0;
}

int memberset_add(MemberSet *set, DnKey key, uint32_t number) {
        int r;

        if (set->n >= set->size / 4 * 3) {
                r = grow(set);
                if (r < 0)
                        return r;
        }
        if (insert(set->slots, set->size, &(Slot){key.a, key.b, number}))
                set->n++;
        return 0;
}

bool memberset_next(const MemberSet *set, DnKey key, size_t *cursor, uint32_t *ret) {
        const Slot *slot;

        if (set->size == 0)
                return false;
        for (;;) {
                slot = &set->slots[(key.a + *cursor) & (set->size - 1)];
                if (slot->number == FREE)
                        return false;
                (*cursor)++;
                if (slot->a == key.a && slot->b == key.b) {
                        *ret = slot->number;
                        return true;
                }
        }
}

bool memberset_has(const MemberSet *set, DnKey key) {
        size_t cursor = 0;
        uint32_t number;

        return memberset_next(set, key, &cursor, &number);
}
