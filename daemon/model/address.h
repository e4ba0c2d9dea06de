/* SPDX-License-Identifier: Apache-2.0 */
/* Mail addresses as keys. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Longest address, and longest key, in bytes. */
#define ADDRESS_MAX 512

/* The key of an address: trimmed, NFC, full case folding, the domain in A-labels (RFC 5891 by IDNA2008
 * with UTS 46 non-transitional, and the letters, digits and hyphens of RFC 5321 §4.1.2); never NFKC in
 * the local part, no rule for dots or +tags. The key of a key is itself. Plain ASCII is dealt with without
 * allocating. 0; ADDRESS_E_INVALID with a reason in err: not UTF-8, no or several '@', empty part, white
 * space, control or invisible characters inside, too long, a domain that IDNA refuses; -ENOMEM. */
#define ADDRESS_E_INVALID 1
int address_key_buf(const char *address, char ret[static ADDRESS_MAX + 1], ErrCtx *err);
/* The same, owned by the caller; without the reason. */
int address_key(const char *address, char **ret);

/* A login as a key: NFC, full case folding. How an API compares logins isn't told, and who isn't found by
 * one would be overwritten. Allocated; NULL: out of memory. */
char *login_key(const char *login);
/* By their keys; true too when memory runs out. Plain ASCII is dealt with without allocating. */
bool login_equal(const char *a, const char *b);

/* Does a pattern of `protect` fit? '*' stands for any run of characters; the pattern's other characters
 * are compared as keys are (a domain may be written either way, in letters or in A-labels). key: of an
 * address, or a login that is none; NULL: false. When memory runs out: true, which protects. */
bool address_matches(const char *pattern, const char *key);
