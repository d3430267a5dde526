/*
 * sim/request.c - the life of a request; ring_core.h draws it.
 *
 * What always holds: a request is in one state at a time; it is in its ring's table until its last
 * completion is posted; the memory it was lent is opened for the kernel's own access and else shut.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "sim/disk.h"
#include "sim/process.h"
#include "sim/ring_core.h"

enum { SERIAL_SHIFT = 24, NO_FILE_SHIFT = 62 };

/* -- the table of those in flight -------------------------------------------------------------- */

/* The upper half of a user_data is a generation, the lower one an index: both tell them apart. */
static struct weft__sim_request **chain_of(struct weft__sim_ring *ring, uint64_t user_data)
{
    return &ring->table[(user_data ^ user_data >> 32) % WEFT__SIM_CHAINS];
}

struct weft__sim_request *weft__sim_find(struct weft__sim_ring *ring, uint64_t user_data)
{
    struct weft__sim_request *request = *chain_of(ring, user_data);

    while (request && !(request->listed && request->sqe.user_data == user_data))
        request = request->next;
    return request;
}

static struct weft__sim_request *take_free(struct weft__sim_ring *ring)
{
    struct weft__sim_request *request = ring->free;

    if (!request)
        return weft__sim_alloc(sizeof *request);
    ring->free = request->next;
    *request = (struct weft__sim_request){.next = NULL};
    return request;
}

static void give_free(struct weft__sim_request *request)
{
    weft__sim_free(request->held);
    weft__sim_free(request->words);
    weft__sim_free(request->pieces);
    weft__sim_free(request->message);
    request->next = request->ring->free;
    request->ring->free = request;
}

static void event_fires(struct weft__sim *sim, struct weft__sim_event *event);
static void told(struct weft__sim *sim, struct weft__sim_waiter *waiter, uint32_t events);

static struct weft__sim_request *begin(struct weft__sim_ring *ring, const struct weft__sqe *sqe)
{
    struct weft__sim_request *request = take_free(ring);
    struct weft__sim_request **chain = chain_of(ring, sqe->user_data);

    request->ring = ring;
    request->sqe = *sqe;
    request->event.fire = event_fires;
    request->waiter.notify = told;
    request->next = *chain;
    *chain = request;
    ring->in_flight++;
    return request;
}

static void name(struct weft__sim_request *request)
{
    struct weft__sim_file *file = request->file;

    request->serial = file ? file->serial << SERIAL_SHIFT | ++file->requests
                           : UINT64_C(1) << NO_FILE_SHIFT | request->ring->serial << SERIAL_SHIFT |
                                 ++request->ring->requests;
    request->dice = weft__sim_dice(WEFT__SIM_WHO_REQUEST, request->serial);
}

static void unlist(struct weft__sim_request *request)
{
    struct weft__sim_request **link = chain_of(request->ring, request->sqe.user_data);

    while (*link != request)
        link = &(*link)->next;
    *link = request->next;
    request->ring->in_flight--;
}

static void let_go(struct weft__sim_request *request)
{
    struct weft__sim *sim = request->ring->sim;

    weft__sim_take_back(sim, &request->event);
    weft__sim_wait_no_more(&request->waiter);
    if (request->file)
        weft__sim_file_drop(sim, request->file);
}

/* What it was lent, in one piece or several. False: somebody had touched it. */
static bool give_back(struct weft__sim_request *request)
{
    return request->pieces ? weft__sim_vector_give_back(request)
                           : weft__sim_give_back(&request->lent);
}

void weft__sim_forget_all(struct weft__sim_ring *ring)
{
    struct weft__sim_request *request;

    for (uint32_t i = 0; i < WEFT__SIM_CHAINS; i++)
        while ((request = ring->table[i]) != NULL) {
            ring->table[i] = request->next;
            (void)give_back(request);
            let_go(request);
            give_free(request);
        }
    while ((request = ring->free) != NULL) {
        ring->free = request->next;
        weft__sim_free(request);
    }
    ring->work = NULL;
    ring->work_tail = &ring->work;
    ring->work_count = ring->in_flight = 0;
}

/* -- work ------------------------------------------------------------------------------------- */

