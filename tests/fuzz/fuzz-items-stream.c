/* SPDX-License-Identifier: Apache-2.0 */
/* A listing in one piece, byte by byte, and cut at one place: the same accounts, or the same failure. What
 * it takes, the reader of whole texts takes too. Input: two bytes of the place of the cut, then the text. */
#include <errno.h>

#include "base/strings.h"
#include "fuzz.h"
#include "target/items-stream.h"
#include "target/target.h"

typedef struct Run {
        ListState state;
        ListVerdict verdict;
        ErrCtx err;
        int r;
} Run;

static void run_deinit(Run *run) {
        accounts_free(run->state.accounts);
        items_stream_free(run->state.stream);
}

/* cut 0: byte by byte. */
static void run(Run *run, const char *text, size_t len, size_t cut) {
        static const TargetConfig target = { 0 };
        const TargetDriver *d = target_driver(TARGET_PRIMAVERA);
        const HttpResult result = { .status = 200, .body = "", .content_type = "" };

        *run = (Run){ .state = { .accounts = accounts_new(1), .page = 1 } };
        require(run->state.accounts);
        for (size_t i = 0, n; i < len; i += n) {
                n = cut == 0 ? 1 : i < cut ? cut : len - i;
                d->feed(&target, &run->state, text + i, n);
        }
        run->r = d->decode_page(&target, &result, &run->state, &run->verdict, &run->err);
        require(run->state.page == 0);
        require(run->r == 0 ? run->verdict == LIST_COMPLETE : run->r == -EBADMSG && run->err.text[0]);
}

static void require_same(const Run *a, const Run *b) {
        const Accounts *x = a->state.accounts, *y = b->state.accounts;

        require(a->r == b->r && str_eq(a->err.text, b->err.text) && x->n == y->n);
        for (size_t i = 0; i < x->n; i++) {
                require(str_eq(x->items[i].remote_id, y->items[i].remote_id) && x->items[i].remote_id[0]);
                require(x->items[i].n_roles == y->items[i].n_roles &&
                        x->items[i].disabled == y->items[i].disabled);
                for (size_t k = 0; k + 1 < x->items[i].n_roles; k++)
                        require(strcmp(x->items[i].roles[k], x->items[i].roles[k + 1]) < 0);
        }
}

static int take(struct json_object *item, void *userdata, ErrCtx *err) {
        (void) item;
        (void) userdata;
        (void) err;
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *text = (const char *) data + 2;
        _cleanup_(freep) char *copy = NULL;
        _cleanup_(run_deinit) Run whole = { 0 }, bytes = { 0 }, parts = { 0 };
        size_t len, cut;
        ItemsInfo info;

        if (size < 2)
                return 0;
        len = size - 2;
        cut = len > 1 ? 1 + (size_t) (data[0] << 8 | data[1]) % (len - 1) : 1;
        run(&whole, text, len, len > 0 ? len : 1);
        run(&bytes, text, len, 0);
        run(&parts, text, len, cut);
        require_same(&whole, &bytes);
        require_same(&whole, &parts);
        copy = malloc(len + 1);
        require(copy);
        memcpy(copy, text, len);
        copy[len] = 0;
        if (whole.r == 0)
                require(items_each(copy, len, take, NULL, &info, NULL) == 0 &&
                        info.n >= whole.state.accounts->n);
        return 0;
}
