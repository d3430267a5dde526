/*
 * host.c - checks: the clock, threads, the pool, signals and memory.
 *
 * A simulated kernel may run a thread as a context of the one thread there is. So nobody here spins
 * until another has done something: who waits does it in a ring, or in a join.
 */
#include "contract.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

enum { BELL = 100, NOP = 101 };

static void the_clock(struct contract *c)
{
    int64_t before_ns = weft__host_now(), now_ns;
    int backwards = 0;

    contract_say(c, "%s", before_ns > 0 ? "positive" : "not positive");
    for (int i = 0; i < 1000; i++, before_ns = now_ns) {
        now_ns = weft__host_now();
        backwards += now_ns < before_ns;
    }
    contract_say(c, "%d times back", backwards);
}

static void the_clock_of_the_ring(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int64_t begin_ns = weft__host_now();

    contract_enter(c, ring, 1, begin_ns + 2000000);
    contract_say(c, "%s", weft__host_now() - begin_ns >= 2000000 ? "the same" : "another");
}

static void entropy(struct contract *c)
{
    unsigned char one[32] = {0}, two[32] = {0};

    contract_say_result(c, "first", weft__host_entropy(one, sizeof one));
    contract_say_result(c, "second", weft__host_entropy(two, sizeof two));
    contract_say(c, "%s", memcmp(one, two, sizeof one) ? "different" : "the same");
    contract_say_result(c, "none", weft__host_entropy(one, 0));
}

/* -- threads ---------------------------------------------------------------------------------- */

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

/* -- CPUs ------------------------------------------------------------------------------------- */

static void cpus(struct contract *c)
{
    uint32_t count = weft__host_cpus();

    contract_say(c, "%s", count >= 1 ? "one or more" : "none");
    contract_say(c, "%s", weft__host_cpu_number(0) >= 0 ? "the first" : "no first");
    contract_say_result(c, "beyond", weft__host_cpu_number(1u << 30));
}

static void pinning(struct contract *c)
{
    uint32_t before = weft__host_cpus();
    int first = weft__host_cpu_number(0);

    contract_say_result(c, "pin", weft__host_pin(first));
    contract_say(c, "%s", weft__host_cpu_here() == first ? "there" : "elsewhere");
    contract_say(c, "%s", weft__host_cpus() == before ? "as many as before" : "fewer");
    contract_say_result(c, "unpin", weft__host_unpin());
    contract_say_result(c, "wrong", weft__host_pin(-1));
}

/* -- the pool --------------------------------------------------------------------------------- */

enum { JOBS = 50 };

struct job {
    struct weft__pool_job job; /* first */
    struct weft__bell *bell;   /* the last one done rings it */
    atomic_uint *left;
    int worked, done;
};

static void work(struct weft__pool_job *job)
{
    ((struct job *)job)->worked++;
}

static void done(struct weft__pool_job *job)
{
    struct job *own = (struct job *)job;
    own->done = own->worked;
    if (atomic_fetch_sub(own->left, 1) == 1)
        weft__bell_ring(own->bell);
}

static void a_pool_works(struct contract *c)
{
    static struct job jobs[JOBS];
    atomic_uint left = JOBS;
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct weft__bell *bell = contract_bell(c, ring, BELL);
    struct weft__pool *pool = NULL;
    unsigned right = 0;

    if (c->trouble[0])
        return;
    contract_say_result(c, "open", weft__pool_open(&pool, 3));
    for (int i = 0; i < JOBS && pool; i++) {
        jobs[i] = (struct job){.job = {.work = work, .done = done}, .bell = bell, .left = &left};
        weft__pool_submit(pool, &jobs[i].job);
    }
    contract_wait(c, ring, BELL);
    weft__pool_close(pool);
    for (int i = 0; i < JOBS; i++)
        right += jobs[i].worked == 1 && jobs[i].done == 1;
    contract_say(c, "%u of 50 once", right);
}

static void closing_a_pool_runs_it_dry(struct contract *c)
{
    static struct job jobs[JOBS];
    atomic_uint left = JOBS + 1; /* nobody is rung */
    struct weft__pool *pool = NULL;
    unsigned right = 0;

    weft__pool_open(&pool, 1);
    for (int i = 0; i < JOBS && pool; i++) {
        jobs[i] = (struct job){.job = {.work = work, .done = done}, .left = &left};
        weft__pool_submit(pool, &jobs[i].job);
    }
    weft__pool_close(pool);
    for (int i = 0; i < JOBS; i++)
        right += jobs[i].done == 1;
    contract_say(c, "%u of 50", right);
    contract_say_result(c, "without workers", weft__pool_open(&pool, 0));
}

/* -- signals, fork, memory -------------------------------------------------------------------- */

static void blocking_signals(struct contract *c)
{
    sigset_t set, old, during, after;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    contract_say_result(c, "block", weft__host_signal_block(&set, &old));
    weft__host_signal_block(&set, &during);
    contract_say_result(c, "restore", weft__host_signal_restore(&old));
    sigemptyset(&set);
    weft__host_signal_block(&set, &after);
    contract_say(c, "%s", sigismember(&during, SIGUSR2) ? "blocked" : "not blocked");
    contract_say(c, "%s",
                 sigismember(&after, SIGUSR2) == sigismember(&old, SIGUSR2) ? "as before" : "else");
}

static void handler(int number)
{
    (void)number;
}

static void handlers_are_put_back(struct contract *c)
{
    struct sigaction mine = {.sa_handler = handler}, before, during;

    contract_say_result(c, "set", weft__host_signal_action(SIGUSR2, &mine, &before));
    contract_say_result(c, "back", weft__host_signal_action(SIGUSR2, &before, &during));
    contract_say(c, "%s", during.sa_handler == handler ? "ours was set" : "ours was not");
    contract_say_result(c, "wrong", weft__host_signal_action(12345, &mine, NULL));
}

