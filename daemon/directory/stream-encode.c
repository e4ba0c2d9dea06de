/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "directory/stream.h"

void stream_buffer_deinit(StreamBuffer *b) {
        if (b->data)
                explicit_bzero(b->data, b->size);
        free(b->data);
        *b = (StreamBuffer){0};
}

static void fail(StreamBuffer *b, int error) {
        if (b->error == 0)
                b->error = error;
}

static int grow(StreamBuffer *b, size_t need) {
        size_t size = b->size > 0 ? b->size : 4096;
        uint8_t *data;

        while (size < need)
                size *= 2;
        data = malloc(size);
        if (!data)
                return -ENOMEM;
        if (b->data) {
                memcpy(data, b->data, b->len);
                explicit_bzero(b->data, b->size);
                free(b->data);
        }
        b->data = data;
        b->size = size;
        return 0;
}

static void put(StreamBuffer *b, const void *data, size_t len) {
        int r;

        if (b->error < 0 || len == 0)
                return;
        if (len > STREAM_SETTINGS_MAX || b->len > SIZE_MAX / 4)
                return fail(b, -E2BIG);
        if (b->size - b->len < len) {
                r = grow(b, b->len + len);
                if (r < 0)
                        return fail(b, r);
        }
        memcpy(b->data + b->len, data, len);
        b->len += len;
}

static void put_u8(StreamBuffer *b, uint8_t v) {
        put(b, &v, 1);
}

static void put_u32(StreamBuffer *b, uint64_t v) {
        uint8_t bytes[4] = {(uint8_t) v, (uint8_t) (v >> 8), (uint8_t) (v >> 16), (uint8_t) (v >> 24)};

        if (v > UINT32_MAX)
                return fail(b, -E2BIG);
        put(b, bytes, sizeof(bytes));
}

static void put_u64(StreamBuffer *b, uint64_t v) {
        uint8_t bytes[8];

        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (uint8_t) (v >> (8 * i));
        put(b, bytes, sizeof(bytes));
}

static void put_bytes(StreamBuffer *b, const char *data, size_t len) {
        put_u32(b, len);
        put(b, data, len);
        put_u8(b, 0);
}

static void put_text(StreamBuffer *b, const char *text) {
        put_bytes(b, text ? text : "", text ? strlen(text) : 0);
}

static void put_optional(StreamBuffer *b, const char *text) {
        put_u8(b, text != NULL);
        if (text)
                put_text(b, text);
}

static void put_list(StreamBuffer *b, char *const *items, size_t n) {
        put_u32(b, n);
        for (size_t i = 0; i < n; i++)
                put_text(b, items[i]);
}

/* A record's length is known at its end: begin() leaves room for it. */
static size_t begin(StreamBuffer *b, StreamType type) {
        size_t start = b->len;

        put_u32(b, 0);
        put_u8(b, (uint8_t) type);
        return start;
}

static int end(StreamBuffer *b, size_t start, size_t max) {
        size_t len;

        if (b->error == 0 && b->len - start - 4 > max)
                fail(b, -E2BIG);
        if (b->error < 0) {
                b->len = start;
                return b->error;
        }
        len = b->len - start - 4;
        for (size_t i = 0; i < 4; i++)
                b->data[start + i] = (uint8_t) (len >> (8 * i));
        return 0;
}

int stream_put_preamble(StreamBuffer *b) {
        put(b, "idsyncd", 7);
        put_u8(b, STREAM_VERSION);
        return b->error;
}

int stream_put_settings(StreamBuffer *b, const StreamSettings *s) {
        const DirectoryConfig *d = s->directory;
        size_t start = begin(b, STREAM_SETTINGS);

        if (s->n_groups > STREAM_GROUPS_MAX) {
                fail(b, -E2BIG);
                return end(b, start, STREAM_SETTINGS_MAX);
        }
        put_u8(b, d->bind.method);
        put_text(b, d->bind.dn);
        put_list(b, d->uris, d->n_uris);
        put_u8(b, d->starttls);
        put_u8(b, d->insecure);
        put_text(b, d->ca_file);
        put_text(b, d->people.base);
        put_u8(b, d->people.scope);
        put_text(b, d->people.filter);
        put_text(b, d->attributes.id);
        put_text(b, d->attributes.login);
        put_text(b, d->attributes.email);
        put_text(b, d->attributes.first_name);
        put_text(b, d->attributes.last_name);
        put_text(b, d->attributes.timezone);
        put_text(b, d->attributes.employee_number);
        put_text(b, d->disabled.attribute);
        put_u8(b, d->disabled.when);
        put_text(b, d->disabled.value);
        put_u64(b, d->disabled.mask);
        put_text(b, d->password_reset.attribute);
        put_u8(b, d->password_reset.when);
        put_u32(b, d->page_size);
        put_u64(b, d->timeout);
        put_list(b, d->canaries, d->n_canaries);
        put_list(b, s->groups, s->n_groups);
        put_u32(b, s->first_uri);
        put_bytes(b, s->secret ? secret_data(s->secret) : "", s->secret ? secret_len(s->secret) : 0);
        return end(b, start, STREAM_SETTINGS_MAX);
}

int stream_put_person(StreamBuffer *b, const Person *p, size_t n_groups) {
        size_t start = begin(b, STREAM_PERSON);

        put_text(b, p->id);
        put_text(b, p->dn);
        for (size_t i = 0; i < _PERSON_FIELD_MAX; i++)
                put_optional(b, p->field[i]);
        put_u32(b, p->unreadable);
        put_u8(b, p->disabled);
        put_optional(b, p->signal);
        put_optional(b, p->ways);
        put_u32(b, MARKS_WORDS(n_groups));
        for (size_t i = 0; i < MARKS_WORDS(n_groups); i++)
                put_u64(b, p->marks[i]);
        return end(b, start, STREAM_RECORD_MAX);
}

int stream_put_progress(StreamBuffer *b, uint64_t people) {
        size_t start = begin(b, STREAM_PROGRESS);

        put_u64(b, people);
        return end(b, start, STREAM_RECORD_MAX);
}

int stream_put_notice(StreamBuffer *b, int priority, const char *text) {
        size_t start = begin(b, STREAM_NOTICE);

        put_u8(b, (uint8_t) priority);
        put_text(b, text);
        return end(b, start, STREAM_RECORD_MAX);
}

int stream_put_done(StreamBuffer *b, const StreamDone *d) {
        size_t start = begin(b, STREAM_DONE);

        put_u8(b, d->state);
        put_u32(b, (uint32_t) d->ldap_rc);
        put_text(b, d->error);
        put_u32(b, d->uri);
        put_u64(b, d->people);
        put_u64(b, d->without_id);
        put_u64(b, d->referrals);
        put_u32(b, d->canaries_missing);
        put_u64(b, d->certificate_end);
        put_u32(b, d->n_groups);
        for (size_t i = 0; i < d->n_groups; i++) {
                put_u8(b, d->groups[i].found);
                put_u64(b, d->groups[i].members);
        }
        return end(b, start, STREAM_RECORD_MAX);
}
