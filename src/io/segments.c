/*
 * io/segments.c - datagrams of one size, many by one request: cut up by the kernel when they leave
 * (GSO), put together by it when they come (GRO).
 *
 * What always holds: what is sent is whole datagrams, whichever way they go; a way that is refused
 * is not tried again within the call.
 */
#include <weft/message.h>
#include <weft/net.h>

#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>

#include "io/transfer.h"
#include "ring/host.h"
#include "task/task.h"

enum { SEGMENTS_MAX = 64, BYTES_MAX = 65507 };

union control { /* aligned */
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
};
union received { /* with room for what other options of the socket have put before it */
    struct cmsghdr header;
    char bytes[512];
};

/* -- sending ------------------------------------------------------------------------------------
 */

/* What one call is about. */
struct batch {
    int fd;
    const char *bytes;
    size_t size;
    uint16_t segment;
    const struct sockaddr *address;
    socklen_t length;
    bool joined; /* many by one request */
};

/* Does the socket know of it? Others would send all as one. */
static bool has_segments(int fd)
{
    int value;
    socklen_t length = sizeof value;

    return weft__host_getsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &value, &length) == 0;
}

/* How many bytes to send by one request, of those that are left. */
static size_t part_of(const struct batch *batch, size_t left)
{
    size_t segments = BYTES_MAX / batch->segment, most;

    if (!batch->joined || segments == 0)
        segments = 1;
    most = (segments < SEGMENTS_MAX ? segments : SEGMENTS_MAX) * batch->segment;
    return left < most ? left : most;
}

static ssize_t send_joined(const struct batch *batch, size_t at, size_t part)
{
    union control control = {.header = {.cmsg_len = CMSG_LEN(sizeof batch->segment),
                                        .cmsg_level = IPPROTO_UDP,
                                        .cmsg_type = UDP_SEGMENT}};
    struct iovec vector = {(void *)(uintptr_t)(batch->bytes + at), part};
    struct msghdr message = {.msg_name = (void *)(uintptr_t)batch->address,
                             .msg_namelen = batch->address ? batch->length : 0,
                             .msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = CMSG_SPACE(sizeof batch->segment)};

    memcpy(CMSG_DATA(&control.header), &batch->segment, sizeof batch->segment);
    return weft_sendmsg(batch->fd, &message, 0);
}

/* The path, or the card, does not take it: or the address is wrong, which the next attempt says. */
static bool is_no_way(ssize_t error)
{
    return error == -EINVAL || error == -EIO || error == -EOPNOTSUPP || error == -EMSGSIZE;
}

static ssize_t send_part(struct batch *batch, size_t at)
{
    size_t part = part_of(batch, batch->size - at);
    ssize_t n;

    if (part <= batch->segment)
        return weft_sendto(batch->fd, batch->bytes + at, part, 0, batch->address, batch->length);
    n = send_joined(batch, at, part);
    if (!is_no_way(n))
        return n;
    batch->joined = false;
    return 0;
}

ssize_t weft_send_segments(int fd, const void *buffer, size_t size, uint16_t segment,
                           const struct sockaddr *address, socklen_t length, size_t *done)
{
    struct batch batch = {fd, buffer, size, segment, address, length, false};
    size_t sent = 0;
    ssize_t n = 0;

    if (done)
        *done = 0;
    if (!weft__task_self())
        return weft__outside();
    if (!buffer && size > 0)
        return weft__misuse(-EFAULT, "NULL for memory that is needed");
    if (segment == 0)
        return weft__misuse(-EINVAL, "segments of no bytes");
    batch.joined = size > segment && has_segments(fd);
    while (sent < size && n >= 0) {
        n = send_part(&batch, sent);
        sent += n > 0 ? (size_t)n : 0;
    }
    if (done)
        *done = sent;
    return n < 0 ? n : (ssize_t)size;
}

/* -- receiving ----------------------------------------------------------------------------------
 */

/* Descriptors that nobody asked for: whoever sends to a Unix socket can send them along. */
static void drop_rights(struct cmsghdr *header)
{
    size_t size = header->cmsg_len - CMSG_LEN(0);

    for (size_t at = 0; at + sizeof(int) <= size; at += sizeof(int)) {
        int fd;
        memcpy(&fd, CMSG_DATA(header) + at, sizeof fd);
        if (fd >= 0)
            (void)weft_close(fd);
    }
}

/* How long each of them was; `whole`: it is one. */
static uint32_t segment_of(struct msghdr *message, uint32_t whole)
{
    int size = 0;

    for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at; at = CMSG_NXTHDR(message, at))
        if (at->cmsg_level == IPPROTO_UDP && at->cmsg_type == UDP_GRO)
            memcpy(&size, CMSG_DATA(at), sizeof size);
        else if (at->cmsg_level == SOL_SOCKET &&
                 (at->cmsg_type == SCM_RIGHTS || at->cmsg_type == WEFT__SCM_PIDFD))
            drop_rights(at);
    return size > 0 && (uint32_t)size < whole ? (uint32_t)size : whole;
}

ssize_t weft_recv_segments(int fd, void *buffer, size_t size, uint32_t *segment, int flags,
                           struct sockaddr *address, socklen_t *length)
{
    union received control;
    struct iovec vector = {buffer, size};
    struct msghdr message = {.msg_name = address,
                             .msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control};
    ssize_t n;

    if (!segment || (!buffer && size > 0) || (address && !length))
        return weft__misuse(-EFAULT, "NULL for memory that is needed");
    message.msg_namelen = address ? *length : 0;
    n = weft_recvmsg(fd, &message, flags);
    if (n < 0)
        return n;
    *segment = segment_of(&message, (uint32_t)n);
    if (address)
        *length = message.msg_namelen;
    return n;
}
