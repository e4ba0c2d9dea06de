/* SPDX-License-Identifier: Apache-2.0 */
/* Which members of a group are groups themselves? Asking for each member would cost a question per
 * person. So members are counted by the container that they stand in: where there are few, each is looked
 * at; where there are many, the groups of that container are listed (a list of names that the server has
 * in an index), and those of them that are members are read. Level by level, each group once. */
#include "reader/groups.h"

#include <errno.h>
#include <string.h>

#include "reader/groups-internal.h"
#include "reader/search.h"

#define CROWD 8

static int add_node(Groups *g, const char *dn, DnKey key, bool configured) {
        Node *nodes, node = {.key = key, .configured = configured};
        size_t size;

        if (g->n_nodes == g->nodes_size) {
                size = g->nodes_size > 0 ? g->nodes_size * 2 : 64;
                nodes = reallocarray(g->nodes, size, sizeof(*nodes));
                if (!nodes)
                        return -ENOMEM;
                g->nodes = nodes;
                g->nodes_size = size;
        }
        node.dn = arena_strdup(g->arena, dn);
        node.marks = arena_alloc(g->arena, (MARKS_WORDS(g->n_configured) + 1) * sizeof(uint64_t));
        if (!node.dn || !node.marks)
                return -ENOMEM;
        g->nodes[g->n_nodes] = node;
        return memberset_add(g->known, key, (uint32_t) g->n_nodes++);
}

/* A member that may be a group, unless it was looked at before. */
static int add_candidate(Groups *g, const char *dn, DnKey key) {
        return memberset_has(g->known, key) ? 0 : add_node(g, dn, key, false);
}

static int container_of(Groups *g, const char *dn, Container **ret) {
        DnKey key = dn_key(DN_KEY_DN, dn, strlen(dn));
        size_t cursor = 0, size;
        Container *list;
        uint32_t index;
        int r;

        if (memberset_next(g->container_keys, key, &cursor, &index)) {
                *ret = &g->containers[index];
                return 0;
        }
        if (g->n_containers == g->containers_size) {
                size = g->containers_size > 0 ? g->containers_size * 2 : 16;
                list = reallocarray(g->containers, size, sizeof(*list));
                if (!list)
                        return -ENOMEM;
                g->containers = list;
                g->containers_size = size;
        }
        r = memberset_add(g->container_keys, key, (uint32_t) g->n_containers);
        if (r < 0)
                return r;
        *ret = &g->containers[g->n_containers];
        **ret = (Container){.dn = arena_strdup(g->arena, dn)};
        (*ret)->members = arena_alloc(g->arena, CROWD * sizeof(char *));
        if (!(*ret)->dn || !(*ret)->members)
                return -ENOMEM;
        g->n_containers++;
        return 0;
}

int groups_note_member(Groups *g, uint32_t node, const struct berval *dn) {
        char folded[DN_FOLD_MAX];
        Container *container;
        size_t len = dn_fold(dn, folded);
        DnKey key;
        int r;

        if (len == 0)
                return 0;
        key = dn_key(DN_KEY_DN, folded, len);
        if (!memberset_has(g->members, key) && !memberset_has(g->known, key)) {
                r = container_of(g, dn_parent(folded), &container);
                if (r < 0)
                        return r;
                if (container->n_members == CROWD)
                        container->crowded = true;
                else {
                        container->members[container->n_members] =
                                        arena_strndup(g->arena, dn->bv_val, dn->bv_len);
                        if (!container->members[container->n_members++])
                                return -ENOMEM;
                }
        }
        return memberset_add(g->members, key, node);
}

static int key_of(const char *dn, DnKey *ret) {
        struct berval value = {.bv_val = (char *) dn, .bv_len = strlen(dn)};
        char folded[DN_FOLD_MAX];
        size_t len = dn_fold(&value, folded);

        if (len == 0)
                return -E2BIG;
        *ret = dn_key(DN_KEY_DN, folded, len);
        return 0;
}

typedef struct Listing {
        Groups *g;
        Container *container;
} Listing;

static int on_listed(LDAPMessage *entry, void *userdata) {
        Listing *l = userdata;
        Container *container = l->container;
        BerElement *ber = NULL;
        struct berval dn;
        char **list;
        int rc;

        rc = ldap_get_dn_ber(l->g->c->ld, entry, &ber, &dn);
        ber_free(ber, 0);
        if (rc != LDAP_SUCCESS)
                return connection_fail(l->g->c, l->g->err, rc, NULL, NULL,
                                       "an entry below %.160s can't be understood", container->dn);
        if (container->n_groups == container->size) {
                container->size = container->size > 0 ? container->size * 2 : 64;
                list = reallocarray(container->groups, container->size, sizeof(*list));
                if (!list)
                        return -ENOMEM;
                container->groups = list;
        }
        container->groups[container->n_groups] = arena_strndup(l->g->arena, dn.bv_val, dn.bv_len);
        return container->groups[container->n_groups++] ? 0 : -ENOMEM;
}

static int on_page(void *userdata) {
        Listing *l = userdata;

        return output_progress(l->g->out);
}

