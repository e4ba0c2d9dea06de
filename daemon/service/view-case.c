/* SPDX-License-Identifier: Apache-2.0 */
#include "service/view-case.h"

#include <errno.h>
#include <inttypes.h>

#include "service/view-internal.h"
#include "store/store-ledger.h"

/* ---- facts ---- */

static void find_scope(Case *c) {
        const Config *config = engine_config(c->v->engine);

        c->belong = belong_at(c->target, config->n_groups, c->person);
        c->belongs = c->belong.state == BELONG_YES;
        if (c->belong.group >= 0)
                c->group = config->groups[c->belong.group];
        if (c->belongs && c->target->n_roles > 0)
                c->role = &c->target->roles[c->belong.role];
}

static const PlanBlocked *find_blocked(const Plan *plan, const char *person) {
        for (size_t i = 0; plan && i < plan->n_blocked; i++)
                if (str_eq(plan->blocked[i].person, person))
                        return &plan->blocked[i];
        return NULL;
}

static const Action *find_action(const Action *actions, size_t n, const char *person) {
        for (size_t i = 0; i < n; i++)
                if (str_eq(actions[i].person, person))
                        return &actions[i];
        return NULL;
}

static int take_item(const QueueItem *item, void *userdata) {
        Case *c = userdata;
        QueueItem **place = item->finished == 0 ? &c->waiting : &c->stands;
        int r = 0;

        if (!str_eq(item->target, c->target->name))
                return 0;
        if (!c->latest)
                r = store_queue_get(c->v->store, item->id, &c->latest);
        if (r < 0 || *place || (item->finished > 0 && !item->stands))
                return r;
        return store_queue_get(c->v->store, item->id, place);
}

/* What takes something back counts where no other held plan has this person. */
static int load_held(Case *c) {
        _cleanup_(held_plan_freep) HeldPlan *revert = NULL;
        int r;

        r = store_held_get(c->v->store, c->target->name, HELD_PLAN, &c->held);
        if (r >= 0 && c->held)
                c->held_action = find_action(c->held->actions, c->held->n_actions, c->person->id);
        if (r < 0 || c->held_action)
                return r;
        r = store_held_get(c->v->store, c->target->name, HELD_REVERT, &revert);
        if (r < 0 || !revert || !find_action(revert->actions, revert->n_actions, c->person->id))
                return r;
        held_plan_free(c->held);
        c->held = TAKE(revert);
        c->held_action = find_action(c->held->actions, c->held->n_actions, c->person->id);
        return 0;
}

static int load_taken_back(Case *c) {
        _cleanup_(reverted_list_deinit) RevertedList list = { 0 };
        int r;

        r = store_reverted_list(c->v->store, c->target->name, &list);
        for (size_t i = 0; r >= 0 && i < list.n; i++)
                if (str_eq(list.items[i].person, c->person->id))
                        c->taken_back = list.items[i].action;
        return r;
}

static int load(Case *c) {
        const Plan *plan = remote_report(c->remote)->plan;
        const PlanBlocked *blocked = find_blocked(plan, c->person->id);
        Store *store = c->v->store;
        int r;

        find_scope(c);
        r = store_person_ways(store, c->person->id, &c->ways);
        if (r < 0)
                return r;
        c->blocked = blocked ? blocked->reason : NULL;
        c->asked = plan ? find_action(plan->actions, plan->n_actions, c->person->id) : NULL;
        r = store_links_load(store, c->target->name, &c->links);
        for (size_t i = 0; r >= 0 && i < c->links->n; i++)
                if (str_eq(c->links->items[i].person, c->person->id))
                        c->link = &c->links->items[i];
        if (r >= 0)
                r = load_held(c);
        if (r >= 0)
                r = load_taken_back(c);
        return r < 0 ? r : store_history_list(store, c->person->id, SIZE_MAX >> 1, take_item, c);
}

int case_load(const View *v, const Person *person, const Remote *remote, Case *ret) {
        *ret = (Case){.v = v, .person = person, .remote = remote, .target = remote_config(remote)};
        return load(ret);
}

void case_deinit(Case *c) {
        links_free(c->links);
        held_plan_free(c->held);
        queue_item_free(c->waiting);
        queue_item_free(c->stands);
        queue_item_free(c->latest);
        free(c->ways);
}

/* What the last plan asked for may have been done since. */
static bool is_open(const Case *c) {
        if (!c->asked || (c->asked->kind == ACTION_ADOPT && c->link))
                return false;
        return !c->latest || c->latest->state != QUEUE_DONE || c->latest->action.kind != c->asked->kind ||
               c->latest->finished < remote_report(c->remote)->compared;
}

