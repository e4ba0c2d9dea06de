/* SPDX-License-Identifier: Apache-2.0 */
/* The directory: one whole read of its own, of which nothing is kept but counts and samples. */
#include <errno.h>
#include <inttypes.h>

#include "check/check-command.h"
#include "check/check-internal.h"
#include "model/belong.h"

#define PART "directory", NULL
#define SAMPLE_MAX ((size_t) 16 << 10)

/* ---- what comes ---- */

static void put_sample(StrBuf *out, const Person *p) {
        strbuf_printf(out, "%s: id %s", p->dn, p->id);
        for (unsigned f = 0; f < _PERSON_FIELD_MAX; f++)
                if (p->unreadable >> f & 1)
                        strbuf_printf(out, ", %s unreadable", person_field_to_string(f));
                else if (!str_empty(p->field[f]))
                        strbuf_printf(out, ", %s \"%s\"", person_field_to_string(f), p->field[f]);
        if (p->disabled)
                strbuf_puts(out, ", disabled");
}

static int take_sample(CheckLdap *c, const Person *p) {
        _cleanup_(strbuf_deinit) StrBuf out = STRBUF_INIT(SAMPLE_MAX);

        put_sample(&out, p);
        c->samples[c->n_samples] = strbuf_take(&out);
        if (!c->samples[c->n_samples])
                return -ENOMEM;
        c->n_samples++;
        return 0;
}

static void count_belonging(CheckLdap *c, const Person *p) {
        for (size_t i = 0; i < c->config->n_targets; i++) {
                Belong b = belong_at(&c->config->targets[i], c->config->n_groups, p);

                c->belong[i].no_role += b.state == BELONG_NO_ROLE;
                if (b.state != BELONG_YES)
                        continue;
                c->belong[i].n++;
                if (b.role < c->config->targets[i].n_roles)
                        c->belong[i].roles[b.role]++;
        }
}

static void on_person(const Person *p, void *userdata) {
        CheckLdap *c = userdata;
        Person present = *p;

        if (c->error < 0)
                return;
        c->n_disabled += p->disabled;
        for (unsigned f = 0; f < _PERSON_FIELD_MAX; f++)
                c->lacking[f] += c->needs >> f & 1 && str_empty(p->field[f]);
        if (c->n_samples < CHECK_SAMPLES)
                c->error = take_sample(c, p);
        present.present = true;
        count_belonging(c, &present);
        if (c->error == 0 && c->people)
                c->error = people_add(c->people, &present, c->config->n_groups);
}

static void on_notice(int priority _unused_, const char *text, void *userdata) {
        CheckLdap *c = userdata;

        check_line(&c->notices, CHECK_WARN, 0, PART, "notice", "%s", text);
}

/* ---- what it tells ---- */

static bool has_tls(const CheckLdap *c, const char *uri) {
        return str_starts_with(uri, "ldaps:") ||
               (str_starts_with(uri, "ldap:") && c->config->directory.starttls);
}

static void tell_connection(CheckLdap *c, const ReadResult *read) {
        const DirectoryConfig *d = &c->config->directory;
        const char *who = str_empty(d->bind.dn) ? bind_method_to_string(d->bind.method) : d->bind.dn;

        if (read->state == READ_UNREACHABLE) {
                check_line(&c->lines, CHECK_FAIL, EXIT_DIRECTORY, PART, "connection",
                           "%s; try it by hand:", read->error);
                return;
        }
        check_line(&c->lines, CHECK_OK, 0, PART, "connection", "%s: connected%s, bound as %s", read->uri,
                   has_tls(c, read->uri) ? " with TLS" : "", who);
        if (has_tls(c, read->uri))
                check_certificate(&c->lines, PART, read->certificate_end, 0,
                                  loop_wall(c->loop));
        else if (!str_starts_with(read->uri, "ldapi:"))
                check_line(&c->lines, CHECK_WARN, 0, PART, "certificate",
                           "none: whoever is on the way can read and change all of it; use ldaps:// or "
                           "starttls");
}

static bool lacks_canaries(const ReadResult *read) {
        return read->canaries_missing > 0;
}

