/* SPDX-License-Identifier: Apache-2.0 */
/* The sample configuration and the manual say what the table of keys says. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <libconfig.h>

#include "base/strings.h"
#include "config/config.h"
#include "config/keys.h"

static char *read_source(const char *name) {
        const char *dir = getenv("IDSYNCD_SRCDIR");
        _cleanup_(fclosep) FILE *f = NULL;
        char path[4096], *text;
        size_t n;

        (void) snprintf(path, sizeof(path), "%s/%s", dir ? dir : ".", name);
        f = fopen(path, "re");
        if (!f)
                fail_msg("%s: %s", path, strerror(errno));
        text = calloc(1, 1 << 20);
        assert_non_null(text);
        n = fread(text, 1, (1 << 20) - 1, f);
        assert_true(n > 0 && n < (1 << 20) - 1);
        return text;
}

/* "    # key = value;" becomes "      key = value;"; prose has "##" or stands at the top. */
static void uncomment(char *text) {
        for (char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
                char *p = line + strspn(line, " "), *key = p + 1 + strspn(p + 1, " ");
                size_t len = *p == '#' ? strspn(key, "abcdefghijklmnopqrstuvwxyz_") : 0;

                if (len > 0 && strncmp(key + len, " = ", 3) == 0)
                        *p = ' ';
        }
}

static void sample_value(const config_setting_t *s, char *buf, size_t size) {
        switch (config_setting_type(s)) {
        case CONFIG_TYPE_INT:
                (void) snprintf(buf, size, "%d", config_setting_get_int(s));
                break;
        case CONFIG_TYPE_BOOL:
                (void) snprintf(buf, size, "%s", config_setting_get_bool(s) ? "true" : "false");
                break;
        case CONFIG_TYPE_STRING:
                (void) snprintf(buf, size, "%s", config_setting_get_string(s));
                break;
        case CONFIG_TYPE_GROUP:
                (void) snprintf(buf, size, "%s", config_setting_length(s) ? "{…}" : "{}");
                break;
        case CONFIG_TYPE_ARRAY:
                (void) snprintf(buf, size, "%s", config_setting_length(s) ? "[…]" : "[]");
                break;
        default:
                (void) snprintf(buf, size, "%s", config_setting_length(s) ? "(…)" : "()");
                break;
        }
}

static const char *last_part(const char *name) {
        const char *dot = strrchr(name, '.');

        return dot ? dot + 1 : name;
}

/* Keys that an example in the prose shows, because the sample's own target or bind method doesn't have them.
 * */
static bool is_shown(const char *sample, const char *name) {
        char text[512];

        (void) snprintf(text, sizeof(text), "%s = ", last_part(name));
        for (const char *p = strstr(sample, text); p; p = strstr(p + 1, text))
                if (p > sample && strchr(" {;", p[-1]))
                        return true;
        return false;
}

static void test_sample_keys(void **state) {
        _cleanup_(freep) char *sample = read_source("conf/idsyncd.conf");
        _cleanup_(freep) char *plain = strdup(sample);
        char path[512], value[512];
        unsigned wrong = 0;
        config_t tree;
        ConfigKey key;

        (void) state;
        config_init(&tree);
        uncomment(plain);
        if (!config_read_string(&tree, plain))
                fail_msg("the sample with all its keys: line %d: %s", config_error_line(&tree),
                         config_error_text(&tree));
        for (size_t i = 0; config_key_describe(i, &key); i++) {
                const config_setting_t *s;

                if (str_starts_with(key.name, "targets."))
                        (void) snprintf(path, sizeof(path), "targets.[0].%s", key.name + strlen("targets."));
                else
                        (void) snprintf(path, sizeof(path), "%s", key.name);
                s = config_lookup(&tree, path);
                if (!s && !is_shown(sample, key.name)) {
                        print_error("conf/idsyncd.conf: nothing about %s\n", key.name);
                        wrong++;
                }
                if (!s || !key.def || str_eq(key.def, "required") || str_eq(key.def, "by type"))
                        continue;
                sample_value(s, value, sizeof(value));
                if (!str_eq(value, key.def)) {
                        print_error("conf/idsyncd.conf: %s = %s, but the default is %s\n", key.name, value,
                                    key.def);
                        wrong++;
                }
        }
        config_destroy(&tree);
        assert_int_equal(wrong, 0);
}

static Config *load_sample(const char *text) {
        char path[] = "/tmp/idsyncd-sample-XXXXXX";
        ConfigProblems problems;
        Config *config = NULL;
        FILE *f;
        int r;

        f = fdopen(mkstemp(path), "w");
        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
        r = config_load(path, NULL, &problems, &config);
        (void) unlink(path);
        for (size_t i = 0; i < problems.n_lines; i++)
                print_error("%s\n", problems.lines[i]);
        for (size_t i = 0; i < problems.n_notices; i++)
                print_error("%s\n", problems.notices[i]);
        assert_int_equal(r, 0);
        assert_int_equal(problems.n_notices, 0);
        config_problems_deinit(&problems);
        return config;
}

