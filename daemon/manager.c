/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>

#include "base/log.h"
#include "base/random.h"
#include "check/check.h"
#include "manager.h"
#include "service/bus.h"
#include "service/notify.h"
#include "store/store-budget.h"
#include "store/store-ledger.h"
#include "store/store-queue.h"
#include "sync/applied.h"
#include "sync/engine.h"
#include "sync/forecast.h"
#include "sync/tell.h"

#define DRAIN_MAX (20 * USEC_PER_SEC)
#define DRAIN_TICK (100 * USEC_PER_MSEC)
#define STATUS_TICK USEC_PER_SEC
#define FAILED_POLL_CAP (15 * USEC_PER_MINUTE)
#define FAILED_POLL_DOUBLINGS 3
#define CALLS_KEPT USEC_PER_HOUR
#define REASON_MAX 150         /* of a line that has to stay one */

typedef enum ManagerState { MANAGER_RUNNING, MANAGER_RELOADING, MANAGER_STOPPING } ManagerState;

typedef struct Manager {
        const Options *options;
        Loop *loop;
        Store *store;
        Engine *engine;
        Bus *bus;
        Check *check;                   /* NULL: none is under way */
        usec_t started, next_poll;      /* wall */
        usec_t refused;                 /* wall: when the last reload was; 0: it wasn't */
        Config *next_config;            /* while the old engine drains for a reload */
        ManagerState state;
        usec_t drain_until;             /* monotonic */
        LoopTimer *poll_timer, *retry_timer, *drain_timer, *status_timer;
        ExitCode code;
} Manager;

static void manager_poll(void *userdata);

/* ---- status ---- */

static void append_count(StrBuf *out, const char *target, size_t n, const char *what) {
        if (n > 0)
                strbuf_printf(out, "; %s: %zu %s", target, n, what);
}

static void append_held(const Manager *m, const char *target, HeldSlot slot, StrBuf *out) {
        _cleanup_(held_plan_freep) HeldPlan *held = NULL;

        if (store_held_head(m->store, target, slot, &held) >= 0 && held)
                strbuf_printf(out, "; %s: plan %s held", target, held->hash);
}

static void append_target(Manager *m, const Remote *remote, StrBuf *out) {
        const RemoteReport *report = remote_report(remote);
        const char *name = remote_config(remote)->name;
        usec_t parked = remote_parked(remote, NULL, NULL);
        char text[USEC_FORMAT_MAX];

        append_held(m, name, HELD_PLAN, out);
        append_held(m, name, HELD_REVERT, out);
        if (report->state == REMOTE_PAUSED)
                strbuf_printf(out, "; %s: paused", name);
        else if (report->state == REMOTE_INCOMPLETE || report->state == REMOTE_UNREACHABLE)
                strbuf_printf(out, "; %s: %s: %.*s", name, remote_state_to_string(report->state), REASON_MAX,
                              report->reason);
        append_count(out, name, report->plan ? report->plan->n_blocked : 0, "blocked");
        append_count(out, name, tell_n_kept(report->plan), "kept");
        append_count(out, name, tell_n_grace(report->plan), "in grace");
        if (parked > loop_wall(m->loop))
                strbuf_printf(out, "; %s: parked until %s", name, usec_format_wall(parked, text));
}

static void append_directory(Manager *m, StrBuf *out) {
        const CycleReport *report = cycle_report(engine_cycle(m->engine));
        char text[USEC_FORMAT_MAX];

        if (report->complete > 0)
                strbuf_printf(out, "%llu people read at %s", (unsigned long long) report->complete_people,
                              usec_format_wall(report->complete, text));
        else
                strbuf_puts(out, "no complete read of the directory yet");
        if (report->late)
                strbuf_printf(out, "; the read begun at %s still runs",
                              usec_format_wall(report->attempted, text));
        else if (report->read && report->directory != READ_COMPLETE)
                strbuf_printf(out, "; the last read failed: %s", report->error);
}

static void append_queue(Manager *m, StrBuf *out) {
        QueueCounts counts = { 0 };
        Forecast f = { 0 };
        char text[USEC_FORMAT_MAX];

        (void) engine_queue_counts(m->engine, &counts);
        (void) forecast(m->engine, &f);
        strbuf_printf(out, "; %llu queued, %llu dead letters",
                      (unsigned long long) (counts.waiting + counts.running + counts.uncertain),
                      (unsigned long long) counts.dead);
        if (f.done_by > 0)
                strbuf_printf(out, ", %sdone by ≈%s", f.partly ? "what isn't paused or refused " : "",
                              usec_format_wall(f.done_by, text));
}

