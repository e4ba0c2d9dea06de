/* SPDX-License-Identifier: Apache-2.0 */
/* UserRO: what one user's JSON says. Types have drifted between releases (booleans as text, dates as text or
 * as
 * CloudTZDateTime): what can be read without guessing is read. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <strings.h>

#include "base/strings.h"
#include "target/primavera.h"

/* A clock of theirs that is behind ours by more than this makes a reset look older than it is. */
#define CLOCK_SLACK USEC_PER_HOUR

/* ---- values ---- */

int primavera_read_bool(struct json_object *object, const char *key, bool *ret, ErrCtx *err) {
        static const char *const yes[] = { "true", "yes", "y", "1" }, *const no[] =
                { "false", "no", "n", "0", "" };
        struct json_object *o = NULL;
        const char *text;

        if (!json_object_object_get_ex(object, key, &o) || !o)
                return 0;
        if (json_object_is_type(o, json_type_boolean)) {
                *ret = json_object_get_boolean(o);
                return 0;
        }
        if (json_object_is_type(o, json_type_string) || json_object_is_type(o, json_type_int)) {
                text = json_object_get_string(o);
                for (size_t i = 0; i < ELEMENTSOF(yes); i++)
                        if (strcasecmp(text, yes[i]) == 0) {
                                *ret = true;
                                return 0;
                        }
                for (size_t i = 0; i < ELEMENTSOF(no); i++)
                        if (strcasecmp(text, no[i]) == 0) {
                                *ret = false;
                                return 0;
                        }
        }
        return err_set(err, -EBADMSG, 0, "$.%s is neither true nor false", key);
}

/* A text that decides nothing: one of another type is left out. */
static const char *loose_text(struct json_object *object, const char *key) {
        const char *text = NULL;

        return json_get_string(object, key, &text, NULL) >= 0 && !str_empty(text) ? text : NULL;
}

/* A number, or a text: as text. */
static const char *number_text(struct json_object *object, const char *key, char *buf, size_t size) {
        struct json_object *o = NULL;

        if (!json_object_object_get_ex(object, key, &o) || !json_object_is_type(o, json_type_int))
                return loose_text(object, key);
        snprintf(buf, size, "%" PRId64, json_object_get_int64(o));
        return buf;
}

/* ---- roles ---- */

