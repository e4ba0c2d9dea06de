/* SPDX-License-Identifier: Apache-2.0 */
/* What Primavera is sent: UserROs. New ones, and those with passwords, are written by hand into the secret
 * type; a user that is there already goes back as it was fetched, but for what changes and what the API
 * alone may write. */
#include <errno.h>

#include "base/strings.h"
#include "target/primavera.h"

/* ---- writing ---- */

typedef struct Writer {
        Secret *out;
        bool comma;             /* owed before the next member or element */
        int error;              /* sticky */
} Writer;

static void put(Writer *w, const char *text) {
        if (w->error == 0)
                w->error = secret_append_str(w->out, text);
}

static void put_quoted(Writer *w, const char *text, size_t len) {
        if (w->error == 0)
                w->error = secret_append_json(w->out, text, len);
}

static void put_name(Writer *w, const char *name) {
        if (w->comma)
                put(w, ",");
        w->comma = true;
        if (!name)
                return;
        put_quoted(w, name, strlen(name));
        put(w, ":");
}

static void put_text(Writer *w, const char *name, const char *text) {
        put_name(w, name);
        put_quoted(w, text ? text : "", strlen(text ? text : ""));
}

static void put_bool(Writer *w, const char *name, bool value) {
        put_name(w, name);
        put(w, value ? "true" : "false");
}

static void put_open(Writer *w, const char *name, const char *bracket) {
        put_name(w, name);
        put(w, bracket);
        w->comma = false;
}

static void put_close(Writer *w, const char *bracket) {
        put(w, bracket);
        w->comma = true;
}

static void put_company(Writer *w, const TargetConfig *target) {
        put_open(w, "organization", "{");
        put_text(w, "id", target->company.id);
        put_text(w, "name", target->company.name);
        put_text(w, "displayName", target->company.display_name);
        put_close(w, "}");
}

static void put_roles(Writer *w, const char *const *roles, size_t n) {
        put_open(w, "roles", "[");
        for (size_t i = 0; i < n; i++) {
                put_open(w, NULL, "{");
                put_text(w, "name", roles[i]);
                put_close(w, "}");
        }
        put_close(w, "]");
}

/* ---- new users ---- */

int primavera_body_create(const TargetConfig *target, const Action *action, Secret **ret) {
        _cleanup_(secret_freep) Secret *body = secret_with_capacity(1024);
        const AccountState *after = &action->after;
        const char *address = after->address ? after->address : action->address;
        Writer w = { .out = body };

        if (!body)
                return -ENOMEM;
        if (!action->has_after || str_empty(after->login) || str_empty(address) ||
            str_empty(after->first_name) ||
            str_empty(after->last_name) || str_empty(target->company.id))
                return -EINVAL;
        put(&w, "{\"added\":[{");
        put_text(&w, "loginId", after->login);
        put_text(&w, "firstName", after->first_name);
        put_text(&w, "lastName", after->last_name);
        put_text(&w, "emailAddress", address);
        put_bool(&w, "disabled", false);
        put_company(&w, target);
        if (!str_empty(target->user_type))
                put_text(&w, "userType", target->user_type);
        put_roles(&w, after->roles, after->roles ? after->n_roles : 0);
        put(&w, "}]}");
        if (w.error == 0)
                *ret = TAKE(body);
        return w.error;
}

/* ---- users with passwords ---- */

static void put_reset_user(Writer *w, const TargetConfig *target, const Account *a, const Secret *password) {
        put_open(w, NULL, "{");
        if (a->number)
                put_text(w, "id", a->number);
        put_text(w, "loginId", a->login);
        put_text(w, "firstName", a->first_name);
        put_text(w, "lastName", a->last_name);
        put_text(w, "emailAddress", a->address);
        put_bool(w, "disabled", a->disabled);
        if (a->company) {
                put_name(w, "organization");
                put(w, a->company);
        } else
                put_company(w, target);
        put_roles(w, a->roles, a->n_roles);
        put_name(w, "password");
        put_quoted(w, secret_data(password), secret_len(password));
        put_close(w, "}");
}

