/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "base/strings.h"
#include "config/keys.h"
#include "config/load.h"

#define UMBRELLA (1u << TARGET_UMBRELLA | 1u << TARGET_UMBRELLA_GOV)
#define PRIMAVERA (1u << TARGET_PRIMAVERA)

#define ORGANIZATION_MAX INT32_MAX
#define COUNT_MAX 1000000
#define RATE_MAX 1000000000
#define TIMES(low, high) .min = (low), .max = (high)

static const KeyChoice bind_methods[] = {
        { "simple", BIND_SIMPLE, false },
        { "external", BIND_EXTERNAL, false },
        { "gssapi", BIND_GSSAPI, true },
        { "anonymous", BIND_ANONYMOUS, false },
        { NULL, 0, false },
};

static const KeyChoice search_scopes[] = {
        { "base", SCOPE_BASE, false },
        { "one", SCOPE_ONE, false },
        { "sub", SCOPE_SUB, false },
        { NULL, 0, false },
};

static const KeyChoice incrementals[] = {
        { "auto", INCREMENTAL_AUTO, false },
        { "syncrepl", INCREMENTAL_SYNCREPL, true },
        { "dirsync", INCREMENTAL_DIRSYNC, true },
        { "timestamp", INCREMENTAL_TIMESTAMP, true },
        { "off", INCREMENTAL_OFF, false },
        { NULL, 0, false },
};

static const KeyChoice reset_whens[] = {
        { "true", RESET_TRUE, false },
        { "changed", RESET_CHANGED, false },
        { NULL, 0, false },
};

static const KeyChoice target_types[] = {
        { "umbrella", TARGET_UMBRELLA, false },
        { "umbrella-gov", TARGET_UMBRELLA_GOV, false },
        { "primavera", TARGET_PRIMAVERA, false },
        { NULL, 0, false },
};

static const KeyChoice adopts[] = {
        { "never", ADOPT_NEVER, false },
        { "email", ADOPT_EMAIL, false },
        { NULL, 0, false },
};

static const KeyChoice leaves[] = {
        { "keep", LEAVE_KEEP, false },
        { "disable", LEAVE_DISABLE, false },
        { "delete", LEAVE_DELETE, false },
        { NULL, 0, false },
};

static const KeyChoice gones[] = {
        { "hold", GONE_HOLD, false },
        { "create", GONE_CREATE, false },
        { "report", GONE_REPORT, false },
        { NULL, 0, false },
};

static const KeyChoice first_plans[] = { { "hold", 0, 0 }, { "apply", 1, 0 }, { NULL, 0, 0 } };
static const KeyChoice uncertains[] = { { "once", 0, 0 }, { "again", 1, 0 }, { NULL, 0, 0 } };
static const KeyChoice auths[] = { { "oauth", 0, 0 }, { "basic", 1, 0 }, { NULL, 0, 0 } };
static const KeyChoice resets[] = { { "manual", 0, 0 }, { "auto", 1, 0 }, { NULL, 0, 0 } };

static int check_disabled_when(const char *text, ErrCtx *err) {
        _cleanup_(freep) char *value = NULL;
        DisabledWhen when;
        uint64_t mask;

        return disabled_when_parse(text, &when, &value, &mask, err);
}

#define AT(member) .offset = offsetof(ROW_STRUCT, member)
#define MANY(member) .offset = offsetof(ROW_STRUCT, member), .offset_n = offsetof(ROW_STRUCT, n_##member)

/* ---- Rows of lists */

#define ROW_STRUCT RoleKeys
static const KeyRow role_rows[] = {
        { "group", KEY_STRING, NULL, AT(group), .check = syntax_dn,
          .doc = "DN of the group whose members get the role; left out: everybody in scope" },
        { "role", KEY_STRING, NULL, AT(role), .check = syntax_not_empty, .flags = KEY_REQUIRED,
          .doc = "the role's label at the API" },
};
const KeySection key_section_role = { role_rows, ELEMENTSOF(role_rows) };
#undef ROW_STRUCT

