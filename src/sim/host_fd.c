/*
 * sim/host_fd.c - the direct calls on simulated descriptors.
 *
 * What always holds: none of them waits or gives way; each takes a little of the virtual time.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>

#include "ring/host.h"
#include "sim/disk.h"
#include "sim/message.h"
#include "sim/net_name.h"
#include "sim/pipe.h"
#include "sim/world.h"

/* The world, after the time of a call has passed; with the file, or NULL: -EBADF. */
static struct weft__sim *begin(int fd, struct weft__sim_file **file)
{
    struct weft__sim *sim = weft__sim_here();

    weft__sim_charge(sim);
    *file = weft__sim_fd_file(sim, fd);
    return sim;
}

/* After a call that others may notice: what is due by now happens, and flags tell of it. */
static int done(struct weft__sim *sim, int result)
{
    weft__sim_fire_due(sim);
    return result;
}

/* The kernel had no memory for it. */
static bool fails(struct weft__sim *sim)
{
    return weft__sim_chance(sim, &sim->running->dice, WEFT__SIM_HOST_ERRNO);
}

static int missing(const struct weft__sim_file *file)
{
    return file->ops->is_socket ? -EOPNOTSUPP : -ENOTSOCK;
}

uint32_t weft__host_fd_max(void)
{
    return weft__sim_here()->fds_max + 1024; /* numbers do not begin at 0 */
}

int weft__host_fd_lift(int fd)
{
    return fd; /* they are above 2 as they are */
}

int weft__host_socket(int domain, int type, int protocol)
{
    struct weft__sim *sim = weft__sim_here();
    struct weft__sim_file *file;
    int error;

    weft__sim_charge(sim);
    error = weft__sim_fd_available(sim) ? weft__sim_fd_refused(sim, &sim->running->dice) : -EMFILE;
    if (error < 0)
        return error;
    if (fails(sim))
        return -ENOMEM;
    error =
        weft__sim_net_socket(sim, domain, type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK), protocol, &file);
    if (error < 0)
        return error;
    file->flags |= type & SOCK_NONBLOCK ? O_NONBLOCK : 0;
    return weft__sim_fd_install(sim, file);
}

int weft__host_bind(int fd, const struct sockaddr *address, socklen_t length)
{
    struct weft__sim_file *file;
    struct weft__sim *sim = begin(fd, &file);

    if (!file)
        return -EBADF;
    if (!file->ops->bind)
        return missing(file);
    return fails(sim) ? -ENOMEM : file->ops->bind(sim, file, address, length);
}

int weft__host_listen(int fd, int backlog)
{
    struct weft__sim_file *file;
    struct weft__sim *sim = begin(fd, &file);

    if (!file)
        return -EBADF;
    return file->ops->listen ? file->ops->listen(sim, file, backlog) : missing(file);
}

int weft__host_connect_probe(const struct sockaddr *address, socklen_t length)
{
    struct weft__sim *sim = weft__sim_here();

    weft__sim_charge(sim);
    return weft__sim_net_probe(sim, address, length);
}

int weft__host_getsockname(int fd, struct sockaddr *address, socklen_t *length)
{
    struct weft__sim_file *file;
    struct weft__sim *sim = begin(fd, &file);

    if (!file)
        return -EBADF;
    return file->ops->getsockname ? file->ops->getsockname(sim, file, address, length)
                                  : missing(file);
}

int weft__host_getpeername(int fd, struct sockaddr *address, socklen_t *length)
{
    struct weft__sim_file *file;
    struct weft__sim *sim = begin(fd, &file);

    if (!file)
        return -EBADF;
    return file->ops->getpeername ? file->ops->getpeername(sim, file, address, length)
                                  : missing(file);
}

int weft__host_setsockopt(int fd, int level, int option, const void *value, socklen_t length)
{
    struct weft__sim_file *file;
    struct weft__sim *sim = begin(fd, &file);

    if (!file)
        return -EBADF;
    if (!file->ops->setsockopt)
        return missing(file);
    if (!value && length >= sizeof(int))
        return -EFAULT;
    return file->ops->setsockopt(sim, file, level, option, value, length);
}

static int is_ready(int fd, uint32_t events)
{
    struct weft__sim_file *file;
    struct weft__sim *sim = begin(fd, &file);

    return file && file->ops->poll && file->ops->poll(sim, file) & events;
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
    struct weft__sim_file *file;
    struct weft__sim *sim = begin(fd, &file);

    if (!file)
        return -EBADF;
    if (!file->ops->getsockopt)
        return missing(file);
    if (!value || !length)
        return -EFAULT;
    return file->ops->getsockopt(sim, file, level, option, value, length);
}

static int access_of(const struct weft__sim_file *file)
{
    if (file->ops->one_way == 0)
        return O_RDWR;
    return file->ops->one_way == POLLIN ? O_RDONLY : O_WRONLY;
}