static void becomes_work(struct weft__sim_request *request)
{
    struct weft__sim_ring *ring = request->ring;

    request->state = WEFT__SIM_WORK;
    request->work_next = NULL;
    *ring->work_tail = request;
    ring->work_tail = &request->work_next;
    ring->work_count++;
    if (ring->shown->features & WEFT__FEATURE_TASKRUN_FLAG)
        ring->kernel_flags |= WEFT__SQ_TASKRUN;
    if (ring->wanted && ring->work_count >= ring->wanted)
        weft__sim_wake(ring->sim, ring->owner);
}

static void event_fires(struct weft__sim *sim, struct weft__sim_event *event)
{
    (void)sim;
    becomes_work(
        (struct weft__sim_request *)((char *)event - offsetof(struct weft__sim_request, event)));
}

void weft__sim_work_at(struct weft__sim_request *request, int64_t when_ns)
{
    struct weft__sim *sim = request->ring->sim;

    if (when_ns <= sim->now_ns) {
        becomes_work(request);
        return;
    }
    request->state = WEFT__SIM_LATER;
    weft__sim_at(sim, when_ns, &request->event);
}

void weft__sim_do_work(struct weft__sim_ring *ring)
{
    struct weft__sim_request *request = ring->work, *next;

    ring->work = NULL;
    ring->work_tail = &ring->work;
    ring->work_count = 0;
    ring->kernel_flags &= ~(uint32_t)WEFT__SQ_TASKRUN;
    for (; request; request = next) {
        next = request->work_next;
        weft__sim_try(request);
    }
}

void weft__sim_stick(struct weft__sim_request *request)
{
    struct weft__sim *sim = request->ring->sim;

    request->stuck = true;
    weft__sim_work_at(request,
                      sim->now_ns + weft__sim_span(sim, &request->dice, WEFT__SIM_DISK_STUCK_NS));
}

static int64_t later(struct weft__sim_request *request)
{
    struct weft__sim *sim = request->ring->sim;
    bool much = weft__sim_chance(sim, &request->dice, WEFT__SIM_MUCH_LATER);

    return sim->now_ns +
           weft__sim_span(sim, &request->dice, much ? WEFT__SIM_MUCH_LATER_NS : WEFT__SIM_LATER_NS);
}

/* -- waiting for the file --------------------------------------------------------------------- */

static void wakes(struct weft__sim_request *request)
{
    struct weft__sim *sim = request->ring->sim;

    request->woken = true;
    weft__sim_step(&request->dice);
    weft__sim_work_at(request,
                      sim->now_ns + weft__sim_span(sim, &request->dice, WEFT__SIM_WAKE_NS));
}

static void told(struct weft__sim *sim, struct weft__sim_waiter *waiter, uint32_t events)
{
    (void)sim, (void)events;
    weft__sim_wait_no_more(waiter);
    wakes(
        (struct weft__sim_request *)((char *)waiter - offsetof(struct weft__sim_request, waiter)));
}

/* O_NONBLOCK is for calls made by others: through the ring a request waits all the same, but for
   room in the queue of a Unix listener. */
static bool is_nonblocking(const struct weft__sim_request *request)
{
    if (request->sqe.opcode == WEFT__OP_CONNECT)
        return !request->begun && request->file->flags & O_NONBLOCK;
    if (request->sqe.opcode == WEFT__OP_FUTEX_WAIT)
        return weft__sim_futex_differs(request);
    return (request->sqe.opcode == WEFT__OP_RECV || request->sqe.opcode == WEFT__OP_SEND ||
            request->sqe.opcode == WEFT__OP_SEND_ZC || weft__sim_is_message(request->sqe.opcode)) &&
           request->sqe.op_flags & MSG_DONTWAIT;
}

static int32_t or_done(const struct weft__sim_request *request, int32_t result)
{
    return request->done > 0 ? (int32_t)request->done : result;
}

/* Waits for the file. `look`: it may be ready already, for what the last try did not look at. */
static void wait_for_file(struct weft__sim_request *request, bool look)
{
    struct weft__sim *sim = request->ring->sim;
    const struct weft__sim_file_ops *ops = request->file ? request->file->ops : NULL;
    uint32_t events = weft__sim_events_of(request);

    if (request->cancelled)
        weft__sim_finish(request, or_done(request, request->end_code), 0);
    else if (!ops || !ops->poll || events == 0 || is_nonblocking(request))
        weft__sim_finish(request, or_done(request, -EAGAIN), 0);
    else if (look && ops->poll(sim, request->file) & (events | POLLERR | POLLHUP))
        wakes(request);
    else {
        request->state = WEFT__SIM_WAITS;
        request->waiter.events = events;
        weft__sim_wait_on(request->file, &request->waiter);
    }
}

