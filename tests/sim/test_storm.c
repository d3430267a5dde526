/*
 * A server and its clients under many seeds of a rough and of a broken kernel.
 *
 * Would catch: whatever cannot stand an order of events that a kernel may bring, or a failure at a
 * bad moment: a task that never ends (a deadlock is reported), a descriptor or a block that is not
 * given back, memory let go of too early, bytes lost or in the wrong order.
 * A seed that fails is printed with the command that runs it again. WEFT_LONG takes 50 times more.
 */
#include "simulate.h"

enum { CLIENTS = 6, BYTES = 3000, SEEDS = 60, LONG = 50 };

static unsigned char byte_at(size_t i)
{
    return (unsigned char)(i * 31 + i / 251);
}

/* What a stream reads goes back as it came, by the one way or the other. */
static int echo(void *arg)
{
    weft_stream *stream;
    const void *data;
    size_t size;
    int fd = *(int *)arg;

    if (weft_stream_open(fd, NULL, &stream) < 0) {
        weft_close(fd);
        return 0;
    }
    while (weft_stream_peek(stream, &data, &size, 0) > 0)
        if (weft_stream_write(stream, data, size, NULL) < 0 ||
            weft_stream_consume(stream, size) < 0)
            break;
    weft_stream_close(stream);
    return 0;
}

static int serve(void *arg)
{
    int listener = *(int *)arg, fd;

    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        while ((fd = weft_accept(listener, NULL, NULL, 0)) != -ECANCELED && fd != -ESHUTDOWN)
            if (fd >= 0 && weft_spawn(&s, echo, &fd, sizeof fd, NULL) < 0)
                weft_close(fd);
        weft_scope_cancel(&s);
    }
    return 0;
}

struct place {
    int port;
    bool broken;
};

static int write_bytes(void *arg)
{
    unsigned char bytes[BYTES];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = byte_at(i);
    return (int)weft_send_all(*(int *)arg, bytes, sizeof bytes, NULL);
}

/* Bytes come back whole and in order, up to where it broke. */
static int talk(void *arg)
{
    struct place *place = arg;
    unsigned char bytes[BYTES];
    char address[40];
    size_t done = 0;
    int fd;

    snprintf(address, sizeof address, "127.0.0.1:%d", place->port);
    fd = weft_connect_tcp(address, NULL);
    if (fd < 0)
        return place->broken ? 0 : fd;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING, .deadline = weft_after_ms(20000)) {
        if (weft_spawn(&s, write_bytes, &fd, 0, NULL) == 0)
            (void)weft_recv_exactly(fd, bytes, sizeof bytes, &done);
        weft_scope_cancel(&s);
    }
    for (size_t i = 0; i < done; i++)
        ck_assert_int_eq(bytes[i], byte_at(i));
    weft_close(fd);
    return done == sizeof bytes || place->broken ? 0 : -EPROTO;
}

static bool broken_now, began;

static int meet(void *arg)
{
    struct place place = {.broken = broken_now};
    struct weft_spawn_opt opt = {.size = sizeof opt};
    int listener = weft_listen_tcp("127.0.0.1:0", NULL), result = 0;

    (void)arg;
    began = true;
    if (listener < 0)
        return place.broken ? 0 : listener;
    place.port = weft_local_port(listener);
    WEFT_SCOPE(outer, .on_error = WEFT_KEEP_GOING) {
        if (weft_spawn(&outer, serve, &listener, sizeof listener, NULL) == 0) {
            weft_scope inner;
            ok(weft_scope_open(&inner, NULL));
            for (int i = 0; i < CLIENTS; i++) {
                opt.reactor = WEFT_ON(i % (int)weft_reactors());
                if (weft_spawn(&inner, talk, &place, sizeof place, &opt) < 0)
                    break;
            }
            result = weft_scope_close(&inner);
        }
        weft_scope_cancel(&outer);
    }
    weft_close(listener);
    return place.broken ? 0 : result; /* a clock that jumps over a deadline fails a client */
}

static void storm(const char *plan, bool broken)
{
    uint64_t seeds = test_long() ? SEEDS * LONG : SEEDS;

    int result;

    broken_now = broken;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct world world = {.seed = seed,
                              .plan = plan,
                              .task = meet,
                              .steps_max = 1000000,
                              .run = {.reactors = 1 + (uint32_t)seed % 3}};
        began = false;
        result = world_run(&world);
        ck_assert_msg(result == 0 || (broken && !began), "seed %llu: %d", (unsigned long long)seed,
                      result);
    }
}

TEST(rough)
{
    storm("rough", false);
}

TEST(broken)
{
    storm("broken", true);
}

TEST(very_short_queues_and_transfers)
{
    storm("rough sq.size=2 cq.size=4 op.short=1/2 cq.full=1/20 multishot.end=1/4", false);
}

TEST(hardly_any_buffers)
{
    storm("rough buffers.none=1/4 buffers.on_error=always buffers.early=always", false);
}

TEST(much_is_held_back)
{
    storm("rough op.inline=never op.held=1/2 op.late=1/8 sched.starve=1/50", false);
}

TEST_MAIN("sim/storm", 120, rough, broken, very_short_queues_and_transfers, hardly_any_buffers,
          much_is_held_back)
