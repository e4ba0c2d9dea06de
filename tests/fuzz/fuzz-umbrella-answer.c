/* SPDX-License-Identifier: Apache-2.0 */
/* Any answer to any call: classified, and decoded by what the class allows. Input: call, failure, two
 * bytes of status, length of the Location header, that header, the body. */
#include <errno.h>

#include "base/strings.h"
#include "fuzz.h"
#include "target/target.h"

static void require(bool fact) {
        if (!fact)
                __builtin_trap();
}

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
        _cleanup_(secret_freep) Secret *bearer = NULL;
        usec_t lifetime = 0;
        ErrCtx err = { 0 };

        if (d->decode_token(result, &bearer, &lifetime, &err) < 0) {
                require(!bearer && err.text[0]);
                return;
        }
        require(strncmp(secret_data(bearer), "Bearer ", 7) == 0 && secret_len(bearer) > 7);
        require(!strpbrk(secret_data(bearer) + 7, " \r\n\t") &&
                strlen(secret_data(bearer)) == secret_len(bearer));
        require(lifetime >= 30 * USEC_PER_SEC && lifetime <= USEC_PER_DAY);
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
        _cleanup_(freep) char *body = NULL, *location = NULL;
        HttpResult result = { .content_type = "" };
        size_t location_len;
        Outcome o;
        Call call;

        if (size < 5 || size - 5 < data[4])
                return 0;
        /* The calls of Umbrella: behind the resets, who has an address. */
        call = (Call) (data[0] % (CALL_RESET + 2));
        if (call > CALL_RESET)
                call = CALL_ORGANIZATIONS;
        result.failure = (HttpFailure) (data[1] % 4);
        result.status = (data[2] << 8 | data[3]) % 1000;
        location_len = data[4];
        location = strndup((const char *) data + 5, location_len);
        result.location = location_len > 0 ? location : NULL;
        result.body_len = size - 5 - location_len;
        body = malloc(result.body_len + 1);
        require(body && location);
        memcpy(body, data + 5 + location_len, result.body_len);
        body[result.body_len] = 0;
        result.body = body;
        snprintf(result.error, sizeof(result.error), "failed");

        d->classify(&target, call, &result, &o);
        require((unsigned) o.class < _OUTCOME_CLASS_MAX);
        require(utf8_is_valid(o.detail, strlen(o.detail)) && !strpbrk(o.detail, "\r\n\x1b\t"));
        if (!call_is_write(call))
                require(o.class != OUTCOME_UNCERTAIN &&
                        (o.class != OUTCOME_REJECTED || call == CALL_ORGANIZATIONS));
        if (o.class != OUTCOME_OK || o.hint != HINT_NONE) {
                require(o.detail[0]);
                return 0;
        }
        if (call == CALL_TOKEN)
                decode_token(d, &result);
        else if (call == CALL_ROLES)
                decode_roles(d, &result);
        else if (call == CALL_GET)
                (void) decode_answer(d, call, &result);
        else if (call != CALL_LIST)
                require(decode_answer(d, call, &result) == 0);
        return 0;
}
