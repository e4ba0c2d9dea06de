/* SPDX-License-Identifier: Apache-2.0 */
/* Nearly all addresses are plain ASCII, and a cycle makes a key of every one: those take a path of their
 * own, without libraries. */
#include <errno.h>
#include <idn2.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "model/address.h"

#define LABEL_MAX 63
#define DOMAIN_MAX 253

static char lower(char c) {
        return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

/* A label with this prefix is for IDNA to look at (RFC 5890 §2.3.2.1). */
static bool is_alabel(const char *text) {
        return lower(text[0]) == 'x' && lower(text[1]) == 'n' && text[2] == '-' && text[3] == '-';
}

static bool is_space(char c) {
        return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Letters, digits and inner hyphens, in labels of 1 to 63 (RFC 5321 §4.1.2, RFC 1035 §2.3.4). */
static bool domain_is_valid(const char *domain) {
        size_t label = 0, len = 0;

        for (; domain[len]; len++) {
                char c = domain[len];

                if (c == '.') {
                        if (label == 0 || domain[len - 1] == '-')
                                return false;
                        label = 0;
                        continue;
                }
                if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '-' && label > 0)))
                        return false;
                if (++label > LABEL_MAX)
                        return false;
        }
        return label > 0 && domain[len - 1] != '-' && len <= DOMAIN_MAX;
}

static int invalid_domain(ErrCtx *err) {
        return err_set(err, ADDRESS_E_INVALID, 0, "its domain isn't a host name");
}

static int check_at(const char *address, size_t len, const char **ret_at, ErrCtx *err) {
        const char *at = memchr(address, '@', len);

        if (!at)
                return err_set(err, ADDRESS_E_INVALID, 0, "it has no '@'");
        if (memchr(at + 1, '@', len - (size_t) (at + 1 - address)))
                return err_set(err, ADDRESS_E_INVALID, 0, "it has several '@'");
        if (at == address)
                return err_set(err, ADDRESS_E_INVALID, 0, "nothing stands before its '@'");
        if (at + 1 == address + len)
                return err_set(err, ADDRESS_E_INVALID, 0, "nothing stands after its '@'");
        *ret_at = at;
        return 0;
}

static int key_ascii(const char *address, size_t len, char ret[static ADDRESS_MAX + 1], ErrCtx *err) {
        const char *at;
        int r;

        for (size_t i = 0; i < len; i++) {
                if (address[i] <= ' ' || address[i] == 0x7f)
                        return err_set(err, ADDRESS_E_INVALID, 0,
                                       "it holds white space or a control character");
                ret[i] = lower(address[i]);
        }
        ret[len] = 0;
        r = check_at(ret, len, &at, err);
        if (r != 0)
                return r;
        return domain_is_valid(at + 1) ? 0 : invalid_domain(err);
}

/* White space, control, format (invisible) and separator characters. */
static bool is_unwanted(ucs4_t c) {
        return uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Cc | UC_CATEGORY_MASK_Cf |
                                                           UC_CATEGORY_MASK_Z) ||
               uc_is_property_white_space(c);
}

/* Trims, and refuses what must not stand inside. */
static int trim_unicode(const char **address, size_t *len, ErrCtx *err) {
        const uint8_t *start = (const uint8_t *) *address, *end = start + *len, *p;
        ucs4_t c;

        while (start < end && (p = u8_next(&c, start)) && uc_is_property_white_space(c))
                start = p;
        while (end > start && (p = u8_prev(&c, end, start)) && uc_is_property_white_space(c))
                end = p;
        for (p = start; p < end;) {
                p = u8_next(&c, p);
                if (is_unwanted(c))
                        return err_set(err, ADDRESS_E_INVALID, 0,
                                       "it holds white space, a control or an invisible character (U+%04X)",
                                       (unsigned) c);
        }
        *address = (const char *) start;
        *len = (size_t) (end - start);
        return 0;
}

/* NFC and full case folding; allocated, with its length. NULL: out of memory. */
static uint8_t *fold(const char *text, size_t len, size_t *ret_len) {
        _cleanup_(freep) uint8_t *nfc = NULL;
        size_t nfc_len;

        nfc = u8_normalize(UNINORM_NFC, (const uint8_t *) text, len, NULL, &nfc_len);
        if (!nfc)
                return NULL;
        return u8_casefold(nfc, nfc_len, NULL, UNINORM_NFC, NULL, ret_len);
}

static bool is_ascii(const char *text) {
        while (*text && (uint8_t) *text < 0x80)
                text++;
        return !*text;
}

char *login_key(const char *login) {
        size_t len;
        char *key;

        if (!is_ascii(login) && utf8_is_valid(login, strlen(login)))
                return (char *) fold(login, strlen(login) + 1, &len);
        key = strdup(login);
        for (char *c = key; c && *c; c++)
                if (*c >= 'A' && *c <= 'Z')
                        *c = (char) (*c - 'A' + 'a');
        return key;
}

bool login_equal(const char *a, const char *b) {
        _cleanup_(freep) char *ka = NULL, *kb = NULL;
        bool same = strcasecmp(a, b) == 0;

        if (same || (is_ascii(a) && is_ascii(b)))
                return same;
        ka = login_key(a);
        kb = login_key(b);
        return !ka || !kb || str_eq(ka, kb);
}

