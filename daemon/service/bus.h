/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon on the system bus ($DBUS_SYSTEM_BUS_ADDRESS counts): org.idsyncd1(5). Without a bus it warns
 * once, tries again
 * now and then, and everything else goes on. Nothing here blocks. */
#pragma once

#include "check/check-lines.h"
#include "service/view.h"

typedef struct Bus Bus;

typedef struct BusHooks {
        const char *state_directory;
        void (*view)(View *ret, void *userdata);
        /* Compare again what was asked for. */
        void (*retry)(void *userdata);
        /* As cycle_ask(): 0, or positive: refused, both with words in err; negative errno. */
        int (*sync)(bool full, int64_t *ret_cycle, ErrCtx *err, void *userdata);
        /* Begin a check, which ends with bus_checked(): 0 or words in err. */
        int (*check)(ErrCtx *err, void *userdata);
        /* Nobody waits for it any more. */
        void (*check_cancel)(void *userdata);
        /* Once: the name is ours, or the bus isn't there. */
        void (*settled)(void *userdata);
        void *userdata;
} BusHooks;

/* Loop and hooks are borrowed. The hooks are called from the loop alone. */
int bus_new(Loop *loop, const BusHooks *hooks, Bus **ret);
Bus *bus_free(Bus *bus);
DEFINE_CLEANUP(Bus *, bus_free);

/* For those who look on at one person. */
void bus_called(Bus *bus, const CallEvent *event);
/* The engine is about to go: whoever looks on is told why. */
void bus_interrupt(Bus *bus, const char *why);
/* Some target or queue changed: answers those who wait for it. May come often. */
void bus_changed(Bus *bus);
/* The check that a hook began is over; lines NULL: it came to nothing, and why not. */
void bus_checked(Bus *bus, const CheckLines *lines, const char *why_not);
/* Properties, with a signal for those that changed; `status` is the line of STATUS=. At most once a second
 * is enough. */
void bus_update(Bus *bus, const char *status);
