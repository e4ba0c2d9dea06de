/* SPDX-License-Identifier: Apache-2.0 */
/* The tree is walked once: each setting is sorted to the row of the table that knows it, and what no row
 * knows is a mistake. Never config_lookup_*(): those don't see unknown keys, and take a wrong type for an
 * absent key. */
#include <errno.h>
#include <stdio.h>

#include "base/strings.h"
#include "config/dn.h"
#include "config/load.h"

#define KEY_MAX 256
#define SIBLINGS_MAX 64

static const char *join(char buf[static KEY_MAX], const char *prefix, const char *name) {
        /* What is longer than this is no key of ours. */
        (void) snprintf(buf, KEY_MAX, "%.120s%s%.120s", prefix, *prefix && *name ? "." : "", name);
        return buf;
}

/* Is `group` a group that keys of the section stand in: "bind" of "bind.dn"? */
static bool is_group_of(const KeySection *section, const char *group) {
        size_t len = strlen(group);

        for (size_t i = 0; i < section->n_rows; i++)
                if (strncmp(section->rows[i].name, group, len) == 0 && section->rows[i].name[len] == '.')
                        return true;
        return false;
}

/* The names that may stand in the group `at` ("" is the section itself), each once. */
static size_t siblings(const KeySection *section, const char *at, char names[SIBLINGS_MAX][KEY_MAX]) {
        size_t len = strlen(at), n = 0;

        for (size_t i = 0; i < section->n_rows && n < SIBLINGS_MAX; i++) {
                const char *rest = section->rows[i].name;
                bool known = false;

                if (len > 0 && (strncmp(rest, at, len) != 0 || rest[len] != '.'))
                        continue;
                rest += len > 0 ? len + 1 : 0;
                (void) snprintf(names[n], KEY_MAX, "%.*s", (int) strcspn(rest, "."), rest);
                for (size_t j = 0; j < n && !known; j++)
                        known = str_eq(names[j], names[n]);
                n += !known;
        }
        return n;
}

/* A key of that very name that stands in another group of the section. */
static const char *same_name_elsewhere(const KeySection *section, const char *name) {
        for (size_t i = 0; i < section->n_rows; i++) {
                const char *dot = strrchr(section->rows[i].name, '.');

                if (str_eq(dot ? dot + 1 : section->rows[i].name, name))
                        return section->rows[i].name;
        }
        return NULL;
}

/* Appends a text that is given away, NULL being -ENOMEM. 0, -ENOMEM. */
static int texts_push(char ***texts, size_t n, char *take_text) {
        char **longer = take_text ? reallocarray(*texts, n + 1, sizeof(*longer)) : NULL;

        if (!longer) {
                free(take_text);
                return -ENOMEM;
        }
        *texts = longer;
        longer[n] = take_text;
        return 0;
}

/* A key that was reported is not reported as missing, too. */
static void forgive(Load *l, View *v, const char *name) {
        if (texts_push(&v->misspelt, v->n_misspelt, strdup(name)) < 0)
                load_error(l, -ENOMEM);
        else
                v->n_misspelt++;
}

static void report_unknown(Load *l, View *v, const config_setting_t *s, const char *at, const char *key) {
        const KeySection *section = v->section;
        char names[SIBLINGS_MAX][KEY_MAX], meant[KEY_MAX];
        const char *list[SIBLINGS_MAX], *name = config_setting_name(s), *nearest;
        size_t n;

        if (l->problems.n == PROBLEMS_MAX) {
                l->problems.left_out++;
                return;
        }
        n = siblings(section, at, names);
        for (size_t i = 0; i < n; i++)
                list[i] = names[i];
        nearest = nearest_name(name, list, n);
        if (nearest)
                join(meant, at, nearest);
        else {
                nearest = same_name_elsewhere(section, name);
                (void) snprintf(meant, sizeof(meant), "%s", nearest ?: "");
        }
        if (!nearest) {
                load_problem(l, s, key, "is not a key here; idsyncd.conf(5) has them all");
                return;
        }
        load_problem(l, s, key, "is not a key here; did you mean \"%s\"?", nearest);
        forgive(l, v, meant);
}

/* The settings of the group `at` of a section. */
static void sort_group(Load *l, View *v, const config_setting_t *group, const char *at) {
        const KeySection *section = v->section;
        char name[KEY_MAX], key[KEY_MAX];
        int n = config_setting_length(group);

        for (int i = 0; i < n; i++) {
                const config_setting_t *s = config_setting_get_elem(group, (unsigned) i);
                const KeyRow *row;

                join(name, at, config_setting_name(s));
                join(key, v->prefix, name);
                row = key_section_find(section, name);
                if (row)
                        v->own[row - section->rows] = s;
                else if (!is_group_of(section, name))
                        report_unknown(l, v, s, at, key);
                else if (config_setting_type(s) != CONFIG_TYPE_GROUP) {
                        load_problem(l, s, key, "must be a group: %s = { … };", config_setting_name(s));
                        forgive(l, v, name);
                } else
                        sort_group(l, v, s, name);
        }
}

View *view_new(Load *l, const KeySection *section, const config_setting_t *group, const char *prefix) {
        View *v = calloc(1, sizeof(*v));

        if (v) {
                v->section = section;
                v->parent = group;
                v->own = calloc(section->n_rows, sizeof(*v->own));
                v->bad = calloc(section->n_rows, sizeof(*v->bad));
                v->prefix = strdup(prefix);
        }
        if (!v || !v->own || !v->bad || !v->prefix) {
                load_error(l, -ENOMEM);
                return view_free(v);
        }
        sort_group(l, v, group, "");
        return v;
}

