/*
 * The stack pool. What these cases would catch: two stacks that overlap, a missing guard, guards
 * that exhaust the mappings of the whole process, a pool that cannot be had where address space or
 * commit is limited, memory kept after a burst, or given back and fetched again in a steady load.
 */
#define _GNU_SOURCE

#include "coro/stack.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/arch.h"
#include "support/test.h"

static struct weft__stack_pool pool;

static const size_t sizes[WEFT__STACK_CLASSES] = {WEFT__STACK_SIZE_0, WEFT__STACK_SIZE_1,
                                                  WEFT__STACK_SIZE_2, WEFT__STACK_SIZE_3};

static void open_pool(const struct weft__stack_pool_opt *opt)
{
    ck_assert_int_eq(weft__stack_pool_open(&pool, opt), 0);
}

static struct weft__stack take(size_t size)
{
    struct weft__stack stack;

    ck_assert_int_eq(weft__stack_take(&pool, size, &stack), 0);
    return stack;
}

/* A number out of a file of /proc: the field-th after `key`. */
static long proc_number(const char *path, const char *key)
{
    char line[256];
    long value = -1;
    FILE *file = fopen(path, "re");

    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0)
            value = atol(line + strlen(key));
    fclose(file);
    return value;
}

/* Not VmRSS: the kernel lets that be off by some 64 pages for each processor. */
static long resident_kib(void)
{
    return proc_number("/proc/self/smaps_rollup", "Rss:");
}

static long mappings(void)
{
    long count = 0;
    FILE *file = fopen("/proc/self/maps", "re");

    ck_assert_ptr_nonnull(file);
    for (int c; (c = getc(file)) != EOF;)
        count += c == '\n';
    fclose(file);
    return count;
}

/* How a child that touches `address` ends: the signal, or 0. */
static int signal_of_touch(volatile char *address)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL);
        weft__san_unpoison((char *)address, 1);
        *address = 1;
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* ---- layout ------------------------------------------------------------------------------- */

TEST(sizes_choose_classes)
{
    struct weft__stack stack;

    open_pool(NULL);
    for (int i = 0; i < WEFT__STACK_CLASSES; i++) {
        stack = take(sizes[i]);
        ck_assert_uint_eq(stack.size, sizes[i]);
        ck_assert_uint_eq(weft__stack_size(&pool, stack.slot), sizes[i]);
        ck_assert_ptr_eq(weft__stack_top(&pool, stack.slot), stack.top);
        ck_assert_ptr_eq(weft__stack_low(&pool, stack.slot), stack.low);
        ck_assert(stack.slot < weft__stack_slots(&pool));
        weft__stack_give(&pool, stack.slot);
    }
    ck_assert_uint_eq(take(0).size, 64 << 10);
    ck_assert_uint_eq(take(1).size, 16 << 10);
    ck_assert_uint_eq(take((16 << 10) + 1).size, 64 << 10);
    ck_assert_int_eq(weft__stack_take(&pool, (1 << 20) + 1, &stack), -E2BIG);
    ck_assert_int_eq(weft__stack_take(&pool, SIZE_MAX, &stack), -E2BIG);
    ck_assert_uint_eq(weft__stack_live(&pool), 3);
    weft__stack_pool_close(&pool);
}

static int by_low(const void *a, const void *b)
{
    const struct weft__stack *x = a, *y = b;

    return (x->low > y->low) - (x->low < y->low);
}

enum { MANY = 400 };

