/* SPDX-License-Identifier: Apache-2.0 */
/* One read of the directory: the first server that lets us bind, the groups, the people, the canaries. */
#pragma once

#include "reader/output.h"

/* Reads everything and writes people and notices. *ret is filled for output_done() (not written here);
 * its texts and groups belong to the Reader. 0 (whatever the directory said stands in *ret); -EPIPE,
 * -ENOMEM or what else made it impossible. */
typedef struct Reader Reader;
int reader_run(const StreamSettings *settings, int watch_fd, Output *out, Reader **ret,
               StreamDone *ret_done);
Reader *reader_free(Reader *reader);
DEFINE_CLEANUP(Reader *, reader_free);
