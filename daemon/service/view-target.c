/* SPDX-License-Identifier: Apache-2.0 */
/* How a target stands, and what of it calls for a person. */
#include <inttypes.h>

#include "service/view-internal.h"
#include "sync/applied.h"
#include "sync/report-row.h"
#include "sync/tell.h"

/* A read that is this many poll intervals late is a fault. */
#define LATE_READS 3
#define LATE_MIN (15 * USEC_PER_MINUTE)

const char *view_who_paused(const Remote *remote) {
        if (remote_config(remote)->paused)
                return "configuration";
        return remote_is_paused(remote) ? "operator" : NULL;
}

static void put_held(const char *key, const HeldPlan *held, StrBuf *out) {
        strbuf_json(out, key);
        if (!held) {
                strbuf_puts(out, ":null");
                return;
        }
        strbuf_puts(out, ":{");
        report_put_pair(out, "hash", held->hash);
        strbuf_printf(out, ",\"actions\":%zu,", held->n_actions);
        report_put_pair(out, "reason", held->reason);
        strbuf_putc(out, ',');
        view_put_time(out, "since", held->since);
        strbuf_putc(out, '}');
}

static void put_parking(const Remote *remote, StrBuf *out) {
        OutcomeClass class = OUTCOME_OK;
        const char *detail = NULL;
        usec_t until = remote_parked(remote, &class, &detail);

        if (until == 0) {
                strbuf_puts(out, "\"parked\":null");
                return;
        }
        strbuf_puts(out, "\"parked\":{");
        view_put_time(out, "until", until);
        strbuf_putc(out, ',');
        report_put_pairs(out, "outcome", outcome_class_to_string(class), "detail", detail, NULL);
        strbuf_putc(out, '}');
}

static void put_plan_counts(const RemoteReport *report, StrBuf *out) {
        const Plan *plan = report->plan;

        strbuf_printf(out,
                      "\"accounts\":%zu,\"linked\":%zu,\"belong\":%zu,\"open\":%zu,"
                      "\"suppressed\":%zu,\"blocked\":%zu,\"drift\":%zu",
                      report->n_accounts, plan ? plan->n_linked : 0, plan ? plan->n_in_scope : 0,
                      report->n_open, report->n_suppressed, plan ? plan->n_blocked : 0,
                      plan ? plan->n_drift : 0);
}

/* When the target's queue goes on, NULL-able: nothing waits, or nothing may go. */
static usec_t next_action(const View *v, const Remote *remote, const QueueCounts *counts) {
        usec_t due;

        if (counts->waiting + counts->uncertain + counts->running == 0)
                return 0;
        due = remote_next_due(remote);
        return due == 0 ? loop_wall(v->loop) : due;
}

int view_put_target(const View *v, const Remote *remote, StrBuf *out) {
        const RemoteReport *report = remote_report(remote);
        const TargetConfig *config = remote_config(remote);
        const Accounts *accounts = remote_accounts(remote);
        _cleanup_(held_plan_freep) HeldPlan *held = NULL, *revert = NULL;
        QueueCounts counts = { 0 };
        usec_t applied = 0;
        int r;

        r = applied_get(v->store, config->name, &applied);
        if (r >= 0)
                r = store_queue_counts(v->store, config->name, &counts);
        if (r >= 0)
                r = store_held_head(v->store, config->name, HELD_PLAN, &held);
        if (r >= 0)
                r = store_held_head(v->store, config->name, HELD_REVERT, &revert);
        if (r < 0)
                return r;
        strbuf_putc(out, '{');
        report_put_pairs(out, "name", config->name, "type", target_type_to_string(config->type),
                         "state", remote_state_to_string(remote_state(remote)),
                         "reason", remote_reason(remote), NULL);
        strbuf_printf(out, ",\"comparing\":%s,", remote_is_busy(remote) ? "true" : "false");
        put_plan_counts(report, out);
        strbuf_printf(out,
                      ",\"queue\":{\"waiting\":%" PRIu64 ",\"running\":%" PRIu64 ",\"uncertain\":%" PRIu64
                      ",\"dead\":%" PRIu64 "},",
                      counts.waiting, counts.running, counts.uncertain, counts.dead);
        view_put_time(out, "next_action", next_action(v, remote, &counts));
        strbuf_putc(out, ',');
        view_put_time(out, "listed", accounts ? accounts->begun : 0);
        strbuf_putc(out, ',');
        view_put_time(out, "applied", applied);
        strbuf_putc(out, ',');
        report_put_pair(out, "paused", view_who_paused(remote));
        strbuf_putc(out, ',');
        put_held("held", held, out);
        strbuf_putc(out, ',');
        put_held("revert", revert, out);
        strbuf_putc(out, ',');
        put_parking(remote, out);
        strbuf_putc(out, '}');
        return 0;
}