TEST(stacks_are_apart_aligned_and_staggered)
{
    static struct weft__stack stacks[MANY];
    unsigned staggers = 0;

    open_pool(NULL);
    for (int i = 0; i < MANY; i++) {
        stacks[i] = take(sizes[i % WEFT__STACK_CLASSES]);
        size_t stagger = (size_t)(stacks[i].low + stacks[i].size - stacks[i].top);

        ck_assert_uint_eq((uintptr_t)stacks[i].top % 64, 0);
        ck_assert_uint_lt(stagger, 1024);
        staggers |= 1u << (stagger / 64);
        memset(stacks[i].low, i, 16);
        memset(stacks[i].top - 16, i, 16);
    }
    ck_assert_uint_eq(staggers, 0xffff);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(stacks[i].low[0], (char)i);
        ck_assert_int_eq(stacks[i].top[-1], (char)i);
    }
    qsort(stacks, MANY, sizeof *stacks, by_low);
    for (int i = 1; i < MANY; i++) /* room for a guard between any two */
        ck_assert(stacks[i].low >= stacks[i - 1].top + WEFT__ARCH_GUARD_SIZE);
    weft__stack_pool_close(&pool);
}

TEST(the_last_given_is_the_next_taken)
{
    open_pool(NULL);
    struct weft__stack a = take(0), b = take(0);

    ck_assert_uint_ne(a.slot, b.slot);
    weft__stack_give(&pool, a.slot);
    weft__stack_give(&pool, b.slot);
    ck_assert_uint_eq(take(0).slot, b.slot);
    ck_assert_uint_eq(take(0).slot, a.slot);
    weft__stack_pool_close(&pool);
}

TEST(an_address_leads_to_its_slot)
{
    uint32_t slot;
    bool in_guard;

    open_pool(NULL);
    for (int i = 0; i < MANY; i++) {
        struct weft__stack s = take(sizes[i % WEFT__STACK_CLASSES]);

        ck_assert(weft__stack_slot_of(&pool, s.low, &slot, &in_guard));
        ck_assert(slot == s.slot && !in_guard);
        ck_assert(weft__stack_slot_of(&pool, s.low + s.size - 1, &slot, &in_guard));
        ck_assert(slot == s.slot && !in_guard);
        ck_assert(weft__stack_slot_of(&pool, s.low - 1, &slot, &in_guard));
        ck_assert(slot == s.slot && in_guard);
        ck_assert(weft__stack_slot_of(&pool, s.low - WEFT__ARCH_GUARD_SIZE, &slot, &in_guard));
        ck_assert(slot == s.slot && in_guard);
    }
    ck_assert(!weft__stack_slot_of(&pool, &slot, &slot, &in_guard));
    ck_assert(!weft__stack_slot_of(&pool, NULL, &slot, &in_guard));
    ck_assert(!weft__stack_slot_of(&pool, pool.slab - 1, &slot, &in_guard));
    ck_assert(!weft__stack_slot_of(&pool, pool.slab + pool.slab_size, &slot, &in_guard));
    ck_assert(!weft__stack_slot_of(&pool, pool.slab + pool.slab_size - 1, &slot, &in_guard));
    weft__stack_pool_close(&pool);
}

/* ---- guards ------------------------------------------------------------------------------- */

static void check_guards(void)
{
    for (int i = 0; i < WEFT__STACK_CLASSES; i++)
        for (int n = 0; n < 3; n++) {
            struct weft__stack s = take(sizes[i]);

            ck_assert_int_eq(signal_of_touch(s.low - 1), SIGSEGV);
            ck_assert_int_eq(signal_of_touch(s.low - WEFT__ARCH_GUARD_SIZE), SIGSEGV);
            ck_assert_int_eq(signal_of_touch(s.low), 0);
            ck_assert_int_eq(signal_of_touch(s.top - 1), 0);
        }
}

TEST(every_stack_has_its_guard)
{
    open_pool(NULL);
    check_guards();
    weft__stack_pool_close(&pool);
}

TEST(every_stack_has_its_guard_on_an_older_kernel)
{
    open_pool(&(struct weft__stack_pool_opt){.mask_guard_install = true});
    ck_assert(!pool.guard_install);
    check_guards();
    weft__stack_pool_close(&pool);
}

