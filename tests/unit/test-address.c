/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/strings.h"
#include "model/address.h"

static void same(const char *address, const char *key) {
        _cleanup_(freep) char *owned = NULL;
        char got[ADDRESS_MAX + 1];
        ErrCtx err = {};

        if (address_key_buf(address, got, &err) != 0)
                fail_msg("\"%s\" is refused: %s", address, err.text);
        assert_string_equal(got, key);
        assert_int_equal(address_key(address, &owned), 0);
        assert_string_equal(owned, key);
}

static void refused(const char *address, const char *why) {
        char buf[ADDRESS_MAX + 1], *got = NULL;
        ErrCtx err = {};

        assert_int_equal(address_key_buf(address, buf, &err), ADDRESS_E_INVALID);
        assert_int_equal(address_key(address, &got), ADDRESS_E_INVALID);
        assert_null(got);
        if (!strstr(err.text, why))
                fail_msg("\"%s\" is refused with \"%s\", not \"%s\"", address, err.text, why);
}

static void test_ascii(void **state) {
        (void) state;
        same("alice@example.com", "alice@example.com");
        same("Alice.B@EXAMPLE.Com", "alice.b@example.com");
        same(" \t alice@example.com\r\n", "alice@example.com");
        /* No rules for dots or tags. */
        same("a.l.i.c.e+Tag@gmail.com", "a.l.i.c.e+tag@gmail.com");
        same("root@localhost", "root@localhost");
        same("o'brien=x!y#z@a-b.example", "o'brien=x!y#z@a-b.example");
        same("x--y@r3---sn.example", "x--y@r3---sn.example");
        /* No trailing dot that the other spelling lacks. */
        refused("a@example.com.", "host name");
}

static void test_unicode(void **state) {
        (void) state;
        /* One character or two: the same address. */
        same("Ren\xc3\xa9@example.com", "ren\xc3\xa9@example.com");
        same("RENE\xcc\x81@example.com", "ren\xc3\xa9@example.com");
        /* Full folding; final and inner sigma. */
        same("STRA\xc3\x9f" "E@example.com", "strasse@example.com");
        same("\xce\xa3\xcf\x82@example.com", "\xcf\x83\xcf\x83@example.com");
        /* Never NFKC: a ligature and full width letters are other people. */
        same("\xef\xbc\xa1@example.com", "\xef\xbd\x81@example.com");
        /* Space that is not ASCII, around. */
        same("\xc2\xa0" "a@example.com\xe2\x80\x83", "a@example.com");
        same(" \xc2\xa0 a@example.com \xc2\xa0 ", "a@example.com");
}

