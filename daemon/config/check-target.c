/* SPDX-License-Identifier: Apache-2.0 */
/* Targets: each one's keys over those of target_defaults, what its type can do, and one target per
 * organisation. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/strings.h"
#include "config/load.h"

/* A target while it is read. */
typedef struct Draft {
        View *view;
        TargetConfig *target;
        const TypeTraits *traits; /* NULL: the type isn't known, which is reported */
        bool scratch; /* target_defaults: only checked */
} Draft;

static void target_deinit(TargetConfig *t) {
        section_free_values(&key_section_target, t);
        for (size_t i = 0; i < t->n_roles; i++)
                free(t->roles[i].role);
        for (size_t i = 0; i < t->n_applications; i++)
                texts_free(t->applications[i].names, t->applications[i].n_names);
        free(t->groups);
        free(t->roles);
        free(t->applications);
}

void targets_free(Config *c) {
        for (size_t i = 0; i < c->n_targets; i++)
                target_deinit(&c->targets[i]);
        free(c->targets);
}

static int group_index(Load *l, const Draft *d, const char *dn) {
        return dn && !d->scratch ? load_group(l, dn) : -1;
}

static void load_groups(Load *l, const Draft *d) {
        const config_setting_t *s = view_setting(d->view, "groups");
        unsigned n = s && config_setting_is_aggregate(s) ? (unsigned) config_setting_length(s) : 0;
        TargetConfig *t = d->target;

        t->groups = calloc(n + 1, sizeof(*t->groups));
        if (!t->groups) {
                load_error(l, -ENOMEM);
                return;
        }
        for (unsigned i = 0; i < n; i++) {
                const char *dn = config_setting_get_string_elem(s, (int) i);
                int group = group_index(l, d, dn);
                bool known = group < 0;

                for (size_t j = 0; j < t->n_groups && !known; j++)
                        known = t->groups[j] == group;
                if (!known)
                        t->groups[t->n_groups++] = group;
        }
}

/* A row that an earlier one leaves nothing to is a mistake: the first match wins. */
static void check_role_reach(Load *l, const Draft *d, unsigned index) {
        const RoleRule *roles = d->target->roles;

        for (unsigned i = 0; i < index; i++) {
                if (roles[i].group == -1)
                        view_problem_at(l, d->view, "roles", index,
                                        "is never reached: roles[%u] has no group and fits everybody", i);
                else if (roles[i].group >= 0 && roles[i].group == roles[index].group)
                        view_problem_at(l, d->view, "roles", index,
                                        "is never reached: roles[%u] has the same group", i);
                else
                        continue;
                return;
        }
}

static void load_role(Load *l, const Draft *d, View *row) {
        RoleKeys keys = {0};
        TargetConfig *t = d->target;
        int group;

        load_values(l, row, &keys);
        /* One that can't be read must not look as if it fitted everybody. */
        group = view_is_bad(row, "group") ? -2 : group_index(l, d, keys.group);
        t->roles[t->n_roles++] = (RoleRule){.group = group, .role = TAKE(keys.role)};
        section_free_values(&key_section_role, &keys);
}

/* Rows of a list that is a key of the target: how many, and the quiet that they are to be read in. */
static unsigned rows_of(const Draft *d, const char *name, const config_setting_t **ret) {
        *ret = view_setting(d->view, name);
        return *ret && config_setting_is_list(*ret) ? (unsigned) config_setting_length(*ret) : 0;
}

static void load_roles(Load *l, const Draft *d) {
        bool inherited = !view_is_own(d->view, "roles");
        const config_setting_t *s;
        unsigned n = rows_of(d, "roles", &s);
        char prefix[256];

        d->target->roles = calloc(n + 1, sizeof(*d->target->roles));
        if (!d->target->roles) {
                load_error(l, -ENOMEM);
                return;
        }
        (void) snprintf(prefix, sizeof(prefix), "%s.roles", d->view->prefix);
        l->quiet += inherited;
        for (unsigned i = 0; i < n; i++) {
                _cleanup_(view_freep) View *row = view_new_element(l, &key_section_role, s, i, prefix);

                if (!row)
                        continue;
                load_role(l, d, row);
                /* Only now the groups are known, those of target_defaults too. */
                l->quiet -= inherited;
                if (!d->scratch && d->target->n_roles == i + 1)
                        check_role_reach(l, d, i);
                l->quiet += inherited;
        }
        l->quiet -= inherited;
}

