/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "sync/report-row.h"

/* ---- exit code ---- */

static bool was_used(const ReportInput *in, const char *hash) {
        for (size_t i = 0; i < engine_n_remotes(in->engine); i++)
                if (approval_was_used(&remote_report(engine_remote(in->engine, i))->approved, hash))
                        return true;
        return false;
}

static ExitCode directory_exit_code(const CycleReport *cycle) {
        if (cycle->store_failed)
                return EXIT_STATE;
        return cycle->read && cycle->directory == READ_COMPLETE ? EXIT_IN_STEP : EXIT_DIRECTORY;
}

static ExitCode state_exit_code(const RemoteReport *report) {
        switch (report->state) {
        case REMOTE_INCOMPLETE:
                return report->bad_role ? EXIT_CONFIG : EXIT_TARGET;
        case REMOTE_UNREACHABLE:
        case REMOTE_PARKED:
        case REMOTE_UNKNOWN:
                return EXIT_TARGET;
        default:
                return EXIT_IN_STEP;
        }
}

static bool all_was_compared(const ReportInput *in) {
        bool all = directory_exit_code(cycle_report(engine_cycle(in->engine))) == EXIT_IN_STEP;

        for (size_t i = 0; i < engine_n_remotes(in->engine); i++)
                all &= state_exit_code(remote_report(engine_remote(in->engine, i))) == EXIT_IN_STEP;
        return all;
}

const char *report_unused_approval(const ReportInput *in, bool *ret_stale) {
        *ret_stale = all_was_compared(in);
        for (size_t i = 0; i < in->n_approvals; i++)
                if (!was_used(in, in->approvals[i]))
                        return in->approvals[i];
        return "";
}

/* NULL: nothing is held that takes something back, or that can't be told: then the store's error says so. */
static HeldPlan *held_revert(const ReportInput *in, const Remote *remote) {
        HeldPlan *held = NULL;

        (void) store_held_get(in->store, remote_config(remote)->name, HELD_REVERT, &held);
        return held;
}

ExitCode report_target_exit_code(const ReportInput *in, const Remote *remote) {
        _cleanup_(held_plan_freep) HeldPlan *revert = NULL;
        const RemoteReport *report = remote_report(remote);
        ExitCode code = state_exit_code(report);
        QueueCounts counts = { 0 };
        uint64_t left;

        if (store_queue_counts(in->store, remote_config(remote)->name, &counts) < 0 ||
            store_held_head(in->store, remote_config(remote)->name, HELD_REVERT, &revert) < 0)
                return exit_code_worse(code, EXIT_STATE);
        left = counts.waiting + counts.uncertain + counts.running;
        /* At a paused target too: nothing of it goes without a person's word. */
        if (report->held || revert)
                code = exit_code_worse(code, EXIT_HELD);
        if (remote_is_quarantined(remote) || (left > 0 && remote_is_failing(remote)))
                code = exit_code_worse(code, EXIT_TARGET);
        /* A dead letter is a difference in the run that gives it up, too: only later plans count it as
         * suppressed. */
        if (left + counts.dead + report->n_open + report->n_suppressed + report->n_not_carried_out > 0)
                code = exit_code_worse(code, EXIT_DIFFERENCES);
        if (report->plan && report->plan->n_blocked > 0)
                code = exit_code_worse(code, EXIT_DIFFERENCES);
        return code;
}

ExitCode report_exit_code(const ReportInput *in) {
        const CycleReport *cycle = cycle_report(engine_cycle(in->engine));
        ExitCode code = directory_exit_code(cycle);
        bool stale;

        for (size_t i = 0; i < engine_n_remotes(in->engine); i++)
                code = exit_code_worse(code, report_target_exit_code(in, engine_remote(in->engine, i)));
        /* Whoever it befell put the act off and said so. */
        if (*store_error(in->store))
                code = exit_code_worse(code, EXIT_STATE);
        if (!in->dry_run && *report_unused_approval(in, &stale))
                code = exit_code_worse(code, EXIT_HELD);
        if (in->interrupted)
                code = exit_code_worse(code, EXIT_DIFFERENCES);
        return code;
}

/* ---- --json ---- */

typedef void (*row_fn_t)(const ActionRow *row, void *userdata);
typedef struct RowWalk { row_fn_t fn; void *userdata; } RowWalk;

