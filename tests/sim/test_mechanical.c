/*
 * Every scenario, cut short at every place: cancelled at the k-th visit to the kernel, for each k,
 * as a whole and task by task; with the k-th allocation, reservation, thread and descriptor
 * failing; with the k-th completion of each kind an error that is legal for it, for every error.
 * The budget of a turn is also set to one switch, so that every suspension comes before such a
 * visit.
 *
 * After each run: weft_run has returned; no allocation, mapping, descriptor or buffer is left;
 * every task ended once; what was received is the beginning of what was sent; and either the work
 * is complete or the error is one of those that this fault may cause. A run that does not end
 * fails.
 *
 * What fails is printed as MECHANICAL='...', which, set, runs that one alone.
 */
#include "scenario.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/sim.h>

#include "base/memory.h"
#include "io/buffers.h"
#include "ring/host.h"
#include "ring/ring.h"
#include "sim/plan.h"
#include "sim/world.h"
#include "support/test.h"

enum { STEPS_MAX = 3000000, TASKS_MAX = 64 };

enum kind { NOTHING, CANCEL, ALLOCATION, RESERVATION, THREAD, DESCRIPTORS, COMPLETION };

/* What one run is to meet, and what it came to. */
static struct attempt {
    const struct scenario *scenario;
    enum kind kind;
    uint64_t at;      /* the k */
    uint32_t whom;    /* CANCEL: 0 the scope, else the task of that number */
    const char *plan; /* of the world */
    uint64_t seed;
    uint32_t budget;

    uint64_t enters, reservations, threads, allocations; /* counted */
    uint32_t tasks_seen;                                 /* at the visit in question */
    uint32_t opcodes[64];                                /* submitted, by opcode */
    bool returned;
    int result;
} now;

_Noreturn void scenario_failed(const char *format, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "MECHANICAL='%s %d %llu %u %llu %u %s'\n", now.scenario->name, (int)now.kind,
            (unsigned long long)now.at, now.whom, (unsigned long long)now.seed, now.budget,
            now.plan);
    ck_abort_msg("%s: %s", now.scenario->name, text);
    abort();
}

/* -- where the faults are put in (the linker leads these calls here) ----------------------------
 */

struct found {
    weft_task tasks[TASKS_MAX];
    uint32_t count;
};

static int find(const struct weft_task_info *info, void *context)
{
    struct found *found = context;

    if (found->count < TASKS_MAX)
        found->tasks[found->count++] = info->task;
    return 0;
}

static void cut(void)
{
    struct found found = {.count = 0};

    if (weft_tasks_each(find, &found) < 0)
        scenario_failed("the tasks cannot be listed here");
    now.tasks_seen = found.count;
    if (now.whom == 0) {
        if (ledger.scope)
            (void)weft_scope_cancel(ledger.scope);
    } else if (now.whom <= found.count) {
        (void)weft_cancel(found.tasks[now.whom - 1]);
    }
}

/* Before a visit that does not sleep, and after one that does: what is made ready is then run. */
int __real_weft__ring_enter(struct weft__ring *ring, uint32_t wait_count, int64_t deadline_ns);
int __wrap_weft__ring_enter(struct weft__ring *ring, uint32_t wait_count, int64_t deadline_ns);
int __wrap_weft__ring_enter(struct weft__ring *ring, uint32_t wait_count, int64_t deadline_ns)
{
    bool mine = ++now.enters == now.at && now.kind == CANCEL;
    int result;

    if (mine && wait_count == 0)
        cut();
    result = __real_weft__ring_enter(ring, wait_count, deadline_ns);
    if (mine && wait_count > 0)
        cut();
    return result;
}

void *__real_weft__host_reserve(size_t size);
void *__wrap_weft__host_reserve(size_t size);
void *__wrap_weft__host_reserve(size_t size)
{
    if (++now.reservations == now.at && now.kind == RESERVATION) {
        return NULL;
    }
    return __real_weft__host_reserve(size);
}

int __real_weft__host_thread_start(struct weft__thread **thread, void *(*fn)(void *), void *arg,
                                   const char *name);
int __wrap_weft__host_thread_start(struct weft__thread **thread, void *(*fn)(void *), void *arg,
                                   const char *name);
int __wrap_weft__host_thread_start(struct weft__thread **thread, void *(*fn)(void *), void *arg,
                                   const char *name)
{
    if (++now.threads == now.at && now.kind == THREAD) {
        return -EAGAIN;
    }
    return __real_weft__host_thread_start(thread, fn, arg, name);
}

static void count_requests(const struct weft_sim_event *event, void *context)
{
    (void)context;
    if (strcmp(event->what, "submit") == 0 && event->value >= 0 && event->value < 64)
        now.opcodes[event->value]++;
}