static void test_logins(void **state) {
        static const struct { const char *a, *b; bool same; } cases[] = {
                { "JSmith", "jsmith", true },
                { "jsmith", "jsmit", false },
                { "M\xc3\x9cLLER", "m\xc3\xbcller", true },
                { "mu\xcc\x88ller", "M\xc3\x9cLLER", true },
                { "m\xc3\xbcller", "muller", false },
                /* Not UTF-8: as it is. */
                { "m\xfcller", "M\xfcLLER", true },
                { "m\xfcller", "M\xdcLLER", false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(freep) char *a = login_key(cases[i].a), *b = login_key(cases[i].b);

                assert_int_equal(login_equal(cases[i].a, cases[i].b), cases[i].same);
                assert_int_equal(login_equal(cases[i].b, cases[i].a), cases[i].same);
                assert_int_equal(str_eq(a, b), cases[i].same);
        }
}

static void test_domains(void **state) {
        (void) state;
        same("a@m\xc3\xbcnchen.example", "a@xn--mnchen-3ya.example");
        same("a@MU\xcc\x88NCHEN.example", "a@xn--mnchen-3ya.example");
        same("a@XN--MNCHEN-3ya.Example", "a@xn--mnchen-3ya.example");
        /* Non-transitional: a sharp s of a domain stays one. */
        same("a@fa\xc3\x9f.example", "a@xn--fa-hia.example");
        same("\xc3\x84@b\xc3\xbc" "cher.example", "\xc3\xa4@xn--bcher-kva.example");
        refused("a@xn--a-\xc3\xbc.example", "domain");
        refused("a@xn--99999999.example", "domain");
        refused("a@-b.example", "host name");
        refused("a@b-.example", "host name");
        refused("a@b..example", "host name");
        refused("a@.example", "host name");
        refused("a@b_c.example", "host name");
        refused("a@b,c", "host name");
        refused("a@[192.0.2.1]", "host name");
        refused("\xc3\xa4@b_c.example", "host name");
        refused("\xc3\xa4@b,c", "host name");
        refused("a@b_c.xn--mnchen-3ya", "host name");
        refused("a@\xe2\x84\x80.example", "host name");        /* U+2100 maps to "a/c" */
        refused("a@b.example\xe3\x80\x82", "host name");       /* an ideographic full stop ends it */
        same("a@b\xe3\x80\x82" "example", "a@b.example");
        refused("a@b.com;c.com", "host name");
}

static void test_refused(void **state) {
        char text[ADDRESS_MAX + 64];

        (void) state;
        refused("", "empty");
        refused("  ", "empty");
        refused("\xc2\xa0", "no '@'");
        refused("\xc2\xa0   ", "no '@'");
        refused("alice", "no '@'");
        refused("a@b@c", "several");
        refused("\xc3\xa4@b@c", "several");
        refused("@example.com", "before");
        refused("alice@", "after");
        refused("a b@example.com", "white space");
        refused("a\tb@example.com", "white space");
        refused("a\x7f@example.com", "control");
        refused("a\xc2\xa0" "b@example.com", "U+00A0");
        refused("a\xe2\x80\x8b" "b@example.com", "U+200B");
        refused("a\xe2\x80\xae" "b@example.com", "U+202E");
        refused("a\xc2\x85" "b@example.com", "U+0085");
        refused("\xff@example.com", "UTF-8");
        refused("a@\xc3", "UTF-8");
        refused("\xed\xa0\x80@example.com", "UTF-8");

        memset(text, 'a', sizeof(text));
        strcpy(text + ADDRESS_MAX - 1, "@b");
        refused(text, "longer");
        strcpy(text + ADDRESS_MAX - 2, "@b");
        same(text, text);
        /* Space around isn't part of it. */
        strcpy(text + ADDRESS_MAX, "       ");
        assert_int_equal(address_key_buf(text, (char[ADDRESS_MAX + 1]){}, NULL), 0);
        memset(text, 'b', sizeof(text));
        text[0] = 'a';
        text[1] = '@';
        text[2 + 64] = 0;
        refused(text, "host name");
        text[2 + 63] = 0;
        same(text, text);
}

/* A key may grow past the limit when it is folded. */
static void test_growth(void **state) {
        char text[ADDRESS_MAX + 64] = "";
        size_t len = 0;

        (void) state;
        /* U+0390, two bytes, folds to three code points of two bytes; NFC puts them together again;
         * U+1E9E grows to "ss". */
        while (len < ADDRESS_MAX - 8) {
                memcpy(text + len, "\xef\xac\x83", 3);  /* ffi ligature: 3 bytes to 3 */
                len += 3;
        }
        strcpy(text + len, "@b.c");
        assert_int_equal(address_key_buf(text, (char[ADDRESS_MAX + 1]){}, NULL), 0);
        len = 0;
        while (len < ADDRESS_MAX - 12) {
                memcpy(text + len, "\xc8\xba", 2);      /* U+023A folds to U+2C65: 2 bytes to 3 */
                len += 2;
        }
        strcpy(text + len, "@b.c");
        refused(text, "longer");
}

static void test_matches(void **state) {
        (void) state;
        assert_true(address_matches("breakglass@example.com", "breakglass@example.com"));
        assert_true(address_matches(" BreakGlass@Example.COM ", "breakglass@example.com"));
        assert_false(address_matches("breakglass@example.com", "xbreakglass@example.com"));
        assert_true(address_matches("*@vendor.example", "a.b@vendor.example"));
        assert_true(address_matches("*@VENDOR.example", "@vendor.example"));
        assert_false(address_matches("*@vendor.example", "a@sub.vendor.example"));
        assert_false(address_matches("*@vendor.example", "a@vendor.example.com"));
        assert_true(address_matches("*@*.vendor.example", "a@sub.vendor.example"));
        assert_true(address_matches("svc-*@example.com", "svc-@example.com"));
        assert_true(address_matches("*a*b*c*", "xaxbxcx"));
        assert_true(address_matches("**", "a@b"));
        assert_true(address_matches("*ab", "aab"));
        assert_false(address_matches("*ab", "aba"));
        assert_false(address_matches("a*b", "a"));
        assert_false(address_matches("", "a@b"));
        assert_false(address_matches("*", NULL));
        /* What is no address is compared as it stands: logins. */
        assert_true(address_matches("Admin", "admin"));
        assert_true(address_matches("svc-*", "SVC-Backup"));
        assert_false(address_matches("admin", "admin2"));
}

static void test_matches_unicode(void **state) {
        (void) state;
        assert_true(address_matches("a@m\xc3\xbcnchen.example", "a@xn--mnchen-3ya.example"));
        assert_true(address_matches("*@M\xc3\x9cNCHEN.example", "a@xn--mnchen-3ya.example"));
        assert_true(address_matches("*@*mu\xcc\x88n*.example", "a@xn--mnchen-3ya.example"));
        assert_true(address_matches("*@xn--mnchen-3ya.example", "a@xn--mnchen-3ya.example"));
        assert_true(address_matches("*@fa\xc3\x9f.example", "a@xn--fa-hia.example"));
        assert_true(address_matches("REN\xc3\x89*@example.com", "ren\xc3\xa9.x@example.com"));
        assert_false(address_matches("*@m\xc3\xbcnchen.example", "a@munchen.example"));
        assert_false(address_matches("*@m\xc3\xbcnchen.example", "login"));
        /* A pattern that isn't UTF-8 fits nothing, and breaks nothing. */
        assert_false(address_matches("*\xff", "a@b"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ascii),
                cmocka_unit_test(test_unicode),
                cmocka_unit_test(test_logins),
                cmocka_unit_test(test_domains),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_growth),
                cmocka_unit_test(test_matches),
                cmocka_unit_test(test_matches_unicode),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
