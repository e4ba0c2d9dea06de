/* SPDX-License-Identifier: Apache-2.0 */
/* From an entry's attributes to a person. Pure: no calls to a server. */
#pragma once

#include <lber.h>

#include "config/config.h"
#include "directory/stream.h"

typedef struct DirMap DirMap;

/* directory is borrowed and must outlive the map. NULL when out of memory. */
DirMap *dirmap_new(const DirectoryConfig *directory);
DirMap *dirmap_free(DirMap *map);
DEFINE_CLEANUP(DirMap *, dirmap_free);

/* What to ask the server for, each once; ends with NULL. */
char **dirmap_attributes(DirMap *map);

/* One entry: begin with its folded DN (dnkey.h; borrowed until the end), give each attribute (values end
 * with bv_val NULL), finish.
 *
 * Of several values the same one must be taken at every read, and servers don't promise an order: the
 * value that is the entry's RDN, else the smallest by bytes. An attribute with one unreadable value (not
 * UTF-8, a NUL, longer than PERSON_VALUE_MAX) is unreadable as a whole. An attribute's options are part
 * of its name: "mail;lang-en" isn't "mail". */
void dirmap_begin(DirMap *map, const char *folded_dn);
void dirmap_attribute(DirMap *map, const struct berval *name, const struct berval *values);
/* 0 and *ret (borrowed from the map until the next begin; without marks), DIRMAP_E_NO_ID. */
#define DIRMAP_E_NO_ID 1
int dirmap_finish(DirMap *map, Person *ret);

/* Whether this is the attribute with people's logins. */
bool dirmap_is_login(const DirMap *map, const struct berval *name);

/* The canonical text of an id: of the 16 bytes of an objectGUID as Active Directory writes it (MS-DTYP
 * §2.3.4.3), else lower case. False if it isn't one. */
bool dirmap_id(const char *attribute, const struct berval *value, char out[static PERSON_ID_MAX + 1]);
