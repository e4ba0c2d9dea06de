/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <ldap.h>

#include "reader/server.h"

static ServerKind kind(ServerKind before, const char *attribute, const char *value) {
        struct berval bv = {.bv_val = (char *) value, .bv_len = strlen(value)};

        return server_kind(before, attribute, &bv);
}

static void test_kind(void **state) {
        (void) state;
        assert_int_equal(kind(SERVER_OTHER, "vendorName", "389 Project"), SERVER_389);
        assert_int_equal(kind(SERVER_OTHER, "vendorname", "389 Project, Inc."), SERVER_OTHER);
        assert_int_equal(kind(SERVER_OTHER, "supportedCapabilities", "1.2.840.113556.1.4.800"), SERVER_AD);
        assert_int_equal(kind(SERVER_AD, "supportedCapabilities", "1.2.840.113556.1.4.1670"), SERVER_AD);
        assert_int_equal(kind(SERVER_AD, "vendorName", "Samba Team (https://www.samba.org)"), SERVER_AD);
        assert_int_equal(kind(SERVER_OTHER, "vendorName", "1.2.840.113556.1.4.800"), SERVER_OTHER);
}

static void assert_way_out(ServerKind server, int rc, const char *part) {
        char buf[300];

        server_limit_way_out(server, rc, "cn=reader,dc=example", buf, sizeof(buf));
        if (!strstr(buf, part))
                fail_msg("\"%s\" isn't in \"%s\"", part, buf);
}

static void test_limits(void **state) {
        (void) state;
        assert_way_out(SERVER_OTHER, LDAP_SIZELIMIT_EXCEEDED,
                       "limits dn.exact=\"cn=reader,dc=example\" size=unlimited size.pr=unlimited");
        assert_way_out(SERVER_OTHER, LDAP_TIMELIMIT_EXCEEDED, "time=unlimited");
        assert_way_out(SERVER_OTHER, LDAP_ADMINLIMIT_EXCEEDED, "size.unchecked=unlimited");
        assert_way_out(SERVER_389, LDAP_SIZELIMIT_EXCEEDED,
                       "nsSizeLimit: -1 in the entry cn=reader,dc=example");
        assert_way_out(SERVER_389, LDAP_TIMELIMIT_EXCEEDED, "nsTimeLimit: -1");
        assert_way_out(SERVER_389, LDAP_ADMINLIMIT_EXCEEDED, "nsLookThroughLimit: -1");
        assert_way_out(SERVER_AD, LDAP_SIZELIMIT_EXCEEDED,
                       "(MaxPageSize; see ntdsutil): set directory.page_size");
        assert_way_out(SERVER_AD, LDAP_TIMELIMIT_EXCEEDED, "(MaxQueryDuration; see ntdsutil): raise it");
        assert_way_out(SERVER_AD, LDAP_ADMINLIMIT_EXCEEDED, "MaxTempTableSize");
}

#define REFUSAL(data) "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error" data

static void test_refusals(void **state) {
        (void) state;
        assert_string_equal(server_bind_refusal(REFUSAL(", data 52e, v1db1")),
                            "the name or the password is wrong: check directory.bind.dn and the file of "
                            "directory.bind.password_credential");
        assert_string_equal(server_bind_refusal(REFUSAL(", data 533, v4563")),
                            "the account is disabled: it must be enabled");
        assert_non_null(server_bind_refusal(REFUSAL(", data 775")));
        assert_null(server_bind_refusal(REFUSAL(", data 57, v1db1")));
        assert_null(server_bind_refusal(REFUSAL(", data ")));
        assert_null(server_bind_refusal(REFUSAL("")));
        assert_null(server_bind_refusal(NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(test_kind),
                        cmocka_unit_test(test_limits),
                        cmocka_unit_test(test_refusals),
        };

        return cmocka_run_group_tests_name("server", tests, NULL, NULL);
}
