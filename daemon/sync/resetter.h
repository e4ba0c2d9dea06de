/* SPDX-License-Identifier: Apache-2.0 */
/* Works off the resets of one target's queue, in batches: each account keeps its own row and its own end. */
#pragma once

#include "sync/worker.h"

typedef struct Resetter Resetter;

/* All borrowed, hooks as the worker's. Doesn't run before resetter_start(). 0, -ENOMEM. */
int resetter_new(Loop *loop, Store *store, const Config *config, Channel *channel, Quarantine *quarantine,
                 const WorkerHooks *hooks, Resetter **ret);
Resetter *resetter_free(Resetter *resetter);
DEFINE_CLEANUP(Resetter *, resetter_free);

/* As worker_start() and so on. */
void resetter_start(Resetter *resetter);
void resetter_kick(Resetter *resetter);
void resetter_drain(Resetter *resetter);
/* As worker_put_back() and worker_let_go(). */
void resetter_pause(Resetter *resetter);
int resetter_let_go(Resetter *resetter, int64_t id);
bool resetter_is_idle(const Resetter *resetter);
/* Nothing but a fresh listing is of use to it: a reset without an answer can be settled by that. */
bool resetter_wants_look(const Resetter *resetter);
/* A fresh listing begins now; and it ended: complete, or not. */
void resetter_look_begins(Resetter *resetter);
void resetter_looked(Resetter *resetter, bool complete);
/* A batch was sent and its answer isn't here yet. */
bool resetter_is_sent(const Resetter *resetter);
