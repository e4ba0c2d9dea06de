/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of a record are used where they stand in the buffer: they end with a NUL on the wire for that. */
#include <errno.h>
#include <inttypes.h>
#include <syslog.h>

#include "directory/stream.h"

#define ROOM ((size_t) 64 << 10)
#define LIST_MAX (1u << 16)

struct StreamDecoder {
        StreamDirection direction;
        size_t n_groups;
        bool begun; /* the preamble was right */
        bool ended; /* the last record came */
        bool broken;
        uint8_t *data;
        size_t start, len, size; /* unread bytes are data[start .. len) */
        uint64_t *marks; /* of the current person */
        StreamGroup *groups; /* of the done record */
        Arena *arena; /* of the settings */
        DirectoryConfig directory;
        Secret *secret;
};

/* A record being taken apart. */
typedef struct Cursor {
        const uint8_t *p, *end;
        const char *bad; /* first thing that was wrong */
} Cursor;

StreamDecoder *stream_decoder_new(StreamDirection direction, size_t n_groups) {
        _cleanup_(stream_decoder_freep) StreamDecoder *d = NULL;

        d = calloc(1, sizeof(*d));
        if (!d)
                return NULL;
        d->direction = direction;
        d->n_groups = n_groups;
        d->marks = calloc(MARKS_WORDS(n_groups) + 1, sizeof(uint64_t));
        d->groups = calloc(n_groups + 1, sizeof(StreamGroup));
        d->arena = arena_new();
        if (!d->marks || !d->groups || !d->arena)
                return NULL;
        return TAKE(d);
}

StreamDecoder *stream_decoder_free(StreamDecoder *d) {
        if (!d)
                return NULL;
        if (d->data)
                explicit_bzero(d->data, d->size);
        free(d->data);
        free(d->marks);
        free(d->groups);
        (void) arena_free(d->arena);
        (void) secret_free(d->secret);
        free(d);
        return NULL;
}

static int resize(StreamDecoder *d, size_t size) {
        uint8_t *data = malloc(size);

        if (!data)
                return -ENOMEM;
        if (d->data) {
                memcpy(data, d->data + d->start, d->len - d->start);
                explicit_bzero(d->data, d->size);
                free(d->data);
        }
        d->len -= d->start;
        d->start = 0;
        d->data = data;
        d->size = size;
        return 0;
}

int stream_decoder_room(StreamDecoder *d, void **ret, size_t *ret_size) {
        int r;

        if (d->start == d->len)
                d->start = d->len = 0;
        else if (d->start > 0 && d->size - d->len < ROOM / 2) {
                memmove(d->data, d->data + d->start, d->len - d->start);
                d->len -= d->start;
                d->start = 0;
        }
        if (d->size - d->len < ROOM / 2) {
                r = resize(d, d->size > 0 ? d->size * 2 : ROOM);
                if (r < 0)
                        return r;
        }
        *ret = d->data + d->len;
        *ret_size = d->size - d->len;
        return 0;
}

void stream_decoder_fed(StreamDecoder *d, size_t len) {
        d->len += len;
}

bool stream_decoder_has_rest(const StreamDecoder *d) {
        return d->len > d->start;
}

static void bad(Cursor *c, const char *reason) {
        if (!c->bad)
                c->bad = reason;
        c->p = c->end;
}

static uint64_t get_number(Cursor *c, size_t width) {
        uint64_t v = 0;

        if ((size_t) (c->end - c->p) < width) {
                bad(c, "it is shorter than its type asks for");
                return 0;
        }
        for (size_t i = 0; i < width; i++)
                v |= (uint64_t) c->p[i] << (8 * i);
        c->p += width;
        return v;
}

static uint8_t get_u8(Cursor *c, unsigned max) {
        uint64_t v = get_number(c, 1);

        if (v > max) {
                bad(c, "a number is out of range");
                return 0;
        }
        return (uint8_t) v;
}

static uint32_t get_u32(Cursor *c) {
        return (uint32_t) get_number(c, 4);
}

static uint64_t get_u64(Cursor *c) {
        return get_number(c, 8);
}

static const char *get_bytes(Cursor *c, size_t max, size_t *ret_len) {
        size_t len = get_u32(c);
        const char *text = (const char *) c->p;

        *ret_len = 0;
        if (c->bad)
                return "";
        if (len > max || (size_t) (c->end - c->p) <= len || text[len] != '\0') {
                bad(c, "a text is too long or not ended");
                return "";
        }
        c->p += len + 1;
        *ret_len = len;
        return text;
}