/* -- the end ---------------------------------------------------------------------------------- */

static void complete(struct weft__sim_request *request, int32_t result, uint32_t flags)
{
    struct weft__sim_ring *ring = request->ring;

    if (request->sqe.flags & WEFT__SQE_SKIP_SUCCESS && result >= 0)
        return;
    if (weft__sim_chance(ring->sim, &request->dice, WEFT__SIM_ENTER_LOST))
        ring->lost = true;
    else
        (void)weft__sim_post(ring, request->sqe.user_data, result, flags);
}

static void note_result(struct weft__sim_request *request, int32_t result, uint32_t flags)
{
    struct weft__sim *sim = request->ring->sim;

    weft__sim_note(sim, WEFT__SIM_NOTE_RESULT, request->serial, result);
    weft__sim_note(sim, WEFT__SIM_NOTE_FLAGS, request->serial, flags & UINT16_MAX);
}

/* The first completion of a zero-copy send. No cancel finds it any more, and its file is not used;
   its memory stays the kernel's until the notification, which comes at its own time. */
static void tell_before_notification(struct weft__sim_request *request, int32_t result,
                                     uint32_t flags)
{
    struct weft__sim *sim = request->ring->sim;

    note_result(request, result, flags | WEFT__CQE_MORE);
    complete(request, result, flags | WEFT__CQE_MORE);
    let_go(request);
    request->file = NULL;
    request->listed = false;
    request->told = true;
    request->ended = true;
    request->flags = WEFT__CQE_NOTIFICATION;
    weft__sim_step(&request->dice);
    request->result = weft__sim_chance(sim, &request->dice, WEFT__SIM_ZC_COPIED) ? INT32_MIN : 0;
    weft__sim_work_at(request,
                      sim->now_ns + weft__sim_span(sim, &request->dice, WEFT__SIM_ZC_NOTIFY_NS));
}

void weft__sim_finish(struct weft__sim_request *request, int32_t result, uint32_t flags)
{
    if (request->sqe.opcode == WEFT__OP_SEND_ZC && !request->told) {
        tell_before_notification(request, result, flags);
        return;
    }
    if (!give_back(request))
        weft__sim_end(request->ring->sim, -EFAULT,
                      "memory lent to the kernel was changed, or its frame ended, before the "
                      "completion");
    note_result(request, result, flags);
    unlist(request);
    complete(request, result, flags);
    let_go(request);
    give_free(request);
}

/* Done, but told later, and what was received is written then. */
static void hold_back(struct weft__sim_request *request, int32_t result, uint32_t flags)
{
    struct weft__sim_lent *lent = &request->lent;

    request->ended = true;
    request->result = result;
    request->flags = flags;
    if (lent->to_write && result > 0) {
        request->held = weft__sim_alloc((size_t)result);
        weft__sim_lent_open(lent);
        memcpy(request->held, lent->memory, (size_t)result);
        memset(lent->memory, 0xa5, (size_t)result);
        weft__sim_lent_shut(lent);
    }
    weft__sim_work_at(request, later(request));
}

static void finish_held(struct weft__sim_request *request)
{
    if (request->held && request->lent.size) {
        weft__sim_lent_open(&request->lent);
        memcpy(request->lent.memory, request->held, (size_t)request->result);
        weft__sim_lent_shut(&request->lent);
    }
    weft__sim_finish(request, request->result, request->flags);
}

/* -- trying ----------------------------------------------------------------------------------- */

static void settle(struct weft__sim_request *request, int32_t result, uint32_t flags)
{
    struct weft__sim *sim = request->ring->sim;

    if (request->for_all && result > 0 && request->done < request->sqe.length) {
        wait_for_file(request, true);
        return;
    }
    result = request->for_all ? or_done(request, result) : result;
    if (!request->cancelled && weft__sim_chance(sim, &request->dice, WEFT__SIM_HELD))
        hold_back(request, result, flags);
    else
        weft__sim_finish(request, result, flags);
}

