/* SPDX-License-Identifier: Apache-2.0 */
#include "base/random.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "base/strings.h"

/* SplitMix64: every seed gives a full-period sequence. */
static uint64_t mix(uint64_t *state) {
        uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

uint64_t random_u64(void) {
        static bool known, seeded;
        static uint64_t state;
        uint64_t value;
        struct timespec ts;

        if (!known) {
                const char *seed = secure_getenv("IDSYNCD_SEED");

                known = true;
                seeded = seed && parse_u64(seed, &state) >= 0;
        }
        if (seeded)
                return mix(&state);
        if (getrandom(&value, sizeof(value), GRND_NONBLOCK) == (ssize_t) sizeof(value))
                return value;

        /* Only before the kernel's pool is ready, at boot; good enough to spread retries. */
        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        state ^= (uint64_t) ts.tv_nsec + ((uint64_t) ts.tv_sec << 30);
        return mix(&state);
}
