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

static int load(Case *c) {
        const Plan *plan = remote_report(c->remote)->plan;
        const PlanBlocked *blocked = find_blocked(plan, c->person->id);
        Store *store = c->v->store;
        int r;

        find_scope(c);
        c->blocked = blocked ? blocked->reason : NULL;
        c->asked = plan ? find_action(plan->actions, plan->n_actions, c->person->id) : NULL;
        r = store_links_load(store, c->target->name, &c->links);
        for (size_t i = 0; r >= 0 && i < c->links->n; i++)
                if (str_eq(c->links->items[i].person, c->person->id))
                        c->link = &c->links->items[i];
        if (r >= 0)
                r = store_held_get(store, c->target->name, HELD_PLAN, &c->held);
        if (r >= 0 && c->held)
                c->held_action = find_action(c->held->actions, c->held->n_actions, c->person->id);
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
}

/* What the last plan asked for may have been done since. */
static bool is_open(const Case *c) {
        if (!c->asked || (c->asked->kind == ACTION_ADOPT && c->link))
                return false;
        return !c->latest || c->latest->state != QUEUE_DONE || c->latest->action.kind != c->asked->kind ||
               c->latest->finished < remote_report(c->remote)->compared;
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
        if (!remote_report(c->remote)->plan)
                return CASE_NOT_COMPARED;
        if (is_open(c))
                return c->held ? CASE_BEHIND_HELD : CASE_ASKED;
        if (c->link && !c->link->gone && c->belongs)
                return CASE_IN_STEP;
        return c->link || c->belongs ? CASE_LEFT_ALONE : CASE_NOT_HERE;
}

/* ---- in words ---- */

void case_say_why(const Case *c, StrBuf *out) {
        const Config *config = engine_config(c->v->engine);

        switch (c->belong.state) {
        case BELONG_YES:
                strbuf_printf(out, "%s%s", c->group ? "in " : "everybody in scope belongs here",
                              c->group ? c->group : "");
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

static void say_waiting(const Case *c, StrBuf *out) {
        usec_t wall = loop_wall(c->v->loop), at = c->waiting->due, free_at = remote_next_free(c->remote);
        char text[USEC_FORMAT_MAX];

        strbuf_printf(out, "action %" PRId64 " (%s) is %s", c->waiting->id, act_of(&c->waiting->action),
                      queue_state_to_string(c->waiting->state));
        if (c->waiting->state == QUEUE_UNCERTAIN)
                strbuf_puts(out, ": its answer never came, so the account is looked at first");
        if (remote_is_paused(c->remote)) {
                strbuf_puts(out, "; the target is paused");
                return;
        }
        if (c->waiting->state == QUEUE_RUNNING)
                return;
        at = free_at > at ? free_at : at;
        if (at > wall)
                strbuf_printf(out, "; not before %s", usec_format_wall(at, text));
        if (c->waiting->detail)
                strbuf_printf(out, " (%s)", c->waiting->detail);
}

static void say_notes(const Case *c, StrBuf *out) {
        const Plan *plan = remote_report(c->remote)->plan;
        size_t n = 0;

        for (size_t i = 0; plan && i < plan->n_notes; i++)
                if (str_eq(plan->notes[i].person, c->person->id))
                        strbuf_printf(out, "%s%s", n++ > 0 ? "; " : "", plan->notes[i].reason);
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

void case_say_next(const Case *c, StrBuf *out) {
        const RemoteReport *report = remote_report(c->remote);

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
                strbuf_printf(out, "not compared yet%s%s", *report->reason ? ": " : "", report->reason);
                break;
        case CASE_BEHIND_HELD:
                say_held(c, c->asked, out);
                break;
        case CASE_ASKED:
                strbuf_printf(out, "%s, when the two sides are compared again", act_of(c->asked));
                break;
        case CASE_IN_STEP:
                strbuf_puts(out, "nothing: the account is as it shall be, as far as this API can change it");
                break;
        case CASE_LEFT_ALONE:
                strbuf_puts(out, "nothing: ");
                say_notes(c, out);
                break;
        case CASE_NOT_HERE:
                strbuf_puts(out, "nothing: doesn't belong here, and has no account of ours");
                break;
        }
}
