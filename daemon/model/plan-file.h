/* SPDX-License-Identifier: Apache-2.0 */
/* A held plan as a file: for people to review, and for `apply` to do exactly that. Pure.
 *
 * JSON (RFC 8259), members in this order, indented for the eye; actions are action_to_json(), in canonical
 * order. The same plan gives the same bytes: no times, no secrets.
 *
 * Action by action, not as a tree of json-c's: of 50,000 actions that takes 180 MiB, ten times the text.
 *
 *   {"format":"idsyncd plan","version":1,"target":NAME,"hash":HASH,"reason":WHY,"actions":[ACTION,…]} */
#pragma once

#include "base/error.h"
#include "model/plan.h"

#define PLAN_FILE_MAX ((size_t) 64 << 20)

/* Appends one after the other: the head, each action, the end. */
void plan_file_head(const char *target, const char *hash, const char *reason, StrBuf *out);
void plan_file_action(const Action *a, bool first, StrBuf *out);
void plan_file_end(StrBuf *out);

/* What such a file says: a finished plan that owns its target's name too. White space may differ, nothing
 * else: an unknown, missing, doubled or moved member is refused, and so is a hash that isn't that of the
 * content. The text is changed (its white space goes). 0; PLAN_FILE_E_REFUSED with reason and place in err;
 * -ENOMEM. */
#define PLAN_FILE_E_REFUSED 1
int plan_file_read(char *text, size_t len, Plan **ret, ErrCtx *err);