static void on_status(void *userdata) {
        Manager *m = userdata;
        const ReportInput report = { .engine = m->engine, .store = m->store };
        _cleanup_(strbuf_deinit) StrBuf out = STRBUF_INIT(4096);

        if (m->state != MANAGER_RUNNING)
                return;
        if (applied_update(&report, loop_wall(m->loop)) < 0)
                log_error("the time of the last success can't be kept: %s", store_error(m->store));
        append_directory(m, &out);
        append_queue(m, &out);
        if (m->refused > 0)
                strbuf_puts(&out, "; the new configuration is refused, the old one in use");
        for (size_t i = 0; i < engine_n_remotes(m->engine); i++)
                append_target(m, engine_remote(m->engine, i), &out);
        notify_status("%s", out.data ? out.data : "");
        bus_update(m->bus, out.data ? out.data : "");
}

static void on_changed(void *userdata) {
        Manager *m = userdata;

        if (m->bus)
                bus_changed(m->bus);
        if (!loop_timer_is_armed(m->status_timer))
                loop_timer_after(m->status_timer, STATUS_TICK);
}

static void on_called(const CallEvent *event, void *userdata) {
        Manager *m = userdata;

        if (m->bus)
                bus_called(m->bus, event);
}

/* ---- polling ---- */

/* Counted from the start of the poll, with a twentieth of jitter; failed reads come less and less often. */
static usec_t poll_span(Manager *m) {
        usec_t interval = engine_config(m->engine)->directory.poll_interval, span = interval, cap, jitter;
        unsigned failed = cycle_report(engine_cycle(m->engine))->failed_reads,
                 doublings = failed < FAILED_POLL_DOUBLINGS ? failed : FAILED_POLL_DOUBLINGS;

        cap = interval > FAILED_POLL_CAP ? interval : FAILED_POLL_CAP;
        span <<= doublings;
        if (span > cap)
                span = cap;
        jitter = span / 20;
        return span - jitter + random_u64() % (2 * jitter + 1);
}

static void manager_poll(void *userdata) {
        Manager *m = userdata;
        LogFields fields = { .message_id = MSGID_CYCLE_OVERRUN };
        usec_t span;
        int r;

        if (m->state != MANAGER_RUNNING)
                return;
        span = poll_span(m);
        m->next_poll = usec_add(loop_wall(m->loop), span);
        loop_timer_after(m->poll_timer, span);
        r = cycle_start(engine_cycle(m->engine));
        if (r == CYCLE_E_OVERRUN) {
                log_event(LOG_WARNING, &fields,
                          "the last read of the directory still runs: this poll is skipped");
                on_changed(m);
        } else if (r < 0) {
                cycle_not_started(engine_cycle(m->engine), r);
                on_changed(m);
        }
}

static void on_retry(void *userdata) {
        Manager *m = userdata;

        if (m->state == MANAGER_RUNNING && cycle_retry(engine_cycle(m->engine)) < 0)
                log_error("can't compare again: %s", store_error(m->store));
}

static void arm_retry(Manager *m) {
        usec_t at = cycle_retry_at(engine_cycle(m->engine)), wall = loop_wall(m->loop);

        if (at == USEC_INFINITY)
                loop_timer_stop(m->retry_timer);
        else
                loop_timer_after(m->retry_timer, usec_sub(at, wall));
}

static void clean_up_store(Manager *m) {
        usec_t wall = loop_wall(m->loop);

        if (store_history_prune(m->store, usec_sub(wall, engine_config(m->engine)->history)) < 0 ||
            store_calls_prune(m->store, usec_sub(wall, CALLS_KEPT)) < 0 || store_idle(m->store) < 0)
                log_warning("the store couldn't be cleaned up: %s", store_error(m->store));
}

static void on_cycle_done(void *userdata) {
        Manager *m = userdata;

        if (m->state != MANAGER_RUNNING)
                return;
        clean_up_store(m);
        arm_retry(m);
        on_changed(m);
}

/* ---- the operator ---- */

static const char *manager_state(const Manager *m) {
        static const char *const names[] = {
                [MANAGER_RUNNING] = "running",
                [MANAGER_RELOADING] = "reloading",
                [MANAGER_STOPPING] = "stopping",
        };

        return names[m->state];
}

static void on_view(View *ret, void *userdata) {
        Manager *m = userdata;

        *ret = (View){
                .engine = m->engine,
                .store = m->store,
                .loop = m->loop,
                .config_file = m->options->config,
                .state = manager_state(m),
                .started = m->started,
                .next_read = m->state == MANAGER_RUNNING ? m->next_poll : 0,
                .refused = m->refused,
        };
}

static void on_ask_again(void *userdata) {
        Manager *m = userdata;

        if (m->state == MANAGER_RUNNING)
                arm_retry(m);
        on_changed(m);
}

