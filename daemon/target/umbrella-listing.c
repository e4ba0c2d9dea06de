/* SPDX-License-Identifier: Apache-2.0 */
/* Umbrella's listing. The vendor contradicts itself about paging (limit 100 or 200; "does not apply to
 * users"), nothing tells the number of accounts, and nothing holds still between two pages. So the rows
 * alone tell the end:
 *
 *   an empty page                                   complete
 *   a first page of more rows than asked for        complete: the API doesn't page
 *   no new id, fewer rows than asked for            complete: the whole list, or its last page, once more
 *   no new id, as many rows as asked for or more    incomplete: one page of many, again and again
 *   a short first page with all that we look for    complete, if the caller allows it
 *   anything else                                   more; a short page in the middle proves nothing
 *
 * What no rule can see: rows that move to an earlier page between two calls are missed. Not to be listed is
 * therefore no proof of being gone. */
#include <errno.h>
#include <inttypes.h>

#include "target/items.h"
#include "target/umbrella.h"

typedef struct Page {
        Accounts *accounts;
        size_t n_new;
} Page;

static int on_row(struct json_object *item, void *userdata, ErrCtx *err) {
        char id[UMBRELLA_ID_SIZE];
        Page *page = userdata;
        Account a;
        int r;

        r = umbrella_read_account(item, &a, id, err);
        if (r < 0)
                return r;
        r = accounts_add(page->accounts, &a);
        if (r < 0)
                return r;
        if (r != ACCOUNTS_E_KNOWN)
                page->n_new++;
        return 0;
}

/* Links whose account a complete listing lacked before needn't be found again. */
static bool holds_links(const Accounts *accounts, const Links *links) {
        for (size_t i = 0; links && i < links->n; i++)
                if (!links->items[i].gone && !accounts_by_id(accounts, links->items[i].remote_id))
                        return false;
        return true;
}

static ListVerdict incomplete(const char *why, const ListState *state, size_t n_rows, ErrCtx *err) {
        (void) err_set(err, 0, 0, "page %u of the listing: %s (%zu rows on it, %zu accounts so far)",
                       state->page, why, n_rows, state->accounts->n);
        return LIST_INCOMPLETE;
}

static ListVerdict judge(const ListState *state, size_t n_rows, size_t n_new, ErrCtx *err) {
        bool first = state->page == 1, is_short = n_rows < UMBRELLA_PAGE_ROWS;

        if (n_rows == 0)
                return LIST_COMPLETE;
        if (first && n_rows > UMBRELLA_PAGE_ROWS)
                return LIST_COMPLETE;
        if (n_new == 0 && is_short)
                return LIST_COMPLETE;
        if (n_new == 0)
                return incomplete("a full page without a new account: the API seems to ignore page numbers",
                                  state, n_rows, err);
        if (first && is_short && state->short_first_page_may_end &&
            holds_links(state->accounts, state->links))
                return LIST_COMPLETE;
        if (state->page >= UMBRELLA_PAGES_MAX)
                return incomplete("there is no end", state, n_rows, err);
        return LIST_MORE;
}

/* The state is spent: it has part of a page, so that asking for that page again would show nothing new
 * and look like an end. */
static void spend(ListState *state) {
        state->page = 0;
}

int umbrella_decode_page(const TargetConfig *target, const HttpResult *result, ListState *state,
                         ListVerdict *ret, ErrCtx *err) {
        Page page = { .accounts = state->accounts };
        ItemsInfo info;
        int r;

        if (state->page == 0)
                return err_set(err, -EBADMSG, 0, "the listing failed before and must be begun anew");
        state->bytes += result->body_len;
        if (state->bytes > target->max_listing) {
                *ret = incomplete("the listing is larger than max_listing", state, 0, err);
                spend(state);
                return 0;
        }
        r = items_each(result->body, result->body_len, on_row, &page, &info, err);
        /* {"errors":[]} is no empty organisation. */
        if (r == 0 && state->page == 1 && info.wrapped && info.n == 0)
                r = err_set(err, -EBADMSG, 0, "an object with an empty array instead of an array");
        if (r < 0) {
                spend(state);
                return r;
        }
        *ret = judge(state, info.n, page.n_new, err);
        if (*ret == LIST_MORE)
                state->page++;
        else
                spend(state);
        return 0;
}
