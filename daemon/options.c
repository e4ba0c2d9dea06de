/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <string.h>

#include "base/env.h"
#include "model/plan.h"
#include "options.h"

enum {
        OPT_CHECK_CONFIG = 0x100,
        OPT_CHECK,
        OPT_ONCE,
        OPT_WAIT,
        OPT_DRY_RUN,
        OPT_APPROVE,
        OPT_FULL,
        OPT_RESET,
        OPT_TARGET,
        OPT_STATE,
        OPT_CREDENTIALS,
        OPT_LOG_LEVEL,
        OPT_LOG_TARGET,
        OPT_JSON,
        OPT_VERSION,
};

static const struct option long_options[] = {
        { "config", required_argument, NULL, 'c' },
        { "check-config", no_argument, NULL, OPT_CHECK_CONFIG },
        { "check", no_argument, NULL, OPT_CHECK },
        { "once", no_argument, NULL, OPT_ONCE },
        { "wait", required_argument, NULL, OPT_WAIT },
        { "dry-run", no_argument, NULL, OPT_DRY_RUN },
        { "approve", required_argument, NULL, OPT_APPROVE },
        { "full", no_argument, NULL, OPT_FULL },
        { "reset", required_argument, NULL, OPT_RESET },
        { "target", required_argument, NULL, OPT_TARGET },
        { "state", required_argument, NULL, OPT_STATE },
        { "credentials", required_argument, NULL, OPT_CREDENTIALS },
        { "log-level", required_argument, NULL, OPT_LOG_LEVEL },
        { "log-target", required_argument, NULL, OPT_LOG_TARGET },
        { "json", no_argument, NULL, OPT_JSON },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, OPT_VERSION },
        { 0 },
};

void options_print_help(FILE *out) {
        fputs("idsyncd [OPTION...]\n"
              "\n"
              "Keeps the accounts at remote admin APIs in step with an LDAP directory. Without --once it "
              "runs as a service, in the\n"
              "foreground.\n"
              "\n"
              "  -c, --config FILE       configuration (default " SYSCONFDIR "/idsyncd/idsyncd.conf)\n"
              "      --check-config      check configuration and credential files, and exit\n"
              "      --check             does each part work: configuration, directory, targets; writes "
              "nothing\n"
              "      --once              one cycle for all targets, work the queue, and exit\n"
              "      --wait D            with --once: go on while something is due within D (default 60s)\n"
              "      --dry-run           with --once: print the plan, change nothing\n"
              "      --approve HASH      with --once: let the held plan with this hash go ahead; "
              "repeatable\n"
              "      --reset PERSON      with --once and --target: reset this person's password there\n"
              "      --target T          the target of --reset\n"
              "      --full              with --once: the whole directory, each target's accounts to the "
              "last page\n"
              "      --json              with --once or --check: one JSON document on standard output\n"
              "      --state DIR         state directory (default $STATE_DIRECTORY, else " LOCALSTATEDIR
              "/lib/idsyncd)\n"
              "      --credentials DIR   credential files (default $CREDENTIALS_DIRECTORY, else " SYSCONFDIR
              "/idsyncd/credentials)\n"
              "      --log-level L       debug, info (default), notice, warning, err, crit\n"
              "      --log-target T      journal, console, auto (default)\n"
              "  -h, --help              this text\n"
              "      --version           version\n"
              "\n"
              "Exit codes: 0 in step, 1 differences remain, 2 usage, 3 configuration or credentials, 4 "
              "directory, 5 target, 6 a plan is\n"
              "held, 7 state directory, 70 a fault in the program. See idsyncd(8) and idsyncd.conf(5).\n",
              out);
}

static int usage(ErrCtx *err, const char *format, ...) _printf_(2, 3);
static int usage(ErrCtx *err, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(err->text, sizeof(err->text), format, ap);
        va_end(ap);
        return OPTIONS_E_USAGE;
}

static int replace(char **where, const char *value) {
        char *copy = strdup(value);

        if (!copy)
                return -ENOMEM;
        free(*where);
        *where = copy;
        return 0;
}

static int add_approval(Options *o, const char *hash, ErrCtx *err) {
        char **approvals;

        if (strlen(hash) != PLAN_HASH_LEN || strspn(hash, "0123456789abcdef") != PLAN_HASH_LEN)
                return usage(err, "--approve %s: a plan's hash has 12 hexadecimal digits", hash);
        approvals = reallocarray(o->approvals, o->n_approvals + 1, sizeof(*approvals));
        if (!approvals)
                return -ENOMEM;
        o->approvals = approvals;
        o->approvals[o->n_approvals] = strdup(hash);
        return o->approvals[o->n_approvals++] ? 0 : -ENOMEM;
}

static int parse_log_target(const char *name, LogTarget *ret) {
        static const char *const names[] = { "auto", "journal", "console" };
        static const LogTarget targets[] = { LOG_TARGET_AUTO, LOG_TARGET_JOURNAL, LOG_TARGET_CONSOLE };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (str_eq(name, names[i])) {
                        *ret = targets[i];
                        return 0;
                }
        return -EINVAL;
}

