/* SPDX-License-Identifier: Apache-2.0 */
/* Places where a test makes the program die: only in a build with --enable-failpoints, else nothing.
 *
 * IDSYNCD_FAILPOINT="name" in the environment kills the process (SIGKILL) when it passes that place,
 * "name:N" when it passes for the Nth time. Names are in lower case, words joined by '-', the module
 * first: "store-committed". */
#pragma once

#ifdef IDSYNCD_FAILPOINTS
void failpoint(const char *name);
#else
#define failpoint(name) ((void) 0)
#endif