int weft__host_fcntl(int fd, int command, long argument)
{
    struct weft__sim_file *file;

    (void)begin(fd, &file);
    if (!file)
        return -EBADF;
    switch (command) {
    case F_DUPFD_CLOEXEC: /* whatever the least number asked for: all are above 2 */
        weft__sim_file_keep(file);
        return weft__sim_fd_install(weft__sim_here(), file);
    case F_GETFD:
        return FD_CLOEXEC;
    case F_SETFD:
        return 0;
    case F_GETFL:
        return weft__sim_inode_behind(file) ? weft__sim_file_flags(file)
                                            : access_of(file) | (int)file->flags;
    case F_SETFL:
        file->flags = (uint32_t)argument & O_NONBLOCK;
        if (weft__sim_inode_behind(file))
            weft__sim_file_set_flags(file, (uint32_t)argument);
        return 0;
    case F_GETPIPE_SZ:
        return weft__sim_pipe_size(file);
    default:
        return -EINVAL;
    }
}

/* One device, and every file an inode of its own. */
int weft__host_identity(int fd, uint64_t *device, uint64_t *inode)
{
    struct weft__sim_file *file = weft__sim_fd_file(weft__sim_here(), fd);

    if (!file)
        return -EBADF;
    *device = 1;
    *inode = file->serial;
    return 0;
}

int weft__host_unlink(const char *path)
{
    return weft__sim_net_unlink(weft__sim_here(), path);
}

int weft__host_is_socket_file(const char *path)
{
    return weft__sim_net_is_socket_file(weft__sim_here(), path);
}

int weft__host_chmod(const char *path, uint32_t mode)
{
    return weft__sim_net_chmod(weft__sim_here(), path, mode);
}

int weft__host_shutdown(int fd, int how)
{
    struct weft__sim_file *file;
    struct weft__sim *sim = begin(fd, &file);

    if (!file)
        return -EBADF;
    return done(sim, file->ops->shutdown ? file->ops->shutdown(sim, file, how) : missing(file));
}

int weft__host_close(int fd)
{
    struct weft__sim_file *file;
    struct weft__sim *sim = begin(fd, &file);

    return file ? done(sim, weft__sim_fd_close(sim, fd)) : -EBADF;
}

/* -- bytes, for who does not wait ----------------------------------------------------------------
 */

int weft__host_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    struct weft__sim_file *file;
    struct weft__sim *sim = begin(fd, &file);

    if (!file)
        return -EBADF;
    if (!file->ops->connect)
        return missing(file);
    return done(sim, fails(sim) ? -ENOMEM : file->ops->connect(sim, file, address, length));
}

/* How many bytes are tried: a stream may be cut anywhere. */
static uint32_t cut(struct weft__sim *sim, const struct weft__sim_file *file, size_t size)
{
    if (size > 1 && !file->ops->whole &&
        weft__sim_chance(sim, &sim->running->dice, WEFT__SIM_SHORT))
        return 1;
    return size < INT32_MAX ? (uint32_t)size : INT32_MAX;
}

ssize_t weft__host_recvfrom(int fd, void *buffer, size_t size, int flags, struct sockaddr *address,
                            socklen_t *length)
{
    struct weft__sim_message message = {.name_length = 0};
    struct weft__sim_transfer transfer = {.memory = buffer, .msg_flags = (uint32_t)flags};
    struct weft__sim_file *file;
    struct weft__sim *sim = begin(fd, &file);
    int32_t result;

    if (!file)
        return -EBADF;
    if (!file->ops->is_socket || !file->ops->receive)
        return -ENOTSOCK;
    if (fails(sim))
        return -ENOMEM;
    transfer.offset = -1;
    transfer.length = cut(sim, file, size);
    transfer.message = &message;
    result = file->ops->receive(sim, file, &transfer);
    weft__sim_rights_drop(sim, message.rights);
    if (result >= 0 && address)
        weft__net_copy_out(&message.name, message.name_length, address, length);
    return done(sim, result);
}

ssize_t weft__host_sendto(int fd, const void *buffer, size_t size, int flags,
                          const struct sockaddr *address, socklen_t length)
{
    struct weft__sim_message message = {.name_length = length};
    struct weft__sim_transfer transfer = {.memory = (void *)(uintptr_t)buffer,
                                          .msg_flags = (uint32_t)flags};
    struct weft__sim_file *file;
    struct weft__sim *sim = begin(fd, &file);

    if (!file)
        return -EBADF;
    if (!file->ops->is_socket || !file->ops->send)
        return -ENOTSOCK;
    if (length > sizeof message.name)
        return -EINVAL;
    if (fails(sim)) /* or the queue of its device has no room */
        return weft__sim_pick(sim, &sim->running->dice, WEFT__SIM_HOST_ERRNO, 2) ? -ENOMEM
                                                                                 : -ENOBUFS;
    if (length > 0)
        memcpy(&message.name, address, length);
    transfer.offset = -1;
    transfer.length = cut(sim, file, size);
    transfer.message = &message;
    return done(sim, file->ops->send(sim, file, &transfer));
}

/* -- pipes, and calls that wait for the disk -----------------------------------------------------
 */