#define ROW_STRUCT ApplicationKeys
static const KeyRow application_rows[] = {
        { "group", KEY_STRING, NULL, AT(group), .check = syntax_dn,
          .doc = "DN of the group whose members get the applications; left out: everybody in scope" },
        { "names", KEY_STRINGS, NULL, MANY(names), .check = syntax_not_empty, .flags = KEY_REQUIRED,
          .doc = "application roles" },
};
const KeySection key_section_application = { application_rows, ELEMENTSOF(application_rows) };
#undef ROW_STRUCT

#define ROW_STRUCT ExpectRule
static const KeyRow expect_rows[] = {
        { "person", KEY_STRING, NULL, AT(person), .check = syntax_not_empty, .flags = KEY_REQUIRED,
          .doc = "address, login, DN or directory id" },
        { "target", KEY_STRING, NULL, AT(target), .check = syntax_not_empty, .flags = KEY_REQUIRED,
          .doc = "name of a target" },
        { "role", KEY_STRING, NULL, AT(role), .check = syntax_not_empty,
          .doc = "the role that the person must have there" },
        { "absent", KEY_BOOL, "false", AT(absent), .doc = "true: the person must not belong there" },
};
const KeySection key_section_expect = { expect_rows, ELEMENTSOF(expect_rows) };
#undef ROW_STRUCT

/* ---- Targets */

