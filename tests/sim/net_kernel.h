/*
 * One set of socket calls, two kernels: the machine's own, by plain system calls on the loopback,
 * and the simulated one. A behaviour written with these runs on both and expects the same answers;
 * so the simulated kernel is held to what Linux does, and not to what we believe it does.
 *
 * Every call answers at once: >= 0 or a negative errno, -EAGAIN where one would have to wait.
 * `await` lets time pass (real or virtual) until the descriptor shows one of the events.
 */
#ifndef WEFT_TESTS_SIM_NET_KERNEL_H
#define WEFT_TESTS_SIM_NET_KERNEL_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "support/test.h"

enum { NET_EVENTS = POLLIN | POLLOUT | POLLRDHUP | POLLPRI };

struct net_kernel {
    int (*socket)(int domain, int type, int protocol);
    int (*bind)(int fd, const struct sockaddr *address, socklen_t length);
    int (*listen)(int fd, int backlog);
    int (*connect)(int fd, const struct sockaddr *address, socklen_t length);
    int (*accept)(int fd);
    int (*send)(int fd, const void *bytes, size_t size, int flags);
    int (*recv)(int fd, void *bytes, size_t size, int flags);
    int (*shutdown)(int fd, int how);
    int (*close)(int fd);
    int (*getsockname)(int fd, struct sockaddr *address, socklen_t *length);
    int (*getpeername)(int fd, struct sockaddr *address, socklen_t *length);
    int (*setsockopt)(int fd, int level, int option, const void *value, socklen_t length);
    int (*getsockopt)(int fd, int level, int option, void *value, socklen_t *length);
    int (*poll)(int fd);              /* the events that are there, of NET_EVENTS and errors */
    int (*await)(int fd, int events); /* the same, once one of `events` is; gives up at last */
    int (*settle)(void);              /* what is under way arrives, as a rule; 1 */
    int (*unlink)(const char *path);
};

/* -- the machine's own ---------------------------------------------------------------------- */

static inline int real_result(ssize_t value)
{
    return value < 0 ? -errno : (int)value;
}

static inline int real_socket(int domain, int type, int protocol)
{
    return real_result(socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
}

static inline int real_bind(int fd, const struct sockaddr *address, socklen_t length)
{
    return real_result(bind(fd, address, length));
}

static inline int real_listen(int fd, int backlog)
{
    return real_result(listen(fd, backlog));
}

static inline int real_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    return real_result(connect(fd, address, length));
}

static inline int real_accept(int fd)
{
    return real_result(accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

static inline int real_send(int fd, const void *bytes, size_t size, int flags)
{
    return real_result(send(fd, bytes, size, flags | MSG_NOSIGNAL));
}

static inline int real_recv(int fd, void *bytes, size_t size, int flags)
{
    return real_result(recv(fd, bytes, size, flags));
}

static inline int real_shutdown(int fd, int how)
{
    return real_result(shutdown(fd, how));
}

static inline int real_close(int fd)
{
    return real_result(close(fd));
}

static inline int real_getsockname(int fd, struct sockaddr *address, socklen_t *length)
{
    return real_result(getsockname(fd, address, length));
}

static inline int real_getpeername(int fd, struct sockaddr *address, socklen_t *length)
{
    return real_result(getpeername(fd, address, length));
}

static inline int real_setsockopt(int fd, int level, int option, const void *value,
                                  socklen_t length)
{
    return real_result(setsockopt(fd, level, option, value, length));
}

static inline int real_getsockopt(int fd, int level, int option, void *value, socklen_t *length)
{
    return real_result(getsockopt(fd, level, option, value, length));
}

static inline int real_poll_for(int fd, int events, int timeout_ms)
{
    struct pollfd poller = {.fd = fd, .events = (short)events};

    return poll(&poller, 1, timeout_ms) < 0 ? -errno : poller.revents;
}

static inline int real_poll(int fd)
{
    return real_poll_for(fd, NET_EVENTS, 0);
}

/* What else comes with it may come a moment later: the look is taken once it has had the time. */
static inline int real_await(int fd, int events)
{
    int shown = real_poll_for(fd, events, 10000);

    return shown & events ? real_poll(fd) : shown;
}

static inline int real_settle(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    return 1;
}

static inline int real_unlink(const char *path)
{
    return real_result(unlink(path));
}

static const struct net_kernel net_real = {
    .socket = real_socket,
    .bind = real_bind,
    .listen = real_listen,
    .connect = real_connect,
    .accept = real_accept,
    .send = real_send,
    .recv = real_recv,
    .shutdown = real_shutdown,
    .close = real_close,
    .getsockname = real_getsockname,
    .getpeername = real_getpeername,
    .setsockopt = real_setsockopt,
    .getsockopt = real_getsockopt,
    .poll = real_poll,
    .await = real_await,
    .settle = real_settle,
    .unlink = real_unlink,
};

#endif