static bool has_failed(const RemoteReport *report) {
        return report->state == REMOTE_UNREACHABLE || report->state == REMOTE_INCOMPLETE ||
               report->state == REMOTE_PARKED;
}

/* With the last complete read, and by a listing that came. */
static bool is_compared(const Case *c) {
        const RemoteReport *report = remote_report(c->remote);

        return report->plan && !has_failed(report) &&
               report->read_at >= cycle_report(engine_cycle(c->v->engine))->read_at;
}

CaseNext case_next(const Case *c) {
        if (c->waiting)
                return CASE_WORKED_ON;
        if (c->blocked)
                return CASE_BLOCKED;
        if (c->held_action)
                return CASE_HELD;
        if (c->stands)
                return CASE_SUPPRESSED;
        if (!is_compared(c))
                return CASE_NOT_COMPARED;
        if (is_open(c))
                return c->held ? CASE_BEHIND_HELD : CASE_ASKED;
        if (c->link && !c->link->gone && c->belongs)
                return CASE_IN_STEP;
        return c->link || c->belongs ? CASE_LEFT_ALONE : CASE_NOT_HERE;
}

/* ---- in words ---- */

void case_say_way(const Case *c, int group, StrBuf *out) {
        const char *name = group < 0 ? NULL : engine_config(c->v->engine)->groups[group], *way = c->ways;
        size_t len = strlen(name ?: "");

        while (name && way && !(strncmp(way, name, len) == 0 && way[len] == '\t')) {
                const char *end = strchr(way, '\n');

                way = end ? end + 1 : NULL;
        }
        if (!name || !way)
                return;
        for (way += len + 1; *way && *way != '\n'; way++)
                if (*way == '\t')
                        strbuf_puts(out, " > ");
                else
                        strbuf_putc(out, *way);
}

static void say_group(const Case *c, StrBuf *out) {
        _cleanup_(strbuf_deinit) StrBuf way = STRBUF_INIT(4 * PERSON_WAYS_MAX);

        if (!c->group) {
                strbuf_puts(out, "everybody in scope belongs here");
                return;
        }
        case_say_way(c, c->belong.group, &way);
        strbuf_printf(out, "in %s%s%s", c->group, way.len > 0 ? ", through " : "", way.data ?: "");
}

void case_say_why(const Case *c, StrBuf *out) {
        const Config *config = engine_config(c->v->engine);

        switch (c->belong.state) {
        case BELONG_YES:
                say_group(c, out);
                break;
        case BELONG_NOT_PRESENT:
                strbuf_puts(out, "the entry wasn't there in the last complete read of the directory");
                break;
        case BELONG_DISABLED:
                strbuf_printf(out, "the entry is disabled (%s)", config->directory.disabled.attribute);
                break;
        case BELONG_NO_GROUP:
                strbuf_puts(out, "in none of the target's groups: ");
                for (size_t i = 0; i < c->target->n_groups; i++)
                        strbuf_printf(out, "%s%s", i > 0 ? "; " : "", config->groups[c->target->groups[i]]);
                break;
        case BELONG_NO_ROLE:
                strbuf_puts(out, "no row of the target's roles fits");
                break;
        }
}

static const char *act_of(const Action *a) {
        return action_kind_to_string(a->kind);
}

void case_say_until(const View *v, const Remote *remote, usec_t until, const char *detail, StrBuf *out) {
        char text[USEC_FORMAT_MAX];
        const char *parked = NULL;

        strbuf_printf(out, "not before %s", usec_format_wall(until, text));
        if (remote_parked(remote, NULL, &parked) > loop_wall(v->loop))
                strbuf_printf(out, ": the target is parked: %s",
                              str_empty(parked) ? "calls failed" : parked);
        else if (remote_next_free(remote) > loop_wall(v->loop))
                strbuf_puts(out, ": the API's limits allow no call until then");
        else if (!str_empty(detail))
                strbuf_printf(out, ": %s", detail);
}

void case_say_paused(const Remote *remote, StrBuf *out) {
        if (str_eq(view_who_paused(remote), "operator"))
                strbuf_puts(out, "the target is paused by an operator, until \"idsyncctl resume\"");
        else
                strbuf_puts(out, "the target is paused by its configuration (paused = true)");
}

static void say_waiting(const Case *c, StrBuf *out) {
        usec_t at = remote_action_due(c->remote, c->waiting);

        strbuf_printf(out, "%s: action %" PRId64 " is %s", act_of(&c->waiting->action), c->waiting->id,
                      queue_state_to_string(c->waiting->state));
        if (c->waiting->state == QUEUE_UNCERTAIN)
                strbuf_puts(out, ": its answer never came, so the account is looked at first");
        if (c->waiting->state == QUEUE_RUNNING)
                return;
        strbuf_puts(out, "; ");
        if (remote_is_paused(c->remote))
                case_say_paused(c->remote, out);
        else if (at > loop_wall(c->v->loop))
                case_say_until(c->v, c->remote, at, c->waiting->detail, out);
        else
                strbuf_puts(out, "it goes on as soon as its turn comes");
}

