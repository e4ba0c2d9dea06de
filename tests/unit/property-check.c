/* SPDX-License-Identifier: Apache-2.0 */
/* What must be true of every plan, told without the code that made it. */
#include <string.h>
#include <strings.h>

#include "model/address.h"
#include "property.h"

/* ---- facts, told plainly ---- */

static const Person *person_of(const World *w, const char *id) {
        for (size_t i = 0; i < w->n_people; i++)
                if (str_eq(w->people[i].id, id))
                        return &w->people[i];
        return NULL;
}

/* The listing needn't have its account yet. */
static bool is_young(const World *w, const Link *l) {
        return l->since > w->begun || w->begun - l->since < 10 * USEC_PER_MINUTE;
}

const Account *world_account(const World *w, const char *id) {
        for (size_t i = 0; i < w->n_accounts; i++)
                if (str_eq(w->accounts[i].remote_id, id))
                        return &w->accounts[i];
        return NULL;
}

static size_t accounts_with_key(const World *w, const char *key) {
        size_t n = 0;

        for (size_t i = 0; i < w->n_accounts; i++)
                n += key && str_eq(world_key(w->accounts[i].address), key);
        return n;
}

/* The link of a person, or of an account; n_links: none, or (n > 1) several. */
const Link *world_link(const World *w, const char *person, const char *remote_id, size_t *ret_n) {
        const Link *found = NULL;
        size_t n = 0;

        for (size_t i = 0; i < w->n_links; i++)
                if (person ? str_eq(w->links[i].person, person) : str_eq(w->links[i].remote_id, remote_id)) {
                        found = &w->links[i];
                        n++;
                }
        if (ret_n)
                *ret_n = n;
        return found;
}

static bool in_group(const Person *p, int group) {
        return group < 0 || *p->marks >> group & 1;
}

bool world_wants(const World *w, const Person *p, const char **ret_role) {
        bool member = w->target.n_groups == 0;

        for (size_t i = 0; i < w->target.n_groups; i++)
                member |= in_group(p, w->target.groups[i]);
        *ret_role = NULL;
        for (size_t i = w->target.n_roles; i > 0; i--)
                if (in_group(p, w->target.roles[i - 1].group))
                        *ret_role = w->target.roles[i - 1].role;
        return p->present && !p->disabled && member && (w->target.n_roles == 0 || *ret_role);
}

static bool readable(const Person *p, PersonField f) {
        return !(p->unreadable >> f & 1) && !str_empty(p->field[f]);
}

static const char *person_key(const Person *p) {
        return readable(p, PERSON_EMAIL) ? world_key(p->field[PERSON_EMAIL]) : NULL;
}

static bool same_thing(const World *w, const Person *p, const Person *q) {
        const char *key = person_key(p);

        if (p == q || !p->present || !q->present)
                return false;
        if (key && str_eq(key, person_key(q)))
                return true;
        return w->can.needs_login && readable(p, PERSON_LOGIN) && readable(q, PERSON_LOGIN) &&
               strcasecmp(p->field[PERSON_LOGIN], q->field[PERSON_LOGIN]) == 0;
}

/* Must be left alone: a required attribute is missing or unreadable, or somebody else has the address. */
static bool must_block(const World *w, const Person *p) {
        if (!p->present)
                return false;
        if (!person_key(p) || (w->can.needs_login && !readable(p, PERSON_LOGIN)) ||
            (w->can.needs_names && !(readable(p, PERSON_FIRST_NAME) && readable(p, PERSON_LAST_NAME))))
                return true;
        for (size_t i = 0; i < w->n_people; i++)
                if (same_thing(w, p, &w->people[i]))
                        return true;
        return false;
}

static bool is_protected(const World *w, const char *text) {
        for (size_t i = 0; text && i < w->target.n_protect; i++)
                if (address_matches(w->target.protect[i], text))
                        return true;
        return false;
}

static bool has_role(const Account *a, const char *role) {
        bool has = str_eq(a->role, role);

        for (size_t i = 0; i < a->n_roles; i++)
                has |= str_eq(a->roles[i], role);
        return has;
}

static bool is_active(const Account *a) {
        return !a->disabled && (!a->status || !str_eq(a->status, "Pending"));
}

static bool is_gone(const World *w, const Link *l) {
        const Person *p = person_of(w, l->person);

        return !p || !p->present;
}

static bool is_ambiguous(const World *w, const Link *l) {
        size_t persons, accounts;

        (void) world_link(w, l->person, NULL, &persons);
        (void) world_link(w, NULL, l->remote_id, &accounts);
        return persons > 1 || accounts > 1;
}