/* True when it came to a result; else it was postponed, or waits for its file. */
static bool attempt(struct weft__sim_request *request, int32_t *result, uint32_t *flags)
{
    uint32_t limit = weft__sim_draw_limit(request);
    bool postponed = false;

    *flags = 0;
    *result = weft__sim_draw_trouble(request, &limit, &postponed);
    if (postponed)
        return false;
    if (*result == 0)
        *result = weft__sim_perform(request, limit, flags);
    if (*result == -EAGAIN) {
        wait_for_file(request, false);
        return false;
    }
    weft__sim_count_result(request);
    return true;
}

static void try_once(struct weft__sim_request *request)
{
    int32_t result;
    uint32_t flags;

    if (attempt(request, &result, &flags))
        settle(request, result, flags);
}

/* Whether a multishot ends with this result. */
static bool ends_with(struct weft__sim_request *request, int32_t result)
{
    return result < 0 || (result == 0 && request->sqe.opcode == WEFT__OP_RECV) ||
           weft__sim_cq_full(request->ring) ||
           weft__sim_chance(request->ring->sim, &request->dice, WEFT__SIM_MULTI_END);
}

/* As Linux does, from 6.17 on with Unix sockets, and for longer with connections that are reset: a
   multishot receive that is armed to wait first, when there are bytes and, behind them, the end,
   gives the bytes; and since nothing changes any more, it never looks again. */
static bool overlooks_the_end(struct weft__sim_request *request)
{
    bool first = request->ready_at_once;

    request->ready_at_once = false;
    return first && request->emptied &&
           weft__sim_chance(request->ring->sim, &request->dice, WEFT__SIM_END_UNSEEN);
}

static void try_multishot(struct weft__sim_request *request)
{
    struct weft__sim_ring *ring = request->ring;
    int64_t batch = weft__sim_span(ring->sim, &request->dice, WEFT__SIM_MULTI_MAX);

    for (; batch > 0; batch--) {
        int32_t result;
        uint32_t flags;

        if (!attempt(request, &result, &flags))
            return;
        if (ends_with(request, result)) {
            weft__sim_finish(request, result, flags);
            return;
        }
        note_result(request, result, flags | WEFT__CQE_MORE);
        (void)weft__sim_post(ring, request->sqe.user_data, result, flags | WEFT__CQE_MORE);
        weft__sim_step(&request->dice);
        if (request->sqe.opcode == WEFT__OP_POLL_ADD)
            break; /* it waits for the next change */
        if (overlooks_the_end(request)) {
            wait_for_file(request, false);
            return;
        }
    }
    wait_for_file(request, request->sqe.opcode != WEFT__OP_POLL_ADD);
}

/* A wake-up was for this one: it has its result, cancelled or not. */
static bool has_been_woken(const struct weft__sim_request *request)
{
    return request->sqe.opcode == WEFT__OP_FUTEX_WAIT && request->woken;
}

void weft__sim_try(struct weft__sim_request *request)
{
    struct weft__sim *sim = request->ring->sim;

    weft__sim_step(&request->dice);
    if (request->ended) {
        finish_held(request);
    } else if (has_been_woken(request)) {
        weft__sim_count_result(request);
        settle(request, 0, 0);
    } else if (request->cancelled && !request->spared) {
        weft__sim_finish(request, or_done(request, request->end_code), 0);
    } else if (request->woken && !request->cancelled && request->sqe.opcode != WEFT__OP_POLL_ADD &&
               weft__sim_chance(sim, &request->dice, WEFT__SIM_SPURIOUS)) {
        request->woken = false;
        wait_for_file(request, true);
    } else if (weft__sim_is_multishot(request)) {
        try_multishot(request);
    } else {
        try_once(request);
    }
}

/* -- the beginning ------------------------------------------------------------------------------
 */

static void lend_memory(struct weft__sim_request *request, uint64_t address, uint32_t length,
                        bool to_write)
{
    void *memory = (void *)(uintptr_t)address;

    request->nowhere = !weft__sim_is_there(memory, length, to_write);
    if (request->nowhere)
        return;
    if (!weft__sim_lend(&request->lent, memory, length, to_write))
        weft__sim_end(request->ring->sim, -EFAULT,
                      "memory given to the kernel is not whole: freed, or shorter than said");
}

