/* SPDX-License-Identifier: Apache-2.0 */
/* A read's life: start (settings go out) → records come, 64 a turn → end of file → the process is reaped
 * → done.
 *
 * Whatever goes wrong on the way is written down once (fail()), the reader is killed, and the read ends
 * by the same path: so there is one place where a result is made, and it says "complete" only if nothing
 * was written down and the reader's last record said so.
 *
 * While records are worked off, the socket isn't watched and the clock of the reader's silence stands
 * still. */
#include "directory/source.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "directory/child.h"
#include "directory/stream.h"

#define RECORDS_PER_TURN 64
#define EXIT_GRACE (2 * USEC_PER_SEC)
#define NOTICES_MAX 32

typedef struct Notices {
        char *texts[NOTICES_MAX];
        size_t n;
} Notices;

struct Source {
        Loop *loop;
        char *program;
        SourceRead *read;
        size_t first_uri;
        Notices before, now; /* of the read before and of this one */
};

struct SourceRead {
        Source *source;
        Config *config;
        SourceHandler handler;
        int fd;
        LoopIo *io;
        LoopTask *task;
        LoopTimer *timer;
        Child *child;
        StreamBuffer out; /* settings, until they are sent */
        size_t sent;
        StreamDecoder *decoder;
        usec_t started;
        uint64_t delivered;
        ReadResult result;
        GroupResult *groups;
        bool has_done, has_failed, has_ended; /* the done record came; fail() was called; no more bytes */
        bool has_exited;
        int status;
        bool dispatching, cancelled;
};

static usec_t monotonic_now(void) {
        struct timespec ts = {0};

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (usec_t) ts.tv_sec * USEC_PER_SEC + (usec_t) ts.tv_nsec / 1000;
}

static SourceRead *read_free(SourceRead *read) {
        if (!read)
                return NULL;
        (void) child_free(read->child);
        (void) loop_io_free(read->io);
        (void) loop_task_free(read->task);
        (void) loop_timer_free(read->timer);
        closep(&read->fd);
        stream_buffer_deinit(&read->out);
        (void) stream_decoder_free(read->decoder);
        (void) config_unref(read->config);
        free(read->groups);
        free(read);
        return NULL;
}

DEFINE_CLEANUP(SourceRead *, read_free);

/* The first reason stands. */
static void fail(SourceRead *read, ReadState state, const char *format, ...) _printf_(3, 4);
static void fail(SourceRead *read, ReadState state, const char *format, ...) {
        va_list args;

        if (read->has_failed)
                return;
        va_start(args, format);
        (void) vsnprintf(read->result.error, sizeof(read->result.error), format, args);
        va_end(args);
        read->result.state = state;
        read->result.ldap_rc = 0;
        read->result.groups = NULL;
        read->has_failed = true;
}

static void conclude(SourceRead *read) {
        char how[CHILD_DESCRIPTION_MAX];

        if (!read->has_done)
                fail(read, READ_INCOMPLETE,
                     "the directory reader %s before it was done: nothing is concluded from this read",
                     child_describe(read->status, how));
        if (read->has_done && read->result.people != read->delivered)
                fail(read, READ_INCOMPLETE,
                     "the directory reader speaks of %" PRIu64 " people, but %" PRIu64 " came",
                     read->result.people, read->delivered);
        read->result.people = read->delivered;
        read->result.duration = usec_sub(monotonic_now(), read->started);
}

/* Lost, silent, busy (51), unavailable (52): another server may do better. */
static bool is_fault_of_server(int ldap_rc) {
        return ldap_rc < 0 || ldap_rc == 51 || ldap_rc == 52;
}

