/* SPDX-License-Identifier: Apache-2.0 */
/* The parent's end, against readers that this program plays itself: started again with --stream, it does
 * what the filter of its settings says. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "directory/source.h"
#include "directory/stream.h"

extern char **environ;

/* ---- The reader that is played ---- */

static void wait_msec(int msec) {
        (void) poll(NULL, 0, msec);
}

static void send_all(StreamBuffer *b) {
        for (size_t sent = 0; sent < b->len;) {
                ssize_t n = send(3, b->data + sent, b->len - sent, MSG_NOSIGNAL);

                if (n <= 0)
                        break;
                sent += (size_t) n;
        }
        b->len = 0;
}

static void send_people(StreamBuffer *b, size_t n, size_t value_len) {
        uint64_t marks = 2;
        char value[PERSON_VALUE_MAX + 1], id[32];

        memset(value, 'v', sizeof(value));
        value[value_len] = '\0';
        for (size_t i = 0; i < n; i++) {
                (void) snprintf(id, sizeof(id), "id-%zu", i);
                (void) stream_put_person(b,
                                         &(Person){.id = id,
                                                   .dn = "uid=x",
                                                   .field[PERSON_EMAIL] = value,
                                                   .marks = &marks},
                                         2);
                if (b->len > 30000)
                        send_all(b);
        }
        send_all(b);
}

static void send_done(StreamBuffer *b, StreamState state, uint64_t people, uint32_t uri) {
        const StreamGroup groups[2] = {{true, 5}, {false, 0}};
        StreamDone done = {.state = state,
                           .error = "",
                           .people = people,
                           .uri = uri,
                           .groups = groups,
                           .n_groups = 2};

        if (state != STREAM_COMPLETE)
                done.error = "ldaps://b: why", done.ldap_rc = 49;
        (void) stream_put_done(b, &done);
        send_all(b);
}

static bool has_only_three_files(void) {
        DIR *dir = opendir("/proc/self/fd");
        const struct dirent *e;
        int highest = 0;

        while ((e = readdir(dir)))
                if (e->d_name[0] != '.' && (int) strtol(e->d_name, NULL, 10) != dirfd(dir))
                        highest = (int) strtol(e->d_name, NULL, 10) > highest
                                                  ? (int) strtol(e->d_name, NULL, 10)
                                                  : highest;
        (void) closedir(dir);
        return highest == 3;
}

/* What a reader finds around it. */
static void report_surroundings(StreamBuffer *b, const StreamSettings *s) {
        sigset_t blocked;
        size_t secrets = 0;

        (void) sigprocmask(SIG_BLOCK, NULL, &blocked);
        for (char **e = environ; *e; e++)
                if (strstr(*e, "IDSYNC_TEST_MARK") || strstr(*e, "s3cret"))
                        secrets++;
        (void) stream_put_notice(b, LOG_NOTICE, has_only_three_files() ? "files ok" : "files leaked");
        (void) stream_put_notice(b, LOG_NOTICE,
                                 sigismember(&blocked, SIGTERM) ? "signals blocked" : "signals ok");
        (void) stream_put_notice(b, LOG_NOTICE, secrets ? "environment leaked" : "environment ok");
        (void) stream_put_notice(b, LOG_NOTICE,
                                 s->secret && str_eq(secret_data(s->secret), "s3cret") ? "secret ok"
                                                                                       : "secret lost");
        (void) stream_put_notice(b, LOG_NOTICE, "files ok");
        send_done(b, STREAM_COMPLETE, 0, 0);
}

