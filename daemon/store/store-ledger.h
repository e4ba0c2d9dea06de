/* SPDX-License-Identifier: Apache-2.0 */
/* Links, and plans that wait for a person. Part of store/store.h. */
#pragma once

#include "base/arena.h"
#include "model/action.h"
#include "store/store.h"

/* ---- links ---- */

int store_links_load(Store *store, const char *target, Links **ret);
/* The link that has this account, if any: at most one; gone ones don't count. */
int store_links_of(Store *store, const char *target, const char *remote_id, Links **ret);
/* Inserts, or replaces the person's link at the target. 0; STORE_E_DUPLICATE: another person has a link to
 * that account (unless it is `gone`); nothing was written. */
int store_link_put(Store *store, const char *target, const Link *l);
int store_link_drop(Store *store, const char *target, const char *person);

/* ---- password signals ---- */

/* As last looked at; value NULL: the attribute was absent. */
int store_signal_set(Store *store, const char *target, const char *person, const char *value);
/* In order of person (strcmp). This callback may not use the store: there may be very many. */
int store_signals_walk(Store *store, const char *target,
                       int (*fn)(const char *person, const char *value, void *userdata), void *userdata);

/* ---- held plans: frozen until approved, rejected or stale ---- */

/* Each target has room for one of each. */
typedef enum HeldSlot {
        HELD_PLAN,      /* what a judgement held */
        HELD_FILE,      /* an operator's file that the next judgement shall do */
        HELD_REVERT,    /* what takes a cycle back, and nobody but an operator asks for */
        _HELD_SLOT_MAX,
} HeldSlot;
/* Replaces an earlier one. `reason` is for people. */
int store_held_put(Store *store, const char *target, HeldSlot slot, const char *hash, const char *reason,
                   const Action *actions, size_t n, usec_t wall);
typedef struct HeldPlan {
        char *hash, *reason;            /* in the arena, like all that actions point to */
        Action *actions;                /* in the order given */
        size_t n_actions;
        usec_t since;
        Arena *arena;
} HeldPlan;
HeldPlan *held_plan_free(HeldPlan *h);
DEFINE_CLEANUP(HeldPlan *, held_plan_free);
/* *ret NULL: none */
int store_held_get(Store *store, const char *target, HeldSlot slot, HeldPlan **ret);
/* The same without its actions (NULL): n_actions tells how many there are. */
int store_held_head(Store *store, const char *target, HeldSlot slot, HeldPlan **ret);
int store_held_drop(Store *store, const char *target, HeldSlot slot);
