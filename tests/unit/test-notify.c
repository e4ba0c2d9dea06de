/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/strings.h"
#include "service/notify.h"

static int listen_at(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), n;
        char name[64];

        n = snprintf(name, sizeof(name), "@idsyncd-test-notify-%d", (int) getpid());
        assert_true(fd >= 0 && n > 0);
        memcpy(address.sun_path + 1, name + 1, (size_t) n - 1);
        assert_int_equal(bind(fd, (struct sockaddr *) &address,
                              (socklen_t) (offsetof(struct sockaddr_un, sun_path) + (size_t) n)),
                         0);
        assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
        return fd;
}

/* Whatever an error of a server says: one line, of whole characters, not too long. */
static void test_one_line(void **state) {
        char message[2048], words[1200];
        int fd = listen_at();
        ssize_t n;

        (void) state;
        notify_status("the last read failed: %s", "no such object\nWATCHDOG=trigger\tand more");
        n = recv(fd, message, sizeof(message) - 1, 0);
        assert_true(n > 0);
        message[n] = '\0';
        assert_string_equal(message,
                            "STATUS=the last read failed: no such object WATCHDOG=trigger and more");
        for (size_t i = 0; i < sizeof(words) - 1; i += 3)
                memcpy(words + i, "≈", 3);
        words[sizeof(words) - 3] = '\0';
        notify_status("x%s", words);
        n = recv(fd, message, sizeof(message) - 1, 0);
        assert_in_range(n, 400, 520);
        assert_true(utf8_is_valid(message, (size_t) n));
        close(fd);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_line),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
