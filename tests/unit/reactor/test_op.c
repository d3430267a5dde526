/*
 * Operations: slots and generations, completions that belong to none, cancels queued and sent,
 * MORE. A reactor is opened for its ring; completions are handed in by hand where the kernel would
 * not send such things.
 */
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "reactor/reactor.h"

static struct weft__reactor reactor;
static void open_reactor(void)
{
    struct weft__reactor_opt opt = {.sq_entries = 64, .cq_entries = 1024, .tasks_max = 16};

    ck_assert_int_eq(weft__reactor_open(&reactor, &opt), 0);
}
static void close_reactor(void)
{
    while (reactor.ops.in_flight > 0)
        weft__reactor_turn(&reactor, true);
    weft__reactor_close(&reactor);
}

static int completions;
static int32_t last_result;
static void completed(struct weft__op *op, int32_t result, uint32_t flags)
{
    ck_assert_int_eq(weft__op_in_flight(op), (flags & WEFT__CQE_MORE) != 0);
    completions++;
    last_result = result;
}
static void submit_nop(struct weft__op *op)
{
    struct weft__sqe *sqe = weft__op_begin(&reactor, op);

    ck_assert_ptr_nonnull(sqe);
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_NOP, .fd = -1, .user_data = op->id};
}

TEST(slots_and_generations)
{
    struct weft__op op = {.complete = completed};
    uint64_t first, second;
    struct weft__cqe stale;

    open_reactor();
    submit_nop(&op);
    first = op.id;
    ck_assert_uint_gt(first, UINT32_MAX);
    while (weft__op_in_flight(&op))
        weft__reactor_turn(&reactor, true);
    submit_nop(&op);
    second = op.id;
    ck_assert_uint_eq((uint32_t)first, (uint32_t)second); /* the same slot, */
    ck_assert_uint_ne(first, second);                     /* another generation */
    stale = (struct weft__cqe){.user_data = first};
    ck_assert(!weft__op_complete(&reactor, &stale));
    stale.user_data = second + 1; /* a slot that is free */
    ck_assert(!weft__op_complete(&reactor, &stale));
    stale.user_data = UINT64_MAX;
    ck_assert(!weft__op_complete(&reactor, &stale));
    ck_assert(weft__op_in_flight(&op));
    close_reactor();
    ck_assert_int_eq(completions, 2);
}

/* What was allocated ahead is used before there is more; more than can be counted is refused. */
TEST(room_for_more)
{
    struct weft__timers timers = {0};
    struct weft__ops ops;
    const struct weft__op_slot *slots;
    uint32_t free = 0, once;

    ck_assert_int_eq(weft__ops_open(&ops, &timers), 0);
    once = ops.capacity;
    ck_assert_int_eq(weft__ops_grow(&ops), 0);
    ck_assert_int_eq(weft__ops_grow(&ops), 0);
    ck_assert_uint_eq(ops.room, 4 * once);
    slots = ops.slots;
    ck_assert_int_eq(weft__ops_grow(&ops), 0);
    ck_assert_ptr_eq(ops.slots, slots);
    ck_assert_uint_eq(ops.capacity, ops.room);
    for (uint32_t i = ops.free; i != UINT32_MAX; i = slots[i].next_free)
        ck_assert_uint_le(++free, ops.capacity);
    ck_assert_uint_eq(free, ops.capacity);
    ops.capacity = ops.room = UINT32_C(1) << 31;
    ck_assert_int_eq(weft__ops_grow(&ops), -ENOMEM);
    ck_assert_ptr_eq(ops.slots, slots);
    weft__ops_close(&ops);
}

TEST(generations_never_become_zero)
{
    struct weft__op op = {.complete = completed};
    struct weft__cqe cqe;

    open_reactor();
    submit_nop(&op);
    while (weft__op_in_flight(&op))
        weft__reactor_turn(&reactor, true);
    reactor.ops.slots[reactor.ops.free].generation = WEFT__GENERATION_MAX;
    ck_assert_ptr_nonnull(weft__op_begin(&reactor, &op));
    reactor.ring.sq_tail--; /* not to be submitted */
    cqe = (struct weft__cqe){.user_data = op.id, .result = 5};
    ck_assert(weft__op_complete(&reactor, &cqe));
    ck_assert_uint_eq(reactor.ops.slots[reactor.ops.free].generation, 1);
    close_reactor();
}

