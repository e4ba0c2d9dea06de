/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "check/check-lines.h"

#define WIDTH_MAX 24

static const char *const verdict_names[_CHECK_VERDICT_MAX] = {
        [CHECK_OK] = "ok",
        [CHECK_WARN] = "warn",
        [CHECK_FAIL] = "fail",
};

const char *check_verdict_to_string(CheckVerdict v) {
        return verdict_names[v];
}

int check_verdict_from_string(const char *text) {
        for (int i = 0; i < _CHECK_VERDICT_MAX; i++)
                if (str_eq(verdict_names[i], text))
                        return i;
        return -EINVAL;
}

static void line_deinit(CheckLine *line) {
        free(line->part);
        free(line->target);
        free(line->what);
        free(line->detail);
        for (size_t i = 0; i < line->n_more; i++)
                free(line->more[i]);
        free(line->more);
}

void check_lines_deinit(CheckLines *l) {
        for (size_t i = 0; i < l->n; i++)
                line_deinit(&l->items[i]);
        free(l->items);
        *l = (CheckLines){ 0 };
}

static CheckLine *new_line(CheckLines *l) {
        CheckLine *items = reallocarray(l->items, l->n + 1, sizeof(*items));

        if (!items) {
                l->error = -ENOMEM;
                return NULL;
        }
        l->items = items;
        return &items[l->n];
}

void check_line(CheckLines *l, CheckVerdict verdict, ExitCode code, const char *part, const char *target,
                const char *what, const char *format, ...) {
        CheckLine *line = l->error < 0 ? NULL : new_line(l);
        va_list ap;
        int r;

        if (!line)
                return;
        *line = (CheckLine){ .verdict = verdict, .code = verdict == CHECK_FAIL ? code : EXIT_IN_STEP };
        va_start(ap, format);
        r = vasprintf(&line->detail, format, ap);
        va_end(ap);
        if (r < 0)
                line->detail = NULL;
        line->part = strdup(part);
        line->target = target ? strdup(target) : NULL;
        line->what = strdup(what);
        if (!line->detail || !line->part || (target && !line->target) || !line->what) {
                line_deinit(line);
                l->error = -ENOMEM;
                return;
        }
        l->n++;
}

void check_more(CheckLines *l, const char *text) {
        CheckLine *line = l->n > 0 ? &l->items[l->n - 1] : NULL;
        char **more = NULL;

        if (line && l->error == 0)
                more = reallocarray(line->more, line->n_more + 1, sizeof(*more));
        if (more) {
                line->more = more;
                more[line->n_more] = text ? strdup(text) : NULL;
        }
        if (!more || !more[line->n_more])
                l->error = -ENOMEM;
        else
                line->n_more++;
}

void check_lines_move(CheckLines *l, CheckLines *from) {
        if (from->error < 0)
                l->error = from->error;
        for (size_t i = 0; i < from->n; i++) {
                CheckLine *line = new_line(l);

                if (!line) {
                        line_deinit(&from->items[i]);
                        continue;
                }
                *line = from->items[i];
                l->n++;
        }
        free(from->items);
        *from = (CheckLines){ 0 };
}

ExitCode check_exit_code(const CheckLines *l) {
        ExitCode code = EXIT_IN_STEP;

        for (size_t i = 0; i < l->n; i++)
                code = exit_code_worse(code, l->items[i].code);
        return code;
}

size_t check_count(const CheckLines *l, CheckVerdict verdict) {
        size_t n = 0;

        for (size_t i = 0; i < l->n; i++)
                n += l->items[i].verdict == verdict;
        return n;
}

/* ---- JSON ---- */

static void put_member(StrBuf *out, const char *key, const char *value) {
        strbuf_json(out, key);
        strbuf_putc(out, ':');
        strbuf_json(out, value);
        strbuf_putc(out, ',');
}

int check_lines_json(const CheckLines *l, StrBuf *out) {
        strbuf_printf(out, "{\"version\":1,\"exit\":%d,\"checks\":[", (int) check_exit_code(l));
        for (size_t i = 0; i < l->n; i++) {
                const CheckLine *line = &l->items[i];

                strbuf_puts(out, i > 0 ? ",{" : "{");
                put_member(out, "result", check_verdict_to_string(line->verdict));
                put_member(out, "part", line->part);
                put_member(out, "target", line->target);
                put_member(out, "what", line->what);
                put_member(out, "detail", line->detail);
                strbuf_puts(out, "\"more\":[");
                for (size_t k = 0; k < line->n_more; k++) {
                        strbuf_puts(out, k > 0 ? "," : "");
                        strbuf_json(out, line->more[k]);
                }
                strbuf_puts(out, "]}");
        }
        strbuf_puts(out, "]}");
        return l->error;
}

/* ---- text ---- */

static const char *subject_of(const CheckLine *line) {
        return line->target ? line->target : line->part;
}

/* What is longer than WIDTH_MAX breaks the column for itself alone. */
static size_t wider(size_t width, const char *text) {
        size_t n = str_width(text);

        return n > width && n <= WIDTH_MAX ? n : width;
}

static void put_column(StrBuf *out, const char *text, size_t width) {
        strbuf_printable(out, text);
        for (size_t n = str_width(text); n < width + 2; n++)
                strbuf_putc(out, ' ');
}

static void put_line(StrBuf *out, const CheckLine *line, size_t subject, size_t what) {
        put_column(out, line->verdict == CHECK_FAIL ? "FAIL" : check_verdict_to_string(line->verdict), 4);
        put_column(out, subject_of(line), subject);
        put_column(out, line->what, what);
        strbuf_printable(out, line->detail);
        strbuf_putc(out, '\n');
        for (size_t i = 0; i < line->n_more; i++) {
                strbuf_puts(out, "          ");
                strbuf_printable(out, line->more[i]);
                strbuf_putc(out, '\n');
        }
}

static void put_summary(StrBuf *out, const CheckLines *l) {
        size_t failed = check_count(l, CHECK_FAIL), warned = check_count(l, CHECK_WARN);

        if (failed == 0)
                strbuf_printf(out, "all %zu checks passed", l->n);
        else
                strbuf_printf(out, "%zu of %zu checks failed", failed, l->n);
        if (warned > 0)
                strbuf_printf(out, ", %zu with a warning", warned);
        strbuf_putc(out, '\n');
}

int check_lines_text(const CheckLines *l, StrBuf *out) {
        size_t subject = 0, what = 0;

        for (size_t i = 0; i < l->n; i++) {
                subject = wider(subject, subject_of(&l->items[i]));
                what = wider(what, l->items[i].what);
        }
        for (size_t i = 0; i < l->n; i++)
                put_line(out, &l->items[i], subject, what);
        put_summary(out, l);
        return l->error;
}
