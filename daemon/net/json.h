/* SPDX-License-Identifier: Apache-2.0 */
/* Reading JSON (RFC 8259) from strangers: strict, bounded, typed; and the error texts of APIs. */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

static inline void json_object_putp(struct json_object **o) {
        if (*o)
                json_object_put(*o);
}

/* Whole text, strict, UTF-8 checked, depth <= 16; nothing may follow. 0; -EBADMSG with the reason and the
 * place in err. */
int json_read(const char *text, size_t len, struct json_object **ret, ErrCtx *err);

/* Members of an object: missing or null gives 0 and NULL/unchanged default through ret_found; a wrong type
 * is -EBADMSG with the path in err. Strings are borrowed from the object, valid UTF-8, and refused with an
 * inner NUL. Ids may be numbers or strings of digits. */
int json_get_string(struct json_object *object, const char *key, const char **ret, ErrCtx *err);
int json_get_u64(struct json_object *object, const char *key, uint64_t *ret, bool *ret_found, ErrCtx *err);
int json_get_bool(struct json_object *object, const char *key, bool *ret, bool *ret_found, ErrCtx *err);

/* What an error answer says, from any of the shapes that APIs use ("message", "error", "description",
 * "title", a plain text, HTML): one printable line of at most size-1 bytes into buf, "" where none of these
 * is found. Other members of a JSON answer are never shown: they may repeat the request. */
const char *json_error_text(const char *body, size_t len, char *buf, size_t size);
