/*
 * io/message.c - sending and receiving messages, with addresses and what travels beside the bytes.
 *
 * As in transfer.c a call holds its side of the descriptor, and a request made is waited for. What
 * always holds: descriptors that came with a message are adopted, or closed, before anybody else
 * runs, whatever was asked of the task meanwhile.
 */
#include <weft/message.h>

#include <limits.h>
#include <string.h>

#include "io/fd.h"
#include "io/transfer.h"
#include "ring/host.h"
#include "task/operation.h"

enum {
    SEND_FLAGS =
        MSG_MORE | MSG_OOB | MSG_DONTWAIT | MSG_NOSIGNAL | MSG_DONTROUTE | MSG_EOR | MSG_CONFIRM,
    RECEIVE_FLAGS = MSG_PEEK | MSG_OOB | MSG_TRUNC | MSG_DONTWAIT | MSG_NOSIGNAL |
                    MSG_CMSG_CLOEXEC | MSG_ERRQUEUE | WEFT_IDLE,
};

/* -- descriptors that came along --------------------------------------------------------------- */

/* The descriptor, ours from now on; or a negative errno in its place. */
static int take_fd(struct weft__io *io, int fd)
{
    int error;

    fd = weft__host_fd_lift(fd);
    if (fd < 0)
        return fd;
    error = weft__fd_adopt(io, fd);
    return error < 0 ? error : fd;
}

static void take_rights(struct weft__io *io, struct cmsghdr *header)
{
    size_t size = header->cmsg_len - CMSG_LEN(0);

    for (size_t at = 0; at + sizeof(int) <= size; at += sizeof(int)) {
        int fd;
        memcpy(&fd, CMSG_DATA(header) + at, sizeof fd);
        fd = take_fd(io, fd);
        memcpy(CMSG_DATA(header) + at, &fd, sizeof fd);
    }
}

static struct cmsghdr *first_of(struct msghdr *message, int type)
{
    struct cmsghdr *header = CMSG_FIRSTHDR(message);

    while (header && (header->cmsg_level != SOL_SOCKET || header->cmsg_type != type))
        header = CMSG_NXTHDR(message, header);
    return header;
}

static void take_all_rights(struct weft__io *io, struct msghdr *message)
{
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
         header = CMSG_NXTHDR(message, header))
        if (header->cmsg_level == SOL_SOCKET &&
            (header->cmsg_type == SCM_RIGHTS || header->cmsg_type == WEFT__SCM_PIDFD))
            take_rights(io, header);
}

/* -- one request ------------------------------------------------------------------------------- */

static int32_t send_request(struct weft__task *self, struct weft__operation *operation, int fd,
                            const struct weft__fd *record, const struct msghdr *message, int flags)
{
    int32_t result;
    struct weft__sqe *sqe = weft__begin_once(self, operation, "sendmsg", fd, record, &result);

    if (!sqe)
        return result;
    weft__request_sendmsg(sqe, fd, message, (uint32_t)flags | MSG_NOSIGNAL);
    result = weft__await(self, operation, sqe, record);
    if (result > 0)
        WEFT__COUNT_BY(self->reactor, bytes_sent, result);
    return result;
}

static int32_t send_message(struct weft__task *self, struct weft__operation *operation, int fd,
                            struct weft__fd *record, const struct msghdr *message, int flags)
{
    struct weft__packet_wait wait = {self, operation, record, fd, message->msg_namelen > 0, 0};
    int32_t result;

    if (!weft__fd_sends_packets(fd, record))
        return send_request(self, operation, fd, record, message, flags);
    do
        result = send_request(self, operation, fd, record, message, flags | MSG_DONTWAIT);
    while (result == -EAGAIN && !(flags & MSG_DONTWAIT) &&
           (result = weft__packet_wait(&wait)) == 0);
    return result;
}

static int32_t receive_message(struct weft__task *self, struct weft__operation *operation, int fd,
                               const struct weft__fd *record, struct msghdr *message, int flags)
{
    int32_t result;
    struct weft__sqe *sqe = weft__begin_once(self, operation, "recvmsg", fd, record, &result);

    if (!sqe)
        return result;
    if (flags & WEFT_IDLE)
        weft__operation_idle(operation);
    weft__request_recvmsg(sqe, fd, message, (uint32_t)(flags & ~WEFT_IDLE) | MSG_CMSG_CLOEXEC);
    result = weft__await(self, operation, sqe, record);
    if (result < 0)
        return result;
    if (message->msg_controllen)
        take_all_rights(weft__io_of(self->reactor), message);
    WEFT__COUNT_BY(self->reactor, bytes_received, result);
    return result;
}

