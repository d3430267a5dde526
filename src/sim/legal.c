/*
 * sim/legal.c - the table of legal.h: each row as its pages of the manual have it.
 *
 * What is in it: errors by which a request says that it could not, and that change nothing, with
 * two exceptions, which trouble.c sees to: a close has closed, and a sync that lost bytes has lost
 * them.
 *
 * What is not: errors of wrong arguments; what a name or a descriptor stands for (EISDIR, ENOTDIR,
 * EPIPE of a pipe without readers), because it follows from what was done before; and what breaks
 * something for all who use it, because that has to be seen by all of them: ECONNRESET, EPIPE and
 * ETIMEDOUT of a connection are drawn for the connection (op.reset, net.break, net.silence), EMFILE
 * and ENFILE also for the process (fd.none, fd.full), EBUSY and EAGAIN for an enter (enter.again).
 * -EAGAIN stands where the page has it for want of something, and nothing says when there is some;
 * elsewhere it means to wait. A poll and a wait for a word sleep nowhere, so no signal ends them:
 * they have no EINTR. A cancel's own answers are drawn by cancel.c.
 */
#include "sim/legal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>

#include "ring/ring.h"
#include "sim/disk.h"
#include "sim/ring_core.h"

#define ANY WEFT__SIM_FOR_ANY
#define FIRM EIO, ENOMEM /* stands in every row of the disk's, besides what its page has */

/* Of the rows of an opcode the first that is for a request is its own. */
static const struct weft__sim_legal legal[] = {
    /* waiting */
    {WEFT__OP_POLL_ADD, ANY, "poll(2)", {ENOMEM}},
    {WEFT__OP_WAITID, ANY, "waitid(2)", {EINTR, ENOMEM}},
    {WEFT__OP_FUTEX_WAIT, ANY, "futex(2)", {ENOMEM}},
    {WEFT__OP_MSG_RING, ANY, "io_uring_prep_msg_ring(3)", {ENOMEM, EOVERFLOW}},
    /* sockets */
    {WEFT__OP_ACCEPT,
     ANY,
     "accept(2), and under its 'Error handling' those of the network's that are pending",
     {ECONNABORTED, EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM, EPROTO, ETIMEDOUT, ENETDOWN,
      ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, ENETUNREACH}},
    {WEFT__OP_CONNECT,
     ANY,
     "connect(2), ip(7)",
     {EACCES, EPERM, EADDRINUSE, EADDRNOTAVAIL, ECONNREFUSED, EHOSTUNREACH, EINTR, ENETUNREACH,
      ENOBUFS, ENOMEM, ETIMEDOUT}},
    {WEFT__OP_SEND,
     WEFT__SIM_FOR_UDP,
     "send(2), udp(7), ip(7)",
     {EINTR, ENOBUFS, ENOMEM, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EPERM}},
    {WEFT__OP_SEND, ANY, "send(2)", {EINTR, ENOBUFS, ENOMEM}},
    {WEFT__OP_SEND_ZC,
     WEFT__SIM_FOR_UDP,
     "send(2), udp(7), ip(7)",
     {EINTR, ENOBUFS, ENOMEM, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EPERM}},
    {WEFT__OP_SEND_ZC, ANY, "send(2)", {EINTR, ENOBUFS, ENOMEM}},
    {WEFT__OP_SENDMSG,
     WEFT__SIM_FOR_UDP,
     "send(2), udp(7), ip(7)",
     {EINTR, ENOBUFS, ENOMEM, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EPERM}},
    {WEFT__OP_SENDMSG,
     WEFT__SIM_FOR_UNIX,
     "send(2), unix(7)",
     {EINTR, ENOBUFS, ENOMEM, ETOOMANYREFS}},
    {WEFT__OP_SENDMSG, ANY, "send(2)", {EINTR, ENOBUFS, ENOMEM}},
    {WEFT__OP_RECV,
     WEFT__SIM_FOR_UDP,
     "recv(2), udp(7), ip(7)",
     {EINTR, ENOMEM, ECONNREFUSED, EHOSTUNREACH}},
    {WEFT__OP_RECV, ANY, "recv(2)", {EINTR, ENOMEM}},
    {WEFT__OP_RECVMSG,
     WEFT__SIM_FOR_UDP,
     "recv(2), udp(7), ip(7)",
     {EINTR, ENOMEM, ECONNREFUSED, EHOSTUNREACH}},
    {WEFT__OP_RECVMSG, ANY, "recv(2)", {EINTR, ENOMEM}},
    /* bytes of files, pipes and terminals */
    {WEFT__OP_READ, ANY, "read(2)", {FIRM, EINTR}},
    {WEFT__OP_READV, ANY, "readv(2), read(2)", {FIRM, EINTR}},
    {WEFT__OP_WRITE, ANY, "write(2)", {FIRM, EINTR, ENOSPC, EDQUOT, EFBIG}},
    {WEFT__OP_WRITEV, ANY, "writev(2), write(2)", {FIRM, EINTR, ENOSPC, EDQUOT, EFBIG}},
    {WEFT__OP_SPLICE,
     ANY,
     "splice(2), and read(2) and write(2) of its ends",
     {FIRM, EINTR, ENOSPC, EDQUOT, EFBIG}},
    {WEFT__SIM_CALL_COPY,
     ANY,
     "copy_file_range(2), and write(2) of its end",
     {FIRM, EINTR, ENOSPC, EDQUOT, EFBIG, EXDEV}},
    /* a file as a whole */
    {WEFT__OP_CLOSE, WEFT__SIM_FOR_FILE, "close(2)", {EIO, EINTR, ENOSPC, EDQUOT}},
    {WEFT__OP_FSYNC, ANY, "fsync(2)", {FIRM, EINTR, ENOSPC, EDQUOT}},
    {WEFT__OP_SYNC_RANGE, ANY, "sync_file_range(2)", {FIRM, ENOSPC}},
    {WEFT__OP_FALLOCATE, ANY, "fallocate(2)", {FIRM, EINTR, ENOSPC, EDQUOT, EFBIG}},
    {WEFT__OP_FTRUNCATE, ANY, "ftruncate(2)", {FIRM, EINTR, EFBIG}},
    /* the page has none: an overlay that has to open the file below first has these */
    {WEFT__OP_FADVISE, ANY, "posix_fadvise(2), open(2)", {FIRM}},
    {WEFT__OP_MADVISE, ANY, "madvise(2)", {FIRM, EAGAIN, EBUSY}},
    {WEFT__OP_FGETXATTR, ANY, "fgetxattr(2), stat(2)", {FIRM}},
    {WEFT__OP_FSETXATTR, ANY, "fsetxattr(2), stat(2)", {FIRM, ENOSPC, EDQUOT}},
    /* names */
    {WEFT__OP_OPENAT2,
     WEFT__SIM_FOR_O_CREAT,
     "open(2)",
     {FIRM, EINTR, EMFILE, ENFILE, ENOSPC, EDQUOT}},
    {WEFT__OP_OPENAT2,
     WEFT__SIM_FOR_BELOW_DIR,
     "open(2), openat2(2)",
     {FIRM, EINTR, EMFILE, ENFILE, EAGAIN}},
    {WEFT__OP_OPENAT2, ANY, "open(2)", {FIRM, EINTR, EMFILE, ENFILE}},
    {WEFT__OP_STATX, ANY, "statx(2)", {FIRM}},
    {WEFT__OP_GETXATTR, ANY, "getxattr(2), stat(2)", {FIRM}},
    {WEFT__OP_SETXATTR, ANY, "setxattr(2), stat(2)", {FIRM, ENOSPC, EDQUOT}},
    {WEFT__OP_UNLINKAT, ANY, "unlink(2), rmdir(2)", {FIRM, EBUSY}},
    {WEFT__OP_RENAMEAT, ANY, "rename(2)", {FIRM, EBUSY, EDQUOT, EMLINK, ENOSPC, EXDEV}},
    {WEFT__OP_LINKAT, ANY, "link(2)", {FIRM, EDQUOT, EMLINK, ENOSPC, EXDEV}},
    {WEFT__OP_MKDIRAT, ANY, "mkdir(2)", {FIRM, EDQUOT, EMLINK, ENOSPC}},
    {WEFT__OP_SYMLINKAT, ANY, "symlink(2)", {FIRM, EDQUOT, ENOSPC}},
};

