/* SPDX-License-Identifier: Apache-2.0 */
/* People that wait for the end of a read: in memory up to SPOOL_MEMORY, then in an unlinked file of the
 * state directory. */
#pragma once

#include <stdint.h>

#include "base/strings.h"
#include "model/person.h"

#define SPOOL_MEMORY ((size_t) 1 << 20)

typedef struct Spool Spool;

/* directory is borrowed for the spool's life. NULL when out of memory. */
Spool *spool_new(const char *directory, size_t n_groups);
Spool *spool_free(Spool *spool);
DEFINE_CLEANUP(Spool *, spool_free);

/* 0; -ENOSPC, -ENOMEM, -errno. */
int spool_add(Spool *spool, const Person *p, uint64_t fingerprint);
/* Calls fn for each in the order added; p is borrowed. A return other than 0 ends the walk and is
 * returned. -EBADMSG: the file doesn't hold what was written. */
int spool_walk(Spool *spool, int (*fn)(const Person *p, uint64_t fingerprint, void *userdata),
               void *userdata);

/* One record, for the spool and its fuzzer:
 *   record = size:u32 fingerprint:u64 unreadable:u32 disabled:u8 words:u64 × MARKS_WORDS text × 9
 *   text   = present:u8 [ bytes NUL ]        id, dn, signal, then the fields in their order
 * in the machine's own byte order; size counts what follows it. */
void spool_encode(StrBuf *out, const Person *p, size_t n_groups, uint64_t fingerprint);
/* Decodes what follows the size. Texts point into data; marks has room for MARKS_WORDS(n_groups). 0;
 * -EBADMSG. */
int spool_decode(const void *data, size_t size, size_t n_groups, uint64_t *marks, Person *ret,
                 uint64_t *ret_fingerprint);
