/* SPDX-License-Identifier: Apache-2.0 */
/* The listing: everybody, in one answer without pages. It is read as it comes, and held against max_listing
 * by whoever receives it. */
#include <errno.h>

#include "target/items-stream.h"
#include "target/primavera.h"

typedef struct Reading { const TargetConfig *target; ListState *state; } Reading;

/* One that stands there twice is one. */
static int on_user(struct json_object *item, void *userdata, ErrCtx *err) {
        PrimaveraScratch scratch;
        Reading *reading = userdata;
        Account a;
        int r;

        r = primavera_read_user(reading->target, item, &scratch, &a, err);
        if (r < 0)
                return r;
        r = accounts_add(reading->state->accounts, &a);
        return r < 0 ? r : 0;
}

void primavera_feed(const TargetConfig *target, ListState *state, const char *data, size_t len) {
        Reading reading = { target, state };

        if (!state->stream)
                state->stream = items_stream_new(on_user);
        if (state->stream)
                items_stream_feed(state->stream, data, len, &reading);
        state->bytes += len;
}

int primavera_decode_page(const TargetConfig *target _unused_, const HttpResult *result _unused_,
                          ListState *state,
                          ListVerdict *ret, ErrCtx *err) {
        ItemsInfo info;
        int r;

        if (state->page == 0)
                return err_set(err, -EBADMSG, 0, "the listing failed before and must be begun anew");
        state->page = 0;
        if (!state->stream)
                return state->bytes > 0 ? -ENOMEM : err_set(err, -EBADMSG, 0,
                                                            "an empty answer instead of an array");
        r = items_stream_end(state->stream, &info, err);
        /* {"errors":[]} is no empty tenancy: the API's own user at least is a user. */
        if (r == 0 && info.n == 0 && info.wrapped)
                r = err_set(err, -EBADMSG, 0, "an object with an empty array instead of an array");
        if (r < 0)
                return r;
        *ret = LIST_COMPLETE;
        return 0;
}
