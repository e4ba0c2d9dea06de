/* SPDX-License-Identifier: Apache-2.0 */
/* Primavera's answers: tokens, one user, jobs and their results, resets. */
#include <errno.h>
#include <strings.h>

#include "base/strings.h"
#include "model/address.h"
#include "target/authorization.h"
#include "target/primavera.h"

/* ---- tokens ---- */

/* As asked for; an expired one is recognised by the answer it gets. */
#define LIFETIME USEC_PER_HOUR

static bool is_blank(char c) {
        return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The body is the token, with white space around it or not, and no JSON; as a JSON string it would have
 * quotes. */
int primavera_decode_token(const HttpResult *result, Secret **ret_bearer, usec_t *ret_lifetime,
                           ErrCtx *err) {
        const char *token = result->body, *end = token + result->body_len;
        int r;

        while (token < end && is_blank(*token))
                token++;
        while (end > token && is_blank(end[-1]))
                end--;
        if (end - token > 2 && *token == '"' && end[-1] == '"') {
                token++;
                end--;
        }
        r = bearer_authorization(token, (size_t) (end - token), ret_bearer, err);
        if (r == 0)
                *ret_lifetime = LIFETIME;
        return r;
}

/* ---- one user ---- */

static int keep(Arena *arena, const char **text) {
        if (!*text)
                return 0;
        *text = arena_strdup(arena, *text);
        return *text ? 0 : -ENOMEM;
}

static int keep_roles(Arena *arena, Account *a) {
        const char **roles;
        int r = 0;

        if (a->n_roles == 0)
                return 0;
        roles = arena_alloc(arena, a->n_roles * sizeof(*roles));
        if (!roles)
                return -ENOMEM;
        for (size_t i = 0; r == 0 && i < a->n_roles; i++) {
                roles[i] = a->roles[i];
                r = keep(arena, &roles[i]);
        }
        a->roles = roles;
        return r;
}

static int keep_key(Arena *arena, Account *a) {
        _cleanup_(freep) char *key = NULL;
        int r;

        if (!a->address)
                return 0;
        r = address_key(a->address, &key);
        if (r != 0)
                return r < 0 ? r : 0;
        a->key = arena_strdup(arena, key);
        return a->key ? 0 : -ENOMEM;
}

/* Owned by the arena from here on. */
static int keep_account(Arena *arena, Account *a) {
        const char **const texts[] = {
                &a->remote_id, &a->login, &a->address, &a->first_name, &a->last_name, &a->number,
                        &a->company, &a->password_reset,
        };
        int r = 0;

        for (size_t i = 0; r == 0 && i < ELEMENTSOF(texts); i++)
                r = keep(arena, texts[i]);
        if (r == 0)
                r = keep_roles(arena, a);
        return r == 0 ? keep_key(arena, a) : r;
}

static int decode_user(const TargetConfig *target, const Action *action, const HttpResult *result,
                       Arena *arena, Answer *ret,
                       ErrCtx *err) {
        _cleanup_(json_object_putp) struct json_object *object = NULL;
        const char *asked = !action ? NULL : action->remote_id ? action->remote_id : action->after.login;
        PrimaveraScratch scratch;
        Account a;
        int r;

        r = json_read(result->body, result->body_len, &object, err);
        if (r == 0)
                r = primavera_read_user(target, object, &scratch, &a, err);
        if (r < 0)
                return r;
        if (asked && !login_equal(asked, a.login))
                return err_set(err, -EBADMSG, 0, "$.loginId is another one than was asked for");
        /* The link knows it in its own spelling. */
        if (action && action->remote_id)
                a.remote_id = action->remote_id;
        r = keep_account(arena, &a);
        if (r < 0)
                return r;
        ret->document = arena_strndup(arena, result->body, result->body_len);
        if (!ret->document)
                return -ENOMEM;
        ret->account = a;
        ret->has_account = true;
        return 0;
}

/* ---- results: users in the arrays of a store, in an array, or alone ---- */

static struct json_object *find_in_array(struct json_object *array, const char *login) {
        for (size_t i = 0; i < json_object_array_length(array); i++) {
                struct json_object *user = json_object_array_get_idx(array, i);
                const char *is = NULL;

                if (json_object_is_type(user, json_type_object) &&
                    json_get_string(user, "loginId", &is, NULL) >= 0 && is &&
                    login_equal(is, login))
                        return user;
        }
        return NULL;
}

static struct json_object *find_user(struct json_object *root, const char *login) {
        struct json_object *user = NULL;
        const char *is = NULL;

        if (json_object_is_type(root, json_type_array))
                return find_in_array(root, login);
        if (!json_object_is_type(root, json_type_object))
                return NULL;
        if (json_get_string(root, "loginId", &is, NULL) >= 0 && is && login_equal(is, login))
                return root;
        json_object_object_foreach(root, key, value) {
                (void) key;
                if (!user && json_object_is_type(value, json_type_array))
                        user = find_in_array(value, login);
        }
        return user;
}

/* NULL: it says nothing bad. In the arena; "" where there is no memory for more. */
static const char *words_of_failure(struct json_object *user, bool with_processed, Arena *arena) {
        const char *words = NULL, *copy;
        bool good = true, processed = true;
        char line[256];

        (void) primavera_read_bool(user, "statusInfoOK", &good, NULL);
        if (with_processed)
                (void) primavera_read_bool(user, "processed", &processed, NULL);
        if (good && processed)
                return NULL;
        (void) json_get_string(user, "statusInfo", &words, NULL);
        copy = arena_strdup(arena, str_printable(!str_empty(words) ? words
                                                 : good            ? "it wasn't processed"
                                                                   : "it failed, without a word why",
                                                 line, sizeof(line)));
        return copy ? copy : "";
}

static const char *login_of(const Action *action) {
        return action->remote_id ? action->remote_id : action->has_after ? action->after.login : NULL;
}

/* As it was asked for, in the API's spelling of the login, and with the id that the API gave it. */
static int made_account(const TargetConfig *target, const Action *action, struct json_object *user,
                        Arena *arena, Answer *ret) {
        const AccountState *after = &action->after;
        Account a = {
                .address = after->address ? after->address : action->address,
                .first_name = after->first_name,
                .last_name = after->last_name,
                .roles = after->roles,
                .n_roles = after->roles ? after->n_roles : 0,
        };
        PrimaveraScratch scratch;
        Account told = { 0 };
        int r;

        (void) json_get_string(user, "loginId", &a.login, NULL);
        a.remote_id = a.login;
        if (primavera_read_user(target, user, &scratch, &told, NULL) >= 0)
                a.number = told.number;
        r = keep_account(arena, &a);
        if (r < 0)
                return r;
        ret->account = a;
        ret->has_account = true;
        return 0;
}

static int decode_result(const TargetConfig *target, const Action *action, struct json_object *root,
                         Arena *arena, Answer *ret) {
        struct json_object *user = action && login_of(action) ? find_user(root, login_of(action)) : NULL;

        if (!user)
                return 0;
        ret->words = words_of_failure(user, true, arena);
        ret->failed = ret->words;
        ret->did = !ret->words;
        if (!ret->did || action->kind != ACTION_CREATE)
                return 0;
        return made_account(target, action, user, arena, ret);
}

/* ---- jobs ---- */

/* What follows the prefix; NULL: it doesn't begin so. */
static const char *after(const char *text, const char *prefix) {
        return strncasecmp(text, prefix, strlen(prefix)) == 0 ? text + strlen(prefix) : NULL;
}

static const char *after_any(const char *text, const char *const *prefixes, size_t n) {
        const char *rest = NULL;

        for (size_t i = 0; !rest && i < n; i++)
                rest = after(text, prefixes[i]);
        return rest;
}

/* The path of an https URL, and how long its authority is without the default port. NULL: it is none. */
static const char *split_url(const char *url, const char **ret_authority, size_t *ret_len) {
        const char *authority = after(url, "https://");
        size_t len, n;

        if (!authority)
                return NULL;
        len = n = strcspn(authority, "/?#");
        if (n > 4 && memcmp(authority + n - 4, ":443", 4) == 0)
                n -= 4;
        *ret_authority = authority;
        *ret_len = n;
        return authority + len;
}

/* The part of the location below our base, without its leading slash; NULL: it leads elsewhere. */
static const char *below_base(const char *base, const char *location) {
        const char *ours, *theirs, *path, *base_path;
        size_t n_ours, n_theirs;

        base_path = split_url(base, &ours, &n_ours);
        if (!base_path)
                return NULL;
        path = split_url(location, &theirs, &n_theirs);
        if (path && (n_ours != n_theirs || strncasecmp(ours, theirs, n_ours) != 0))
                return NULL;
        if (!path && location[0] != '/')
                return location[strcspn(location, ":/?#")] == ':' ? NULL : location;
        path = after(path ? path : location, base_path);
        return path && *path == '/' ? path + 1 : NULL;
}

/* Only a place of ours is believed, absolute or relative, and of it the id alone is used: nothing is ever
 * followed. One page of the documentation spells the path "/users/status". */
static int job_of_location(const TargetConfig *target, const char *location,
                           char id[static PRIMAVERA_JOB_ID_MAX + 1],
                           ErrCtx *err) {
        static const char *const places[] = {
                "v3/user/status/", "v3/users/status/", "user/status/", "users/status/", "status/",
        };
        StrBuf base = STRBUF_INIT(8192);
        const char *job = NULL;
        size_t len;

        primavera_base(target, &base);
        if (base.error == 0)
                job = below_base(base.data, location);
        strbuf_deinit(&base);
        if (!job)
                return err_set(err, -EBADMSG, 0, "Location leads away from url");
        job = after_any(job, places, ELEMENTSOF(places));
        if (!job)
                return err_set(err, -EBADMSG, 0, "Location names no job");
        len = strcspn(job, "/?#");
        if (!primavera_job_id_is_valid(job, len) || job[len])
                return err_set(err, -EBADMSG, 0, "Location has nothing that could be a job's id");
        memcpy(id, job, len);
        id[len] = 0;
        return 0;
}

/* A bare number or text, or such a member of an object: pages say that the POST "answers a job number".
 * false: none. */
static bool job_of_body(struct json_object *root, char id[static PRIMAVERA_JOB_ID_MAX + 1]) {
        struct json_object *o = root;
        const char *text;

        if (json_object_is_type(root, json_type_object))
                (void) json_object_object_get_ex(root, "jobId", &o);
        if (!json_object_is_type(o, json_type_int) && !json_object_is_type(o, json_type_string))
                return false;
        text = json_object_get_string(o);
        if (!primavera_job_id_is_valid(text, strlen(text)))
                return false;
        snprintf(id, PRIMAVERA_JOB_ID_MAX + 1, "%s", text);
        return true;
}

/* 201, 202: a job was taken. 200: that, or (as for other objects of this API) the result at once. */
static int decode_upsert(const TargetConfig *target, const Action *action, const HttpResult *result,
                         Arena *arena,
                         Answer *ret, ErrCtx *err) {
        _cleanup_(json_object_putp) struct json_object *root = NULL;
        char id[PRIMAVERA_JOB_ID_MAX + 1];
        int r;

        if (!str_empty(result->location)) {
                r = job_of_location(target, result->location, id, err);
                if (r < 0)
                        return r;
        } else {
                r = json_read(result->body, result->body_len, &root, err);
                if (r < 0)
                        return r;
                if (!job_of_body(root, id)) {
                        r = decode_result(target, action, root, arena, ret);
                        if (r == 0 && !ret->did && !ret->failed)
                                r = err_set(err, -EBADMSG, 0, "neither a job nor a result");
                        return r;
                }
        }
        ret->memo = arena_strdup(arena, id);
        ret->running = true;
        return ret->memo ? 0 : -ENOMEM;
}

static int decode_job(const TargetConfig *target, const Action *action, const HttpResult *result,
                      Arena *arena, Answer *ret, ErrCtx *err) {
        _cleanup_(json_object_putp) struct json_object *root = NULL;
        int r;

        if (result->status == 202) {
                ret->running = true;
                return 0;
        }
        r = json_read(result->body, result->body_len, &root, err);
        return r < 0 ? r : decode_result(target, action, root, arena, ret);
}

/* What the answers to other writes look like isn't told: only a plain "no" counts. */
static int decode_change(const Action *action, const HttpResult *result, Arena *arena, Answer *ret) {
        _cleanup_(json_object_putp) struct json_object *root = NULL;
        struct json_object *user;

        if (!action || !login_of(action) || json_read(result->body, result->body_len, &root, NULL) < 0)
                return 0;
        user = find_user(root, login_of(action));
        ret->words = user ? words_of_failure(user, false, arena) : NULL;
        ret->failed = ret->words;
        return 0;
}

int primavera_decode_answer(const TargetConfig *target, Call call, const Action *action,
                            const HttpResult *result,
                            Arena *arena, Answer *ret, ErrCtx *err) {
        switch (call) {
        case CALL_GET:
                return decode_user(target, action, result, arena, ret, err);
        case CALL_UPSERT:
                return decode_upsert(target, action, result, arena, ret, err);
        case CALL_JOB:
                return decode_job(target, action, result, arena, ret, err);
        case CALL_STATUS:
        case CALL_UNLOCK:
                return decode_change(action, result, arena, ret);
        default:
                return 0;
        }
}

/* ---- resets ---- */

static bool is_empty(const HttpResult *result) {
        size_t i = 0;

        while (i < result->body_len && is_blank(result->body[i]))
                i++;
        return i == result->body_len;
}

/* Automatic: a map from login to message, where "" means success; NULL: done. */
static const char *auto_refusal(struct json_object *root, const char *login, Arena *arena) {
        struct json_object *found = NULL;
        char line[256];
        const char *words;

        json_object_object_foreach(root, key, value)
                if (!found && login_equal(key, login)) {
                        found = value;
                        if (!value)
                                return NULL;
                }
        if (!found)
                return "the answer doesn't name this login";
        words = json_object_get_string(found);
        if (str_empty(words) || strcasecmp(words, "success") == 0)
                return NULL;
        return arena_strdup(arena, str_printable(words, line, sizeof(line))) ?: "refused";
}

static const char *manual_refusal(struct json_object *root, const char *login, Arena *arena) {
        struct json_object *user = find_user(root, login);

        return user ? words_of_failure(user, false, arena) : NULL;
}

int primavera_decode_reset(const TargetConfig *target, const Action *const *batch, size_t n,
                           const HttpResult *result,
                           Arena *arena, Answer *ret, ErrCtx *err) {
        _cleanup_(json_object_putp) struct json_object *root = NULL;
        const char **refused;
        int r;

        if (is_empty(result) && !target->reset_auto)
                return 0;
        r = json_read(result->body, result->body_len, &root, err);
        /* "Success", as a single reset says in plain text. */
        if (r == -EBADMSG && !target->reset_auto && result->body[0] != '{' && result->body[0] != '[')
                return 0;
        if (r < 0)
                return r;
        if (target->reset_auto && !json_object_is_type(root, json_type_object))
                return err_set(err, -EBADMSG, 0, "no map of logins");
        refused = arena_alloc(arena, n * sizeof(*refused));
        if (!refused)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                refused[i] = target->reset_auto ? auto_refusal(root, login_of(batch[i]), arena)
                                                : manual_refusal(root, login_of(batch[i]), arena);
        ret->refused = refused;
        return 0;
}
