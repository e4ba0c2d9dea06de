/* SPDX-License-Identifier: Apache-2.0 */
/* Expectations: what a person writes down about plans, to be held against them. */
#include <errno.h>

#include "base/strings.h"
#include "config/load.h"

static bool gives_role(const TargetConfig *t, const char *role) {
        for (size_t i = 0; i < t->n_roles; i++)
                if (str_eq(t->roles[i].role, role))
                        return true;
        for (size_t i = 0; i < t->n_applications; i++)
                for (size_t k = 0; k < t->applications[i].n_names; k++)
                        if (str_eq(t->applications[i].names[k], role))
                                return true;
        return false;
}

/* Where roles are required, none means that this was reported. */
static bool lacks_rows(const TargetConfig *t) {
        return t->n_roles == 0 && type_traits(t->type)->roles_required;
}

/* A target whose own name was reported may be the one that is meant. */
static bool names_unknown(const Config *c) {
        for (size_t i = 0; i < c->n_targets; i++)
                if (!c->targets[i].name)
                        return true;
        return c->n_targets == 0;
}

static void check_rule(Load *l, const View *v, const ExpectRule *e) {
        const TargetConfig *t = config_target(l->config, e->target);
        bool role = view_setting(v, "role");

        if (e->target && !t && !names_unknown(l->config))
                view_problem(l, v, "target", "there is no target \"%.60s\"", e->target);
        if (role == e->absent && !view_is_bad(v, "absent"))
                load_problem(l, v->parent, v->prefix,
                             role ? "has role and absent; use one of the two"
                                  : "expects nothing; set role, or absent = true");
        else if (e->role && t && !lacks_rows(t) && !gives_role(t, e->role))
                view_problem(l, v, "role", "\"%.60s\" is given by no row of the %s of \"%s\"", e->role,
                             t->n_roles > 0 ? "roles" : "applications", t->name);
}

void expect_load(Load *l, const View *root) {
        const config_setting_t *list = view_setting(root, "expect");
        unsigned n = list && config_setting_is_list(list) ? (unsigned) config_setting_length(list) : 0;
        Config *c = l->config;

        c->expect = calloc(n + 1, sizeof(*c->expect));
        if (!c->expect) {
                load_error(l, -ENOMEM);
                return;
        }
        for (unsigned i = 0; i < n; i++) {
                _cleanup_(view_freep) View *v = view_new_element(l, &key_section_expect, list, i, "expect");
                ExpectRule *e = &c->expect[c->n_expect];

                if (!v)
                        continue;
                c->n_expect++;
                load_values(l, v, e);
                e->line = (int) config_setting_source_line(v->parent);
                e->file = load_file_of(l, v->parent);
                check_rule(l, v, e);
        }
}

void expect_free(Config *c) {
        for (size_t i = 0; i < c->n_expect; i++) {
                section_free_values(&key_section_expect, &c->expect[i]);
                free(c->expect[i].file);
        }
        free(c->expect);
}
