/* SPDX-License-Identifier: Apache-2.0 */
/* One person at every target: who belongs where and why, what was asked for, what became of it, what holds
 * it back. */
#include <errno.h>
#include <inttypes.h>

#include "service/view-case.h"
#include "service/view-internal.h"
#include "sync/report-row.h"

#define CALLS_TOLD 20

static void put_role(const Case *c, StrBuf *out) {
        const Config *config = engine_config(c->v->engine);
        const char *group = c->role && c->role->group >= 0 ? config->groups[c->role->group] : NULL;
        _cleanup_(strbuf_deinit) StrBuf way = STRBUF_INIT(4 * PERSON_WAYS_MAX);

        if (group)
                case_say_way(c, c->role->group, &way);
        report_put_pairs(out, "role", c->role ? c->role->role : NULL, "role_group", group, "role_way",
                         way.len > 0 ? way.data : NULL, NULL);
}

static void put_link(const Case *c, StrBuf *out) {
        const Link *l = c->link;

        if (!l) {
                strbuf_puts(out, "\"link\":null");
                return;
        }
        strbuf_puts(out, "\"link\":{");
        report_put_pairs(out, "remote_id", l->remote_id, "address", l->address, "role", l->role,
                         "origin", l->origin == LINK_ADOPTED ? "adopted" : "created", NULL);
        strbuf_putc(out, ',');
        view_put_time(out, "since", l->since);
        strbuf_printf(out, ",\"gone\":%s,\"out_for_seconds\":%" PRIu64 "}", l->gone ? "true" : "false",
                      l->out_for / USEC_PER_SEC);
}

/* ---- the last comparison ---- */

static void put_drift(const Plan *plan, const char *person, StrBuf *out) {
        size_t n = 0;

        strbuf_puts(out, "\"drift\":[");
        for (size_t i = 0; plan && i < plan->n_drift; i++) {
                const PlanDrift *d = &plan->drift[i];

                if (!str_eq(d->person, person))
                        continue;
                strbuf_puts(out, n++ > 0 ? ",{" : "{");
                report_put_pairs(out, "field", d->field, "directory", d->directory, "account", d->account,
                                 NULL);
                strbuf_putc(out, '}');
        }
        strbuf_putc(out, ']');
}

static void put_notes(const Plan *plan, const char *person, StrBuf *out) {
        size_t n = 0;

        strbuf_puts(out, "\"notes\":[");
        for (size_t i = 0; plan && i < plan->n_notes; i++) {
                if (!str_eq(plan->notes[i].person, person))
                        continue;
                if (n++ > 0)
                        strbuf_putc(out, ',');
                strbuf_json(out, plan->notes[i].reason);
        }
        strbuf_putc(out, ']');
}

static void put_asked(const char *key, const Action *action, const char *state, StrBuf *out) {
        const ActionRow row = { .action = action, .state = state };

        strbuf_json(out, key);
        strbuf_putc(out, ':');
        if (action)
                report_put_row(out, &row);
        else
                strbuf_puts(out, "null");
}

/* ---- the queue ---- */

static int put_queue(const Case *c, StrBuf *out) {
        uint64_t position = 0;
        int r;

        if (!c->waiting) {
                strbuf_puts(out, "\"queued\":null,\"position\":null");
                return 0;
        }
        r = store_queue_position(c->v->store, c->waiting->id, &position);
        strbuf_puts(out, "\"queued\":");
        view_put_item(out, c->waiting);
        strbuf_printf(out, ",\"position\":%" PRIu64, position);
        return r;
}

typedef struct Calls { const Case *c; StrBuf *out; size_t n; } Calls;

static int put_call(const QueueItem *item, void *userdata) {
        Calls *calls = userdata;

        if (!str_eq(item->target, calls->c->target->name) || calls->n >= CALLS_TOLD)
                return 0;
        if (calls->n++ > 0)
                strbuf_putc(calls->out, ',');
        view_put_item(calls->out, item);
        return 0;
}

static int put_history(const Case *c, StrBuf *out) {
        Calls calls = { .c = c, .out = out };
        int r;

        strbuf_puts(out, "\"history\":[");
        r = store_history_list(c->v->store, c->person->id, 10 * CALLS_TOLD, put_call, &calls);
        strbuf_putc(out, ']');
        return r;
}

/* ---- the document ---- */

