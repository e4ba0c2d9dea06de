/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/strings.h"
#include "config/credential.h"
#include "config/syntax.h"

#define SECRET_SIZE_MAX 4096
#define FILE_SIZE_MAX (64 * 1024)

/* Opens and judges what can be judged from outside. 0 and *ret_fd; CREDENTIAL_E_BAD. */
static int open_checked(const char *path, off_t size_max, int *ret_fd, ErrCtx *err) {
        _cleanup_(closep) int fd = -1;
        struct stat st;

        /* No O_NOFOLLOW: by hand people point a link at a file elsewhere, and it is the file that is judged.
         * */
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 && errno == ENOENT)
                return err_set(err, CREDENTIAL_E_BAD, ENOENT,
                               "%s is not there; create it, or name it with LoadCredential= "
                               "in the unit",
                               path);
        if (fd < 0 || fstat(fd, &st) < 0)
                return err_set(err, CREDENTIAL_E_BAD, errno, "%s can't be read: %s", path, strerror(errno));
        if (!S_ISREG(st.st_mode))
                return err_set(err, CREDENTIAL_E_BAD, 0, "%s is not a regular file", path);
        /* Group bits are no offence: the service manager sets its ACL's mask there. */
        if (st.st_mode & S_IRWXO)
                return err_set(err, CREDENTIAL_E_BAD, 0,
                               "%s may be used by everybody (mode %04o); chmod o= it", path,
                               (unsigned) (st.st_mode & 07777));
        if (st.st_size > size_max)
                return err_set(err, CREDENTIAL_E_BAD, 0, "%s is larger than %lld bytes", path,
                               (long long) size_max);
        if (st.st_size == 0)
                return err_set(err, CREDENTIAL_E_BAD, 0, "%s is empty", path);
        *ret_fd = take_fd(&fd);
        return 0;
}

static int join_path(const char *directory, const char *name, char **ret, ErrCtx *err) {
        int r;

        r = syntax_credential(name, err);
        if (r != 0)
                return CREDENTIAL_E_BAD;
        return asprintf(ret, "%s/%s", directory, name) < 0 ? -ENOMEM : 0;
}

/* The secret without its line ending, still in our buffer. */
static int check_content(const char *path, const char *data, size_t *len, ErrCtx *err) {
        size_t n = *len;

        if (n > 0 && data[n - 1] == '\n') {
                n--;
                if (n > 0 && data[n - 1] == '\r')
                        n--;
        }
        /* Our unit gives a line ending for a file that isn't there (SetCredential=). */
        if (n == 0)
                return err_set(err, CREDENTIAL_E_BAD, 0,
                               "%s is empty; of a service: or LoadCredential= found no file at its start",
                               path);
        if (memchr(data, 0, n))
                return err_set(err, CREDENTIAL_E_BAD, 0, "%s has a NUL byte in it", path);
        if (memchr(data, '\n', n) || memchr(data, '\r', n))
                return err_set(err, CREDENTIAL_E_BAD, 0,
                               "%s has more than one line; the bare secret is needed", path);
        *len = n;
        return 0;
}

static int read_secret(int fd, const char *path, Secret **ret, ErrCtx *err) {
        char data[SECRET_SIZE_MAX + 1];
        size_t len = 0;
        int r = 0;

        while (len < sizeof(data)) {
                ssize_t n = read(fd, data + len, sizeof(data) - len);

                if (n < 0)
                        r = err_set(err, CREDENTIAL_E_BAD, errno, "%s can't be read: %s", path,
                                    strerror(errno));
                if (n <= 0)
                        break;
                len += (size_t) n;
        }
        if (r == 0 && len > SECRET_SIZE_MAX)
                r = err_set(err, CREDENTIAL_E_BAD, 0, "%s is larger than %d bytes", path, SECRET_SIZE_MAX);
        if (r == 0)
                r = check_content(path, data, &len, err);
        if (r == 0) {
                *ret = secret_new(data, len);
                r = *ret ? 0 : -ENOMEM;
        }
        explicit_bzero(data, sizeof(data));
        return r;
}

int credential_load(const char *directory, const char *name, Secret **ret, ErrCtx *err) {
        _cleanup_(freep) char *path = NULL;
        _cleanup_(closep) int fd = -1;
        int r;

        r = join_path(directory, name, &path, err);
        if (r == 0)
                r = open_checked(path, SECRET_SIZE_MAX, &fd, err);
        if (r == 0)
                r = read_secret(fd, path, ret, err);
        return r;
}

int credential_path(const char *directory, const char *name, char **ret, ErrCtx *err) {
        _cleanup_(freep) char *path = NULL;
        _cleanup_(closep) int fd = -1;
        int r;

        r = join_path(directory, name, &path, err);
        if (r == 0)
                r = open_checked(path, FILE_SIZE_MAX, &fd, err);
        if (r == 0)
                *ret = TAKE(path);
        return r;
}
