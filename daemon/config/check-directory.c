/* SPDX-License-Identifier: Apache-2.0 */
/* What the keys of the directory say about each other. */
#include <errno.h>

#include "base/strings.h"
#include "config/load.h"

#define METHOD(m) (1u << BIND_##m)

/* Which key of bind belongs to which method; certificates are a matter of the URIs too. */
static const struct {
        const char *name;
        unsigned methods;
        bool required;
} bind_keys[] = {
                {"directory.bind.dn", METHOD(SIMPLE), true},
                {"directory.bind.password_credential", METHOD(SIMPLE), true},
                {"directory.bind.keytab_credential", METHOD(GSSAPI), true},
                {"directory.bind.certificate_credential", METHOD(EXTERNAL), false},
                {"directory.bind.key_credential", METHOD(EXTERNAL), false},
};

static int parse_mask(const char *text, uint64_t *ret) {
        uint64_t value = 0;

        if (!str_starts_with(text, "0x") && !str_starts_with(text, "0X"))
                return parse_u64(text, ret);
        text += 2;
        if (!*text || strlen(text) > 16)
                return -EINVAL;
        for (; *text; text++) {
                const char *digits = "0123456789abcdef",
                           *digit = strchr(digits, *text | (*text >= 'A' ? 0x20 : 0));

                if (!digit)
                        return -EINVAL;
                value = value * 16 + (uint64_t) (digit - digits);
        }
        *ret = value;
        return 0;
}

int disabled_when_parse(const char *text, DisabledWhen *ret_when, char **ret_value, uint64_t *ret_mask,
                        ErrCtx *err) {
        if (str_eq(text, "present") || str_eq(text, "true")) {
                *ret_when = str_eq(text, "true") ? DISABLED_TRUE : DISABLED_PRESENT;
                return 0;
        }
        if (str_starts_with(text, "value:") && text[strlen("value:")]) {
                *ret_when = DISABLED_VALUE;
                *ret_value = strdup(text + strlen("value:"));
                return *ret_value ? 0 : -ENOMEM;
        }
        if (str_starts_with(text, "mask:") && parse_mask(text + strlen("mask:"), ret_mask) == 0 &&
            *ret_mask > 0) {
                *ret_when = DISABLED_MASK;
                return 0;
        }
        return err_set(err, SYNTAX_E_BAD, 0,
                       "\"%.100s\" is not allowed, must be \"present\", \"true\", \"value:V\" "
                       "or \"mask:N\" (N like 0x2)",
                       text);
}

static void load_disabled(Load *l, const View *root) {
        const config_setting_t *s = view_setting(root, "directory.disabled.when");
        DirectoryConfig *d = &l->config->directory;
        const char *text = s ? config_setting_get_string(s) : NULL;
        int r;

        d->disabled.when = DISABLED_PRESENT;
        if (!text)
                return;
        r = disabled_when_parse(text, &d->disabled.when, &d->disabled.value, &d->disabled.mask, NULL);
        if (r < 0)
                load_error(l, r);
        if (r == 0 && str_empty(d->disabled.attribute) && d->disabled.when != DISABLED_PRESENT &&
            !view_is_bad(root, "directory.disabled.attribute"))
                view_problem(l, root, "directory.disabled.when",
                             "has no effect: directory.disabled.attribute names no attribute");
}

static void check_bind_keys(Load *l, const View *root, BindMethod method) {
        for (size_t i = 0; i < ELEMENTSOF(bind_keys); i++) {
                const char *name = bind_keys[i].name;
                bool fits = bind_keys[i].methods & 1u << method;

                if (fits && bind_keys[i].required && !view_setting(root, name))
                        view_missing(l, root, name);
                else if (!fits && view_setting(root, name) && !view_is_bad(root, name))
                        view_problem(l, root, name,
                                     "has no meaning with method = \"%s\"; remove it, or change the method",
                                     bind_method_to_string(method));
        }
}

static bool is_plain(const DirectoryConfig *d, const char *uri) {
        return !d->starttls && str_starts_with(uri, "ldap://");
}

/* The certificate and its key belong together, and are needed where TLS is what proves who we are. */
static void check_certificate(Load *l, const View *root) {
        bool certificate = view_setting(root, "directory.bind.certificate_credential");
        bool key = view_setting(root, "directory.bind.key_credential");
        const DirectoryConfig *d = &l->config->directory;

        if (certificate != key)
                view_missing(l, root,
                             certificate ? "directory.bind.key_credential"
                                         : "directory.bind.certificate_credential");
        for (size_t i = 0; i < d->n_uris && !certificate && !key; i++) {
                if (str_starts_with(d->uris[i], "ldapi://") || is_plain(d, d->uris[i]))
                        continue;
                view_problem(l, root, "directory.bind.method",
                             "\"external\" over TLS needs a client certificate: "
                             "set certificate_credential and key_credential, or use ldapi://");
                return;
        }
}

static void check_uri(Load *l, const View *root, unsigned index, const char *uri) {
        const DirectoryConfig *d = &l->config->directory;

        if (d->starttls && str_starts_with(uri, "ldaps://"))
                view_problem_at(l, root, "directory.uris", index,
                                "ldaps:// is TLS already and doesn't go with starttls = true; "
                                "write ldap://, or starttls = false");
        if (!is_plain(d, uri))
                return;
        if (d->bind.method == BIND_SIMPLE && !d->insecure)
                view_problem_at(l, root, "directory.uris", index,
                                "a simple bind over plain ldap:// would show the password to "
                                "the network; use ldaps:// or starttls = true, or set insecure = true");
        if (d->bind.method == BIND_EXTERNAL)
                view_problem_at(l, root, "directory.uris", index,
                                "method = \"external\" needs ldapi://, or TLS with a client "
                                "certificate: use ldaps:// or starttls = true");
}

static void check_connection(Load *l, const View *root) {
        const config_setting_t *uris = view_setting(root, "directory.uris");
        int n = uris && config_setting_is_aggregate(uris) ? config_setting_length(uris) : -1;

        if (n == 0)
                view_problem(l, root, "directory.uris", "is empty; one server at least is needed");
        if (view_is_bad(root, "directory.starttls") || view_is_bad(root, "directory.insecure"))
                return;
        for (int i = 0; i < n; i++) {
                const char *uri = config_setting_get_string_elem(uris, i);

                if (uri)
                        check_uri(l, root, (unsigned) i, uri);
        }
        if (l->config->directory.bind.method == BIND_EXTERNAL)
                check_certificate(l, root);
}

void directory_load(Load *l, const View *root) {
        load_disabled(l, root);
        if (view_is_bad(root, "directory.bind.method"))
                return;
        check_bind_keys(l, root, l->config->directory.bind.method);
        check_connection(l, root);
}
