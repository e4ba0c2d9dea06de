/* SPDX-License-Identifier: Apache-2.0 */
/* A bound connection to one server. In this process libldap may block, but never for longer than
 * directory.timeout. */
#pragma once

#include <lber.h>
#include <ldap.h>

#include "base/error.h"
#include "base/secret.h"
#include "config/config.h"
#include "reader/server.h"

typedef struct Connection {
        LDAP *ld;
        const char *uri; /* borrowed */
        LDAPURLDesc *url; /* its parts */
        const DirectoryConfig *directory;
        int watch_fd; /* when its other end hangs up, waiting is over (-EPIPE); -1: none */
        bool can_page; /* the server says that it knows RFC 2696 */
        bool has_features; /* the root DSE could be read */
        ServerKind kind;
        usec_t certificate_end; /* wall time; 0: unknown */
        usec_t issuer_end; /* of the CA in ca_file that signed it; 0: it isn't there itself */
} Connection;

/* Connects, secures and binds to one server. 0; CONNECTION_E_FAILED with err.code = LDAP result code (0:
 * none) and a text that names the server, what failed and the way out; -EPIPE (watch_fd), -ENOMEM.
 * directory and uri must outlive the connection. */
#define CONNECTION_E_FAILED 1
int connection_open(const DirectoryConfig *directory, const char *uri, const Secret *secret, int watch_fd,
                    ErrCtx *err, Connection **ret);
Connection *connection_free(Connection *c);
DEFINE_CLEANUP(Connection *, connection_free);

/* Waits up to directory.timeout for one message (LDAP_MSG_ONE). 0 and *ret; CONNECTION_E_FAILED; -EPIPE. */
int connection_wait(Connection *c, int msgid, LDAPMessage **ret, ErrCtx *err);

/* CONNECTION_E_FAILED with "URI: what: result text (code; diagnostic message of the server): way out".
 * way_out may be NULL. */
int connection_fail(const Connection *c, ErrCtx *err, int rc, const char *diagnostic, const char *way_out,
                    const char *what, ...) _printf_(6, 7);
