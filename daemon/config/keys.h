/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of the configuration, as data. A new key: a row in keys.c, a member in config.h, a line each in
 * conf/idsyncd.conf and man/idsyncd.conf.5.rst (tests/unit/test-config-docs says what is missing). When a
 * feature lands, its KEY_LATER goes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "config/syntax.h"

typedef enum KeyType {
        KEY_BOOL,       /* bool */
        KEY_INT,        /* unsigned */
        KEY_ID,         /* uint64_t: the number of an organisation */
        KEY_IDS,        /* several; the row stores nothing */
        KEY_STRING,     /* char * */
        KEY_STRINGS,    /* char **, and their number at offset_n */
        KEY_SPAN,       /* usec_t, written "5min" */
        KEY_SIZE,       /* uint64_t, written "64MiB" */
        KEY_CHOICE,     /* an enum */
        KEY_SWITCH,     /* bool, written as one of two words */
        KEY_ROWS,       /* ( { … }, … ) with keys of their own; the row stores nothing */
        KEY_GROUP,      /* { … } with keys of their own; the row stores nothing */
} KeyType;

typedef enum KeyFlags {
        KEY_REQUIRED = 1 << 0,
        KEY_LATER = 1 << 1,             /* accepted, has no effect in this version */
        KEY_BY_TYPE = 1 << 2,           /* the default depends on the target's type */
        KEY_SECRET = 1 << 3,            /* names a credential that is a secret */
        KEY_SECRET_FILE = 1 << 4,       /* names a credential that a library reads */
        KEY_OWN = 1 << 5,               /* each target's own: not in target_defaults */
} KeyFlags;

typedef struct KeyChoice {
        const char *name;
        int value;
        bool later;
} KeyChoice;

typedef struct KeySection KeySection;

typedef struct KeyRow {
        const char *name;               /* path within the section: "bind.method" */
        KeyType type;
        const char *def;                /* as in the file, without quotes; NULL: none */
        uint64_t min, max;
        size_t offset, offset_n;
        const KeyChoice *choices;       /* ended by a NULL name */
        syntax_fn_t check;              /* of each string */
        const KeySection *section;      /* KEY_ROWS, KEY_GROUP */
        unsigned flags;
        unsigned types;                 /* bit per TargetType that knows the key; 0: all */
        const char *doc;
} KeyRow;

struct KeySection {
        const KeyRow *rows;
        size_t n_rows;
};

/* Where rows of lists are read to. */
typedef struct RoleKeys { char *group, *role; } RoleKeys;
typedef struct ApplicationKeys { char *group; char **names; size_t n_names; } ApplicationKeys;

extern const KeySection key_section_root, key_section_target, key_section_role, key_section_application,
        key_section_expect;

/* The offset of rows whose value is stored by hand. */
#define KEY_NOWHERE SIZE_MAX

/* What is allowed, to stand behind "must be": "a whole number from 1 to 64". Returns buf. */
#define KEY_RANGE_MAX 192
const char *key_range(const KeyRow *row, char buf[static KEY_RANGE_MAX]);

const KeyRow *key_section_find(const KeySection *section, const char *name);

/* What a type of target can do, and its defaults. */
typedef struct TypeTraits {
        const char *name;               /* in the file */
        const char *label;              /* for people */
        const char *url;                /* NULL: required */
        const char *foreign_host;       /* a domain that this type's calls must never go to; NULL: none */
        unsigned leave;                 /* bit per LeavePolicy */
        bool password_reset;
        bool reset_needs_organization;  /* resets are asked for by the parent, for one child */
        bool roles_required, company_required;
        RateConfig rate;
        const char *last_of;            /* the one default role; NULL: none */
} TypeTraits;

const TypeTraits *type_traits(TargetType type);
