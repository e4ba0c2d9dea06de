/* SPDX-License-Identifier: Apache-2.0 */
/* The elements of a JSON array from a stranger, one after the other: memory holds one element at a time,
 * however long the array is. */
#pragma once

#include <stddef.h>

#include "net/json.h"

/* item: borrowed; NULL for null. Negative ends the walk; the text of -EBADMSG gets the element's place in
 * front. */
typedef int (*item_fn_t)(struct json_object *item, void *userdata, ErrCtx *err);

typedef struct ItemsInfo {
        size_t n;               /* elements */
        bool wrapped;           /* the array was the only array among the members of an object */
} ItemsInfo;

/* text: an array, or an object of at most ITEMS_WRAPPED_MAX bytes with exactly one member that is an
 * array (the sibling APIs of Umbrella wrap theirs so). 0; -EBADMSG with reason and place in err (elements
 * before it were handed out already); what fn returned; -ENOMEM. */
#define ITEMS_WRAPPED_MAX (4u << 20)
int items_each(const char *text, size_t len, item_fn_t fn, void *userdata, ItemsInfo *ret, ErrCtx *err);
