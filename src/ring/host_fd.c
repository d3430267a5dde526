/*
 * ring/host_fd.c - the direct calls on descriptors that cannot block.
 *
 * Any thread may call these. What always holds: a descriptor made here is CLOEXEC and above 2, so
 * that a program started with its standard streams closed never writes its messages into a socket.
 */
#include "ring/host.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FD_FIRST = 3, FD_MAX_DEFAULT = 1 << 20 };

static int result(int value)
{
    return value < 0 ? -errno : value;
}

int weft__host_fd_lift(int fd)
{
    if (fd < 0 || fd >= FD_FIRST)
        return fd;
    int lifted = result(fcntl(fd, F_DUPFD_CLOEXEC, FD_FIRST));
    close(fd);
    return lifted;
}

/* What the kernel allows anybody (fs.nr_open). */
static uint32_t fd_max_system(void)
{
    char text[24] = "";
    int fd = open("/proc/sys/fs/nr_open", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    long value = n > 0 ? strtol(text, NULL, 10) : 0;
    return value > 0 && value < INT_MAX ? (uint32_t)value : FD_MAX_DEFAULT;
}

uint32_t weft__host_fd_max(void)
{
    struct rlimit limit;
    uint32_t most = fd_max_system();
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_max == RLIM_INFINITY)
        return most;
    return limit.rlim_max < most ? (uint32_t)limit.rlim_max : most;
}

int weft__host_socket(int domain, int type, int protocol)
{
    return weft__host_fd_lift(result(socket(domain, type | SOCK_CLOEXEC, protocol)));
}

int weft__host_bind(int fd, const struct sockaddr *address, socklen_t length)
{
    return result(bind(fd, address, length));
}

int weft__host_listen(int fd, int backlog)
{
    return result(listen(fd, backlog));
}

int weft__host_connect_probe(const struct sockaddr *address, socklen_t length)
{
    int fd = weft__host_socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fd;
    int error = result(connect(fd, address, length));
    close(fd);
    switch (error) {
    case 0:
    case -EINPROGRESS:
    case -EAGAIN:     /* its queue is full, so it has one */
    case -EPROTOTYPE: /* a socket of another type is bound there */
    case -EINTR:      /* only a connection under way can be interrupted */
        return 1;
    case -ECONNREFUSED:
    case -ENOENT:
        return 0;
    default:
        return error;
    }
}

int weft__host_getsockname(int fd, struct sockaddr *address, socklen_t *length)
{
    return result(getsockname(fd, address, length));
}

int weft__host_getpeername(int fd, struct sockaddr *address, socklen_t *length)
{
    return result(getpeername(fd, address, length));
}

int weft__host_setsockopt(int fd, int level, int option, const void *value, socklen_t length)
{
    return result(setsockopt(fd, level, option, value, length));
}

int weft__host_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    return result(connect(fd, address, length));
}

ssize_t weft__host_recvfrom(int fd, void *buffer, size_t size, int flags, struct sockaddr *address,
                            socklen_t *length)
{
    ssize_t count = recvfrom(fd, buffer, size, flags | MSG_DONTWAIT, address, length);

    return count < 0 ? -errno : count;
}

ssize_t weft__host_sendto(int fd, const void *buffer, size_t size, int flags,
                          const struct sockaddr *address, socklen_t length)
{
    ssize_t count = sendto(fd, buffer, size, flags | MSG_DONTWAIT | MSG_NOSIGNAL, address, length);

    return count < 0 ? -errno : count;
}

static int is_ready(int fd, short events)
{
    struct pollfd look = {.fd = fd, .events = events};

    return poll(&look, 1, 0) > 0 && look.revents & events;
}

int weft__host_is_readable(int fd)
{
    return is_ready(fd, POLLIN);
}

int weft__host_is_writable(int fd)
{
    return is_ready(fd, POLLOUT);
}

int weft__host_getsockopt(int fd, int level, int option, void *value, socklen_t *length)
{
    return result(getsockopt(fd, level, option, value, length));
}

