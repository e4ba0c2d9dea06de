/* SPDX-License-Identifier: Apache-2.0 */
/* Oracle Primavera Administration, REST API v3
 * (docs.oracle.com/en/industries/construction-engineering/primavera-administration/26/rest-api): the parts
 * of its driver. The contracts are those of TargetDriver (target/target.h).
 *
 * What shapes everything here: a POST creates or updates by login, by a job of which only one may run; roles
 * are replaced whole; nothing can be deleted; the list of users has no pages; 404 may mean "not allowed". */
#pragma once

#include "net/json.h"
#include "target/target.h"

#define PRIMAVERA_JOB_ID_MAX 64
/* A user (UserRO) as the API tells it: what is larger isn't one. */
#define PRIMAVERA_USER_MAX (64u << 10)
#define PRIMAVERA_ROLES_MAX 500u

/* primavera-request.c */
int primavera_build(const TargetConfig *target, const CallInput *in, CallRequest *ret);
int primavera_authorize(const TargetConfig *target, const Secret *key, const Secret *secret, Secret **ret);
bool primavera_reset_has_passwords(const TargetConfig *target);
/* "https://host/tenant/cloudapi/restapi" */
void primavera_base(const TargetConfig *target, StrBuf *b);

/* primavera-body.c: UserROs. 0, -EINVAL, -ENOMEM. */
int primavera_body_create(const TargetConfig *target, const Action *action, Secret **ret);
/* The fetched user with what the action changes. roles: replaced as the action says, else as fetched. */
int primavera_body_change(const TargetConfig *target, Call call, const Action *action, const char *document,
                          Secret **ret);
int primavera_body_reset(const TargetConfig *target, const CallInput *in, Secret **ret);

/* primavera-answer.c */
void primavera_classify(const TargetConfig *target, Call call, const HttpResult *result, Outcome *ret);

/* primavera-decode.c */
int primavera_decode_token(const HttpResult *result, Secret **ret_bearer, usec_t *ret_lifetime, ErrCtx *err);
int primavera_decode_answer(const TargetConfig *target, Call call, const Action *action,
                            const HttpResult *result,
                            Arena *arena, Answer *ret, ErrCtx *err);
int primavera_decode_reset(const TargetConfig *target, const Action *const *batch, size_t n,
                           const HttpResult *result,
                           Arena *arena, Answer *ret, ErrCtx *err);

/* primavera-user.c: one UserRO; texts are borrowed from the object, or stand in the scratch. */
typedef struct PrimaveraScratch {
        const char *roles[PRIMAVERA_ROLES_MAX];
        char number[32], reset[64];
} PrimaveraScratch;
int primavera_read_user(const TargetConfig *target, struct json_object *object, PrimaveraScratch *scratch,
                        Account *ret,
                        ErrCtx *err);
/* true or false, also as text or number. 0; -EBADMSG. Missing or null: *ret stays. */
int primavera_read_bool(struct json_object *object, const char *key, bool *ret, ErrCtx *err);
/* Does a row of `applications` name the role? */
bool primavera_is_managed(const TargetConfig *target, const char *role);
/* "; asked for NAME (applications[0]), …": the applications that the action adds, each with its row of the
 * configuration, as far as buf goes; "" where it adds none. No call tells which names there are: a wrong one
 * shows in the result of the first job that asks for it. Returns buf. */
const char *primavera_applications(const TargetConfig *target, const Action *action, char *buf, size_t size);
const char *primavera_reset_mark(const Account *account);
ResetFate primavera_reset_fate(const char *memo, usec_t begun, const Account *account);

/* primavera-listing.c */
void primavera_feed(const TargetConfig *target, ListState *state, const char *data, size_t len);
int primavera_decode_page(const TargetConfig *target, const HttpResult *result, ListState *state,
                          ListVerdict *ret,
                          ErrCtx *err);

/* primavera-job.c: what the memo of an action holds. */
typedef struct PrimaveraJob {
        char id[PRIMAVERA_JOB_ID_MAX + 1];      /* "-": somebody else's, which ours waits for */
        usec_t since;
        unsigned losses;                        /* jobs of this action that ended without a word */
} PrimaveraJob;
/* false: there is none in it. */
bool primavera_job_read(const char *memo, PrimaveraJob *ret);
bool primavera_job_id_is_valid(const char *id, size_t len);
/* Our job was taken, or said to go on: asks again later. */
void primavera_job_wait(const FlowInput *in, FlowNext *ret);
/* Another one runs: CALL_GET in `step` after a while; a dead letter after too long. */
void primavera_job_busy(const FlowInput *in, Step step, FlowNext *ret);
/* It said no, in these words (NULL: in none): a dead letter. */
void primavera_job_failed(const FlowInput *in, const char *words, FlowNext *ret);
/* It left no word about the account: `call` in `step`; after too many such jobs a dead letter. */
void primavera_job_lost(const FlowInput *in, PrimaveraJob *job, Step step, Call call, FlowNext *ret);
/* How long a job may run. */
bool primavera_job_is_overdue(const FlowInput *in);
/* Has the API's answer about an overdue job been nothing that can be understood? An API that can't be
 * reached, or says that it is out of service, has said nothing of the job. */
bool primavera_job_is_lost_sight_of(const FlowInput *in);

/* primavera-flow.c */
void primavera_flow_begin(const FlowInput *in, FlowNext *ret);
void primavera_flow_resume(const FlowInput *in, FlowNext *ret);
void primavera_flow_after(const FlowInput *in, FlowNext *ret);
void primavera_flow_seen(const FlowInput *in, FlowNext *ret);

/* primavera-change.c: update, enable, disable */
void primavera_change_begin(const FlowInput *in, FlowNext *ret);
void primavera_change_after(const FlowInput *in, FlowNext *ret);
void primavera_change_seen(const FlowInput *in, FlowNext *ret);
