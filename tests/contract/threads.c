/*
 * threads.c - checks: starting and joining, what is each thread's own, and waking one another.
 *
 * A simulated kernel may run a thread as a context of the one thread there is. So nobody here spins
 * until another has done something: who waits does it in a ring, or in a join.
 */
#include "contract.h"

#include <signal.h>
#include <stdatomic.h>

enum { BELL = 100, NOP = 101 };

/* Starts fn(arg) and waits for its end. */
static void in_a_thread(struct contract *c, void *(*fn)(void *), void *arg)
{
    struct weft__thread *thread = NULL;
    int error = weft__host_thread_start(&thread, fn, arg, "contract");

    if (error < 0)
        contract_trouble(c, "no thread: %d", error);
    else if ((error = weft__host_thread_join(thread)) < 0)
        contract_trouble(c, "no join: %d", error);
}

static void *add_one(void *arg)
{
    ++*(int *)arg;
    return NULL;
}

static void starting_and_joining(struct contract *c)
{
    int number = 41;

    in_a_thread(c, add_one, &number);
    contract_say(c, "%d", number);
}

struct mine {
    void *found, *kept;
};

static void *look_at_self(void *arg)
{
    struct mine *mine = arg;
    mine->found = weft__self;
    weft__self = (struct weft__reactor *)mine;
    mine->kept = weft__self;
    weft__self = NULL;
    return NULL;
}

static void each_its_own_reactor(struct contract *c)
{
    struct weft__reactor *before = weft__self;
    int here;
    struct mine mine = {NULL, NULL};

    weft__self = (struct weft__reactor *)&here;
    in_a_thread(c, look_at_self, &mine);
    contract_say(c, "%s", mine.found ? "inherited" : "none at first");
    contract_say(c, "%s", mine.kept == &mine ? "its own" : "lost");
    contract_say(c, "%s", weft__self == (struct weft__reactor *)&here ? "ours kept" : "ours lost");
    weft__self = before;
}

static void *look_at_signals(void *arg)
{
    sigset_t none;
    sigemptyset(&none);
    weft__host_signal_block(&none, arg);
    return NULL;
}

static void signals_in_a_thread(struct contract *c)
{
    sigset_t mask, before, after, none;

    sigemptyset(&none);
    sigemptyset(&mask);
    weft__host_signal_block(&none, &before);
    in_a_thread(c, look_at_signals, &mask);
    weft__host_signal_block(&none, &after);
    contract_say(c, "%s",
                 sigismember(&mask, SIGTERM) && sigismember(&mask, SIGUSR1) ? "blocked" : "open");
    contract_say(c, "faults %s",
                 sigismember(&mask, SIGSEGV) || sigismember(&mask, SIGBUS) ? "blocked" : "open");
    contract_say(c, "%s",
                 sigismember(&before, SIGTERM) == sigismember(&after, SIGTERM) ? "ours as before"
                                                                               : "ours changed");
}

static void *ring_of_its_own(void *arg)
{
    struct weft__ring ring;
    struct weft__ring_opt opt = {.sq_entries = 8};
    uint32_t head;
    int *result = arg;

    *result = weft__ring_open(&ring, &opt);
    if (*result < 0)
        return NULL;
    weft__request_nop(weft__ring_take(&ring));
    weft__ring_enter(&ring, 1, INT64_MAX);
    *result = (int)weft__ring_ready(&ring, &head);
    weft__ring_seen(&ring, head + 1);
    weft__ring_close(&ring);
    return NULL;
}

static void a_ring_in_a_thread(struct contract *c)
{
    int result = 0;

    in_a_thread(c, ring_of_its_own, &result);
    contract_say_result(c, "completions", result);
}

static void *ring_the_bell(void *arg)
{
    weft__bell_ring(arg);
    return NULL;
}

/* A sleep without a limit, ended by another thread alone. */
static void woken_by_hand(struct contract *c, int64_t deadline_ns)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct weft__bell *bell = contract_bell(c, ring, BELL);
    struct weft__thread *thread;
    unsigned heard = 0;

    contract_submit(c, ring);
    for (int i = 0; i < 20 && !c->trouble[0]; i++) {
        int error = weft__host_thread_start(&thread, ring_the_bell, bell, "contract");
        if (error < 0) {
            contract_trouble(c, "no thread: %d", error);
            return;
        }
        while (contract_here(c, ring, BELL) == 0 && !c->trouble[0])
            contract_enter(c, ring, 1, deadline_ns);
        contract_wait(c, ring, BELL);
        heard++;
        weft__host_thread_join(thread);
    }
    contract_say(c, "%u of 20", heard);
}

static void woken_without_a_limit(struct contract *c)
{
    woken_by_hand(c, INT64_MAX);
}

