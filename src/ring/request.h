/*
 * ring/request.h - filling requests, one function per operation, in our terms.
 *
 * Each writes all 64 bytes, because a slot still holds whatever stood in it before. user_data is
 * the caller's to set afterwards.
 */
#ifndef WEFT_RING_REQUEST_H
#define WEFT_RING_REQUEST_H

#include "ring/ring.h"

static inline void weft__request_nop(struct weft__sqe *sqe)
{
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_NOP, .fd = -1};
}

/* Completes with those of the events (WEFT__POLL_*) that came: once, or (multishot) each time. The
   kernel wants the mask with its halves swapped on big-endian machines. */
static inline void weft__request_poll(struct weft__sqe *sqe, int fd, uint32_t events,
                                      bool multishot)
{
    bool little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;

    *sqe = (struct weft__sqe){.opcode = WEFT__OP_POLL_ADD,
                              .fd = fd,
                              .length = multishot ? WEFT__POLL_MULTI : 0,
                              .op_flags = little ? events : events << 16 | events >> 16};
}

static inline void weft__request_recv(struct weft__sqe *sqe, int fd, void *buffer, uint32_t size,
                                      uint32_t msg_flags, uint16_t ioprio)
{
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_RECV,
                              .fd = fd,
                              .address = (uint64_t)(uintptr_t)buffer,
                              .length = size,
                              .op_flags = msg_flags,
                              .ioprio = ioprio};
}

/* Stays armed; each completion carries a buffer of `group`. */
static inline void weft__request_recv_multishot(struct weft__sqe *sqe, int fd, uint16_t group,
                                                uint16_t ioprio)
{
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_RECV,
                              .flags = WEFT__SQE_BUFFER_SELECT,
                              .fd = fd,
                              .ioprio = (uint16_t)(ioprio | WEFT__RECV_MULTISHOT),
                              .buffer_group = group};
}

/* The same for one completion, where the kernel has no multishot receive. */
static inline void weft__request_recv_select(struct weft__sqe *sqe, int fd, uint16_t group,
                                             uint32_t size, uint16_t ioprio)
{
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_RECV,
                              .flags = WEFT__SQE_BUFFER_SELECT,
                              .fd = fd,
                              .length = size,
                              .ioprio = ioprio,
                              .buffer_group = group};
}

static inline void weft__request_send(struct weft__sqe *sqe, int fd, const void *buffer,
                                      uint32_t size, uint32_t msg_flags)
{
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_SEND,
                              .fd = fd,
                              .address = (uint64_t)(uintptr_t)buffer,
                              .length = size,
                              .op_flags = msg_flags};
}

/* The memory is the kernel's until a second completion, the notification, which comes whenever the
   first says MORE, also when that one is an error. */
static inline void weft__request_send_zc(struct weft__sqe *sqe, int fd, const void *buffer,
                                         uint32_t size, uint32_t msg_flags)
{
    weft__request_send(sqe, fd, buffer, size, msg_flags);
    sqe->opcode = WEFT__OP_SEND_ZC;
    sqe->ioprio = WEFT__SEND_ZC_REPORT;
}

/* `message` is a struct msghdr, the kernel's with all it points at until the completion. */
static inline void weft__request_sendmsg(struct weft__sqe *sqe, int fd, const void *message,
                                         uint32_t msg_flags)
{
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_SENDMSG,
                              .fd = fd,
                              .address = (uint64_t)(uintptr_t)message,
                              .length = 1,
                              .op_flags = msg_flags};
}

static inline void weft__request_recvmsg(struct weft__sqe *sqe, int fd, void *message,
                                         uint32_t msg_flags)
{
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_RECVMSG,
                              .fd = fd,
                              .address = (uint64_t)(uintptr_t)message,
                              .length = 1,
                              .op_flags = msg_flags};
}

/* One accept, or (multishot) accepts until stopped. No address: ask getpeername. */
static inline void weft__request_accept(struct weft__sqe *sqe, int fd, uint32_t sock_flags,
                                        bool multishot)
{
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_ACCEPT,
                              .fd = fd,
                              .op_flags = sock_flags,
                              .ioprio = multishot ? WEFT__ACCEPT_MULTISHOT : 0};
}

static inline void weft__request_connect(struct weft__sqe *sqe, int fd, const void *address,
                                         uint32_t length)
{
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_CONNECT,
                              .fd = fd,
                              .address = (uint64_t)(uintptr_t)address,
                              .offset = length};
}

static inline void weft__request_close(struct weft__sqe *sqe, int fd)
{
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_CLOSE, .fd = fd};
}

/* Another ring gets a completion for `token`, as if its poll of a bell had found it rung, and stays
   armed. One that fails is told of here. */
static inline void weft__request_ring(struct weft__sqe *sqe, int ring_fd, uint64_t token)
{
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_MSG_RING,
                              .flags = WEFT__SQE_SKIP_SUCCESS,
                              .fd = ring_fd,
                              .offset = token,
                              .length = WEFT__POLL_IN,
                              .op_flags = WEFT__MSG_RING_PASS,
                              .file_index = WEFT__CQE_MORE};
}