static int walk_item(const QueueItem *item, void *userdata) {
        const RowWalk *walk = userdata;
        const ActionRow row = {
                .id = item->id,
                .action = &item->action,
                .state = queue_state_to_string(item->state),
                .outcome = item->outcome,
                .detail = item->detail,
                .attempts = item->attempts,
        };

        walk->fn(&row, walk->userdata);
        return 0;
}

static void walk_actions(const Action *actions, size_t n, const char *state, const RowWalk *walk) {
        for (size_t i = 0; i < n; i++) {
                const ActionRow row = { .action = &actions[i], .state = state };

                walk->fn(&row, walk->userdata);
        }
}

/* What came on top of a held plan: it is judged when that one was decided upon. */
static int walk_behind(const ReportInput *in, const Remote *remote, const RowWalk *walk) {
        const RemoteReport *report = remote_report(remote);
        const Plan *plan = report->plan;
        QueuePut put = QUEUE_PUT_NEW;
        int r = 0;

        for (size_t i = 0; plan && i < plan->n_actions && r >= 0; i++) {
                const Action *a = &plan->actions[i];

                if (bsearch(a, report->held->actions, report->held->n_actions, sizeof(*a), action_compare))
                        continue;
                r = store_queue_probe(in->store, remote_config(remote)->name, a, &put);
                if (r >= 0 && put == QUEUE_PUT_NEW)
                        walk_actions(a, 1, "behind", walk);
        }
        return r;
}

/* Of a dry run: what the plan asks for. Else: what is held, what comes behind it, and the rows of the
 * queue. */
static int walk_rows(const ReportInput *in, const Remote *remote, row_fn_t fn, void *userdata) {
        const RemoteReport *report = remote_report(remote);
        RowWalk walk = { fn, userdata };
        int r = 0;

        if (in->dry_run) {
                if (report->plan)
                        walk_actions(report->plan->actions, report->plan->n_actions, "planned", &walk);
                return 0;
        }
        if (report->held) {
                walk_actions(report->held->actions, report->held->n_actions, "held", &walk);
                r = walk_behind(in, remote, &walk);
        }
        if (r < 0)
                return r;
        return store_queue_list(in->store, remote_config(remote)->name,
                                cycle_report(engine_cycle(in->engine))->number, walk_item, &walk);
}

typedef struct JsonRows { StrBuf *out; size_t n; } JsonRows;

static void json_row(const ActionRow *row, void *userdata) {
        JsonRows *rows = userdata;

        if (rows->n++ > 0)
                strbuf_putc(rows->out, ',');
        report_put_row(rows->out, row);
}

static void put_remark(StrBuf *out, size_t i, const char *person, const char *address, const char *reason) {
        strbuf_puts(out, i > 0 ? ",{" : "{");
        report_put_pairs(out, "person", person, "address", address, "reason", reason, NULL);
        strbuf_putc(out, '}');
}

static void put_blocked(StrBuf *out, const Plan *plan) {
        for (size_t i = 0; plan && i < plan->n_blocked; i++) {
                const PlanBlocked *b = &plan->blocked[i];

                strbuf_puts(out, i > 0 ? ",{" : "{");
                report_put_pairs(out, "person", b->person, "dn", b->dn, "address", b->address,
                                 "reason", b->reason, NULL);
                strbuf_putc(out, '}');
        }
}

/* Always a text. */
static void put_text(StrBuf *out, const char *key, const char *value) {
        strbuf_json(out, key);
        strbuf_putc(out, ':');
        strbuf_json(out, value ? value : "");
}

static void put_drift(StrBuf *out, const Plan *plan) {
        for (size_t i = 0; plan && i < plan->n_drift; i++) {
                strbuf_puts(out, i > 0 ? ",{" : "{");
                report_put_pairs(out, "person", plan->drift[i].person, "dn", plan->drift[i].dn,
                                 "field", plan->drift[i].field, NULL);
                strbuf_putc(out, ',');
                put_text(out, "directory", plan->drift[i].directory);
                strbuf_putc(out, ',');
                put_text(out, "account", plan->drift[i].account);
                strbuf_putc(out, '}');
        }
}

static void put_notes(StrBuf *out, const Plan *plan) {
        for (size_t i = 0; plan && i < plan->n_notes; i++)
                put_remark(out, i, plan->notes[i].person, plan->notes[i].address, plan->notes[i].reason);
}