static bool same_texts(const KeyRow *row, const char *a, const char *b) {
        size_t n = *(const size_t *) (a + row->offset_n);
        char *const *x = *(char **const *) (a + row->offset);
        char *const *y = *(char **const *) (b + row->offset);
        bool same = n == *(const size_t *) (b + row->offset_n);

        for (size_t i = 0; i < n && same; i++)
                same = str_eq(x[i], y[i]);
        return same;
}

static bool same_value(const KeyRow *row, const void *a, const void *b) {
        const char *x = (const char *) a + row->offset, *y = (const char *) b + row->offset;

        switch (row->type) {
        case KEY_BOOL:
        case KEY_SWITCH:
                return *(const bool *) x == *(const bool *) y;
        case KEY_INT:
        case KEY_CHOICE:
                return *(const unsigned *) x == *(const unsigned *) y;
        case KEY_STRING:
                return str_eq(*(char *const *) x, *(char *const *) y);
        case KEY_STRINGS:
                return same_texts(row, a, b);
        default:
                return *(const uint64_t *) x == *(const uint64_t *) y;
        }
}

static unsigned count_differences(const KeySection *section, const void *a, const void *b) {
        unsigned wrong = 0;

        for (size_t i = 0; i < section->n_rows; i++)
                if (section->rows[i].offset != KEY_NOWHERE && !same_value(&section->rows[i], a, b)) {
                        print_error("conf/idsyncd.conf: %s isn't shown with its default\n",
                                    section->rows[i].name);
                        wrong++;
                }
        return wrong;
}

/* Left out and written out as shown, a key means the same: what depends on the type, too. */
static void test_sample_loads(void **state) {
        _cleanup_(freep) char *sample = read_source("conf/idsyncd.conf");
        _cleanup_(config_unrefp) Config *bare = NULL, *whole = NULL;

        (void) state;
        bare = load_sample(sample);
        uncomment(sample);
        whole = load_sample(sample);
        assert_int_equal(count_differences(&key_section_root, bare, whole), 0);
        assert_int_equal(bare->n_targets, 1);
        assert_int_equal(whole->n_targets, 1);
        assert_int_equal(count_differences(&key_section_target, bare->targets, whole->targets), 0);
}

/* The manual's entry of a key up to the next one's, each run of blanks as one; "" if there is none. */
static char *manual_entry(const char *page, const char *name) {
        char start[512], *text, *q;
        const char *p, *end;

        (void) snprintf(start, sizeof(start), "\n``%s`` (", name);
        p = strstr(page, start);
        end = p ? strstr(p + 1, "\n``") : NULL;
        text = p ? strndup(p + 1, end ? (size_t) (end - p) : strlen(p + 1)) : strdup("");
        assert_non_null(text);
        q = text;
        for (p = text; *p; p++)
                if (!strchr(" \n", *p))
                        *q++ = *p;
                else if (q > text && q[-1] != ' ')
                        *q++ = ' ';
        *q = 0;
        return text;
}

/* A distinguished name and a credential are texts with a shape of their own. */
static bool is_type(const char *text, const char *type) {
        size_t len = strcspn(text, ",");

        return (strlen(type) == len && strncmp(text, type, len) == 0) ||
               (str_eq(type, "text") &&
                (str_starts_with(text, "DN,") || str_starts_with(text, "credential,")));
}

/* What must follow the type in the manual: "required)", "default ``5min``, "1s" to "7d")". */
static void expected_entry(const ConfigKey *key, char *buf, size_t size) {
        const char *from = strstr(key->range, " from ");
        char def[256], range[256] = "";

        if (!key->def)
                (void) snprintf(def, sizeof(def), "no default");
        else if (str_eq(key->def, "required"))
                (void) snprintf(def, sizeof(def), "required");
        else if (str_eq(key->def, "by type"))
                (void) snprintf(def, sizeof(def), "default by type");
        else
                (void) snprintf(def, sizeof(def), "default ``%s``", *key->def ? key->def : "\"\"");
        if (from) {
                from += strlen(" from ");
                (void) snprintf(range, sizeof(range), ", %.*s", (int) strcspn(from, ",:"), from);
        }
        (void) snprintf(buf, size, "%s%s)", def, range);
}

static unsigned complain(const ConfigKey *key, const char *about, const char *what) {
        print_error("%s: %s: %s\n", about, key->name, what);
        return 1;
}

