/* SPDX-License-Identifier: Apache-2.0 */
/* The order matters: our own non-blocking connect, ldap_init_fd(), every option, TLS, and only then the
 * bind. A server that stalls in its handshake makes libldap wait for ever otherwise. */
#include <errno.h>
#include <openldap.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/strings.h"
#include "reader/connection-internal.h"
#include "reader/socket.h"
#include "reader/tls.h"

#define CONNECT_MAX (10 * USEC_PER_SEC) /* so that the next server has its turn soon */
#define WAIT_SLICE USEC_PER_SEC
#define READ_AHEAD 32768
#define MESSAGE_MAX ((ber_len_t) 256 << 20) /* a group of some million members */
#define LDAPI_DEFAULT "/var/run/slapd/ldapi"
#define PAGED_RESULTS "1.2.840.113556.1.4.319"

DEFINE_CLEANUP(LDAPMessage *, ldap_msgfree);

static void memfreep(char **p) {
        ldap_memfree(*p);
}

usec_t connection_now(void) {
        struct timespec ts = {0};

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (usec_t) ts.tv_sec * USEC_PER_SEC + (usec_t) ts.tv_nsec / 1000;
}

static struct timeval timeval_of(usec_t span) {
        return (struct timeval){.tv_sec = (time_t) (span / USEC_PER_SEC),
                                .tv_usec = (suseconds_t) (span % USEC_PER_SEC)};
}

usec_t connection_timeout(const Connection *c) {
        return c->directory->timeout < CONNECT_MAX ? c->directory->timeout : CONNECT_MAX;
}

/* The diagnostic message of the last call that failed here; owned by the caller (ldap_memfree), may be
 * NULL. */
static char *diagnostic_of(const Connection *c) {
        char *text = NULL;

        (void) ldap_get_option(c->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &text);
        if (text && !*text) {
                ldap_memfree(text);
                text = NULL;
        }
        return text;
}

int connection_fail(const Connection *c, ErrCtx *err, int rc, const char *diagnostic, const char *way_out,
                    const char *what, ...) {
        __attribute__((cleanup(strbuf_deinit))) StrBuf text = STRBUF_INIT(sizeof(err->text) * 2);
        size_t said = diagnostic ? strlen(diagnostic) : 0;
        char subject[256];
        va_list args;

        while (said > 0 && (unsigned char) diagnostic[said - 1] <= ' ')
                said--;
        va_start(args, what);
        (void) vsnprintf(subject, sizeof(subject), what, args);
        va_end(args);
        strbuf_printf(&text, "%s: %s: %s (%d", c->uri, subject, ldap_err2string(rc), rc);
        if (said > 0)
                strbuf_printf(&text, "; %.*s", (int) (said < 200 ? said : 200), diagnostic);
        strbuf_putc(&text, ')');
        if (way_out)
                strbuf_printf(&text, ": %s", way_out);
        return err_set(err, CONNECTION_E_FAILED, rc, "%s", text.data ? text.data : what);
}

/* The same with what libldap knows about its last call. */
int connection_fail_last(const Connection *c, ErrCtx *err, int rc, const char *way_out, const char *what) {
        _cleanup_(memfreep) char *diagnostic = diagnostic_of(c);

        return connection_fail(c, err, rc, diagnostic, way_out, "%s", what);
}

static bool is_gone(const Connection *c) {
        struct pollfd p = {.fd = c->watch_fd};

        return c->watch_fd >= 0 && poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLERR);
}

int connection_wait(Connection *c, int msgid, LDAPMessage **ret, ErrCtx *err) {
        usec_t deadline = usec_add(connection_now(), c->directory->timeout), now, left;
        char span[USEC_FORMAT_MAX], what[128];
        struct timeval tv;
        int r, rc;

        for (;;) {
                now = connection_now();
                left = usec_sub(deadline, now);
                tv = timeval_of(left < WAIT_SLICE ? left : WAIT_SLICE);
                r = ldap_result(c->ld, msgid, LDAP_MSG_ONE, &tv, ret);
                if (r > 0)
                        return 0;
                if (r < 0) {
                        rc = LDAP_OTHER;
                        (void) ldap_get_option(c->ld, LDAP_OPT_RESULT_CODE, &rc);
                        return connection_fail_last(c, err, rc, NULL,
                                                    rc == LDAP_SERVER_DOWN
                                                                    ? "the connection was lost"
                                                                    : "an answer can't be understood");
                }
                if (is_gone(c))
                        return -EPIPE;
                if (now >= deadline) {
                        (void) snprintf(what, sizeof(what), "no answer within %s",
                                        usec_format(c->directory->timeout, span));
                        return connection_fail(c, err, LDAP_TIMEOUT, NULL,
                                               "the server is overloaded or directory.timeout too short",
                                               "%s", what);
                }
        }
}

