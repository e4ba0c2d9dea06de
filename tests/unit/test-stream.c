/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <syslog.h>

#include <cmocka.h>

#include "directory/stream.h"

static void feed(StreamDecoder *d, const void *data, size_t len) {
        size_t size;
        void *room;

        while (len > 0) {
                assert_int_equal(stream_decoder_room(d, &room, &size), 0);
                assert_true(size > 0);
                size = size < len ? size : len;
                memcpy(room, data, size);
                stream_decoder_fed(d, size);
                data = (const char *) data + size;
                len -= size;
        }
}

static const uint64_t marks[2] = {UINT64_C(0x8000000000000001), 3};
static const Person alice = {
                .id = "a1b2",
                .dn = "uid=alice,ou=people",
                .field = {[PERSON_LOGIN] = "alice",
                          [PERSON_EMAIL] = "Alice@example.com",
                          [PERSON_LAST_NAME] = "Þórsson"},
                .unreadable = 1u << PERSON_FIRST_NAME,
                .disabled = true,
                .signal = "TRUE",
                .ways = "cn=outer\tcn=inner",
                .marks = marks,
};

static void assert_is_alice(const StreamRecord *record) {
        const Person *p = &record->person;

        assert_int_equal(record->type, STREAM_PERSON);
        assert_string_equal(p->id, alice.id);
        assert_string_equal(p->dn, alice.dn);
        for (size_t i = 0; i < _PERSON_FIELD_MAX; i++)
                assert_true(str_eq(p->field[i], alice.field[i]));
        assert_int_equal(p->unreadable, alice.unreadable);
        assert_true(p->disabled && p->present);
        assert_string_equal(p->signal, "TRUE");
        assert_string_equal(p->ways, alice.ways);
        assert_memory_equal(p->marks, marks, sizeof(marks));
}

static StreamBuffer sample(void) {
        static const StreamGroup groups[66] = {[65] = {true, UINT64_MAX}};
        StreamBuffer b = {0};

        assert_int_equal(stream_put_preamble(&b), 0);
        assert_int_equal(stream_put_person(&b, &alice, 66), 0);
        assert_int_equal(stream_put_progress(&b, 7), 0);
        assert_int_equal(stream_put_notice(&b, LOG_WARNING, "mind"), 0);
        assert_int_equal(stream_put_done(&b,
                                         &(StreamDone){
                                                         .state = STREAM_INCOMPLETE,
                                                         .ldap_rc = -1,
                                                         .error = "lost",
                                                         .uri = 2,
                                                         .people = 1,
                                                         .without_id = 3,
                                                         .referrals = 4,
                                                         .canaries_missing = 5,
                                                         .certificate_end = UINT64_MAX,
                                                         .groups = groups,
                                                         .n_groups = 66,
                                         }),
                         0);
        return b;
}

/* In pieces of any size, the same records come out. */
static void test_round_trip(void **state) {
        StreamBuffer b = sample();

        (void) state;
        for (size_t step = 1; step <= b.len; step = step < 8 ? step + 1 : step * 3) {
                StreamDecoder *d = stream_decoder_new(STREAM_FROM_READER, 66);
                unsigned n = 0;

                for (size_t at = 0; at < b.len; at += step) {
                        StreamRecord r;
                        ErrCtx err;
                        int result;

                        feed(d, b.data + at, step < b.len - at ? step : b.len - at);
                        while ((result = stream_decoder_next(d, &r, &err)) == 0) {
                                if (n == 0)
                                        assert_is_alice(&r);
                                else if (n == 1)
                                        assert_true(r.type == STREAM_PROGRESS && r.progress == 7);
                                else if (n == 2)
                                        assert_true(r.type == STREAM_NOTICE &&
                                                    r.notice.priority == LOG_WARNING &&
                                                    str_eq(r.notice.text, "mind"));
                                else {
                                        assert_int_equal(r.type, STREAM_DONE);
                                        assert_int_equal(r.done.state, STREAM_INCOMPLETE);
                                        assert_int_equal(r.done.ldap_rc, -1);
                                        assert_string_equal(r.done.error, "lost");
                                        assert_int_equal(r.done.uri, 2);
                                        assert_int_equal(r.done.people, 1);
                                        assert_int_equal(r.done.without_id, 3);
                                        assert_int_equal(r.done.referrals, 4);
                                        assert_int_equal(r.done.canaries_missing, 5);
                                        assert_true(r.done.certificate_end == UINT64_MAX);
                                        assert_true(r.done.groups[65].found && !r.done.groups[64].found);
                                        assert_true(r.done.groups[65].members == UINT64_MAX);
                                }
                                n++;
                        }
                        assert_int_equal(result, STREAM_E_MORE);
                }
                assert_int_equal(n, 4);
                assert_false(stream_decoder_has_rest(d));
                (void) stream_decoder_free(d);
        }
        stream_buffer_deinit(&b);
}