static int play(const char *mode, StreamBuffer *b, const StreamSettings *s) {
        if (str_eq(mode, "surroundings"))
                report_surroundings(b, s);
        else if (str_eq(mode, "kill-itself")) {
                send_people(b, 3, 5);
                (void) raise(SIGKILL);
        } else if (str_eq(mode, "no-done")) {
                send_people(b, 3, 5);
                return 70;
        } else if (str_eq(mode, "half")) {
                send_people(b, 2, 5);
                (void) send(3, "\x40\0\0\0\x10ha", 7, 0);
        } else if (str_eq(mode, "garbage")) {
                (void) send(3, "\1\0\0\0\x66", 5, 0);
                wait_msec(60000);
        } else if (str_eq(mode, "silent")) {
                send_people(b, 3, 5);
                wait_msec(60000);
        } else if (str_eq(mode, "slow")) {
                for (size_t i = 0; i < 6; i++) {
                        wait_msec(100);
                        (void) stream_put_progress(b, i);
                        send_all(b);
                }
                send_done(b, STREAM_COMPLETE, 0, 0);
        } else if (str_eq(mode, "miscounts")) {
                send_people(b, 3, 5);
                send_done(b, STREAM_COMPLETE, 4, 0);
        } else if (str_eq(mode, "talks-on")) {
                send_done(b, STREAM_COMPLETE, 0, 0);
                send_people(b, 1, 5);
        } else if (str_eq(mode, "hangs-after-done")) {
                send_done(b, STREAM_COMPLETE, 0, 0);
                (void) shutdown(3, SHUT_WR);
                wait_msec(60000);
        } else if (str_eq(mode, "unreachable"))
                send_done(b, STREAM_UNREACHABLE, 0, 1);
        else if (str_eq(mode, "first-uri")) {
                (void) stream_put_notice(b, LOG_INFO, s->first_uri == 0 ? "first is 0" : "first is 1");
                send_done(b, STREAM_COMPLETE, 0, 1);
        } else {
                send_people(b, 3000, 1000);
                send_done(b, STREAM_COMPLETE, 3000, 1);
        }
        return 0;
}

static int fake_reader(void) {
        StreamDecoder *d = stream_decoder_new(STREAM_TO_READER, 0);
        StreamBuffer b = {0};
        StreamRecord r;
        ErrCtx err = {0};
        size_t size;
        void *room;
        int result;

        while ((result = stream_decoder_next(d, &r, &err)) == STREAM_E_MORE) {
                ssize_t n;

                if (stream_decoder_room(d, &room, &size) < 0 || (n = recv(3, room, size, 0)) <= 0)
                        return 71;
                stream_decoder_fed(d, (size_t) n);
        }
        if (result != 0)
                return 72;
        (void) stream_put_preamble(&b);
        send_all(&b);
        result = play(r.settings.directory->people.filter, &b, &r.settings);
        stream_buffer_deinit(&b);
        (void) stream_decoder_free(d);
        return result;
}

/* ---- The tests ---- */

typedef struct World {
        Loop *loop;
        Source *source;
        SourceRead *read;
        Config config;
        uint64_t people, done;
        ReadResult result;
        GroupResult groups[2];
        bool has_groups;
        char uri[64], notices[512];
        int block_msec; /* at the first person */
        bool cancel; /* at the third */
        uint64_t duration;
} World;

static usec_t now(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (usec_t) ts.tv_sec * USEC_PER_SEC + (usec_t) ts.tv_nsec / 1000;
}

static void on_person(const Person *p, void *userdata) {
        World *w = userdata;

        assert_true(p->present);
        assert_true(marks_test(p->marks, 1) && !marks_test(p->marks, 0));
        if (w->people++ == 0 && w->block_msec > 0)
                wait_msec(w->block_msec);
        if (w->cancel && w->people == 3) {
                w->read = source_read_cancel(w->read);
                loop_exit(w->loop, 7);
        }
}

static void on_notice(int priority, const char *text, void *userdata) {
        World *w = userdata;
        size_t len = strlen(w->notices);

        assert_true(priority == LOG_NOTICE || priority == LOG_INFO);
        (void) snprintf(w->notices + len, sizeof(w->notices) - len, "%s;", text);
}

static void on_done(const ReadResult *result, void *userdata) {
        World *w = userdata;

        w->read = NULL;
        w->done++;
        w->result = *result;
        w->has_groups = result->groups != NULL;
        if (result->groups)
                memcpy(w->groups, result->groups, sizeof(w->groups));
        (void) snprintf(w->uri, sizeof(w->uri), "%s", result->uri);
        loop_exit(w->loop, 0);
}