static void test_manual(void **state) {
        _cleanup_(freep) char *page = read_source("man/idsyncd.conf.5.rst");
        unsigned wrong = 0;
        ConfigKey key;

        (void) state;
        for (size_t i = 0; config_key_describe(i, &key); i++) {
                _cleanup_(freep) char *entry = manual_entry(page, key.name);
                const char *type = strstr(entry, "`` ("), *rest = type ? strstr(type, ", ") : NULL;
                char expected[1024];

                expected_entry(&key, expected, sizeof(expected));
                if (!rest || !is_type(type + 4, key.type) || !str_starts_with(rest + 2, expected)) {
                        print_error("man/idsyncd.conf.5.rst: needs the line: ``%s`` (%s, %s\n", key.name,
                                    key.type, expected);
                        wrong++;
                } else if (!strstr(entry, "*No effect yet.*") == key.later)
                        wrong += complain(&key, "man/idsyncd.conf.5.rst",
                                          key.later ? "\"*No effect yet.*\" must stand here"
                                                    : "\"*No effect yet.*\" must not stand here");
        }
        assert_int_equal(wrong, 0);
}

/* Each word that is allowed is explained, in the sample too. */
static void test_choices(void **state) {
        _cleanup_(freep) char *page = read_source("man/idsyncd.conf.5.rst");
        _cleanup_(freep) char *sample = read_source("conf/idsyncd.conf");
        unsigned wrong = 0, seen = 0;
        ConfigKey key;

        (void) state;
        for (size_t i = 0; config_key_describe(i, &key); i++) {
                _cleanup_(freep) char *entry = manual_entry(page, key.name);
                char word[64], quoted[96];
                int used;

                if (!str_eq(key.type, "choice"))
                        continue;
                for (const char *p = key.range; (p = strchr(p, '"')); p += used) {
                        assert_int_equal(sscanf(p, "%63[^, ]%n", word, &used), 1);
                        (void) snprintf(quoted, sizeof(quoted), "``%s``", word);
                        if (!strstr(entry, quoted))
                                wrong += complain(&key, "man/idsyncd.conf.5.rst: nothing about", word);
                        if (!strstr(sample, word))
                                wrong += complain(&key, "conf/idsyncd.conf: nothing about", word);
                        seen++;
                }
        }
        assert_int_equal(wrong, 0);
        assert_true(seen > 25);
}

/* The manual says which keys one type alone knows, and what the defaults of each type are. */
static void test_types(void **state) {
        _cleanup_(freep) char *page = read_source("man/idsyncd.conf.5.rst");
        _cleanup_(freep) char *url = manual_entry(page, "targets.url");
        _cleanup_(freep) char *rate = manual_entry(page, "targets.rate.second");
        unsigned wrong = 0, seen = 0;
        char text[256];
        ConfigKey key;

        (void) state;
        for (size_t i = 0; config_key_describe(i, &key); i++) {
                _cleanup_(freep) char *entry = manual_entry(page, key.name);
                const KeyRow *row = NULL;
                bool primavera, umbrella;

                if (str_starts_with(key.name, "targets."))
                        row = key_section_find(&key_section_target, key.name + strlen("targets."));
                primavera = row && row->types == 1u << TARGET_PRIMAVERA;
                umbrella = row && row->types && !primavera;
                if (!strstr(entry, "Primavera only.") == primavera ||
                    !strstr(entry, "Umbrella only.") == umbrella)
                        wrong += complain(&key, "man/idsyncd.conf.5.rst",
                                          "\"Primavera only.\", \"Umbrella only.\"?");
                seen += primavera || umbrella;
        }
        assert_int_equal(wrong, 0);
        assert_true(seen > 10);
        for (TargetType t = 0; t < _TARGET_TYPE_MAX; t++) {
                const TypeTraits *traits = type_traits(t);

                if (traits->url)
                        assert_non_null(strstr(url, traits->url));
                (void) snprintf(text, sizeof(text),
                                t == TARGET_PRIMAVERA ? "%u, %u and %u"
                                                      : "%u in a second, %u in a minute, %u in 30 minutes",
                                traits->rate.second, traits->rate.minute, traits->rate.half_hour);
                assert_non_null(strstr(rate, text));
        }
}

/* Nothing is documented that isn't there. */
static void test_manual_has_no_more(void **state) {
        _cleanup_(freep) char *page = read_source("man/idsyncd.conf.5.rst");
        unsigned wrong = 0, seen = 0;

        (void) state;
        for (const char *p = strstr(page, "\n``"); p; p = strstr(p + 1, "\n``")) {
                size_t len = strcspn(p + 3, "`");
                bool known = false;
                ConfigKey key;

                if (strncmp(p + 3 + len, "`` (", 4) != 0)
                        continue;
                seen++;
                for (size_t i = 0; !known && config_key_describe(i, &key); i++)
                        known = strlen(key.name) == len && strncmp(key.name, p + 3, len) == 0;
                if (!known) {
                        print_error("man/idsyncd.conf.5.rst: %.*s is no key\n", (int) len, p + 3);
                        wrong++;
                }
        }
        assert_int_equal(wrong, 0);
        assert_true(seen > 90);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(test_sample_keys),
                        cmocka_unit_test(test_sample_loads),
                        cmocka_unit_test(test_manual),
                        cmocka_unit_test(test_choices),
                        cmocka_unit_test(test_types),
                        cmocka_unit_test(test_manual_has_no_more),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
