/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store-spool.h"

#include <errno.h>
#include <fcntl.h>

#define FLUSH_SIZE ((size_t) 256 << 10)
#define RECORD_MAX ((size_t) 1 << 20)

struct Spool {
        const char *directory;
        size_t n_groups;
        StrBuf memory;          /* what isn't in the file yet; all of it while fd is -1 */
        int fd;
        uint64_t in_file;
        uint64_t *marks;        /* while walking */
};

Spool *spool_new(const char *directory, size_t n_groups) {
        _cleanup_(spool_freep) Spool *spool = calloc(1, sizeof(*spool));

        if (!spool)
                return NULL;
        spool->fd = -1;
        spool->directory = directory;
        spool->n_groups = n_groups;
        spool->memory = STRBUF_INIT(SPOOL_MEMORY + RECORD_MAX);
        spool->marks = calloc(MARKS_WORDS(n_groups) + 1, sizeof(*spool->marks));
        return spool->marks ? TAKE(spool) : NULL;
}

Spool *spool_free(Spool *spool) {
        if (!spool)
                return NULL;
        closep(&spool->fd);
        strbuf_deinit(&spool->memory);
        free(spool->marks);
        free(spool);
        return NULL;
}

/* ---- records ---- */

static void put_text(StrBuf *out, const char *text) {
        strbuf_putc(out, text ? 1 : 0);
        if (text)
                strbuf_append(out, text, strlen(text) + 1);
}

void spool_encode(StrBuf *out, const Person *p, size_t n_groups, uint64_t fingerprint) {
        static const uint64_t zero;
        uint8_t disabled = p->disabled;
        size_t start = out->len;
        uint32_t size = 0;

        strbuf_append(out, &size, sizeof(size));
        strbuf_append(out, &fingerprint, sizeof(fingerprint));
        strbuf_append(out, &p->unreadable, sizeof(p->unreadable));
        strbuf_append(out, &disabled, sizeof(disabled));
        for (size_t i = 0; i < MARKS_WORDS(n_groups); i++)
                strbuf_append(out, p->marks ? p->marks + i : &zero, sizeof(zero));
        put_text(out, p->id);
        put_text(out, p->dn);
        put_text(out, p->signal);
        put_text(out, p->ways);
        for (size_t i = 0; i < _PERSON_FIELD_MAX; i++)
                put_text(out, p->field[i]);
        if (out->error == 0) {
                size = (uint32_t) (out->len - start - sizeof(size));
                memcpy(out->data + start, &size, sizeof(size));
        }
}

/* What is left to decode; `bad` stays once it is set. */
typedef struct Rest {
        const char *data;
        size_t size;
        bool bad;
} Rest;

static void get(Rest *rest, void *to, size_t size) {
        if (rest->bad || size > rest->size) {
                rest->bad = true;
                return;
        }
        memcpy(to, rest->data, size);
        rest->data += size;
        rest->size -= size;
}

static const char *get_text(Rest *rest) {
        const char *text = NULL, *end;
        uint8_t present = 0;

        get(rest, &present, sizeof(present));
        if (rest->bad || present == 0)
                return NULL;
        end = memchr(rest->data, 0, rest->size);
        if (!end || present != 1) {
                rest->bad = true;
                return NULL;
        }
        text = rest->data;
        rest->size -= (size_t) (end + 1 - text);
        rest->data = end + 1;
        return text;
}

int spool_decode(const void *data, size_t size, size_t n_groups, uint64_t *marks, Person *ret,
                 uint64_t *ret_fingerprint) {
        Rest rest = { .data = data, .size = size };
        Person p = { .marks = marks };
        uint64_t fingerprint = 0;
        uint8_t disabled = 0;

        get(&rest, &fingerprint, sizeof(fingerprint));
        get(&rest, &p.unreadable, sizeof(p.unreadable));
        get(&rest, &disabled, sizeof(disabled));
        get(&rest, marks, MARKS_WORDS(n_groups) * sizeof(*marks));
        p.disabled = disabled != 0;
        p.id = get_text(&rest);
        p.dn = get_text(&rest);
        p.signal = get_text(&rest);
        p.ways = get_text(&rest);
        for (size_t i = 0; i < _PERSON_FIELD_MAX; i++)
                p.field[i] = get_text(&rest);
        if (rest.bad || rest.size > 0 || !p.id || disabled > 1)
                return -EBADMSG;
        *ret = p;
        *ret_fingerprint = fingerprint;
        return 0;
}

