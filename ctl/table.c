/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"

void table_add(Table *t, const char *text) {
        char **cells = reallocarray(t->cells, t->n_cells + 1, sizeof(*cells));
        size_t size;

        if (!cells) {
                t->failed = true;
                return;
        }
        t->cells = cells;
        if (str_empty(text))
                text = "-";
        size = 4 * strlen(text) + 1;
        cells[t->n_cells] = malloc(size);
        if (!cells[t->n_cells]) {
                t->failed = true;
                return;
        }
        (void) str_printable(text, cells[t->n_cells++], size);
}

void table_addf(Table *t, const char *format, ...) {
        _cleanup_(freep) char *text = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r < 0) {
                text = NULL;
                t->failed = true;
                return;
        }
        table_add(t, text);
}

void table_init(Table *t, const char *const *headings, size_t n) {
        *t = (Table){ .n_columns = n };
        for (size_t i = 0; i < n; i++)
                table_add(t, headings[i]);
}

void table_deinit(Table *t) {
        for (size_t i = 0; i < t->n_cells; i++)
                free(t->cells[i]);
        free(t->cells);
}

void table_print(const Table *t, FILE *out) {
        size_t widths[TABLE_COLUMNS] = { 0 }, n = t->n_columns;

        if (t->failed) {
                fputs("out of memory\n", stderr);
                return;
        }
        for (size_t i = 0; i < t->n_cells; i++)
                if (str_width(t->cells[i]) > widths[i % n])
                        widths[i % n] = str_width(t->cells[i]);
        for (size_t i = 0; i < t->n_cells; i++) {
                bool last = i % n == n - 1;

                fputs(t->cells[i], out);
                for (size_t k = str_width(t->cells[i]); !last && k < widths[i % n] + 2; k++)
                        fputc(' ', out);
                if (last)
                        fputc('\n', out);
        }
}

/* ---- documents ---- */

struct json_object *json_member(struct json_object *object, const char *key) {
        struct json_object *member = NULL;

        if (!object || !json_object_is_type(object, json_type_object) ||
            !json_object_object_get_ex(object, key, &member))
                return NULL;
        return member;
}

const char *json_text(struct json_object *object, const char *key) {
        struct json_object *member = json_member(object, key);

        return member && json_object_is_type(member, json_type_string) ? json_object_get_string(member)
                                                                       : NULL;
}

int64_t json_number(struct json_object *object, const char *key) {
        struct json_object *member = json_member(object, key);

        return member && json_object_is_type(member, json_type_int) ? json_object_get_int64(member) : 0;
}

bool json_true(struct json_object *object, const char *key) {
        struct json_object *member = json_member(object, key);

        return member && json_object_is_type(member, json_type_boolean) && json_object_get_boolean(member);
}

size_t json_list(struct json_object *object, const char *key, struct json_object **ret) {
        struct json_object *member = json_member(object, key);

        if (!member || !json_object_is_type(member, json_type_array))
                return 0;
        *ret = member;
        return json_object_array_length(member);
}

const char *or_none(const char *text) {
        return text ? text : "-";
}

void print_text(const char *text) {
        char buf[4096];

        fputs(str_printable(or_none(text), buf, sizeof(buf)), stdout);
}
