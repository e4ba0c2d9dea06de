/* SPDX-License-Identifier: Apache-2.0 */
/*     PROGRAM [SEED [WORLDS]]     or IDSYNCD_SEED, IDSYNCD_WORLDS */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "property.h"

#define WORLDS_DEFAULT 30000
#define BLIND_WORLDS 30000      /* so many at most until a breach has to be found */

static uint64_t number(const char *argument, const char *variable, uint64_t otherwise) {
        const char *text = argument ?: getenv(variable);
        uint64_t n;

        if (!text)
                return otherwise;
        if (parse_u64(text, &n) < 0)
                world_die("SEED and WORLDS are whole numbers");
        return n;
}

static bool report_worlds(const Property *p, uint64_t seed, size_t worlds) {
        clock_t start = clock();
        const char *missed;

        for (size_t i = 0; i < worlds; i++) {
                const char *why = p->try(seed, i, 0);

                if (!why)
                        continue;
                printf("not ok 1 - %s\n# seed %" PRIu64 ", world %zu\n", why, seed, i);
                if (p->print)
                        p->print(seed, i);
                return false;
        }
        missed = p->never_seen ? p->never_seen() : NULL;
        if (missed)
                printf("not ok 1 - not once in %zu worlds of seed %" PRIu64 ": %s\n", worlds, seed, missed);
        else
                printf("ok 1 - %zu worlds of seed %" PRIu64 "\n# %.1f s\n", worlds, seed,
                       (double) (clock() - start) / CLOCKS_PER_SEC);
        return !missed;
}

static bool report_blind(const Property *p, uint64_t seed, unsigned blind) {
        for (size_t i = 0; i < BLIND_WORLDS; i++) {
                const char *why = p->try(seed, i, blind);

                if (!why)
                        continue;
                printf("ok %u - blind to %s: world %zu: %s\n", blind + 1, p->blinds[blind], i, why);
                return true;
        }
        printf("not ok %u - blind to %s: no breach found, seed %" PRIu64 "\n", blind + 1, p->blinds[blind],
               seed);
        return false;
}

int property_main(const Property *p, int argc, char **argv) {
        uint64_t seed = 0;
        bool ok;

        if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
                world_die("no randomness");
        seed = number(argc > 1 ? argv[1] : NULL, "IDSYNCD_SEED", seed);
        printf("1..%u\n# seed %" PRIu64 "\n", p->n_blinds, seed);
        fflush(stdout);
        ok = report_worlds(p, seed, number(argc > 2 ? argv[2] : NULL, "IDSYNCD_WORLDS", WORLDS_DEFAULT));
        for (unsigned blind = 1; blind < p->n_blinds; blind++)
                ok &= report_blind(p, seed, blind);
        return ok ? 0 : 1;
}
