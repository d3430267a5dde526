/*
 * ring/uring_open.c - setting the real ring up, finding out what it can do, taking it down.
 *
 * Owner and only caller: the thread that will use the ring. What always holds: the floor is a ring
 * with SINGLE_ISSUER and DEFER_TASKRUN (Linux 6.1); everything newer was tried here, not assumed; a
 * ring that failed to open holds nothing.
 */
#include "base/annotate.h"
#include "base/memory.h"
#include "ring/host.h"
#include "ring/uring.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    SQ_ENTRIES_DEFAULT = 256,
    CQ_FACTOR = 4, /* completions may come in bursts (multishots), and there is no back-pressure */
    WORKERS_BOUNDED = 8,
    WORKERS_UNBOUNDED = 64, /* left to itself the kernel allows tens of thousands */
    PROBE_OPS = 256,
};

#define FLAGS_FLOOR                                                                                \
    (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |           \
     IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE)

static uint32_t cq_size(const struct weft__ring_opt *opt, uint32_t sq_entries)
{
    uint32_t entries = opt->cq_entries ? opt->cq_entries : sq_entries * CQ_FACTOR;
    return entries < sq_entries ? sq_entries : entries;
}

/* The ladder of set-up flags: the descriptor, or the error of its lowest rung. */
static int set_up(const struct weft__ring_opt *opt, uint32_t wanted, struct io_uring_params *params)
{
    uint32_t sq_entries = opt->sq_entries ? opt->sq_entries : SQ_ENTRIES_DEFAULT;
    uint32_t flags = FLAGS_FLOOR;
    if (wanted & WEFT__FEATURE_TASKRUN_FLAG)
        flags |= IORING_SETUP_TASKRUN_FLAG;
    const uint32_t rungs[] = {flags | IORING_SETUP_NO_SQARRAY, flags};

    int fd = -EINVAL;
    for (size_t i = wanted & WEFT__FEATURE_NO_SQARRAY ? 0 : 1; i < 2 && fd == -EINVAL; i++) {
        *params =
            (struct io_uring_params){.flags = rungs[i], .cq_entries = cq_size(opt, sq_entries)};
        fd = io_uring_setup(sq_entries, params);
    }
    return fd;
}

/* Descriptor, mappings and nothing else. On failure nothing is left. */
static int map_queues(struct weft__uring *state, const struct weft__ring_opt *opt, uint32_t wanted)
{
    struct io_uring_params params;
    int fd = weft__host_fd_lift(set_up(opt, wanted, &params)); /* io_uring_setup makes it CLOEXEC */
    if (fd < 0)
        return fd;
    int error = io_uring_queue_mmap(fd, &params, &state->uring);
    if (error < 0) {
        close(fd);
        return error;
    }
    state->uring.features = params.features;
    state->uring.flags = params.flags;
    return 0;
}

/* Fills in the part of the ring that the inline functions of ring.h work on. */
static void show_queues(struct weft__ring *ring, struct weft__uring *state)
{
    struct io_uring *uring = &state->uring;
    uint32_t sq_entries = *uring->sq.kring_entries;
    uint32_t cq_entries = *uring->cq.kring_entries;
    _Static_assert(sizeof(struct weft__sqe) == sizeof(struct io_uring_sqe), "same layout");
    _Static_assert(sizeof(struct weft__cqe) == sizeof(struct io_uring_cqe), "same layout");

    *ring = (struct weft__ring){.sqes = (struct weft__sqe *)uring->sq.sqes,
                                .sq_mask = sq_entries - 1,
                                .sq_entries = sq_entries,
                                .cqes = (const struct weft__cqe *)uring->cq.cqes,
                                .cq_mask = cq_entries - 1,
                                .cq_entries = cq_entries,
                                .cq_head = uring->cq.khead,
                                .cq_tail = uring->cq.ktail,
                                .kernel_flags = uring->sq.kflags,
                                .fd = uring->ring_fd,
                                .state = state};
    state->sq_tail = uring->sq.ktail;
    state->sq_head = uring->sq.khead;
    /* Without NO_SQARRAY requests go through an array of indices; ours go in order, so it is filled
       once. With NO_SQARRAY there is no array, and its pointer leads into the queue's head. */
    if (!(uring->flags & IORING_SETUP_NO_SQARRAY))
        for (uint32_t i = 0; i < sq_entries; i++)
            uring->sq.array[i] = i;
}

/* Whether this kernel knows the opcode. */
static bool has_opcode(struct io_uring *uring, unsigned opcode)
{
    union {
        struct io_uring_probe probe; /* ends in an array of what follows */
        unsigned char
            room[sizeof(struct io_uring_probe) + PROBE_OPS * sizeof(struct io_uring_probe_op)];
    } answer;
    memset(&answer, 0, sizeof answer);
    if (io_uring_register_probe(uring, &answer.probe, PROBE_OPS) < 0)
        return false;
    return opcode < answer.probe.ops_len &&
           (answer.probe.ops[opcode].flags & IO_URING_OP_SUPPORTED);
}

