/* SPDX-License-Identifier: Apache-2.0 */
/* One person in the graph of groups: in which of the configured ones, and by which way. Groups that name the
 * person need no way; from these the graph is climbed breadth first, so that each way is a shortest one. */
#include <errno.h>
#include <string.h>

#include "reader/groups-internal.h"

#define NOWHERE UINT32_MAX

int groups_place_init(Groups *g) {
        Place *p = &g->place;

        p->ways = STRBUF_INIT(PERSON_WAYS_MAX + 1);
        p->marks = calloc(MARKS_WORDS(g->n_configured) + 1, sizeof(*p->marks));
        p->nodes = calloc(g->n_nodes + 1, sizeof(*p->nodes));
        p->below = calloc(g->n_nodes + 1, sizeof(*p->below));
        p->round = calloc(g->n_nodes + 1, sizeof(*p->round));
        return p->marks && p->nodes && p->below && p->round ? 0 : -ENOMEM;
}

void groups_place_deinit(Place *place) {
        free(place->marks);
        free(place->nodes);
        free(place->below);
        free(place->round);
        strbuf_deinit(&place->ways);
}

void groups_begin_person(Groups *groups) {
        Place *p = &groups->place;

        memset(p->marks, 0, MARKS_WORDS(groups->n_configured) * sizeof(*p->marks));
        p->n = p->n_direct = 0;
        if (++p->person == 0) {
                memset(p->round, 0, groups->n_nodes * sizeof(*p->round));
                p->person = 1;
        }
}

/* Each node once: there is room for all of them. */
static void come_to(Place *p, uint32_t node, uint32_t below) {
        if (p->round[node] == p->person)
                return;
        p->round[node] = p->person;
        p->below[node] = below;
        p->nodes[p->n++] = node;
}

static void see(Groups *g, DnKey key) {
        size_t cursor = 0, words = MARKS_WORDS(g->n_configured);
        uint32_t node;

        while (memberset_next(g->members, key, &cursor, &node)) {
                for (size_t w = 0; w < words; w++)
                        g->place.marks[w] |= g->nodes[node].marks[w];
                come_to(&g->place, node, NOWHERE);
        }
        g->place.n_direct = g->place.n;
}

void groups_see_dn(Groups *groups, const char *folded, size_t len) {
        see(groups, dn_key(DN_KEY_DN, folded, len));
}

void groups_see_login(Groups *groups, const struct berval *login) {
        see(groups, dn_key_login(login));
}

const uint64_t *groups_marks(const Groups *groups) {
        return groups->place.marks;
}

/* ---- ways ---- */

static void climb(Groups *g) {
        Place *p = &g->place;

        for (size_t i = 0; i < p->n; i++) {
                size_t cursor = 0;
                uint32_t above;

                while (memberset_next(g->members, g->nodes[p->nodes[i]].key, &cursor, &above))
                        come_to(p, above, p->nodes[i]);
        }
}

/* A name with a tab or a line's end in it, or one that isn't UTF-8, is no part of a text for people. */
static const char *told(const char *dn) {
        for (const char *c = dn; *c; c++)
                if ((unsigned char) *c < ' ')
                        return "?";
        return utf8_is_valid(dn, strlen(dn)) ? dn : "?";
}

/* Better fewer ways than half a one. */
static void put_way(Groups *g, uint32_t group) {
        StrBuf *ways = &g->place.ways;
        size_t start = ways->len;

        for (uint32_t node = group; node != NOWHERE; node = g->place.below[node]) {
                const char *dn = told(g->nodes[node].dn);

                if (ways->len + 1 + strlen(dn) > PERSON_WAYS_MAX) {
                        ways->len = start;
                        return;
                }
                if (node != group || start > 0)
                        strbuf_putc(ways, node == group ? '\n' : '\t');
                strbuf_puts(ways, dn);
        }
}

int groups_ways(Groups *groups, const char **ret) {
        Place *p = &groups->place;

        *ret = NULL;
        strbuf_reset(&p->ways);
        climb(groups);
        for (size_t i = p->n_direct; i < p->n; i++)
                if (p->nodes[i] < groups->n_configured)
                        put_way(groups, p->nodes[i]);
        if (p->ways.error)
                return p->ways.error;
        if (p->ways.len == 0)
                return 0;
        p->ways.data[p->ways.len] = '\0';
        *ret = p->ways.data;
        return 0;
}
