/*
 * io/accept.c - taking connections; accept.h draws the states of a listener.
 */
#include "io/accept.h"

#include <weft/net.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "base/memory.h"
#include "base/rare.h"
#include "ring/host.h"
#include "task/wait.h"

enum {
    FAILURES_AT_ONCE = 16, /* bad connections in a row that are passed over without a pause */
    LOOKS = 16,            /* at connections that are there, and that another takes first */
};

static void arm(struct weft__acceptor *acceptor);

/* How many may wait; room for them is made at once. */
static uint32_t waiting_max(void)
{
    return weft__rare_size(WEFT__ACCEPT_WAITING_MAX, 1);
}

/* -- the queue ------------------------------------------------------------------------------ */

static int grow(struct weft__acceptor *acceptor)
{
    uint32_t capacity = acceptor->mask + 1;
    int *queue = weft__alloc(2 * capacity * sizeof *queue);

    if (!queue)
        return -ENOMEM;
    for (uint32_t i = 0; i < capacity; i++)
        queue[i] = acceptor->queue[(acceptor->head + i) & acceptor->mask];
    weft__free(acceptor->queue);
    acceptor->queue = queue;
    acceptor->tail -= acceptor->head;
    acceptor->head = 0;
    acceptor->mask = 2 * capacity - 1;
    return 0;
}

static void push(struct weft__acceptor *acceptor, int connection)
{
    if (weft__acceptor_waiting(acceptor) > acceptor->mask && grow(acceptor) < 0) {
        weft__fd_discard(acceptor->io, connection);
        WEFT__COUNT(acceptor->io->reactor, accept_errors);
        return;
    }
    acceptor->queue[acceptor->tail++ & acceptor->mask] = connection;
    WEFT__COUNT(acceptor->io->reactor, accepts);
}

static int pop(struct weft__acceptor *acceptor)
{
    int connection = acceptor->queue[acceptor->head++ & acceptor->mask];

    if (weft__acceptor_waiting(acceptor) <= waiting_max() / 2)
        arm(acceptor);
    return connection;
}

/* -- the reserve ---------------------------------------------------------------------------- */

/* Any descriptor of a file of its own will do: both limits, the process's and the system's. */
static int32_t open_reserve(void)
{
    return weft__host_socket(AF_UNIX, SOCK_STREAM, 0);
}

static void close_reserve(struct weft__acceptor *acceptor)
{
    if (acceptor->reserve >= 0)
        weft__host_close(acceptor->reserve);
    acceptor->reserve = -EBADF;
}

/* -- arming --------------------------------------------------------------------------------- */

static void back_off(struct weft__acceptor *acceptor)
{
    struct weft__reactor *reactor = acceptor->io->reactor;

    acceptor->io->accepts_starved += acceptor->starved;
    weft__timer_arm(&reactor->timers, &acceptor->timer,
                    weft__host_now() + (int64_t)acceptor->backoff_ms * 1000000);
    WEFT__COUNT(reactor, timers_armed);
    WEFT__COUNT(reactor, accept_backoffs);
    acceptor->backoff_ms *= 2;
    if (acceptor->backoff_ms > WEFT__ACCEPT_BACKOFF_MAX_MS)
        acceptor->backoff_ms = WEFT__ACCEPT_BACKOFF_MAX_MS;
}

/* Before the timer, or as it fires: then it is not armed any more. */
static void end_back_off(struct weft__acceptor *acceptor)
{
    weft__timer_disarm(&acceptor->io->reactor->timers, &acceptor->timer);
    acceptor->io->accepts_starved -= acceptor->starved;
}

static void wake_taker(struct weft__acceptor *acceptor)
{
    if (acceptor->taker && (weft__acceptor_waiting(acceptor) > 0 || acceptor->error < 0))
        weft__wake_now(acceptor->io->reactor, acceptor->taker);
}

/* Closed behind us, and its number given to another since. */
static bool is_anothers(const struct weft__acceptor *acceptor)
{
    return weft__fd_word_of(acceptor->record) != acceptor->owner;
}

