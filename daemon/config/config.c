/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "base/strings.h"
#include "config/load.h"

void config_problems_deinit(ConfigProblems *p) {
        texts_free(p->lines, p->n_lines);
        texts_free(p->notices, p->n_notices);
        *p = (ConfigProblems){0};
}

Config *config_ref(Config *config) {
        if (config)
                config->n_ref++;
        return config;
}

Config *config_unref(Config *config) {
        if (!config || --config->n_ref > 0)
                return NULL;
        section_free_values(&key_section_root, config);
        free(config->directory.disabled.value);
        texts_free(config->groups, config->n_groups);
        targets_free(config);
        expect_free(config);
        free(config->file);
        free(config);
        return NULL;
}

/* The n-th whole number of a file's text is the n-th of its settings; a file included twice begins anew.
 * What was cut off gets its text as a hook. */
static void mark_cut_off(Scan *scan, const config_setting_t *s) {
        int n = config_setting_is_aggregate(s) ? config_setting_length(s) : 0;

        for (int i = 0; i < n; i++) {
                config_setting_t *e = config_setting_get_elem(s, (unsigned) i);
                int type = config_setting_type(e);
                ScanFile *f;
                size_t index;

                mark_cut_off(scan, e);
                if (type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64)
                        continue;
                f = scan_find(scan, config_setting_source_file(e));
                if (!f || f->n_integers == 0)
                        continue;
                index = f->used++ % f->n_integers;
                for (size_t j = 0; j < f->n_numbers; j++)
                        if (f->numbers[j].index == index)
                                config_setting_set_hook(e, f->numbers[j].text);
        }
}

static void report_syntax(Load *l, const config_t *tree) {
        const char *text = config_error_text(tree);
        const ScanFile *file = scan_find(l->scan, config_error_file(tree));
        Problem *p;

        if (str_eq(text, "syntax error"))
                text = "syntax error; look here and above for a missing ';', '=', quote or bracket";
        else if (str_eq(text, "duplicate setting name"))
                text = "syntax error: a key stands twice in its group";
        else if (str_eq(text, "memory exhausted"))
                text = "syntax error: groups and lists are nested too deeply";
        p = calloc(1, sizeof(*p));
        if (!p || asprintf(&p->text, "%s:%d: %s", file ? file->path : l->file, config_error_line(tree),
                           text ?: "can't be read") < 0) {
                free(p);
                load_error(l, -ENOMEM);
                return;
        }
        l->problems.items = p;
        l->problems.n = 1;
}

static void report_unreadable(Load *l, const ErrCtx *err) {
        const Scan *scan = l->scan;
        Problem *p = calloc(1, sizeof(*p));
        int r = -1;

        if (p && scan->bad_file)
                r = asprintf(&p->text, "%s:%u: %s", scan->bad_file, scan->line, err->text);
        else if (p)
                r = asprintf(&p->text, "%s: can't be read: %s", l->file, err->text);
        if (r < 0) {
                free(p);
                load_error(l, -ENOMEM);
                return;
        }
        l->problems.items = p;
        l->problems.n = 1;
}

static void load_tree(Load *l, const config_t *tree) {
        _cleanup_(view_freep) View *root = view_new(l, &key_section_root, config_root_setting(tree), "");

        if (!root)
                return;
        load_values(l, root, l->config);
        directory_load(l, root);
        targets_load(l, root);
        expect_load(l, root);
}

/* The directory that @include starts from. */
static char *include_dir(const char *file) {
        const char *slash = strrchr(file, '/');

        if (!slash)
                return strdup(".");
        return slash == file ? strdup("/") : strndup(file, (size_t) (slash - file));
}

static void load_file(Load *l, const char *dir) {
        Scan scan = {0};
        ErrCtx err = {0};
        config_t tree;
        int r;

        l->scan = &scan;
        r = scan_run(&scan, l->file, dir, &err);
        if (r < 0)
                load_error(l, r);
        else if (r == SCAN_E_BAD)
                report_unreadable(l, &err);
        else {
                config_init(&tree);
                config_set_include_dir(&tree, dir);
                if (config_read_file(&tree, l->file)) {
                        mark_cut_off(&scan, config_root_setting(&tree));
                        load_tree(l, &tree);
                } else
                        report_syntax(l, &tree);
                config_destroy(&tree);
        }
        l->scan = NULL;
        scan_deinit(&scan);
}

static void load_deinit(Load *l) {
        /* As many as there are groups: pushed together. */
        texts_free(l->group_keys, l->config ? l->config->n_groups : 0);
        problems_deinit(&l->problems);
        problems_deinit(&l->notices);
        free(l->later);
}

int config_load(const char *file, const char *credentials_dir, ConfigProblems *problems, Config **ret) {
        _cleanup_(freep) char *dir = include_dir(file);
        _cleanup_(config_unrefp) Config *config = calloc(1, sizeof(*config));
        Load l = {.file = file, .credentials_dir = credentials_dir, .config = config};
        int r;

        *problems = (ConfigProblems){0};
        if (!dir || !config)
                return -ENOMEM;
        config->n_ref = 1;
        config->file = strdup(file);
        if (!config->file)
                return -ENOMEM;
        load_file(&l, dir);
        r = l.error;
        if (r == 0)
                r = problems_take(&l.problems, file, &problems->lines, &problems->n_lines);
        if (r == 0)
                r = problems_take(&l.notices, file, &problems->notices, &problems->n_notices);
        load_deinit(&l);
        if (r < 0) {
                config_problems_deinit(problems);
                return r;
        }
        if (problems->n_lines > 0)
                return CONFIG_E_INVALID;
        *ret = TAKE(config);
        return 0;
}

const TargetConfig *config_target(const Config *config, const char *name) {
        for (size_t i = 0; name && i < config->n_targets; i++)
                if (str_eq(config->targets[i].name, name))
                        return &config->targets[i];
        return NULL;
}

const char *bind_method_to_string(BindMethod m) {
        static const char *const names[_BIND_METHOD_MAX] = {"simple", "external", "gssapi", "anonymous"};

        return (unsigned) m < _BIND_METHOD_MAX ? names[m] : NULL;
}

const char *search_scope_to_string(SearchScope s) {
        static const char *const names[_SCOPE_MAX] = {"base", "one", "sub"};

        return (unsigned) s < _SCOPE_MAX ? names[s] : NULL;
}

const char *target_type_to_string(TargetType t) {
        return (unsigned) t < _TARGET_TYPE_MAX ? type_traits(t)->name : NULL;
}
