/*
 * Everything at once, for as many steps as are asked for: servers and clients, storms of
 * connections, cancels, deadlines, scopes, calls between reactors and posts of foreign threads, in
 * one world after another, each of another seed.
 *
 * Would catch: a byte lost, doubled or out of order; a task, timer, operation, buffer, descriptor,
 * allocation or mapping that is left; a time limit that comes early; a world that never ends. What
 * needs an unlikely order of many things comes up here or nowhere.
 *
 * WEFT_STEPS is how many steps are made (default a million; a hundred million under WEFT_LONG),
 * half of them in rough worlds, where nothing may fail, half in broken ones, where anything may,
 * but must leave nothing behind. A world that fails is named by its seed; WEFT_STEPS_SEED runs it
 * alone.
 */
#include <stdlib.h>
#include <time.h>

#include "io/buffers.h"
#include "ring/host.h"
#include "sim/world.h"
#include "simulate.h"

#define MS INT64_C(1000000)
enum { STEPS = 1000000, STEPS_LONG = 100000000, STEPS_MAX = 20000000, PIECE = 1500 };

/* The world under way. It is one thread: plain memory. */
static struct {
    uint64_t seed;
    bool broken;
    uint64_t draws;
    int spawned, begun, ended, dropped;
    int posted, ran;
    uint64_t echoed; /* bytes */
    int complete;    /* activities that came to their ends as they should */
} now;

static _Noreturn void failed(const char *what, long long is, long long wanted)
{
    fprintf(stderr, "WEFT_STEPS_SEED=%llu %s: %s: %lld, not %lld\n", (unsigned long long)now.seed,
            now.broken ? "broken" : "rough", what, is, wanted);
    ck_abort_msg("%s", what);
    abort();
}

static void is(const char *what, long long value, long long wanted)
{
    if (value != wanted)
        failed(what, value, wanted);
}

/* What has to be so unless the world is broken. */
static bool went_well(const char *what, long long value, long long wanted)
{
    if (value != wanted && !now.broken)
        failed(what, value, wanted);
    return value == wanted;
}

static uint32_t pick(uint32_t n)
{
    uint64_t x = now.seed * UINT64_C(0x9e3779b97f4a7c15) + ++now.draws;

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((x ^ x >> 31) >> 16) % n;
}

/* -- children that are counted -------------------------------------------------------------------
 */

struct job {
    weft_task_fn fn;
    long arg;
};

static int run_job(void *arg)
{
    struct job *job = arg;
    int result;

    now.begun++;
    result = job->fn(&job->arg);
    now.ended++;
    return result;
}

static void drop_job(void *arg)
{
    (void)arg;
    now.dropped++;
}

/* True when it was taken. */
static bool spawn(weft_scope *scope, weft_task_fn fn, long arg, int reactor, weft_task *task)
{
    struct weft_spawn_opt opt = {.size = sizeof opt,
                                 .reactor = reactor,
                                 .task = task,
                                 .drop = drop_job};
    struct job job = {fn, arg};
    bool taken;

    now.spawned++; /* before: elsewhere it may have ended when spawn returns */
    taken = weft_spawn(scope, run_job, &job, sizeof job, &opt) == 0;
    now.spawned -= !taken;
    return taken;
}

static int anywhere(void)
{
    return WEFT_ON((int)pick(weft_reactors()));
}

/* -- conversations -----------------------------------------------------------------------------
 */

static unsigned char byte_of(uint64_t way, uint64_t at)
{
    return (unsigned char)((at + way * 77) * 131 + at / 251);
}

static void fill(unsigned char *bytes, size_t size, uint64_t way, uint64_t at)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = byte_of(way, at + i);
}

static void check(const unsigned char *bytes, size_t size, uint64_t way, uint64_t at)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != byte_of(way, at + i))
            failed("a byte of an echo", bytes[i], byte_of(way, at + i));
    now.echoed += size;
}

