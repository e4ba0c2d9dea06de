/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/log.h"
#include "model/strindex.h"
#include "store/store-ledger.h"
#include "store/store-queue.h"
#include "sync/unfinished.h"
#include "target/target.h"

#define REASON "its person has left: the account, deleted for a new role, isn't created again"

typedef struct Search {
        const JudgeInput *in;
        StrIndex people;                /* made when the first candidate turns up */
        int64_t *ids;
        size_t n;
} Search;

static void search_deinit(Search *s) {
        strindex_deinit(&s->people);
        free(s->ids);
}

/* As for removals: absence needs proof, a disabled entry is its own. */
static bool has_left(const Search *s, const char *person) {
        uint32_t pos = strindex_find(&s->people, s->in->people->items, person);
        const Person *p = pos == STRINDEX_NONE ? NULL : &s->in->people->items[pos];

        if (p && diff_person_belongs(s->in->target, s->in->config->n_groups, p))
                return false;
        return s->in->absence_proven || (p && p->present && p->disabled);
}

/* Begun, and not under way. One whose create may have gone out is finished: there may be an account by
 * now. */
static bool is_stopped(const QueueItem *item) {
        switch (item->state) {
        case QUEUE_WAITING:
                return item->step != STEP_START;
        case QUEUE_UNCERTAIN:
                return item->step == STEP_DELETING;
        case QUEUE_DEAD:
                return item->step == STEP_DELETED;
        default:
                return false;
        }
}

static int look_at(const QueueItem *item, void *userdata) {
        Search *s = userdata;
        int64_t *ids;
        int r;

        if (item->action.kind != ACTION_RECREATE || !is_stopped(item))
                return 0;
        if (s->people.size == 0) {
                r = people_index(s->in->people, &s->people);
                if (r < 0)
                        return r;
        }
        if (!has_left(s, item->action.person))
                return 0;
        ids = reallocarray(s->ids, s->n + 1, sizeof(*ids));
        if (!ids)
                return -ENOMEM;
        s->ids = ids;
        s->ids[s->n++] = item->id;
        return 0;
}

/* The account that we deleted is no longer anybody's: a link to it would look like a removal by others. */
static int write_end(const JudgeInput *in, const QueueItem *item) {
        const QueueChange change = {
                .state = QUEUE_DROPPED,
                .step = item->step,
                .attempts = item->attempts,
                .was_uncertain = item->was_uncertain,
                .forget = true,
                .detail = REASON,
        };
        int r;

        r = store_begin(in->store);
        if (r < 0)
                return r;
        r = store_queue_change(in->store, item->id, &change, in->wall);
        if (r == 0 && item->step == STEP_DELETED)
                r = store_link_drop(in->store, in->target->name, item->action.person);
        if (r != 0) {
                store_rollback(in->store);
                return r < 0 ? r : -EIO;
        }
        return store_commit(in->store);
}

static int give_up(const JudgeInput *in, int64_t id) {
        _cleanup_(queue_item_freep) QueueItem *item = NULL;
        LogFields fields = { .message_id = MSGID_RECREATE_UNFINISHED,
                             .target = in->target->name,
                             .cycle = in->cycle,
                             .action_id = id };
        int r;

        r = store_queue_get(in->store, id, &item);
        if (r < 0)
                return r;
        r = write_end(in, item);
        if (r < 0)
                return r;
        fields.action = action_kind_to_string(ACTION_RECREATE);
        fields.person = item->action.person;
        fields.account = item->action.address;
        fields.remote_id = item->action.remote_id;
        log_event(LOG_NOTICE, &fields, "%s: recreate %s: given up: %s", in->target->name,
                  item->action.address, REASON);
        return 0;
}

int unfinished_give_up(const JudgeInput *in) {
        _cleanup_(search_deinit) Search s = { .in = in };
        int r;

        r = store_queue_removals(in->store, in->target->name, look_at, &s);
        for (size_t i = 0; r >= 0 && i < s.n; i++)
                r = give_up(in, s.ids[i]);
        return r < 0 ? r : 0;
}
