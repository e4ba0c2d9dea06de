/* SPDX-License-Identifier: Apache-2.0 */
/* The configured groups and the groups nested in them: who is a member of what, before people are read. */
#pragma once

#include "reader/connection.h"
#include "reader/output.h"

#define GROUPS_DEPTH_MAX 64

typedef struct Groups Groups;

/* Reads member, uniqueMember and memberUid of each group by its DN, and follows groups that are members
 * level by level, each once. A group that isn't there is an answer (found = false); one that can't be
 * read fails the whole (CONNECTION_E_FAILED). -EPIPE, -ENOMEM. */
int groups_read(Connection *c, Output *out, char *const *dns, size_t n, uint64_t *referrals, ErrCtx *err,
                Groups **ret);
Groups *groups_free(Groups *groups);
DEFINE_CLEANUP(Groups *, groups_free);

/* A person: begin, then the groups are found that have their folded DN, or a login, as a member. */
void groups_begin_person(Groups *groups);
void groups_see_dn(Groups *groups, const char *folded, size_t len);
void groups_see_login(Groups *groups, const struct berval *login);
/* Then Person.marks and Person.ways, which stand until the next one begins. 0, -ENOMEM. */
const uint64_t *groups_marks(const Groups *groups);
int groups_ways(Groups *groups, const char **ret);

/* n of them, in the order of dns. */
const StreamGroup *groups_results(const Groups *groups);
