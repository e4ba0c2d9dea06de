/* SPDX-License-Identifier: Apache-2.0 */
/* Distinguished names (RFC 4514) without libldap. */
#pragma once

#include "base/error.h"

/* The form in which two names of one entry are equal: attribute types in lower case, values unescaped,
 * case-folded (Unicode, NFC), white space trimmed and squeezed, escaped again in one way, the parts of a
 * multi-valued RDN sorted. Values are compared as caseIgnoreMatch does, which is right for what DNs are made
 * of in practice. 0 and *ret (owned); DN_E_INVALID with a reason in err ("what is wrong; what is allowed");
 * -ENOMEM. ret may be NULL. */
#define DN_E_INVALID 1
int dn_normalise(const char *dn, char **ret, ErrCtx *err);
