/*
 * What the races share: choices, a process to run in, and what must hold after each run.
 */
#include "race.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/buffers.h"
#include "ring/host.h"

enum { SEEDS = 1000, SEEDS_LONG = 100000, PICKS_MAX = 400, LIMIT_S = 280, LIMIT_LONG_S = 3500 };

/* What is known of the run under way, also to the process that watches. */
static struct shared {
    char name[64];
    uint64_t seed;
    char plan[512];
    uint32_t picks[PICKS_MAX], counts[PICKS_MAX];
    uint32_t used;   /* picks made by this run */
    uint32_t given;  /* of them, so many are prescribed; the rest is 0 or drawn */
    bool enumerates; /* the rest is 0 */
    uint64_t runs;
    uint64_t seen; /* outcomes, a bit each */
} * shared;

bool race_no_memory;

/* -- choices ---------------------------------------------------------------------------------- */

static uint64_t mixed(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint32_t drawn_so_far(void)
{
    return __atomic_load_n(&shared->used, __ATOMIC_RELAXED);
}

/* Tasks of several reactors draw. */
uint32_t race_pick(uint32_t n)
{
    uint32_t at = __atomic_fetch_add(&shared->used, 1, __ATOMIC_RELAXED), pick;
    uint64_t drawn = mixed(shared->seed * UINT64_C(0x9e3779b97f4a7c15) + at + 1);

    if (at < shared->given)
        pick = shared->picks[at] % n;
    else
        pick = shared->enumerates ? 0 : (uint32_t)(drawn % n);
    if (at < PICKS_MAX) {
        shared->picks[at] = pick;
        shared->counts[at] = n;
    }
    return pick;
}

bool race_enumerate(bool first)
{
    uint32_t last = shared->used;

    shared->enumerates = true;
    if (first) {
        shared->given = 0;
        return true;
    }
    ck_assert_uint_lt(last, PICKS_MAX);
    while (last > 0 && shared->picks[last - 1] + 1 == shared->counts[last - 1])
        last--;
    shared->given = last;
    shared->enumerates = last > 0;
    if (last > 0)
        shared->picks[last - 1]++;
    return last > 0;
}

void race_picks_given(void)
{
    char *text = getenv("WEFT_RACE_PICKS");

    shared->enumerates = text != NULL;
    shared->given = 0;
    while (text && *text && shared->given < PICKS_MAX) {
        shared->picks[shared->given++] = (uint32_t)strtoul(text, &text, 10);
        text += *text != '\0';
    }
}

uint64_t race_count(const struct race *race)
{
    const char *text = getenv("WEFT_RACE_SEEDS");
    uint64_t count = text ? strtoull(text, NULL, 10) : test_long() ? SEEDS_LONG : SEEDS;

    return count / (race->part ? race->part : 1);
}

void race_begins(uint64_t seed, const char *plan)
{
    shared->seed = seed;
    shared->used = 0;
    shared->runs++;
    snprintf(shared->plan, sizeof shared->plan, "%s", plan);
}

void race_saw(uint32_t which)
{
    __atomic_fetch_or(&shared->seen, UINT64_C(1) << which, __ATOMIC_RELAXED);
}

/* An odd number is yields; an even one sleeps, half as many, because a yield alone need not bring
   the kernel's answers. How long is not a choice of its own: orders (seed 0) are enumerated by
   turns. */
void race_yields(uint32_t most)
{
    static const int64_t spans[] = {1, 1000, 20000, 500000};
    uint32_t n = race_pick(most + 1);
    uint64_t drawn = shared->seed ? mixed(shared->seed + drawn_so_far()) : 0;
    int result = 0;

    for (uint32_t i = 0; i < (n + 1) / 2 && result == 0; i++)
        result = n % 2 ? weft_yield() : weft_sleep(spans[drawn % 4]);
}

int race_yields_then(void *arg)
{
    int result = *(int *)arg;

    race_yields(2);
    return result;
}

/* -- foreign threads -------------------------------------------------------------------------- */

struct race_thread *race_thread_start(void *(*fn)(void *), void *arg)
{
    struct weft__thread *thread;

    race_is(weft__host_thread_start(&thread, fn, arg, "foreign"), 0);
    return (struct race_thread *)thread;
}

void race_thread_join(struct race_thread *thread)
{
    race_is(weft__host_thread_join((struct weft__thread *)thread), 0);
}

void race_pause(void)
{
    for (uint32_t n = race_pick(8); n > 0; n--)
        weft__host_relax();
}

/* -- sockets, tasks --------------------------------------------------------------------------- */

void race_pair(int fds[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    const struct weft_socket_opt opt = {.size = sizeof opt, .reset_on_close = true};
    int listener = weft_listen_tcp("127.0.0.1:0", NULL);

    race_ok(listener);
    address.sin_port = htons((uint16_t)weft_local_port(listener));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fds[0] = weft_socket(AF_INET, SOCK_STREAM, 0);
    race_ok(fds[0]);
    race_is(weft_connect(fds[0], (struct sockaddr *)&address, sizeof address), 0);
    fds[1] = weft_accept(listener, NULL, NULL, 0);
    race_ok(fds[1]);
    race_is(weft_socket_set(fds[0], &opt), 0);
    race_is(weft_socket_set(fds[1], &opt), 0);
    race_is(weft_close(listener), 0);
}

struct search {
    weft_task task;
    const char *state;
};

static int is_it(const struct weft_task_info *info, void *context)
{
    struct search *search = context;

    if (info->task.slot == search->task.slot && info->task.generation == search->task.generation)
        search->state = info->waits_for;
    return 0;
}

const char *race_state(weft_task task)
{
    struct search search = {.task = task};

    race_is(weft_tasks_each(is_it, &search), 0);
    return search.state;
}

/* First by yields, which see every turn; then by sleeps, because a simulated second is many turns.
 */
bool race_until(weft_task task, const char *state)
{
    const char *now;

    for (int64_t turn = 0; (now = race_state(task)) != NULL; turn++) {
        if (state ? strcmp(now, state) == 0 : strcmp(now, "ready") != 0 && strcmp(now, "running"))
            return true;
        race_is(turn < 64 ? weft_yield() : weft_sleep(turn * 100), 0);
    }
    return false;
}

/* -- one run ---------------------------------------------------------------------------------- */

static void *allocate(size_t size, void *context)
{
    (void)context;
    return race_no_memory ? NULL : malloc(size);
}

static void *reallocate(void *memory, size_t size, void *context)
{
    (void)context;
    return race_no_memory ? NULL : realloc(memory, size);
}

static void release(void *memory, void *context)
{
    (void)context;
    free(memory);
}

void race_options(const struct race *race, struct weft_run_opt *opt)
{
    static const struct weft_allocator allocator = {allocate, reallocate, release, NULL};

    *opt = (struct weft_run_opt){.size = sizeof *opt,
                                 .reactors = race->reactors,
                                 .ring_entries = race->entries,
                                 .completion_entries = race->completions,
                                 .allocator = &allocator};
}

int race_main(void *body)
{
    struct weft_stats stats;

    race_is((*(const weft_task_fn *)body)(NULL), 0);
    race_is(weft_cancelled(), 0);
    race_is(weft_stats(&stats, sizeof stats), 0);
    ck_assert_uint_eq(stats.tasks_alive, 1);
    ck_assert_uint_eq(stats.timers_alive, 0);
    ck_assert_uint_eq(stats.ops_in_flight, 0);
    ck_assert_uint_eq(stats.unknown_completions, 0);
    ck_assert_uint_eq(weft__buffers_held(weft__self), 0);
    return 0;
}

/* -- all of them, watched --------------------------------------------------------------------- */

static void tell(int status)
{
    fprintf(stderr, "%s, run %llu: %s %d\n", shared->name, (unsigned long long)shared->runs,
            WIFSIGNALED(status) ? "killed by signal" : "ended with",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    fprintf(stderr, "  once more: CK_RUN_CASE=%s WEFT_SIM_SEED=%llu ", shared->name,
            (unsigned long long)shared->seed);
    if (race_simulated())
        fprintf(stderr, "WEFT_SIM_PLAN='%s' ", shared->plan);
    fprintf(stderr, "WEFT_RACE_PICKS=");
    for (uint32_t i = 0; i < shared->used && i < PICKS_MAX; i++)
        fprintf(stderr, "%s%u", i ? "," : "", shared->picks[i]);
    fprintf(stderr, " %s\n", program_invocation_name);
}

void race_go(const char *name, const struct race *race)
{
    int status, length = (int)strlen(name) - (int)strlen("_body");
    pid_t child;

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(shared != MAP_FAILED);
    snprintf(shared->name, sizeof shared->name, "%.*s", length, name);
    child = fork();
    if (child == 0) {
        signal(SIGALRM, SIG_DFL); /* a run that hangs is told by the one who watches */
        alarm(test_long() ? LIMIT_LONG_S : LIMIT_S);
        race_runs(race);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    if (status != 0)
        tell(status);
    ck_assert_msg(status == 0, "a run has failed; how to repeat it is on standard error");
    if (race_simulated() && !getenv("WEFT_SIM_SEED") && !getenv("WEFT_RACE_SAMPLE"))
        ck_assert_msg(__builtin_popcountll(shared->seen) >= (int)race->outcomes,
                      "of %u outcomes only %#llx came up in %llu runs", race->outcomes,
                      (unsigned long long)shared->seen, (unsigned long long)shared->runs);
    if (getenv("WEFT_RACE_TALK"))
        printf("%s: %llu runs, outcomes %#llx\n", shared->name, (unsigned long long)shared->runs,
               (unsigned long long)shared->seen);
    munmap(shared, sizeof *shared);
}
