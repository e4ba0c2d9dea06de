/* SPDX-License-Identifier: Apache-2.0 */
/* What a reader that was taken over by a hostile server can still do: little. */
#pragma once

#include "reader/output.h"

/* Not dumpable, no core, no new privileges; of the file system only the CA file and what resolving names
 * needs (Landlock); no new processes, no tracing, no listening sockets, none of the system calls that
 * only break-ins use (seccomp). What this kernel can't do is said as a notice. 0, or -errno of
 * output_notice(). */
int sandbox_enter(const DirectoryConfig *directory, Output *out);