/* -- one run ------------------------------------------------------------------------------------
 */

static int scenario_main(void *arg)
{
    int result = now.scenario->main(arg);

    if (weft__buffers_held(weft__self) > 0)
        scenario_failed("%u buffers are held", weft__buffers_held(weft__self));
    return result;
}

static int in_world(void *arg)
{
    const struct weft_run_opt opt = {.size = sizeof opt,
                                     .reactors = now.scenario->reactors,
                                     .budget = now.budget};

    (void)arg;
    now.result = weft_run(scenario_main, NULL, 0, &opt);
    now.returned = true;
    if (weft__sim_world->fds_open != 0)
        scenario_failed("%u descriptors are left", weft__sim_world->fds_open);
    return 0;
}

static void check_ledger(void)
{
    if (ledger.spawned != ledger.begun + ledger.dropped || ledger.begun != ledger.ended)
        scenario_failed("%d tasks spawned, %d begun, %d ended", ledger.spawned, ledger.begun,
                        ledger.ended);
    if (ledger.posted != ledger.ran)
        scenario_failed("%d posts were taken and %d run or dropped", ledger.posted, ledger.ran);
    for (int i = 0; i < WAYS; i++) {
        const struct way *way = &ledger.ways[i];
        if (way->received > way->sent || way->echoed > way->received)
            scenario_failed("way %d: sent %llu, received %llu, echoed %llu", i,
                            (unsigned long long)way->sent, (unsigned long long)way->received,
                            (unsigned long long)way->echoed);
        if (ledger.whole && ledger.failed == 0 &&
            (way->received != way->sent || way->echoed != way->received))
            scenario_failed("way %d is said to be whole: sent %llu, received %llu, echoed %llu", i,
                            (unsigned long long)way->sent, (unsigned long long)way->received,
                            (unsigned long long)way->echoed);
    }
}

static bool among(int error, const int *errors)
{
    while (*errors && *errors != error)
        errors++;
    return *errors != 0;
}

/* `allowed` ends with 0; 0 itself is always allowed: who is cut short may still finish. */
static void run(const int *allowed)
{
    struct weft_sim_opt opt = {.size = sizeof opt,
                               .seed = now.seed,
                               .plan = now.plan,
                               .steps_max = STEPS_MAX,
                               .trace = now.kind == NOTHING ? count_requests : NULL};
    size_t allocations = test_live_allocations(), mapped = test_mapped_bytes();
    uint64_t before = weft__alloc_count();
    int result;

    ledger = (struct ledger){.whole = false};
    now.enters = now.reservations = now.threads = 0;
    now.tasks_seen = 0;
    now.returned = false;
    if (now.kind == DESCRIPTORS)
        opt.fds_max = (uint32_t)now.at;
    if (now.kind == ALLOCATION)
        weft__alloc_fail_after(now.at);
    result = weft_sim_run(&opt, in_world, NULL, NULL);
    weft__alloc_fail_after(0);
    now.allocations = weft__alloc_count() - before;
    if (result != 0 || !now.returned)
        scenario_failed("the run did not end: %s", strerror(-result));
    if (test_live_allocations() != allocations || test_mapped_bytes() != mapped)
        scenario_failed("%zu allocations and %zu bytes are left",
                        test_live_allocations() - allocations, test_mapped_bytes() - mapped);
    check_ledger();
    if (now.result < 0 && !among(now.result, allowed))
        scenario_failed("the result is %s", strerror(-now.result));
    if (now.kind == NOTHING && !ledger.whole)
        scenario_failed("nothing was put in its way, and it is not whole");
}

static void begin(const struct scenario *scenario, enum kind kind, const char *plan, uint64_t seed,
                  uint32_t budget)
{
    now = (struct attempt){
        .scenario = scenario, .kind = kind, .plan = plan, .seed = seed, .budget = budget};
}

static const int none[] = {0};

static const char *const worlds[] = {"calm net.latency=0", "calm net.latency=20us",
                                     "rough net.lost=0 net.latency=0..200us"};
enum { WORLDS = 3 };

/* -- what is tried ------------------------------------------------------------------------------
 */

TEST(undisturbed)
{
    for (int i = 0; i < scenario_count; i++)
        for (int w = 0; w < WORLDS; w++)
            for (uint64_t seed = 1; seed <= (test_long() ? 1000 : 30); seed++) {
                begin(&scenarios[i], NOTHING, worlds[w], seed, (uint32_t)seed % 2);
                run(none);
            }
}

/* A peer that was cut short is to others one that is gone. */
static const int when_cancelled[] = {-ECANCELED, -ECONNRESET, -ENODATA,      -EPIPE,
                                     -ENOTCONN,  -ESHUTDOWN,  -ECONNREFUSED, 0};

