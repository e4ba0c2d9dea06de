/* SPDX-License-Identifier: Apache-2.0 */
/* The process of a reader: started with nothing of ours but its socket, always reaped. */
#pragma once

#include <sys/types.h>

#include "base/loop.h"

typedef struct Child Child;

/* status: as waitpid() tells it. */
typedef void (*child_exit_fn_t)(int status, void *userdata);

/* Starts program with the arguments given (argv[0] included); fd becomes its descriptor 3, /dev/null its
 * standard input and output; it has no signal blocked and no more of our environment than a resolver and
 * a sanitizer need. on_exit comes once, never from inside. -errno. */
int child_start(Loop *loop, const char *program, char *const argv[], int fd, child_exit_fn_t on_exit,
                void *userdata, Child **ret);
void child_kill(Child *child);
/* Kills and forgets it: on_exit won't come, and the process is reaped before it returns. NULL is fine;
 * returns NULL. */
Child *child_free(Child *child);
DEFINE_CLEANUP(Child *, child_free);

#define CHILD_DESCRIPTION_MAX 96
/* "was killed by signal 9 (Killed)", "exited with code 70"; returns buf. */
const char *child_describe(int status, char buf[static CHILD_DESCRIPTION_MAX]);
