/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "model/who.h"
#include "service/view-internal.h"
#include "sync/forecast.h"
#include "sync/report-row.h"
#include "sync/standing.h"

#define HISTORY_ROWS 200

void view_put_time(StrBuf *out, const char *key, usec_t wall) {
        char text[USEC_FORMAT_MAX];

        report_put_pair(out, key, wall == 0 || wall == USEC_INFINITY ? NULL : usec_format_wall(wall, text));
}

void view_put_item(StrBuf *out, const QueueItem *item) {
        const ActionRow row = {
                .id = item->id,
                .action = &item->action,
                .state = queue_state_to_string(item->state),
                .outcome = item->outcome,
                .detail = item->detail,
                .attempts = item->attempts,
        };

        report_put_row(out, &row);
        /* The row's members, and more: its closing brace goes. */
        if (out->error == 0 && out->len > 0)
                out->data[--out->len] = '\0';
        strbuf_putc(out, ',');
        report_put_pair(out, "target", item->target);
        if (item->action.reverts > 0)
                strbuf_printf(out, ",\"reverts\":%" PRId64, item->action.reverts);
        else
                strbuf_puts(out, ",\"reverts\":null");
        strbuf_printf(out, ",\"cycle\":%" PRId64 ",\"approved\":%s,\"stands\":%s,\"http_status\":%d,",
                      item->cycle, item->approved ? "true" : "false", item->stands ? "true" : "false",
                      item->http_status);
        view_put_time(out, "queued", item->queued);
        strbuf_putc(out, ',');
        view_put_time(out, "due", item->finished > 0 ? 0 : item->due);
        strbuf_putc(out, ',');
        view_put_time(out, "begun", item->begun);
        strbuf_putc(out, ',');
        view_put_time(out, "finished", item->finished);
        strbuf_putc(out, '}');
}

static void put_head(StrBuf *out) {
        strbuf_puts(out, "{\"version\":1,");
}

/* ---- status ---- */

static const char *read_state(const CycleReport *cycle) {
        if (!cycle->read)
                return "unknown";
        if (cycle->directory == READ_COMPLETE)
                return "complete";
        return cycle->directory == READ_UNREACHABLE ? "unreachable" : "incomplete";
}

static void put_directory(const View *v, StrBuf *out) {
        Cycle *cycle = engine_cycle(v->engine);
        const CycleReport *report = cycle_report(cycle);

        strbuf_printf(out,
                      "\"cycle\":%" PRId64
                      ",\"cycle_running\":%s,\"directory\":{\"state\":\"%s\",\"people\":%" PRIu64 ",",
                      report->number, cycle_is_running(cycle) ? "true" : "false", read_state(report),
                      report->complete_people);
        report_put_pair(out, "error", report->error);
        strbuf_putc(out, ',');
        view_put_time(out, "last_attempt", report->attempted);
        strbuf_putc(out, ',');
        view_put_time(out, "last_complete", report->complete);
        strbuf_putc(out, ',');
        view_put_time(out, "next", v->next_read);
        strbuf_putc(out, '}');
}

static void put_counts(StrBuf *out, const QueueCounts *counts) {
        strbuf_printf(out,
                      "\"queue\":{\"waiting\":%" PRIu64 ",\"running\":%" PRIu64 ",\"uncertain\":%" PRIu64
                      ",\"dead\":%" PRIu64 "}",
                      counts->waiting, counts->running, counts->uncertain, counts->dead);
}

static int put_targets(const View *v, StrBuf *out) {
        int r = 0;

        strbuf_puts(out, "\"targets\":[");
        for (size_t i = 0; i < engine_n_remotes(v->engine) && r >= 0; i++) {
                if (i > 0)
                        strbuf_putc(out, ',');
                r = view_put_target(v, engine_remote(v->engine, i), out);
        }
        strbuf_putc(out, ']');
        return r;
}

int view_status(const View *v, StrBuf *out) {
        const ReportInput report = { .engine = v->engine, .store = v->store };
        Forecast expected = { 0 };
        QueueCounts counts = { 0 };
        bool paused = false;
        int r;

        r = engine_queue_counts(v->engine, &counts);
        if (r >= 0)
                r = standing_is_paused(v->store, NULL, &paused);
        if (r >= 0)
                r = forecast(v->engine, &expected);
        if (r < 0)
                return r;
        put_head(out);
        strbuf_printf(out, "\"exit\":%d,\"daemon\":{\"version\":\"" PACKAGE_VERSION "\",\"pid\":%lld,",
                      report_exit_code(&report), (long long) getpid());
        report_put_pair(out, "state", v->state);
        strbuf_putc(out, ',');
        view_put_time(out, "started", v->started);
        strbuf_putc(out, ',');
        report_put_pair(out, "config", v->config_file);
        strbuf_puts(out, "},");
        put_directory(v, out);
        strbuf_putc(out, ',');
        put_counts(out, &counts);
        strbuf_putc(out, ',');
        view_put_time(out, "done_by", expected.done_by);
        strbuf_printf(out, ",\"done_by_partly\":%s", expected.partly ? "true" : "false");
        strbuf_printf(out, ",\"paused\":%s,", paused ? "true" : "false");
        r = put_targets(v, out);
        strbuf_putc(out, ',');
        view_put_problems(v, out);
        strbuf_putc(out, '}');
        return r;
}