static void add_command(CheckLdap *c, char *take_command) {
        check_more(&c->lines, take_command);
        free(take_command);
}

static void tell_count(CheckLdap *c, const ReadResult *read) {
        const DirectoryConfig *d = &c->config->directory;
        char took[USEC_FORMAT_MAX];

        if (read->people == 0)
                check_line(&c->lines, CHECK_FAIL, EXIT_DIRECTORY, PART, "people",
                           "nobody is below %s with %s: check directory.people and what the bind may read",
                           d->people.base, d->people.filter);
        else
                check_line(&c->lines, CHECK_OK, 0, PART, "people",
                           "%" PRIu64 " below %s with %s, %" PRIu64 " of them disabled; read in %s",
                           read->people, d->people.base, d->people.filter, c->n_disabled,
                           usec_format(read->duration, took));
}

/* An attribute that nobody has is misspelt, or hidden from the bind. */
static void tell_lacking(CheckLdap *c, const ReadResult *read) {
        for (unsigned f = 0; f < _PERSON_FIELD_MAX; f++)
                if (c->lacking[f] > 0)
                        check_line(&c->lines, CHECK_WARN, 0, PART, "attributes",
                                   "%" PRIu64 " of %" PRIu64 " people have no readable %s: they are left as "
                                   "they are; see directory.attributes.%s",
                                   c->lacking[f], read->people, person_field_to_string(f),
                                   person_field_to_string(f));
        if (read->without_id > 0)
                check_line(&c->lines, CHECK_WARN, 0, PART, "attributes",
                           "%" PRIu64 " entries have no %s: they are no people, and nobody is removed while "
                           "there are any; see directory.attributes.id",
                           read->without_id, c->config->directory.attributes.id);
}

static void tell_people(CheckLdap *c, const ReadResult *read) {
        if (c->complete || lacks_canaries(read))
                tell_count(c, read);
        else
                check_line(&c->lines, CHECK_FAIL, EXIT_DIRECTORY, PART, "people", "%s", read->error);
        for (size_t i = 0; i < c->n_samples; i++)
                check_more(&c->lines, c->samples[i]);
        add_command(c, check_command_people(&c->config->directory, read->uri));
        tell_lacking(c, read);
}

static void tell_canaries(CheckLdap *c, const ReadResult *read) {
        size_t n = c->config->directory.n_canaries;

        if (lacks_canaries(read))
                check_line(&c->lines, CHECK_FAIL, EXIT_DIRECTORY, PART, "canaries", "%zu of %zu missing: %s",
                           read->canaries_missing, n, read->error);
        else if (c->complete && n > 0)
                check_line(&c->lines, CHECK_OK, 0, PART, "canaries", "all %zu are among the people", n);
}

static void tell_group(CheckLdap *c, const char *dn, const GroupResult *group) {
        if (!group)
                check_line(&c->lines, CHECK_WARN, 0, PART, "group",
                           "%s: not counted, because the read isn't complete", dn);
        else if (!group->found)
                check_line(&c->lines, CHECK_FAIL, EXIT_DIRECTORY, PART, "group",
                           "%s: no such entry, or the bind may not see it: correct it in the configuration, "
                           "or create it",
                           dn);
        else
                check_line(&c->lines, group->members > 0 ? CHECK_OK : CHECK_WARN, 0, PART, "group",
                           "%s: %" PRIu64 " %s%s", dn, group->members,
                           group->members == 1 ? "member" : "members",
                           group->members > 0 ? ""
                                              : " in member, uniqueMember or memberUid: nobody gets "
                                                "anything by it");
}

static void tell_groups(CheckLdap *c, const ReadResult *read) {
        const Config *config = c->config;

        for (size_t i = 0; i < config->n_groups; i++) {
                tell_group(c, config->groups[i], read->groups ? &read->groups[i] : NULL);
                add_command(c, check_command_group(&config->directory, read->uri, config->groups[i]));
        }
}