/* That one is asked nothing. */
static bool is_lost(struct weft__acceptor *acceptor)
{
    if (!is_anothers(acceptor))
        return false;
    acceptor->error = -EBADF;
    wake_taker(acceptor);
    return true;
}

static void completed(struct weft__op *op, int32_t result, uint32_t flags);

static void arm(struct weft__acceptor *acceptor)
{
    struct weft__reactor *reactor = acceptor->io->reactor;
    struct weft__sqe *sqe;
    bool many;

    if (weft__op_in_flight(&acceptor->op) || weft__timer_armed(&acceptor->timer) ||
        acceptor->error < 0 || is_lost(acceptor))
        return;
    if (acceptor->turns_away && acceptor->reserve < 0) /* before there is a connection for it */
        acceptor->reserve = open_reserve();
    sqe = weft__op_begin(reactor, &acceptor->op);
    if (!sqe) {
        back_off(acceptor);
        return;
    }
    many = reactor->ring.features & WEFT__FEATURE_ACCEPT_MULTISHOT &&
           weft__acceptor_waiting(acceptor) == 0;
    acceptor->op.complete = completed;
    weft__request_accept(sqe, acceptor->fd, SOCK_CLOEXEC, many);
    sqe->user_data = acceptor->op.id;
}

static void timer_fired(struct weft__timer *timer)
{
    struct weft__acceptor *acceptor =
        (struct weft__acceptor *)((char *)timer - offsetof(struct weft__acceptor, timer));

    end_back_off(acceptor);
    arm(acceptor);
}

void weft__accept_again(struct weft__io *io)
{
    for (struct weft__acceptor *acceptor = io->acceptors; acceptor; acceptor = acceptor->next)
        if (acceptor->starved && weft__timer_armed(&acceptor->timer)) {
            end_back_off(acceptor);
            arm(acceptor);
        }
}

/* -- completions ---------------------------------------------------------------------------- */

static void accepted(struct weft__acceptor *acceptor, int connection)
{
    acceptor->backoff_ms = WEFT__ACCEPT_BACKOFF_MIN_MS;
    acceptor->failures = 0;
    acceptor->starved = false;
    push(acceptor, connection);
}

/* Whose fault it is decides: the listener's own is final; want of descriptors or memory passes; the
   rest befell one connection. */
static void refused(struct weft__acceptor *acceptor, int32_t error)
{
    acceptor->starved = error == -EMFILE || error == -ENFILE;
    switch (error) {
    case -EBADF:
    case -EINVAL:
    case -ENOTSOCK:
    case -EOPNOTSUPP:
        acceptor->error = error == -EOPNOTSUPP ? -EINVAL : error;
        return;
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM:
    case -ENOBUFS:
        acceptor->failures = FAILURES_AT_ONCE;
        break;
    default:
        if (weft__result_is_cancel(error)) /* paused, or closing */
            return;
        acceptor->failures++;
    }
    WEFT__COUNT(acceptor->io->reactor, accept_errors);
}

static void wake_closer(struct weft__acceptor *acceptor)
{
    if (acceptor->closer)
        weft__wake_now(acceptor->io->reactor, acceptor->closer);
}

static void destroy(struct weft__acceptor *acceptor);
static void watch(struct weft__acceptor *acceptor);

/* What to do once nothing is armed. */
static void settle(struct weft__acceptor *acceptor)
{
    if (acceptor->stopping)
        destroy(acceptor);
    else if (acceptor->error < 0)
        wake_closer(acceptor);
    else if (acceptor->starved && acceptor->turns_away)
        watch(acceptor);
    else if (acceptor->failures >= FAILURES_AT_ONCE)
        back_off(acceptor);
    else if (weft__acceptor_waiting(acceptor) < waiting_max())
        arm(acceptor);
}

