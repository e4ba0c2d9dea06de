/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "config/dn.h"
#include "reader/certificate.h"
#include "reader/dirmap.h"
#include "reader/dnkey.h"
#include "reader/memberset.h"

static struct berval bv(const char *text) {
        return (struct berval){.bv_val = (char *) text, .bv_len = strlen(text)};
}

static DirectoryConfig directory(void) {
        return (DirectoryConfig){
                        .attributes = {(char *) "entryUUID", (char *) "uid", (char *) "mail",
                                       (char *) "givenName", (char *) "sn", (char *) "", (char *) ""},
                        .disabled = {(char *) "", DISABLED_PRESENT, (char *) "", 0},
                        .password_reset = {(char *) "", RESET_TRUE},
        };
}

/* Values end with NULL. */
static void give(DirMap *map, const char *name, ...) {
        struct berval values[8], attribute = bv(name);
        const char *text;
        size_t n = 0;
        va_list args;

        va_start(args, name);
        while ((text = va_arg(args, const char *)))
                values[n++] = bv(text);
        va_end(args);
        values[n] = (struct berval){0};
        dirmap_attribute(map, &attribute, values);
}

static void give_bytes(DirMap *map, const char *name, const void *data, size_t len) {
        struct berval values[2] = {{.bv_val = (char *) data, .bv_len = len}}, attribute = bv(name);

        dirmap_attribute(map, &attribute, values);
}

static void test_attributes_are_asked_once(void **state) {
        DirectoryConfig d = directory();
        DirMap *map;
        char **ask;
        size_t n;

        (void) state;
        d.attributes.login = (char *) "MAIL";
        d.disabled.attribute = (char *) "nsAccountLock";
        d.password_reset.attribute = (char *) "pwdReset";
        map = dirmap_new(&d);
        ask = dirmap_attributes(map);
        for (n = 0; ask[n]; n++)
                for (size_t i = 0; i < n; i++)
                        assert_false(str_eq(ask[i], ask[n]));
        assert_int_equal(n, 6);
        (void) dirmap_free(map);
}

static void test_person(void **state) {
        DirectoryConfig d = directory();
        DirMap *map = dirmap_new(&d);
        Person p;

        (void) state;
        dirmap_begin(map, "uid=alice,ou=people");
        give(map, "entryuuid", "6BA7B810-9DAD-11D1-80B4-00C04FD430C8", NULL);
        give(map, "UID", "alice", NULL);
        give(map, "mail", "Alice@Example.com", NULL);
        give(map, "mail;lang-en", "no@example.com", NULL);
        give(map, "sn", "Þórsson", NULL);
        give(map, "givenName", "", NULL);
        give(map, "description", "x", NULL);
        assert_int_equal(dirmap_finish(map, &p), 0);
        assert_string_equal(p.id, "6ba7b810-9dad-11d1-80b4-00c04fd430c8");
        assert_string_equal(p.dn, "uid=alice,ou=people");
        assert_string_equal(p.field[PERSON_LOGIN], "alice");
        assert_string_equal(p.field[PERSON_EMAIL], "Alice@Example.com");
        assert_string_equal(p.field[PERSON_LAST_NAME], "Þórsson");
        assert_null(p.field[PERSON_FIRST_NAME]);
        assert_null(p.field[PERSON_TIMEZONE]);
        assert_int_equal(p.unreadable, 0);
        assert_false(p.disabled);
        assert_null(p.signal);

        /* Nothing of one entry is left in the next. */
        dirmap_begin(map, "uid=bob,ou=people");
        assert_int_equal(dirmap_finish(map, &p), DIRMAP_E_NO_ID);
        give(map, "entryUUID", "b", NULL);
        assert_int_equal(dirmap_finish(map, &p), 0);
        for (size_t i = 0; i < _PERSON_FIELD_MAX; i++)
                assert_null(p.field[i]);
        (void) dirmap_free(map);
}