/* The hash that approve takes: of the frozen plan where one is held. */
static const char *hash_of(const RemoteReport *report) {
        if (report->held)
                return report->held->hash;
        return report->plan ? report->hash : NULL;
}

/* A target that wasn't come to, because the directory couldn't be read. */
static const char *state_of(const Remote *remote) {
        const RemoteReport *report = remote_report(remote);

        if (report->state == REMOTE_UNKNOWN)
                return remote_state_to_string(remote_parked_until(remote) > 0 ? REMOTE_PARKED
                                                                              : REMOTE_INCOMPLETE);
        return remote_state_to_string(remote_state(remote));
}

static const char *reason_of(const Remote *remote) {
        return remote_report(remote)->state == REMOTE_UNKNOWN
                       ? "not compared: there is no complete read of the directory"
                       : remote_reason(remote);
}

/* A plan that takes something back waits beside the one that is held. */
static void put_revert(const ReportInput *in, const Remote *remote, StrBuf *out) {
        _cleanup_(held_plan_freep) HeldPlan *held = held_revert(in, remote);
        JsonRows rows = { .out = out };
        const RowWalk walk = { json_row, &rows };

        if (!held) {
                strbuf_puts(out, ",\"revert\":null}");
                return;
        }
        strbuf_puts(out, ",\"revert\":{");
        report_put_pairs(out, "hash", held->hash, "reason", held->reason, NULL);
        strbuf_puts(out, ",\"actions\":[");
        walk_actions(held->actions, held->n_actions, "held", &walk);
        strbuf_puts(out, "]}}");
}

static int put_target(const ReportInput *in, const Remote *remote, StrBuf *out) {
        const RemoteReport *report = remote_report(remote);
        JsonRows rows = { .out = out };
        int r;

        strbuf_putc(out, '{');
        report_put_pairs(out, "name", remote_config(remote)->name, "state", state_of(remote), NULL);
        strbuf_printf(out, ",\"accounts\":%zu,", report->n_accounts);
        report_put_pairs(out, "hash", hash_of(report), "reason", reason_of(remote), NULL);
        strbuf_puts(out, ",\"actions\":[");
        r = walk_rows(in, remote, json_row, &rows);
        strbuf_puts(out, "],\"blocked\":[");
        put_blocked(out, report->plan);
        strbuf_puts(out, "],\"drift\":[");
        put_drift(out, report->plan);
        strbuf_puts(out, "],\"notes\":[");
        put_notes(out, report->plan);
        strbuf_putc(out, ']');
        put_revert(in, remote, out);
        return r;
}

static const char *read_state_to_string(const CycleReport *cycle) {
        if (!cycle->read || cycle->directory == READ_UNREACHABLE)
                return "unreachable";
        return cycle->directory == READ_COMPLETE ? "complete" : "incomplete";
}

/* A run that a signal ended early has nothing to complain of. */
static const char *read_error(const CycleReport *cycle) {
        return cycle->read ? cycle->error : "not read yet";
}

int report_json(const ReportInput *in, ExitCode code, StrBuf *out) {
        const CycleReport *cycle = cycle_report(engine_cycle(in->engine));
        size_t n = 0;
        int r = 0, q;

        strbuf_printf(out,
                      "{\"version\":1,\"exit\":%d,\"cycle\":%lld,\"directory\":{\"state\":\"%s\",\"people\":"
                      "%llu,",
                      code, (long long) cycle->number, read_state_to_string(cycle),
                      (unsigned long long) cycle->people);
        report_put_pair(out, "error", read_error(cycle));
        strbuf_puts(out, "},\"targets\":[");
        for (size_t i = 0; i < engine_n_remotes(in->engine); i++) {
                if (in->target && !str_eq(remote_config(engine_remote(in->engine, i))->name, in->target))
                        continue;
                if (n++ > 0)
                        strbuf_putc(out, ',');
                q = put_target(in, engine_remote(in->engine, i), out);
                r = q < 0 ? q : r;
        }
        strbuf_puts(out, "]}\n");
        return r;
}

/* ---- text ---- */

