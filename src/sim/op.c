/*
 * sim/op.c - what each opcode does when it is tried, once.
 *
 * What always holds: nothing here waits, and nothing here ends a request; -EAGAIN says "not now",
 * and whatever else is the result. Memory of the request's is open only while an object moves bytes
 * of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

#include "ring/host.h"
#include "sim/disk.h"
#include "sim/pipe.h"
#include "sim/process.h"
#include "sim/ring_core.h"

bool weft__sim_needs_file(uint8_t opcode)
{
    switch (opcode) {
    case WEFT__OP_POLL_ADD:
    case WEFT__OP_ACCEPT:
    case WEFT__OP_CONNECT:
    case WEFT__OP_READ:
    case WEFT__OP_READV:
    case WEFT__OP_WRITE:
    case WEFT__OP_WRITEV:
    case WEFT__OP_SEND:
    case WEFT__OP_SEND_ZC:
    case WEFT__OP_RECV:
    case WEFT__OP_SENDMSG:
    case WEFT__OP_RECVMSG:
    case WEFT__OP_SPLICE:
    case WEFT__OP_MSG_RING:
    case WEFT__OP_WAITID:
        return true;
    default:
        return weft__sim_is_of_whole_file(opcode);
    }
}

bool weft__sim_moves_bytes(uint8_t opcode)
{
    return opcode == WEFT__OP_READ || opcode == WEFT__OP_WRITE || opcode == WEFT__OP_SEND ||
           opcode == WEFT__OP_SEND_ZC || opcode == WEFT__OP_RECV || weft__sim_is_vector(opcode);
}

bool weft__sim_is_multishot(const struct weft__sim_request *request)
{
    switch (request->sqe.opcode) {
    case WEFT__OP_POLL_ADD:
        return request->sqe.length & WEFT__POLL_MULTI;
    case WEFT__OP_ACCEPT:
        return request->sqe.ioprio & WEFT__ACCEPT_MULTISHOT;
    case WEFT__OP_RECV:
        return request->sqe.ioprio & WEFT__RECV_MULTISHOT;
    default:
        return false;
    }
}

static uint32_t poll_mask(const struct weft__sqe *sqe)
{
    uint32_t events = sqe->op_flags;

    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? events : events << 16 | events >> 16;
}

uint32_t weft__sim_events_of(const struct weft__sim_request *request)
{
    switch (request->sqe.opcode) {
    case WEFT__OP_POLL_ADD:
        return poll_mask(&request->sqe) | POLLRDHUP; /* as the kernel: asked for or not */
    case WEFT__OP_WAITID:
    case WEFT__OP_FUTEX_WAIT:
        return POLLIN;
    case WEFT__OP_ACCEPT:
    case WEFT__OP_RECV:
    case WEFT__OP_RECVMSG:
    case WEFT__OP_READ:
    case WEFT__OP_READV:
        return POLLIN | POLLRDHUP;
    case WEFT__OP_CONNECT:
    case WEFT__OP_SEND:
    case WEFT__OP_SEND_ZC:
    case WEFT__OP_SENDMSG:
    case WEFT__OP_WRITE:
    case WEFT__OP_WRITEV:
        return POLLOUT;
    default:
        return 0;
    }
}

/* -- moving bytes -------------------------------------------------------------------------------
 */

typedef weft__sim_mover mover;

static mover *mover_of(const struct weft__sim_request *request)
{
    const struct weft__sim_file_ops *ops = request->file->ops;

    switch (request->sqe.opcode) {
    case WEFT__OP_READ:
    case WEFT__OP_READV:
        return ops->read;
    case WEFT__OP_WRITE:
    case WEFT__OP_WRITEV:
        return ops->write;
    case WEFT__OP_SEND:
    case WEFT__OP_SEND_ZC:
    case WEFT__OP_SENDMSG:
        return ops->send;
    default:
        return ops->receive;
    }
}

