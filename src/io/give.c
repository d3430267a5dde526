/*
 * io/give.c - sending memory that was given; give.h draws its life.
 *
 * What always holds: the memory is released once, after the call and the last completion of its
 * request, whichever comes later; a request that was refused before it sent anything is made again,
 * with a copy.
 */
#include "io/give.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <weft/runtime.h>

#include "base/memory.h"
#include "io/accept.h"
#include "io/socket.h"
#include "io/transfer.h"
#include "ring/host.h"
#include "task/wait.h"

enum {
    LEAST_MEASURED = 4096, /* bytes; what is less is copied without asking whether that is best */
    RESET_NS = 1000000000, /* how long a reactor that stops waits for peers, before it resets */
    KEEP_S = 60, /* how long a closed connection is kept; then it is left to the kernel's rules */
};

#define GIVE_OF(pointer, member)                                                                   \
    ((struct weft__give *)((char *)(pointer)-offsetof(struct weft__give, member)))

static void let_go(struct weft__give *give)
{
    if (--give->users > 0)
        return;
    give->release(give->arg);
    weft__free(give);
}

/* -- the request, and what it tells -------------------------------------------------------------
 */

/* Its connection goes where everything is copied: asking for it again would only cost. */
static void was_copied(struct weft__give *give)
{
    uint64_t word = atomic_load_explicit(&give->record->owner, memory_order_relaxed);

    WEFT__COUNT(give->io->reactor, zero_copy_copied);
    if (word >> 32 == give->claim && (uint32_t)word == give->io->id)
        give->record->flags |= WEFT__FD_COPIES;
}

static bool is_of(const struct weft__give *give, const struct weft__fd *record, uint32_t claim)
{
    return give->record == record && give->claim == claim;
}

static void close_copy(struct weft__give *give)
{
    weft__timer_disarm(&give->io->reactor->timers, &give->limit);
    weft__fd_discard(give->io, give->copy);
    give->copy = -1;
    weft__accept_freed(give->io);
}

static void copy_expires(struct weft__timer *timer)
{
    close_copy(GIVE_OF(timer, limit));
}

static void keep_copy(struct weft__give *give, int copy, int64_t due_ns)
{
    give->copy = copy;
    give->limit.fire = copy_expires;
    weft__timer_arm(&give->io->reactor->timers, &give->limit, due_ns);
}

/* It goes, and is in the list no more: the copy is for what else the connection was given. */
static void leave_copy(struct weft__give *give)
{
    for (struct weft__give *heir = give->io->gives; heir; heir = heir->next)
        if (is_of(heir, give->record, give->claim)) {
            weft__timer_disarm(&give->io->reactor->timers, &give->limit);
            keep_copy(heir, give->copy, give->limit.due_ns);
            return;
        }
    close_copy(give);
}

static void end(struct weft__give *give)
{
    struct weft__io *io = give->io;

    *give->link = give->next;
    if (give->next)
        give->next->link = give->link;
    if (give->copy >= 0)
        leave_copy(give);
    if (!io->gives)
        weft__timer_disarm(&io->reactor->timers, &io->gives_limit);
    let_go(give);
}

static void completed(struct weft__op *op, int32_t result, uint32_t flags)
{
    struct weft__give *give = GIVE_OF(op, operation.op);

    if (!give->sent) {
        give->sent = true;
        op->waiter = NULL; /* it goes on, the operation does not end */
        give->operation.result = result;
        give->operation.flags = flags;
        weft__fiber_wake(weft__self, &give->operation.wait);
    } else if ((uint32_t)result & WEFT__NOTIFIED_COPIED) {
        was_copied(give);
    }
    if (!(flags & WEFT__CQE_MORE))
        end(give);
}

