/* SPDX-License-Identifier: Apache-2.0 */
/* An action: one act that a plan asks for, and the link that says whose account it touches. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/strings.h"
#include "base/time.h"
#include "model/strindex.h"

typedef enum ActionKind {
        ACTION_CREATE,
        ACTION_ADOPT,
        ACTION_RECREATE,
        ACTION_UPDATE,
        ACTION_ENABLE,
        ACTION_DISABLE,
        ACTION_DELETE,
        ACTION_RESET,
        ACTION_RELINK,
        _ACTION_KIND_MAX,
} ActionKind;

const char *action_kind_to_string(ActionKind k);
/* _ACTION_KIND_MAX if unknown. */
ActionKind action_kind_from_string(const char *s);
/* Takes access away: delete, disable, recreate. */
bool action_kind_is_destructive(ActionKind k);

/* How an account is, or shall be. NULL members are not stated; roles stated and none: not NULL, n_roles 0.
 * roles are sorted (strcmp), each once.
 *
 * What the diff states: before: all that the listing shows (status only where the act changes it). after:
 * of a create all that the API takes, with the directory's own spelling, trimmed; of a recreate and an
 * update likewise; of an enable and a disable status "enabled", "disabled"; of an enable that lifts a lock
 * alone "unlocked"; of an adoption as of a create, but only if something would have to change next; of a
 * delete and a relink nothing. */
typedef struct AccountState {
        const char *address, *login, *first_name, *last_name, *timezone, *role, *status;
        const char *const *roles;
        size_t n_roles;
} AccountState;

typedef struct Action {
        ActionKind kind;
        const char *person;             /* directory id */
        const char *address; /* the directory's spelling; the account's where the person is gone */
        const char *remote_id;          /* NULL: no account yet */
        bool has_before, has_after;
        AccountState before, after;
        /* The number of the done action that this one takes back, 0: none. No part of what an action is:
         * neither order nor hash know it. */
        int64_t reverts;
        /* A create of what somebody removed at the API, which waits for a person; neither that. */
        bool again;
} Action;

/* Canonical JSON of a state (RFC 8259, no white space): keys in the order of their bytes, stated members
 * alone: {"address":"a@example.com","role":"Read Only"}. No secret is in it. */
void account_state_to_json(const AccountState *s, StrBuf *out);
/* Reads it back into the arena; any order of keys, roles are sorted. 0; -EBADMSG: not JSON, another type,
 * an unknown member, a NUL in a text; -ENOMEM. */
int account_state_from_json(const char *json, size_t len, Arena *arena, AccountState *ret);
bool account_state_equal(const AccountState *a, const AccountState *b);
/* Canonical JSON of an action, without white space: members in this order, null where there is none.
 * {"action":"create","person":ID,"address":A,"remote_id":R,"before":STATE,"after":STATE} */
void action_to_json(const Action *a, StrBuf *out);
/* As account_state_from_json(). */
int action_from_json(const char *json, size_t len, Arena *arena, Action *ret);
/* Deep copy into the arena. 0, -ENOMEM. */
int action_copy(const Action *a, Arena *arena, Action *ret);

typedef enum LinkOrigin { LINK_CREATED, LINK_ADOPTED } LinkOrigin;

/* The ledger's row that ties a person to an account of a target. */
typedef struct Link {
        const char *person;
        const char *remote_id;
        const char *address;            /* address_key() at linking time, kept up to date */
        const char *employee_number;    /* or NULL */
        const char *role;               /* last one known */
        LinkOrigin origin;
        usec_t since;
        bool gone;                      /* a complete listing no longer had the account */
        /* How long the person hasn't been wanted at this target: absent from the directory, disabled, or
         * without a group or role that leads here. Sync grows it over complete reads by the rule of
         * Person.absent_for, and sets it to 0 as soon as the person is wanted again (a blocked person's
         * stays as it is). It outlives the person's row. */
        usec_t out_for;
        /* The directory had the person disabled, and no listing since its end showed the account without a
         * lock: one that it has is lifted. Any other lock is the API's own affair. */
        bool was_disabled;
} Link;

typedef struct Links {
        Link *items;
        size_t n, size;
        Arena *arena;
} Links;
Links *links_new(void);
Links *links_free(Links *links);
DEFINE_CLEANUP(Links *, links_free);
/* Copies l with all it points to. 0, -ENOMEM. */
int links_add(Links *links, const Link *l);
/* Indexes by person, as people_index(). */
int links_index(const Links *links, StrIndex *ret);
int actions_index(const Action *actions, size_t n, StrIndex *ret);