static void woken_long_before_its_limit(struct contract *c)
{
    woken_by_hand(c, INT64_MAX - 1);
}

static void *send_a_message(void *arg)
{
    struct weft__ring ring;
    struct weft__ring_opt opt = {.sq_entries = 8};

    if (weft__ring_open(&ring, &opt) < 0)
        return NULL;
    struct weft__sqe *sqe = weft__ring_take(&ring);
    if (weft__bell_prepare(arg, &ring, sqe))
        sqe->user_data = NOP;
    else
        weft__request_nop(sqe);
    weft__ring_enter(&ring, 0, INT64_MAX);
    weft__ring_close(&ring);
    return NULL;
}

static void woken_by_a_message(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct weft__bell *bell = contract_bell(c, ring, BELL);
    struct weft__thread *thread = NULL;
    struct weft__cqe cqe;
    int error;

    contract_submit(c, ring);
    if (c->trouble[0])
        return;
    error = weft__host_thread_start(&thread, send_a_message, bell, "contract");
    if (error < 0) {
        contract_trouble(c, "no thread: %d", error);
        return;
    }
    cqe = contract_wait(c, ring, BELL);
    contract_say(c, "%s, %s", cqe.result > 0 ? "heard" : "an error", contract_more(cqe));
    weft__host_thread_join(thread);
}

struct late_ring {
    struct weft__bell *bell;
    atomic_bool begun;
};

/* Sleeps a little first, in a ring. */
static void *ring_late(void *arg)
{
    struct late_ring *late = arg;
    struct weft__ring ring;
    struct weft__ring_opt opt = {.sq_entries = 8};

    if (weft__ring_open(&ring, &opt) == 0) {
        weft__ring_enter(&ring, 1, weft__host_now() + 20000000);
        weft__ring_close(&ring);
    }
    atomic_store(&late->begun, true);
    weft__bell_ring(late->bell);
    return NULL;
}

static void settling_waits_for_the_last_ring(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct late_ring late = {.bell = contract_bell(c, ring, BELL)};
    struct weft__thread *thread;

    contract_submit(c, ring);
    if (c->trouble[0] || weft__host_thread_start(&thread, ring_late, &late, "contract") < 0)
        return;
    contract_say(c, "%s", weft__bell_settle(late.bell, 1) ? "settled" : "given up");
    contract_say(c, "%s", atomic_load(&late.begun) ? "after the ring" : "before the ring");
    weft__host_thread_join(thread);
}

#define RUN "src/runtime/member.c"

const struct contract_check contract_threads[] = {
    {"threads/starting-and-joining",
     "A thread runs, and what it wrote is seen after the join.",
     RUN,
     starting_and_joining,
     0,
     {ANSWER("42")}},
    {"threads/each-its-own-reactor",
     "weft__self is each thread's own, and NULL at first.",
     "src/reactor/reactor_open.c, weft__reactor_open",
     each_its_own_reactor,
     0,
     {ANSWER("none at first, its own, ours kept")}},
    {"threads/signals-in-a-thread",
     "A thread has all signals blocked but those of its own faults.",
     "docs/kernel.md, signals",
     signals_in_a_thread,
     0,
     /* simulated threads are one thread of the machine, and have one mask */
     {ANSWER("blocked, faults open, ours as before", .whose = CONTRACT_REAL),
      ANSWER("open, faults open, ours as before", .whose = CONTRACT_SIMULATED)}},
    {"threads/a-ring-in-a-thread",
     "A thread opens, uses and closes a ring of its own.",
     RUN,
     a_ring_in_a_thread,
     0,
     {ANSWER("completions 1")}},
    {"threads/woken-without-a-limit",
     "A sleep without a limit ends when another thread rings.",
     "src/reactor/inbox.h, the wake-up promise",
     woken_without_a_limit,
     0,
     {ANSWER("20 of 20")}},
    {"threads/woken-long-before-its-limit",
     "So does one with the farthest limit there is.",
     "src/reactor/inbox.h, the wake-up promise",
     woken_long_before_its_limit,
     0,
     {ANSWER("20 of 20")}},
    {"threads/woken-by-a-message",
     "And one whom a ring of another thread sends a message.",
     "src/reactor/reactor_open.c, ring_along",
     woken_by_a_message,
     WEFT__FEATURE_MSG_RING,
     {ANSWER("heard, more")}},
    {"threads/settling-waits-for-the-last-ring",
     "A bell is closed after the last ring by another thread, however late.",
     "src/reactor/reactor_open.c, shut_door",
     settling_waits_for_the_last_ring,
     0,
     {ANSWER("settled, after the ring")}},
    {0},
};