/* Where nothing is to be seen, there is no group to be followed either. */
static int list_container(Groups *g, Container *container) {
        static char none[] = LDAP_NO_ATTRS;
        char *attributes[] = {none, NULL};
        Listing listing = {g, container};
        SearchSpec spec = {.base = container->dn,
                           .scope = SCOPE_ONE,
                           .filter = GROUPS_FILTER,
                           .attributes = attributes};
        SearchHandler handler = {.entry = on_listed, .page = on_page, .userdata = &listing};
        uint64_t ignored = 0;           /* they are counted where people are read */
        int r;

        container->listed = true;
        r = search_run(g->c, &spec, &handler, &ignored, g->err);
        if (r != CONNECTION_E_FAILED)
                return r;
        switch (g->err->code) {
        case LDAP_REFERRAL:
                ++*g->referrals;
                return 0;
        case LDAP_NO_SUCH_OBJECT:
        case LDAP_INVALID_DN_SYNTAX:
                return 0;
        default:
                return r;
        }
}

static int look_into(Groups *g, Container *container) {
        DnKey key;
        int r = 0;

        if (container->crowded && !container->listed)
                r = list_container(g, container);
        for (size_t i = 0; r == 0 && container->listed && i < container->n_groups; i++)
                if (key_of(container->groups[i], &key) == 0 && memberset_has(g->members, key))
                        r = add_candidate(g, container->groups[i], key);
        if (container->crowded)
                return r;
        for (size_t i = 0; r == 0 && i < container->n_members; i++)
                if (key_of(container->members[i], &key) == 0)
                        r = add_candidate(g, container->members[i], key);
        return r;
}

static int read_levels(Groups *g) {
        size_t first = 0, depth;
        int r;

        for (depth = 0; first < g->n_nodes; depth++) {
                if (depth > GROUPS_DEPTH_MAX)
                        return connection_fail(g->c, g->err, LDAP_LOOP_DETECT, NULL,
                                               "nothing is concluded from a part of them",
                                               "groups are nested deeper than %d levels, below %.120s",
                                               GROUPS_DEPTH_MAX, g->nodes[first].dn);
                r = groups_read_nodes(g, first);
                first = g->n_nodes;
                for (size_t i = 0; r == 0 && i < g->n_containers; i++)
                        r = look_into(g, &g->containers[i]);
                if (r != 0)
                        return r;
        }
        return 0;
}

/* What is a member of a group is in all groups that this one is in: until nothing changes, which a circle
 * doesn't prevent. */
static void spread_marks(Groups *g) {
        size_t words = MARKS_WORDS(g->n_configured), cursor;
        bool changed = true;
        uint32_t above;

        for (size_t i = 0; i < g->n_configured; i++)
                marks_set(g->nodes[i].marks, i);
        while (changed) {
                changed = false;
                for (size_t i = 0; i < g->n_nodes; i++)
                        for (cursor = 0; memberset_next(g->members, g->nodes[i].key, &cursor, &above);)
                                for (size_t w = 0; w < words; w++) {
                                        uint64_t more = g->nodes[above].marks[w] & ~g->nodes[i].marks[w];

                                        g->nodes[i].marks[w] |= more;
                                        changed = changed || more != 0;
                                }
        }
        for (size_t i = 0; i < g->n_configured; i++) {
                g->results[i].found = g->nodes[i].found;
                for (size_t n = 0; n < g->n_nodes; n++)
                        if (marks_test(g->nodes[n].marks, i))
                                g->results[i].members += g->nodes[n].values;
        }
}

static Groups *groups_new(Connection *c, Output *out, size_t n, uint64_t *referrals, ErrCtx *err) {
        _cleanup_(groups_freep) Groups *g = NULL;

        g = calloc(1, sizeof(*g));
        if (!g)
                return NULL;
        *g = (Groups){.c = c, .out = out, .referrals = referrals, .err = err, .n_configured = n};
        g->arena = arena_new();
        g->members = memberset_new();
        g->known = memberset_new();
        g->container_keys = memberset_new();
        g->results = calloc(n + 1, sizeof(*g->results));
        if (!g->arena || !g->members || !g->known || !g->container_keys || !g->results)
                return NULL;
        return TAKE(g);
}

int groups_read(Connection *c, Output *out, char *const *dns, size_t n, uint64_t *referrals, ErrCtx *err,
                Groups **ret) {
        _cleanup_(groups_freep) Groups *g = NULL;
        DnKey key;
        int r;

        g = groups_new(c, out, n, referrals, err);
        if (!g)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                if (key_of(dns[i], &key) < 0)
                        return connection_fail(c, err, LDAP_INVALID_DN_SYNTAX, NULL, NULL,
                                               "the group %.160s has too long a name", dns[i]);
                r = add_node(g, dns[i], key, true);
                if (r < 0)
                        return r;
        }
        r = read_levels(g);
        if (r != 0)
                return r;
        spread_marks(g);
        r = groups_place_init(g);
        if (r < 0)
                return r;
        *ret = TAKE(g);
        return 0;
}

Groups *groups_free(Groups *g) {
        if (!g)
                return NULL;
        for (size_t i = 0; i < g->n_containers; i++)
                free(g->containers[i].groups);
        free(g->containers);
        free(g->nodes);
        free(g->results);
        groups_place_deinit(&g->place);
        (void) memberset_free(g->members);
        (void) memberset_free(g->known);
        (void) memberset_free(g->container_keys);
        (void) arena_free(g->arena);
        free(g);
        return NULL;
}

const StreamGroup *groups_results(const Groups *groups) {
        return groups->results;
}
