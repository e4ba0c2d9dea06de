/* SPDX-License-Identifier: Apache-2.0 */
#include "model/belong.h"

bool belong_in_group(const Person *p, size_t n_groups, int group) {
        if (group < 0)
                return true;
        return p->marks && (size_t) group < n_groups && marks_test(p->marks, (size_t) group);
}

static int find_group(const TargetConfig *target, size_t n_groups, const Person *p) {
        for (size_t i = 0; i < target->n_groups; i++)
                if (belong_in_group(p, n_groups, target->groups[i]))
                        return target->groups[i];
        return -1;
}

static size_t find_role(const TargetConfig *target, size_t n_groups, const Person *p) {
        size_t i = 0;

        while (i < target->n_roles && !belong_in_group(p, n_groups, target->roles[i].group))
                i++;
        return i;
}

Belong belong_at(const TargetConfig *target, size_t n_groups, const Person *p) {
        Belong b = { .group = -1, .role = target->n_roles };

        if (!p->present)
                b.state = BELONG_NOT_PRESENT;
        else if (p->disabled)
                b.state = BELONG_DISABLED;
        if (b.state != BELONG_YES)
                return b;
        b.group = find_group(target, n_groups, p);
        if (target->n_groups > 0 && b.group < 0) {
                b.state = BELONG_NO_GROUP;
                return b;
        }
        b.role = find_role(target, n_groups, p);
        if (target->n_roles > 0 && b.role == target->n_roles)
                b.state = BELONG_NO_ROLE;
        return b;
}
