/* SPDX-License-Identifier: Apache-2.0 */
#include "config/syntax.h"
#include "base/strings.h"
#include "config/dn.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define TEXT_MAX 4096

#define bad(err, ...) err_set(err, SYNTAX_E_BAD, 0, __VA_ARGS__)

int syntax_text(const char *text, ErrCtx *err) {
        size_t len = strlen(text);

        if (len > TEXT_MAX)
                return bad(err, "is longer than %d bytes", TEXT_MAX);
        if (!utf8_is_valid(text, len))
                return bad(err, "is not UTF-8; the file must be saved in this encoding");
        for (const unsigned char *p = (const unsigned char *) text; *p; p++)
                /* U+0080 to U+009F are control characters too. */
                if (*p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0))
                        return bad(err, "has a control character (\\x%02x) in it", *p == 0xc2 ? p[1] : *p);
        return 0;
}

int syntax_not_empty(const char *text, ErrCtx *err) {
        return *text ? 0 : bad(err, "is empty; leave the key out or give it a value");
}

/* host, host:port, [address]:port up to the end of `len` bytes. */
static int check_authority(const char *text, size_t len, bool needs_port, ErrCtx *err) {
        size_t host, after;
        char digits[6] = "";
        uint64_t port;

        if (len > 0 && text[0] == '[') {
                host = strspn(text + 1, "0123456789abcdefABCDEF:.%");
                if (host < 2 || host + 2 > len || text[1 + host] != ']')
                        return bad(err, "has no proper IPv6 address in brackets");
                after = host + 2;
        } else {
                host = after = strspn(text, LETTERS DIGITS ".-_");
                if (host == 0)
                        return bad(err, "has no host name or address where it should be");
        }
        if (after >= len)
                return needs_port ? bad(err, "has no port; write HOST:PORT") : 0;
        if (text[after] != ':')
                return bad(err, "has \"%c\" in the host name; letters, digits, '.' and '-' are allowed",
                           text[after]);
        if (len - after - 1 < sizeof(digits))
                memcpy(digits, text + after + 1, len - after - 1);
        if (parse_u64(digits, &port) < 0 || port < 1 || port > 65535)
                return bad(err, "has no proper port; 1 to 65535 are allowed");
        return 0;
}

int syntax_ldap_uri(const char *text, ErrCtx *err) {
        const char *rest = strstr(text, "://");
        size_t len;

        if (!str_starts_with(text, "ldap://") && !str_starts_with(text, "ldaps://") &&
            !str_starts_with(text, "ldapi://"))
                return bad(err,
                           "\"%.100s\" is not a directory's URI; "
                           "write ldaps://HOST, ldap://HOST or ldapi://PATH (with %%2F for /)",
                           text);
        rest += strlen("://");
        if (str_starts_with(text, "ldapi://")) {
                if (strspn(rest, LETTERS DIGITS "%.-_") != strlen(rest))
                        return bad(err,
                                   "\"%.100s\": write the socket's path with %%2F for each /, "
                                   "as in ldapi://%%2Frun%%2Fslapd%%2Fldapi",
                                   text);
                return 0;
        }
        len = strcspn(rest, "/?");
        if (rest[len] && !str_eq(rest + len, "/"))
                return bad(err,
                           "\"%.100s\" has more than a host and a port; "
                           "base, scope and filter have keys of their own under people",
                           text);
        return check_authority(rest, len, false, err);
}

static int check_url_path(const char *path, ErrCtx *err) {
        size_t ok = strspn(path, LETTERS DIGITS "-._~%!$&'()*+,;=:/");

        if (strchr("?#", path[ok]) && path[ok])
                return bad(err, "has a query or fragment (\"%c\"); scheme, host, port and path are allowed",
                           path[ok]);
        if (path[ok])
                return bad(err, "has \"%c\" in its path; write it %%-encoded", path[ok]);
        if (strstr(path, "/.."))
                return bad(err, "has \"..\" in its path");
        return 0;
}

int syntax_https_url(const char *text, ErrCtx *err) {
        const char *rest = text + strlen("https://");
        size_t len;
        int r;

        if (!str_starts_with(text, "https://"))
                return bad(err,
                           "\"%.100s\" doesn't begin with https://; "
                           "accounts and passwords are sent over TLS alone",
                           text);
        len = strcspn(rest, "/?#");
        if (memchr(rest, '@', len))
                return bad(err, "has a user in it; secrets belong in the credentials directory");
        r = check_authority(rest, len, false, err);
        return r != 0 ? r : check_url_path(rest + len, err);
}

int syntax_proxy(const char *text, ErrCtx *err) {
        static const char *const schemes[] = {"http://", "https://", "socks5://", "socks5h://"};
        const char *rest = NULL;
        size_t len;

        if (!*text)
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(schemes); i++)
                if (str_starts_with(text, schemes[i]))
                        rest = text + strlen(schemes[i]);
        if (!rest)
                return bad(err,
                           "\"%.100s\" is not a proxy's URL; "
                           "http://, https://, socks5:// or socks5h:// with HOST:PORT are allowed",
                           text);
        if (strchr(rest, '@'))
                return bad(err, "has a user in it; only proxies without a password are supported");
        len = strcspn(rest, "/");
        if (rest[len] && !str_eq(rest + len, "/"))
                return bad(err, "has a path; HOST:PORT are allowed");
        return check_authority(rest, len, true, err);
}

int syntax_listen(const char *text, ErrCtx *err) {
        return *text ? check_authority(text, strlen(text), true, err) : 0;
}

int syntax_dn(const char *text, ErrCtx *err) {
        return dn_normalise(text, NULL, err);
}

