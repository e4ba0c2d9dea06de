/* SPDX-License-Identifier: Apache-2.0 */
/* Reads groups by DN, some at a time on the one connection, so that a hundred groups don't cost a hundred
 * round trips. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "reader/groups-internal.h"
#include "reader/search.h"

#define WINDOW 16

DEFINE_CLEANUP(LDAPMessage *, ldap_msgfree);

static void memfreep(char **p) {
        ldap_memfree(*p);
}

typedef struct Request {
        int msgid;
        uint32_t node;
} Request;

typedef struct Work {
        Groups *g;
        size_t next; /* first node that wasn't asked for */
        Request requests[WINDOW];
        size_t n;
} Work;

typedef enum MemberKind { MEMBER_NONE, MEMBER_DN, MEMBER_DN_AND_UID, MEMBER_LOGIN } MemberKind;

/* "member", or "member;range=0-1499" of Active Directory (MS-ADTS §3.1.1.3.1.3.3); other options are
 * another attribute. */
static MemberKind kind_of(const struct berval *name, bool *ret_ranged, uint64_t *ret_low,
                          uint64_t *ret_high) {
        static const struct {
                const char *name;
                MemberKind kind;
        } kinds[] = {
                        {"member", MEMBER_DN},
                        {"uniqueMember", MEMBER_DN_AND_UID},
                        {"memberUid", MEMBER_LOGIN},
        };
        char text[64], *range, *dash;

        *ret_ranged = false;
        if (name->bv_len >= sizeof(text))
                return MEMBER_NONE;
        memcpy(text, name->bv_val, name->bv_len);
        text[name->bv_len] = '\0';
        range = strchr(text, ';');
        if (range) {
                *range++ = '\0';
                dash = strchr(range, '-');
                if (strncasecmp(range, "range=", 6) != 0 || !dash)
                        return MEMBER_NONE;
                *dash++ = '\0';
                *ret_ranged = true;
                *ret_high = UINT64_MAX;
                if (parse_u64(range + 6, ret_low) < 0 ||
                    (strcmp(dash, "*") != 0 && parse_u64(dash, ret_high) < 0))
                        return MEMBER_NONE;
        }
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (strcasecmp(text, kinds[i].name) == 0)
                        return kinds[i].kind;
        return MEMBER_NONE;
}

static int take_member(Groups *g, uint32_t node, MemberKind kind, const struct berval *value) {
        struct berval dn = *value;

        if (kind == MEMBER_LOGIN)
                return memberset_add(g->members, dn_key_login(value), node);
        if (kind == MEMBER_DN_AND_UID)
                dn = dn_without_uid(value);
        return groups_note_member(g, node, &dn);
}

static int broken_range(Groups *g, const Node *node) {
        return connection_fail(
                        g->c, g->err, LDAP_PROTOCOL_ERROR, NULL, "nothing is concluded from a part of it",
                        "the members of the group %.160s came in pieces that don't fit together", node->dn);
}

static int take_attribute(Groups *g, uint32_t index, const struct berval *name,
                          const struct berval *values) {
        Node *node = &g->nodes[index];
        uint64_t low = 0, high = 0;
        MemberKind kind;
        bool ranged;
        int r;

        kind = kind_of(name, &ranged, &low, &high);
        if (kind == MEMBER_NONE)
                return 0;
        /* Beside a piece stands the name that was asked for, without values; alone it is the end. */
        if (!values || !values[0].bv_val) {
                node->ended = node->ended || (ranged && low == node->next && high == UINT64_MAX);
                return 0;
        }
        if (ranged) {
                if (low != node->next || high < low || node->ranged)
                        return broken_range(g, node);
                node->ranged = true;
                node->next = high == UINT64_MAX ? 0 : high + 1;
        }
        for (const struct berval *v = values; v->bv_val; v++) {
                node->values++;
                r = take_member(g, index, kind, v);
                if (r != 0)
                        return r;
        }
        return 0;
}

static int take_entry(Groups *g, uint32_t index, LDAPMessage *entry) {
        struct berval dn, name, *values;
        BerElement *ber = NULL;
        int rc, r = 0;

        g->nodes[index].found = true;
        rc = ldap_get_dn_ber(g->c->ld, entry, &ber, &dn);
        while (rc == LDAP_SUCCESS && r == 0) {
                rc = ldap_get_attribute_ber(g->c->ld, entry, ber, &name, &values);
                if (rc != LDAP_SUCCESS || !name.bv_val)
                        break;
                r = take_attribute(g, index, &name, values);
                ber_memfree(values);
        }
        ber_free(ber, 0);
        if (rc != LDAP_SUCCESS)
                return connection_fail(g->c, g->err, rc, NULL, NULL, "the group %.160s can't be understood",
                                       g->nodes[index].dn);
        return r;
}