static void not_forked(struct contract *c)
{
    bool before = weft__host_forked();

    weft__host_fork_watch();
    contract_say(c, "%s", weft__host_forked() == before ? "as before" : "all at once");
}

static void reserved_memory(struct contract *c)
{
    enum { SIZE = 256 << 20 };
    unsigned char *memory = weft__host_reserve(SIZE);
    unsigned wrong = 0;

    if (!memory) {
        contract_say(c, "none");
        return;
    }
    for (size_t i = 0; i < SIZE; i += SIZE / 16)
        wrong += memory[i] != 0;
    memory[0] = memory[SIZE - 1] = 1;
    contract_say(c, "%u of 16 not zero, %s", wrong, memory[SIZE - 1] == 1 ? "written" : "lost");
    weft__host_unreserve(memory, SIZE);
    weft__host_unreserve(NULL, SIZE);
}

static void a_pause(struct contract *c)
{
    for (int i = 0; i < 1000; i++)
        weft__host_relax();
    contract_say(c, "over");
}

#define RUN "src/runtime/run.c"

const struct contract_check contract_hosting[] = {
    {"host/the-clock",
     "The clock is positive and never goes back.",
     "src/reactor/timer.c",
     the_clock,
     0,
     {ANSWER("positive, 0 times back")}},
    {"host/the-clock-of-the-ring",
     "The ring's deadlines are on the clock that is read.",
     "src/reactor/reactor.c, visit_kernel",
     the_clock_of_the_ring,
     0,
     {ANSWER("the same")}},
    {"host/entropy",
     "Entropy does not repeat.",
     "src/ring/host.h, weft__host_entropy",
     entropy,
     0,
     {ANSWER("first 0, second 0, different, none 0")}},
    {"host/starting-and-joining",
     "A thread runs, and what it wrote is seen after the join.",
     RUN,
     starting_and_joining,
     0,
     {ANSWER("42")}},
    {"host/each-its-own-reactor",
     "weft__self is each thread's own, and NULL at first.",
     "src/reactor/reactor_open.c, weft__reactor_open",
     each_its_own_reactor,
     0,
     {ANSWER("none at first, its own, ours kept")}},
    {"host/signals-in-a-thread",
     "A thread has all signals blocked but those of its own faults.",
     "docs/kernel.md, signals",
     signals_in_a_thread,
     0,
     /* simulated threads are one thread of the machine, and have one mask */
     {ANSWER("blocked, faults open, ours as before", .whose = CONTRACT_REAL),
      ANSWER("open, faults open, ours as before", .whose = CONTRACT_SIMULATED)}},
    {"host/a-ring-in-a-thread",
     "A thread opens, uses and closes a ring of its own.",
     RUN,
     a_ring_in_a_thread,
     0,
     {ANSWER("completions 1")}},
    {"host/woken-without-a-limit",
     "A sleep without a limit ends when another thread rings.",
     "src/reactor/inbox.h, the wake-up promise",
     woken_without_a_limit,
     0,
     {ANSWER("20 of 20")}},
    {"host/woken-long-before-its-limit",
     "So does one with the farthest limit there is.",
     "src/reactor/inbox.h, the wake-up promise",
     woken_long_before_its_limit,
     0,
     {ANSWER("20 of 20")}},
    {"host/woken-by-a-message",
     "And one whom a ring of another thread sends a message.",
     "src/reactor/reactor_open.c, ring_along",
     woken_by_a_message,
     WEFT__FEATURE_MSG_RING,
     {ANSWER("heard, more")}},
    {"host/cpus",
     "There is a CPU, and numbers end.",
     RUN,
     cpus,
     0,
     {ANSWER("one or more, the first, beyond -ERANGE")}},
    {"host/pinning",
     "A pinned thread is there, and is answered as before it was pinned.",
     RUN,
     pinning,
     0,
     {ANSWER("pin 0, there, as many as before, unpin 0, wrong -EINVAL")}},
    {"host/a-pool-works",
     "Each job of the pool is worked once and then done once.",
     "src/ring/host.h, the pool",
     a_pool_works,
     0,
     {ANSWER("open 0, 50 of 50 once")}},
    {"host/closing-a-pool-runs-it-dry",
     "Closing the pool runs what is queued.",
     "src/ring/host.h, the pool",
     closing_a_pool_runs_it_dry,
     0,
     {ANSWER("50 of 50, without workers -EINVAL")}},
    {"host/blocking-signals",
     "Signals blocked are put back as they were.",
     "src/ring/host.h, signals",
     blocking_signals,
     0,
     {ANSWER("block 0, restore 0, blocked, as before")}},
    {"host/handlers-are-put-back",
     "Handlers are set and put back as they were.",
     "src/runtime/process.c",
     handlers_are_put_back,
     0,
     {ANSWER("set 0, back 0, ours was set, wrong -EINVAL")}},
    {"host/not-forked",
     "Watching for forks is no fork.",
     "src/runtime/process.c",
     not_forked,
     0,
     {ANSWER("as before")}},
    {"host/reserved-memory",
     "Reserved memory reads as zero and takes what is written.",
     "src/io/buffers.c, weft__buffers_prepare",
     reserved_memory,
     0,
     {ANSWER("0 of 16 not zero, written")}},
    {"host/a-pause",
     "A pause inside a spin ends by itself.",
     "src/reactor/look.c",
     a_pause,
     0,
     {ANSWER("over")}},
    {0},
};
