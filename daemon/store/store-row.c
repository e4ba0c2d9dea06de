/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store-row.h"

#include <errno.h>
#include <nettle/sha2.h>

void row_texts_deinit(RowTexts *texts) {
        strbuf_deinit(&texts->before);
        strbuf_deinit(&texts->after);
}

int row_encode(const Action *a, RowTexts *ret) {
        if (a->has_before)
                account_state_to_json(&a->before, &ret->before);
        if (a->has_after)
                account_state_to_json(&a->after, &ret->after);
        return ret->before.error ? ret->before.error : ret->after.error;
}

/* With its length in front, and absence told from "": no two lists of texts give the same bytes. */
static void hash_text(struct sha256_ctx *ctx, const char *text) {
        uint64_t len = text ? strlen(text) : UINT64_MAX;
        uint8_t bytes[8];

        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (uint8_t) (len >> 8 * i);
        sha256_update(ctx, sizeof(bytes), bytes);
        if (text)
                sha256_update(ctx, (size_t) len, (const uint8_t *) text);
}

void row_wish(const Action *a, const RowTexts *texts, uint8_t ret[static ROW_WISH_SIZE]) {
        struct sha256_ctx ctx;

        sha256_init(&ctx);
        hash_text(&ctx, action_kind_to_string(a->kind));
        hash_text(&ctx, a->person);
        hash_text(&ctx, a->address);
        hash_text(&ctx, a->remote_id);
        hash_text(&ctx, texts->before.data);
        hash_text(&ctx, texts->after.data);
        if (a->reverts != 0)
                hash_text(&ctx, "reverts");
        sha256_digest(&ctx, ROW_WISH_SIZE, ret);
}

static int copy_text(const char *text, Arena *arena, const char **ret) {
        *ret = arena_strdup(arena, text);
        return text && !*ret ? -ENOMEM : 0;
}

static int decode_state(const char *json, Arena *arena, bool *ret_has, AccountState *ret) {
        *ret_has = json;
        return json ? account_state_from_json(json, strlen(json), arena, ret) : 0;
}

int row_decode(const RowColumns *columns, Arena *arena, Action *ret) {
        Action a = { 0 };
        int r;

        if (str_empty(columns->person) || !columns->kind)
                return -EBADMSG;
        a.kind = action_kind_from_string(columns->kind);
        if (a.kind >= _ACTION_KIND_MAX)
                return -EBADMSG;
        r = copy_text(columns->person, arena, &a.person);
        if (r == 0)
                r = copy_text(columns->address, arena, &a.address);
        if (r == 0)
                r = copy_text(columns->remote_id, arena, &a.remote_id);
        if (r == 0)
                r = decode_state(columns->before, arena, &a.has_before, &a.before);
        if (r == 0)
                r = decode_state(columns->after, arena, &a.has_after, &a.after);
        if (r == 0)
                *ret = a;
        return r;
}
