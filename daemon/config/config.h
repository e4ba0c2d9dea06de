/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration: read once, checked whole, immutable afterwards. The keys and their meaning:
 * idsyncd.conf(5). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strings.h"
#include "base/time.h"

typedef enum BindMethod {
        BIND_SIMPLE, BIND_EXTERNAL, BIND_GSSAPI, BIND_ANONYMOUS, _BIND_METHOD_MAX
} BindMethod;
typedef enum SearchScope { SCOPE_BASE, SCOPE_ONE, SCOPE_SUB, _SCOPE_MAX } SearchScope;
typedef enum Incremental {
        INCREMENTAL_AUTO, INCREMENTAL_SYNCREPL, INCREMENTAL_DIRSYNC, INCREMENTAL_TIMESTAMP, INCREMENTAL_OFF,
        _INCREMENTAL_MAX
} Incremental;
typedef enum TargetType {
        TARGET_UMBRELLA, TARGET_UMBRELLA_GOV, TARGET_PRIMAVERA, _TARGET_TYPE_MAX
} TargetType;
typedef enum AdoptPolicy { ADOPT_NEVER, ADOPT_EMAIL, _ADOPT_MAX } AdoptPolicy;
typedef enum LeavePolicy { LEAVE_KEEP, LEAVE_DISABLE, LEAVE_DELETE, _LEAVE_MAX } LeavePolicy;
typedef enum GonePolicy { GONE_HOLD, GONE_CREATE, GONE_REPORT, _GONE_MAX } GonePolicy;

/* directory.disabled.when: which values of the attribute mean "disabled". */
typedef enum DisabledWhen { DISABLED_PRESENT, DISABLED_TRUE, DISABLED_VALUE, DISABLED_MASK } DisabledWhen;
typedef enum ResetWhen { RESET_TRUE, RESET_CHANGED, _RESET_WHEN_MAX } ResetWhen;

typedef struct DirectoryConfig {
        char **uris;            /* n_uris, each ldap://, ldaps:// or ldapi:// */
        size_t n_uris;
        bool starttls, insecure;
        char *ca_file;
        struct {
                BindMethod method;
                char *dn, *password_credential, *keytab_credential, *certificate_credential, *key_credential;
        } bind;
        struct { char *base; SearchScope scope; char *filter; } people;
        /* "" where nothing is mapped */
        struct {
                char *id, *login, *email, *first_name, *last_name, *timezone, *employee_number;
        } attributes;
        struct { char *attribute; DisabledWhen when; char *value; uint64_t mask; } disabled;
        struct { char *attribute; ResetWhen when; } password_reset;
        unsigned page_size;
        usec_t timeout, poll_timeout, poll_interval, full_interval;
        Incremental incremental;
        bool persist;
        char **canaries;
        size_t n_canaries;
} DirectoryConfig;

typedef struct RoleRule {
        int group;              /* index into Config.groups, -1: everybody in scope */
        char *role;             /* label at the API */
} RoleRule;

typedef struct ApplicationRule {
        int group;              /* as above */
        char **names;
        size_t n_names;
} ApplicationRule;

typedef struct LimitsConfig {
        unsigned create, update, recreate, enable, disable, delete, reset, percent;
} LimitsConfig;
typedef struct RateConfig { unsigned second, minute, half_hour; } RateConfig;

typedef struct TargetConfig {
        char *name;
        TargetType type;
        char *url;              /* without a trailing slash */
        char *key_credential, *secret_credential;
        uint64_t organization;  /* 0: the key's own */
        int *groups;            /* indexes into Config.groups; n_groups 0: everybody in scope */
        size_t n_groups;
        RoleRule *roles;
        size_t n_roles;
        ApplicationRule *applications;
        size_t n_applications;
        char *timezone;
        bool create;
        AdoptPolicy adopt;
        LeavePolicy leave;
        usec_t leave_grace;
        GonePolicy gone;
        bool password_reset;
        unsigned reset_batch;
        bool reset_uncertain_again;
        char **protect;         /* normalised addresses, '*' as a wildcard */
        size_t n_protect;
        char **last_of;
        size_t n_last_of;
        LimitsConfig limits;
        struct { unsigned percent, after; } quarantine;
        RateConfig rate;
        unsigned concurrency;
        usec_t timeout, list_interval;
        uint64_t max_listing;
        char *ca_file, *proxy;  /* ca_file: that of the directory where the file says "" */
        char **canaries;
        size_t n_canaries;
        bool paused;
        /* primavera */
        char *tenant, *user_type;
        bool auth_basic, reset_auto, email_password;
        struct { char *id, *name, *display_name; } company;
        int line;               /* where the target starts in the file */
} TargetConfig;

typedef struct ExpectRule {
        char *person, *target, *role;
        bool absent;
        char *file;             /* where the row stands: the file itself, or one that it includes */
        int line;
} ExpectRule;

/* Immutable and counted: config_ref(), config_unref(). */
typedef struct Config {
        unsigned n_ref;
        char *file;
        DirectoryConfig directory;
        /* every group DN that some target names, each once (by normal form); bit i of a person's marks */
        char **groups;
        size_t n_groups;
        TargetConfig *targets;  /* `organizations` already spread out: one per id, named NAME-ID */
        size_t n_targets;
        struct { unsigned length, classes; } password;
        bool first_plan_apply;
        usec_t history;
        ExpectRule *expect;
        size_t n_expect;
        char *metrics_listen;
        char *notify_command;
        char **notify_events;
        size_t n_notify_events;
} Config;

/* One line per problem or notice, ready to print: "file:line: key: what is wrong, what is allowed". */
typedef struct ConfigProblems {
        char **lines;           /* problems: the configuration can't be used */
        size_t n_lines;
        char **notices;         /* e.g. keys that are accepted and have no effect in this version */
        size_t n_notices;
} ConfigProblems;
void config_problems_deinit(ConfigProblems *p);

/* Reads and checks a file. Collects every problem (libconfig stops at the first syntax error: that is one
 * line). credentials_dir: when not NULL each named credential is checked as well (config/credential.h),
 * without keeping it. 0 and *ret; 1 (CONFIG_E_INVALID) with problems; -errno (-ENOMEM). */
#define CONFIG_E_INVALID 1
int config_load(const char *file, const char *credentials_dir, ConfigProblems *problems, Config **ret);
/* The target of this name; NULL: there is none. */
const TargetConfig *config_target(const Config *config, const char *name);
Config *config_ref(Config *config);
Config *config_unref(Config *config);
DEFINE_CLEANUP(Config *, config_unref);

/* The keys, for documentation and its checks: the index-th of all, "targets.limits.create" and the like.
 * false past the last. */
typedef struct ConfigKey {
        char name[96];
        const char *type;       /* bool, int, text, texts, duration, size, choice, list, group */
        const char *def;        /* as in the file, without quotes; "required", "by type"; NULL: none */
        char range[192];        /* what is allowed, in words */
        const char *doc;
        bool later;             /* accepted, has no effect in this version */
} ConfigKey;
bool config_key_describe(size_t index, ConfigKey *ret);

const char *bind_method_to_string(BindMethod m);
const char *search_scope_to_string(SearchScope s);
const char *target_type_to_string(TargetType t);
