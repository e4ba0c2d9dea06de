/* SPDX-License-Identifier: Apache-2.0 */
/* idsyncctl: the operator's tool. Speaks D-Bus to the running daemon, and nothing else. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>

#include "base/strings.h"
#include "base/time.h"
#include "call.h"
#include "files.h"
#include "show.h"
#include "table.h"

#define HEALTH_UNKNOWN 3

typedef struct Arguments {
        char **words;                   /* of the verb */
        int n;
        bool json, csv, dead, full;
        const char *target, *output, *wait;    /* NULL: not given */
} Arguments;

typedef struct Verb {
        const char *name, *synopsis;
        int min, max;                   /* words behind it */
        const char *help;
        const char *instead;            /* without the daemon */
        ExitCode (*ask)(const Arguments *a, struct json_object **ret, ErrCtx *err);
        void (*show)(struct json_object *doc);
        ExitCode (*run)(const Arguments *a, ErrCtx *err);       /* instead of the two */
} Verb;

static void print_json(struct json_object *doc) {
        puts(json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

/* ---- what the verbs ask ---- */

static const char *word(const Arguments *a) {
        return a->n > 0 ? a->words[0] : "";
}

static ExitCode ask_status(const Arguments *a _unused_, struct json_object **ret, ErrCtx *err) {
        return call_daemon(false, "GetStatus", ret, err, "");
}

static ExitCode ask_targets(const Arguments *a _unused_, struct json_object **ret, ErrCtx *err) {
        return call_daemon(false, "GetTargets", ret, err, "");
}

static ExitCode ask_orphans(const Arguments *a _unused_, struct json_object **ret, ErrCtx *err) {
        return call_daemon(false, "GetOrphans", ret, err, "");
}

static ExitCode ask_queue(const Arguments *a, struct json_object **ret, ErrCtx *err) {
        return call_daemon(false, "GetQueue", ret, err, "b", (int) a->dead);
}

static ExitCode ask_history(const Arguments *a, struct json_object **ret, ErrCtx *err) {
        return call_daemon(false, "GetHistory", ret, err, "s", word(a));
}

static ExitCode ask_plan(const Arguments *a, struct json_object **ret, ErrCtx *err) {
        return call_daemon(false, "GetPlan", ret, err, "s", word(a));
}

static ExitCode ask_explain(const Arguments *a, struct json_object **ret, ErrCtx *err) {
        return call_daemon(false, "Explain", ret, err, "s", word(a));
}

static ExitCode ask_approve(const Arguments *a, struct json_object **ret, ErrCtx *err) {
        return call_daemon(true, "Approve", ret, err, "s", word(a));
}

static ExitCode ask_reject(const Arguments *a, struct json_object **ret, ErrCtx *err) {
        return call_daemon(true, "Reject", ret, err, "s", word(a));
}

static ExitCode ask_by_number(const Arguments *a, const char *member, struct json_object **ret,
                              ErrCtx *err) {
        int64_t id;

        if (parse_i64(word(a), &id) < 0 || id <= 0)
                return err_set(err, EXIT_USAGE, 0,
                               "%s: the number of an action is wanted; \"idsyncctl queue\" shows them",
                               word(a));
        return call_daemon(true, member, ret, err, "x", id);
}

static ExitCode ask_retry(const Arguments *a, struct json_object **ret, ErrCtx *err) {
        return ask_by_number(a, "Retry", ret, err);
}

static ExitCode ask_drop(const Arguments *a, struct json_object **ret, ErrCtx *err) {
        return ask_by_number(a, "Drop", ret, err);
}

static ExitCode ask_revert(const Arguments *a, struct json_object **ret, ErrCtx *err) {
        int64_t cycle;

        if (parse_i64(word(a), &cycle) < 0 || cycle <= 0)
                return err_set(err, EXIT_USAGE, 0,
                               "%s: the number of a cycle is wanted; \"idsyncctl history\" shows them",
                               word(a));
        return call_daemon(true, "Revert", ret, err, "x", cycle);
}

static ExitCode ask_pause(const Arguments *a, struct json_object **ret, ErrCtx *err) {
        return call_daemon(true, "Pause", ret, err, "s", word(a));
}

static ExitCode ask_resume(const Arguments *a, struct json_object **ret, ErrCtx *err) {
        return call_daemon(true, "Resume", ret, err, "s", word(a));
}

static ExitCode ask_sync(const Arguments *a, struct json_object **ret, ErrCtx *err) {
        return call_daemon(true, "Sync", ret, err, "b", (int) a->full);
}

static ExitCode ask_check(const Arguments *a _unused_, struct json_object **ret, ErrCtx *err) {
        return call_daemon(true, "Check", ret, err, "");
}

static void no_step(struct json_object *step _unused_) {
}

static ExitCode run_sync(const Arguments *a, ErrCtx *err) {
        Errand e = {
                        .person = word(a),
                        .target = a->target ? a->target : "",
                        .full = a->full,
                        .on_step = a->json ? no_step : show_step,
        };
        struct json_object *doc = NULL;
        ExitCode code;

        if (a->n == 0 && (a->target || a->wait))
                return err_set(err, EXIT_USAGE, 0, "sync: --target and --wait are of sync PERSON");
        if (usec_parse(a->wait ? a->wait : "60s", &e.wait) < 0)
                return err_set(err, EXIT_USAGE, 0, "--wait %s: no duration; write 60s or 5min", a->wait);
        code = a->n == 0 ? ask_sync(a, &doc, err) : call_errand(&e, &doc, err);
        if (code != EXIT_IN_STEP)
                return code;
        if (a->json)
                print_json(doc);
        else if (a->n == 0)
                show_message(doc);
        code = (ExitCode) json_number(doc, "exit");
        json_object_put(doc);
        return code;
}

static ExitCode ask_reset(const Arguments *a, struct json_object **ret, ErrCtx *err) {
        if (!a->target)
                return err_set(err, EXIT_USAGE, 0, "reset: --target says where");
        return call_daemon(true, "Reset", ret, err, "ss", word(a), a->target);
}

/* ---- files ---- */

static ExitCode ask_apply(const Arguments *a, struct json_object **ret, ErrCtx *err) {
        return files_apply(word(a), ret, err);
}

static ExitCode run_backup(const Arguments *a, ErrCtx *err) {
        ExitCode code = files_backup(word(a), err);

        if (code != EXIT_IN_STEP)
                return code;
        if (a->json)
                puts("{\"version\":1,\"message\":\"the database is copied\"}");
        else
                printf("the database is copied to %s\n", word(a));
        return code;
}

static ExitCode run_export(const Arguments *a, ErrCtx *err) {
        struct json_object *doc = NULL;
        ExitCode code;

        code = files_export(word(a), a->output, &doc, err);
        if (code == EXIT_IN_STEP && a->json)
                print_json(doc);
        else if (code == EXIT_IN_STEP)
                printf("plan %s of %s, %" PRId64 " actions, is in %s\n", json_text(doc, "hash"),
                       json_text(doc, "target"), json_number(doc, "actions"), a->output);
        json_object_put(doc);
        return code;
}

/* ---- health ---- */

static void print_unknown(const char *why) {
        struct json_object *doc = json_object_new_object(), *problem = json_object_new_object(),
                           *problems = json_object_new_array();

        json_object_object_add(problem, "level", json_object_new_string("critical"));
        json_object_object_add(problem, "target", NULL);
        json_object_object_add(problem, "text", json_object_new_string(why));
        json_object_object_add(problem, "do", json_object_new_string("systemctl status idsyncd"));
        json_object_array_add(problems, problem);
        json_object_object_add(doc, "version", json_object_new_int(1));
        json_object_object_add(doc, "health", json_object_new_int(HEALTH_UNKNOWN));
        json_object_object_add(doc, "problems", problems);
        print_json(doc);
        json_object_put(doc);
}

static ExitCode run_health(const Arguments *a, ErrCtx *err) {
        struct json_object *doc = NULL;
        int health;

        if (ask_status(a, &doc, err) != EXIT_IN_STEP) {
                if (a->json)
                        print_unknown(err->text);
                else
                        show_unknown_health(err->text);
                return (ExitCode) HEALTH_UNKNOWN;
        }
        health = health_of(doc);
        if (a->json) {
                json_object_object_add(doc, "health", json_object_new_int(health));
                print_json(doc);
        } else
                (void) show_health(doc);
        json_object_put(doc);
        return (ExitCode) health;
}

/* ---- the verbs ---- */

#define DRY_RUN "idsyncd --once --dry-run"

static const Verb verbs[] = {
                {"status", "", 0, 0, "how it stands, and what calls for you", DRY_RUN, ask_status,
                 show_status, NULL},
                {"targets", "", 0, 0, "each target: state, accounts, parking, pauses", DRY_RUN, ask_targets,
                 show_targets, NULL},
                {"plan", "[TARGET] [-o FILE]", 0, 1,
                 "what is held, queued, blocked or left alone; -o: the held plan as a file", DRY_RUN,
                 ask_plan, show_plan, NULL},
                {"explain", "PERSON", 1, 1, "why somebody has an account, or none, and what happens next",
                 DRY_RUN, ask_explain, show_explain, NULL},
                {"queue", "[--dead]", 0, 0,
                 "what waits for its turn; --dead: dead letters and dropped actions", DRY_RUN, ask_queue,
                 show_queue, NULL},
                {"history", "[PERSON]", 0, 1, "what was done, newest first", "journalctl -u idsyncd",
                 ask_history, show_history, NULL},
                {"orphans", "[--csv]", 0, 0,
                 "accounts that nobody owns; administrators without a second factor", NULL, ask_orphans,
                 show_orphans, NULL},
                {"health", "", 0, 0, "one line for a monitoring system; exit code 0, 1, 2 or 3", NULL, NULL,
                 NULL, run_health},
                {"check", "", 0, 0, "does each part work: configuration, directory, targets; the way out",
                 "idsyncd --check", ask_check, show_check, NULL},
                {"approve", "HASH", 1, 1, "let exactly this held plan go ahead",
                 "idsyncd --once --approve HASH", ask_approve, show_message, NULL},
                {"apply", "FILE", 1, 1, "do exactly what the file of plan -o has, or nothing",
                 "idsyncd --once --approve with the hash that the file has", ask_apply, show_message, NULL},
                {"reject", "HASH", 1, 1, "refuse it: its actions aren't asked for again until they change",
                 NULL, ask_reject, show_message, NULL},
                {"revert", "CYCLE", 1, 1, "plan to take back what a cycle did; held until it is approved",
                 NULL, ask_revert, show_revert, NULL},
                {"retry", "ID", 1, 1, "try a dead letter, or a dropped or rejected action, again", NULL,
                 ask_retry, show_message, NULL},
                {"drop", "ID", 1, 1, "take an action out of the queue, until what it wants changes", NULL,
                 ask_drop, show_message, NULL},
                {"pause", "[TARGET]", 0, 1,
                 "write nothing there; without TARGET: nowhere. Survives restarts", NULL, ask_pause,
                 show_message, NULL},
                {"resume", "[TARGET]", 0, 1, "go on; ends parking and quarantine too", NULL,
                 ask_resume, show_message, NULL},
                {"sync", "[PERSON] [--full]", 0, 1,
                 "read the directory and compare now; PERSON: with each step told, as far as it goes",
                 "idsyncd --once", NULL, NULL, run_sync},
                {"reset", "PERSON --target T", 1, 1, "reset somebody's password there",
                 "idsyncd --once --reset PERSON --target T", ask_reset, show_message, NULL},
                {"backup", "FILE", 1, 1, "copy the database, whole, into a new file",
                 "copying the state directory", NULL, NULL, run_backup},
};

static void print_help(void) {
        puts("idsyncctl VERB [ARGUMENT] [OPTION...]\n"
             "\n"
             "Looks at the running idsyncd and tells it what to do. PERSON is an address, login, DN or "
             "directory id. Looking is for\n"
             "root and members of the group idsync, changing for root.\n");
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
                char left[40];

                snprintf(left, sizeof(left), "%s %s", verbs[i].name, verbs[i].synopsis);
                printf("  %-26s %s\n", left, verbs[i].help);
        }
        puts("\n"
             "      --json         one JSON document, as org.idsyncd1(5) has it\n"
             "  -o, --output FILE  of plan: the new file\n"
             "      --dead         of queue\n"
             "      --csv          of orphans: for a spreadsheet\n"
             "      --full         of sync: the whole directory, each target's accounts to the last page\n"
             "      --target T     of reset and sync PERSON: the target's name\n"
             "      --wait D       of sync PERSON: wait for what is due within D (default 60s)\n"
             "  -h, --help         this text\n"
             "      --version      version\n"
             "\n"
             "Why has Bob no account?      idsyncctl explain bob@example.com\n"
             "Bring him in step now.       idsyncctl sync bob@example.com\n"
             "What will happen next?       idsyncctl status; idsyncctl plan\n"
             "A plan is held. What is it?  idsyncctl plan TARGET, then approve or reject its hash\n"
             "Take back what was done?     idsyncctl history; idsyncctl revert CYCLE, then approve\n"
             "What doesn't work?           idsyncctl check\n"
             "\n"
             "Exit codes: 0 done; 2 usage, or refused; 6 the approval is stale; 7 state directory; 8 the "
             "daemon or the bus isn't\n"
             "there; 70 a fault. Of what tells a state (status, plan, check, sync PERSON): 1 differences "
             "remain, 3 configuration,\n"
             "4 directory, 5 target, 6 a plan is held. Of health: 0 OK, 1 warning, 2 critical, 3 "
             "unknown.\n"
             "See idsyncctl(1).");
}

static const Verb *find_verb(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (str_eq(verbs[i].name, name))
                        return &verbs[i];
        return NULL;
}

/* A script's variable that isn't set must not mean everybody, or everywhere. */
static bool has_empty_word(const Arguments *a) {
        for (int i = 0; i < a->n; i++)
                if (!*a->words[i])
                        return true;
        return (a->target && !*a->target) || (a->output && !*a->output);
}

static void say_unknown(const char *name) {
        const char *names[ELEMENTSOF(verbs)], *near;

        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                names[i] = verbs[i].name;
        near = nearest_name(name, names, ELEMENTSOF(verbs));
        fprintf(stderr, "idsyncctl: there is no verb \"%s\"", name);
        if (near)
                fprintf(stderr, "; did you mean \"%s\"?", near);
        fputs(near ? " See idsyncctl --help\n" : "; see idsyncctl --help\n", stderr);
}

static bool fits(const Verb *v, const Arguments *a) {
        if (a->n < v->min || a->n > v->max || (a->dead && !str_eq(v->name, "queue")) ||
            (a->csv && (a->json || !str_eq(v->name, "orphans"))) || (a->full && !str_eq(v->name, "sync")) ||
            (a->output && !str_eq(v->name, "plan")) || (a->wait && !str_eq(v->name, "sync")) ||
            (a->target && !str_eq(v->name, "reset") && !str_eq(v->name, "sync"))) {
                fprintf(stderr, "idsyncctl: it is \"idsyncctl %s%s%s\"\n", v->name, *v->synopsis ? " " : "",
                        v->synopsis);
                return false;
        }
        if (has_empty_word(a)) {
                fprintf(stderr, "idsyncctl: %s: an argument is empty\n", v->name);
                return false;
        }
        return true;
}

/* Documents that stand for an exit code have it as a member. */
static ExitCode ask_and_show(const Verb *v, const Arguments *a, ErrCtx *err) {
        struct json_object *doc = NULL;
        ExitCode code;

        code = v->ask(a, &doc, err);
        if (code != EXIT_IN_STEP)
                return code;
        if (a->json)
                print_json(doc);
        else if (a->csv)
                show_orphans_csv(doc);
        else
                v->show(doc);
        code = (ExitCode) json_number(doc, "exit");
        json_object_put(doc);
        return code;
}

/* The daemon's words have names of other people in them. */
static void say_error(const ErrCtx *err) {
        char buf[4 * sizeof(err->text)];

        /* It stands behind what was shown, wherever both go. */
        (void) fflush(stdout);
        fprintf(stderr, "idsyncctl: %s\n", str_printable(err->text, buf, sizeof(buf)));
}

static ExitCode run(const Verb *v, const Arguments *a) {
        ErrCtx err = { 0 };
        ExitCode code;

        if (a->output)
                code = run_export(a, &err);
        else
                code = v->run ? v->run(a, &err) : ask_and_show(v, a, &err);
        if (!*err.text || v->run == run_health)
                return code;
        say_error(&err);
        if (code == EXIT_NO_DAEMON && v->instead)
                fprintf(stderr, "Without the daemon: %s\n", v->instead);
        else if (code == EXIT_NO_DAEMON)
                fputs("Start it: systemctl start idsyncd\n", stderr);
        return code;
}

/* 0, or the exit code to end with at once; -1: go on. */
static int parse(int argc, char **argv, Arguments *a) {
        enum { OPT_JSON = 0x100, OPT_CSV, OPT_DEAD, OPT_FULL, OPT_TARGET, OPT_WAIT, OPT_VERSION };
        static const struct option options[] = {
                        {"json", no_argument, NULL, OPT_JSON},
                        {"csv", no_argument, NULL, OPT_CSV},
                        {"dead", no_argument, NULL, OPT_DEAD},
                        {"full", no_argument, NULL, OPT_FULL},
                        {"output", required_argument, NULL, 'o'},
                        {"target", required_argument, NULL, OPT_TARGET},
                        {"wait", required_argument, NULL, OPT_WAIT},
                        {"help", no_argument, NULL, 'h'},
                        {"version", no_argument, NULL, OPT_VERSION},
                        {0},
        };
        int c;

        while ((c = getopt_long(argc, argv, "ho:", options, NULL)) >= 0)
                switch (c) {
                case OPT_JSON:
                        a->json = true;
                        break;
                case OPT_CSV:
                        a->csv = true;
                        break;
                case OPT_DEAD:
                        a->dead = true;
                        break;
                case OPT_FULL:
                        a->full = true;
                        break;
                case 'o':
                        a->output = optarg;
                        break;
                case OPT_TARGET:
                        a->target = optarg;
                        break;
                case OPT_WAIT:
                        a->wait = optarg;
                        break;
                case OPT_VERSION:
                        puts("idsyncctl " PACKAGE_VERSION);
                        return EXIT_IN_STEP;
                case 'h':
                        print_help();
                        return EXIT_IN_STEP;
                default:
                        return EXIT_USAGE;
                }
        return -1;
}

static int run_line(int argc, char **argv) {
        Arguments a = { 0 };
        const Verb *verb;
        int r;

        r = parse(argc, argv, &a);
        if (r >= 0)
                return r;
        if (optind >= argc) {
                fputs("idsyncctl: a verb is missing; see idsyncctl --help\n", stderr);
                return EXIT_USAGE;
        }
        verb = find_verb(argv[optind]);
        if (!verb) {
                say_unknown(argv[optind]);
                return EXIT_USAGE;
        }
        a.words = argv + optind + 1;
        a.n = argc - optind - 1;
        return fits(verb, &a) ? (int) run(verb, &a) : EXIT_USAGE;
}

int main(int argc, char **argv) {
        int code = run_line(argc, argv);

        /* Steps are flushed as they are told: what failed then is remembered. */
        if (fflush(stdout) == EOF || ferror(stdout)) {
                fputs("idsyncctl: standard output can't be written\n", stderr);
                return EXIT_FAULT;
        }
        return code;
}
