/* SPDX-License-Identifier: Apache-2.0 */
/* Settings become values: type, range and shape of each, by the row of the table. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/strings.h"
#include "config/credential.h"
#include "config/load.h"

#define IDS_MAX 10000

/* One value on its way from the file, or from the text of a default, to its member. */
typedef struct Value {
        uint64_t number;
        const char *text;
} Value;

static const char *found_type(const config_setting_t *s) {
        switch (config_setting_type(s)) {
        case CONFIG_TYPE_INT:
        case CONFIG_TYPE_INT64:
                return "a whole number";
        case CONFIG_TYPE_FLOAT:
                return "a number with a fraction";
        case CONFIG_TYPE_STRING:
                return "a text";
        case CONFIG_TYPE_BOOL:
                return "true or false";
        case CONFIG_TYPE_GROUP:
                return "a group";
        default:
                return "a list";
        }
}

static void wrong_type(Load *l, const config_setting_t *s, const char *key, const KeyRow *row) {
        char range[KEY_RANGE_MAX];

        load_problem(l, s, key, "is %s, must be %s", found_type(s), key_range(row, range));
}

static bool read_number(Load *l, const config_setting_t *s, const char *key, const KeyRow *row,
                        uint64_t *ret) {
        const char *cut_off = config_setting_get_hook(s);
        int type = config_setting_type(s);
        char range[KEY_RANGE_MAX];
        long long number;

        if (type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64) {
                wrong_type(l, s, key, row);
                return false;
        }
        number = type == CONFIG_TYPE_INT ? config_setting_get_int(s) : config_setting_get_int64(s);
        if (!cut_off && number >= 0 && (uint64_t) number >= row->min && (uint64_t) number <= row->max) {
                *ret = (uint64_t) number;
                return true;
        }
        if (cut_off)
                load_problem(l, s, key, "%.40s is out of range, must be %s", cut_off, key_range(row, range));
        else
                load_problem(l, s, key, "%lld is out of range, must be %s", number, key_range(row, range));
        return false;
}

static bool read_text(Load *l, const config_setting_t *s, const char *key, const KeyRow *row,
                      const char **ret) {
        ErrCtx err = {0};
        int r;

        if (config_setting_type(s) != CONFIG_TYPE_STRING) {
                /* Of a list of texts, this is one. */
                if (row->type == KEY_STRINGS)
                        load_problem(l, s, key, "is %s, must be a text in quotes", found_type(s));
                else
                        wrong_type(l, s, key, row);
                return false;
        }
        *ret = config_setting_get_string(s);
        r = syntax_text(*ret, &err);
        if (r == 0 && row->check)
                r = row->check(*ret, &err);
        if (r < 0)
                load_error(l, r);
        else if (r > 0)
                load_problem(l, s, key, "%s", err.text);
        return r == 0;
}

static const KeyChoice *find_choice(const KeyRow *row, const char *name) {
        for (const KeyChoice *c = row->choices; c->name; c++)
                if (str_eq(c->name, name))
                        return c;
        return NULL;
}

/* Numbers that are written as text: durations, sizes, choices. */
static bool number_from_text(const KeyRow *row, const char *text, uint64_t *ret) {
        const KeyChoice *choice;

        switch (row->type) {
        case KEY_SPAN:
                return usec_parse(text, ret) == 0 && *ret >= row->min && *ret <= row->max;
        case KEY_SIZE:
                return size_parse(text, ret) == 0 && *ret >= row->min && *ret <= row->max;
        case KEY_CHOICE:
        case KEY_SWITCH:
                choice = find_choice(row, text);
                if (choice)
                        *ret = (uint64_t) choice->value;
                return choice;
        case KEY_BOOL:
                *ret = str_eq(text, "true");
                return true;
        case KEY_INT:
        case KEY_ID:
                return parse_u64(text, ret) == 0;
        default:
                return false;
        }
}

static bool read_value(Load *l, const config_setting_t *s, const char *key, const KeyRow *row, Value *ret) {
        char range[KEY_RANGE_MAX];

        switch (row->type) {
        case KEY_BOOL:
                if (config_setting_type(s) != CONFIG_TYPE_BOOL) {
                        wrong_type(l, s, key, row);
                        return false;
                }
                ret->number = config_setting_get_bool(s) != 0;
                return true;
        case KEY_INT:
        case KEY_ID:
                return read_number(l, s, key, row, &ret->number);
        case KEY_STRING:
                return read_text(l, s, key, row, &ret->text);
        default:
                if (!read_text(l, s, key, row, &ret->text))
                        return false;
                if (number_from_text(row, ret->text, &ret->number))
                        return true;
                load_problem(l, s, key, "\"%.100s\" is not allowed, must be %s", ret->text,
                             key_range(row, range));
                return false;
        }
}

