/* SPDX-License-Identifier: Apache-2.0 */
#include <strings.h>

#include "check/check-command.h"

#define COMMAND_MAX ((size_t) 64 << 10)
#define SAFE "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@_"

void check_command_quote(StrBuf *out, const char *word) {
        if (*word && word[strspn(word, SAFE)] == '\0') {
                strbuf_puts(out, word);
                return;
        }
        strbuf_putc(out, '\'');
        for (; *word; word++)
                if (*word == '\'')
                        strbuf_puts(out, "'\\''");
                else
                        strbuf_putc(out, *word);
        strbuf_putc(out, '\'');
}

static void put_option(StrBuf *out, const char *option, const char *value) {
        strbuf_putc(out, ' ');
        strbuf_puts(out, option);
        strbuf_putc(out, ' ');
        check_command_quote(out, value);
}

static void put_bind(StrBuf *out, const DirectoryConfig *d) {
        switch (d->bind.method) {
        case BIND_SIMPLE:
                strbuf_puts(out, " -x");
                put_option(out, "-D", d->bind.dn);
                strbuf_puts(out, " -W");
                break;
        case BIND_EXTERNAL:
                strbuf_puts(out, " -Y EXTERNAL");
                break;
        case BIND_GSSAPI:
                strbuf_puts(out, " -Y GSSAPI");
                break;
        default:
                strbuf_puts(out, " -x");
        }
}

/* What comes before the search: the server, and how to get in. */
static void put_head(StrBuf *out, const DirectoryConfig *d, const char *uri) {
        strbuf_puts(out, "LDAPTLS_CACERT=");
        check_command_quote(out, d->ca_file);
        strbuf_puts(out, " LDAPTLS_REQCERT=demand ldapsearch -LLL -o ldif-wrap=no");
        put_option(out, "-H", uri);
        if (d->starttls)
                strbuf_puts(out, " -ZZ");
        put_bind(out, d);
}

/* Each attribute once, in the order of the keys. */
static void put_attributes(StrBuf *out, const DirectoryConfig *d) {
        const char *const names[] = {
                d->attributes.id, d->attributes.login, d->attributes.email, d->attributes.first_name,
                d->attributes.last_name, d->attributes.timezone, d->attributes.employee_number,
                d->disabled.attribute, d->password_reset.attribute,
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                bool again = str_empty(names[i]);

                for (size_t k = 0; k < i && !again; k++)
                        again = names[k] && strcasecmp(names[i], names[k]) == 0;
                if (again)
                        continue;
                strbuf_putc(out, ' ');
                check_command_quote(out, names[i]);
        }
}

char *check_command_people(const DirectoryConfig *d, const char *uri) {
        _cleanup_(strbuf_deinit) StrBuf out = STRBUF_INIT(COMMAND_MAX);

        put_head(&out, d, uri);
        put_option(&out, "-b", d->people.base);
        put_option(&out, "-s", search_scope_to_string(d->people.scope));
        if (d->page_size > 0)
                strbuf_printf(&out, " -E pr=%u/noprompt", d->page_size);
        strbuf_putc(&out, ' ');
        check_command_quote(&out, d->people.filter);
        put_attributes(&out, d);
        return strbuf_take(&out);
}

char *check_command_group(const DirectoryConfig *d, const char *uri, const char *dn) {
        _cleanup_(strbuf_deinit) StrBuf out = STRBUF_INIT(COMMAND_MAX);

        put_head(&out, d, uri);
        put_option(&out, "-b", dn);
        strbuf_puts(&out, " -s base '(objectClass=*)' member uniqueMember memberUid");
        return strbuf_take(&out);
}
