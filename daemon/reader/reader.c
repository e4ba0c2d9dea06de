/* SPDX-License-Identifier: Apache-2.0 */
#include "reader/reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "reader/connection.h"
#include "reader/dirmap.h"
#include "reader/groups.h"
#include "reader/memberset.h"
#include "reader/search.h"

#define ISSUER_WARNING (14 * USEC_PER_DAY)

struct Reader {
        const StreamSettings *settings;
        const DirectoryConfig *directory;
        Output *out;
        int watch_fd;
        Connection *connection;
        size_t uri;
        DirMap *map;
        Groups *groups;
        MemberSet *canaries; /* DN → index */
        bool *canary_seen;
        uint64_t without_id, referrals;
        ErrCtx err;
        char why[sizeof(((ErrCtx *) NULL)->text)]; /* what each server said, when none could be used */
};

Reader *reader_free(Reader *reader) {
        if (!reader)
                return NULL;
        (void) connection_free(reader->connection);
        (void) dirmap_free(reader->map);
        (void) groups_free(reader->groups);
        (void) memberset_free(reader->canaries);
        free(reader->canary_seen);
        free(reader);
        return NULL;
}

/* Servers in order, beginning with the one that answered last time. */
static int connect_any(Reader *r) {
        size_t n = r->directory->n_uris, used = 0;
        int result;

        for (size_t i = 0; i < n; i++) {
                r->uri = (r->settings->first_uri + i) % n;
                result = connection_open(r->directory, r->directory->uris[r->uri], r->settings->secret,
                                         r->watch_fd, &r->err, &r->connection);
                if (result != CONNECTION_E_FAILED)
                        return result;
                if (used < sizeof(r->why))
                        used += (size_t) snprintf(r->why + used, sizeof(r->why) - used, "%s%s",
                                                  i > 0 ? " | " : "", r->err.text);
                if (i + 1 < n) {
                        result = output_notice(r->out, LOG_WARNING, "%s; trying the next server",
                                               r->err.text);
                        if (result < 0)
                                return result;
                }
        }
        return CONNECTION_E_FAILED;
}

/* Something is wrong with what the server sent; err as connection_fail() has it. */
static int bad_entry(Reader *r, int rc, const char *what) {
        return connection_fail(r->connection, &r->err, rc, NULL, "nothing is concluded from this read", "%s",
                               what);
}

static void see_canary(Reader *r, const char *folded, size_t len) {
        size_t cursor = 0;
        uint32_t index;

        if (r->directory->n_canaries == 0)
                return;
        while (memberset_next(r->canaries, dn_key(DN_KEY_DN, folded, len), &cursor, &index))
                r->canary_seen[index] = true;
}

static int take_attributes(Reader *r, LDAPMessage *entry, BerElement *ber) {
        struct berval name, *values;
        int rc;

        for (;;) {
                values = NULL;
                rc = ldap_get_attribute_ber(r->connection->ld, entry, ber, &name, &values);
                if (rc != LDAP_SUCCESS)
                        return bad_entry(r, rc, "an entry of people can't be understood");
                if (!name.bv_val)
                        return 0;
                dirmap_attribute(r->map, &name, values);
                if (values && dirmap_is_login(r->map, &name))
                        for (const struct berval *v = values; v->bv_val; v++)
                                groups_see_login(r->groups, v);
                ber_memfree(values);
        }
}

static int on_entry(LDAPMessage *entry, void *userdata) {
        Reader *r = userdata;
        char folded[DN_FOLD_MAX];
        BerElement *ber = NULL;
        struct berval dn;
        Person person;
        size_t len;
        int rc, result;

        rc = ldap_get_dn_ber(r->connection->ld, entry, &ber, &dn);
        if (rc != LDAP_SUCCESS)
                return bad_entry(r, rc, "an entry of people can't be understood");
        len = dn_fold(&dn, folded);
        if (len == 0 || len > STREAM_DN_MAX) {
                ber_free(ber, 0);
                return bad_entry(r, LDAP_INVALID_DN_SYNTAX,
                                 "an entry of people has no name or one of more than 8192 bytes");
        }
        groups_begin_person(r->groups);
        dirmap_begin(r->map, folded);
        result = take_attributes(r, entry, ber);
        ber_free(ber, 0);
        if (result != 0)
                return result;
        see_canary(r, folded, len);
        if (dirmap_finish(r->map, &person) != 0) {
                r->without_id++;
                return 0;
        }
        groups_see_dn(r->groups, folded, len);
        person.marks = groups_marks(r->groups);
        result = groups_ways(r->groups, &person.ways);
        return result < 0 ? result : output_person(r->out, &person);
}

