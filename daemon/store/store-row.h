/* SPDX-License-Identifier: Apache-2.0 */
/* An action as the columns of a row, and back. */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/strings.h"
#include "model/action.h"

#define ROW_STATE_MAX ((size_t) 256 << 10)

/* before and after as canonical JSON; data stays NULL where there is none. */
typedef struct RowTexts {
        StrBuf before, after;
} RowTexts;
#define ROW_TEXTS_INIT { STRBUF_INIT(ROW_STATE_MAX), STRBUF_INIT(ROW_STATE_MAX) }
void row_texts_deinit(RowTexts *texts);
/* 0; -E2BIG, -ENOMEM. */
int row_encode(const Action *a, RowTexts *ret);

/* SHA-256 over all that an action says, and whether it takes another back: equal wishes have equal ones. */
#define ROW_WISH_SIZE 32
void row_wish(const Action *a, const RowTexts *texts, uint8_t ret[static ROW_WISH_SIZE]);

/* What stands in the columns; NULL for null. */
typedef struct RowColumns {
        const char *person, *kind, *address, *remote_id, *before, *after;
} RowColumns;
/* Copies into the arena. 0; -EBADMSG: not what we wrote; -ENOMEM. */
int row_decode(const RowColumns *columns, Arena *arena, Action *ret);