TEST(guards_outlive_the_memory_given_back)
{
    open_pool(NULL);
    struct weft__stack s = take(0);

    s.low[0] = 1;
    s.top[-1] = 1;
    weft__stack_give(&pool, s.slot);
    ck_assert_uint_eq(weft__stack_pool_trim(&pool, 10), 1);
    ck_assert_uint_eq(take(0).slot, s.slot);
    ck_assert_int_eq(s.low[0], 0);
    ck_assert_int_eq(signal_of_touch(s.low - 1), SIGSEGV);
    weft__stack_pool_close(&pool);
}

TEST(guards_by_marker_cost_no_mappings)
{
    open_pool(&(struct weft__stack_pool_opt){.count_max = {0, 20000, 0, 0}});
    if (!pool.guard_install) { /* before 6.13: the other way's cost is tested below */
        weft__stack_pool_close(&pool);
        return;
    }
    long before = mappings();

    for (int i = 0; i < 20000; i++)
        take(0);
    ck_assert_int_le(mappings() - before, 4);
    weft__stack_pool_close(&pool);
}

/* The rest of the process must be able to map memory and start threads afterwards. */
TEST(guards_by_mprotect_stop_in_time)
{
    struct weft__stack_pool_opt opt = {.count_max = {0, 1 << 20, 0, 0}, .mask_guard_install = true};
    long budget = proc_number("/proc/sys/vm/max_map_count", "") / 5 * 2, taken = 0;
    struct weft__stack stack = {0};
    struct weft__stack_pool other;
    uint32_t first;
    int rc;

    open_pool(&opt);
    first = take(0).slot;
    for (taken = 1; (rc = weft__stack_take(&pool, 0, &stack)) == 0; taken++)
        ck_assert_int_le(taken, budget);
    ck_assert_int_eq(rc, -EAGAIN);
    ck_assert_int_eq(taken, budget);
    /* The budget is the process's: */
    ck_assert_int_eq(weft__stack_pool_open(&other, &opt), 0);
    ck_assert_int_eq(weft__stack_take(&other, 0, &stack), -EAGAIN);
    /* there is room left for others, ... */
    void *map[100];
    for (int i = 0; i < 100; i++) {
        map[i] =
            mmap(NULL, 4096, i % 2 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ck_assert(map[i] != MAP_FAILED);
    }
    for (int i = 0; i < 100; i++)
        munmap(map[i], 4096);
    /* what was guarded before is still good, ... */
    weft__stack_give(&pool, first);
    ck_assert_uint_eq(take(0).slot, first);
    /* and a pool that is closed leaves its guards to others. */
    weft__stack_pool_close(&pool);
    ck_assert_int_eq(weft__stack_take(&other, 0, &stack), 0);
    weft__stack_pool_close(&other);
}

TEST(memory_locked_before_or_after)
{
    struct weft__stack_pool_opt small = {.count_max = {64, 64, 64, 64}};

    /* Locked after it was opened: no marker can be set any more. */
    open_pool(&small);
    take(0);
    ck_assert_int_eq(mlockall(MCL_CURRENT | MCL_FUTURE), 0);
    for (int i = 0; i < WEFT__STACK_CLASSES; i++)
        for (int n = 0; n < 40; n++) {
            struct weft__stack s = take(sizes[i]);

            s.low[0] = s.top[-1] = 1;
            if (n > 37)
                ck_assert_int_eq(signal_of_touch(s.low - 1), SIGSEGV);
            weft__stack_give(&pool, s.slot);
        }
    weft__stack_pool_close(&pool);

    /* Locked before: the reservation is not pulled into memory. */
    long before = resident_kib();
    open_pool(weft__san_is_cramped() ? &small : NULL);
    check_guards();
    ck_assert_int_lt(resident_kib() - before, 100 << 10);
    weft__stack_pool_close(&pool);
    ck_assert_int_eq(munlockall(), 0);
}

/* ---- limits ------------------------------------------------------------------------------- */

TEST(a_class_can_be_exhausted)
{
    struct weft__stack stack;

    open_pool(&(struct weft__stack_pool_opt){.count_max = {8, 40, 8, 8}});
    ck_assert_uint_eq(weft__stack_slots(&pool), 64);
    for (int i = 0; i < 40; i++)
        stack = take(0);
    ck_assert_int_eq(weft__stack_take(&pool, 0, &stack), -ENOMEM);
    take(1);
    weft__stack_give(&pool, stack.slot);
    ck_assert_uint_eq(take(0).slot, stack.slot);
    ck_assert_int_eq(weft__stack_take(&pool, 0, &stack), -ENOMEM);
    weft__stack_pool_close(&pool);
}

/* Opening stacks is what is charged, not reserving them: the same way a commit limit
 * (vm.overcommit_memory 2) is met, and what was taken before stays good. */
TEST(a_limit_on_memory_is_met_by_take)
{
    struct rlimit limit, none = {RLIM_INFINITY, RLIM_INFINITY};
    struct weft__stack stack, first;
    long taken = 0;
    int rc;

    open_pool(NULL);
    first = take(0);
    limit.rlim_cur = ((rlim_t)proc_number("/proc/self/status", "VmData:") << 10) + (64 << 20);
    limit.rlim_max = RLIM_INFINITY;
    ck_assert_int_eq(setrlimit(RLIMIT_DATA, &limit), 0);
    while ((rc = weft__stack_take(&pool, 0, &stack)) == 0)
        ck_assert_int_le(++taken, 1024);
    ck_assert_int_eq(setrlimit(RLIMIT_DATA, &none), 0);
    ck_assert_int_eq(rc, -ENOMEM);
    ck_assert_int_gt(taken, 512);
    weft__stack_give(&pool, first.slot);
    ck_assert_uint_eq(take(0).slot, first.slot);
    ck_assert_int_eq(weft__stack_take(&pool, 0, &stack), 0); /* and it was not for ever */
    weft__stack_pool_close(&pool);
}

#ifndef WEFT__SAN

/* The sanitizers' own shadow does not live under such a limit. */
TEST(a_small_address_space_halves_the_pool)
{
    struct rlimit limit = {(rlim_t)3 << 30, RLIM_INFINITY}, none = {RLIM_INFINITY, RLIM_INFINITY};
    uint32_t usual;

    open_pool(NULL);
    usual = weft__stack_slots(&pool);
    weft__stack_pool_close(&pool);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
    open_pool(NULL);
    ck_assert_uint_lt(weft__stack_slots(&pool), usual);
    ck_assert_uint_gt(weft__stack_slots(&pool), 1000);
    check_guards();
    void *rest = mmap(NULL, 1 << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert(rest != MAP_FAILED); /* the pool does not take it all */
    munmap(rest, 1 << 30);
    weft__stack_pool_close(&pool);
    limit.rlim_cur = 16 << 20;
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
    ck_assert_int_eq(weft__stack_pool_open(&pool, NULL), -ENOMEM);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &none), 0);
}