/* The request is the list's from here on. */
static void begin(struct weft__give *give, struct weft__fd *record, int fd)
{
    struct weft__io *io = give->io;

    give->operation.op.complete = completed;
    give->record = record;
    give->claim = weft__fd_claim(record);
    give->fd = fd;
    give->users++;
    give->next = io->gives;
    give->link = &io->gives;
    if (give->next)
        give->next->link = &give->next;
    io->gives = give;
}

/* One request, and its result. The side is the request's meanwhile, so that a close finds it. */
static int32_t send_uncopied(struct weft__task *self, struct weft__give *give,
                             const struct weft__given *given, const void *memory, size_t size)
{
    struct weft__op *side = *given->side;
    struct weft__sqe *sqe;
    int32_t result;

    give->operation.word = given->word;
    sqe = weft__begin_once(self, &give->operation, given->what, given->fd, given->record, &result);
    if (!sqe)
        return result;
    begin(give, given->record, given->fd);
    *given->side = &give->operation.op;
    weft__request_send_zc(sqe, given->fd, memory, weft__size_once(size),
                          MSG_WAITALL | MSG_NOSIGNAL);
    WEFT__COUNT(self->reactor, zero_copy_sends);
    result = weft__await(self, &give->operation, sqe, given->record);
    if (*given->side == &give->operation.op) /* else it was reset meanwhile */
        *given->side = side;
    if (result > 0)
        WEFT__COUNT_BY(self->reactor, bytes_sent, result);
    return result;
}

/* -- whether to ---------------------------------------------------------------------------------
 */

static bool pays(struct weft__io *io, const struct weft__fd *record, size_t size)
{
    const struct weft__ring *ring = &io->reactor->ring;

    if (record->flags & WEFT__FD_COPIES || !(ring->features & WEFT__FEATURE_SEND_ZC))
        return false;
    if (io->zero_copy_min == 0 && size >= LEAST_MEASURED)
        io->zero_copy_min = weft__ring_zero_copy_min(ring);
    return io->zero_copy_min != 0 && io->zero_copy_min != WEFT_ZERO_COPY_NEVER &&
           size >= io->zero_copy_min;
}

/* An error that says: not in this way. Nothing was sent. */
static bool wants_a_copy(struct weft__fd *record, int32_t error)
{
    if (error == -EOPNOTSUPP || error == -EINVAL)
        record->flags |= WEFT__FD_COPIES;
    else if (error != -ENOMEM && error != -ENOBUFS) /* a limit on pages that may be pinned */
        return false;
    return true;
}

static struct weft__give *make(struct weft__io *io)
{
    struct weft__give *give = weft__calloc(1, sizeof *give);

    if (give) {
        give->io = io;
        give->copy = -1;
        give->users = 1;
    }
    return give;
}

int weft__give_send(struct weft__task *self, const struct weft__given *given,
                    struct weft__gift *gift)
{
    struct weft__io *io = weft__io_of(self->reactor);
    int32_t result;

    if (!pays(io, given->record, gift->size))
        return 0;
    gift->give = make(io);
    if (!gift->give)
        return 0;
    result = send_uncopied(self, gift->give, given, gift->memory, gift->size);
    if (result >= 0) {
        gift->sent = (size_t)result;
        return 0;
    }
    return weft__fd_is_still(given->record, given->word) && wants_a_copy(given->record, result)
               ? 0
               : result;
}

/* -- the calls ----------------------------------------------------------------------------------
 */

int weft__gift_begin(const struct weft__gift *gift)
{
    if (gift->done)
        *gift->done = 0;
    if (!gift->release)
        return weft__misuse(-EINVAL, "memory is given, and nobody to be told of its release");
    return 0;
}

ssize_t weft__gift_end(struct weft__gift *gift, ssize_t result)
{
    struct weft__give *give = gift->give;

    if (gift->done)
        *gift->done = gift->sent;
    if (give) {
        give->release = gift->release;
        give->arg = gift->arg;
        let_go(give);
    } else {
        gift->release(gift->arg);
    }
    return result;
}

