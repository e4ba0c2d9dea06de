/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of an API, for the tests of its decoders. */
#pragma once

#include <stdio.h>
#include <string.h>

#include "base/env.h"
#include "net/http.h"

static char fixture_text[65536];

/* A file of tests/fixtures; good until the next one. */
static inline HttpResult fixture(const char *file) {
        const char *srcdir = env_get("IDSYNCD_SRCDIR");
        char path[4096];
        size_t n;
        FILE *f;

        snprintf(path, sizeof(path), "%s/tests/fixtures/%s", srcdir ? srcdir : ".", file);
        f = fopen(path, "re");
        if (!f)
                fail_msg("%s can't be read", path);
        n = fread(fixture_text, 1, sizeof(fixture_text) - 1, f);
        fixture_text[n] = 0;
        fclose(f);
        return (HttpResult){ .status = 200, .body = fixture_text, .body_len = n, .content_type = "" };
}

static inline HttpResult text(const char *body) {
        return (HttpResult){ .status = 200, .body = body, .body_len = strlen(body), .content_type = "" };
}