static const char *chosen(const char *dn, const char *attribute, const char *a, const char *b,
                          const char *c) {
        static char text[64];
        DirectoryConfig d = directory();
        DirMap *map = dirmap_new(&d);
        Person p;

        dirmap_begin(map, dn);
        give(map, "entryUUID", "1", NULL);
        give(map, attribute, a, b, c, NULL);
        assert_int_equal(dirmap_finish(map, &p), 0);
        (void) snprintf(text, sizeof(text), "%s",
                        p.field[str_eq(attribute, "uid") ? PERSON_LOGIN : PERSON_EMAIL]);
        (void) dirmap_free(map);
        return text;
}

static void test_of_several_values(void **state) {
        (void) state;
        assert_string_equal(chosen("cn=x,ou=people", "mail", "b@x", "a@x", "c@x"), "a@x");
        assert_string_equal(chosen("cn=x,ou=people", "mail", "c@x", "b@x", "a@x"), "a@x");
        assert_string_equal(chosen("cn=x,ou=people", "mail", "ab", "abc", "abb"), "ab");
        assert_string_equal(chosen("uid=zoe,ou=people", "uid", "amy", "Zoe", "bob"), "Zoe");
        assert_string_equal(chosen("uid=zoe+cn=z,ou=people", "uid", "zoe", "amy", "bob"), "amy");
}

static void test_unreadable(void **state) {
        DirectoryConfig d = directory();
        char longest[PERSON_VALUE_MAX + 2];
        DirMap *map = dirmap_new(&d);
        Person p;

        (void) state;
        memset(longest, 'x', sizeof(longest) - 1);
        longest[sizeof(longest) - 1] = '\0';
        dirmap_begin(map, "cn=x");
        give(map, "entryUUID", "1", NULL);
        give(map, "uid", "good",
             "b\xff"
             "d",
             NULL);
        give_bytes(map, "sn", "a\0b", 3);
        give(map, "mail", longest, NULL);
        give(map, "givenName", longest + 1, NULL);
        assert_int_equal(dirmap_finish(map, &p), 0);
        assert_int_equal(p.unreadable, 1u << PERSON_LOGIN | 1u << PERSON_LAST_NAME | 1u << PERSON_EMAIL);
        assert_null(p.field[PERSON_LOGIN]);
        assert_null(p.field[PERSON_EMAIL]);
        assert_int_equal(strlen(p.field[PERSON_FIRST_NAME]), PERSON_VALUE_MAX);
        (void) dirmap_free(map);
}

static bool disabled_by(DisabledWhen when, const char *value, uint64_t mask, const char *found) {
        DirectoryConfig d = directory();
        DirMap *map;
        Person p;

        d.disabled.attribute = (char *) "lock";
        d.disabled.when = when;
        d.disabled.value = (char *) value;
        d.disabled.mask = mask;
        map = dirmap_new(&d);
        dirmap_begin(map, "cn=x");
        give(map, "entryUUID", "1", NULL);
        if (found)
                give(map, "Lock", "other", found, NULL);
        assert_int_equal(dirmap_finish(map, &p), 0);
        (void) dirmap_free(map);
        return p.disabled;
}

static void test_disabled(void **state) {
        (void) state;
        assert_true(disabled_by(DISABLED_PRESENT, "", 0, "x"));
        assert_false(disabled_by(DISABLED_PRESENT, "", 0, NULL));
        assert_true(disabled_by(DISABLED_TRUE, "", 0, "true"));
        assert_false(disabled_by(DISABLED_TRUE, "", 0, "FALSE"));
        assert_true(disabled_by(DISABLED_VALUE, "000001010000Z", 0, "000001010000Z"));
        assert_false(disabled_by(DISABLED_VALUE, "000001010000Z", 0, "20260101000000Z"));
        assert_true(disabled_by(DISABLED_MASK, "", 2, "514"));
        assert_false(disabled_by(DISABLED_MASK, "", 2, "512"));
        assert_true(disabled_by(DISABLED_MASK, "", UINT64_C(1) << 31, "-2147483646"));
        assert_false(disabled_by(DISABLED_MASK, "", 2, "2x"));
        assert_false(disabled_by(DISABLED_MASK, "", 2, "22222222222222222222222222222222222"));
}