enum { ROWS = sizeof legal / sizeof legal[0] };

size_t weft__sim_legal_count(const struct weft__sim_legal *row)
{
    size_t count = 0;

    while (count < WEFT__SIM_LEGAL_MAX && row->errors[count])
        count++;
    return count;
}

const struct weft__sim_legal *weft__sim_legal_of(uint8_t opcode, enum weft__sim_legal_for which)
{
    for (size_t i = 0; i < ROWS; i++)
        if (legal[i].opcode == opcode && legal[i].which == which)
            return &legal[i];
    return NULL;
}

/* -- of a request ------------------------------------------------------------------------------ */

static bool is_kind(const struct weft__sim_file *file, const char *kind)
{
    return file && strcmp(file->ops->kind, kind) == 0;
}

static const struct weft__open_how *how_of(const struct weft__sim_request *request)
{
    return (const void *)(uintptr_t)request->sqe.offset; /* copied when it was submitted */
}

static bool is_for(enum weft__sim_legal_for which, const struct weft__sim_request *request)
{
    const struct weft__sim_file *file = request->file;

    if (request->sqe.opcode == WEFT__OP_CLOSE)
        file = weft__sim_fd_file(request->ring->sim, request->sqe.fd);
    switch (which) {
    case WEFT__SIM_FOR_FILE:
        return is_kind(file, "file");
    case WEFT__SIM_FOR_UDP:
        return is_kind(file, "udp");
    case WEFT__SIM_FOR_UNIX:
        return is_kind(file, "unix") || is_kind(file, "packets");
    case WEFT__SIM_FOR_O_CREAT:
        return how_of(request)->flags & O_CREAT;
    case WEFT__SIM_FOR_BELOW_DIR:
        return how_of(request)->resolve & (RESOLVE_IN_ROOT | RESOLVE_BENEATH);
    default:
        return true;
    }
}

const struct weft__sim_legal *weft__sim_legal_for(const struct weft__sim_request *request)
{
    for (size_t i = 0; i < ROWS; i++)
        if (legal[i].opcode == request->sqe.opcode && is_for(legal[i].which, request))
            return &legal[i];
    return NULL;
}
