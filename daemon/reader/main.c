/* SPDX-License-Identifier: Apache-2.0 */
/* idsyncd-directory: reads a directory for idsyncd. The only program with libldap in it. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>

#include "base/env.h"
#include "base/strings.h"
#include "config/config.h"
#include "config/credential.h"
#include "reader/reader.h"
#include "reader/sandbox.h"

#ifndef SYSCONFDIR
#define SYSCONFDIR "/etc"
#endif
#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

#define ENVIRONMENT_MAX 256

extern char **environ;

typedef struct Arguments {
        const char *config, *credentials;
        bool text, help, version;
        uint64_t stream; /* 0: none */
} Arguments;

/* libldap reads no file and no variable: every option comes from idsyncd's configuration. And no TLS library
 * writes its keys down. */
static void clean_environment(void) {
        static char no_init[] = "LDAPNOINIT=1", *cleaned[ENVIRONMENT_MAX + 2] = {no_init};
        size_t n = 1;

        for (char **e = environ; e && *e && n < ENVIRONMENT_MAX; e++)
                if (!str_starts_with(*e, "LDAP") && !str_starts_with(*e, "SSLKEYLOGFILE="))
                        cleaned[n++] = *e;
        environ = cleaned;
}

static int usage(FILE *f, int code) {
        (void) fprintf(f,
                       "idsyncd-directory [--config FILE] [--credentials DIR] --text\n\n"
                       "Reads the directory of idsyncd's configuration and prints what idsyncd would "
                       "see.\n\n"
                       "  -c, --config FILE      configuration (default " SYSCONFDIR
                       "/idsyncd/idsyncd.conf)\n"
                       "      --credentials DIR  credential files (default $CREDENTIALS_DIRECTORY, else\n"
                       "                         " SYSCONFDIR "/idsyncd/credentials)\n"
                       "      --text             print records\n"
                       "      --stream FD        talk to idsyncd on this socket (for idsyncd itself)\n"
                       "  -h, --help\n"
                       "      --version\n\n"
                       "Exit codes: 0 complete, 2 usage, 3 configuration or credentials, 4 directory "
                       "unreachable or its answer\n"
                       "incomplete, 70 a fault in the program. See idsyncd-directory(8).\n");
        return code;
}

static int complain(const char *what, const char *option) {
        (void) fprintf(stderr, "idsyncd-directory: %s: %s; see --help\n", option, what);
        return EXIT_USAGE;
}

/* The value of an option, "--option=VALUE" or the next argument; NULL if this isn't that option. */
static const char *option_value(char *argv[], int *i, const char *name, const char *short_name,
                                bool *ret_missing) {
        size_t len = strlen(name);

        *ret_missing = false;
        if (strncmp(argv[*i], name, len) == 0 && argv[*i][len] == '=')
                return argv[*i] + len + 1;
        if (!str_eq(argv[*i], name) && !(short_name && str_eq(argv[*i], short_name)))
                return NULL;
        if (!argv[*i + 1]) {
                *ret_missing = true;
                return "";
        }
        return argv[++*i];
}

static int parse_arguments(char *argv[], Arguments *a) {
        bool missing_config, missing_credentials, missing_stream;
        const char *config, *credentials, *stream, *option;

        for (int i = 1; argv[i]; i++) {
                option = argv[i];
                config = option_value(argv, &i, "--config", "-c", &missing_config);
                credentials = config ? NULL
                                     : option_value(argv, &i, "--credentials", NULL, &missing_credentials);
                stream = config || credentials ? NULL
                                               : option_value(argv, &i, "--stream", NULL, &missing_stream);
                if ((config && missing_config) || (credentials && missing_credentials) ||
                    (stream && missing_stream))
                        return complain("needs a value", option);
                if (config)
                        a->config = config;
                else if (credentials)
                        a->credentials = credentials;
                else if (stream) {
                        if (parse_u64(stream, &a->stream) < 0 || a->stream < 3 || a->stream > INT16_MAX)
                                return complain("not a descriptor", option);
                } else if (str_eq(option, "--text"))
                        a->text = true;
                else if (str_eq(option, "--version"))
                        a->version = true;
                else if (str_eq(option, "--help") || str_eq(option, "-h"))
                        a->help = true;
                else
                        return complain("unknown option", option);
        }
        if (!a->help && !a->version && a->text == (a->stream > 0))
                return complain("one of them is needed", "--text, --stream");
        return 0;
}

static int exit_code_of(StreamState state) {
        return state == STREAM_COMPLETE ? EXIT_IN_STEP : EXIT_DIRECTORY;
}

static int fault(int r) {
        if (r == -EPIPE || r == -ENODATA)
                return EXIT_DIRECTORY;
        (void) fprintf(stderr, "idsyncd-directory: %s\n", strerrordesc_np(-r));
        return EXIT_FAULT;
}

/* ---- By hand ---- */

static int load(const Arguments *a, Config **ret_config, Secret **ret_secret) {
        ConfigProblems problems = {0};
        ErrCtx err = {0};
        int r;

        r = config_load(a->config, NULL, &problems, ret_config);
        for (size_t i = 0; i < problems.n_lines; i++)
                (void) fprintf(stderr, "%s\n", problems.lines[i]);
        config_problems_deinit(&problems);
        if (r != 0)
                return r < 0 ? fault(r) : EXIT_CONFIG;
        if ((*ret_config)->directory.bind.method != BIND_SIMPLE)
                return 0;
        r = credential_load(a->credentials, (*ret_config)->directory.bind.password_credential, ret_secret,
                            &err);
        if (r < 0)
                return fault(r);
        if (r != 0)
                (void) fprintf(stderr, "idsyncd-directory: %s\n", err.text);
        return r != 0 ? EXIT_CONFIG : 0;
}

