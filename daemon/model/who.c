/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "base/strings.h"
#include "model/address.h"
#include "model/who.h"

/* key: of the person's address; ask: of the text as an address; "" where there is none. */
static bool fits(const Person *p, const char *key, const char *text, const char *ask) {
        return str_eq(p->field[PERSON_LOGIN], text) || (p->dn && strcasecmp(p->dn, text) == 0) ||
               (*ask && strcmp(key, ask) == 0);
}

static void take(Who *who, const Person *p, const char *key, const char *ask) {
        if (str_eq(p->id, who->text)) {
                who->person = p;
                who->other = NULL;
        } else if (fits(p, key, who->text, ask) && !(who->person && str_eq(who->person->id, who->text)))
                *(who->person ? &who->other : &who->person) = p;
}

/* What is no address has no key. */
static int key_of(const char *address, char ret[static ADDRESS_MAX + 1]) {
        int r = address ? address_key_buf(address, ret, NULL) : ADDRESS_E_INVALID;

        if (r != 0)
                *ret = '\0';
        return r < 0 ? r : 0;
}

static bool same_address(const Person *a, const Person *b) {
        char of_a[ADDRESS_MAX + 1], of_b[ADDRESS_MAX + 1];

        return key_of(a->field[PERSON_EMAIL], of_a) >= 0 && key_of(b->field[PERSON_EMAIL], of_b) >= 0 &&
               *of_a && str_eq(of_a, of_b);
}

int who_find_many(const People *people, Who *who, size_t n) {
        _cleanup_(freep) char (*asks)[ADDRESS_MAX + 1] = calloc(n + 1, sizeof(*asks));
        char key[ADDRESS_MAX + 1];
        int r = 0;

        if (!asks)
                return -ENOMEM;
        for (size_t i = 0; i < n && r >= 0; i++) {
                who[i].person = who[i].other = NULL;
                r = key_of(who[i].text, asks[i]);
        }
        for (size_t i = 0; i < people->n && r >= 0; i++) {
                const Person *p = &people->items[i];

                r = key_of(p->field[PERSON_EMAIL], key);
                for (size_t k = 0; k < n && r >= 0; k++)
                        take(&who[k], p, key, asks[k]);
        }
        return r;
}

int who_find(const People *people, const char *text, const Person **ret, ErrCtx *err) {
        Who who = { .text = text };
        int r;

        r = who_find_many(people, &who, 1);
        if (r < 0)
                return r;
        if (!who.person)
                return err_set(err, WHO_E_UNKNOWN, 0,
                               "%s: nobody in the directory has this id, login, DN or address (as of the "
                               "last "
                               "complete read)",
                               text);
        if (who.other)
                return err_set(err, WHO_E_SEVERAL, 0,
                               "%s is both %s and %s%s: name one by its directory id, %s or %s", text,
                               who.person->dn, who.other->dn,
                               same_address(who.person, who.other)
                                               ? " (with one address for two nobody gets an account)"
                                               : "",
                               who.person->id, who.other->id);
        *ret = who.person;
        return 0;
}
