/* SPDX-License-Identifier: Apache-2.0 */
#include "net/backoff.h"

usec_t backoff_doubled(unsigned n, usec_t first, usec_t cap) {
        usec_t whole = first < cap ? first : cap;

        if (n == 0 || whole == 0)
                return 0;
        while (--n > 0 && whole < cap)
                whole = whole > cap / 2 ? cap : whole * 2;
        return whole;
}

usec_t backoff_span(unsigned n, usec_t first, usec_t cap, uint64_t random) {
        usec_t whole = backoff_doubled(n, first, cap);

        return whole - random % (whole / 2 + 1);
}