/* Absolute deadlines have no feature bit: an enter that carries the flag is refused or not. */
static bool has_abs_timer(const struct weft__uring *state)
{
    struct io_uring_getevents_arg argument = {0};
    uint32_t flags = state->enter_flags | IORING_ENTER_EXT_ARG | IORING_ENTER_ABS_TIMER;
    return io_uring_enter2(state->uring.enter_ring_fd, 0, 0, flags, (sigset_t *)&argument,
                           sizeof argument) == 0;
}

static bool has_buffer_ring(struct weft__ring *ring)
{
    struct weft__buffer_ring trial;
    if (weft__buffer_ring_open(ring, &trial, 0, 1) < 0)
        return false;
    weft__buffer_ring_close(ring, &trial);
    return true;
}

/* Collects what a message to oneself leads to: its own answer, and the message. */
enum { ANSWER = 1, MESSAGE = 2, PROBE_NS = 100000000 };
struct echo {
    bool answered, failed, arrived;
};

static void collect(struct weft__ring *ring, struct echo *echo)
{
    uint32_t head;
    for (uint32_t ready = weft__ring_ready(ring, &head); ready > 0; ready--, head++) {
        const struct weft__cqe *cqe = &ring->cqes[head & ring->cq_mask];
        echo->answered |= cqe->user_data == ANSWER;
        echo->failed |= cqe->user_data == ANSWER && cqe->result < 0;
        echo->arrived |= cqe->user_data == MESSAGE && (cqe->flags & WEFT__CQE_MORE);
    }
    weft__ring_seen(ring, head);
}

/* A message from the ring to itself that sets the flags of its completion (6.3). */
static bool has_msg_ring(struct weft__ring *ring)
{
    if (!has_opcode(&weft__uring_of(ring)->uring, IORING_OP_MSG_RING))
        return false;
    const struct weft__bell self = {.eventfd = -1, .ring_fd = ring->fd, .token = MESSAGE};
    struct weft__sqe *sqe = weft__ring_take(ring);
    ring->features |= WEFT__FEATURE_MSG_RING; /* or the request would not be prepared */
    if (!sqe || !weft__bell_prepare(&self, ring, sqe))
        return false;
    sqe->user_data = ANSWER;
    sqe->flags = 0; /* success is to be seen, too */

    struct echo echo = {false, false, false};
    int64_t deadline = weft__host_now() + PROBE_NS;
    while (!echo.failed && !(echo.answered && echo.arrived) && weft__host_now() < deadline) {
        if (weft__ring_enter(ring, 1, deadline) < 0)
            return false;
        collect(ring, &echo);
    }
    return echo.arrived && !echo.failed;
}

static void set(struct weft__ring *ring, uint32_t feature, bool present)
{
    ring->features = present ? ring->features | feature : ring->features & ~feature;
}

/* What needs no enter: set-up flags, feature bits, the registered descriptor. */
static void find_features(struct weft__ring *ring, uint32_t wanted)
{
    struct weft__uring *state = weft__uring_of(ring);
    struct io_uring *uring = &state->uring;

    set(ring, WEFT__FEATURE_NO_SQARRAY, uring->flags & IORING_SETUP_NO_SQARRAY);
    set(ring, WEFT__FEATURE_TASKRUN_FLAG, uring->flags & IORING_SETUP_TASKRUN_FLAG);
    set(ring, WEFT__FEATURE_MIN_TIMEOUT,
        wanted & WEFT__FEATURE_MIN_TIMEOUT && uring->features & IORING_FEAT_MIN_TIMEOUT);
    set(ring, WEFT__FEATURE_NO_IOWAIT,
        wanted & WEFT__FEATURE_NO_IOWAIT && uring->features & IORING_FEAT_NO_IOWAIT);
    /* Both multishots are older (5.19, 6.0) than the floor, and have nothing to be probed by. */
    set(ring, WEFT__FEATURE_RECV_MULTISHOT, wanted & WEFT__FEATURE_RECV_MULTISHOT);
    set(ring, WEFT__FEATURE_ACCEPT_MULTISHOT, wanted & WEFT__FEATURE_ACCEPT_MULTISHOT);
    /* Much older, but before 6.13 a file let go could stay open for up to a second more, and the
       peer not see its end. 6.15 is the next kernel that can be told by a bit. The table itself is
       made when the first descriptor is to be held. */
    set(ring, WEFT__FEATURE_FIXED_FILES,
        wanted & WEFT__FEATURE_FIXED_FILES && uring->features & IORING_FEAT_NO_IOWAIT);
    /* Older (5.19) than the floor; the table is made when the first piece is to be held. */
    set(ring, WEFT__FEATURE_FIXED_BUFFERS, wanted & WEFT__FEATURE_FIXED_BUFFERS);

    state->may_skip = ring->features & WEFT__FEATURE_TASKRUN_FLAG;
    state->enter_flags = IORING_ENTER_GETEVENTS;
    if (ring->features & WEFT__FEATURE_NO_IOWAIT)
        state->enter_flags |= IORING_ENTER_NO_IOWAIT;
    if (wanted & WEFT__FEATURE_REGISTERED_FD && io_uring_register_ring_fd(uring) == 1) {
        state->enter_flags |= IORING_ENTER_REGISTERED_RING;
        set(ring, WEFT__FEATURE_REGISTERED_FD, true);
    }
}

