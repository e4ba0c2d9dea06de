/* SPDX-License-Identifier: Apache-2.0 */
/* The record protocol between idsyncd and idsyncd-directory, both ends: bytes over a socketpair.
 *
 *   stream     = preamble *record                 ; idsyncd sends settings alone, the reader all others
 *   preamble   = "idsyncd" version                ; 8 bytes
 *   version    = %x01
 *   record     = length type body                 ; length: u32, the bytes of type and body
 *   settings   = %x01 bind uris security people attributes rules u32:page_size u64:timeout canaries groups
 *                u32:first_uri text:secret        ; the order of DirectoryConfig; an empty secret: none
 *   person     = %x10 text:id text:dn 6optional u32:unreadable u8:disabled optional:signal optional:ways
 *                marks
 *   progress   = %x11 u64:people                  ; something was achieved: the reader isn't silent
 *   notice     = %x12 u8:priority text            ; for the log of idsyncd; priority as syslog's
 *   done       = %x1f u8:state i32:ldap_rc text:error u32:uri u64:people u64:without_id u64:referrals
 *                u32:canaries_missing u64:certificate_end u32:n *(u8:found u64:members)     ; last record
 *   optional   = %x00 / %x01 text
 *   text       = u32:n n*n(octet) %x00            ; UTF-8 (the secret: any) without a NUL
 *   list       = u32:n *text
 *   marks      = u32:n *u64                       ; n = MARKS_WORDS(groups)
 *
 * Numbers are little-endian. Anything else (an unknown type, a length past the limit, bytes left over, a
 * text that isn't UTF-8) is an error, after which the stream can't be used. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/secret.h"
#include "config/config.h"
#include "model/person.h"

#define STREAM_VERSION 1
#define STREAM_SETTINGS_MAX (4u << 20) /* bytes of a record: settings */
#define STREAM_RECORD_MAX (128u << 10) /* all others */
#define STREAM_DN_MAX 8192u
#define STREAM_GROUPS_MAX 4096u /* 512 bytes of marks a person */
#define STREAM_URI_NONE UINT32_MAX

typedef enum StreamType {
        STREAM_SETTINGS = 0x01,
        STREAM_PERSON = 0x10,
        STREAM_PROGRESS = 0x11,
        STREAM_NOTICE = 0x12,
        STREAM_DONE = 0x1f,
} StreamType;

typedef enum StreamState {
        STREAM_COMPLETE,
        STREAM_INCOMPLETE,
        STREAM_UNREACHABLE,
        _STREAM_STATE_MAX
} StreamState;

/* What the reader is told. */
typedef struct StreamSettings {
        const DirectoryConfig *directory; /* intervals, credential names and incremental modes aren't sent */
        char *const *groups;
        size_t n_groups;
        size_t first_uri; /* where to begin in directory->uris */
        const Secret *secret; /* NULL: none */
} StreamSettings;

typedef struct StreamGroup {
        bool found;
        uint64_t members;
} StreamGroup;

typedef struct StreamDone {
        StreamState state;
        int32_t ldap_rc;
        const char *error; /* "" at success */
        uint32_t uri; /* index, STREAM_URI_NONE */
        uint64_t people, without_id, referrals;
        uint32_t canaries_missing;
        uint64_t certificate_end;
        const StreamGroup *groups; /* all of them, or none */
        size_t n_groups;
} StreamDone;

/* A decoded record: borrowed from the decoder until its next call. */
typedef struct StreamRecord {
        StreamType type;
        union {
                StreamSettings settings; /* lives as long as the decoder */
                Person person;
                uint64_t progress;
                struct {
                        int priority;
                        const char *text;
                } notice;
                StreamDone done;
        };
} StreamRecord;

/* Bytes to send. Wiped where they stood when it grows, and by deinit: a settings record holds the secret. */
typedef struct StreamBuffer {
        uint8_t *data;
        size_t len, size;
        int error; /* set once, stays: -ENOMEM, -E2BIG */
} StreamBuffer;
void stream_buffer_deinit(StreamBuffer *b);

/* Each appends to b and returns b->error; what doesn't fit the limits above is -E2BIG, and nothing is
 * appended. */
int stream_put_preamble(StreamBuffer *b);
int stream_put_settings(StreamBuffer *b, const StreamSettings *settings);
int stream_put_person(StreamBuffer *b, const Person *person, size_t n_groups);
int stream_put_progress(StreamBuffer *b, uint64_t people);
int stream_put_notice(StreamBuffer *b, int priority, const char *text);
int stream_put_done(StreamBuffer *b, const StreamDone *done);

/* STREAM_TO_READER: settings come; STREAM_FROM_READER: all others. */
typedef enum StreamDirection { STREAM_TO_READER, STREAM_FROM_READER } StreamDirection;
typedef struct StreamDecoder StreamDecoder;

/* n_groups: how many groups person and done records speak of. NULL when out of memory. */
StreamDecoder *stream_decoder_new(StreamDirection direction, size_t n_groups);
StreamDecoder *stream_decoder_free(StreamDecoder *d);
DEFINE_CLEANUP(StreamDecoder *, stream_decoder_free);

/* Room for bytes from the socket: *ret_size of them (at least one), to be told by stream_decoder_fed().
 * -ENOMEM. */
int stream_decoder_room(StreamDecoder *d, void **ret, size_t *ret_size);
void stream_decoder_fed(StreamDecoder *d, size_t len);

/* The next record. 0 and *ret; STREAM_E_MORE: bytes are missing; STREAM_E_MALFORMED: with a reason in
 * err, for good; -ENOMEM. */
#define STREAM_E_MORE 1
#define STREAM_E_MALFORMED 2
int stream_decoder_next(StreamDecoder *d, StreamRecord *ret, ErrCtx *err);
/* Bytes that belong to no complete record are waiting. */
bool stream_decoder_has_rest(const StreamDecoder *d);