static void store(Load *l, const KeyRow *row, void *base, const Value *v) {
        void *member;

        if (row->offset == KEY_NOWHERE)
                return;
        member = (char *) base + row->offset;
        switch (row->type) {
        case KEY_BOOL:
        case KEY_SWITCH:
                *(bool *) member = v->number != 0;
                break;
        case KEY_INT:
        case KEY_CHOICE:
                *(unsigned *) member = (unsigned) v->number;
                break;
        case KEY_STRING:
                free(*(char **) member);
                *(char **) member = load_strdup(l, v->text);
                break;
        default:
                *(uint64_t *) member = v->number;
                break;
        }
}

static void store_default(Load *l, const KeyRow *row, void *base) {
        Value v = {.text = row->def};

        if (!row->def || row->type == KEY_STRINGS || row->type >= KEY_ROWS || row->type == KEY_IDS)
                return;
        (void) number_from_text(row, row->def, &v.number);
        store(l, row, base, &v);
}

/* Whether a value that was read is something else than the default. */
static bool differs(const KeyRow *row, const Value *v) {
        Value def = {0};

        if (row->type == KEY_STRING)
                return !str_eq(v->text, row->def);
        if (!row->def)
                return true;
        (void) number_from_text(row, row->def, &def.number);
        return v->number != def.number;
}

static bool is_later(const KeyRow *row, const Value *v) {
        if (row->flags & KEY_LATER)
                return differs(row, v);
        return row->type == KEY_CHOICE && find_choice(row, v->text)->later;
}

static void check_credential(Load *l, const config_setting_t *s, const char *key, const KeyRow *row,
                             const char *name) {
        _cleanup_(secret_freep) Secret *secret = NULL;
        _cleanup_(freep) char *path = NULL;
        ErrCtx err = {0};
        int r = 0;

        if (!l->credentials_dir || l->quiet)
                return;
        if (row->flags & KEY_SECRET)
                r = credential_load(l->credentials_dir, name, &secret, &err);
        else if (row->flags & KEY_SECRET_FILE)
                r = credential_path(l->credentials_dir, name, &path, &err);
        if (r < 0)
                load_error(l, r);
        else if (r > 0)
                load_problem(l, s, key, "%s", err.text);
}

static bool load_single(Load *l, const View *v, const KeyRow *row, const char *key, void *base) {
        const config_setting_t *s = view_setting(v, row->name);
        Value value = {0};

        if (!read_value(l, s, key, row, &value))
                return false;
        store(l, row, base, &value);
        if (is_later(row, &value))
                view_later(l, v, row);
        check_credential(l, s, key, row, value.text);
        return true;
}

static bool is_list(const config_setting_t *s) {
        return config_setting_type(s) == CONFIG_TYPE_LIST || config_setting_type(s) == CONFIG_TYPE_ARRAY;
}

static bool load_strings(Load *l, const View *v, const KeyRow *row, const char *key, void *base) {
        const config_setting_t *s = view_setting(v, row->name);
        unsigned n = (unsigned) config_setting_length(s);
        char **list, element[320];
        const char *text;
        size_t used = 0;

        if (!is_list(s)) {
                wrong_type(l, s, key, row);
                return false;
        }
        if (row->flags & KEY_LATER && n > 0)
                view_later(l, v, row);
        list = calloc(n + 1, sizeof(*list));
        if (!list) {
                load_error(l, -ENOMEM);
                return false;
        }
        for (unsigned i = 0; i < n; i++) {
                (void) snprintf(element, sizeof(element), "%s[%u]", key, i);
                if (read_text(l, config_setting_get_elem(s, i), element, row, &text))
                        list[used++] = load_strdup(l, text);
        }
        if (row->offset == KEY_NOWHERE) {
                texts_free(list, used);
                return used == n;
        }
        *(char ***) ((char *) base + row->offset) = list;
        *(size_t *) ((char *) base + row->offset_n) = used;
        return used == n;
}