int weft__host_pipe(int fds[2], int flags)
{
    struct weft__sim *sim = weft__sim_here();
    struct weft__sim_file *ends[2];
    int reader, writer;

    weft__sim_charge(sim);
    if (flags & ~O_NONBLOCK)
        return -EINVAL; /* packets are not simulated */
    reader = weft__sim_fd_refused(sim, &sim->running->dice);
    if (reader < 0)
        return reader;
    weft__sim_pipe(sim, (uint32_t)flags, ends);
    reader = weft__sim_fd_install(sim, ends[0]);
    if (reader < 0) {
        weft__sim_file_drop(sim, ends[1]);
        return reader;
    }
    writer = weft__sim_fd_install(sim, ends[1]);
    if (writer < 0) {
        weft__sim_fd_close(sim, reader);
        return writer;
    }
    fds[0] = reader;
    fds[1] = writer;
    return 0;
}

static int64_t splice_now(int fd_in, int fd_out, size_t size, bool copy)
{
    struct weft__sim_file *in, *out;
    struct weft__sim *sim = begin(fd_in, &in);
    uint32_t length = size < INT32_MAX ? (uint32_t)size : INT32_MAX;

    (void)begin(fd_out, &out);
    if (!in || !out)
        return -EBADF;
    if (length > 1 && weft__sim_chance(sim, &sim->running->dice, WEFT__SIM_SHORT))
        length = 1;
    return weft__sim_splice(sim, in, UINT64_MAX, out, UINT64_MAX, length, copy);
}

int64_t weft__host_splice(int fd_in, int fd_out, size_t size, unsigned flags)
{
    (void)flags;
    return splice_now(fd_in, fd_out, size, false);
}

int64_t weft__host_tee(int fd_in, int fd_out, size_t size, unsigned flags)
{
    (void)flags;
    return splice_now(fd_in, fd_out, size, true);
}

int weft__host_seeks(int fd)
{
    struct weft__sim_file *file;

    (void)begin(fd, &file);
    if (!file)
        return -EBADF;
    return weft__sim_inode_behind(file) ? 0 : -ESPIPE;
}

/* On a worker, which waits as long as the disk takes. */
static struct weft__sim *begin_on_disk(int fd, struct weft__sim_file **file)
{
    struct weft__sim *sim = begin(fd, file);
    int64_t span_ns = weft__sim_span(sim, &sim->running->dice, WEFT__SIM_DISK_NS);

    if (span_ns > 0)
        weft__sim_park_until(sim, "the disk", 0, sim->now_ns + span_ns);
    *file = weft__sim_fd_file(sim, fd);
    return sim;
}

int weft__host_ftruncate(int fd, int64_t size)
{
    struct weft__sim_file *file;
    struct weft__sim *sim = begin_on_disk(fd, &file);

    if (!file)
        return -EBADF;
    return weft__sim_inode_behind(file) ? weft__sim_file_truncate(sim, file, size) : -EINVAL;
}

int64_t weft__host_copy_size(int fd_in, int64_t offset_in, int fd_out, int64_t offset_out,
                             size_t size)
{
    struct weft__sim_file *in, *out;

    (void)begin(fd_in, &in);
    (void)begin(fd_out, &out);
    return in && out ? weft__sim_file_copy_size(in, offset_in, out, offset_out, size) : -EBADF;
}

int64_t weft__host_copy_file_range(int fd_in, int64_t offset_in, int fd_out, int64_t offset_out,
                                   size_t size)
{
    uint32_t most = INT32_MAX;
    struct weft__sim_file *in, *out;
    struct weft__sim *sim = begin_on_disk(fd_in, &in);
    int error = weft__sim_call_trouble(sim, WEFT__SIM_CALL_COPY, in, &most);

    (void)begin(fd_in, &in); /* that may have taken a while */
    (void)begin(fd_out, &out);
    if (error < 0 || !in || !out)
        return error < 0 ? error : -EBADF;
    if (!weft__sim_inode_behind(in) || !weft__sim_inode_behind(out))
        return -EINVAL;
    return done(sim, weft__sim_file_copy(sim, in, offset_in, out, offset_out, size, most));
}

int weft__host_sync_range(int fd, int64_t offset, int64_t size, unsigned flags)
{
    struct weft__sim_file *file;
    struct weft__sim *sim = begin_on_disk(fd, &file);

    return file ? weft__sim_file_sync_range(sim, file, offset, size, flags) : -EBADF;
}

int weft__host_fadvise(int fd, int64_t offset, int64_t size, int advice)
{
    struct weft__sim_file *file;

    (void)begin_on_disk(fd, &file);
    (void)offset; /* as the kernel: any will do */
    return file ? weft__sim_file_advise(file, size, (uint32_t)advice) : -EBADF;
}

int weft__host_madvise(void *memory, size_t size, int advice)
{
    return madvise(memory, size, advice) < 0 ? -errno : 0;
}

ssize_t weft__host_getdents(int fd, void *buffer, size_t size)
{
    struct weft__sim_file *file;
    struct weft__sim *sim = begin_on_disk(fd, &file);

    if (!file)
        return -EBADF;
    return weft__sim_inode_behind(file) ? weft__sim_file_list(sim, file, buffer, size) : -ENOTDIR;
}
