/*
 * sim/message.c - requests with a message: SENDMSG and RECVMSG.
 *
 * What always holds: the message's own words are copied when the request is submitted; the memory
 * of its vector is lent as that of READV and WRITEV; what the message tells is written with the
 * result.
 */
#include "sim/message.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>

#include "sim/ring_core.h"

bool weft__sim_is_message(uint8_t opcode)
{
    return opcode == WEFT__OP_SENDMSG || opcode == WEFT__OP_RECVMSG;
}

int weft__sim_message_lend(struct weft__sim_request *request)
{
    struct msghdr *header = (struct msghdr *)(uintptr_t)request->sqe.address;

    if (!weft__sim_is_there(header, sizeof *header, request->sqe.opcode == WEFT__OP_RECVMSG))
        return -EFAULT;
    request->message = weft__sim_alloc(sizeof *request->message);
    *request->message = *header;
    request->user_message = header;
    request->sqe.address = (uint64_t)(uintptr_t)header->msg_iov;
    request->sqe.length = (uint32_t)header->msg_iovlen;
    return weft__sim_vector_lend(request);
}

void weft__sim_rights_drop(struct weft__sim *sim, struct weft__sim_rights *rights)
{
    if (!rights)
        return;
    for (uint32_t i = 0; i < rights->count; i++)
        weft__sim_file_drop(sim, rights->files[i]);
    weft__sim_free(rights);
}

/* -- sending ----------------------------------------------------------------------------------- */

static int read_name(const struct msghdr *header, struct weft__sim_message *message)
{
    if (!header->msg_name || header->msg_namelen == 0)
        return 0;
    if (header->msg_namelen > sizeof message->name)
        return -EINVAL;
    if (!weft__sim_is_there(header->msg_name, header->msg_namelen, false))
        return -EFAULT;
    memcpy(&message->name, header->msg_name, header->msg_namelen);
    message->name_length = header->msg_namelen;
    return 0;
}

/* Into how long pieces UDP is to cut it. Others do not look. */
static int read_segment(struct msghdr *header, struct weft__sim_message *message)
{
    struct cmsghdr *control = header->msg_controllen ? CMSG_FIRSTHDR(header) : NULL;
    uint16_t segment;

    if (!control || control->cmsg_level != IPPROTO_UDP || control->cmsg_type != UDP_SEGMENT)
        return 0;
    if (control->cmsg_len != CMSG_LEN(sizeof segment))
        return -EINVAL;
    memcpy(&segment, CMSG_DATA(control), sizeof segment);
    message->segment = segment;
    return 0;
}

/* The files behind the numbers that are to be passed. */
static int read_rights(struct weft__sim *sim, struct msghdr *header,
                       struct weft__sim_message *message)
{
    struct cmsghdr *control = header->msg_controllen ? CMSG_FIRSTHDR(header) : NULL;
    uint32_t count;

    if (!control || control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
        return control && control->cmsg_level == SOL_SOCKET ? -EINVAL : 0;
    if (control->cmsg_len < CMSG_LEN(0) || control->cmsg_len > header->msg_controllen)
        return -EINVAL;
    count = (uint32_t)((control->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    if (count > WEFT__SIM_RIGHTS_MAX)
        return -EINVAL;
    message->rights = weft__sim_alloc(sizeof *message->rights);
    for (uint32_t i = 0; i < count; i++) {
        struct weft__sim_file *file;
        int fd;
        memcpy(&fd, CMSG_DATA(control) + i * sizeof fd, sizeof fd);
        file = weft__sim_fd_file(sim, fd);
        if (!file)
            return -EBADF;
        weft__sim_file_keep(file);
        message->rights->files[message->rights->count++] = file;
    }
    return 0;
}

/* -- receiving --------------------------------------------------------------------------------- */

/* As many as there is room for get numbers; the others are closed. */
static void write_rights(struct weft__sim *sim, struct msghdr *header,
                         const struct weft__sim_rights *rights, uint32_t *flags)
{
    struct cmsghdr *control = header->msg_control;
    size_t room = header->msg_controllen;
    uint32_t most =
                 room >= CMSG_LEN(sizeof(int)) ? (uint32_t)((room - CMSG_LEN(0)) / sizeof(int)) : 0,
             count = 0;

    for (; count < rights->count && count < most; count++) {
        int fd;
        weft__sim_file_keep(rights->files[count]);
        fd = weft__sim_fd_install(sim, rights->files[count]);
        if (fd < 0)
            break;
        memcpy(CMSG_DATA(control) + count * sizeof fd, &fd, sizeof fd);
    }
    *flags |= count < rights->count ? MSG_CTRUNC : 0;
    header->msg_controllen = 0;
    if (count == 0)
        return;
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(count * sizeof(int));
    header->msg_controllen =
        CMSG_SPACE(count * sizeof(int)) < room ? CMSG_SPACE(count * sizeof(int)) : room;
}

static void write_segment(struct msghdr *header, uint32_t segment)
{
    struct cmsghdr *control = header->msg_control;
    int size = (int)segment;

    if (segment == 0 || header->msg_controllen < CMSG_LEN(sizeof size)) {
        header->msg_controllen = 0;
        return;
    }
    *control = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof size),
                                .cmsg_level = IPPROTO_UDP,
                                .cmsg_type = UDP_GRO};
    memcpy(CMSG_DATA(control), &size, sizeof size);
    if (header->msg_controllen > CMSG_SPACE(sizeof size))
        header->msg_controllen = CMSG_SPACE(sizeof size);
}

static void tell(struct weft__sim_request *request, const struct weft__sim_message *message)
{
    struct msghdr *header = request->user_message;
    uint32_t flags = message->flags;
    socklen_t cut =
        header->msg_namelen < message->name_length ? header->msg_namelen : message->name_length;

    if (header->msg_name) {
        memcpy(header->msg_name, &message->name, cut);
        header->msg_namelen = message->name_length;
    }
    if (message->rights)
        write_rights(request->ring->sim, header, message->rights, &flags);
    else
        write_segment(header, message->segment);
    header->msg_flags = (int)(flags | MSG_CMSG_CLOEXEC);
}

/* -- both -------------------------------------------------------------------------------------- */

int32_t weft__sim_move_message(struct weft__sim_request *request, weft__sim_mover *by,
                               uint32_t limit)
{
    bool receives = request->sqe.opcode == WEFT__OP_RECVMSG;
    struct weft__sim *sim = request->ring->sim;
    struct weft__sim_message message = {.name_length = 0};
    struct weft__sim_transfer transfer = {
        .length = request->sqe.length < limit ? request->sqe.length : limit,
        .msg_flags = request->sqe.op_flags,
        .message = &message,
    };
    int32_t result = 0;

    transfer.memory = weft__sim_alloc(transfer.length);
    if (!receives) {
        weft__sim_vector_get(request, transfer.memory, transfer.length);
        result = read_name(request->message, &message);
        if (result == 0)
            result = read_segment(request->message, &message);
        if (result == 0)
            result = read_rights(sim, request->message, &message);
    }
    if (result == 0)
        result = by(sim, request->file, &transfer);
    if (receives && result >= 0) {
        uint32_t moved = (uint32_t)result < transfer.length ? (uint32_t)result : transfer.length;
        weft__sim_vector_put(request, transfer.memory, moved);
        tell(request, &message);
    }
    weft__sim_rights_drop(sim, message.rights);
    weft__sim_free(transfer.memory);
    return result;
}