static ssize_t send_given(int fd, struct weft__gift *gift)
{
    struct weft__operation operation;
    struct weft__given given;
    struct weft__fd *record;
    struct weft__task *self;
    struct weft__io *io;
    ssize_t result = weft__enter(&self);

    if (result == 0 && !gift->memory && gift->size > 0)
        result = weft__misuse(-EFAULT, "NULL for memory that is needed");
    if (result < 0)
        return result;
    io = weft__io_of(self->reactor);
    result = weft__hold_side(io, fd, WEFT__WRITER, &operation, &record);
    if (result < 0)
        return result;
    given = (struct weft__given){"send", fd, record, operation.word, &record->sides[WEFT__WRITER]};
    result = weft__give_send(self, &given, gift);
    if (result == 0)
        result =
            weft__send_pieces(self, &operation, fd, record, gift->memory, gift->size, &gift->sent);
    weft__fd_leave(io, record, WEFT__WRITER, &operation.op);
    if (result == -EBADF) /* perhaps since it is another's */
        weft__fd_forget_closed(io, fd, record);
    return result;
}

ssize_t weft_send_give(int fd, const void *memory, size_t size, size_t *done,
                       weft_release_fn release, void *arg)
{
    struct weft__gift gift = {memory, size, release, arg, .done = done};
    int error = weft__gift_begin(&gift);

    return error < 0 ? error : weft__gift_end(&gift, send_given(fd, &gift));
}

ssize_t weft_send_give_until(int fd, const void *memory, size_t size, size_t *done,
                             weft_release_fn release, void *arg, int64_t deadline)
{
    struct weft__until until;
    int error = weft__until_open(&until, deadline);

    if (done)
        *done = 0;
    if (error < 0) {
        if (release)
            release(arg);
        return error;
    }
    return (ssize_t)weft__until_close(&until, weft_send_give(fd, memory, size, done, release, arg));
}

/* -- the reactor's ------------------------------------------------------------------------------
 */

void weft__gives_open(struct weft__io *io, uint32_t least)
{
    io->zero_copy_min = least;
    if (least == WEFT_ZERO_COPY_MEASURE) /* 0 while another thread measures: asked for later */
        io->zero_copy_min = weft__ring_zero_copy_min(&io->reactor->ring);
}

/* -- closing and stopping -----------------------------------------------------------------------
 */

/* Whoever closes it wants it reset, and then nothing of it is kept. */
static bool is_to_be_reset(int fd)
{
    struct linger linger = {.l_onoff = 0};
    socklen_t length = sizeof linger;

    (void)weft__host_getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &length);
    return linger.l_onoff && linger.l_linger == 0;
}

void weft__gives_outlive(struct weft__io *io, int fd, const struct weft__fd *record)
{
    struct weft__give *give = io->gives;
    int copy;

    while (give && !is_of(give, record, weft__fd_claim(record)))
        give = give->next;
    if (!give || record->flags & WEFT__FD_PASSED || is_to_be_reset(fd))
        return; /* who else has it goes on with it */
    copy = weft__host_fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (copy < 0)
        return;
    keep_copy(give, copy, weft__host_now() + KEEP_S * INT64_C(1000000000));
    (void)weft__host_shutdown(fd, SHUT_RDWR); /* closing this one alone would not */
}

static void reset_closed(struct weft__timer *timer)
{
    struct weft__io *io =
        (struct weft__io *)((char *)timer - offsetof(struct weft__io, gives_limit));

    for (struct weft__give *give = io->gives; give; give = give->next)
        if (give->copy >= 0) {
            (void)weft__socket_reset_on_close(give->copy);
            close_copy(give);
        }
}

void weft__gives_stop(struct weft__io *io)
{
    if (!io->gives)
        return;
    io->gives_limit.fire = reset_closed;
    weft__timer_arm(&io->reactor->timers, &io->gives_limit, weft__host_now() + RESET_NS);
}
