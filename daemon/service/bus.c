/* SPDX-License-Identifier: Apache-2.0 */
#include "service/bus-internal.h"

#include <errno.h>
#include <inttypes.h>

#include "base/log.h"
#include "sync/standing.h"

#define RECONNECT_FIRST USEC_PER_SEC
#define RECONNECT_CAP USEC_PER_MINUTE
/* "Ready" waits no longer for a bus that doesn't answer. */
#define ANSWER_MAX (5 * USEC_PER_SEC)

static void facts_deinit(BusFacts *f) {
        free(f->status);
        for (char **s = f->held; s && *s; s++)
                free(*s);
        for (char **s = f->paused; s && *s; s++)
                free(*s);
        free(f->held);
        free(f->paused);
        *f = (BusFacts){ 0 };
}

static void settle(Bus *b) {
        if (b->settled)
                return;
        b->settled = true;
        b->hooks.settled(b->hooks.userdata);
}

/* ---- coming and going ---- */

static void disconnect(Bus *b) {
        bus_control_cancel(b);
        bus_check_drop(b);
        bus_errands_cancel(b);
        b->named = false;
        b->name_slot = sd_bus_slot_unref(b->name_slot);
        if (!b->bus)
                return;
        (void) sd_bus_detach_event(b->bus);
        /* Not flushing: nobody listens, and it would block. */
        b->bus = sd_bus_close_unref(b->bus);
}

static usec_t reconnect_span(const Bus *b) {
        unsigned doublings = b->failures < 7 ? b->failures : 7;
        usec_t span = RECONNECT_FIRST << doublings;

        return span < RECONNECT_CAP ? span : RECONNECT_CAP;
}

/* Said once for each time that the bus was there. The timer ends the connection: this may be one of its own
 * handlers. */
static void lose(Bus *b, const char *what, int r) {
        b->trying = false;
        if (b->failures++ == 0)
                log_warning("the system bus: %s: %s; idsyncctl can't reach the daemon, everything else "
                            "goes on",
                            what, strerror(-r));
        b->named = false;
        loop_timer_after(b->connect_timer, reconnect_span(b));
        settle(b);
}

static int on_disconnected(sd_bus_message *m _unused_, void *userdata, sd_bus_error *error _unused_) {
        lose(userdata, "the connection has ended", -ECONNRESET);
        return 0;
}

static int on_name(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        Bus *b = userdata;
        uint32_t answer = 0;
        int r;

        if (sd_bus_message_is_method_error(m, NULL))
                r = -sd_bus_message_get_errno(m);
        else
                r = sd_bus_message_read(m, "u", &answer);
        /* DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER, _ALREADY_OWNER */
        if (r >= 0 && answer != 1 && answer != 4)
                r = -EEXIST;
        if (r < 0) {
                lose(b, "the name " BUS_NAME " isn't given to us", r);
                return 0;
        }
        if (b->failures > 0)
                log_notice("the system bus is there again");
        b->failures = 0;
        b->trying = false;
        b->named = true;
        loop_timer_stop(b->connect_timer);
        settle(b);
        return 0;
}

static int set_up(Bus *b) {
        int r;

        r = sd_bus_match_signal(b->bus, NULL, "org.freedesktop.DBus.Local", "/org/freedesktop/DBus/Local",
                                "org.freedesktop.DBus.Local", "Disconnected", on_disconnected, b);
        if (r >= 0)
                r = sd_bus_add_object_vtable(b->bus, NULL, BUS_PATH, BUS_INTERFACE, bus_read_vtable, b);
        if (r >= 0)
                r = sd_bus_add_object_vtable(b->bus, NULL, BUS_PATH, BUS_CONTROL, bus_control_vtable, b);
        if (r >= 0)
                r = sd_bus_attach_event(b->bus, loop_event(b->loop), LOOP_NORMAL);
        if (r >= 0)
                r = sd_bus_request_name_async(b->bus, &b->name_slot, BUS_NAME, 0, on_name, b);
        return r;
}

static void on_connect(void *userdata) {
        Bus *b = userdata;
        int r;

        if (b->named)
                return;
        if (b->trying)
                lose(b, "no answer", -ETIMEDOUT);
        disconnect(b);
        r = sd_bus_open_system(&b->bus);
        if (r >= 0)
                r = set_up(b);
        if (r < 0) {
                lose(b, "no connection", r);
                return;
        }
        b->trying = true;
        loop_timer_after(b->connect_timer, b->failures == 0 ? ANSWER_MAX : RECONNECT_CAP);
}

static void on_answer(void *userdata) {
        Bus *b = userdata;

        bus_control_answer(b);
        if (!TAILQ_EMPTY(&b->calls))
                loop_timer_after(b->answer_timer, USEC_PER_SEC);
}

static void on_errand(void *userdata) {
        bus_errands_look(userdata);
}

void bus_interrupt(Bus *b, const char *why) {
        bus_errands_interrupt(b, why);
}