/* May the person be the link's, under another id? Numbers that several links have count only where sure
 * is false. */
static bool may_be(const World *w, const Person *p, const Link *l, bool sure) {
        const Account *a = world_account(w, l->remote_id);
        const char *key = person_key(p);
        size_t same = 0;

        if (!a || !is_gone(w, l) || is_ambiguous(w, l))
                return false;
        if (key && (str_eq(l->address, key) || str_eq(world_key(a->address), key)))
                return true;
        if (!readable(p, PERSON_EMPLOYEE_NUMBER) ||
            !str_eq(l->employee_number, p->field[PERSON_EMPLOYEE_NUMBER]))
                return false;
        for (size_t i = 0; i < w->n_links; i++)
                same += is_gone(w, &w->links[i]) && !is_ambiguous(w, &w->links[i]) &&
                        world_account(w, w->links[i].remote_id) &&
                        str_eq(w->links[i].employee_number, l->employee_number);
        return !sure || same == 1;
}

/* ---- what must be true ---- */

typedef const char *(*check_fn)(const World *w, const Plan *plan, const Action *a);

static bool touches(const Action *a) {
        return a->kind != ACTION_CREATE && a->kind != ACTION_ADOPT && a->kind != ACTION_RELINK;
}

static bool removes(const Action *a) {
        return a->kind == ACTION_DELETE || a->kind == ACTION_DISABLE;
}

static const char *check_ownership(const World *w, const Plan *plan, const Action *a) {
        const Account *account = world_account(w, a->remote_id);
        size_t persons, accounts;
        const Link *l = world_link(w, a->person, NULL, &persons);
        const Link *of_account = world_link(w, NULL, a->remote_id, &accounts);

        (void) plan;
        if (touches(a) && (!account || !l || l != of_account || persons > 1 || accounts > 1))
                return "an account is touched without a link";
        if (a->kind == ACTION_ADOPT &&
            (!account || of_account || accounts_with_key(w, world_key(account->address)) != 1 ||
             !str_eq(world_key(account->address), person_key(person_of(w, a->person)))))
                return "an account is adopted that isn't the person's, or isn't free";
        if (a->kind == ACTION_RELINK &&
            (l || !of_account || accounts > 1 || !is_gone(w, of_account) || !plan->has_relink))
                return "a link is taken over that isn't free";
        if ((a->kind == ACTION_UPDATE || a->kind == ACTION_RECREATE) && a->after.address &&
            !str_eq(world_key(a->after.address), world_key(account->address)) &&
            accounts_with_key(w, world_key(a->after.address)) > 0)
                return "an account gets an address that another one has";
        if (a->kind == ACTION_CREATE &&
            (a->remote_id || accounts_with_key(w, person_key(person_of(w, a->person)))))
                return "an account is created that exists";
        return NULL;
}

static const char *check_protected(const World *w, const Plan *plan, const Action *a) {
        const Account *account = world_account(w, a->remote_id);
        const Link *l = a->remote_id ? world_link(w, NULL, a->remote_id, NULL) : NULL;

        (void) plan;
        if (is_protected(w, world_key(a->address)) ||
            (account && is_protected(w, world_key(account->address))) ||
            (account && is_protected(w, account->login)) || (l && is_protected(w, l->address)))
                return "a protected account is touched";
        if (w->own_login && account &&
            (str_eq(account->login, w->own_login) || str_eq(a->remote_id, w->own_login)))
                return "the API's own user is touched";
        return NULL;
}

static bool takes(const Action *a, const char *role) {
        AccountState after = a->after;

        if (action_kind_is_destructive(a->kind))
                return true;
        return a->kind == ACTION_UPDATE && (after.role || after.roles) &&
               !has_role(&(Account){ .role = after.role, .roles = after.roles, .n_roles = after.n_roles },
                         role);
}

static const char *check_last_of(const World *w, const Plan *plan, const Action *a) {
        const Account *account = world_account(w, a->remote_id);

        for (size_t k = 0; account && k < w->target.n_last_of; k++) {
                const char *role = w->target.last_of[k];
                size_t left = 0;

                if (!has_role(account, role) || !takes(a, role))
                        continue;
                for (size_t i = 0; i < w->n_accounts; i++) {
                        const Account *other = &w->accounts[i];
                        bool stays = has_role(other, role) && is_active(other);

                        for (size_t n = 0; n < plan->n_actions; n++)
                                stays &= !(str_eq(plan->actions[n].remote_id, other->remote_id) &&
                                           takes(&plan->actions[n], role));
                        for (size_t n = 0; n < w->n_queued; n++)
                                stays &= !(str_eq(w->queued[n].remote_id, other->remote_id) &&
                                           takes(&w->queued[n], role));
                        left += stays;
                }
                if (left == 0)
                        return "the last active account of a role is taken away";
        }
        return NULL;
}

