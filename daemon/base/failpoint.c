/* SPDX-License-Identifier: Apache-2.0 */
#include "base/failpoint.h"

#ifdef IDSYNCD_FAILPOINTS

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/strings.h"

void failpoint(const char *name) {
        static uint64_t passed;
        const char *wanted = getenv("IDSYNCD_FAILPOINT");
        size_t len = strlen(name);
        uint64_t nth = 1;

        if (!wanted || strncmp(wanted, name, len) != 0)
                return;
        if (wanted[len] == ':') {
                if (parse_u64(wanted + len + 1, &nth) < 0)
                        return;
        } else if (wanted[len] != '\0')
                return;
        /* One name is set at a time, so one count is enough. */
        if (++passed == nth)
                (void) raise(SIGKILL);
}

#endif