static char *uris[] = {(char *) "ldaps://a", (char *) "ldaps://b"}, *canaries[] = {(char *) "uid=c"};
static char *groups[] = {(char *) "cn=g", (char *) "cn=h", (char *) "cn=i"};

static DirectoryConfig directory(void) {
        return (DirectoryConfig){
                        .uris = uris,
                        .n_uris = 2,
                        .starttls = true,
                        .ca_file = (char *) "/ca.pem",
                        .bind = {.method = BIND_SIMPLE,
                                 .dn = (char *) "cn=me",
                                 .password_credential = (char *) "x"},
                        .people = {(char *) "ou=people", SCOPE_SUB, (char *) "(uid=*)"},
                        .attributes = {(char *) "entryUUID", (char *) "uid", (char *) "mail",
                                       (char *) "givenName", (char *) "sn", (char *) "", (char *) ""},
                        .disabled = {(char *) "uac", DISABLED_MASK, (char *) "v", UINT64_C(1) << 40},
                        .password_reset = {(char *) "pwdReset", RESET_CHANGED},
                        .page_size = 1000,
                        .timeout = 30 * USEC_PER_SEC,
                        .canaries = canaries,
                        .n_canaries = 1,
        };
}

static void test_settings(void **state) {
        DirectoryConfig d = directory();
        Secret *secret = secret_new("s3cr\0et", 7);
        StreamSettings s = {
                        .directory = &d, .groups = groups, .n_groups = 3, .first_uri = 1, .secret = secret};
        StreamDecoder *decoder = stream_decoder_new(STREAM_TO_READER, 0);
        StreamBuffer b = {0};
        StreamRecord r;
        ErrCtx err;

        (void) state;
        assert_int_equal(stream_put_preamble(&b), 0);
        assert_int_equal(stream_put_settings(&b, &s), 0);
        feed(decoder, b.data, b.len);
        assert_int_equal(stream_decoder_next(decoder, &r, &err), 0);
        assert_int_equal(r.type, STREAM_SETTINGS);
        assert_int_equal(r.settings.n_groups, 3);
        assert_string_equal(r.settings.groups[2], "cn=i");
        assert_int_equal(r.settings.first_uri, 1);
        assert_int_equal(secret_len(r.settings.secret), 7);
        assert_memory_equal(secret_data(r.settings.secret), "s3cr\0et", 7);
        assert_string_equal(r.settings.directory->uris[1], "ldaps://b");
        assert_int_equal(r.settings.directory->n_uris, 2);
        assert_true(r.settings.directory->starttls && !r.settings.directory->insecure);
        assert_string_equal(r.settings.directory->ca_file, "/ca.pem");
        assert_int_equal(r.settings.directory->bind.method, BIND_SIMPLE);
        assert_string_equal(r.settings.directory->bind.dn, "cn=me");
        assert_string_equal(r.settings.directory->people.base, "ou=people");
        assert_int_equal(r.settings.directory->people.scope, SCOPE_SUB);
        assert_string_equal(r.settings.directory->people.filter, "(uid=*)");
        assert_string_equal(r.settings.directory->attributes.id, "entryUUID");
        assert_string_equal(r.settings.directory->attributes.employee_number, "");
        assert_string_equal(r.settings.directory->disabled.attribute, "uac");
        assert_int_equal(r.settings.directory->disabled.when, DISABLED_MASK);
        assert_true(r.settings.directory->disabled.mask == UINT64_C(1) << 40);
        assert_string_equal(r.settings.directory->password_reset.attribute, "pwdReset");
        assert_int_equal(r.settings.directory->page_size, 1000);
        assert_true(r.settings.directory->timeout == 30 * USEC_PER_SEC);
        assert_string_equal(r.settings.directory->canaries[0], "uid=c");
        (void) stream_decoder_free(decoder);
        stream_buffer_deinit(&b);
        (void) secret_free(secret);
}