static void load_applications(Load *l, const Draft *d) {
        bool inherited = !view_is_own(d->view, "applications");
        TargetConfig *t = d->target;
        const config_setting_t *s;
        unsigned n = rows_of(d, "applications", &s);
        char prefix[256];

        t->applications = calloc(n + 1, sizeof(*t->applications));
        if (!t->applications) {
                load_error(l, -ENOMEM);
                return;
        }
        (void) snprintf(prefix, sizeof(prefix), "%s.applications", d->view->prefix);
        l->quiet += inherited;
        for (unsigned i = 0; i < n; i++) {
                _cleanup_(view_freep) View *row =
                                view_new_element(l, &key_section_application, s, i, prefix);
                ApplicationKeys keys = {0};

                if (!row)
                        continue;
                load_values(l, row, &keys);
                t->applications[t->n_applications++] = (ApplicationRule){
                                .group = group_index(l, d, keys.group),
                                .names = TAKE(keys.names),
                                .n_names = keys.n_names,
                };
                keys.n_names = 0;
                section_free_values(&key_section_application, &keys);
        }
        l->quiet -= inherited;
}

/* ---- What the type can do */

static void check_known_keys(Load *l, const Draft *d) {
        const KeySection *section = d->view->section;
        unsigned bit = 1u << d->target->type;

        for (size_t i = 0; i < section->n_rows; i++)
                if (d->view->own[i] && section->rows[i].types && !(section->rows[i].types & bit))
                        view_problem(l, d->view, section->rows[i].name, "has no meaning at %s; remove it",
                                     d->traits->label);
}

static void check_leave(Load *l, const Draft *d) {
        const KeyRow *row = key_section_find(&key_section_target, "leave");
        const char *wanted = "";
        char others[64] = "";
        size_t len = 0;

        if (d->traits->leave & 1u << d->target->leave)
                return;
        for (const KeyChoice *c = row->choices; c->name; c++) {
                if ((int) d->target->leave == c->value)
                        wanted = c->name;
                if (d->traits->leave & 1u << c->value)
                        len += (size_t) snprintf(others + len, sizeof(others) - len, "%s\"%s\"",
                                                 len > 0 ? " or " : "", c->name);
        }
        view_problem(l, d->view, "leave", "\"%s\" is not possible at %s; use %s", wanted, d->traits->label,
                     others);
}

static void check_password_reset(Load *l, const Draft *d) {
        bool organization = d->target->organization > 0 || view_is_bad(d->view, "organization") ||
                            view_is_bad(d->view, "organizations");

        if (!d->target->password_reset)
                return;
        if (!d->traits->password_reset)
                view_problem(l, d->view, "password_reset",
                             "true is not possible at %s: its API has no password resets; use false",
                             d->traits->label);
        else if (d->traits->reset_needs_organization && !organization)
                view_problem(l, d->view, "password_reset",
                             "true is possible at %s only with organization (or organizations): "
                             "the parent asks for resets in one child organisation",
                             d->traits->label);
        else if (str_empty(l->config->directory.password_reset.attribute))
                view_notice(l, d->view, "password_reset",
                            "no signal asks for resets, as directory.password_reset.attribute is empty; "
                            "only an operator can");
}

/* The host that the key `name` leads to is one of the other Umbrella's; a name may end in a dot. */
static void check_foreign(Load *l, const Draft *d, const char *name, const char *url) {
        const char *host = url ? strstr(url, "://") : NULL, *foreign = d->traits->foreign_host;
        size_t len, n = strlen(foreign ?: "");

        if (!host || !foreign)
                return;
        host += strlen("://");
        len = strcspn(host, ":/");
        while (len > 0 && host[len - 1] == '.')
                len--;
        if (len >= n && strncasecmp(host + len - n, foreign, n) == 0 &&
            (len == n || host[len - n - 1] == '.'))
                view_problem(l, d->view, name,
                             "%.*s is not a host of %s; nothing of this target may go there",
                             (int) len, host, d->traits->label);
}

