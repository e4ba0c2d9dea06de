/* SPDX-License-Identifier: Apache-2.0 */
/* Where records go: down the socket, or as text to a person. */
#pragma once

#include <stdio.h>

#include "directory/stream.h"

typedef struct Output Output;

/* fd is borrowed. groups: what bits of marks are called in the text. NULL when out of memory. */
Output *output_new_stream(int fd, size_t n_groups);
Output *output_new_text(FILE *records, FILE *notices, char *const *groups, size_t n_groups);
Output *output_free(Output *out);
DEFINE_CLEANUP(Output *, output_free);

/* All: 0, -EPIPE (nobody reads any more), or another -errno. Text that isn't UTF-8 is made so. */
int output_person(Output *out, const Person *person);
int output_progress(Output *out);
int output_notice(Output *out, int priority, const char *format, ...) _printf_(3, 4);
/* Sends what is held back as well. done gets the number of people, and its error readable (borrowed from
 * out). */
int output_done(Output *out, StreamDone *done);
