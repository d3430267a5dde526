/*
 * Plain calls in a simulated world: the blocking peers of tests/api, which know nothing of weft,
 * and their threads. The linker turns each call below into the one here (--wrap, see extra.cmake),
 * in the whole program: what is not about a simulated descriptor, or comes before the world has
 * begun, goes on to the real one.
 *
 * A thread started here is a simulated one; a call that blocks parks it.
 */
#include "ring/host.h"
#include "sim/world.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define REAL(result, name, ...)                                                                    \
    result __real_##name(__VA_ARGS__);                                                             \
    result __wrap_##name(__VA_ARGS__);                                                             \
    result __wrap_##name(__VA_ARGS__)

static struct weft__sim_file *file_of(int fd)
{
    return weft__sim_world ? weft__sim_fd_file(weft__sim_world, fd) : NULL;
}

static int answer(int result)
{
    if (result >= 0)
        return result;
    errno = -result;
    return -1;
}

/* -- waiting ---------------------------------------------------------------------------------- */

struct sleeper {
    struct weft__sim_waiter waiter; /* first: cast back */
    struct weft__sim_thread *thread;
};

static void wake_sleeper(struct weft__sim *sim, struct weft__sim_waiter *waiter, uint32_t events)
{
    (void)events;
    weft__sim_wait_no_more(waiter);
    weft__sim_wake(sim, ((struct sleeper *)waiter)->thread);
}

static void wait_for(struct weft__sim_file *file, uint32_t events, int64_t deadline_ns)
{
    struct weft__sim *sim = weft__sim_world;
    struct sleeper sleeper = {.waiter = {.events = events, .notify = wake_sleeper},
                              .thread = sim->running};

    weft__sim_wait_on(file, &sleeper.waiter);
    weft__sim_park_until(sim, "a plain call on file", file->serial, deadline_ns);
    weft__sim_wait_no_more(&sleeper.waiter);
}

static bool waits(const struct weft__sim_file *file, int flags)
{
    return !(file->flags & O_NONBLOCK) && !(flags & MSG_DONTWAIT);
}

typedef int32_t mover(struct weft__sim *, struct weft__sim_file *, struct weft__sim_transfer *);

static ssize_t move(struct weft__sim_file *file, mover *by, void *memory, size_t size, int flags,
                    uint32_t events)
{
    int32_t result = by ? -EAGAIN : -ENOTSOCK;
    size_t done = 0;

    weft__sim_file_keep(file);
    while (by) {
        struct weft__sim_transfer transfer = {.memory = (char *)memory + done,
                                              .length = (uint32_t)(size - done),
                                              .msg_flags = (uint32_t)flags};
        result = by(weft__sim_world, file, &transfer);
        if (result > 0)
            done += (size_t)result;
        /* a blocking send goes on until all is sent */
        if (result != -EAGAIN && !(result > 0 && events == POLLOUT && done < size))
            break;
        if (!waits(file, flags))
            break;
        if (result == -EAGAIN)
            wait_for(file, events, INT64_MAX);
    }
    weft__sim_file_drop(weft__sim_world, file);
    weft__sim_give_way(weft__sim_world);
    return done > 0 ? (ssize_t)done : answer(result);
}

REAL(ssize_t, recv, int fd, void *memory, size_t size, int flags)
{
    struct weft__sim_file *file = file_of(fd);

    if (!file)
        return __real_recv(fd, memory, size, flags);
    return move(file, file->ops->receive, memory, size, flags, POLLIN);
}

REAL(ssize_t, send, int fd, const void *memory, size_t size, int flags)
{
    struct weft__sim_file *file = file_of(fd);

    if (!file)
        return __real_send(fd, memory, size, flags);
    return move(file, file->ops->send, (void *)(uintptr_t)memory, size, flags, POLLOUT);
}

REAL(ssize_t, read, int fd, void *memory, size_t size)
{
    return file_of(fd) ? __wrap_recv(fd, memory, size, 0) : __real_read(fd, memory, size);
}

REAL(ssize_t, write, int fd, const void *memory, size_t size)
{
    return file_of(fd) ? __wrap_send(fd, memory, size, 0) : __real_write(fd, memory, size);
}

/* -- sockets ---------------------------------------------------------------------------------- */

REAL(int, socket, int domain, int type, int protocol)
{
    if (!weft__sim_world)
        return __real_socket(domain, type, protocol);
    return answer(weft__host_socket(domain, type, protocol));
}

REAL(int, bind, int fd, const struct sockaddr *address, socklen_t length)
{
    return file_of(fd) ? answer(weft__host_bind(fd, address, length))
                       : __real_bind(fd, address, length);
}

REAL(int, listen, int fd, int backlog)
{
    return file_of(fd) ? answer(weft__host_listen(fd, backlog)) : __real_listen(fd, backlog);
}

REAL(int, getsockname, int fd, struct sockaddr *address, socklen_t *length)
{
    return file_of(fd) ? answer(weft__host_getsockname(fd, address, length))
                       : __real_getsockname(fd, address, length);
}

REAL(int, setsockopt, int fd, int level, int option, const void *value, socklen_t length)
{
    return file_of(fd) ? answer(weft__host_setsockopt(fd, level, option, value, length))
                       : __real_setsockopt(fd, level, option, value, length);
}

REAL(int, getsockopt, int fd, int level, int option, void *value, socklen_t *length)
{
    return file_of(fd) ? answer(weft__host_getsockopt(fd, level, option, value, length))
                       : __real_getsockopt(fd, level, option, value, length);
}

