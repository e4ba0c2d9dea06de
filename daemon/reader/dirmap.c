/* SPDX-License-Identifier: Apache-2.0 */
#include "reader/dirmap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "reader/dnkey.h"

enum { SLOT_DISABLED = _PERSON_FIELD_MAX, SLOT_SIGNAL, SLOT_ID, _SLOT_MAX };

typedef struct Slot {
        const char *attribute; /* NULL: not mapped */
        size_t len;
        bool present, unreadable;
        char text[PERSON_VALUE_MAX + 1];
} Slot;

struct DirMap {
        const DirectoryConfig *directory;
        const char *dn;
        bool disabled;
        char *ask[_SLOT_MAX + 1];
        Slot slots[_SLOT_MAX];
};

static void map_slot(DirMap *map, size_t i, char *attribute) {
        size_t n = 0;

        if (!attribute || !*attribute)
                return;
        map->slots[i].attribute = attribute;
        map->slots[i].len = strlen(attribute);
        for (; map->ask[n]; n++)
                if (strcasecmp(map->ask[n], attribute) == 0)
                        return;
        map->ask[n] = attribute;
}

DirMap *dirmap_new(const DirectoryConfig *directory) {
        DirMap *map = calloc(1, sizeof(*map));

        if (!map)
                return NULL;
        map->directory = directory;
        map_slot(map, SLOT_ID, directory->attributes.id);
        map_slot(map, PERSON_LOGIN, directory->attributes.login);
        map_slot(map, PERSON_EMAIL, directory->attributes.email);
        map_slot(map, PERSON_FIRST_NAME, directory->attributes.first_name);
        map_slot(map, PERSON_LAST_NAME, directory->attributes.last_name);
        map_slot(map, PERSON_TIMEZONE, directory->attributes.timezone);
        map_slot(map, PERSON_EMPLOYEE_NUMBER, directory->attributes.employee_number);
        map_slot(map, SLOT_DISABLED, directory->disabled.attribute);
        map_slot(map, SLOT_SIGNAL, directory->password_reset.attribute);
        return map;
}

DirMap *dirmap_free(DirMap *map) {
        free(map);
        return NULL;
}

char **dirmap_attributes(DirMap *map) {
        return map->ask;
}

static bool is_named(const Slot *slot, const struct berval *name) {
        return slot->attribute && slot->len == name->bv_len &&
               strncasecmp(slot->attribute, name->bv_val, slot->len) == 0;
}

bool dirmap_is_login(const DirMap *map, const struct berval *name) {
        return is_named(&map->slots[PERSON_LOGIN], name);
}

void dirmap_begin(DirMap *map, const char *folded_dn) {
        map->dn = folded_dn;
        map->disabled = false;
        for (size_t i = 0; i < _SLOT_MAX; i++)
                map->slots[i].present = map->slots[i].unreadable = false;
}

static bool is_readable(const struct berval *value) {
        return value->bv_len <= PERSON_VALUE_MAX && utf8_is_valid(value->bv_val, value->bv_len);
}

/* By bytes; the shorter of two that begin alike is smaller. */
static bool is_smaller(const struct berval *a, const struct berval *b) {
        size_t len = a->bv_len < b->bv_len ? a->bv_len : b->bv_len;
        int r = memcmp(a->bv_val, b->bv_val, len);

        return r != 0 ? r < 0 : a->bv_len < b->bv_len;
}

static bool is_rdn(const DirMap *map, const Slot *slot, const struct berval *value) {
        const char *rdn;
        size_t len;

        return dn_rdn_value(map->dn, slot->attribute, &rdn, &len) && len == value->bv_len &&
               strncasecmp(rdn, value->bv_val, len) == 0;
}

