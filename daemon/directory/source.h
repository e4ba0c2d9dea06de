/* SPDX-License-Identifier: Apache-2.0 */
/* Reads of the directory, and the third seam: replay tests link their own source_* that play people.
 *
 * A read is done by the program idsyncd-directory in a process of its own, because libldap blocks; this
 * module starts it with posix_spawn, hands it settings and secret over a socketpair, and turns its
 * records into calls. */
#pragma once

#include "base/loop.h"
#include "base/secret.h"
#include "config/config.h"
#include "model/person.h"

typedef struct Source Source;
typedef struct SourceRead SourceRead;

typedef enum ReadState { READ_COMPLETE, READ_INCOMPLETE, READ_UNREACHABLE } ReadState;

typedef struct GroupResult {
        bool found; /* false: no such entry (an answer, not an error) */
        uint64_t members; /* values seen, nested groups included */
} GroupResult;

/* How a read ended. READ_UNREACHABLE: no server of the list let us bind. READ_INCOMPLETE: anything but a
 * success to the last record. */
typedef struct ReadResult {
        ReadState state;
        int ldap_rc; /* the code that ended it; 0 at success */
        char error[512]; /* for people: the thing, the place, the way out; "" at success */
        const char *uri; /* the server that answered, or the last one tried */
        uint64_t people; /* records delivered */
        uint64_t without_id; /* entries that had no id: no removal in this read */
        uint64_t referrals; /* ignored */
        const GroupResult *groups; /* Config.n_groups of them; NULL unless complete */
        size_t canaries_missing; /* first of them in error */
        usec_t certificate_end; /* of the server; 0: unknown */
        usec_t duration;
} ReadResult;

typedef struct SourceHandler {
        /* One person, in no particular order; borrowed during the call. An id may come twice: the
         * receiver counts. */
        void (*person)(const Person *p, void *userdata);
        /* What the reader has to say for the log; not what it said in the read before as well. priority as
         * syslog's. May be NULL. */
        void (*notice)(int priority, const char *text, void *userdata);
        /* Once, last; never from inside source_read_start(). result is borrowed during the call. */
        void (*done)(const ReadResult *result, void *userdata);
        void *userdata;
} SourceHandler;

/* program: path of idsyncd-directory; copied. */
int source_new(Loop *loop, const char *program, Source **ret);
Source *source_free(Source *source);
DEFINE_CLEANUP(Source *, source_free);

/* A full read, from the server that answered the last one. A reader that can't be started is a result,
 * not an error. config and secrets are borrowed during the call (the secret may be NULL). At most one at
 * a time (-EBUSY). The reader is killed when it is silent for directory.poll_timeout while we were ready
 * to read; time that we ourselves took doesn't count. */
int source_read_start(Source *source, const Config *config, const Secret *bind_secret,
                      const SourceHandler *handler, SourceRead **ret);
/* Kills the reader; done won't come. NULL is fine; returns NULL. */
SourceRead *source_read_cancel(SourceRead *read);
