/* SPDX-License-Identifier: Apache-2.0 */
/* The changing half: for root alone. The policy of the bus says so too, but a daemon doesn't lean on a file
 * that somebody may
 * have edited. The bus is asked for the caller's uid without waiting for its answer. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/log.h"
#include "model/plan-file.h"
#include "service/bus-internal.h"
#include "sync/operate.h"

/* An approval is answered when it was judged, or then: bus clients give up after 25 s. */
#define ANSWER_WITHIN (15 * USEC_PER_SEC)

/* Answers the message; negative: an error reply is sent. */
typedef int (*control_fn)(ControlCall *call, sd_bus_error *error);

struct ControlCall {
        TAILQ_ENTRY(ControlCall) link;
        Bus *bus;
        sd_bus_message *message;
        sd_bus_slot *slot;              /* of the question who the caller is */
        control_fn fn;
        /* an approval, or a file, that is being judged */
        char *target, *hash;            /* NULL: none */
        usec_t until;                   /* monotonic */
};

static void call_free(ControlCall *call) {
        TAILQ_REMOVE(&call->bus->calls, call, link);
        sd_bus_slot_unref(call->slot);
        sd_bus_message_unref(call->message);
        free(call->target);
        free(call->hash);
        free(call);
}

void bus_control_cancel(Bus *b) {
        while (!TAILQ_EMPTY(&b->calls))
                call_free(TAILQ_FIRST(&b->calls));
}

/* ---- answers ---- */

static int answer(sd_bus_message *m, const ErrCtx *text) {
        _cleanup_(strbuf_deinit) StrBuf out = STRBUF_INIT(4096);

        strbuf_puts(&out, "{\"version\":1,\"message\":");
        strbuf_json(&out, text->text);
        strbuf_putc(&out, '}');
        return out.error < 0 ? out.error : sd_bus_reply_method_return(m, "s", out.data);
}

static int finish(ControlCall *call, int r, const ErrCtx *text, sd_bus_error *error) {
        if (r == OPERATE_E_STALE)
                return sd_bus_error_set(error, BUS_E_STALE, text->text);
        if (r != 0)
                return bus_fail(call->bus, r, text, error);
        return answer(call->message, text);
}

static Operate operate_of(const Bus *b) {
        View v;

        b->hooks.view(&v, b->hooks.userdata);
        return (Operate){ .engine = v.engine, .store = v.store, .loop = v.loop };
}

static const char *first_text(sd_bus_message *m) {
        const char *text = NULL;

        return sd_bus_message_read(m, "s", &text) < 0 ? NULL : text;
}

/* ---- approvals ---- */

static int end_approval(ControlCall *call) {
        const Operate o = operate_of(call->bus);
        const Remote *remote = engine_find_remote(o.engine, call->target);
        const RemoteReport *report = remote ? remote_report(remote) : NULL;
        ErrCtx text = { 0 };

        /* What the report says of an earlier judgement is no answer. */
        if (remote && (remote_is_asked_again(remote) || remote_is_busy(remote)))
                report = NULL;
        if (report && approval_was_used(&report->approved, call->hash)) {
                (void) err_set(&text, 0, 0, "plan %s of %s goes ahead", call->hash, call->target);
                return answer(call->message, &text);
        }
        if (report && str_eq(report->stale, call->hash))
                return sd_bus_reply_method_errorf(
                                call->message, BUS_E_STALE,
                                "plan %s of %s is stale: nothing was done%s%s; %s%s", call->hash,
                                call->target, *report->unfit ? ": " : "", report->unfit,
                                report->held ? "held now: " : "no plan is held",
                                report->held ? report->held->hash : "");
        if (loop_now(call->bus->loop) < call->until)
                return 0;
        (void) err_set(&text, 0, 0,
                       "plan %s of %s is approved, and goes when directory and target are compared next",
                       call->hash, call->target);
        return answer(call->message, &text);
}

void bus_control_answer(Bus *b) {
        ControlCall *call, *next;

        for (call = TAILQ_FIRST(&b->calls); call; call = next) {
                next = TAILQ_NEXT(call, link);
                if (call->hash && end_approval(call) != 0)
                        call_free(call);
        }
}

/* Answers later. */
static int await(ControlCall *call, const char *hash, const Remote *remote) {
        call->hash = strdup(hash);
        call->target = strdup(remote_config(remote)->name);
        if (!call->hash || !call->target)
                return -ENOMEM;
        call->until = usec_add(loop_now(call->bus->loop), ANSWER_WITHIN);
        loop_timer_after(call->bus->answer_timer, USEC_PER_SEC);
        call->bus->hooks.retry(call->bus->hooks.userdata);
        return 0;
}

static int do_approve(ControlCall *call, sd_bus_error *error) {
        const Operate o = operate_of(call->bus);
        const char *hash = first_text(call->message);
        Remote *remote = NULL;
        ErrCtx text = { 0 };
        int r;

        r = hash ? operate_approve(&o, hash, &remote, &text) : -EINVAL;
        return r != 0 ? finish(call, r, &text, error) : await(call, hash, remote);
}

/* ---- files ---- */

