/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 4514:
 *
 *   distinguishedName = [ relativeDistinguishedName *( COMMA relativeDistinguishedName ) ]
 *   relativeDistinguishedName = attributeTypeAndValue *( PLUS attributeTypeAndValue )
 *   attributeTypeAndValue = attributeType EQUALS attributeValue
 *   attributeType = descr / numericoid
 *   attributeValue = string / hexstring
 *   pair = ESC ( ESC / special / hexpair )
 *
 * White space around the separators is not in the grammar, but in everybody's files. */
#include <errno.h>
#include <unicase.h>
#include <uninorm.h>

#include "base/strings.h"
#include "config/dn.h"

#define DN_MAX 4096

typedef struct Parser {
        const char *p;
        ErrCtx *err;
} Parser;

#define bad(in, ...) err_set((in)->err, DN_E_INVALID, 0, "is not a distinguished name: " __VA_ARGS__)

static bool is_blank(char c) {
        return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

static char lower(char c) {
        return c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
}

static bool is_alpha(char c) {
        return lower(c) >= 'a' && lower(c) <= 'z';
}

static int hex_value(char c) {
        c = lower(c);
        if (is_digit(c))
                return c - '0';
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void skip_blanks(Parser *in) {
        while (is_blank(*in->p))
                in->p++;
}

static int parse_type(Parser *in, StrBuf *out) {
        const char *start = in->p;
        bool oid = is_digit(*in->p);
        int len;

        while (is_digit(*in->p) || (oid ? *in->p == '.' : is_alpha(*in->p) || *in->p == '-'))
                strbuf_putc(out, lower(*in->p++));
        if (in->p == start || (!oid && !is_alpha(*start)) || in->p[-1] == '.')
                return bad(in,
                           "an attribute's name is missing before \"%.20s\"; "
                           "write it like \"cn=people,dc=example,dc=com\"",
                           start);
        len = (int) (in->p - start);
        skip_blanks(in);
        if (*in->p != '=')
                return bad(in,
                           "\"=\" is missing after \"%.*s\"; "
                           "write it like \"cn=people,dc=example,dc=com\"",
                           len, start);
        in->p++;
        strbuf_putc(out, '=');
        return 0;
}

static int parse_hexstring(Parser *in, StrBuf *out) {
        size_t n = 0;

        strbuf_putc(out, *in->p++);
        for (; hex_value(*in->p) >= 0; n++)
                strbuf_putc(out, lower(*in->p++));
        if (n == 0 || n % 2)
                return bad(in, "\"#\" must be followed by pairs of hex digits");
        return 0;
}

/* One escaped character, *in->p being the backslash. */
static int parse_escape(Parser *in, StrBuf *value) {
        int high, low;

        in->p++;
        if (*in->p && strchr(" \"#+,;<=>\\", *in->p)) {
                strbuf_putc(value, *in->p++);
                return 0;
        }
        high = hex_value(in->p[0]);
        low = high < 0 ? -1 : hex_value(in->p[1]);
        if (low < 0 || (high == 0 && low == 0))
                return bad(in, "\"\\\" must be followed by a special character or two hex digits");
        strbuf_putc(value, (char) (high * 16 + low));
        in->p += 2;
        return 0;
}

/* Folds the value where it stands, and squeezes white space. */
static int fold_value(StrBuf *value) {
        size_t len = 0, n = 0;
        char *folded;

        if (utf8_is_valid(value->data, value->len)) {
                folded = (char *) u8_casefold((const uint8_t *) value->data, value->len, NULL, UNINORM_NFC,
                                              NULL, &len);
                if (!folded)
                        return -ENOMEM;
                strbuf_reset(value);
                strbuf_append(value, folded, len);
                free(folded);
        }
        if (value->error)
                return value->error;
        for (size_t i = 0; i < value->len; i++) {
                bool blank = is_blank(value->data[i]);

                if (blank && (n == 0 || value->data[n - 1] == ' '))
                        continue;
                value->data[n++] = blank ? ' ' : lower(value->data[i]);
        }
        if (n > 0 && value->data[n - 1] == ' ')
                n--;
        value->len = n;
        value->data[n] = 0;
        return 0;
}

static void escape_value(const StrBuf *value, StrBuf *out) {
        for (size_t i = 0; i < value->len; i++) {
                char c = value->data[i];

                if (strchr("\"+,;<>\\", c) || (c == '#' && i == 0))
                        strbuf_putc(out, '\\');
                if ((unsigned char) c < 0x20 || c == 0x7f)
                        strbuf_printf(out, "\\%02x", (unsigned) c);
                else
                        strbuf_putc(out, c);
        }
        if (value->len == 0)
                strbuf_puts(out, "\\20");
}

static int parse_string(Parser *in, StrBuf *out) {
        __attribute__((cleanup(strbuf_deinit))) StrBuf value = STRBUF_INIT(DN_MAX * 4);
        int r;

        while (*in->p && *in->p != ',' && *in->p != '+') {
                if (*in->p == '\\') {
                        r = parse_escape(in, &value);
                        if (r != 0)
                                return r;
                        continue;
                }
                if (strchr("\";<>", *in->p))
                        return bad(in, "%c must be written \\%c in a value", *in->p, *in->p);
                strbuf_putc(&value, *in->p++);
        }
        if (value.len == 0)
                return bad(in, "a value is missing after \"=\"");
        r = fold_value(&value);
        if (r == 0)
                escape_value(&value, out);
        return r;
}

static int parse_pair(Parser *in, char **ret) {
        __attribute__((cleanup(strbuf_deinit))) StrBuf out = STRBUF_INIT(DN_MAX * 8);
        int r;

        skip_blanks(in);
        r = parse_type(in, &out);
        if (r != 0)
                return r;
        skip_blanks(in);
        r = *in->p == '#' ? parse_hexstring(in, &out) : parse_string(in, &out);
        if (r != 0)
                return r;
        skip_blanks(in);
        if (*in->p && *in->p != ',' && *in->p != '+')
                return bad(in, "\"%.20s\" stands where \",\" should be", in->p);
        *ret = strbuf_take(&out);
        return *ret ? 0 : out.error;
}

static int compare_pairs(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

#define RDN_MAX 16

static int parse_rdn(Parser *in, StrBuf *out) {
        char *pairs[RDN_MAX];
        size_t n = 0;
        int r;

        for (;;) {
                if (n == RDN_MAX) {
                        r = err_set(in->err, DN_E_INVALID, 0, "has more than %d parts in one RDN", RDN_MAX);
                        break;
                }
                r = parse_pair(in, &pairs[n]);
                if (r != 0)
                        break;
                n++;
                if (*in->p != '+')
                        break;
                in->p++;
        }
        if (r == 0)
                qsort(pairs, n, sizeof(pairs[0]), compare_pairs);
        for (size_t i = 0; i < n; i++) {
                strbuf_puts(out, i > 0 ? "+" : "");
                strbuf_puts(out, pairs[i]);
                free(pairs[i]);
        }
        return r;
}

int dn_normalise(const char *dn, char **ret, ErrCtx *err) {
        __attribute__((cleanup(strbuf_deinit))) StrBuf out = STRBUF_INIT(DN_MAX * 8);
        Parser in = {.p = dn, .err = err};
        char *text;
        int r;

        if (strlen(dn) > DN_MAX)
                return err_set(err, DN_E_INVALID, 0, "is longer than %d bytes", DN_MAX);
        skip_blanks(&in);
        if (!*in.p)
                return err_set(err, DN_E_INVALID, 0,
                               "is empty; write a name like \"cn=people,dc=example,dc=com\"");
        for (;;) {
                r = parse_rdn(&in, &out);
                if (r != 0)
                        return r;
                if (!*in.p)
                        break;
                in.p++;
                strbuf_putc(&out, ',');
        }
        text = strbuf_take(&out);
        if (!text)
                return out.error;
        if (ret)
                *ret = TAKE(text);
        free(text);
        return 0;
}
