/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "model/plan-file.h"

#define HEAD "{\"format\":\"idsyncd plan\",\"version\":1,\"target\":"
#define ACTION_BYTES_MAX ((size_t) 1 << 20)
#define DEPTH_MAX 4
#define NAME_MAX_BYTES 255

/* ---- writing ---- */

static void new_line(unsigned depth, StrBuf *out) {
        strbuf_putc(out, '\n');
        for (unsigned i = 0; i < depth; i++)
                strbuf_puts(out, "  ");
}

/* Behind the quote that closes the string which begins at s. */
static const char *string_end(const char *s, const char *end) {
        for (s++; s < end && *s != '"'; s++)
                if (*s == '\\' && end - s > 1)
                        s++;
        return s < end ? s + 1 : NULL;
}

static bool opens(char c) {
        return c == '{' || c == '[';
}

static bool closes(char c) {
        return c == '}' || c == ']';
}

/* Canonical JSON, each member on a line. */
static void indent(const StrBuf *in, unsigned depth, StrBuf *out) {
        const char *end = in->data + in->len, *next;

        for (const char *s = in->data; s < end; s = next) {
                next = *s == '"' ? string_end(s, end) : s + 1;
                if (!next)
                        return;
                if (closes(*s)) {
                        depth--;
                        if (!opens(s[-1]))
                                new_line(depth, out);
                }
                strbuf_append(out, s, (size_t) (next - s));
                if (opens(*s)) {
                        depth++;
                        if (!closes(*next))
                                new_line(depth, out);
                } else if (*s == ',')
                        new_line(depth, out);
                else if (*s == ':')
                        strbuf_putc(out, ' ');
        }
}

void plan_file_head(const char *target, const char *hash, const char *reason, StrBuf *out) {
        strbuf_puts(out, "{\n  \"format\": \"idsyncd plan\",\n  \"version\": 1,\n  \"target\": ");
        strbuf_json(out, target);
        strbuf_puts(out, ",\n  \"hash\": ");
        strbuf_json(out, hash);
        strbuf_puts(out, ",\n  \"reason\": ");
        strbuf_json(out, reason);
        strbuf_puts(out, ",\n  \"actions\": [");
}

void plan_file_action(const Action *a, bool first, StrBuf *out) {
        _cleanup_(strbuf_deinit) StrBuf line = STRBUF_INIT(ACTION_BYTES_MAX);

        action_to_json(a, &line);
        if (line.error < 0) {
                out->error = out->error ?: line.error;
                return;
        }
        if (!first)
                strbuf_putc(out, ',');
        new_line(2, out);
        indent(&line, 2, out);
}

void plan_file_end(StrBuf *out) {
        strbuf_puts(out, "\n  ]\n}\n");
}

/* ---- reading ---- */

typedef struct Cursor {
        const char *s, *end;
        ErrCtx *err;
} Cursor;

static int refuse(const Cursor *c, const char *what) {
        return err_set(c->err, PLAN_FILE_E_REFUSED, 0, "not a plan as idsyncctl writes it: %s", what);
}

/* Takes the white space outside of strings away. */
static size_t compact(char *text, size_t len) {
        char *to = text, *end = text + len;

        for (const char *s = text, *next; s < end; s = next) {
                next = *s == '"' ? string_end(s, end) ?: end : s + 1;
                if (*s == ' ' || *s == '\t' || *s == '\r' || *s == '\n')
                        continue;
                memmove(to, s, (size_t) (next - s));
                to += next - s;
        }
        return (size_t) (to - text);
}

static bool accept(Cursor *c, const char *text) {
        size_t len = strlen(text);

        if ((size_t) (c->end - c->s) < len || memcmp(c->s, text, len) != 0)
                return false;
        c->s += len;
        return true;
}

/* The inside of a string, as it is written. */
static bool take_string(Cursor *c, const char **ret, size_t *ret_len) {
        const char *end = c->s < c->end && *c->s == '"' ? string_end(c->s, c->end) : NULL;

        if (!end)
                return false;
        *ret = c->s + 1;
        *ret_len = (size_t) (end - c->s) - 2;
        c->s = end;
        return true;
}