View *view_new_element(Load *l, const KeySection *section, const config_setting_t *list, unsigned index,
                       const char *prefix) {
        const config_setting_t *group = config_setting_get_elem(list, index);
        char element[KEY_MAX + 16];

        if (config_setting_type(group) != CONFIG_TYPE_GROUP)
                return NULL;
        (void) snprintf(element, sizeof(element), "%s[%u]", prefix, index);
        return view_new(l, section, group, element);
}

View *view_free(View *v) {
        if (!v)
                return NULL;
        texts_free(v->misspelt, v->n_misspelt);
        free(v->own);
        free(v->bad);
        free(v->prefix);
        free(v);
        return NULL;
}

static size_t row_index(const View *v, const char *name) {
        return (size_t) (key_section_find(v->section, name) - v->section->rows);
}

static const config_setting_t *setting_at(const View *v, size_t i) {
        if (v->own[i] || !v->defaults)
                return v->own[i];
        return v->defaults->own[i];
}

const config_setting_t *view_setting(const View *v, const char *name) {
        return setting_at(v, row_index(v, name));
}

bool view_is_own(const View *v, const char *name) {
        return v->own[row_index(v, name)];
}

bool view_is_bad(const View *v, const char *name) {
        size_t i = row_index(v, name);

        if (v->own[i] || !v->defaults)
                return v->bad[i];
        return v->defaults->bad[i];
}

/* How the user calls a key: by the group it was really written in. */
static const char *view_key(const View *v, const char *name, char buf[static KEY_MAX]) {
        bool inherited = view_setting(v, name) && !view_is_own(v, name);

        return join(buf, inherited ? "target_defaults" : v->prefix, name);
}

void view_problem(Load *l, const View *v, const char *name, const char *format, ...) {
        char key[KEY_MAX], text[1024];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        load_problem(l, view_setting(v, name) ?: v->parent, view_key(v, name, key), "%s", text);
}

/* The group that the first `len` bytes of a name stand for, NULL if nothing in it is set. */
static const config_setting_t *view_group(const View *v, const char *name, size_t len) {
        for (size_t i = 0; i < v->section->n_rows; i++) {
                const char *other = v->section->rows[i].name;
                const config_setting_t *s = setting_at(v, i);

                if (!s || strncmp(other, name, len) != 0 || other[len] != '.')
                        continue;
                for (const char *p = other + len; p; p = strchr(p + 1, '.'))
                        s = config_setting_parent(s);
                return s;
        }
        return NULL;
}

static bool is_misspelt(const View *v, const char *name) {
        for (size_t i = 0; v && i < v->n_misspelt; i++) {
                size_t len = strlen(v->misspelt[i]);

                if (strncmp(name, v->misspelt[i], len) == 0 && (name[len] == 0 || name[len] == '.'))
                        return true;
        }
        return false;
}

void view_missing(Load *l, const View *v, const char *name) {
        const config_setting_t *group = v->parent, *inner;
        char part[KEY_MAX], key[KEY_MAX];

        if (is_misspelt(v, name) || is_misspelt(v->defaults, name))
                return;
        for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.')) {
                inner = view_group(v, name, (size_t) (dot - name));
                if (!inner) {
                        (void) snprintf(part, sizeof(part), "%.*s", (int) (dot - name), name);
                        load_problem(l, group, join(key, v->prefix, part),
                                     "is required; it isn't there, or empty");
                        return;
                }
                group = inner;
        }
        load_problem(l, group, join(key, v->prefix, name), "is required: %s",
                     key_section_find(v->section, name)->doc);
}

void view_problem_at(Load *l, const View *v, const char *name, unsigned index, const char *format, ...) {
        const config_setting_t *s = view_setting(v, name);
        char key[KEY_MAX], full[KEY_MAX + 64], text[1024];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        (void) snprintf(full, sizeof(full), "%s[%u]", view_key(v, name, key), index);
        load_problem(l, config_setting_get_elem(s, index) ?: s, full, "%s", text);
}

void view_notice(Load *l, const View *v, const char *name, const char *text) {
        char key[KEY_MAX];

        load_notice(l, view_setting(v, name), view_key(v, name, key), "%s", text);
}

void view_later(Load *l, const View *v, const KeyRow *row) {
        const config_setting_t *s;
        const KeyRow **later;
        char key[KEY_MAX];

        if (l->quiet)
                return;
        for (size_t i = 0; i < l->n_later; i++)
                if (l->later[i] == row)
                        return;
        later = reallocarray(l->later, l->n_later + 1, sizeof(*later));
        if (!later) {
                load_error(l, -ENOMEM);
                return;
        }
        l->later = later;
        later[l->n_later++] = row;
        s = view_setting(v, row->name);
        if (row->type == KEY_CHOICE)
                load_notice(l, s, view_key(v, row->name, key),
                            "\"%s\" is accepted, but has no effect in this version",
                            config_setting_get_string(s));
        else
                load_notice(l, s, view_key(v, row->name, key), "accepted, has no effect in this version");
}

void texts_free(char **texts, size_t n) {
        for (size_t i = 0; i < n; i++)
                free(texts[i]);
        free(texts);
}

int load_group(Load *l, const char *dn) {
        Config *c = l->config;
        char *key;
        int r;

        r = dn_normalise(dn, &key, NULL);
        if (r != 0) {
                if (r < 0)
                        load_error(l, r);
                return -1;
        }
        for (size_t i = 0; i < c->n_groups; i++)
                if (str_eq(l->group_keys[i], key)) {
                        free(key);
                        return (int) i;
                }
        r = texts_push(&l->group_keys, c->n_groups, key);
        if (r == 0) {
                r = texts_push(&c->groups, c->n_groups, strdup(dn));
                if (r < 0)
                        free(l->group_keys[c->n_groups]);
        }
        if (r < 0) {
                load_error(l, r);
                return -1;
        }
        return (int) c->n_groups++;
}
