/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/log.h"
#include "sync/cycle.h"

/* The rows that some targets are being compared with: they live until the last of them is done. */
typedef struct Generation {
        unsigned n_ref;
        People *people;
} Generation;

/* A target in this cycle. */
typedef struct Place {
        Generation *generation;         /* what it is busy with; NULL: idle */
        bool late;                      /* since before the last read */
        bool said_late;                 /* … and it was so the last time, too */
} Place;

struct Cycle {
        Loop *loop;
        Store *store;
        const Config *config;
        Reading *reading;
        Remote *const *remotes;
        size_t n_remotes;
        Place *places;                  /* one for each target */
        size_t n_busy;
        bool absence_proven;            /* by the last complete read */
        usec_t grow;                    /* that it added to the grace of leavers */
        bool asked;                     /* an operator wants another cycle after the read under way */
        CycleReport report;
        cycle_done_t read, done;
        void *userdata;
        LoopTask *ended;
};

static Generation *generation_unref(Generation *g) {
        if (g && --g->n_ref == 0) {
                people_free(g->people);
                free(g);
        }
        return NULL;
}

static Generation *generation_new(People *take_people) {
        Generation *g = calloc(1, sizeof(*g));

        if (!g) {
                people_free(take_people);
                return NULL;
        }
        g->n_ref = 1;
        g->people = take_people;
        return g;
}

static size_t index_of(const Cycle *c, const Remote *remote) {
        size_t i = 0;

        while (c->remotes[i] != remote)
                i++;
        return i;
}

static void on_reconciled(Remote *remote, void *userdata) {
        Cycle *c = userdata;
        Place *place = &c->places[index_of(c, remote)];

        place->generation = generation_unref(place->generation);
        place->said_late = place->said_late && place->late;
        place->late = false;
        c->n_busy--;
        loop_task_arm(c->ended);
}

static void say_not_compared(Cycle *c, size_t i, int r) {
        log_error("%s: can't be compared: %s", remote_config(c->remotes[i])->name,
                  store_strerror(c->store, r));
}

/* retry: not by the read that just ended. */
static RemoteInput remote_input(const Cycle *c, size_t i, const Generation *g, bool retry) {
        bool fresh = retry && !remote_is_asked_again(c->remotes[i]);

        return (RemoteInput){
                .people = g->people,
                .cycle = c->report.number,
                .started = fresh ? loop_wall(c->loop) : c->report.attempted,
                .read_at = c->report.read_at,
                .absence_proven = c->absence_proven,
                .grow = retry ? 0 : c->grow,
                .fresh_listing = fresh,
        };
}

static void reconcile(Cycle *c, size_t i, Generation *g, bool retry) {
        const RemoteInput in = remote_input(c, i, g, retry);
        int r;

        r = remote_reconcile(c->remotes[i], &in, on_reconciled, c);
        if (r < 0) {
                say_not_compared(c, i, r);
                return;
        }
        g->n_ref++;
        c->places[i].generation = g;
        c->n_busy++;
}

/* The target is busy with an earlier cycle: it goes on with the people of this one. */
static void catch_up(Cycle *c, size_t i, Generation *g) {
        const RemoteInput in = remote_input(c, i, g, false);
        LogFields fields = {
                .message_id = MSGID_CYCLE_OVERRUN,
                .target = remote_config(c->remotes[i])->name,
                .cycle = c->report.number,
        };
        int r;

        log_event(c->places[i].said_late ? LOG_DEBUG : LOG_NOTICE, &fields,
                  "%s: its accounts are still being listed for an earlier cycle: the people of cycle %lld "
                  "are compared when that ends",
                  fields.target, (long long) c->report.number);
        c->places[i].late = c->places[i].said_late = true;
        r = remote_renew(c->remotes[i], &in);
        if (r < 0) {
                say_not_compared(c, i, r);
                return;
        }
        generation_unref(c->places[i].generation);
        g->n_ref++;
        c->places[i].generation = g;
}

static void reconcile_all(Cycle *c, Generation *g) {
        for (size_t i = 0; i < c->n_remotes; i++)
                if (c->places[i].generation)
                        catch_up(c, i, g);
                else
                        reconcile(c, i, g, false);
}

static void log_read(Cycle *c, const ReadingResult *result, bool failed_before) {
        LogFields fields = {
                .cycle = c->report.number,
                .ldap_rc = result->ldap_rc,
                .has_ldap_rc = true,
                .duration = result->duration,
        };

        if (result->state != READ_COMPLETE) {
                fields.message_id = result->store_failed ? MSGID_STORE_FAULT : MSGID_READ_INCOMPLETE;
                log_event(LOG_WARNING, &fields, "directory: %s: %s; nobody is removed, added or changed",
                          result->state == READ_UNREACHABLE ? "unreachable" : "the read is incomplete",
                          result->error);
                return;
        }
        if (failed_before)
                fields.message_id = MSGID_READ_RECOVERED;
        log_event(failed_before ? LOG_NOTICE : LOG_DEBUG, &fields,
                  "directory: read completely: %llu people, %llu new, %llu changed, %llu no longer there",
                  (unsigned long long) result->people, (unsigned long long) result->counts.added,
                  (unsigned long long) result->counts.changed,
                  (unsigned long long) result->counts.newly_absent);
}

static void note_read(Cycle *c, const ReadingResult *result) {
        bool failed_before = c->report.read && c->report.directory != READ_COMPLETE;

        c->report.read = true;
        c->report.late = false;
        c->report.directory = result->state;
        c->report.people = result->people;
        c->report.store_failed = result->store_failed;
        snprintf(c->report.error, sizeof(c->report.error), "%s", result->error);
        c->report.failed_reads = result->state == READ_COMPLETE ? 0 : c->report.failed_reads + 1;
        log_read(c, result, failed_before);
}

