/* SPDX-License-Identifier: Apache-2.0 */
/* Input: an address, a NUL, a pattern of `protect`. */
#include <stdlib.h>
#include <string.h>

#include "base/strings.h"
#include "fuzz.h"
#include "model/address.h"

static void check(int ok) {
        if (!ok)
                abort();
}

/* The key of a key is itself, and letters of either case have one key. */
static void check_key(const char *address, const char *key) {
        char again[ADDRESS_MAX + 1];
        char *upper = strdup(address);

        check(upper != NULL);
        check(utf8_is_valid(key, strlen(key)) && strlen(key) <= ADDRESS_MAX);
        check(address_key_buf(key, again, NULL) == 0);
        check(strcmp(key, again) == 0);
        for (char *c = upper; *c; c++)
                if (*c >= 'a' && *c <= 'z')
                        *c = *c - 'a' + 'A';
        check(address_key_buf(upper, again, NULL) == 0);
        check(strcmp(key, again) == 0);
        check(address_matches(address, key));
        check(address_matches("*", key));
        free(upper);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text = malloc(size + 2), *key = NULL, buf[ADDRESS_MAX + 1];
        const char *pattern;
        ErrCtx err = {};
        int r;

        check(text != NULL);
        if (size > 0)
                memcpy(text, data, size);
        text[size] = text[size + 1] = 0;
        pattern = strlen(text) < size ? text + strlen(text) + 1 : "";
        r = address_key_buf(text, buf, &err);
        check(address_key(text, &key) == r);
        check(r == 0 || r == ADDRESS_E_INVALID);
        check((r == 0) == (key != NULL));
        check(r == 0 || err.text[0]);
        if (r == 0 && !strchr(text, '*'))
                check_key(text, key);
        (void) address_matches(pattern, key);
        (void) address_matches(pattern, "login");
        free(key);
        free(text);
        return 0;
}