/* A completion that nobody asked for is counted and does no harm. */
TEST(unknown_completions)
{
    static const uint64_t strange[] = {0, 77, UINT64_MAX, UINT64_C(1) << 32, UINT64_C(9) << 32 | 5};
    uint64_t before;

    open_reactor();
    before = reactor.stats.unknown_completions;
    for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++) {
        struct weft__sqe *sqe = weft__ring_take(&reactor.ring);
        ck_assert_ptr_nonnull(sqe);
        *sqe = (struct weft__sqe){.opcode = WEFT__OP_NOP, .fd = -1, .user_data = strange[i]};
    }
    for (int i = 0; i < 10; i++)
        weft__reactor_turn(&reactor, false);
    ck_assert_uint_eq(reactor.stats.unknown_completions - before, 5);
    close_reactor();
}

/* MORE keeps it in flight; the final one ends it. */
TEST(more)
{
    struct weft__op op = {.complete = completed};
    struct weft__cqe cqe;

    open_reactor();
    ck_assert_ptr_nonnull(weft__op_begin(&reactor, &op));
    reactor.ring.sq_tail--;
    cqe = (struct weft__cqe){.user_data = op.id, .result = 1, .flags = WEFT__CQE_MORE};
    for (int i = 0; i < 5; i++) {
        cqe.result = i;
        ck_assert(weft__op_complete(&reactor, &cqe));
        ck_assert_int_eq(last_result, i);
    }
    cqe.flags = 0;
    ck_assert(weft__op_complete(&reactor, &cqe));
    ck_assert(!weft__op_complete(&reactor, &cqe)); /* a duplicate */
    ck_assert_int_eq(completions, 6);
    ck_assert_uint_eq(reactor.ops.in_flight, 0);
    close_reactor();
}

/* Cancels: queued once, sent at the next visit; one of an operation that ended meanwhile is not
 * sent. */
TEST(cancels)
{
    struct weft__op ops[200];
    int fds[2];

    open_reactor();
    ck_assert_int_eq(pipe(fds), 0);
    for (int i = 0; i < 200; i++) { /* more than the submission queue has room for */
        struct weft__sqe *sqe;
        ops[i] = (struct weft__op){.complete = completed};
        sqe = weft__op_begin(&reactor, &ops[i]);
        ck_assert_ptr_nonnull(sqe);
        *sqe = (struct weft__sqe){.opcode = WEFT__OP_POLL_ADD, .fd = fds[0], .op_flags = 1};
        sqe->user_data = ops[i].id;
    }
    weft__reactor_turn(&reactor, false);
    ck_assert_int_eq(completions, 0);
    for (int round = 0; round < 3; round++) /* asking again changes nothing */
        for (int i = 0; i < 200; i++)
            weft__op_cancel(&reactor, &ops[i]);
    /* the middle one ends by itself: unlinked, and not sent */
    ck_assert(weft__op_complete(&reactor, &(struct weft__cqe){.user_data = ops[100].id}));
    ck_assert_uint_eq(reactor.ops.in_flight, 199);
    while (reactor.ops.in_flight > 0)
        weft__reactor_turn(&reactor, true);
    ck_assert_int_eq(completions, 200);
    ck_assert_uint_eq(reactor.stats.cancels_sent, 199);
    for (int i = 0; i < 200; i++)
        ck_assert(!weft__op_in_flight(&ops[i]));
    ops[1] = (struct weft__op){.complete = completed};
    weft__op_cancel(&reactor, &ops[0]); /* idle: nothing, */
    weft__op_cancel(&reactor, &ops[1]); /* whether it was ever asked to end or not */
    ck_assert_ptr_null(reactor.ops.cancels);
    ck_assert_ptr_eq(reactor.ops.cancels_tail, &reactor.ops.cancels);
    close(fds[0]);
    close(fds[1]);
    close_reactor();
}

/* -- batches -------------------------------------------------------------------------------- */

/* The ring says that it has more, each time it is asked: the turns that only fetch come to an end
   all the same. */