static const char *get_text(Cursor *c, size_t max) {
        size_t len;
        const char *text = get_bytes(c, max, &len);

        if (!utf8_is_valid(text, len)) {
                bad(c, "a text isn't UTF-8");
                return "";
        }
        return text;
}

static const char *get_optional(Cursor *c, size_t max) {
        return get_u8(c, 1) ? get_text(c, max) : NULL;
}

/* Settings outlive their record. */
static char *keep_text(StreamDecoder *d, Cursor *c) {
        char *text = arena_strdup(d->arena, get_text(c, STREAM_SETTINGS_MAX));

        if (!text)
                bad(c, "memory is short");
        return text;
}

static char **keep_list(StreamDecoder *d, Cursor *c, size_t max, size_t *ret_n) {
        size_t n = get_u32(c);
        char **list;

        *ret_n = 0;
        if (n > max || n > (size_t) (c->end - c->p)) {
                bad(c, "a list is too long");
                return NULL;
        }
        list = arena_alloc(d->arena, (n + 1) * sizeof(*list));
        if (!list) {
                bad(c, "memory is short");
                return NULL;
        }
        for (size_t i = 0; i < n; i++)
                list[i] = keep_text(d, c);
        *ret_n = n;
        return list;
}

static void get_attributes(StreamDecoder *d, Cursor *c) {
        DirectoryConfig *dir = &d->directory;

        dir->attributes.id = keep_text(d, c);
        dir->attributes.login = keep_text(d, c);
        dir->attributes.email = keep_text(d, c);
        dir->attributes.first_name = keep_text(d, c);
        dir->attributes.last_name = keep_text(d, c);
        dir->attributes.timezone = keep_text(d, c);
        dir->attributes.employee_number = keep_text(d, c);
        dir->disabled.attribute = keep_text(d, c);
        dir->disabled.when = get_u8(c, DISABLED_MASK);
        dir->disabled.value = keep_text(d, c);
        dir->disabled.mask = get_u64(c);
        dir->password_reset.attribute = keep_text(d, c);
        dir->password_reset.when = get_u8(c, _RESET_WHEN_MAX - 1);
}

static int get_settings(StreamDecoder *d, Cursor *c, StreamSettings *ret) {
        DirectoryConfig *dir = &d->directory;
        const char *secret;
        size_t len;

        dir->bind.method = get_u8(c, _BIND_METHOD_MAX - 1);
        dir->bind.dn = keep_text(d, c);
        dir->uris = keep_list(d, c, LIST_MAX, &dir->n_uris);
        dir->starttls = get_u8(c, 1);
        dir->insecure = get_u8(c, 1);
        dir->ca_file = keep_text(d, c);
        dir->people.base = keep_text(d, c);
        dir->people.scope = get_u8(c, _SCOPE_MAX - 1);
        dir->people.filter = keep_text(d, c);
        get_attributes(d, c);
        dir->page_size = get_u32(c);
        dir->timeout = get_u64(c);
        dir->canaries = keep_list(d, c, LIST_MAX, &dir->n_canaries);
        ret->groups = keep_list(d, c, STREAM_GROUPS_MAX, &ret->n_groups);
        ret->first_uri = get_u32(c);
        secret = get_bytes(c, STREAM_SETTINGS_MAX, &len);
        if (c->bad)
                return 0;
        if (dir->n_uris == 0 || ret->first_uri >= dir->n_uris)
                bad(c, "there is no such server");
        if (len > 0) {
                d->secret = secret_new(secret, len);
                if (!d->secret)
                        return -ENOMEM;
        }
        ret->directory = dir;
        ret->secret = d->secret;
        d->ended = true;
        return 0;
}

static void get_person(StreamDecoder *d, Cursor *c, Person *p) {
        *p = (Person){.present = true, .marks = d->marks};
        p->id = get_text(c, PERSON_ID_MAX);
        p->dn = get_text(c, STREAM_DN_MAX);
        for (size_t i = 0; i < _PERSON_FIELD_MAX; i++)
                p->field[i] = get_optional(c, PERSON_VALUE_MAX);
        p->unreadable = get_u32(c);
        p->disabled = get_u8(c, 1);
        p->signal = get_optional(c, PERSON_VALUE_MAX);
        p->ways = get_optional(c, PERSON_WAYS_MAX);
        if (get_u32(c) != MARKS_WORDS(d->n_groups))
                bad(c, "it speaks of another number of groups");
        for (size_t i = 0; i < MARKS_WORDS(d->n_groups); i++)
                d->marks[i] = get_u64(c);
        if (!c->bad && (*p->id == '\0' || p->unreadable >> _PERSON_FIELD_MAX != 0))
                bad(c, "a person without an id, or with unknown fields");
        if (!c->bad && d->n_groups % 64 != 0 && d->marks[d->n_groups / 64] >> (d->n_groups % 64) != 0)
                bad(c, "it marks a group that there isn't");
}

