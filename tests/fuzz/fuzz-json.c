/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte is the room for an error text; the rest is what an API may send. */
#include <string.h>

#include "base/strings.h"
#include "fuzz.h"
#include "net/json.h"

static void check_member(struct json_object *o, const char *key) {
        const char *text;
        uint64_t number = 0;
        bool truth, found;

        if (json_get_string(o, key, &text, NULL) == 0 && text && !utf8_is_valid(text, strlen(text)))
                abort();
        if (json_get_u64(o, key, &number, &found, NULL) == 0 && found && number == UINT64_MAX)
                abort();
        (void) json_get_bool(o, key, &truth, &found, NULL);
}

/* Whether all of it can be written and read again: infinite numbers can't. */
static bool walk(struct json_object *o, int depth) {
        bool whole = true;

        if (depth > 16)
                abort();
        if (json_object_is_type(o, json_type_double))
                return false;
        if (json_object_is_type(o, json_type_array)) {
                for (size_t i = 0; i < json_object_array_length(o); i++)
                        whole = walk(json_object_array_get_idx(o, i), depth + 1) && whole;
        } else if (json_object_is_type(o, json_type_object)) {
                struct json_object_iterator i = json_object_iter_begin(o), end = json_object_iter_end(o);

                for (; !json_object_iter_equal(&i, &end); json_object_iter_next(&i)) {
                        check_member(o, json_object_iter_peek_name(&i));
                        whole = walk(json_object_iter_peek_value(&i), depth + 1) && whole;
                }
        }
        return whole;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(json_object_putp) struct json_object *o = NULL, *again = NULL;
        ErrCtx err = { 0 };
        char buf[256];
        size_t room, len;

        if (size < 1)
                return 0;
        room = *data++;
        size--;
        if (json_read((const char *) data, size, &o, &err) == 0) {
                if (walk(o, 0)) {
                        const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);

                        if (json_read(text, strlen(text), &again, NULL) != 0 || !json_object_equal(o, again))
                                abort();
                }
        } else if (!*err.text)
                abort();
        (void) json_error_text((const char *) data, size, buf, room);
        if (room == 0)
                return 0;
        len = strlen(buf);
        if (len >= room || !utf8_is_valid(buf, len))
                abort();
        for (size_t i = 0; i < len; i++)
                if ((unsigned char) buf[i] < 0x20 || buf[i] == 0x7f)
                        abort();
        return 0;
}
