/* SPDX-License-Identifier: Apache-2.0 */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "call.h"

/* As much as the daemon takes. */
#define PLAN_MAX ((off_t) 64 << 20)

static int copy(int from, int to) {
        char buf[65536];
        ssize_t n, m;

        while ((n = read(from, buf, sizeof(buf))) > 0)
                for (ssize_t done = 0; done < n; done += m) {
                        m = write(to, buf + done, (size_t) (n - done));
                        if (m < 0)
                                return -errno;
                }
        if (n < 0 || fsync(to) < 0)
                return -errno;
        return 0;
}

/* Fills the new file from what the daemon handed out. */
static ExitCode fill(const char *path, int from, int to, ErrCtx *err) {
        int r = copy(from, to);

        return r < 0 ? err_set(err, EXIT_STATE, 0, "%s: %s", path, strerror(-r)) : EXIT_IN_STEP;
}

static ExitCode create(const char *path, int *ret, ErrCtx *err) {
        *ret = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        return *ret >= 0 ? EXIT_IN_STEP : err_set(err, EXIT_USAGE, 0, "%s: %s", path, strerror(errno));
}

ExitCode files_backup(const char *path, ErrCtx *err) {
        _cleanup_(closep) int from = -1, to = -1;
        ExitCode code;

        code = create(path, &to, err);
        if (code != EXIT_IN_STEP)
                return code;
        code = call_for_file(true, "Backup", NULL, &from, err, "");
        if (code == EXIT_IN_STEP)
                code = fill(path, from, to, err);
        if (code != EXIT_IN_STEP)
                (void) unlink(path);
        return code;
}

ExitCode files_export(const char *target, const char *path, struct json_object **ret, ErrCtx *err) {
        _cleanup_(closep) int from = -1, to = -1;
        ExitCode code;

        code = create(path, &to, err);
        if (code != EXIT_IN_STEP)
                return code;
        code = call_for_file(false, "ExportPlan", ret, &from, err, "s", target);
        if (code == EXIT_IN_STEP)
                code = fill(path, from, to, err);
        if (code != EXIT_IN_STEP)
                (void) unlink(path);
        return code;
}

/* The daemon takes memory that nobody can change any more, and needn't read other people's files. */
static int seal(int from, int *ret) {
        _cleanup_(closep) int fd = memfd_create("idsyncctl-plan", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        struct stat st;
        int r;

        if (fd < 0 || fstat(from, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EISDIR;
        if (st.st_size > PLAN_MAX)
                return -EFBIG;
        r = copy(from, fd);
        if (r < 0)
                return r;
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
                return -errno;
        *ret = take_fd(&fd);
        return 0;
}

ExitCode files_apply(const char *path, struct json_object **ret, ErrCtx *err) {
        /* O_NONBLOCK: a FIFO must not hold us up before we know that it is one. */
        _cleanup_(closep) int from = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), fd = -1;
        ExitCode code;
        int r;

        r = from < 0 ? -errno : seal(from, &fd);
        if (r < 0)
                return err_set(err, EXIT_USAGE, 0, "%s: %s", path,
                               r == -EISDIR ? "not a regular file" : strerror(-r));
        code = call_daemon(true, "Apply", ret, err, "h", fd);
        if (code == EXIT_USAGE) {
                const ErrCtx why = *err;

                (void) err_set(err, EXIT_USAGE, 0, "%s: %s", path, why.text);
        }
        return code;
}
