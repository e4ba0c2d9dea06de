/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <strings.h>

#include "base/strings.h"
#include "model/address.h"
#include "sync/who.h"

static bool has_address(const Person *p, const char *key) {
        _cleanup_(freep) char *own = NULL;

        return key && p->field[PERSON_EMAIL] && address_key(p->field[PERSON_EMAIL], &own, NULL) == 0 &&
               str_eq(own, key);
}

static bool fits(const Person *p, const char *text, const char *key) {
        return str_eq(p->id, text) || str_eq(p->field[PERSON_LOGIN], text) ||
               (p->dn && strcasecmp(p->dn, text) == 0) || has_address(p, key);
}

int who_find(const People *people, const char *text, const Person **ret, ErrCtx *err) {
        _cleanup_(freep) char *key = NULL;
        const Person *found = NULL;

        if (address_key(text, &key, NULL) == -ENOMEM)
                return -ENOMEM;
        for (size_t i = 0; i < people->n; i++) {
                const Person *p = &people->items[i];

                if (!fits(p, text, key))
                        continue;
                if (str_eq(p->id, text)) {
                        *ret = p;
                        return 0;
                }
                if (found)
                        return err_set(err, WHO_E_SEVERAL, 0,
                                       "%s is both %s and %s: name one by its directory id, %s or %s", text,
                                       found->dn, p->dn, found->id, p->id);
                found = p;
        }
        if (!found)
                return err_set(err, WHO_E_UNKNOWN, 0,
                               "%s: nobody in the directory has this id, login, DN or address (as of the "
                               "last "
                               "complete read)",
                               text);
        *ret = found;
        return 0;
}