int weft__host_fcntl(int fd, int command, long argument)
{
    return result(fcntl(fd, command, argument));
}

int weft__host_identity(int fd, uint64_t *device, uint64_t *inode)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -errno;
    *device = status.st_dev;
    *inode = status.st_ino;
    return 0;
}

int weft__host_unlink(const char *path)
{
    return result(unlink(path));
}

int weft__host_is_socket_file(const char *path)
{
    struct stat
        status; /* lstat: unlink would remove the link, so the link is what is asked about */
    return lstat(path, &status) < 0 ? -errno : S_ISSOCK(status.st_mode);
}

int weft__host_chmod(const char *path, uint32_t mode)
{
    return result(chmod(path, (mode_t)mode));
}

int weft__host_shutdown(int fd, int how)
{
    return result(shutdown(fd, how));
}

int weft__host_close(int fd)
{
    int error = result(close(fd));
    return error == -EINTR ? 0 : error; /* on Linux the descriptor is gone all the same */
}

static int lift_both(int fds[2])
{
    for (int i = 0; i < 2; i++) {
        fds[i] = weft__host_fd_lift(fds[i]);
        if (fds[i] < 0) {
            int error = fds[i];
            for (int j = 0; j < 2; j++) /* of the two, those that are open */
                if (fds[j] >= 0)
                    close(fds[j]);
            return error;
        }
    }
    return 0;
}

int weft__host_pipe(int fds[2], int flags)
{
    int both[2];

    if (pipe2(both, flags | O_CLOEXEC) < 0)
        return -errno;
    int error = lift_both(both);
    if (error == 0)
        memcpy(fds, both, sizeof both);
    return error;
}

int64_t weft__host_splice(int fd_in, int fd_out, size_t size, unsigned flags)
{
    ssize_t n;

    do
        n = splice(fd_in, NULL, fd_out, NULL, size, flags);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

int64_t weft__host_tee(int fd_in, int fd_out, size_t size, unsigned flags)
{
    ssize_t n;

    do
        n = tee(fd_in, fd_out, size, flags);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

int weft__host_seeks(int fd)
{
    return lseek(fd, 0, SEEK_CUR) < 0 ? -errno : 0;
}

int weft__host_ftruncate(int fd, int64_t size)
{
    int error;

    do
        error = result(ftruncate(fd, size));
    while (error == -EINTR);
    return error;
}

int64_t weft__host_copy_size(int fd_in, int64_t offset_in, int fd_out, int64_t offset_out,
                             size_t size)
{
    struct stat in, out;

    if (fstat(fd_in, &in) < 0 || fstat(fd_out, &out) < 0)
        return -errno;
    if (!S_ISREG(in.st_mode) || in.st_dev != out.st_dev || in.st_ino != out.st_ino)
        return size < INT64_MAX ? (int64_t)size : INT64_MAX;
    return weft__copy_within(in.st_size, offset_in < 0 ? lseek(fd_in, 0, SEEK_CUR) : offset_in,
                             offset_out < 0 ? lseek(fd_out, 0, SEEK_CUR) : offset_out, size);
}

int64_t weft__host_copy_file_range(int fd_in, int64_t offset_in, int fd_out, int64_t offset_out,
                                   size_t size)
{
    ssize_t n;

    do
        n = copy_file_range(fd_in, offset_in < 0 ? NULL : &offset_in, fd_out,
                            offset_out < 0 ? NULL : &offset_out, size, 0);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

int weft__host_sync_range(int fd, int64_t offset, int64_t size, unsigned flags)
{
    return result(sync_file_range(fd, offset, size, flags));
}

int weft__host_fadvise(int fd, int64_t offset, int64_t size, int advice)
{
    return -posix_fadvise(fd, offset, size, advice);
}

int weft__host_madvise(void *memory, size_t size, int advice)
{
    return result(madvise(memory, size, advice));
}

ssize_t weft__host_getdents(int fd, void *buffer, size_t size)
{
    long count = syscall(SYS_getdents64, fd, buffer, size);

    return count < 0 ? -errno : count;
}
