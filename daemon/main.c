/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/env.h"
#include "base/log.h"
#include "check-once.h"
#include "manager.h"
#include "once.h"

static int load_config(const Options *options, Config **ret) {
        ConfigProblems problems = { 0 };
        int r;

        r = config_load(options->config, options->credentials, &problems, ret);
        for (size_t i = 0; i < problems.n_lines; i++)
                fprintf(stderr, "%s\n", problems.lines[i]);
        for (size_t i = 0; r == 0 && !options->check && i < problems.n_notices; i++)
                log_notice("%s", problems.notices[i]);
        config_problems_deinit(&problems);
        if (r < 0)
                log_error("%s: %s", options->config, strerror(-r));
        return r;
}

/* The verb of idsyncctl that has the running daemon do the same; NULL: we would be a second one. */
static const char *verb_instead(const Options *options) {
        if (options->check)
                return "check";
        if (options->n_approvals > 0)
                return "approve";
        if (options->reset)
                return "reset";
        if (options->dry_run)
                return "plan";
        if (options->full)
                return "sync --full";
        return options->once ? "sync" : NULL;
}

static int open_store(const Options *options, Store **ret) {
        bool keeps = !options->dry_run && !options->check;
        const char *verb = verb_instead(options);
        LogFields fields = { .message_id = MSGID_STORE_FAULT };
        ErrCtx err = { 0 };
        pid_t pid = 0;
        int r;

        r = (keeps ? store_open : store_open_scratch)(options->state, ret, &pid, &err);
        if (r == STORE_E_LOCKED) {
                fields.message_id = MSGID_STATE_IN_USE;
                log_event(LOG_ERR, &fields, "%s: %s%s", err.text,
                          verb ? "ask it: idsyncctl " : "stop it first", verb ? verb : "");
        } else if (r != 0)
                log_event(LOG_ERR, &fields, "%s", *err.text ? err.text : strerror(-r));
        return r;
}

/* Secrets must not end in a core file, nor in a file that others can read, nor their keys in one that TLS
 * libraries write where the environment says so. */
static void harden(void) {
        const struct rlimit none = { 0, 0 };

        (void) prctl(PR_SET_DUMPABLE, 0);
        (void) setrlimit(RLIMIT_CORE, &none);
        (void) umask(0077);
        env_forget("SSLKEYLOGFILE");
}

/* People and accounts come and go with each cycle. What is as large as a chunk of them goes back to the
 * system, instead of leaving holes: malloc() would raise this limit as it goes. */
#define LARGE (48 << 10)

static void block_signals(void) {
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGHUP);
        (void) sigprocmask(SIG_BLOCK, &set, NULL);
        (void) signal(SIGPIPE, SIG_IGN);
        /* A limit of the size of files (RLIMIT_FSIZE) is met as a full disk is. */
        (void) signal(SIGXFSZ, SIG_IGN);
}

static ExitCode run(const Options *options) {
        _cleanup_(config_unrefp) Config *config = NULL;
        _cleanup_(store_freep) Store *store = NULL;
        ExitCode code = options->check ? check_once_files(options) : EXIT_IN_STEP;

        if (code != EXIT_IN_STEP)
                return code;
        if (load_config(options, &config) != 0)
                return EXIT_CONFIG;
        if (options->check_config)
                return EXIT_IN_STEP;
        block_signals();
        if (open_store(options, &store) != 0)
                return EXIT_STATE;
        if (options->check)
                return check_once_run(options, config, store);
        return options->once ? once_run(options, config, store) : manager_run(options, config, store);
}

int main(int argc, char **argv) {
        _cleanup_(options_deinit) Options options = { 0 };
        ErrCtx err = { 0 };
        int r;

        harden();
        (void) mallopt(M_MMAP_THRESHOLD, LARGE);
        r = options_parse(argc, argv, &options, &err);
        if (r != 0) {
                fprintf(stderr, "idsyncd: %s\n", r > 0 ? err.text : strerror(-r));
                return r > 0 ? EXIT_USAGE : EXIT_FAULT;
        }
        if (options.help) {
                options_print_help(stdout);
                return EXIT_IN_STEP;
        }
        if (options.version) {
                puts("idsyncd " PACKAGE_VERSION);
                return EXIT_IN_STEP;
        }
        log_setup(options.log_target, options.log_level);
        return run(&options);
}