/* Last: frees read. */
static void finish(SourceRead *read) {
        Source *source = read->source;

        conclude(read);
        if (read->result.state == READ_INCOMPLETE && read->has_done && !read->has_failed &&
            is_fault_of_server(read->result.ldap_rc))
                source->first_uri = (source->first_uri + 1) % read->config->directory.n_uris;
        source->read = NULL;
        read->io = loop_io_free(read->io);
        read->timer = loop_timer_free(read->timer);
        read->handler.done(&read->result, read->handler.userdata);
        (void) read_free(read);
}

/* No more bytes will be taken; the read is over when the process is. */
static void end(SourceRead *read) {
        read->has_ended = true;
        read->io = loop_io_free(read->io);
        loop_task_stop(read->task);
        closep(&read->fd);
        if (read->has_failed && read->child)
                child_kill(read->child);
        if (read->has_exited || !read->child)
                finish(read);
        else
                loop_timer_at(read->timer, usec_add(monotonic_now(), EXIT_GRACE));
}

static void on_exit_of_child(int status, void *userdata) {
        SourceRead *read = userdata;

        read->has_exited = true;
        read->status = status;
        if (read->has_ended)
                finish(read);
}

static void on_timer(void *userdata) {
        SourceRead *read = userdata;
        char span[USEC_FORMAT_MAX];
        struct pollfd p = {.fd = read->fd, .events = POLLIN};

        if (read->has_ended) {
                /* It closed its end and hangs. */
                child_kill(read->child);
                return;
        }
        if (poll(&p, 1, 0) > 0) {
                loop_timer_at(read->timer, usec_add(monotonic_now(), read->config->directory.poll_timeout));
                return;
        }
        fail(read, READ_INCOMPLETE,
             "the directory reader said nothing for %s and was stopped: the server doesn't answer, or "
             "directory.poll_timeout is too short",
             usec_format(read->config->directory.poll_timeout, span));
        end(read);
}

static void on_io(int fd, uint32_t events, void *userdata);

/* Waits for the reader; from here on its silence counts. */
static void wait_for_bytes(SourceRead *read) {
        uint32_t events = EPOLLIN | (read->sent < read->out.len ? EPOLLOUT : 0);
        int r;

        r = loop_io_new(read->source->loop, read->fd, events, "directory-reader", on_io, read, &read->io);
        if (r < 0) {
                fail(read, READ_INCOMPLETE, "the directory reader can't be listened to: %s",
                     strerrordesc_np(-r));
                end(read);
                return;
        }
        loop_timer_at(read->timer, usec_add(monotonic_now(), read->config->directory.poll_timeout));
}

static void take_done(SourceRead *read, const StreamDone *done) {
        ReadResult *result = &read->result;
        const DirectoryConfig *directory = &read->config->directory;

        result->state = done->state == STREAM_COMPLETE      ? READ_COMPLETE
                        : done->state == STREAM_UNREACHABLE ? READ_UNREACHABLE
                                                            : READ_INCOMPLETE;
        result->ldap_rc = done->ldap_rc;
        (void) snprintf(result->error, sizeof(result->error), "%s", done->error);
        result->people = done->people;
        result->without_id = done->without_id;
        result->referrals = done->referrals;
        result->canaries_missing = done->canaries_missing;
        result->certificate_end = done->certificate_end;
        if (done->uri < directory->n_uris) {
                result->uri = directory->uris[done->uri];
                if (done->state != STREAM_UNREACHABLE)
                        read->source->first_uri = done->uri;
        }
        for (size_t i = 0; i < done->n_groups; i++)
                read->groups[i] = (GroupResult){done->groups[i].found, done->groups[i].members};
        if (result->state == READ_COMPLETE)
                result->groups = read->groups;
        read->has_done = true;
}

static bool notices_have(const Notices *notices, const char *text) {
        for (size_t i = 0; i < notices->n; i++)
                if (str_eq(notices->texts[i], text))
                        return true;
        return false;
}

static void notices_clear(Notices *notices) {
        while (notices->n > 0)
                free(notices->texts[--notices->n]);
}