static int on_sync(bool full, int64_t *ret_cycle, ErrCtx *err, void *userdata) {
        Manager *m = userdata;
        int r;

        if (m->state != MANAGER_RUNNING)
                return err_set(err, 1, 0, "the daemon is %s: ask again", manager_state(m));
        r = cycle_ask(engine_cycle(m->engine), full, ret_cycle);
        if (r < 0)
                return r;
        log_event(LOG_NOTICE, &(LogFields){ .cycle = *ret_cycle }, "a %scycle is asked for by an operator",
                  full ? "full " : "");
        return err_set(err, 0, 0, "cycle %lld %s", (long long) *ret_cycle,
                       *ret_cycle > cycle_report(engine_cycle(m->engine))->number
                                       ? "begins when the read under way has ended"
                                       : "has begun");
}

static void on_checked(const CheckLines *lines, void *userdata) {
        Manager *m = userdata;

        log_notice("the check is over: %zu of %zu failed, %zu with a warning",
                   check_count(lines, CHECK_FAIL), lines->n, check_count(lines, CHECK_WARN));
        bus_checked(m->bus, lines, NULL);
        m->check = check_free(m->check);
}

static int on_check(ErrCtx *err, void *userdata) {
        Manager *m = userdata;
        int r;

        if (m->state != MANAGER_RUNNING)
                return err_set(err, 1, 0, "the daemon is %s: ask again", manager_state(m));
        r = check_start(m->engine, m->options->config, on_checked, m, &m->check);
        if (r >= 0)
                log_notice("a check is asked for by an operator");
        return r;
}

static void on_check_cancel(void *userdata) {
        Manager *m = userdata;

        log_notice("the check is given up: nobody waits for its answer");
        m->check = check_free(m->check);
}

/* It stands on the engine that is about to go. */
static void give_up_check(Manager *m) {
        char why[64];

        if (!m->check)
                return;
        m->check = check_free(m->check);
        snprintf(why, sizeof(why), "the daemon is %s: ask again", manager_state(m));
        bus_checked(m->bus, NULL, why);
}

/* The bus is there, or it isn't: either way the service is. */
static void on_settled(void *userdata) {
        Manager *m = userdata;
        LogFields fields = { .message_id = MSGID_STARTED };
        size_t n = engine_config(m->engine)->n_targets;

        if (m->state == MANAGER_STOPPING)
                return;
        notify_ready();
        log_event(LOG_INFO, &fields, "idsyncd " PACKAGE_VERSION " started with %s: %zu %s",
                  m->options->config, n, n == 1 ? "target" : "targets");
        on_changed(m);
}

static int set_up_bus(Manager *m) {
        const BusHooks hooks = {
                .state_directory = m->options->state,
                .view = on_view,
                .retry = on_ask_again,
                .sync = on_sync,
                .check = on_check,
                .check_cancel = on_check_cancel,
                .settled = on_settled,
                .userdata = m,
        };

        return bus_new(m->loop, &hooks, &m->bus);
}

/* ---- generations ---- */

static int new_engine(Manager *m, Config *config, ErrCtx *err) {
        const EngineOptions options = {
                        .loop = m->loop,
                        .store = m->store,
                        .credentials = m->options->credentials,
                        .reader = m->options->reader,
                        .cycle_done = on_cycle_done,
                        .changed = on_changed,
                        .called = on_called,
                        .userdata = m,
        };
        Engine *engine;
        int r;

        r = engine_new(&options, config, &engine, err);
        if (r != 0)
                return r;
        m->engine = engine_free(m->engine);
        m->engine = engine;
        return 0;
}

static void start_engine(Manager *m) {
        engine_start(m->engine);
        loop_timer_after(m->poll_timer, 0);
}

static void start_drain(Manager *m, ManagerState state) {
        m->state = state;
        bus_interrupt(m->bus,
                      state == MANAGER_STOPPING
                                      ? "the daemon is stopping: what is queued goes on after its start"
                                      : "the daemon is reloading its configuration: what is queued "
                                        "goes on then; ask again");
        m->drain_until = usec_add(loop_now(m->loop), DRAIN_MAX);
        loop_timer_stop(m->poll_timer);
        loop_timer_stop(m->retry_timer);
        give_up_check(m);
        engine_drain(m->engine);
        loop_timer_after(m->drain_timer, 0);
}

/* ---- reloading and stopping ---- */

/* systemctl calls it a success: so the status tells, too. */
static void refuse_reload(Manager *m, const char *why) {
        LogFields fields = { .message_id = MSGID_RELOAD_REFUSED };

        m->refused = loop_wall(m->loop);
        on_changed(m);
        log_event(LOG_ERR, &fields, "the new configuration is refused, the old one stays: %s", why);
}

