/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/address.h"
#include "model/belong.h"
#include "model/diff-internal.h"
#include "model/revert.h"

typedef struct Revert {
        const RevertInput *in;
        const Action *done;
        const Account *account;         /* the action's, as it is listed now; NULL: not there */
        Action result;
        const char *why;
} Revert;

/* Stated, and none. */
static const char *const no_roles[] = { NULL };

static int refuse(Revert *r, const char *why) {
        r->why = why;
        return REVERT_E_CANT;
}

/* ---- has anything changed since? ---- */

static bool same_key(const char *address, const char *key) {
        char buf[ADDRESS_MAX + 1];

        return key && address_key_buf(address, buf, NULL) == 0 && strcmp(buf, key) == 0;
}

static bool same_label(const char *a, const char *b) {
        return a && b && strcasecmp(a, b) == 0;
}

static bool has_exactly(const Account *a, const AccountState *s) {
        if (a->n_roles != s->n_roles)
                return false;
        for (size_t i = 0; i < s->n_roles; i++)
                if (!account_has_role(a, s->roles[i]))
                        return false;
        return true;
}

/* Names don't count: some APIs answer empty ones, and people change their own. */
static bool is_as_left(const Account *a, const Action *done) {
        const AccountState *after = &done->after;

        if (!done->has_after || a->disabled != str_eq(after->status, "disabled"))
                return false;
        if (after->role && !same_label(a->role, after->role))
                return false;
        if (after->roles && !has_exactly(a, after))
                return false;
        return !after->address || same_key(after->address, a->key);
}

/* The account is ours, this person's, and as the action left it. */
static int find_account(Revert *r) {
        const RevertInput *in = r->in;
        const char *id = r->done->remote_id;

        if (!in->link || !str_eq(in->link->remote_id, id))
                return refuse(r, "the account isn't linked to this person any more");
        r->account = accounts_by_id(in->accounts, id);
        if (!r->account)
                return refuse(r, "the account isn't there any more");
        if (!is_as_left(r->account, r->done))
                return refuse(r, "the account was changed since");
        return 0;
}

/* ---- results ---- */

static void begin(Revert *r, ActionKind kind) {
        const Account *a = r->account;

        r->result = (Action){
                .kind = kind,
                .person = r->done->person,
                .address = a->address ?: r->done->address,
                .remote_id = a->remote_id,
                .has_before = true,
        };
        diff_state_of_account(a, &r->result.before);
}

/* As when somebody leaves. */
static int disable(Revert *r) {
        begin(r, ACTION_DISABLE);
        r->result.before.status = r->account->disabled ? "disabled" : "enabled";
        r->result.has_after = true;
        r->result.after.status = "disabled";
        if (r->in->capabilities->disable_takes_roles)
                r->result.after.roles = no_roles;
        return 0;
}

static int of_create(Revert *r) {
        int q = find_account(r);

        if (q != 0)
                return q;
        if (r->in->capabilities->delete) {
                begin(r, ACTION_DELETE);
                return 0;
        }
        return r->in->capabilities->disable ? disable(r)
                                            : refuse(r, "the API can neither delete nor disable");
}

static int of_enable(Revert *r) {
        int q = find_account(r);

        if (q != 0)
                return q;
        if (!str_eq(r->done->before.status, "disabled"))
                return refuse(r, "a lock can't be put back");
        return disable(r);
}


static const char *name_of(const Revert *r, const char *before, PersonField f) {
        const Person *p = r->in->person;

        if (!str_empty(before))
                return before;
        return p && !(p->unreadable >> f & 1) && !str_empty(p->field[f]) ? p->field[f] : NULL;
}

static int fill_created(Revert *r) {
        const AccountState *before = &r->done->before;
        AccountState *after = &r->result.after;

        *after = *before;
        after->status = NULL;
        after->first_name = name_of(r, before->first_name, PERSON_FIRST_NAME);
        after->last_name = name_of(r, before->last_name, PERSON_LAST_NAME);
        if (str_empty(after->timezone))
                after->timezone = str_empty(r->in->target->timezone) ? NULL : r->in->target->timezone;
        if (r->in->capabilities->needs_names && (!after->first_name || !after->last_name))
                return refuse(r, "the API wants a name, and neither history nor directory has one");
        if (r->in->capabilities->has_roles && str_empty(after->role))
                return refuse(r, "the history doesn't say which role it had");
        return 0;
}