static int echo_plain(void *arg)
{
    int fd = (int)*(long *)arg;
    char bytes[700];
    ssize_t n;

    while ((n = weft_recv(fd, bytes, sizeof bytes, 0)) > 0)
        if (weft_send_all(fd, bytes, (size_t)n, NULL) < 0)
            break;
    return weft_close(fd);
}

static int echo_stream(void *arg)
{
    int fd = (int)*(long *)arg;
    weft_stream *stream;
    const void *data;
    size_t size;

    if (weft_stream_open(fd, NULL, &stream) < 0)
        return weft_close(fd);
    while (weft_stream_peek(stream, &data, &size, 0) > 0)
        if (weft_stream_write(stream, data, size, NULL) < 0 ||
            weft_stream_consume(stream, size) < 0)
            break;
    return weft_stream_close(stream);
}

static int serve(void *arg)
{
    int listener = (int)*(long *)arg, fd;

    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        while ((fd = weft_accept(listener, NULL, NULL, 0)) != -ECANCELED && fd != -ESHUTDOWN)
            if (fd >= 0 && !spawn(&s, pick(2) ? echo_plain : echo_stream, fd, 0, NULL))
                weft_close(fd);
        weft_scope_cancel(&s);
    }
    return 0;
}

static int connect_to(long port)
{
    char address[40];

    snprintf(address, sizeof address, "127.0.0.1:%ld", port);
    return weft_connect_tcp(address, NULL);
}

/* A piece goes out and comes back. */
static bool round_trip(int fd, weft_stream *stream, uint64_t way, uint64_t *at)
{
    unsigned char bytes[PIECE];
    size_t size = 1 + pick(pick(4) ? 100 : PIECE), done = 0;
    ssize_t sent, back;

    fill(bytes, size, way, *at);
    sent = stream ? weft_stream_write(stream, bytes, size, NULL)
                  : weft_send_all(fd, bytes, size, NULL);
    if (!went_well("sent", sent, (long long)size))
        return false;
    memset(bytes, 0, sizeof bytes);
    back = stream ? weft_stream_read_exactly(stream, bytes, size, &done)
                  : weft_recv_exactly(fd, bytes, size, &done);
    check(bytes, done, way, *at);
    *at += size;
    return went_well("came back", back, (long long)size);
}

static int talk(void *arg)
{
    int fd = connect_to(*(long *)arg), rounds = 20 + (int)pick(80);
    uint64_t way = ++now.draws, at = 0;
    weft_stream *stream = NULL;

    if (fd < 0)
        return went_well("connected", fd, 0) ? 0 : fd;
    if (pick(2) && !went_well("a stream", weft_stream_open(fd, NULL, &stream), 0))
        stream = NULL;
    WEFT_SCOPE(s, .deadline = weft_after_ms(now.broken ? 30000 : 3600000)) {
        while (rounds > 0 && round_trip(fd, stream, way, &at))
            rounds--;
    }
    now.complete += rounds == 0;
    return stream ? weft_stream_close(stream) : weft_close(fd);
}

static int conversations(void *arg)
{
    int listener = weft_listen_tcp("127.0.0.1:0", NULL), port = weft_local_port(listener);

    (void)arg;
    if (!went_well("listening", listener < 0, 0))
        return 0;
    WEFT_SCOPE(outer, .on_error = WEFT_KEEP_GOING) {
        if (spawn(&outer, serve, listener, 0, NULL)) {
            WEFT_SCOPE(inner, .on_error = WEFT_KEEP_GOING) {
                for (uint32_t clients = 3 + pick(6); clients > 0; clients--)
                    if (!spawn(&inner, talk, port, anywhere(), NULL))
                        break;
            }
        }
        weft_scope_cancel(&outer);
    }
    return weft_close(listener);
}

/* -- storms of connections ---------------------------------------------------------------------
 */

