/* SPDX-License-Identifier: Apache-2.0 */
/* Umbrella's answers: tokens, roles, accounts. */
#include <errno.h>
#include <inttypes.h>
#include <strings.h>

#include "base/strings.h"
#include "model/address.h"
#include "target/authorization.h"
#include "target/items.h"
#include "target/umbrella.h"

/* ---- tokens ---- */

#define LIFETIME_DEFAULT USEC_PER_HOUR
#define LIFETIME_MIN (30 * USEC_PER_SEC)
#define LIFETIME_MAX USEC_PER_DAY
/* Stands where the token stood; no token can look like it. */
#define TOKEN_MARK "*"

/* The value of the first member "access_token", as it stands in the text. */
static int find_token(const char *text, size_t len, const char **ret, size_t *ret_len, ErrCtx *err) {
        static const char name[] = "\"access_token\"";
        const char *end = text + len, *p = memmem(text, len, name, strlen(name)), *start;

        if (!p)
                return err_set(err, -EBADMSG, 0, "no access_token");
        p += strlen(name);
        while (p < end && strchr(" \t\r\n", *p) && *p)
                p++;
        if (p == end || *p++ != ':')
                return err_set(err, -EBADMSG, 0, "access_token has no value");
        while (p < end && strchr(" \t\r\n", *p) && *p)
                p++;
        if (p == end || *p++ != '"')
                return err_set(err, -EBADMSG, 0, "access_token is no string");
        for (start = p; p < end && bearer_has_char(*p); p++)
                ;
        if (p == end || *p != '"')
                return err_set(err, -EBADMSG, 0, "access_token can't stand in a header");
        *ret = start;
        *ret_len = (size_t) (p - start);
        return 0;
}

/* Lifetimes are advice: an expired token is recognised by the answer it gets. */
static usec_t read_lifetime(struct json_object *object) {
        uint64_t seconds = 0;
        bool found = false;
        usec_t lifetime;

        if (json_get_u64(object, "expires_in", &seconds, &found, NULL) < 0 || !found)
                return LIFETIME_DEFAULT;
        if (seconds > LIFETIME_MAX / USEC_PER_SEC)
                return LIFETIME_MAX;
        lifetime = seconds * USEC_PER_SEC;
        return lifetime < LIFETIME_MIN ? LIFETIME_MIN : lifetime;
}

/* text: the answer with TOKEN_MARK in the token's place. */
static int read_token_answer(const char *text, size_t len, usec_t *ret_lifetime, ErrCtx *err) {
        _cleanup_(json_object_putp) struct json_object *object = NULL;
        const char *token = NULL, *type = NULL;
        int r;

        r = json_read(text, len, &object, err);
        if (r < 0)
                return r;
        if (!json_object_is_type(object, json_type_object))
                return err_set(err, -EBADMSG, 0, "$ is no object");
        r = json_get_string(object, "access_token", &token, err);
        if (r < 0)
                return r;
        if (!str_eq(token, TOKEN_MARK))
                return err_set(err, -EBADMSG, 0, "access_token isn't where it should be");
        r = json_get_string(object, "token_type", &type, err);
        if (r < 0)
                return r;
        if (type && strcasecmp(type, "bearer") != 0)
                return err_set(err, -EBADMSG, 0, "token_type isn't \"bearer\"");
        *ret_lifetime = read_lifetime(object);
        return 0;
}

/* json-c leaves copies of what it parses in freed memory. So the token is taken out of the text first,
 * into the secret type, and the parser sees the rest alone; it then proves that the token stood where a
 * token must. */
int umbrella_decode_token(const HttpResult *result, Secret **ret_bearer, usec_t *ret_lifetime, ErrCtx *err) {
        _cleanup_(secret_freep) Secret *bearer = NULL;
        StrBuf rest = STRBUF_INIT(result->body_len + sizeof(TOKEN_MARK));
        const char *token = NULL;
        usec_t lifetime = 0;
        size_t len = 0;
        int r;

        r = find_token(result->body, result->body_len, &token, &len, err);
        if (r < 0)
                return r;
        strbuf_append(&rest, result->body, (size_t) (token - result->body));
        strbuf_puts(&rest, TOKEN_MARK);
        strbuf_append(&rest, token + len, result->body_len - (size_t) (token + len - result->body));
        r = rest.error ? rest.error : read_token_answer(rest.data, rest.len, &lifetime, err);
        strbuf_deinit(&rest);
        if (r < 0)
                return r;
        r = bearer_authorization(token, len, &bearer, err);
        if (r < 0)
                return r;
        *ret_bearer = TAKE(bearer);
        *ret_lifetime = lifetime;
        return 0;
}

/* ---- ids ---- */

