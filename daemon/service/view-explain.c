/* SPDX-License-Identifier: Apache-2.0 */
/* One person at every target: who belongs where and why, what was asked for, what became of it, what holds
 * it back. */
#include <errno.h>
#include <inttypes.h>

#include "model/belong.h"
#include "service/view-internal.h"
#include "store/store-ledger.h"
#include "sync/report-row.h"

#define CALLS_TOLD 20

/* What explain knows about a person at one target. */
typedef struct Case {
        const View *v;
        const Person *person;
        const Remote *remote;
        const TargetConfig *target;
        const char *group;              /* of target.groups, that the person is in; NULL: none */
        const RoleRule *role;           /* NULL: doesn't belong, or no roles are configured */
        Belong belong;
        bool belongs;
        const Link *link;
        const char *blocked;
        HeldPlan *held;
        const Action *held_action;
        QueueItem *waiting, *stands;
} Case;

static void find_scope(Case *c) {
        const Config *config = engine_config(c->v->engine);

        c->belong = belong_at(c->target, config->n_groups, c->person);
        c->belongs = c->belong.state == BELONG_YES;
        if (c->belong.group >= 0)
                c->group = config->groups[c->belong.group];
        if (c->belongs && c->target->n_roles > 0)
                c->role = &c->target->roles[c->belong.role];
}

static void put_why(const Case *c, StrBuf *out) {
        const Config *config = engine_config(c->v->engine);
        _cleanup_(strbuf_deinit) StrBuf why = STRBUF_INIT(4096);

        switch (c->belong.state) {
        case BELONG_YES:
                strbuf_printf(&why, "%s%s", c->group ? "in " : "everybody in scope belongs here",
                              c->group ? c->group : "");
                break;
        case BELONG_NOT_PRESENT:
                strbuf_puts(&why, "the entry wasn't there in the last complete read of the directory");
                break;
        case BELONG_DISABLED:
                strbuf_printf(&why, "the entry is disabled (%s)", config->directory.disabled.attribute);
                break;
        case BELONG_NO_GROUP:
                strbuf_puts(&why, "in none of the target's groups: ");
                for (size_t i = 0; i < c->target->n_groups; i++)
                        strbuf_printf(&why, "%s%s", i > 0 ? "; " : "", config->groups[c->target->groups[i]]);
                break;
        case BELONG_NO_ROLE:
                strbuf_puts(&why, "no row of the target's roles fits");
                break;
        }
        report_put_pair(out, "why", why.data);
}

static void put_role(const Case *c, StrBuf *out) {
        const Config *config = engine_config(c->v->engine);

        report_put_pair(out, "role", c->role ? c->role->role : NULL);
        strbuf_putc(out, ',');
        report_put_pair(out, "role_group",
                        c->role && c->role->group >= 0 ? config->groups[c->role->group] : NULL);
}

static void put_link(const Case *c, StrBuf *out) {
        const Link *l = c->link;

        if (!l) {
                strbuf_puts(out, "\"link\":null");
                return;
        }
        strbuf_puts(out, "\"link\":{");
        report_put_pair(out, "remote_id", l->remote_id);
        strbuf_putc(out, ',');
        report_put_pair(out, "address", l->address);
        strbuf_putc(out, ',');
        report_put_pair(out, "role", l->role);
        strbuf_putc(out, ',');
        report_put_pair(out, "origin", l->origin == LINK_ADOPTED ? "adopted" : "created");
        strbuf_putc(out, ',');
        view_put_time(out, "since", l->since);
        strbuf_printf(out, ",\"gone\":%s,\"out_for_seconds\":%" PRIu64 "}", l->gone ? "true" : "false",
                      l->out_for / USEC_PER_SEC);
}

/* ---- the last comparison ---- */

static const PlanBlocked *find_blocked(const Plan *plan, const char *person) {
        for (size_t i = 0; plan && i < plan->n_blocked; i++)
                if (str_eq(plan->blocked[i].person, person))
                        return &plan->blocked[i];
        return NULL;
}

