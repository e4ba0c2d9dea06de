/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that one configuration brings to life: secrets, targets, directory, cycle. A reload makes a
 * new one. */
#pragma once

#include "sync/cycle.h"

typedef struct Engine Engine;

typedef struct EngineOptions {
        Loop *loop;
        Store *store;                   /* in a dry run: a scratch copy */
        const char *credentials;        /* directory */
        const char *reader;             /* path of idsyncd-directory */
        bool dry_run, once;             /* once: a one-shot run */
        char *const *approvals;
        size_t n_approvals;
        void (*cycle_done)(void *userdata);     /* a cycle or a retry ended */
        void (*changed)(void *userdata);        /* some queue or target changed; may come often */
        void (*called)(const CallEvent *event, void *userdata); /* as WorkerHooks.called; may be NULL */
        void *userdata;
} EngineOptions;

/* Takes a reference to config; the rest is borrowed. 0; ENGINE_E_CREDENTIAL: a credential can't be used; err
 * says which and why; -errno, also of the store. */
#define ENGINE_E_CREDENTIAL 1
int engine_new(const EngineOptions *options, Config *config, Engine **ret, ErrCtx *err);
Engine *engine_free(Engine *engine);
DEFINE_CLEANUP(Engine *, engine_free);
/* Logs why an engine couldn't be made or run: r as engine_new() or the loop has it, not 0. The program's
 * exit code for it. */
ExitCode engine_failed(int r, const Store *store, const ErrCtx *err);

/* Targets that refused our credentials are tried again at once: after a reload. */
void engine_retry_refused(Engine *engine);
/* Lets the workers run (not in a dry run). */
void engine_start(Engine *engine);
/* Stops all but what was sent already; engine_is_idle() tells when that ended. */
void engine_drain(Engine *engine);
bool engine_is_idle(const Engine *engine);

/* Borrowed from the engine: for whatever else looks at both sides by the same configuration. */
typedef struct EngineParts {
        Loop *loop;
        const Config *config;
        const char *credentials, *reader;
        const Secret *bind_secret;
        uint32_t needs;                 /* bit per PersonField that some target can't do without */
        Remote *const *remotes;
        size_t n_remotes;
} EngineParts;
EngineParts engine_parts(const Engine *engine);

Store *engine_store(const Engine *engine);
const Config *engine_config(const Engine *engine);
Cycle *engine_cycle(Engine *engine);
size_t engine_n_remotes(const Engine *engine);
const Remote *engine_remote(const Engine *engine, size_t i);
/* By the target's name; NULL: there is none. */
Remote *engine_find_remote(Engine *engine, const char *target);
/* What is queued at all of them: rows of a target that was taken out of the configuration aren't counted.
 * 0; -errno of the store. */
int engine_queue_counts(const Engine *engine, QueueCounts *ret);
/* The earliest worker_next_due() of all targets. */
usec_t engine_next_due(const Engine *engine);
