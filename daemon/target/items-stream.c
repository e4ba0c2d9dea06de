/* SPDX-License-Identifier: Apache-2.0 */
/* A machine of one step per byte finds where a value ends; the one strict parser (json_tokener_parse_ex
 * behind json_read()) then says whether it is JSON. The parser itself isn't fed with pieces: json-c's check
 * of UTF-8 forgets at the end of a piece in which character it was, and lets overlong forms pass.
 *
 *   START ── [ ──► FIRST ── value ──► AFTER ── , ──► ELEMENT ── value ──► AFTER ── ] ──► END
 *     └── { ──► NAME ──► COLON ──► MEMBER ── [ ──► FIRST … ] ──► NEXT ── , ──► NAME,  } ──► END
 *                                     └── any other value ──► NEXT */
#include <errno.h>
#include <string.h>

#include "base/strings.h"
#include "target/items-stream.h"

typedef enum State {
        AT_START,
        AT_FIRST,               /* behind '[': an element or ']' */
        AT_ELEMENT,             /* behind ',' */
        AT_AFTER,               /* behind an element */
        AT_NAME,                /* of an object's member */
        AT_COLON,
        AT_MEMBER,              /* its value */
        AT_NEXT,                /* behind a member */
        AT_END,
} State;

/* What the value that is being collected is. */
typedef enum Value { VALUE_NONE, VALUE_ELEMENT, VALUE_NAME, VALUE_MEMBER } Value;

struct ItemsStream {
        item_fn_t fn;
        void *userdata;         /* of this feed */
        State state;
        Value value;
        size_t depth;           /* brackets open in the value */
        bool quoted, escaped;
        bool has_array;
        ItemsInfo info;
        StrBuf text;            /* of the value so far */
        int failed;
        ErrCtx err;
};

ItemsStream *items_stream_new(item_fn_t fn) {
        ItemsStream *s = calloc(1, sizeof(*s));

        if (!s)
                return NULL;
        s->fn = fn;
        s->text = STRBUF_INIT(ITEMS_STREAM_ELEMENT_MAX + 1);
        return s;
}

ItemsStream *items_stream_free(ItemsStream *s) {
        if (!s)
                return NULL;
        strbuf_deinit(&s->text);
        free(s);
        return NULL;
}