/* A number, or a string of digits; never 0. */
static int read_id(struct json_object *object, const char *key, char ret[static UMBRELLA_ID_SIZE],
                   ErrCtx *err) {
        bool found = false;
        uint64_t id = 0;
        int r;

        r = json_get_u64(object, key, &id, &found, err);
        if (r < 0)
                return r;
        if (!found || id == 0)
                return err_set(err, -EBADMSG, 0, "$.%s is %s", key, found ? "0" : "missing");
        snprintf(ret, UMBRELLA_ID_SIZE, "%" PRIu64, id);
        return 0;
}

/* ---- roles ---- */

/* The same role twice is one; one label for two ids can't be chosen from. */
static int check_label(const Roles *roles, const char *label, const char *id, bool *ret_known, ErrCtx *err) {
        for (size_t i = 0; i < roles->n; i++) {
                if (!str_eq(roles->items[i].label, label))
                        continue;
                if (!str_eq(roles->items[i].id, id))
                        return err_set(err, -EBADMSG, 0, "$.label \"%.100s\" belongs to the roles %s and %s",
                                       label, roles->items[i].id, id);
                *ret_known = true;
                return 0;
        }
        *ret_known = false;
        return 0;
}

static int append_role(Roles *roles, const char *label, const char *id) {
        _cleanup_(freep) char *own_label = strdup(label), *own_id = strdup(id);
        Role *items;

        if (!own_label || !own_id)
                return -ENOMEM;
        items = reallocarray(roles->items, roles->n + 1, sizeof(*items));
        if (!items)
                return -ENOMEM;
        roles->items = items;
        roles->items[roles->n++] = (Role){ TAKE(own_label), TAKE(own_id) };
        return 0;
}

static int on_role(struct json_object *item, void *userdata, ErrCtx *err) {
        char id[UMBRELLA_ID_SIZE];
        const char *label = NULL;
        Roles *roles = userdata;
        bool known;
        int r;

        if (!json_object_is_type(item, json_type_object))
                return err_set(err, -EBADMSG, 0, "$ is no object");
        r = read_id(item, "roleId", id, err);
        if (r < 0)
                return r;
        r = json_get_string(item, "label", &label, err);
        if (r < 0)
                return r;
        if (str_empty(label))
                return err_set(err, -EBADMSG, 0, "$.label is missing or empty");
        r = check_label(roles, label, id, &known, err);
        if (r < 0 || known)
                return r;
        if (roles->n == UMBRELLA_ROLES_MAX)
                return err_set(err, -EBADMSG, 0, "more than %u roles", UMBRELLA_ROLES_MAX);
        return append_role(roles, label, id);
}

int umbrella_decode_roles(const HttpResult *result, Roles *ret, ErrCtx *err) {
        Roles roles = { 0 };
        ItemsInfo info;
        int r;

        r = items_each(result->body, result->body_len, on_role, &roles, &info, err);
        /* The built-in ones are always there. */
        if (r == 0 && roles.n == 0)
                r = err_set(err, -EBADMSG, 0, "a list without any role");
        if (r < 0) {
                roles_deinit(&roles);
                return r;
        }
        *ret = roles;
        return 0;
}

/* ---- accounts ---- */

/* Texts of an account. The loose ones decide nothing: one of another type must not spoil a whole listing,
 * and is left out. */
static const struct AccountText {
        const char *key;
        size_t offset;
        bool loose;
} account_texts[] = {
        { "email", offsetof(Account, address), false },
        { "role", offsetof(Account, role), false },
        { "status", offsetof(Account, status), false },
        { "firstname", offsetof(Account, first_name), true },
        { "lastname", offsetof(Account, last_name), true },
        { "timezone", offsetof(Account, timezone), true },
        { "lastLoginTime", offsetof(Account, last_login), true },
};

static const char **account_text(Account *a, const struct AccountText *t) {
        return (const char **) (void *) ((char *) a + t->offset);
}

/* Seen in answers: "Active", "on", "Pending" (invited, no password yet). The API can't disable, so that
 * only a word which plainly says so counts as disabled; an unknown word doesn't. */
static bool status_is_off(const char *status) {
        static const char *const words[] = { "off", "disabled", "inactive", "deactivated", "suspended" };

        for (size_t i = 0; status && i < ELEMENTSOF(words); i++)
                if (strcasecmp(status, words[i]) == 0)
                        return true;
        return false;
}

