/* SPDX-License-Identifier: Apache-2.0 */
/* The walk only finds where an element ends: at a comma or bracket of the array itself. Whether the
 * element is JSON is for the one strict parser to say. */
#include <errno.h>
#include <string.h>

#include "target/items.h"

static const char *skip_space(const char *p, const char *end) {
        while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
                p++;
        return p;
}

/* Past the string whose opening quote is at p; end if it is cut. */
static const char *skip_string(const char *p, const char *end) {
        for (p++; p < end && *p != '"'; p++)
                if (*p == '\\' && p + 1 < end)
                        p++;
        return p < end ? p + 1 : end;
}

/* The ',' or ']' of the array that ends the element at p; NULL if there is none. */
static const char *find_element_end(const char *p, const char *end) {
        size_t depth = 0;

        while (p < end)
                switch (*p) {
                case '"':
                        p = skip_string(p, end);
                        break;
                case '[':
                case '{':
                        depth++;
                        p++;
                        break;
                case ']':
                case '}':
                        if (depth == 0)
                                return *p == ']' ? p : NULL;
                        depth--;
                        p++;
                        break;
                case ',':
                        if (depth == 0)
                                return p;
                        p++;
                        break;
                default:
                        p++;
                }
        return NULL;
}

/* Puts the place in front of a refusal: "$.id is missing" becomes "$[7].id is missing". */
static int at_element(int r, size_t index, ErrCtx *err) {
        char text[sizeof(err->text)];
        bool path;

        if (r != -EBADMSG || !err)
                return r;
        memcpy(text, err->text, sizeof(text));
        path = text[0] == '$';
        return err_set(err, r, err->code, "$[%zu]%s%.400s", index, path ? "" : ": ", text + path);
}

static int read_element(const char *text, size_t len, item_fn_t fn, void *userdata, ErrCtx *err) {
        _cleanup_(json_object_putp) struct json_object *item = NULL;
        int r;

        r = json_read(text, len, &item, err);
        return r < 0 ? r : fn(item, userdata, err);
}

/* p: behind the opening bracket. */
static int each_of_text(const char *p, const char *end, item_fn_t fn, void *userdata, size_t *ret_n,
                        ErrCtx *err) {
        const char *stop;
        size_t n = 0;
        int r;

        p = skip_space(p, end);
        if (p < end && *p == ']')
                stop = p;
        else
                for (;; p = stop + 1) {
                        stop = find_element_end(p, end);
                        if (!stop)
                                return err_set(err, -EBADMSG, 0, "$[%zu]: the array isn't ended", n);
                        r = read_element(p, (size_t) (stop - p), fn, userdata, err);
                        if (r < 0)
                                return at_element(r, n, err);
                        n++;
                        if (*stop == ']')
                                break;
                }
        if (skip_space(stop + 1, end) != end)
                return err_set(err, -EBADMSG, 0, "something follows the array");
        *ret_n = n;
        return 0;
}

/* NULL, with err: none, or several. */
static struct json_object *find_only_array(struct json_object *object, ErrCtx *err) {
        struct json_object *found = NULL;

        json_object_object_foreach(object, key, value) {
                (void) key;
                if (!json_object_is_type(value, json_type_array))
                        continue;
                if (found) {
                        (void) err_set(err, 0, 0, "an object with several arrays instead of one array");
                        return NULL;
                }
                found = value;
        }
        if (!found)
                (void) err_set(err, 0, 0, "an object instead of an array");
        return found;
}

static int each_of_object(const char *text, size_t len, item_fn_t fn, void *userdata, size_t *ret_n,
                          ErrCtx *err) {
        _cleanup_(json_object_putp) struct json_object *object = NULL;
        struct json_object *array;
        size_t n;
        int r;

        if (len > ITEMS_WRAPPED_MAX)
                return err_set(err, -EBADMSG, 0, "an object of %zu bytes instead of an array", len);
        r = json_read(text, len, &object, err);
        if (r < 0)
                return r;
        array = find_only_array(object, err);
        if (!array)
                return -EBADMSG;
        n = json_object_array_length(array);
        for (size_t i = 0; i < n; i++) {
                r = fn(json_object_array_get_idx(array, i), userdata, err);
                if (r < 0)
                        return at_element(r, i, err);
        }
        *ret_n = n;
        return 0;
}

int items_each(const char *text, size_t len, item_fn_t fn, void *userdata, ItemsInfo *ret, ErrCtx *err) {
        const char *end = text + len, *p = skip_space(text, end);
        ItemsInfo info = { 0 };
        int r;

        if (p == end)
                return err_set(err, -EBADMSG, 0, "an empty answer instead of an array");
        info.wrapped = *p == '{';
        if (info.wrapped)
                r = each_of_object(text, len, fn, userdata, &info.n, err);
        else if (*p == '[')
                r = each_of_text(p + 1, end, fn, userdata, &info.n, err);
        else
                r = err_set(err, -EBADMSG, 0, "no array");
        if (r < 0)
                return r;
        *ret = info;
        return 0;
}
