/* SPDX-License-Identifier: Apache-2.0 */
#include "call.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "base/strings.h"
#include "base/time.h"

#define NAME "org.idsyncd1"
#define PATH "/org/idsyncd1"
#define CALL_TIMEOUT (60 * USEC_PER_SEC)
/* The daemon gives a check up after 15 minutes, and says so. */
#define CHECK_TIMEOUT (16 * USEC_PER_MINUTE)
#define DEPTH_MAX 16

static void bus_closep(sd_bus **bus) {
        sd_bus_flush_close_unref(*bus);
}

static void messagep(sd_bus_message **m) {
        sd_bus_message_unref(*m);
}

static ExitCode code_of(const sd_bus_error *error) {
        static const struct { const char *name; ExitCode code; } codes[] = {
                { "org.idsyncd1.Error.Interrupted", EXIT_DIFFERENCES },
                { "org.idsyncd1.Error.Refused", EXIT_USAGE },
                { "org.idsyncd1.Error.Unknown", EXIT_USAGE },
                { "org.idsyncd1.Error.Stale", EXIT_HELD },
                { "org.idsyncd1.Error.State", EXIT_STATE },
                { "org.idsyncd1.Error.TooLarge", EXIT_USAGE },
                { SD_BUS_ERROR_ACCESS_DENIED, EXIT_USAGE },
                { SD_BUS_ERROR_SERVICE_UNKNOWN, EXIT_NO_DAEMON },
                { SD_BUS_ERROR_NAME_HAS_NO_OWNER, EXIT_NO_DAEMON },
                { SD_BUS_ERROR_NO_REPLY, EXIT_NO_DAEMON },
                { SD_BUS_ERROR_TIMEOUT, EXIT_NO_DAEMON },
                { SD_BUS_ERROR_DISCONNECTED, EXIT_NO_DAEMON },
        };

        for (size_t i = 0; i < ELEMENTSOF(codes); i++)
                if (sd_bus_error_has_name(error, codes[i].name))
                        return codes[i].code;
        /* The connection's own: the bus refused us, or went away. */
        return str_starts_with(error->name, "System.Error.") ? EXIT_NO_DAEMON : EXIT_FAULT;
}

static ExitCode fail(bool control, const sd_bus_error *error, ErrCtx *err) {
        ExitCode code = code_of(error);

        if (code == EXIT_NO_DAEMON)
                return err_set(err, code, 0, "idsyncd isn't running, or doesn't answer (%s)",
                               error->message ? error->message : error->name);
        if (sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED) && geteuid() == 0)
                return err_set(err, code, 0,
                               "the bus refuses root: it doesn't have the policy org.idsyncd1.conf; "
                               "systemctl reload dbus");
        if (sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED))
                return err_set(err, code, 0,
                               control ? "only root may do this"
                                       : "only root and members of the group idsync may ask: "
                                         "usermod -aG idsync NAME, then log in again");
        return err_set(err, code, 0, "%s", error->message ? error->message : error->name);
}

static ExitCode connect_bus(sd_bus **ret, ErrCtx *err) {
        int r = sd_bus_open_system(ret);

        if (r >= 0)
                return EXIT_IN_STEP;
        return err_set(err, EXIT_NO_DAEMON, 0, "the system bus isn't there: %s", strerror(-r));
}

static usec_t timeout_of(sd_bus_message *m) {
        return str_eq(sd_bus_message_get_member(m), "Check") ? CHECK_TIMEOUT : CALL_TIMEOUT;
}

static ExitCode call(sd_bus *bus, bool control, sd_bus_message *m, sd_bus_message **ret, ErrCtx *err) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        ExitCode code = EXIT_IN_STEP;
        int r;

        r = sd_bus_call(bus, m, timeout_of(m), &error, ret);
        if (r < 0 && sd_bus_error_is_set(&error))
                code = fail(control, &error, err);
        else if (r < 0)
                code = err_set(err, EXIT_NO_DAEMON, 0, "the system bus: %s", strerror(-r));
        sd_bus_error_free(&error);
        return code;
}

static ExitCode parse(const char *text, struct json_object **ret, ErrCtx *err) {
        struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);

        if (!tokener)
                return err_set(err, EXIT_FAULT, 0, "out of memory");
        *ret = json_tokener_parse_ex(tokener, text, (int) strlen(text));
        json_tokener_free(tokener);
        return *ret ? EXIT_IN_STEP : err_set(err, EXIT_FAULT, 0, "the daemon's answer isn't JSON");
}

static ExitCode ask(bool control, const char *member, sd_bus_message **ret, ErrCtx *err, const char *types,
                    va_list ap) {
        __attribute__((cleanup(bus_closep))) sd_bus *bus = NULL;
        __attribute__((cleanup(messagep))) sd_bus_message *m = NULL;
        ExitCode code;
        int r;

        code = connect_bus(&bus, err);
        if (code != EXIT_IN_STEP)
                return code;
        r = sd_bus_message_new_method_call(bus, &m, NAME, PATH, control ? NAME ".Control" : NAME, member);
        if (r >= 0 && *types)
                r = sd_bus_message_appendv(m, types, ap);
        if (r < 0)
                return err_set(err, EXIT_USAGE, 0, "an argument can't be sent: %s", strerror(-r));
        return call(bus, control, m, ret, err);
}

