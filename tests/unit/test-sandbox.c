/* SPDX-License-Identifier: Apache-2.0 */
/* A reader that was taken over: what it tries, and what becomes of it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include <cmocka.h>

#include "base/strings.h"
#include "reader/sandbox.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* All in the temporary directory `dir`, which is the working directory of who tries. */
static char dir[] = "/tmp/idsyncd-sandbox-XXXXXX", ca_file[96];

static int open_and_close(const char *path, int flags) {
        int fd = open(path, flags | O_CLOEXEC, 0600);

        return fd < 0 ? -1 : close(fd);
}

/* ---- Files: Landlock's, but for what it can't refuse */

static int read_ours(void) {
        return open_and_close("database", O_RDONLY);
}

static int read_passwd(void) {
        return open_and_close("/etc/passwd", O_RDONLY);
}

static int read_directory(void) {
        return open_and_close(".", O_RDONLY | O_DIRECTORY);
}

static int write_ours(void) {
        return open_and_close("database", O_WRONLY);
}

static int make_file(void) {
        return open_and_close("new", O_WRONLY | O_CREAT);
}

static int make_directory(void) {
        return mkdir("new", 0700);
}

static int make_link(void) {
        return link("database", "new");
}

static int make_symlink(void) {
        return symlink("database", "new");
}

static int make_fifo(void) {
        return mkfifo("new", 0600);
}

static int move(void) {
        return rename("database", "new");
}

static int remove_file(void) {
        return unlink("database");
}

/* ---- … and what it can't: everything here works by path, on a file of the same user */

static int cut_off(void) {
        return truncate("database", 0);
}

static int open_to_all(void) {
        return chmod("database", 0666);
}

static int give_away(void) {
        return chown("database", getuid(), getgid());
}

static int make_older(void) {
        return utimensat(AT_FDCWD, "database", NULL, 0);
}

static int mark(void) {
        return setxattr("database", "user.mark", "x", 1, 0);
}

/* ---- Processes, sockets, terminals */

static int make_process(void) {
        pid_t pid = fork();

        if (pid == 0)
                _exit(0);
        return pid < 0 ? -1 : waitpid(pid, NULL, 0) < 0;
}

static int run_program(void) {
        char *const argv[] = {(char *) "true", NULL};

        /* It would end with 0, and tell nothing. */
        return execve("/bin/true", argv, argv + 1);
}

static int trace(void) {
        return (int) ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int read_parent(void) {
        char here[8];
        struct iovec local = {here, sizeof(here)}, remote = {dir, sizeof(here)};

        return process_vm_readv(getppid(), &local, 1, &remote, 1, 0) < 0 ? -1 : 0;
}

static int make_namespace(void) {
        return unshare(CLONE_NEWUSER);
}

static int other_socket(void) {
        return socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0) < 0 ? -1 : 0;
}

static int serve(void) {
        _cleanup_(closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        return listen(fd, 1);
}

/* Typing into the terminal of who runs it by hand. Here is none: other words for that mean "allowed". */
static int type_in(void) {
        return ioctl(STDERR_FILENO, TIOCSTI, "x") < 0 && errno == EPERM ? -1 : 0;
}

static int type_in_wide(void) {
        const unsigned long wide = TIOCSTI | 1ul << 32;

        return syscall(SYS_ioctl, STDERR_FILENO, wide, "x") < 0 && errno == EPERM ? -1 : 0;
}

static int keep_privileges(void) {
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};

        if (syscall(SYS_capget, &header, data) < 0)
                return 0;
        return data[0].permitted | data[1].permitted ? 0 : -1;
}

static int call_of_tomorrow(void) {
        return syscall(451, 0, 0, 0, 0) < 0 && errno == ENOSYS ? -1 : 0;
}

