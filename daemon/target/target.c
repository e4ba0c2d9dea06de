/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <strings.h>

#include "base/strings.h"
#include "target/target.h"
#include "target/primavera.h"
#include "target/umbrella.h"

/* ---- names ---- */

const char *outcome_class_to_string(OutcomeClass c) {
        static const char *const names[_OUTCOME_CLASS_MAX] = {
                [OUTCOME_OK] = "ok",
                [OUTCOME_ALREADY] = "already",
                [OUTCOME_TRANSIENT] = "transient",
                [OUTCOME_THROTTLED] = "throttled",
                [OUTCOME_AUTH] = "auth",
                [OUTCOME_REJECTED] = "rejected",
                [OUTCOME_UNCERTAIN] = "uncertain",
        };

        return (unsigned) c < _OUTCOME_CLASS_MAX ? names[c] : NULL;
}

static const struct CallRow {
        const char *name;
        bool write, password;
} calls[_CALL_MAX] = {
        [CALL_TOKEN] = { "token", false, false },
        [CALL_ROLES] = { "roles", false, false },
        [CALL_LIST] = { "list", false, false },
        [CALL_GET] = { "get", false, false },
        [CALL_CREATE] = { "create", true, true },
        [CALL_CREATE_SHORT] = { "create-short", true, false },
        [CALL_DELETE] = { "delete", true, false },
        [CALL_RESET] = { "reset", true, false },
        [CALL_UPSERT] = { "upsert", true, false },
        [CALL_JOB] = { "job", false, false },
        [CALL_STATUS] = { "status", true, false },
        [CALL_UNLOCK] = { "unlock", true, false },
        [CALL_ORGANIZATIONS] = { "organizations", false, false },
};

const char *call_to_string(Call c) {
        return (unsigned) c < _CALL_MAX ? calls[c].name : NULL;
}

bool call_is_write(Call c) {
        return (unsigned) c < _CALL_MAX && calls[c].write;
}

bool call_has_password(Call c) {
        return (unsigned) c < _CALL_MAX && calls[c].password;
}

/* ---- roles ---- */

void roles_deinit(Roles *roles) {
        for (size_t i = 0; i < roles->n; i++) {
                free(roles->items[i].label);
                free(roles->items[i].id);
        }
        free(roles->items);
        *roles = (Roles){ 0 };
}

const char *roles_id(const Roles *roles, const char *label) {
        const char *near = NULL;

        if (!label)
                return NULL;
        for (size_t i = 0; i < roles->n; i++) {
                if (str_eq(roles->items[i].label, label))
                        return roles->items[i].id;
                if (!near && strcasecmp(roles->items[i].label, label) == 0)
                        near = roles->items[i].id;
        }
        return near;
}

/* ---- requests ---- */

void call_request_deinit(CallRequest *r) {
        free(r->url);
        secret_free(r->authorization);
        secret_free(r->body);
        for (size_t i = 0; i < ELEMENTSOF(r->values); i++)
                free(r->values[i]);
        *r = (CallRequest){ 0 };
}

int call_url_end(StrBuf *b, int r, char **ret) {
        if (r == 0)
                r = b->error;
        if (r == 0) {
                *ret = strbuf_take(b);
                r = *ret ? 0 : -ENOMEM;
        }
        strbuf_deinit(b);
        return r == 0 || r == -ENOMEM ? r : -EINVAL;
}

/* ---- the APIs ---- */

