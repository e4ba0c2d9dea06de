/* SPDX-License-Identifier: Apache-2.0 */
#include "service/errand.h"

#include <errno.h>
#include <inttypes.h>

#include "service/view-case.h"
#include "service/view-internal.h"
#include "sync/report-row.h"

#define STEPS_MAX ((size_t) 1 << 20)
/* What should go on now, and doesn't, isn't waited for without end. */
#define SILENCE_MAX (30 * USEC_PER_SEC)

typedef enum StationPhase { STATION_COMPARE, STATION_WORK, STATION_OVER } StationPhase;

/* One target of the errand. */
typedef struct Station {
        const Remote *remote;
        StationPhase phase;
        int64_t action;                 /* that is worked on; 0: none yet */
        usec_t waits_until;             /* wall, as told last */
        StrBuf calls;                   /* what is to be told of calls, a line each */
        ExitCode code;
        char *result;
} Station;

struct Errand {
        char *person, *target;
        usec_t wait;
        int64_t cycle;
        void (*told)(const char *json, void *userdata);
        void *userdata;
        usec_t begun, begun_wall, told_at;
        bool has_read, over;
        usec_t read_at;                 /* monotonic: of the read that counts */
        People *people;
        const Person *who;              /* NULL: not known yet */
        Station *stations;
        size_t n_stations;
        StrBuf steps;
        ExitCode code;
};

/* ---- telling ---- */

static const char *name_of(const Station *s) {
        return s ? remote_config(s->remote)->name : NULL;
}

static void tell_text(Errand *e, const View *v, const Station *s, const char *step, const char *text) {
        _cleanup_(strbuf_deinit) StrBuf out = STRBUF_INIT(32768);

        strbuf_putc(&out, '{');
        view_put_time(&out, "time", loop_wall(v->loop));
        strbuf_putc(&out, ',');
        report_put_pairs(&out, "target", name_of(s), "step", step, "text", text, NULL);
        strbuf_putc(&out, '}');
        if (out.error < 0)
                return;
        if (e->steps.len > 0)
                strbuf_putc(&e->steps, ',');
        strbuf_puts(&e->steps, out.data);
        e->told_at = loop_now(v->loop);
        e->told(out.data, e->userdata);
}

static void tell(Errand *e, const View *v, const Station *s, const char *step, const char *format, ...)
                _printf_(5, 6);
static void tell(Errand *e, const View *v, const Station *s, const char *step, const char *format, ...) {
        _cleanup_(freep) char *text = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r < 0)
                text = NULL;
        else
                tell_text(e, v, s, step, text);
}

static void station_end(Errand *e, const View *v, Station *s, ExitCode code, StrBuf *text) {
        s->phase = STATION_OVER;
        s->code = code;
        e->code = exit_code_worse(e->code, code);
        s->result = strbuf_take(text);
        tell_text(e, v, s, "result", s->result);
}

/* ---- the read ---- */

static void tell_person(Errand *e, const View *v) {
        const Person *p = e->who;
        char span[USEC_FORMAT_MAX];

        if (p->present)
                tell(e, v, NULL, "person", "%s (%s): %s", p->dn, p->id,
                     p->disabled ? "disabled in the directory" : "in the directory");
        else
                tell(e, v, NULL, "person", "%s (%s): no longer in the directory, for %s now",
                     p->dn ? p->dn : p->id, p->id, usec_format(p->absent_for, span));
}

static int make_stations(Errand *e, const View *v) {
        e->stations = calloc(engine_n_remotes(v->engine) + 1, sizeof(*e->stations));
        if (!e->stations)
                return -ENOMEM;
        for (size_t i = 0; i < engine_n_remotes(v->engine); i++) {
                const Remote *remote = engine_remote(v->engine, i);

                if (str_empty(e->target) || str_eq(remote_config(remote)->name, e->target))
                        e->stations[e->n_stations++] =
                                        (Station){.remote = remote, .calls = STRBUF_INIT(65536)};
        }
        return 0;
}

static int look_at_read(Errand *e, const View *v, ErrCtx *err) {
        const CycleReport *report = cycle_report(engine_cycle(v->engine));
        int r;

        if (!cycle_has_read(engine_cycle(v->engine), e->cycle))
                return 0;
        e->has_read = true;
        if (report->directory != READ_COMPLETE || report->read_at < e->begun) {
                e->code = report->store_failed ? EXIT_STATE : EXIT_DIRECTORY;
                e->over = true;
                tell(e, v, NULL, "result", "the directory %s: %s; nothing is compared",
                     report->directory == READ_UNREACHABLE ? "is unreachable" : "wasn't read completely",
                     report->error);
                return 0;
        }
        e->read_at = report->read_at;
        tell(e, v, NULL, "read", "complete: %" PRIu64 " people", report->complete_people);
        r = view_find(v, e->person, &e->people, &e->who, err);
        if (r != 0)
                return r;
        tell_person(e, v);
        return make_stations(e, v);
}

