/*
 * libFuzzer's bytes as what travels beside a message: records of any kind, as a kernel lays them
 * into the room that it is given, cut off where that ends. Read by weft_recvmsg, weft_recv_fds and
 * weft_recv_segments, whose sources are part of this file; what they ask of others is answered
 * here.
 *
 * Each descriptor that comes is the caller's or is closed, once; those of weft_recv_fds are all
 * that were sent, in their order, or none.
 *
 *     byte 0    which call
 *     byte 1    how much room there is
 *     byte 2    which descriptor cannot be kept, counted, and why
 *     the rest  the records: their kind, and how long they are
 */
#include <weft/message.h>

#include <limits.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/fd.h"
#include "io/transfer.h"
#include "ring/host.h"
#include "task/operation.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool right)
{
    if (!right)
        abort();
}

/* -- descriptors ------------------------------------------------------------------------------ */

enum { SCM_SECURITY_LABEL = 3 };
enum { SOCKET = 3, FIRST = 100, LIFTED = 2000, FDS = 600 };
enum state { NONE, OPEN, LOST }; /* lost: it was closed */

static struct {
    unsigned char state[LIFTED + FIRST + FDS];
    int next; /* the kernel's next number */
    int adopted;
    int refused_at; /* that many are kept, and then one is not */
    bool at_lift;   /* it cannot be given another number; else, it cannot be adopted */
    int sent[FDS], sent_count;
    int pidfd;
} fds;

static int lose(int fd)
{
    must(fd >= FIRST && fd < LIFTED + FIRST + FDS && fds.state[fd] == OPEN);
    fds.state[fd] = LOST;
    return 0;
}

int weft_close(int fd)
{
    return lose(fd);
}

/* As where 0, 1 and 2 are closed: some get another number. An error is passed through. */
int weft__host_fd_lift(int fd)
{
    if (fd < 0)
        return fd;
    must(fds.state[fd] == OPEN);
    if (fds.at_lift && fds.adopted == fds.refused_at) {
        fds.refused_at = -1;
        (void)lose(fd);
        return -EMFILE;
    }
    if (fd % 3)
        return fd;
    (void)lose(fd);
    fds.state[fd + LIFTED] = OPEN;
    return fd + LIFTED;
}

int weft__fd_adopt(struct weft__io *io, int fd)
{
    (void)io;
    must(fds.state[fd] == OPEN);
    if (!fds.at_lift && fds.adopted == fds.refused_at) {
        fds.refused_at = -1;
        (void)lose(fd);
        return -EMFILE;
    }
    fds.adopted++;
    return 0;
}

static int new_fd(void)
{
    must(fds.next < FIRST + FDS);
    fds.state[fds.next] = OPEN;
    return fds.next++;
}

static int open_count(void)
{
    int count = 0;

    for (size_t i = 0; i < sizeof fds.state; i++)
        count += fds.state[i] == OPEN;
    return count;
}

/* Is it the one that was sent so? */
static bool is_same(int fd, int sent)
{
    return fd == sent || fd == sent + LIFTED;
}

/* -- the kernel ------------------------------------------------------------------------------- */

static const uint8_t *records;
static size_t records_size;
static int segment_told; /* what the record says that tells one; 0: none does */
static bool joined;      /* it is a socket on which that may come */

/* put_cmsg(): what does not fit is cut, and said so. */
static void put(struct msghdr *left, int level, int type, const void *data, size_t size)
{
    struct cmsghdr header = {.cmsg_len = CMSG_LEN(size), .cmsg_level = level, .cmsg_type = type};
    size_t space = CMSG_SPACE(size);

    if (!left->msg_control || left->msg_controllen < sizeof header) {
        left->msg_flags |= MSG_CTRUNC;
        return;
    }
    if (left->msg_controllen < header.cmsg_len) {
        left->msg_flags |= MSG_CTRUNC;
        header.cmsg_len = left->msg_controllen;
    }
    memcpy(left->msg_control, &header, sizeof header);
    memcpy((char *)left->msg_control + sizeof header, data, header.cmsg_len - sizeof header);
    space = space < left->msg_controllen ? space : left->msg_controllen;
    left->msg_control = (char *)left->msg_control + space;
    left->msg_controllen -= space;
}