static void test_signal(void **state) {
        DirectoryConfig d = directory();
        DirMap *map;
        Person p;

        (void) state;
        d.password_reset.attribute = (char *) "pwdLastSet";
        map = dirmap_new(&d);
        dirmap_begin(map, "cn=x");
        give(map, "entryUUID", "1", NULL);
        give(map, "pwdlastset", "133000000000000000", NULL);
        assert_int_equal(dirmap_finish(map, &p), 0);
        assert_string_equal(p.signal, "133000000000000000");
        (void) dirmap_free(map);
}

static void test_ids(void **state) {
        static const uint8_t guid[16] = {0xe0, 0x61, 0xd3, 0x3f, 0x9d, 0xad, 0xd1, 0x11,
                                         0x80, 0xb4, 0,    0xc0, 0x4f, 0xd4, 0x30, 0xc8};
        struct berval value = {.bv_val = (char *) guid, .bv_len = 16};
        char id[PERSON_ID_MAX + 1], big[PERSON_ID_MAX + 2];
        DirectoryConfig d = directory();
        DirMap *map = dirmap_new(&d);
        Person p;

        (void) state;
        assert_true(dirmap_id("objectguid", &value, id));
        assert_string_equal(id, "3fd361e0-ad9d-11d1-80b4-00c04fd430c8");
        value.bv_len = 15;
        assert_false(dirmap_id("objectGUID", &value, id));
        value = bv("6D4C8B01-1DD211B2-80C1E4D8-00000000");
        assert_true(dirmap_id("nsUniqueId", &value, id));
        assert_string_equal(id, "6d4c8b01-1dd211b2-80c1e4d8-00000000");
        value = bv("");
        assert_false(dirmap_id("entryUUID", &value, id));
        value = bv("\xff");
        assert_false(dirmap_id("entryUUID", &value, id));
        memset(big, 'a', sizeof(big) - 1);
        big[sizeof(big) - 1] = '\0';
        value = bv(big);
        assert_false(dirmap_id("entryUUID", &value, id));
        value = bv(big + 1);
        assert_true(dirmap_id("entryUUID", &value, id));
        dirmap_begin(map, "cn=x");
        give(map, "entryUUID", "one", "two", NULL);
        assert_int_equal(dirmap_finish(map, &p), DIRMAP_E_NO_ID);
        (void) dirmap_free(map);
}

static const char *folded(const char *dn) {
        static char out[2][DN_FOLD_MAX];
        static size_t turn;
        struct berval value = bv(dn);
        size_t len;

        turn = !turn;
        len = dn_fold(&value, out[turn]);
        assert_int_equal(len, strlen(out[turn]));
        return out[turn];
}

static void test_fold(void **state) {
        static const char *const same[] = {
                        "UID=Alice,OU=People,DC=example,DC=com",
                        "cn=a b,dc=x",
                        "uid=o'brien@x.y,c=z",
                        "cn=a=b,dc=x",
                        "2.5.4.3=x",
                        "cn=a  b",
                        "cn= a",
                        "cn=#616c",
                        "CN=Doe\\2C John,DC=x",
                        "uid=x + cn=y,dc=z",
                        "cn=Þór,dc=x",
        };

        (void) state;
        assert_string_equal(folded("UID=Alice,OU=People,DC=Example,DC=com"),
                            "uid=alice,ou=people,dc=example,dc=com");
        assert_string_equal(folded("uid=alice, ou = people"), "uid=alice,ou=people");
        assert_string_equal(folded("cn=STRASSE"), folded("cn=stra\xc3\x9f"
                                                         "e"));
        assert_string_equal(folded("cn=a\\2cb"), folded("CN=A\\,B"));
        assert_string_equal(folded("cn=x+uid=y,dc=z"), folded("UID=Y+CN=X,DC=Z"));
        /* What has no normal form keeps one all the same. */
        assert_string_equal(folded("Not A Name"), "not a name");
        assert_string_equal(folded("cn=\xff"), folded("CN=\xff"));
        assert_true(utf8_is_valid(folded("No\xff"), strlen(folded("No\xff"))));
        assert_string_equal(folded(""), "");
        for (size_t i = 0; i < ELEMENTSOF(same); i++) {
                _cleanup_(freep) char *normal = NULL;

                assert_int_equal(dn_normalise(same[i], &normal, NULL), 0);
                assert_string_equal(folded(same[i]), normal);
        }
}

