/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

#include "model/plan.h"

/* More than any action: values are bounded by PERSON_VALUE_MAX and by what a listing may hold. */
#define LINE_MAX_BYTES ((size_t) 16 * 1024 * 1024)

Plan *plan_new(const char *target) {
        _cleanup_(plan_freep) Plan *plan = calloc(1, sizeof(*plan));

        if (!plan)
                return NULL;
        plan->target = target;
        plan->arena = arena_new();
        if (!plan->arena)
                return NULL;
        return TAKE(plan);
}

Plan *plan_free(Plan *plan) {
        if (!plan)
                return NULL;
        free(plan->actions);
        free(plan->blocked);
        free(plan->drift);
        free(plan->notes);
        arena_free(plan->arena);
        free(plan);
        return NULL;
}

/* The list with room for one more, NULL when out of memory. Sizes are powers of two, so that n alone
 * tells when it is full. */
static void *room(void *items, size_t n, size_t size) {
        if (n >= 8 ? (n & (n - 1)) != 0 : n != 0)
                return items;
        return reallocarray(items, n >= 8 ? 2 * n : 8, size);
}

/* Copies what isn't NULL; r carries an earlier failure on. */
static int keep(Plan *plan, const char **s, int r) {
        if (r < 0 || !*s)
                return r;
        *s = arena_strdup(plan->arena, *s);
        return *s ? 0 : -ENOMEM;
}

int plan_add_action(Plan *plan, const Action *a) {
        Action *list = room(plan->actions, plan->n_actions, sizeof(*list));
        int r;

        if (!list)
                return -ENOMEM;
        plan->actions = list;
        r = action_copy(a, plan->arena, &plan->actions[plan->n_actions]);
        if (r < 0)
                return r;
        plan->n_actions++;
        return 0;
}

int plan_add_blocked(Plan *plan, const PlanBlocked *b) {
        PlanBlocked copy = *b;
        PlanBlocked *list = room(plan->blocked, plan->n_blocked, sizeof(*list));
        int r;

        if (!list)
                return -ENOMEM;
        plan->blocked = list;
        r = keep(plan, &copy.person, 0);
        r = keep(plan, &copy.dn, r);
        r = keep(plan, &copy.address, r);
        r = keep(plan, &copy.reason, r);
        if (r < 0)
                return r;
        plan->blocked[plan->n_blocked++] = copy;
        return 0;
}

int plan_add_drift(Plan *plan, const PlanDrift *d) {
        PlanDrift copy = *d;
        PlanDrift *list = room(plan->drift, plan->n_drift, sizeof(*list));
        int r;

        if (!list)
                return -ENOMEM;
        plan->drift = list;
        r = keep(plan, &copy.person, 0);
        r = keep(plan, &copy.dn, r);
        r = keep(plan, &copy.field, r);
        r = keep(plan, &copy.directory, r);
        r = keep(plan, &copy.account, r);
        if (r < 0)
                return r;
        plan->drift[plan->n_drift++] = copy;
        return 0;
}

int plan_add_note(Plan *plan, const PlanNote *n) {
        PlanNote copy = *n;
        PlanNote *list = room(plan->notes, plan->n_notes, sizeof(*list));
        int r;

        if (!list)
                return -ENOMEM;
        plan->notes = list;
        r = keep(plan, &copy.person, 0);
        r = keep(plan, &copy.address, r);
        r = keep(plan, &copy.remote_id, r);
        r = keep(plan, &copy.reason, r);
        if (r < 0)
                return r;
        plan->notes[plan->n_notes++] = copy;
        return 0;
}

static int state_compare(bool has_a, const AccountState *a, bool has_b, const AccountState *b) {
        int r;

        if (!has_a || !has_b)
                return has_a - has_b;
        if ((r = str_cmp(a->address, b->address)) != 0 || (r = str_cmp(a->login, b->login)) != 0 ||
            (r = str_cmp(a->first_name, b->first_name)) != 0 ||
            (r = str_cmp(a->last_name, b->last_name)) != 0 || (r = str_cmp(a->timezone, b->timezone)) != 0 ||
            (r = str_cmp(a->role, b->role)) != 0 || (r = str_cmp(a->status, b->status)) != 0)
                return r;
        if (!a->roles || !b->roles)
                return (a->roles != NULL) - (b->roles != NULL);
        for (size_t i = 0; i < a->n_roles && i < b->n_roles; i++)
                if ((r = str_cmp(a->roles[i], b->roles[i])) != 0)
                        return r;
        return (a->n_roles > b->n_roles) - (a->n_roles < b->n_roles);
}