#else

TEST(a_small_address_space_halves_the_pool)
{
    open_pool(NULL);
    ck_assert_uint_lt(weft__stack_slots(&pool), 1 << 20);
    weft__stack_pool_close(&pool);
}

#endif

TEST(closing_twice_or_what_never_opened_is_harmless)
{
    weft__stack_pool_close(&pool);
    open_pool(NULL);
    weft__stack_pool_close(&pool);
    weft__stack_pool_close(&pool);
}

/* ---- memory ------------------------------------------------------------------------------- */

static void burst(uint32_t *slots, long count)
{
    for (long i = 0; i < count; i++) {
        struct weft__stack s = take(0);

        s.top[-8] = 1;
        slots[i] = s.slot;
    }
    for (long i = 0; i < count; i++)
        weft__stack_give(&pool, slots[i]);
}

/* Shadow memory is not given back, so under a sanitizer only the pool's own counts are checked. */
static void check_resident(long idle_kib, long more_kib)
{
    if (!weft__san_is_cramped())
        ck_assert_int_le(resident_kib() - idle_kib, more_kib);
}

TEST(memory_returns_after_a_burst)
{
    long count = test_long() ? 1000000 : 100000;
    uint32_t *slots;

    if (weft__san_is_cramped())
        count = 10000;
    slots = malloc((size_t)count * sizeof *slots);
    ck_assert_ptr_nonnull(slots);
    memset(slots, 1, (size_t)count * sizeof *slots); /* 0 would become a calloc, untouched */
    open_pool(NULL);
    burst(slots, 10);
    long idle = resident_kib();

    for (int round = 0; round < 3; round++) {
        burst(slots, count);
        burst(slots, count); /* takes cold ones, which come back hot */
        ck_assert_uint_le(weft__stack_hot_bytes(&pool), 17 << 20);
        check_resident(idle, (17 << 10) + count * 4 / 1024 + idle / 10);
        /* What a reactor with nothing to do asks for: all of it. */
        weft__stack_pool_trim(&pool, UINT32_MAX);
        ck_assert_uint_eq(weft__stack_hot_bytes(&pool), 0);
        check_resident(idle, idle / 10);
    }
    ck_assert_uint_eq(weft__stack_live(&pool), 0);
    free(slots);
    weft__stack_pool_close(&pool);
}

