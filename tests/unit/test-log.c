/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <cmocka.h>

#include "base/log.h"

/* The journal's end: what the library would have been given. */
int sd_journal_sendv(const struct iovec *iov, int n);
static bool journal_runs = true;
static char sent[32][5000];
static int n_sent;

int sd_journal_sendv(const struct iovec *iov, int n) {
        assert_true(n <= (int) ELEMENTSOF(sent));
        n_sent = n;
        for (int i = 0; i < n; i++) {
                assert_true(iov[i].iov_len < sizeof(sent[i]));
                memcpy(sent[i], iov[i].iov_base, iov[i].iov_len);
                sent[i][iov[i].iov_len] = '\0';
        }
        return 0;
}

int access(const char *path, int mode _unused_) {
        if (strcmp(path, "/run/systemd/journal/socket") == 0 && journal_runs)
                return 0;
        errno = ENOENT;
        return -1;
}

static bool was_sent(const char *entry) {
        for (int i = 0; i < n_sent; i++)
                if (strcmp(sent[i], entry) == 0)
                        return true;
        return false;
}

static const char *capture(int priority, const LogFields *fields, const char *message) {
        static char text[16384];
        int fds[2], saved = dup(STDERR_FILENO);
        ssize_t n;

        assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
        (void) dup2(fds[1], STDERR_FILENO);
        errno = ENOENT;
        log_event(priority, fields, "%s", message);
        assert_int_equal(errno, ENOENT);
        (void) dup2(saved, STDERR_FILENO);
        n = read(fds[0], text, sizeof(text) - 1);
        text[n > 0 ? n : 0] = '\0';
        (void) close(saved);
        (void) close(fds[0]);
        (void) close(fds[1]);
        return text;
}

static void test_console(void **state) {
        const LogFields fields = {
                .message_id = MSGID_DEAD_LETTER, .target = "umbrella", .action = "create", .action_id = 17,
                .person = "3f2a", .account = "a@example.com", .outcome = "rejected", .http_status = 409,
                .attempt = 2, .duration = 1500000,
        };

        (void) state;
        log_setup(LOG_TARGET_CONSOLE, LOG_INFO);
        assert_string_equal(capture(LOG_WARNING, NULL, "Something."), "warning: Something.\n");
        assert_string_equal(capture(LOG_ERR, &fields, "The account was refused."),
                            "err: umbrella: The account was refused. [action=create id=17 person=3f2a "
                            "account=a@example.com outcome=rejected http=409 attempt=2 took=1.5s]\n");
        /* The target's name isn't said twice. */
        assert_string_equal(capture(LOG_INFO, &(LogFields){ .target = "umbrella" }, "umbrella: in step"),
                            "info: umbrella: in step\n");
        assert_string_equal(capture(LOG_INFO, &(LogFields){ .target = "umbrella" }, "umbrella-2 is there"),
                            "info: umbrella: umbrella-2 is there\n");
        assert_string_equal(capture(LOG_NOTICE, &(LogFields){ .has_ldap_rc = true, .cycle = 3 }, "x"),
                            "notice: x [cycle=3 ldap=0]\n");
        assert_string_equal(
                        capture(LOG_CRIT, &(LogFields){.ldap_rc = -1, .plan = "abc", .remote_id = "9"}, "x"),
                        "crit: x [remote_id=9 ldap=-1 plan=abc]\n");
}

static void test_level(void **state) {
        (void) state;
        log_setup(LOG_TARGET_CONSOLE, LOG_WARNING);
        assert_string_equal(capture(LOG_NOTICE, NULL, "hidden"), "");
        assert_string_equal(capture(LOG_WARNING, NULL, "shown"), "warning: shown\n");
        assert_string_equal(capture(99, NULL, "nonsense"), "");
        assert_string_equal(capture(-1, NULL, "nonsense"), "");
        log_setup(LOG_TARGET_CONSOLE, LOG_DEBUG);
        assert_string_equal(capture(LOG_DEBUG, NULL, "shown"), "debug: shown\n");
        assert_int_equal(log_level_from_string("debug"), LOG_DEBUG);
        assert_int_equal(log_level_from_string("err"), LOG_ERR);
        assert_int_equal(log_level_from_string("crit"), LOG_CRIT);
        assert_int_equal(log_level_from_string("loud"), -EINVAL);
        assert_int_equal(log_level_from_string(""), -EINVAL);
}

static void test_control_characters(void **state) {
        const char *text;

        (void) state;
        log_setup(LOG_TARGET_CONSOLE, LOG_INFO);
        text = capture(LOG_INFO, &(LogFields){ .person = "x\ny" }, "a\nwarning: forged\x1b[31m");
        /* One line whatever the directory or an API put in. */
        assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
        assert_null(strchr(text, '\x1b'));
        assert_non_null(strstr(text, "person=x\\x0ay"));
}

