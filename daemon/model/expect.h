/* SPDX-License-Identifier: Apache-2.0 */
/* The expectations of the configuration, held against the people of the directory. Pure functions. */
#pragma once

#include "config/config.h"
#include "model/person.h"
#include "model/plan.h"

typedef struct ExpectInput {
        const Config *config;
        const TargetConfig *target;     /* its expectations alone are looked at */
        const People *people;
        const Plan *plan; /* of this target, made from these people: knows who is blocked; NULL: none is */
} ExpectInput;

/* One line for people each, which names file, line and content of the row, and says how it is:
 *
 *   FILE:57: expect[0]: alice@example.com should be "Full Admin" at umbrella, and would be "Read Only" by
 *   roles[1]
 *   FILE:58: expect[1]: bob is absent from umbrella: is disabled in the directory */
typedef struct Expected {
        const ExpectRule *rule;         /* of the configuration */
        bool holds;
        char *text;
} Expected;

typedef struct Expectations {
        Expected *items;                /* in the order of the file */
        size_t n;
        size_t n_failed;
} Expectations;
void expectations_deinit(Expectations *e);

/* What each expectation of the target comes to. `role` asks that the person belongs there, isn't blocked,
 * and gets that role: at a target with `roles` by the first row that matches, else by any matching row of
 * `applications`. `absent` asks that the person doesn't belong there; who isn't in the directory at all
 * doesn't. A row whose person can't be told from another fails either way. 0, -ENOMEM. One walk over the
 * people. */
int expect_examine(const ExpectInput *in, Expectations *ret);

/* The failed ones joined by "; ", the first few by their text, appended. */
void expect_put_failed(const Expectations *e, StrBuf *out);

/* Expectations of the target as text without place in the file: equal texts expect the same. Owned; NULL
 * when out of memory. */
char *expect_text(const Config *config, const TargetConfig *target);
