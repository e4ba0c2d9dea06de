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

static bool is_privileged(const TargetConfig *target, const Account *a) {
        for (size_t i = 0; i < target->n_last_of; i++)
                if (account_has_role(a, target->last_of[i]))
                        return true;
        return false;
}

static const char *why_orphan(const Orphans *o, const Account *a) {
        uint32_t link = strindex_find(&o->by_account, o->links->items, a->remote_id), person;

        if (link == STRINDEX_NONE)
                return "no link: the account isn't ours";
        person = strindex_find(&o->by_id, o->people->items, o->links->items[link].person);
        if (person == STRINDEX_NONE || !o->people->items[person].present)
                return "its person is no longer in the directory";
        if (o->people->items[person].disabled)
                return "its person is disabled in the directory";
        return NULL;
}

static void put_account(Orphans *o, const Account *a, const char *reason) {
        strbuf_puts(o->out, o->n++ > 0 ? ",{" : "{");
        report_put_pair(o->out, "target", o->target->name);
        strbuf_putc(o->out, ',');
        report_put_pair(o->out, "remote_id", a->remote_id);
        strbuf_putc(o->out, ',');
        report_put_pair(o->out, "address", a->address ? a->address : a->login);
        strbuf_putc(o->out, ',');
        report_put_pair(o->out, "role", a->role);
        strbuf_putc(o->out, ',');
        report_put_pair(o->out, "status", a->status);
        strbuf_putc(o->out, ',');
        report_put_pair(o->out, "last_login", a->last_login);
        strbuf_putc(o->out, ',');
        report_put_pair(o->out, "reason", reason);
        strbuf_putc(o->out, '}');
}

static int put_target(const View *v, Orphans *o, const Remote *remote) {
        _cleanup_(links_freep) Links *links = NULL;
        const Accounts *accounts = remote_accounts(remote);
        int r;

        r = store_links_load(v->store, o->target->name, &links);
        if (r < 0)
                return r;
        o->links = links;
        r = index_links(links, &o->by_account);
        for (size_t i = 0; r >= 0 && i < accounts->n; i++) {
                const Account *a = &accounts->items[i];
                const char *reason = why_orphan(o, a);

                if (reason)
                        put_account(o, a, reason);
                if (is_privileged(o->target, a) && a->has_second_factor && !a->second_factor)
                        put_account(o, a, "privileged, and without a second factor");
        }
        strindex_deinit(&o->by_account);
        return r;
}

int view_orphans(const View *v, StrBuf *out) {
        _cleanup_(people_freep) People *people = NULL;
        Orphans o = { .out = out };
        size_t unlisted = 0;
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
        strbuf_puts(out, "],\"not_listed\":[");
        for (size_t i = 0; i < engine_n_remotes(v->engine); i++)
                if (!remote_accounts(engine_remote(v->engine, i))) {
                        if (unlisted++ > 0)
                                strbuf_putc(out, ',');
                        strbuf_json(out, remote_config(engine_remote(v->engine, i))->name);
                }
        strbuf_puts(out, "]}");
        strindex_deinit(&o.by_id);
        return r;
}