#define ROW_STRUCT TargetConfig
static const KeyRow target_rows[] = {
        { "name", KEY_STRING, NULL, AT(name), .check = syntax_target_name, .flags = KEY_REQUIRED | KEY_OWN,
          .doc = "name of the target in logs, plans and commands" },
        { "type", KEY_CHOICE, NULL, AT(type), .choices = target_types, .flags = KEY_REQUIRED,
          .doc = "the API that is spoken there" },
        { "url", KEY_STRING, NULL, AT(url), .check = syntax_https_url, .flags = KEY_BY_TYPE,
          .doc = "base URL of the API; required for primavera" },
        { "key_credential", KEY_STRING, NULL, AT(key_credential), .check = syntax_credential,
          .flags = KEY_REQUIRED | KEY_SECRET,
          .doc = "credential with the API key; at Primavera the API user's name" },
        { "secret_credential", KEY_STRING, NULL, AT(secret_credential), .check = syntax_credential,
          .flags = KEY_REQUIRED | KEY_SECRET,
          .doc = "credential with the key's secret; at Primavera the password" },
        { "organization", KEY_ID, "0", 0, ORGANIZATION_MAX, AT(organization), .types = UMBRELLA,
          .doc = "child organisation; 0: the key's own" },
        { "organizations", KEY_IDS, "[]", 1, ORGANIZATION_MAX, KEY_NOWHERE, .types = UMBRELLA,
          .doc = "instead: one target per child organisation, named NAME-ID" },
        { "groups", KEY_STRINGS, NULL, .offset = KEY_NOWHERE, .check = syntax_dn, .flags = KEY_REQUIRED,
          .doc = "DNs of the groups whose members belong here; []: everybody in scope" },
        { "roles", KEY_ROWS, NULL, .offset = KEY_NOWHERE, .section = &key_section_role, .flags = KEY_BY_TYPE,
          .types = UMBRELLA,
          .doc = "role by group, first match wins, no match: not here; required at Umbrella" },
        { "applications", KEY_ROWS, "()", .offset = KEY_NOWHERE, .section = &key_section_application,
          .types = PRIMAVERA, .doc = "application roles by group, all matching rows" },
        { "timezone", KEY_STRING, "UTC", AT(timezone), .check = syntax_not_empty, .types = UMBRELLA,
          .doc = "time zone of new accounts, where the directory names none" },
        { "create", KEY_BOOL, "true", AT(create), .doc = "create accounts that are missing" },
        { "adopt", KEY_CHOICE, "email", AT(adopt), .choices = adopts,
          .doc = "whether an account with the person's address becomes ours" },
        { "leave", KEY_CHOICE, "keep", AT(leave), .choices = leaves,
          .doc = "what becomes of a leaver's account" },
        { "leave_grace", KEY_SPAN, "7d", TIMES(0, 3650 * USEC_PER_DAY), AT(leave_grace),
          .doc = "how long a person must be gone before a delete" },
        { "gone", KEY_CHOICE, "hold", AT(gone), .choices = gones,
          .doc = "what becomes of a linked account that somebody removed at the API" },
        { "password_reset", KEY_BOOL, "false", AT(password_reset), .doc = "pass password resets on" },
        { "reset_batch", KEY_INT, "100", 1, 10000, AT(reset_batch),
          .doc = "people in one call for a reset" },
        { "reset_uncertain", KEY_SWITCH, "once", AT(reset_uncertain_again), .choices = uncertains,
          .doc = "whether a reset without an answer is sent again" },
        { "protect", KEY_STRINGS, "[]", MANY(protect), .check = syntax_pattern,
          .doc = "addresses (* stands for anything) of accounts that are never touched" },
        { "last_of", KEY_STRINGS, NULL, MANY(last_of), .check = syntax_not_empty, .flags = KEY_BY_TYPE,
          .doc = "roles whose last active account is never removed, disabled or recreated" },
        { "limits.create", KEY_INT, "50", 0, COUNT_MAX, AT(limits.create), .doc = "creates in 24 hours" },
        { "limits.update", KEY_INT, "50", 0, COUNT_MAX, AT(limits.update), .doc = "updates in 24 hours" },
        { "limits.recreate", KEY_INT, "5", 0, COUNT_MAX, AT(limits.recreate),
          .doc = "recreates in 24 hours" },
        { "limits.enable", KEY_INT, "50", 0, COUNT_MAX, AT(limits.enable), .doc = "enables in 24 hours" },
        { "limits.disable", KEY_INT, "10", 0, COUNT_MAX, AT(limits.disable), .doc = "disables in 24 hours" },
        { "limits.delete", KEY_INT, "10", 0, COUNT_MAX, AT(limits.delete), .doc = "deletes in 24 hours" },
        { "limits.reset", KEY_INT, "20", 0, COUNT_MAX, AT(limits.reset),
          .doc = "password resets in 24 hours" },
        { "limits.percent", KEY_INT, "10", 0, 100, AT(limits.percent),
          .doc = "share of the linked accounts for every kind but create; 100: off" },
        { "quarantine.percent", KEY_INT, "40", 0, 100, AT(quarantine.percent),
          .doc = "share of failures that parks the target; 100: off" },
        { "quarantine.after", KEY_INT, "20", 1, COUNT_MAX, AT(quarantine.after),
          .doc = "actions before the share counts" },
        { "rate.second", KEY_INT, NULL, 1, RATE_MAX, AT(rate.second), .flags = KEY_BY_TYPE,
          .doc = "calls in a second" },
        { "rate.minute", KEY_INT, NULL, 1, RATE_MAX, AT(rate.minute), .flags = KEY_BY_TYPE,
          .doc = "calls in a minute" },
        { "rate.half_hour", KEY_INT, NULL, 1, RATE_MAX, AT(rate.half_hour), .flags = KEY_BY_TYPE,
          .doc = "calls in 30 minutes" },
        { "concurrency", KEY_INT, "4", 1, 64, AT(concurrency), .doc = "calls at one time" },
        { "timeout", KEY_SPAN, "30s", TIMES(USEC_PER_SEC, USEC_PER_HOUR), AT(timeout),
          .doc = "limit of one call" },
        { "list_interval", KEY_SPAN, "30min", TIMES(USEC_PER_SEC, 30 * USEC_PER_DAY), AT(list_interval),
          .doc = "age at which a listing is read anew" },
        { "max_listing", KEY_SIZE, "64MiB", 1024, UINT64_C(4) << 30, AT(max_listing),
          .doc = "largest listing that is accepted" },
        { "ca_file", KEY_STRING, "", AT(ca_file), .check = syntax_path_or_none,
          .doc = "CA certificates (PEM) for the API; \"\": as directory.ca_file" },
        { "proxy", KEY_STRING, "", AT(proxy), .check = syntax_proxy, .doc = "proxy; \"\": none" },
        { "canaries", KEY_STRINGS, "[]", MANY(canaries), .check = syntax_address,
          .doc = "addresses that every listing must contain" },
        { "paused", KEY_BOOL, "false", AT(paused), .doc = "plan, but change nothing here" },
        { "tenant", KEY_STRING, "", AT(tenant), .check = syntax_tenant, .types = PRIMAVERA,
          .doc = "path prefix of the tenant" },
        { "auth", KEY_SWITCH, "oauth", AT(auth_basic), .choices = auths, .types = PRIMAVERA,
          .doc = "how calls are authorised; basic is unverified" },
        { "company.id", KEY_STRING, NULL, AT(company.id), .check = syntax_not_empty, .flags = KEY_BY_TYPE,
          .types = PRIMAVERA, .doc = "the company of new accounts: its id" },
        { "company.name", KEY_STRING, NULL, AT(company.name), .check = syntax_not_empty,
          .flags = KEY_BY_TYPE, .types = PRIMAVERA, .doc = "its name" },
        { "company.display_name", KEY_STRING, NULL, AT(company.display_name), .check = syntax_not_empty,
          .flags = KEY_BY_TYPE, .types = PRIMAVERA, .doc = "its name for people" },
        { "user_type", KEY_STRING, "EMP", AT(user_type), .check = syntax_not_empty, .types = PRIMAVERA,
          .doc = "user type of new accounts" },
        { "reset", KEY_SWITCH, "manual", AT(reset_auto), .choices = resets, .types = PRIMAVERA,
          .doc = "which of the two password resets is used" },
        { "email_password", KEY_BOOL, "true", AT(email_password), .types = PRIMAVERA,
          .doc = "the API mails the new password (isEmailPasswd)" },
};
const KeySection key_section_target = { target_rows, ELEMENTSOF(target_rows) };
#undef ROW_STRUCT

