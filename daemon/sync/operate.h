/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator decides while the daemon runs. Each is in the store when the function returns, and
 * logged. */
#pragma once

#include "sync/engine.h"

typedef struct Operate {
        Engine *engine;
        Store *store;
        Loop *loop;
} Operate;

/* All: 0 with words for people in `text`; OPERATE_E_REFUSED with words, nothing changed; -errno of the
 * store. */
#define OPERATE_E_REFUSED 1
/* The plan isn't what is held (any more): its words name what is. */
#define OPERATE_E_STALE 2

/* Lets the held plan with this hash go at the next judgement of its target, which is asked for: *ret. */
int operate_approve(const Operate *o, const char *hash, Remote **ret, ErrCtx *text);
/* The same for the actions of a plan that an operator brings along: all of them, or, where one isn't asked
 * for like this any more, none. What is held stays so until then. */
int operate_apply(const Operate *o, const Plan *plan, Remote **ret, ErrCtx *text);
/* Drops the held plan, and suppresses each of its actions until what it wants changes. */
int operate_reject(const Operate *o, const char *hash, ErrCtx *text);
/* Makes, and holds, a plan for each target where what this cycle did can be taken back. out: a document
 * with these plans, and what can't be taken back, and why. Refused where a target isn't compared just now,
 * or has such a plan already. */
int operate_revert(const Operate *o, int64_t cycle, StrBuf *out, ErrCtx *text);
/* Does this row, which takes something back, still fit? Refused where it doesn't, with the reason, or where
 * the target isn't compared just now. */
int operate_check_revert(const Operate *o, const QueueItem *item, ErrCtx *text);
/* A dead letter, or a dropped action, is tried again from the start of its step. Refused where no plan asks
 * for it any more; one that takes something back, where it doesn't fit any more. */
int operate_retry(const Operate *o, int64_t id, ErrCtx *text);
/* Takes an action out of the queue; the same wish is suppressed until it changes. */
int operate_drop(const Operate *o, int64_t id, ErrCtx *text);
/* target NULL or "": all. Resuming ends parking too. */
int operate_pause(const Operate *o, const char *target, ErrCtx *text);
int operate_resume(const Operate *o, const char *target, ErrCtx *text);
/* As ask_reset(). */
int operate_reset(const Operate *o, const char *person, const char *target, ErrCtx *text);