static void cancel_everywhere(const struct scenario *scenario, const char *plan, uint64_t seed,
                              uint32_t budget, uint64_t step)
{
    uint64_t enters = UINT64_MAX;

    for (uint64_t at = 1; at <= enters; at += step) {
        uint32_t whom = 0;
        do { /* the scope, then each of the tasks there are at this visit */
            begin(scenario, CANCEL, plan, seed, budget);
            now.at = at;
            now.whom = whom;
            run(when_cancelled);
            enters = now.enters < at ? 0 : enters;
        } while (++whom <= now.tasks_seen);
    }
}

TEST(cancelled_at_every_visit)
{
    for (int i = 0; i < scenario_count; i++)
        for (uint64_t w = 0; w < WORLDS; w++) {
            cancel_everywhere(&scenarios[i], worlds[w], 1 + w, 0, 1);
            cancel_everywhere(&scenarios[i], worlds[w], 2 + w, 1, test_long() ? 1 : 3);
        }
}

TEST(cancelled_at_every_visit_of_other_seeds)
{
    for (int i = 0; i < scenario_count && test_long(); i++)
        for (uint64_t seed = 10; seed < 60; seed++)
            cancel_everywhere(&scenarios[i], worlds[2], seed, seed % 2, 1);
}

static const int when_short[] = {-ETIMEDOUT, -ENOMEM,       -EAGAIN,  -EMFILE, -ENFILE,
                                 -ECANCELED, -ECONNRESET,   -ENODATA, -EPIPE,  -ENOTCONN,
                                 -ESHUTDOWN, -ECONNREFUSED, -ENOBUFS, 0};

/* The k-th of something fails, until there is no k-th. */
static void fail_each(enum kind kind)
{
    for (int i = 0; i < scenario_count; i++)
        for (int w = 0; w < WORLDS; w += 2) {
            uint64_t count;
            begin(&scenarios[i], NOTHING, worlds[w], 1, 0);
            run(none);
            count = kind == ALLOCATION    ? now.allocations
                    : kind == RESERVATION ? now.reservations
                                          : now.threads;
            ck_assert(count > 0 || kind == THREAD);
            for (uint64_t at = 1; at <= count; at++) {
                begin(&scenarios[i], kind, worlds[w], 1, 0);
                now.at = at;
                run(when_short);
            }
        }
}

TEST(every_allocation_fails)
{
    fail_each(ALLOCATION);
}

TEST(every_reservation_fails)
{
    fail_each(RESERVATION);
}

TEST(every_thread_fails)
{
    fail_each(THREAD);
}

/* The machine has k descriptors: up to as many as are ever needed. Clients of a server that waits
   for one take their time, but somebody always gives up. */
TEST(descriptors_run_out_everywhere)
{
    for (int i = 0; i < scenario_count; i++)
        for (int w = 0; w < WORLDS; w += 2)
            for (uint64_t at = 1; at <= 24; at++) {
                begin(&scenarios[i], DESCRIPTORS, worlds[w], 1, 0);
                now.at = at;
                run(when_short);
            }
}

/* The errors that a completion may bring without leaving a trace, and what else may befall it. */
static const struct {
    uint8_t opcode;
    const char *outcomes[12];
} legal[] = {
    {WEFT__OP_POLL_ADD, {"ENOMEM", "late"}},
    {WEFT__OP_ACCEPT,
     {"ECONNABORTED", "EPROTO", "ENOMEM", "ENOBUFS", "ENFILE", "EMFILE", "ENETDOWN", "EPERM",
      "late"}},
    {WEFT__OP_CONNECT,
     {"ENETUNREACH", "EHOSTUNREACH", "ECONNREFUSED", "ETIMEDOUT", "EADDRNOTAVAIL", "ENOMEM",
      "EPERM", "reset", "late"}},
    {WEFT__OP_SEND, {"ENOMEM", "ENOBUFS", "EINTR", "reset", "short", "late"}},
    {WEFT__OP_RECV, {"ENOMEM", "EINTR", "reset", "short", "late"}},
    {WEFT__OP_SENDMSG, {"ENOMEM", "ENOBUFS", "EINTR", "ECONNREFUSED", "late"}},
    {WEFT__OP_RECVMSG, {"ENOMEM", "EINTR", "ECONNREFUSED", "late"}},
    {WEFT__OP_MSG_RING, {"ENOMEM", "late"}},
    {WEFT__OP_READ, {"EIO", "EINTR", "ENOMEM", "short", "late"}},
    {WEFT__OP_WRITE, {"EIO", "EINTR", "ENOMEM", "ENOSPC", "EDQUOT", "short", "late"}},
    {WEFT__OP_OPENAT2, {"EMFILE", "ENFILE", "EIO", "EINTR", "ENOMEM", "late"}},
    {WEFT__OP_FSYNC, {"EIO", "late"}},
    {WEFT__OP_RENAMEAT, {"EIO", "ENOSPC", "EDQUOT", "ENOMEM", "late"}},
    {WEFT__OP_UNLINKAT, {"EIO", "ENOMEM", "late"}},
    {WEFT__OP_SPLICE, {"ENOMEM", "EINTR", "short", "late"}},
    {WEFT__OP_WAITID, {"ENOMEM", "EINTR", "late"}},
};
#define WHEN_BROKEN                                                                                \
    -ENOMEM, -ENOBUFS, -EINTR, -ECANCELED, -ECONNRESET, -ENODATA, -EPIPE, -ENOTCONN, -ESHUTDOWN,   \
        -EAGAIN, -ECONNREFUSED, -ENETUNREACH, -EHOSTUNREACH, -EADDRNOTAVAIL, -EPERM