static int32_t no_mover(const struct weft__sim_request *request)
{
    bool of_sockets =
        request->sqe.opcode == WEFT__OP_SEND || request->sqe.opcode == WEFT__OP_SEND_ZC ||
        request->sqe.opcode == WEFT__OP_RECV || weft__sim_is_message(request->sqe.opcode);

    return of_sockets && !request->file->ops->is_socket ? -ENOTSOCK : -EINVAL;
}

/* Of sockets, those of a network. */
static bool sends_uncopied(const struct weft__sim_file *file)
{
    return strcmp(file->ops->kind, "tcp") == 0 || strcmp(file->ops->kind, "udp") == 0;
}

static uint32_t nonempty_flag(struct weft__sim_request *request,
                              const struct weft__sim_transfer *transfer)
{
    return transfer->nonempty &&
                   weft__sim_chance(request->ring->sim, &request->dice, WEFT__SIM_NONEMPTY)
               ? WEFT__CQE_SOCK_NONEMPTY
               : 0;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Memory that is none costs no byte: a receive says so when there is something to put there. */
static int32_t move_nowhere(struct weft__sim_request *request)
{
    const struct weft__sim_file_ops *ops = request->file->ops;
    bool reads = weft__sim_events_of(request) & POLLIN;
    bool waits = reads && ops->poll &&
                 !(ops->poll(request->ring->sim, request->file) & (POLLIN | POLLERR | POLLHUP));

    if (reads && weft__sim_inode_behind(request->file) &&
        weft__sim_file_ends_at(request->file, (int64_t)request->sqe.offset))
        return 0;
    return waits ? -EAGAIN : -EFAULT;
}

/* Between memory in pieces and the object. */
static int32_t move_vector(struct weft__sim_request *request, mover *by, uint32_t limit)
{
    bool reads = request->sqe.opcode == WEFT__OP_READV;
    struct weft__sim_transfer transfer = {
        .length = smaller(request->sqe.length, limit),
        .offset = (int64_t)request->sqe.offset,
    };
    int32_t result;

    transfer.memory = weft__sim_alloc(transfer.length);
    if (!reads)
        weft__sim_vector_get(request, transfer.memory, transfer.length);
    result = by(request->ring->sim, request->file, &transfer);
    if (reads && result > 0)
        weft__sim_vector_put(request, transfer.memory, (uint32_t)result);
    weft__sim_free(transfer.memory);
    return result;
}

/* Between the caller's own memory and the object. */
static int32_t move(struct weft__sim_request *request, mover *by, uint32_t limit, uint32_t *flags)
{
    struct weft__sim_transfer transfer = {
        .memory = request->lent.memory + request->done,
        .length = smaller(request->sqe.length - request->done, limit),
        .msg_flags = request->sqe.op_flags,
        .offset = (int64_t)request->sqe.offset,
    };
    int32_t result;

    weft__sim_lent_open(&request->lent);
    result = by(request->ring->sim, request->file, &transfer);
    weft__sim_lent_shut(&request->lent);
    *flags |= nonempty_flag(request, &transfer);
    if (result > 0 && request->for_all)
        request->done += smaller((uint32_t)result, transfer.length);
    return result;
}

/* Into a buffer that is picked here. One that nothing was put into stays in its ring. */
static int32_t move_selected(struct weft__sim_request *request, mover *by, uint32_t limit,
                             uint32_t *flags)
{
    struct weft__sim_ring *ring = request->ring;
    struct weft__sim *sim = ring->sim;
    uint16_t group = request->sqe.buffer_group, id;
    struct weft__sim_lent lent = {.to_write = true};
    struct weft__sim_transfer transfer = {.msg_flags = request->sqe.op_flags};
    uint32_t length;
    int32_t result;

    if (weft__sim_chance(sim, &request->dice, WEFT__SIM_BUFFER_NONE))
        return -ENOBUFS;
    if (!weft__sim_buffer_peek(ring, group, &lent.memory, &length, &id)) {
        bool readable = request->file->ops->poll &&
                        request->file->ops->poll(sim, request->file) & (POLLIN | POLLERR | POLLHUP);
        return readable || weft__sim_chance(sim, &request->dice, WEFT__SIM_BUFFER_EARLY) ? -ENOBUFS
                                                                                         : -EAGAIN;
    }
    length = request->sqe.length ? smaller(length, request->sqe.length) : length;
    transfer.memory = lent.memory;
    transfer.length = smaller(length, limit);
    lent.size = length;
    if (!weft__sim_is_there(lent.memory, length, true))
        return move_nowhere(request);
    weft__sim_lent_open(&lent);
    result = by(sim, request->file, &transfer);
    weft__sim_lent_shut(&lent);
    if (result == -EAGAIN)
        return result;
    if (result > 0 || weft__sim_chance(sim, &request->dice, WEFT__SIM_BUFFER_ON_ERROR)) {
        weft__sim_buffer_take(ring, group);
        *flags |= WEFT__CQE_BUFFER | (uint32_t)id << WEFT__CQE_BUFFER_SHIFT;
    }
    *flags |= nonempty_flag(request, &transfer);
    request->emptied = result > 0 && !transfer.nonempty;
    return result;
}

/* -- the others ---------------------------------------------------------------------------------
 */

static int32_t perform_accept(struct weft__sim_request *request)
{
    struct weft__sim *sim = request->ring->sim;
    const struct weft__sim_file_ops *ops = request->file->ops;
    struct weft__sim_file *accepted;
    int error;

    if (!ops->accept)
        return ops->is_socket ? -EOPNOTSUPP : -ENOTSOCK;
    /* as the kernel: the number first, so that a connection is not lost for want of one */
    error = weft__sim_fd_available(sim) ? weft__sim_fd_refused(sim, &request->dice) : -EMFILE;
    if (error < 0)
        return error;
    error = ops->accept(sim, request->file, &accepted);
    if (error < 0)
        return error;
    accepted->flags |= request->sqe.op_flags & SOCK_NONBLOCK ? O_NONBLOCK : 0;
    return weft__sim_fd_install(sim, accepted);
}

static int32_t perform_connect(struct weft__sim_request *request)
{
    struct weft__sim *sim = request->ring->sim;
    const struct weft__sim_file_ops *ops = request->file->ops;
    int error;

    if (!ops->connect)
        return ops->is_socket ? -EOPNOTSUPP : -ENOTSOCK;
    if (request->begun)
        return ops->connected(sim, request->file);
    if (request->sqe.offset > sizeof(struct sockaddr_storage))
        return -EINVAL;
    if (request->nowhere)
        return -EFAULT;
    error =
        ops->connect(sim, request->file, (const struct sockaddr *)(uintptr_t)request->sqe.address,
                     (socklen_t)request->sqe.offset);
    request->begun = error == -EINPROGRESS;
    return request->begun ? -EAGAIN : error;
}

static int32_t perform_poll(struct weft__sim_request *request)
{
    const struct weft__sim_file_ops *ops = request->file->ops;
    uint32_t wanted = weft__sim_events_of(request) | POLLERR | POLLHUP, events;

    if (ops->poll)
        events = ops->poll(request->ring->sim, request->file) & wanted;
    else
        events = (POLLIN | POLLOUT) & wanted; /* of files, folders, rings: as ever */
    return events ? (int32_t)events : -EAGAIN;
}

/* The end of a process. */
static int32_t perform_waitid(struct weft__sim_request *request)
{
    const struct weft__sqe *sqe = &request->sqe;
    siginfo_t info = {.si_signo = 0};
    int32_t result;

    if (sqe->length == P_PIDFD && !weft__sim_process_behind(request->file))
        return request->file->ops->poll ? -ECHILD : -EINVAL;
    result = weft__sim_waitid(request->ring->sim, (int)sqe->length, sqe->fd, &info,
                              (int)sqe->file_index);
    if (result == -EAGAIN && sqe->file_index & WNOHANG)
        result = 0;
    if (result == 0 && request->lent.size) {
        weft__sim_lent_open(&request->lent);
        memcpy(request->lent.memory, &info, sizeof info);
        weft__sim_lent_shut(&request->lent);
    }
    return result;
}

static int32_t perform_splice(struct weft__sim_request *request)
{
    const struct weft__sqe *sqe = &request->sqe;
    struct weft__sim *sim = request->ring->sim;
    struct weft__sim_file *in = weft__sim_fd_file(sim, (int)sqe->file_index);

    if (!in)
        return -EBADF;
    return weft__sim_splice(sim, in, sqe->address, request->file, sqe->offset, sqe->length, false);
}

static int32_t perform_message(struct weft__sim_request *request)
{
    struct weft__sim *sim = request->ring->sim;
    struct weft__sim_ring *target = weft__sim_ring_behind(request->file);

    if (!target)
        return -EBADFD;
    weft__sim_deliver(target, request->sqe.offset, (int32_t)request->sqe.length,
                      request->sqe.op_flags & WEFT__MSG_RING_PASS ? request->sqe.file_index : 0,
                      sim->now_ns + weft__sim_span(sim, &request->dice, WEFT__SIM_WAKE_NS));
    return 0;
}

int32_t weft__sim_perform(struct weft__sim_request *request, uint32_t limit, uint32_t *flags)
{
    mover *by;

    switch (request->sqe.opcode) {
    case WEFT__OP_NOP:
        return 0;
    case WEFT__OP_POLL_ADD:
        return perform_poll(request);
    case WEFT__OP_ACCEPT:
        return perform_accept(request);
    case WEFT__OP_CONNECT:
        return perform_connect(request);
    case WEFT__OP_CLOSE:
        return weft__sim_fd_close(request->ring->sim, request->sqe.fd);
    case WEFT__OP_SPLICE:
        return perform_splice(request);
    case WEFT__OP_MSG_RING:
        return perform_message(request);
    case WEFT__OP_WAITID:
        return perform_waitid(request);
    case WEFT__OP_FUTEX_WAIT:
        return weft__sim_perform_futex(request);
    case WEFT__OP_MADVISE: /* memory is the process's own, and not simulated */
        return weft__host_madvise((void *)(uintptr_t)request->sqe.address, request->sqe.length,
                                  (int)request->sqe.op_flags);
    case WEFT__OP_READ:
    case WEFT__OP_READV:
    case WEFT__OP_WRITE:
    case WEFT__OP_WRITEV:
    case WEFT__OP_SEND:
    case WEFT__OP_SEND_ZC:
    case WEFT__OP_RECV:
    case WEFT__OP_SENDMSG:
    case WEFT__OP_RECVMSG:
        by = mover_of(request);
        if (!by)
            return no_mover(request);
        if (request->sqe.opcode == WEFT__OP_SEND_ZC && !sends_uncopied(request->file))
            return -EOPNOTSUPP;
        if (request->nowhere)
            return move_nowhere(request);
        limit = weft__sim_file_limit(request->file, limit);
        if (weft__sim_is_message(request->sqe.opcode))
            return weft__sim_move_message(request, by, limit);
        if (weft__sim_is_vector(request->sqe.opcode))
            return move_vector(request, by, limit);
        return request->sqe.flags & WEFT__SQE_BUFFER_SELECT
                   ? move_selected(request, by, limit, flags)
                   : move(request, by, limit, flags);
    default:
        if (weft__sim_names_files(request->sqe.opcode))
            return weft__sim_perform_names(request);
        return weft__sim_is_of_whole_file(request->sqe.opcode) ? weft__sim_perform_whole(request)
                                                               : -EINVAL;
    }
}
