/* SPDX-License-Identifier: Apache-2.0 */
/* Any answer to any call: classified, and decoded by what the class allows. Input: call, failure, two bytes
 * of status, switches, length of the Location header, that header, the body. */
#include <errno.h>

#include "fuzz-answer.h"

#define BATCH 2

static char url[] = "https://dc.example.com", tenant[] = "t", one[] = "1";
static const Call all_calls[] = {
        CALL_TOKEN, CALL_LIST, CALL_GET, CALL_UPSERT, CALL_JOB, CALL_STATUS, CALL_UNLOCK, CALL_RESET,
};

static void decode_reset(const TargetDriver *d, const TargetConfig *target, const HttpResult *result,
                         Arena *arena) {
        static const Action first = { .kind = ACTION_RESET, .remote_id = "JSMITH" };
        static const Action second = { .kind = ACTION_RESET, .remote_id = "dpatel" };
        static const Action *const batch[BATCH] = { &first, &second };
        ErrCtx err = { 0 };
        Answer a = { 0 };
        int r = d->decode_reset(target, batch, BATCH, result, arena, &a, &err);

        require(r == 0 || (r == -EBADMSG && err.text[0] && !a.refused));
        for (size_t i = 0; a.refused && i < BATCH; i++)
                require(!a.refused[i] || !strpbrk(a.refused[i], "\r\n\x1b"));
}

static void check_job(const TargetDriver *d, const TargetConfig *target, const Answer *a) {
        CallRequest r = { 0 };
        char memo[256];

        require(a->running + a->did + a->failed <= 1);
        require(!a->failed || a->words);
        if (!a->memo)
                return;
        /* Whatever it was told: asked is only below our own url. */
        snprintf(memo, sizeof(memo), "%s 1 0", a->memo);
        require(d->build(target, &(CallInput){ .call = CALL_JOB, .memo = memo }, &r) == 0);
        require(str_starts_with(r.url, "https://dc.example.com/t/cloudapi/restapi/v3/user/status/"));
        require(strlen(r.url) > 57 && !strpbrk(r.url + 57, "/?#%.:"));
        call_request_deinit(&r);
}

static void decode_answer(const TargetDriver *d, const TargetConfig *target, Call call, const Action *action,
                          const HttpResult *result, Arena *arena) {
        ErrCtx err = { 0 };
        Answer a = { 0 };
        int r = d->decode_answer(target, call, action, result, arena, &a, &err);
        CallRequest request = { 0 };

        if (r < 0) {
                require(r == -EBADMSG && err.text[0] && !a.has_account);
                return;
        }
        if (a.has_account)
                require(a.account.remote_id && *a.account.remote_id && (call == CALL_GET || a.did));
        check_job(d, target, &a);
        if (call != CALL_GET)
                return;
        /* What was fetched can be sent back. */
        require(a.has_account && a.document);
        require(d->build(target, &(CallInput){ .call = CALL_STATUS, .action = action,
                                               .document = a.document }, &request) == 0);
        require(utf8_is_valid(secret_data(request.body), secret_len(request.body)));
        call_request_deinit(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const Action create = { .kind = ACTION_CREATE, .address = "a@example.com", .has_after = true,
                                       .after = { .login = "jsmith" } };
        static const Action update = { .kind = ACTION_UPDATE, .remote_id = "JSMITH", .has_after = true,
                                       .after = { .first_name = "A" } };
        const TargetDriver *d = target_driver(TARGET_PRIMAVERA);
        TargetConfig target = { .url = url, .tenant = tenant,
                                .company = { .id = one, .name = one, .display_name = one } };
        _cleanup_(arena_freep) Arena *arena = arena_new();
        _cleanup_(fuzz_answer_deinit) FuzzAnswer a = { 0 };
        Call call;

        require(arena);
        if (size < 6 || !fuzz_answer_read(data + 1, data + 5, size - 5, &a))
                return 0;
        call = all_calls[data[0] % ELEMENTSOF(all_calls)];
        target.reset_auto = data[4] & 1;
        if (!fuzz_answer_classify(d, &target, call, &a.result, false))
                return 0;
        if (call == CALL_TOKEN)
                (void) fuzz_answer_token(d, &a.result);
        else if (call == CALL_RESET)
                decode_reset(d, &target, &a.result, arena);
        else if (call != CALL_LIST)
                decode_answer(d, &target, call, data[4] & 2 ? &create : &update, &a.result, arena);
        return 0;
}
