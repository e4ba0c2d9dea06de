/* SPDX-License-Identifier: Apache-2.0 */
/* A listing that has lost many of the linked accounts at once isn't believed until a second one has lost
 * the same; and then the plan that stands on it waits for a person. */
#pragma once

#include "config/config.h"
#include "model/account.h"
#include "store/store.h"

#define SHRINK_TEXT_MAX 160

/* Compares a complete listing with the links as the store has them, and remembers there what was lost.
 * 0: no more than limits.percent (at least 3) of them; SHRINK_E_DOUBTED; SHRINK_E_AGREED, a second time;
 * both with words for people in text; -errno of the store. Links whose account was missed before don't
 * count (Link.gone), nor do those that may be listed late. */
#define SHRINK_E_DOUBTED 1
#define SHRINK_E_AGREED 2
int shrink_judge(Store *store, const TargetConfig *target, const Links *links, const Accounts *accounts,
                 char text[static SHRINK_TEXT_MAX]);