static double seconds_since(const struct timespec *begun) {
        struct timespec now = *begun;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (double) (now.tv_sec - begun->tv_sec) + (double) (now.tv_nsec - begun->tv_nsec) / 1e9;
}

static void summarise(const Config *config, const StreamDone *done, double seconds) {
        static const char *const states[] = {"complete", "incomplete", "unreachable"};
        char printable[2048];

        for (size_t i = 0; i < done->n_groups; i++)
                (void) fprintf(stderr, "group %s: %s, %" PRIu64 " members\n",
                               str_printable(config->groups[i], printable, sizeof(printable)),
                               done->groups[i].found ? "found" : "not there", done->groups[i].members);
        if (!str_empty(done->error))
                (void) fprintf(stderr, "error: %s\n",
                               str_printable(done->error, printable, sizeof(printable)));
        (void) fprintf(stderr,
                       "%s: %" PRIu64 " people from %s in %.2f s, %" PRIu64
                       " entries without an id, %" PRIu64 " referrals\n",
                       states[done->state], done->people, config->directory.uris[done->uri], seconds,
                       done->without_id, done->referrals);
}

static int run_text(const Arguments *a) {
        _cleanup_(config_unrefp) Config *config = NULL;
        _cleanup_(secret_freep) Secret *secret = NULL;
        _cleanup_(output_freep) Output *out = NULL;
        _cleanup_(reader_freep) Reader *reader = NULL;
        struct timespec begun = {0};
        StreamSettings settings;
        StreamDone done;
        int r;

        r = load(a, &config, &secret);
        if (r != 0)
                return r;
        (void) clock_gettime(CLOCK_MONOTONIC, &begun);
        settings = (StreamSettings){.directory = &config->directory,
                                    .groups = config->groups,
                                    .n_groups = config->n_groups,
                                    .secret = secret};
        out = output_new_text(stdout, stderr, config->groups, config->n_groups);
        if (!out)
                return fault(-ENOMEM);
        r = sandbox_enter(settings.directory, out);
        if (r == 0)
                r = reader_run(&settings, -1, out, &reader, &done);
        if (r == 0)
                r = output_done(out, &done);
        if (r < 0)
                return fault(r);
        summarise(config, &done, seconds_since(&begun));
        return exit_code_of(done.state);
}

/* ---- For idsyncd ---- */

/* 0; STREAM_E_MALFORMED; -ENODATA when idsyncd is gone. */
static int receive_settings(int fd, StreamDecoder *decoder, StreamSettings *ret, ErrCtx *err) {
        StreamRecord record;
        size_t size;
        ssize_t n;
        void *room;
        int r;

        for (;;) {
                r = stream_decoder_next(decoder, &record, err);
                if (r == 0)
                        *ret = record.settings;
                if (r != STREAM_E_MORE)
                        return r;
                r = stream_decoder_room(decoder, &room, &size);
                if (r < 0)
                        return r;
                n = recv(fd, room, size, 0);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n == 0 ? -ENODATA : -errno;
                stream_decoder_fed(decoder, (size_t) n);
        }
}

static int serve(int fd, const StreamSettings *settings) {
        _cleanup_(output_freep) Output *out = NULL;
        _cleanup_(reader_freep) Reader *reader = NULL;
        StreamDone done;
        int r;

        out = output_new_stream(fd, settings->n_groups);
        if (!out)
                return fault(-ENOMEM);
        r = sandbox_enter(settings->directory, out);
        if (r == 0)
                r = reader_run(settings, fd, out, &reader, &done);
        if (r == 0)
                r = output_done(out, &done);
        return r < 0 ? fault(r) : exit_code_of(done.state);
}

/* A daemon that was killed before we asked for its death signal sends none, and what it wrote is still
 * there to be read. */
static bool is_orphan(int fd) {
        struct pollfd p = {.fd = fd};

        return poll(&p, 1, 0) > 0 && p.revents & POLLHUP;
}

static int run_stream(int fd) {
        _cleanup_(stream_decoder_freep) StreamDecoder *decoder = NULL;
        StreamSettings settings;
        ErrCtx err = {0};
        int r;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (is_orphan(fd))
                return EXIT_FAULT;
        (void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        /* libldap writes to a server that has closed the connection: that is a result, not our end. */
        (void) signal(SIGPIPE, SIG_IGN);
        decoder = stream_decoder_new(STREAM_TO_READER, 0);
        if (!decoder)
                return fault(-ENOMEM);
        r = receive_settings(fd, decoder, &settings, &err);
        if (r == STREAM_E_MALFORMED) {
                (void) fprintf(stderr, "idsyncd-directory: the settings can't be understood: %s\n",
                               err.text);
                return EXIT_FAULT;
        }
        return r < 0 ? fault(r) : serve(fd, &settings);
}

int main(int argc _unused_, char *argv[]) {
        const char *credentials = env_get("CREDENTIALS_DIRECTORY");
        Arguments arguments = {
                        .config = SYSCONFDIR "/idsyncd/idsyncd.conf",
                        .credentials = credentials ? credentials : SYSCONFDIR "/idsyncd/credentials",
        };
        int r;

        /* libldap writes to connections that the server may have closed. */
        (void) signal(SIGPIPE, SIG_IGN);
        clean_environment();
        r = parse_arguments(argv, &arguments);
        if (r != 0)
                return r;
        if (arguments.help)
                return usage(stdout, EXIT_IN_STEP);
        if (arguments.version) {
                (void) printf("idsyncd-directory " PACKAGE_VERSION "\n");
                return EXIT_IN_STEP;
        }
        return arguments.text ? run_text(&arguments) : run_stream((int) arguments.stream);
}