static int key_domain(const char *domain, size_t len, char *ret, size_t size, ErrCtx *err) {
        _cleanup_(freep) uint8_t *ascii = NULL;
        _cleanup_(freep) char *copy = strndup(domain, len);
        size_t ascii_len;
        int r;

        if (!copy)
                return -ENOMEM;
        /* Without IDN2_USE_STD3_ASCII_RULES: libidn2 2.3 then drops what the rules forbid ("b_c" becomes
         * "bc") instead of refusing it. */
        r = idn2_lookup_u8((const uint8_t *) copy, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
        if (r == IDN2_MALLOC)
                return -ENOMEM;
        if (r != IDN2_OK)
                return err_set(err, ADDRESS_E_INVALID, r, "its domain can't be used: %s", idn2_strerror(r));
        if (!domain_is_valid((const char *) ascii))
                return invalid_domain(err);
        ascii_len = strlen((const char *) ascii);
        if (ascii_len >= size)
                return err_set(err, ADDRESS_E_INVALID, 0, "it is longer than %d bytes", ADDRESS_MAX);
        memcpy(ret, ascii, ascii_len + 1);
        return 0;
}

static int key_unicode(const char *address, size_t len, char ret[static ADDRESS_MAX + 1], ErrCtx *err) {
        _cleanup_(freep) uint8_t *local = NULL;
        size_t local_len;
        const char *at;
        int r;

        if (!utf8_is_valid(address, len))
                return err_set(err, ADDRESS_E_INVALID, 0, "it isn't UTF-8");
        r = trim_unicode(&address, &len, err);
        if (r != 0)
                return r;
        r = check_at(address, len, &at, err);
        if (r != 0)
                return r;
        local = fold(address, (size_t) (at - address), &local_len);
        if (!local)
                return -ENOMEM;
        if (local_len + 1 >= ADDRESS_MAX)
                return err_set(err, ADDRESS_E_INVALID, 0, "it is longer than %d bytes", ADDRESS_MAX);
        memcpy(ret, local, local_len);
        ret[local_len] = '@';
        return key_domain(at + 1, len - (size_t) (at + 1 - address), ret + local_len + 1,
                          ADDRESS_MAX - local_len, err);
}

int address_key_buf(const char *address, char ret[static ADDRESS_MAX + 1], ErrCtx *err) {
        bool plain = true;
        size_t len;

        while (is_space(*address))
                address++;
        len = strnlen(address, ADDRESS_MAX + 1);
        if (len > ADDRESS_MAX &&
            strspn(address + ADDRESS_MAX, " \t\r\n\v\f") < strlen(address + ADDRESS_MAX))
                return err_set(err, ADDRESS_E_INVALID, 0, "it is longer than %d bytes", ADDRESS_MAX);
        while (len > 0 && is_space(address[len - 1]))
                len--;
        if (len == 0)
                return err_set(err, ADDRESS_E_INVALID, 0, "it is empty");
        for (size_t i = 0; i < len && plain; i++)
                plain = (uint8_t) address[i] < 0x80 && !is_alabel(address + i);
        return plain ? key_ascii(address, len, ret, err) : key_unicode(address, len, ret, err);
}

int address_key(const char *address, char **ret) {
        char key[ADDRESS_MAX + 1];
        int r;

        r = address_key_buf(address, key, NULL);
        if (r != 0)
                return r;
        *ret = strdup(key);
        return *ret ? 0 : -ENOMEM;
}

static bool glob(const char *pattern, const char *text) {
        const char *star = NULL, *retry = NULL;

        while (*text) {
                if (*pattern == '*') {
                        star = ++pattern;
                        retry = text;
                } else if (lower(*pattern) == lower(*text)) {
                        pattern++;
                        text++;
                } else if (star) {
                        pattern = star;
                        text = ++retry;
                } else
                        return false;
        }
        while (*pattern == '*')
                pattern++;
        return *pattern == 0;
}

/* The key with its domain in letters, folded like the pattern that it is held against. NULL: out of
 * memory, or no such form. */
static char *key_in_letters(const char *key) {
        _cleanup_(freep) char *letters = NULL;
        const char *at = strrchr(key, '@');
        _cleanup_(strbuf_deinit) StrBuf b = STRBUF_INIT(4 * ADDRESS_MAX);
        uint8_t *folded;
        size_t len;

        if (!at || idn2_to_unicode_8z8z(at + 1, &letters, 0) != IDN2_OK)
                return NULL;
        strbuf_append(&b, key, (size_t) (at + 1 - key));
        strbuf_puts(&b, letters);
        if (b.error < 0)
                return NULL;
        folded = fold(b.data, b.len + 1, &len);
        return (char *) folded;
}

bool address_matches(const char *pattern, const char *key) {
        _cleanup_(freep) char *folded = NULL, *letters = NULL;
        char exact[ADDRESS_MAX + 1];
        bool plain = true;
        size_t len;

        if (!key)
                return false;
        if (!strchr(pattern, '*')) {
                int r = address_key_buf(pattern, exact, NULL);

                if (r < 0)
                        return true;
                if (r == 0)
                        return strcmp(exact, key) == 0;
        }
        for (const char *p = pattern; *p && plain; p++)
                plain = (uint8_t) *p < 0x80;
        if (plain)
                return glob(pattern, key);
        folded = (char *) fold(pattern, strlen(pattern) + 1, &len);
        if (!folded)
                return errno == ENOMEM;
        if (glob(folded, key))
                return true;
        letters = key_in_letters(key);
        return letters && glob(folded, letters);
}