static void get_done(StreamDecoder *d, Cursor *c, StreamDone *done) {
        *done = (StreamDone){.state = get_u8(c, _STREAM_STATE_MAX - 1)};
        done->ldap_rc = (int32_t) get_u32(c);
        done->error = get_text(c, STREAM_RECORD_MAX);
        done->uri = get_u32(c);
        done->people = get_u64(c);
        done->without_id = get_u64(c);
        done->referrals = get_u64(c);
        done->canaries_missing = get_u32(c);
        done->certificate_end = get_u64(c);
        done->n_groups = get_u32(c);
        if (done->n_groups != 0 && done->n_groups != d->n_groups)
                return bad(c, "it speaks of another number of groups");
        if (!c->bad && done->state == STREAM_COMPLETE && done->n_groups != d->n_groups)
                return bad(c, "a complete read without its groups");
        for (size_t i = 0; i < done->n_groups; i++) {
                d->groups[i].found = get_u8(c, 1);
                d->groups[i].members = get_u64(c);
        }
        done->groups = d->groups;
        d->ended = true;
}

static int get_body(StreamDecoder *d, Cursor *c, StreamRecord *ret) {
        bool from_reader = d->direction == STREAM_FROM_READER;

        *ret = (StreamRecord){.type = get_u8(c, UINT8_MAX)};
        if (ret->type == STREAM_SETTINGS && !from_reader)
                return get_settings(d, c, &ret->settings);
        if (ret->type == STREAM_PERSON && from_reader)
                get_person(d, c, &ret->person);
        else if (ret->type == STREAM_PROGRESS && from_reader)
                ret->progress = get_u64(c);
        else if (ret->type == STREAM_NOTICE && from_reader) {
                ret->notice.priority = get_u8(c, LOG_DEBUG);
                ret->notice.text = get_text(c, STREAM_RECORD_MAX);
        } else if (ret->type == STREAM_DONE && from_reader)
                get_done(d, c, &ret->done);
        else
                bad(c, "its type isn't known here");
        return 0;
}

static int malformed(StreamDecoder *d, ErrCtx *err, const char *reason) {
        d->broken = true;
        return err_set(err, STREAM_E_MALFORMED, 0, "%s", reason);
}

static int check_preamble(StreamDecoder *d, ErrCtx *err) {
        const uint8_t *p = d->data + d->start;
        size_t have = d->len - d->start;

        if (memcmp(p, "idsyncd", have < 7 ? have : 7) != 0)
                return malformed(d, err, "it doesn't begin as our stream does");
        if (have < 8)
                return STREAM_E_MORE;
        if (p[7] != STREAM_VERSION)
                return malformed(d, err,
                                 "idsyncd and idsyncd-directory are of different versions; "
                                 "install both from one build and restart");
        d->start += 8;
        d->begun = true;
        return 0;
}

int stream_decoder_next(StreamDecoder *d, StreamRecord *ret, ErrCtx *err) {
        size_t max = d->direction == STREAM_TO_READER ? STREAM_SETTINGS_MAX : STREAM_RECORD_MAX;
        Cursor c = {0};
        size_t len;
        int r;

        if (d->broken)
                return err_set(err, STREAM_E_MALFORMED, 0, "the stream was broken before");
        if (d->start == d->len)
                return STREAM_E_MORE;
        if (!d->begun) {
                r = check_preamble(d, err);
                if (r != 0)
                        return r;
        }
        if (d->ended && d->len > d->start)
                return malformed(d, err, "bytes follow the last record");
        if (d->len - d->start < 4)
                return STREAM_E_MORE;
        c.p = d->data + d->start;
        c.end = c.p + 4;
        len = get_u32(&c);
        if (len == 0 || len > max)
                return malformed(d, err, "a record's length is out of range");
        if (d->len - d->start - 4 < len)
                return STREAM_E_MORE;
        c.end = c.p + len;
        r = get_body(d, &c, ret);
        if (r < 0)
                return r;
        if (!c.bad && c.p != c.end)
                c.bad = "bytes are left over in it";
        if (c.bad) {
                d->broken = true;
                return err_set(err, STREAM_E_MALFORMED, 0, "record of type 0x%02x: %s", (unsigned) ret->type,
                               c.bad);
        }
        if (d->direction == STREAM_TO_READER)
                explicit_bzero(d->data + d->start, len + 4);
        d->start += len + 4;
        return 0;
}
