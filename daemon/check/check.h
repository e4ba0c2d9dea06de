/* SPDX-License-Identifier: Apache-2.0 */
/* A check of everything that the daemon needs: configuration, directory, each target, expectations. It
 * reads, with a reader of its own and over the channels that there are, and changes nothing: neither rows
 * nor listings, and no plan is made. Its calls are counted as all others. */
#pragma once

#include "check/check-lines.h"
#include "sync/engine.h"

typedef struct Check Check;

/* Once, never from inside check_start(); the lines are borrowed. The check may be freed in it. */
typedef void (*check_done_t)(const CheckLines *lines, void *userdata);

/* What isn't known after that time is given up. */
#define CHECK_MAX (15 * USEC_PER_MINUTE)
/* A call that may go out only later than this isn't waited for. */
#define CHECK_PATIENCE (2 * USEC_PER_MINUTE)

/* file: the configuration file, to be read anew; the rest is checked by the engine's configuration. The
 * check must be freed before the engine is, and before it is drained. */
int check_start(Engine *engine, const char *file, check_done_t done, void *userdata, Check **ret);
/* Cancels: reader and calls under way are cut off, done won't come. */
Check *check_free(Check *check);
DEFINE_CLEANUP(Check *, check_free);

/* A line for each problem of the file and the credentials that it names, or that all is well. Reads files,
 * nothing else. -errno: it can't be read at all, also told by a line. */
int check_configuration(const char *file, const char *credentials, CheckLines *lines);
