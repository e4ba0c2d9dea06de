/* SPDX-License-Identifier: Apache-2.0 */
/* Of a refused certificate libldap with GnuTLS says "unknown error code". So after a failure the
 * certificate is fetched by a second connection that verifies nothing and sends nothing, for the error
 * text alone. */
#include "reader/tls.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/strings.h"
#include "reader/certificate.h"
#include "reader/connection-internal.h"

#define HANDSHAKE_SLICE_MSEC 1000
#define CA_FILE_MAX ((size_t) 4 << 20)

typedef enum Trust { TRUST_VERIFIED, TRUST_ANYTHING } Trust;

static void memfreep(char **p) {
        ldap_memfree(*p);
}

static usec_t wall_now(void) {
        struct timespec ts = {0};

        (void) clock_gettime(CLOCK_REALTIME, &ts);
        return (usec_t) ts.tv_sec * USEC_PER_SEC + (usec_t) ts.tv_nsec / 1000;
}

static bool is_gnutls(const Connection *c) {
        _cleanup_(memfreep) char *package = NULL;

        return ldap_get_option(c->ld, LDAP_OPT_X_TLS_PACKAGE, &package) == LDAP_OPT_SUCCESS &&
               str_eq(package, "GnuTLS");
}

static int set_options(Connection *c, Trust trust, ErrCtx *err) {
        int demand = trust == TRUST_VERIFIED ? LDAP_OPT_X_TLS_DEMAND : LDAP_OPT_X_TLS_NEVER;
        int min = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2, none = LDAP_OPT_X_TLS_CRL_NONE, client = 0;
        const char *ca = c->directory->ca_file;
        int r;

        r = ldap_set_option(c->ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand);
        if (r == LDAP_OPT_SUCCESS)
                r = ldap_set_option(c->ld, LDAP_OPT_X_TLS_CACERTFILE, ca);
        /* GnuTLS ignores the one, and OpenSSL doesn't understand the other. */
        if (r == LDAP_OPT_SUCCESS)
                r = is_gnutls(c) ? ldap_set_option(c->ld, LDAP_OPT_X_TLS_CIPHER_SUITE,
                                                   "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2")
                                 : ldap_set_option(c->ld, LDAP_OPT_X_TLS_PROTOCOL_MIN, &min);
        if (r == LDAP_OPT_SUCCESS)
                (void) ldap_set_option(c->ld, LDAP_OPT_X_TLS_CRLCHECK, &none);
        /* Last: options are copied into the context. */
        if (r == LDAP_OPT_SUCCESS)
                r = ldap_set_option(c->ld, LDAP_OPT_X_TLS_NEWCTX, &client);
        if (r == LDAP_OPT_SUCCESS)
                return 0;
        return err_set(err, CONNECTION_E_FAILED, LDAP_LOCAL_ERROR,
                       "%s: TLS can't be set up with the CA file %s: it must be readable for idsyncd and "
                       "hold certificates in PEM; "
                       "see directory.ca_file",
                       c->uri, ca);
}

/* Never continued after a failure: the handle then claims to be encrypted although the handshake wasn't
 * finished. */
static int handshake(Connection *c) {
        usec_t deadline = usec_add(connection_now(), connection_timeout(c));
        struct pollfd p = {.events = POLLIN};
        int rc;

        if (ldap_get_option(c->ld, LDAP_OPT_DESC, &p.fd) != LDAP_OPT_SUCCESS)
                return LDAP_LOCAL_ERROR;
        for (;;) {
                rc = ldap_install_tls(c->ld);
                if (rc != LDAP_X_CONNECTING)
                        break;
                if (connection_now() >= deadline)
                        return LDAP_TIMEOUT;
                (void) poll(&p, 1, HANDSHAKE_SLICE_MSEC);
        }
        return rc == LDAP_SUCCESS && !ldap_tls_inplace(c->ld) ? LDAP_CONNECT_ERROR : rc;
}

/* RFC 4511 §4.14 */
static int ask_for_tls(Connection *c, ErrCtx *err) {
        _cleanup_(memfreep) char *diagnostic = NULL;
        int rc, r, msgid;

        rc = ldap_extended_operation(c->ld, LDAP_EXOP_START_TLS, NULL, NULL, NULL, &msgid);
        if (rc != LDAP_SUCCESS)
                return connection_fail_last(c, err, rc, NULL, "StartTLS can't be asked for");
        r = connection_wait_result(c, msgid, &rc, &diagnostic, err);
        if (r != 0)
                return r;
        if (rc != LDAP_SUCCESS)
                return connection_fail(c, err, rc, diagnostic,
                                       "the server must offer TLS on this port, or use ldaps://",
                                       "StartTLS was refused");
        return 0;
}

static bool is_ldaps(const Connection *c) {
        return str_eq(c->url->lud_scheme, "ldaps");
}

