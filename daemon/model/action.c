/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "model/action.h"

DEFINE_CLEANUP(json_object *, json_object_put);
DEFINE_CLEANUP(json_tokener *, json_tokener_free);

/* An object of strings and one array of strings. */
#define STATE_DEPTH 3
/* An object of strings and two states. */
#define ACTION_DEPTH (STATE_DEPTH + 1)

static const char *const kind_names[_ACTION_KIND_MAX] = {
        [ACTION_CREATE] = "create",
        [ACTION_ADOPT] = "adopt",
        [ACTION_RECREATE] = "recreate",
        [ACTION_UPDATE] = "update",
        [ACTION_ENABLE] = "enable",
        [ACTION_DISABLE] = "disable",
        [ACTION_DELETE] = "delete",
        [ACTION_RESET] = "reset",
        [ACTION_RELINK] = "relink",
};

/* In canonical order; "roles" stands after "role". */
static const struct { const char *name; size_t offset; } members[] = {
        { "address", offsetof(AccountState, address) },
        { "first_name", offsetof(AccountState, first_name) },
        { "last_name", offsetof(AccountState, last_name) },
        { "login", offsetof(AccountState, login) },
        { "role", offsetof(AccountState, role) },
        { "status", offsetof(AccountState, status) },
        { "timezone", offsetof(AccountState, timezone) },
};
#define ROLES_BEFORE 5

static const char **member(AccountState *s, size_t i) {
        return (const char **) ((char *) s + members[i].offset);
}

static const char *member_of(const AccountState *s, size_t i) {
        return *(const char *const *) ((const char *) s + members[i].offset);
}

const char *action_kind_to_string(ActionKind k) {
        return k < _ACTION_KIND_MAX ? kind_names[k] : NULL;
}

ActionKind action_kind_from_string(const char *s) {
        for (ActionKind k = 0; k < _ACTION_KIND_MAX; k++)
                if (str_eq(kind_names[k], s))
                        return k;
        return _ACTION_KIND_MAX;
}

bool action_kind_is_destructive(ActionKind k) {
        return k == ACTION_DELETE || k == ACTION_DISABLE || k == ACTION_RECREATE;
}

static void name_to_json(const char *name, bool *first, StrBuf *out) {
        if (!*first)
                strbuf_putc(out, ',');
        *first = false;
        strbuf_json(out, name);
        strbuf_putc(out, ':');
}

static void roles_to_json(const AccountState *s, bool *first, StrBuf *out) {
        if (!s->roles)
                return;
        name_to_json("roles", first, out);
        strbuf_putc(out, '[');
        for (size_t i = 0; i < s->n_roles; i++) {
                if (i > 0)
                        strbuf_putc(out, ',');
                strbuf_json(out, s->roles[i]);
        }
        strbuf_putc(out, ']');
}

void account_state_to_json(const AccountState *s, StrBuf *out) {
        bool first = true;

        strbuf_putc(out, '{');
        for (size_t i = 0; i < ELEMENTSOF(members); i++) {
                if (i == ROLES_BEFORE)
                        roles_to_json(s, &first, out);
                if (!member_of(s, i))
                        continue;
                name_to_json(members[i].name, &first, out);
                strbuf_json(out, member_of(s, i));
        }
        strbuf_putc(out, '}');
}

static int string_from_json(json_object *value, Arena *arena, const char **ret) {
        const char *text;
        size_t len;

        if (!json_object_is_type(value, json_type_string))
                return -EBADMSG;
        text = json_object_get_string(value);
        len = (size_t) json_object_get_string_len(value);
        if (!utf8_is_valid(text, len))
                return -EBADMSG;
        *ret = arena_strndup(arena, text, len);
        return *ret ? 0 : -ENOMEM;
}

static int compare_strings(const void *a, const void *b) {
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static int roles_from_json(json_object *value, Arena *arena, AccountState *s) {
        const char **roles;
        size_t n, unique = 0;

        if (!json_object_is_type(value, json_type_array))
                return -EBADMSG;
        n = json_object_array_length(value);
        roles = arena_alloc(arena, (n ?: 1) * sizeof(*roles));
        if (!roles)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                int r = string_from_json(json_object_array_get_idx(value, i), arena, &roles[i]);

                if (r < 0)
                        return r;
        }
        qsort(roles, n, sizeof(*roles), compare_strings);
        for (size_t i = 0; i < n; i++)
                if (i == 0 || strcmp(roles[i], roles[unique - 1]) != 0)
                        roles[unique++] = roles[i];
        s->roles = roles;
        s->n_roles = unique;
        return 0;
}