static int come_and_go(void *arg)
{
    const struct weft_socket_opt opt = {.size = sizeof opt, .reset_on_close = true};

    for (uint32_t times = 1 + pick(4); times > 0; times--) {
        int fd = connect_to(*(long *)arg);

        if (fd < 0)
            continue; /* the queue of the listener was full, or it is being closed */
        if (pick(2))
            (void)weft_socket_set(fd, &opt);
        if (pick(2))
            (void)weft_send(fd, "x", 1, 0);
        (void)weft_close(fd);
    }
    return 0;
}

static int takes_them(void *arg)
{
    int listener = (int)*(long *)arg, fd;

    while ((fd = weft_accept(listener, NULL, NULL, 0)) != -ECANCELED && fd != -EBADF) {
        char byte;
        if (fd < 0)
            continue;
        if (pick(2))
            (void)weft_recv_until(fd, &byte, 1, 0, weft_after_ms(pick(5)));
        is("closing what was accepted", weft_close(fd), 0);
        if (pick(8) == 0 && weft_sleep(pick(1000) * 1000) < 0)
            break;
    }
    return 0;
}

static int storm(void *arg)
{
    int listener = weft_listen_tcp("127.0.0.1:0", NULL), port = weft_local_port(listener);

    (void)arg;
    if (!went_well("listening", listener < 0, 0))
        return 0;
    WEFT_SCOPE(outer, .on_error = WEFT_KEEP_GOING) {
        if (spawn(&outer, takes_them, listener, 0, NULL)) {
            WEFT_SCOPE(inner, .on_error = WEFT_KEEP_GOING) {
                for (uint32_t clients = 10 + pick(30); clients > 0; clients--)
                    if (!spawn(&inner, come_and_go, port, anywhere(), NULL))
                        break;
            }
        }
        if (pick(2)) /* with connections in its queue, or not */
            weft_scope_cancel(&outer);
        else
            is("closing the listener", weft_close(listener), 0), listener = -1;
        weft_scope_cancel(&outer);
    }
    now.complete++;
    return listener < 0 ? 0 : weft_close(listener);
}

/* -- cancels and deadlines ---------------------------------------------------------------------
 */

static int receives(void *arg)
{
    char byte;
    int result = (int)weft_recv((int)*(long *)arg, &byte, 1, pick(2) ? WEFT_IDLE : 0);

    if (result != -ECANCELED)
        (void)went_well("a byte, or the cancel", result, 1);
    return result < 0 ? result : 0;
}

static int sleeps(void *arg)
{
    int64_t deadline = weft_after_ns(*(long *)arg);
    int result = weft_sleep_until(deadline);

    if (result == 0 && weft_now() < deadline)
        failed("a sleep, too short by so many ns", deadline - weft_now(), 0);
    else if (result != 0)
        is("a sleep", result, -ECANCELED);
    return result;
}

static void cancel_some(weft_scope *scope, weft_task *tasks, uint32_t count, int peer)
{
    if (pick(2))
        (void)weft_send(peer, "x", 1, 0);
    for (uint32_t i = pick(4); i > 0; i--)
        if (weft_yield() < 0)
            return;
    for (uint32_t i = 0; i < count; i++)
        if (pick(2))
            (void)weft_cancel(tasks[i]);
    if (pick(3) == 0)
        (void)weft_scope_cancel(scope);
    for (uint32_t i = 0; i < count; i++)
        if (pick(2))
            (void)weft_cancel(tasks[i]);
}

static int cancels(void *arg)
{
    int listener = weft_listen_tcp("127.0.0.1:0", NULL), here, there = -1;

    (void)arg;
    here = connect_to(weft_local_port(listener));
    WEFT_SCOPE(s, .deadline = weft_after_ms(90000)) {
        there = here < 0 ? here : weft_accept(listener, NULL, NULL, 0);
    }
    for (uint32_t times = 20 + pick(50); there >= 0 && times > 0; times--) {
        WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING, .deadline = weft_after_ms(1 + pick(20))) {
            weft_task tasks[4];
            uint32_t count = 0;
            count += spawn(&s, receives, there, 0, &tasks[count]);
            for (int i = 0; i < 3; i++)
                count += spawn(&s, sleeps, (long)(pick(3000) * 1000), pick(2) ? 0 : anywhere(),
                               &tasks[count]);
            cancel_some(&s, tasks, count, here);
        }
    }
    now.complete++;
    if (there >= 0)
        is("closing", weft_close(there), 0);
    if (here >= 0)
        is("closing", weft_close(here), 0);
    return listener < 0 ? 0 : weft_close(listener);
}

