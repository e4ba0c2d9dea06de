/* SPDX-License-Identifier: Apache-2.0 */
/* Values of an Authorization header. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/secret.h"

/* "Basic" and base64 of "user:password" (RFC 7617 §2). -EINVAL: a user is missing, or has a colon in it,
 * which can't be said; -ENOMEM. */
int basic_authorization(const Secret *user, const Secret *password, Secret **ret);

/* May it stand in a token (RFC 6750 §2.1, b64token)? */
bool bearer_has_char(char c);
/* "Bearer" and the token. -EBADMSG: there is none, or one that is too long or can't stand in a header (err
 * says which, and not the token); -ENOMEM. */
int bearer_authorization(const char *token, size_t len, Secret **ret, ErrCtx *err);
