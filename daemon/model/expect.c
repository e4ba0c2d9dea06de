/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/belong.h"
#include "model/expect.h"
#include "model/who.h"

/* Of so many failed ones the text is told. */
#define TOLD_MAX 3
#define TEXT_MAX 2048
#define RULES_MAX ((size_t) 4 << 20)

/* One expectation under examination. */
typedef struct Case {
        const ExpectInput *in;
        const ExpectRule *rule;
        const Who *who;
        Belong belong;                  /* where who is one person */
} Case;

void expectations_deinit(Expectations *e) {
        for (size_t i = 0; i < e->n; i++)
                free(e->items[i].text);
        free(e->items);
        *e = (Expectations){ 0 };
}

static const char *blocked_reason(const Case *c) {
        const Plan *plan = c->in->plan;

        for (size_t i = 0; plan && i < plan->n_blocked; i++)
                if (str_eq(plan->blocked[i].person, c->who->person->id))
                        return plan->blocked[i].reason;
        return NULL;
}

static bool row_matches(const Case *c, const ApplicationRule *row) {
        return belong_in_group(c->who->person, c->in->config->n_groups, row->group);
}

static bool row_gives(const ApplicationRule *row, const char *name) {
        for (size_t i = 0; i < row->n_names; i++)
                if (str_eq(row->names[i], name))
                        return true;
        return false;
}

/* The row that gives the application role; n_applications: none does. */
static size_t giving_row(const Case *c) {
        const TargetConfig *t = c->in->target;
        size_t i = 0;

        while (i < t->n_applications &&
               !(row_matches(c, &t->applications[i]) && row_gives(&t->applications[i], c->rule->role)))
                i++;
        return i;
}

static bool gets_role(const Case *c) {
        const TargetConfig *t = c->in->target;

        if (c->belong.state != BELONG_YES)
                return false;
        if (t->n_roles > 0)
                return str_eq(t->roles[c->belong.role].role, c->rule->role);
        return giving_row(c) < t->n_applications;
}

static bool is_one(const Case *c) {
        return c->who->person && !c->who->other;
}

static bool holds(const Case *c) {
        if (c->rule->absent)
                return !c->who->person || (is_one(c) && c->belong.state != BELONG_YES);
        return is_one(c) && gets_role(c) && !blocked_reason(c);
}

/* ---- in words ---- */

static void put_applications(const Case *c, StrBuf *out) {
        const TargetConfig *t = c->in->target;
        size_t n = 0;

        for (size_t i = 0; i < t->n_applications; i++) {
                const ApplicationRule *row = &t->applications[i];

                for (size_t k = 0; row_matches(c, row) && k < row->n_names; k++)
                        strbuf_printf(out, "%s\"%s\" by applications[%zu]", n++ > 0 ? ", " : "would have ",
                                      row->names[k], i);
        }
        if (n == 0)
                strbuf_puts(out, "would have an account, and matches no row of applications");
}

static void put_place(const Case *c, StrBuf *out) {
        const TargetConfig *t = c->in->target;
        const char *blocked = blocked_reason(c);

        if (blocked && gets_role(c))
                strbuf_printf(out, "is blocked: %s", blocked);
        else if (t->n_roles > 0)
                strbuf_printf(out, "would be \"%s\" by roles[%zu]", t->roles[c->belong.role].role,
                              c->belong.role);
        else
                put_applications(c, out);
}

/* Why it is so, of somebody who belongs: what they get. */
static void put_state(const Case *c, StrBuf *out) {
        switch (c->belong.state) {
        case BELONG_YES: put_place(c, out); break;
        case BELONG_NOT_PRESENT: strbuf_puts(out, "is no longer in the directory"); break;
        case BELONG_DISABLED: strbuf_puts(out, "is disabled in the directory"); break;
        case BELONG_NO_GROUP: strbuf_puts(out, "is in none of the target's groups"); break;
        case BELONG_NO_ROLE: strbuf_puts(out, "matches no row of roles"); break;
        }
}

static void put_found(const Case *c, StrBuf *out) {
        if (!c->who->person)
                strbuf_puts(out, "nobody in the directory has this address, login, DN or id");
        else if (c->who->other)
                strbuf_printf(out, "two entries have this address, login or DN: %s and %s",
                              c->who->person->dn, c->who->other->dn);
        else
                put_state(c, out);
}

