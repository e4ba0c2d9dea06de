/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"

#include <errno.h>
#include <nettle/base64.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

struct Secret {
        char *data;             /* whole pages of our own */
        size_t len;
        size_t mapped;          /* bytes of these pages */
};

static size_t page_round(size_t size) {
        size_t page = (size_t) sysconf(_SC_PAGESIZE);

        return size > SIZE_MAX - page ? 0 : (size + page - 1) / page * page;
}

static void *pages_new(size_t size) {
        void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED)
                return NULL;
        /* Best effort, both: an old kernel or a small RLIMIT_MEMLOCK must not keep the daemon from working.
         */
        (void) madvise(p, size, MADV_DONTDUMP);
        (void) mlock(p, size);
        return p;
}

static void pages_free(void *p, size_t size) {
        if (!p)
                return;
        explicit_bzero(p, size);
        (void) munmap(p, size);
}

/* Makes room for `more` bytes and the NUL behind them. */
static int reserve(Secret *s, size_t more) {
        size_t need, size;
        char *data;

        if (more >= SIZE_MAX / 2 - s->len)
                return -ENOMEM;
        need = s->len + more + 1;
        if (need <= s->mapped)
                return 0;
        size = page_round(need > s->mapped * 2 ? need : s->mapped * 2);
        if (size == 0)
                return -ENOMEM;
        data = pages_new(size);
        if (!data)
                return -ENOMEM;
        if (s->data)
                memcpy(data, s->data, s->len);
        pages_free(s->data, s->mapped);
        s->data = data;
        s->mapped = size;
        return 0;
}

Secret *secret_with_capacity(size_t capacity) {
        _cleanup_(secret_freep) Secret *s = calloc(1, sizeof(*s));

        if (!s || reserve(s, capacity) < 0)
                return NULL;
        return TAKE(s);
}

Secret *secret_new(const void *data, size_t len) {
        _cleanup_(secret_freep) Secret *s = secret_with_capacity(len);

        if (!s || secret_append(s, data, len) < 0)
                return NULL;
        return TAKE(s);
}

Secret *secret_free(Secret *s) {
        if (!s)
                return NULL;
        pages_free(s->data, s->mapped);
        free(s);
        return NULL;
}

const char *secret_data(const Secret *s) {
        return s->data;
}

size_t secret_len(const Secret *s) {
        return s->len;
}

int secret_append(Secret *s, const void *data, size_t len) {
        int r;

        r = reserve(s, len);
        if (r < 0)
                return r;
        if (len > 0)
                memcpy(s->data + s->len, data, len);
        s->len += len;
        s->data[s->len] = '\0';
        return 0;
}

int secret_append_str(Secret *s, const char *text) {
        return secret_append(s, text, strlen(text));
}

/* The escaped form of one byte, at most 6 characters, or NULL if it stands for itself. */
static const char *json_escape(unsigned char c, char buf[static 7]) {
        static const char hex[] = "0123456789abcdef";
        static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
        const char *p = c ? strchr(plain, c) : NULL;

        if (p) {
                buf[0] = '\\';
                buf[1] = letters[p - plain];
                buf[2] = '\0';
                return buf;
        }
        if (c >= 0x20)
                return NULL;
        memcpy(buf, "\\u00", 4);
        buf[4] = hex[c >> 4];
        buf[5] = hex[c & 15];
        buf[6] = '\0';
        return buf;
}

int secret_append_json(Secret *s, const char *text, size_t len) {
        char buf[7] = "";
        size_t begin = 0;
        int r;

        r = secret_append(s, "\"", 1);
        for (size_t i = 0; r >= 0 && i < len; i++) {
                const char *escaped = json_escape((unsigned char) text[i], buf);

                if (!escaped)
                        continue;
                r = secret_append(s, text + begin, i - begin);
                if (r >= 0)
                        r = secret_append_str(s, escaped);
                begin = i + 1;
        }
        if (r >= 0)
                r = secret_append(s, text + begin, len - begin);
        if (r >= 0)
                r = secret_append(s, "\"", 1);
        return r;
}

int secret_append_base64(Secret *s, const void *data, size_t len) {
        size_t size;
        int r;

        if (len > SIZE_MAX / 4)
                return -ENOMEM;
        size = BASE64_ENCODE_RAW_LENGTH(len);
        r = reserve(s, size);
        if (r < 0)
                return r;
        if (len > 0)
                base64_encode_raw(s->data + s->len, len, data);
        s->len += size;
        s->data[s->len] = '\0';
        return 0;
}

/* Without l, o, I, O, 0, 1, and without marks that shells, HTML or JSON treat specially. */
static const char *const password_classes[] = {
        "abcdefghijkmnpqrstuvwxyz",
        "ABCDEFGHJKLMNPQRSTUVWXYZ",
        "23456789",
        "!#%+-.:=?@_",
};

static int random_bytes(unsigned char *buf, size_t len) {
        while (len > 0) {
                ssize_t n = getrandom(buf, len, 0);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                buf += n;
                len -= (size_t) n;
        }
        return 0;
}

/* Evenly distributed: bytes past the largest multiple of the alphabet's size are thrown away. */
static int fill_password(Secret *s, unsigned length, const char *alphabet) {
        unsigned char pool[64];
        size_t n = strlen(alphabet);
        int r = 0;

        while (s->len < length && r >= 0) {
                r = random_bytes(pool, sizeof(pool));
                for (size_t i = 0; r >= 0 && i < sizeof(pool) && s->len < length; i++)
                        if (pool[i] < 256 / n * n)
                                r = secret_append(s, &alphabet[pool[i] % n], 1);
        }
        explicit_bzero(pool, sizeof(pool));
        return r;
}

static bool has_classes(const Secret *s, unsigned classes) {
        for (unsigned i = 0; i < classes; i++)
                if (!strpbrk(s->data, password_classes[i]))
                        return false;
        return true;
}

int secret_generate_password(unsigned length, unsigned classes, Secret **ret) {
        _cleanup_(secret_freep) Secret *s = NULL;
        char alphabet[128] = "";
        int r;

        if (classes < 1 || classes > ELEMENTSOF(password_classes) || length < classes)
                return -EINVAL;
        for (unsigned i = 0, used = 0; i < classes; i++)
                used += (unsigned) snprintf(alphabet + used, sizeof(alphabet) - used, "%s",
                                            password_classes[i]);
        s = secret_with_capacity(length);
        if (!s)
                return -ENOMEM;
        /* Drawing again as a whole keeps all allowed passwords equally likely; putting a class in by force
         * would not. */
        do {
                explicit_bzero(s->data, s->len);
                s->len = 0;
                r = fill_password(s, length, alphabet);
                if (r < 0)
                        return r;
        } while (!has_classes(s, classes));
        *ret = TAKE(s);
        return 0;
}