/* ---- the file ---- */

static int make_file(Spool *spool) {
        _cleanup_(freep) char *path = NULL;

        if (asprintf(&path, "%s/idsyncd.read.XXXXXX", spool->directory) < 0)
                return -ENOMEM;
        spool->fd = mkostemp(path, O_CLOEXEC);
        if (spool->fd < 0)
                return -errno;
        return unlink(path) < 0 ? -errno : 0;
}

static int flush(Spool *spool) {
        size_t done = 0;
        int r = spool->fd < 0 ? make_file(spool) : 0;

        while (r == 0 && done < spool->memory.len) {
                ssize_t n = pwrite(spool->fd, spool->memory.data + done, spool->memory.len - done,
                                   (off_t) (spool->in_file + done));

                if (n > 0)
                        done += (size_t) n;
                else if (n == 0 || errno != EINTR)
                        r = n == 0 ? -EIO : -errno;
        }
        if (r < 0)
                return r == -EDQUOT ? -ENOSPC : r;
        spool->in_file += done;
        strbuf_reset(&spool->memory);
        return 0;
}

int spool_add(Spool *spool, const Person *p, uint64_t fingerprint) {
        size_t start = spool->memory.len;

        spool_encode(&spool->memory, p, spool->n_groups, fingerprint);
        if (spool->memory.error)
                return spool->memory.error;
        if (spool->memory.len - start > RECORD_MAX)
                return -E2BIG;
        return spool->memory.len < (spool->fd < 0 ? SPOOL_MEMORY : FLUSH_SIZE) ? 0 : flush(spool);
}

/* Decodes the whole records of a piece; *ret_used are the bytes that they took. */
static int walk_piece(Spool *spool, const char *data, size_t size, size_t *ret_used,
                      int (*fn)(const Person *p, uint64_t fingerprint, void *userdata), void *userdata) {
        size_t at = 0;
        uint32_t len;
        int r = 0;

        while (r == 0 && size - at >= sizeof(len)) {
                uint64_t fingerprint;
                Person p;

                memcpy(&len, data + at, sizeof(len));
                if (len > size - at - sizeof(len))
                        break;
                r = spool_decode(data + at + sizeof(len), len, spool->n_groups, spool->marks, &p,
                                 &fingerprint);
                if (r == 0)
                        r = fn(&p, fingerprint, userdata);
                at += sizeof(len) + len;
        }
        *ret_used = at;
        return r;
}

/* Reads on behind what is left of the piece before. */
static int fill(Spool *spool, char *piece, size_t *n, uint64_t *at) {
        uint64_t left = spool->in_file - *at;
        size_t room = RECORD_MAX + FLUSH_SIZE - *n;
        ssize_t got = pread(spool->fd, piece + *n, left < room ? left : room, (off_t) *at);

        if (got < 0)
                return errno == EINTR ? 0 : -errno;
        if (got == 0)
                return -EBADMSG;
        *n += (size_t) got;
        *at += (uint64_t) got;
        return 0;
}

static int walk_file(Spool *spool, int (*fn)(const Person *p, uint64_t fingerprint, void *userdata),
                     void *userdata) {
        _cleanup_(freep) char *piece = malloc(RECORD_MAX + FLUSH_SIZE);
        size_t n = 0, used;
        uint64_t at = 0;
        int r = 0;

        if (!piece)
                return -ENOMEM;
        while (r == 0 && at < spool->in_file) {
                r = fill(spool, piece, &n, &at);
                if (r == 0)
                        r = walk_piece(spool, piece, n, &used, fn, userdata);
                if (r == 0) {
                        memmove(piece, piece + used, n - used);
                        n -= used;
                }
        }
        return r == 0 && n > 0 ? -EBADMSG : r;
}

int spool_walk(Spool *spool, int (*fn)(const Person *p, uint64_t fingerprint, void *userdata),
               void *userdata) {
        size_t used = 0;
        int r = 0;

        if (spool->fd >= 0)
                r = walk_file(spool, fn, userdata);
        if (r == 0 && spool->memory.len > 0) {
                r = walk_piece(spool, spool->memory.data, spool->memory.len, &used, fn, userdata);
                if (r == 0 && used != spool->memory.len)
                        r = -EBADMSG;
        }
        return r;
}