static void on_read(ReadingResult *result, void *userdata) {
        Cycle *c = userdata;
        Generation *g;

        note_read(c, result);
        loop_task_arm(c->ended);
        if (result->state != READ_COMPLETE) {
                c->read(c, c->userdata);
                return;
        }
        c->report.complete = loop_wall(c->loop);
        c->report.read_at = loop_now(c->loop);
        c->grow = result->grow;
        c->report.complete_people = result->people;
        c->absence_proven = result->absence_proven;
        g = generation_new(TAKE(result->rows));
        if (!g) {
                log_error("out of memory");
                return;
        }
        c->read(c, c->userdata);
        reconcile_all(c, g);
        generation_unref(g);
}

static int next_number(Cycle *c) {
        int64_t last;
        int r;

        r = store_cycle_get(c->store, &last);
        if (r < 0)
                return r;
        c->report.number = last + 1;
        return store_cycle_set(c->store, c->report.number);
}

static int start(Cycle *c) {
        int r;

        c->asked = false;
        r = next_number(c);
        if (r < 0)
                return r;
        r = reading_start(c->reading, on_read, c);
        if (r < 0)
                return r;
        c->report.attempted = loop_wall(c->loop);
        return 0;
}

static void start_asked(Cycle *c) {
        int r;

        r = start(c);
        if (r < 0)
                cycle_not_started(c, r);
}

void cycle_not_started(Cycle *c, int r) {
        ReadingResult result = {
                .state = READ_INCOMPLETE,
                .store_failed = r == -EIO || r == -ENOSPC,
        };

        snprintf(result.error, sizeof(result.error), "%s: %s",
                 result.store_failed ? "the store failed" : "it can't begin",
                 store_strerror(c->store, r));
        note_read(c, &result);
}

static void on_ended(void *userdata) {
        Cycle *c = userdata;

        if (c->asked && !reading_is_running(c->reading))
                start_asked(c);
        if (!cycle_is_running(c))
                c->done(c, c->userdata);
}

int cycle_start(Cycle *c) {
        c->report.late = reading_is_running(c->reading);
        return c->report.late ? CYCLE_E_OVERRUN : start(c);
}

int cycle_ask(Cycle *c, bool full, int64_t *ret) {
        int r = 0;

        for (size_t i = 0; full && i < c->n_remotes; i++)
                remote_want_whole(c->remotes[i]);
        if (reading_is_running(c->reading))
                c->asked = true;
        else
                r = start(c);
        *ret = c->report.number + (c->asked ? 1 : 0);
        return r;
}

/* When target i has to be compared again: wall time. */
static usec_t retry_at(const Cycle *c, size_t i) {
        return c->places[i].generation ? USEC_INFINITY : remote_retry_at(c->remotes[i]);
}

int cycle_retry(Cycle *c) {
        usec_t wall = loop_wall(c->loop);
        People *people;
        Generation *g = NULL;
        int r;

        for (size_t i = 0; i < c->n_remotes; i++) {
                if (retry_at(c, i) > wall)
                        continue;
                if (!g) {
                        r = store_people_load(c->store, c->config->n_groups, &people);
                        if (r < 0)
                                return r;
                        g = generation_new(people);
                        if (!g)
                                return -ENOMEM;
                }
                reconcile(c, i, g, true);
        }
        generation_unref(g);
        loop_task_arm(c->ended);
        return 0;
}

usec_t cycle_retry_at(const Cycle *c) {
        usec_t earliest = USEC_INFINITY, at;

        if (c->report.read_at == 0)
                return earliest;
        for (size_t i = 0; i < c->n_remotes; i++) {
                at = retry_at(c, i);
                if (at < earliest)
                        earliest = at;
        }
        return earliest;
}

bool cycle_has_read(const Cycle *c, int64_t number) {
        return c->report.number > number || (c->report.number == number && !reading_is_running(c->reading));
}

bool cycle_is_running(const Cycle *c) {
        return reading_is_running(c->reading) || c->n_busy > 0;
}

const CycleReport *cycle_report(const Cycle *c) {
        return &c->report;
}

static int recall_read(Cycle *c) {
        int r;

        r = store_meta_get_u64(c->store, "last_complete", &c->report.complete, NULL);
        return r < 0 ? r : store_meta_get_u64(c->store, "people", &c->report.complete_people, NULL);
}

int cycle_new(Loop *loop, Store *store, const Config *config, Reading *reading, Remote *const *remotes,
              size_t n_remotes, cycle_done_t read, cycle_done_t done, void *userdata, Cycle **ret) {
        _cleanup_(cycle_freep) Cycle *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        c->loop = loop;
        c->store = store;
        c->config = config;
        c->reading = reading;
        c->remotes = remotes;
        c->n_remotes = n_remotes;
        c->read = read;
        c->done = done;
        c->userdata = userdata;
        c->places = calloc(n_remotes + 1, sizeof(*c->places));
        if (!c->places)
                return -ENOMEM;
        r = recall_read(c);
        if (r < 0)
                return r;
        r = loop_task_new(loop, LOOP_NORMAL, "a cycle ended", on_ended, c, &c->ended);
        if (r < 0)
                return r;
        *ret = TAKE(c);
        return 0;
}

void cycle_cancel(Cycle *c) {
        c->asked = false;
        reading_cancel(c->reading);
        loop_task_stop(c->ended);
}

Cycle *cycle_free(Cycle *c) {
        if (!c)
                return NULL;
        if (c->places)
                for (size_t i = 0; i < c->n_remotes; i++)
                        generation_unref(c->places[i].generation);
        free(c->places);
        loop_task_free(c->ended);
        free(c);
        return NULL;
}
