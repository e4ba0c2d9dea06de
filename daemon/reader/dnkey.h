/* SPDX-License-Identifier: Apache-2.0 */
/* Distinguished names and logins as keys of tables. */
#pragma once

#include <lber.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for a folded name with its NUL. */
#define DN_FOLD_MAX 8193

/* The normal form (config/dn.h) of a name from the directory; a name that has none is folded byte by
 * byte, so that equal ones stay equal. Always UTF-8 without control characters. Returns its length, 0
 * when it is longer than DN_FOLD_MAX - 1. */
size_t dn_fold(const struct berval *dn, char out[static DN_FOLD_MAX]);

/* Without the optional UID of the syntax Name And Optional UID, "dn#'0101'B" (RFC 4517 §3.3.21). */
struct berval dn_without_uid(const struct berval *value);

/* What follows the first RDN of a folded name; "" if nothing does. */
const char *dn_parent(const char *folded);

/* The value of a one-part RDN whose type is the attribute's, in the normal form; false if it isn't. */
bool dn_rdn_value(const char *folded, const char *attribute, const char **ret, size_t *ret_len);

/* 96 bits of SipHash-2-4 under a key of this process: names that somebody chose can't be made to collide. */
typedef struct DnKey {
        uint64_t a;
        uint32_t b;
} DnKey;
typedef enum DnKeyKind { DN_KEY_DN, DN_KEY_LOGIN, _DN_KEY_KIND_MAX } DnKeyKind;
DnKey dn_key(DnKeyKind kind, const char *text, size_t len);
/* A login is compared without regard to ASCII case. */
DnKey dn_key_login(const struct berval *login);