static void check_own(Load *l, const Draft *d, const TargetConfig *other, const char *name, const char *ours,
                      const char *theirs) {
        if (ours && str_eq(ours, theirs))
                view_problem(l, d->view, name, "\"%s\" is also that of target \"%s\" at %s; "
                             "each API has keys of its own, and must never see another's",
                             ours, other->name ?: "", type_traits(other->type)->label);
}

static void check_own_keys(Load *l, const Draft *d) {
        const TargetConfig *t = d->target;

        if (!d->traits->foreign_host)
                return;
        for (size_t i = 0; i < l->config->n_targets; i++) {
                const TargetConfig *other = &l->config->targets[i];

                if (other->type == t->type || !type_traits(other->type)->foreign_host)
                        continue;
                check_own(l, d, other, "key_credential", t->key_credential, other->key_credential);
                check_own(l, d, other, "secret_credential", t->secret_credential, other->secret_credential);
        }
}

static void load_url(Load *l, const Draft *d) {
        TargetConfig *t = d->target;

        if (!view_setting(d->view, "url")) {
                if (d->traits->url)
                        t->url = load_strdup(l, d->traits->url);
                else
                        view_missing(l, d->view, "url");
        }
        for (size_t len = strlen(t->url ?: ""); len > 0 && t->url[len - 1] == '/'; len--)
                t->url[len - 1] = 0;
        check_foreign(l, d, "url", t->url);
        check_foreign(l, d, "proxy", t->proxy);
}

static void load_type_defaults(Load *l, const Draft *d) {
        TargetConfig *t = d->target;

        if (!view_setting(d->view, "rate.second"))
                t->rate.second = d->traits->rate.second;
        if (!view_setting(d->view, "rate.minute"))
                t->rate.minute = d->traits->rate.minute;
        if (!view_setting(d->view, "rate.half_hour"))
                t->rate.half_hour = d->traits->rate.half_hour;
        if (!view_setting(d->view, "last_of") && d->traits->last_of) {
                t->last_of = calloc(1, sizeof(*t->last_of));
                if (!t->last_of) {
                        load_error(l, -ENOMEM);
                        return;
                }
                t->last_of[t->n_last_of++] = load_strdup(l, d->traits->last_of);
        }
}

static void check_required(Load *l, const Draft *d) {
        static const char *const company[] = {"company.id", "company.name", "company.display_name"};
        const config_setting_t *roles = view_setting(d->view, "roles");

        if (d->traits->roles_required && !roles)
                view_missing(l, d->view, "roles");
        else if (d->traits->roles_required && config_setting_is_aggregate(roles) &&
                 config_setting_length(roles) == 0)
                view_problem(l, d->view, "roles",
                             "is empty, so nobody would belong here; one row at least is needed");
        for (size_t i = 0; d->traits->company_required && i < ELEMENTSOF(company); i++)
                if (!view_setting(d->view, company[i]))
                        view_missing(l, d->view, company[i]);
}

/* ---- One target, and all */

/* The organisations to spread out over; the other of the two keys may be inherited, and then gives way. */
static size_t read_organizations(Load *l, const Draft *d, uint64_t **ret) {
        const View *v = d->view;
        size_t n = view_is_bad(v, "organizations") ? 0 : load_ids(l, v, "organizations", ret);
        bool own_one = view_is_own(v, "organization"), own_many = view_is_own(v, "organizations");

        if (n == 0 || d->target->organization == 0)
                return n;
        if (own_one != own_many)
                return own_many ? n : 0;
        view_problem(l, v, "organizations", "stands beside organization; use one of the two");
        return 0;
}

static void fill_target(Load *l, Draft *d, uint64_t organization) {
        TargetConfig *t = d->target;

        load_values(l, d->view, t);
        if (organization > 0)
                t->organization = organization;
        t->line = (int) config_setting_source_line(d->view->parent);
        load_groups(l, d);
        load_roles(l, d);
        load_applications(l, d);
        if (str_empty(t->ca_file) && l->config->directory.ca_file) {
                free(t->ca_file);
                t->ca_file = load_strdup(l, l->config->directory.ca_file);
        }
        if (!view_setting(d->view, "type") || view_is_bad(d->view, "type"))
                return;
        d->traits = type_traits(t->type);
        check_known_keys(l, d);
        load_url(l, d);
        load_type_defaults(l, d);
        check_required(l, d);
        check_own_keys(l, d);
        check_leave(l, d);
        check_password_reset(l, d);
}

