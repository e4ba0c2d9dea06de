/* SPDX-License-Identifier: Apache-2.0 */
/* What stands in rows of the queue and of held plans, and what a spool gives back. The first byte says
 * which: 'a', then six columns, one a line, an empty one being null; or 'p', the number of groups, and a
 * record. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "store/store-row.h"
#include "store/store-spool.h"

#define COLUMNS 6

static void must(bool condition) {
        if (!condition)
                abort();
}

/* What could be read can be written, and then means the same. */
static void check_action(const Action *a) {
        RowTexts first = ROW_TEXTS_INIT, second = ROW_TEXTS_INIT;
        uint8_t wish[ROW_WISH_SIZE], again[ROW_WISH_SIZE];
        Arena *arena = arena_new();
        Action b;

        if (row_encode(a, &first) == 0) {
                RowColumns columns = {
                        .person = a->person, .kind = action_kind_to_string(a->kind), .address = a->address,
                        .remote_id = a->remote_id, .before = first.before.data, .after = first.after.data,
                };

                must(arena && row_decode(&columns, arena, &b) == 0);
                must(row_encode(&b, &second) == 0);
                row_wish(a, &first, wish);
                row_wish(&b, &second, again);
                must(memcmp(wish, again, sizeof(wish)) == 0);
                must(account_state_equal(&a->before, &b.before) && account_state_equal(&a->after, &b.after));
        }
        row_texts_deinit(&first);
        row_texts_deinit(&second);
        arena_free(arena);
}

static void run_action(char *text) {
        const char *columns[COLUMNS] = { NULL };
        Arena *arena = arena_new();
        Action a;

        for (size_t i = 0; i < COLUMNS && text; i++) {
                char *end = strchr(text, '\n');

                if (end)
                        *end = '\0';
                columns[i] = *text ? text : NULL;
                text = end ? end + 1 : NULL;
        }
        must(arena);
        if (row_decode(&(RowColumns){columns[0], columns[1], columns[2], columns[3], columns[4], columns[5]},
                       arena, &a) == 0)
                check_action(&a);
        arena_free(arena);
}

static void run_person(const uint8_t *data, size_t size) {
        size_t n_groups = size > 0 ? data[0] : 0;
        uint64_t marks[MARKS_WORDS(255) + 1], fingerprint;
        StrBuf out = STRBUF_INIT(1 << 20);
        Person p;

        if (size < 1 || spool_decode(data + 1, size - 1, n_groups, marks, &p, &fingerprint) < 0)
                return;
        (void) person_fingerprint(&p, n_groups);
        spool_encode(&out, &p, n_groups, fingerprint);
        must(out.error || (out.len == size - 1 + sizeof(uint32_t) &&
                           memcmp(out.data + sizeof(uint32_t), data + 1, size - 1) == 0));
        strbuf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text;

        if (size < 1)
                return 0;
        if (data[0] == 'p') {
                run_person(data + 1, size - 1);
                return 0;
        }
        text = strndup((const char *) data + 1, size - 1);
        must(text);
        run_action(text);
        free(text);
        return 0;
}
