/* SPDX-License-Identifier: Apache-2.0 */
/* A person: an entry of the directory that is in scope. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/time.h"
#include "model/strindex.h"

typedef enum PersonField {
        PERSON_LOGIN,
        PERSON_EMAIL,
        PERSON_FIRST_NAME,
        PERSON_LAST_NAME,
        PERSON_TIMEZONE,
        PERSON_EMPLOYEE_NUMBER,
        _PERSON_FIELD_MAX,
} PersonField;

/* Longer values can't be read (the person is blocked, not a leaver). */
#define PERSON_VALUE_MAX 1024
#define PERSON_ID_MAX 256
#define PERSON_WAYS_MAX 8192

/* A plain value; who filled it says who owns the strings (mostly an arena). */
typedef struct Person {
        const char *id; /* the directory's immutable id, canonical text: UUIDs in lower case */
        const char *dn;                         /* normal form (RFC 4514), for people and for `explain` */
        const char *field[_PERSON_FIELD_MAX];   /* the directory's own spelling; NULL: absent */
        uint32_t unreadable; /* bit per PersonField: there, but not UTF-8, with a NUL, or too long */
        bool disabled;
        const char *signal;                     /* raw value of the password signal, NULL: absent */
        const uint64_t *marks; /* membership of Config.groups: MARKS_WORDS(n_groups) words */
        /* The way through groups in groups, PERSON_WAYS_MAX bytes at most: a line for each of Config.groups
         * that the person isn't in by name, with the groups from there down to the one that names the
         * person, tabs between them; NULL: none. A People lacks it: store_person_ways(). */
        const char *ways;
        /* Known from the store alone: */
        bool present;                           /* seen in the last complete read */
        usec_t absent_for;                      /* grown over complete reads without the person */
} Person;

#define MARKS_WORDS(n_groups) (((n_groups) + 63) / 64)
static inline bool marks_test(const uint64_t *marks, size_t group) {
        return marks[group / 64] >> (group % 64) & 1;
}
static inline void marks_set(uint64_t *marks, size_t group) {
        marks[group / 64] |= UINT64_C(1) << (group % 64);
}

/* "login", "email", "first_name", …: the names of the configuration keys. */
const char *person_field_to_string(PersonField f);

/* A fingerprint over everything a reader delivers (not present, absent_for): 64 bits of SipHash, the same
 * on every machine and in every version. Equal people have equal ones. */
uint64_t person_fingerprint(const Person *p, size_t n_groups);

/* People with the memory they stand in. */
typedef struct People {
        Person *items;
        size_t n, size;
        Arena *arena;
} People;
People *people_new(void);
People *people_free(People *people);
DEFINE_CLEANUP(People *, people_free);
/* Copies p with all it points to, but for its ways; marks NULL: none is set. 0, -ENOMEM. */
int people_add(People *people, const Person *p, size_t n_groups);
/* Index of the items by id; the items must not move while it is used. The first of several with one id
 * counts. 0, -ENOMEM. */
int people_index(const People *people, StrIndex *ret);
