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

enum { PIECE = 1500, STEPS_MAX = 20000000 };

struct mix mix;
void (*mix_at_end)(void);

_Noreturn void mix_failed(const char *what, long long is, long long wanted)
{
    fprintf(stderr, "seed %llu, %s: %s: %lld, not %lld\n", (unsigned long long)mix.seed,
            mix.broken ? "broken" : "rough", what, is, wanted);
    ck_abort_msg("%s", what);
    abort();
}

void mix_is(const char *what, long long value, long long wanted)
{
    if (value != wanted)
        mix_failed(what, value, wanted);
}

bool mix_went_well(const char *what, long long value, long long wanted)
{
    if (value != wanted && !mix.broken)
        mix_failed(what, value, wanted);
    return value == wanted;
}

uint32_t mix_pick(uint32_t n)
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

bool mix_spawn(weft_scope *scope, weft_task_fn fn, long arg, int reactor, weft_task *task)
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

int mix_anywhere(void)
{
    return WEFT_ON((int)mix_pick(weft_reactors()));
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
            mix_failed("a byte of an echo", bytes[i], byte_of(way, at + i));
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
            if (fd >= 0 && !mix_spawn(&s, mix_pick(2) ? echo_plain : echo_stream, fd, 0, NULL))
                weft_close(fd);
        weft_scope_cancel(&s);
    }
    return 0;
}

int mix_connect_to(long port)
{
    char address[40];

    snprintf(address, sizeof address, "127.0.0.1:%ld", port);
    return weft_connect_tcp(address, NULL);
}

/* A piece goes out and comes back. */
static bool round_trip(int fd, weft_stream *stream, uint64_t way, uint64_t *at)
{
    unsigned char bytes[PIECE];
    size_t size = 1 + mix_pick(mix_pick(4) ? 100 : PIECE), done = 0;
    ssize_t sent, back;

    fill(bytes, size, way, *at);
    sent = stream ? weft_stream_write(stream, bytes, size, NULL)
                  : weft_send_all(fd, bytes, size, NULL);
    if (!mix_went_well("sent", sent, (long long)size))
        return false;
    memset(bytes, 0, sizeof bytes);
    back = stream ? weft_stream_read_exactly(stream, bytes, size, &done)
                  : weft_recv_exactly(fd, bytes, size, &done);
    check(bytes, done, way, *at);
    *at += size;
    return mix_went_well("came back", back, (long long)size);
}

static int talk(void *arg)
{
    int fd = mix_connect_to(*(long *)arg), rounds = 20 + (int)mix_pick(80);
    uint64_t way = ++mix.draws, at = 0;
    weft_stream *stream = NULL;

    if (fd < 0)
        return mix_went_well("connected", fd, 0) ? 0 : fd;
    if (mix_pick(2) && !mix_went_well("a stream", weft_stream_open(fd, NULL, &stream), 0))
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
    if (!mix_went_well("listening", listener < 0, 0))
        return 0;
    WEFT_SCOPE(outer, .on_error = WEFT_KEEP_GOING) {
        if (mix_spawn(&outer, serve, listener, 0, NULL)) {
            WEFT_SCOPE(inner, .on_error = WEFT_KEEP_GOING) {
                for (uint32_t clients = 3 + mix_pick(6); clients > 0; clients--)
                    if (!mix_spawn(&inner, talk, port, mix_anywhere(), NULL))
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

    for (uint32_t times = 1 + mix_pick(4); times > 0; times--) {
        int fd = mix_connect_to(*(long *)arg);

        if (fd < 0)
            continue; /* the queue of the listener was full, or it is being closed */
        if (mix_pick(2))
            (void)weft_socket_set(fd, &opt);
        if (mix_pick(2))
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
        if (mix_pick(2))
            (void)weft_recv_until(fd, &byte, 1, 0, weft_after_ms(mix_pick(5)));
        mix_is("closing what was accepted", weft_close(fd), 0);
        if (mix_pick(8) == 0 && weft_sleep(mix_pick(1000) * 1000) < 0)
            break;
    }
    return 0;
}

static int storm(void *arg)
{
    int listener = weft_listen_tcp("127.0.0.1:0", NULL), port = weft_local_port(listener);

    (void)arg;
    if (!mix_went_well("listening", listener < 0, 0))
        return 0;
    WEFT_SCOPE(outer, .on_error = WEFT_KEEP_GOING) {
        if (mix_spawn(&outer, takes_them, listener, 0, NULL)) {
            WEFT_SCOPE(inner, .on_error = WEFT_KEEP_GOING) {
                for (uint32_t clients = 10 + mix_pick(30); clients > 0; clients--)
                    if (!mix_spawn(&inner, come_and_go, port, mix_anywhere(), NULL))
                        break;
            }
        }
        if (mix_pick(2)) /* with connections in its queue, or not */
            weft_scope_cancel(&outer);
        else
            mix_is("closing the listener", weft_close(listener), 0), listener = -1;
        weft_scope_cancel(&outer);
    }
    mix.complete++;
    return listener < 0 ? 0 : weft_close(listener);
}

/* -- worlds ------------------------------------------------------------------------------------
 */

static const weft_task_fn activities[] = {conversations, storm,     mix_cancels,  mix_limits,
                                          mix_trees,     mix_calls, mix_posted_to};
enum { ACTIVITIES = sizeof activities / sizeof activities[0] };

static int everything(void *arg)
{
    struct weft_stats stats = {.version = 0};

    (void)arg;
    WEFT_SCOPE(all, .on_error = WEFT_KEEP_GOING) {
        for (int i = 0; i < ACTIVITIES; i++)
            (void)mix_spawn(&all, activities[i], 0, i == 0 || mix_pick(2) ? 0 : mix_anywhere(),
                            NULL);
    }
    mix_is("statistics", weft_stats(&stats, sizeof stats), 0);
    mix_is("timers left", (long long)stats.timers_alive, 0);
    mix_is("operations left", (long long)stats.ops_in_flight, 0);
    mix_is("tasks left", (long long)stats.tasks_alive, 1);
    mix_is("completions nobody knew", (long long)stats.unknown_completions, 0);
    mix_is("buffers held", weft__buffers_held(weft__self), 0);
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

    mix_is("descriptors left", weft__sim_world->fds_open, 0);
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
    mix_is("the run", world_run_fn(world, in_world, world), 0);
    mix_is("tasks that came to an end", mix.ended + mix.dropped, mix.spawned);
    mix_is("posts run", mix.ran, mix.posted);
    mix_is("allocations left", (long long)test_live_allocations(), (long long)allocations);
    mix_is("bytes mapped", (long long)test_mapped_bytes(), (long long)mapped);
    if (!broken)
        mix_is("activities that are complete", mix.complete >= ACTIVITIES, true);
}