/* Waits for the one result of an operation without entries, and takes it apart. */
int connection_wait_result(Connection *c, int msgid, int *ret_rc, char **ret_diagnostic, ErrCtx *err) {
        _cleanup_(ldap_msgfreep) LDAPMessage *message = NULL;
        int r;

        r = connection_wait(c, msgid, &message, err);
        if (r != 0)
                return r;
        r = ldap_parse_result(c->ld, message, ret_rc, NULL, ret_diagnostic, NULL, NULL, 0);
        if (r != LDAP_SUCCESS)
                return connection_fail_last(c, err, r, NULL, "an answer can't be understood");
        return 0;
}

const char *connection_host(const Connection *c) {
        return str_empty(c->url->lud_host) ? "localhost" : c->url->lud_host;
}

static int open_socket(const Connection *c, ErrCtx *err, int *ret) {
        const LDAPURLDesc *url = c->url;
        usec_t timeout = connection_timeout(c);
        ErrCtx why = {0};
        int r;

        if (str_eq(url->lud_scheme, "ldapi"))
                r = socket_connect_unix(str_empty(url->lud_host) ? LDAPI_DEFAULT : url->lud_host, timeout,
                                        &why, ret);
        else
                r = socket_connect_tcp(connection_host(c), (uint16_t) url->lud_port, timeout, &why, ret);
        if (r == SOCKET_E_FAILED)
                return err_set(err, CONNECTION_E_FAILED, LDAP_SERVER_DOWN, "%s: %s", c->uri, why.text);
        return r;
}

/* Every option that ldap.conf or a default could set to something else. */
static int set_options(Connection *c) {
        struct timeval tv = timeval_of(connection_timeout(c));
        int version = LDAP_VERSION3, none = 0, deref = LDAP_DEREF_NEVER, ahead = READ_AHEAD;
        ber_len_t max = MESSAGE_MAX;
        Sockbuf *sb = NULL;

        if (ldap_set_option(c->ld, LDAP_OPT_PROTOCOL_VERSION, &version) != LDAP_OPT_SUCCESS ||
            ldap_set_option(c->ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) != LDAP_OPT_SUCCESS ||
            ldap_set_option(c->ld, LDAP_OPT_DEREF, &deref) != LDAP_OPT_SUCCESS ||
            ldap_set_option(c->ld, LDAP_OPT_SIZELIMIT, &none) != LDAP_OPT_SUCCESS ||
            ldap_set_option(c->ld, LDAP_OPT_TIMELIMIT, &none) != LDAP_OPT_SUCCESS ||
            ldap_set_option(c->ld, LDAP_OPT_RESTART, LDAP_OPT_ON) != LDAP_OPT_SUCCESS ||
            ldap_set_option(c->ld, LDAP_OPT_CONNECT_ASYNC, LDAP_OPT_ON) != LDAP_OPT_SUCCESS ||
            ldap_set_option(c->ld, LDAP_OPT_NETWORK_TIMEOUT, &tv) != LDAP_OPT_SUCCESS ||
            ldap_set_option(c->ld, LDAP_OPT_TIMEOUT, &tv) != LDAP_OPT_SUCCESS ||
            ldap_get_option(c->ld, LDAP_OPT_SOCKBUF, &sb) != LDAP_OPT_SUCCESS)
                return -EINVAL;
        /* libldap reads each message's header by itself otherwise: two system calls an entry. */
        if (ber_sockbuf_add_io(sb, &ber_sockbuf_io_readahead, LBER_SBIOD_LEVEL_PROVIDER, &ahead) < 0)
                return -ENOMEM;
        (void) ber_sockbuf_ctrl(sb, LBER_SB_OPT_SET_MAX_INCOMING, &max);
        return 0;
}

