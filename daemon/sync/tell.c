/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/log.h"
#include "base/siphash.h"
#include "sync/tell.h"

#define KIND_BLOCKED (-1)

static const char *const ids[_PLAN_NOTE_KIND_MAX] = {
        [NOTE_PROTECTED] = MSGID_LAST_OR_PROTECTED_KEPT,
        [NOTE_LAST_OF] = MSGID_LAST_OR_PROTECTED_KEPT,
        [NOTE_OWN_USER] = MSGID_LAST_OR_PROTECTED_KEPT,
        [NOTE_GRACE] = MSGID_LEAVER_IN_GRACE,
};

void tell_deinit(Tell *t) {
        free(t->told);
        *t = (Tell){ 0 };
}

static int compare(const void *va, const void *vb) {
        const uint64_t *a = va, *b = vb;

        return (*a > *b) - (*a < *b);
}

static bool is_told(const Tell *t, uint64_t remark) {
        return t->n > 0 && bsearch(&remark, t->told, t->n, sizeof(remark), compare);
}

static uint64_t fingerprint(int kind, const char *person, const char *text) {
        SipHash h;

        siphash_init(&h);
        siphash_add_u64(&h, (uint64_t) kind);
        siphash_add_str(&h, person);
        siphash_add_str(&h, text);
        return siphash_end(&h);
}

static void tell_blocked(const Plan *plan, const PlanBlocked *b, int64_t cycle) {
        const LogFields fields = {
                .message_id = MSGID_PERSON_BLOCKED,
                .target = plan->target,
                .cycle = cycle,
                .person = b->person,
                .account = b->address,
        };

        log_event(LOG_WARNING, &fields, "%s is blocked: %s", b->address ?: b->dn ?: b->person, b->reason);
}

static void tell_note(const Plan *plan, const PlanNote *n, int64_t cycle) {
        const LogFields fields = {
                .message_id = ids[n->kind],
                .target = plan->target,
                .cycle = cycle,
                .person = n->person,
                .account = n->address,
                .remote_id = n->remote_id,
        };

        log_event(LOG_NOTICE, &fields, "%s: %s", n->address ? n->address : n->person, n->reason);
}

void tell_plan(Tell *t, const Plan *plan, int64_t cycle) {
        Tell now = { calloc(plan->n_blocked + plan->n_notes + 1, sizeof(*now.told)), 0 };
        uint64_t remark;

        if (!now.told)
                return;
        for (size_t i = 0; i < plan->n_blocked; i++) {
                const PlanBlocked *b = &plan->blocked[i];

                now.told[now.n++] = remark = fingerprint(KIND_BLOCKED, b->person, b->reason);
                if (!is_told(t, remark))
                        tell_blocked(plan, b, cycle);
        }
        for (size_t i = 0; i < plan->n_notes; i++) {
                const PlanNote *n = &plan->notes[i];

                if (!ids[n->kind])
                        continue;
                /* Not the reason: time runs in it. */
                now.told[now.n++] = remark = fingerprint((int) n->kind, n->person, n->remote_id);
                if (!is_told(t, remark))
                        tell_note(plan, n, cycle);
        }
        qsort(now.told, now.n, sizeof(*now.told), compare);
        tell_deinit(t);
        *t = now;
}

static size_t count(const Plan *plan, const char *id) {
        size_t n = 0;

        for (size_t i = 0; plan && i < plan->n_notes; i++)
                n += str_eq(ids[plan->notes[i].kind], id);
        return n;
}

size_t tell_n_kept(const Plan *plan) {
        return count(plan, MSGID_LAST_OR_PROTECTED_KEPT);
}

size_t tell_n_grace(const Plan *plan) {
        return count(plan, MSGID_LEAVER_IN_GRACE);
}
