/* SPDX-License-Identifier: Apache-2.0 */
/* One record is either a set of journal fields or one readable line, made from the same list of fields. */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "base/strings.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define MESSAGE_SIZE 4096
#define VALUE_SIZE 512

static LogTarget log_target = LOG_TARGET_CONSOLE;
static int log_max = LOG_INFO;

static const char *const priority_names[] = {
        [LOG_EMERG] = "emerg",     [LOG_ALERT] = "alert",   [LOG_CRIT] = "crit", [LOG_ERR] = "err",
        [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice", [LOG_INFO] = "info", [LOG_DEBUG] = "debug",
};

/* systemd.exec(5), $JOURNAL_STREAM: device and inode of the stream that standard error was connected to. */
static bool stderr_is_journal(void) {
        const char *stream = secure_getenv("JOURNAL_STREAM");
        char actual[64];
        struct stat st;

        if (!stream || fstat(STDERR_FILENO, &st) < 0)
                return false;
        (void) snprintf(actual, sizeof(actual), "%ju:%ju", (uintmax_t) st.st_dev, (uintmax_t) st.st_ino);
        return str_eq(stream, actual);
}

void log_setup(LogTarget target, int max_priority) {
        if (target == LOG_TARGET_AUTO)
                target = stderr_is_journal() ? LOG_TARGET_JOURNAL : LOG_TARGET_CONSOLE;
        /* Without a journal its library drops everything in silence. */
        if (target == LOG_TARGET_JOURNAL && access(JOURNAL_SOCKET, W_OK) < 0)
                target = LOG_TARGET_CONSOLE;
        log_target = target;
        log_max = max_priority;
}

int log_level_from_string(const char *name) {
        for (int i = LOG_CRIT; i <= LOG_DEBUG; i++)
                if (str_eq(name, priority_names[i]))
                        return i;
        return -EINVAL;
}

/* One record on its way: the journal's entries, and beside them the readable ones. */
typedef struct Record {
        struct iovec iov[20];
        int n;
        char text[18][VALUE_SIZE];
        int n_text;
        char readable[2048];
        size_t readable_len;
} Record;

static void add_readable(Record *rec, const char *name, const char *value) {
        size_t room = sizeof(rec->readable) - rec->readable_len;
        int n;

        n = snprintf(rec->readable + rec->readable_len, room, "%s%s=%s", rec->readable_len > 0 ? " " : "",
                     name, value);
        if (n > 0 && (size_t) n < room)
                rec->readable_len += (size_t) n;
        else
                rec->readable[rec->readable_len] = '\0';
}

/* `name` is the readable one, NULL to leave it out of readable lines. */
static void add(Record *rec, const char *field, const char *name, const char *value) {
        char *text;
        size_t used;

        if (!value || !*value)
                return;
        text = rec->text[rec->n_text++];
        used = (size_t) snprintf(text, VALUE_SIZE, "%s=", field);
        (void) str_printable(value, text + used, VALUE_SIZE - used);
        rec->iov[rec->n++] = (struct iovec){ text, strlen(text) };
        if (name)
                add_readable(rec, name, text + used);
}

static void add_number(Record *rec, const char *field, const char *name, int64_t value) {
        char number[32];

        (void) snprintf(number, sizeof(number), "%" PRId64, value);
        add(rec, field, name, number);
}

static void add_duration(Record *rec, usec_t duration) {
        char span[USEC_FORMAT_MAX], number[32];

        (void) snprintf(number, sizeof(number), "%" PRIu64, duration);
        add(rec, "IDSYNC_DURATION_USEC", NULL, number);
        add_readable(rec, "took", usec_format(duration, span));
}

static void add_fields(Record *rec, const LogFields *f) {
        add(rec, "MESSAGE_ID", NULL, f->message_id);
        add(rec, "IDSYNC_TARGET", NULL, f->target);
        add(rec, "IDSYNC_ACTION", "action", f->action);
        if (f->action_id != 0)
                add_number(rec, "IDSYNC_ACTION_ID", "id", f->action_id);
        if (f->cycle != 0)
                add_number(rec, "IDSYNC_CYCLE", "cycle", f->cycle);
        add(rec, "IDSYNC_PERSON", "person", f->person);
        add(rec, "IDSYNC_ACCOUNT", "account", f->account);
        add(rec, "IDSYNC_REMOTE_ID", "remote_id", f->remote_id);
        add(rec, "IDSYNC_OUTCOME", "outcome", f->outcome);
        if (f->http_status != 0)
                add_number(rec, "IDSYNC_HTTP_STATUS", "http", f->http_status);
        if (f->has_ldap_rc || f->ldap_rc != 0)
                add_number(rec, "IDSYNC_LDAP_RC", "ldap", f->ldap_rc);
        if (f->attempt != 0)
                add_number(rec, "IDSYNC_ATTEMPT", "attempt", f->attempt);
        if (f->duration != 0)
                add_duration(rec, f->duration);
        add(rec, "IDSYNC_PLAN", "plan", f->plan);
}

static void write_console(int priority, const char *message, const Record *rec) {
        char line[sizeof("warning: ") + MESSAGE_SIZE + sizeof(rec->readable) + 8];
        const char *p = line;
        int n;
        size_t left;

        if (rec->readable_len > 0)
                n = snprintf(line, sizeof(line), "%s: %s [%s]\n", priority_names[priority], message,
                             rec->readable);
        else
                n = snprintf(line, sizeof(line), "%s: %s\n", priority_names[priority], message);
        left = n < 0 ? 0 : (size_t) n;
        while (left > 0) {
                ssize_t done = write(STDERR_FILENO, p, left);

                if (done < 0 && errno == EINTR)
                        continue;
                if (done <= 0)
                        return; /* nowhere to complain to */
                p += done;
                left -= (size_t) done;
        }
}

static void write_journal(int priority, const char *message, Record *rec) {
        char text[sizeof("MESSAGE=") + MESSAGE_SIZE], level[sizeof("PRIORITY=7")];

        (void) snprintf(text, sizeof(text), "MESSAGE=%s", message);
        (void) snprintf(level, sizeof(level), "PRIORITY=%d", priority);
        rec->iov[rec->n++] = (struct iovec){ text, strlen(text) };
        rec->iov[rec->n++] = (struct iovec){ level, strlen(level) };
        (void) sd_journal_sendv(rec->iov, rec->n);
}

static size_t format_prefix(char buf[static MESSAGE_SIZE], const LogFields *fields) {
        int n;

        if (!fields || str_empty(fields->target))
                return 0;
        n = snprintf(buf, VALUE_SIZE, "%s: ", fields->target);
        return n > 0 && n < VALUE_SIZE ? (size_t) n : 0;
}

void log_event(int priority, const LogFields *fields, const char *format, ...) {
        char raw[MESSAGE_SIZE], message[MESSAGE_SIZE];
        Record rec = { .n = 0 };
        int saved = errno;
        size_t prefix;
        const char *text = raw;
        va_list ap;

        if (priority < LOG_EMERG || priority > LOG_DEBUG || priority > log_max)
                return;
        /* "TARGET: " in front, unless the message says so itself: journalctl shows nothing but the message.
         */
        prefix = format_prefix(raw, fields);
        va_start(ap, format);
        (void) vsnprintf(raw + prefix, sizeof(raw) - prefix, format, ap);
        va_end(ap);
        if (prefix > 0 && strncmp(raw + prefix, raw, prefix - 1) == 0)
                text += prefix;
        (void) str_printable(text, message, sizeof(message));

        if (fields)
                add_fields(&rec, fields);
        if (log_target == LOG_TARGET_JOURNAL)
                write_journal(priority, message, &rec);
        else
                write_console(priority, message, &rec);
        errno = saved;
}