/* Asks the kernel to end the one request whose user_data is `target`. */
static inline void weft__request_cancel(struct weft__sqe *sqe, uint64_t target)
{
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_ASYNC_CANCEL,
                              .fd = -1,
                              .address = target,
                              .flags = WEFT__SQE_SKIP_SUCCESS};
}

/* Completes with 0 once the process behind `pidfd` has ended, and leaves it to be reaped. */
static inline void weft__request_waitid(struct weft__sqe *sqe, int pidfd)
{
    enum { P_PIDFD_ = 3, WEXITED_ = 4, WNOWAIT_ = 0x01000000 }; /* the kernel's */

    *sqe = (struct weft__sqe){.opcode = WEFT__OP_WAITID,
                              .fd = pidfd,
                              .length = P_PIDFD_,
                              .file_index = WEXITED_ | WNOWAIT_};
}

/* waitid(2): `info` is a siginfo_t, the kernel's until the completion. */
static inline void weft__request_waitid_of(struct weft__sqe *sqe, uint32_t type, int id, void *info,
                                           uint32_t options)
{
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_WAITID,
                              .fd = id,
                              .offset = (uint64_t)(uintptr_t)info,
                              .length = type,
                              .file_index = options};
}

/* Completes with 0 once `word` was woken; -EAGAIN: it is not `value`. own: this process alone uses
   the word. */
static inline void weft__request_futex_wait(struct weft__sqe *sqe, const void *word, uint32_t value,
                                            bool own)
{
    enum { SIZE_U32 = 2, PRIVATE = 128 }; /* the kernel's FUTEX2_* */

    *sqe = (struct weft__sqe){.opcode = WEFT__OP_FUTEX_WAIT,
                              .fd = own ? SIZE_U32 | PRIVATE : SIZE_U32,
                              .address = (uint64_t)(uintptr_t)word,
                              .offset = value,
                              .address3 = UINT32_MAX};
}

/* Between `fd_in` and `fd_out`, one of which is a pipe. Offsets: UINT64_MAX for what has none. */
static inline void weft__request_splice(struct weft__sqe *sqe, int fd_in, uint64_t offset_in,
                                        int fd_out, uint64_t offset_out, uint32_t size,
                                        uint32_t flags)
{
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_SPLICE,
                              .fd = fd_out,
                              .offset = offset_out,
                              .address = offset_in,
                              .length = size,
                              .op_flags = flags,
                              .file_index = (uint32_t)fd_in};
}

/* -- files ------------------------------------------------------------------------------------ */

/* Paths, `how` and the vectors of the four below are the kernel's to read until the request was
   submitted, and may not be read later; memory that vectors name, as ever, until the completion. */

static inline void weft__request_read(struct weft__sqe *sqe, int fd, void *buffer, uint32_t size,
                                      uint64_t offset)
{
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_READ,
                              .fd = fd,
                              .offset = offset,
                              .address = (uint64_t)(uintptr_t)buffer,
                              .length = size};
}

/* Into a buffer of `group`, once. */
static inline void weft__request_read_select(struct weft__sqe *sqe, int fd, uint16_t group,
                                             uint32_t size)
{
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_READ,
                              .flags = WEFT__SQE_BUFFER_SELECT,
                              .fd = fd,
                              .offset = WEFT__OFFSET_CURRENT,
                              .length = size,
                              .buffer_group = group};
}

static inline void weft__request_write(struct weft__sqe *sqe, int fd, const void *buffer,
                                       uint32_t size, uint64_t offset)
{
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_WRITE,
                              .fd = fd,
                              .offset = offset,
                              .address = (uint64_t)(uintptr_t)buffer,
                              .length = size};
}

/* A read or write of the above, whose memory lies in a piece that the ring holds. */
static inline void weft__request_held(struct weft__sqe *sqe, uint32_t piece)
{
    sqe->opcode = sqe->opcode == WEFT__OP_READ ? WEFT__OP_READ_FIXED : WEFT__OP_WRITE_FIXED;
    sqe->buffer_group = (uint16_t)piece;
}

static inline void weft__request_readv(struct weft__sqe *sqe, int fd, const void *vectors,
                                       uint32_t count, uint64_t offset)
{
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_READV,
                              .fd = fd,
                              .offset = offset,
                              .address = (uint64_t)(uintptr_t)vectors,
                              .length = count};
}

static inline void weft__request_writev(struct weft__sqe *sqe, int fd, const void *vectors,
                                        uint32_t count, uint64_t offset)
{
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_WRITEV,
                              .fd = fd,
                              .offset = offset,
                              .address = (uint64_t)(uintptr_t)vectors,
                              .length = count};
}

static inline void weft__request_fsync(struct weft__sqe *sqe, int fd, uint32_t fsync_flags)
{
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_FSYNC, .fd = fd, .op_flags = fsync_flags};
}

static inline void weft__request_sync_range(struct weft__sqe *sqe, int fd, uint64_t offset,
                                            uint32_t size, uint32_t sync_flags)
{
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_SYNC_RANGE,
                              .fd = fd,
                              .offset = offset,
                              .length = size,
                              .op_flags = sync_flags};
}

