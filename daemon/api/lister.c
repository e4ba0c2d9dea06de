/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "api/lister.h"
#include "model/address.h"
#include "target/items-stream.h"

struct Lister {
        Loop *loop;
        Channel *channel;
        ChannelCall *call;
        Roles roles;
        bool roles_came;                /* in this run, or the last */
        ListState state;
        ListVerdict verdict;
        unsigned pages;
        lister_done_t done;
        void *userdata;
};

static void next_page(Lister *l);

int lister_new(Channel *channel, Loop *loop, Lister **ret) {
        Lister *l = calloc(1, sizeof(*l));

        if (!l)
                return -ENOMEM;
        l->loop = loop;
        l->channel = channel;
        *ret = l;
        return 0;
}

static void state_deinit(Lister *l) {
        l->state.accounts = accounts_free(l->state.accounts);
        l->state.stream = items_stream_free(l->state.stream);
}

void lister_cancel(Lister *l) {
        l->call = channel_call_cancel(l->call);
        state_deinit(l);
        l->done = NULL;
}

Lister *lister_free(Lister *l) {
        if (!l)
                return NULL;
        lister_cancel(l);
        roles_deinit(&l->roles);
        free(l);
        return NULL;
}

bool lister_is_running(const Lister *l) {
        return l->done;
}

bool lister_is_waiting(const Lister *l) {
        return l->call && channel_call_is_waiting(l->call);
}

const Roles *lister_roles(const Lister *l) {
        return &l->roles;
}

bool lister_roles_came(const Lister *l) {
        return l->roles_came;
}

static void finish(Lister *l, const Outcome *outcome, bool incomplete) {
        ListerResult result = { .outcome = *outcome, .incomplete = incomplete, .pages = l->pages };
        lister_done_t done = l->done;

        if (outcome->class == OUTCOME_OK)
                result.accounts = TAKE(l->state.accounts);
        state_deinit(l);
        l->done = NULL;
        done(&result, l->userdata);
        accounts_free(result.accounts);
}

static void fail(Lister *l, OutcomeClass class, bool incomplete, const char *text) {
        Outcome outcome = { .class = class };

        snprintf(outcome.detail, sizeof(outcome.detail), "%s", text);
        finish(l, &outcome, incomplete);
}

static int on_prepare(CallInput *in, void *userdata) {
        Lister *l = userdata;

        in->page = l->state.page;
        return 0;
}

static int on_decode_roles(const HttpResult *result, void *userdata, ErrCtx *err) {
        Lister *l = userdata;
        Roles roles = { 0 };
        int r;

        r = channel_driver(l->channel)->decode_roles(result, &roles, err);
        if (r < 0)
                return r;
        roles_deinit(&l->roles);
        l->roles = roles;
        l->roles_came = true;
        return 0;
}

/* A listing that lacks a canary isn't the whole one. */
static int check_canaries(Lister *l, ErrCtx *err) {
        const TargetConfig *target = channel_config(l->channel);
        char key[ADDRESS_MAX + 1];

        for (size_t i = 0; i < target->n_canaries; i++)
                if (address_key_buf(target->canaries[i], key, NULL) != 0 ||
                    !accounts_by_key(l->state.accounts, key)) {
                        l->verdict = LIST_INCOMPLETE;
                        return err_set(err, -EBADMSG, 0,
                                       "%.200s isn't among the accounts (canaries): this isn't the whole "
                                       "listing",
                                       target->canaries[i]);
                }
        return 0;
}

/* A page that can be read but doesn't fit the rest is the verdict INCOMPLETE with words in err, no
 * unreadable answer. */
static int on_decode_page(const HttpResult *result, void *userdata, ErrCtx *err) {
        Lister *l = userdata;
        int r;

        r = channel_driver(l->channel)
                            ->decode_page(channel_config(l->channel), result, &l->state, &l->verdict, err);
        if (r < 0)
                return r;
        if (l->verdict == LIST_INCOMPLETE)
                return -EBADMSG;
        l->pages++;
        return l->verdict == LIST_MORE ? 0 : check_canaries(l, err);
}

static void on_feed(const char *data, size_t len, void *userdata) {
        Lister *l = userdata;

        channel_driver(l->channel)->feed(channel_config(l->channel), &l->state, data, len);
}

static void on_roles(const Outcome *outcome, bool sent _unused_, void *userdata) {
        Lister *l = userdata;

        l->call = NULL;
        if (outcome->class == OUTCOME_OK)
                next_page(l);
        else
                finish(l, outcome, false);
}

static void on_page(const Outcome *outcome, bool sent _unused_, void *userdata) {
        Lister *l = userdata;

        l->call = NULL;
        if (outcome->class != OUTCOME_OK)
                finish(l, outcome, l->verdict == LIST_INCOMPLETE);
        else if (l->verdict == LIST_MORE)
                next_page(l);
        else
                finish(l, outcome, false);
}

static int start_call(Lister *l, Call call) {
        ChannelSpec spec = {
                .call = call,
                .priority = CALL_PRIORITY_LISTING,
                .prepare = on_prepare,
                .decode = call == CALL_ROLES ? on_decode_roles : on_decode_page,
                .done = call == CALL_ROLES ? on_roles : on_page,
                .on_data = call == CALL_LIST && channel_driver(l->channel)->feed ? on_feed : NULL,
                .userdata = l,
        };

        return channel_call(l->channel, &spec, &l->call);
}

static void next_page(Lister *l) {
        if (start_call(l, CALL_LIST) < 0)
                fail(l, OUTCOME_TRANSIENT, false, "out of memory");
}

int lister_start(Lister *l, bool with_roles, bool may_end_short, const Links *links, lister_done_t done,
                 void *userdata) {
        const TargetDriver *driver = channel_driver(l->channel);
        int r;

        if (l->done)
                return -EBUSY;
        l->state = (ListState){
                .accounts = accounts_new(loop_wall(l->loop)),
                .page = 1,
                .short_first_page_may_end = may_end_short,
                .links = links,
        };
        if (!l->state.accounts)
                return -ENOMEM;
        l->verdict = LIST_MORE;
        l->pages = 0;
        l->roles_came = false;
        r = start_call(l, with_roles && driver->has_roles_call ? CALL_ROLES : CALL_LIST);
        if (r < 0) {
                state_deinit(l);
                return r;
        }
        l->done = done;
        l->userdata = userdata;
        return 0;
}