/* Names are other people's words: none of them may end a line, or steer a terminal. */
static void text_line(StrBuf *out, const char *format, ...) _printf_(2, 3);
static void text_line(StrBuf *out, const char *format, ...) {
        _cleanup_(freep) char *line = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&line, format, ap);
        va_end(ap);
        if (r < 0) {
                line = NULL;
                out->error = -ENOMEM;
                return;
        }
        strbuf_printable(out, line);
        strbuf_putc(out, '\n');
}

static void text_row(const ActionRow *row, void *userdata) {
        const Action *a = row->action;
        const AccountState *state = a->has_after ? &a->after : &a->before;
        _cleanup_(strbuf_deinit) StrBuf line = STRBUF_INIT(65536);
        StrBuf *out = userdata;

        strbuf_printf(&line, "  %-9s %-9s %s", row->state, action_kind_to_string(a->kind),
                      a->address ? a->address : a->person);
        if (a->has_before && a->has_after && a->before.role && a->after.role &&
            !str_eq(a->before.role, a->after.role))
                strbuf_printf(&line, "  %s -> %s", a->before.role, a->after.role);
        else if (state->role)
                strbuf_printf(&line, "  %s", state->role);
        if (a->remote_id)
                strbuf_printf(&line, "  account %s", a->remote_id);
        if (row->detail)
                strbuf_printf(&line, "  (%s)", row->detail);
        text_line(out, "%s", line.data ? line.data : "");
}

static void text_plan(const Plan *plan, StrBuf *out) {
        for (size_t i = 0; i < plan->n_blocked; i++)
                text_line(out, "  blocked   %s%s%s: %s",
                          plan->blocked[i].dn ? plan->blocked[i].dn : plan->blocked[i].person,
                          plan->blocked[i].address ? ", " : "",
                          plan->blocked[i].address ? plan->blocked[i].address : "",
                          plan->blocked[i].reason);
        for (size_t i = 0; i < plan->n_drift; i++)
                text_line(out, "  drift     %s: %s is \"%s\" in the directory, \"%s\" at the account",
                          plan->drift[i].dn ? plan->drift[i].dn : plan->drift[i].person,
                          plan->drift[i].field, plan->drift[i].directory ? plan->drift[i].directory : "",
                          plan->drift[i].account ? plan->drift[i].account : "");
        for (size_t i = 0; i < plan->n_notes; i++)
                text_line(out, "  note      %s: %s",
                          plan->notes[i].address ? plan->notes[i].address : plan->notes[i].person,
                          plan->notes[i].reason);
}

static void text_revert(const ReportInput *in, const Remote *remote, StrBuf *out) {
        _cleanup_(held_plan_freep) HeldPlan *held = held_revert(in, remote);
        const RowWalk walk = { text_row, out };

        if (!held)
                return;
        text_line(out, "  plan %s %s:", held->hash, held->reason);
        walk_actions(held->actions, held->n_actions, "held", &walk);
        text_line(out, "  to let it go ahead: idsyncd --once --approve %s", held->hash);
}

static int text_target(const ReportInput *in, const Remote *remote, StrBuf *out) {
        const RemoteReport *report = remote_report(remote);
        const char *hash = report->held || (in->dry_run && report->n_open > 0) ? hash_of(report) : NULL;
        int r;

        text_line(out, "%s: %s, %zu accounts%s%s", remote_config(remote)->name, state_of(remote),
                  report->n_accounts, hash ? ", plan " : "", hash ? hash : "");
        if (*reason_of(remote))
                text_line(out, "  %s", reason_of(remote));
        r = walk_rows(in, remote, text_row, out);
        if (report->plan)
                text_plan(report->plan, out);
        if (report->held)
                text_line(out, "  to let it go ahead: idsyncd --once --approve %s", report->held->hash);
        text_revert(in, remote, out);
        return r;
}

int report_text(const ReportInput *in, StrBuf *out) {
        const CycleReport *cycle = cycle_report(engine_cycle(in->engine));
        int r = 0, q;

        if (cycle->read && cycle->directory == READ_COMPLETE)
                text_line(out, "directory: %llu people", (unsigned long long) cycle->people);
        else if (cycle->read)
                text_line(out, "directory: %s: %s", read_state_to_string(cycle), cycle->error);
        else
                text_line(out, "directory: %s", read_error(cycle));
        for (size_t i = 0; i < engine_n_remotes(in->engine); i++) {
                q = text_target(in, engine_remote(in->engine, i), out);
                r = q < 0 ? q : r;
        }
        return r;
}