/* ---- what calls for a person ---- */

typedef enum Level { LEVEL_NOTE, LEVEL_WARNING, LEVEL_CRITICAL } Level;
typedef struct Problems { StrBuf *out; size_t n; } Problems;

static void add(Problems *p, Level level, const char *target, const char *act, const char *format, ...)
                _printf_(5, 6);
static void add(Problems *p, Level level, const char *target, const char *act, const char *format, ...) {
        static const char *const names[] = { "note", "warning", "critical" };
        char text[1024];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        strbuf_puts(p->out, p->n++ > 0 ? ",{" : "{");
        report_put_pairs(p->out, "level", names[level], "target", target, "text", text, "do", act, NULL);
        strbuf_putc(p->out, '}');
}

static void add_directory(const View *v, Problems *p) {
        const CycleReport *cycle = cycle_report(engine_cycle(v->engine));
        usec_t wall = loop_wall(v->loop),
               late = LATE_READS * engine_config(v->engine)->directory.poll_interval;
        usec_t since = cycle->complete > v->started ? cycle->complete : v->started;
        char text[USEC_FORMAT_MAX];

        if (cycle->late)
                add(p, LEVEL_WARNING, NULL, "idsyncctl check; journalctl -u idsyncd -x",
                    "the read of the directory that began at %s still runs, and the next one was due",
                    usec_format_wall(cycle->attempted, text));

        if (cycle->read && cycle->directory != READ_COMPLETE)
                add(p, LEVEL_CRITICAL, NULL, "idsyncctl check; journalctl -u idsyncd -x",
                    "the last read of the directory failed: %s", cycle->error);
        if (late < LATE_MIN)
                late = LATE_MIN;
        if (wall > since && wall - since > late)
                add(p, LEVEL_CRITICAL, NULL, "idsyncctl check; journalctl -u idsyncd -x",
                    "no complete read of the directory for %s",
                    usec_format((wall - since) / USEC_PER_SEC * USEC_PER_SEC, text));
}

static void add_parking(Problems *p, const Remote *remote) {
        const char *name = remote_config(remote)->name, *detail = "";
        OutcomeClass class = OUTCOME_OK;
        usec_t until = remote_parked(remote, &class, &detail);
        char text[USEC_FORMAT_MAX], act[320];
        bool auth = class == OUTCOME_AUTH;

        if (until == 0)
                return;
        /* What LoadCredential= copied changes with a restart alone. */
        snprintf(act, sizeof(act),
                 "systemctl restart idsyncd, once a new key or secret is in place; or mend it at the API, "
                 "then idsyncctl resume %s", name);
        if (class == OUTCOME_REJECTED) {
                snprintf(act, sizeof(act), "idsyncctl queue --dead; then idsyncctl resume %s", name);
                add(p, LEVEL_CRITICAL, name, act, "in quarantine: %s; one action is tried at %s", detail,
                    usec_format_wall(until, text));
                return;
        }
        add(p, auth ? LEVEL_CRITICAL : LEVEL_WARNING, name, auth ? act : NULL, "%s until %s: %s",
            auth ? "key, secret or rights are refused; no call" : "parked", usec_format_wall(until, text),
            detail);
}

