/* SPDX-License-Identifier: Apache-2.0 */
/* A check on the bus: begun by one call, answered minutes later. It makes calls of its own, so there is one
 * at a time, and none for somebody who is gone. */
#include <errno.h>

#include "check/check.h"
#include "service/bus-internal.h"

static void clear(Bus *b) {
        b->check_track = sd_bus_track_unref(b->check_track);
        b->check = sd_bus_message_unref(b->check);
}

void bus_check_drop(Bus *b) {
        if (!b->check)
                return;
        clear(b);
        b->hooks.check_cancel(b->hooks.userdata);
}

static int on_gone(sd_bus_track *track _unused_, void *userdata) {
        bus_check_drop(userdata);
        return 0;
}

int bus_check_begin(Bus *b, sd_bus_message *m, sd_bus_error *error) {
        ErrCtx err = { 0 };
        int r;

        if (b->check)
                return sd_bus_error_set(error, BUS_E_REFUSED,
                                        "somebody else's check is under way: ask again when it is over");
        r = sd_bus_track_new(b->bus, &b->check_track, on_gone, b);
        if (r >= 0)
                r = sd_bus_track_add_sender(b->check_track, m);
        if (r >= 0) {
                r = b->hooks.check(&err, b->hooks.userdata);
                if (r != 0)
                        r = bus_fail(b, r, &err, error);
        }
        if (r < 0) {
                b->check_track = sd_bus_track_unref(b->check_track);
                return r;
        }
        b->check = sd_bus_message_ref(m);
        return 0;
}

static int answer(Bus *b, const CheckLines *lines) {
        _cleanup_(strbuf_deinit) StrBuf out = STRBUF_INIT(VIEW_MAX);
        int r;

        r = check_lines_json(lines, &out);
        if (r >= 0)
                r = out.error;
        if (r == -E2BIG)
                return sd_bus_reply_method_errorf(b->check, BUS_E_TOO_LARGE,
                                                  "the answer is longer than 16 MiB: \"idsyncd --check\" "
                                                  "prints it, while the daemon is stopped");
        return r < 0 ? r : sd_bus_reply_method_return(b->check, "s", out.data);
}

void bus_checked(Bus *b, const CheckLines *lines, const char *why_not) {
        int r;

        if (!b->check)
                return;
        r = lines ? answer(b, lines) : sd_bus_reply_method_errorf(b->check, BUS_E_REFUSED, "%s", why_not);
        if (r < 0)
                (void) sd_bus_reply_method_errno(b->check, r, NULL);
        clear(b);
}