/* The shape alone; their keys are read by who knows the section. */
static bool check_rows(Load *l, const View *v, const KeyRow *row, const char *key) {
        const config_setting_t *s = view_setting(v, row->name);
        bool good = true;
        unsigned n = is_list(s) ? (unsigned) config_setting_length(s) : 0;

        if (!is_list(s)) {
                wrong_type(l, s, key, row);
                return false;
        }
        if (row->flags & KEY_LATER && n > 0)
                view_later(l, v, row);
        for (unsigned i = 0; i < n; i++) {
                const config_setting_t *e = config_setting_get_elem(s, i);

                if (config_setting_type(e) == CONFIG_TYPE_GROUP)
                        continue;
                view_problem_at(l, v, row->name, i, "is %s, must be a group { … }", found_type(e));
                good = false;
        }
        return good;
}

size_t load_ids(Load *l, const View *v, const char *name, uint64_t **ret) {
        const config_setting_t *s = view_setting(v, name);
        KeyRow one = *key_section_find(v->section, name);
        unsigned n = s && is_list(s) ? (unsigned) config_setting_length(s) : 0;
        uint64_t *ids = calloc(n + 1, sizeof(*ids));
        char element[320];
        size_t used = 0;

        if (!ids) {
                load_error(l, -ENOMEM);
                return 0;
        }
        one.type = KEY_ID;
        for (unsigned i = 0; i < n; i++) {
                (void) snprintf(element, sizeof(element), "%s.%s[%u]", v->prefix, name, i);
                if (read_number(l, config_setting_get_elem(s, i), element, &one, &ids[used]))
                        used++;
        }
        *ret = ids;
        return used;
}

static bool check_ids(Load *l, const View *v, const KeyRow *row, const char *key) {
        const config_setting_t *s = view_setting(v, row->name);
        uint64_t *ids = NULL;
        bool good;
        size_t n;

        if (!is_list(s)) {
                wrong_type(l, s, key, row);
                return false;
        }
        if (config_setting_length(s) > IDS_MAX) {
                load_problem(l, s, key, "has more than %d organisations", IDS_MAX);
                return false;
        }
        n = load_ids(l, v, row->name, &ids);
        good = n == (size_t) config_setting_length(s);
        for (size_t i = 0; i < n; i++)
                for (size_t j = 0; j < i; j++)
                        if (ids[i] == ids[j]) {
                                load_problem(l, config_setting_get_elem(s, (unsigned) i), key,
                                             "%" PRIu64 " is listed twice", ids[i]);
                                good = false;
                                break;
                        }
        free(ids);
        return good;
}

/* false: reported. */
static bool load_row(Load *l, const View *v, const KeyRow *row, void *base) {
        const config_setting_t *s = view_setting(v, row->name);
        char key[256];

        (void) snprintf(key, sizeof(key), "%s%s%s", v->prefix, *v->prefix ? "." : "", row->name);
        switch (row->type) {
        case KEY_STRINGS:
                return load_strings(l, v, row, key, base);
        case KEY_IDS:
                /* Spread out, each of the targets reads the whole list. */
                if (v->read && l->quiet)
                        return !v->bad[row - v->section->rows];
                return check_ids(l, v, row, key);
        case KEY_ROWS:
                return check_rows(l, v, row, key);
        case KEY_GROUP:
                if (config_setting_type(s) == CONFIG_TYPE_GROUP)
                        return true;
                wrong_type(l, s, key, row);
                return false;
        default:
                return load_single(l, v, row, key, base);
        }
}

void load_values(Load *l, View *v, void *base) {
        const KeySection *section = v->section;

        for (size_t i = 0; i < section->n_rows; i++) {
                const KeyRow *row = &section->rows[i];
                bool inherited = v->defaults && !v->own[i];

                store_default(l, row, base);
                if (!view_setting(v, row->name)) {
                        if (row->flags & KEY_REQUIRED && !v->partial)
                                view_missing(l, v, row->name);
                        continue;
                }
                /* What stands in target_defaults was reported when it was read there. */
                l->quiet += inherited;
                v->bad[i] = !load_row(l, v, row, base);
                l->quiet -= inherited;
        }
        v->read = true;
}

void section_free_values(const KeySection *section, void *base) {
        for (size_t i = 0; i < section->n_rows; i++) {
                const KeyRow *row = &section->rows[i];
                char *member;

                if (row->offset == KEY_NOWHERE)
                        continue;
                member = (char *) base + row->offset;
                if (row->type == KEY_STRING)
                        free(*(char **) member);
                if (row->type == KEY_STRINGS)
                        texts_free(*(char ***) member, *(size_t *) ((char *) base + row->offset_n));
        }
}
