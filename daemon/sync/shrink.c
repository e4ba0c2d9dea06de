/* SPDX-License-Identifier: Apache-2.0 */
#include "base/siphash.h"
#include "model/plan.h"
#include "sync/shrink.h"

#define LOST_LEAST 3

/* `print` is over the ids of the lost accounts, in order of person. */
typedef struct Lost { size_t n, n_linked; uint64_t print; } Lost;

static void find_lost(const Links *links, const Accounts *accounts, Lost *ret) {
        SipHash h;

        siphash_init(&h);
        for (size_t i = 0; i < links->n; i++) {
                const Link *l = &links->items[i];

                if (l->gone)
                        continue;
                ret->n_linked++;
                if (link_is_young(l, accounts) || accounts_by_id(accounts, l->remote_id))
                        continue;
                siphash_add_str(&h, l->remote_id);
                ret->n++;
        }
        ret->print = siphash_end(&h);
}

static bool is_much(const TargetConfig *target, const Lost *lost) {
        size_t allowed = lost->n_linked * target->limits.percent / 100;

        return lost->n > (allowed > LOST_LEAST ? allowed : LOST_LEAST);
}

static int remember(Store *store, const char *target, uint64_t print, bool *ret_known) {
        uint64_t before;
        bool found;
        int r;

        r = store_meta_get_u64_of(store, "lost", target, &before, &found);
        if (r < 0)
                return r;
        *ret_known = found && before == print;
        return *ret_known ? 0 : store_meta_set_u64_of(store, "lost", target, print);
}

static int forget(Store *store, const char *target) {
        uint64_t before;
        bool found;
        int r;

        r = store_meta_get_u64_of(store, "lost", target, &before, &found);
        return r < 0 || !found ? r : store_meta_set_of(store, "lost", target, NULL);
}

int shrink_judge(Store *store, const TargetConfig *target, const Links *links, const Accounts *accounts,
                 char text[static SHRINK_TEXT_MAX]) {
        Lost lost = { 0 };
        bool known;
        int r;

        text[0] = '\0';
        find_lost(links, accounts, &lost);
        if (!is_much(target, &lost))
                return forget(store, target->name);
        r = remember(store, target->name, lost.print, &known);
        if (r < 0)
                return r;
        snprintf(text, SHRINK_TEXT_MAX, "%zu of %zu linked accounts aren't in the listing any more%s",
                 lost.n, lost.n_linked, known ? "" : ": believed only if a second one says the same");
        return known ? SHRINK_E_AGREED : SHRINK_E_DOUBTED;
}