static World *world(const char *program) {
        static char *uris[] = {(char *) "ldaps://a", (char *) "ldaps://b"},
                    *groups[] = {(char *) "cn=g", (char *) "cn=h"};
        static char empty[] = "";
        World *w = calloc(1, sizeof(*w));
        DirectoryConfig *d = &w->config.directory;

        *d = (DirectoryConfig){.uris = uris,
                               .n_uris = 2,
                               .ca_file = empty,
                               .page_size = 1,
                               .timeout = USEC_PER_SEC,
                               .poll_timeout = 20 * USEC_PER_SEC};
        d->bind.dn = d->people.base = d->attributes.id = d->attributes.login = d->attributes.email = empty;
        d->attributes.first_name = d->attributes.last_name = d->attributes.timezone = empty;
        d->attributes.employee_number = d->disabled.attribute = d->disabled.value =
                        d->password_reset.attribute = empty;
        w->config.groups = groups;
        w->config.n_groups = 2;
        w->config.n_ref = 1;
        assert_int_equal(loop_new(&w->loop), 0);
        assert_int_equal(source_new(w->loop, program, &w->source), 0);
        return w;
}

static void start(World *w, const char *mode) {
        SourceHandler handler = {.person = on_person, .notice = on_notice, .done = on_done, .userdata = w};
        Secret *secret = secret_new("s3cret", 6);

        w->config.directory.people.filter = (char *) mode;
        assert_int_equal(source_read_start(w->source, &w->config, secret, &handler, &w->read), 0);
        (void) secret_free(secret);
        assert_int_equal(w->done, 0);
}

static void finish(World *w) {
        (void) source_free(w->source);
        (void) loop_free(w->loop);
        free(w);
        /* No zombie, no reader left. */
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
}

static World *run(const char *mode, usec_t poll_timeout) {
        World *w = world("/proc/self/exe");
        usec_t begun = now();

        if (poll_timeout > 0)
                w->config.directory.poll_timeout = poll_timeout;
        start(w, mode);
        assert_int_equal(loop_run(w->loop), 0);
        assert_int_equal(w->done, 1);
        w->duration = now() - begun;
        return w;
}

static void assert_incomplete(World *w, const char *reason) {
        assert_int_equal(w->result.state, READ_INCOMPLETE);
        assert_false(w->has_groups);
        if (!strstr(w->result.error, reason))
                fail_msg("\"%s\" doesn't say \"%s\"", w->result.error, reason);
        assert_true(w->duration < 10 * USEC_PER_SEC);
        finish(w);
}

static void test_complete(void **state) {
        World *w = run("many", 0);

        (void) state;
        assert_int_equal(w->result.state, READ_COMPLETE);
        assert_int_equal(w->people, 3000);
        assert_int_equal(w->result.people, 3000);
        assert_string_equal(w->uri, "ldaps://b");
        assert_string_equal(w->result.error, "");
        assert_true(w->has_groups && w->groups[0].found && w->groups[0].members == 5 && !w->groups[1].found);
        assert_true(w->result.duration > 0);
        finish(w);
}

/* Ours alone is the time that we don't read in. */
static void test_slow_parent(void **state) {
        World *w = world("/proc/self/exe");

        (void) state;
        w->config.directory.poll_timeout = 300 * USEC_PER_MSEC;
        w->block_msec = 900;
        start(w, "many");
        assert_int_equal(loop_run(w->loop), 0);
        assert_int_equal(w->result.state, READ_COMPLETE);
        assert_int_equal(w->people, 3000);
        finish(w);
}

static void test_slow_reader_that_moves(void **state) {
        World *w = run("slow", 400 * USEC_PER_MSEC);

        (void) state;
        assert_int_equal(w->result.state, READ_COMPLETE);
        finish(w);
}

static void test_silence(void **state) {
        World *w = run("silent", 300 * USEC_PER_MSEC);

        (void) state;
        assert_int_equal(w->people, 3);
        assert_true(w->duration >= 300 * USEC_PER_MSEC);
        assert_incomplete(w, "said nothing for 300ms");
}

static void test_killed(void **state) {
        World *w = run("kill-itself", 0);

        (void) state;
        assert_int_equal(w->people, 3);
        assert_incomplete(w, "was killed by signal 9");
}

static void test_broken_off(void **state) {
        (void) state;
        assert_incomplete(run("no-done", 0), "exited with code 70");
        assert_incomplete(run("half", 0), "inside a record");
        assert_incomplete(run("garbage", 0), "can't be understood");
        assert_incomplete(run("miscounts", 0), "speaks of 4 people, but 3 came");
        assert_incomplete(run("talks-on", 0), "follow the last record");
}

