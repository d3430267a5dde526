/*
 * ring/uring_enter.c - the one system call of the hot path.
 *
 * Owner and only caller: the ring's thread. What always holds: the queue's tail is published here
 * and nowhere else, and here is learnt what the kernel has consumed; liburing's own queue functions
 * are never used, because with NO_SQARRAY those of 2.3 would write an array that is not there.
 */
#include "base/annotate.h"
#include "ring/host.h"
#include "ring/uring.h"

#include <errno.h>

enum { NS_PER_S = 1000000000 };

/* A time limit in the form the kernel takes it. */
struct limit {
    struct __kernel_timespec time;
    struct io_uring_getevents_arg argument;
};

static bool overflown(const struct weft__ring *ring)
{
    return __atomic_load_n(ring->kernel_flags, __ATOMIC_RELAXED) & WEFT__SQ_CQ_OVERFLOW;
}

/* One io_uring_enter. The kernel's head, and not the result, says what was consumed: a result can
   be an error although requests went through. */
static int call(struct weft__ring *ring, uint32_t submit, uint32_t wait_count, uint32_t flags,
                struct io_uring_getevents_arg *argument)
{
    struct weft__uring *state = weft__uring_of(ring);
    weft__tsan_release(ring->sqes);
    int result = io_uring_enter2(state->uring.enter_ring_fd, submit, wait_count, flags,
                                 (sigset_t *)argument, argument ? sizeof *argument : 0);
    /* acquire: the slots below the head are free only once the kernel has read them */
    uint32_t head = __atomic_load_n(state->sq_head, __ATOMIC_ACQUIRE);
    ring->counts.enters++;
    ring->counts.sqes += head - ring->sq_submitted;
    ring->sq_submitted = head;
    return result;
}

static void publish(struct weft__ring *ring)
{
    /* release: the requests must be seen before the tail that covers them */
    __atomic_store_n(weft__uring_of(ring)->sq_tail, ring->sq_tail, __ATOMIC_RELEASE);
}

/* Errors that only say "look again" are none. */
static int plain(int result)
{
    return result >= 0 || result == -EINTR || result == -ETIME ? 0 : result;
}

/* Submits all, calling again while the kernel takes some of it; it waits only once all is taken. */
static int submit_all(struct weft__ring *ring, uint32_t wait_count, uint32_t flags,
                      struct io_uring_getevents_arg *argument)
{
    publish(ring);
    for (;;) {
        uint32_t queued = weft__ring_queued(ring);
        int result = call(ring, queued, wait_count, flags, argument);
        uint32_t left = weft__ring_queued(ring);
        if (left == 0)
            return plain(result);
        if (left == queued)
            return result < 0 ? plain(result) : -EAGAIN;
    }
}

/*
 * The kernel keeps completions that found no room on a list of its own, and moves them into the
 * queue when entered with room there. Nothing is submitted along with that: fresh completions would
 * take the room, and the kept ones starve.
 */
static int flush_overflow(struct weft__ring *ring)
{
    ring->counts.overflows++;
    return plain(call(ring, 0, 0, weft__uring_of(ring)->enter_flags, NULL));
}

/* Puts the deadline into `limit`; false when it has passed already. */
static bool limit_set(struct limit *limit, const struct weft__ring *ring, int64_t deadline_ns)
{
    int64_t time = deadline_ns < 0 ? 0 : deadline_ns; /* and so no difference overflows */
    if (!(ring->features & WEFT__FEATURE_ABS_TIMER)) {
        time -= weft__host_now();
        if (time <= 0)
            return false;
    }
    limit->time = (struct __kernel_timespec){.tv_sec = time / NS_PER_S, .tv_nsec = time % NS_PER_S};
    limit->argument = (struct io_uring_getevents_arg){.ts = (uint64_t)(uintptr_t)&limit->time};
    return true;
}

int weft__ring_enter(struct weft__ring *ring, uint32_t wait_count, int64_t deadline_ns)
{
    struct weft__uring *state = weft__uring_of(ring);
    uint32_t flags = state->enter_flags;
    if (wait_count == 0 && weft__ring_queued(ring) == 0 && state->may_skip &&
        !weft__ring_pending(ring))
        return 0;
    if (overflown(ring)) {
        int error = flush_overflow(ring);
        if (error < 0 || overflown(ring))
            return error < 0 ? error : weft__ring_queued(ring) > 0 ? -EBUSY : 0;
    }
    if (wait_count == 0)
        return submit_all(ring, 0, flags, NULL);

    if (WEFT__SLEEP_MAX_NS > 0) {
        int64_t latest = weft__host_now() + WEFT__SLEEP_MAX_NS;
        deadline_ns = deadline_ns < latest ? deadline_ns : latest;
    }
    ring->counts.enters_waiting++;
    if (deadline_ns == INT64_MAX)
        return submit_all(ring, wait_count, flags, NULL);
    struct limit limit;
    if (!limit_set(&limit, ring, deadline_ns))
        return submit_all(ring, 0, flags, NULL);
    return submit_all(ring, wait_count, flags | state->timed_flags, &limit.argument);
}

struct weft__sqe *weft__ring_take_slow(struct weft__ring *ring)
{
    uint32_t flags = weft__uring_of(ring)->enter_flags & ~(uint32_t)IORING_ENTER_GETEVENTS;
    ring->counts.sq_full++;
    publish(ring);
    /* No GETEVENTS: it would bring completions while the caller is in the middle of something. */
    call(ring, weft__ring_queued(ring), 0, flags & IORING_ENTER_REGISTERED_RING, NULL);
    if (weft__ring_queued(ring) == ring->sq_entries)
        return NULL;
    return &ring->sqes[ring->sq_tail++ & ring->sq_mask];
}