/* ---- waiting ---- */

/* true: it is told, and waited for no longer. */
static bool waits_too_long(Errand *e, const View *v, Station *s, usec_t until, ExitCode code,
                           const char *what, const char *detail) {
        _cleanup_(strbuf_deinit) StrBuf text = STRBUF_INIT(4096);
        usec_t wall = loop_wall(v->loop);

        if (until <= usec_add(wall, USEC_PER_SEC))
                return false;
        strbuf_printf(&text, "%s ", what);
        case_say_until(v, s->remote, until, detail, &text);
        if (until > usec_add(wall, e->wait)) {
                station_end(e, v, s, code, &text);
                return true;
        }
        if (until / USEC_PER_SEC != s->waits_until / USEC_PER_SEC)
                tell_text(e, v, s, "wait", text.data);
        s->waits_until = until;
        return false;
}

/* ---- the comparison ---- */

static void tell_scope(Errand *e, const View *v, const Station *s, const Case *c) {
        const Config *config = engine_config(v->engine);
        _cleanup_(strbuf_deinit) StrBuf text = STRBUF_INIT(8192);

        strbuf_puts(&text, c->belongs ? "belongs here: " : "doesn't belong here: ");
        case_say_why(c, &text);
        if (c->belongs && c->role)
                strbuf_printf(&text, "; role %s%s%s", c->role->role, c->role->group >= 0 ? ", by " : "",
                              c->role->group >= 0 ? config->groups[c->role->group] : "");
        tell_text(e, v, s, "scope", text.data);
}

static void tell_match(Errand *e, const View *v, const Station *s, const Case *c) {
        const Plan *plan = remote_report(s->remote)->plan;
        const Link *l = c->link;
        char since[USEC_FORMAT_MAX];

        if (l)
                tell(e, v, s, "match", "account %s is theirs, %s at %s%s", l->remote_id,
                     l->origin == LINK_ADOPTED ? "adopted" : "created", usec_format_wall(l->since, since),
                     l->gone ? "; it is no longer at the target" : "");
        else
                tell_text(e, v, s, "match", "no account of ours");
        for (size_t i = 0; plan && i < plan->n_drift; i++) {
                const PlanDrift *d = &plan->drift[i];

                if (str_eq(d->person, e->who->id))
                        tell(e, v, s, "match", "%s is \"%s\" in the directory, \"%s\" at the account",
                             d->field, d->directory ? d->directory : "", d->account ? d->account : "");
        }
}

static ExitCode code_of(CaseNext next) {
        switch (next) {
        case CASE_BLOCKED:
        case CASE_SUPPRESSED:
        case CASE_ASKED:
        case CASE_WORKED_ON:
                return EXIT_DIFFERENCES;
        case CASE_HELD:
        case CASE_BEHIND_HELD:
                return EXIT_HELD;
        case CASE_NOT_COMPARED:
                return EXIT_TARGET;
        default:
                return EXIT_IN_STEP;
        }
}

static int tell_plan(Errand *e, const View *v, const Station *s, const QueueItem *item) {
        const char *role = item->action.has_after ? item->action.after.role : NULL;
        uint64_t place = 0;
        int r = 0;

        if (item->finished == 0)
                r = store_queue_position(v->store, item->id, &place);
        if (r < 0)
                return r;
        tell(e, v, s, "plan", "%s%s%s: action %" PRId64, action_kind_to_string(item->action.kind),
             role ? ", role " : "", role ? role : "", item->id);
        if (place > 1)
                tell(e, v, s, "plan", "%" PRIu64 " go before it", place - 1);
        return 0;
}