/* What is passed along: noted before anybody can have it. */
static void note_passed(struct weft__io *io, const struct msghdr *message)
{
    struct msghdr walk = *message;
    const char *limit = (const char *)walk.msg_control + walk.msg_controllen;

    for (struct cmsghdr *header = CMSG_FIRSTHDR(&walk); header;
         header = CMSG_NXTHDR(&walk, header)) {
        const char *at = (const char *)CMSG_DATA(header), *end;
        int fd;

        if (header->cmsg_len > (size_t)(limit - (const char *)header))
            break; /* the kernel refuses it all; and what would come next may be this one */
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        end = (const char *)header + header->cmsg_len;
        for (; at + sizeof fd <= end; at += sizeof fd) {
            memcpy(&fd, at, sizeof fd);
            weft__fd_note_passed(io, fd);
        }
    }
}

/* -- the calls --------------------------------------------------------------------------------- */

static int check(const struct msghdr *message, int flags, int known)
{
    if (flags & ~known)
        return weft__misuse(-EINVAL, "flags that the call does not know");
    if (!message || (!message->msg_iov && message->msg_iovlen > 0) ||
        (!message->msg_control && message->msg_controllen > 0))
        return weft__misuse(-EFAULT, "NULL for memory that is needed");
    return message->msg_iovlen > IOV_MAX ? -EMSGSIZE : 0;
}

/* -EBADF may be said of a descriptor that was to be passed. */
static void leave(struct weft__io *io, int fd, struct weft__fd *record, enum weft__side side,
                  struct weft__op *op, ssize_t result)
{
    weft__fd_leave(io, record, side, op);
    if (result == -EBADF)
        weft__fd_forget_closed(io, fd, record);
}

ssize_t weft_sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct weft__operation operation;
    struct weft__fd *record;
    struct weft__task *self;
    struct weft__io *io;
    ssize_t result = weft__enter(&self);

    if (result == 0)
        result = check(message, flags, SEND_FLAGS);
    if (result < 0)
        return result;
    io = weft__io_of(self->reactor);
    result = weft__hold_side(io, fd, WEFT__WRITER, &operation, &record);
    if (result < 0)
        return result;
    if (message->msg_controllen)
        note_passed(io, message);
    result = send_message(self, &operation, fd, record, message, flags);
    leave(io, fd, record, WEFT__WRITER, &operation.op, result);
    return result;
}

ssize_t weft_sendto(int fd, const void *buffer, size_t size, int flags,
                    const struct sockaddr *address, socklen_t length)
{
    struct iovec vector = {(void *)(uintptr_t)buffer, size};
    struct msghdr message = {.msg_name = (void *)(uintptr_t)address,
                             .msg_namelen = address ? length : 0,
                             .msg_iov = &vector,
                             .msg_iovlen = 1};

    if (!buffer && size > 0)
        return weft__misuse(-EFAULT, "NULL for memory that is needed");
    return weft_sendmsg(fd, &message, flags);
}

/* What an earlier receive had met besides its bytes comes first. */
static int32_t next_message(struct weft__task *self, struct weft__operation *operation, int fd,
                            struct weft__fd *record, struct msghdr *message, int flags)
{
    if (record->trouble == 0)
        return receive_message(self, operation, fd, record, message, flags);
    self->cause = WEFT_CAUSE_NONE;
    return weft__fd_take_trouble(record);
}

ssize_t weft_recvmsg(int fd, struct msghdr *message, int flags)
{
    struct weft__operation operation;
    struct weft__fd *record;
    struct weft__task *self;
    struct weft__io *io;
    ssize_t result = flags & WEFT_IDLE ? weft__enter_idle(&self) : weft__enter(&self);

    if (result == 0)
        result = check(message, flags, RECEIVE_FLAGS);
    if (result < 0)
        return result;
    io = weft__io_of(self->reactor);
    result = weft__hold_side(io, fd, WEFT__READER, &operation, &record);
    if (result < 0)
        return result;
    result = next_message(self, &operation, fd, record, message, flags);
    leave(io, fd, record, WEFT__READER, &operation.op, result);
    return result;
}