static void test_hang_after_done(void **state) {
        World *w = run("hangs-after-done", 0);

        (void) state;
        assert_int_equal(w->result.state, READ_COMPLETE);
        assert_true(w->duration < 10 * USEC_PER_SEC);
        finish(w);
}

static void test_unreachable(void **state) {
        World *w = run("unreachable", 0);

        (void) state;
        assert_int_equal(w->result.state, READ_UNREACHABLE);
        assert_int_equal(w->result.ldap_rc, 49);
        assert_string_equal(w->result.error, "ldaps://b: why");
        assert_string_equal(w->uri, "ldaps://b");
        finish(w);
}

static void test_no_program(void **state) {
        World *w = world("/nonexistent/idsyncd-directory");

        (void) state;
        start(w, "many");
        assert_int_equal(loop_run(w->loop), 0);
        assert_int_equal(w->done, 1);
        assert_int_equal(w->result.state, READ_UNREACHABLE);
        assert_non_null(strstr(w->result.error,
                               "/nonexistent/idsyncd-directory can't be started: No such file"));
        finish(w);
}

static void test_surroundings(void **state) {
        World *w = world("/proc/self/exe");
        int leak = dup(STDOUT_FILENO);
        sigset_t set, old;

        (void) state;
        (void) setenv("IDSYNC_TEST_MARK", "1", 1);
        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGTERM);
        (void) sigprocmask(SIG_BLOCK, &set, &old);
        start(w, "surroundings");
        assert_int_equal(loop_run(w->loop), 0);
        (void) sigprocmask(SIG_SETMASK, &old, NULL);
        (void) close(leak);
        (void) unsetenv("IDSYNC_TEST_MARK");
        assert_int_equal(w->result.state, READ_COMPLETE);
        /* The notice that came twice is passed on once. */
        assert_string_equal(w->notices, "files ok;signals ok;environment ok;secret ok;");
        finish(w);
}

static void test_server_is_remembered(void **state) {
        World *w = world("/proc/self/exe");

        (void) state;
        start(w, "first-uri");
        assert_int_equal(loop_run(w->loop), 0);
        assert_string_equal(w->notices, "first is 0;");
        w->done = 0;
        start(w, "first-uri");
        assert_int_equal(loop_run(w->loop), 0);
        assert_string_equal(w->notices, "first is 0;first is 1;");
        finish(w);
}

/* Again only after a read without it. */
static void test_notices_are_news(void **state) {
        static const char *const modes[] = {"surroundings", "surroundings", "unreachable", "surroundings"};
        static const size_t expected[] = {4, 4, 4, 8};
        World *w = world("/proc/self/exe");

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(modes); i++) {
                size_t n = 0;

                w->done = 0;
                start(w, modes[i]);
                assert_int_equal(loop_run(w->loop), 0);
                for (const char *p = w->notices; *p; p++)
                        n += *p == ';';
                assert_int_equal(n, expected[i]);
        }
        finish(w);
}

static void test_cancel(void **state) {
        World *w = world("/proc/self/exe");
        SourceHandler handler = {.person = on_person, .done = on_done, .userdata = w};
        SourceRead *second;

        (void) state;
        start(w, "silent");
        assert_int_equal(source_read_start(w->source, &w->config, NULL, &handler, &second), -EBUSY);
        assert_null(source_read_cancel(w->read));
        assert_null(source_read_cancel(NULL));
        w->cancel = true;
        start(w, "many");
        assert_int_equal(loop_run(w->loop), 7);
        assert_int_equal(w->people, 3);
        assert_int_equal(w->done, 0);
        start(w, "silent");
        finish(w);
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(test_complete),
                        cmocka_unit_test(test_slow_parent),
                        cmocka_unit_test(test_slow_reader_that_moves),
                        cmocka_unit_test(test_silence),
                        cmocka_unit_test(test_killed),
                        cmocka_unit_test(test_broken_off),
                        cmocka_unit_test(test_hang_after_done),
                        cmocka_unit_test(test_unreachable),
                        cmocka_unit_test(test_no_program),
                        cmocka_unit_test(test_surroundings),
                        cmocka_unit_test(test_server_is_remembered),
                        cmocka_unit_test(test_notices_are_news),
                        cmocka_unit_test(test_cancel),
        };

        if (argc == 3 && str_eq(argv[1], "--stream") && str_eq(argv[2], "3"))
                return fake_reader();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
