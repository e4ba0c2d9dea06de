/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>

#include "base/log.h"
#include "once.h"
#include "sync/applied.h"
#include "sync/ask-reset.h"
#include "sync/engine.h"
#include "sync/report.h"

#define DRAIN_MAX (20 * USEC_PER_SEC)
#define TICK USEC_PER_SEC
#define REPORT_MAX ((size_t) 1 << 30)

typedef struct Once {
        const Options *options;
        Loop *loop;
        Store *store;
        Engine *engine;
        LoopTask *check;
        LoopTimer *timer;
        usec_t give_up;                 /* monotonic: draining ends then; 0: not draining */
        bool interrupted, cycle_ended;
} Once;

static void drain(Once *o) {
        if (o->give_up > 0)
                return;
        o->give_up = usec_add(loop_now(o->loop), DRAIN_MAX);
        engine_drain(o->engine);
        loop_task_arm(o->check);
}

static void on_signal(int signo, void *userdata) {
        Once *o = userdata;

        log_notice("signal %d: finishing what was sent", signo);
        o->interrupted = true;
        drain(o);
}

/* The next thing to do: 0: something is under way. */
static usec_t next_due(const Once *o) {
        Cycle *cycle = engine_cycle(o->engine);
        usec_t due = engine_next_due(o->engine), retry;

        if (!cycle_report(cycle)->read)
                return 0;
        if (cycle_is_running(cycle))
                return due == USEC_INFINITY ? 0 : due;
        retry = cycle_retry_at(cycle);
        /* What is in the queue stays there. */
        if (o->options->dry_run)
                return retry;
        return retry < due ? retry : due;
}

static void on_check(void *userdata) {
        Once *o = userdata;
        usec_t wall = loop_wall(o->loop), due;

        if (o->give_up > 0) {
                if (engine_is_idle(o->engine) || loop_now(o->loop) >= o->give_up)
                        loop_exit(o->loop, 0);
                else
                        loop_timer_after(o->timer, TICK / 10);
                return;
        }
        due = next_due(o);
        if (due > usec_add(wall, o->options->wait)) {
                drain(o);
                return;
        }
        if (o->cycle_ended && !cycle_is_running(engine_cycle(o->engine)) &&
            cycle_retry_at(engine_cycle(o->engine)) <= wall && cycle_retry(engine_cycle(o->engine)) < 0) {
                log_error("can't compare again: %s", store_error(o->store));
                drain(o);
                return;
        }
        loop_timer_after(o->timer, due > wall && due - wall < TICK ? due - wall : TICK);
}

static void on_cycle_done(void *userdata) {
        Once *o = userdata;

        o->cycle_ended = true;
        loop_task_arm(o->check);
}

static void on_changed(void *userdata) {
        Once *o = userdata;

        loop_task_arm(o->check);
}

static void tell_unused_approval(const ReportInput *in) {
        bool stale;
        const char *hash = report_unused_approval(in, &stale);
        LogFields fields = { .message_id = stale ? MSGID_APPROVAL_STALE : NULL, .plan = hash };

        if (*hash && stale)
                log_event(LOG_WARNING, &fields,
                          "the approval %s fits no plan that is asked for now: nothing was done for it; see "
                          "the plan's hash in the report",
                          hash);
        else if (*hash)
                log_event(LOG_WARNING, &fields,
                          "the approval %s wasn't used, because not everything could be read: give it again "
                          "when it can",
                          hash);
}

static ExitCode print_report(Once *o) {
        _cleanup_(strbuf_deinit) StrBuf out = STRBUF_INIT(REPORT_MAX);
        const ReportInput in = {
                .engine = o->engine,
                .store = o->store,
                .dry_run = o->options->dry_run,
                .approvals = o->options->approvals,
                .n_approvals = o->options->n_approvals,
                .interrupted = o->interrupted,
        };
        ExitCode code = report_exit_code(&in);
        int applied = in.dry_run ? 0 : applied_update(&in, loop_wall(o->loop));
        int r;

        if (applied < 0)
                log_error("the time of the last success can't be kept: %s", store_error(o->store));
        if (!in.dry_run)
                tell_unused_approval(&in);
        r = o->options->json ? report_json(&in, code, &out) : report_text(&in, &out);
        if (r < 0 || out.error < 0) {
                log_error("the report can't be made: %s", strerror(r < 0 ? -r : -out.error));
                return exit_code_worse(code, EXIT_STATE);
        }
        if (fputs(out.data, stdout) == EOF || fflush(stdout) == EOF) {
                log_error("standard output: %s", strerror(errno));
                return EXIT_FAULT;
        }
        return code;
}

static int set_up(Once *o, Config *config, ErrCtx *err) {
        const EngineOptions options = {
                .loop = o->loop,
                .store = o->store,
                .credentials = o->options->credentials,
                .reader = o->options->reader,
                .dry_run = o->options->dry_run,
                .once = true,
                .approvals = o->options->approvals,
                .n_approvals = o->options->n_approvals,
                .cycle_done = on_cycle_done,
                .changed = on_changed,
                .userdata = o,
        };
        int64_t number;
        int r;

        r = loop_task_new(o->loop, LOOP_SLICE, "is the run over", on_check, o, &o->check);
        if (r >= 0)
                r = loop_timer_new(o->loop, LOOP_SLICE, "is the run over", on_check, o, &o->timer);
        if (r >= 0)
                r = loop_signal(o->loop, SIGTERM, on_signal, o);
        if (r >= 0)
                r = loop_signal(o->loop, SIGINT, on_signal, o);
        if (r < 0)
                return r;
        r = engine_new(&options, config, &o->engine, err);
        if (r != 0)
                return r;
        r = cycle_ask(engine_cycle(o->engine), o->options->full, &number);
        if (r < 0)
                return r;
        engine_start(o->engine);
        /* A target that is parked already tells nothing by itself. */
        loop_task_arm(o->check);
        return 0;
}

static void tear_down(Once *o) {
        engine_free(o->engine);
        loop_task_free(o->check);
        loop_timer_free(o->timer);
        loop_free(o->loop);
}

ExitCode once_run(const Options *options, Config *config, Store *store) {
        _cleanup_(tear_down) Once o = { .options = options, .store = store };
        ErrCtx err = { 0 };
        int r;

        r = loop_new(&o.loop);
        if (r >= 0 && options->reset)
                r = ask_reset(store, config, options->reset, options->target, loop_wall(o.loop), &err);
        if (r > 0) {
                log_error("%s", err.text);
                return EXIT_USAGE;
        }
        if (r >= 0)
                r = set_up(&o, config, &err);
        if (r == 0)
                r = loop_run(o.loop);
        if (r != 0)
                return engine_failed(r, store, &err);
        return print_report(&o);
}