/* ---- one person, step by step ---- */

typedef struct Pending {
        void (*on_step)(struct json_object *step);
        sd_bus_message *reply;
} Pending;

static int on_progress(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        Pending *p = userdata;
        struct json_object *step = NULL;
        ErrCtx err = { 0 };
        const char *text;
        uint64_t call;

        if (sd_bus_message_read(m, "ts", &call, &text) >= 0 && parse(text, &step, &err) == EXIT_IN_STEP) {
                p->on_step(step);
                json_object_put(step);
        }
        return 0;
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        Pending *p = userdata;

        p->reply = sd_bus_message_ref(m);
        return 0;
}

/* Signals with the daemon's name may come from anybody: only its own connection counts. */
static int owner_of_name(sd_bus *bus, char **ret) {
        sd_bus_creds *creds = NULL;
        const char *name = NULL;
        int r;

        r = sd_bus_get_name_creds(bus, NAME, SD_BUS_CREDS_UNIQUE_NAME, &creds);
        if (r >= 0)
                r = sd_bus_creds_get_unique_name(creds, &name);
        *ret = r >= 0 ? strdup(name) : NULL;
        sd_bus_creds_unref(creds);
        return r >= 0 && !*ret ? -ENOMEM : r;
}

static int send_errand(sd_bus *bus, const char *owner, const Errand *e, Pending *p) {
        __attribute__((cleanup(messagep))) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_match_signal(bus, NULL, owner, PATH, NAME ".Control", "Progress", on_progress, p);
        if (r >= 0)
                r = sd_bus_message_new_method_call(bus, &m, owner, PATH, NAME ".Control", "SyncPerson");
        if (r >= 0)
                r = sd_bus_message_append(m, "ssbt", e->person, e->target, (int) e->full, e->wait);
        return r < 0 ? r : sd_bus_call_async(bus, NULL, m, on_reply, p, UINT64_MAX);
}

static int wait_for_reply(sd_bus *bus, const Pending *p) {
        int r = 0;

        while (r >= 0 && !p->reply) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
        }
        return r;
}

ExitCode call_errand(const Errand *errand, struct json_object **ret, ErrCtx *err) {
        __attribute__((cleanup(bus_closep))) sd_bus *bus = NULL;
        _cleanup_(freep) char *owner = NULL;
        Pending p = { .on_step = errand->on_step };
        const char *text;
        ExitCode code;
        int r;

        code = connect_bus(&bus, err);
        if (code != EXIT_IN_STEP)
                return code;
        r = owner_of_name(bus, &owner);
        if (r >= 0)
                r = send_errand(bus, owner, errand, &p);
        if (r >= 0)
                r = wait_for_reply(bus, &p);
        if (r < 0)
                code = err_set(err, EXIT_NO_DAEMON, 0, "idsyncd isn't running, or doesn't answer (%s)",
                               strerror(-r));
        else if (sd_bus_message_is_method_error(p.reply, NULL))
                code = fail(true, sd_bus_message_get_error(p.reply), err);
        else if (sd_bus_message_read(p.reply, "s", &text) < 0)
                code = err_set(err, EXIT_FAULT, 0, "the daemon's answer can't be read");
        else
                code = parse(text, ret, err);
        sd_bus_message_unref(p.reply);
        return code;
}

/* ---- answers that are taken whole ---- */

static ExitCode unreadable(ErrCtx *err) {
        return err_set(err, EXIT_FAULT, 0, "the daemon's answer can't be read");
}

ExitCode call_daemon(bool control, const char *member, struct json_object **ret, ErrCtx *err,
                     const char *types, ...) {
        __attribute__((cleanup(messagep))) sd_bus_message *reply = NULL;
        const char *text;
        ExitCode code;
        va_list ap;

        va_start(ap, types);
        code = ask(control, member, &reply, err, types, ap);
        va_end(ap);
        if (code != EXIT_IN_STEP)
                return code;
        return sd_bus_message_read(reply, "s", &text) < 0 ? unreadable(err) : parse(text, ret, err);
}

static ExitCode keep_file(int fd, int *ret, ErrCtx *err) {
        *ret = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        return *ret >= 0 ? EXIT_IN_STEP : err_set(err, EXIT_FAULT, 0, "%s", strerror(errno));
}

ExitCode call_for_file(bool control, const char *member, struct json_object **ret, int *ret_fd, ErrCtx *err,
                       const char *types, ...) {
        __attribute__((cleanup(messagep))) sd_bus_message *reply = NULL;
        const char *text;
        ExitCode code;
        va_list ap;
        int fd;

        va_start(ap, types);
        code = ask(control, member, &reply, err, types, ap);
        va_end(ap);
        if (code != EXIT_IN_STEP)
                return code;
        if (ret && sd_bus_message_read(reply, "s", &text) < 0)
                return unreadable(err);
        if (sd_bus_message_read(reply, "h", &fd) < 0)
                return unreadable(err);
        code = ret ? parse(text, ret, err) : EXIT_IN_STEP;
        return code == EXIT_IN_STEP ? keep_file(fd, ret_fd, err) : code;
}
