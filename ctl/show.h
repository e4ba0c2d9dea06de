/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's documents, for people, on standard output. */
#pragma once

#include <json-c/json.h>

void show_status(struct json_object *doc);
void show_targets(struct json_object *doc);
void show_queue(struct json_object *doc);
void show_history(struct json_object *doc);
void show_plan(struct json_object *doc);
/* What is taken back, and what can't be. */
void show_revert(struct json_object *doc);
void show_orphans(struct json_object *doc);
/* The same for a spreadsheet: RFC 4180, with a row of headings; control characters are made visible. A cell
 * that a spreadsheet might take for a formula begins with an apostrophe. Targets without a listing are told
 * on standard error. */
void show_orphans_csv(struct json_object *doc);
void show_check(struct json_object *doc);
void show_explain(struct json_object *doc);
/* One line of sync PERSON, at once. */
void show_step(struct json_object *step);
void show_message(struct json_object *doc);
/* One line; 0, 1, 2 as a monitoring plug-in counts. From the document of status. */
int show_health(struct json_object *doc);
int health_of(struct json_object *doc);
void show_unknown_health(const char *why);
