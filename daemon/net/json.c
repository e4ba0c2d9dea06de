/* SPDX-License-Identifier: Apache-2.0 */
/* json-c is lenient even when told to be strict: it takes NaN, raw control characters, and the last of two
 * equal keys. So the text is scanned before. */
#include "net/json.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>

#include "base/strings.h"

#define MAX_DEPTH 16

static inline void json_tokener_freep(struct json_tokener **t) {
        if (*t)
                json_tokener_free(*t);
}

static size_t skip_digits(const char *text, size_t len, size_t i) {
        while (i < len && text[i] >= '0' && text[i] <= '9')
                i++;
        return i;
}

/* The length of a number (RFC 8259 §6), 0 if there is none. */
static size_t number_length(const char *text, size_t len) {
        size_t i = len > 0 && text[0] == '-', begin = i;

        i = skip_digits(text, len, i);
        if (i == begin || (text[begin] == '0' && i > begin + 1))
                return 0;
        if (i < len && text[i] == '.') {
                begin = i + 1;
                i = skip_digits(text, len, begin);
                if (i == begin)
                        return 0;
        }
        if (i < len && (text[i] == 'e' || text[i] == 'E')) {
                begin = i + 1;
                if (begin < len && (text[begin] == '+' || text[begin] == '-'))
                        begin++;
                i = skip_digits(text, len, begin);
                if (i == begin)
                        return 0;
        }
        return i;
}

/* What json-c would let pass: *ret_bad is set to the place. Counts the members of all objects by their
 * colons. */
static const char *scan(const char *text, size_t len, size_t *ret_bad, size_t *ret_members) {
        bool quoted = false, escaped = false, nul = false;
        size_t members = 0;

        for (size_t i = 0; i < len; i++) {
                unsigned char c = (unsigned char) text[i];

                *ret_bad = i;
                if (quoted) {
                        if (c < 0x20)
                                return "a raw control character in a string";
                        if (escaped && c == 'u' && len - i > 4 && memcmp(text + i, "u0000", 5) == 0)
                                nul = true;
                        quoted = escaped || c != '"';
                        escaped = !escaped && c == '\\';
                } else if (c == '"') {
                        quoted = true;
                        nul = false;
                } else if (c == ':') {
                        if (nul)
                                return "a name with a NUL in it"; /* json-c would cut it there */
                        members++;
                } else if (c == '-' || (c >= '0' && c <= '9')) {
                        size_t n = number_length(text + i, len - i);

                        if (n == 0)
                                return "not a JSON number";
                        i += n - 1;
                } else if (c == 0 || !strchr(" \t\r\n{}[],truefalsn", c))
                        return "not a JSON value";
        }
        *ret_members = members;
        return NULL;
}

/* Depth is bounded by the parser. */
static size_t count_members(struct json_object *o) {
        size_t n = 0;

        if (json_object_is_type(o, json_type_object)) {
                struct json_object_iterator i = json_object_iter_begin(o), end = json_object_iter_end(o);

                for (; !json_object_iter_equal(&i, &end); json_object_iter_next(&i))
                        n += 1 + count_members(json_object_iter_peek_value(&i));
        } else if (json_object_is_type(o, json_type_array))
                for (size_t i = 0; i < json_object_array_length(o); i++)
                        n += count_members(json_object_array_get_idx(o, i));
        return n;
}

