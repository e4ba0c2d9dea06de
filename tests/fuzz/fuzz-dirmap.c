/* SPDX-License-Identifier: Apache-2.0 */
/* Entries as a hostile server would send them: a DN, then attributes with values, split at zero bytes of
 * the input; the whole input also as a certificate. */
#include <stdlib.h>
#include <string.h>

#include "config/dn.h"
#include "fuzz.h"
#include "reader/certificate.h"
#include "reader/dirmap.h"
#include "reader/dnkey.h"

#define VALUES_MAX 16

static struct berval next_piece(const uint8_t **data, size_t *size) {
        const uint8_t *end = *size > 0 ? memchr(*data, 0, *size) : NULL;
        size_t len = end ? (size_t) (end - *data) : *size;
        struct berval piece = {.bv_val = malloc(len + 1), .bv_len = len};

        if (!piece.bv_val)
                abort();
        if (len > 0)
                memcpy(piece.bv_val, *data, len);
        piece.bv_val[len] = '\0';
        *data += end ? len + 1 : len;
        *size -= end ? len + 1 : len;
        return piece;
}

static void check_fold(const struct berval *dn, char *folded) {
        char again[DN_FOLD_MAX];
        _cleanup_(freep) char *normal = NULL;
        size_t len = dn_fold(dn, folded);
        struct berval value = {.bv_val = folded, .bv_len = len};

        if (len == 0)
                return;
        if (len != strlen(folded) || !utf8_is_valid(folded, len))
                abort();
        /* The short way gives what the long one does, and a normal form stays. */
        if (!memchr(dn->bv_val, 0, dn->bv_len) && dn_normalise(dn->bv_val, &normal, NULL) == 0 &&
            utf8_is_valid(normal, strlen(normal))) {
                if (strcmp(normal, folded) != 0)
                        abort();
        }
        if (!normal && (dn_fold(&value, again) != len || strcmp(folded, again) != 0) &&
            !strchr(folded, '\\'))
                abort();
        (void) dn_parent(folded);
}

static void check_person(DirMap *map) {
        Person p;

        if (dirmap_finish(map, &p) != 0)
                return;
        if (!p.id || !*p.id || !utf8_is_valid(p.id, strlen(p.id)))
                abort();
        for (size_t i = 0; i < _PERSON_FIELD_MAX; i++)
                if (p.field[i] && (!*p.field[i] || strlen(p.field[i]) > PERSON_VALUE_MAX ||
                                   p.unreadable >> i & 1 || !utf8_is_valid(p.field[i], strlen(p.field[i]))))
                        abort();
}

static void check_certificate(const uint8_t *data, size_t size) {
        char names[32];

        (void) certificate_end(data, size);
        if (strlen(certificate_names(data, size, names, sizeof(names))) >= sizeof(names))
                abort();
        (void) certificate_is_for(data, size, "a.example.com");
        /* Behind the certificate there may be the text of a CA file. */
        (void) certificate_issuer_end(data, size, (const char *) data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        DirectoryConfig directory = {
                        .attributes = {(char *) "i", (char *) "u", (char *) "m", (char *) "g", (char *) "s",
                                       (char *) "", (char *) "e"},
                        .disabled = {(char *) "d", size % 4, (char *) "V", 2},
                        .password_reset = {(char *) "p", RESET_TRUE},
        };
        struct berval dn, name, values[VALUES_MAX + 1];
        char folded[DN_FOLD_MAX] = "";
        DirMap *map;
        size_t n;

        if (size > 65536)
                return 0;
        check_certificate(data, size);
        if (size % 8 == 7)
                directory.attributes.id = (char *) "objectGUID";
        map = dirmap_new(&directory);
        dn = next_piece(&data, &size);
        check_fold(&dn, folded);
        dirmap_begin(map, folded);
        while (size > 0) {
                name = next_piece(&data, &size);
                for (n = 0; n < VALUES_MAX && size > 0 && *data != '=';)
                        values[n++] = next_piece(&data, &size);
                if (size > 0)
                        data++, size--;
                values[n] = (struct berval){0};
                dirmap_attribute(map, &name, values);
                (void) dirmap_is_login(map, &name);
                while (n > 0) {
                        (void) dn_without_uid(&values[--n]);
                        free(values[n].bv_val);
                }
                free(name.bv_val);
        }
        check_person(map);
        (void) dirmap_free(map);
        free(dn.bv_val);
        return 0;
}