/* The action that is there for the person, or what there is instead. */
static int take_up(Errand *e, const View *v, Station *s, const Case *c) {
        _cleanup_(strbuf_deinit) StrBuf text = STRBUF_INIT(8192);
        const QueueItem *item = c->waiting;
        Remote *remote = engine_find_remote(v->engine, name_of(s));
        int r = 0;

        /* It may have been done before we looked. */
        if (!item && c->latest && c->latest->id != s->action && c->latest->action.kind != ACTION_ADOPT &&
            c->latest->state == QUEUE_DONE && c->latest->finished >= e->begun_wall)
                item = c->latest;
        if (!item) {
                case_say_next(c, &text);
                station_end(e, v, s, code_of(case_next(c)), &text);
                return 0;
        }
        s->action = item->id;
        s->phase = STATION_WORK;
        if (item->state == QUEUE_WAITING)
                r = remote_urge(remote, item->id);
        return r < 0 ? r : tell_plan(e, v, s, item);
}

static int look_at_comparison(Errand *e, const View *v, Station *s) {
        const RemoteReport *report = remote_report(s->remote);
        _cleanup_(strbuf_deinit) StrBuf text = STRBUF_INIT(4096);
        _cleanup_(case_deinit) Case c = { 0 };
        int r;

        if (report->read_at < e->read_at && remote_is_busy(s->remote)) {
                /* By the listing that there is, it ends in no time. */
                if (remote_is_listing(s->remote))
                        (void) waits_too_long(e, v, s, remote_next_free(s->remote), EXIT_TARGET,
                                              "the accounts are listed", NULL);
                return 0;
        }
        if (report->state == REMOTE_UNREACHABLE || report->state == REMOTE_INCOMPLETE ||
            report->state == REMOTE_PARKED || report->read_at < e->read_at) {
                strbuf_printf(&text, "not compared: %s", report->reason);
                station_end(e, v, s, report->bad_role ? EXIT_CONFIG : EXIT_TARGET, &text);
                return 0;
        }
        r = case_load(v, e->who, s->remote, &c);
        if (r < 0)
                return r;
        tell_scope(e, v, s, &c);
        tell_match(e, v, s, &c);
        return take_up(e, v, s, &c);
}

/* ---- the work ---- */

static void tell_calls(Errand *e, const View *v, Station *s) {
        char *line, *rest = s->calls.data;

        while (rest && (line = strsep(&rest, "\n")))
                if (*line)
                        tell_text(e, v, s, "call", line);
        strbuf_reset(&s->calls);
}

static void say_end(const QueueItem *item, StrBuf *out) {
        strbuf_printf(out, "%s: ", action_kind_to_string(item->action.kind));
        if (item->state == QUEUE_DONE)
                strbuf_printf(out, "done%s%s", item->action.remote_id ? ", account " : "",
                              item->action.remote_id ? item->action.remote_id : "");
        else if (item->state == QUEUE_DEAD)
                strbuf_printf(out, "given up: %s; \"idsyncctl retry %" PRId64 "\" tries it again",
                              item->detail ? item->detail : "-", item->id);
        else
                strbuf_printf(out, "%s: %s", queue_state_to_string(item->state),
                              item->detail ? item->detail : "-");
}

/* Something else may be asked for in its place, or follow it. */
static int look_at_end(Errand *e, const View *v, Station *s, const QueueItem *item) {
        _cleanup_(strbuf_deinit) StrBuf text = STRBUF_INIT(8192);
        _cleanup_(case_deinit) Case c = { 0 };
        int r;

        say_end(item, &text);
        r = case_load(v, e->who, s->remote, &c);
        if (r < 0)
                return r;
        if (c.waiting && item->state != QUEUE_DEAD) {
                tell_text(e, v, s, "result", text.data);
                return take_up(e, v, s, &c);
        }
        if (item->state != QUEUE_DONE && item->state != QUEUE_DEAD) {
                strbuf_puts(&text, "; ");
                case_say_next(&c, &text);
        }
        station_end(e, v, s,
                    item->state == QUEUE_DONE   ? EXIT_IN_STEP
                    : item->state == QUEUE_DEAD ? EXIT_DIFFERENCES
                                                : code_of(case_next(&c)),
                    &text);
        return 0;
}

static int look_at_work(Errand *e, const View *v, Station *s) {
        _cleanup_(queue_item_freep) QueueItem *item = NULL;
        _cleanup_(strbuf_deinit) StrBuf text = STRBUF_INIT(4096);
        int r;

        tell_calls(e, v, s);
        r = store_queue_get(v->store, s->action, &item);
        if (r < 0 || !item)
                return r < 0 ? r : -ENOENT;
        if (item->finished > 0)
                return look_at_end(e, v, s, item);
        if (item->state == QUEUE_WAITING && remote_is_paused(s->remote)) {
                strbuf_puts(&text, "waits: ");
                case_say_paused(s->remote, &text);
                station_end(e, v, s, EXIT_DIFFERENCES, &text);
                return 0;
        }
        if (waits_too_long(e, v, s, remote_action_due(s->remote, item), EXIT_DIFFERENCES, "goes on",
                           item->detail))
                return 0;
        if (loop_now(v->loop) > usec_add(e->told_at, usec_add(e->wait, SILENCE_MAX))) {
                strbuf_printf(&text, "still %s; \"idsyncctl explain\" tells how it goes on",
                              queue_state_to_string(item->state));
                station_end(e, v, s, EXIT_DIFFERENCES, &text);
        }
        return 0;
}