static int take_result(Groups *g, uint32_t index, LDAPMessage *message) {
        _cleanup_(memfreep) char *diagnostic = NULL;
        const Node *node = &g->nodes[index];
        int r, rc;

        r = ldap_parse_result(g->c->ld, message, &rc, NULL, &diagnostic, NULL, NULL, 0);
        if (r != LDAP_SUCCESS)
                rc = r;
        if (rc == LDAP_SUCCESS || rc == LDAP_NO_SUCH_OBJECT)
                return 0;
        /* Members may be entries of other kinds, with syntaxes that this server doesn't take for a DN. */
        if (!node->configured && rc == LDAP_INVALID_DN_SYNTAX)
                return 0;
        /* A member in another domain of the forest: like all that is there, not followed. */
        if (!node->configured && rc == LDAP_REFERRAL) {
                ++*g->referrals;
                return 0;
        }
        return connection_fail(g->c, g->err, rc, diagnostic, "give the bind identity the right to read it",
                               node->configured ? "the group %.160s can't be read"
                                                : "a group's member %.160s can't be read",
                               node->dn);
}

static int ask(Work *w, uint32_t index) {
        static char member[] = "member", unique[] = "uniqueMember", uid[] = "memberUid";
        Node *node = &w->g->nodes[index];
        char range[64], *attributes[] = {member, unique, uid, NULL};
        int rc, msgid;

        node->ranged = node->ended = false;
        if (node->next > 0) {
                (void) snprintf(range, sizeof(range), "member;range=%" PRIu64 "-*", node->next);
                attributes[0] = range;
                attributes[1] = NULL;
        }
        rc = ldap_search_ext(w->g->c->ld, node->dn, LDAP_SCOPE_BASE,
                             node->configured ? "(objectClass=*)" : GROUPS_FILTER, attributes, 0, NULL, NULL,
                             NULL, LDAP_NO_LIMIT, &msgid);
        if (rc != LDAP_SUCCESS)
                return connection_fail(w->g->c, w->g->err, rc, NULL, NULL,
                                       "the group %.160s can't be asked for", node->dn);
        w->requests[w->n++] = (Request){msgid, index};
        return 0;
}

static Request *find_request(Work *w, int msgid) {
        for (size_t i = 0; i < w->n; i++)
                if (w->requests[i].msgid == msgid)
                        return &w->requests[i];
        return NULL;
}

/* A group is read: the next one takes its place, or its own next piece. */
static int finish_request(Work *w, Request *request) {
        uint32_t index = request->node;
        Node *node = &w->g->nodes[index];
        int r;

        *request = w->requests[--w->n];
        if (node->next > 0 && !node->ranged) {
                if (!node->ended)
                        return broken_range(w->g, node);
                node->next = 0;
        }
        r = output_progress(w->g->out);
        if (r < 0)
                return r;
        return node->next > 0 ? ask(w, index) : 0;
}

static int take_message(Work *w, LDAPMessage *message) {
        int r, type = ldap_msgtype(message);
        Request *request = find_request(w, ldap_msgid(message));

        if (!request)
                return ldap_msgid(message) == 0 ? connection_fail(w->g->c, w->g->err, LDAP_SERVER_DOWN, NULL,
                                                                  NULL, "the server ends the connection")
                                                : 0;
        if (type == LDAP_RES_SEARCH_ENTRY)
                return take_entry(w->g, request->node, message);
        if (type == LDAP_RES_SEARCH_REFERENCE)
                ++*w->g->referrals;
        if (type != LDAP_RES_SEARCH_RESULT)
                return 0;
        r = take_result(w->g, request->node, message);
        return r != 0 ? r : finish_request(w, request);
}

int groups_read_nodes(Groups *g, size_t first) {
        Work w = {.g = g, .next = first};
        size_t last = g->n_nodes;
        int r;

        while (w.next < last || w.n > 0) {
                _cleanup_(ldap_msgfreep) LDAPMessage *message = NULL;

                if (w.next < last && w.n < WINDOW) {
                        r = ask(&w, (uint32_t) w.next++);
                        if (r != 0)
                                return r;
                        continue;
                }
                r = connection_wait(g->c, LDAP_RES_ANY, &message, g->err);
                if (r == 0)
                        r = take_message(&w, message);
                if (r != 0)
                        return r;
        }
        return 0;
}
