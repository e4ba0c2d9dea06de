/* SPDX-License-Identifier: Apache-2.0 */
/* The queue and its history: every action that was ever asked for has one row, whose id is never used
 * again. Part of store/store.h. */
#pragma once

#include "base/arena.h"
#include "base/time.h"
#include "model/action.h"
#include "store/store.h"

typedef enum QueueState {
        QUEUE_WAITING,          /* may run when due */
        QUEUE_RUNNING,          /* a step was begun: its first byte may have gone out */
        QUEUE_UNCERTAIN,        /* a step was sent and its answer never came: look first */
        QUEUE_DONE,
        QUEUE_DEAD,             /* dead letter */
        QUEUE_SUPERSEDED,       /* replaced by a newer wish */
        QUEUE_DROPPED,          /* by an operator, or no longer asked for */
        _QUEUE_STATE_MAX,
} QueueState;
const char *queue_state_to_string(QueueState s);
/* _QUEUE_STATE_MAX if unknown. */
QueueState queue_state_from_string(const char *s);
/* Which transitions store_queue_change() and store_queue_running() make. */
bool queue_state_may_become(QueueState from, QueueState to);

typedef struct QueueItem {
        int64_t id;
        const char *target;
        Action action;
        QueueState state;
        unsigned step;                  /* of the action's flow, durable (target/target.h) */
        bool was_uncertain;             /* some step's answer never came */
        unsigned attempts;              /* counted tries, see the manual's dead letter */
        usec_t due, queued;             /* wall */
        usec_t begun, finished;         /* wall; 0: not yet */
        int64_t cycle;                  /* that asked for it */
        bool approved;                  /* queued by an approval: doesn't count against limits */
        bool stands;                    /* of DEAD and DROPPED: the same wish is still suppressed */
        const char *outcome;            /* last class, or NULL */
        const char *detail;             /* last words, or NULL */
        int http_status;
        const char *memo;               /* the flow's own note, or NULL */
        Arena *arena;                   /* owns the strings */
} QueueItem;
QueueItem *queue_item_free(QueueItem *item);
DEFINE_CLEANUP(QueueItem *, queue_item_free);

/* Puts a wish: at most one unfinished action per target and person. A waiting one that differs is
 * superseded; an equal one is kept as it is; while a running or uncertain one is there, or a recreate
 * whose first step was begun, nothing is put. A wish equal to a dead or dropped one whose suppression
 * still stands is not put; any other wish for that person ends that suppression. Resets are wishes of the
 * moment: never suppressed, they end no suppression and replace no other wish; replaced are they by a
 * delete or disable alone.
 * *ret_id: the row (new or kept), 0 where nothing was put. Both ret_ may be NULL. */
typedef enum QueuePut { QUEUE_PUT_NEW, QUEUE_PUT_KEPT, QUEUE_PUT_BUSY, QUEUE_PUT_SUPPRESSED } QueuePut;
int store_queue_put(Store *store, const char *target, const Action *a, int64_t cycle, bool approved,
                    usec_t wall, int64_t *ret_id, QueuePut *ret_put);
/* The same for what is done by being put, an adoption: it is history at once. */
int store_queue_put_done(Store *store, const char *target, const Action *a, int64_t cycle, bool approved,
                         usec_t wall, QueuePut *ret_put);
/* What store_queue_put() would do; writes nothing. */
int store_queue_probe(Store *store, const char *target, const Action *a, QueuePut *ret);
/* Puts a wish as dropped, with the reason: suppressed until it changes. Unlike one that is put it stands
 * in nobody's way: what is unfinished for its person goes on. Nothing happens where it is suppressed. */
int store_queue_reject(Store *store, const char *target, const Action *a, int64_t cycle, const char *detail,
                       usec_t wall);
/* `actions` are all that the plan asks for at the target, suppressed ones too. Waiting actions that aren't
 * among them are dropped without suppressing anything (but resets, and recreates whose first step was
 * begun); suppressions of wishes that aren't among them end if lift is set, but for a recreate's whose
 * first step was begun: its account may be away. *ret_dropped may be NULL. */
int store_queue_keep_only(Store *store, const char *target, const Action *actions, size_t n, bool lift,
                          usec_t wall, size_t *ret_dropped);

/* Nothing waits longer than that: a row that seems to was put off before the wall clock was set back, and is
 * due. */
#define STORE_DUE_MAX (7 * USEC_PER_HOUR)
/* The next actions that are due at `wall`: uncertain before waiting, then destructive ones; among
 * these the urged first, then by id.
 * Resets go in batches, so they are asked for by themselves. */
int store_queue_due(Store *store, const char *target, bool resets, usec_t wall, size_t limit,
                    int (*fn)(QueueItem *take_item, void *userdata), void *userdata);
/* When the next waiting or uncertain action of the target is due; USEC_INFINITY if none. Without
 * `destructive` those don't count that would take something away with their first call. */