/* Sealed memory: reading it neither waits for anybody nor sees it change. */
static int read_file(int fd, char **ret, size_t *ret_len) {
        const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
        _cleanup_(freep) char *text = NULL;
        size_t done = 0, size;
        struct stat st;

        if ((fcntl(fd, F_GET_SEALS) & seals) != seals || fcntl(fd, F_GET_SEALS) < 0 || fstat(fd, &st) < 0)
                return -EINVAL;
        if ((size_t) st.st_size > PLAN_FILE_MAX)
                return -E2BIG;
        size = (size_t) st.st_size;
        text = malloc(size + 1);
        if (!text)
                return -ENOMEM;
        while (done < size) {
                ssize_t n = pread(fd, text + done, size - done, (off_t) done);

                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                done += (size_t) n;
        }
        *ret_len = size;
        *ret = TAKE(text);
        return 0;
}

static int read_plan(int fd, Plan **ret, ErrCtx *text) {
        _cleanup_(freep) char *bytes = NULL;
        size_t len = 0;
        int r;

        r = read_file(fd, &bytes, &len);
        if (r == -EINVAL)
                return err_set(text, OPERATE_E_REFUSED, 0, "the file isn't sealed memory");
        if (r == -E2BIG)
                return err_set(text, OPERATE_E_REFUSED, 0, "the file is longer than 64 MiB");
        if (r < 0)
                return r;
        r = plan_file_read(bytes, len, ret, text);
        return r == PLAN_FILE_E_REFUSED ? OPERATE_E_REFUSED : r;
}

static int do_apply(ControlCall *call, sd_bus_error *error) {
        const Operate o = operate_of(call->bus);
        _cleanup_(plan_freep) Plan *plan = NULL;
        Remote *remote = NULL;
        ErrCtx text = { 0 };
        int fd, r;

        r = sd_bus_message_read(call->message, "h", &fd);
        if (r < 0)
                return r;
        r = read_plan(fd, &plan, &text);
        if (r == 0)
                r = operate_apply(&o, plan, &remote, &text);
        return r != 0 ? finish(call, r, &text, error) : await(call, plan->hash, remote);
}

/* ---- the other verbs ---- */

static int do_reject(ControlCall *call, sd_bus_error *error) {
        const Operate o = operate_of(call->bus);
        const char *hash = first_text(call->message);
        ErrCtx text = { 0 };
        int r;

        r = hash ? operate_reject(&o, hash, &text) : -EINVAL;
        if (r == 0)
                call->bus->hooks.retry(call->bus->hooks.userdata);
        return finish(call, r, &text, error);
}

static int do_number(ControlCall *call, int (*fn)(const Operate *o, int64_t id, ErrCtx *text),
                     sd_bus_error *error) {
        const Operate o = operate_of(call->bus);
        ErrCtx text = { 0 };
        int64_t id;
        int r;

        r = sd_bus_message_read(call->message, "x", &id);
        if (r < 0)
                return r;
        r = fn(&o, id, &text);
        if (r == 0)
                call->bus->hooks.retry(call->bus->hooks.userdata);
        return finish(call, r, &text, error);
}

static int do_retry(ControlCall *call, sd_bus_error *error) {
        return do_number(call, operate_retry, error);
}

static int do_drop(ControlCall *call, sd_bus_error *error) {
        return do_number(call, operate_drop, error);
}

static int do_revert(ControlCall *call, sd_bus_error *error) {
        _cleanup_(strbuf_deinit) StrBuf out = STRBUF_INIT(VIEW_MAX);
        const Operate o = operate_of(call->bus);
        ErrCtx text = { 0 };
        int64_t cycle;
        int r;

        r = sd_bus_message_read(call->message, "x", &cycle);
        if (r < 0)
                return r;
        r = operate_revert(&o, cycle, &out, &text);
        if (r != 0)
                return finish(call, r, &text, error);
        call->bus->hooks.retry(call->bus->hooks.userdata);
        return sd_bus_reply_method_return(call->message, "s", out.data);
}

static int do_pausing(ControlCall *call, int (*fn)(const Operate *o, const char *target, ErrCtx *text),
                      sd_bus_error *error) {
        const Operate o = operate_of(call->bus);
        const char *target = first_text(call->message);
        ErrCtx text = { 0 };
        int r;

        r = target ? fn(&o, target, &text) : -EINVAL;
        if (r == 0)
                call->bus->hooks.retry(call->bus->hooks.userdata);
        return finish(call, r, &text, error);
}

static int do_pause(ControlCall *call, sd_bus_error *error) {
        return do_pausing(call, operate_pause, error);
}

static int do_resume(ControlCall *call, sd_bus_error *error) {
        return do_pausing(call, operate_resume, error);
}

static int do_reset(ControlCall *call, sd_bus_error *error) {
        const Operate o = operate_of(call->bus);
        const char *person, *target;
        ErrCtx text = { 0 };
        int r;

        r = sd_bus_message_read(call->message, "ss", &person, &target);
        return r < 0 ? r : finish(call, operate_reset(&o, person, target, &text), &text, error);
}