REAL(int, shutdown, int fd, int how)
{
    return file_of(fd) ? answer(weft__host_shutdown(fd, how)) : __real_shutdown(fd, how);
}

REAL(int, close, int fd)
{
    if (!file_of(fd))
        return __real_close(fd);
    return answer(weft__host_close(fd));
}

REAL(int, connect, int fd, const struct sockaddr *address, socklen_t length)
{
    struct weft__sim_file *file = file_of(fd);
    int error;

    if (!file)
        return __real_connect(fd, address, length);
    error = file->ops->connect(weft__sim_world, file, address, length);
    while ((error == -EINPROGRESS || error == -EAGAIN) && waits(file, 0)) {
        wait_for(file, POLLOUT, INT64_MAX);
        error = file->ops->connected(weft__sim_world, file);
    }
    return answer(error);
}

REAL(int, accept, int fd, struct sockaddr *address, socklen_t *length)
{
    struct weft__sim_file *file = file_of(fd), *accepted;
    int error;

    if (!file)
        return __real_accept(fd, address, length);
    while ((error = file->ops->accept(weft__sim_world, file, &accepted)) == -EAGAIN &&
           waits(file, 0))
        wait_for(file, POLLIN, INT64_MAX);
    error = error < 0 ? error : weft__sim_fd_install(weft__sim_world, accepted);
    if (error >= 0 && address)
        weft__host_getpeername(error, address, length);
    return answer(error);
}

/* One end of a Unix socket pair, by way of a listener that has no name. */
REAL(int, socketpair, int domain, int type, int protocol, int fds[2])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t length = sizeof address.sun_family;
    int listener;

    if (!weft__sim_world)
        return __real_socketpair(domain, type, protocol, fds);
    listener = __wrap_socket(domain, type & ~SOCK_NONBLOCK, protocol);
    fds[0] = __wrap_socket(domain, type & ~SOCK_NONBLOCK, protocol);
    if (listener < 0 || fds[0] < 0 ||
        __wrap_bind(listener, (struct sockaddr *)&address, length) < 0)
        return -1;
    length = sizeof address;
    __wrap_getsockname(listener, (struct sockaddr *)&address, &length);
    __wrap_listen(listener, 1);
    if (__wrap_connect(fds[0], (struct sockaddr *)&address, length) < 0)
        return -1;
    fds[1] = __wrap_accept(listener, NULL, NULL);
    for (int i = 0; i < 2 && type & SOCK_NONBLOCK; i++)
        weft__host_fcntl(fds[i], F_SETFL, O_NONBLOCK);
    return fds[1] < 0 ? -1 : __wrap_close(listener);
}

/* One direction would do. */
REAL(int, pipe, int fds[2])
{
    return weft__sim_world ? __wrap_socketpair(AF_UNIX, SOCK_STREAM, 0, fds) : __real_pipe(fds);
}

REAL(int, unlink, const char *path)
{
    int error = weft__sim_world ? weft__host_unlink(path) : -ENOENT;

    return error == -ENOENT ? __real_unlink(path) : answer(error);
}

/* -- polling, options of descriptors ------------------------------------------------------------
 */

REAL(int, poll, struct pollfd *fds, nfds_t count, int timeout_ms)
{
    struct weft__sim_file *file = count == 1 ? file_of(fds->fd) : NULL;
    struct weft__sim *sim = weft__sim_world;
    int64_t until_ns;

    if (!file)
        return __real_poll(fds, count, timeout_ms);
    until_ns = timeout_ms < 0 ? INT64_MAX : sim->now_ns + timeout_ms * INT64_C(1000000);
    for (;;) {
        uint32_t wanted = (uint32_t)(unsigned short)fds->events | POLLERR | POLLHUP;
        fds->revents = (short)(file->ops->poll(sim, file) & wanted);
        if (fds->revents || sim->now_ns >= until_ns)
            return fds->revents != 0;
        wait_for(file, wanted, until_ns);
    }
}

REAL(int, fcntl, int fd, int command, ...)
{
    va_list arguments;
    long argument;

    va_start(arguments, command);
    argument = va_arg(arguments, long);
    va_end(arguments);
    return file_of(fd) ? answer(weft__host_fcntl(fd, command, argument))
                       : __real_fcntl(fd, command, argument);
}

/* -- time and threads ---------------------------------------------------------------------------
 */

REAL(int, nanosleep, const struct timespec *time, struct timespec *left)
{
    struct weft__sim *sim = weft__sim_world;

    if (!sim)
        return __real_nanosleep(time, left);
    weft__sim_park_until(sim, "the end of a sleep", 0,
                         sim->now_ns + time->tv_sec * INT64_C(1000000000) + time->tv_nsec);
    return 0;
}

enum { THREADS_MAX = 256 };
static struct weft__thread *threads[THREADS_MAX];

REAL(int, pthread_create, pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *),
     void *arg)
{
    int error, i = 0;

    if (!weft__sim_world)
        return __real_pthread_create(thread, attributes, fn, arg);
    while (i < THREADS_MAX && threads[i])
        i++;
    if (i == THREADS_MAX)
        return EAGAIN;
    error = weft__host_thread_start(&threads[i], fn, arg, "plain");
    *thread = (pthread_t)threads[i];
    return -error;
}

REAL(int, pthread_join, pthread_t thread, void **value)
{
    for (int i = 0; i < THREADS_MAX; i++)
        if (threads[i] && (pthread_t)threads[i] == thread) {
            threads[i] = NULL;
            if (value)
                *value = NULL;
            return -weft__host_thread_join((struct weft__thread *)thread);
        }
    return __real_pthread_join(thread, value);
}
