/* SPDX-License-Identifier: Apache-2.0 */
/* Searches of the reader as ldapsearch(1) commands that a person can paste into a shell. No secret stands in
 * them: a simple bind asks for the password (-W). */
#pragma once

#include "config/config.h"

/* As one word of a POSIX shell (XCU §2.2), in quotes only where it needs them. */
void check_command_quote(StrBuf *out, const char *word);

/* uri: the server to ask. Owned by the caller; NULL when out of memory. */
char *check_command_people(const DirectoryConfig *d, const char *uri);
char *check_command_group(const DirectoryConfig *d, const char *uri, const char *dn);