static const struct {
        const char *name;
        int (*fn)(void);
        bool landlock, unsanitized;
} tries[] = {
        { "read_ours", read_ours, true, false },
        { "read_passwd", read_passwd, true, false },
        { "read_directory", read_directory, true, false },
        { "write_ours", write_ours, true, false },
        { "make_file", make_file, true, false },
        { "make_directory", make_directory, true, false },
        { "make_link", make_link, true, false },
        { "make_symlink", make_symlink, true, false },
        { "make_fifo", make_fifo, true, false },
        { "cut_off", cut_off, false, false },
        { "open_to_all", open_to_all, false, false },
        { "give_away", give_away, false, false },
        { "make_older", make_older, false, false },
        { "mark", mark, false, false },
        { "move", move, true, false },
        { "remove_file", remove_file, true, false },
        { "make_process", make_process, false, true },
        { "trace", trace, false, true },
        { "read_parent", read_parent, false, false },
        { "make_namespace", make_namespace, false, false },
        { "other_socket", other_socket, false, false },
        { "serve", serve, false, false },
        { "type_in", type_in, false, false },
        { "type_in_wide", type_in_wide, false, false },
        { "keep_privileges", keep_privileges, false, false },
        { "call_of_tomorrow", call_of_tomorrow, false, false },
        { "run_program", run_program, false, false },
};

static void *on_thread(void *userdata) {
        return userdata;
}

static bool can_thread(void) {
        pthread_t thread;

        return pthread_create(&thread, NULL, on_thread, NULL) == 0 && pthread_join(thread, NULL) == 0;
}

/* What a read of a directory needs. */
static const char *missing(void) {
        if (open_and_close(ca_file, O_RDONLY) < 0)
                return "ca_file";
        if (access("/etc/hosts", F_OK) == 0 && open_and_close("/etc/hosts", O_RDONLY) < 0)
                return "/etc/hosts";
        if (!can_thread())
                return "threads";
        for (int family = AF_UNIX; family <= AF_INET; family++) {
                _cleanup_(closep) int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

                if (fd < 0)
                        return "sockets";
        }
        return NULL;
}

/* In a process of its own. The number of things that are wrong. */
static int taken_over(void) {
        const DirectoryConfig directory = {.ca_file = ca_file};
        _cleanup_(fclosep) FILE *notices = tmpfile();
        _cleanup_(output_freep) Output *out = output_new_text(stdout, notices, NULL, 0);
        bool has_landlock;
        const char *lacks;
        int wrong = 0;

        if (!notices || !out || chdir(dir) < 0 || sandbox_enter(&directory, out) != 0)
                return 100;
        has_landlock = ftell(notices) == 0;
        if (!has_landlock)
                (void) fprintf(stderr, "# no Landlock here\n");
        if (prctl(PR_GET_DUMPABLE) != 0 && ++wrong)
                (void) fprintf(stderr, "# dumpable\n");
        lacks = missing();
        if (lacks && ++wrong)
                (void) fprintf(stderr, "# can't do without: %s: %s\n", lacks, strerror(errno));
        for (size_t i = 0; i < ELEMENTSOF(tries); i++)
                if ((has_landlock || !tries[i].landlock) && (!SANITIZED || !tries[i].unsanitized) &&
                    tries[i].fn() >= 0) {
                        (void) fprintf(stderr, "# succeeds: %s\n", tries[i].name);
                        wrong++;
                }
        return wrong;
}

static void test_violations(void **state) {
        int status;
        pid_t pid;

        (void) state;
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                _exit(taken_over());
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

static int write_file(const char *path) {
        FILE *f = fopen(path, "we");

        return !f || fputs("ours", f) < 0 || fclose(f) != 0;
}

static int setup(void **state) {
        char path[96];

        (void) state;
        if (!mkdtemp(dir))
                return 1;
        (void) snprintf(path, sizeof(path), "%s/database", dir);
        (void) snprintf(ca_file, sizeof(ca_file), "%s/ca.pem", dir);
        return write_file(path) || write_file(ca_file);
}

static int teardown(void **state) {
        static const char *const names[] = {"database", "ca.pem"};
        char path[96];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                (void) snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
                (void) unlink(path);
        }
        return rmdir(dir);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_violations),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