TEST(fetching_ends)
{
    struct weft__op op = {.complete = completed};
    uint32_t flags = WEFT__SQ_TASKRUN;

    open_reactor();
    submit_nop(&op);
    reactor.ring.kernel_flags = &flags;
    for (int turns = 0; turns <= WEFT__FETCHES_MAX; turns++)
        weft__reactor_turn(&reactor, false);
    ck_assert_int_eq(completions, 1);
    flags = 0;
    close_reactor();
}

/* -- cancels that fail ---------------------------------------------------------------------- */

/* In flight as far as we know, but the kernel was never told. */
static void begin_unknown(struct weft__op *op)
{
    *op = (struct weft__op){.complete = completed};
    ck_assert_ptr_nonnull(weft__op_begin(&reactor, op));
    reactor.ring.sq_tail--;
}

static void end_by_hand(struct weft__op *op)
{
    ck_assert(weft__op_complete(&reactor, &(struct weft__cqe){.user_data = op->id}));
}

/* What the kernel says of the cancel of an operation, and what was asked is taken to be sent. */
static void answer(struct weft__op *op, int32_t result)
{
    struct weft__cqe cqe = {.user_data = op->id | WEFT__CANCEL_MARK, .result = result};

    if (op->cancel_link && !op->cancel_waits)
        weft__op_cancel_unlink(&reactor.ops, op);
    ck_assert(weft__op_cancel_answered(&reactor.ops, &cqe));
}

/* The first cancel had no effect (made up); the second one, the kernel's, has. Without it this
   never ends. */
TEST(a_failed_cancel_is_sent_again)
{
    struct weft__op op = {.complete = completed};
    struct weft__sqe *sqe;
    int fds[2];

    open_reactor();
    ck_assert_int_eq(pipe(fds), 0);
    sqe = weft__op_begin(&reactor, &op);
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_POLL_ADD, .fd = fds[0], .op_flags = 1};
    sqe->user_data = op.id;
    weft__reactor_turn(&reactor, false);
    weft__op_cancel(&reactor, &op);
    answer(&op, -EALREADY);
    ck_assert_uint_eq(reactor.timers.alive, 1);
    while (weft__op_in_flight(&op))
        weft__reactor_turn(&reactor, true);
    ck_assert_int_eq(last_result, -ECANCELED);
    ck_assert_uint_eq(reactor.stats.cancels_sent, 1);
    ck_assert_uint_eq(reactor.timers.alive, 0);
    ck_assert_uint_eq(reactor.stats.unknown_completions, 0);
    close(fds[0]);
    close(fds[1]);
    close_reactor();
}

/* The kernel's own answers, all of them -ENOENT: asked again, never sooner than the delays allow.
 */
TEST(cancels_are_sent_again_ever_more_rarely)
{
    enum { MS = 1000000 };
    int64_t start_ns = weft__host_now();
    struct weft__op op;

    open_reactor();
    begin_unknown(&op);
    weft__op_cancel(&reactor, &op);
    while (reactor.stats.cancels_sent < 4)
        weft__reactor_turn(&reactor, true);
    ck_assert_int_ge(weft__host_now() - start_ns, (10 + 20 + 40) * MS);
    ck_assert_uint_le(reactor.turn, 30); /* asleep in between */
    end_by_hand(&op);
    for (int i = 0; i < 3; i++)
        weft__reactor_turn(&reactor, false);
    ck_assert_uint_eq(reactor.timers.alive, 0);
    ck_assert_uint_eq(reactor.stats.unknown_completions, 0); /* the last answer came too late */
    close_reactor();
}

/* Each delay is twice the one before, up to a second. */
TEST(delays_of_cancels)
{
    static const int64_t ms[] = {10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000};
    struct weft__op op;

    open_reactor();
    begin_unknown(&op);
    weft__op_cancel(&reactor, &op);
    for (size_t i = 0; i < sizeof ms / sizeof ms[0]; i++) {
        int64_t before_ns = weft__host_now();
        struct weft__timer *timer;
        answer(&op, i % 2 ? -EALREADY : -ENOENT);
        timer = &reactor.ops.again[op.cancel_level].timer;
        ck_assert(op.cancel_waits && weft__timer_armed(timer));
        ck_assert_uint_eq(reactor.timers.alive, 1);
        ck_assert_int_ge(timer->due_ns, before_ns + ms[i] * 1000000);
        ck_assert_int_le(timer->due_ns, weft__host_now() + ms[i] * 1000000);
        answer(&op, -EALREADY); /* while it waits: nothing */
        weft__timer_disarm(&reactor.timers, timer);
        timer->fire(timer);
        ck_assert(!op.cancel_waits);
        ck_assert_ptr_eq(reactor.ops.cancels, &op);
    }
    end_by_hand(&op);
    ck_assert_ptr_null(reactor.ops.cancels);
    close_reactor();
}