static const char *check_blocked(const World *w, const Plan *plan, const Action *a) {
        const Person *p = person_of(w, a->person);
        const Link *l = a->remote_id ? world_link(w, NULL, a->remote_id, NULL) : NULL;

        if (p && must_block(w, p))
                return "something is asked for a person who must be blocked";
        p = l ? person_of(w, l->person) : NULL;
        if (p && must_block(w, p))
                return "the account of a person who must be blocked is touched";
        for (size_t i = 0; i < plan->n_blocked; i++)
                if (str_eq(plan->blocked[i].person, a->person))
                        return "something is asked for a blocked person";
        return NULL;
}

static const char *check_absence(const World *w, const Plan *plan, const Action *a) {
        const Person *p = person_of(w, a->person);
        bool role = a->kind == ACTION_UPDATE && !(str_eq(a->before.role, a->after.role) || !a->after.role);

        (void) plan;
        if (w->absence_proven || (removes(a) && p && p->present && p->disabled))
                return NULL;
        if (removes(a) || a->kind == ACTION_RECREATE || a->kind == ACTION_RELINK || role)
                return "something is taken away though absence isn't proven";
        return NULL;
}

static const char *check_leaving(const World *w, const Plan *plan, const Action *a) {
        const Person *p = person_of(w, a->person);
        const Link *l = world_link(w, a->person, NULL, NULL);
        usec_t out;
        const char *role;

        (void) plan;
        if (!removes(a))
                return NULL;
        if (p && world_wants(w, p, &role))
                return "the account of somebody who belongs here is taken away";
        if ((a->kind == ACTION_DELETE) != (w->target.leave == LEAVE_DELETE) || w->target.leave == LEAVE_KEEP)
                return "leavers aren't treated as configured";
        out = l ? l->out_for : 0;
        if (p && !p->present && p->absent_for > out)
                out = p->absent_for;
        if (a->kind == ACTION_DELETE && out < w->target.leave_grace)
                return "an account is deleted within the grace";
        for (size_t i = 0; l && i < w->n_people; i++) {
                const Person *q = &w->people[i];

                if (world_wants(w, q, &role) && !world_link(w, q->id, NULL, NULL) && may_be(w, q, l, true))
                        return "an account is taken away that may be somebody's under a new id";
        }
        return NULL;
}

static const char *check_allowed(const World *w, const Plan *plan, const Action *a) {
        const Capabilities *can = &w->can;
        const bool allowed[_ACTION_KIND_MAX] = {
                [ACTION_CREATE] = can->create && w->target.create,
                [ACTION_ADOPT] = w->target.adopt == ADOPT_EMAIL,
                [ACTION_RECREATE] = can->recreate,
                [ACTION_UPDATE] = can->role_update || can->name_update,
                [ACTION_ENABLE] = can->disable || can->unlock,
                [ACTION_DISABLE] = can->disable,
                [ACTION_DELETE] = can->delete,
                [ACTION_RELINK] = true,
        };

        (void) plan;
        return allowed[a->kind] ? NULL : "something is asked for that isn't allowed";
}

/* Enabled is what is disabled, where that is ours to decide; unlocked what a directory's lock left. */
static const char *check_enabling(const World *w, const Plan *plan, const Action *a) {
        const Account *account = world_account(w, a->remote_id);
        const Link *l = world_link(w, a->person, NULL, NULL);

        (void) plan;
        if (a->kind != ACTION_ENABLE)
                return NULL;
        if (str_eq(a->after.status, "enabled"))
                return account->disabled && w->can.disable && w->target.leave == LEAVE_DISABLE ? NULL :
                       "an account is enabled that isn't ours to enable";
        return str_eq(a->after.status, "unlocked") && !account->disabled && account->locked &&
               w->can.unlock && l->was_disabled ? NULL : "a lock is lifted that isn't the directory's";
}

