/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "model/who.h"
#include "store/store-ledger.h"
#include "store/store-people.h"
#include "store/store-queue.h"
#include "sync/ask-reset.h"
#include "target/target.h"

static const Link *find_link(const Links *links, const char *person) {
        for (size_t i = 0; i < links->n; i++)
                if (str_eq(links->items[i].person, person) && !links->items[i].gone)
                        return &links->items[i];
        return NULL;
}

static int check_target(const TargetConfig *target, const char *name, ErrCtx *err) {
        const TargetDriver *driver = target ? target_driver(target->type) : NULL;

        if (!target)
                return err_set(err, ASK_E_REFUSED, 0, "%s: no target of the configuration has this name",
                               name);
        if (!driver || !driver->capabilities.reset ||
            (driver->parent_calls >> CALL_RESET & 1 && target->organization == 0))
                return err_set(err, ASK_E_REFUSED, 0, "%s: passwords can't be reset at this target", name);
        return 0;
}

static int queue_reset(Store *store, const TargetConfig *target, const Person *p, const Link *link,
                       usec_t wall, ErrCtx *err) {
        const Action a = {
                .kind = ACTION_RESET,
                .person = p->id,
                .address = p->field[PERSON_EMAIL] ? p->field[PERSON_EMAIL] : link->address,
                .remote_id = link->remote_id,
        };
        int64_t cycle;
        QueuePut put;
        int r;

        r = store_cycle_get(store, &cycle);
        if (r >= 0)
                r = store_queue_put(store, target->name, &a, cycle, true, wall, NULL, &put);
        if (r < 0)
                return r;
        if (put == QUEUE_PUT_BUSY)
                return err_set(err, ASK_E_REFUSED, 0,
                               "%s: another action for %s is unfinished; ask again when it is done",
                               target->name, a.address);
        return 0;
}

int ask_reset(Store *store, const Config *config, const char *person, const char *name, usec_t wall,
              ErrCtx *err) {
        const TargetConfig *target = config_target(config, name);
        _cleanup_(people_freep) People *people = NULL;
        _cleanup_(links_freep) Links *links = NULL;
        const Person *p = NULL;
        const Link *link;
        int r;

        r = check_target(target, name, err);
        if (r != 0)
                return r;
        r = store_people_load(store, config->n_groups, &people);
        if (r >= 0)
                r = store_links_load(store, target->name, &links);
        if (r >= 0)
                r = who_find(people, person, &p, err);
        if (r != 0)
                return r < 0 ? r : ASK_E_REFUSED;
        link = find_link(links, p->id);
        if (!link)
                return err_set(err, ASK_E_REFUSED, 0, "%s: %s has no account of ours here", target->name,
                               person);
        return queue_reset(store, target, p, link, wall, err);
}