static int put_case(const Case *c, StrBuf *out) {
        const Plan *plan = remote_report(c->remote)->plan;
        _cleanup_(strbuf_deinit) StrBuf why = STRBUF_INIT(8 * PERSON_WAYS_MAX), next = STRBUF_INIT(8192);
        const char *state = c->held_action ? "held" : "planned";
        int r;

        strbuf_putc(out, '{');
        report_put_pair(out, "name", c->target->name);
        strbuf_printf(out, ",\"belongs\":%s,", c->belongs ? "true" : "false");
        case_say_why(c, &why);
        report_put_pair(out, "why", why.data);
        strbuf_putc(out, ',');
        put_role(c, out);
        strbuf_putc(out, ',');
        put_link(c, out);
        strbuf_putc(out, ',');
        report_put_pair(out, "blocked", c->blocked);
        strbuf_putc(out, ',');
        put_notes(plan, c->person->id, out);
        strbuf_putc(out, ',');
        put_drift(plan, c->person->id, out);
        strbuf_putc(out, ',');
        put_asked("asked", c->asked, state, out);
        strbuf_putc(out, ',');
        report_put_pair(out, "held", c->held_action ? c->held->hash : NULL);
        strbuf_putc(out, ',');
        r = put_queue(c, out);
        strbuf_putc(out, ',');
        case_say_next(c, &next);
        report_put_pair(out, "next", next.data);
        strbuf_putc(out, ',');
        if (r >= 0)
                r = put_history(c, out);
        strbuf_putc(out, '}');
        return r;
}

static int explain_at(const View *v, const Person *person, const Remote *remote, StrBuf *out) {
        _cleanup_(case_deinit) Case c = { 0 };
        int r;

        r = case_load(v, person, remote, &c);
        return r < 0 ? r : put_case(&c, out);
}

static void put_person(const Person *p, StrBuf *out) {
        strbuf_puts(out, "\"person\":{");
        report_put_pairs(out, "id", p->id, "dn", p->dn, NULL);
        strbuf_printf(out, ",\"present\":%s,\"disabled\":%s,\"absent_for_seconds\":%" PRIu64,
                      p->present ? "true" : "false", p->disabled ? "true" : "false",
                      p->absent_for / USEC_PER_SEC);
        for (PersonField f = 0; f < _PERSON_FIELD_MAX; f++) {
                strbuf_putc(out, ',');
                report_put_pair(out, person_field_to_string(f), p->field[f]);
        }
        strbuf_puts(out, ",\"unreadable\":[");
        for (PersonField f = 0, n = 0; f < _PERSON_FIELD_MAX; f++)
                if (p->unreadable >> f & 1) {
                        if (n++ > 0)
                                strbuf_putc(out, ',');
                        strbuf_json(out, person_field_to_string(f));
                }
        strbuf_puts(out, "]}");
}

/* Which attribute of the directory gave which value. */
static void put_mapping(const Config *config, StrBuf *out) {
        const char *const names[_PERSON_FIELD_MAX] = {
                [PERSON_LOGIN] = config->directory.attributes.login,
                [PERSON_EMAIL] = config->directory.attributes.email,
                [PERSON_FIRST_NAME] = config->directory.attributes.first_name,
                [PERSON_LAST_NAME] = config->directory.attributes.last_name,
                [PERSON_TIMEZONE] = config->directory.attributes.timezone,
                [PERSON_EMPLOYEE_NUMBER] = config->directory.attributes.employee_number,
        };

        strbuf_puts(out, "\"attributes\":{");
        report_put_pair(out, "id", config->directory.attributes.id);
        for (PersonField f = 0; f < _PERSON_FIELD_MAX; f++) {
                strbuf_putc(out, ',');
                report_put_pair(out, person_field_to_string(f), names[f]);
        }
        strbuf_putc(out, '}');
}

int view_explain(const View *v, const char *person, StrBuf *out, ErrCtx *err) {
        _cleanup_(people_freep) People *people = NULL;
        const Person *p;
        int r;

        r = view_find(v, person, &people, &p, err);
        if (r != 0)
                return r;
        strbuf_puts(out, "{\"version\":1,");
        put_person(p, out);
        strbuf_putc(out, ',');
        put_mapping(engine_config(v->engine), out);
        strbuf_putc(out, ',');
        view_put_time(out, "last_complete", cycle_report(engine_cycle(v->engine))->complete);
        strbuf_putc(out, ',');
        report_put_pair(out, "read_error", view_read_error(v));
        strbuf_puts(out, ",\"targets\":[");
        for (size_t i = 0; i < engine_n_remotes(v->engine) && r >= 0; i++) {
                if (i > 0)
                        strbuf_putc(out, ',');
                r = explain_at(v, p, engine_remote(v->engine, i), out);
        }
        strbuf_puts(out, "]}");
        return r;
}