static void finish_reload(Manager *m) {
        _cleanup_(config_unrefp) Config *config = TAKE(m->next_config);
        Config *old = config_ref((Config *) engine_config(m->engine));
        LogFields fields = { .message_id = MSGID_RELOADED };
        ErrCtx err = { 0 };
        int r;

        r = new_engine(m, config, &err);
        if (r == 0) {
                m->refused = 0;
                log_event(LOG_INFO, &fields, "reloaded %s", m->options->config);
                engine_retry_refused(m->engine);
        } else {
                refuse_reload(m, *err.text ? err.text : strerror(-r));
                /* The old engine is drained: make it anew. */
                r = new_engine(m, old, &err);
        }
        config_unref(old);
        if (r != 0) {
                log_error("can't go on with the old configuration: %s", *err.text ? err.text : strerror(-r));
                m->code = EXIT_CONFIG;
                loop_exit(m->loop, 0);
                return;
        }
        m->state = MANAGER_RUNNING;
        start_engine(m);
        notify_ready();
        on_changed(m);
}

static void on_drained(void *userdata) {
        Manager *m = userdata;

        if (!engine_is_idle(m->engine) && loop_now(m->loop) < m->drain_until)
                loop_timer_after(m->drain_timer, DRAIN_TICK);
        else if (m->state == MANAGER_STOPPING)
                loop_exit(m->loop, 0);
        else
                finish_reload(m);
}

static void on_hangup(int signo _unused_, void *userdata) {
        Manager *m = userdata;
        ConfigProblems problems = { 0 };
        Config *config = NULL;
        int r;

        if (m->state == MANAGER_STOPPING)
                return;
        notify_reloading(loop_now(m->loop));
        r = config_load(m->options->config, m->options->credentials, &problems, &config);
        for (size_t i = 0; i < problems.n_lines; i++)
                log_error("%s", problems.lines[i]);
        config_problems_deinit(&problems);
        if (r != 0) {
                refuse_reload(m, r < 0 ? strerror(-r) : "see the lines above");
                notify_ready();
                return;
        }
        config_unref(m->next_config);
        m->next_config = config;
        if (m->state == MANAGER_RUNNING)
                start_drain(m, MANAGER_RELOADING);
}

static void on_terminate(int signo, void *userdata) {
        Manager *m = userdata;
        LogFields fields = { .message_id = MSGID_STOPPING };

        if (m->state == MANAGER_STOPPING)
                return;
        notify_stopping();
        notify_status("stopping: finishing what was sent");
        log_event(LOG_INFO, &fields, "stopping on signal %d: finishing what was sent", signo);
        start_drain(m, MANAGER_STOPPING);
}

/* ---- the whole ---- */

static int set_up_loop(Manager *m) {
        int r;

        r = loop_new(&m->loop);
        if (r >= 0)
                r = loop_timer_new(m->loop, LOOP_TIMER, "poll the directory", manager_poll, m,
                                   &m->poll_timer);
        if (r >= 0)
                r = loop_timer_new(m->loop, LOOP_TIMER, "compare again", on_retry, m, &m->retry_timer);
        if (r >= 0)
                r = loop_timer_new(m->loop, LOOP_TIMER, "drained", on_drained, m, &m->drain_timer);
        if (r >= 0)
                r = loop_timer_new(m->loop, LOOP_SLICE, "status", on_status, m, &m->status_timer);
        if (r >= 0)
                r = loop_signal(m->loop, SIGHUP, on_hangup, m);
        if (r >= 0)
                r = loop_signal(m->loop, SIGTERM, on_terminate, m);
        if (r >= 0)
                r = loop_signal(m->loop, SIGINT, on_terminate, m);
        if (r >= 0)
                r = loop_enable_watchdog(m->loop);
        return r;
}

static void tear_down(Manager *m) {
        bus_free(m->bus);
        check_free(m->check);
        engine_free(m->engine);
        config_unref(m->next_config);
        loop_timer_free(m->poll_timer);
        loop_timer_free(m->retry_timer);
        loop_timer_free(m->drain_timer);
        loop_timer_free(m->status_timer);
        loop_free(m->loop);
}

ExitCode manager_run(const Options *options, Config *config, Store *store) {
        _cleanup_(tear_down) Manager m = { .options = options, .store = store };
        ErrCtx err = { 0 };
        int r;

        r = set_up_loop(&m);
        if (r >= 0)
                r = new_engine(&m, config, &err);
        if (r != 0)
                return engine_failed(r, store, &err);
        m.started = loop_wall(m.loop);
        r = set_up_bus(&m);
        if (r < 0) {
                log_error("can't start: %s", strerror(-r));
                return EXIT_FAULT;
        }
        start_engine(&m);
        r = loop_run(m.loop);
        if (r < 0) {
                log_error("the event loop failed: %s", strerror(-r));
                return EXIT_FAULT;
        }
        return m.code;
}
