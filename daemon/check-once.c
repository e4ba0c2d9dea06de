/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "base/log.h"
#include "check-once.h"
#include "check/check.h"
#include "sync/engine.h"

#define REPORT_MAX ((size_t) 64 << 20)

typedef struct CheckOnce {
        const Options *options;
        Loop *loop;
        Engine *engine;
        Check *check;
        ExitCode code;
} CheckOnce;

static ExitCode print_lines(const Options *options, const CheckLines *lines) {
        _cleanup_(strbuf_deinit) StrBuf out = STRBUF_INIT(REPORT_MAX);
        int r;

        r = options->json ? check_lines_json(lines, &out) : check_lines_text(lines, &out);
        if (r < 0 || out.error < 0) {
                log_error("the report can't be made: %s", strerror(r < 0 ? -r : -out.error));
                return EXIT_FAULT;
        }
        if (printf("%s%s", out.data, options->json ? "\n" : "") < 0 || fflush(stdout) == EOF) {
                log_error("standard output: %s", strerror(errno));
                return EXIT_FAULT;
        }
        return check_exit_code(lines);
}

ExitCode check_once_files(const Options *options) {
        _cleanup_(check_lines_deinit) CheckLines lines = { 0 };
        ExitCode code;

        (void) check_configuration(options->config, options->credentials, &lines);
        code = check_exit_code(&lines);
        return code == EXIT_IN_STEP && lines.error == 0 ? code : print_lines(options, &lines);
}

static void on_done(const CheckLines *lines, void *userdata) {
        CheckOnce *o = userdata;

        o->code = print_lines(o->options, lines);
        loop_exit(o->loop, 0);
}

static void on_signal(int signo, void *userdata) {
        CheckOnce *o = userdata;

        log_notice("signal %d: the check is given up", signo);
        o->code = EXIT_DIFFERENCES;
        loop_exit(o->loop, 0);
}

/* An engine that is never started: it runs no cycle and no queue. */
static void on_ignored(void *userdata _unused_) {
}

static int set_up(CheckOnce *o, Config *config, Store *store, ErrCtx *err) {
        const EngineOptions options = {
                .loop = o->loop,
                .store = store,
                .credentials = o->options->credentials,
                .reader = o->options->reader,
                .dry_run = true,
                .once = true,
                .cycle_done = on_ignored,
                .changed = on_ignored,
                .userdata = o,
        };
        int r;

        r = loop_signal(o->loop, SIGTERM, on_signal, o);
        if (r >= 0)
                r = loop_signal(o->loop, SIGINT, on_signal, o);
        if (r < 0)
                return r;
        r = engine_new(&options, config, &o->engine, err);
        if (r != 0)
                return r;
        return check_start(o->engine, o->options->config, on_done, o, &o->check);
}

static void tear_down(CheckOnce *o) {
        check_free(o->check);
        engine_free(o->engine);
        loop_free(o->loop);
}

ExitCode check_once_run(const Options *options, Config *config, Store *store) {
        _cleanup_(tear_down) CheckOnce o = { .options = options, .code = EXIT_FAULT };
        ErrCtx err = { 0 };
        int r;

        r = loop_new(&o.loop);
        if (r >= 0)
                r = set_up(&o, config, store, &err);
        if (r == 0)
                r = loop_run(o.loop);
        if (r != 0)
                return engine_failed(r, store, &err);
        return o.code;
}