/* Takes over what the request points at: memory is lent, words are copied. 0 or an error. */
static int take_over(struct weft__sim_request *request)
{
    const struct weft__sqe *sqe = &request->sqe;
    bool to_write = sqe->opcode == WEFT__OP_RECV || sqe->opcode == WEFT__OP_READ;

    if (weft__sim_is_message(sqe->opcode))
        return weft__sim_message_lend(request);
    if (weft__sim_is_vector(sqe->opcode))
        return weft__sim_vector_lend(request);
    if (sqe->opcode == WEFT__OP_STATX)
        lend_memory(request, sqe->offset, sizeof(struct statx), true);
    if (sqe->opcode == WEFT__OP_WAITID && sqe->offset)
        lend_memory(request, sqe->offset, sizeof(siginfo_t), true);
    if (weft__sim_is_xattr(sqe->opcode)) {
        if (!weft__sim_sets_xattr(sqe->opcode) && sqe->length > 0)
            lend_memory(request, sqe->offset, sqe->length, true);
        return weft__sim_copy_xattr(request);
    }
    if (weft__sim_names_files(sqe->opcode))
        return weft__sim_copy_names(request);
    if (weft__sim_moves_bytes(sqe->opcode) && !(sqe->flags & WEFT__SQE_BUFFER_SELECT))
        lend_memory(request, sqe->address, sqe->length, to_write);
    return 0;
}

static struct weft__sim_file *file_of(struct weft__sim_ring *ring, const struct weft__sqe *sqe)
{
    if (!(sqe->flags & WEFT__SQE_FIXED_FILE))
        return weft__sim_fd_file(ring->sim, sqe->fd);
    return sqe->fd >= 0 && (uint32_t)sqe->fd < ring->held_room ? ring->held_files[sqe->fd] : NULL;
}

/* The address of a connect is copied when it is submitted. */
static void copy_address(struct weft__sim_request *request)
{
    size_t length = request->sqe.offset;

    if (request->sqe.opcode != WEFT__OP_CONNECT || length == 0 ||
        length > sizeof(struct sockaddr_storage))
        return;
    request->nowhere = !weft__sim_is_there((void *)(uintptr_t)request->sqe.address, length, false);
    if (request->nowhere)
        return;
    request->held = weft__sim_alloc(length);
    memcpy(request->held, (void *)(uintptr_t)request->sqe.address, length);
    request->sqe.address = (uint64_t)(uintptr_t)request->held;
}

static bool waits_for_all(const struct weft__sqe *sqe)
{
    return (sqe->opcode == WEFT__OP_RECV || sqe->opcode == WEFT__OP_SEND ||
            sqe->opcode == WEFT__OP_SEND_ZC) &&
           sqe->op_flags & MSG_WAITALL && !(sqe->op_flags & MSG_PEEK) &&
           !(sqe->flags & WEFT__SQE_BUFFER_SELECT);
}

static bool is_of_disk(const struct weft__sim_request *request)
{
    return weft__sim_names_files(request->sqe.opcode) ||
           (request->file && weft__sim_inode_behind(request->file));
}

/* It is tried when the disk comes to it; until then a cancel may change nothing. */
static void start_on_disk(struct weft__sim_request *request)
{
    struct weft__sim *sim = request->ring->sim;
    int64_t when_ns = sim->now_ns + weft__sim_span(sim, &request->dice, WEFT__SIM_DISK_NS);
    bool at_once = weft__sim_chance(sim, &request->dice, WEFT__SIM_INLINE);

    if (weft__sim_chance(sim, &request->dice, WEFT__SIM_DISK_STUCK)) {
        weft__sim_stick(request);
        return;
    }
    request->stuck = weft__sim_chance(sim, &request->dice, WEFT__SIM_DISK_HOLDS);
    if (!at_once)
        when_ns += later(request) - sim->now_ns;
    if (at_once && when_ns == sim->now_ns)
        weft__sim_try(request);
    else
        weft__sim_work_at(request, when_ns);
}

