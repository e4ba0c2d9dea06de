/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that must not be seen: wiped when freed, kept out of core dumps, never printed. */
#pragma once

#include <stddef.h>

#include "base/cleanup.h"

/* One owner; `data` is NUL-terminated after `len` bytes for C callers. Pages are excluded from core dumps.
 */
typedef struct Secret Secret;

/* Copies len bytes. NULL when out of memory. */
Secret *secret_new(const void *data, size_t len);
/* Room for up to `capacity` bytes, empty. */
Secret *secret_with_capacity(size_t capacity);
Secret *secret_free(Secret *s);
DEFINE_CLEANUP(Secret *, secret_free);

const char *secret_data(const Secret *s);
size_t secret_len(const Secret *s);

/* Appends within the capacity, growing (and wiping the old place) where needed; a pointer from secret_data()
 * is void afterwards. 0 or -ENOMEM; after that the secret may hold a part of what was appended. */
int secret_append(Secret *s, const void *data, size_t len);
int secret_append_str(Secret *s, const char *text);
/* Appends text as a JSON string with quotes, escaped by RFC 8259 §7. */
int secret_append_json(Secret *s, const char *text, size_t len);
/* Appends base64 (RFC 4648 §4) of the bytes: for HTTP Basic. */
int secret_append_base64(Secret *s, const void *data, size_t len);

/* A random password from getrandom(2): `length` characters, at least one of each of the first `classes`
 * classes (lower, upper, digit, punctuation), without characters that people mistake for each other. -errno
 * when the kernel gives no randomness, -EINVAL unless 1 <= classes <= 4 and classes <= length. */
int secret_generate_password(unsigned length, unsigned classes, Secret **ret);