static void add_held(const View *v, Problems *p, const char *name, HeldSlot slot) {
        _cleanup_(held_plan_freep) HeldPlan *held = NULL;
        char act[400];

        if (store_held_head(v->store, name, slot, &held) < 0 || !held)
                return;
        snprintf(act, sizeof(act), "idsyncctl plan %s; then idsyncctl approve %s, or reject %s", name,
                 held->hash, held->hash);
        add(p, LEVEL_WARNING, name, act, "plan %s with %zu %s is held: %s%s", held->hash, held->n_actions,
            held->n_actions == 1 ? "action" : "actions", slot == HELD_REVERT ? "it " : "", held->reason);
}

/* Nothing is wrong, and an operator should know. */
static void add_notes(Problems *p, const char *name, const char *act, const Plan *plan) {
        size_t kept = tell_n_kept(plan), grace = tell_n_grace(plan);

        if (kept > 0)
                add(p, LEVEL_NOTE, name, act,
                    "%zu %s kept: protected, the last of a role, or the API's own", kept,
                    kept == 1 ? "account is" : "accounts are");
        if (grace > 0)
                add(p, LEVEL_NOTE, name, act, "%zu %s of leavers %s deleted when the grace is over", grace,
                    grace == 1 ? "account" : "accounts", grace == 1 ? "is" : "are");
}

/* Of these nobody hears again, and the exit code is 1. */
static void add_refused(Problems *p, const char *name, const RemoteReport *report,
                        const QueueCounts *counts) {
        size_t n = report->n_suppressed > counts->dead ? report->n_suppressed - counts->dead : 0;

        if (n > 0)
                add(p, LEVEL_NOTE, name, "idsyncctl queue --dead",
                    "%zu %s asked for, being dropped, rejected or taken back", n,
                    n == 1 ? "action isn't" : "actions aren't");
}

static void add_target(const View *v, Problems *p, const Remote *remote) {
        const RemoteReport *report = remote_report(remote);
        const char *name = remote_config(remote)->name;
        QueueCounts counts = { 0 };
        char act[320];

        if (report->state == REMOTE_INCOMPLETE || report->state == REMOTE_UNREACHABLE)
                add(p, LEVEL_CRITICAL, name, "idsyncctl check; journalctl -u idsyncd -x", "%s: %s",
                    remote_state_to_string(report->state), report->reason);
        add_parking(p, remote);
        add_held(v, p, name, HELD_PLAN);
        add_held(v, p, name, HELD_REVERT);
        if (store_queue_counts(v->store, name, &counts) >= 0 && counts.dead > 0)
                add(p, LEVEL_WARNING, name, "idsyncctl queue --dead", "%" PRIu64 " dead %s", counts.dead,
                    counts.dead == 1 ? "letter" : "letters");
        add_refused(p, name, report, &counts);
        snprintf(act, sizeof(act), "idsyncctl plan %s", name);
        if (report->plan && report->plan->n_blocked > 0)
                add(p, LEVEL_WARNING, name, act, "%zu %s blocked", report->plan->n_blocked,
                    report->plan->n_blocked == 1 ? "person is" : "people are");
        add_notes(p, name, act, report->plan);
        snprintf(act, sizeof(act), "idsyncctl resume %s", name);
        if (str_eq(view_who_paused(remote), "operator"))
                add(p, LEVEL_WARNING, name, act, "paused by an operator: nothing is written there");
}

void view_put_problems(const View *v, StrBuf *out) {
        Problems p = { .out = out };
        char text[USEC_FORMAT_MAX];

        strbuf_puts(out, "\"problems\":[");
        if (v->refused > 0)
                add(&p, LEVEL_WARNING, NULL,
                    "idsyncd --check-config; when it is right, systemctl reload idsyncd",
                    "the new configuration was refused at %s: the old one is in use, and a restart would "
                    "fail", usec_format_wall(v->refused, text));
        add_directory(v, &p);
        for (size_t i = 0; i < engine_n_remotes(v->engine); i++)
                add_target(v, &p, engine_remote(v->engine, i));
        strbuf_putc(out, ']');
}
