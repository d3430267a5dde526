/*
 * sim/bell.c - bells of simulated rings: an eventfd under a poll that stays armed, or a MSG_RING.
 *
 * weft__bell_ring only counts, in a table by number of the descriptor, with one atomic addition: so
 * it may be called in a signal handler, and by threads outside of the simulated world. The driver
 * looks at the count before it decides anything, and only there it becomes a write.
 */
#include <errno.h>
#include <stdatomic.h>

#include "ring/host.h"
#include "ring/request.h"
#include "sim/eventfd.h"
#include "sim/ring_core.h"

enum { NUMBERS = 65536 };
#define SETTLE_NS INT64_C(1000000000)
#define SETTLE_STEP_NS INT64_C(1000000)

struct weft__sim_bell {
    struct weft__sim_bell *next;
    struct weft__sim_file *file; /* with a reference */
    int fd;
};

/* Rings not yet heard, by descriptor; and how many rings there ever were, in this process. */
static _Atomic(uint32_t) rung[NUMBERS];
static _Atomic(uint32_t) rung_ever;

void weft__sim_hear_bells(struct weft__sim *sim)
{
    uint32_t ever = atomic_load_explicit(&rung_ever, memory_order_acquire);

    if (ever == sim->bells_seen)
        return;
    sim->bells_seen = ever;
    for (struct weft__sim_bell *bell = sim->bells; bell; bell = bell->next) {
        uint32_t count = atomic_exchange_explicit(&rung[bell->fd], 0, memory_order_relaxed);
        if (count > 0)
            (void)weft__sim_eventfd_add(sim, bell->file, count);
    }
}

void weft__bell_ring(struct weft__bell *bell)
{
    if (bell->eventfd < 0)
        weft__sim_end(weft__sim_here(), -EBADF, "a bell was rung that is closed already");
    atomic_fetch_add_explicit(&rung[bell->eventfd], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&rung_ever, 1, memory_order_release); /* with hear's acquire */
}

int weft__bell_rearm(struct weft__bell *bell, struct weft__ring *ring)
{
    struct weft__sqe *sqe = weft__ring_take(ring);

    if (!sqe)
        return -EAGAIN;
    weft__request_poll(sqe, bell->eventfd, WEFT__POLL_IN, true);
    sqe->user_data = bell->token;
    return 0;
}

static void hang_up(struct weft__sim *sim, int fd, struct weft__sim_file *file)
{
    struct weft__sim_bell *bell = weft__sim_alloc(sizeof *bell);

    weft__sim_file_keep(file);
    atomic_store_explicit(&rung[fd], 0, memory_order_relaxed);
    *bell = (struct weft__sim_bell){.next = sim->bells, .file = file, .fd = fd};
    sim->bells = bell;
}

static struct weft__sim_bell **find(struct weft__sim *sim, int fd)
{
    struct weft__sim_bell **link = &sim->bells;

    while (*link && (*link)->fd != fd)
        link = &(*link)->next;
    return link;
}

static void take_down(struct weft__sim *sim, struct weft__sim_bell **link)
{
    struct weft__sim_bell *bell = *link;

    *link = bell->next;
    weft__sim_file_drop(sim, bell->file);
    weft__sim_free(bell);
}

void weft__sim_bells_end(struct weft__sim *sim)
{
    while (sim->bells)
        take_down(sim, &sim->bells);
}

/* The ring's file under a number of the bell's own. */
static int copy_of_ring(struct weft__sim *sim, const struct weft__ring *ring)
{
    struct weft__sim_file *file = weft__sim_ring_of(ring)->file;

    weft__sim_file_keep(file);
    return weft__sim_fd_install(sim, file);
}

int weft__bell_open(struct weft__bell *bell, struct weft__ring *ring, uint64_t token)
{
    static const int errors[] = {-EMFILE, -ENFILE, -ENOMEM};
    struct weft__sim *sim = weft__sim_here();
    const struct weft__sim_dice *dice = &weft__sim_ring_of(ring)->dice;
    struct weft__sim_file *file;
    int fd, error;

    *bell = (struct weft__bell){.eventfd = -1, .ring_fd = -1, .token = token};
    if (weft__sim_chance(sim, dice, WEFT__SIM_BELL_OPEN))
        return errors[weft__sim_pick(sim, dice, WEFT__SIM_BELL_OPEN, 3)];
    file = weft__sim_eventfd(sim, 0);
    fd = weft__sim_fd_install(sim, file);
    if (fd < 0)
        return fd;
    if (fd >= NUMBERS) {
        weft__sim_fd_close(sim, fd);
        return -EMFILE;
    }
    hang_up(sim, fd, file);
    bell->eventfd = fd;
    if (ring->features & WEFT__FEATURE_MSG_RING &&
        !weft__sim_chance(sim, dice, WEFT__SIM_BELL_COPY))
        bell->ring_fd = copy_of_ring(sim, ring);
    error = weft__bell_rearm(bell, ring);
    if (error < 0)
        weft__bell_close(bell);
    return error;
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
    struct weft__sim *sim = weft__sim_here();
    struct weft__sim_bell *mine = *find(sim, bell->eventfd);
    int64_t give_up_ns = sim->now_ns + SETTLE_NS;
    uint64_t total;

    weft__sim_hear_bells(sim);
    total = weft__sim_eventfd_take(sim, mine->file);
    while (total < count && sim->now_ns < give_up_ns) {
        weft__sim_park_until(sim, "a bell that is known to ring", mine->file->serial,
                             sim->now_ns + SETTLE_STEP_NS);
        total += weft__sim_eventfd_take(sim, mine->file);
    }
    return total >= count;
}

/* No loop of another kind runs in a simulated world. */
int weft__bell_signal(struct weft__bell *bell, struct weft__ring *ring)
{
    (void)bell;
    (void)ring;
    return -ENOTSUP;
}

void weft__bell_signal_seen(struct weft__bell *bell)
{
    (void)bell;
}

void weft__bell_close(struct weft__bell *bell)
{
    struct weft__sim *sim = weft__sim_here();

    if (bell->ring_fd >= 0)
        (void)weft__sim_fd_close(sim, bell->ring_fd);
    if (bell->eventfd >= 0) {
        take_down(sim, find(sim, bell->eventfd));
        (void)weft__sim_fd_close(sim, bell->eventfd);
    }
    bell->ring_fd = bell->eventfd = -1;
}
