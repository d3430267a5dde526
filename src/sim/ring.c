/*
 * sim/ring.c - the two queues of a ring, and the one call that moves them; ring/ring.h is what it
 * stands for, ring_core.h draws what happens behind it.
 *
 * What always holds: requests are consumed and completions posted in calls of the owner alone; the
 * flags say so beforehand. A completion that finds no room is kept, and comes first when there is.
 */
#include "ring/ring.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ring/features.h"
#include "ring/host.h"
#include "sim/ring_core.h"

enum { SQ_ENTRIES_DEFAULT = 256, SQ_ENTRIES_MAX = 32768, CQ_ENTRIES_MAX = 65536, CQ_FACTOR = 4 };

/* -- the file that stands for a ring --------------------------------------------------------- */

struct ring_file {
    struct weft__sim_file file; /* first */
    struct weft__sim_ring *ring;
};

static void ring_file_release(struct weft__sim *sim, struct weft__sim_file *file)
{
    (void)sim;
    weft__sim_free(file);
}

static const struct weft__sim_file_ops ring_ops = {.kind = "ring", .release = ring_file_release};

struct weft__sim_ring *weft__sim_ring_behind(const struct weft__sim_file *file)
{
    return file && file->ops == &ring_ops ? ((const struct ring_file *)file)->ring : NULL;
}

/* -- completions ----------------------------------------------------------------------------- */

static uint32_t ready(const struct weft__sim_ring *ring)
{
    return ring->cq_tail - ring->cq_head;
}

bool weft__sim_cq_full(const struct weft__sim_ring *ring)
{
    return ring->cq_is_full || ring->overflow.count > 0 || ready(ring) == ring->cq_entries;
}

static void put_cqe(struct weft__sim_ring *ring, const struct weft__cqe *cqe)
{
    ring->cqes[ring->cq_tail & (ring->cq_entries - 1)] = *cqe;
    __atomic_store_n(&ring->cq_tail, ring->cq_tail + 1, __ATOMIC_RELEASE);
}

static void keep(struct weft__sim_cqes *list, const struct weft__cqe *cqe)
{
    if (list->head > 0 && list->head + list->count == list->room) {
        memmove(list->cqes, list->cqes + list->head, list->count * sizeof *cqe);
        list->head = 0;
    }
    if (list->count == list->room) {
        uint32_t room = list->room ? list->room * 2 : 64;
        list->cqes = weft__sim_grow(list->cqes, list->room * sizeof *cqe, room * sizeof *cqe);
        list->room = room;
    }
    list->cqes[list->head + list->count++] = *cqe;
}

bool weft__sim_post(struct weft__sim_ring *ring, uint64_t user_data, int32_t result, uint32_t flags)
{
    const struct weft__cqe cqe = {.user_data = user_data, .result = result, .flags = flags};

    weft__sim_count_steps(ring->sim, 1);
    if (!weft__sim_cq_full(ring)) {
        put_cqe(ring, &cqe);
        return true;
    }
    keep(&ring->overflow, &cqe);
    ring->kernel_flags |= WEFT__SQ_CQ_OVERFLOW;
    return false;
}

static void flush_overflow(struct weft__sim_ring *ring)
{
    struct weft__sim_cqes *list = &ring->overflow;

    ring->shown->counts.overflows++;
    ring->shown->counts.enters++;
    while (list->count > 0 && !ring->cq_is_full && ready(ring) < ring->cq_entries) {
        put_cqe(ring, &list->cqes[list->head++]);
        list->count--;
    }
    if (list->count == 0) {
        list->head = 0;
        ring->kernel_flags &= ~(uint32_t)WEFT__SQ_CQ_OVERFLOW;
    }
}

/* -- steps ------------------------------------------------------------------------------------ */

void weft__sim_count_switches(struct weft__sim_ring *ring)
{
    uint64_t made = ring->told.switches ? *ring->told.switches - ring->switches : 0;

    ring->switches += made;
    if (made > 0)
        weft__sim_count_steps(ring->sim, made);
}

/* -- entering --------------------------------------------------------------------------------- */

