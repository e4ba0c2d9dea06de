/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "model/expect.h"
#include "sync/accepted.h"
#include "sync/rules.h"

void accepted_deinit(Accepted *a) {
        free(a->rules);
        free(a->expect);
        free(a->rules_before);
        *a = (Accepted){ 0 };
}

int accepted_load(Store *store, const Config *config, const TargetConfig *target, Accepted *ret) {
        _cleanup_(accepted_deinit) Accepted a = {
                .rules = rules_text(config, target),
                .expect = expect_text(config, target),
        };
        _cleanup_(freep) char *expect_before = NULL;
        int r;

        if (!a.rules || !a.expect)
                return -ENOMEM;
        r = store_restored(store, target->name, &a.restored);
        if (r >= 0)
                r = store_meta_get_of(store, "rules", target->name, &a.rules_before);
        if (r >= 0)
                r = store_meta_get_of(store, "expect", target->name, &expect_before);
        if (r < 0)
                return r;
        a.all_same = !a.restored && str_eq(a.rules, a.rules_before) &&
                     str_eq(a.expect, expect_before ? expect_before : "");
        *ret = a;
        a = (Accepted){ 0 };
        return 0;
}

int accepted_remember(Store *store, const TargetConfig *target, Accepted *a) {
        char *rules = strdup(a->rules);
        int r;

        if (!rules)
                return -ENOMEM;
        free(a->rules_before);
        a->rules_before = rules;
        a->restored = false;
        a->all_same = true;
        r = store_restored_accept(store, target->name);
        if (r >= 0)
                r = store_meta_set_of(store, "rules", target->name, a->rules);
        if (r >= 0)
                r = store_meta_set_of(store, "expect", target->name, a->expect);
        return r;
}

int accepted_freeze(Store *store, const TargetConfig *target, const Accepted *a) {
        int r;

        r = store_meta_set_of(store, "frozen-rules", target->name, a->rules);
        return r < 0 ? r : store_meta_set_of(store, "frozen-expect", target->name, a->expect);
}

int accepted_thaw(Store *store, const TargetConfig *target, Accepted *a) {
        _cleanup_(freep) char *rules = NULL, *expect = NULL;
        int r;

        r = store_meta_get_of(store, "frozen-rules", target->name, &rules);
        if (r >= 0)
                r = store_meta_get_of(store, "frozen-expect", target->name, &expect);
        if (r < 0 || !str_eq(rules, a->rules) || !str_eq(expect, a->expect))
                return r;
        return accepted_remember(store, target, a);
}