/* Nobody sends: the limit is what ends the wait, and not before its time. */
static int limits(void *arg)
{
    int listener = weft_listen_tcp("127.0.0.1:0", NULL), fd;

    (void)arg;
    fd = connect_to(weft_local_port(listener));
    for (uint32_t times = 20 + pick(50); fd >= 0 && times > 0; times--) {
        int64_t deadline = weft_after_ns(pick(10) ? pick(2000) * 1000 : 0);
        char byte;
        int result = (int)weft_recv_until(fd, &byte, 1, 0, deadline);

        if (went_well("a limit", result, -ETIMEDOUT) && weft_now() < deadline)
            failed("a limit, too early by so many ns", deadline - weft_now(), 0);
    }
    now.complete++;
    if (fd >= 0)
        is("closing", weft_close(fd), 0);
    return listener < 0 ? 0 : weft_close(listener);
}

/* -- scopes, calls, posts ------------------------------------------------------------------------
 */

static int grows(void *arg)
{
    long depth = *(long *)arg;
    bool fails = depth == 0 && pick(4) == 0;

    if (depth > 0) {
        WEFT_SCOPE(s, .on_error = pick(2) ? WEFT_FAIL_FAST : WEFT_KEEP_GOING,
                   .max_tasks = 1 + pick(3)) {
            for (uint32_t children = 1 + pick(3); children > 0; children--)
                if (!spawn(&s, grows, depth - 1, pick(3) ? 0 : anywhere(), NULL))
                    break;
        }
    } else if (pick(2)) {
        (void)weft_sleep(pick(500) * 1000);
    } else {
        for (uint32_t i = pick(5); i > 0; i--)
            (void)weft_yield();
    }
    return fails ? -EPROTO : 0;
}

static int trees(void *arg)
{
    (void)arg;
    for (uint32_t times = 3 + pick(5); times > 0; times--) {
        weft_scope s;
        is("opening a scope", weft_scope_open(&s, NULL), 0);
        (void)spawn(&s, grows, 4, 0, NULL);
        (void)weft_scope_close(&s);
    }
    now.complete++;
    return 0;
}

static int doubles(void *arg)
{
    long value = *(long *)arg;

    if (pick(2))
        (void)weft_sleep(pick(200) * 1000);
    if (value % 7 == 3 && weft_reactors() > 1)
        return weft_call(pick(weft_reactors()), doubles, &(long){value + 1}, sizeof value) - 2;
    return (int)(2 * value);
}

static int calls(void *arg)
{
    (void)arg;
    for (long i = 0; i < 30; i++)
        (void)went_well("a call", weft_call(pick(weft_reactors()), doubles, &i, sizeof i), 2 * i);
    now.complete++;
    return 0;
}

static void post_runs(void *arg)
{
    (void)arg;
    now.ran++;
}

static void *posts(void *arg)
{
    weft_inbox *inbox = arg;

    for (int i = 0; i < 40; i++) {
        now.posted += weft_post(inbox, post_runs, NULL, post_runs) == 0;
        weft__host_relax();
    }
    weft_inbox_put(inbox);
    return NULL;
}

static int posted_to(void *arg)
{
    struct weft__thread *thread;
    weft_inbox *inbox = weft_inbox_here();

    (void)arg;
    if (weft__host_thread_start(&thread, posts, inbox, "foreign") < 0) {
        weft_inbox_put(inbox);
        return 0;
    }
    while (now.posted < 40 || now.ran < now.posted)
        if (weft_sleep(20 * 1000) < 0)
            break;
    is("joining a thread", weft__host_thread_join(thread), 0);
    now.complete++;
    return 0;
}

/* -- worlds ------------------------------------------------------------------------------------
 */

