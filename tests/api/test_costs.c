/*
 * What it costs to wait for nothing: a lock that is free, a permit that is there, an event that is
 * set, an item put and got, a future settled and awaited. No allocation, no system call, no turn of
 * the loop, for local objects as for shared ones. Would catch a way through the kernel, a wake-up
 * of nobody, a piece of memory for each wait.
 *
 * On the real kernel system calls are counted by the kernel itself, all that the thread makes
 * (syscall user dispatch, where it has that); on both, visits to the ring by the library.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sync.h"

enum { ROUNDS = 20 }; /* fewer than what a turn's budget allows */

/* -- system calls ---------------------------------------------------------------------------- */

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif
#ifndef SYS_USER_DISPATCH
#define SYS_USER_DISPATCH 2 /* si_code */
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MAKES_CALLS_OF_ITS_OWN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define MAKES_CALLS_OF_ITS_OWN 1
#endif
#endif
#ifndef MAKES_CALLS_OF_ITS_OWN
#define MAKES_CALLS_OF_ITS_OWN 0
#endif

static volatile char trapping;    /* the kernel looks at it at each call */
static volatile int call_made;    /* the first call's number, and 1; 0: none */
static volatile bool are_trapped; /* or else the kernel does not know how */

static void call_is_made(int number, siginfo_t *info, void *frame)
{
    (void)number, (void)frame;
    trapping = 0; /* returning from here is a call, too */
    if (info->si_code == SYS_USER_DISPATCH && !call_made)
        call_made = info->si_syscall + 1;
}

/* Not in a simulated world, where the processor may be simulated, too (tests/cross, memcheck). */
static void trap_calls(void)
{
    struct sigaction action = {.sa_sigaction = call_is_made, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    if (MAKES_CALLS_OF_ITS_OWN || getenv("WEFT_SIM_PLAN"))
        return;
    is(sigaction(SIGSYS, &action, NULL), 0);
    are_trapped = prctl(PR_SET_SYSCALL_USER_DISPATCH, 1, 0, 0, &trapping) == 0;
}

static void trap_no_more(void)
{
    if (are_trapped)
        is(prctl(PR_SET_SYSCALL_USER_DISPATCH, 0, 0, 0, 0), 0);
    are_trapped = false;
}

/* -- what is done ---------------------------------------------------------------------------- */

static weft_lock lock;
static weft_rwlock rwlock;
static weft_semaphore semaphore;
static weft_event event;
static weft_condition condition;
static weft_barrier barrier;
static weft_queue queue;
static weft_future *future;

/* Each is to answer 0. */
static int takes_the_lock(void)
{
    int error = weft_lock_acquire(&lock);

    return error < 0 ? error : weft_lock_release(&lock);
}
static int reads_and_writes(void)
{
    int error = weft_rwlock_read(&rwlock);

    if (error == 0)
        error = weft_rwlock_read_release(&rwlock);
    if (error == 0)
        error = weft_rwlock_write(&rwlock);
    return error < 0 ? error : weft_rwlock_write_release(&rwlock);
}
static int takes_a_permit(void)
{
    int error = weft_semaphore_acquire(&semaphore);

    return error < 0 ? error : weft_semaphore_release(&semaphore);
}
static int waits_for_the_event(void)
{
    if (weft_event_set(&event) != 1 || weft_event_wait(&event) != 0)
        return -EIO;
    return weft_event_clear(&event) == 1 ? 0 : -EIO;
}
static int notifies_nobody(void)
{
    return weft_condition_notify_all(&condition);
}
static int passes_the_barrier(void)
{
    return weft_barrier_wait(&barrier);
}
static int puts_and_gets(void)
{
    uint64_t item = 7;
    int error = weft_queue_put(&queue, &item);

    if (error == 0)
        error = weft_queue_get(&queue, &item);
    return error < 0 || weft_queue_task_done(&queue) != 0 ? -EIO : 0;
}
static int settles_and_awaits(void)
{
    int64_t result;

    if (weft_future_set_result(future, 7) != 0 || weft_future_await(future, &result) != 0)
        return -EIO;
    return result == 7 ? weft_future_reset(future) : -EIO;
}

static const struct {
    const char *name;
    int (*once)(void);
} ways[] = {
    {"lock", takes_the_lock},       {"read-write lock", reads_and_writes},
    {"semaphore", takes_a_permit},  {"event", waits_for_the_event},
    {"condition", notifies_nobody}, {"barrier", passes_the_barrier},
    {"queue", puts_and_gets},       {"future", settles_and_awaits},
};

static void begin(void)
{
    lock = KIND(weft_lock, WEFT_LOCK_INIT, WEFT_LOCK_SHARED_INIT);
    rwlock = KIND(weft_rwlock, WEFT_RWLOCK_INIT, WEFT_RWLOCK_SHARED_INIT);
    semaphore = KIND(weft_semaphore, WEFT_SEMAPHORE_INIT(1), WEFT_SEMAPHORE_SHARED_INIT(1));
    event = KIND(weft_event, WEFT_EVENT_INIT, WEFT_EVENT_SHARED_INIT);
    condition = KIND(weft_condition, WEFT_CONDITION_INIT, WEFT_CONDITION_SHARED_INIT);
    barrier = KIND(weft_barrier, WEFT_BARRIER_INIT(1), WEFT_BARRIER_SHARED_INIT(1));
    queue = (weft_queue){.shared = of_shared_kind, .item_size = sizeof(uint64_t), .max = 4};
    is(weft_future_create(&future, NULL), 0);
}

/* -- counting -------------------------------------------------------------------------------- */

static void none_at_all(const char *name, int (*once)(void))
{
    struct weft_stats before, after;
    int wrong = 0;

    is(once(), 0);       /* memory for items, the processor's ways into the library */
    is(weft_yield(), 0); /* a turn's budget to spend */
    is(weft_stats(&before, sizeof before), 0);
    call_made = 0;
    trapping = are_trapped;
    for (int i = 0; i < ROUNDS; i++)
        wrong += once() != 0;
    trapping = 0;
    is(weft_stats(&after, sizeof after), 0);
    ck_assert_msg(wrong == 0, "%s: %d failed", name, wrong);
    ck_assert_msg(call_made == 0, "%s: system call %d", name, call_made - 1);
    ck_assert_msg(after.allocations == before.allocations, "%s: allocations", name);
    ck_assert_msg(after.enters == before.enters && after.sqes == before.sqes, "%s: enters", name);
    ck_assert_msg(after.turns == before.turns, "%s: turns", name);
}

static int nobody_waits_main(void *arg)
{
    (void)arg;
    begin();
    trap_calls();
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        none_at_all(ways[i].name, ways[i].once);
    trap_no_more();
    weft_future_put(future);
    is(weft_queue_destroy(&queue), 0);
    return 0;
}
SYNC_TEST(nobody_waits)

/* That such a call would be seen, where calls can be seen. */
static int a_call_is_seen_main(void *arg)
{
    (void)arg;
    trap_calls();
    if (!are_trapped)
        return 0;
    call_made = 0;
    trapping = 1;
    (void)syscall(SYS_getppid);
    trapping = 0;
    is(call_made, SYS_getppid + 1);
    trap_no_more();
    return 0;
}
SYNC_TEST(a_call_is_seen)

TEST_MAIN("costs", 20, nobody_waits, a_call_is_seen)
