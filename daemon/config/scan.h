/* SPDX-License-Identifier: Apache-2.0 */
/* A look at the bare text of a configuration and all it includes, before libconfig reads it. libconfig 1.5
 * cuts whole numbers off at 32 bits and drops what follows an unended comment, both without a word, and its
 * scanner ends the whole process where an included file can't be read. */
#pragma once

#include <stddef.h>

#include "base/error.h"

/* A whole number that its type can't hold; `index` counts the whole numbers of the file. */
typedef struct ScanNumber {
        size_t index;
        char *text;
} ScanNumber;

typedef struct ScanFile {
        char *name;             /* as libconfig calls it: an included one by what stands in @include */
        char *path;             /* where it really is */
        size_t n_integers;
        ScanNumber *numbers;    /* the ones too large */
        size_t n_numbers;
        size_t used;            /* for the caller's count */
} ScanFile;

typedef struct Scan {
        ScanFile *files;        /* the file itself, then what it includes, as first met */
        size_t n_files;
        unsigned line;          /* where SCAN_E_BAD was found; 0: the file itself */
        char *bad_file;
} Scan;

/* Paths in @include are relative to include_dir. 0; SCAN_E_BAD with a reason in err (a file that can't be
 * read or isn't one, a comment without an end), and its place in scan; -ENOMEM. scan must be zeroed;
 * scan_deinit() it in any case. */
#define SCAN_E_BAD 1
int scan_run(Scan *scan, const char *file, const char *include_dir, ErrCtx *err);
void scan_deinit(Scan *scan);
/* The file that libconfig calls so, NULL if it is unknown. */
ScanFile *scan_find(const Scan *scan, const char *name);
