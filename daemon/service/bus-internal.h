/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by bus.c (connection, properties), bus-read.c, bus-control.c and bus-check.c alone. */
#pragma once

#include <sys/queue.h>
#include <systemd/sd-bus.h>

#include "service/bus.h"
#include "service/errand.h"

#define BUS_NAME "org.idsyncd1"
#define BUS_PATH "/org/idsyncd1"
#define BUS_INTERFACE "org.idsyncd1"
#define BUS_CONTROL "org.idsyncd1.Control"

#define BUS_E_INTERRUPTED "org.idsyncd1.Error.Interrupted"
#define BUS_E_REFUSED "org.idsyncd1.Error.Refused"
#define BUS_E_STALE "org.idsyncd1.Error.Stale"
#define BUS_E_STATE "org.idsyncd1.Error.State"
#define BUS_E_TOO_LARGE "org.idsyncd1.Error.TooLarge"
#define BUS_E_UNKNOWN "org.idsyncd1.Error.Unknown"

typedef struct ControlCall ControlCall;
TAILQ_HEAD(ControlCalls, ControlCall);

typedef struct BusErrand BusErrand;
TAILQ_HEAD(BusErrands, BusErrand);

/* What properties say; changes are found by comparing with what was said last. */
typedef struct BusFacts {
        char *status;
        uint64_t queued, dead, last_complete;
        char **held, **paused;          /* NULL-terminated */
} BusFacts;

struct Bus {
        Loop *loop;
        BusHooks hooks;
        sd_bus *bus;                    /* NULL: not connected, nor trying */
        sd_bus_slot *name_slot;
        LoopTimer *connect_timer, *answer_timer, *errand_timer;
        unsigned failures;
        bool settled, named, trying;    /* trying: no answer yet */
        BusFacts facts;
        struct ControlCalls calls;      /* under way */
        sd_bus_message *check;          /* the call that asked for the check under way; NULL: none is */
        sd_bus_track *check_track;
        struct BusErrands errands;
        unsigned n_errands;
};

extern const sd_bus_vtable bus_read_vtable[];
extern const sd_bus_vtable bus_control_vtable[];

/* Drops all of them without an answer: the bus is gone. */
void bus_control_cancel(Bus *bus);
/* Answers those whose outcome is known by now, or whose time is over. */
void bus_control_answer(Bus *bus);
/* bus-check.c: takes the message to be answered by bus_checked(). Negative: an error reply is due. */
int bus_check_begin(Bus *bus, sd_bus_message *m, sd_bus_error *error);
/* Cancels it: nobody waits for its answer. */
void bus_check_drop(Bus *bus);
/* SyncPerson, for a caller who may; answered when it is over. 0, or negative for the handler to return. */
int bus_errand_start(Bus *bus, sd_bus_message *m, sd_bus_error *error);
void bus_errands_look(Bus *bus);
void bus_errands_interrupt(Bus *bus, const char *why);
/* Without an answer: the bus is gone. */
void bus_errands_cancel(Bus *bus);
/* The error's name and words for what a function of view.h or operate.h returned; negative for the handler
 * to return. */
int bus_fail(Bus *bus, int r, const ErrCtx *err, sd_bus_error *error);
