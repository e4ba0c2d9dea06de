/* SPDX-License-Identifier: Apache-2.0 */
/* Whom somebody means, who writes an address, a login, a DN or a directory id. */
#pragma once

#include "base/error.h"
#include "model/person.h"

/* 0 and *ret (an item of people); WHO_E_UNKNOWN, WHO_E_SEVERAL with words in err; -ENOMEM. An id counts
 * before all else; who is remembered only (not present) is found like anybody. */
#define WHO_E_UNKNOWN 1
#define WHO_E_SEVERAL 2
int who_find(const People *people, const char *text, const Person **ret, ErrCtx *err);

/* The same for n texts, in one walk over the people. text is the caller's; the rest is filled in. 0,
 * -ENOMEM. */
typedef struct Who {
        const char *text;
        const Person *person;           /* NULL: nobody */
        const Person *other;            /* somebody else who fits as well; NULL: nobody does */
} Who;
int who_find_many(const People *people, Who *who, size_t n);
