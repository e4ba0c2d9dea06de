/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <strings.h>

#include "model/address.h"
#include "model/invariant.h"

struct LastOf {
        const TargetConfig *target;
        const Accounts *accounts;
        size_t *active;         /* per role of last_of */
        bool *going;            /* per account */
};

LastOf *last_of_free(LastOf *l) {
        if (!l)
                return NULL;
        free(l->active);
        free(l->going);
        free(l);
        return NULL;
}

LastOf *last_of_new(const TargetConfig *target, const Accounts *accounts, const Action *queued,
                    size_t n_queued) {
        _cleanup_(last_of_freep) LastOf *l = calloc(1, sizeof(*l));

        if (!l)
                return NULL;
        l->target = target;
        l->accounts = accounts;
        if (target->n_last_of == 0)
                return TAKE(l);
        l->active = calloc(target->n_last_of, sizeof(*l->active));
        l->going = calloc(accounts->n ?: 1, sizeof(*l->going));
        if (!l->active || !l->going)
                return NULL;
        for (size_t i = 0; i < accounts->n; i++)
                for (size_t k = 0; k < target->n_last_of; k++)
                        if (account_has_role(&accounts->items[i], target->last_of[k]) &&
                            account_is_active(&accounts->items[i]))
                                l->active[k]++;
        for (size_t i = 0; i < n_queued; i++)
                last_of_take(l, &queued[i]);
        return TAKE(l);
}

static bool state_has_role(const AccountState *s, const char *role) {
        if (s->role && strcasecmp(s->role, role) == 0)
                return true;
        for (size_t i = 0; i < s->n_roles; i++)
                if (strcasecmp(s->roles[i], role) == 0)
                        return true;
        return false;
}

/* Would an account that has the role be without it, if only for a while? */
static bool takes_role(const Action *a, const char *role) {
        if (action_kind_is_destructive(a->kind))
                return true;
        return a->kind == ACTION_UPDATE && a->has_after && (a->after.role || a->after.roles) &&
               !state_has_role(&a->after, role);
}

void last_of_take(LastOf *l, const Action *a) {
        const Account *account = l->target->n_last_of > 0 ? accounts_by_id(l->accounts, a->remote_id) : NULL;
        bool taken = false;

        if (!account || l->going[account - l->accounts->items] || !account_is_active(account))
                return;
        for (size_t k = 0; k < l->target->n_last_of && !taken; k++)
                taken = account_has_role(account, l->target->last_of[k]) &&
                        takes_role(a, l->target->last_of[k]);
        if (!taken)
                return;
        /* One that loses a role of several counts for none any more: this errs on the safe side. */
        l->going[account - l->accounts->items] = true;
        for (size_t k = 0; k < l->target->n_last_of; k++)
                if (account_has_role(account, l->target->last_of[k]))
                        l->active[k]--;
}

/* Active accounts with that role, without the one with that id. */
static size_t others(const LastOf *l, size_t role, const char *remote_id) {
        const Account *listed = accounts_by_id(l->accounts, remote_id);
        bool counted = listed && !l->going[listed - l->accounts->items] && account_is_active(listed) &&
                       account_has_role(listed, l->target->last_of[role]);

        return l->active[role] - counted;
}

static bool is_last(const InvariantInput *in) {
        for (size_t k = 0; k < in->target->n_last_of; k++) {
                const char *role = in->target->last_of[k];
                bool has = in->account ? account_has_role(in->account, role) :
                                         in->link && in->link->role && strcasecmp(in->link->role, role) == 0;

                if (has && takes_role(in->action, role) &&
                    others(in->last_of, k, in->action->remote_id) == 0)
                        return true;
        }
        return false;
}

static bool fits(const TargetConfig *target, const char *text) {
        for (size_t i = 0; text && i < target->n_protect; i++)
                if (address_matches(target->protect[i], text))
                        return true;
        return false;
}

/* A login, or an address as somebody wrote it. What is no address is held against the patterns as it is;
 * no memory for a key: protected. */
static bool fits_name(const TargetConfig *target, const char *name) {
        char key[ADDRESS_MAX + 1];

        if (!name || target->n_protect == 0)
                return false;
        switch (address_key_buf(name, key, NULL)) {
        case 0:
                return fits(target, key);
        case ADDRESS_E_INVALID:
                return fits(target, name);
        default:
                return true;
        }
}

static bool is_protected(const InvariantInput *in) {
        if (in->account && (fits(in->target, in->account->key) || fits_name(in->target, in->account->login)))
                return true;
        if (in->link && fits(in->target, in->link->address))
                return true;
        return fits_name(in->target, in->action->address);
}

static bool is_own_user(const InvariantInput *in) {
        const char *own = in->own_login;

        if (!own)
                return false;
        if (in->account && in->account->login && login_equal(in->account->login, own))
                return true;
        if (in->action->remote_id && login_equal(in->action->remote_id, own))
                return true;
        return in->action->has_after && in->action->after.login &&
               login_equal(in->action->after.login, own);
}

static bool link_allows(const InvariantInput *in) {
        const Action *a = in->action;

        switch (a->kind) {
        case ACTION_CREATE:
                return true;
        case ACTION_ADOPT:
                return a->remote_id && !in->link;
        case ACTION_RELINK:
                return in->link && str_eq(in->link->remote_id, a->remote_id) &&
                       !str_eq(in->link->person, a->person);
        case ACTION_RECREATE:
        case ACTION_UPDATE:
        case ACTION_ENABLE:
        case ACTION_DISABLE:
        case ACTION_DELETE:
        case ACTION_RESET:
                return in->link && a->remote_id && str_eq(in->link->remote_id, a->remote_id) &&
                       str_eq(in->link->person, a->person) &&
                       (!in->account || str_eq(in->account->remote_id, a->remote_id));
        case _ACTION_KIND_MAX:
                break;
        }
        return false;
}

const char *invariant_breach(const InvariantInput *in, PlanNoteKind *ret) {
        PlanNoteKind unused;

        ret = ret ?: &unused;
        if (!link_allows(in)) {
                *ret = NOTE_FOREIGN;
                return "no link ties the account to this person: it isn't ours";
        }
        if (is_protected(in)) {
                *ret = NOTE_PROTECTED;
                return "its address is in protect";
        }
        if (is_own_user(in)) {
                *ret = NOTE_OWN_USER;
                return "it is the API's own user";
        }
        if (is_last(in)) {
                *ret = NOTE_LAST_OF;
                return "it is the last active account of a role in last_of";
        }
        return NULL;
}