static int secure(Connection *c, ErrCtx *err) {
        bool plain = str_eq(c->url->lud_scheme, "ldap") && !c->directory->starttls;

        if (plain && c->directory->bind.method == BIND_SIMPLE && !c->directory->insecure)
                return err_set(err, CONNECTION_E_FAILED, LDAP_CONFIDENTIALITY_REQUIRED,
                               "%s: the password would cross the network unprotected: use ldaps:// or "
                               "directory.starttls",
                               c->uri);
        return plain || str_eq(c->url->lud_scheme, "ldapi") ? 0 : tls_begin(c, err);
}

static int send_bind(Connection *c, const Secret *secret, int *ret_msgid) {
        const DirectoryConfig *directory = c->directory;
        struct berval credentials = {.bv_val = (char *) ""};

        switch (directory->bind.method) {
        case BIND_SIMPLE:
                credentials.bv_val = (char *) secret_data(secret);
                credentials.bv_len = secret_len(secret);
                return ldap_sasl_bind(c->ld, directory->bind.dn, LDAP_SASL_SIMPLE, &credentials, NULL, NULL,
                                      ret_msgid);
        case BIND_EXTERNAL:
                return ldap_sasl_bind(c->ld, NULL, "EXTERNAL", &credentials, NULL, NULL, ret_msgid);
        default:
                return ldap_sasl_bind(c->ld, "", LDAP_SASL_SIMPLE, &credentials, NULL, NULL, ret_msgid);
        }
}

static int bind_refused(Connection *c, int rc, const char *diagnostic, ErrCtx *err) {
        const DirectoryConfig *directory = c->directory;

        const char *way_out = NULL;

        switch (directory->bind.method) {
        case BIND_SIMPLE:
                if (rc == LDAP_INVALID_CREDENTIALS)
                        way_out = server_bind_refusal(diagnostic);
                if (rc == LDAP_INVALID_CREDENTIALS && !way_out)
                        way_out = "check directory.bind.dn and the file of "
                                  "directory.bind.password_credential";
                if (rc == LDAP_STRONG_AUTH_REQUIRED || rc == LDAP_CONFIDENTIALITY_REQUIRED)
                        way_out = "the server wants TLS: use ldaps:// or directory.starttls";
                return connection_fail(c, err, rc, diagnostic, way_out, "the bind as %.120s was refused",
                                       directory->bind.dn);
        case BIND_EXTERNAL:
                return connection_fail(c, err, rc, diagnostic,
                                       "the server must map this identity (authz-regexp)",
                                       "the bind with SASL EXTERNAL was refused");
        default:
                return connection_fail(c, err, rc, diagnostic, NULL, "the anonymous bind was refused");
        }
}

static int bind_now(Connection *c, const Secret *secret, ErrCtx *err) {
        _cleanup_(memfreep) char *diagnostic = NULL;
        int rc, r, msgid;

        if (c->directory->bind.method == BIND_GSSAPI)
                return err_set(err, CONNECTION_E_FAILED, LDAP_AUTH_METHOD_NOT_SUPPORTED,
                               "%s: directory.bind.method = \"gssapi\" isn't in this version: use simple, "
                               "external or anonymous",
                               c->uri);
        if (c->directory->bind.method == BIND_EXTERNAL && !str_eq(c->url->lud_scheme, "ldapi"))
                return err_set(err, CONNECTION_E_FAILED, LDAP_AUTH_METHOD_NOT_SUPPORTED,
                               "%s: a bind by client certificate isn't in this version: use simple, or "
                               "external with ldapi://",
                               c->uri);
        /* An empty password would be an unauthenticated bind (RFC 4513 §5.1.2), which succeeds and sees
         * nothing. */
        if (c->directory->bind.method == BIND_SIMPLE && (!secret || secret_len(secret) == 0))
                return err_set(err, CONNECTION_E_FAILED, LDAP_PARAM_ERROR,
                               "%s: there is no password for the bind: see "
                               "directory.bind.password_credential",
                               c->uri);
        rc = send_bind(c, secret, &msgid);
        if (rc != LDAP_SUCCESS)
                return connection_fail_last(c, err, rc, NULL, "the bind can't be sent");
        r = connection_wait_result(c, msgid, &rc, &diagnostic, err);
        if (r != 0)
                return r;
        return rc == LDAP_SUCCESS ? 0 : bind_refused(c, rc, diagnostic, err);
}