int view_targets(const View *v, StrBuf *out) {
        int r;

        put_head(out);
        r = put_targets(v, out);
        strbuf_putc(out, '}');
        return r;
}

/* ---- queue and history ---- */

typedef struct Rows { StrBuf *out; bool dead; size_t n, of_target, left_out; } Rows;

static int put_row(const QueueItem *item, void *userdata) {
        Rows *rows = userdata;

        if ((item->finished > 0) != rows->dead)
                return 0;
        if (rows->of_target++ >= VIEW_ROWS) {
                rows->left_out++;
                return 0;
        }
        if (rows->n++ > 0)
                strbuf_putc(rows->out, ',');
        view_put_item(rows->out, item);
        return 0;
}

int view_queue(const View *v, bool dead, StrBuf *out) {
        Rows rows = { .out = out, .dead = dead };
        int r = 0;

        put_head(out);
        strbuf_puts(out, "\"actions\":[");
        for (size_t i = 0; i < engine_n_remotes(v->engine) && r >= 0; i++) {
                rows.of_target = 0;
                r = store_queue_list(v->store, remote_config(engine_remote(v->engine, i))->name, INT64_MAX,
                                     put_row, &rows);
        }
        strbuf_printf(out, "],\"left_out\":%zu}", rows.left_out);
        return r;
}

static int put_any_row(const QueueItem *item, void *userdata) {
        Rows *rows = userdata;

        if (rows->n++ > 0)
                strbuf_putc(rows->out, ',');
        view_put_item(rows->out, item);
        return 0;
}

int view_history(const View *v, const char *person, StrBuf *out, ErrCtx *err) {
        _cleanup_(people_freep) People *people = NULL;
        const Person *p = NULL;
        Rows rows = { .out = out };
        int r = 0;

        if (!str_empty(person)) {
                r = view_find(v, person, &people, &p, err);
                if (r != 0)
                        return r;
        }
        put_head(out);
        report_put_pair(out, "person", p ? p->id : NULL);
        strbuf_puts(out, ",\"actions\":[");
        r = store_history_list(v->store, p ? p->id : NULL, HISTORY_ROWS, put_any_row, &rows);
        strbuf_puts(out, "]}");
        return r;
}

/* ---- plan ---- */

int view_plan(const View *v, const char *target, StrBuf *out, ErrCtx *err) {
        const ReportInput in = {
                .engine = v->engine,
                .store = v->store,
                .target = str_empty(target) ? NULL : target,
        };

        if (in.target && !engine_find_remote(v->engine, target))
                return err_set(err, VIEW_E_UNKNOWN, 0, "%s: no target of the configuration has this name",
                               target);
        return report_json(&in, report_exit_code(&in), out);
}

/* ---- people ---- */

const char *view_read_error(const View *v) {
        const CycleReport *cycle = cycle_report(engine_cycle(v->engine));

        return cycle->read && cycle->directory != READ_COMPLETE ? cycle->error : NULL;
}

static int say_unknown(const View *v, const ErrCtx *why, ErrCtx *err) {
        const Config *config = engine_config(v->engine);
        const CycleReport *cycle = cycle_report(engine_cycle(v->engine));
        char read[USEC_FORMAT_MAX] = "none since the daemon started";

        if (cycle->complete > 0)
                (void) usec_format_wall(cycle->complete, read);
        return err_set(err, VIEW_E_UNKNOWN, 0,
                       "%s. In scope is who stands below \"%s\" and fits %s; last complete read: %s%s%s",
                       why->text, config->directory.people.base, config->directory.people.filter, read,
                       view_read_error(v) ? "; the last read failed: " : "",
                       view_read_error(v) ? view_read_error(v) : "");
}

/* Links and history remember people whose row is gone: one is added. VIEW_E_UNKNOWN: they don't either. */
static int add_known(const View *v, const char *text, People *people, const Person **ret) {
        _cleanup_(arena_freep) Arena *arena = arena_new();
        Person p = { 0 };
        int r;

        if (!arena)
                return -ENOMEM;
        r = store_person_known(v->store, text, arena, &p.id, &p.field[PERSON_EMAIL]);
        if (r < 0 || !p.id)
                return r < 0 ? r : VIEW_E_UNKNOWN;
        r = people_add(people, &p, engine_config(v->engine)->n_groups);
        *ret = &people->items[people->n - 1];
        return r;
}

int view_find(const View *v, const char *person, People **ret_people, const Person **ret, ErrCtx *err) {
        _cleanup_(people_freep) People *people = NULL;
        ErrCtx why = { 0 };
        int r;

        r = store_people_load(v->store, engine_config(v->engine)->n_groups, &people);
        if (r < 0)
                return r;
        r = who_find(people, person, ret, &why);
        if (r == WHO_E_UNKNOWN) {
                r = add_known(v, person, people, ret);
                if (r == VIEW_E_UNKNOWN)
                        return say_unknown(v, &why, err);
        }
        if (r > 0)
                return err_set(err, VIEW_E_UNKNOWN, 0, "%s", why.text);
        if (r == 0)
                *ret_people = TAKE(people);
        return r;
}