static int of_delete(Revert *r) {
        const RevertInput *in = r->in;
        char key[ADDRESS_MAX + 1];

        if (in->link)
                return refuse(r, "the person has an account here again");
        if (!r->done->has_before || str_empty(r->done->before.address))
                return refuse(r, "the history doesn't say how the account was");
        /* What is no address can't be held against others. */
        if (address_key_buf(r->done->before.address, key, NULL) != 0)
                return refuse(r, "its address isn't one");
        if (accounts_by_key(in->accounts, key))
                return refuse(r, "an account with this address is there again");
        if (!in->capabilities->create || !in->target->create)
                return refuse(r, "accounts aren't created here");
        r->result = (Action){
                .kind = ACTION_CREATE,
                .person = r->done->person,
                .address = r->done->before.address,
                .has_after = true,
        };
        return fill_created(r);
}

/* What the action stated, with the values from before. */
static void fill_before(Revert *r) {
        const AccountState *before = &r->done->before;
        AccountState *after = &r->result.after;

        *after = r->done->after;
        after->role = after->role ? before->role : NULL;
        if (after->roles) {
                after->roles = before->roles ?: no_roles;
                after->n_roles = before->n_roles;
        }
        if (r->done->kind == ACTION_RECREATE)
                return;
        after->address = before->address ?: after->address;
        after->first_name = before->first_name ?: after->first_name;
        after->last_name = before->last_name ?: after->last_name;
}

/* In mid-recreate it would be given up for somebody who has left. */
static bool belongs(const Revert *r) {
        const Person *p = r->in->person;

        return p && diff_person_belongs(r->in->target, r->in->n_groups, p);
}

static int of_change(Revert *r) {
        int q = find_account(r);

        if (q != 0)
                return q;
        if (!r->done->has_before)
                return refuse(r, "the history doesn't say how the account was");
        if (r->done->kind == ACTION_RECREATE && !belongs(r))
                return refuse(r, "the person doesn't belong here any more");
        begin(r, r->done->kind);
        r->result.has_after = true;
        fill_before(r);
        if (r->done->kind == ACTION_RECREATE && str_empty(r->result.after.role))
                return refuse(r, "the history doesn't say which role it had");
        return 0;
}

static int of_disable(Revert *r) {
        const AccountState *before = &r->done->before;
        int q = find_account(r);

        if (q != 0)
                return q;
        if (!r->done->has_before || str_eq(before->status, "disabled"))
                return refuse(r, "the account was disabled before");
        begin(r, ACTION_ENABLE);
        r->result.before.status = "disabled";
        r->result.has_after = true;
        r->result.after.status = "enabled";
        if (r->in->capabilities->disable_takes_roles && before->n_roles > 0) {
                r->result.after.roles = before->roles;
                r->result.after.n_roles = before->n_roles;
        }
        return 0;
}

static bool is_reversible(ActionKind k) {
        return k != ACTION_ADOPT && k != ACTION_RESET && k != ACTION_RELINK;
}

static int invert(Revert *r) {
        switch (r->done->kind) {
        case ACTION_CREATE:
                return of_create(r);
        case ACTION_DELETE:
                return of_delete(r);
        case ACTION_RECREATE:
        case ACTION_UPDATE:
                return of_change(r);
        case ACTION_DISABLE:
                return of_disable(r);
        case ACTION_ENABLE:
                return of_enable(r);
        case ACTION_ADOPT:
                return refuse(r, "the account was there before, and was only linked: to have it left alone, "
                               "put its address into protect");
        case ACTION_RESET:
                return refuse(r, "a password can't be put back");
        default:
                return refuse(r, "what this did can't be taken back");
        }
}

