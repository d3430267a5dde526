/*
 * A bit of everything: mix.h says what for.
 */
#include "mix.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "io/buffers.h"
#include "ring/host.h"
#include "sim/world.h"
#include "support/test.h"

enum { PIECE = 1500, HEAP = 200000, STEPS_MAX = 20000000 };

struct mix mix;
void (*mix_at_end)(void);

static _Noreturn void failed(const char *what, long long is, long long wanted)
{
    fprintf(stderr, "seed %llu, %s: %s: %lld, not %lld\n", (unsigned long long)mix.seed,
            mix.broken ? "broken" : "rough", what, is, wanted);
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
    if (value != wanted && !mix.broken)
        failed(what, value, wanted);
    return value == wanted;
}

static uint32_t pick(uint32_t n)
{
    uint64_t x = mix.seed * UINT64_C(0x9e3779b97f4a7c15) + ++mix.draws;

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

    mix.begun++;
    result = job->fn(&job->arg);
    mix.ended++;
    return result;
}

static void drop_job(void *arg)
{
    (void)arg;
    mix.dropped++;
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

    mix.spawned++; /* before: elsewhere it may have ended when spawn returns */
    taken = weft_spawn(scope, run_job, &job, sizeof job, &opt) == 0;
    mix.spawned -= !taken;
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
    mix.echoed += size;
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
    uint64_t way = ++mix.draws, at = 0;
    weft_stream *stream = NULL;

    if (fd < 0)
        return went_well("connected", fd, 0) ? 0 : fd;
    if (pick(2) && !went_well("a stream", weft_stream_open(fd, NULL, &stream), 0))
        stream = NULL;
    WEFT_SCOPE(s, .deadline = weft_after_ms(mix.broken ? 30000 : 3600000)) {
        while (rounds > 0 && round_trip(fd, stream, way, &at))
            rounds--;
    }
    mix.complete += rounds == 0;
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
    mix.complete++;
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

/* More than anybody takes: it is cut short with a part of it sent. */
static int sends_much(void *arg)
{
    static const char heap[HEAP];
    size_t done = 0;
    ssize_t result = weft_send_all((int)*(long *)arg, heap, sizeof heap, &done);

    if (result < 0 ? done >= sizeof heap : result != (ssize_t)sizeof heap)
        failed("of a long send", (long long)done, HEAP);
    return result < 0 ? (int)result : 0;
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

/* The other end is sent to in the meantime, and read from now and then. */
static bool cancel_once(int here, int there)
{
    bool goes_on = true;

    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING, .deadline = weft_after_ms(1 + pick(20))) {
        weft_task tasks[5];
        uint32_t count = 0;
        count += spawn(&s, receives, there, 0, &tasks[count]);
        if (pick(4) == 0)
            count += spawn(&s, sends_much, there, 0, &tasks[count]);
        for (int i = 0; i < 3; i++)
            count += spawn(&s, sleeps, (long)(pick(3000) * 1000), pick(2) ? 0 : anywhere(),
                           &tasks[count]);
        cancel_some(&s, tasks, count, here);
        if (pick(2)) {
            char bytes[4096];
            goes_on = weft_recv(here, bytes, sizeof bytes, MSG_DONTWAIT) != 0;
        }
    }
    return goes_on;
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
        if (!cancel_once(here, there))
            break;
    }
    mix.complete++;
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
    mix.complete++;
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
    mix.complete++;
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
    mix.complete++;
    return 0;
}

static void post_runs(void *arg)
{
    (void)arg;
    mix.ran++;
}

static void *posts(void *arg)
{
    weft_inbox *inbox = arg;

    for (int i = 0; i < 40; i++) {
        mix.posted += weft_post(inbox, post_runs, NULL, post_runs) == 0;
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
    while (mix.posted < 40 || mix.ran < mix.posted)
        if (weft_sleep(20 * 1000) < 0)
            break;
    is("joining a thread", weft__host_thread_join(thread), 0);
    mix.complete++;
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

/* In a broken world a run may not even begin. */
static bool did_not_begin(int result)
{
    static const int errors[] = {-ENOMEM, -EMFILE, -ENFILE, -EPERM, -ENOSYS, -EAGAIN};
    bool documented = false;

    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        documented |= result == errors[i];
    return mix.broken && mix.begun == 0 && documented;
}

static int in_world(void *arg)
{
    int result = world_main(arg);

    is("descriptors left", weft__sim_world->fds_open, 0);
    if (mix_at_end)
        mix_at_end();
    return did_not_begin(result) ? 0 : result;
}

void mix_run(struct world *world, bool broken)
{
    size_t allocations = test_live_allocations(), mapped = test_mapped_bytes();

    mix = (struct mix){.seed = world->seed, .broken = broken};
    world->task = everything;
    world->steps_max = STEPS_MAX;
    world->run.reactors = 1 + (uint32_t)world->seed % 3;
    is("the run", world_run_fn(world, in_world, world), 0);
    is("tasks that came to an end", mix.ended + mix.dropped, mix.spawned);
    is("posts run", mix.ran, mix.posted);
    is("allocations left", (long long)test_live_allocations(), (long long)allocations);
    is("bytes mapped", (long long)test_mapped_bytes(), (long long)mapped);
    if (!broken)
        is("activities that are complete", mix.complete >= ACTIVITIES, true);
}