/* Bytes as they came, into a decoder of its own: what next() says in the end. */
static int decode(StreamDirection direction, size_t n_groups, const void *data, size_t len, ErrCtx *err) {
        StreamDecoder *d = stream_decoder_new(direction, n_groups);
        StreamRecord r;
        int result;

        feed(d, data, len);
        do
                result = stream_decoder_next(d, &r, err);
        while (result == 0);
        (void) stream_decoder_free(d);
        return result;
}

static void assert_bad(const void *record, size_t len, const char *reason) {
        uint8_t bytes[512] = "idsyncd\1";
        ErrCtx err = {0};

        memcpy(bytes + 8, record, len);
        assert_int_equal(decode(STREAM_FROM_READER, 2, bytes, len + 8, &err), STREAM_E_MALFORMED);
        if (!strstr(err.text, reason))
                fail_msg("\"%s\" doesn't say \"%s\"", err.text, reason);
}

static void test_malformed(void **state) {
        ErrCtx err = {0};

        (void) state;
        assert_int_equal(decode(STREAM_FROM_READER, 0, "GET / HT", 8, &err), STREAM_E_MALFORMED);
        assert_int_equal(decode(STREAM_FROM_READER, 0, "idsyncd", 7, &err), STREAM_E_MORE);
        assert_int_equal(decode(STREAM_FROM_READER, 0, "ids?", 4, &err), STREAM_E_MALFORMED);
        assert_int_equal(decode(STREAM_FROM_READER, 0, "idsyncd\2", 8, &err), STREAM_E_MALFORMED);
        assert_non_null(strstr(err.text, "versions"));
        assert_bad("\0\0\0\0", 4, "length");
        assert_bad("\1\0\2\0", 4, "length"); /* 128 KiB + 1 */
        assert_bad("\1\0\0\0\x77", 5, "type");
        assert_bad("\1\0\0\0\x01", 5, "type"); /* settings the wrong way */
        assert_bad("\2\0\0\0\x11\0", 6, "shorter");
        assert_bad("\x0a\0\0\0\x11\0\0\0\0\0\0\0\0\0", 14, "left over");
        assert_bad("\x08\0\0\0\x12\x09\1\0\0\0x\0", 12, "range"); /* priority 9 */
        assert_bad("\x08\0\0\0\x12\x03\1\0\0\0\xff\0", 12, "UTF-8");
        assert_bad("\x09\0\0\0\x12\x03\2\0\0\0x\0\0", 13, "UTF-8"); /* NUL inside */
        assert_bad("\x08\0\0\0\x12\x03\1\0\0\0xx", 12, "not ended");
        assert_bad("\x08\0\0\0\x12\x03\xff\xff\xff\xff\0\0", 12, "too long");
}

static void assert_person_bad(const Person *p, size_t sent_groups, size_t known_groups, const char *reason) {
        StreamBuffer b = {0};
        ErrCtx err = {0};

        (void) stream_put_preamble(&b);
        assert_int_equal(stream_put_person(&b, p, sent_groups), 0);
        assert_int_equal(decode(STREAM_FROM_READER, known_groups, b.data, b.len, &err), STREAM_E_MALFORMED);
        if (!strstr(err.text, reason))
                fail_msg("\"%s\" doesn't say \"%s\"", err.text, reason);
        stream_buffer_deinit(&b);
}

static void test_people_that_cannot_be(void **state) {
        char big[PERSON_VALUE_MAX + 2];
        Person p = alice;

        (void) state;
        assert_person_bad(&p, 66, 64, "number of groups");
        assert_person_bad(&p, 66, 65, "a group that there isn't");
        p.id = "";
        assert_person_bad(&p, 66, 66, "without an id");
        p.id = "x";
        p.unreadable = 1u << _PERSON_FIELD_MAX;
        assert_person_bad(&p, 66, 66, "unknown fields");
        p.unreadable = 0;
        memset(big, 'a', sizeof(big) - 1);
        big[sizeof(big) - 1] = '\0';
        p.field[PERSON_EMAIL] = big;
        assert_person_bad(&p, 66, 66, "too long");
}

