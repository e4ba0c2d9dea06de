/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's documents, for people. Each prints to standard output and returns the exit code that the
 * document stands for. */
#pragma once

#include <json-c/json.h>

#include "base/error.h"

ExitCode show_status(struct json_object *doc);
ExitCode show_targets(struct json_object *doc);
ExitCode show_queue(struct json_object *doc);
ExitCode show_history(struct json_object *doc);
ExitCode show_plan(struct json_object *doc);
ExitCode show_orphans(struct json_object *doc);
ExitCode show_explain(struct json_object *doc);
ExitCode show_message(struct json_object *doc);
/* One line; 0, 1, 2 as a monitoring plug-in counts. From the document of status. */
int show_health(struct json_object *doc);
int health_of(struct json_object *doc);
