/* SPDX-License-Identifier: Apache-2.0 */
/* Any answer to any call: classified, and decoded by what the class allows. Input: call, failure, two
 * bytes of status, length of the Location header, that header, the body. */
#include <errno.h>

#include "fuzz-answer.h"

static void decode_roles(const TargetDriver *d, const HttpResult *result) {
        Roles roles = { 0 };
        ErrCtx err = { 0 };

        if (d->decode_roles(result, &roles, &err) < 0) {
                require(!roles.items && err.text[0]);
                return;
        }
        require(roles.n > 0);
        for (size_t i = 0; i < roles.n; i++)
                require(roles_id(&roles, roles.items[i].label));
        roles_deinit(&roles);
}

static void decode_token(const TargetDriver *d, const HttpResult *result) {
        usec_t lifetime = fuzz_answer_token(d, result);

        require(lifetime == 0 || (lifetime >= 30 * USEC_PER_SEC && lifetime <= USEC_PER_DAY));
}

static int decode_answer(const TargetDriver *d, Call call, const HttpResult *result) {
        static const TargetConfig target = { 0 };
        _cleanup_(arena_freep) Arena *arena = arena_new();
        ErrCtx err = { 0 };
        Answer a = { 0 };
        uint64_t id;
        int r;

        require(arena);
        r = d->decode_answer(&target, call, NULL, result, arena, &a, &err);
        if (r < 0)
                require(r == -EBADMSG && err.text[0] && !a.has_account);
        else if (call == CALL_DELETE || call == CALL_RESET || call == CALL_ORGANIZATIONS)
                require(!a.has_account &&
                        (!a.words || (*a.words && utf8_is_valid(a.words, strlen(a.words)))));
        else
                require(a.has_account && parse_u64(a.account.remote_id, &id) == 0 && id > 0);
        return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const TargetDriver *d = target_driver(TARGET_UMBRELLA);
        static const TargetConfig target = { 0 };
        _cleanup_(fuzz_answer_deinit) FuzzAnswer a = { 0 };
        Call call;

        if (size < 5 || !fuzz_answer_read(data + 1, data + 4, size - 4, &a))
                return 0;
        /* The calls of Umbrella: behind the resets, who has an address. */
        call = (Call) (data[0] % (CALL_RESET + 2));
        if (call > CALL_RESET)
                call = CALL_ORGANIZATIONS;
        if (!fuzz_answer_classify(d, &target, call, &a.result, call == CALL_ORGANIZATIONS))
                return 0;
        if (call == CALL_TOKEN)
                decode_token(d, &a.result);
        else if (call == CALL_ROLES)
                decode_roles(d, &a.result);
        else if (call == CALL_GET)
                (void) decode_answer(d, call, &a.result);
        else if (call != CALL_LIST)
                require(decode_answer(d, call, &a.result) == 0);
        return 0;
}
