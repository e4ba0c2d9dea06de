/* SPDX-License-Identifier: Apache-2.0 */
/* What a check tells, line by line: as JSON (org.idsyncd1(5)) and as a text for people. Plain values: also
 * for idsyncctl, which makes them of the document. */
#pragma once

#include "base/error.h"
#include "base/strings.h"

typedef enum CheckVerdict { CHECK_OK, CHECK_WARN, CHECK_FAIL, _CHECK_VERDICT_MAX } CheckVerdict;
const char *check_verdict_to_string(CheckVerdict v);
/* -EINVAL */
int check_verdict_from_string(const char *text);

typedef struct CheckLine {
        CheckVerdict verdict;
        ExitCode code;                  /* what a failure exits with */
        char *part;                     /* configuration, directory, target, expect */
        char *target;                   /* its name; NULL: of no target */
        char *what, *detail;
        char **more;                    /* samples, commands */
        size_t n_more;
} CheckLine;

/* All owned. error: -ENOMEM once, stays; what is added then is dropped. */
typedef struct CheckLines {
        CheckLine *items;
        size_t n;
        int error;
} CheckLines;
void check_lines_deinit(CheckLines *l);

/* target: NULL for the other parts. code counts for CHECK_FAIL alone. */
void check_line(CheckLines *l, CheckVerdict verdict, ExitCode code, const char *part, const char *target,
                const char *what, const char *format, ...) _printf_(7, 8);
/* A further text of the last line. */
void check_more(CheckLines *l, const char *text);
/* Appends all of `from`, which is then empty. */
void check_lines_move(CheckLines *l, CheckLines *from);

ExitCode check_exit_code(const CheckLines *l);
size_t check_count(const CheckLines *l, CheckVerdict verdict);
/* Both: the error of the lines; out's own beside that. */
int check_lines_json(const CheckLines *l, StrBuf *out);
int check_lines_text(const CheckLines *l, StrBuf *out);
