/* SPDX-License-Identifier: Apache-2.0 */
/* The elements of a JSON array that comes in pieces, one after the other: memory holds one element, however
 * long the array is. What target/items.h does for an array that is at hand. */
#pragma once

#include "target/items.h"

/* The longest element, name, or member beside the array. */
#define ITEMS_STREAM_ELEMENT_MAX (64u << 10)

typedef struct ItemsStream ItemsStream;

/* fn gets each element as items_each() hands it out. NULL: out of memory. */
ItemsStream *items_stream_new(item_fn_t fn);
ItemsStream *items_stream_free(ItemsStream *s);
DEFINE_CLEANUP(ItemsStream *, items_stream_free);

/* The next bytes, cut anywhere. After a failure, which items_stream_end() tells, they are dropped. */
void items_stream_feed(ItemsStream *s, const char *data, size_t len, void *userdata);
/* No more bytes come. 0: one array, ended as it must be, with nothing after it but white space; -EBADMSG
 * with reason and place in err; what fn returned; -ENOMEM. */
int items_stream_end(ItemsStream *s, ItemsInfo *ret, ErrCtx *err);
