/* SPDX-License-Identifier: Apache-2.0 */
/* One read of the directory into people rows, and whether it is complete. */
#pragma once

#include "directory/source.h"
#include "store/store.h"
#include "store/store-people.h"

typedef struct Reading Reading;

typedef struct ReadingResult {
        ReadState state;
        char error[512];
        int ldap_rc;
        uint64_t people;
        bool absence_proven;            /* complete, every entry had an id, none came twice */
        bool store_failed;
        PeopleCounts counts;
        usec_t grow;                    /* time that counts for the grace of leavers */
        /* all rows after a complete read, owned by the receiver (TAKE it); else NULL */
        People *rows;
        usec_t duration;
} ReadingResult;

typedef void (*reading_done_t)(ReadingResult *result, void *userdata);

/* All borrowed. needs: bit per PersonField that some target can't do without. */
int reading_new(Loop *loop, Store *store, const Config *config, Source *source, const Secret *bind_secret,
                uint32_t needs, Reading **ret);
Reading *reading_free(Reading *reading);
DEFINE_CLEANUP(Reading *, reading_free);
/* -EBUSY while one runs. done: once, never from inside. */
int reading_start(Reading *reading, reading_done_t done, void *userdata);
bool reading_is_running(const Reading *reading);
void reading_cancel(Reading *reading);
