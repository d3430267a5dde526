/*
 * coro/walk: the calls of a stack from outside. Would catch a frame left out, one made up, a walk
 * that believes a broken stack, and one that depends on frame pointers.
 */
#include <alloca.h>
#include <signal.h>
#include <string.h>

#include "coro/context.h"
#include "coro/stack.h"
#include "coro/walk.h"
#include "support/frames.h"
#include "support/test.h"

enum { FRAMES = 64, NOTED = 8 };

static const struct weft__stack_pool_opt few = {.count_max = {64, 64, 64, 64}};

static struct weft__context home, away;
static struct weft__stack stack;
static const void *noted[NOTED]; /* the return addresses, innermost first */
static volatile int sink;

static NOINLINE void park(void)
{
    noted[0] = __builtin_return_address(0);
    weft__context_switch(&away, &home);
    sink++;
}
/* Room of a size that is known in running only: its frame is told from the frame pointer. */
static NOINLINE void with_alloca(int size)
{
    char *room = alloca((size_t)size);

    noted[1] = __builtin_return_address(0);
    memset(room, size, (size_t)size);
    park();
    sink += room[size / 2];
}
/* Keeps registers of its caller's, and no frame pointer where that is the compiler's choice. */
static NOINLINE int with_registers(int a, int b, int c, int d, int e)
{
    int sum = a;

    noted[2] = __builtin_return_address(0);
    for (int i = 0; i < 2; i++) {
        with_alloca(64 + 16 * i);
        sum += a * b + c * d + e;
        a += b, b += c, c += d, d += e, e += sum;
    }
    return sum;
}
static NOINLINE void outermost(void *arg)
{
    (void)arg;
    noted[3] = __builtin_return_address(0);
    for (;;)
        sink += with_registers(sink, 2, 3, 4, 5);
}

static size_t walk_it(const void **frames, const void *high)
{
    struct weft__registers registers;

    weft__registers_parked(&registers, away.sp);
    return weft__walk(&registers, false, stack.low, high, frames, FRAMES);
}

/* In their order, one straight behind the other, and nothing behind the last. */
static void check(const void *const *frames, size_t count, size_t notes)
{
    size_t first = 0;

    while (first < count && frames[first] != noted[0])
        first++;
    ck_assert_msg(first < count, "the innermost call is not among %zu frames", count);
    for (size_t i = 0; i < notes; i++)
        ck_assert_ptr_eq(frames[first + i], noted[i]);
    ck_assert_uint_ge(count, first + notes);
    /* with a sanitizer one more function stands below the body */
    ck_assert_uint_le(count, first + notes + weft__san_is_cramped());
}

/* Also where the address sanitizer has put something between two variables. */
static __attribute__((no_sanitize("address"))) void copy_words(volatile uintptr_t *to,
                                                               const volatile uintptr_t *from,
                                                               size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = from[i];
}
static __attribute__((no_sanitize("address"))) void scribble(volatile uintptr_t *words,
                                                             size_t count, unsigned seed)
{
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1103515245 + 12345;
        if (seed >> 16 & 1)
            words[i] = seed * UINT64_C(0x100010001);
    }
}

static void begin(struct weft__stack_pool *pool)
{
    ck_assert_int_eq(weft__stack_pool_open(pool, &few), 0);
    ck_assert_int_eq(weft__stack_take(pool, 0, &stack), 0);
    weft__context_adopt(&home);
    weft__context_make(&away, stack.low, stack.top, outermost, NULL);
    weft__context_switch(&home, &away);
}
static void end(struct weft__stack_pool *pool)
{
    weft__context_drop(&away);
    weft__stack_give(pool, stack.slot);
    weft__context_drop(&home);
    weft__stack_pool_close(pool);
}

TEST(a_parked_stack)
{
    struct weft__stack_pool pool;
    const void *frames[FRAMES];

    begin(&pool);
    for (int i = 0; i < 5; i++) {
        check(frames, walk_it(frames, stack.top), 4);
        weft__context_switch(&home, &away);
    }
    end(&pool);
}

TEST(one_that_never_ran)
{
    struct weft__stack_pool pool;
    const void *frames[FRAMES];

    ck_assert_int_eq(weft__stack_pool_open(&pool, &few), 0);
    ck_assert_int_eq(weft__stack_take(&pool, 0, &stack), 0);
    weft__context_make(&away, stack.low, stack.top, outermost, NULL);
    ck_assert_uint_eq(walk_it(frames, stack.top), 1);
    weft__context_drop(&away);
    weft__stack_give(&pool, stack.slot);
    weft__stack_pool_close(&pool);
}

TEST(no_more_than_asked_for)
{
    struct weft__stack_pool pool;
    const void *frames[FRAMES];
    struct weft__registers registers;

    begin(&pool);
    weft__registers_parked(&registers, away.sp);
    ck_assert_uint_eq(weft__walk(&registers, false, stack.low, stack.top, frames, 2), 2);
    ck_assert_uint_eq(weft__walk(&registers, false, stack.low, stack.top, frames, 0), 0);
    end(&pool);
}

/* Whatever stands there, the walk ends, and reads nothing outside. */
TEST(a_broken_stack)
{
    struct weft__stack_pool pool;
    const void *frames[FRAMES];
    struct weft__registers registers;
    uintptr_t *sp, copy[512];
    size_t count;

    begin(&pool);
    sp = away.sp;
    count = (size_t)((uintptr_t *)stack.top - sp);
    count = count < 512 ? count : 512;
    copy_words(copy, sp, count);
    ck_assert_uint_le(walk_it(frames, sp + 16), 3); /* its bounds are too narrow */
    for (unsigned seed = 1; seed < 200; seed++) {
        scribble(sp, count, seed);
        ck_assert_uint_le(walk_it(frames, stack.top), FRAMES);
        copy_words(sp, copy, count);
    }
    memset(&registers, 0, sizeof registers);
    ck_assert_uint_eq(weft__walk(&registers, false, stack.low, stack.top, frames, FRAMES), 0);
    registers.pc = 64;
    ck_assert_uint_eq(weft__walk(&registers, false, stack.low, stack.top, frames, FRAMES), 1);
    check(frames, walk_it(frames, stack.top), 4);
    end(&pool);
}

/* -- from a signal handler ------------------------------------------------------------------- */

static const void *handler_frames[FRAMES];
static size_t handler_count;
static const void *raised_from;

static void handler(int number, siginfo_t *info, void *frame)
{
    struct weft__registers registers;
    char here;

    (void)number;
    (void)info;
    weft__registers_interrupted(&registers, frame);
    handler_count =
        weft__walk(&registers, true, &here, (char *)frame + (1 << 20), handler_frames, FRAMES);
}

static NOINLINE void raises(void)
{
    raised_from = __builtin_return_address(0);
    raise(SIGUSR1);
    sink++;
}

TEST(an_interrupted_stack)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    size_t i = 0;

    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    raises();
    sink++;
    while (i < handler_count && handler_frames[i] != raised_from)
        i++;
    ck_assert_msg(i < handler_count && i > 0, "not among %zu frames", handler_count);
}

TEST_MAIN("walk", 20, a_parked_stack, one_that_never_ran, no_more_than_asked_for, a_broken_stack,
          an_interrupted_stack)