/* Submits what is queued, or, if so drawn, part of it. */
static void submit(struct weft__sim_ring *ring)
{
    struct weft__ring *shown = ring->shown;
    uint32_t count = weft__ring_queued(shown);

    if (count > 1 && weft__sim_chance(ring->sim, &ring->dice, WEFT__SIM_ENTER_SHORT))
        count =
            1 + (uint32_t)weft__sim_pick(ring->sim, &ring->dice, WEFT__SIM_ENTER_SHORT, count - 1);
    for (; count > 0; count--) {
        struct weft__sqe *slot = &ring->sqes[shown->sq_submitted & shown->sq_mask];
        struct weft__sqe sqe = *slot;

        memset(slot, 0xa5, sizeof *slot); /* consumed: who still reads it is wrong */
        shown->sq_submitted++;
        shown->counts.sqes++;
        weft__sim_submit(ring, &sqe);
    }
}

static void sleep_for(struct weft__sim_ring *ring, uint32_t wait_count, int64_t deadline_ns)
{
    struct weft__sim *sim = ring->sim;

    ring->shown->counts.enters_waiting++;
    if (weft__sim_chance(sim, &ring->dice, WEFT__SIM_ENTER_SIGNAL))
        return;
    while (ready(ring) < wait_count && ring->overflow.count == 0 && sim->now_ns < deadline_ns) {
        ring->wanted = wait_count - ready(ring);
        if (ring->work_count < ring->wanted)
            weft__sim_park_until(sim, "a completion", ring->serial, deadline_ns);
        ring->wanted = 0;
        weft__sim_do_work(ring);
    }
}

static int refusal(struct weft__sim_ring *ring)
{
    bool again = weft__sim_pick(ring->sim, &ring->dice, WEFT__SIM_ENTER_REFUSED, 2) == 0;

    return again ? -EAGAIN : -EBUSY;
}

static int enter(struct weft__sim_ring *ring, uint32_t wait_count, int64_t deadline_ns)
{
    struct weft__ring *shown = ring->shown;

    if (ring->kernel_flags & WEFT__SQ_CQ_OVERFLOW) {
        flush_overflow(ring);
        if (ring->kernel_flags & WEFT__SQ_CQ_OVERFLOW)
            return weft__ring_queued(shown) > 0 ? -EBUSY : 0;
    }
    shown->counts.enters++;
    if (weft__ring_queued(shown) > 0 &&
        weft__sim_chance(ring->sim, &ring->dice, WEFT__SIM_ENTER_REFUSED))
        return refusal(ring);
    submit(ring);
    weft__sim_do_work(ring);
    if (weft__ring_queued(shown) > 0)
        return -EAGAIN;
    if (wait_count > 0)
        sleep_for(ring, wait_count, deadline_ns);
    return ring->lost ? -EBADR : 0;
}

int weft__ring_enter(struct weft__ring *shown, uint32_t wait_count, int64_t deadline_ns)
{
    struct weft__sim_ring *ring = weft__sim_ring_of(shown);
    int result;

    weft__sim_step(&ring->dice);
    weft__sim_count_switches(ring);
    weft__sim_charge(ring->sim);
    weft__sim_give_way(ring->sim);
    weft__sim_buffers_look(ring);
    if (wait_count == 0 && weft__ring_queued(shown) == 0 &&
        shown->features & WEFT__FEATURE_TASKRUN_FLAG && !weft__ring_pending(shown))
        return 0;
    ring->cq_is_full = weft__sim_chance(ring->sim, &ring->dice, WEFT__SIM_CQ_FULL);
    result = enter(ring, wait_count, deadline_ns);
    weft__sim_fire_due(ring->sim); /* what came of it at once is told at once */
    return result;
}

struct weft__sqe *weft__ring_take_slow(struct weft__ring *shown)
{
    struct weft__sim_ring *ring = weft__sim_ring_of(shown);

    shown->counts.sq_full++;
    shown->counts.enters++;
    weft__sim_step(&ring->dice);
    weft__sim_buffers_look(ring);
    if (weft__sim_chance(ring->sim, &ring->dice, WEFT__SIM_SQ_FULL))
        return NULL;
    submit(ring);
    return &shown->sqes[shown->sq_tail++ & shown->sq_mask];
}

/* -- opening and closing ---------------------------------------------------------------------- */

static uint32_t power_of_two(uint32_t count, uint32_t most)
{
    uint32_t size = 1;

    while (size < count && size < most)
        size *= 2;
    return size;
}