static void test_nothing_after_done(void **state) {
        StreamBuffer b = sample();
        ErrCtx err = {0};

        (void) state;
        assert_int_equal(decode(STREAM_FROM_READER, 66, b.data, b.len, &err), STREAM_E_MORE);
        assert_int_equal(stream_put_progress(&b, 1), 0);
        assert_int_equal(decode(STREAM_FROM_READER, 66, b.data, b.len, &err), STREAM_E_MALFORMED);
        assert_non_null(strstr(err.text, "follow"));
        stream_buffer_deinit(&b);
}

/* "complete" must come with all groups. */
static void test_complete_needs_groups(void **state) {
        StreamBuffer b = {0};
        ErrCtx err = {0};

        (void) state;
        (void) stream_put_preamble(&b);
        assert_int_equal(stream_put_done(&b, &(StreamDone){.state = STREAM_COMPLETE, .error = ""}), 0);
        assert_int_equal(decode(STREAM_FROM_READER, 0, b.data, b.len, &err), STREAM_E_MORE);
        assert_int_equal(decode(STREAM_FROM_READER, 1, b.data, b.len, &err), STREAM_E_MALFORMED);
        stream_buffer_deinit(&b);
}

static void test_broken_stays_broken(void **state) {
        StreamDecoder *d = stream_decoder_new(STREAM_FROM_READER, 0);
        StreamBuffer b = {0};
        StreamRecord r;
        ErrCtx err;

        (void) state;
        (void) stream_put_preamble(&b);
        feed(d, b.data, b.len);
        feed(d, "\1\0\0\0\x77", 5);
        assert_int_equal(stream_decoder_next(d, &r, &err), STREAM_E_MALFORMED);
        b.len = 0;
        (void) stream_put_progress(&b, 1);
        feed(d, b.data, b.len);
        assert_int_equal(stream_decoder_next(d, &r, &err), STREAM_E_MALFORMED);
        stream_buffer_deinit(&b);
        (void) stream_decoder_free(d);
}

/* What the other end wouldn't take isn't sent. */
static void test_limits_of_the_sender(void **state) {
        size_t size = STREAM_RECORD_MAX;
        char *text = malloc(size + 1);
        DirectoryConfig d = directory();
        StreamSettings s = {.directory = &d, .groups = groups, .n_groups = STREAM_GROUPS_MAX + 1};
        StreamBuffer b = {0};

        (void) state;
        memset(text, 'x', size);
        text[size] = '\0';
        assert_int_equal(stream_put_progress(&b, 1), 0);
        assert_int_equal(stream_put_notice(&b, LOG_INFO, text), -E2BIG);
        assert_int_equal(b.len, 13);
        assert_int_equal(b.error, -E2BIG);
        stream_buffer_deinit(&b);
        assert_int_equal(stream_put_settings(&b, &s), -E2BIG);
        stream_buffer_deinit(&b);
        free(text);
}

static void test_settings_refused(void **state) {
        DirectoryConfig d = directory();
        StreamSettings s = {.directory = &d, .groups = groups, .n_groups = 1, .first_uri = 2};
        StreamBuffer b = {0};
        ErrCtx err = {0};

        (void) state;
        (void) stream_put_preamble(&b);
        assert_int_equal(stream_put_settings(&b, &s), 0);
        assert_int_equal(decode(STREAM_TO_READER, 0, b.data, b.len, &err), STREAM_E_MALFORMED);
        assert_non_null(strstr(err.text, "no such server"));
        assert_int_equal(decode(STREAM_FROM_READER, 0, b.data, b.len, &err), STREAM_E_MALFORMED);
        stream_buffer_deinit(&b);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(test_round_trip),
                        cmocka_unit_test(test_settings),
                        cmocka_unit_test(test_malformed),
                        cmocka_unit_test(test_people_that_cannot_be),
                        cmocka_unit_test(test_nothing_after_done),
                        cmocka_unit_test(test_complete_needs_groups),
                        cmocka_unit_test(test_broken_stays_broken),
                        cmocka_unit_test(test_limits_of_the_sender),
                        cmocka_unit_test(test_settings_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
