/* SPDX-License-Identifier: Apache-2.0 */
/* What the steps of making a connection share. */
#pragma once

#include "reader/connection.h"

usec_t connection_now(void);
/* For one step of connecting: directory.timeout, but at most 10 s, so that the next server has its turn
 * soon. */
usec_t connection_timeout(const Connection *c);
/* The host as the URI names it: what the server's certificate must name. */
const char *connection_host(const Connection *c);

/* A handle on a connected socket with all options set; not secured, not bound. As connection_open(). */
int connection_dial(const DirectoryConfig *directory, const char *uri, int watch_fd, ErrCtx *err,
                    Connection **ret);

/* As connection_fail(), with the diagnostic message of libldap's last call. */
int connection_fail_last(const Connection *c, ErrCtx *err, int rc, const char *way_out, const char *what);
/* Waits for the one result of an operation without entries. *ret_diagnostic: ldap_memfree(), may be NULL. */
int connection_wait_result(Connection *c, int msgid, int *ret_rc, char **ret_diagnostic, ErrCtx *err);
