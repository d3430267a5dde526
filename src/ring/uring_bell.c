/*
 * ring/uring_bell.c - waking a reactor that sleeps in its ring.
 *
 * Two ways lead to the same completion. An eventfd under an armed poll works from any thread and in
 * a signal handler. A MSG_RING request rides along with the sender's own next enter.
 *
 * weft__bell_open and _rearm belong to the thread of the ring to be woken; the others are for any
 * thread. What always holds: the eventfd is never read. The poll is edge-triggered, so that each
 * write to a sleeper makes one completion, and writes that meet an awake one melt into one.
 */
#include "ring/host.h"
#include "ring/request.h"
#include "ring/uring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

int weft__bell_rearm(struct weft__bell *bell, struct weft__ring *ring)
{
    struct weft__sqe *sqe = weft__ring_take(ring);
    if (!sqe)
        return -EAGAIN;
    weft__request_poll(sqe, bell->eventfd, WEFT__POLL_IN, true);
    sqe->user_data = bell->token;
    return 0;
}

int weft__bell_open(struct weft__bell *bell, struct weft__ring *ring, uint64_t token)
{
    *bell = (struct weft__bell){.eventfd = -1, .ring_fd = -1, .token = token};
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    fd = weft__host_fd_lift(fd < 0 ? -errno : fd);
    if (fd < 0)
        return fd;
    bell->eventfd = fd;
    /* A descriptor of the bell's own: the ring may close first, and its number must not come to
       mean another ring while somebody still holds a request with it. Without one there is the
       eventfd. */
    if (ring->features & WEFT__FEATURE_MSG_RING)
        bell->ring_fd = fcntl(ring->fd, F_DUPFD_CLOEXEC, 3);
    int error = weft__bell_rearm(bell, ring);
    if (error < 0)
        weft__bell_close(bell);
    return error;
}

/* EAGAIN: the counter is full, so it has been rung. An open eventfd gives no other error. */
static void add_one(int fd)
{
    const uint64_t one = 1;

    while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
}

void weft__bell_ring(struct weft__bell *bell)
{
    int saved = errno, signal_fd = __atomic_load_n(&bell->signal_fd, __ATOMIC_ACQUIRE);

    /* The signal first: once all have been heard that ring the bell itself, both may be closed. */
    if (signal_fd > 0)
        add_one(signal_fd);
    add_one(bell->eventfd);
    errno = saved;
}

/*
 * The kernel writes the ring's registered eventfd whenever a completion comes up, or is about to
 * with the next enter; polling the ring's own descriptor would never wake, with DEFER_TASKRUN. But
 * for a completion caused by a write to another eventfd, which is how bells ring, it does so once
 * in a ring's life: it puts that signal off, marks that it did, and never takes the mark away (6.11
 * at least to 6.18, io_uring/eventfd.c). Hence who rings writes it as well.
 */
int weft__bell_signal(struct weft__bell *bell, struct weft__ring *ring)
{
    int fd, error;

    if (bell->signal_fd > 0)
        return bell->signal_fd;
    fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC); /* what is there already has not been seen */
    fd = weft__host_fd_lift(fd < 0 ? -errno : fd);
    if (fd < 0)
        return fd;
    error = io_uring_register_eventfd(&weft__uring_of(ring)->uring, fd);
    if (error < 0) {
        close(fd);
        return error;
    }
    __atomic_store_n(&bell->signal_fd, fd, __ATOMIC_RELEASE);
    /* release: whoever finds us asleep from now on finds it, too. Pairs with the load above. */
    __atomic_thread_fence(__ATOMIC_RELEASE);
    return fd;
}

void weft__bell_signal_seen(struct weft__bell *bell)
{
    uint64_t count;
    int saved = errno;

    /* an empty one answers EAGAIN */
    while (bell->signal_fd > 0 && read(bell->signal_fd, &count, sizeof count) < 0 && errno == EINTR)
        continue;
    errno = saved;
}

bool weft__bell_prepare(const struct weft__bell *bell, const struct weft__ring *from,
                        struct weft__sqe *sqe)
{
    if (!(from->features & WEFT__FEATURE_MSG_RING) || bell->ring_fd < 0)
        return false;
    weft__request_ring(sqe, bell->ring_fd, bell->token);
    return true;
}

bool weft__bell_settle(struct weft__bell *bell, uint64_t count)
{
    struct pollfd poll_fd = {.fd = bell->eventfd, .events = POLLIN};
    uint64_t rung, total = 0;

    while (total < count) {
        if (read(bell->eventfd, &rung, sizeof rung) == (ssize_t)sizeof rung)
            total += rung;
        else if (errno != EINTR && poll(&poll_fd, 1, 1000) == 0)
            return false;
    }
    return true;
}

void weft__bell_close(struct weft__bell *bell)
{
    if (bell->ring_fd >= 0)
        close(bell->ring_fd);
    if (bell->eventfd >= 0)
        close(bell->eventfd);
    if (bell->signal_fd > 0)
        close(bell->signal_fd);
    bell->signal_fd = 0;
    bell->ring_fd = bell->eventfd = -1;
}