static const weft_task_fn activities[] = {conversations, storm, cancels,  limits,
                                          trees,         calls, posted_to};
enum { ACTIVITIES = sizeof activities / sizeof activities[0] };

static int everything(void *arg)
{
    struct weft_stats stats = {.version = 0};

    (void)arg;
    WEFT_SCOPE(all, .on_error = WEFT_KEEP_GOING) {
        for (int i = 0; i < ACTIVITIES; i++)
            (void)spawn(&all, activities[i], 0, i == 0 || pick(2) ? 0 : anywhere(), NULL);
    }
    is("statistics", weft_stats(&stats, sizeof stats), 0);
    is("timers left", (long long)stats.timers_alive, 0);
    is("operations left", (long long)stats.ops_in_flight, 0);
    is("tasks left", (long long)stats.tasks_alive, 1);
    is("completions nobody knew", (long long)stats.unknown_completions, 0);
    is("buffers held", weft__buffers_held(weft__self), 0);
    return 0;
}

static int in_world(void *arg)
{
    struct world *world = arg;
    int result;

    result = world_main(world);
    is("descriptors left", weft__sim_world->fds_open, 0);
    return result;
}

/* The steps it took. */
static uint64_t run_world(uint64_t seed, bool broken)
{
    static const char *const plans[2][4] = {
        {"rough", "rough net.latency=0..50us", "rough sq.size=3..9 cq.size=5..14 op.held=1/4",
         "rough op.inline=never sched.other=1/2 net.segment=1..2000"},
        {"broken", "broken op.errno=1/100", "broken net.latency=0..50us fd.none=1/100",
         "broken op.reset=1/200 sq.size=3..9 cq.size=5..14"},
    };
    struct world world = {.seed = seed,
                          .plan = plans[broken][seed / 3 % 4],
                          .task = everything,
                          .steps_max = STEPS_MAX,
                          .run = {.reactors = 1 + (uint32_t)seed % 3}};
    size_t allocations = test_live_allocations(), mapped = test_mapped_bytes();
    int result;

    memset(&now, 0, sizeof now);
    now.seed = seed;
    now.broken = broken;
    result = world_run_fn(&world, in_world, &world);
    if (!broken || result != -ENOMEM) /* of a run that could not begin */
        is("the run", result, 0);
    is("tasks that came to an end", now.ended + now.dropped, now.spawned);
    is("posts run", now.ran, now.posted);
    is("allocations left", (long long)test_live_allocations(), (long long)allocations);
    is("bytes mapped", (long long)test_mapped_bytes(), (long long)mapped);
    if (!broken && now.complete < ACTIVITIES)
        failed("activities that are complete", now.complete, ACTIVITIES);
    return world.result.steps;
}

static uint64_t steps_wanted(void)
{
    const char *text = getenv("WEFT_STEPS");

    return text ? strtoull(text, NULL, 10) : test_long() ? STEPS_LONG : STEPS;
}

static double cpu_seconds(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void run_worlds(const char *name, bool broken)
{
    const char *only = getenv("WEFT_STEPS_SEED");
    uint64_t steps = 0, seed = only ? strtoull(only, NULL, 10) : 1, worlds = 0, bytes = 0;
    double began = cpu_seconds(), took;

    do {
        steps += run_world(seed++, broken);
        bytes += now.echoed;
        worlds++;
    } while (!only && steps < steps_wanted() / 2);
    took = cpu_seconds() - began;
    printf("%s: %llu steps in %llu worlds, %llu bytes echoed, %.2f s of CPU: %.2f million steps a "
           "second\n",
           name, (unsigned long long)steps, (unsigned long long)worlds, (unsigned long long)bytes,
           took, (double)steps / took / 1e6);
    fflush(stdout);
}

TEST(rough_worlds)
{
    run_worlds("rough", false);
}

TEST(broken_worlds)
{
    run_worlds("broken", true);
}

TEST_MAIN("sim/steps", 3600, rough_worlds, broken_worlds)