static const char *check_joining(const World *w, const Plan *plan, const Action *a) {
        const Person *p = person_of(w, a->person);
        const Link *l = world_link(w, a->person, NULL, NULL);
        const char *role;

        if (removes(a))
                return NULL;
        if (!p || !world_wants(w, p, &role))
                return "an account is given to somebody who doesn't belong here";
        if (a->has_after && a->kind != ACTION_ENABLE &&
            !(a->kind == ACTION_UPDATE && str_eq(a->after.role, a->before.role)) &&
            (!a->after.role != !role || (role && strcasecmp(a->after.role, role) != 0)))
                return "somebody gets another role than the first row that matches says";
        if (a->kind != ACTION_CREATE && a->kind != ACTION_ADOPT)
                return NULL;
        if (l && (world_account(w, l->remote_id) || is_young(w, l)))
                return "somebody who has an account gets another";
        if (a->kind == ACTION_CREATE && l &&
            (w->target.gone == GONE_REPORT || plan->has_gone_create != (w->target.gone == GONE_HOLD)))
                return "a gone account isn't treated as configured";
        for (size_t i = 0; !l && i < w->n_links; i++)
                if (may_be(w, p, &w->links[i], false))
                        return "an account is given to somebody who may be known under another id";
        return NULL;
}

static const check_fn checks[] = {
        check_ownership, check_protected, check_last_of, check_blocked,
        check_absence,   check_leaving,   check_allowed, check_joining, check_enabling,
};

/* Both sides of a pair are blocked, by name. */
static const char *check_duplicates(const World *w, const Plan *plan) {
        const char *role;

        for (size_t i = 0; i < w->n_people; i++)
                for (size_t k = 0; k < w->n_people; k++) {
                        const Person *p = &w->people[i], *q = &w->people[k];
                        bool found = false;

                        if (!same_thing(w, p, q) || !(world_wants(w, p, &role) || world_wants(w, q, &role)))
                                continue;
                        for (size_t n = 0; n < plan->n_blocked; n++)
                                found |= str_eq(plan->blocked[n].person, p->id) &&
                                         (strstr(plan->blocked[n].reason, q->dn) ||
                                          strstr(plan->blocked[n].reason, "more") ||
                                          strstr(plan->blocked[n].reason, "also that of"));
                        if (!found)
                                return "a duplicate isn't blocked by name";
                }
        return NULL;
}

/* Nobody is forgotten: who belongs here has an account, gets one, or the plan says why not. And leavers
 * likewise. */
static const char *check_complete(const World *w, const Plan *plan) {
        for (size_t i = 0; i < w->n_people + w->n_links; i++) {
                const Link *tie = i < w->n_people ? NULL : &w->links[i - w->n_people];
                const char *id = tie ? tie->person : w->people[i].id, *role;
                const Person *p = person_of(w, id);
                bool belongs = p && world_wants(w, p, &role), told = false;
                const Link *l = tie ?: world_link(w, id, NULL, NULL);
                const Account *a = l ? world_account(w, l->remote_id) : NULL;

                if (belongs ? a || (l && is_young(w, l))
                            : !a || (a->disabled && w->target.leave == LEAVE_DISABLE))
                        continue;
                for (size_t n = 0; n < plan->n_actions; n++)
                        told |= str_eq(plan->actions[n].person, id);
                for (size_t n = 0; n < plan->n_notes; n++)
                        told |= str_eq(plan->notes[n].person, id);
                for (size_t n = 0; n < plan->n_blocked; n++)
                        told |= str_eq(plan->blocked[n].person, id);
                if (!told)
                        return "somebody is forgotten";
        }
        return NULL;
}

static const char *check_form(const World *w, const Plan *plan) {
        char hash[PLAN_HASH_LEN + 1];

        for (size_t i = 0; i < plan->n_actions; i++)
                for (size_t k = 0; k < i; k++) {
                        const Action *a = &plan->actions[i], *b = &plan->actions[k];

                        if (str_eq(a->person, b->person))
                                return "a person has two actions";
                        if (a->remote_id && str_eq(a->remote_id, b->remote_id))
                                return "an account has two actions";
                        if (action_compare(b, a) >= 0)
                                return "the actions are out of order";
                }
        if (plan_hash(w->target.name, plan->actions, plan->n_actions, hash) != 0 ||
            strcmp(hash, plan->hash) != 0)
                return "the hash is another plan's";
        return NULL;
}

const char *world_check_alone(const World *w, const Action *a) {
        const Link *l = world_link(w, a->person, NULL, NULL);
        const Plan nothing = { 0 };

        if (touches(a) && (!l || !a->remote_id || !str_eq(l->remote_id, a->remote_id)))
                return "an account is touched without a link";
        return check_protected(w, &nothing, a) ?: check_last_of(w, &nothing, a);
}

const char *world_check(const World *w, const Plan *plan) {
        const char *why = check_form(w, plan) ?: check_duplicates(w, plan) ?: check_complete(w, plan);

        for (size_t i = 0; !why && i < plan->n_actions; i++)
                for (size_t k = 0; !why && k < ELEMENTSOF(checks); k++)
                        why = checks[k](w, plan, &plan->actions[i]);
        return why;
}
