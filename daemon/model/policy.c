/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "model/plan.h"

#define PERCENT_AT_LEAST 3

static const struct { const char *one, *many; } words[_ACTION_KIND_MAX] = {
        [ACTION_CREATE] = { "create", "creates" },
        [ACTION_ADOPT] = { "adoption", "adoptions" },
        [ACTION_RECREATE] = { "recreate", "recreates" },
        [ACTION_UPDATE] = { "update", "updates" },
        [ACTION_ENABLE] = { "enable", "enables" },
        [ACTION_DISABLE] = { "disable", "disables" },
        [ACTION_DELETE] = { "delete", "deletes" },
        [ACTION_RESET] = { "reset", "resets" },
        [ACTION_RELINK] = { "relink", "relinks" },
};

/* Adoptions are no acts and relinks are always held: neither has a limit. */
static bool kind_limit(const LimitsConfig *limits, ActionKind k, size_t *ret) {
        switch (k) {
        case ACTION_CREATE: *ret = limits->create; return true;
        case ACTION_RECREATE: *ret = limits->recreate; return true;
        case ACTION_UPDATE: *ret = limits->update; return true;
        case ACTION_ENABLE: *ret = limits->enable; return true;
        case ACTION_DISABLE: *ret = limits->disable; return true;
        case ACTION_DELETE: *ret = limits->delete; return true;
        case ACTION_RESET: *ret = limits->reset; return true;
        case ACTION_ADOPT:
        case ACTION_RELINK:
        case _ACTION_KIND_MAX: break;
        }
        return false;
}

/* Starts the next reason. */
static void next(StrBuf *reason) {
        if (reason->len > 0)
                strbuf_puts(reason, "; ");
}

static void put_count(const PolicyInput *in, ActionKind k, StrBuf *reason) {
        size_t sum = in->plan->count[k] + in->queued_24h[k];

        next(reason);
        strbuf_printf(reason, "%zu %s", sum, sum == 1 ? words[k].one : words[k].many);
        if (in->queued_24h[k] > 0)
                strbuf_printf(reason, " (%zu of them in the last 24 hours)", in->queued_24h[k]);
        strbuf_puts(reason, sum == 1 ? " is" : " are");
}

static void judge_kind(const PolicyInput *in, ActionKind k, StrBuf *reason) {
        size_t sum = in->plan->count[k] + in->queued_24h[k], limit, share;
        unsigned percent = in->target->limits.percent;

        if (in->plan->count[k] == 0 || !kind_limit(&in->target->limits, k, &limit))
                return;
        if (sum > limit) {
                put_count(in, k, reason);
                strbuf_printf(reason, " over targets[%s].limits.%s = %zu", in->target->name,
                              action_kind_to_string(k), limit);
        }
        share = in->plan->n_linked * percent / 100;
        if (share < PERCENT_AT_LEAST)
                share = PERCENT_AT_LEAST;
        if (k != ACTION_CREATE && percent < 100 && sum > share) {
                put_count(in, k, reason);
                strbuf_printf(reason,
                              " more than the %zu that targets[%s].limits.percent = %u allows of %zu linked",
                              share, in->target->name, percent, in->plan->n_linked);
        }
}

int policy_judge(const PolicyInput *in, StrBuf *reason) {
        const Plan *plan = in->plan;
        size_t start = reason->len;

        if (plan_n_acts(plan) > 0) {
                if (in->first_plan && !in->first_plan_apply) {
                        next(reason);
                        strbuf_printf(reason, "it is the first plan of targets[%s] (first_plan = \"hold\")",
                                      in->target->name);
                }
                if (in->changed_key) {
                        next(reason);
                        strbuf_printf(reason, "%s has changed since the last approved plan",
                                      in->changed_key);
                }
        }
        if (in->failed && (plan_n_acts(plan) > 0 || plan->adopts_and_changes)) {
                next(reason);
                strbuf_puts(reason, in->failed);
        }
        for (ActionKind k = 0; k < _ACTION_KIND_MAX; k++)
                judge_kind(in, k, reason);
        if (plan->adopts_and_changes) {
                next(reason);
                strbuf_printf(reason, "it adopts accounts that targets[%s] would then change",
                              in->target->name);
        }
        if (plan->has_relink) {
                next(reason);
                strbuf_printf(reason, "%zu %s would tie an account to an entry with another id",
                              plan->count[ACTION_RELINK],
                              plan->count[ACTION_RELINK] == 1 ? "relink" : "relinks");
        }
        if (plan->has_gone_create) {
                next(reason);
                strbuf_printf(
                        reason,
                        "it creates again what somebody removed at the API (targets[%s].gone = \"hold\")",
                        in->target->name);
        }
        if (reason->error < 0)
                return reason->error;
        return reason->len > start ? POLICY_E_HOLD : 0;
}
