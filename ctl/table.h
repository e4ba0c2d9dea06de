/* SPDX-License-Identifier: Apache-2.0 */
/* Columns for people's eyes. */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define TABLE_COLUMNS 9

typedef struct Table {
        size_t n_columns, n_cells;
        char **cells;                   /* row by row; the first row: headings */
        bool failed;                    /* out of memory */
} Table;
#define HEAD(...) ((const char *const[]){__VA_ARGS__})
void table_init(Table *t, const char *const *headings, size_t n);
void table_deinit(Table *t);
/* The next cell, copied; NULL and "": "-". Control characters are made visible. */
void table_add(Table *t, const char *text);
void table_addf(Table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The last column isn't padded. */
void table_print(const Table *t, FILE *out);

/* Members of a document; what is missing or null: NULL, 0, false. Borrowed. */
const char *json_text(struct json_object *object, const char *key);
int64_t json_number(struct json_object *object, const char *key);
bool json_true(struct json_object *object, const char *key);
struct json_object *json_member(struct json_object *object, const char *key);
/* Its items; 0 where it is no list. */
size_t json_list(struct json_object *object, const char *key, struct json_object **ret);

/* One text, its control characters made visible. */
void print_text(const char *text);
const char *or_none(const char *text);
