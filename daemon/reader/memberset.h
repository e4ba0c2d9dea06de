/* SPDX-License-Identifier: Apache-2.0 */
/* Which names are members of what: pairs of a key and a small number, 16 bytes each. The names themselves
 * aren't kept: 96 bits of a keyed hash tell a billion of them apart. (tsearch() of glibc takes 64 bytes a
 * pair, and directories have groups of everybody.) */
#pragma once

#include "base/cleanup.h"
#include "reader/dnkey.h"

typedef struct MemberSet MemberSet;

MemberSet *memberset_new(void);
MemberSet *memberset_free(MemberSet *set);
DEFINE_CLEANUP(MemberSet *, memberset_free);

/* 0 (also when the pair was there), -ENOMEM. number: below UINT32_MAX. */
int memberset_add(MemberSet *set, DnKey key, uint32_t number);

/* Walks the numbers of a key: start with *cursor = 0; false at the end. */
bool memberset_next(const MemberSet *set, DnKey key, size_t *cursor, uint32_t *ret);
bool memberset_has(const MemberSet *set, DnKey key);
