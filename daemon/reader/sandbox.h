/* SPDX-License-Identifier: Apache-2.0 */
/* What a reader that was taken over by a hostile server can still do: little. */
#pragma once

#include "reader/output.h"

/* Not dumpable, no core, no privileges; of the file system only the CA file and what resolving names needs,
 * to read (Landlock); no new processes, no tracing, no listening sockets, no change of any file's length,
 * rights or times, none of the system calls that only break-ins use (seccomp). What this kernel can't do is
 * said as a notice. 0, or -errno of output_notice(). */
int sandbox_enter(const DirectoryConfig *directory, Output *out);
