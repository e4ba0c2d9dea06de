/* SPDX-License-Identifier: Apache-2.0 */
/* What the files view-*.c share. */
#pragma once

#include "service/view.h"
#include "store/store-queue.h"

/* "KEY":"2026-03-01T12:00:00Z"; 0 and infinity: null. */
void view_put_time(StrBuf *out, const char *key, usec_t wall);
/* A row of the queue with target and times; last: ready to be closed by '}', for further members. */
void view_put_item(StrBuf *out, const QueueItem *item);

/* Why the last read failed; NULL: it didn't. */
const char *view_read_error(const View *v);
/* "configuration", "operator"; NULL: nobody. */
const char *view_who_paused(const Remote *remote);
/* One target as it stands. */
int view_put_target(const View *v, const Remote *remote, StrBuf *out);
/* "problems":[…]: what an operator should look at, worst first in what health makes of it. */
void view_put_problems(const View *v, StrBuf *out);