ssize_t weft_recvfrom(int fd, void *buffer, size_t size, int flags, struct sockaddr *address,
                      socklen_t *length)
{
    struct iovec vector = {buffer, size};
    struct msghdr message = {.msg_name = address, .msg_iov = &vector, .msg_iovlen = 1};
    ssize_t result;

    if ((!buffer && size > 0) || (address && !length))
        return weft__misuse(-EFAULT, "NULL for memory that is needed");
    message.msg_namelen = address ? *length : 0;
    result = weft_recvmsg(fd, &message, flags);
    if (result >= 0 && address)
        *length = message.msg_namelen;
    return result;
}

/* -- passing descriptors ----------------------------------------------------------------------- */

/* What other options of the socket bring besides: when it was sent and by whom and with what label
   (SO_TIMESTAMP and its kin, SO_PASSCRED, SO_PASSSEC, of which unix(7) says how long it may be)
   comes before the descriptors, by which process (SO_PASSPIDFD) behind them. */
enum {
    BESIDE_SIZE = CMSG_SPACE(2 * sizeof(struct timespec)) +
                  CMSG_SPACE(3 * sizeof(struct timespec)) + CMSG_SPACE(sizeof(struct ucred)) +
                  CMSG_SPACE(NAME_MAX) + CMSG_SPACE(sizeof(int))
};

union rights { /* room for as many as there may be, aligned */
    struct cmsghdr header;
    char bytes[BESIDE_SIZE + CMSG_SPACE(WEFT_FDS_MAX * sizeof(int))];
};

ssize_t weft_send_fds(int fd, const void *buffer, size_t size, const int *fds, uint32_t count)
{
    union rights rights;
    struct iovec vector = {(void *)(uintptr_t)buffer, size};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = rights.bytes,
                             .msg_controllen = CMSG_SPACE(count * sizeof *fds)};

    if (count == 0 || count > WEFT_FDS_MAX)
        return weft__misuse(-EINVAL, "so many descriptors cannot be passed at once");
    if (!fds || (!buffer && size > 0))
        return weft__misuse(-EFAULT, "NULL for memory that is needed");
    memset(&rights, 0, message.msg_controllen);
    rights.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(count * sizeof *fds),
                                     .cmsg_level = SOL_SOCKET,
                                     .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&rights.header), fds, count * sizeof *fds);
    return weft_sendmsg(fd, &message, 0);
}

/* The sender's process, whom nobody has asked for here. */
static void close_pidfd(struct msghdr *message)
{
    struct cmsghdr *header = first_of(message, WEFT__SCM_PIDFD);
    int fd = -1;

    if (header)
        memcpy(&fd, CMSG_DATA(header), sizeof fd);
    if (fd >= 0)
        weft_close(fd);
}

/* All that came with the message, or none: 0, or why they are closed. The kernel says that some are
   missing, not why: with no more room in the array it was that, else there was no number to give.
 */
static int hand_out(struct msghdr *message, int *fds, uint32_t most, uint32_t *count)
{
    struct cmsghdr *rights = first_of(message, SCM_RIGHTS);
    uint32_t came = rights ? (uint32_t)((rights->cmsg_len - CMSG_LEN(0)) / sizeof *fds) : 0;
    const int *first = rights ? (const int *)(const void *)CMSG_DATA(rights) : NULL;
    bool cut = message->msg_flags & MSG_CTRUNC;
    int error = came > most || (cut && came == most) ? -EMSGSIZE : cut ? -EMFILE : 0;

    for (uint32_t i = 0; i < came && error == 0; i++)
        error = first[i] < 0 ? -EMFILE : 0;
    for (uint32_t i = 0; i < came && error < 0; i++)
        if (first[i] >= 0)
            weft_close(first[i]);
    if (error < 0)
        return error;
    if (came > 0)
        memcpy(fds, first, came * sizeof *fds);
    *count = came;
    return 0;
}

ssize_t weft_recv_fds(int fd, void *buffer, size_t size, int *fds, uint32_t *count)
{
    union rights rights;
    struct iovec vector = {buffer, size};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = rights.bytes};
    uint32_t most;
    ssize_t result;
    int error;

    if (!fds || !count || (!buffer && size > 0))
        return weft__misuse(-EFAULT, "NULL for memory that is needed");
    if (*count == 0 || *count > WEFT_FDS_MAX)
        return weft__misuse(-EINVAL, "so many descriptors cannot be passed at once");
    most = *count;
    message.msg_controllen = BESIDE_SIZE + CMSG_LEN(most * sizeof *fds);
    *count = 0;
    result = weft_recvmsg(fd, &message, 0);
    if (result < 0)
        return result;
    close_pidfd(&message);
    error = hand_out(&message, fds, most, count);
    return error < 0 ? error : result;
}