static void completed(struct weft__op *op, int32_t result, uint32_t flags)
{
    struct weft__acceptor *acceptor = (struct weft__acceptor *)op;
    int connection = weft__host_fd_lift(result);

    _Static_assert(offsetof(struct weft__acceptor, op) == 0, "cast above");
    if (connection >= 0)
        accepted(acceptor, connection);
    else
        refused(acceptor, connection);
    wake_taker(acceptor);
    if (!(flags & WEFT__CQE_MORE))
        settle(acceptor);
    else if (weft__acceptor_waiting(acceptor) >= waiting_max())
        weft__op_cancel(acceptor->io->reactor, op);
}

/* -- turning away --------------------------------------------------------------------------- */

/* One was accepted in the reserve's place, unless somebody else took that. */
static void turned_away(struct weft__op *op, int32_t result, uint32_t flags)
{
    struct weft__acceptor *acceptor = (struct weft__acceptor *)op;
    int connection = weft__host_fd_lift(result);

    (void)flags;
    acceptor->reserve = open_reserve();
    if (connection < 0) {
        refused(acceptor, connection);
    } else if (acceptor->reserve >= 0) {
        accepted(acceptor, connection);
    } else {
        weft__fd_discard(acceptor->io, connection);
        WEFT__COUNT(acceptor->io->reactor, accepts_turned_away);
        acceptor->reserve = open_reserve();
    }
    wake_taker(acceptor);
    settle(acceptor);
}

static void turn_away(struct weft__acceptor *acceptor)
{
    struct weft__sqe *sqe;

    if (is_lost(acceptor))
        return;
    sqe = weft__op_begin(acceptor->io->reactor, &acceptor->op);
    if (!sqe) {
        back_off(acceptor);
        return;
    }
    close_reserve(acceptor);
    acceptor->op.complete = turned_away;
    weft__request_accept(sqe, acceptor->fd, SOCK_CLOEXEC, false);
    sqe->user_data = acceptor->op.id;
}

static void somebody_waits(struct weft__op *op, int32_t result, uint32_t flags)
{
    struct weft__acceptor *acceptor = (struct weft__acceptor *)op;

    (void)flags;
    if (result >= 0 && acceptor->error == 0) {
        turn_away(acceptor);
        return;
    }
    if (result < 0)
        refused(acceptor, result);
    wake_taker(acceptor);
    settle(acceptor);
}

static void watch(struct weft__acceptor *acceptor)
{
    struct weft__sqe *sqe = NULL;

    if (is_lost(acceptor))
        return;
    if (acceptor->reserve >= 0)
        sqe = weft__op_begin(acceptor->io->reactor, &acceptor->op);
    if (!sqe) {
        back_off(acceptor);
        return;
    }
    acceptor->op.complete = somebody_waits;
    weft__request_poll(sqe, acceptor->fd, WEFT__POLL_IN, false);
    sqe->user_data = acceptor->op.id;
}

/* -- beginning and end ---------------------------------------------------------------------- */

static struct weft__acceptor *create(struct weft__io *io, int fd, struct weft__fd *record)
{
    struct weft__acceptor *acceptor = weft__calloc(1, sizeof *acceptor);
    int *queue = weft__alloc(waiting_max() * sizeof *queue);

    if (!acceptor || !queue) {
        weft__free(acceptor);
        weft__free(queue);
        return NULL;
    }
    acceptor->timer.fire = timer_fired;
    acceptor->reserve = -EBADF;
    acceptor->io = io;
    acceptor->record = record;
    acceptor->queue = queue;
    acceptor->mask = waiting_max() - 1;
    acceptor->fd = fd;
    acceptor->owner = weft__fd_word_of(record);
    acceptor->backoff_ms = WEFT__ACCEPT_BACKOFF_MIN_MS;
    acceptor->next = io->acceptors;
    acceptor->link = &io->acceptors;
    if (acceptor->next)
        acceptor->next->link = &acceptor->next;
    io->acceptors = acceptor;
    record->acceptor = acceptor;
    record->sides[WEFT__READER] = &acceptor->op;
    /* connections inherit it; on a Unix socket it fails and does no harm */
    if (!(record->flags & WEFT__FD_NAGLE))
        weft__host_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return acceptor;
}

