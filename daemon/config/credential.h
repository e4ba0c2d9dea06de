/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets by file: the credentials directory of the service manager (systemd.exec(5), LoadCredential=). */
#pragma once

#include "base/error.h"
#include "base/secret.h"

/* Reads directory/name. One trailing LF or CRLF is dropped. Refused: a file that others may read or write,
 * not a regular file, empty, a NUL or an inner newline, over 4 KiB, a name with a slash. 0; CREDENTIAL_E_BAD
 * with a reason in err that names the file and the way out; -ENOMEM. */
#define CREDENTIAL_E_BAD 1
int credential_load(const char *directory, const char *name, Secret **ret, ErrCtx *err);

/* The path of a credential that a library reads by itself (keytab, certificate, private key), checked from
 * outside as above, up to 64 KiB; its content isn't looked at. 0 and *ret (owned); CREDENTIAL_E_BAD;
 * -ENOMEM. */
int credential_path(const char *directory, const char *name, char **ret, ErrCtx *err);