int json_read(const char *text, size_t len, struct json_object **ret, ErrCtx *err) {
        _cleanup_(json_tokener_freep) struct json_tokener *t = NULL;
        _cleanup_(json_object_putp) struct json_object *o = NULL;
        enum json_tokener_error code;
        size_t place = 0, members = 0;
        const char *bad;

        if (len > INT_MAX - 1)
                return err_set(err, -EBADMSG, 0, "the JSON text is too long");
        /* json-c's own check takes overlong forms and surrogates. */
        if (!utf8_is_valid(text, len))
                return err_set(err, -EBADMSG, 0, "not JSON: not UTF-8, or a NUL byte");
        bad = scan(text, len, &place, &members);
        if (bad)
                return err_set(err, -EBADMSG, 0, "not JSON: %s at byte %zu", bad, place);
        t = json_tokener_new_ex(MAX_DEPTH);
        if (!t)
                return -ENOMEM;
        json_tokener_set_flags(t, JSON_TOKENER_STRICT);
        o = json_tokener_parse_ex(t, text, (int) len);
        code = json_tokener_get_error(t);
        place = json_tokener_get_parse_end(t);
        /* A number at the very end could go on: the NUL says that it doesn't. */
        if (code == json_tokener_continue) {
                o = json_tokener_parse_ex(t, "", 1);
                code = json_tokener_get_error(t);
        }
        if (code != json_tokener_success)
                return err_set(err, -EBADMSG, (int) code, "not JSON: %s at byte %zu of %zu",
                               code == json_tokener_continue ? "it ends too early"
                                                             : json_tokener_error_desc(code),
                               place, len);
        for (; place < len; place++)
                if (!strchr(" \t\r\n", text[place]))
                        return err_set(err, -EBADMSG, 0, "not JSON: something follows the value at byte %zu",
                                       place);
        if (count_members(o) != members)
                return err_set(err, -EBADMSG, 0, "ambiguous JSON: an object has two members of one name");
        *ret = TAKE(o);
        return 0;
}

/* 1: *ret is there, and not null. */
static int get_member(struct json_object *object, const char *key, struct json_object **ret, ErrCtx *err) {
        struct json_object *o = NULL;

        if (!json_object_is_type(object, json_type_object))
                return err_set(err, -EBADMSG, 0, "an object with the member \"%s\" was expected", key);
        if (!json_object_object_get_ex(object, key, &o) || !o)
                return 0;
        *ret = o;
        return 1;
}

static int wrong_type(struct json_object *o, const char *key, const char *expected, ErrCtx *err) {
        return err_set(err, -EBADMSG, 0, "$.%s is of type %s, expected was %s", key,
                       json_type_to_name(json_object_get_type(o)), expected);
}

int json_get_string(struct json_object *object, const char *key, const char **ret, ErrCtx *err) {
        struct json_object *o;
        const char *text;
        int r;

        *ret = NULL;
        r = get_member(object, key, &o, err);
        if (r <= 0)
                return r;
        if (!json_object_is_type(o, json_type_string))
                return wrong_type(o, key, "a string", err);
        text = json_object_get_string(o);
        if (strlen(text) != (size_t) json_object_get_string_len(o))
                return err_set(err, -EBADMSG, 0, "$.%s has a NUL character in it", key);
        *ret = text;
        return 0;
}

int json_get_u64(struct json_object *object, const char *key, uint64_t *ret, bool *ret_found, ErrCtx *err) {
        struct json_object *o;
        uint64_t value = UINT64_MAX;
        bool good;
        int r;

        *ret_found = false;
        r = get_member(object, key, &o, err);
        if (r <= 0)
                return r;
        if (json_object_is_type(o, json_type_int)) {
                /* json-c shows a larger number as the largest one. */
                value = json_object_get_uint64(o);
                good = value != UINT64_MAX && (value != 0 || json_object_get_int64(o) == 0);
        } else if (json_object_is_type(o, json_type_string))
                good = strlen(json_object_get_string(o)) == (size_t) json_object_get_string_len(o) &&
                       parse_u64(json_object_get_string(o), &value) >= 0;
        else
                return wrong_type(o, key, "a number", err);
        if (!good)
                return err_set(err, -EBADMSG, 0, "$.%s is no whole number from 0 to 2^64-2", key);
        *ret = value;
        *ret_found = true;
        return 0;
}

int json_get_bool(struct json_object *object, const char *key, bool *ret, bool *ret_found, ErrCtx *err) {
        struct json_object *o;
        int r;

        *ret_found = false;
        r = get_member(object, key, &o, err);
        if (r <= 0)
                return r;
        if (!json_object_is_type(o, json_type_boolean))
                return wrong_type(o, key, "true or false", err);
        *ret = json_object_get_boolean(o);
        *ret_found = true;
        return 0;
}

/* ---- Error texts */

typedef struct Line {
        char *buf;
        size_t size, used;
        bool space;             /* owed before the next character */
} Line;