static void wait_first(struct weft__sim_request *request)
{
    struct weft__sim_file *file = request->file;

    request->ready_at_once =
        file && file->ops->poll &&
        file->ops->poll(request->ring->sim, file) & (weft__sim_events_of(request) | POLLHUP);
    wait_for_file(request, true);
}

static void start(struct weft__sim_request *request)
{
    struct weft__sim *sim = request->ring->sim;
    bool poll_first =
        request->sqe.opcode == WEFT__OP_RECV && request->sqe.ioprio & WEFT__RECV_POLL_FIRST;

    if (weft__sim_events_of(request) && weft__sim_chance(sim, &request->dice, WEFT__SIM_HANG))
        request->state = WEFT__SIM_HANGS;
    else if (poll_first)
        wait_first(request);
    else if (is_of_disk(request))
        start_on_disk(request);
    else if (weft__sim_chance(sim, &request->dice, WEFT__SIM_INLINE))
        weft__sim_try(request);
    else
        weft__sim_work_at(request, later(request));
}

void weft__sim_submit(struct weft__sim_ring *ring, struct weft__sqe *sqe)
{
    int elsewhere = weft__sim_find_held(ring, sqe);
    struct weft__sim_request *request = begin(ring, sqe);
    bool of_several = sqe->opcode == WEFT__OP_WAITID && sqe->length != P_PIDFD;
    bool needs_file = weft__sim_needs_file(sqe->opcode) && !of_several;

    if (needs_file) {
        request->file = file_of(ring, sqe);
        if (request->file)
            weft__sim_file_keep(request->file);
    } else if (of_several) {
        request->file = weft__sim_children(ring->sim);
    } else if (sqe->opcode == WEFT__OP_FUTEX_WAIT) {
        request->file = weft__sim_futex_of(ring->sim, (void *)(uintptr_t)sqe->address);
    }
    name(request);
    weft__sim_note(ring->sim, WEFT__SIM_NOTE_SUBMIT, request->serial, sqe->opcode);
    if (needs_file && !request->file) {
        weft__sim_finish(request, -EBADF, 0);
    } else if (sqe->opcode == WEFT__OP_ASYNC_CANCEL) {
        weft__sim_cancel(ring, request);
    } else {
        int error = elsewhere < 0 ? elsewhere : take_over(request);
        copy_address(request);
        request->listed = true;
        request->for_all = waits_for_all(sqe);
        if (error < 0)
            weft__sim_finish(request, error, 0);
        else
            start(request);
    }
}

void weft__sim_deliver(struct weft__sim_ring *ring, uint64_t user_data, int32_t result,
                       uint32_t flags, int64_t when_ns)
{
    const struct weft__sqe sqe = {.opcode = WEFT__OP_NOP, .fd = -1, .user_data = user_data};
    struct weft__sim_request *request = begin(ring, &sqe);

    name(request);
    request->ended = true;
    request->result = result;
    request->flags = flags;
    weft__sim_work_at(request, when_ns);
}

/* -- for reports --------------------------------------------------------------------------------
 */

static const char *const states[] = {"will be tried later", "waits", "could be done", "hangs"};

static void describe(struct weft__sim *sim, const struct weft__sim_request *request, char *text,
                     size_t size)
{
    const struct weft__sim_file *file = request->file;
    char detail[160] = "";

    if (file && file->ops->describe)
        file->ops->describe(sim, file, detail, sizeof detail);
    if (!file) {
        snprintf(text, size, "%s: %s", weft__sim_opcode_name(request->sqe.opcode),
                 states[request->state]);
        return;
    }
    snprintf(text, size, "%s on descriptor %d, %s %llu%s%s%s: %s",
             weft__sim_opcode_name(request->sqe.opcode), request->sqe.fd, file->ops->kind,
             (unsigned long long)file->serial, detail[0] ? " (" : "", detail, detail[0] ? ")" : "",
             states[request->state]);
}

void weft__sim_ring_describe(struct weft__sim *sim, const struct weft__sim_ring *ring,
                             void (*line)(void *context, const char *text), void *context)
{
    char text[320];

    for (uint32_t i = 0; i < WEFT__SIM_CHAINS; i++)
        for (const struct weft__sim_request *request = ring->table[i]; request;
             request = request->next) {
            describe(sim, request, text, sizeof text);
            line(context, text);
        }
}