/* Hundreds that wait, taken out in any order: the lists hold, and the last one disarms. */
TEST(many_failed_cancels)
{
    enum { MANY = 300 };
    static struct weft__op ops[MANY];

    open_reactor();
    for (int i = 0; i < MANY; i++) {
        begin_unknown(&ops[i]);
        weft__op_cancel(&reactor, &ops[i]);
        ops[i].cancel_level = (uint8_t)(i % 3);
        answer(&ops[i], -EALREADY);
    }
    ck_assert_uint_eq(reactor.timers.alive, 3);
    for (int i = 0; i < MANY; i += 2)
        end_by_hand(&ops[i]);
    ck_assert_uint_eq(reactor.timers.alive, 3);
    for (int i = MANY - 1; i > 0; i -= 2) {
        ck_assert(ops[i].cancel_waits);
        end_by_hand(&ops[i]);
    }
    ck_assert_uint_eq(reactor.timers.alive, 0);
    ck_assert_uint_eq(reactor.ops.in_flight, 0);
    for (int i = 0; i < 3; i++)
        ck_assert_ptr_null(reactor.ops.again[i].first);
    close_reactor();
}

/* Answers that concern nobody: of an operation that ended, of a success, of no slot. */
TEST(answers_of_no_concern)
{
    struct weft__op op;
    struct weft__cqe cqe = {.result = -EALREADY};

    open_reactor();
    begin_unknown(&op);
    weft__op_cancel(&reactor, &op);
    answer(&op, 0);
    ck_assert(!op.cancel_waits);
    cqe.user_data = op.id | WEFT__CANCEL_MARK;
    end_by_hand(&op);
    ck_assert(weft__op_cancel_answered(&reactor.ops, &cqe));
    begin_unknown(&op); /* the same slot */
    ck_assert(weft__op_cancel_answered(&reactor.ops, &cqe));
    ck_assert_ptr_null(op.cancel_link);
    ck_assert_uint_eq(reactor.timers.alive, 0);
    cqe.user_data = op.id; /* not a cancel's */
    ck_assert(!weft__op_cancel_answered(&reactor.ops, &cqe));
    cqe.user_data = UINT64_MAX;
    ck_assert(!weft__op_cancel_answered(&reactor.ops, &cqe));
    end_by_hand(&op);
    close_reactor();
}

/* The kernel's own -EALREADY: opening a FIFO that nobody writes to, on a worker thread, which a
   cancel interrupts. Whether or not that had to be asked twice, it ends. */
TEST(cancel_of_what_runs_on_a_worker)
{
    enum { OPENAT = 18 };
    struct weft__op op = {.complete = completed};
    char path[] = "/tmp/weft-fifo-XXXXXX";
    struct weft__sqe *sqe;

    open_reactor();
    ck_assert_ptr_nonnull(mkdtemp(path));
    ck_assert_int_eq(rmdir(path), 0);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    sqe = weft__op_begin(&reactor, &op);
    *sqe = (struct weft__sqe){.opcode = OPENAT,
                              .flags = WEFT__SQE_ASYNC,
                              .fd = AT_FDCWD,
                              .address = (uint64_t)(uintptr_t)path,
                              .op_flags = O_RDONLY | O_CLOEXEC,
                              .user_data = op.id};
    weft__reactor_turn(&reactor, false);
    usleep(20000); /* as a rule the worker has begun by then */
    ck_assert(weft__op_in_flight(&op));
    weft__op_cancel(&reactor, &op);
    while (weft__op_in_flight(&op))
        weft__reactor_turn(&reactor, true);
    ck_assert(weft__result_is_cancel(last_result));
    ck_assert_uint_ge(reactor.stats.cancels_sent, 1);
    ck_assert_uint_eq(reactor.timers.alive, 0);
    ck_assert_int_eq(unlink(path), 0);
    close_reactor();
}

