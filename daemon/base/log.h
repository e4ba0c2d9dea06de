/* SPDX-License-Identifier: Apache-2.0 */
/* The journal's fields, or readable lines on a terminal. Only sync/, service/, the manager and main programs
 * log. */
#pragma once

#include <stdint.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/message-ids.h"
#include "base/time.h"

typedef enum LogTarget {
        LOG_TARGET_AUTO,        /* journal fields when stderr is the journal, else readable text */
        LOG_TARGET_JOURNAL,
        LOG_TARGET_CONSOLE,
} LogTarget;

/* What a line is about; zero or NULL members are left out. Becomes IDSYNC_TARGET, IDSYNC_ACTION, …
 * (idsyncd(8)). */
typedef struct LogFields {
        const char *message_id;         /* MSGID_… */
        const char *target;
        const char *action;
        int64_t action_id;
        int64_t cycle;
        const char *person;             /* directory id */
        const char *account;            /* address */
        const char *remote_id;
        const char *outcome;            /* class */
        int http_status;
        int ldap_rc;                    /* -1 or below also means a code: see has_ldap_rc */
        bool has_ldap_rc;
        unsigned attempt;
        usec_t duration;
        const char *plan;               /* hash */
} LogFields;

/* Before it is called: console, LOG_INFO. Without a running journal LOG_TARGET_JOURNAL becomes the console.
 */
void log_setup(LogTarget target, int max_priority);
/* "debug", "info", "notice", "warning", "err", "crit" → priority; -EINVAL otherwise. */
int log_level_from_string(const char *name);

/* fields may be NULL. A message about a target starts with "TARGET: " (put there unless the text does
 * already), so don't repeat the name. errno is kept, and %m works. Control characters in the message are
 * shown escaped. Must not be given secrets. */
void log_event(int priority, const LogFields *fields, const char *format, ...) _printf_(3, 4);

#define log_debug(...) log_event(LOG_DEBUG, NULL, __VA_ARGS__)
#define log_notice(...) log_event(LOG_NOTICE, NULL, __VA_ARGS__)
#define log_warning(...) log_event(LOG_WARNING, NULL, __VA_ARGS__)
#define log_error(...) log_event(LOG_ERR, NULL, __VA_ARGS__)
