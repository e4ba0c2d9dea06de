/* SPDX-License-Identifier: Apache-2.0 */
#include "reader/socket.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"

DEFINE_CLEANUP(struct addrinfo *, freeaddrinfo);

/* Returns an errno, 0 when connected. */
static int connect_within(int fd, const struct sockaddr *address, socklen_t size, usec_t timeout) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        socklen_t len = sizeof(int);
        int r, error = 0;

        if (connect(fd, address, size) == 0)
                return 0;
        if (errno != EINPROGRESS)
                return errno;
        do
                r = poll(&p, 1, (int) (timeout / USEC_PER_MSEC));
        while (r < 0 && errno == EINTR);
        if (r <= 0)
                return r == 0 ? ETIMEDOUT : errno;
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
                return errno;
        return error;
}

/* A server that vanishes must not leave us waiting: the kernel notices within the time-out as well. */
static void set_tcp_options(int fd, usec_t timeout) {
        int on = 1;
        unsigned msec = (unsigned) (timeout / USEC_PER_MSEC);

        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        (void) setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
        (void) setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &msec, sizeof(msec));
}

static int resolve(const char *host, uint16_t port, ErrCtx *err, struct addrinfo **ret) {
        struct addrinfo hints = {
                        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
        char service[8];
        int r;

        (void) snprintf(service, sizeof(service), "%u", (unsigned) port);
        r = getaddrinfo(host, service, &hints, ret);
        if (r == 0)
                return 0;
        return err_set(err, SOCKET_E_FAILED, 0, "the name %s can't be resolved: %s", host,
                       r == EAI_SYSTEM ? strerrordesc_np(errno) : gai_strerror(r));
}

static const char *address_text(const struct addrinfo *a, char *buf, size_t size) {
        if (getnameinfo(a->ai_addr, a->ai_addrlen, buf, (socklen_t) size, NULL, 0, NI_NUMERICHOST) != 0)
                (void) snprintf(buf, size, "?");
        return buf;
}

int socket_connect_tcp(const char *host, uint16_t port, usec_t timeout, ErrCtx *err, int *ret) {
        _cleanup_(freeaddrinfop) struct addrinfo *addresses = NULL;
        char text[64];
        int r, error;

        r = resolve(host, port, err, &addresses);
        if (r != 0)
                return r;
        r = err_set(err, SOCKET_E_FAILED, 0, "the name %s has no address", host);
        for (const struct addrinfo *a = addresses; a; a = a->ai_next) {
                _cleanup_(closep) int fd = -1;

                fd = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
                error = fd < 0 ? errno : connect_within(fd, a->ai_addr, a->ai_addrlen, timeout);
                if (error == 0) {
                        set_tcp_options(fd, timeout);
                        *ret = take_fd(&fd);
                        return 0;
                }
                r = err_set(err, SOCKET_E_FAILED, 0, "connecting to %s port %u failed: %s",
                            address_text(a, text, sizeof(text)), (unsigned) port, strerrordesc_np(error));
        }
        return r;
}

int socket_connect_unix(const char *path, usec_t timeout, ErrCtx *err, int *ret) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_(closep) int fd = -1;
        int error;

        if (strlen(path) >= sizeof(address.sun_path))
                return err_set(err, SOCKET_E_FAILED, 0, "the path %s is longer than %zu bytes", path,
                               sizeof(address.sun_path) - 1);
        memcpy(address.sun_path, path, strlen(path) + 1);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        error = fd < 0 ? errno : connect_within(fd, (struct sockaddr *) &address, sizeof(address), timeout);
        if (error != 0)
                return err_set(err, SOCKET_E_FAILED, 0, "connecting to %s failed: %s", path,
                               strerrordesc_np(error));
        *ret = take_fd(&fd);
        return 0;
}