/* What is found out by trying it. */
static void try_features(struct weft__ring *ring, uint32_t wanted)
{
    struct weft__uring *state = weft__uring_of(ring);
    set(ring, WEFT__FEATURE_ABS_TIMER, wanted & WEFT__FEATURE_ABS_TIMER && has_abs_timer(state));
    state->timed_flags = IORING_ENTER_EXT_ARG;
    if (ring->features & WEFT__FEATURE_ABS_TIMER)
        state->timed_flags |= IORING_ENTER_ABS_TIMER;
    set(ring, WEFT__FEATURE_BUFFER_RING,
        wanted & WEFT__FEATURE_BUFFER_RING && has_buffer_ring(ring));
    set(ring, WEFT__FEATURE_MSG_RING, wanted & WEFT__FEATURE_MSG_RING && has_msg_ring(ring));
    set(ring, WEFT__FEATURE_FTRUNCATE,
        wanted & WEFT__FEATURE_FTRUNCATE && has_opcode(&state->uring, WEFT__OP_FTRUNCATE));
    set(ring, WEFT__FEATURE_WAITID,
        wanted & WEFT__FEATURE_WAITID && has_opcode(&state->uring, WEFT__OP_WAITID));
    set(ring, WEFT__FEATURE_FUTEX,
        wanted & WEFT__FEATURE_FUTEX && has_opcode(&state->uring, WEFT__OP_FUTEX_WAIT));
    /* 6.0, but what it copied is reported from 6.2 on, and 6.3 is the next that can be told by a
     * bit */
    set(ring, WEFT__FEATURE_SEND_ZC,
        wanted & WEFT__FEATURE_SEND_ZC && state->uring.features & IORING_FEAT_REG_REG_RING &&
            has_opcode(&state->uring, WEFT__OP_SEND_ZC));
    if (!(ring->features & WEFT__FEATURE_BUFFER_RING)) /* without buffers it has nowhere to write */
        set(ring, WEFT__FEATURE_RECV_MULTISHOT, false);
    ring->counts = (struct weft__ring_counts){0};
}

/* Stands for the kernel's order between a mapping that went and one that came, for TSan alone. */
static char mapped;

int weft__ring_open(struct weft__ring *ring, const struct weft__ring_opt *opt)
{
    if (opt->error_text && opt->error_text_size > 0)
        opt->error_text[0] = '\0';
    struct weft__uring *state = weft__calloc(1, sizeof *state);
    uint32_t wanted = weft__uring_wanted();
    int error = state ? map_queues(state, opt, wanted) : -ENOMEM;
    if (error < 0) {
        weft__free(state);
        return weft__uring_explain(error, opt->error_text, opt->error_text_size);
    }
    weft__tsan_acquire(&mapped);
    show_queues(ring, state);
    find_features(ring, wanted);
    error = io_uring_enter2(state->uring.enter_ring_fd, 0, 0, state->enter_flags, NULL, 0);
    if (error < 0) { /* a filter may know the one call and forbid the other */
        weft__ring_close(ring);
        return weft__uring_explain(error, opt->error_text, opt->error_text_size);
    }
    try_features(ring, wanted);

    /* Neither is worth failing for: a fork then costs more care, the workers are more. */
    io_uring_ring_dontfork(&state->uring);
    io_uring_register_iowq_max_workers(&state->uring,
                                       (unsigned[]){WORKERS_BOUNDED, WORKERS_UNBOUNDED});
    return 0;
}

void weft__ring_close(struct weft__ring *ring)
{
    struct weft__uring *state = weft__uring_of(ring);
    if (!state)
        return;
    weft__tsan_release(&mapped); /* from here on another thread's ring may come to lie there */
    io_uring_queue_exit(&state->uring);
    weft__free(state);
    *ring = (struct weft__ring){.fd = -1};
}
