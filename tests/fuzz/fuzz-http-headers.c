/* SPDX-License-Identifier: Apache-2.0 */
/* A block of headers, line by line, and the same bytes as a date. */
#include <string.h>

#include "base/strings.h"
#include "fuzz.h"
#include "net/http-headers.h"

#define WALL (UINT64_C(1800000000) * USEC_PER_SEC)

static void check_text(const char *text) {
        for (; *text; text++)
                if ((unsigned char) *text <= 0x20 || (unsigned char) *text >= 0x7f)
                        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *p = (const char *) data, *end = p + size;
        HttpHeaders h = { 0 };
        HttpResult result = { 0 };
        usec_t when;

        if (http_date_parse(p, size, &when) == 0 && when > UINT64_C(253402300800) * USEC_PER_SEC)
                abort();
        while (p < end) {
                const char *next = memchr(p, '\n', (size_t) (end - p));

                next = next ? next + 1 : end;
                if (http_headers_line(&h, p, (size_t) (next - p)) < 0)
                        break;
                p = next;
        }
        http_headers_into(&h, WALL, &result);
        if (result.status < 0 || result.status > 999 || (result.retry_after > 0 && !result.has_retry_after))
                abort();
        for (int i = 0; i < _HTTP_WINDOW_MAX; i++)
                if (result.remaining[i] < -1)
                        abort();
        check_text(result.content_type);
        if (result.location)
                check_text(result.location);
        return 0;
}