TEST(a_limit_on_memory_held_is_kept)
{
    static uint32_t slots[2000]; /* eight MiB, once touched */

    open_pool(&(struct weft__stack_pool_opt){.hot_bytes_max = 1 << 20});
    burst(slots, 2000);
    burst(slots, 2000);
    ck_assert_uint_le(weft__stack_hot_bytes(&pool), 2 << 20);
    weft__stack_pool_close(&pool);
}

/* Page faults tell: a stack whose memory was given back faults when touched again. */
TEST(a_steady_load_keeps_its_memory)
{
    enum { COUNT = 3000 }; /* 12 MiB, under the default limit of 16 */
    static uint32_t slots[COUNT];
    struct rusage before, after;

    open_pool(NULL);
    for (int i = 0; i < 4; i++)
        burst(slots, COUNT);
    ck_assert_int_eq(getrusage(RUSAGE_THREAD, &before), 0);
    for (int i = 0; i < 50; i++)
        burst(slots, COUNT);
    ck_assert_int_eq(getrusage(RUSAGE_THREAD, &after), 0);
    if (!weft__san_is_cramped()) /* shadow memory faults as well */
        ck_assert_int_lt(after.ru_minflt - before.ru_minflt, COUNT / 10);
    weft__stack_pool_close(&pool);
}

TEST(deep_stacks_count_for_what_they_hold)
{
    enum { COUNT = 4000 }; /* 256 MiB if each were kept whole */
    static uint32_t slots[COUNT];

    open_pool(NULL);
    long idle = resident_kib();
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < COUNT / 4; i++) {
            struct weft__stack s = take(0);

            for (char *p = s.low; p < s.top; p += 4096)
                *p = 1;
            slots[i] = s.slot;
        }
        for (int i = 0; i < COUNT / 4; i++)
            weft__stack_give(&pool, slots[i]);
    }
    burst(slots, COUNT);
    check_resident(idle, 48 << 10);
    weft__stack_pool_close(&pool);
}

TEST_MAIN("coro/stack", 120, sizes_choose_classes, stacks_are_apart_aligned_and_staggered,
          the_last_given_is_the_next_taken, an_address_leads_to_its_slot, every_stack_has_its_guard,
          every_stack_has_its_guard_on_an_older_kernel, guards_outlive_the_memory_given_back,
          guards_by_marker_cost_no_mappings, guards_by_mprotect_stop_in_time,
          memory_locked_before_or_after, a_class_can_be_exhausted, a_limit_on_memory_is_met_by_take,
          a_small_address_space_halves_the_pool, closing_twice_or_what_never_opened_is_harmless,
          memory_returns_after_a_burst, a_limit_on_memory_held_is_kept,
          a_steady_load_keeps_its_memory, deep_stacks_count_for_what_they_hold)