int umbrella_read_account(struct json_object *object, Account *ret, char id[static UMBRELLA_ID_SIZE],
                          ErrCtx *err) {
        Account a = { 0 };
        const char *value;
        int r;

        if (!json_object_is_type(object, json_type_object))
                return err_set(err, -EBADMSG, 0, "$ is no object");
        r = read_id(object, "id", id, err);
        if (r < 0)
                return r;
        a.remote_id = id;
        for (size_t i = 0; i < ELEMENTSOF(account_texts); i++) {
                const struct AccountText *t = &account_texts[i];

                value = NULL;
                r = json_get_string(object, t->key, &value, t->loose ? NULL : err);
                if (r < 0 && !t->loose)
                        return r;
                /* Empty names do occur and say nothing. */
                if (r >= 0 && !str_empty(value))
                        *account_text(&a, t) = value;
        }
        if (json_get_bool(object, "twoFactorEnable", &a.second_factor, &a.has_second_factor, NULL) < 0)
                a.second_factor = a.has_second_factor = false;
        a.disabled = status_is_off(a.status);
        a.locked = a.status && strcasecmp(a.status, "locked") == 0;
        *ret = a;
        return 0;
}

static int keep_account(const Account *a, Arena *arena, Account *ret) {
        _cleanup_(freep) char *key = NULL;
        Account copy = *a;
        const char **text;
        int r;

        copy.remote_id = arena_strdup(arena, a->remote_id);
        if (!copy.remote_id)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTSOF(account_texts); i++) {
                text = account_text(&copy, &account_texts[i]);
                if (!*text)
                        continue;
                *text = arena_strdup(arena, *text);
                if (!*text)
                        return -ENOMEM;
        }
        if (copy.address) {
                r = address_key(copy.address, &key);
                if (r < 0)
                        return r;
                copy.key = r == 0 ? arena_strdup(arena, key) : NULL;
                if (r == 0 && !copy.key)
                        return -ENOMEM;
        }
        *ret = copy;
        return 0;
}

static int decode_account(const HttpResult *result, Arena *arena, Account *ret, ErrCtx *err) {
        _cleanup_(json_object_putp) struct json_object *object = NULL;
        char id[UMBRELLA_ID_SIZE];
        Account a;
        int r;

        r = json_read(result->body, result->body_len, &object, err);
        if (r < 0)
                return r;
        r = umbrella_read_account(object, &a, id, err);
        return r < 0 ? r : keep_account(&a, arena, ret);
}

/* ---- who has an address ---- */

#define ORGANIZATIONS_TOLD 3
#define ORGANIZATION_NAME_MAX 60

typedef struct Organizations { StrBuf text; size_t n; } Organizations;

/* "Name (number)" */
static int on_organization(struct json_object *item, void *userdata, ErrCtx *err) {
        char id[UMBRELLA_ID_SIZE], name[ORGANIZATION_NAME_MAX];
        Organizations *o = userdata;
        const char *label = NULL;
        int r;

        if (!json_object_is_type(item, json_type_object))
                return err_set(err, -EBADMSG, 0, "$ is no object");
        r = read_id(item, "organizationId", id, err);
        if (r < 0 || o->n++ >= ORGANIZATIONS_TOLD)
                return r;
        (void) json_get_string(item, "organizationName", &label, NULL);
        strbuf_puts(&o->text, o->n > 1 ? ", " : "");
        if (str_empty(label))
                strbuf_puts(&o->text, id);
        else
                strbuf_printf(&o->text, "%s (%s)", str_printable(label, name, sizeof(name)), id);
        return o->text.error;
}

static int decode_organizations(const HttpResult *result, Arena *arena, const char **ret, ErrCtx *err) {
        Organizations o = { .text = STRBUF_INIT(1024) };
        ItemsInfo info;
        int r;

        r = items_each(result->body, result->body_len, on_organization, &o, &info, err);
        if (r == 0 && o.n == 0)
                r = err_set(err, -EBADMSG, 0, "a list without any organization");
        if (r == 0 && o.n > ORGANIZATIONS_TOLD)
                strbuf_printf(&o.text, " and %zu more", o.n - ORGANIZATIONS_TOLD);
        if (r == 0) {
                *ret = arena_strdup(arena, o.text.data);
                r = *ret ? 0 : -ENOMEM;
        }
        strbuf_deinit(&o.text);
        return r;
}

/* ---- any answer ---- */

int umbrella_decode_answer(const TargetConfig *target _unused_, Call call, const Action *action _unused_,
                           const HttpResult *result, Arena *arena, Answer *ret, ErrCtx *err) {
        int r;

        /* One that can't be read only leaves the words out. */
        if (call == CALL_ORGANIZATIONS)
                (void) decode_organizations(result, arena, &ret->words, NULL);
        if (call != CALL_GET && call != CALL_CREATE && call != CALL_CREATE_SHORT)
                return 0;
        r = decode_account(result, arena, &ret->account, err);
        ret->has_account = r >= 0;
        return r;
}