/* "9 Read Only, 1 Full Admin": a label that several rows give once. */
static void put_roles(const TargetConfig *target, const struct CheckBelong *b, StrBuf *out) {
        for (size_t i = 0; i < target->n_roles; i++) {
                uint64_t n = 0;
                bool again = false;

                for (size_t k = 0; k < target->n_roles; k++)
                        if (str_eq(target->roles[k].role, target->roles[i].role)) {
                                n += b->roles[k];
                                again = again || k < i;
                        }
                if (!again)
                        strbuf_printf(out, "%s%" PRIu64 " as %s", out->len > 0 ? ", " : ": ", n,
                                      target->roles[i].role);
        }
}

static void tell_belonging(CheckLdap *c) {
        for (size_t i = 0; i < c->config->n_targets; i++) {
                _cleanup_(strbuf_deinit) StrBuf roles = STRBUF_INIT(4096);
                const TargetConfig *target = &c->config->targets[i];
                const struct CheckBelong *b = &c->belong[i];

                put_roles(target, b, &roles);
                if (b->no_role > 0)
                        strbuf_printf(&roles, "; %" PRIu64 " more match no row of roles", b->no_role);
                check_line(&c->lines, b->n > 0 ? CHECK_OK : CHECK_WARN, 0, "target", target->name, "people",
                           "%" PRIu64 " belong here%s", b->n, roles.data ? roles.data : "");
        }
}

static void on_done(const ReadResult *read, void *userdata) {
        CheckLdap *c = userdata;

        c->read = NULL;
        c->over = true;
        c->complete = read->state == READ_COMPLETE && c->error == 0;
        tell_connection(c, read);
        if (c->error < 0)
                c->lines.error = c->error;
        else if (read->state != READ_UNREACHABLE) {
                tell_people(c, read);
                tell_canaries(c, read);
                tell_groups(c, read);
                if (c->complete)
                        tell_belonging(c);
        } else
                add_command(c, check_command_people(&c->config->directory, read->uri));
        check_lines_move(&c->lines, &c->notices);
        c->done(c->userdata);
}

/* ---- starting, stopping ---- */

static int make_counts(CheckLdap *c) {
        c->belong = calloc(c->config->n_targets + 1, sizeof(*c->belong));
        for (size_t i = 0; c->belong && i < c->config->n_targets; i++) {
                c->belong[i].roles = calloc(c->config->targets[i].n_roles + 1, sizeof(uint64_t));
                if (!c->belong[i].roles)
                        return -ENOMEM;
        }
        return c->belong ? 0 : -ENOMEM;
}

int check_ldap_start(CheckLdap *c, const EngineParts *in, void (*done)(void *userdata), void *userdata) {
        const SourceHandler handler = { on_person, on_notice, on_done, c };
        int r;

        c->loop = in->loop;
        c->config = in->config;
        c->needs = in->needs;
        c->done = done;
        c->userdata = userdata;
        if (in->config->n_expect > 0) {
                c->people = people_new();
                if (!c->people)
                        return -ENOMEM;
        }
        r = make_counts(c);
        if (r < 0)
                return r;
        r = source_new(in->loop, in->reader, &c->source);
        if (r < 0)
                return r;
        return source_read_start(c->source, in->config, in->bind_secret, &handler, &c->read);
}

void check_ldap_give_up(CheckLdap *c) {
        char text[USEC_FORMAT_MAX];

        if (c->over)
                return;
        c->read = source_read_cancel(c->read);
        c->over = true;
        check_line(&c->lines, CHECK_FAIL, EXIT_DIRECTORY, PART, "people",
                   "the read wasn't over after %s and was given up", usec_format(CHECK_MAX, text));
        c->done(c->userdata);
}

void check_ldap_deinit(CheckLdap *c) {
        c->read = source_read_cancel(c->read);
        c->source = source_free(c->source);
        for (size_t i = 0; i < c->n_samples; i++)
                free(c->samples[i]);
        for (size_t i = 0; c->belong && i < c->config->n_targets; i++)
                free(c->belong[i].roles);
        free(c->belong);
        people_free(c->people);
        check_lines_deinit(&c->lines);
        check_lines_deinit(&c->notices);
}