static void test_fold_long(void **state) {
        char out[DN_FOLD_MAX];
        struct berval value = {.bv_val = calloc(1, DN_FOLD_MAX + 1), .bv_len = DN_FOLD_MAX};

        (void) state;
        memset(value.bv_val, 'A', DN_FOLD_MAX);
        assert_int_equal(dn_fold(&value, out), 0);
        value.bv_len = DN_FOLD_MAX / 4;
        assert_int_equal(dn_fold(&value, out), DN_FOLD_MAX / 4);
        memset(value.bv_val, 1, DN_FOLD_MAX);
        value.bv_len = DN_FOLD_MAX - 1;
        assert_int_equal(dn_fold(&value, out), 0);
        free(value.bv_val);
}

static void test_names(void **state) {
        struct berval value = bv("cn=a#'0101'B"), plain = dn_without_uid(&value);
        const char *rdn;
        size_t len;

        (void) state;
        assert_int_equal(plain.bv_len, 4);
        value = bv("cn=a#''B");
        assert_int_equal(dn_without_uid(&value).bv_len, 4);
        value = bv("cn=a#'01'");
        assert_int_equal(dn_without_uid(&value).bv_len, 9);
        value = bv("cn=a'01'B");
        assert_int_equal(dn_without_uid(&value).bv_len, 9);
        value = bv("'B");
        assert_int_equal(dn_without_uid(&value).bv_len, 2);
        assert_string_equal(dn_parent("cn=a\\,b,dc=c,dc=d"), "dc=c,dc=d");
        assert_string_equal(dn_parent("dc=d"), "");
        assert_string_equal(dn_parent("dc=d\\"), "");
        assert_true(dn_rdn_value("uid=alice,dc=x", "UID", &rdn, &len) && len == 5);
        assert_false(dn_rdn_value("uid=alice,dc=x", "ui", &rdn, &len));
        assert_false(dn_rdn_value("uid=a\\,b,dc=x", "uid", &rdn, &len));
        assert_false(dn_rdn_value("uid", "uid", &rdn, &len));
}

static DnKey key_of(const char *text) {
        return dn_key(DN_KEY_DN, text, strlen(text));
}