/* Blanks and control characters become one blank, broken UTF-8 a question mark. Whole characters only. */
static void line_add(Line *l, const char *text, size_t len) {
        while (len > 0) {
                size_t n = 1, need;
                unsigned char c = (unsigned char) *text;
                const char *shown = text;

                if (c >= 0x80) {
                        for (n = 2; n <= 4 && n <= len && !utf8_is_valid(text, n); n++)
                                ;
                        if (n > 4 || n > len) {
                                n = 1;
                                shown = "?";
                        }
                }
                if (c <= 0x20 || c == 0x7f || (n == 2 && c == 0xc2 && (unsigned char) text[1] < 0xa0)) {
                        l->space = l->used > 0;
                        text += n;
                        len -= n;
                        continue;
                }
                need = n + (l->space ? 1 : 0);
                if (l->used + need >= l->size)
                        return;
                if (l->space)
                        l->buf[l->used++] = ' ';
                memcpy(l->buf + l->used, shown, n);
                l->used += n;
                l->space = false;
                text += n;
                len -= n;
        }
}

/* Parts are joined by ": "; one that is there already says nothing new. */
static void line_add_part(Line *l, const char *text, size_t len) {
        char part[512];
        Line p = { .buf = part, .size = sizeof(part) };

        line_add(&p, text, len);
        part[p.used] = '\0';
        l->buf[l->used] = '\0';
        if (p.used == 0 || strstr(l->buf, part))
                return;
        if (l->used > 0 && l->used + 1 < l->size) {
                l->buf[l->used++] = ':';
                l->space = true;
        }
        line_add(l, part, p.used);
}

static void add_json(Line *l, struct json_object *o, int depth) {
        static const char *const keys[] = {
                "title", "error", "errorCode", "code", "message", "msg", "errorMessage", "error_description",
                "description", "detail", "details", "reason", "errors",
        };
        struct json_object *member;

        if (!o || depth > 4)
                return;
        if (json_object_is_type(o, json_type_string))
                line_add_part(l, json_object_get_string(o), (size_t) json_object_get_string_len(o));
        else if (json_object_is_type(o, json_type_array)) {
                for (size_t i = 0; i < json_object_array_length(o) && i < 5; i++)
                        add_json(l, json_object_array_get_idx(o, i), depth + 1);
        } else if (json_object_is_type(o, json_type_object))
                for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                        if (json_object_object_get_ex(o, keys[i], &member))
                                add_json(l, member, depth + 1);
}

/* Where `name` begins in text, in any case; NULL if nowhere. */
static const char *find_tag(const char *text, size_t len, const char *name) {
        size_t n = strlen(name);

        for (; len >= n; text++, len--)
                if (strncasecmp(text, name, n) == 0)
                        return text;
        return NULL;
}

/* A gateway's page: its title, or else its text. */
static void add_html(Line *l, const char *text, size_t len) {
        const char *end = text + len, *title = find_tag(text, len, "<title>"), *p;

        if (title) {
                title += strlen("<title>");
                p = memchr(title, '<', (size_t) (end - title));
                line_add(l, title, (size_t) ((p ? p : end) - title));
        }
        while (l->used == 0 && text < end) {
                p = memchr(text, '<', (size_t) (end - text));
                line_add(l, text, (size_t) ((p ? p : end) - text));
                p = p ? memchr(p, '>', (size_t) (end - p)) : NULL;
                text = p ? p + 1 : end;
        }
}

const char *json_error_text(const char *body, size_t len, char *buf, size_t size) {
        _cleanup_(json_object_putp) struct json_object *o = NULL;
        Line l = { .buf = buf, .size = size };

        if (size == 0)
                return buf;
        while (len > 0 && strchr(" \t\r\n", *body) && *body) {
                body++;
                len--;
        }
        if (len > 0 && json_read(body, len, &o, NULL) >= 0)
                add_json(&l, o, 0);
        else if (len > 0 && *body == '<')
                add_html(&l, body, len);
        else if (len > 0 && *body != '{' && *body != '[')
                line_add(&l, body, len);
        buf[l.used] = '\0';
        return buf;
}