int primavera_body_reset(const TargetConfig *target, const CallInput *in, Secret **ret) {
        _cleanup_(secret_freep) Secret *body = secret_with_capacity(64 + in->n_batch * 512);
        Writer w = { .out = body };

        if (!body)
                return -ENOMEM;
        if (in->n_batch == 0)
                return -EINVAL;
        put_open(&w, NULL, "[");
        for (size_t i = 0; i < in->n_batch; i++) {
                const Account *a = in->accounts ? in->accounts[i] : NULL;
                const Secret *password = in->passwords ? in->passwords[i] : NULL;

                if (target->reset_auto && !str_empty(in->batch[i]->remote_id))
                        put_text(&w, NULL, in->batch[i]->remote_id);
                else if (!target->reset_auto && a && a->login && password && secret_len(password) > 0)
                        put_reset_user(&w, target, a, password);
                else
                        return -EINVAL;
        }
        put_close(&w, "]");
        if (w.error == 0)
                *ret = TAKE(body);
        return w.error;
}

/* ---- users that are there ---- */

/* Members that the API alone writes (UserRO, "Read Only"), or that would say something wrong. */
static const char *const read_only[] = {
        "changePwdAtNextLogin", "createdBy", "createdDate", "updatedBy", "updatedDate",
                "lastPasswordResetDate", "pwdExpired",
        "pwdExpireDate", "pwdWarnDate", "pwdWarned", "loginAttemptsCtr", "processed", "provisionedDate",
                "provisioningDate",
        "deprovisionedDate", "deprovisioningDate", "statusInfo", "statusInfoOK", "password",
};

/* Takes value. */
static int set(struct json_object *user, const char *name, struct json_object *value) {
        if (value && json_object_object_add(user, name, value) == 0)
                return 0;
        json_object_put(value);
        return -ENOMEM;
}

static int set_text(struct json_object *user, const char *name, const char *text) {
        return text ? set(user, name, json_object_new_string(text)) : 0;
}

static const char *name_of_role(struct json_object *role) {
        struct json_object *name = role;

        if (json_object_is_type(role, json_type_object) && !json_object_object_get_ex(role, "name", &name))
                return NULL;
        return json_object_is_type(name, json_type_string) ? json_object_get_string(name) : NULL;
}

static bool is_wanted(const AccountState *after, const char *role) {
        for (size_t i = 0; role && i < after->n_roles; i++)
                if (str_eq(after->roles[i], role))
                        return true;
        return false;
}

static bool has_role(struct json_object *roles, const char *name) {
        for (size_t i = 0; i < json_object_array_length(roles); i++)
                if (str_eq(name_of_role(json_object_array_get_idx(roles, i)), name))
                        return true;
        return false;
}

static int add_role(struct json_object *roles, const char *name) {
        _cleanup_(json_object_putp) struct json_object *role = json_object_new_object();

        if (!role || set_text(role, "name", name) < 0 || json_object_array_add(roles, role) != 0)
                return -ENOMEM;
        role = NULL;
        return 0;
}

/* Roles that no row of `applications` names stay as they were found, whatever else stands in them; of the
 * others those that are wanted. What takes an action back gives back the former too. */
static int mix_roles(const TargetConfig *target, struct json_object *user, const Action *action) {
        const AccountState *after = &action->after;
        _cleanup_(json_object_putp) struct json_object *mixed = json_object_new_array();
        struct json_object *found = NULL;
        size_t n;
        int r = 0;

        if (!mixed)
                return -ENOMEM;
        n = json_object_object_get_ex(user, "roles", &found) && json_object_is_type(found, json_type_array)
                            ? json_object_array_length(found) : 0;
        for (size_t i = 0; i < n; i++) {
                struct json_object *role = json_object_array_get_idx(found, i);
                const char *name = name_of_role(role);

                if (name && primavera_is_managed(target, name) && !is_wanted(after, name))
                        continue;
                if (json_object_array_add(mixed, json_object_get(role)) != 0)
                        return -ENOMEM;
        }
        for (size_t i = 0; r == 0 && i < after->n_roles; i++)
                if ((action->reverts > 0 || primavera_is_managed(target, after->roles[i])) &&
                    !has_role(mixed, after->roles[i]))
                        r = add_role(mixed, after->roles[i]);
        return r < 0 ? r : set(user, "roles", TAKE(mixed));
}

