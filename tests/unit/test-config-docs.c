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

static void load_sample(const char *text) {
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
        (void) config_unref(config);
}

static void test_sample_loads(void **state) {
        _cleanup_(freep) char *sample = read_source("conf/idsyncd.conf");

        (void) state;
        load_sample(sample);
        /* And all its defaults, as they are shown. */
        uncomment(sample);
        load_sample(sample);
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

static bool is_noted_as_later(const char *entry) {
        const char *end = strstr(entry, "\n``");
        const char *note = strstr(entry, "*No effect yet.*");

        return note && (!end || note < end);
}

static void test_manual(void **state) {
        _cleanup_(freep) char *page = read_source("man/idsyncd.conf.5.rst");
        char start[512], expected[1024];
        unsigned wrong = 0;
        ConfigKey key;

        (void) state;
        for (size_t i = 0; config_key_describe(i, &key); i++) {
                const char *entry, *rest;

                (void) snprintf(start, sizeof(start), "\n``%s`` (", key.name);
                entry = strstr(page, start);
                rest = entry ? strstr(entry, ", ") : NULL;
                expected_entry(&key, expected, sizeof(expected));
                if (!rest || !str_starts_with(rest + 2, expected)) {
                        print_error("man/idsyncd.conf.5.rst: needs the line: ``%s`` (%s, %s\n", key.name,
                                    key.type, expected);
                        wrong++;
                } else if (is_noted_as_later(entry + 1) != key.later) {
                        print_error("man/idsyncd.conf.5.rst: %s: \"*No effect yet.*\" must%s stand here\n",
                                    key.name, key.later ? "" : " not");
                        wrong++;
                }
        }
        assert_int_equal(wrong, 0);
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
                        cmocka_unit_test(test_manual_has_no_more),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