static bool fetch_certificate(Connection *c, struct berval *ret) {
        *ret = (struct berval){0};
        return ldap_get_option(c->ld, LDAP_OPT_X_TLS_PEERCERT, ret) == LDAP_OPT_SUCCESS && ret->bv_val &&
               ret->bv_len > 0;
}

/* What the server shows to somebody who asks for no proof. */
static bool fetch_unverified(const Connection *failed, struct berval *ret) {
        _cleanup_(connection_freep) Connection *c = NULL;
        ErrCtx err = {0};

        return connection_dial(failed->directory, failed->uri, failed->watch_fd, &err, &c) == 0 &&
               set_options(c, TRUST_ANYTHING, &err) == 0 && (is_ldaps(c) || ask_for_tls(c, &err) == 0) &&
               handshake(c) == LDAP_SUCCESS && fetch_certificate(c, ret);
}

/* By the CA file; 0: the issuer isn't in it, as above an intermediate. */
static usec_t issuer_end(const Connection *c, const struct berval *der) {
        _cleanup_(freep) char *pem = malloc(CA_FILE_MAX);
        _cleanup_(fclosep) FILE *file = pem ? fopen(c->directory->ca_file, "re") : NULL;

        if (!file)
                return 0;
        return certificate_issuer_end((const uint8_t *) der->bv_val, der->bv_len, pem,
                                      fread(pem, 1, CA_FILE_MAX, file));
}

static int explain_certificate(Connection *c, const struct berval *der, ErrCtx *err) {
        const uint8_t *bytes = (const uint8_t *) der->bv_val;
        const char *host = connection_host(c);
        usec_t end = certificate_end(bytes, der->bv_len), ca_end = issuer_end(c, der), now = wall_now();
        char names[160], date[USEC_FORMAT_MAX];

        (void) certificate_names(bytes, der->bv_len, names, sizeof(names));
        if (end != 0 && end < now)
                return err_set(err, CONNECTION_E_FAILED, LDAP_CONNECT_ERROR,
                               "%s: the server's certificate ended on %s: it must be renewed", c->uri,
                               usec_format_wall(end, date));
        if (ca_end != 0 && ca_end < now)
                return err_set(err, CONNECTION_E_FAILED, LDAP_CONNECT_ERROR,
                               "%s: the CA that signed the server's certificate ended on %s: its new "
                               "certificate must be in %s; see directory.ca_file",
                               c->uri, usec_format_wall(ca_end, date), c->directory->ca_file);
        if (strcasecmp(host, "localhost") == 0)
                return err_set(err, CONNECTION_E_FAILED, LDAP_CONNECT_ERROR,
                               "%s: certificate verification failed (for %s; CA file %s): libldap takes "
                               "localhost for this machine's own "
                               "name: write 127.0.0.1 or that name in directory.uris",
                               c->uri, names, c->directory->ca_file);
        if (!certificate_is_for(bytes, der->bv_len, host))
                return err_set(err, CONNECTION_E_FAILED, LDAP_CONNECT_ERROR,
                               "%s: certificate verification failed: it is for %s, not for %s: use a name "
                               "of the certificate in "
                               "directory.uris, or a certificate with this name",
                               c->uri, names, host);
        return err_set(err, CONNECTION_E_FAILED, LDAP_CONNECT_ERROR,
                       "%s: certificate verification failed (for %s; CA file %s): no CA in that file has "
                       "signed it, or it isn't valid yet: "
                       "see directory.ca_file",
                       c->uri, names, c->directory->ca_file);
}

static int explain(Connection *c, int rc, ErrCtx *err) {
        struct berval der;
        int r;

        if (rc == LDAP_TIMEOUT)
                return connection_fail(
                                c, err, rc, NULL,
                                "the server accepts connections but doesn't answer; does this port speak "
                                "TLS?",
                                "the TLS handshake wasn't finished in time");
        if (!fetch_unverified(c, &der))
                return connection_fail_last(c, err, rc, "does this port speak TLS, of version 1.2 at least?",
                                            "the TLS handshake failed");
        r = explain_certificate(c, &der, err);
        ber_memfree(der.bv_val);
        return r;
}

int tls_begin(Connection *c, ErrCtx *err) {
        struct berval der;
        int r, rc;

        r = is_ldaps(c) ? 0 : ask_for_tls(c, err);
        if (r == 0)
                r = set_options(c, TRUST_VERIFIED, err);
        if (r != 0)
                return r;
        rc = handshake(c);
        if (rc != LDAP_SUCCESS)
                return explain(c, rc, err);
        if (fetch_certificate(c, &der)) {
                c->certificate_end = certificate_end((const uint8_t *) der.bv_val, der.bv_len);
                c->issuer_end = issuer_end(c, &der);
                ber_memfree(der.bv_val);
        }
        return 0;
}