/* The same of something that no signal ends: the kernel fills memory in one go. It is asked again
   and again, but not often, and reports what it did. */
static int32_t fill(size_t size, useconds_t pause_us)
{
    enum { MADVISE = 25, MADV_POPULATE = 23 };
    struct weft__op op = {.complete = completed};
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct weft__sqe *sqe = weft__op_begin(&reactor, &op);

    ck_assert_ptr_ne(memory, MAP_FAILED);
    *sqe = (struct weft__sqe){.opcode = MADVISE,
                              .flags = WEFT__SQE_ASYNC,
                              .fd = -1,
                              .address = (uint64_t)(uintptr_t)memory,
                              .length = (uint32_t)size,
                              .op_flags = MADV_POPULATE,
                              .user_data = op.id};
    weft__reactor_turn(&reactor, false);
    usleep(pause_us);
    weft__op_cancel(&reactor, &op);
    while (weft__op_in_flight(&op))
        weft__reactor_turn(&reactor, true);
    ck_assert_int_eq(munmap(memory, size), 0);
    return last_result;
}

TEST(cancel_of_what_no_signal_ends)
{
    size_t size = 64 << 20;
    uint64_t sent = 0;

    open_reactor();
    for (int tries = 0; sent < 2 && tries < 20; tries++) {
        uint64_t before = reactor.stats.cancels_sent;
        int64_t begin_ns = weft__host_now();
        int32_t result = fill(size, 2000 * (1 + (useconds_t)tries)); /* a worker may begin late */
        sent = reactor.stats.cancels_sent - before;
        ck_assert(result == 0 || weft__result_is_cancel(result)); /* before a worker had begun */
        ck_assert_uint_eq(reactor.timers.alive, 0);
        ck_assert_int_le((int64_t)sent,
                         2 + WEFT__CANCEL_LEVELS + (weft__host_now() - begin_ns) / 1000000000);
        if (size < 512 << 20) /* it may have been over too soon */
            size *= 2;
    }
    ck_assert_uint_ge(sent, 2);
    close_reactor();
}

/* Slots grow; when there is no memory for more, nothing has happened. */
TEST(growth)
{
    enum { MANY = 3000 };
    static struct weft__op ops[MANY];
    uint32_t taken = 0;

    open_reactor();
    weft__alloc_fail_after(1);
    for (; taken < MANY; taken++) {
        struct weft__sqe *sqe;
        ops[taken].complete = completed;
        sqe = weft__op_begin(&reactor, &ops[taken]);
        if (!sqe)
            break;
        *sqe = (struct weft__sqe){.opcode = WEFT__OP_NOP, .fd = -1, .user_data = ops[taken].id};
    }
    ck_assert_uint_eq(taken, reactor.ops.capacity);
    ck_assert(!weft__op_in_flight(&ops[taken]));
    for (; taken < MANY; taken++) {
        ops[taken].complete = completed;
        submit_nop(&ops[taken]);
    }
    while (reactor.ops.in_flight > 0)
        weft__reactor_turn(&reactor, true);
    ck_assert_int_eq(completions, MANY);
    close_reactor();
}

TEST(words_for_cancelled)
{
    static const int32_t yes[] = {-ECANCELED, -EINTR, -512, -513, -514, -516};
    static const int32_t no[] = {0, 1, -EIO, -EAGAIN, -511, -517, -ETIME};

    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
        ck_assert(weft__result_is_cancel(yes[i]));
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        ck_assert(!weft__result_is_cancel(no[i]));
}

TEST_MAIN("reactor.op", 30, slots_and_generations, room_for_more, generations_never_become_zero,
          unknown_completions, more, cancels, a_failed_cancel_is_sent_again,
          cancels_are_sent_again_ever_more_rarely, delays_of_cancels, many_failed_cancels,
          fetching_ends, answers_of_no_concern, cancel_of_what_runs_on_a_worker,
          cancel_of_what_no_signal_ends, growth, words_for_cancelled)