static int on_page(void *userdata) {
        Reader *r = userdata;

        return output_progress(r->out);
}

static int read_people(Reader *r) {
        const DirectoryConfig *d = r->directory;
        SearchSpec spec = {
                        .base = d->people.base,
                        .scope = d->people.scope,
                        .filter = d->people.filter,
                        .attributes = dirmap_attributes(r->map),
                        .key = "directory.people.base",
        };
        SearchHandler handler = {.entry = on_entry, .page = on_page, .userdata = r};

        return search_run(r->connection, &spec, &handler, &r->referrals, &r->err);
}

static int prepare(Reader *r) {
        const DirectoryConfig *d = r->directory;
        char folded[DN_FOLD_MAX];
        size_t len;
        int result;

        r->map = dirmap_new(d);
        r->canaries = memberset_new();
        r->canary_seen = calloc(d->n_canaries + 1, sizeof(bool));
        if (!r->map || !r->canaries || !r->canary_seen)
                return -ENOMEM;
        for (size_t i = 0; i < d->n_canaries; i++) {
                len = dn_fold(&(struct berval){.bv_val = d->canaries[i], .bv_len = strlen(d->canaries[i])},
                              folded);
                result = memberset_add(r->canaries, dn_key(DN_KEY_DN, folded, len), (uint32_t) i);
                if (result < 0)
                        return result;
        }
        return 0;
}

/* A CA of one's own ends for all servers at once: somebody must hear of it in time. */
static int warn_of_issuer(Reader *r) {
        usec_t end = r->connection->issuer_end, now = (usec_t) time(NULL) * USEC_PER_SEC;
        char date[USEC_FORMAT_MAX];

        if (end == 0 || end > usec_add(now, ISSUER_WARNING))
                return 0;
        return output_notice(r->out, LOG_WARNING,
                             "%s: the CA that signed the server's certificate ends at %s: have its new "
                             "certificate in %s in time (directory.ca_file)",
                             r->connection->uri, usec_format_wall(end, date), r->directory->ca_file);
}

static int read_all(Reader *r) {
        int result;

        result = connect_any(r);
        if (result == 0)
                result = warn_of_issuer(r);
        if (result != 0)
                return result;
        result = output_progress(r->out);
        if (result == 0)
                result = groups_read(r->connection, r->out, r->settings->groups, r->settings->n_groups,
                                     &r->referrals, &r->err, &r->groups);
        return result != 0 ? result : read_people(r);
}

static void check_canaries(Reader *r, StreamDone *done) {
        const DirectoryConfig *d = r->directory;

        for (size_t i = 0; i < d->n_canaries; i++)
                if (!r->canary_seen[i] && done->canaries_missing++ == 0)
                        (void) err_set(&r->err, 0, 0,
                                       "%s: %.200s isn't among the people (directory.canaries): the read "
                                       "isn't what it should be; check the "
                                       "server's data, the filter and the rights of the bind",
                                       r->connection->uri, d->canaries[i]);
        if (done->canaries_missing == 0)
                return;
        done->state = STREAM_INCOMPLETE;
        done->error = r->err.text;
}

static void describe(Reader *r, bool complete, StreamDone *done) {
        *done = (StreamDone){
                        .state = STREAM_COMPLETE,
                        .error = "",
                        .uri = (uint32_t) r->uri,
                        .without_id = r->without_id,
                        .referrals = r->referrals,
                        .certificate_end = r->connection ? r->connection->certificate_end : 0,
        };
        if (!complete) {
                done->state = r->connection ? STREAM_INCOMPLETE : STREAM_UNREACHABLE;
                done->error = r->connection ? r->err.text : r->why;
                done->ldap_rc = r->err.code;
                return;
        }
        done->groups = groups_results(r->groups);
        done->n_groups = r->settings->n_groups;
        check_canaries(r, done);
}

int reader_run(const StreamSettings *settings, int watch_fd, Output *out, Reader **ret,
               StreamDone *ret_done) {
        _cleanup_(reader_freep) Reader *r = NULL;
        int result;

        r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        *r = (Reader){.settings = settings,
                      .directory = settings->directory,
                      .out = out,
                      .watch_fd = watch_fd};
        result = prepare(r);
        if (result == 0)
                result = read_all(r);
        if (result < 0)
                return result;
        if (result == 0 && r->referrals > 0)
                result = output_notice(
                                out, LOG_NOTICE,
                                "the directory has %" PRIu64
                                " references to other servers, below the search base or for members of "
                                "groups: they aren't followed",
                                r->referrals);
        if (result < 0)
                return result;
        describe(r, result == 0, ret_done);
        *ret = TAKE(r);
        return 0;
}
