/* SPDX-License-Identifier: Apache-2.0 */
/* What the ledger of links knows beside the account: kept up to date with each complete read. */
#pragma once

#include "config/config.h"
#include "model/account.h"
#include "model/person.h"
#include "store/store.h"

typedef struct UpkeepInput {
        Store *store;
        const TargetConfig *target;
        size_t n_groups;
        const People *people;
        const Accounts *accounts;       /* a complete listing; NULL: roles stay as they are known */
        usec_t read;                    /* wall time when the read of the people began */
        usec_t grow;                    /* since the last complete read */
        bool absence_proven;
        bool in_doubt;                  /* the listing has lost too many (shrink.h): none of them is gone */
} UpkeepInput;

/* Changes the links, and their rows where they differ: address, employee number and role as they are now;
 * how long the person has not belonged here; whether a lock is to be lifted; whether the
 * account is gone. 0, -errno of the store. */
int upkeep_links(const UpkeepInput *in, Links *links);