static int do_sync(ControlCall *call, sd_bus_error *error) {
        ErrCtx text = { 0 };
        int64_t cycle;
        int full, r;

        r = sd_bus_message_read(call->message, "b", &full);
        if (r >= 0)
                r = call->bus->hooks.sync(full, &cycle, &text, call->bus->hooks.userdata);
        return finish(call, r, &text, error);
}

static int do_check(ControlCall *call, sd_bus_error *error) {
        return bus_check_begin(call->bus, call->message, error);
}

static int do_sync_person(ControlCall *call, sd_bus_error *error) {
        return bus_errand_start(call->bus, call->message, error);
}

/* The caller gets an open file: the daemon can't write where root can. */
static int do_backup(ControlCall *call, sd_bus_error *error) {
        const Operate o = operate_of(call->bus);
        _cleanup_(freep) char *path = NULL;
        _cleanup_(closep) int fd = -1;
        ErrCtx text = { 0 };
        int r;

        if (asprintf(&path, "%s/backup.tmp", call->bus->hooks.state_directory) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        /* Left by one who was killed over it. */
        (void) unlink(path);
        r = store_backup(o.store, path, &text);
        if (r == 0) {
                fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
                r = fd < 0 ? -errno : 0;
        }
        (void) unlink(path);
        if (r < 0)
                return finish(call, r, &text, error);
        return sd_bus_reply_method_return(call->message, "h", fd);
}

/* ---- who calls ---- */

static void run(ControlCall *call) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = call->fn(call, &error);
        if (r < 0)
                (void) sd_bus_reply_method_errno(call->message, r, &error);
        sd_bus_error_free(&error);
        if (r < 0 || !call->hash)
                call_free(call);
}

static int on_uid(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        ControlCall *call = userdata;
        uint32_t uid;

        if (sd_bus_message_is_method_error(m, NULL) || sd_bus_message_read(m, "u", &uid) < 0 || uid != 0) {
                (void) sd_bus_reply_method_errorf(call->message, SD_BUS_ERROR_ACCESS_DENIED,
                                                  "only root may do this");
                call_free(call);
        } else
                run(call);
        return 0;
}

static int ask_who(sd_bus_message *m, Bus *b, control_fn fn) {
        ControlCall *call = calloc(1, sizeof(*call));
        int r;

        if (!call)
                return -ENOMEM;
        call->bus = b;
        call->fn = fn;
        call->message = sd_bus_message_ref(m);
        TAILQ_INSERT_TAIL(&b->calls, call, link);
        r = sd_bus_call_method_async(b->bus, &call->slot, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                     "org.freedesktop.DBus", "GetConnectionUnixUser", on_uid, call, "s",
                                     sd_bus_message_get_sender(m));
        if (r < 0) {
                call_free(call);
                return r;
        }
        return 1;
}

#define CONTROL(verb) \
        static int on_##verb(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) { \
                return ask_who(m, userdata, do_##verb); \
        }

CONTROL(approve)
CONTROL(apply)
CONTROL(reject)
CONTROL(revert)
CONTROL(retry)
CONTROL(drop)
CONTROL(pause)
CONTROL(resume)
CONTROL(reset)
CONTROL(sync)
CONTROL(check)
CONTROL(sync_person)
CONTROL(backup)

/* Unprivileged for sd-bus, which would ask for a capability that not even root need have in a container:
 * on_uid() decides. */
#define CHANGE(name, type, argument, fn)                                                         \
        SD_BUS_METHOD_WITH_ARGS(name, SD_BUS_ARGS(type, argument), SD_BUS_RESULT("s", json), fn, \
                                SD_BUS_VTABLE_UNPRIVILEGED)

const sd_bus_vtable bus_control_vtable[] = {
                SD_BUS_VTABLE_START(0),
                CHANGE("Approve", "s", hash, on_approve),
                CHANGE("Apply", "h", file, on_apply),
                CHANGE("Reject", "s", hash, on_reject),
                CHANGE("Revert", "x", cycle, on_revert),
                CHANGE("Retry", "x", id, on_retry),
                CHANGE("Drop", "x", id, on_drop),
                CHANGE("Pause", "s", target, on_pause),
                CHANGE("Resume", "s", target, on_resume),
                SD_BUS_METHOD_WITH_ARGS("Reset", SD_BUS_ARGS("s", person, "s", target),
                                        SD_BUS_RESULT("s", json), on_reset, SD_BUS_VTABLE_UNPRIVILEGED),
                CHANGE("Sync", "b", full, on_sync),
                SD_BUS_METHOD_WITH_ARGS("Check", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", json), on_check,
                                        SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD_WITH_ARGS(
                                "SyncPerson", SD_BUS_ARGS("s", person, "s", target, "b", full, "t", wait),
                                SD_BUS_RESULT("s", json), on_sync_person, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_SIGNAL_WITH_ARGS("Progress", SD_BUS_ARGS("t", call, "s", json), 0),
                SD_BUS_METHOD_WITH_ARGS("Backup", SD_BUS_NO_ARGS, SD_BUS_RESULT("h", file), on_backup,
                                        SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_VTABLE_END,
};
