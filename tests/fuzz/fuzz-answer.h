/* SPDX-License-Identifier: Apache-2.0 */
/* What fuzzing the answers of one API has in common with another's. */
#pragma once

#include "base/strings.h"
#include "fuzz.h"
#include "target/target.h"

typedef struct FuzzAnswer {
        HttpResult result;
        char *body, *location;
} FuzzAnswer;

static inline void fuzz_answer_deinit(FuzzAnswer *a) {
        free(a->body);
        free(a->location);
}

/* head: failure, two bytes of status. rest: length of the Location header, that header, the body. False: it
 * is too short. */
static inline bool fuzz_answer_read(const uint8_t head[static 3], const uint8_t *rest, size_t size,
                                    FuzzAnswer *ret) {
        size_t location_len;

        if (size < 1 || size - 1 < rest[0])
                return false;
        location_len = rest[0];
        ret->location = strndup((const char *) rest + 1, location_len);
        ret->result = (HttpResult){
                .content_type = "",
                .failure = (HttpFailure) (head[0] % 4),
                .status = (head[1] << 8 | head[2]) % 1000,
                .location = location_len > 0 ? ret->location : NULL,
                .body_len = size - 1 - location_len,
        };
        ret->body = malloc(ret->result.body_len + 1);
        require(ret->body && ret->location);
        memcpy(ret->body, rest + 1 + location_len, ret->result.body_len);
        ret->body[ret->result.body_len] = 0;
        ret->result.body = ret->body;
        snprintf(ret->result.error, sizeof(ret->result.error), "failed");
        return true;
}

/* Classifies it. True: there is something to be decoded. may_refuse: of a call that only reads. */
static inline bool fuzz_answer_classify(const TargetDriver *d, const TargetConfig *target, Call call,
                                        const HttpResult *result, bool may_refuse) {
        Outcome o;

        d->classify(target, call, result, &o);
        require((unsigned) o.class < _OUTCOME_CLASS_MAX);
        require(utf8_is_valid(o.detail, strlen(o.detail)) && !strpbrk(o.detail, "\r\n\x1b\t"));
        if (!call_is_write(call))
                require(o.class != OUTCOME_UNCERTAIN && (o.class != OUTCOME_REJECTED || may_refuse));
        if (o.class == OUTCOME_OK && o.hint == HINT_NONE)
                return true;
        require(o.detail[0]);
        return false;
}

/* A token is one word; its life is returned, 0 where there is none. */
static inline usec_t fuzz_answer_token(const TargetDriver *d, const HttpResult *result) {
        _cleanup_(secret_freep) Secret *bearer = NULL;
        usec_t lifetime = 0;
        ErrCtx err = { 0 };

        if (d->decode_token(result, &bearer, &lifetime, &err) < 0) {
                require(!bearer && err.text[0]);
                return 0;
        }
        require(strncmp(secret_data(bearer), "Bearer ", 7) == 0 && secret_len(bearer) > 7);
        require(!strpbrk(secret_data(bearer) + 7, " \r\n\t\"") &&
                strlen(secret_data(bearer)) == secret_len(bearer));
        return lifetime;
}