static int member_from_json(const char *name, json_object *value, Arena *arena, AccountState *s) {
        if (str_eq(name, "roles"))
                return roles_from_json(value, arena, s);
        for (size_t i = 0; i < ELEMENTSOF(members); i++)
                if (str_eq(name, members[i].name))
                        return string_from_json(value, arena, member(s, i));
        return -EBADMSG;
}

static int state_from_object(json_object *object, Arena *arena, AccountState *ret) {
        AccountState s = {};

        if (!json_object_is_type(object, json_type_object))
                return -EBADMSG;
        json_object_object_foreach(object, name, value) {
                int r = member_from_json(name, value, arena, &s);

                if (r < 0)
                        return r;
        }
        *ret = s;
        return 0;
}

static int read_json(const char *json, size_t len, int depth, json_object **ret) {
        _cleanup_(json_tokener_freep) json_tokener *tokener = NULL;
        _cleanup_(json_object_putp) json_object *root = NULL;

        if (len > INT_MAX)
                return -EBADMSG;
        tokener = json_tokener_new_ex(depth);
        if (!tokener)
                return -ENOMEM;
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
        root = json_tokener_parse_ex(tokener, json, (int) len);
        if (json_tokener_get_error(tokener) != json_tokener_success ||
            json_tokener_get_parse_end(tokener) != len)
                return -EBADMSG;
        *ret = TAKE(root);
        return 0;
}

int account_state_from_json(const char *json, size_t len, Arena *arena, AccountState *ret) {
        _cleanup_(json_object_putp) json_object *root = NULL;
        int r;

        r = read_json(json, len, STATE_DEPTH, &root);
        return r < 0 ? r : state_from_object(root, arena, ret);
}

static void state_to_json(const char *name, bool has, const AccountState *s, StrBuf *out) {
        strbuf_json(out, name);
        strbuf_putc(out, ':');
        if (has)
                account_state_to_json(s, out);
        else
                strbuf_puts(out, "null");
}

void action_to_json(const Action *a, StrBuf *out) {
        strbuf_puts(out, "{\"action\":");
        strbuf_json(out, action_kind_to_string(a->kind));
        strbuf_puts(out, ",\"person\":");
        strbuf_json(out, a->person);
        strbuf_puts(out, ",\"address\":");
        strbuf_json(out, a->address);
        strbuf_puts(out, ",\"remote_id\":");
        strbuf_json(out, a->remote_id);
        strbuf_putc(out, ',');
        state_to_json("before", a->has_before, &a->before, out);
        strbuf_putc(out, ',');
        state_to_json("after", a->has_after, &a->after, out);
        strbuf_putc(out, '}');
}

static int text_or_null(json_object *value, Arena *arena, const char **ret) {
        return value ? string_from_json(value, arena, ret) : 0;
}

static int action_member(const char *name, json_object *value, Arena *arena, Action *a) {
        const char *kind = NULL;
        int r;

        if (str_eq(name, "action")) {
                r = string_from_json(value, arena, &kind);
                a->kind = action_kind_from_string(kind);
                return r;
        }
        if (str_eq(name, "person"))
                return string_from_json(value, arena, &a->person);
        if (str_eq(name, "address"))
                return text_or_null(value, arena, &a->address);
        if (str_eq(name, "remote_id"))
                return text_or_null(value, arena, &a->remote_id);
        if (str_eq(name, "before"))
                return (a->has_before = value) ? state_from_object(value, arena, &a->before) : 0;
        if (str_eq(name, "after"))
                return (a->has_after = value) ? state_from_object(value, arena, &a->after) : 0;
        return -EBADMSG;
}