static int change_update(const TargetConfig *target, struct json_object *user, const Action *action) {
        const AccountState *after = &action->after;
        int r;

        r = set_text(user, "emailAddress", after->address);
        if (r == 0)
                r = set_text(user, "firstName", after->first_name);
        if (r == 0)
                r = set_text(user, "lastName", after->last_name);
        return r == 0 && after->roles ? mix_roles(target, user, action) : r;
}

static int change_for(const TargetConfig *target, Call call, const Action *action,
                      struct json_object *user) {
        int r;

        if (action->kind == ACTION_UPDATE)
                return change_update(target, user, action);
        /* It says what `disabled` no longer says. */
        json_object_object_del(user, "status");
        r = set(user, "disabled", json_object_new_boolean(action->kind == ACTION_DISABLE));
        if (r == 0 && action->kind == ACTION_DISABLE && call == CALL_UPSERT)
                r = set(user, "roles", json_object_new_array());
        if (r == 0 && action->kind == ACTION_ENABLE && call == CALL_UPSERT)
                r = mix_roles(target, user, action);
        return r;
}

/* A fetched user may lack what the documentation requires of one that is sent. */
static int complete(const TargetConfig *target, struct json_object *user) {
        struct json_object *company = NULL;
        int r;

        if (json_object_object_get_ex(user, "organization", &company) && company)
                return 0;
        company = json_object_new_object();
        r = company ? 0 : -ENOMEM;
        if (r == 0)
                r = set_text(company, "id", target->company.id);
        if (r == 0)
                r = set_text(company, "name", target->company.name);
        if (r == 0)
                r = set_text(company, "displayName", target->company.display_name);
        if (r == 0)
                return set(user, "organization", company);
        json_object_put(company);
        return r;
}

static int wrap(struct json_object *user, Call call, Secret **ret) {
        _cleanup_(secret_freep) Secret *body = secret_with_capacity(4096);
        const int plain = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;
        const char *text = json_object_to_json_string_ext(user, plain);
        Writer w = { .out = body };

        if (!body || !text)
                return -ENOMEM;
        put(&w, call == CALL_UPSERT ? "{\"modified\":[" : "[");
        put(&w, text);
        put(&w, call == CALL_UPSERT ? "]}" : "]");
        if (w.error == 0)
                *ret = TAKE(body);
        return w.error;
}

/* The one operation whose documentation shows how little of a user it takes. */
static int unlock(struct json_object *user, const char *login, Secret **ret) {
        _cleanup_(secret_freep) Secret *body = secret_with_capacity(256);
        struct json_object *id = NULL;
        Writer w = { .out = body };

        if (!body)
                return -ENOMEM;
        put(&w, "[{");
        put_text(&w, "loginId", login);
        put_bool(&w, "locked", false);
        if (json_object_object_get_ex(user, "id", &id) && id)
                put_text(&w, "id", json_object_get_string(id));
        put(&w, "}]");
        if (w.error == 0)
                *ret = TAKE(body);
        return w.error;
}

int primavera_body_change(const TargetConfig *target, Call call, const Action *action, const char *document,
                          Secret **ret) {
        _cleanup_(json_object_putp) struct json_object *user = NULL;
        const char *login = NULL;
        int r;

        if (!document || json_read(document, strlen(document), &user, NULL) < 0 ||
            json_get_string(user, "loginId", &login, NULL) < 0 || str_empty(login))
                return -EINVAL;
        if (call == CALL_UNLOCK)
                return unlock(user, login, ret);
        for (size_t i = 0; i < ELEMENTSOF(read_only); i++)
                json_object_object_del(user, read_only[i]);
        /* Only PUTs name the user by its internal id too. */
        if (call == CALL_UPSERT)
                json_object_object_del(user, "id");
        r = change_for(target, call, action, user);
        if (r == 0)
                r = complete(target, user);
        return r < 0 ? r : wrap(user, call, ret);
}