/* Notes are written of somebody. */
static const char *subject_of(const PlanNote *note) {
        static const char *const verbs[] = { "is ", "has ", "may " };

        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (str_starts_with(note->reason, verbs[i]))
                        return "the person ";
        return "";
}

static const char *what_about(PlanNoteKind kind) {
        switch (kind) {
        case NOTE_GRACE:
                return "nothing until the grace is over: ";
        case NOTE_UNPROVEN:
                return "nothing until a read is complete: ";
        default:
                return "nothing: ";
        }
}

static void say_notes(const Case *c, StrBuf *out) {
        const Plan *plan = remote_report(c->remote)->plan;
        size_t n = 0;

        for (size_t i = 0; plan && i < plan->n_notes; i++) {
                const PlanNote *note = &plan->notes[i];

                if (str_eq(note->person, c->person->id))
                        strbuf_printf(out, "%s%s%s", n++ > 0 ? "; " : what_about(note->kind),
                                      subject_of(note), note->reason);
        }
        if (n == 0)
                strbuf_puts(out, "nothing is asked for");
}

static void say_suppressed(const Case *c, StrBuf *out) {
        const QueueItem *s = c->stands;

        strbuf_printf(out,
                      "nothing: action %" PRId64 " (%s) is %s%s%s; \"idsyncctl retry %" PRId64
                      "\" tries it again",
                      s->id, act_of(&s->action), s->state == QUEUE_DEAD ? "a dead letter" : "dropped",
                      s->detail ? ": " : "", s->detail ? s->detail : "", s->id);
}

static void say_held(const Case *c, const Action *a, StrBuf *out) {
        if (c->held_action)
                strbuf_printf(out, "%s, when the held plan %s is approved (held: %s)", act_of(a),
                              c->held->hash, c->held->reason);
        else
                strbuf_printf(out,
                              "%s, when the held plan %s is approved or rejected: it came on top of that "
                              "one (held: %s)",
                              act_of(a), c->held->hash, c->held->reason);
}

/* What is known of the target is older than what is known of the person. */
static void say_not_compared(const Case *c, StrBuf *out) {
        const RemoteReport *report = remote_report(c->remote);
        usec_t free_at = remote_next_free(c->remote);

        if (remote_is_busy(c->remote))
                strbuf_puts(out, "not known yet: the accounts are being listed");
        else if (has_failed(report))
                strbuf_printf(out, "not known: the accounts couldn't be listed: %s", report->reason);
        else
                strbuf_puts(out, "not compared yet");
        if (free_at > loop_wall(c->v->loop)) {
                strbuf_puts(out, "; ");
                case_say_until(c->v, c->remote, free_at, NULL, out);
        }
}

/* What isn't asked for yet, as while the grace runs, won't be then either. */
static void say_taken_back(const Case *c, StrBuf *out) {
        if (c->taken_back > 0)
                strbuf_printf(out,
                              "; action %" PRId64 " took something back, and what leads there again isn't "
                              "asked for until person, account or configuration change",
                              c->taken_back);
}

void case_say_next(const Case *c, StrBuf *out) {
        switch (case_next(c)) {
        case CASE_WORKED_ON:
                say_waiting(c, out);
                break;
        case CASE_BLOCKED:
                strbuf_printf(out, "nothing: blocked: %s", c->blocked);
                break;
        case CASE_HELD:
                say_held(c, c->held_action, out);
                break;
        case CASE_SUPPRESSED:
                say_suppressed(c, out);
                break;
        case CASE_NOT_COMPARED:
                say_not_compared(c, out);
                break;
        case CASE_BEHIND_HELD:
                say_held(c, c->asked, out);
                break;
        case CASE_ASKED:
                strbuf_printf(out, "%s, when the two sides are compared again", act_of(c->asked));
                break;
        case CASE_IN_STEP:
                strbuf_puts(out, "nothing: the account is as it shall be, as far as this API can change it");
                say_taken_back(c, out);
                break;
        case CASE_LEFT_ALONE:
                say_notes(c, out);
                say_taken_back(c, out);
                break;
        case CASE_NOT_HERE:
                strbuf_puts(out, "nothing: doesn't belong here, and has no account of ours");
                say_taken_back(c, out);
                break;
        }
}
