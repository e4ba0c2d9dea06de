/* SPDX-License-Identifier: Apache-2.0 */
/* A connected socket: libldap would block in connect as long as it likes, so it is handed a socket that
 * is connected already. */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/time.h"

/* Each address of the host is tried for at most timeout. Non-blocking and close-on-exec. 0 and *ret;
 * SOCKET_E_FAILED with a reason in err. */
#define SOCKET_E_FAILED 1
int socket_connect_tcp(const char *host, uint16_t port, usec_t timeout, ErrCtx *err, int *ret);
int socket_connect_unix(const char *path, usec_t timeout, ErrCtx *err, int *ret);
