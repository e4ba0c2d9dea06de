/* SPDX-License-Identifier: Apache-2.0 */
/* SyncPerson: the caller alone gets each step as a signal, and all of them as the answer. A caller that goes
 * away takes nothing back: what is queued is done all the same. */
#include <errno.h>
#include <inttypes.h>

#include "base/log.h"
#include "service/bus-internal.h"

#define ERRANDS_MAX 16
#define WAIT_MAX USEC_PER_DAY
/* Most is told as it happens; that a read ended is seen by looking. */
#define LOOK_TICK (200 * USEC_PER_MSEC)

struct BusErrand {
        TAILQ_ENTRY(BusErrand) link;
        Bus *bus;
        sd_bus_message *message;
        sd_bus_slot *gone_slot;         /* the caller's end */
        Errand *errand;
};

static BusErrand *bus_errand_free(BusErrand *be) {
        if (!be)
                return NULL;
        sd_bus_slot_unref(be->gone_slot);
        sd_bus_message_unref(be->message);
        errand_free(be->errand);
        free(be);
        return NULL;
}
DEFINE_CLEANUP(BusErrand *, bus_errand_free);

static void end(BusErrand *be) {
        be->bus->n_errands--;
        TAILQ_REMOVE(&be->bus->errands, be, link);
        bus_errand_free(be);
}

void bus_errands_cancel(Bus *b) {
        while (!TAILQ_EMPTY(&b->errands))
                end(TAILQ_FIRST(&b->errands));
}

void bus_errands_interrupt(Bus *b, const char *why) {
        BusErrand *be;

        TAILQ_FOREACH(be, &b->errands, link)
        (void) sd_bus_reply_method_errorf(be->message, BUS_E_INTERRUPTED, "%s", why);
        bus_errands_cancel(b);
}

static void on_told(const char *json, void *userdata) {
        BusErrand *be = userdata;
        sd_bus_message *m = NULL;
        uint64_t cookie = 0;
        int r;

        r = sd_bus_message_get_cookie(be->message, &cookie);
        if (r >= 0)
                r = sd_bus_message_new_signal(be->bus->bus, &m, BUS_PATH, BUS_CONTROL, "Progress");
        if (r >= 0)
                r = sd_bus_message_append(m, "ts", cookie, json);
        if (r >= 0)
                r = sd_bus_message_set_destination(m, sd_bus_message_get_sender(be->message));
        if (r >= 0)
                r = sd_bus_send(be->bus->bus, m, NULL);
        if (r < 0)
                log_debug("a step can't be told: %s", strerror(-r));
        sd_bus_message_unref(m);
}

static int on_gone(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        const char *name, *before, *after;

        if (sd_bus_message_read(m, "sss", &name, &before, &after) >= 0 && str_empty(after))
                end(userdata);
        return 0;
}

static int watch_caller(BusErrand *be) {
        _cleanup_(freep) char *match = NULL;

        if (asprintf(&match,
                     "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                     "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='%s'",
                     sd_bus_message_get_sender(be->message)) < 0) {
                match = NULL;
                return -ENOMEM;
        }
        return sd_bus_add_match_async(be->bus->bus, &be->gone_slot, match, on_gone, NULL, be);
}

/* ---- looking ---- */

static void answer(BusErrand *be, int r, const ErrCtx *err) {
        _cleanup_(strbuf_deinit) StrBuf out = STRBUF_INIT(VIEW_MAX);
        sd_bus_error error = SD_BUS_ERROR_NULL;

        if (r == ERRAND_E_OVER) {
                errand_document(be->errand, &out);
                r = out.error < 0 ? out.error : sd_bus_reply_method_return(be->message, "s", out.data);
        } else if (r == VIEW_E_UNKNOWN)
                r = sd_bus_error_set(&error, BUS_E_UNKNOWN, err->text);
        if (r < 0 && !sd_bus_error_is_set(&error))
                r = bus_fail(be->bus, r, err, &error);
        if (r < 0)
                (void) sd_bus_reply_method_errno(be->message, r, &error);
        sd_bus_error_free(&error);
}

void bus_errands_look(Bus *b) {
        BusErrand *be, *next;
        ErrCtx err = { 0 };
        View v;
        int r;

        for (be = TAILQ_FIRST(&b->errands); be; be = next) {
                next = TAILQ_NEXT(be, link);
                b->hooks.view(&v, b->hooks.userdata);
                r = errand_look(be->errand, &v, &err);
                if (r == 0)
                        continue;
                answer(be, r, &err);
                end(be);
        }
        if (!TAILQ_EMPTY(&b->errands))
                loop_timer_after(b->errand_timer, LOOK_TICK);
}

void bus_called(Bus *b, const CallEvent *event) {
        BusErrand *be;

        TAILQ_FOREACH(be, &b->errands, link)
        errand_called(be->errand, event);
        if (!TAILQ_EMPTY(&b->errands))
                loop_timer_after(b->errand_timer, 0);
}

/* ---- beginning ---- */

static int begin(BusErrand *be, const ErrandSpec *asked, bool full, ErrCtx *err) {
        ErrandSpec spec = *asked;
        View v;
        int r;

        be->bus->hooks.view(&v, be->bus->hooks.userdata);
        if (!str_empty(spec.target) && !engine_find_remote(v.engine, spec.target))
                return err_set(err, VIEW_E_UNKNOWN, 0, "%s: no target of the configuration has this name",
                               spec.target);
        r = be->bus->hooks.sync(full, &spec.cycle, err, be->bus->hooks.userdata);
        if (r != 0)
                return r;
        spec.reads_next = spec.cycle > cycle_report(engine_cycle(v.engine))->number;
        return errand_new(&v, &spec, &be->errand);
}

int bus_errand_start(Bus *b, sd_bus_message *m, sd_bus_error *error) {
        _cleanup_(bus_errand_freep) BusErrand *be = calloc(1, sizeof(*be));
        ErrandSpec spec = { .told = on_told, .userdata = be };
        ErrCtx err = { 0 };
        int full, r;

        if (!be)
                return -ENOMEM;
        if (b->n_errands >= ERRANDS_MAX)
                return sd_bus_error_setf(error, BUS_E_REFUSED, "%d people are being synced already: wait",
                                         ERRANDS_MAX);
        be->bus = b;
        be->message = sd_bus_message_ref(m);
        r = sd_bus_message_read(m, "ssbt", &spec.person, &spec.target, &full, &spec.wait);
        if (r < 0)
                return r;
        spec.wait = spec.wait < WAIT_MAX ? spec.wait : WAIT_MAX;
        r = begin(be, &spec, full, &err);
        if (r == 0)
                r = watch_caller(be);
        if (r == VIEW_E_UNKNOWN && !be->errand)
                return sd_bus_error_set(error, BUS_E_UNKNOWN, err.text);
        if (r != 0 && !be->errand)
                return bus_fail(b, r, &err, error);
        if (r < 0)
                return r;
        TAILQ_INSERT_TAIL(&b->errands, be, link);
        be = NULL;
        b->n_errands++;
        loop_timer_after(b->errand_timer, 0);
        return 0;
}
