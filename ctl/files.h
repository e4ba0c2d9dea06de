/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs that write a file, or read one. What they write is new, and for its owner alone: there are names and
 * addresses in it. All: 0; an exit code with words in err, and no file is left behind. */
#pragma once

#include <json-c/json.h>

#include "base/error.h"

ExitCode files_backup(const char *path, ErrCtx *err);
/* The held plan; target "": the one that is held. *ret: its hash, target and number of actions. */
ExitCode files_export(const char *target, const char *path, struct json_object **ret, ErrCtx *err);
ExitCode files_apply(const char *path, struct json_object **ret, ErrCtx *err);