/* What both Umbrella families share: they differ in host, label and capabilities. */
#define UMBRELLA_COMMON                                                 \
        .token_limit = { USEC_PER_MINUTE, 20 },                         \
        .kinds = 1u << ACTION_CREATE | 1u << ACTION_ADOPT | 1u << ACTION_RECREATE | 1u << ACTION_DELETE | \
                 1u << ACTION_RESET,                                    \
        .serial = 1u << ACTION_DELETE | 1u << ACTION_RECREATE,          \
        .calls = { [ACTION_CREATE] = 1, [ACTION_RECREATE] = 3, [ACTION_DELETE] = 2, [ACTION_RESET] = 1 }, \
        .has_roles_call = true,                                         \
        .build = umbrella_build,                                        \
        .classify = umbrella_classify,                                  \
        .decode_token = umbrella_decode_token,                          \
        .decode_roles = umbrella_decode_roles,                          \
        .decode_page = umbrella_decode_page,                            \
        .decode_answer = umbrella_decode_answer,                        \
        .flow_begin = umbrella_flow_begin,                              \
        .flow_resume = umbrella_flow_resume,                            \
        .flow_after = umbrella_flow_after,                              \
        .flow_seen = umbrella_flow_seen

static const TargetDriver drivers[_TARGET_TYPE_MAX] = {
        [TARGET_UMBRELLA_GOV] = {
                .label = "Umbrella for Government",
                .rights_read = "admin.users:read, admin.roles:read",
                .rights_write = "admin.users:write",
                .capabilities = {
                        .create = true,
                        .recreate = true,
                        .delete = true,
                        .needs_names = true,
                        .has_roles = true,
                },
                UMBRELLA_COMMON,
        },
        [TARGET_UMBRELLA] = {
                .label = "Umbrella",
                .rights_read = "admin.users:read, admin.roles:read",
                .rights_write = "admin.users:write; for resets admin.passwordreset:write",
                .capabilities = {
                        .create = true,
                        .recreate = true,
                        .delete = true,
                        .reset = true,
                        .needs_names = true,
                        .has_roles = true,
                },
                .parent_calls = 1u << CALL_RESET | 1u << CALL_ORGANIZATIONS,
                UMBRELLA_COMMON,
        },
        /* One job at a time: so one at a time of all that may need one. */
        [TARGET_PRIMAVERA] = {
                .label = "Primavera",
                .rights_read = "reading users",
                .rights_write = "creating and changing users",
                .capabilities = {
                        .create = true,
                        .role_update = true,
                        .disable = true,
                        .disable_takes_roles = true,
                        .unlock = true,
                        .reset = true,
                        .name_update = true,
                        .needs_names = true,
                        .needs_login = true,
                },
                .kinds = 1u << ACTION_CREATE | 1u << ACTION_ADOPT | 1u << ACTION_UPDATE |
                         1u << ACTION_ENABLE | 1u << ACTION_DISABLE | 1u << ACTION_RESET,
                .serial = 1u << ACTION_CREATE | 1u << ACTION_UPDATE | 1u << ACTION_ENABLE |
                          1u << ACTION_DISABLE,
                /* With a job that is asked after twice. */
                .calls = {
                        [ACTION_CREATE] = 4,
                        [ACTION_UPDATE] = 4,
                        [ACTION_ENABLE] = 4,
                        [ACTION_DISABLE] = 5,
                        [ACTION_RESET] = 1,
                },
                .token_limit = { USEC_PER_MINUTE, 20 },
                .key_is_login = true,
                .build = primavera_build,
                .authorize = primavera_authorize,
                .classify = primavera_classify,
                .decode_token = primavera_decode_token,
                .decode_page = primavera_decode_page,
                .feed = primavera_feed,
                .decode_answer = primavera_decode_answer,
                .decode_reset = primavera_decode_reset,
                .reset_has_passwords = primavera_reset_has_passwords,
                .reset_needs_account = true,
                .reset_mark = primavera_reset_mark,
                .reset_fate = primavera_reset_fate,
                .flow_begin = primavera_flow_begin,
                .flow_resume = primavera_flow_resume,
                .flow_after = primavera_flow_after,
                .flow_seen = primavera_flow_seen,
        },
};

const TargetDriver *target_driver(TargetType type) {
        return (unsigned) type < _TARGET_TYPE_MAX && drivers[type].label ? &drivers[type] : NULL;
}
