/* SPDX-License-Identifier: Apache-2.0 */
/* How an account is, how it shall be, and what lies between. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "model/belong.h"
#include "model/diff-internal.h"

void diff_state_of_account(const Account *a, AccountState *ret) {
        *ret = (AccountState){
                .address = a->address,
                .login = a->login,
                .first_name = a->first_name,
                .last_name = a->last_name,
                .timezone = a->timezone,
                .role = a->role,
                .roles = a->n_roles > 0 ? a->roles : NULL,
                .n_roles = a->n_roles,
        };
}

/* ---- application roles ---- */

static uint32_t find_managed(const Diff *d, const char *name) {
        size_t low = 0, high = d->n_managed;

        while (low < high) {
                size_t mid = low + (high - low) / 2;
                int r = strcmp(name, d->managed[mid]);

                if (r == 0)
                        return (uint32_t) mid;
                if (r < 0)
                        high = mid;
                else
                        low = mid + 1;
        }
        return NONE;
}

/* All rows that match, into d->wanted. */
static void fill_wanted(Diff *d, const Person *p) {
        memset(d->wanted, 0, d->n_managed);
        for (size_t i = 0; i < d->target->n_applications; i++) {
                const ApplicationRule *rule = &d->target->applications[i];

                if (!belong_in_group(p, d->in->n_groups, rule->group))
                        continue;
                for (size_t k = 0; k < rule->n_names; k++)
                        d->wanted[find_managed(d, rule->names[k])] = true;
        }
}

static bool applications_differ(Diff *d, const Person *p, const Account *a) {
        if (d->n_managed == 0)
                return false;
        fill_wanted(d, p);
        memset(d->has, 0, d->n_managed);
        for (size_t i = 0; i < a->n_roles; i++) {
                uint32_t k = find_managed(d, a->roles[i]);

                if (k != NONE)
                        d->has[k] = true;
        }
        return memcmp(d->wanted, d->has, d->n_managed) != 0;
}

