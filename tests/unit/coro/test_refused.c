/*
 * Stacks and handlers where the kernel refuses what they need. What these cases would catch: an
 * error that is lost or named wrongly, memory or a handler that stays behind a failed opening, a
 * guard that is counted and not there, and a pool that cannot go on when the trouble is over.
 *
 * The linker leads the library's calls here (extra.cmake).
 */
#define _GNU_SOURCE

#include "coro/overflow.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/test.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

/* The thread sanitizer's own beginning goes through these calls, when nothing is ready to be told.
 */
#if defined(__has_attribute)
#if __has_attribute(disable_sanitizer_instrumentation)
#define UNTOLD __attribute__((disable_sanitizer_instrumentation))
#endif
#endif
#ifndef UNTOLD
#define UNTOLD
#endif

/* The `at`-th call from now fails, and those after it as long as `count` says. */
struct refusal {
    int at, count, error;
};
static struct refusal mprotects, guards, mincores, sigactions, sigaltstacks;
static const char *limits; /* opened in the place of the file of /proc; NULL: that itself */

static UNTOLD int refused(struct refusal *refusal)
{
    if (refusal->at > 1) {
        refusal->at--;
        return 0;
    }
    if (refusal->count == 0)
        return 0;
    refusal->count--;
    errno = refusal->error;
    return -1;
}

int __real_mprotect(void *at, size_t size, int protection);
int __wrap_mprotect(void *at, size_t size, int protection);
UNTOLD int __wrap_mprotect(void *at, size_t size, int protection)
{
    return refused(&mprotects) < 0 ? -1 : __real_mprotect(at, size, protection);
}

int __real_madvise(void *at, size_t size, int advice);
int __wrap_madvise(void *at, size_t size, int advice);
UNTOLD int __wrap_madvise(void *at, size_t size, int advice)
{
    if (advice == MADV_GUARD_INSTALL && refused(&guards) < 0)
        return -1;
    return __real_madvise(at, size, advice);
}

int __real_mincore(void *at, size_t size, unsigned char *pages);
int __wrap_mincore(void *at, size_t size, unsigned char *pages);
UNTOLD int __wrap_mincore(void *at, size_t size, unsigned char *pages)
{
    return refused(&mincores) < 0 ? -1 : __real_mincore(at, size, pages);
}

int __real_sigaction(int number, const struct sigaction *action, struct sigaction *old);
int __wrap_sigaction(int number, const struct sigaction *action, struct sigaction *old);
UNTOLD int __wrap_sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
    return refused(&sigactions) < 0 ? -1 : __real_sigaction(number, action, old);
}

