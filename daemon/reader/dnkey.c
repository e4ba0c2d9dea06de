/* SPDX-License-Identifier: Apache-2.0 */
#include "reader/dnkey.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/siphash.h"
#include "base/strings.h"
#include "config/dn.h"

static char lower(char c) {
        return c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
}

static bool is_alpha(char c) {
        return lower(c) >= 'a' && lower(c) <= 'z';
}

static bool is_type(char c) {
        return is_alpha(c) || (c >= '0' && c <= '9') || c == '-';
}

/* Bytes that stand for themselves wherever they are in a value. */
static bool is_plain(char c) {
        return c > ' ' && c < 0x7f && !strchr("\"+,;<>\\#", c);
}

static bool is_plain_value(const char *p, size_t len) {
        if (len == 0 || p[0] == ' ' || p[len - 1] == ' ')
                return false;
        for (size_t i = 0; i < len; i++)
                if (!is_plain(p[i]) && (p[i] != ' ' || p[i + 1] == ' '))
                        return false;
        return true;
}

/* Nearly all names are of this kind: their normal form is themselves in lower case. */
static size_t fold_plain(const struct berval *dn, char *out) {
        const char *p = dn->bv_val, *end = p + dn->bv_len, *comma, *equals;

        if (dn->bv_len == 0)
                return 0;
        for (;; p = comma + 1) {
                comma = memchr(p, ',', (size_t) (end - p));
                if (!comma)
                        comma = end;
                equals = memchr(p, '=', (size_t) (comma - p));
                if (!equals || equals == p || !is_alpha(*p) ||
                    !is_plain_value(equals + 1, (size_t) (comma - equals - 1)))
                        return 0;
                for (const char *t = p; t < equals; t++)
                        if (!is_type(*t))
                                return 0;
                if (comma == end)
                        break;
        }
        for (size_t i = 0; i < dn->bv_len; i++)
                out[i] = lower(dn->bv_val[i]);
        out[dn->bv_len] = '\0';
        return dn->bv_len;
}

static size_t fold_bytes(const struct berval *dn, char *out) {
        static const char hex[] = "0123456789abcdef";
        bool utf8 = utf8_is_valid(dn->bv_val, dn->bv_len);
        size_t n = 0;

        for (size_t i = 0; i < dn->bv_len; i++) {
                unsigned char c = (unsigned char) dn->bv_val[i];

                if (n + 4 > DN_FOLD_MAX)
                        return 0;
                if (c < ' ' || c == 0x7f || (c >= 0x80 && !utf8)) {
                        out[n++] = '\\';
                        out[n++] = hex[c >> 4];
                        out[n++] = hex[c & 15];
                } else
                        out[n++] = lower((char) c);
        }
        out[n] = '\0';
        return n;
}

size_t dn_fold(const struct berval *dn, char out[static DN_FOLD_MAX]) {
        _cleanup_(freep) char *text = NULL, *normal = NULL;
        size_t len;

        if (dn->bv_len >= DN_FOLD_MAX)
                return 0;
        len = fold_plain(dn, out);
        if (len > 0)
                return len;
        if (!memchr(dn->bv_val, 0, dn->bv_len)) {
                text = strndup(dn->bv_val, dn->bv_len);
                if (text && dn_normalise(text, &normal, NULL) == 0 &&
                    utf8_is_valid(normal, strlen(normal))) {
                        len = strlen(normal);
                        if (len >= DN_FOLD_MAX)
                                return 0;
                        memcpy(out, normal, len + 1);
                        return len;
                }
        }
        return fold_bytes(dn, out);
}

struct berval dn_without_uid(const struct berval *value) {
        const char *p = value->bv_val;
        size_t n = value->bv_len;

        if (n < 4 || p[n - 1] != 'B' || p[n - 2] != '\'')
                return *value;
        for (n -= 2; n > 0 && (p[n - 1] == '0' || p[n - 1] == '1');)
                n--;
        if (n < 2 || p[n - 1] != '\'' || p[n - 2] != '#')
                return *value;
        return (struct berval){.bv_val = value->bv_val, .bv_len = n - 2};
}

/* The first comma that isn't escaped. */
static const char *rdn_end(const char *folded) {
        const char *p;

        for (p = folded; *p && *p != ','; p++)
                if (*p == '\\' && p[1])
                        p++;
        return p;
}

const char *dn_parent(const char *folded) {
        const char *end = rdn_end(folded);

        return *end ? end + 1 : end;
}

bool dn_rdn_value(const char *folded, const char *attribute, const char **ret, size_t *ret_len) {
        const char *end = rdn_end(folded), *equals = memchr(folded, '=', (size_t) (end - folded));
        size_t len = strlen(attribute);

        if (!equals || (size_t) (equals - folded) != len || strncasecmp(folded, attribute, len) != 0)
                return false;
        for (const char *p = equals + 1; p < end; p++)
                if (*p == '\\' || *p == '+')
                        return false;
        *ret = equals + 1;
        *ret_len = (size_t) (end - equals - 1);
        return true;
}

/* One for each kind. */
static const uint64_t *process_key(DnKeyKind kind) {
        static uint64_t keys[_DN_KEY_KIND_MAX][2];
        static bool made;

        /* Without randomness the keys are zero: then the table is merely not proof against malice. */
        if (!made && getrandom(keys, sizeof(keys), 0) == sizeof(keys))
                made = true;
        return keys[kind];
}

DnKey dn_key(DnKeyKind kind, const char *text, size_t len) {
        uint64_t hash[2];

        siphash128(process_key(kind), text, len, hash);
        return (DnKey){hash[0], (uint32_t) hash[1]};
}

DnKey dn_key_login(const struct berval *login) {
        char folded[256];
        size_t len = login->bv_len < sizeof(folded) ? login->bv_len : sizeof(folded);

        /* A longer login is no login of anybody. */
        for (size_t i = 0; i < len; i++)
                folded[i] = lower(login->bv_val[i]);
        return dn_key(DN_KEY_LOGIN, folded, len);
}