int store_queue_next_due(Store *store, const char *target, bool destructive, usec_t *ret);
int store_queue_get(Store *store, int64_t id, QueueItem **ret);        /* *ret NULL: no such row */

/* Before the first byte of a step is sent; counts nothing. -ENOENT: no such row; -EINVAL: it is finished. */
int store_queue_running(Store *store, int64_t id, unsigned step, usec_t wall);
/* RUNNING actions become UNCERTAIN, as at opening: for a caller that gave up on their answers. All of them
 * (target NULL), or of those of one target its resets alone, or all others. */
int store_queue_recover(Store *store, const char *target, bool resets);
/* Keeps a note of the action's flow (a job's id), replacing an earlier one; NULL: none. -ENOENT: no such
 * row, or it is finished. */
int store_queue_memo(Store *store, int64_t id, const char *memo);
/* The step ended: new state, step, due, tries and last words, as the worker decides. A finished state ends
 * the row; it is kept as history. DEAD and DROPPED suppress the same wish. From DEAD or DROPPED back to
 * WAITING is an operator's retry; STORE_E_BUSY: not now, another action of that person is unfinished.
 * -ENOENT: no such row; -EINVAL: no such transition. */
typedef struct QueueChange {
        QueueState state;
        unsigned step;
        bool was_uncertain;
        unsigned attempts;
        usec_t due;
        const char *outcome, *detail;
        int http_status;
        const char *remote_id;          /* learned; NULL: unchanged */
        bool forget;                    /* of DROPPED: no longer asked for, so suppresses nothing */
} QueueChange;
int store_queue_change(Store *store, int64_t id, const QueueChange *change, usec_t wall);

/* dead: dead letters whose suppression still stands. */
typedef struct QueueCounts { uint64_t waiting, uncertain, running, dead; } QueueCounts;
int store_queue_counts(Store *store, const char *target, QueueCounts *ret);    /* target NULL: all */
/* What is unfinished at a target, by kind, and when the last of it is due (0: nothing is). */
typedef struct QueueLoad { uint64_t n[_ACTION_KIND_MAX]; usec_t due; } QueueLoad;
int store_queue_load(Store *store, const char *target, QueueLoad *ret);
/* Actions of this target and kind queued without approval at or after `since`, from queue and history; one
 * that was superseded before it began isn't counted: the one in its place is. */
int store_queue_counted_since(Store *store, const char *target, usec_t since, size_t ret[_ACTION_KIND_MAX]);
/* Of the target's actions that ended after `since` (wall) the last `limit`: how many there are, and how many
 * of them are dead letters. Those that were replaced or dropped don't count, nor adoptions and relinks: they
 * make no call. */
int store_queue_ended(Store *store, const char *target, usec_t since, size_t limit, size_t *ret_n,
                      size_t *ret_dead);
/* The rows of one target in id order: unfinished ones, dead letters and drops that still stand, and those
 * finished in `since_cycle` or later (by store_meta "cycle" at that time; INT64_MAX: none of these). */
int store_queue_list(Store *store, const char *target, int64_t since_cycle, int (*fn)(const QueueItem *item,
                     void *userdata),
                     void *userdata);
/* Of these, but for since_cycle, those that may take something from an account: recreates, updates, disables
 * and deletes. */
int store_queue_removals(Store *store, const char *target, int (*fn)(const QueueItem *item, void *userdata),
                         void *userdata);
/* Newest first, at most `limit`: all rows of a person at all targets, or (person NULL) what is finished. */
int store_history_list(Store *store, const char *person, size_t limit,
                       int (*fn)(const QueueItem *item, void *userdata), void *userdata);
/* What was done of what the cycle asked for, by target and number. */
int store_cycle_list(Store *store, int64_t cycle, int (*fn)(const QueueItem *item, void *userdata),
                     void *userdata);
/* The first action behind `id` that did, or may do, something to this person's account, resets apart, and
 * but for the row `but`; 0: none. */
int store_queue_later(Store *store, const char *target, const char *person, int64_t id, int64_t but,
                      int64_t *ret);

/* The unfinished action's place in its target's queue, from 1. */
int store_queue_position(Store *store, int64_t id, uint64_t *ret);
/* An operator waits for it: it is due, and goes first among those of its rank. */
int store_queue_urge(Store *store, int64_t id, usec_t wall);
/* Somebody that links or history know by this directory id or address, though people may not: copies in
 * the arena. *ret_id NULL: nobody. Looks at every row. */
int store_person_known(Store *store, const char *text, Arena *arena, const char **ret_id,
                       const char **ret_address);
/* What finished before is forgotten, but for dead letters and drops that still stand, and for what the
 * limits of a held plan count: queued a day before it was held, or later. */
int store_history_prune(Store *store, usec_t before);
