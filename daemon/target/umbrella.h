/* SPDX-License-Identifier: Apache-2.0 */
/* Cisco Umbrella, Users and Roles API v2
 * (developer.cisco.com/docs/cloud-security/umbrella-api-reference-users-roles-overview): the parts of its
 * driver. The contracts are those of TargetDriver (target/target.h).
 *
 * What the API can't do shapes everything here: no change of an account, no look-up by address, no
 * idempotency key. */
#pragma once

#include "net/json.h"
#include "target/target.h"

/* Rows of a page that we ask for; the documented maximum. */
#define UMBRELLA_PAGE_ROWS 100u
/* More pages than that are no listing but a loop. */
#define UMBRELLA_PAGES_MAX 20000u
#define UMBRELLA_ROLES_MAX 1000u
#define UMBRELLA_ID_SIZE sizeof("18446744073709551615")

/* umbrella-request.c */
int umbrella_build(const TargetConfig *target, const CallInput *in, CallRequest *ret);

/* umbrella-answer.c */
void umbrella_classify(const TargetConfig *target, Call call, const HttpResult *result, Outcome *ret);

/* umbrella-decode.c */
int umbrella_decode_token(const HttpResult *result, Secret **ret_bearer, usec_t *ret_lifetime, ErrCtx *err);
int umbrella_decode_roles(const HttpResult *result, Roles *ret, ErrCtx *err);
int umbrella_decode_answer(const TargetConfig *target, Call call, const Action *action,
                           const HttpResult *result, Arena *arena, Answer *ret, ErrCtx *err);
/* One account of an answer: texts are borrowed from the object, the id stands in `id`. 0, -EBADMSG. */
int umbrella_read_account(struct json_object *object, Account *ret, char id[static UMBRELLA_ID_SIZE],
                          ErrCtx *err);

/* umbrella-listing.c */
int umbrella_decode_page(const TargetConfig *target, const HttpResult *result, ListState *state,
                         ListVerdict *ret, ErrCtx *err);

/* umbrella-flow.c */
void umbrella_flow_begin(const FlowInput *in, FlowNext *ret);
void umbrella_flow_resume(const FlowInput *in, FlowNext *ret);
void umbrella_flow_after(const FlowInput *in, FlowNext *ret);
void umbrella_flow_seen(const FlowInput *in, FlowNext *ret);

/* umbrella-remove.c: deletes and recreates */
void umbrella_delete_begin(const FlowInput *in, FlowNext *ret);
void umbrella_delete_after(const FlowInput *in, FlowNext *ret);
void umbrella_delete_seen(const FlowInput *in, FlowNext *ret);
void umbrella_recreate_begin(const FlowInput *in, FlowNext *ret);
void umbrella_recreate_resume(const FlowInput *in, FlowNext *ret);
void umbrella_recreate_after(const FlowInput *in, FlowNext *ret);
void umbrella_recreate_seen(const FlowInput *in, FlowNext *ret);
