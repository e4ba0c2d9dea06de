/* SPDX-License-Identifier: Apache-2.0 */
/* Both directions; the first byte says which, how many groups, and in what pieces the rest comes. What
 * was decoded is encoded again and must come out alike. */
#include <stdlib.h>
#include <string.h>

#include "directory/stream.h"
#include "fuzz.h"

#define GROUPS 70

static int put_again(StreamBuffer *b, const StreamRecord *r, size_t n_groups) {
        switch (r->type) {
        case STREAM_SETTINGS:
                return stream_put_settings(b, &r->settings);
        case STREAM_PERSON:
                return stream_put_person(b, &r->person, n_groups);
        case STREAM_PROGRESS:
                return stream_put_progress(b, r->progress);
        case STREAM_NOTICE:
                return stream_put_notice(b, r->notice.priority, r->notice.text);
        case STREAM_DONE:
                return stream_put_done(b, &r->done);
        default:
                abort();
        }
}

/* The bytes of a record that was just taken stand in the input: what we write must be the same. */
static void check(const StreamRecord *r, size_t n_groups, const uint8_t *data, size_t size, size_t *at) {
        StreamBuffer b = {0};

        if (put_again(&b, r, n_groups) < 0 || b.len > size - *at || memcmp(b.data, data + *at, b.len) != 0)
                abort();
        *at += b.len;
        stream_buffer_deinit(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        StreamDirection direction;
        StreamDecoder *d;
        StreamRecord r;
        size_t n_groups, step, at = 8, room_size, n;
        void *room;
        ErrCtx err;
        int result = STREAM_E_MORE;

        if (size < 1)
                return 0;
        direction = data[0] & 1 ? STREAM_FROM_READER : STREAM_TO_READER;
        n_groups = data[0] & 2 ? GROUPS : 2;
        step = data[0] & 4 ? 3 : 4096;
        data++, size--;
        d = stream_decoder_new(direction, n_groups);
        for (size_t fed = 0; d && fed < size && result == STREAM_E_MORE; fed += n) {
                if (stream_decoder_room(d, &room, &room_size) < 0)
                        break;
                n = step < size - fed ? step : size - fed;
                n = n < room_size ? n : room_size;
                memcpy(room, data + fed, n);
                stream_decoder_fed(d, n);
                while ((result = stream_decoder_next(d, &r, &err)) == 0)
                        check(&r, n_groups, data, size, &at);
        }
        (void) stream_decoder_free(d);
        return 0;
}
