/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <string.h>

#include "model/siphash.h"

/* Any constant will do: nobody gains by a collision but in his own entry. */
#define KEY_0 UINT64_C(0x6964737963312e30)
#define KEY_1 UINT64_C(0x8f2d51c3a47be609)

static inline uint64_t rotate(uint64_t x, unsigned bits) {
        return x << bits | x >> (64 - bits);
}

static inline void rounds(uint64_t v[4], unsigned n) {
        for (; n > 0; n--) {
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
}

static inline void word(SipHash *h, uint64_t m) {
        h->v[3] ^= m;
        rounds(h->v, 2);
        h->v[0] ^= m;
}

void siphash_init(SipHash *h) {
        *h = (SipHash){
                .v = {
                        KEY_0 ^ UINT64_C(0x736f6d6570736575),
                        KEY_1 ^ UINT64_C(0x646f72616e646f6d),
                        KEY_0 ^ UINT64_C(0x6c7967656e657261),
                        KEY_1 ^ UINT64_C(0x7465646279746573),
                },
        };
}

void siphash_add(SipHash *h, const void *data, size_t len) {
        const uint8_t *p = data, *end = p + len;

        for (; p < end && h->len % 8 != 0; p++) {
                h->tail |= (uint64_t) *p << 8 * (h->len % 8);
                if (++h->len % 8 == 0) {
                        word(h, h->tail);
                        h->tail = 0;
                }
        }
        for (; end - p >= 8; p += 8, h->len += 8) {
                uint64_t m;

                memcpy(&m, p, 8);
                word(h, le64toh(m));
        }
        for (; p < end; p++, h->len++)
                h->tail |= (uint64_t) *p << 8 * (h->len % 8);
}

void siphash_add_u64(SipHash *h, uint64_t value) {
        value = htole64(value);
        siphash_add(h, &value, sizeof(value));
}

void siphash_add_str(SipHash *h, const char *text) {
        size_t len = text ? strlen(text) : 0;

        siphash_add_u64(h, text ? len : UINT64_MAX);
        siphash_add(h, text ?: "", len);
}

uint64_t siphash_end(SipHash *h) {
        word(h, h->len << 56 | h->tail);
        h->v[2] ^= 0xff;
        rounds(h->v, 4);
        return h->v[0] ^ h->v[1] ^ h->v[2] ^ h->v[3];
}

uint64_t siphash(const void *data, size_t len) {
        SipHash h;

        siphash_init(&h);
        siphash_add(&h, data, len);
        return siphash_end(&h);
}