static void take_features(Connection *c, LDAPMessage *entry) {
        struct berval **values;

        values = ldap_get_values_len(c->ld, entry, "supportedControl");
        c->has_features = values != NULL;
        for (struct berval **v = values; v && *v; v++)
                if ((*v)->bv_len == strlen(PAGED_RESULTS) &&
                    memcmp((*v)->bv_val, PAGED_RESULTS, (*v)->bv_len) == 0)
                        c->can_page = true;
        ldap_value_free_len(values);
        for (char *const *name = server_kind_attributes; *name; name++) {
                values = ldap_get_values_len(c->ld, entry, *name);
                for (struct berval **v = values; v && *v; v++)
                        c->kind = server_kind(c->kind, *name, *v);
                ldap_value_free_len(values);
        }
}

/* The root DSE (RFC 4512 §5.1). Some servers don't show it to everybody: then we know nothing, and that's
 * all. */
static int read_features(Connection *c, ErrCtx *err) {
        static char control[] = "supportedControl";
        char *attributes[] = {control, server_kind_attributes[0], server_kind_attributes[1], NULL};
        int r, rc, msgid, type;

        rc = ldap_search_ext(c->ld, "", LDAP_SCOPE_BASE, "(objectClass=*)", attributes, 0, NULL, NULL, NULL,
                             0, &msgid);
        if (rc != LDAP_SUCCESS)
                return connection_fail_last(c, err, rc, NULL, "the root DSE can't be asked for");
        do {
                _cleanup_(ldap_msgfreep) LDAPMessage *message = NULL;

                r = connection_wait(c, msgid, &message, err);
                if (r != 0)
                        return r;
                type = ldap_msgtype(message);
                if (type == LDAP_RES_SEARCH_ENTRY)
                        take_features(c, message);
        } while (type != LDAP_RES_SEARCH_RESULT);
        return 0;
}

/* The handle owns the socket from here on. */
static int make_handle(Connection *c, int *take_socket, ErrCtx *err) {
        int rc;

        rc = ldap_init_fd(*take_socket,
                          str_eq(c->url->lud_scheme, "ldapi") ? LDAP_PROTO_IPC : LDAP_PROTO_TCP, c->uri,
                          &c->ld);
        if (rc != LDAP_SUCCESS)
                return err_set(err, CONNECTION_E_FAILED, rc, "%s: libldap can't use it: %s (%d)", c->uri,
                               ldap_err2string(rc), rc);
        *take_socket = -1;
        return 0;
}

int connection_dial(const DirectoryConfig *directory, const char *uri, int watch_fd, ErrCtx *err,
                    Connection **ret) {
        _cleanup_(connection_freep) Connection *c = NULL;
        _cleanup_(closep) int fd = -1;
        int r;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        *c = (Connection){.uri = uri, .directory = directory, .watch_fd = watch_fd};
        if (ldap_url_parse(uri, &c->url) != LDAP_URL_SUCCESS)
                return err_set(err, CONNECTION_E_FAILED, LDAP_PARAM_ERROR, "%s is not an LDAP URI", uri);
        r = open_socket(c, err, &fd);
        if (r == 0)
                r = make_handle(c, &fd, err);
        if (r == 0)
                r = set_options(c);
        if (r != 0)
                return r;
        *ret = TAKE(c);
        return 0;
}

int connection_open(const DirectoryConfig *directory, const char *uri, const Secret *secret, int watch_fd,
                    ErrCtx *err, Connection **ret) {
        _cleanup_(connection_freep) Connection *c = NULL;
        int r;

        r = connection_dial(directory, uri, watch_fd, err, &c);
        if (r == 0)
                r = secure(c, err);
        if (r == 0)
                r = bind_now(c, secret, err);
        if (r == 0)
                r = read_features(c, err);
        if (r != 0)
                return r;
        *ret = TAKE(c);
        return 0;
}

Connection *connection_free(Connection *c) {
        if (!c)
                return NULL;
        if (c->ld)
                (void) ldap_unbind_ext(c->ld, NULL, NULL);
        ldap_free_urldesc(c->url);
        free(c);
        return NULL;
}