int syntax_bind_name(const char *text, ErrCtx *err) {
        size_t before = strcspn(text, "@\\=");

        if (text[before] != '@' && text[before] != '\\')
                return syntax_dn(text, err);
        if (before == 0 || !text[before + 1])
                return bad(err, "is no name to bind as: write a DN, or at Active Directory "
                                "\"name@example.com\" or \"DOMAIN\\\\name\"");
        return 0;
}

#define FILTER_DEPTH 32

static int bad_filter(ErrCtx *err, const char *why) {
        return bad(err, "is not a search filter: %s; write it like \"(&(objectClass=person)(mail=*))\"",
                   why);
}

/* item = attr filtertype assertionvalue, up to the closing parenthesis (RFC 4515 §3). */
static int check_filter_item(const char **p, ErrCtx *err) {
        const char *start = *p, *equals = NULL;

        for (; **p && **p != ')'; (*p)++) {
                if (**p == '(')
                        return bad_filter(err, "\"(\" inside a comparison (write \\28 for one in a value)");
                if (**p == '=' && !equals)
                        equals = *p;
                if (**p == '\\' && (!(*p)[1] || !(*p)[2] || strspn(*p + 1, DIGITS "abcdefABCDEF") < 2))
                        return bad_filter(err, "\"\\\" must be followed by two hex digits");
        }
        if (!equals)
                return bad_filter(err, "a comparison has no \"=\"");
        if (equals == start || strspn(start, LETTERS DIGITS "-.;:<>~_") < (size_t) (equals - start))
                return bad_filter(err, "a comparison doesn't begin with the name of an attribute");
        return 0;
}

static int check_filter_part(const char **p, unsigned depth, ErrCtx *err) {
        char kind;
        int r;

        if (**p != '(')
                return bad_filter(err, "\"(\" is missing");
        if (depth > FILTER_DEPTH)
                return bad_filter(err, "it is nested too deeply");
        kind = *++*p;
        if (kind && strchr("&|!", kind)) {
                (*p)++;
                if (kind == '!' && **p != '(')
                        return bad_filter(err, "\"!\" must be followed by \"(\"");
                while (**p == '(') {
                        r = check_filter_part(p, depth + 1, err);
                        if (r != 0)
                                return r;
                        if (kind == '!')
                                break;
                }
        } else {
                r = check_filter_item(p, err);
                if (r != 0)
                        return r;
        }
        if (**p != ')')
                return bad_filter(err, "\")\" is missing");
        (*p)++;
        return 0;
}

int syntax_filter(const char *text, ErrCtx *err) {
        int r = check_filter_part(&text, 0, err);

        if (r == 0 && *text)
                return bad_filter(err, "something follows the last \")\"");
        return r;
}

int syntax_attribute(const char *text, ErrCtx *err) {
        size_t ok = strspn(text, LETTERS DIGITS "-.;");

        if (!*text)
                return bad(err, "is empty; the name of an attribute is needed");
        if (text[ok] || !strchr(LETTERS DIGITS, text[0]))
                return err_set(err, SYNTAX_E_BAD, 0,
                               "\"%.100s\" is not an attribute's name; letters, digits and '-' are allowed",
                               text);
        return 0;
}

int syntax_attribute_or_none(const char *text, ErrCtx *err) {
        return *text ? syntax_attribute(text, err) : 0;
}

int syntax_path(const char *text, ErrCtx *err) {
        return *text == '/' ? 0 : bad(err, "\"%.100s\" is not an absolute path; begin it with /", text);
}

int syntax_path_or_none(const char *text, ErrCtx *err) {
        return *text ? syntax_path(text, err) : 0;
}

int syntax_credential(const char *text, ErrCtx *err) {
        if (!*text)
                return bad(err, "is empty; the name of a file in the credentials directory is needed");
        if (strchr(text, '/') || *text == '.')
                return bad(err,
                           "\"%.100s\" is a path; the bare name of a file in the credentials "
                           "directory is needed (LoadCredential=NAME:PATH in the unit)",
                           text);
        if (strlen(text) > 255)
                return bad(err, "is longer than 255 bytes");
        return 0;
}

int syntax_target_name(const char *text, ErrCtx *err) {
        size_t len = strlen(text);

        if (len == 0 || len > 32 || strspn(text, "abcdefghijklmnopqrstuvwxyz" DIGITS "-") != len ||
            *text == '-')
                return bad(err,
                           "\"%.100s\" is not a name for a target; "
                           "1 to 32 of a-z, 0-9 and '-' are allowed, '-' not as the first",
                           text);
        return 0;
}

static int check_address(const char *text, bool pattern, ErrCtx *err) {
        const char *at = strchr(text, '@');
        bool star = pattern && strchr(text, '*');

        if (strpbrk(text, " \t,;<>()"))
                return bad(err,
                           "\"%.100s\" has a character that no address has; "
                           "one bare address is needed, without name or brackets",
                           text);
        if (at && strchr(at + 1, '@'))
                return bad(err, "\"%.100s\" has more than one @", text);
        if (!star && (!at || at == text || !at[1]))
                return bad(err, "\"%.100s\" is not a mail address%s", text,
                           pattern ? "; an address or a pattern such as \"*@vendor.example\" is needed"
                                   : "");
        return 0;
}

int syntax_address(const char *text, ErrCtx *err) {
        return check_address(text, false, err);
}

int syntax_pattern(const char *text, ErrCtx *err) {
        return check_address(text, true, err);
}

int syntax_tenant(const char *text, ErrCtx *err) {
        size_t len = strlen(text);

        if (len > 0 && (text[0] == '/' || text[len - 1] == '/'))
                return bad(err, "\"%.100s\" has a slash at its end; write the bare path prefix", text);
        return check_url_path(text, err);
}