static int compare_strings(const void *a, const void *b) {
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* RoleROs, or bare names. */
static int role_name(struct json_object *item, const char **ret, ErrCtx *err) {
        int r;

        *ret = NULL;
        if (json_object_is_type(item, json_type_string)) {
                *ret = json_object_get_string(item);
                if (strlen(*ret) != (size_t) json_object_get_string_len(item))
                        *ret = NULL;
        } else if (json_object_is_type(item, json_type_object)) {
                r = json_get_string(item, "name", ret, err);
                if (r < 0)
                        return r;
        }
        return str_empty(*ret) ? err_set(err, -EBADMSG, 0, "$.roles has one without a name") : 0;
}

/* Sorted, each once. */
static int read_roles(struct json_object *object, PrimaveraScratch *scratch, Account *a, ErrCtx *err) {
        struct json_object *list = NULL;
        size_t n, k = 0;
        int r;

        if (!json_object_object_get_ex(object, "roles", &list) || !list)
                return 0;
        if (!json_object_is_type(list, json_type_array))
                return err_set(err, -EBADMSG, 0, "$.roles is no array");
        n = json_object_array_length(list);
        if (n > PRIMAVERA_ROLES_MAX)
                return err_set(err, -EBADMSG, 0, "$.roles has %zu members", n);
        for (size_t i = 0; i < n; i++) {
                r = role_name(json_object_array_get_idx(list, i), &scratch->roles[i], err);
                if (r < 0)
                        return r;
        }
        if (n > 1)
                qsort(scratch->roles, n, sizeof(*scratch->roles), compare_strings);
        for (size_t i = 0; i < n; i++)
                if (i == 0 || strcmp(scratch->roles[i], scratch->roles[k - 1]) != 0)
                        scratch->roles[k++] = scratch->roles[i];
        a->roles = k > 0 ? scratch->roles : NULL;
        a->n_roles = k;
        return 0;
}

/* Which row of `applications` names it first; n_applications: none. */
static size_t row_of(const TargetConfig *target, const char *role) {
        for (size_t i = 0; i < target->n_applications; i++)
                for (size_t k = 0; k < target->applications[i].n_names; k++)
                        if (str_eq(target->applications[i].names[k], role))
                                return i;
        return target->n_applications;
}

bool primavera_is_managed(const TargetConfig *target, const char *role) {
        return row_of(target, role) < target->n_applications;
}

static bool state_has_role(const AccountState *s, const char *role) {
        for (size_t i = 0; i < s->n_roles; i++)
                if (str_eq(s->roles[i], role))
                        return true;
        return false;
}

const char *primavera_applications(const TargetConfig *target, const Action *action, char *buf,
                                   size_t size) {
        const AccountState *after = &action->after;
        size_t len = 0;

        *buf = 0;
        for (size_t i = 0; action->has_after && after->roles && i < after->n_roles && len < size; i++) {
                size_t row = row_of(target, after->roles[i]);

                if (row < target->n_applications &&
                    !(action->has_before && state_has_role(&action->before, after->roles[i])))
                        len += (size_t) snprintf(buf + len, size - len, "%s%s (applications[%zu])",
                                                 len > 0 ? ", " : "; asked for ", after->roles[i], row);
        }
        return buf;
}

/* ---- resets ---- */

/* A text, or CloudTZDateTime {millis, wrappedDateTime}: the milliseconds if there are any. */
static const char *reset_date(struct json_object *object, PrimaveraScratch *scratch) {
        static const char key[] = "lastPasswordResetDate";
        struct json_object *o = NULL;

        if (!json_object_object_get_ex(object, key, &o) || !o)
                return NULL;
        if (!json_object_is_type(o, json_type_object))
                return number_text(object, key, scratch->reset, sizeof(scratch->reset));
        return number_text(o, "millis", scratch->reset, sizeof(scratch->reset))
               ?: loose_text(o, "wrappedDateTime");
}

/* A mark that no date looks like, for "never": "" would mean that nothing is known. */
#define NEVER "-"

const char *primavera_reset_mark(const Account *account) {
        if (!account->password_reset)
                return NEVER;
        return strlen(account->password_reset) < 64 ? account->password_reset : "";
}

ResetFate primavera_reset_fate(const char *memo, usec_t begun, const Account *account) {
        const char *now = account ? account->password_reset : NULL;
        uint64_t millis = 0;
        bool dated;

        if (!account || (now && !*now))
                return RESET_UNKNOWN;
        if (!now)
                return RESET_NOT_DONE;
        dated = parse_u64(now, &millis) == 0 && millis < UINT64_MAX / USEC_PER_MSEC;
        /* Somebody else's, before ours. */
        if (dated && usec_add(millis * USEC_PER_MSEC, CLOCK_SLACK) < begun)
                return RESET_NOT_DONE;
        if (str_empty(memo))
                return dated && millis * USEC_PER_MSEC >= begun ? RESET_DONE : RESET_UNKNOWN;
        return str_eq(memo, now) ? RESET_NOT_DONE : RESET_DONE;
}

/* ---- the user ---- */

/* The target's own company is the rule, and needs no memory. */
static const char *foreign_company(const TargetConfig *target, struct json_object *object) {
        struct json_object *company = NULL;
        char number[32];

        if (!json_object_object_get_ex(object, "organization", &company) ||
            !json_object_is_type(company, json_type_object) ||
            str_eq(number_text(company, "id", number, sizeof(number)), target->company.id))
                return NULL;
        return json_object_to_json_string_ext(company,
                                              JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}

int primavera_read_user(const TargetConfig *target, struct json_object *object, PrimaveraScratch *scratch,
                        Account *ret,
                        ErrCtx *err) {
        Account a = { 0 };
        int r;

        if (!json_object_is_type(object, json_type_object))
                return err_set(err, -EBADMSG, 0, "$ is no object");
        r = json_get_string(object, "loginId", &a.login, err);
        if (r < 0)
                return r;
        if (str_empty(a.login))
                return err_set(err, -EBADMSG, 0, "$.loginId is missing or empty");
        a.remote_id = a.login;
        r = json_get_string(object, "emailAddress", &a.address, err);
        if (r >= 0)
                r = primavera_read_bool(object, "disabled", &a.disabled, err);
        if (r >= 0)
                r = primavera_read_bool(object, "locked", &a.locked, err);
        if (r >= 0)
                r = read_roles(object, scratch, &a, err);
        if (r < 0)
                return r;
        if (str_empty(a.address))
                a.address = NULL;
        a.first_name = loose_text(object, "firstName");
        a.last_name = loose_text(object, "lastName");
        a.number = number_text(object, "id", scratch->number, sizeof(scratch->number));
        a.password_reset = reset_date(object, scratch);
        a.company = foreign_company(target, object);
        *ret = a;
        return 0;
}