static inline void weft__request_fadvise(struct weft__sqe *sqe, int fd, uint64_t offset,
                                         uint32_t size, uint32_t advice)
{
    *sqe = (struct weft__sqe){
        .opcode = WEFT__OP_FADVISE, .fd = fd, .offset = offset, .length = size, .op_flags = advice};
}

static inline void weft__request_madvise(struct weft__sqe *sqe, void *memory, uint32_t size,
                                         uint32_t advice)
{
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_MADVISE,
                              .fd = -1,
                              .address = (uint64_t)(uintptr_t)memory,
                              .length = size,
                              .op_flags = advice};
}

static inline void weft__request_ftruncate(struct weft__sqe *sqe, int fd, uint64_t size)
{
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_FTRUNCATE, .fd = fd, .offset = size};
}

static inline void weft__request_fallocate(struct weft__sqe *sqe, int fd, uint32_t mode,
                                           uint64_t offset, uint64_t size)
{
    *sqe = (struct weft__sqe){
        .opcode = WEFT__OP_FALLOCATE, .fd = fd, .offset = offset, .address = size, .length = mode};
}

static inline void weft__request_openat2(struct weft__sqe *sqe, int dirfd, const char *path,
                                         const struct weft__open_how *how)
{
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_OPENAT2,
                              .fd = dirfd,
                              .address = (uint64_t)(uintptr_t)path,
                              .offset = (uint64_t)(uintptr_t)how,
                              .length = sizeof *how};
}

/* `status` is a struct statx. */
static inline void weft__request_statx(struct weft__sqe *sqe, int dirfd, const char *path,
                                       uint32_t at_flags, uint32_t mask, void *status)
{
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_STATX,
                              .fd = dirfd,
                              .address = (uint64_t)(uintptr_t)path,
                              .offset = (uint64_t)(uintptr_t)status,
                              .length = mask,
                              .op_flags = at_flags};
}

/* Names and paths, and the value that is set, are copied when it is submitted; the memory for one
   that is asked for is the kernel's until the completion. */
static inline void weft__request_fgetxattr(struct weft__sqe *sqe, int fd, const char *name,
                                           const void *value, uint32_t size)
{
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_FGETXATTR,
                              .fd = fd,
                              .address = (uint64_t)(uintptr_t)name,
                              .offset = (uint64_t)(uintptr_t)value,
                              .length = size};
}

static inline void weft__request_fsetxattr(struct weft__sqe *sqe, int fd, const char *name,
                                           const void *value, uint32_t size, uint32_t flags)
{
    weft__request_fgetxattr(sqe, fd, name, value, size);
    sqe->opcode = WEFT__OP_FSETXATTR;
    sqe->op_flags = flags;
}

static inline void weft__request_getxattr(struct weft__sqe *sqe, const char *path, const char *name,
                                          void *value, uint32_t size)
{
    weft__request_fgetxattr(sqe, -1, name, value, size);
    sqe->opcode = WEFT__OP_GETXATTR;
    sqe->address3 = (uint64_t)(uintptr_t)path;
}

static inline void weft__request_setxattr(struct weft__sqe *sqe, const char *path, const char *name,
                                          const void *value, uint32_t size, uint32_t flags)
{
    weft__request_fsetxattr(sqe, -1, name, value, size, flags);
    sqe->opcode = WEFT__OP_SETXATTR;
    sqe->address3 = (uint64_t)(uintptr_t)path;
}

static inline void weft__request_renameat(struct weft__sqe *sqe, int dirfd, const char *path,
                                          int new_dirfd, const char *new_path, uint32_t flags)
{
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_RENAMEAT,
                              .fd = dirfd,
                              .address = (uint64_t)(uintptr_t)path,
                              .offset = (uint64_t)(uintptr_t)new_path,
                              .length = (uint32_t)new_dirfd,
                              .op_flags = flags};
}

static inline void weft__request_linkat(struct weft__sqe *sqe, int dirfd, const char *path,
                                        int new_dirfd, const char *new_path, uint32_t at_flags)
{
    weft__request_renameat(sqe, dirfd, path, new_dirfd, new_path, at_flags);
    sqe->opcode = WEFT__OP_LINKAT;
}

static inline void weft__request_symlinkat(struct weft__sqe *sqe, const char *target, int dirfd,
                                           const char *path)
{
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_SYMLINKAT,
                              .fd = dirfd,
                              .address = (uint64_t)(uintptr_t)target,
                              .offset = (uint64_t)(uintptr_t)path};
}

static inline void weft__request_unlinkat(struct weft__sqe *sqe, int dirfd, const char *path,
                                          uint32_t at_flags)
{
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_UNLINKAT,
                              .fd = dirfd,
                              .address = (uint64_t)(uintptr_t)path,
                              .op_flags = at_flags};
}

static inline void weft__request_mkdirat(struct weft__sqe *sqe, int dirfd, const char *path,
                                         uint32_t mode)
{
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_MKDIRAT,
                              .fd = dirfd,
                              .address = (uint64_t)(uintptr_t)path,
                              .length = mode};
}

#endif
