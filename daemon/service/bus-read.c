/* SPDX-License-Identifier: Apache-2.0 */
/* The reading half. Who may call it is the bus policy's business. */
#include "service/bus-internal.h"

static int reply(Bus *b, sd_bus_message *m, int r, const StrBuf *out, const ErrCtx *err,
                 sd_bus_error *error) {
        if (r == VIEW_E_UNKNOWN)
                return sd_bus_error_set(error, BUS_E_UNKNOWN, err->text);
        if (r >= 0)
                r = out->error;
        if (r < 0)
                return bus_fail(b, r, err, error);
        return sd_bus_reply_method_return(m, "s", out->data);
}

static int on_status(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(strbuf_deinit) StrBuf out = STRBUF_INIT(VIEW_MAX);
        ErrCtx err = { 0 };
        Bus *b = userdata;
        View v;

        b->hooks.view(&v, b->hooks.userdata);
        return reply(b, m, view_status(&v, &out), &out, &err, error);
}

static int on_targets(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(strbuf_deinit) StrBuf out = STRBUF_INIT(VIEW_MAX);
        ErrCtx err = { 0 };
        Bus *b = userdata;
        View v;

        b->hooks.view(&v, b->hooks.userdata);
        return reply(b, m, view_targets(&v, &out), &out, &err, error);
}

static int on_orphans(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(strbuf_deinit) StrBuf out = STRBUF_INIT(VIEW_MAX);
        ErrCtx err = { 0 };
        Bus *b = userdata;
        View v;

        b->hooks.view(&v, b->hooks.userdata);
        return reply(b, m, view_orphans(&v, &out), &out, &err, error);
}

static int on_queue(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(strbuf_deinit) StrBuf out = STRBUF_INIT(VIEW_MAX);
        ErrCtx err = { 0 };
        Bus *b = userdata;
        int dead, r;
        View v;

        r = sd_bus_message_read(m, "b", &dead);
        if (r < 0)
                return r;
        b->hooks.view(&v, b->hooks.userdata);
        return reply(b, m, view_queue(&v, dead, &out), &out, &err, error);
}

typedef int (*view_of_fn)(const View *v, const char *name, StrBuf *out, ErrCtx *err);

static int answer_of(sd_bus_message *m, Bus *b, view_of_fn fn, sd_bus_error *error) {
        _cleanup_(strbuf_deinit) StrBuf out = STRBUF_INIT(VIEW_MAX);
        ErrCtx err = { 0 };
        const char *name;
        View v;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        b->hooks.view(&v, b->hooks.userdata);
        return reply(b, m, fn(&v, name, &out, &err), &out, &err, error);
}

static int on_history(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return answer_of(m, userdata, view_history, error);
}

static int on_plan(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return answer_of(m, userdata, view_plan, error);
}

static int on_export(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(strbuf_deinit) StrBuf out = STRBUF_INIT(VIEW_MAX);
        _cleanup_(closep) int fd = -1;
        ErrCtx err = { 0 };
        Bus *b = userdata;
        const char *target;
        View v;
        int r;

        r = sd_bus_message_read(m, "s", &target);
        if (r < 0)
                return r;
        b->hooks.view(&v, b->hooks.userdata);
        r = view_export(&v, target, &out, &fd, &err);
        if (r != 0 || out.error < 0)
                return reply(b, m, r, &out, &err, error);
        return sd_bus_reply_method_return(m, "sh", out.data, fd);
}

static int on_explain(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return answer_of(m, userdata, view_explain, error);
}

/* ---- properties ---- */

static int get_version(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                       const char *property _unused_, sd_bus_message *m, void *userdata _unused_,
                       sd_bus_error *error _unused_) {
        return sd_bus_message_append(m, "s", PACKAGE_VERSION);
}

static int get_text(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                    const char *property _unused_, sd_bus_message *m, void *userdata,
                    sd_bus_error *error _unused_) {
        const char *text = *(char **) userdata;

        return sd_bus_message_append(m, "s", text ? text : "");
}

static int get_number(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                      const char *property _unused_, sd_bus_message *m, void *userdata,
                      sd_bus_error *error _unused_) {
        return sd_bus_message_append(m, "t", *(uint64_t *) userdata);
}

static int get_list(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                    const char *property _unused_, sd_bus_message *m, void *userdata,
                    sd_bus_error *error _unused_) {
        return sd_bus_message_append_strv(m, *(char ***) userdata);
}

#define READ(name, fn)                                                              \
        SD_BUS_METHOD_WITH_ARGS(name, SD_BUS_NO_ARGS, SD_BUS_RESULT("s", json), fn, \
                                SD_BUS_VTABLE_UNPRIVILEGED)
#define READ_OF(name, type, argument, fn)                                                        \
        SD_BUS_METHOD_WITH_ARGS(name, SD_BUS_ARGS(type, argument), SD_BUS_RESULT("s", json), fn, \
                                SD_BUS_VTABLE_UNPRIVILEGED)
#define FACT(name, type, fn, member) \
        SD_BUS_PROPERTY(name, type, fn, offsetof(Bus, facts.member), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)

const sd_bus_vtable bus_read_vtable[] = {
        SD_BUS_VTABLE_START(0),
        READ("GetStatus", on_status),
        READ("GetTargets", on_targets),
        READ_OF("GetQueue", "b", dead, on_queue),
        READ_OF("GetHistory", "s", person, on_history),
        READ_OF("GetPlan", "s", target, on_plan),
        SD_BUS_METHOD_WITH_ARGS("ExportPlan", SD_BUS_ARGS("s", target), SD_BUS_RESULT("s", json, "h", file),
                                on_export, SD_BUS_VTABLE_UNPRIVILEGED),
        READ("GetOrphans", on_orphans),
        READ_OF("Explain", "s", person, on_explain),
        SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        FACT("Status", "s", get_text, status),
        FACT("Queued", "t", get_number, queued),
        FACT("Dead", "t", get_number, dead),
        FACT("LastCompleteRead", "t", get_number, last_complete),
        FACT("Held", "as", get_list, held),
        FACT("Paused", "as", get_list, paused),
        SD_BUS_VTABLE_END,
};
