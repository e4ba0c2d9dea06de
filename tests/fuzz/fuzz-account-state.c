/* SPDX-License-Identifier: Apache-2.0 */
/* Input: the JSON of an account's state, as it stands in the store or in a plan file. */
#include <errno.h>
#include <stdlib.h>

#include "fuzz.h"
#include "model/action.h"

static void check(int ok) {
        if (!ok)
                abort();
}

/* What can be read can be written, and reads as the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        StrBuf first = STRBUF_INIT((size_t) 64 * 1024 * 1024),
               second = STRBUF_INIT((size_t) 64 * 1024 * 1024);
        Arena *arena = arena_new();
        AccountState a, b;
        int r;

        check(arena != NULL);
        r = account_state_from_json((const char *) data, size, arena, &a);
        check(r == 0 || r == -EBADMSG);
        if (r == 0) {
                account_state_to_json(&a, &first);
                check(first.error == 0);
                check(account_state_from_json(first.data, first.len, arena, &b) == 0);
                check(account_state_equal(&a, &b));
                account_state_to_json(&b, &second);
                check(second.error == 0 && first.len == second.len &&
                      memcmp(first.data, second.data, first.len) == 0);
        }
        strbuf_deinit(&first);
        strbuf_deinit(&second);
        arena_free(arena);
        return 0;
}
