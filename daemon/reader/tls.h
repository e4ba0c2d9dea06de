/* SPDX-License-Identifier: Apache-2.0 */
/* TLS on a connection: from the first byte (ldaps) or by StartTLS, never less than verified TLS 1.2. */
#pragma once

#include "reader/connection.h"

/* As the scheme of the URI says. 0, then the connection is encrypted and the server is who it says;
 * CONNECTION_E_FAILED, then the handle must not be used any more; -EPIPE. */
int tls_begin(Connection *c, ErrCtx *err);