static bool is_space(char c) {
        return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void fail(ItemsStream *s, const char *text) {
        s->failed = err_set(&s->err, -EBADMSG, 0, "$[%zu]: %s", s->info.n, text);
}

/* ---- values ---- */

/* "$.id is missing" becomes "$[7].id is missing". */
static void fail_at_element(ItemsStream *s, int r) {
        char text[sizeof(s->err.text)];

        s->failed = r;
        if (r != -EBADMSG)
                return;
        memcpy(text, s->err.text, sizeof(text));
        (void) err_set(&s->err, r, s->err.code, "$[%zu]%s%.400s", s->info.n, text[0] == '$' ? "" : ": ",
                       text + (text[0] == '$'));
}

static void end_value(ItemsStream *s) {
        _cleanup_(json_object_putp) struct json_object *item = NULL;
        Value value = s->value;
        int r;

        s->value = VALUE_NONE;
        r = json_read(s->text.data ?: "", s->text.len, &item, &s->err);
        strbuf_reset(&s->text);
        if (r >= 0 && value == VALUE_ELEMENT)
                r = s->fn(item, s->userdata, &s->err);
        if (r < 0) {
                fail_at_element(s, r);
                return;
        }
        if (value == VALUE_ELEMENT)
                s->info.n++;
        s->state = value == VALUE_ELEMENT ? AT_AFTER : value == VALUE_NAME ? AT_COLON : AT_NEXT;
}

/* Does the value go on with c? One that has no end of its own, like a number, ends before it. */
static bool belongs_to_value(ItemsStream *s, char c) {
        return s->quoted || s->depth > 0 || (!is_space(c) && !strchr(",]}:", c));
}

/* Did the value end with c? */
static bool take_into_value(ItemsStream *s, char c) {
        if (s->quoted) {
                s->quoted = s->escaped || c != '"';
                s->escaped = !s->escaped && c == '\\';
                return !s->quoted && s->depth == 0;
        }
        if (c == '"')
                s->quoted = true;
        else if (c == '[' || c == '{')
                s->depth++;
        else if (c == ']' || c == '}')
                return --s->depth == 0;
        return false;
}

/* Bytes of the value at data; how many of len were its own. */
static size_t collect(ItemsStream *s, const char *data, size_t len) {
        size_t n = 0;
        bool ended = false;

        while (n < len && !ended && belongs_to_value(s, data[n]))
                ended = take_into_value(s, data[n++]);
        if (n > ITEMS_STREAM_ELEMENT_MAX - s->text.len) {
                fail(s, "larger than 64 KiB");
                return len;
        }
        strbuf_append(&s->text, data, n);
        if (s->text.error)
                s->failed = s->text.error;
        else if (ended || n < len)
                end_value(s);
        return n;
}

static void begin_value(ItemsStream *s, Value value) {
        s->value = value;
        s->depth = 0;
        s->quoted = s->escaped = false;
}

/* ---- what stands between values ---- */

static bool begins_value(char c) {
        return c != 0 && strchr("\"{[-0123456789tfn", c);
}

static void begin_array(ItemsStream *s) {
        if (s->has_array)
                fail(s, "an object with several arrays instead of one array");
        s->has_array = true;
        s->state = AT_FIRST;
}

/* 1: c is taken; 0: it begins the value that was begun. */
static int step(ItemsStream *s, char c) {
        switch (s->state) {
        case AT_START:
                s->info.wrapped = c == '{';
                if (c == '{')
                        s->state = AT_NAME;
                else if (c == '[')
                        begin_array(s);
                else
                        fail(s, "no array");
                return 1;
        case AT_FIRST:
        case AT_ELEMENT:
                if (c == ']' && s->state == AT_FIRST)
                        s->state = s->info.wrapped ? AT_NEXT : AT_END;
                else if (begins_value(c)) {
                        begin_value(s, VALUE_ELEMENT);
                        return 0;
                } else
                        fail(s, "an element was expected");
                return 1;
        case AT_AFTER:
                if (c == ',')
                        s->state = AT_ELEMENT;
                else if (c == ']')
                        s->state = s->info.wrapped ? AT_NEXT : AT_END;
                else
                        fail(s, "',' or ']' was expected");
                return 1;
        case AT_NAME:
                if (c != '"') {
                        fail(s, "a name was expected");
                        return 1;
                }
                begin_value(s, VALUE_NAME);
                return 0;
        case AT_COLON:
                if (c != ':')
                        fail(s, "':' was expected");
                s->state = AT_MEMBER;
                return 1;
        case AT_MEMBER:
                if (c == '[')
                        begin_array(s);
                else if (begins_value(c)) {
                        begin_value(s, VALUE_MEMBER);
                        return 0;
                } else
                        fail(s, "a value was expected");
                return 1;
        case AT_NEXT:
                if (c == ',')
                        s->state = AT_NAME;
                else if (c == '}')
                        s->state = AT_END;
                else
                        fail(s, "',' or '}' was expected");
                return 1;
        case AT_END:
                fail(s, "something follows the array");
                return 1;
        }
        return 1;
}

void items_stream_feed(ItemsStream *s, const char *data, size_t len, void *userdata) {
        size_t i = 0;

        s->userdata = userdata;
        while (i < len && s->failed == 0)
                if (s->value != VALUE_NONE)
                        i += collect(s, data + i, len - i);
                else if (is_space(data[i]))
                        i++;
                else
                        i += (size_t) step(s, data[i]);
}

int items_stream_end(ItemsStream *s, ItemsInfo *ret, ErrCtx *err) {
        if (s->failed == 0 && s->state == AT_START)
                fail(s, "an empty answer instead of an array");
        if (s->failed == 0 && s->state == AT_END && !s->has_array)
                fail(s, "an object instead of an array");
        if (s->failed == 0 && s->state != AT_END)
                fail(s, "the array isn't ended");
        if (s->failed < 0) {
                if (err)
                        *err = s->err;
                return s->failed;
        }
        *ret = s->info;
        return 0;
}