/* What was said in the read before isn't news. */
static void pass_notice(SourceRead *read, int priority, const char *text) {
        Source *source = read->source;
        Notices *now = &source->now;
        bool is_news = !notices_have(&source->before, text);

        if (notices_have(now, text) || now->n == NOTICES_MAX)
                return;
        now->texts[now->n] = strdup(text);
        if (now->texts[now->n])
                now->n++;
        if (is_news && read->handler.notice)
                read->handler.notice(priority, text, read->handler.userdata);
}

static void take_record(SourceRead *read, const StreamRecord *record) {
        if (record->type == STREAM_PERSON) {
                read->delivered++;
                read->handler.person(&record->person, read->handler.userdata);
        } else if (record->type == STREAM_NOTICE)
                pass_notice(read, record->notice.priority, record->notice.text);
        else if (record->type == STREAM_DONE)
                take_done(read, &record->done);
}

/* Up to 64 records. 0: there may be more; STREAM_E_MORE: bytes are missing; negative: broken, cancelled. */
static int take_records(SourceRead *read) {
        StreamRecord record;
        ErrCtx err = {0};
        int r;

        for (size_t i = 0; i < RECORDS_PER_TURN; i++) {
                r = stream_decoder_next(read->decoder, &record, &err);
                if (r == STREAM_E_MORE)
                        return r;
                if (r != 0) {
                        fail(read, READ_INCOMPLETE, "the directory reader's answer can't be understood: %s",
                             r < 0 ? strerrordesc_np(-r) : err.text);
                        return -EBADMSG;
                }
                read->dispatching = true;
                take_record(read, &record);
                read->dispatching = false;
                if (read->cancelled)
                        return -ECANCELED;
        }
        return 0;
}

/* 0: bytes came; STREAM_E_MORE: none yet; -ENODATA: and none will come. */
static int receive(SourceRead *read) {
        void *room;
        size_t size;
        ssize_t n;
        int r;

        r = stream_decoder_room(read->decoder, &room, &size);
        if (r < 0) {
                fail(read, READ_INCOMPLETE, "memory is short");
                return r;
        }
        n = recv(read->fd, room, size, MSG_DONTWAIT);
        if (n > 0) {
                stream_decoder_fed(read->decoder, (size_t) n);
                return 0;
        }
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return STREAM_E_MORE;
        if (n == 0 && stream_decoder_has_rest(read->decoder))
                fail(read, READ_INCOMPLETE, "the directory reader broke off inside a record");
        return -ENODATA;
}

static void on_task(void *userdata) {
        SourceRead *read = userdata;
        int r;

        r = take_records(read);
        if (r == -ECANCELED) {
                (void) read_free(read);
                return;
        }
        if (r == STREAM_E_MORE)
                r = receive(read);
        if (r < 0)
                end(read);
        else if (r == 0)
                loop_task_arm(read->task);
        else
                wait_for_bytes(read);
}

static void send_settings(SourceRead *read) {
        ssize_t n;

        n = send(read->fd, read->out.data + read->sent, read->out.len - read->sent,
                 MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0)
                read->sent += (size_t) n;
        else if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        else
                read->sent = read->out.len; /* it is gone: end of file tells the rest */
        if (read->sent < read->out.len)
                return;
        stream_buffer_deinit(&read->out);
        read->sent = 0;
        (void) loop_io_set_events(read->io, EPOLLIN);
}

static void on_io(int fd _unused_, uint32_t events, void *userdata) {
        SourceRead *read = userdata;

        if (events & EPOLLOUT && read->out.len > 0)
                send_settings(read);
        if ((events & ~(uint32_t) EPOLLOUT) == 0)
                return;
        /* A hang-up would be reported again and again before any slice has its turn. */
        read->io = loop_io_free(read->io);
        loop_timer_stop(read->timer);
        loop_task_arm(read->task);
}