#define WHEN_FILES_BREAK -EIO, -ENOSPC, -EDQUOT, -EMFILE, -ENFILE
static const int when_broken[] = {WHEN_BROKEN, 0};
/* What was given to be sent and cannot be is told at the next write: who waits for it gives up. */
static const int when_unsent[] = {WHEN_BROKEN, -ETIMEDOUT, 0};

static const int when_files_break[] = {WHEN_BROKEN, WHEN_FILES_BREAK, 0};

static const int *allowed_of(uint8_t opcode)
{
    switch (opcode) {
    case WEFT__OP_SEND:
    case WEFT__OP_SENDMSG:
    case WEFT__OP_CONNECT:
        return when_unsent;
    case WEFT__OP_READ:
    case WEFT__OP_WRITE:
    case WEFT__OP_OPENAT2:
    case WEFT__OP_FSYNC:
    case WEFT__OP_RENAMEAT:
        return when_files_break;
    default:
        return when_broken;
    }
}

static void break_each(const struct scenario *scenario, const char *world)
{
    uint32_t opcodes[64];
    char plan[512];

    begin(scenario, NOTHING, world, 1, 0);
    run(none);
    memcpy(opcodes, now.opcodes, sizeof opcodes);
    for (size_t o = 0; o < sizeof legal / sizeof legal[0]; o++)
        for (uint32_t at = 1; at <= 2 * opcodes[legal[o].opcode] + 2; at++)
            for (const char *const *outcome = legal[o].outcomes; *outcome; outcome++) {
                snprintf(plan, sizeof plan, "%s %s#%u=%s", world,
                         weft__sim_opcode_name(legal[o].opcode), at, *outcome);
                begin(scenario, COMPLETION, plan, 1, 0);
                run(allowed_of(legal[o].opcode));
            }
}

TEST(every_completion_breaks)
{
    for (int i = 0; i < scenario_count; i++) {
        break_each(&scenarios[i], worlds[0]);
        break_each(&scenarios[i], worlds[2]);
    }
}

/* The plan whose faults have odds, many times. */
TEST(a_broken_world)
{
    static const int any[] = {WHEN_BROKEN, WHEN_FILES_BREAK, -ETIMEDOUT, -ENOSYS, -EADDRINUSE, 0};

    for (int i = 0; i < scenario_count; i++)
        for (uint64_t seed = 1; seed <= (test_long() ? 20000 : 200); seed++) {
            begin(&scenarios[i], COMPLETION, "broken fd.none=1/100 host.errno=1/100", seed,
                  (uint32_t)seed % 2);
            run(any);
        }
}

/* One attempt alone: MECHANICAL, as it was printed. */
TEST(the_one_named)
{
    const char *text = getenv("MECHANICAL");
    static char plan[512];
    char name[32];
    int kind, at;
    unsigned long long k, seed;
    unsigned int whom, budget;

    if (!text)
        return;
    ck_assert_int_eq(sscanf(text, "%31s %d %llu %u %llu %u %n", name, &kind, &k, &whom, &seed,
                            &budget, &at),
                     6);
    snprintf(plan, sizeof plan, "%s", text + at);
    for (int i = 0; i < scenario_count; i++)
        if (strcmp(scenarios[i].name, name) == 0) {
            begin(&scenarios[i], (enum kind)kind, plan, seed, budget);
            now.at = k;
            now.whom = whom;
            run(when_unsent);
        }
}

TEST_MAIN("sim/mechanical", 3600, undisturbed, cancelled_at_every_visit,
          cancelled_at_every_visit_of_other_seeds, every_allocation_fails, every_reservation_fails,
          every_thread_fails, descriptors_run_out_everywhere, every_completion_breaks,
          a_broken_world, the_one_named)