static void size_queues(struct weft__sim_ring *ring, const struct weft__ring_opt *opt)
{
    struct weft__sim *sim = ring->sim;
    uint32_t sq_most = UINT32_C(1) << weft__sim_span(sim, &ring->dice, WEFT__SIM_SQ_SIZE);
    uint32_t cq_most = UINT32_C(1) << weft__sim_span(sim, &ring->dice, WEFT__SIM_CQ_SIZE);
    uint32_t sq = opt->sq_entries ? opt->sq_entries : SQ_ENTRIES_DEFAULT;
    uint32_t cq = opt->cq_entries ? opt->cq_entries : sq * CQ_FACTOR;

    sq = power_of_two(sq, sq_most < SQ_ENTRIES_MAX ? sq_most : SQ_ENTRIES_MAX);
    cq = power_of_two(cq, cq_most < CQ_ENTRIES_MAX ? cq_most : CQ_ENTRIES_MAX);
    ring->cq_entries = cq < sq ? sq : cq;
    ring->sqes = weft__sim_alloc(sq * sizeof *ring->sqes);
    ring->cqes = weft__sim_alloc(ring->cq_entries * sizeof *ring->cqes);
    ring->shown->sq_entries = sq;
}

/* What the kernel has refused is not used: what rings can do without. */
static void drop_features(struct weft__sim_ring *ring)
{
    static const uint32_t optional[] = {WEFT__FEATURE_REGISTERED_FD, WEFT__FEATURE_FIXED_FILES,
                                        WEFT__FEATURE_MSG_RING, WEFT__FEATURE_BUFFER_RING,
                                        WEFT__FEATURE_FIXED_BUFFERS};
    uint64_t which = weft__sim_pick(ring->sim, &ring->dice, WEFT__SIM_RING_LACKS,
                                    sizeof optional / sizeof optional[0]);

    if (weft__sim_chance(ring->sim, &ring->dice, WEFT__SIM_RING_LACKS))
        ring->shown->features &= ~optional[which];
    if (!(ring->shown->features & WEFT__FEATURE_BUFFER_RING))
        ring->shown->features &= ~(uint32_t)WEFT__FEATURE_RECV_MULTISHOT;
}

static void show(struct weft__sim_ring *ring, struct weft__ring *shown, int fd)
{
    shown->sqes = ring->sqes;
    shown->sq_mask = shown->sq_entries - 1;
    shown->cqes = ring->cqes;
    shown->cq_entries = ring->cq_entries;
    shown->cq_mask = ring->cq_entries - 1;
    shown->cq_head = &ring->cq_head;
    shown->cq_tail = &ring->cq_tail;
    shown->kernel_flags = &ring->kernel_flags;
    shown->features = weft__uring_wanted();
    drop_features(ring);
    shown->fd = fd;
    shown->state = ring;
}

/* Why there is no ring: 0, or an error of io_uring_setup and of what maps its queues. */
static int draw_refusal(struct weft__sim *sim, const struct weft__sim_dice *dice)
{
    static const int errors[] = {-ENOMEM, -EMFILE, -ENFILE, -EPERM, -ENOSYS, -EAGAIN};

    if (!weft__sim_chance(sim, dice, WEFT__SIM_RING_OPEN))
        return 0;
    return errors[weft__sim_pick(sim, dice, WEFT__SIM_RING_OPEN, sizeof errors / sizeof errors[0])];
}

static int refuse(const struct weft__ring_opt *opt, int error, const char *why)
{
    if (opt->error_text)
        snprintf(opt->error_text, opt->error_text_size, "the simulated machine has no %s: %s", why,
                 strerror(-error));
    return error;
}

static void list_ring(struct weft__sim *sim, struct weft__sim_ring *ring)
{
    ring->next = sim->rings;
    ring->link = &sim->rings;
    if (ring->next)
        ring->next->link = &ring->next;
    sim->rings = ring;
}

int weft__ring_open(struct weft__ring *shown, const struct weft__ring_opt *opt)
{
    struct weft__sim *sim = weft__sim_here();
    uint64_t serial = weft__sim_serial(sim, WEFT__SIM_WHO_RING);
    struct weft__sim_dice dice = weft__sim_dice(WEFT__SIM_WHO_RING, serial);
    struct weft__sim_ring *ring;
    struct ring_file *file;
    int fd = draw_refusal(sim, &dice);

    *shown = (struct weft__ring){.fd = -1};
    if (opt->error_text && opt->error_text_size > 0)
        opt->error_text[0] = '\0';
    if (fd < 0)
        return refuse(opt, fd, "ring (ring.open)");
    file = weft__sim_alloc(sizeof *file);
    weft__sim_file_begin(sim, &file->file, &ring_ops);
    weft__sim_file_keep(&file->file); /* the ring's own */
    fd = weft__sim_fd_install(sim, &file->file);
    if (fd < 0) {
        weft__sim_file_drop(sim, &file->file);
        return refuse(opt, fd, "descriptor left for a ring (fds_max)");
    }
    weft__sim_forget_pages();
    ring = weft__sim_alloc(sizeof *ring);
    ring->sim = sim;
    ring->shown = shown;
    ring->owner = sim->running;
    ring->owner->ring = ring;
    ring->file = &file->file;
    file->ring = ring;
    ring->serial = serial;
    ring->dice = dice;
    ring->told = opt->owner;
    ring->switches = opt->owner.switches ? *opt->owner.switches : 0;
    ring->work_tail = &ring->work;
    size_queues(ring, opt);
    show(ring, shown, fd);
    list_ring(sim, ring);
    return 0;
}