int action_compare(const void *va, const void *vb) {
        const Action *a = va, *b = vb;
        int r;

        if (a->kind != b->kind)
                return a->kind < b->kind ? -1 : 1;
        if ((r = str_cmp(a->person, b->person)) != 0 || (r = str_cmp(a->address, b->address)) != 0 ||
            (r = str_cmp(a->remote_id, b->remote_id)) != 0 ||
            (r = state_compare(a->has_before, &a->before, b->has_before, &b->before)) != 0)
                return r;
        return state_compare(a->has_after, &a->after, b->has_after, &b->after);
}

static int blocked_compare(const void *va, const void *vb) {
        const PlanBlocked *a = va, *b = vb;

        return str_cmp(a->person, b->person) ?: str_cmp(a->reason, b->reason);
}

static int drift_compare(const void *va, const void *vb) {
        const PlanDrift *a = va, *b = vb;

        return str_cmp(a->person, b->person) ?: str_cmp(a->field, b->field);
}

static int note_compare(const void *va, const void *vb) {
        const PlanNote *a = va, *b = vb;

        if (!str_eq(a->person, b->person))
                return str_cmp(a->person, b->person);
        if (a->kind != b->kind)
                return a->kind < b->kind ? -1 : 1;
        return str_cmp(a->remote_id, b->remote_id);
}

/* Mostly they are in order already, and finding that out is cheap. */
static void sort(void *items, size_t n, size_t size, int (*compare)(const void *, const void *)) {
        const char *p = items;

        for (size_t i = 1; i < n; i++, p += size)
                if (compare(p, p + size) > 0) {
                        qsort(items, n, size, compare);
                        return;
                }
}

void plan_sort_actions(Action *actions, size_t n) {
        sort(actions, n, sizeof(*actions), action_compare);
}

bool actions_have(const Action *sorted, size_t n, const Action *a) {
        return n > 0 && bsearch(a, sorted, n, sizeof(*a), action_compare);
}

int plan_finish(Plan *plan) {
        plan_sort_actions(plan->actions, plan->n_actions);
        sort(plan->blocked, plan->n_blocked, sizeof(*plan->blocked), blocked_compare);
        sort(plan->drift, plan->n_drift, sizeof(*plan->drift), drift_compare);
        sort(plan->notes, plan->n_notes, sizeof(*plan->notes), note_compare);
        memset(plan->count, 0, sizeof(plan->count));
        plan->adopts_and_changes = plan->has_relink = plan->has_gone_create = false;
        for (size_t i = 0; i < plan->n_actions; i++) {
                const Action *a = &plan->actions[i];

                plan->count[a->kind]++;
                plan->has_relink |= a->kind == ACTION_RELINK;
                plan->has_gone_create |= a->again;
                plan->adopts_and_changes |= a->kind == ACTION_ADOPT && a->has_after;
        }
        return plan_hash(plan->target, plan->actions, plan->n_actions, plan->hash);
}

size_t plan_n_acts(const Plan *plan) {
        return plan->n_actions - plan->count[ACTION_ADOPT];
}

static int compare_pointers(const void *a, const void *b) {
        return action_compare(*(const Action *const *) a, *(const Action *const *) b);
}

int plan_hash(const char *target, const Action *actions, size_t n, char ret[static PLAN_HASH_LEN + 1]) {
        _cleanup_(freep) const Action **sorted = calloc(n ?: 1, sizeof(*sorted));
        _cleanup_(strbuf_deinit) StrBuf line = STRBUF_INIT(LINE_MAX_BYTES);
        uint8_t digest[SHA256_DIGEST_SIZE];
        char hex[2 * SHA256_DIGEST_SIZE + 1];
        struct sha256_ctx sha;

        if (!sorted)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                sorted[i] = &actions[i];
        sort(sorted, n, sizeof(*sorted), compare_pointers);
        sha256_init(&sha);
        strbuf_puts(&line, "{\"target\":");
        strbuf_json(&line, target);
        strbuf_puts(&line, "}\n");
        for (size_t i = 0; i < n && line.error == 0; i++) {
                sha256_update(&sha, line.len, (const uint8_t *) line.data);
                strbuf_reset(&line);
                action_to_json(sorted[i], &line);
                strbuf_putc(&line, '\n');
        }
        if (line.error < 0)
                return line.error;
        sha256_update(&sha, line.len, (const uint8_t *) line.data);
        sha256_digest(&sha, sizeof(digest), digest);
        hex_encode(digest, sizeof(digest), hex);
        memcpy(ret, hex, PLAN_HASH_LEN);
        ret[PLAN_HASH_LEN] = 0;
        return 0;
}
