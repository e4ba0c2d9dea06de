/* SPDX-License-Identifier: Apache-2.0 */
/* Problems are collected as they are found and told in the order of the file. */
#include <errno.h>
#include <stdio.h>

#include "base/strings.h"
#include "config/load.h"

void load_error(Load *l, int error) {
        if (l->error == 0)
                l->error = error;
}

char *load_strdup(Load *l, const char *text) {
        char *copy = strdup(text);

        if (!copy)
                load_error(l, -ENOMEM);
        return copy;
}

/* The root of the tree has neither file nor line. */
static const ScanFile *file_of(const Load *l, const config_setting_t *s) {
        const ScanFile *file = scan_find(l->scan, s ? config_setting_source_file(s) : NULL);

        return file ?: &l->scan->files[0];
}

char *load_file_of(Load *l, const config_setting_t *s) {
        return load_strdup(l, file_of(l, s)->path);
}

_printf_(5, 0) static void add(Load *l, Problems *p, const config_setting_t *s, const char *key,
                               const char *format, va_list ap) {
        __attribute__((cleanup(strbuf_deinit))) StrBuf b = STRBUF_INIT(8192);
        const ScanFile *file = file_of(l, s);
        unsigned line = s ? config_setting_source_line(s) : 0;
        Problem *items;
        size_t once;
        char text[1024];

        if (p->n == PROBLEMS_MAX) {
                p->left_out++;
                return;
        }
        line = line > 0 ? line : 1;
        (void) vsnprintf(text, sizeof(text), format, ap);
        strbuf_printf(&b, "%s:%u: %s: ", file->path, line, key);
        once = b.len;
        strbuf_puts(&b, text);
        items = reallocarray(p->items, p->n + 1, sizeof(*items));
        if (!items) {
                load_error(l, -ENOMEM);
                return;
        }
        p->items = items;
        /* A value in target_defaults may fit several targets badly, each for a reason of its own. */
        if (!str_starts_with(key, "target_defaults."))
                once = b.len;
        items[p->n] = (Problem){
                        .file = (size_t) (file - l->scan->files),
                        .line = line,
                        .order = p->n,
                        .once = once,
                        .text = strbuf_take(&b),
        };
        if (!items[p->n].text)
                load_error(l, b.error);
        else
                p->n++;
}

void load_problem(Load *l, const config_setting_t *s, const char *key, const char *format, ...) {
        va_list ap;

        if (l->quiet)
                return;
        va_start(ap, format);
        add(l, &l->problems, s, key, format, ap);
        va_end(ap);
}

void load_notice(Load *l, const config_setting_t *s, const char *key, const char *format, ...) {
        va_list ap;

        if (l->quiet)
                return;
        va_start(ap, format);
        add(l, &l->notices, s, key, format, ap);
        va_end(ap);
}

static int compare(const void *a, const void *b) {
        const Problem *p = a, *q = b;

        if (p->file != q->file)
                return p->file < q->file ? -1 : 1;
        if (p->line != q->line)
                return p->line < q->line ? -1 : 1;
        return p->order < q->order ? -1 : p->order > q->order;
}

static bool was_said(const Problems *p, size_t i) {
        const Problem *this = &p->items[i];

        for (size_t j = i; j-- > 0 && p->items[j].line == this->line && p->items[j].file == this->file;)
                if (p->items[j].once == this->once && strncmp(p->items[j].text, this->text, this->once) == 0)
                        return true;
        return false;
}

int problems_take(Problems *p, const char *file, char ***ret, size_t *ret_n) {
        char **lines = calloc(p->n + 1, sizeof(*lines));
        bool *again = calloc(p->n + 1, sizeof(*again));
        size_t n = 0;
        int r = 0;

        if (!lines || !again)
                r = -ENOMEM;
        else if (p->n > 0) {
                qsort(p->items, p->n, sizeof(p->items[0]), compare);
                for (size_t i = 0; i < p->n; i++)
                        again[i] = was_said(p, i);
                for (size_t i = 0; i < p->n; i++)
                        if (!again[i])
                                lines[n++] = TAKE(p->items[i].text);
        }
        if (r == 0 && p->left_out > 0 && asprintf(&lines[n], "%s: and %zu more", file, p->left_out) >= 0)
                n++;
        free(again);
        if (r < 0) {
                free(lines);
                return r;
        }
        *ret = lines;
        *ret_n = n;
        return 0;
}

void problems_deinit(Problems *p) {
        for (size_t i = 0; i < p->n; i++)
                free(p->items[i].text);
        free(p->items);
        *p = (Problems){0};
}
