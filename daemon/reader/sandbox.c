/* SPDX-License-Identifier: Apache-2.0 */
#include "reader/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <syslog.h>

#include "base/strings.h"

/* The leak checker stops its own process by a tracer that it makes, and reads /proc. */
#if defined(__SANITIZE_ADDRESS__)
#define LEAK_CHECKER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LEAK_CHECKER 1
#endif
#endif
#ifndef LEAK_CHECKER
#define LEAK_CHECKER 0
#endif

#if LEAK_CHECKER
/* libldap forgets its default priorities when it is given others, some kilobytes in the life of a reader. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
        return "leak:libgnutls\n";
}
#endif

/* ---- Landlock: see landlock(7) ---- */

#define READ_ONLY (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* All rights of the first version; what later ones added is refused by it (moving), or by seccomp. */
#define ALL_RIGHTS                                                                                       \
        (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | READ_ONLY |                        \
         LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | \
         LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |      \
         LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)

/* Resolver, its modules and their configuration; Kerberos' for later binds; TLS policy. Absent ones are
 * skipped. */
static const char *const readable_paths[] = {
                "/etc/gai.conf",
                "/etc/gnutls",
                "/etc/host.conf",
                "/etc/hostname",
                "/etc/hosts",
                "/etc/krb5.conf",
                "/etc/krb5.conf.d",
                "/etc/ld.so.cache",
                "/etc/localtime",
                "/etc/networks",
                "/etc/nsswitch.conf",
                "/etc/protocols",
                "/etc/resolv.conf",
                "/etc/sasl2",
                "/etc/services",
                "/etc/ssl/openssl.cnf",
                "/lib",
                "/lib64",
                "/run/nscd",
                "/run/systemd/resolve",
                "/usr/lib",
                "/usr/lib64",
};

static const char *const checker_paths[] = {"/proc"};

static int allow_path(int ruleset, const char *path) {
        struct landlock_path_beneath_attr rule = {.allowed_access = READ_ONLY, .parent_fd = -1};
        _cleanup_(closep) int fd = -1;

        fd = open(path, O_PATH | O_CLOEXEC);
        if (fd < 0)
                return 0;
        rule.parent_fd = fd;
        if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0)
                return 0;
        /* Of a file only file rights may be given. */
        rule.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE;
        return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0 ? 0
                                                                                                  : -errno;
}

static int enter_landlock(const char *ca_file) {
        struct landlock_ruleset_attr attr = {.handled_access_fs = ALL_RIGHTS};
        _cleanup_(closep) int ruleset = -1;
        int r;

        ruleset = (int) syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
        if (ruleset < 0)
                return -errno;
        r = str_empty(ca_file) ? 0 : allow_path(ruleset, ca_file);
        for (size_t i = 0; r == 0 && i < ELEMENTSOF(readable_paths); i++)
                r = allow_path(ruleset, readable_paths[i]);
        for (size_t i = 0; LEAK_CHECKER && r == 0 && i < ELEMENTSOF(checker_paths); i++)
                r = allow_path(ruleset, checker_paths[i]);
        if (r < 0)
                return r;
        return syscall(SYS_landlock_restrict_self, ruleset, 0) == 0 ? 0 : -errno;
}

/* ---- seccomp: see seccomp(2) ---- */

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#define X32_BIT 0x40000000u
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#ifdef ARCHITECTURE

#define FIELD(name) ((uint32_t) offsetof(struct seccomp_data, name))
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, (action))
#define DENY RETURN(SECCOMP_RET_ERRNO | EPERM)
#define DENY_CALL(nr) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1), DENY
/* The last one of Linux 6.1. */
#define NEWEST_CALL 450

/* A list of what is refused: resolver modules and TLS libraries make too many different calls for a list
 * of what is allowed. What came later is refused as an older kernel would. */
static const struct sock_filter filter[] = {
                LOAD(FIELD(arch)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
                RETURN(SECCOMP_RET_KILL_PROCESS),
                LOAD(FIELD(nr)),
#ifdef X32_BIT
                BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1),
                DENY,
#endif
                BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, NEWEST_CALL, 0, 1),
                RETURN(SECCOMP_RET_ERRNO | ENOSYS),
#if !LEAK_CHECKER
                /* Threads may be made (a resolver's), processes may not. glibc falls back from clone3, whose
                 * flags can't be seen, to clone. */
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
                RETURN(SECCOMP_RET_ERRNO | ENOSYS),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4),
                LOAD(FIELD(args[0])),
                BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0),
                DENY,
                RETURN(SECCOMP_RET_ALLOW),
                DENY_CALL(SYS_ptrace),
