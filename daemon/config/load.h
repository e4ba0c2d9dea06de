/* SPDX-License-Identifier: Apache-2.0 */
/* One load of a configuration: the tree that libconfig parsed becomes values, problems and notices. For
 * config/ alone. */
#pragma once

#include <libconfig.h>

#include "config/keys.h"
#include "config/scan.h"

typedef struct Problem {
        size_t file;            /* the main file is 0 */
        unsigned line;
        size_t order;
        size_t once;            /* of problems that have so many first bytes in common, one is told */
        char *text;
} Problem;

typedef struct Problems {
        Problem *items;
        size_t n;
        size_t left_out;        /* past PROBLEMS_MAX */
} Problems;

#define PROBLEMS_MAX 1000

typedef struct Load {
        const char *file;
        const char *credentials_dir;    /* NULL: credentials aren't looked at */
        Config *config;
        Problems problems, notices;
        unsigned quiet;                 /* > 0: values are read again that were reported before */
        int error;                      /* -ENOMEM; sticky */
        const KeyRow **later;           /* keys that had their notice */
        size_t n_later;
        char **group_keys;              /* normal forms of config->groups */
        Scan *scan;                     /* the files */
} Load;

/* Where the values of a section come from. */
typedef struct View View;
struct View {
        const KeySection *section;
        const config_setting_t *parent; /* the group itself, for what is missing in it */
        const config_setting_t **own;   /* per row of the section; NULL members: not set */
        bool *bad;                      /* per row: set here to something that was reported */
        const View *defaults;           /* target_defaults, borrowed; NULL: nothing to inherit */
        char *prefix;                   /* "targets[0]"; "" at the root */
        char **misspelt;                /* keys and groups that are there in a wrong way: not missing too */
        size_t n_misspelt;
        bool read;                      /* load_values() was here: bad is filled */
        bool partial;                   /* nothing is required here: this is target_defaults */
};

/* Sorts by file and line, drops what is said twice, and gives the texts away. 0, -ENOMEM. */
int problems_take(Problems *p, const char *file, char ***ret, size_t *ret_n);
void problems_deinit(Problems *p);

/* At a setting (NULL: line 1). key is what the user calls it. */
void load_problem(Load *l, const config_setting_t *s, const char *key, const char *format, ...)
        _printf_(4, 5);
void load_notice(Load *l, const config_setting_t *s, const char *key, const char *format, ...)
        _printf_(4, 5);
/* Remembers the first failure. */
void load_error(Load *l, int error);

/* A list's element, as view_new() reads it, prefix being the list's key; NULL if it isn't a group. Views are
 * freed with view_free(). */
View *view_new_element(Load *l, const KeySection *section, const config_setting_t *list, unsigned index,
                       const char *prefix);
/* A group with the keys of a section; unknown keys are reported. NULL: out of memory, sticky. */
View *view_new(Load *l, const KeySection *section, const config_setting_t *group, const char *prefix);
View *view_free(View *v);
DEFINE_CLEANUP(View *, view_free);

const config_setting_t *view_setting(const View *v, const char *name);
bool view_is_own(const View *v, const char *name);
/* Was a value reported that stands in for this one? Then what follows from it isn't worth a line. */
bool view_is_bad(const View *v, const char *name);
/* A problem with a key that may be missing. */
void view_problem(Load *l, const View *v, const char *name, const char *format, ...) _printf_(4, 5);
/* A required key isn't there. Of a group that isn't there at all, the group is named. */
void view_missing(Load *l, const View *v, const char *name);
/* A problem with the element of a list: key[index]. */
void view_problem_at(Load *l, const View *v, const char *name, unsigned index, const char *format, ...)
        _printf_(5, 6);
/* A key that is set, though what it says may surprise. */
void view_notice(Load *l, const View *v, const char *name, const char *text);
/* A key that is set to something that has no effect yet. */
void view_later(Load *l, const View *v, const KeyRow *row);

/* Fills base with the defaults, then with what the view says. Reports what is wrong with each value, and
 * what is required and missing. */
void load_values(Load *l, View *v, void *base);
/* Frees what load_values() filled. */
void section_free_values(const KeySection *section, void *base);
/* The whole numbers of KEY_IDS, the good ones. */
size_t load_ids(Load *l, const View *v, const char *name, uint64_t **ret);

/* The index of a group in config->groups, added if it is new; -1 if it isn't a DN. */
int load_group(Load *l, const char *dn);

void texts_free(char **texts, size_t n);

/* Copies; sticky error. */
char *load_strdup(Load *l, const char *text);
/* The path of the file that the setting stands in, as problems name it; the same. */
char *load_file_of(Load *l, const config_setting_t *s);

/* The parts: each checks what one row can't, and fills what one row doesn't. */
void directory_load(Load *l, const View *root);
void targets_load(Load *l, const View *root);
void expect_load(Load *l, const View *root);
void targets_free(Config *c);
void expect_free(Config *c);

/* "present", "true", "value:V", "mask:N". 0, SYNTAX_E_BAD, -ENOMEM. */
int disabled_when_parse(const char *text, DisabledWhen *ret_when, char **ret_value, uint64_t *ret_mask,
                        ErrCtx *err);
