/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "check/check-command.h"
#include "check/check-lines.h"

static void quoted(const char *word, const char *expected) {
        _cleanup_(strbuf_deinit) StrBuf out = STRBUF_INIT(4096);

        check_command_quote(&out, word);
        assert_string_equal(out.data, expected);
}

static void test_quote(void **state) {
        (void) state;
        quoted("ou=people,dc=example,dc=com", "ou=people,dc=example,dc=com");
        quoted("", "''");
        quoted("(uid=*)", "'(uid=*)'");
        quoted("cn=O'Brien", "'cn=O'\\''Brien'");
        quoted("$(reboot) `x` \\ \"", "'$(reboot) `x` \\ \"'");
        quoted("a\nb", "'a\nb'");
        quoted("cn=Zoë", "'cn=Zoë'");
        quoted("~root", "'~root'");
}

static char text_ca[] = "/etc/my ca.pem", text_dn[] = "cn=it's,dc=x", text_base[] = "dc=x",
            text_filter[] = "(uid=*)", text_id[] = "entryUUID", text_uid[] = "uid", text_none[] = "",
            text_mail[] = "mail", text_again[] = "MAIL", text_lock[] = "lockedTime";

static DirectoryConfig directory(void) {
        return (DirectoryConfig){
                        .ca_file = text_ca,
                        .bind = {.method = BIND_SIMPLE, .dn = text_dn},
                        .people = {.base = text_base, .scope = SCOPE_ONE, .filter = text_filter},
                        .attributes = {.id = text_id,
                                       .login = text_uid,
                                       .email = text_mail,
                                       .first_name = text_again,
                                       .last_name = text_none,
                                       .timezone = text_none,
                                       .employee_number = text_none},
                        .disabled = {.attribute = text_lock},
                        .page_size = 500,
        };
}

#define HEAD "LDAPTLS_CACERT='/etc/my ca.pem' LDAPTLS_REQCERT=demand ldapsearch -LLL -o ldif-wrap=no -H "

static void is(char *take_command, const char *expected) {
        assert_non_null(take_command);
        assert_string_equal(take_command, expected);
        free(take_command);
}

static void test_commands(void **state) {
        DirectoryConfig d = directory();

        (void) state;
        is(check_command_people(&d, "ldaps://a"), HEAD
           "ldaps://a -x -D 'cn=it'\\''s,dc=x' -W -b dc=x -s one -E pr=500/noprompt '(uid=*)' entryUUID uid "
           "mail lockedTime");
        is(check_command_group(&d, "ldaps://a", "cn=g h,dc=x"),
           HEAD "ldaps://a -x -D 'cn=it'\\''s,dc=x' -W -b 'cn=g h,dc=x' -s base '(objectClass=*)' member "
                "uniqueMember memberUid");
        d.starttls = true;
        d.bind.method = BIND_EXTERNAL;
        d.page_size = 0;
        is(check_command_people(&d, "ldap://a"),
           HEAD "ldap://a -ZZ -Y EXTERNAL -b dc=x -s one '(uid=*)' entryUUID uid mail lockedTime");
        d.bind.method = BIND_ANONYMOUS;
        is(check_command_group(&d, "ldap://a", "cn=g"),
           HEAD "ldap://a -ZZ -x -b cn=g -s base '(objectClass=*)' member uniqueMember memberUid");
}

static void test_lines(void **state) {
        _cleanup_(check_lines_deinit) CheckLines lines = {0}, others = {0};
        _cleanup_(strbuf_deinit) StrBuf text = STRBUF_INIT(4096), json = STRBUF_INIT(4096);

        (void) state;
        check_line(&lines, CHECK_OK, EXIT_DIRECTORY, "directory", NULL, "people", "%d", 7);
        check_more(&lines, "a sample\n");
        assert_int_equal(check_exit_code(&lines), 0);
        check_line(&others, CHECK_WARN, EXIT_TARGET, "target", "umbrella", "clock", "late");
        check_line(&others, CHECK_FAIL, EXIT_TARGET, "target", "umbrella", "listing", "cut");
        check_line(&others, CHECK_FAIL, EXIT_DIFFERENCES, "expect", "umbrella", "expectation", "no");
        check_lines_move(&lines, &others);
        assert_int_equal(others.n, 0);
        assert_int_equal(check_exit_code(&lines), EXIT_TARGET);
        assert_int_equal(check_lines_text(&lines, &text), 0);
        assert_string_equal(text.data, "ok    directory  people       7\n"
                                       "          a sample\\x0a\n"
                                       "warn  umbrella   clock        late\n"
                                       "FAIL  umbrella   listing      cut\n"
                                       "FAIL  umbrella   expectation  no\n"
                                       "2 of 4 checks failed, 1 with a warning\n");
        assert_int_equal(check_lines_json(&lines, &json), 0);
        assert_int_equal(json.error, 0);
        assert_non_null(strstr(json.data,
                               "{\"version\":1,\"exit\":5,\"checks\":[{\"result\":\"ok\",\"part\":"
                               "\"directory\",\"target\":null,\"what\":\"people\",\"detail\":\"7\","
                               "\"more\":[\"a sample\\n\"]},{\"result\":\"warn\","));
}

static void test_verdicts(void **state) {
        (void) state;
        for (int v = 0; v < _CHECK_VERDICT_MAX; v++)
                assert_int_equal(check_verdict_from_string(check_verdict_to_string((CheckVerdict) v)), v);
        assert_true(check_verdict_from_string("perhaps") < 0);
        assert_true(check_verdict_from_string(NULL) < 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_quote),
                cmocka_unit_test(test_commands),
                cmocka_unit_test(test_lines),
                cmocka_unit_test(test_verdicts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