int action_from_json(const char *json, size_t len, Arena *arena, Action *ret) {
        _cleanup_(json_object_putp) json_object *root = NULL;
        Action a = { .kind = _ACTION_KIND_MAX };
        int r;

        r = read_json(json, len, ACTION_DEPTH, &root);
        if (r < 0)
                return r;
        if (!json_object_is_type(root, json_type_object))
                return -EBADMSG;
        json_object_object_foreach(root, name, value) {
                r = action_member(name, value, arena, &a);
                if (r < 0)
                        return r;
        }
        if (a.kind >= _ACTION_KIND_MAX || str_empty(a.person))
                return -EBADMSG;
        *ret = a;
        return 0;
}

static bool roles_equal(const AccountState *a, const AccountState *b) {
        if (!a->roles != !b->roles || a->n_roles != b->n_roles)
                return false;
        for (size_t i = 0; i < a->n_roles; i++)
                if (!str_eq(a->roles[i], b->roles[i]))
                        return false;
        return true;
}

bool account_state_equal(const AccountState *a, const AccountState *b) {
        for (size_t i = 0; i < ELEMENTSOF(members); i++)
                if (!str_eq(member_of(a, i), member_of(b, i)))
                        return false;
        return roles_equal(a, b);
}

static int copy_string(const char **s, Arena *arena) {
        if (!*s)
                return 0;
        *s = arena_strdup(arena, *s);
        return *s ? 0 : -ENOMEM;
}

static int state_copy(AccountState *s, Arena *arena) {
        const char **roles;
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(members) && r >= 0; i++)
                r = copy_string(member(s, i), arena);
        if (r < 0 || !s->roles)
                return r;
        roles = arena_alloc(arena, (s->n_roles ?: 1) * sizeof(*roles));
        if (!roles)
                return -ENOMEM;
        for (size_t i = 0; i < s->n_roles && r >= 0; i++) {
                roles[i] = s->roles[i];
                r = copy_string(&roles[i], arena);
        }
        s->roles = roles;
        return r;
}

int action_copy(const Action *a, Arena *arena, Action *ret) {
        Action copy = *a;
        int r;

        r = copy_string(&copy.person, arena);
        if (r >= 0)
                r = copy_string(&copy.address, arena);
        if (r >= 0)
                r = copy_string(&copy.remote_id, arena);
        if (r >= 0)
                r = state_copy(&copy.before, arena);
        if (r >= 0)
                r = state_copy(&copy.after, arena);
        if (r < 0)
                return r;
        *ret = copy;
        return 0;
}

Links *links_new(void) {
        _cleanup_(links_freep) Links *links = calloc(1, sizeof(*links));

        if (!links)
                return NULL;
        links->arena = arena_new();
        if (!links->arena)
                return NULL;
        return TAKE(links);
}

Links *links_free(Links *links) {
        if (!links)
                return NULL;
        arena_free(links->arena);
        free(links->items);
        free(links);
        return NULL;
}

int links_add(Links *links, const Link *l) {
        Link copy = *l;
        const char **const strings[] = {
                &copy.person, &copy.remote_id, &copy.address, &copy.employee_number, &copy.role,
        };
        const char *role = links->n > 0 ? links->items[links->n - 1].role : NULL;
        size_t n_strings = ELEMENTSOF(strings);

        if (links->n == links->size) {
                size_t size = links->size ? links->size + links->size / 2 : 64;
                Link *items = reallocarray(links->items, size, sizeof(*items));

                if (!items)
                        return -ENOMEM;
                links->items = items;
                links->size = size;
        }
        /* The last of them, the role, is mostly the same as before. */
        if (role && str_eq(copy.role, role)) {
                copy.role = role;
                n_strings--;
        }
        for (size_t i = 0; i < n_strings; i++) {
                int r = copy_string(strings[i], links->arena);

                if (r < 0)
                        return r;
        }
        links->items[links->n++] = copy;
        return 0;
}

static const char *person_of_link(const void *items, uint32_t pos) {
        return ((const Link *) items)[pos].person;
}

int links_index(const Links *links, StrIndex *ret) {
        *ret = STRINDEX_INIT(person_of_link);
        return strindex_fill(ret, links->items, links->n);
}

static const char *person_of_action(const void *items, uint32_t pos) {
        return ((const Action *) items)[pos].person;
}

int actions_index(const Action *actions, size_t n, StrIndex *ret) {
        *ret = STRINDEX_INIT(person_of_action);
        return strindex_fill(ret, actions, n);
}
