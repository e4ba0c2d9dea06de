/* SPDX-License-Identifier: Apache-2.0 */
/* The state directory: whose it is, the lock that keeps a second process out, and the marker that shows a
 * restored database. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/strings.h"
#include "store/store-internal.h"

#define DIGITS_MAX 32

static int path_in(const char *directory, const char *name, char **ret) {
        return asprintf(ret, "%s/%s", directory, name) < 0 ? -ENOMEM : 0;
}

static int file_error(ErrCtx *err, int r, const char *path) {
        errno = -r;
        if (r == -EINVAL)
                return err_set(err, r, 0, "%s: not a regular file with one name", path);
        if (r == -EACCES)
                return err_set(err, r, -r, "%s: %m: it must belong to the owner of its directory", path);
        return err_set(err, r, -r, "%s: %m", path);
}

/* A whole number in a small file; 0 where there is none. */
static int read_number(int fd, uint64_t *ret) {
        char text[DIGITS_MAX];
        ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

        if (n < 0)
                return -errno;
        while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
                n--;
        text[n] = '\0';
        if (parse_u64(text, ret) < 0)
                *ret = 0;
        return 0;
}

static int write_number(int fd, uint64_t number) {
        char text[DIGITS_MAX];
        int n = snprintf(text, sizeof(text), "%llu\n", (unsigned long long) number);

        if (ftruncate(fd, 0) < 0)
                return -errno;
        if (pwrite(fd, text, (size_t) n, 0) != n)
                return errno ? -errno : -EIO;
        return 0;
}

/* Opens one of our files for writing: regular, with one name, 0600, and of the directory's owner also when
 * root runs us. */
static int open_private(const char *directory, const char *path, int flags, int *ret) {
        _cleanup_(closep) int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags, 0600);
        struct stat dir, st;

        if (fd < 0 || fstat(fd, &st) < 0 || stat(directory, &dir) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_nlink > 1)
                return -EINVAL;
        if ((st.st_mode & 07777) != 0600 && fchmod(fd, 0600) < 0)
                return -errno;
        if (geteuid() == 0 && st.st_uid != dir.st_uid && fchown(fd, dir.st_uid, dir.st_gid) < 0)
                return -errno;
        *ret = take_fd(&fd);
        return 0;
}

static int check_directory(const char *directory, ErrCtx *err) {
        _cleanup_(closep) int fd = -1;
        struct stat st;

        if (mkdir(directory, 0700) < 0 && errno != EEXIST)
                return err_set(err, -errno, errno, "%s: the state directory can't be made: %m", directory);
        fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return err_set(err, -errno, errno, "%s: the state directory can't be opened: %m", directory);
        if (st.st_mode & (S_IWGRP | S_IWOTH))
                return err_set(err, -EPERM, 0,
                               "%s: others may write to the state directory (mode %04o); chmod 0700 it",
                               directory, (unsigned) st.st_mode & 07777);
        if (st.st_uid != geteuid() && st.st_uid != 0 && geteuid() != 0)
                return err_set(err, -EPERM, 0, "%s: the state directory belongs to somebody else (uid %u)",
                               directory, (unsigned) st.st_uid);
        return 0;
}

int guard_lock(const char *directory, int *ret_fd, pid_t *ret_pid, ErrCtx *err) {
        _cleanup_(freep) char *path = NULL;
        _cleanup_(closep) int fd = -1;
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        uint64_t holder = 0;
        int r;

        r = check_directory(directory, err);
        if (r < 0)
                return r;
        r = path_in(directory, "idsyncd.lock", &path);
        if (r < 0)
                return r;
        r = open_private(directory, path, O_CREAT, &fd);
        if (r < 0)
                return file_error(err, r, path);
        /* Of the open file, so that nothing else in this process can lose it by closing another
         * descriptor. */
        if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
                if (errno != EAGAIN && errno != EACCES)
                        return err_set(err, -errno, errno, "%s: %m", path);
                (void) read_number(fd, &holder);
                *ret_pid = (pid_t) holder;
                return err_set(err, STORE_E_LOCKED, 0, "%s is in use by process %d", directory,
                               (int) *ret_pid);
        }
        r = write_number(fd, (uint64_t) getpid());
        if (r < 0)
                return file_error(err, r, path);
        *ret_fd = take_fd(&fd);
        return 0;
}

int guard_database(const char *directory, char **ret_path, ErrCtx *err) {
        static const char *const beside[] = { "idsyncd.db-wal", "idsyncd.db-shm" };
        _cleanup_(freep) char *path = NULL;
        _cleanup_(closep) int fd = -1;
        int r;

        r = path_in(directory, "idsyncd.db", &path);
        if (r < 0)
                return r;
        r = open_private(directory, path, O_CREAT, &fd);
        if (r < 0)
                return file_error(err, r, path);
        for (size_t i = 0; i < ELEMENTSOF(beside); i++) {
                _cleanup_(freep) char *other = NULL;
                _cleanup_(closep) int other_fd = -1;

                r = path_in(directory, beside[i], &other);
                if (r < 0)
                        return r;
                r = open_private(directory, other, 0, &other_fd);
                if (r < 0 && r != -ENOENT)
                        return file_error(err, r, other);
        }
        *ret_path = TAKE(path);
        return 0;
}

int guard_marker_read(const char *directory, uint64_t *ret) {
        _cleanup_(freep) char *path = NULL;
        _cleanup_(closep) int fd = -1;
        int r;

        r = path_in(directory, "idsyncd.generation", &path);
        if (r < 0)
                return r;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0 && errno == ENOENT) {
                *ret = 0;
                return 0;
        }
        return fd < 0 ? -errno : read_number(fd, ret);
}

/* Written beside and renamed: a marker is whole or of before. */
int guard_marker_write(const char *directory, uint64_t generation) {
        _cleanup_(freep) char *path = NULL, *fresh = NULL;
        _cleanup_(closep) int fd = -1, dir = -1;
        int r;

        r = path_in(directory, "idsyncd.generation", &path);
        if (r == 0)
                r = path_in(directory, "idsyncd.generation.new", &fresh);
        if (r < 0)
                return r;
        r = open_private(directory, fresh, O_CREAT, &fd);
        if (r < 0)
                return r;
        r = write_number(fd, generation);
        if (r < 0)
                return r;
        if (fsync(fd) < 0 || rename(fresh, path) < 0)
                return -errno;
        dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return dir < 0 || fsync(dir) < 0 ? -errno : 0;
}