int weft__acceptor_with_reserve(struct weft__io *io, int fd)
{
    struct weft__acceptor *acceptor;
    struct weft__fd *record;
    int32_t reserve;
    int error = weft__fd_find(io, fd, &record);

    if (error < 0)
        return error;
    reserve = open_reserve();
    if (reserve < 0)
        return reserve;
    acceptor = create(io, fd, record);
    if (!acceptor) {
        weft__host_close(reserve);
        return -ENOMEM;
    }
    acceptor->turns_away = true;
    acceptor->reserve = reserve;
    return 0;
}

static void destroy(struct weft__acceptor *acceptor)
{
    struct weft__fd *record = acceptor->record;

    close_reserve(acceptor);
    while (acceptor->head != acceptor->tail)
        weft__fd_discard(acceptor->io, acceptor->queue[acceptor->head++ & acceptor->mask]);
    *acceptor->link = acceptor->next;
    if (acceptor->next)
        acceptor->next->link = acceptor->link;
    if (record->acceptor == acceptor) {
        record->acceptor = NULL;
        record->sides[WEFT__READER] = NULL;
    }
    weft__free(acceptor->queue);
    weft__free(acceptor);
}

static void end(struct weft__acceptor *acceptor)
{
    struct weft__reactor *reactor = acceptor->io->reactor;

    acceptor->error = -ECANCELED;
    if (weft__timer_armed(&acceptor->timer))
        end_back_off(acceptor);
    weft__op_cancel(reactor, &acceptor->op);
}

static void end_and_wait(struct weft__task *self, struct weft__acceptor *acceptor)
{
    struct weft__wait wait = {.what = "close", .fd = acceptor->fd};

    end(acceptor);
    if (acceptor->taker)
        weft__wake_now(self->reactor, acceptor->taker);
    acceptor->closer = &wait;
    while (weft__op_in_flight(&acceptor->op) || acceptor->taker)
        weft__wait_for_wake(self, &wait, false);
    acceptor->closer = NULL;
}

void weft__acceptor_close(struct weft__task *self, struct weft__acceptor *acceptor)
{
    end_and_wait(self, acceptor);
    destroy(acceptor);
}

void weft__acceptor_stop(struct weft__acceptor *acceptor)
{
    end(acceptor);
    acceptor->stopping = true;
    if (!weft__op_in_flight(&acceptor->op))
        destroy(acceptor);
}

/* Who waits may have what comes to it yet; nobody else ever finds it again. */
void weft__acceptor_lose(struct weft__acceptor *acceptor)
{
    if (!acceptor->taker && !acceptor->closer)
        weft__acceptor_stop(acceptor);
}

/* -- taking --------------------------------------------------------------------------------- */

static int find(struct weft__task *self, int fd, struct weft__acceptor **acceptor)
{
    struct weft__io *io = weft__io_of(self->reactor);
    struct weft__fd *record;
    int error = weft__fd_find(io, fd, &record);

    if (error < 0)
        return error;
    if (record->acceptor) {
        *acceptor = record->acceptor;
        return record->acceptor->taker ? weft__fd_refuse(record) : 0;
    }
    if (record->sides[WEFT__READER])
        return weft__fd_refuse(record);
    *acceptor = create(io, fd, record);
    return *acceptor ? 0 : -ENOMEM;
}

/* The listener's own error. The acceptor goes, unless who closes it waits and will see to that. */
static int give_up(struct weft__acceptor *acceptor)
{
    struct weft__io *io = acceptor->io;
    uint64_t owner = acceptor->owner;
    int fd = acceptor->fd, error = acceptor->error;

    if (acceptor->closer)
        return error;
    destroy(acceptor);
    if (error == -EBADF)
        weft__fd_forget_lost(io, fd, owner);
    return error;
}