static int parse_value(Options *o, int c, const char *value, ErrCtx *err) {
        switch (c) {
        case 'c':
                o->config = value;
                return 0;
        case OPT_WAIT:
                return usec_parse(value, &o->wait) < 0
                                       ? usage(err, "--wait %s: no duration; write 60s or 5min", value)
                                       : 0;
        case OPT_APPROVE:
                return add_approval(o, value, err);
        case OPT_RESET:
                o->reset = value;
                return 0;
        case OPT_TARGET:
                o->target = value;
                return 0;
        case OPT_STATE:
                return replace(&o->state, value);
        case OPT_CREDENTIALS:
                return replace(&o->credentials, value);
        case OPT_LOG_LEVEL:
                o->log_level = log_level_from_string(value);
                return o->log_level < 0 ? usage(err,
                                                "--log-level %s: unknown; use debug, info, notice, warning, "
                                                "err or crit",
                                                value)
                                        : 0;
        case OPT_LOG_TARGET:
                return parse_log_target(value, &o->log_target) < 0
                               ? usage(err, "--log-target %s: unknown; use journal, console or auto", value)
                               : 0;
        default:
                return -EINVAL;
        }
}

static int parse_flag(Options *o, int c) {
        bool *const flags[] = {
                [OPT_CHECK_CONFIG - OPT_CHECK_CONFIG] = &o->check_config,
                [OPT_CHECK - OPT_CHECK_CONFIG] = &o->check,
                [OPT_ONCE - OPT_CHECK_CONFIG] = &o->once,
                [OPT_DRY_RUN - OPT_CHECK_CONFIG] = &o->dry_run,
                [OPT_FULL - OPT_CHECK_CONFIG] = &o->full,
                [OPT_JSON - OPT_CHECK_CONFIG] = &o->json,
                [OPT_VERSION - OPT_CHECK_CONFIG] = &o->version,
        };

        if (c == 'h') {
                o->help = true;
                return 0;
        }
        if (c < OPT_CHECK_CONFIG || (size_t) (c - OPT_CHECK_CONFIG) >= ELEMENTSOF(flags) ||
            !flags[c - OPT_CHECK_CONFIG])
                return -EINVAL;
        *flags[c - OPT_CHECK_CONFIG] = true;
        return 0;
}

static int check_combination(const Options *o, bool wait_given, ErrCtx *err) {
        const struct { bool given; const char *name; } with_once[] = {
                { o->dry_run, "--dry-run" }, { o->full, "--full" }, { o->n_approvals > 0, "--approve" },
                { wait_given, "--wait" }, { o->reset, "--reset" }, { o->target, "--target" },
        };

        for (size_t i = 0; i < ELEMENTSOF(with_once); i++)
                if (with_once[i].given && !o->once)
                        return usage(err, "%s goes with --once", with_once[i].name);
        if (o->json && !o->once && !o->check)
                return usage(err, "%s goes with --once or --check", "--json");
        if (o->once + o->check + o->check_config > 1)
                return usage(err, "%s, --check and --once are three jobs: give one of them",
                             "--check-config");
        if (!o->reset != !o->target)
                return usage(err, "%s: --reset and --target go together", o->reset ? "--reset" : "--target");
        if (o->dry_run && o->reset)
                return usage(err, "%s changes nothing, so --reset makes no sense with it", "--dry-run");
        if (o->dry_run && o->n_approvals > 0)
                return usage(err, "%s changes nothing, so --approve makes no sense with it", "--dry-run");
        return 0;
}

static int fill_defaults(Options *o) {
        const char *libexec = env_get("IDSYNCD_LIBEXECDIR");
        const char *state = env_get("STATE_DIRECTORY"), *credentials = env_get("CREDENTIALS_DIRECTORY");
        int r = 0;

        if (!o->state)
                r = replace(&o->state, state ? state : LOCALSTATEDIR "/lib/idsyncd");
        if (r >= 0 && !o->credentials)
                r = replace(&o->credentials, credentials ? credentials : SYSCONFDIR "/idsyncd/credentials");
        if (r >= 0 && asprintf(&o->reader, "%s/idsyncd-directory", libexec ? libexec : LIBEXECDIR) < 0) {
                o->reader = NULL;
                r = -ENOMEM;
        }
        return r;
}

int options_parse(int argc, char **argv, Options *o, ErrCtx *err) {
        bool wait_given = false;
        int c, r;

        *o = (Options){
                .config = SYSCONFDIR "/idsyncd/idsyncd.conf",
                .wait = USEC_PER_MINUTE,
                .log_target = LOG_TARGET_AUTO,
                .log_level = LOG_INFO,
        };
        optind = 0;
        opterr = 0;
        while ((c = getopt_long(argc, argv, ":c:h", long_options, NULL)) >= 0) {
                if (c == ':')
                        return usage(err, "%s: a value is missing", argv[optind - 1]);
                if (c == '?')
                        return usage(err, "%s: unknown option, or one that takes no value",
                                     argv[optind - 1]);
                wait_given |= c == OPT_WAIT;
                r = parse_flag(o, c);
                if (r == -EINVAL)
                        r = parse_value(o, c, optarg, err);
                if (r != 0)
                        return r;
        }
        if (optind < argc)
                return usage(err, "%s: no arguments are taken but options", argv[optind]);
        r = check_combination(o, wait_given, err);
        return r != 0 ? r : fill_defaults(o);
}

void options_deinit(Options *o) {
        for (size_t i = 0; i < o->n_approvals; i++)
                free(o->approvals[i]);
        free(o->approvals);
        free(o->state);
        free(o->credentials);
        free(o->reader);
}
