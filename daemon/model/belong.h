/* SPDX-License-Identifier: Apache-2.0 */
/* Who belongs at a target, and if not, why. Says nothing of people who are blocked. */
#pragma once

#include "config/config.h"
#include "model/person.h"

typedef enum BelongState {
        BELONG_YES,
        BELONG_NOT_PRESENT,
        BELONG_DISABLED,
        BELONG_NO_GROUP,                /* in none of the target's groups */
        BELONG_NO_ROLE,                 /* matches no row of its roles */
} BelongState;

typedef struct Belong {
        BelongState state;
        int group;                      /* the first of the target's groups with the person; -1: none */
        size_t role;                    /* the first row of roles that matches; n_roles: none */
} Belong;

Belong belong_at(const TargetConfig *target, size_t n_groups, const Person *p);
/* Is the person in the group of a row? group: index into Config.groups; -1: everybody is. */
bool belong_in_group(const Person *p, size_t n_groups, int group);