#endif
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 7),
                LOAD(FIELD(args[0])),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 4, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 3, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 2, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 1, 0),
                RETURN(SECCOMP_RET_ERRNO | EAFNOSUPPORT),
                RETURN(SECCOMP_RET_ALLOW),
                /* Typing into the terminal of who runs it by hand. */
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 5),
                LOAD(FIELD(args[1])),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TIOCSTI, 1, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TIOCLINUX, 0, 1),
                DENY,
                RETURN(SECCOMP_RET_ALLOW),
                /* What works by path, on files of the same user, and isn't Landlock's. */
                DENY_CALL(SYS_truncate),
                DENY_CALL(SYS_fchmod),
                DENY_CALL(SYS_fchmodat),
                DENY_CALL(SYS_fchown),
                DENY_CALL(SYS_fchownat),
                DENY_CALL(SYS_utimensat),
                DENY_CALL(SYS_setxattr),
                DENY_CALL(SYS_lsetxattr),
                DENY_CALL(SYS_fsetxattr),
                DENY_CALL(SYS_removexattr),
                DENY_CALL(SYS_lremovexattr),
                DENY_CALL(SYS_fremovexattr),
#ifdef SYS_chmod
                DENY_CALL(SYS_chmod),
                DENY_CALL(SYS_chown),
                DENY_CALL(SYS_lchown),
                DENY_CALL(SYS_utime),
                DENY_CALL(SYS_utimes),
                DENY_CALL(SYS_futimesat),
#endif
#ifdef SYS_fork
                DENY_CALL(SYS_fork),
                DENY_CALL(SYS_vfork),
#endif
                DENY_CALL(SYS_execve),
                DENY_CALL(SYS_execveat),
                DENY_CALL(SYS_process_vm_readv),
                DENY_CALL(SYS_process_vm_writev),
                DENY_CALL(SYS_pidfd_getfd),
                DENY_CALL(SYS_listen),
                DENY_CALL(SYS_accept),
                DENY_CALL(SYS_accept4),
                DENY_CALL(SYS_bpf),
                DENY_CALL(SYS_perf_event_open),
                DENY_CALL(SYS_userfaultfd),
                DENY_CALL(SYS_io_uring_setup),
                DENY_CALL(SYS_open_by_handle_at),
                DENY_CALL(SYS_add_key),
                DENY_CALL(SYS_request_key),
                DENY_CALL(SYS_keyctl),
                DENY_CALL(SYS_mount),
                DENY_CALL(SYS_umount2),
                DENY_CALL(SYS_pivot_root),
                DENY_CALL(SYS_chroot),
                DENY_CALL(SYS_unshare),
                DENY_CALL(SYS_setns),
                DENY_CALL(SYS_init_module),
                DENY_CALL(SYS_finit_module),
                DENY_CALL(SYS_delete_module),
                DENY_CALL(SYS_kexec_load),
                DENY_CALL(SYS_reboot),
                DENY_CALL(SYS_swapon),
                DENY_CALL(SYS_swapoff),
                DENY_CALL(SYS_acct),
                DENY_CALL(SYS_syslog),
                DENY_CALL(SYS_settimeofday),
                DENY_CALL(SYS_clock_settime),
                DENY_CALL(SYS_adjtimex),
                DENY_CALL(SYS_clock_adjtime),
                RETURN(SECCOMP_RET_ALLOW),
};

static int enter_seccomp(void) {
        struct sock_fprog program = {.len = ELEMENTSOF(filter), .filter = (struct sock_filter *) filter};

        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0 ? 0 : -errno;
}

#else

static int enter_seccomp(void) {
        return -EOPNOTSUPP;
}

#endif

/* By hand it may be root's. */
static void drop_capabilities(void) {
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

        (void) syscall(SYS_capset, &header, none);
}

int sandbox_enter(const DirectoryConfig *directory, Output *out) {
        struct rlimit none = {0, 0};
        int r;

        drop_capabilities();
        (void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        (void) setrlimit(RLIMIT_CORE, &none);
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return output_notice(out, LOG_NOTICE, "the directory reader runs unconfined: %s",
                                     strerrordesc_np(errno));
        r = enter_landlock(directory->ca_file);
        if (r < 0) {
                r = output_notice(out, LOG_NOTICE,
                                  "the directory reader may read all files of its user: Landlock isn't "
                                  "available here (%s)",
                                  strerrordesc_np(-r));
                if (r < 0)
                        return r;
        }
        r = enter_seccomp();
        if (r < 0)
                return output_notice(
                                out, LOG_NOTICE,
                                "the directory reader may make all system calls: seccomp isn't available "
                                "here (%s)",
                                strerrordesc_np(-r));
        return 0;
}