/* scm_detach_fds(): as many as there is room for. */
static void put_rights(struct msghdr *left, int count)
{
    size_t room = left->msg_controllen > sizeof(struct cmsghdr)
                      ? (left->msg_controllen - sizeof(struct cmsghdr)) / sizeof(int)
                      : 0;
    int most = count < (int)room ? count : (int)room;

    fds.sent_count = count;
    for (int i = 0; i < most; i++)
        fds.sent[i] = new_fd();
    if (most > 0)
        put(left, SOL_SOCKET, SCM_RIGHTS, fds.sent, (size_t)most * sizeof(int));
    if (most < count)
        left->msg_flags |= MSG_CTRUNC;
}

static void put_pidfd(struct msghdr *left, bool none)
{
    if (left->msg_controllen < CMSG_LEN(sizeof(int))) {
        left->msg_flags |= MSG_CTRUNC;
        return;
    }
    fds.pidfd = none ? -ESRCH : new_fd();
    put(left, SOL_SOCKET, WEFT__SCM_PIDFD, &fds.pidfd, sizeof fds.pidfd);
}

static void put_segment(struct msghdr *left, int segment)
{
    if (left->msg_controllen >= CMSG_LEN(sizeof segment))
        segment_told = segment;
    put(left, IPPROTO_UDP, UDP_GRO, &segment, sizeof segment);
}

/* Each kind comes once, if it comes, and they come in the kernel's order. */
enum kind { STAMP, STAMPS, SEGMENT, CREDENTIALS, LABEL, RIGHTS, PIDFD, KINDS };

static void put_one(struct msghdr *left, enum kind kind, uint8_t length)
{
    static const char some[256] = "whatever there is";

    switch (kind) {
    case STAMP:
        put(left, SOL_SOCKET, SO_TIMESTAMPNS, some, sizeof(struct timespec));
        break;
    case STAMPS:
        put(left, SOL_SOCKET, SO_TIMESTAMPING, some, 3 * sizeof(struct timespec));
        break;
    case SEGMENT:
        put_segment(left, length * 10 - 100);
        break;
    case CREDENTIALS:
        put(left, SOL_SOCKET, SCM_CREDENTIALS, some, sizeof(struct ucred));
        break;
    case LABEL:
        put(left, SOL_SOCKET, SCM_SECURITY_LABEL, some, length);
        break;
    case RIGHTS:
        put_rights(left, length % (WEFT_FDS_MAX + 1));
        break;
    default:
        put_pidfd(left, length % 4 == 0);
    }
}

/* On Unix sockets nothing is joined. */
static void put_all(struct msghdr *left, bool joined)
{
    int lengths[KINDS];

    memset(lengths, -1, sizeof lengths);
    for (size_t i = 0; i + 1 < records_size; i += 2)
        lengths[records[i] % KINDS] = records[i + 1];
    for (int kind = 0; kind < KINDS; kind++)
        if (lengths[kind] >= 0 && (joined || kind != SEGMENT))
            put_one(left, (enum kind)kind, (uint8_t)lengths[kind]);
}

/* The request is done when it is made. */
static int32_t answer(const struct weft__sqe *sqe)
{
    struct msghdr *message = (struct msghdr *)(uintptr_t)sqe->address, left = *message;

    must(sqe->opcode == WEFT__OP_RECVMSG && sqe->op_flags & MSG_CMSG_CLOEXEC);
    left.msg_flags = 0;
    put_all(&left, joined);
    message->msg_controllen -= left.msg_controllen;
    message->msg_flags = left.msg_flags;
    return 1 + (int32_t)records_size;
}

/* -- what the calls ask ------------------------------------------------------------------------
 */

static struct weft__task task_here;
static struct weft__reactor reactor_here;
static struct weft__fd record_here;
static struct weft__sqe sqe_here;
__thread struct weft__reactor *weft__self;

static int enter(struct weft__task **self)
{
    *self = &task_here;
    return 0;
}

static int hold_side(struct weft__fd **record)
{
    *record = &record_here;
    return 0;
}

#define weft__enter(self) enter(self)
#define weft__enter_idle(self) enter(self)
#define weft__io_of(reactor) ((void)(reactor), (struct weft__io *)NULL)
#define weft__hold_side(io, fd, side, operation, record)                                           \
    ((void)(io), (void)(operation), hold_side(record))
