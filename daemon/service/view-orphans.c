/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts for an auditor's eye, from the last listing of each target. */
#include <errno.h>

#include "model/strindex.h"
#include "service/view-internal.h"
#include "store/store-ledger.h"
#include "sync/report-row.h"

static const char *account_key(const void *items, uint32_t pos) {
        return ((const Link *) items)[pos].remote_id;
}

/* Links by account; those whose account is gone name none. */
static int index_links(const Links *links, StrIndex *ret) {
        uint32_t known;
        int r = 0;

        *ret = STRINDEX_INIT(account_key);
        for (uint32_t i = 0; i < links->n && r >= 0; i++)
                if (!links->items[i].gone)
                        r = strindex_add(ret, links->items, i, &known);
        return r < 0 ? r : 0;
}

typedef struct Orphans {
        StrBuf *out;
        const TargetConfig *target;
        const People *people;
        StrIndex by_id, by_account;
        const Links *links;
        size_t n;
} Orphans;

/* With a role that must never lose its last account. */
static bool is_privileged(const TargetConfig *target, const Account *a) {
        for (size_t i = 0; i < target->n_last_of; i++)
                if (account_has_role(a, target->last_of[i]))
                        return true;
        return false;
}

static const Link *link_of(const Orphans *o, const Account *a) {
        uint32_t pos = strindex_find(&o->by_account, o->links->items, a->remote_id);

        return pos == STRINDEX_NONE ? NULL : &o->links->items[pos];
}

static const char *why_orphan(const Orphans *o, const Link *link) {
        uint32_t person;

        if (!link)
                return "no link: the account isn't ours";
        person = strindex_find(&o->by_id, o->people->items, link->person);
        if (person == STRINDEX_NONE || !o->people->items[person].present)
                return "its person is no longer in the directory";
        if (o->people->items[person].disabled)
                return "its person is disabled in the directory";
        return NULL;
}

/* Who has an account at an API that tells of second factors is an administrator there, whatever the role. */
static bool lacks_second_factor(const Account *a) {
        return a->has_second_factor && !a->second_factor;
}

static void put_reason(Orphans *o, const Account *a, const char *orphan) {
        char text[256];

        snprintf(text, sizeof(text), "%s%s%s", orphan ? orphan : "",
                 orphan && lacks_second_factor(a) ? "; " : "",
                 lacks_second_factor(a) ? "administrator without a second factor" : "");
        report_put_pair(o->out, "reason", text);
}

static void put_account(Orphans *o, const Account *a, const Link *link, const char *orphan) {
        const struct {
                const char *key, *value;
        } pairs[] = {
                        {"target", o->target->name},
                        {"remote_id", a->remote_id},
                        {"address", a->address},
                        {"login", a->login},
                        {"role", a->role},
                        {"status", a->status},
                        {"last_login", a->last_login},
                        {"person", link ? link->person : NULL},
        };

        strbuf_puts(o->out, o->n++ > 0 ? ",{" : "{");
        for (size_t i = 0; i < ELEMENTSOF(pairs); i++) {
                report_put_pair(o->out, pairs[i].key, pairs[i].value);
                strbuf_putc(o->out, ',');
        }
        strbuf_printf(o->out, "\"privileged\":%s,\"second_factor\":%s,",
                      is_privileged(o->target, a) ? "true" : "false",
                      !a->has_second_factor ? "null"
                      : a->second_factor    ? "true"
                                            : "false");
        put_reason(o, a, orphan);
        strbuf_putc(o->out, '}');
}

/* Accounts that nobody owns come first: of the others there may be many. */
static void put_accounts(Orphans *o, const Accounts *accounts, bool orphans) {
        for (size_t i = 0; i < accounts->n; i++) {
                const Account *a = &accounts->items[i];
                const Link *link = link_of(o, a);
                const char *orphan = why_orphan(o, link);

                if (orphans ? orphan != NULL : !orphan && lacks_second_factor(a))
                        put_account(o, a, link, orphan);
        }
}

static int put_target(const View *v, Orphans *o, const Remote *remote) {
        _cleanup_(links_freep) Links *links = NULL;
        int r;

        r = store_links_load(v->store, o->target->name, &links);
        if (r < 0)
                return r;
        o->links = links;
        r = index_links(links, &o->by_account);
        if (r >= 0) {
                put_accounts(o, remote_accounts(remote), true);
                put_accounts(o, remote_accounts(remote), false);
        }
        strindex_deinit(&o->by_account);
        return r;
}

static size_t put_unlisted(const View *v, StrBuf *out) {
        size_t n = 0;

        strbuf_puts(out, "],\"not_listed\":[");
        for (size_t i = 0; i < engine_n_remotes(v->engine); i++) {
                const Remote *remote = engine_remote(v->engine, i);

                if (remote_accounts(remote))
                        continue;
                if (n++ > 0)
                        strbuf_putc(out, ',');
                strbuf_json(out, remote_config(remote)->name);
        }
        return n;
}

int view_orphans(const View *v, StrBuf *out) {
        _cleanup_(people_freep) People *people = NULL;
        Orphans o = { .out = out };
        size_t n_unlisted;
        int r;

        r = store_people_load(v->store, engine_config(v->engine)->n_groups, &people);
        if (r >= 0)
                r = people_index(people, &o.by_id);
        if (r < 0)
                return r;
        o.people = people;
        strbuf_puts(out, "{\"version\":1,\"accounts\":[");
        for (size_t i = 0; i < engine_n_remotes(v->engine) && r >= 0; i++) {
                const Remote *remote = engine_remote(v->engine, i);

                o.target = remote_config(remote);
                if (remote_accounts(remote))
                        r = put_target(v, &o, remote);
        }
        n_unlisted = put_unlisted(v, out);
        strbuf_printf(out, "],\"exit\":%d}", n_unlisted > 0 ? EXIT_TARGET : EXIT_IN_STEP);
        strindex_deinit(&o.by_id);
        return r;
}
