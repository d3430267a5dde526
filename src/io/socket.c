/*
 * io/socket.c - sockets: making, connecting, options, handing to another reactor.
 */
#include <weft/net.h>

#include <fcntl.h>

#include "base/option.h"
#include "io/address.h"
#include "io/fd.h"
#include "io/socket.h"
#include "io/transfer.h"
#include "ring/host.h"
#include "task/operation.h"
#include "task/wait.h"

int weft__socket_open(struct weft__io *io, int domain, int type, int protocol)
{
    int fd = weft__host_socket(domain, type, protocol);
    int error;

    if (fd < 0)
        return fd;
    error = weft__fd_adopt(io, fd);
    return error < 0 ? error : fd;
}

int weft_socket(int domain, int type, int protocol)
{
    struct weft__task *self = weft__task_self();

    if (!self)
        return weft__outside();
    return weft__socket_open(weft__io_of(self->reactor), domain, type, protocol);
}

/* -- options -------------------------------------------------------------------------------- */

int weft_setsockopt(int fd, int level, int option, const void *value, socklen_t length)
{
    return weft__task_self() ? weft__host_setsockopt(fd, level, option, value, length)
                             : weft__outside();
}

int weft_getsockopt(int fd, int level, int option, void *value, socklen_t *length)
{
    return weft__task_self() ? weft__host_getsockopt(fd, level, option, value, length)
                             : weft__outside();
}

int weft__socket_set_int(int fd, int level, int option, int value)
{
    return weft__host_setsockopt(fd, level, option, &value, sizeof value);
}

int weft__socket_reset_on_close(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    return weft__host_setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

int weft_local_port(int fd)
{
    struct weft__address address;
    socklen_t length = sizeof address.local;
    int error;

    if (!weft__task_self())
        return weft__outside();
    error = weft__host_getsockname(fd, &address.any, &length);
    return error < 0 ? error : weft__address_port(&address);
}

int weft_fd_move(int fd)
{
    struct weft__task *self = weft__task_self();
    struct weft__fd *record;
    int error;

    if (!self)
        return weft__outside();
    error = weft__fd_find(weft__io_of(self->reactor), fd, &record);
    if (error < 0)
        return error;
    if (weft__host_fcntl(fd, F_GETFD, 0) == -EBADF) {
        weft__fd_forget(weft__io_of(self->reactor), record);
        return -EBADF;
    }
    if (record->sides[WEFT__READER] || record->sides[WEFT__WRITER])
        return weft__fd_held(record); /* no mistake: it may be asked until nothing is in flight */
    if (record->uses)
        return -EBUSY;
    error = weft__fd_refuse_file(record);
    if (error < 0)
        return error;
    weft__fd_hand_over(weft__io_of(self->reactor), record);
    return 0;
}

/* -- connecting ----------------------------------------------------------------------------- */

/* Errors that say the call was wrong and that nothing was tried. */
static bool nothing_happened(int error)
{
    switch (error) {
    case -EISCONN:
    case -EFAULT:
    case -EINVAL:
    case -EAFNOSUPPORT:
    case -EBADF:
    case -ENOTSOCK:
    case -ENOMEM:
        return true;
    default:
        return false;
    }
}

static int connect_once(struct weft__task *self, int fd, struct weft__fd *record,
                        const struct sockaddr *address, socklen_t length)
{
    struct weft__io *io = weft__io_of(self->reactor);
    struct weft__operation operation = {.word = weft__fd_word_of(record)};
    struct weft__sqe *sqe;
    int32_t error;

    record->sides[WEFT__WRITER] = &operation.op;
    sqe = weft__begin_once(self, &operation, "connect", fd, record, &error);
    if (!sqe) {
        weft__fd_leave(io, record, WEFT__WRITER, &operation.op);
        return error;
    }
    weft__request_connect(sqe, fd, address, length);
    error = weft__await(self, &operation, sqe, record);
    if (error == 0 && !weft__fd_is_still(record, operation.word))
        error = weft__task_pass_on(self, weft__fd_why_not(record, operation.word));
    weft__fd_leave(io, record, WEFT__WRITER, &operation.op);
    if (error < 0 && !nothing_happened(error) && weft__fd_is_still(record, operation.word))
        weft__fd_poison(record);
    if (error == -EBADF)
        weft__fd_forget_closed(io, fd, record);
    if (error == 0)
        weft__fd_note_connected(record);
    return error;
}

int weft_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    struct weft__fd *record;
    struct weft__task *self;
    int error = weft__enter(&self);

    if (error < 0)
        return error;
    if (!address)
        return weft__misuse(-EFAULT, "no address");
    error = weft__fd_find(weft__io_of(self->reactor), fd, &record);
    if (error < 0)
        return error;
    if (record->sides[WEFT__READER] || record->sides[WEFT__WRITER])
        return weft__fd_refuse(record);
    return connect_once(self, fd, record, address, length);
}

int weft_connect_until(int fd, const struct sockaddr *address, socklen_t length, int64_t deadline)
{
    struct weft__until until;
    int error = weft__until_open(&until, deadline);

    if (error < 0)
        return error;
    return (int)weft__until_close(&until, weft_connect(fd, address, length));
}

int weft_connect_tcp(const char *text, const struct weft_socket_opt *opt)
{
    struct weft_socket_opt own;
    struct weft__address address;
    struct weft__task *self;
    int fd, error = weft__enter(&self);

    if (error == 0)
        error = weft__option_copy(&own, sizeof own, opt);
    if (error == 0)
        error = weft__address_parse(&address, text);
    if (error < 0)
        return error;
    if (address.wildcard)
        return -EINVAL;
    fd = weft__socket_open(weft__io_of(self->reactor), address.any.sa_family, SOCK_STREAM, 0);
    if (fd < 0)
        return fd;
    error = weft__socket_set(fd, &own);
    if (error == 0)
        error = weft_connect(fd, &address.any, address.length);
    if (error == 0)
        return fd;
    weft_close(fd);
    return error;
}
