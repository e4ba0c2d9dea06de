/* SPDX-License-Identifier: Apache-2.0 */
#include "reader/output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <syslog.h>

#define HOLD_BACK ((size_t) 32 << 10)
#define TEXT_MAX 1024

struct Output {
        int fd; /* -1: text */
        StreamBuffer buffer;
        FILE *records, *notices;
        char *const *groups;
        size_t n_groups;
        uint64_t people;
        char error[TEXT_MAX];           /* of the done record, made readable */
};

Output *output_new_stream(int fd, size_t n_groups) {
        Output *out = calloc(1, sizeof(*out));

        if (!out)
                return NULL;
        *out = (Output){.fd = fd, .n_groups = n_groups};
        if (stream_put_preamble(&out->buffer) < 0)
                return output_free(out);
        return out;
}

Output *output_new_text(FILE *records, FILE *notices, char *const *groups, size_t n_groups) {
        Output *out = calloc(1, sizeof(*out));

        if (out)
                *out = (Output){.fd = -1,
                                .records = records,
                                .notices = notices,
                                .groups = groups,
                                .n_groups = n_groups};
        return out;
}

Output *output_free(Output *out) {
        if (!out)
                return NULL;
        stream_buffer_deinit(&out->buffer);
        free(out);
        return NULL;
}

static int flush(Output *out) {
        size_t sent = 0;
        ssize_t n;

        while (sent < out->buffer.len) {
                n = send(out->fd, out->buffer.data + sent, out->buffer.len - sent, MSG_NOSIGNAL);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == ECONNRESET ? -EPIPE : -errno;
                sent += (size_t) n;
        }
        out->buffer.len = 0;
        return 0;
}

/* Servers may say anything in their diagnostic messages. */
static const char *readable(const char *text, char buf[static TEXT_MAX]) {
        size_t len = strnlen(text, TEXT_MAX - 1);

        while (len > 0 && text[len - 1] == '\n')
                len--;
        for (size_t i = 0; i < len; i++)
                buf[i] = text[i];
        buf[len] = '\0';
        if (!utf8_is_valid(buf, len))
                for (size_t i = 0; i < len; i++)
                        if ((unsigned char) buf[i] >= 0x80)
                                buf[i] = '?';
        return buf;
}

static void write_line(FILE *f, const char *name, const char *value) {
        char printable[4 * STREAM_DN_MAX];

        if (value)
                (void) fprintf(f, "%s: %s\n", name, str_printable(value, printable, sizeof(printable)));
}

/* "way: outer > middle > inner": a group that the person is in, down to the one that names the person. */
static int write_ways(FILE *f, const char *ways) {
        _cleanup_(strbuf_deinit) StrBuf line = STRBUF_INIT(4 * PERSON_WAYS_MAX);

        for (const char *c = ways; c && *c; c++) {
                if (*c == '\t')
                        strbuf_puts(&line, " > ");
                else if (*c != '\n')
                        strbuf_putc(&line, *c);
                if (c[1] != '\0' && *c != '\n')
                        continue;
                if (line.error)
                        return line.error;
                write_line(f, "way", line.data);
                strbuf_reset(&line);
        }
        return 0;
}

static int write_person(Output *out, const Person *p) {
        static const char *const names[_PERSON_FIELD_MAX] = {
                        [PERSON_LOGIN] = "login",           [PERSON_EMAIL] = "email",
                        [PERSON_FIRST_NAME] = "first_name", [PERSON_LAST_NAME] = "last_name",
                        [PERSON_TIMEZONE] = "timezone",     [PERSON_EMPLOYEE_NUMBER] = "employee_number",
        };
        int r;

        write_line(out->records, "dn", p->dn);
        write_line(out->records, "id", p->id);
        for (size_t i = 0; i < _PERSON_FIELD_MAX; i++) {
                write_line(out->records, names[i], p->field[i]);
                if (p->unreadable >> i & 1)
                        write_line(out->records, "unreadable", names[i]);
        }
        if (p->disabled)
                write_line(out->records, "disabled", "yes");
        write_line(out->records, "password_reset", p->signal);
        for (size_t i = 0; i < out->n_groups; i++)
                if (marks_test(p->marks, i))
                        write_line(out->records, "group", out->groups[i]);
        r = write_ways(out->records, p->ways);
        if (r < 0)
                return r;
        return fputc('\n', out->records) == EOF ? -EPIPE : 0;
}

int output_person(Output *out, const Person *person) {
        int r;

        out->people++;
        if (out->fd < 0)
                return write_person(out, person);
        r = stream_put_person(&out->buffer, person, out->n_groups);
        if (r < 0)
                return r;
        return out->buffer.len >= HOLD_BACK ? flush(out) : 0;
}

int output_progress(Output *out) {
        int r;

        if (out->fd < 0)
                return 0;
        r = stream_put_progress(&out->buffer, out->people);
        return r < 0 ? r : flush(out);
}

int output_notice(Output *out, int priority, const char *format, ...) {
        char text[TEXT_MAX], clean[TEXT_MAX], printable[4 * TEXT_MAX];
        va_list args;
        int r;

        va_start(args, format);
        (void) vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        (void) readable(text, clean);
        if (out->fd < 0) {
                (void) fprintf(out->notices, "%s: %s\n", priority <= LOG_WARNING ? "warning" : "notice",
                               str_printable(clean, printable, sizeof(printable)));
                return 0;
        }
        r = stream_put_notice(&out->buffer, priority, clean);
        return r < 0 ? r : flush(out);
}

int output_done(Output *out, StreamDone *done) {
        int r;

        done->people = out->people;
        done->error = readable(done->error, out->error);
        if (out->fd < 0)
                return fflush(out->records) == EOF ? -EPIPE : 0;
        r = stream_put_done(&out->buffer, done);
        return r < 0 ? r : flush(out);
}