static void check_unique(Load *l, const View *v, const char *name) {
        unsigned quiet = l->quiet;

        /* Spread out, each has a name of its own. */
        l->quiet = 0;
        for (size_t i = 0; i < l->config->n_targets; i++)
                if (name && str_eq(l->config->targets[i].name, name)) {
                        view_problem(l, v, "name", "\"%s\" is the name of another target already (line %d)",
                                     name, l->config->targets[i].line);
                        break;
                }
        l->quiet = quiet;
}

/* Gives the target away to the configuration. */
static void add_target(Load *l, const View *v, TargetConfig *t) {
        Config *c = l->config;
        TargetConfig *targets = reallocarray(c->targets, c->n_targets + 1, sizeof(*targets));

        if (!targets) {
                load_error(l, -ENOMEM);
                target_deinit(t);
                return;
        }
        c->targets = targets;
        check_unique(l, v, t->name);
        targets[c->n_targets++] = *t;
}

static void load_one(Load *l, View *v, uint64_t organization) {
        TargetConfig t = {0};
        Draft d = {.view = v, .target = &t};
        char *name;

        fill_target(l, &d, organization);
        if (organization > 0 && t.name) {
                if (asprintf(&name, "%s-%" PRIu64, t.name, organization) < 0) {
                        load_error(l, -ENOMEM);
                        name = NULL;
                }
                free(t.name);
                t.name = name;
        }
        add_target(l, v, &t);
}

static void load_target(Load *l, View *v) {
        _cleanup_(freep) uint64_t *organizations = NULL;
        TargetConfig probe = {0};
        Draft d = {.view = v, .target = &probe};
        size_t n;

        l->quiet++;
        load_values(l, v, &probe);
        l->quiet--;
        n = read_organizations(l, &d, &organizations);
        target_deinit(&probe);
        if (n == 0)
                load_one(l, v, 0);
        for (size_t i = 0; i < n; i++) {
                /* Only the first of them has something new to say, but for its name. */
                l->quiet += i > 0;
                load_one(l, v, organizations[i]);
                l->quiet -= i > 0;
        }
}

/* target_defaults: its values are checked where they stand, once; what depends on a type is checked with
 * each target. */
static void check_defaults(Load *l, View *v) {
        TargetConfig scratch = {0};
        Draft d = {.view = v, .target = &scratch, .scratch = true};

        for (size_t i = 0; i < v->section->n_rows; i++)
                if (v->own[i] && v->section->rows[i].flags & KEY_OWN) {
                        view_problem(l, v, v->section->rows[i].name,
                                     "belongs in each target, not in target_defaults");
                        v->own[i] = NULL;
                }
        v->partial = true;
        load_values(l, v, &scratch);
        load_roles(l, &d);
        load_applications(l, &d);
        target_deinit(&scratch);
}

void targets_load(Load *l, const View *root) {
        const config_setting_t *group = view_setting(root, "target_defaults"),
                               *list = view_setting(root, "targets");
        _cleanup_(view_freep) View *defaults = NULL;
        unsigned n = list && config_setting_is_list(list) ? (unsigned) config_setting_length(list) : 0;

        if (group && config_setting_is_group(group)) {
                defaults = view_new(l, &key_section_target, group, "target_defaults");
                if (!defaults)
                        return;
                check_defaults(l, defaults);
        }
        if (list && n == 0 && !view_is_bad(root, "targets"))
                view_problem(l, root, "targets", "is empty; one target at least is needed");
        for (unsigned i = 0; i < n; i++) {
                _cleanup_(view_freep) View *v = view_new_element(l, &key_section_target, list, i, "targets");

                if (!v)
                        continue;
                v->defaults = defaults;
                load_target(l, v);
        }
}
