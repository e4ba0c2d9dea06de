/* SPDX-License-Identifier: Apache-2.0 */
#include "reader/server.h"

#include <ldap.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/strings.h"

#define CAPABILITY_ACTIVE_DIRECTORY "1.2.840.113556.1.4.800"
#define VENDOR_389 "389 Project"
#define DATA ", data "

static char vendor_name[] = "vendorName", capabilities[] = "supportedCapabilities";

char *const server_kind_attributes[] = {vendor_name, capabilities, NULL};

static bool is(const struct berval *value, const char *text) {
        return value->bv_len == strlen(text) && memcmp(value->bv_val, text, value->bv_len) == 0;
}

ServerKind server_kind(ServerKind before, const char *attribute, const struct berval *value) {
        if (strcasecmp(attribute, capabilities) == 0 && is(value, CAPABILITY_ACTIVE_DIRECTORY))
                return SERVER_AD;
        if (strcasecmp(attribute, vendor_name) == 0 && is(value, VENDOR_389))
                return SERVER_389;
        return before;
}

static void limit_389(int rc, const char *account, char *buf, size_t size) {
        const char *attribute = rc == LDAP_SIZELIMIT_EXCEEDED   ? "nsSizeLimit"
                                : rc == LDAP_TIMELIMIT_EXCEEDED ? "nsTimeLimit"
                                                                : "nsLookThroughLimit";

        (void) snprintf(buf, size, "raise the server's limit for this account: %s: -1 in the entry %.120s",
                        attribute, account);
}

static void limit_ad(int rc, char *buf, size_t size) {
        (void) snprintf(buf, size, "the domain's LDAP policy ends it (%s; see ntdsutil): %s",
                        rc == LDAP_SIZELIMIT_EXCEEDED   ? "MaxPageSize"
                        : rc == LDAP_TIMELIMIT_EXCEEDED ? "MaxQueryDuration"
                                                        : "MaxTempTableSize, MaxResultSetSize",
                        rc == LDAP_SIZELIMIT_EXCEEDED
                                        ? "set directory.page_size to no more than that"
                                        : "raise it, or take a directory.people.base or filter that is "
                                          "answered from an index");
}

static void limit_openldap(int rc, const char *account, char *buf, size_t size) {
        const char *limits = rc == LDAP_SIZELIMIT_EXCEEDED
                                             ? "size=unlimited size.pr=unlimited size.prtotal=unlimited"
                             : rc == LDAP_TIMELIMIT_EXCEEDED
                                             ? "time=unlimited"
                                             : "size=unlimited size.prtotal=unlimited "
                                               "size.unchecked=unlimited";

        (void) snprintf(buf, size,
                        "raise the server's limit for this account; slapd.conf: limits dn.exact=\"%.120s\" "
                        "%s",
                        account, limits);
}

void server_limit_way_out(ServerKind kind, int rc, const char *account, char *buf, size_t size) {
        switch (kind) {
        case SERVER_389:
                limit_389(rc, account, buf, size);
                return;
        case SERVER_AD:
                limit_ad(rc, buf, size);
                return;
        case SERVER_OTHER:
        default:
                limit_openldap(rc, account, buf, size);
        }
}

/* Windows system error codes (MS-ERREF §2.2), in hexadecimal as the server writes them. */
static const struct {
        const char *code, *meaning;
} refusals[] = {
                {"525", "there is no such account: check directory.bind.dn"},
                {"52e", "the name or the password is wrong: check directory.bind.dn and the file of "
                        "directory.bind.password_credential"},
                {"52f", "the account is restricted: its administrator must allow this bind"},
                {"530", "the account may not log on at this time: its logon hours must allow it"},
                {"531", "the account may not log on from this machine: its workstations must allow it"},
                {"532", "the account's password has expired: set one that doesn't expire"},
                {"533", "the account is disabled: it must be enabled"},
                {"701", "the account has expired: its expiry must be moved"},
                {"773", "the account must change its password first: set one without that demand"},
                {"775", "the account is locked after wrong passwords: unlock it, and check the file of "
                        "directory.bind.password_credential"},
};

const char *server_bind_refusal(const char *diagnostic) {
        const char *data = diagnostic ? strstr(diagnostic, DATA) : NULL;
        size_t len;

        if (!data)
                return NULL;
        data += strlen(DATA);
        len = strcspn(data, ", ");
        for (size_t i = 0; i < ELEMENTSOF(refusals); i++)
                if (strlen(refusals[i].code) == len && strncasecmp(refusals[i].code, data, len) == 0)
                        return refusals[i].meaning;
        return NULL;
}