static void take_values(const DirMap *map, Slot *slot, const struct berval *values) {
        const struct berval *best = NULL;

        for (const struct berval *v = values; v->bv_val; v++) {
                if (v->bv_len == 0)
                        continue;
                if (!is_readable(v)) {
                        slot->present = slot->unreadable = true;
                        return;
                }
                if (!best || is_smaller(v, best))
                        best = v;
        }
        if (!best)
                return;
        if (values[1].bv_val)
                for (const struct berval *v = values; v->bv_val; v++)
                        if (is_rdn(map, slot, v))
                                best = v;
        memcpy(slot->text, best->bv_val, best->bv_len);
        slot->text[best->bv_len] = '\0';
        slot->present = true;
}

static bool equals(const struct berval *value, const char *text) {
        return strlen(text) == value->bv_len && strncasecmp(text, value->bv_val, value->bv_len) == 0;
}

/* userAccountControl is a signed number. */
static bool matches_mask(const struct berval *value, uint64_t mask) {
        char text[32];
        int64_t number;

        if (value->bv_len >= sizeof(text))
                return false;
        memcpy(text, value->bv_val, value->bv_len);
        text[value->bv_len] = '\0';
        return parse_i64(text, &number) == 0 && ((uint64_t) number & mask) != 0;
}

static bool means_disabled(const DirectoryConfig *directory, const struct berval *value) {
        switch (directory->disabled.when) {
        case DISABLED_TRUE:
                return equals(value, "TRUE");
        case DISABLED_VALUE:
                return equals(value, directory->disabled.value);
        case DISABLED_MASK:
                return matches_mask(value, directory->disabled.mask);
        case DISABLED_PRESENT:
        default:
                return true;
        }
}

static void take_id(Slot *slot, const struct berval *values) {
        char id[PERSON_ID_MAX + 1];

        /* Two ids are none. */
        if (!values[0].bv_val || values[1].bv_val || !dirmap_id(slot->attribute, &values[0], id))
                return;
        memcpy(slot->text, id, strlen(id) + 1);
        slot->present = true;
}

void dirmap_attribute(DirMap *map, const struct berval *name, const struct berval *values) {
        for (size_t i = 0; i < _SLOT_MAX; i++) {
                Slot *slot = &map->slots[i];

                if (!is_named(slot, name) || !values)
                        continue;
                if (i == SLOT_ID)
                        take_id(slot, values);
                else if (i == SLOT_DISABLED) {
                        for (const struct berval *v = values; v->bv_val; v++)
                                map->disabled = map->disabled || means_disabled(map->directory, v);
                } else
                        take_values(map, slot, values);
        }
}

int dirmap_finish(DirMap *map, Person *ret) {
        const Slot *slots = map->slots;

        if (!slots[SLOT_ID].present)
                return DIRMAP_E_NO_ID;
        *ret = (Person){.id = slots[SLOT_ID].text,
                        .dn = map->dn,
                        .disabled = map->disabled,
                        .present = true};
        for (size_t i = 0; i < _PERSON_FIELD_MAX; i++) {
                if (slots[i].unreadable)
                        ret->unreadable |= UINT32_C(1) << i;
                else if (slots[i].present)
                        ret->field[i] = slots[i].text;
        }
        if (slots[SLOT_SIGNAL].present && !slots[SLOT_SIGNAL].unreadable)
                ret->signal = slots[SLOT_SIGNAL].text;
        return 0;
}

/* The first three fields of a GUID are little-endian. */
static bool guid_text(const struct berval *value, char *out) {
        const unsigned char *b = (const unsigned char *) value->bv_val;

        if (value->bv_len != 16)
                return false;
        (void) snprintf(out, PERSON_ID_MAX + 1,
                        "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[3], b[2],
                        b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
                        b[15]);
        return true;
}

bool dirmap_id(const char *attribute, const struct berval *value, char out[static PERSON_ID_MAX + 1]) {
        if (strcasecmp(attribute, "objectGUID") == 0)
                return guid_text(value, out);
        if (value->bv_len == 0 || value->bv_len > PERSON_ID_MAX ||
            !utf8_is_valid(value->bv_val, value->bv_len))
                return false;
        for (size_t i = 0; i < value->bv_len; i++) {
                char c = value->bv_val[i];

                out[i] = c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
        }
        out[value->bv_len] = '\0';
        return true;
}