static void put_drift(const Plan *plan, const char *person, StrBuf *out) {
        size_t n = 0;

        strbuf_puts(out, "\"drift\":[");
        for (size_t i = 0; plan && i < plan->n_drift; i++) {
                const PlanDrift *d = &plan->drift[i];

                if (!str_eq(d->person, person))
                        continue;
                strbuf_puts(out, n++ > 0 ? ",{" : "{");
                report_put_pair(out, "field", d->field);
                strbuf_putc(out, ',');
                report_put_pair(out, "directory", d->directory);
                strbuf_putc(out, ',');
                report_put_pair(out, "account", d->account);
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

static const Action *find_action(const Action *actions, size_t n, const char *person) {
        for (size_t i = 0; i < n; i++)
                if (str_eq(actions[i].person, person))
                        return &actions[i];
        return NULL;
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

static int take_item(const QueueItem *item, void *userdata) {
        Case *c = userdata;
        QueueItem **place = item->finished == 0 ? &c->waiting : &c->stands;

        if (!str_eq(item->target, c->target->name) || *place || (item->finished > 0 && !item->stands))
                return 0;
        return store_queue_get(c->v->store, item->id, place);
}

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

/* ---- in words ---- */

static const char *act_of(const Action *a) {
        return action_kind_to_string(a->kind);
}

static void say_waiting(const Case *c, StrBuf *out) {
        usec_t wall = loop_wall(c->v->loop), at = c->waiting->due, free_at = remote_next_free(c->remote);
        char text[USEC_FORMAT_MAX];

        strbuf_printf(out, "action %" PRId64 " (%s) is %s", c->waiting->id, act_of(&c->waiting->action),
                      queue_state_to_string(c->waiting->state));
        if (c->waiting->state == QUEUE_UNCERTAIN)
                strbuf_puts(out, ": its answer never came, so the account is looked at first");
        if (remote_is_paused(c->remote)) {
                strbuf_puts(out, "; the target is paused");
                return;
        }
        if (c->waiting->state == QUEUE_RUNNING)
                return;
        at = free_at > at ? free_at : at;
        if (at > wall)
                strbuf_printf(out, "; not before %s", usec_format_wall(at, text));
        if (c->waiting->detail)
                strbuf_printf(out, " (%s)", c->waiting->detail);
}

/* The first that applies is what happens next. */
static void say_next(const Case *c, StrBuf *out) {
        const RemoteReport *report = remote_report(c->remote);

        if (c->waiting)
                say_waiting(c, out);
        else if (c->blocked)
                strbuf_printf(out, "nothing: blocked: %s", c->blocked);
        else if (c->held_action)
                strbuf_printf(out, "%s, when the held plan %s is approved (held: %s)",
                              act_of(c->held_action), c->held->hash, c->held->reason);
        else if (c->stands)
                strbuf_printf(out,
                              "nothing: action %" PRId64 " (%s) is %s%s%s; \"idsyncctl retry %" PRId64
                              "\" tries it again",
                              c->stands->id, act_of(&c->stands->action),
                              c->stands->state == QUEUE_DEAD ? "a dead letter" : "dropped",
                              c->stands->detail ? ": " : "", c->stands->detail ? c->stands->detail : "",
                              c->stands->id);
        else if (!report->plan)
                strbuf_printf(out, "not compared yet%s%s", *report->reason ? ": " : "", report->reason);
        else if (c->link && !c->link->gone)
                strbuf_puts(out,
                            c->belongs ? "nothing: the account is as it shall be, as far as this API can "
                                         "change it"
                                       : "nothing is asked for; see the notes");
        else
                strbuf_puts(out, c->belongs ? "nothing is asked for; see the notes"
                                            : "nothing: doesn't belong here, and has no account of ours");
}

/* ---- the document ---- */

static int put_case(const Case *c, StrBuf *out) {
        const Plan *plan = remote_report(c->remote)->plan;
        _cleanup_(strbuf_deinit) StrBuf next = STRBUF_INIT(8192);
        const char *state = c->held_action ? "held" : "planned";
        int r;

        strbuf_putc(out, '{');
        report_put_pair(out, "name", c->target->name);
        strbuf_printf(out, ",\"belongs\":%s,", c->belongs ? "true" : "false");
        put_why(c, out);
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
        put_asked("asked", plan ? find_action(plan->actions, plan->n_actions, c->person->id) : NULL, state,
                  out);
        strbuf_putc(out, ',');
        report_put_pair(out, "held", c->held_action ? c->held->hash : NULL);
        strbuf_putc(out, ',');
        r = put_queue(c, out);
        strbuf_putc(out, ',');
        say_next(c, &next);
        report_put_pair(out, "next", next.data);
        strbuf_putc(out, ',');
        if (r >= 0)
                r = put_history(c, out);
        strbuf_putc(out, '}');
        return r;
}

static int explain_at(const View *v, const Person *person, const Remote *remote, StrBuf *out) {
        _cleanup_(links_freep) Links *links = NULL;
        _cleanup_(held_plan_freep) HeldPlan *held = NULL;
        _cleanup_(queue_item_freep) QueueItem *waiting = NULL, *stands = NULL;
        const RemoteReport *report = remote_report(remote);
        Case c = { .v = v, .person = person, .remote = remote, .target = remote_config(remote) };
        const PlanBlocked *blocked = find_blocked(report->plan, person->id);
        int r;

        find_scope(&c);
        c.blocked = blocked ? blocked->reason : NULL;
        r = store_links_load(v->store, c.target->name, &links);
        for (size_t i = 0; r >= 0 && i < links->n; i++)
                if (str_eq(links->items[i].person, person->id))
                        c.link = &links->items[i];
        if (r >= 0)
                r = store_held_get(v->store, c.target->name, HELD_PLAN, &held);
        if (r >= 0)
                r = store_history_list(v->store, person->id, SIZE_MAX >> 1, take_item, &c);
        waiting = c.waiting;
        stands = c.stands;
        if (r < 0)
                return r;
        c.held = held;
        c.held_action = held ? find_action(held->actions, held->n_actions, person->id) : NULL;
        return put_case(&c, out);
}

static void put_person(const Person *p, StrBuf *out) {
        strbuf_puts(out, "\"person\":{");
        report_put_pair(out, "id", p->id);
        strbuf_putc(out, ',');
        report_put_pair(out, "dn", p->dn);
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
        strbuf_puts(out, ",\"targets\":[");
        for (size_t i = 0; i < engine_n_remotes(v->engine) && r >= 0; i++) {
                if (i > 0)
                        strbuf_putc(out, ',');
                r = explain_at(v, p, engine_remote(v->engine, i), out);
        }
        strbuf_puts(out, "]}");
        return r;
}
