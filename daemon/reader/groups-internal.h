/* SPDX-License-Identifier: Apache-2.0 */
/* The graph of groups: reading nodes (groups-read.c), finding more of them (groups.c), finding a person in
 * it (groups-person.c). */
#pragma once

#include "base/arena.h"
#include "reader/groups.h"
#include "reader/memberset.h"

/* The object classes of RFC 4519, RFC 2307bis, 389 and Active Directory: what a member must be to be looked
 * into. Of configured groups the class doesn't matter. */
#define GROUPS_FILTER                                                                         \
        "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup)" \
        "(objectClass=groupOfMembers)(objectClass=group))"

/* An entry that is a group, or may be one. */
typedef struct Node {
        char *dn; /* as the directory spells it */
        DnKey key;
        bool configured; /* else: a member that may be a group */
        bool found;
        uint64_t values; /* of member, uniqueMember and memberUid */
        uint64_t next; /* member;range=next-* is to be asked for; 0: nothing */
        bool ranged; /* this answer had a range */
        bool ended; /* it had the rest, and that is empty */
        uint64_t *marks; /* configured groups whose members are also this one's */
} Node;

/* Members that stand beside each other: those in one container. */
typedef struct Container {
        char *dn; /* folded */
        char **members; /* not yet looked at; n_members of them */
        size_t n_members;
        bool crowded; /* too many to look at each: the groups in it are listed instead */
        bool listed;
        char **groups; /* found by the list */
        size_t n_groups, size;
} Container;

/* One person's place in the graph. */
typedef struct Place {
        uint64_t *marks;
        uint32_t *nodes; /* that name the person, then those that these are in: n_direct of n */
        size_t n_direct, n, size;
        uint32_t *below; /* per node: where it was come to from */
        uint32_t *round; /* per node: in which person it was come to */
        uint32_t person;
        StrBuf ways;
} Place;

struct Groups {
        Connection *c;
        Output *out;
        uint64_t *referrals;
        ErrCtx *err;
        Arena *arena;
        Node *nodes;
        size_t n_nodes, nodes_size;
        size_t n_configured;
        Container *containers;
        size_t n_containers, containers_size;
        MemberSet *members; /* key of a member → node it is a member of */
        MemberSet *known; /* key of a node → its index */
        MemberSet *container_keys; /* key of a container's DN → its index */
        StreamGroup *results;
        Place place;
};

/* Called for each member that is a DN. */
int groups_note_member(Groups *g, uint32_t node, const struct berval *dn);
/* After the last node. 0, -ENOMEM. */
int groups_place_init(Groups *g);
void groups_place_deinit(Place *place);
/* Reads the nodes from `first` to the last. */
int groups_read_nodes(Groups *g, size_t first);
