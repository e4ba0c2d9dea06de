/* SPDX-License-Identifier: Apache-2.0 */
/* One cycle: read the directory, then compare and plan for each target. A target that takes long holds
 * back no other, and no later cycle. */
#pragma once

#include "sync/reading.h"
#include "sync/remote.h"

typedef struct Cycle Cycle;

typedef struct CycleReport {
        int64_t number;
        bool read;                      /* a read of the directory ended in this process */
        ReadState directory;
        char error[512];
        uint64_t people;
        bool store_failed;
        unsigned failed_reads;          /* in a row */
        usec_t attempted;               /* wall: the last start */
        bool late;                      /* that read still runs, and another one was due meanwhile */
        /* wall: the last complete read, of an earlier process too; 0: none */
        usec_t complete;
        uint64_t complete_people;       /* that it found */
        usec_t read_at;                 /* monotonic: when that ended, as RemoteReport.read_at has it */
} CycleReport;

/* read: after each read, before its targets are compared. done: after each cycle and each retry, when all
 * its targets ended. Neither from inside. */
typedef void (*cycle_done_t)(Cycle *cycle, void *userdata);
int cycle_new(Loop *loop, Store *store, const Config *config, Reading *reading, Remote *const *remotes,
              size_t n_remotes, cycle_done_t read, cycle_done_t done, void *userdata, Cycle **ret);
Cycle *cycle_free(Cycle *cycle);
DEFINE_CLEANUP(Cycle *, cycle_free);

/* Reads and reconciles. CYCLE_E_OVERRUN: the last read is still under way; nothing was started. Targets
 * that still reconcile for an earlier cycle do so with the people of this one. */
#define CYCLE_E_OVERRUN 1
int cycle_start(Cycle *cycle);
/* What cycle_start() returned was negative, and nobody else tells it: it is a read that failed. */
void cycle_not_started(Cycle *cycle, int r);
/* Reconciles again, with the rows of the last complete read, what failed and may be tried by now. Nothing
 * to do is fine. */
int cycle_retry(Cycle *cycle);
/* When cycle_retry() has something to do: wall time, USEC_INFINITY: never. */
usec_t cycle_retry_at(const Cycle *cycle);
/* An operator wants a cycle whose read begins from now on: at once, or right after the read that is under
 * way. full: nothing that is remembered will do, the cached listings neither. *ret: the cycle's number. 0,
 * or as cycle_start(). */
int cycle_ask(Cycle *cycle, bool full, int64_t *ret);
bool cycle_is_running(const Cycle *cycle);
/* The read of that cycle, or of a later one, ended: the report tells how. */
bool cycle_has_read(const Cycle *cycle, int64_t number);
/* Nothing more is called back. */
void cycle_cancel(Cycle *cycle);
const CycleReport *cycle_report(const Cycle *cycle);