static void end_ring(struct weft__sim_ring *ring)
{
    struct weft__sim *sim = ring->sim;

    weft__sim_forget_all(ring);
    weft__sim_buffers_end(ring);
    for (uint32_t i = 0; i < ring->held_room; i++)
        if (ring->held_files[i])
            weft__sim_file_drop(sim, ring->held_files[i]);
    ((struct ring_file *)ring->file)->ring = NULL;
    weft__sim_file_drop(sim, ring->file);
    *ring->link = ring->next;
    if (ring->next)
        ring->next->link = ring->link;
    if (ring->owner->ring == ring)
        ring->owner->ring = NULL;
    weft__sim_free(ring->held_files);
    weft__sim_free(ring->overflow.cqes);
    weft__sim_free(ring->sqes);
    weft__sim_free(ring->cqes);
    weft__sim_free(ring);
}

void weft__ring_close(struct weft__ring *shown)
{
    struct weft__sim_ring *ring = weft__sim_ring_of(shown);

    if (!ring)
        return;
    weft__sim_count_switches(ring);
    weft__sim_fd_close(ring->sim, shown->fd);
    end_ring(ring);
    *shown = (struct weft__ring){.fd = -1};
}

void weft__sim_rings_end(struct weft__sim *sim)
{
    while (sim->rings)
        end_ring(sim->rings);
}

/* -- files held ------------------------------------------------------------------------------- */

/* No memory for this one; or, if it is the first, none for the table, and nobody asks again. */
static int refuse_file(struct weft__sim_ring *ring)
{
    if (ring->held_room == 0)
        ring->shown->features &= ~(uint32_t)WEFT__FEATURE_FIXED_FILES;
    return -ENOMEM;
}

int weft__ring_file_hold(struct weft__ring *shown, int fd)
{
    struct weft__sim_ring *ring = weft__sim_ring_of(shown);
    struct weft__sim_file *file = weft__sim_fd_file(ring->sim, fd);

    if (!(shown->features & WEFT__FEATURE_FIXED_FILES))
        return -ENOTSUP;
    if (!file)
        return -EBADF;
    weft__sim_step(&ring->dice);
    if (weft__sim_chance(ring->sim, &ring->dice, WEFT__SIM_FILE_HOLD))
        return refuse_file(ring);
    if ((uint32_t)fd >= ring->held_room) {
        uint32_t room = ((uint32_t)fd + 64) & ~UINT32_C(63);
        ring->held_files = weft__sim_grow(ring->held_files, ring->held_room * sizeof(void *),
                                          room * sizeof(void *));
        ring->held_room = room;
    }
    weft__ring_file_let_go(shown, fd);
    weft__sim_file_keep(file);
    ring->held_files[fd] = file;
    return 0;
}

void weft__ring_file_let_go(struct weft__ring *shown, int fd)
{
    struct weft__sim_ring *ring = weft__sim_ring_of(shown);

    if (fd < 0 || (uint32_t)fd >= ring->held_room || !ring->held_files[fd])
        return;
    weft__sim_file_drop(ring->sim, ring->held_files[fd]);
    ring->held_files[fd] = NULL;
}

/* Drawn, not measured: time passes here as the plan says. */
uint32_t weft__ring_zero_copy_min(const struct weft__ring *shown)
{
    struct weft__sim_ring *ring = weft__sim_ring_of(shown);

    if (!(shown->features & WEFT__FEATURE_SEND_ZC))
        return UINT32_MAX;
    return (uint32_t)weft__sim_span(ring->sim, &ring->dice, WEFT__SIM_ZC_MIN);
}
