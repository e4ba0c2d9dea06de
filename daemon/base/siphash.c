/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <string.h>

#include "base/siphash.h"

/* Any constant will do: nobody gains by a collision but in his own entry. */
#define KEY_0 UINT64_C(0x6964737963312e30)
#define KEY_1 UINT64_C(0x8f2d51c3a47be609)

#define FRESH(k0, k1)                                                          \
        {                                                                      \
                (k0) ^ UINT64_C(0x736f6d6570736575), (k1) ^ UINT64_C(0x646f72616e646f6d), \
                (k0) ^ UINT64_C(0x6c7967656e657261), (k1) ^ UINT64_C(0x7465646279746573), \
        }

static const SipHash fresh = { .v = FRESH(KEY_0, KEY_1) };

static inline uint64_t rotate(uint64_t x, unsigned bits) {
        return x << bits | x >> (64 - bits);
}

static inline void one_round(uint64_t v[4]) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
}

static inline void add_word(uint64_t v[4], uint64_t m) {
        v[3] ^= m;
        one_round(v);
        one_round(v);
        v[0] ^= m;
}

/* All whole words; the rest, less than one, is left to the caller. */
static inline const char *add_words(uint64_t v[4], const char *p, size_t len) {
        uint64_t m;

        for (; len >= 8; p += 8, len -= 8) {
                memcpy(&m, p, 8);
                add_word(v, le64toh(m));
        }
        return p;
}

static inline uint64_t rest(const char *p, size_t len) {
        uint64_t m = 0;

        memcpy(&m, p, len);
        return le64toh(m);
}

static inline uint64_t mix(uint64_t v[4]) {
        for (unsigned i = 0; i < 4; i++)
                one_round(v);
        return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* mark: 0xff, of the 128-bit variant 0xee. */
static inline uint64_t finish(uint64_t v[4], uint64_t last, uint64_t mark) {
        add_word(v, last);
        v[2] ^= mark;
        return mix(v);
}

uint64_t siphash(const void *data, size_t len) {
        SipHash h = fresh;
        const char *p = add_words(h.v, data, len);

        return finish(h.v, (uint64_t) len << 56 | rest(p, len % 8), 0xff);
}

void siphash128(const uint64_t key[static 2], const void *data, size_t len, uint64_t ret[static 2]) {
        uint64_t v[4] = FRESH(key[0], key[1]);
        const char *p;

        v[1] ^= 0xee;
        p = add_words(v, data, len);
        ret[0] = finish(v, (uint64_t) len << 56 | rest(p, len % 8), 0xee);
        v[1] ^= 0xdd;
        ret[1] = mix(v);
}

void siphash_init(SipHash *h) {
        *h = fresh;
}

void siphash_add_u64(SipHash *h, uint64_t value) {
        add_word(h->v, value);
        h->n++;
}

void siphash_add_str(SipHash *h, const char *text) {
        size_t len = text ? strlen(text) : 0;
        const char *p;

        siphash_add_u64(h, text ? len : UINT64_MAX);
        p = add_words(h->v, text, len);
        if (len % 8 > 0)
                add_word(h->v, rest(p, len % 8));
        h->n += (len + 7) / 8;
}

uint64_t siphash_end(SipHash *h) {
        return finish(h->v, h->n << 56, 0xff);
}