static void test_keys(void **state) {
        struct berval upper = bv("BOB"), lower = bv("bob");
        DnKey a = dn_key_login(&upper), b = dn_key_login(&lower), c = key_of("bob");

        (void) state;
        assert_true(a.a == b.a && a.b == b.b);
        assert_false(a.a == c.a && a.b == c.b);
        for (size_t len = 0; len < 17; len++) {
                DnKey x = dn_key(DN_KEY_DN, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", len);
                DnKey y = dn_key(DN_KEY_DN, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", len + 1);

                assert_true(x.a != y.a);
        }
}

static void test_memberset(void **state) {
        MemberSet *set = memberset_new();
        bool seen[5] = {false};
        size_t cursor = 0, n = 0;
        uint32_t number;
        char name[32];

        (void) state;
        assert_false(memberset_has(set, key_of("x")));
        for (uint32_t i = 0; i < 5000; i++) {
                (void) snprintf(name, sizeof(name), "uid=%u", i / 5);
                assert_int_equal(memberset_add(set, key_of(name), i % 5), 0);
                assert_int_equal(memberset_add(set, key_of(name), i % 5), 0);
        }
        while (memberset_next(set, key_of("uid=77"), &cursor, &number)) {
                assert_false(seen[number]);
                seen[number] = true;
                n++;
        }
        assert_int_equal(n, 5);
        assert_false(memberset_has(set, key_of("uid=1000")));
        (void) memberset_free(set);
}

/* A certificate for a.test, *.b.test and 192.0.2.1 that ended on 2020-01-02T03:04:05Z; only the parts
 * that are looked at are right. */
static const uint8_t certificate[] = {
                0x30, 0x61, 0x30, 0x5f, 0xa0, 0x03, 0x02, 0x01, 0x02, 0x02, 0x01, 0x01, 0x30, 0x00, 0x30,
                0x00, 0x30, 0x1e, 0x17, 0x0d, '1',  '9',  '0',  '1',  '0',  '1',  '0',  '0',  '0',  '0',
                '0',  '0',  'Z',  0x17, 0x0d, '2',  '0',  '0',  '1',  '0',  '2',  '0',  '3',  '0',  '4',
                '0',  '5',  'Z',  0x30, 0x00, 0x30, 0x00, 0xa3, 0x2b, 0x30, 0x29, 0x30, 0x27, 0x06, 0x03,
                0x55, 0x1d, 0x11, 0x01, 0x01, 0xff, 0x04, 0x1d, 0x30, 0x1b, 0x82, 0x06, 'a',  '.',  't',
                'e',  's',  't',  0x82, 0x08, '*',  '.',  'b',  '.',  't',  'e',  's',  't',  0x86, 0x01,
                'u',  0x87, 0x04, 192,  0,    2,    1,    0x00, 0x00,
};

static void test_certificate(void **state) {
        uint8_t later[sizeof(certificate)];
        char names[64];

        (void) state;
        assert_true(certificate_end(certificate, sizeof(certificate)) ==
                    UINT64_C(1577934245) * USEC_PER_SEC);
        assert_string_equal(certificate_names(certificate, sizeof(certificate), names, sizeof(names)),
                            "a.test, *.b.test, 192.0.2.1");
        assert_string_equal(certificate_names(certificate, sizeof(certificate), names, 9), "a.test, ");
        assert_true(certificate_is_for(certificate, sizeof(certificate), "A.test"));
        assert_true(certificate_is_for(certificate, sizeof(certificate), "x.b.test"));
        assert_true(certificate_is_for(certificate, sizeof(certificate), "192.0.2.1"));
        assert_false(certificate_is_for(certificate, sizeof(certificate), "x.y.b.test"));
        assert_false(certificate_is_for(certificate, sizeof(certificate), "b.test"));
        /* Cut anywhere, or with a month of letters: unknown, and nothing worse. */
        for (size_t len = 0; len < 90; len++)
                assert_true(certificate_end(certificate, len) == 0);
        memcpy(later, certificate, sizeof(later));
        later[37] = 'x';
        assert_true(certificate_end(later, sizeof(later)) == 0);
        assert_string_equal(certificate_names(certificate, 40, names, sizeof(names)), "no name");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(test_attributes_are_asked_once),
                        cmocka_unit_test(test_person),
                        cmocka_unit_test(test_of_several_values),
                        cmocka_unit_test(test_unreadable),
                        cmocka_unit_test(test_disabled),
                        cmocka_unit_test(test_signal),
                        cmocka_unit_test(test_ids),
                        cmocka_unit_test(test_fold),
                        cmocka_unit_test(test_fold_long),
                        cmocka_unit_test(test_names),
                        cmocka_unit_test(test_keys),
                        cmocka_unit_test(test_memberset),
                        cmocka_unit_test(test_certificate),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