int __real_sigaltstack(const stack_t *stack, stack_t *old);
int __wrap_sigaltstack(const stack_t *stack, stack_t *old);
UNTOLD int __wrap_sigaltstack(const stack_t *stack, stack_t *old)
{
    return refused(&sigaltstacks) < 0 ? -1 : __real_sigaltstack(stack, old);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
UNTOLD int __wrap_open(const char *path, int flags, ...)
{
    va_list arguments;
    unsigned mode;

    va_start(arguments, flags);
    mode = flags & O_CREAT ? va_arg(arguments, unsigned) : 0;
    va_end(arguments);
    if (limits && strcmp(path, "/proc/sys/vm/max_map_count") == 0)
        path = limits;
    return __real_open(path, flags, mode);
}

/* ---- the pool ----------------------------------------------------------------------------- */

static struct weft__stack_pool pool;
static const struct weft__stack_pool_opt by_mprotect = {.mask_guard_install = true};

TEST(a_pool_that_gets_no_memory_for_its_arrays)
{
    test_map_fail_after(2);
    ck_assert_int_eq(weft__stack_pool_open(&pool, NULL), -ENOMEM);
    ck_assert_uint_eq(test_mapped_bytes(), 0);
    ck_assert_int_eq(weft__stack_pool_open(&pool, NULL), 0);
    weft__stack_pool_close(&pool);
}

/* Were the guard of a stack that could not be had counted, there would soon be none left. */
TEST(a_stack_that_cannot_be_opened_costs_no_guard)
{
    struct weft__stack stack;

    ck_assert_int_eq(weft__stack_pool_open(&pool, &by_mprotect), 0);
    mprotects = (struct refusal){1, 70000, ENOMEM};
    for (int i = 0; i < 70000; i++)
        ck_assert_int_eq(weft__stack_take(&pool, 0, &stack), -ENOMEM);
    ck_assert_int_eq(weft__stack_take(&pool, 0, &stack), 0);
    stack.low[0] = 1;
    weft__stack_pool_close(&pool);
}

/* Not even one guard: nothing is handed out, and it is not for ever. */
TEST(no_memory_for_the_markers_of_guards)
{
    struct weft__stack stack;

    ck_assert_int_eq(weft__stack_pool_open(&pool, NULL), 0);
    if (pool.guard_install) { /* else the kernel has no such markers */
        guards = (struct refusal){1, 1, ENOMEM};
        ck_assert_int_eq(weft__stack_take(&pool, 0, &stack), -ENOMEM);
        ck_assert(pool.guard_install);
    }
    ck_assert_int_eq(weft__stack_take(&pool, 0, &stack), 0);
    stack.low[0] = 1;
    weft__stack_pool_close(&pool);
}

/* Two guards could be marked, then none: two stacks, and a third once there is memory again. */
TEST(memory_for_the_markers_of_some_guards)
{
    struct weft__stack stacks[3];
    uint32_t ready;

    ck_assert_int_eq(weft__stack_pool_open(&pool, NULL), 0);
    guards = (struct refusal){3, 1, ENOMEM};
    ck_assert_int_eq(weft__stack_take(&pool, 0, &stacks[0]), 0);
    ready = pool.class_of[1].slot_ready - pool.class_of[1].slot_first;
    ck_assert_uint_eq(ready, pool.guard_install ? 2 : 1);
    for (int i = 1; i < 3; i++)
        ck_assert_int_eq(weft__stack_take(&pool, 0, &stacks[i]), 0);
    for (int i = 0; i < 3; i++)
        stacks[i].low[0] = 1;
    weft__stack_pool_close(&pool);
}

TEST(no_memory_for_stacks_with_marked_guards)
{
    struct weft__stack stack;

    ck_assert_int_eq(weft__stack_pool_open(&pool, NULL), 0);
    mprotects = (struct refusal){1, 1, ENOMEM};
    ck_assert_int_eq(weft__stack_take(&pool, 0, &stack), -ENOMEM);
    ck_assert_int_eq(weft__stack_take(&pool, 0, &stack), 0);
    stack.low[0] = 1;
    weft__stack_pool_close(&pool);
}

/* Whoever cannot see what stacks hold takes it for the least, a page, and goes on. */
TEST(stacks_that_cannot_be_looked_at)
{
    struct weft__stack stack;

    ck_assert_int_eq(weft__stack_pool_open(&pool, NULL), 0);
    mincores = (struct refusal){1, 1000, EAGAIN};
    for (int i = 0; i < 3000; i++) {
        ck_assert_int_eq(weft__stack_take(&pool, 0, &stack), 0);
        weft__stack_give(&pool, stack.slot);
    }
    ck_assert_uint_eq(weft__stack_hot_bytes(&pool), (size_t)sysconf(_SC_PAGESIZE));
    weft__stack_pool_close(&pool);
}

/* Each kind of file that does not say how many mappings there may be: then the usual number. */
static void limit_from(const char *path)
{
    struct weft__stack stack;

    limits = path;
    ck_assert_int_eq(weft__stack_pool_open(&pool, &by_mprotect), 0);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(weft__stack_take(&pool, 0, &stack), 0);
    weft__stack_pool_close(&pool);
}

TEST(no_limit_can_be_read)
{
    limit_from("/proc/self/nowhere");
}

TEST(an_empty_limit)
{
    limit_from("/dev/null");
}

TEST(a_limit_that_is_no_number)
{
    limit_from("/proc/self/comm");
}

/* ---- handlers ----------------------------------------------------------------------------- */

static struct sigaction action_of(int number)
{
    struct sigaction now;

    ck_assert_int_eq(__real_sigaction(number, NULL, &now), 0);
    return now;
}

/* Whichever call is refused, both signals are as they were, and the next try is a whole one. */
TEST(handlers_that_cannot_be_put_in_place)
{
    struct sigaction segv = action_of(SIGSEGV), bus = action_of(SIGBUS);

    for (int at = 1; at <= 4; at++) {
        sigactions = (struct refusal){at, 1, EPERM};
        ck_assert_int_eq(weft__overflow_install(), -EPERM);
        ck_assert(action_of(SIGSEGV).sa_handler == segv.sa_handler);
        ck_assert(action_of(SIGBUS).sa_handler == bus.sa_handler);
    }
    ck_assert_int_eq(weft__overflow_install(), 0);
    ck_assert(action_of(SIGSEGV).sa_handler != segv.sa_handler);
    ck_assert(action_of(SIGBUS).sa_handler != bus.sa_handler);
    weft__overflow_remove();
    ck_assert(action_of(SIGSEGV).sa_handler == segv.sa_handler);
}

/* One whose owner cannot be asked for is left alone, and not taken for somebody else's later. */
TEST(a_handler_that_cannot_be_asked_for)
{
    struct sigaction segv = action_of(SIGSEGV), ours;

    ck_assert_int_eq(weft__overflow_install(), 0);
    ours = action_of(SIGSEGV);
    sigactions = (struct refusal){1, 1, EPERM};
    weft__overflow_remove();
    ck_assert(action_of(SIGSEGV).sa_handler == ours.sa_handler);
    ck_assert_int_eq(weft__overflow_install(), 0);
    weft__overflow_remove();
    ck_assert(action_of(SIGSEGV).sa_handler == segv.sa_handler);
}

TEST(a_signal_stack_that_cannot_be_had)
{
    struct weft__overflow_thread thread = {.begun = false};
    size_t mapped = test_mapped_bytes();
    stack_t before, after;

    ck_assert_int_eq(__real_sigaltstack(NULL, &before), 0);
    test_map_fail_after(1);
    ck_assert_int_eq(weft__overflow_thread_begin(&thread), -ENOMEM);
    ck_assert(!thread.begun);
    mprotects = (struct refusal){1, 1, EACCES};
    ck_assert_int_eq(weft__overflow_thread_begin(&thread), -EACCES);
    ck_assert(!thread.begun);
    sigaltstacks = (struct refusal){1, 1, EPERM};
    ck_assert_int_eq(weft__overflow_thread_begin(&thread), -EPERM);
    ck_assert(!thread.begun);
    ck_assert_uint_eq(test_mapped_bytes(), mapped);
    ck_assert_int_eq(__real_sigaltstack(NULL, &after), 0);
    ck_assert_ptr_eq(after.ss_sp, before.ss_sp);
}

TEST_MAIN("coro/refused", 30, a_pool_that_gets_no_memory_for_its_arrays,
          a_stack_that_cannot_be_opened_costs_no_guard, no_memory_for_the_markers_of_guards,
          memory_for_the_markers_of_some_guards, no_memory_for_stacks_with_marked_guards,
          stacks_that_cannot_be_looked_at, no_limit_can_be_read, an_empty_limit,
          a_limit_that_is_no_number, handlers_that_cannot_be_put_in_place,
          a_handler_that_cannot_be_asked_for, a_signal_stack_that_cannot_be_had)
