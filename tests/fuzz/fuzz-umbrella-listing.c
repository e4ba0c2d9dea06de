/* SPDX-License-Identifier: Apache-2.0 */
/* Page after page to the listing's state machine. Input: a byte of switches, then pages, each ended by a
 * byte 0x1e. */
#include <errno.h>

#include "base/strings.h"
#include "fuzz.h"
#include "target/target.h"

static void check_accounts(const Accounts *accounts) {
        uint64_t id;

        for (size_t i = 0; i < accounts->n; i++) {
                require(parse_u64(accounts->items[i].remote_id, &id) == 0 && id > 0);
                require(accounts_by_id(accounts, accounts->items[i].remote_id) == &accounts->items[i]);
        }
}

/* False: the listing is over. */
static bool feed(const TargetConfig *target, ListState *state, const char *page, size_t len) {
        _cleanup_(freep) char *body = strndup(page, len);
        HttpResult result = { .status = 200, .body = body, .content_type = "" };
        ListVerdict verdict = (ListVerdict) 99;
        size_t before = state->accounts->n;
        unsigned number = state->page;
        ErrCtx err = { 0 };
        int r;

        require(body);
        result.body_len = strlen(body);
        r = target_driver(TARGET_UMBRELLA)->decode_page(target, &result, state, &verdict, &err);
        require(state->accounts->n >= before);
        if (r < 0) {
                require(r == -EBADMSG && err.text[0] && state->page == 0);
                return false;
        }
        require(r == 0);
        if (verdict == LIST_MORE) {
                require(state->page == number + 1 && state->accounts->n > before);
                return true;
        }
        require(state->page == 0 &&
                (verdict == LIST_COMPLETE || (verdict == LIST_INCOMPLETE && err.text[0])));
        return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *p = (const char *) data, *end = p + size, *stop;
        TargetConfig target = { .max_listing = 100000 };
        _cleanup_(accounts_freep) Accounts *accounts = accounts_new(0);
        _cleanup_(links_freep) Links *links = links_new();
        ListState state = { .accounts = accounts, .page = 1, .links = links };

        require(accounts && links);
        if (p == end)
                return 0;
        state.short_first_page_may_end = *p & 1;
        if (*p & 2)
                require(links_add(links, &(Link){ .person = "p", .remote_id = "1" }) == 0);
        if (*p++ & 4)
                target.max_listing = 50;
        for (; p < end; p = stop + 1) {
                stop = memchr(p, 0x1e, (size_t) (end - p));
                if (!stop)
                        stop = end;
                if (!feed(&target, &state, p, (size_t) (stop - p)))
                        break;
        }
        check_accounts(accounts);
        return 0;
}
