/* SPDX-License-Identifier: Apache-2.0 */
/* Whom an operator means. */
#pragma once

#include "base/error.h"
#include "model/person.h"

/* text: directory id, login, DN or address. 0 and *ret (an item of people); WHO_E_UNKNOWN, WHO_E_SEVERAL
 * with words in err; -ENOMEM. */
#define WHO_E_UNKNOWN 1
#define WHO_E_SEVERAL 2
int who_find(const People *people, const char *text, const Person **ret, ErrCtx *err);