/* Nobody waits any more. True: it was lost meanwhile, and is gone. */
static bool leave(struct weft__acceptor *acceptor)
{
    bool lost = is_anothers(acceptor);

    if (lost)
        weft__acceptor_lose(acceptor);
    return lost;
}

static int wait_once(struct weft__task *self, struct weft__acceptor *acceptor)
{
    struct weft__wait wait = {.what = "accept", .fd = acceptor->fd, .idle = true};
    int error;

    arm(acceptor);
    if (acceptor->error < 0)
        return 0;
    acceptor->taker = &wait;
    error = weft__wait_for_wake(self, &wait, true);
    acceptor->taker = NULL;
    wake_closer(acceptor);
    if (error < 0)
        (void)leave(acceptor);
    return error;
}

static int wait_for_one(struct weft__task *self, struct weft__acceptor *acceptor)
{
    while (weft__acceptor_waiting(acceptor) == 0) {
        int error;

        if (acceptor->error < 0)
            return weft__task_pass_on(self, give_up(acceptor));
        if (self->draining)
            return weft__task_refuse_idle(self);
        error = wait_once(self, acceptor);
        if (error < 0)
            return error;
    }
    return 0;
}

/* Makes the connection what the caller asked for. An error is the connection's own. */
static int dress(struct weft__io *io, int connection, struct sockaddr *address, socklen_t *length,
                 int flags)
{
    int error = 0;

    if (address)
        error = weft__host_getpeername(connection, address, length);
    if (error == 0 && flags & SOCK_NONBLOCK)
        error = weft__host_fcntl(connection, F_SETFL, O_RDWR | O_NONBLOCK);
    if (error < 0)
        weft__fd_discard(io, connection);
    return error < 0 ? error : weft__fd_adopt(io, connection);
}

int weft_accept(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    struct weft__acceptor *acceptor = NULL;
    struct weft__task *self;
    int connection, error = weft__enter(&self);
    bool lost;

    if (error < 0)
        return error;
    if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC | WEFT_IDLE) || (address && !length))
        return weft__misuse(-EINVAL, "flags out of range, or an address without a length");
    error = find(self, fd, &acceptor);
    if (error < 0)
        return error;
    for (;;) {
        error = wait_for_one(self, acceptor);
        if (error < 0)
            return error;
        connection = pop(acceptor);
        lost = leave(acceptor);
        if (dress(weft__io_of(self->reactor), connection, address, length, flags) == 0)
            break;
        WEFT__COUNT(self->reactor, accept_errors);
        if (lost)
            return -EBADF;
    }
    weft__fd_note_connected(&weft__io_of(self->reactor)->fds[connection]);
    weft__reactor_spend(self->reactor);
    return connection;
}

/* Of those who wait at a listener the kernel wakes one for each connection. When that was our
   request, and the cancellation came first, nobody else is told of it: so who leaves looks once
   more. */
static void take_once_more(struct weft__task *self, struct weft__acceptor *acceptor)
{
    acceptor->error = 0;
    arm(acceptor);
    end_and_wait(self, acceptor);
}

int weft__accept_rest(struct weft__task *self, int fd)
{
    struct weft__io *io = weft__io_of(self->reactor);
    struct weft__acceptor *acceptor = io->fds[fd].acceptor;

    if (!acceptor)
        return -EAGAIN;
    end_and_wait(self, acceptor);
    for (int i = 0;
         i < LOOKS && weft__acceptor_waiting(acceptor) == 0 && weft__host_is_readable(fd); i++)
        take_once_more(self, acceptor);
    while (weft__acceptor_waiting(acceptor) > 0) {
        int connection = pop(acceptor);
        if (weft__fd_adopt(io, connection) == 0)
            return connection;
    }
    return -EAGAIN;
}

int weft_accept_until(int fd, struct sockaddr *address, socklen_t *length, int flags,
                      int64_t deadline)
{
    struct weft__until until;
    int error = weft__until_open(&until, deadline);

    if (error < 0)
        return error;
    return (int)weft__until_close(&until, weft_accept(fd, address, length, flags));
}
