/*
 * host.c - checks: the clock, CPUs, the pool, signals and memory.
 *
 * The workers of a simulated kernel may be contexts of the one thread there is: see threads.c.
 */
#include "contract.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

enum { BELL = 100 };

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
    contract_say_result(c, "open", weft__pool_open(&pool, "pool", 3));
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

    weft__pool_open(&pool, "pool", 1);
    for (int i = 0; i < JOBS && pool; i++) {
        jobs[i] = (struct job){.job = {.work = work, .done = done}, .left = &left};
        weft__pool_submit(pool, &jobs[i].job);
    }
    weft__pool_close(pool);
    for (int i = 0; i < JOBS; i++)
        right += jobs[i].done == 1;
    contract_say(c, "%u of 50", right);
    contract_say_result(c, "without workers", weft__pool_open(&pool, "pool", 0));
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

#define RUN "src/runtime/member.c"

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