/* ---- The whole */

#define ROW_STRUCT Config
#define DIRECTORY_STRINGS(member) \
        .offset = offsetof(Config, directory.member), .offset_n = offsetof(Config, directory.n_##member)
static const KeyRow root_rows[] = {
        { "directory.uris", KEY_STRINGS, NULL, DIRECTORY_STRINGS(uris), .check = syntax_ldap_uri,
          .flags = KEY_REQUIRED,
          .doc = "servers, tried in order" },
        { "directory.starttls", KEY_BOOL, "false", AT(directory.starttls),
          .doc = "StartTLS on ldap:// connections" },
        { "directory.insecure", KEY_BOOL, "false", AT(directory.insecure),
          .doc = "allow a simple bind without TLS" },
        { "directory.ca_file", KEY_STRING, "/etc/ssl/certs/ca-certificates.crt", AT(directory.ca_file),
          .check = syntax_path, .doc = "CA certificates (PEM) for the directory" },
        { "directory.bind.method", KEY_CHOICE, "simple", AT(directory.bind.method), .choices = bind_methods,
          .doc = "how the reader proves who it is" },
        { "directory.bind.dn", KEY_STRING, NULL, AT(directory.bind.dn), .check = syntax_bind_name,
          .doc = "name to bind as; simple" },
        { "directory.bind.password_credential", KEY_STRING, NULL, AT(directory.bind.password_credential),
          .check = syntax_credential, .flags = KEY_SECRET, .doc = "credential with the password; simple" },
        { "directory.bind.keytab_credential", KEY_STRING, NULL, AT(directory.bind.keytab_credential),
          .check = syntax_credential, .flags = KEY_SECRET_FILE | KEY_LATER,
          .doc = "credential with the Kerberos keytab; gssapi" },
        { "directory.bind.certificate_credential", KEY_STRING, NULL,
          AT(directory.bind.certificate_credential),
          .check = syntax_credential, .flags = KEY_SECRET_FILE | KEY_LATER,
          .doc = "credential with the client certificate (PEM); external" },
        { "directory.bind.key_credential", KEY_STRING, NULL, AT(directory.bind.key_credential),
          .check = syntax_credential, .flags = KEY_SECRET_FILE | KEY_LATER,
          .doc = "credential with the certificate's private key (PEM); external" },
        { "directory.people.base", KEY_STRING, NULL, AT(directory.people.base), .check = syntax_dn,
          .flags = KEY_REQUIRED, .doc = "DN where the search for people begins" },
        { "directory.people.scope", KEY_CHOICE, "sub", AT(directory.people.scope), .choices = search_scopes,
          .doc = "how deep it goes" },
        { "directory.people.filter", KEY_STRING, NULL, AT(directory.people.filter), .check = syntax_filter,
          .flags = KEY_REQUIRED, .doc = "which entries are people in scope" },
        { "directory.attributes.id", KEY_STRING, "entryUUID", AT(directory.attributes.id),
          .check = syntax_attribute,
          .doc = "the entry's immutable id: entryUUID, nsUniqueId, objectGUID" },
        { "directory.attributes.login", KEY_STRING, "uid", AT(directory.attributes.login),
          .check = syntax_attribute,
          .doc = "login name" },
        { "directory.attributes.email", KEY_STRING, "mail", AT(directory.attributes.email),
          .check = syntax_attribute,
          .doc = "mail address" },
        { "directory.attributes.first_name", KEY_STRING, "givenName", AT(directory.attributes.first_name),
          .check = syntax_attribute, .doc = "first name" },
        { "directory.attributes.last_name", KEY_STRING, "sn", AT(directory.attributes.last_name),
          .check = syntax_attribute, .doc = "last name" },
        { "directory.attributes.timezone", KEY_STRING, "", AT(directory.attributes.timezone),
          .check = syntax_attribute_or_none, .doc = "time zone; \"\": not mapped" },
        { "directory.attributes.employee_number", KEY_STRING, "", AT(directory.attributes.employee_number),
          .check = syntax_attribute_or_none, .doc = "employee number; \"\": not mapped" },
        { "directory.disabled.attribute", KEY_STRING, "", AT(directory.disabled.attribute),
          .check = syntax_attribute_or_none, .doc = "attribute that disables a person; \"\": none" },
        /* One text, three members: directory_finish(). */
        { "directory.disabled.when", KEY_STRING, "present", .offset = KEY_NOWHERE,
          .check = check_disabled_when,
          .doc = "which values do: present, true, value:V, mask:N" },
        { "directory.password_reset.attribute", KEY_STRING, "", AT(directory.password_reset.attribute),
          .check = syntax_attribute_or_none, .doc = "attribute that asks for a reset; \"\": none" },
        { "directory.password_reset.when", KEY_CHOICE, "true", AT(directory.password_reset.when),
          .choices = reset_whens, .doc = "whether its value TRUE or any change asks for one" },
        { "directory.page_size", KEY_INT, "1000", 1, 100000, AT(directory.page_size),
          .doc = "entries in a page" },
        { "directory.timeout", KEY_SPAN, "30s", TIMES(USEC_PER_SEC, USEC_PER_HOUR), AT(directory.timeout),
          .doc = "limit of one operation" },
        { "directory.poll_timeout", KEY_SPAN, "10min", TIMES(USEC_PER_SEC, USEC_PER_DAY),
          AT(directory.poll_timeout),
          .doc = "silence that ends a read" },
        { "directory.incremental", KEY_CHOICE, "auto", AT(directory.incremental), .choices = incrementals,
          .doc = "how changes alone are read" },
        { "directory.poll_interval", KEY_SPAN, "5min", TIMES(USEC_PER_SEC, 7 * USEC_PER_DAY),
          AT(directory.poll_interval), .doc = "from the start of one read to the next" },
        { "directory.full_interval", KEY_SPAN, "24h", TIMES(USEC_PER_SEC, 30 * USEC_PER_DAY),
          AT(directory.full_interval), .flags = KEY_LATER, .doc = "from one full read to the next" },
        { "directory.persist", KEY_BOOL, "false", AT(directory.persist), .flags = KEY_LATER,
          .doc = "keep a search open that reports changes at once" },
        { "directory.canaries", KEY_STRINGS, "[]", DIRECTORY_STRINGS(canaries), .check = syntax_dn,
          .doc = "DNs that every full read must contain" },
        { "target_defaults", KEY_GROUP, "{}", .offset = KEY_NOWHERE, .section = &key_section_target,
          .doc = "merged into each target" },
        { "targets", KEY_ROWS, NULL, .offset = KEY_NOWHERE, .section = &key_section_target,
          .flags = KEY_REQUIRED,
          .doc = "one row per tenancy of an API" },
        { "password.length", KEY_INT, "24", 16, 128, AT(password.length),
          .doc = "characters of generated passwords" },
        { "password.classes", KEY_INT, "4", 1, 4, AT(password.classes),
          .doc = "kinds of characters in them: lower, upper, digits, punctuation" },
        { "first_plan", KEY_SWITCH, "hold", AT(first_plan_apply), .choices = first_plans,
          .doc = "whether a target's first plan waits for a person" },
        { "history", KEY_SPAN, "400d", TIMES(USEC_PER_DAY, 36500 * USEC_PER_DAY), AT(history),
          .doc = "how long finished actions are remembered" },
        { "expect", KEY_ROWS, "()", .offset = KEY_NOWHERE, .section = &key_section_expect,
          .doc = "what must be true of a plan" },
        { "metrics.listen", KEY_STRING, "", AT(metrics_listen), .check = syntax_listen, .flags = KEY_LATER,
          .doc = "HOST:PORT where metrics are served; \"\": nowhere" },
        { "notify.command", KEY_STRING, "", AT(notify_command), .check = syntax_path_or_none,
          .flags = KEY_LATER,
          .doc = "program that is told of events; \"\": none" },
        { "notify.events", KEY_STRINGS, "[]", MANY(notify_events), .check = syntax_not_empty,
          .flags = KEY_LATER,
          .doc = "the events it is told of" },
};
const KeySection key_section_root = { root_rows, ELEMENTSOF(root_rows) };
#undef ROW_STRUCT

const KeyRow *key_section_find(const KeySection *section, const char *name) {
        for (size_t i = 0; i < section->n_rows; i++)
                if (str_eq(section->rows[i].name, name))
                        return &section->rows[i];
        return NULL;
}

static const char *size_format(uint64_t size, char *buf, size_t len) {
        static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
        size_t unit = 0;

        for (; size >= 1024 && size % 1024 == 0 && unit + 1 < ELEMENTSOF(units); unit++)
                size /= 1024;
        (void) snprintf(buf, len, "%" PRIu64 "%s", size, units[unit]);
        return buf;
}

static void choices_format(const KeyRow *row, char *buf, size_t size) {
        size_t len = 0;

        for (const KeyChoice *c = row->choices; c->name && len < size; c++) {
                const char *before = c == row->choices ? "" : c[1].name ? ", " : " or ";

                len += (size_t) snprintf(buf + len, size - len, "%s\"%s\"", before, c->name);
        }
}

const char *key_range(const KeyRow *row, char buf[static KEY_RANGE_MAX]) {
        char low[USEC_FORMAT_MAX], high[USEC_FORMAT_MAX];
        const char *fixed = NULL;

        switch (row->type) {
        case KEY_INT:
        case KEY_ID:
                (void) snprintf(buf, KEY_RANGE_MAX, "a whole number from %" PRIu64 " to %" PRIu64, row->min,
                                row->max);
                return buf;
        case KEY_IDS:
                (void) snprintf(buf, KEY_RANGE_MAX, "a list of whole numbers from %" PRIu64 " to %" PRIu64
                                ": [ 1, 2 ]", row->min, row->max);
                return buf;
        case KEY_SPAN:
                (void) snprintf(buf, KEY_RANGE_MAX,
                                "a duration from \"%s\" to \"%s\", like \"30s\" or \"1h 30min\"",
                                usec_format(row->min, low), usec_format(row->max, high));
                return buf;
        case KEY_SIZE:
                (void) snprintf(buf, KEY_RANGE_MAX, "a size from \"%s\" to \"%s\", like \"64MiB\"",
                                size_format(row->min, low, sizeof(low)),
                                size_format(row->max, high, sizeof(high)));
                return buf;
        case KEY_CHOICE:
        case KEY_SWITCH:
                choices_format(row, buf, KEY_RANGE_MAX);
                return buf;
        case KEY_BOOL:
                fixed = "true or false, without quotes";
                break;
        case KEY_STRING:
                fixed = "a text in quotes";
                break;
        case KEY_STRINGS:
                fixed = "a list of texts: [ \"…\", \"…\" ]";
                break;
        case KEY_ROWS:
                fixed = "a list of groups: ( { … }, { … } )";
                break;
        case KEY_GROUP:
                fixed = "a group: { … }";
                break;
        }
        (void) snprintf(buf, KEY_RANGE_MAX, "%s", fixed);
        return buf;
}

static const struct {
        const char *prefix;
        const KeySection *section;
} all_sections[] = {
        { "", &key_section_root },
        { "targets.", &key_section_target },
        { "targets.roles.", &key_section_role },
        { "targets.applications.", &key_section_application },
        { "expect.", &key_section_expect },
};

static const char *type_name(KeyType type) {
        static const char *const names[] = {
                [KEY_BOOL] = "bool",      [KEY_INT] = "int",        [KEY_ID] = "int",
                [KEY_IDS] = "ints",       [KEY_STRING] = "text",    [KEY_STRINGS] = "texts",
                [KEY_SPAN] = "duration",  [KEY_SIZE] = "size",      [KEY_CHOICE] = "choice",
                [KEY_SWITCH] = "choice",  [KEY_ROWS] = "list",      [KEY_GROUP] = "group",
        };

        return names[type];
}

bool config_key_describe(size_t index, ConfigKey *ret) {
        const KeyRow *row;
        size_t i;

        for (i = 0; i < ELEMENTSOF(all_sections) && index >= all_sections[i].section->n_rows; i++)
                index -= all_sections[i].section->n_rows;
        if (i == ELEMENTSOF(all_sections))
                return false;
        row = &all_sections[i].section->rows[index];
        *ret = (ConfigKey){
                .type = type_name(row->type),
                .def = row->flags & KEY_REQUIRED  ? "required"
                       : row->flags & KEY_BY_TYPE ? "by type"
                                                  : row->def,
                .doc = row->doc,
                .later = row->flags & KEY_LATER,
        };
        (void) snprintf(ret->name, sizeof(ret->name), "%s%s", all_sections[i].prefix, row->name);
        (void) key_range(row, ret->range);
        return true;
}

static const TypeTraits traits[_TARGET_TYPE_MAX] = {
        [TARGET_UMBRELLA] = {
                .name = "umbrella",
                .label = "Umbrella",
                .url = "https://api.umbrella.com",
                .foreign_host = "umbrellagov.com",
                .leave = 1u << LEAVE_KEEP | 1u << LEAVE_DELETE,
                .password_reset = true,
                .reset_needs_organization = true,
                .roles_required = true,
                .rate = { .second = 5, .minute = 14, .half_hour = 350 },
                .last_of = "Full Admin",
        },
        [TARGET_UMBRELLA_GOV] = {
                .name = "umbrella-gov",
                .label = "Umbrella for Government",
                .url = "https://api.umbrellagov.com",
                .foreign_host = "umbrella.com",
                .leave = 1u << LEAVE_KEEP | 1u << LEAVE_DELETE,
                .roles_required = true,
                .rate = { .second = 5, .minute = 14, .half_hour = 350 },
                .last_of = "Full Admin",
        },
        /* No limits are published for Primavera: these are modest. */
        [TARGET_PRIMAVERA] = {
                .name = "primavera",
                .label = "Primavera",
                .leave = 1u << LEAVE_KEEP | 1u << LEAVE_DISABLE,
                .password_reset = true,
                .company_required = true,
                .rate = { .second = 5, .minute = 120, .half_hour = 3600 },
        },
};

const TypeTraits *type_traits(TargetType type) {
        return type < _TARGET_TYPE_MAX ? &traits[type] : NULL;
}