/* ---- the whole ---- */

static int ask_invariants(Revert *r) {
        const InvariantInput ask = {
                .target = r->in->target,
                .own_login = r->in->own_login,
                .action = &r->result,
                .account = r->account,
                .link = r->in->link,
                .last_of = r->in->last_of,
        };
        const char *breach = invariant_breach(&ask, NULL);

        if (!(r->in->kinds >> r->result.kind & 1))
                return refuse(r, "the API can't");
        return breach ? refuse(r, breach) : 0;
}

/* The plan may be the one that asked for it, and be carried out since: held against the account, which is as
 * the action left it, no later plan would ask for the same. */
static bool is_the_same_wish(const Action *a, const Action *b) {
        return a->kind == b->kind && str_eq(a->address, b->address) && a->has_before == b->has_before &&
               a->has_after == b->has_after && account_state_equal(&a->before, &b->before) &&
               account_state_equal(&a->after, &b->after);
}

static int say_asked(Revert *r, Arena *arena) {
        static const char text[] = "a plan asks for \"%s\" of this person already: see idsyncctl explain";
        const char *kind = action_kind_to_string(r->in->asked->kind);
        size_t size = sizeof(text) + strlen(kind);
        char *why = arena_alloc(arena, size);

        if (!why)
                return -ENOMEM;
        snprintf(why, size, text, kind);
        return refuse(r, why);
}

int revert_action(const RevertInput *in, const Action *done, Arena *arena, Action *ret,
                  const char **ret_why) {
        Revert r = { .in = in, .done = done };
        int q;

        if (is_reversible(done->kind) && in->hindrance)
                q = refuse(&r, in->hindrance);
        else if (is_reversible(done->kind) && in->asked && !is_the_same_wish(in->asked, done))
                q = say_asked(&r, arena);
        else
                q = invert(&r);
        if (q == 0)
                q = ask_invariants(&r);
        if (q == 0) {
                last_of_take(in->last_of, &r.result);
                *ret = r.result;
        } else if (q == REVERT_E_CANT)
                *ret_why = r.why;
        return q;
}

/* ---- until when ---- */

static void put_groups(const Person *p, size_t n_groups, const int *groups, size_t n, StrBuf *out) {
        for (size_t i = 0; i < n; i++)
                strbuf_putc(out, belong_in_group(p, n_groups, groups[i]) ? '1' : '0');
}

void revert_basis(const TargetConfig *target, size_t n_groups, const Person *p, StrBuf *out) {
        if (!p || !p->present) {
                strbuf_puts(out, "absent\n");
                return;
        }
        strbuf_printf(out, "disabled %d\nunreadable %u\nmarks ", p->disabled, p->unreadable);
        put_groups(p, n_groups, target->groups, target->n_groups, out);
        for (size_t i = 0; i < target->n_roles; i++)
                put_groups(p, n_groups, &target->roles[i].group, 1, out);
        for (size_t i = 0; i < target->n_applications; i++)
                put_groups(p, n_groups, &target->applications[i].group, 1, out);
        for (PersonField f = 0; f < _PERSON_FIELD_MAX; f++) {
                strbuf_putc(out, '\n');
                strbuf_json(out, p->field[f]);
        }
        strbuf_putc(out, '\n');
}

void revert_account(const Accounts *accounts, const Person *person, const Link *link, StrBuf *out) {
        char key[ADDRESS_MAX + 1];
        const Account *a = link ? accounts_by_id(accounts, link->remote_id) : NULL;

        if (!a && person && person->field[PERSON_EMAIL] &&
            address_key_buf(person->field[PERSON_EMAIL], key, NULL) == 0)
                a = accounts_by_key(accounts, key);
        if (!a) {
                strbuf_puts(out, "none");
                return;
        }
        strbuf_json(out, a->remote_id);
        strbuf_json(out, a->key);
        strbuf_json(out, a->role);
        strbuf_putc(out, a->disabled ? '0' : '1');
        for (size_t i = 0; i < a->n_roles; i++)
                strbuf_json(out, a->roles[i]);
}