static int encode_settings(SourceRead *read, const Secret *secret) {
        const Config *config = read->config;
        StreamSettings settings = {
                        .directory = &config->directory,
                        .groups = config->groups,
                        .n_groups = config->n_groups,
                        .first_uri = read->source->first_uri % config->directory.n_uris,
                        .secret = secret,
        };

        (void) stream_put_preamble(&read->out);
        return stream_put_settings(&read->out, &settings);
}

static int prepare(SourceRead *read, const Secret *secret) {
        Loop *loop = read->source->loop;
        int r;

        r = encode_settings(read, secret);
        if (r < 0)
                return r;
        read->decoder = stream_decoder_new(STREAM_FROM_READER, read->config->n_groups);
        read->groups = calloc(read->config->n_groups + 1, sizeof(*read->groups));
        if (!read->decoder || !read->groups)
                return -ENOMEM;
        r = loop_task_new(loop, LOOP_SLICE, "directory-records", on_task, read, &read->task);
        if (r < 0)
                return r;
        return loop_timer_new(loop, LOOP_TIMER, "directory-silence", on_timer, read, &read->timer);
}

static int start_reader(SourceRead *read) {
        static char name[] = "idsyncd-directory", option[] = "--stream", descriptor[] = "3";
        char *argv[] = {name, option, descriptor, NULL};
        _cleanup_(closep) int theirs = -1;
        int r, pair[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        read->fd = pair[0];
        theirs = pair[1];
        r = child_start(read->source->loop, read->source->program, argv, theirs, on_exit_of_child, read,
                        &read->child);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                fail(read, READ_UNREACHABLE, "%s can't be started: %s", read->source->program,
                     strerrordesc_np(-r));
                closep(&read->fd);
        }
        return 0;
}

/* Of a read that failed before it began: done comes in a later turn. */
static void on_stillborn(void *userdata) {
        end(userdata);
}

int source_read_start(Source *source, const Config *config, const Secret *bind_secret,
                      const SourceHandler *handler, SourceRead **ret) {
        _cleanup_(read_freep) SourceRead *read = NULL;
        int r;

        if (source->read)
                return -EBUSY;
        read = calloc(1, sizeof(*read));
        if (!read)
                return -ENOMEM;
        *read = (SourceRead){.source = source, .handler = *handler, .fd = -1, .started = monotonic_now()};
        read->config = config_ref((Config *) config);
        read->result.uri = config->directory.uris[source->first_uri % config->directory.n_uris];
        r = prepare(read, bind_secret);
        if (r < 0)
                return r;
        r = start_reader(read);
        if (r < 0)
                return r;
        if (read->child)
                wait_for_bytes(read);
        if (!read->io) {
                read->task = loop_task_free(read->task);
                r = loop_task_new(source->loop, LOOP_SLICE, "directory-stillborn", on_stillborn, read,
                                  &read->task);
                if (r < 0)
                        return r;
                loop_task_arm(read->task);
        }
        notices_clear(&source->before);
        source->before = source->now;
        source->now = (Notices){0};
        source->read = read;
        *ret = TAKE(read);
        return 0;
}

SourceRead *source_read_cancel(SourceRead *read) {
        if (!read)
                return NULL;
        read->source->read = NULL;
        if (read->dispatching) {
                read->child = child_free(read->child);
                read->cancelled = true;
                return NULL;
        }
        return read_free(read);
}

int source_new(Loop *loop, const char *program, Source **ret) {
        _cleanup_(source_freep) Source *source = NULL;

        source = calloc(1, sizeof(*source));
        if (!source)
                return -ENOMEM;
        source->loop = loop;
        source->program = strdup(program);
        if (!source->program)
                return -ENOMEM;
        *ret = TAKE(source);
        return 0;
}

Source *source_free(Source *source) {
        if (!source)
                return NULL;
        (void) source_read_cancel(source->read);
        notices_clear(&source->before);
        notices_clear(&source->now);
        free(source->program);
        free(source);
        return NULL;
}