void errand_called(Errand *e, const CallEvent *event) {
        const Outcome *o = event->outcome;

        if (!e->who || !str_eq(e->who->id, event->person))
                return;
        for (size_t i = 0; i < e->n_stations; i++) {
                Station *s = &e->stations[i];

                if (!str_eq(name_of(s), event->target) || s->phase == STATION_OVER)
                        continue;
                strbuf_printf(&s->calls, "%s", call_to_string(event->call));
                if (o) {
                        strbuf_printf(&s->calls, ": %s", outcome_class_to_string(o->class));
                        /* Most details begin with it. */
                        if (o->http_status > 0 && !str_starts_with(o->detail, "HTTP "))
                                strbuf_printf(&s->calls, ", HTTP %d", o->http_status);
                        if (*o->detail)
                                strbuf_printf(&s->calls, ": %s", o->detail);
                }
                strbuf_putc(&s->calls, '\n');
        }
}

int errand_look(Errand *e, const View *v, ErrCtx *err) {
        bool over = true;
        int r = 0;

        if (!e->has_read)
                r = look_at_read(e, v, err);
        if (r != 0 || e->over || !e->has_read)
                return r != 0 ? r : e->over ? ERRAND_E_OVER : 0;
        for (size_t i = 0; i < e->n_stations && r >= 0; i++) {
                Station *s = &e->stations[i];

                if (s->phase == STATION_COMPARE)
                        r = look_at_comparison(e, v, s);
                if (r >= 0 && s->phase == STATION_WORK)
                        r = look_at_work(e, v, s);
                over &= s->phase == STATION_OVER;
        }
        return r < 0 ? r : over ? ERRAND_E_OVER : 0;
}

/* ---- the whole ---- */

void errand_document(const Errand *e, StrBuf *out) {
        strbuf_printf(out, "{\"version\":1,\"exit\":%d,\"person\":", e->code);
        strbuf_json(out, e->who ? e->who->id : NULL);
        strbuf_printf(out, ",\"steps\":[%s],\"targets\":[", e->steps.data ? e->steps.data : "");
        for (size_t i = 0; i < e->n_stations; i++) {
                const Station *s = &e->stations[i];

                strbuf_puts(out, i > 0 ? ",{" : "{");
                report_put_pair(out, "name", name_of(s));
                strbuf_printf(out, ",\"exit\":%d,\"action\":", s->code);
                if (s->action > 0)
                        strbuf_printf(out, "%" PRId64, s->action);
                else
                        strbuf_puts(out, "null");
                strbuf_putc(out, ',');
                report_put_pair(out, "result", s->result);
                strbuf_putc(out, '}');
        }
        strbuf_puts(out, "]}");
}

int errand_new(const View *v, const ErrandSpec *spec, Errand **ret) {
        _cleanup_(errand_freep) Errand *e = calloc(1, sizeof(*e));

        if (!e)
                return -ENOMEM;
        e->person = strdup(spec->person);
        e->target = strdup(spec->target ? spec->target : "");
        if (!e->person || !e->target)
                return -ENOMEM;
        e->wait = spec->wait;
        e->cycle = spec->cycle;
        e->told = spec->told;
        e->userdata = spec->userdata;
        e->begun = loop_now(v->loop);
        e->begun_wall = loop_wall(v->loop);
        e->steps = STRBUF_INIT(STEPS_MAX);
        tell(e, v, NULL, "read", "cycle %" PRId64 "%s", e->cycle,
             spec->reads_next ? ", when the read under way has ended" : "");
        *ret = TAKE(e);
        return 0;
}

Errand *errand_free(Errand *e) {
        if (!e)
                return NULL;
        for (size_t i = 0; i < e->n_stations; i++) {
                strbuf_deinit(&e->stations[i].calls);
                free(e->stations[i].result);
        }
        free(e->stations);
        people_free(e->people);
        strbuf_deinit(&e->steps);
        free(e->person);
        free(e->target);
        free(e);
        return NULL;
}
