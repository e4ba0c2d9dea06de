/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/strings.h"
#include "config/credential.h"

static char dir[64];

static int setup(void **state) {
        (void) state;
        (void) snprintf(dir, sizeof(dir), "/tmp/idsyncd-credential-XXXXXX");
        return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state) {
        static const char *const names[] = {"c", "link"};
        char path[128];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                (void) snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
                (void) unlink(path);
        }
        (void) snprintf(path, sizeof(path), "%s/d", dir);
        (void) rmdir(path);
        return rmdir(dir);
}

static void write_credential(const void *data, size_t len, mode_t mode) {
        char path[128];
        FILE *f;

        (void) snprintf(path, sizeof(path), "%s/c", dir);
        /* The one before may forbid its owner to write. */
        (void) unlink(path);
        f = fopen(path, "we");
        assert_non_null(f);
        assert_int_equal(fwrite(data, 1, len, f), len);
        assert_int_equal(fclose(f), 0);
        assert_int_equal(chmod(path, mode), 0);
}

static void assert_secret(const char *name, const char *expected, size_t len) {
        _cleanup_(secret_freep) Secret *s = NULL;
        ErrCtx err = {0};

        if (credential_load(dir, name, &s, &err) != 0)
                fail_msg("%s", err.text);
        assert_int_equal(secret_len(s), len);
        assert_memory_equal(secret_data(s), expected, len);
}

static void assert_refused(const char *name, const char *why) {
        Secret *s = NULL;
        ErrCtx err = {0};

        assert_int_equal(credential_load(dir, name, &s, &err), CREDENTIAL_E_BAD);
        assert_null(s);
        if (!strstr(err.text, why))
                fail_msg("\"%s\" is not in \"%s\"", why, err.text);
        /* The file is named, its content is not. */
        assert_null(strstr(err.text, "hush"));
}

static void test_content(void **state) {
        char big[5000];

        (void) state;
        write_credential("hush", 4, 0600);
        assert_secret("c", "hush", 4);
        write_credential("hush\n", 5, 0600);
        assert_secret("c", "hush", 4);
        write_credential("hush\r\n", 6, 0600);
        assert_secret("c", "hush", 4);
        write_credential(" hush \xff ", 8, 0600);
        assert_secret("c", " hush \xff ", 8);
        memset(big, 'x', sizeof(big));
        write_credential(big, 4096, 0600);
        assert_secret("c", big, 4096);

        write_credential("hush\n\n", 6, 0600);
        assert_refused("c", "/c has more than one line");
        write_credential("hush\nhush\n", 10, 0600);
        assert_refused("c", "/c has more than one line");
        write_credential("hush\rhush", 9, 0600);
        assert_refused("c", "/c has more than one line");
        write_credential("hush\0hush", 9, 0600);
        assert_refused("c", "/c has a NUL byte");
        write_credential("", 0, 0600);
        assert_refused("c", "/c is empty");
        write_credential("\n", 1, 0600);
        assert_refused("c", "/c is empty");
        write_credential("\r\n", 2, 0600);
        assert_refused("c", "/c is empty");
        write_credential(big, 4097, 0600);
        assert_refused("c", "/c is larger than 4096 bytes");
}

static void test_modes(void **state) {
        static const mode_t good[] = {0400, 0440, 0600, 0640, 0660},
                            bad[] = {0604, 0602, 0601, 0444, 0666, 0777};

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                write_credential("hush", 4, good[i]);
                assert_secret("c", "hush", 4);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                write_credential("hush", 4, bad[i]);
                assert_refused("c", "/c may be used by everybody (mode 0");
        }
}

static void test_names(void **state) {
        (void) state;
        write_credential("hush", 4, 0600);
        assert_refused("nothing", "/nothing is not there");
        assert_refused("../c", "\"../c\" is a path");
        assert_refused("a/c", "\"a/c\" is a path");
        assert_refused("..", "is a path");
        assert_refused("", "is empty");
}

static void test_kinds(void **state) {
        char path[128];

        (void) state;
        (void) snprintf(path, sizeof(path), "%s/d", dir);
        assert_int_equal(mkdir(path, 0700), 0);
        assert_refused("d", "/d is not a regular file");
        (void) snprintf(path, sizeof(path), "%s/link", dir);
        assert_int_equal(symlink("c", path), 0);
        assert_refused("link", "/link is not there");
        /* It is the file behind a link that is judged. */
        write_credential("hush", 4, 0644);
        assert_refused("link", "/link may be used by everybody");
        write_credential("hush", 4, 0600);
        assert_secret("link", "hush", 4);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkfifo(path, 0600), 0);
        assert_refused("link", "/link is not a regular file");
}

static void test_path(void **state) {
        _cleanup_(freep) char *path = NULL, *none = NULL;
        static char big[65537];
        char expected[128];
        ErrCtx err = {0};

        (void) state;
        write_credential(big, 65536, 0440);
        assert_int_equal(credential_path(dir, "c", &path, &err), 0);
        (void) snprintf(expected, sizeof(expected), "%s/c", dir);
        assert_string_equal(path, expected);
        write_credential(big, 65537, 0440);
        assert_int_equal(credential_path(dir, "c", &none, &err), CREDENTIAL_E_BAD);
        assert_non_null(strstr(err.text, "larger than 65536 bytes"));
        write_credential("x", 1, 0444);
        assert_int_equal(credential_path(dir, "c", &none, &err), CREDENTIAL_E_BAD);
        assert_int_equal(credential_path(dir, "../c", &none, &err), CREDENTIAL_E_BAD);
        assert_null(none);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                        test(test_content), test(test_modes), test(test_names),
                        test(test_kinds),   test(test_path),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