/* A name that needs no escapes: a target's, a hash. */
static bool take_name(Cursor *c, Plan *plan, char **ret) {
        const char *text;
        size_t len;

        if (!take_string(c, &text, &len) || len > NAME_MAX_BYTES || !utf8_is_valid(text, len))
                return false;
        for (size_t i = 0; i < len; i++)
                if (text[i] == '\\' || (unsigned char) text[i] < ' ')
                        return false;
        *ret = arena_strndup(plan->arena, text, len);
        return *ret != NULL;
}

/* Behind the object that begins at s. */
static const char *object_end(const char *s, const char *end) {
        unsigned depth = 0;

        for (const char *next; s < end; s = next) {
                next = *s == '"' ? string_end(s, end) : s + 1;
                if (!next)
                        return NULL;
                if (opens(*s) && ++depth > DEPTH_MAX)
                        return NULL;
                if (closes(*s) && --depth == 0)
                        return next;
        }
        return NULL;
}

static int read_action(Cursor *c, Plan *plan) {
        const char *end = c->s < c->end && *c->s == '{' ? object_end(c->s, c->end) : NULL;
        _cleanup_(strbuf_deinit) StrBuf line = STRBUF_INIT(ACTION_BYTES_MAX);
        _cleanup_(arena_freep) Arena *arena = arena_new();
        size_t len;
        Action a;
        int r;

        if (!arena)
                return -ENOMEM;
        if (!end || (size_t) (end - c->s) > ACTION_BYTES_MAX)
                return -EBADMSG;
        len = (size_t) (end - c->s);
        r = action_from_json(c->s, len, arena, &a);
        if (r < 0)
                return r;
        /* What json-c lets pass (a member twice, another order or spelling) isn't what was reviewed. */
        action_to_json(&a, &line);
        if (line.error < 0 || line.len != len || memcmp(line.data, c->s, len) != 0)
                return line.error == -ENOMEM ? -ENOMEM : -EBADMSG;
        c->s = end;
        return plan_add_action(plan, &a);
}

static int read_actions(Cursor *c, Plan *plan) {
        char what[64];
        int r;

        do {
                r = read_action(c, plan);
                if (r == -EBADMSG) {
                        snprintf(what, sizeof(what), "action %zu", plan->n_actions + 1);
                        return refuse(c, what);
                }
                if (r < 0)
                        return r;
        } while (accept(c, ","));
        return 0;
}

static int read_plan(Cursor *c, Plan *plan, char **ret_hash) {
        const char *reason;
        char *target;
        size_t len;
        int r;

        if (!accept(c, HEAD))
                return refuse(c, "its head");
        if (!take_name(c, plan, &target) || !accept(c, ",\"hash\":") || !take_name(c, plan, ret_hash) ||
            !accept(c, ",\"reason\":") || !take_string(c, &reason, &len) || !accept(c, ",\"actions\":["))
                return refuse(c, "target, hash or reason");
        plan->target = target;
        r = read_actions(c, plan);
        if (r != 0)
                return r;
        if (!accept(c, "]}") || c->s != c->end)
                return refuse(c, "its end");
        return 0;
}

int plan_file_read(char *text, size_t len, Plan **ret, ErrCtx *err) {
        _cleanup_(plan_freep) Plan *plan = plan_new(NULL);
        Cursor c = { .s = text, .end = text + compact(text, len), .err = err };
        char *hash = NULL;
        int r;

        if (!plan)
                return -ENOMEM;
        r = read_plan(&c, plan, &hash);
        if (r != 0)
                return r;
        r = plan_finish(plan);
        if (r < 0)
                return r;
        if (!str_eq(hash, plan->hash))
                return err_set(err, PLAN_FILE_E_REFUSED, 0,
                               "the file was edited: its hash is %.40s, that of its content %s; write it "
                               "anew with \"idsyncctl plan %s -o FILE\"",
                               hash, plan->hash, plan->target);
        *ret = TAKE(plan);
        return 0;
}