#define weft__fd_leave(io, record, side, op) ((void)(io), (void)(record), (void)(side), (void)(op))
#define weft__fd_forget_closed(io, fd, record) ((void)(io), (void)(fd), (void)(record))
#define weft__fd_note_passed(io, fd) ((void)(io), (void)(fd))
#define weft__fd_sends_packets(fd, record) ((void)(fd), (void)(record), false)
#define weft__packet_wait(wait) ((void)(wait), -ECANCELED)
#define weft__begin_once(self, operation, what, fd, record, error)                                 \
    ((void)(operation), (void)(record), (void)(error), &sqe_here)
#define weft__operation_idle(operation) ((void)(operation))
#define weft__await(self, operation, sqe, record) ((void)(record), answer(sqe))
#include "io/message.c"
#include "io/segments.c"

int weft__host_getsockopt(int fd, int level, int option, void *value, socklen_t *length)
{
    (void)fd, (void)level, (void)option, (void)value, (void)length;
    return -ENOPROTOOPT;
}

/* -- the calls --------------------------------------------------------------------------------- */

static void ask_recvmsg(size_t room)
{
    char byte, *control = malloc(room ? room : 1);
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = room};
    int came = 0;

    must(control != NULL);
    must(weft_recvmsg(SOCKET, &message, 0) > 0);
    for (struct cmsghdr *at = CMSG_FIRSTHDR(&message); at; at = CMSG_NXTHDR(&message, at)) {
        int fd;
        if (at->cmsg_level != SOL_SOCKET ||
            (at->cmsg_type != SCM_RIGHTS && at->cmsg_type != WEFT__SCM_PIDFD))
            continue;
        for (size_t i = 0; CMSG_LEN(i + sizeof fd) <= at->cmsg_len; i += sizeof fd) {
            memcpy(&fd, CMSG_DATA(at) + i, sizeof fd);
            if (at->cmsg_type == SCM_RIGHTS)
                must(fd < 0 ? fd == -EMFILE : is_same(fd, fds.sent[came]));
            came += at->cmsg_type == SCM_RIGHTS;
            if (fd >= 0)
                (void)weft_close(fd);
        }
    }
    must(came == fds.sent_count || message.msg_flags & MSG_CTRUNC);
    free(control);
}

static void ask_recv_fds(uint32_t room)
{
    uint32_t most = 1 + room % WEFT_FDS_MAX, count = most;
    int *got = malloc(most * sizeof *got);
    bool refused = fds.refused_at >= 0;
    char byte;
    ssize_t n;

    must(got != NULL);
    n = weft_recv_fds(SOCKET, &byte, 1, got, &count);
    refused &= fds.refused_at < 0;
    if (n < 0) {
        must(count == 0 && (n == -EMSGSIZE || n == -EMFILE));
        must(n != -EMFILE || refused);
        must(n != -EMSGSIZE || (uint32_t)fds.sent_count > most);
    } else {
        must(count == (uint32_t)fds.sent_count);
    }
    for (uint32_t i = 0; i < count; i++) {
        must(is_same(got[i], fds.sent[i]));
        (void)weft_close(got[i]);
    }
    free(got);
}

static void ask_recv_segments(void)
{
    uint32_t segment = 0;
    char byte;
    ssize_t n = weft_recv_segments(SOCKET, &byte, 1, &segment, 0, NULL, NULL);

    must(n > 0 && segment > 0 && segment <= (uint32_t)n);
    must(segment == (segment_told > 0 && segment_told < n ? (uint32_t)segment_told : (uint32_t)n));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 3)
        return 0;
    memset(&fds, 0, sizeof fds);
    fds.next = FIRST;
    fds.refused_at = bytes[2] / 2 < 100 ? bytes[2] / 2 : -1;
    fds.at_lift = bytes[2] % 2;
    segment_told = 0;
    joined = bytes[0] % 3 == 2;
    records = bytes + 3;
    records_size = size - 3;
    task_here.reactor = &reactor_here;
    reactor_here.current = (struct weft__fiber *)(void *)&task_here;
    weft__self = &reactor_here;
    if (bytes[0] % 3 == 0)
        ask_recvmsg(bytes[1] * 5u);
    else if (bytes[0] % 3 == 1)
        ask_recv_fds(bytes[1]);
    else
        ask_recv_segments();
    must(open_count() == 0);
    return 0;
}
