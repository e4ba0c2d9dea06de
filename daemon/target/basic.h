/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/secret.h"

/* The value of an Authorization header (RFC 7617 §2): "Basic" and base64 of "user:password". -EINVAL: a user
 * is missing, or has a colon in it, which can't be said; -ENOMEM. */
int basic_authorization(const Secret *user, const Secret *password, Secret **ret);
