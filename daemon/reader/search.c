/* SPDX-License-Identifier: Apache-2.0 */
#include "reader/search.h"

#include <errno.h>
#include <stdio.h>

#include "base/strings.h"

#define EMPTY_PAGES_MAX 1000

DEFINE_CLEANUP(LDAPMessage *, ldap_msgfree);
DEFINE_CLEANUP(LDAPControl *, ldap_control_free);
DEFINE_CLEANUP(LDAPControl **, ldap_controls_free);

static void memfreep(char **p) {
        ldap_memfree(*p);
}

typedef struct Pager {
        Connection *c;
        const SearchSpec *spec;
        const SearchHandler *handler;
        uint64_t *referrals;
        bool paged; /* we asked for pages */
        struct berval *cookie; /* NULL: of the first page */
        bool more; /* the server has another page */
        uint64_t entries; /* of this page */
        ErrCtx *err;
} Pager;

/* With the way out that this result code has: limits of the server, rights, a wrong base. */
static int search_fail(const Connection *c, ErrCtx *err, int rc, const char *diagnostic, const char *base,
                       const char *key) {
        char buf[300];
        const char *way_out = buf;

        switch (rc) {
        case LDAP_SIZELIMIT_EXCEEDED:
        case LDAP_TIMELIMIT_EXCEEDED:
        case LDAP_ADMINLIMIT_EXCEEDED:
                server_limit_way_out(c->kind, rc, c->directory->bind.dn, buf, sizeof(buf));
                break;
        case LDAP_NO_SUCH_OBJECT:
                (void) snprintf(buf, sizeof(buf), "there is no such entry, or the bind may not see it%s%s",
                                key ? ": check " : "", key ? key : "");
                break;
        case LDAP_INSUFFICIENT_ACCESS:
                way_out = "give the bind identity the right to read it";
                break;
        case LDAP_FILTER_ERROR:
                way_out = "check directory.people.filter";
                break;
        case LDAP_REFERRAL:
                way_out = "this server doesn't hold it, and referrals aren't followed: name the server that "
                          "does in directory.uris";
                break;
        case LDAP_UNAVAILABLE_CRITICAL_EXTENSION:
                way_out = "the server announces paged results but refuses them";
                break;
        default:
                way_out = NULL;
        }
        return connection_fail(c, err, rc, diagnostic, way_out, "the search below %.160s failed", base);
}

static int scope_of(SearchScope scope) {
        return scope == SCOPE_BASE  ? LDAP_SCOPE_BASE
               : scope == SCOPE_ONE ? LDAP_SCOPE_ONELEVEL
                                    : LDAP_SCOPE_SUBTREE;
}

static int send_page(Pager *p, int *ret_msgid) {
        _cleanup_(ldap_control_freep) LDAPControl *control = NULL;
        LDAPControl *controls[2] = {NULL, NULL};
        unsigned size = p->c->directory->page_size;
        int rc = LDAP_SUCCESS;

        p->paged = size > 0 && (p->c->can_page || !p->c->has_features);
        if (p->paged) {
                rc = ldap_create_page_control(p->c->ld, (ber_int_t) size, p->cookie, p->c->can_page,
                                              &control);
                controls[0] = control;
        }
        if (rc == LDAP_SUCCESS)
                rc = ldap_search_ext(p->c->ld, p->spec->base, scope_of(p->spec->scope), p->spec->filter,
                                     p->spec->attributes, 0, controls, NULL, NULL, LDAP_NO_LIMIT, ret_msgid);
        if (rc != LDAP_SUCCESS)
                return search_fail(p->c, p->err, rc, NULL, p->spec->base, p->spec->key);
        return 0;
}

/* realSearchControlValue ::= SEQUENCE { size INTEGER, cookie OCTET STRING }: an empty cookie is the last
 * page's. */
static int take_cookie(Pager *p, LDAPControl **controls) {
        LDAPControl *control =
                        controls ? ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, controls, NULL) : NULL;
        struct berval cookie = {0};
        ber_int_t estimate;
        int rc;

        if (!control) {
                /* One that doesn't know pages sent everything in one; but not in the middle. */
                if (!p->cookie && !p->c->can_page)
                        return 0;
                return connection_fail(p->c, p->err, LDAP_PROTOCOL_ERROR, NULL,
                                       "the list may have ended early, so nothing is concluded",
                                       "the server stopped paging below %.160s", p->spec->base);
        }
        rc = ldap_parse_pageresponse_control(p->c->ld, control, &estimate, &cookie);
        if (rc != LDAP_SUCCESS)
                return connection_fail(p->c, p->err, rc, NULL, NULL,
                                       "the paging control of the server can't be understood");
        ber_bvfree(p->cookie);
        p->cookie = NULL;
        p->more = cookie.bv_len > 0;
        if (p->more)
                p->cookie = ber_bvdup(&cookie);
        ber_memfree(cookie.bv_val);
        return p->more && !p->cookie ? -ENOMEM : 0;
}

static int take_result(Pager *p, LDAPMessage *message) {
        _cleanup_(ldap_controls_freep) LDAPControl **controls = NULL;
        _cleanup_(memfreep) char *diagnostic = NULL;
        int rc, r;

        p->more = false;
        r = ldap_parse_result(p->c->ld, message, &rc, NULL, &diagnostic, NULL, &controls, 0);
        if (r != LDAP_SUCCESS)
                rc = r;
        if (rc != LDAP_SUCCESS)
                return search_fail(p->c, p->err, rc, diagnostic, p->spec->base, p->spec->key);
        return p->paged ? take_cookie(p, controls) : 0;
}

static int run_page(Pager *p) {
        int r, msgid, type;

        r = send_page(p, &msgid);
        if (r != 0)
                return r;
        p->entries = 0;
        do {
                _cleanup_(ldap_msgfreep) LDAPMessage *message = NULL;

                r = connection_wait(p->c, msgid, &message, p->err);
                if (r != 0)
                        return r;
                type = ldap_msgtype(message);
                if (type == LDAP_RES_SEARCH_ENTRY) {
                        p->entries++;
                        r = p->handler->entry(message, p->handler->userdata);
                } else if (type == LDAP_RES_SEARCH_REFERENCE)
                        ++*p->referrals;
                else if (type == LDAP_RES_SEARCH_RESULT)
                        r = take_result(p, message);
                if (r != 0)
                        return r;
        } while (type != LDAP_RES_SEARCH_RESULT);
        return p->handler->page ? p->handler->page(p->handler->userdata) : 0;
}

int search_run(Connection *c, const SearchSpec *spec, const SearchHandler *handler, uint64_t *referrals,
               ErrCtx *err) {
        Pager p = {.c = c, .spec = spec, .handler = handler, .referrals = referrals, .err = err};
        unsigned empty = 0;
        int r;

        do {
                r = run_page(&p);
                empty = p.entries > 0 ? 0 : empty + 1;
                if (r == 0 && p.more && empty >= EMPTY_PAGES_MAX)
                        r = connection_fail(c, err, LDAP_PROTOCOL_ERROR, NULL,
                                            "the list doesn't end, so nothing is concluded",
                                            "the server sends empty pages below %.160s", spec->base);
        } while (r == 0 && p.more);
        ber_bvfree(p.cookie);
        return r;
}
