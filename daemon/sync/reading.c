/* SPDX-License-Identifier: Apache-2.0 */
/* Absence needs proof: whatever is odd about a read makes it incomplete, and then nobody is missing. */
#include <errno.h>

#include "base/log.h"
#include "sync/reading.h"

#define GROW_CAP USEC_PER_DAY
#define LACKING_LEAST 3
#define CERTIFICATE_WARNING (14 * USEC_PER_DAY)

struct Reading {
        Loop *loop;
        Store *store;
        const Config *config;
        Source *source;
        const Secret *bind_secret;
        uint32_t needs;
        SourceRead *read;
        PeopleUpdate *update;
        uint64_t lacking;               /* people without a required attribute */
        uint64_t duplicates;
        int store_result;
        usec_t certificate_warned;
        bool *missing_said;             /* per group: it doesn't exist, and that was said */
        reading_done_t done;
        void *userdata;
};

/* ---- records ---- */

static bool lacks_something(const Reading *r, const Person *p) {
        for (unsigned f = 0; f < _PERSON_FIELD_MAX; f++)
                if ((r->needs & (1u << f)) && str_empty(p->field[f]))
                        return true;
        return false;
}

static void on_person(const Person *p, void *userdata) {
        Reading *r = userdata;
        int q;

        if (r->store_result < 0)
                return;
        q = store_people_put(r->update, p);
        if (q < 0)
                r->store_result = q;
        if (q == STORE_E_DUPLICATE) {
                LogFields fields = { .person = p->id };

                r->duplicates++;
                log_event(LOG_WARNING, &fields,
                          "directory: the id %s came twice, also at %s: nobody is removed after this read",
                          p->id, p->dn);
                return;
        }
        r->lacking += lacks_something(r, p);
}

static void on_notice(int priority, const char *text, void *userdata _unused_) {
        log_event(priority, NULL, "directory: %s", text);
}

/* ---- is it complete? ---- */

static int incomplete(ReadingResult *result, const char *format, ...) _printf_(2, 3);
static int incomplete(ReadingResult *result, const char *format, ...) {
        va_list ap;

        result->state = READ_INCOMPLETE;
        va_start(ap, format);
        (void) vsnprintf(result->error, sizeof(result->error), format, ap);
        va_end(ap);
        return 0;
}

/* Group counts are remembered by name, so that other groups in the configuration don't disturb them. */
#define GROUP "group"

/* Once, until it is there. */
static void say_missing(Reading *r, size_t i, bool missing) {
        if (missing)
                log_event(r->missing_said[i] ? LOG_DEBUG : LOG_WARNING, NULL,
                          "directory: group %s doesn't exist: it has no members", r->config->groups[i]);
        r->missing_said[i] = missing;
}

static int check_groups(Reading *r, const ReadResult *read, ReadingResult *result) {
        for (size_t i = 0; i < r->config->n_groups; i++) {
                uint64_t before;
                int q;

                q = store_meta_get_u64_of(r->store, GROUP, r->config->groups[i], &before, NULL);
                if (q < 0)
                        return q;
                if (before > 0 && (!read->groups[i].found || read->groups[i].members == 0))
                        return incomplete(result,
                                          "group %s %s, and had %llu members at the last complete read; if "
                                          "that is meant, take it out of the configuration",
                                          r->config->groups[i],
                                          read->groups[i].found ? "is empty" : "is gone",
                                          (unsigned long long) before);
                say_missing(r, i, !read->groups[i].found);
        }
        return 0;
}

static int remember_groups(Reading *r, const ReadResult *read) {
        for (size_t i = 0; i < r->config->n_groups; i++) {
                int q;

                q = store_meta_set_u64_of(r->store, GROUP, r->config->groups[i], read->groups[i].members);
                if (q < 0)
                        return q;
        }
        return 0;
}

static unsigned least_percent(const Config *config) {
        unsigned percent = 100;

        for (size_t i = 0; i < config->n_targets; i++)
                if (config->targets[i].limits.percent < percent)
                        percent = config->targets[i].limits.percent;
        return percent;
}

/* What is needed depends on the targets: with others there is nothing to compare with. */
#define LACKING "lacking"

static const char *needs_text(const Reading *r, char text[static 16]) {
        snprintf(text, 16, "%x", r->needs);
        return text;
}

static int check_counts(Reading *r, const ReadResult *read, ReadingResult *result) {
        uint64_t people = 0, lacking = 0, newly, allowed;
        char needs[16];
        bool found;
        int q;

        q = store_meta_get_u64(r->store, "people", &people, NULL);
        if (q >= 0)
                q = store_meta_get_u64_of(r->store, LACKING, needs_text(r, needs), &lacking, &found);
        if (q < 0)
                return q;
        if (read->people == 0 && people > 0)
                return incomplete(result,
                                  "nobody was found below %s with %s, where %llu people were at the last "
                                  "complete read",
                                  r->config->directory.people.base, r->config->directory.people.filter,
                                  (unsigned long long) people);
        newly = r->lacking > lacking ? r->lacking - lacking : 0;
        allowed = people * least_percent(r->config) / 100;
        if (allowed < LACKING_LEAST)
                allowed = LACKING_LEAST;
        if (found && people > 0 && newly > allowed)
                return incomplete(result,
                                  "%llu people newly lack a required attribute (%llu are allowed, by "
                                  "limits.percent): may the bind DN still read it?",
                                  (unsigned long long) newly, (unsigned long long) allowed);
        return 0;
}