int bus_new(Loop *loop, const BusHooks *hooks, Bus **ret) {
        _cleanup_(bus_freep) Bus *b = calloc(1, sizeof(*b));
        int r;

        if (!b)
                return -ENOMEM;
        b->loop = loop;
        b->hooks = *hooks;
        TAILQ_INIT(&b->calls);
        TAILQ_INIT(&b->errands);
        r = loop_timer_new(loop, LOOP_NORMAL, "connect to the bus", on_connect, b, &b->connect_timer);
        if (r < 0)
                return r;
        r = loop_timer_new(loop, LOOP_NORMAL, "answer on the bus", on_answer, b, &b->answer_timer);
        if (r < 0)
                return r;
        /* Before the worker takes up what was just asked for: steps are told in their order. */
        r = loop_timer_new(loop, LOOP_TIMER, "look at one person", on_errand, b, &b->errand_timer);
        if (r < 0)
                return r;
        loop_timer_after(b->connect_timer, 0);
        *ret = TAKE(b);
        return 0;
}

Bus *bus_free(Bus *b) {
        if (!b)
                return NULL;
        disconnect(b);
        loop_timer_free(b->connect_timer);
        loop_timer_free(b->answer_timer);
        loop_timer_free(b->errand_timer);
        facts_deinit(&b->facts);
        free(b);
        return NULL;
}

void bus_changed(Bus *b) {
        if (!TAILQ_EMPTY(&b->calls))
                loop_timer_after(b->answer_timer, 0);
        if (!TAILQ_EMPTY(&b->errands))
                loop_timer_after(b->errand_timer, 0);
}

int bus_fail(Bus *b, int r, const ErrCtx *err, sd_bus_error *error) {
        View v;

        if (r == -E2BIG)
                return sd_bus_error_set(error, BUS_E_TOO_LARGE,
                                        "the answer is longer than 16 MiB: ask for less, such as one "
                                        "target or one person; \"idsyncctl plan -o FILE\" writes a held "
                                        "plan of any length");
        if (r == -ENOMEM)
                return r;
        b->hooks.view(&v, b->hooks.userdata);
        if (r < 0)
                return sd_bus_error_setf(error, BUS_E_STATE, "%s",
                                         r == -EIO || r == -ENOSPC ? store_error(v.store)
                                         : *err->text              ? err->text
                                                                   : strerror(-r));
        return sd_bus_error_set(error, BUS_E_REFUSED, err->text);
}

/* ---- properties ---- */

static int add_text(char ***list, size_t *n, char *take_text) {
        char **more = take_text ? reallocarray(*list, *n + 2, sizeof(*more)) : NULL;

        if (!more) {
                free(take_text);
                return -ENOMEM;
        }
        more[(*n)++] = take_text;
        more[*n] = NULL;
        *list = more;
        return 0;
}

static int add_held(const View *v, const char *name, HeldSlot slot, BusFacts *f, size_t *n_held) {
        _cleanup_(held_plan_freep) HeldPlan *held = NULL;
        char *text;
        int r;

        r = store_held_head(v->store, name, slot, &held);
        if (r < 0 || !held)
                return r;
        if (asprintf(&text, "%s %s", name, held->hash) < 0)
                return -ENOMEM;
        return add_text(&f->held, n_held, text);
}

static int add_target(const View *v, const Remote *remote, BusFacts *f, size_t *n_held, size_t *n_paused) {
        const char *name = remote_config(remote)->name;
        int r;

        r = add_held(v, name, HELD_PLAN, f, n_held);
        if (r >= 0)
                r = add_held(v, name, HELD_REVERT, f, n_held);
        if (r >= 0 && remote_is_paused(remote))
                r = add_text(&f->paused, n_paused, strdup(name));
        return r;
}

static int gather(Bus *b, const char *status, BusFacts *f) {
        QueueCounts counts = { 0 };
        size_t n_held = 0, n_paused = 0;
        View v;
        int r;

        b->hooks.view(&v, b->hooks.userdata);
        f->status = strdup(status);
        if (!f->status)
                return -ENOMEM;
        r = engine_queue_counts(v.engine, &counts);
        f->queued = counts.waiting + counts.running + counts.uncertain;
        f->dead = counts.dead;
        f->last_complete = cycle_report(engine_cycle(v.engine))->complete;
        for (size_t i = 0; i < engine_n_remotes(v.engine) && r >= 0; i++)
                r = add_target(&v, engine_remote(v.engine, i), f, &n_held, &n_paused);
        return r;
}

static bool same_list(char *const *a, char *const *b) {
        for (; a && *a && b && *b; a++, b++)
                if (!str_eq(*a, *b))
                        return false;
        return (!a || !*a) && (!b || !*b);
}

void bus_update(Bus *b, const char *status) {
        BusFacts now = { 0 }, before = b->facts;
        const char *changed[8];
        size_t n = 0;

        if (gather(b, status, &now) < 0) {
                facts_deinit(&now);
                return;
        }
        if (!str_eq(before.status, now.status))
                changed[n++] = "Status";
        if (before.queued != now.queued)
                changed[n++] = "Queued";
        if (before.dead != now.dead)
                changed[n++] = "Dead";
        if (before.last_complete != now.last_complete)
                changed[n++] = "LastCompleteRead";
        if (!same_list(before.held, now.held))
                changed[n++] = "Held";
        if (!same_list(before.paused, now.paused))
                changed[n++] = "Paused";
        changed[n] = NULL;
        b->facts = now;
        facts_deinit(&before);
        if (n > 0 && b->named)
                (void) sd_bus_emit_properties_changed_strv(b->bus, BUS_PATH, BUS_INTERFACE,
                                                           (char **) changed);
}