static void test_long(void **state) {
        char message[9000], value[3000];
        const char *text;

        (void) state;
        memset(message, 'm', sizeof(message) - 1);
        message[sizeof(message) - 1] = '\0';
        memset(value, 'v', sizeof(value) - 1);
        value[sizeof(value) - 1] = '\0';
        log_setup(LOG_TARGET_CONSOLE, LOG_INFO);
        text = capture(LOG_INFO,
                       &(LogFields){ .target = value, .action = value, .person = value, .account = value,
                                     .remote_id = value, .outcome = value, .plan = value },
                       message);
        assert_in_range(strlen(text), 4000, 7000);
        assert_int_equal(text[strlen(text) - 1], '\n');
}

static void test_journal(void **state) {
        const LogFields fields = {
                        .message_id = MSGID_PLAN_HELD,
                        .target = "umbrella",
                        .action = "create",
                        .action_id = 17,
                        .cycle = 4,
                        .person = "3f2a",
                        .account = "a@example.com",
                        .remote_id = "99",
                        .outcome = "uncertain",
                        .http_status = 502,
                        .ldap_rc = 49,
                        .attempt = 2,
                        .duration = 1234,
                        .plan = "0123456789ab",
        };
        static const char *const expected[] = {
                        "MESSAGE=umbrella: The plan is held.",
                        "PRIORITY=5",
                        ("MESSAGE_ID=" MSGID_PLAN_HELD),
                        "IDSYNC_TARGET=umbrella",
                        "IDSYNC_ACTION=create",
                        "IDSYNC_ACTION_ID=17",
                        "IDSYNC_CYCLE=4",
                        "IDSYNC_PERSON=3f2a",
                        "IDSYNC_ACCOUNT=a@example.com",
                        "IDSYNC_REMOTE_ID=99",
                        "IDSYNC_OUTCOME=uncertain",
                        "IDSYNC_HTTP_STATUS=502",
                        "IDSYNC_LDAP_RC=49",
                        "IDSYNC_ATTEMPT=2",
                        "IDSYNC_DURATION_USEC=1234",
                        "IDSYNC_PLAN=0123456789ab",
        };

        (void) state;
        log_setup(LOG_TARGET_JOURNAL, LOG_INFO);
        assert_string_equal(capture(LOG_NOTICE, &fields, "The plan is held."), "");
        assert_int_equal(n_sent, ELEMENTSOF(expected));
        for (size_t i = 0; i < ELEMENTSOF(expected); i++)
                if (!was_sent(expected[i]))
                        fail_msg("not sent: %s", expected[i]);
        (void) capture(LOG_NOTICE, NULL, "Nothing but this.");
        assert_int_equal(n_sent, 2);

        /* Lines must not vanish where no journal runs. */
        journal_runs = false;
        log_setup(LOG_TARGET_JOURNAL, LOG_INFO);
        journal_runs = true;
        n_sent = -1;
        assert_string_equal(capture(LOG_INFO, NULL, "x"), "info: x\n");
        assert_int_equal(n_sent, -1);
}

static void test_auto(void **state) {
        char stream[64];
        int fds[2], saved = dup(STDERR_FILENO);
        struct stat st;

        (void) state;
        assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
        assert_int_equal(fstat(fds[1], &st), 0);
        (void) snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t) st.st_dev, (uintmax_t) st.st_ino + 1);
        (void) setenv("JOURNAL_STREAM", stream, 1);
        (void) dup2(fds[1], STDERR_FILENO);
        n_sent = -1;
        log_setup(LOG_TARGET_AUTO, LOG_INFO);
        log_notice("to the console, the stream is another");
        assert_int_equal(n_sent, -1);
        (void) snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t) st.st_dev, (uintmax_t) st.st_ino);
        (void) setenv("JOURNAL_STREAM", stream, 1);
        log_setup(LOG_TARGET_AUTO, LOG_INFO);
        log_notice("to the journal");
        assert_int_equal(n_sent, 2);
        (void) unsetenv("JOURNAL_STREAM");
        (void) dup2(saved, STDERR_FILENO);
        (void) close(saved);
        (void) close(fds[0]);
        (void) close(fds[1]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_console),
                cmocka_unit_test(test_level),
                cmocka_unit_test(test_control_characters),
                cmocka_unit_test(test_long),
                cmocka_unit_test(test_journal),
                cmocka_unit_test(test_auto),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