static int compare_strings(const void *a, const void *b) {
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* Those that rows ask for, and those of the account that no row names. */
static int wanted_roles(Diff *d, const Person *p, const Account *a, AccountState *s) {
        size_t n_foreign = a ? a->n_roles : 0, n = 0;
        const char **roles;

        if (d->target->n_applications == 0)
                return 0;
        roles = arena_alloc(d->arena, (d->n_managed + n_foreign) * sizeof(*roles));
        if (!roles)
                return -ENOMEM;
        fill_wanted(d, p);
        for (size_t i = 0; i < d->n_managed; i++)
                if (d->wanted[i])
                        roles[n++] = d->managed[i];
        for (size_t i = 0; i < n_foreign; i++)
                if (find_managed(d, a->roles[i]) == NONE)
                        roles[n++] = a->roles[i];
        if (n > 1)
                qsort(roles, n, sizeof(*roles), compare_strings);
        s->roles = roles;
        s->n_roles = n;
        return 0;
}

/* ---- the wanted state ---- */

/* The directory's own spelling without white space around it; NULL where it is blank. 0, -ENOMEM. */
static int trimmed(Diff *d, const char *s, const char **ret) {
        const uint8_t *start = (const uint8_t *) s, *end, *p;
        ucs4_t c;

        *ret = NULL;
        if (!s)
                return 0;
        end = start + strlen(s);
        while ((p = u8_next(&c, start)) && uc_is_property_white_space(c))
                start = p;
        while (end > start && (p = u8_prev(&c, end, start)) && uc_is_property_white_space(c))
                end = p;
        if (end == start)
                return 0;
        s = (const char *) start;
        *ret = *end == 0 ? s : arena_strndup(d->arena, s, (size_t) (end - start));
        return *ret ? 0 : -ENOMEM;
}

static int field(Diff *d, const Person *p, PersonField f, const char **ret) {
        *ret = NULL;
        return p->unreadable >> f & 1 ? 0 : trimmed(d, p->field[f], ret);
}

const char *diff_address(Diff *d, uint32_t person) {
        const char *address;

        return field(d, diff_person(d, person), PERSON_EMAIL, &address) < 0 ? NULL : address;
}

int diff_state_wanted(Diff *d, uint32_t person, const Account *account, AccountState *ret) {
        const Person *p = diff_person(d, person);
        AccountState s = { .role = d->rows[person].role };
        int r;

        r = field(d, p, PERSON_EMAIL, &s.address);
        if (r >= 0 && d->can->needs_login)
                r = field(d, p, PERSON_LOGIN, &s.login);
        if (r >= 0)
                r = field(d, p, PERSON_FIRST_NAME, &s.first_name);
        if (r >= 0)
                r = field(d, p, PERSON_LAST_NAME, &s.last_name);
        if (r >= 0)
                r = field(d, p, PERSON_TIMEZONE, &s.timezone);
        if (r >= 0)
                r = wanted_roles(d, p, account, &s);
        if (r < 0)
                return r;
        if (!s.timezone && !str_empty(d->target->timezone))
                s.timezone = d->target->timezone;
        /* An account keeps its login: another one would make a second account. */
        if (account && account->login)
                s.login = account->login;
        *ret = s;
        return 0;
}

/* ---- what lies between ---- */

/* As texts, whatever way they are composed; white space around them doesn't count. 1, 0, -ENOMEM. */
static int texts_differ(Diff *d, const char *a, const char *b) {
        _cleanup_(freep) uint8_t *na = NULL, *nb = NULL;
        size_t la, lb;

        if (strcmp(a, b) == 0)
                return 0;
        if (trimmed(d, a, &a) < 0 || trimmed(d, b, &b) < 0)
                return -ENOMEM;
        if (!a || !b)
                return a != b;
        na = u8_normalize(UNINORM_NFC, (const uint8_t *) a, strlen(a), NULL, &la);
        nb = u8_normalize(UNINORM_NFC, (const uint8_t *) b, strlen(b), NULL, &lb);
        if (!na || !nb)
                return -ENOMEM;
        return la != lb || memcmp(na, nb, la) != 0;
}

/* One text of the account that isn't the directory's. What either side doesn't state is no difference:
 * APIs answer empty names. */
static int compare_text(Diff *d, uint32_t person, const char *name, const char *ours, const char *theirs,
                        bool can_update, unsigned *changes) {
        int r;

        if (str_empty(ours) || str_empty(theirs))
                return 0;
        r = texts_differ(d, ours, theirs);
        if (r <= 0)
                return r;
        if (can_update) {
                *changes |= CHANGE_NAMES;
                return 0;
        }
        return plan_add_drift(d->plan, &(PlanDrift){ diff_person(d, person)->id,
                                                     diff_person(d, person)->dn, name, ours, theirs });
}

static int compare_field(Diff *d, uint32_t person, PersonField f, const char *theirs, bool can_update,
                         unsigned *changes) {
        const Person *p = diff_person(d, person);

        if (p->unreadable >> f & 1)
                return 0;
        return compare_text(d, person, person_field_to_string(f), p->field[f], theirs, can_update, changes);
}

static int compare_texts(Diff *d, uint32_t person, const Account *a, unsigned *changes) {
        const Row *row = &d->rows[person];
        bool update = d->can->name_update;
        int r = 0;

        if (!str_eq(row->key, a->key))
                r = compare_text(d, person, "email", diff_person(d, person)->field[PERSON_EMAIL], a->address,
                                 update, changes);
        if (r >= 0)
                r = compare_field(d, person, PERSON_FIRST_NAME, a->first_name, update, changes);
        if (r >= 0)
                r = compare_field(d, person, PERSON_LAST_NAME, a->last_name, update, changes);
        if (r >= 0)
                r = compare_field(d, person, PERSON_TIMEZONE, a->timezone, update, changes);
        if (r >= 0 && d->can->needs_login)
                r = compare_field(d, person, PERSON_LOGIN, a->login, false, changes);
        return r;
}

int diff_changes(Diff *d, uint32_t person, const Account *a, unsigned *ret) {
        const Row *row = &d->rows[person];
        const Person *p = diff_person(d, person);
        bool role = row->role && !str_empty(a->role) && strcasecmp(row->role, a->role) != 0;
        unsigned changes = 0;
        int r;

        r = compare_texts(d, person, a, &changes);
        if (r < 0)
                return r;
        if (role && (d->can->role_update || d->can->recreate))
                changes |= CHANGE_ROLE;
        else if (role) {
                r = plan_add_drift(d->plan, &(PlanDrift){ p->id, p->dn, "role", row->role, a->role });
                if (r < 0)
                        return r;
        }
        if (d->can->role_update && applications_differ(d, p, a))
                changes |= CHANGE_ROLE;
        if (a->disabled && d->can->disable && d->target->leave == LEAVE_DISABLE)
                changes |= CHANGE_DISABLED;
        else if (a->disabled) {
                r = plan_add_drift(d->plan, &(PlanDrift){ p->id, p->dn, "status", "enabled",
                                                          str_empty(a->status) ? "disabled" : a->status });
                if (r < 0)
                        return r;
        }
        if (a->locked && !a->disabled && d->can->unlock && row->link != NONE &&
            diff_link(d, row->link)->was_disabled)
                changes |= CHANGE_LOCKED;
        *ret = changes;
        return 0;
}
