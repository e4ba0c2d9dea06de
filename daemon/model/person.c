/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/person.h"
#include "base/siphash.h"

static const char *const field_names[_PERSON_FIELD_MAX] = {
        [PERSON_LOGIN] = "login",
        [PERSON_EMAIL] = "email",
        [PERSON_FIRST_NAME] = "first_name",
        [PERSON_LAST_NAME] = "last_name",
        [PERSON_TIMEZONE] = "timezone",
        [PERSON_EMPLOYEE_NUMBER] = "employee_number",
};

const char *person_field_to_string(PersonField f) {
        return f < _PERSON_FIELD_MAX ? field_names[f] : NULL;
}

uint64_t person_fingerprint(const Person *p, size_t n_groups) {
        SipHash h;

        siphash_init(&h);
        siphash_add_str(&h, p->id);
        siphash_add_str(&h, p->dn);
        for (size_t i = 0; i < _PERSON_FIELD_MAX; i++)
                siphash_add_str(&h, p->field[i]);
        siphash_add_u64(&h, (uint64_t) p->unreadable << 1 | p->disabled);
        siphash_add_str(&h, p->signal);
        siphash_add_u64(&h, n_groups);
        /* Bits past the last group have no meaning. */
        for (size_t i = 0; i < MARKS_WORDS(n_groups); i++) {
                size_t left = n_groups - i * 64;

                siphash_add_u64(&h, p->marks ? p->marks[i] &
                                                       (left >= 64 ? UINT64_MAX : (UINT64_C(1) << left) - 1)
                                             : 0);
        }
        if (p->ways)
                siphash_add_str(&h, p->ways);
        return siphash_end(&h);
}

People *people_new(void) {
        _cleanup_(people_freep) People *people = calloc(1, sizeof(*people));

        if (!people)
                return NULL;
        people->arena = arena_new();
        if (!people->arena)
                return NULL;
        return TAKE(people);
}

People *people_free(People *people) {
        if (!people)
                return NULL;
        arena_free(people->arena);
        free(people->items);
        free(people);
        return NULL;
}

static size_t string_size(const char *s) {
        return s ? strlen(s) + 1 : 0;
}

/* Moves a string to *place, which is then past it. */
static void pack(const char **s, char **place) {
        size_t size = string_size(*s);

        if (size == 0)
                return;
        memcpy(*place, *s, size);
        *s = *place;
        *place += size;
}

/* All that a person points to stands in one block: marks first, which need alignment. */
static int person_copy(Person *p, size_t n_groups, Arena *arena) {
        size_t marks = MARKS_WORDS(n_groups) * sizeof(uint64_t);
        size_t size = marks + string_size(p->id) + string_size(p->dn) + string_size(p->signal);
        char *place;

        for (size_t i = 0; i < _PERSON_FIELD_MAX; i++)
                size += string_size(p->field[i]);
        place = arena_alloc(arena, size);
        if (!place)
                return -ENOMEM;
        if (p->marks)
                memcpy(place, p->marks, marks);
        p->marks = (const uint64_t *) (const void *) place;
        place += marks;
        pack(&p->id, &place);
        pack(&p->dn, &place);
        pack(&p->signal, &place);
        for (size_t i = 0; i < _PERSON_FIELD_MAX; i++)
                pack(&p->field[i], &place);
        return 0;
}

int people_add(People *people, const Person *p, size_t n_groups) {
        Person copy = *p;
        int r;

        copy.ways = NULL;
        if (people->n == people->size) {
                size_t size = people->size ? people->size + people->size / 2 : 64;
                Person *items = reallocarray(people->items, size, sizeof(*items));

                if (!items)
                        return -ENOMEM;
                people->items = items;
                people->size = size;
        }
        r = person_copy(&copy, n_groups, people->arena);
        if (r < 0)
                return r;
        people->items[people->n++] = copy;
        return 0;
}

static const char *id_of(const void *items, uint32_t pos) {
        return ((const Person *) items)[pos].id;
}

int people_index(const People *people, StrIndex *ret) {
        *ret = STRINDEX_INIT(id_of);
        return strindex_fill(ret, people->items, people->n);
}
