/* SPDX-License-Identifier: Apache-2.0 */
/* Recreates that stopped after the account was deleted, and whose person has left since: creating it
 * again would give access to a leaver. */
#pragma once

#include "sync/judge.h"

/* Gives up those that aren't under way, and says so. 0; -errno of the store: nothing changed. */
int unfinished_give_up(const JudgeInput *in);
