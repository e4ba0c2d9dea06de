/* SPDX-License-Identifier: Apache-2.0 */
#include "directory/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/strings.h"

#define ENVIRONMENT_MAX 64

extern char **environ;

struct Child {
        pid_t pid;
        int pidfd;
        LoopIo *io;
        child_exit_fn_t on_exit;
        void *userdata;
};

static bool is_wanted(const char *variable) {
        static const char *const prefixes[] = {
                        "LANG=",
                        "LC_",
                        "TZ=",
                        "PATH=",
                        "RES_OPTIONS=",
                        "LOCALDOMAIN=",
                        "KRB5_",
                        "LD_PRELOAD=",
                        "LD_LIBRARY_PATH=",
                        "NSS_WRAPPER_",
                        "ASAN_OPTIONS=",
                        "UBSAN_OPTIONS=",
                        "LSAN_OPTIONS=",
                        "LLVM_PROFILE_FILE=",
                        "GCOV_",
        };

        for (size_t i = 0; i < ELEMENTSOF(prefixes); i++)
                if (str_starts_with(variable, prefixes[i]))
                        return true;
        return false;
}

static void choose_environment(char *env[static ENVIRONMENT_MAX + 1]) {
        size_t n = 0;

        for (char **e = environ; e && *e && n < ENVIRONMENT_MAX; e++)
                if (is_wanted(*e))
                        env[n++] = *e;
        env[n] = NULL;
}

/* Descriptor 3 and nothing else of ours, even if some library forgot O_CLOEXEC. */
static int add_files(posix_spawn_file_actions_t *files, int fd) {
        int r;

        r = posix_spawn_file_actions_adddup2(files, fd, 3);
        if (r == 0)
                r = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (r == 0)
                r = posix_spawn_file_actions_addopen(files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        if (r == 0)
                r = posix_spawn_file_actions_addclosefrom_np(files, 4);
        return -r;
}

static int add_signals(posix_spawnattr_t *attributes) {
        sigset_t none, all;
        int r;

        (void) sigemptyset(&none);
        (void) sigfillset(&all);
        r = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        if (r == 0)
                r = posix_spawnattr_setsigmask(attributes, &none);
        if (r == 0)
                r = posix_spawnattr_setsigdefault(attributes, &all);
        return -r;
}

static int spawn(const char *program, char *const argv[], int fd, pid_t *ret) {
        posix_spawn_file_actions_t files;
        posix_spawnattr_t attributes;
        char *env[ENVIRONMENT_MAX + 1];
        int r;

        choose_environment(env);
        r = -posix_spawn_file_actions_init(&files);
        if (r < 0)
                return r;
        r = -posix_spawnattr_init(&attributes);
        if (r == 0) {
                r = add_files(&files, fd);
                if (r == 0)
                        r = add_signals(&attributes);
                if (r == 0)
                        r = -posix_spawn(ret, program, &files, &attributes, argv, env);
                (void) posix_spawnattr_destroy(&attributes);
        }
        (void) posix_spawn_file_actions_destroy(&files);
        return r;
}

static int reap(Child *c) {
        int status = 0;
        pid_t pid;

        if (c->pid <= 0)
                return 0;
        do
                pid = waitpid(c->pid, &status, 0);
        while (pid < 0 && errno == EINTR);
        c->pid = 0;
        return status;
}

static void on_pidfd(int fd _unused_, uint32_t events _unused_, void *userdata) {
        Child *c = userdata;
        int status = reap(c);

        c->io = loop_io_free(c->io);
        c->on_exit(status, c->userdata);
}

int child_start(Loop *loop, const char *program, char *const argv[], int fd, child_exit_fn_t on_exit,
                void *userdata, Child **ret) {
        _cleanup_(child_freep) Child *c = NULL;
        int r;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        *c = (Child){.pidfd = -1, .on_exit = on_exit, .userdata = userdata};
        r = spawn(program, argv, fd, &c->pid);
        if (r < 0) {
                c->pid = 0;
                return r;
        }
        c->pidfd = (int) syscall(SYS_pidfd_open, c->pid, 0);
        if (c->pidfd < 0)
                return -errno;
        r = loop_io_new(loop, c->pidfd, EPOLLIN, "directory-reader-exit", on_pidfd, c, &c->io);
        if (r < 0)
                return r;
        *ret = TAKE(c);
        return 0;
}

void child_kill(Child *child) {
        if (child->pid > 0)
                (void) kill(child->pid, SIGKILL);
}

Child *child_free(Child *child) {
        if (!child)
                return NULL;
        child_kill(child);
        (void) reap(child);
        (void) loop_io_free(child->io);
        if (child->pidfd >= 0)
                (void) close(child->pidfd);
        free(child);
        return NULL;
}

const char *child_describe(int status, char buf[static CHILD_DESCRIPTION_MAX]) {
        const char *name;

        if (WIFSIGNALED(status)) {
                name = sigdescr_np(WTERMSIG(status));
                (void) snprintf(buf, CHILD_DESCRIPTION_MAX, "was killed by signal %d (%s)", WTERMSIG(status),
                                name ? name : "unknown");
        } else
                (void) snprintf(buf, CHILD_DESCRIPTION_MAX, "exited with code %d", WEXITSTATUS(status));
        return buf;
}