static void put_good(const Case *c, StrBuf *out) {
        const TargetConfig *t = c->in->target;
        const ExpectRule *e = c->rule;

        if (e->absent) {
                strbuf_printf(out, "%s is absent from %s: ", e->person, t->name);
                put_found(c, out);
        } else if (t->n_roles > 0)
                strbuf_printf(out, "%s is \"%s\" at %s by roles[%zu]", e->person, e->role, t->name,
                              c->belong.role);
        else
                strbuf_printf(out, "%s has \"%s\" at %s by applications[%zu]", e->person, e->role, t->name,
                              giving_row(c));
}

static void put_bad(const Case *c, StrBuf *out) {
        const TargetConfig *t = c->in->target;
        const ExpectRule *e = c->rule;

        if (e->absent)
                strbuf_printf(out, "%s should be absent from %s, and ", e->person, t->name);
        else
                strbuf_printf(out, "%s should %s \"%s\" at %s, and ", e->person,
                              t->n_roles > 0 ? "be" : "have", e->role, t->name);
        put_found(c, out);
}

/* ---- all of a target ---- */

static bool concerns(const ExpectInput *in, size_t i) {
        return str_eq(in->config->expect[i].target, in->target->name);
}

static int look_at(const ExpectInput *in, const ExpectRule *rule, const Who *who, Expected *ret) {
        _cleanup_(strbuf_deinit) StrBuf text = STRBUF_INIT(TEXT_MAX);
        Case c = { .in = in, .rule = rule, .who = who };

        if (is_one(&c))
                c.belong = belong_at(in->target, in->config->n_groups, who->person);
        strbuf_printf(&text, "%s:%d: expect[%zu]: ", rule->file, rule->line,
                      (size_t) (rule - in->config->expect));
        *ret = (Expected){ .rule = rule, .holds = holds(&c) };
        if (ret->holds)
                put_good(&c, &text);
        else
                put_bad(&c, &text);
        /* One that is too long ends early. */
        ret->text = text.error == -ENOMEM ? NULL : strdup(text.data ?: "");
        return ret->text ? 0 : -ENOMEM;
}

int expect_examine(const ExpectInput *in, Expectations *ret) {
        _cleanup_(expectations_deinit) Expectations e = { 0 };
        _cleanup_(freep) Who *who = calloc(in->config->n_expect + 1, sizeof(*who));
        size_t n = 0;
        int r;

        e.items = calloc(in->config->n_expect + 1, sizeof(*e.items));
        if (!who || !e.items)
                return -ENOMEM;
        for (size_t i = 0; i < in->config->n_expect; i++)
                if (concerns(in, i))
                        who[n++].text = in->config->expect[i].person;
        r = n > 0 ? who_find_many(in->people, who, n) : 0;
        n = 0;
        for (size_t i = 0; i < in->config->n_expect && r >= 0; i++) {
                if (!concerns(in, i))
                        continue;
                r = look_at(in, &in->config->expect[i], &who[n++], &e.items[e.n]);
                e.n_failed += r >= 0 && !e.items[e.n].holds;
                e.n++;
        }
        if (r < 0)
                return r;
        *ret = e;
        e = (Expectations){ 0 };
        return 0;
}

void expect_put_failed(const Expectations *e, StrBuf *out) {
        size_t told = 0;

        for (size_t i = 0; i < e->n; i++) {
                if (e->items[i].holds)
                        continue;
                if (told == TOLD_MAX) {
                        strbuf_printf(out, "; %zu more expectations fail", e->n_failed - told);
                        return;
                }
                strbuf_printf(out, "%s%s", told++ > 0 ? "; " : "", e->items[i].text);
        }
}

char *expect_text(const Config *config, const TargetConfig *target) {
        StrBuf b = STRBUF_INIT(RULES_MAX);

        for (size_t i = 0; i < config->n_expect; i++) {
                const ExpectRule *e = &config->expect[i];

                if (!str_eq(e->target, target->name))
                        continue;
                strbuf_json(&b, e->person);
                strbuf_putc(&b, ' ');
                strbuf_json(&b, e->absent ? NULL : e->role);
                strbuf_putc(&b, '\n');
        }
        return strbuf_take(&b);
}