static int check_read(Reading *r, const ReadResult *read, ReadingResult *result) {
        int q;

        if (result->state != READ_COMPLETE)
                return 0;
        q = check_groups(r, read, result);
        if (q < 0 || result->state != READ_COMPLETE)
                return q;
        return check_counts(r, read, result);
}

/* ---- keeping it ---- */

/* The grace of leavers grows by the time between complete reads, never backwards, capped: a machine that
 * slept proves nothing. */
static int grow_span(Reading *r, usec_t wall, usec_t *ret) {
        uint64_t last = 0;
        bool found;
        int q;

        q = store_meta_get_u64(r->store, "last_complete", &last, &found);
        if (q < 0)
                return q;
        *ret = found ? usec_sub(wall, last) : 0;
        if (*ret > GROW_CAP)
                *ret = GROW_CAP;
        return 0;
}

static int keep_facts(Reading *r, const ReadResult *read, usec_t wall) {
        char needs[16];
        int q;

        q = remember_groups(r, read);
        if (q >= 0)
                q = store_meta_set_u64(r->store, "people", read->people);
        if (q >= 0)
                q = store_meta_set_u64_of(r->store, LACKING, needs_text(r, needs), r->lacking);
        if (q >= 0)
                q = store_meta_set_u64(r->store, "last_complete", wall);
        return q;
}

static int keep_rows(Reading *r, const ReadResult *read, ReadingResult *result) {
        usec_t wall = loop_wall(r->loop), grow = 0;
        int q;

        q = store_begin(r->store);
        if (q < 0)
                return q;
        if (result->absence_proven)
                q = grow_span(r, wall, &grow);
        else
                store_people_unproven(r->update);
        result->grow = grow;
        if (q >= 0)
                q = store_people_end(TAKE(r->update), grow, &result->counts);
        if (q >= 0)
                q = keep_facts(r, read, wall);
        if (q >= 0)
                q = store_people_load(r->store, r->config->n_groups, &result->rows);
        q = store_end(r->store, q);
        return q < 0 ? q : store_people_prune(r->store);
}

static void warn_certificate(Reading *r, const ReadResult *read) {
        usec_t wall = loop_wall(r->loop);
        char text[USEC_FORMAT_MAX];
        LogFields fields = { .message_id = MSGID_CERTIFICATE_ENDS };

        if (read->certificate_end == 0 || read->certificate_end > usec_add(wall, CERTIFICATE_WARNING) ||
            usec_sub(wall, r->certificate_warned) < USEC_PER_DAY)
                return;
        r->certificate_warned = wall;
        log_event(LOG_WARNING, &fields, "directory: the certificate of %s ends at %s", read->uri,
                  usec_format_wall(read->certificate_end, text));
}

static void on_done(const ReadResult *read, void *userdata) {
        Reading *r = userdata;
        ReadingResult result = {
                .state = read->state,
                .ldap_rc = read->ldap_rc,
                .people = read->people,
                .duration = read->duration,
                .absence_proven =
                                read->state == READ_COMPLETE && read->without_id == 0 && r->duplicates == 0,
        };
        reading_done_t done = r->done;
        int q = r->store_result;

        r->read = NULL;
        r->done = NULL;
        snprintf(result.error, sizeof(result.error), "%s", read->error);
        warn_certificate(r, read);
        if (q >= 0)
                q = check_read(r, read, &result);
        if (q >= 0 && result.state == READ_COMPLETE)
                q = keep_rows(r, read, &result);
        r->update = store_people_abandon(r->update);
        if (q < 0) {
                result.state = READ_INCOMPLETE;
                result.store_failed = true;
                snprintf(result.error, sizeof(result.error), "the store failed: %s",
                         store_strerror(r->store, q));
        }
        if (result.state != READ_COMPLETE) {
                result.absence_proven = false;
                people_free(result.rows);
                result.rows = NULL;
        }
        done(&result, r->userdata);
        people_free(result.rows);
}

/* ---- making, starting, stopping ---- */

int reading_new(Loop *loop, Store *store, const Config *config, Source *source, const Secret *bind_secret,
                uint32_t needs, Reading **ret) {
        _cleanup_(reading_freep) Reading *r = calloc(1, sizeof(*r));

        if (!r)
                return -ENOMEM;
        r->missing_said = calloc(config->n_groups + 1, sizeof(*r->missing_said));
        if (!r->missing_said)
                return -ENOMEM;
        r->loop = loop;
        r->store = store;
        r->config = config;
        r->source = source;
        r->bind_secret = bind_secret;
        r->needs = needs;
        *ret = TAKE(r);
        return 0;
}

Reading *reading_free(Reading *r) {
        if (!r)
                return NULL;
        reading_cancel(r);
        free(r->missing_said);
        free(r);
        return NULL;
}

int reading_start(Reading *r, reading_done_t done, void *userdata) {
        const SourceHandler handler = { on_person, on_notice, on_done, r };
        int q;

        if (r->done)
                return -EBUSY;
        r->lacking = r->duplicates = 0;
        r->store_result = 0;
        q = store_people_begin(r->store, r->config->n_groups, &r->update);
        if (q < 0)
                return q;
        q = source_read_start(r->source, r->config, r->bind_secret, &handler, &r->read);
        if (q < 0) {
                r->update = store_people_abandon(r->update);
                return q;
        }
        r->done = done;
        r->userdata = userdata;
        return 0;
}

bool reading_is_running(const Reading *r) {
        return r->done;
}

void reading_cancel(Reading *r) {
        r->read = source_read_cancel(r->read);
        r->update = store_people_abandon(r->update);
        r->done = NULL;
}
