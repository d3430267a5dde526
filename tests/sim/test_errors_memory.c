/*
 * Calls that allocate, each with its first allocation failing, its second, and so on until it has
 * no more: it says -ENOMEM, or can do without. Then what it was called with is as it was, nothing
 * is left of the attempt, and the call made again does what it is for. Would catch want of memory
 * that is told as anything else, or not at all, and half of something that stays.
 */
#include <fcntl.h>
#include <signal.h>

#include "base/memory.h"
#include "io/io.h"
#include "io/stream.h"
#include "reactor/reactor.h"
#include "sim/world.h"
#include "support/net.h"

#undef ok
#include "simulate.h"

#define same(a, b) ck_assert_int_eq((a), (b))

static int ends[2], fd;
static weft_stream *stream;
static weft_transport *transport;
static weft_endpoint *endpoint;
static weft_server *server;
static weft_process *process;
static weft_signals *signals;
static weft_file *file;
static char text[32];

static void nothing(void)
{
}
static void called(void *arg)
{
    (void)arg;
}

/* -- streams ----------------------------------------------------------------------------------- */

static void up_pair(void)
{
    net_pair(&ends[0], &ends[1]);
}
static void up_stream(void)
{
    up_pair();
    same(weft_stream_open(ends[0], NULL, &stream), 0);
}
static void end_stream(int64_t result)
{
    (void)result;
    same(weft_stream_close(stream), 0);
    same(weft_close(ends[1]), 0);
}

static int64_t opens_stream(void)
{
    return weft_stream_open(ends[0], NULL, &stream);
}
static void end_opened(int64_t result)
{
    same(result < 0 ? weft_close(ends[0]) : weft_stream_close(stream), 0);
    same(weft_close(ends[1]), 0);
}
static int64_t writes_now(void)
{
    return weft_stream_write_nowait(stream, "x", 1);
}

/* With a view of it. */
static void up_view(void)
{
    const void *data;
    size_t size;

    up_stream();
    same(weft_send_all(ends[1], "x", 1, NULL), 1);
    same(weft_stream_peek(stream, &data, &size, 0), 1);
}
static int64_t gives(void)
{
    return weft_stream_give(stream, stream, 1);
}
static void end_view(int64_t result)
{
    if (result < 0)
        same(weft_stream_consume(stream, 1), 0); /* lent still */
    end_stream(0);
}

/* With a byte that nobody has read. */
static void up_held(void)
{
    up_view();
    same(weft_stream_consume(stream, 0), 0);
}
static int64_t detaches(void)
{
    return weft_stream_detach(stream);
}
static void end_detached(int64_t result)
{
    char byte;

    if (result == 0)
        same(weft_stream_attach(stream), 0);
    same(weft_stream_read(stream, &byte, 1, 0), 1);
    end_stream(0);
}

/* -- connections ------------------------------------------------------------------------------- */

static const struct weft_protocol protocol = {.size = sizeof protocol};
static const struct weft_datagram_protocol datagrams = {.size = sizeof datagrams};

static int64_t opens_transport(void)
{
    return weft_transport_open(ends[0], &protocol, NULL, NULL, &transport);
}
static void end_transport(int64_t result)
{
    same(result < 0 ? weft_close(ends[0]) : weft_transport_abort(transport), 0);
    same(weft_close(ends[1]), 0);
}
static void up_transport(void)
{
    up_pair();
    same(opens_transport(), 0);
}
static int64_t writes_transport(void)
{
    return weft_transport_write(transport, "x", 1);
}
static void end_written(int64_t result)
{
    (void)result;
    end_transport(0);
}

static void up_listener(void)
{
    int port;

    fd = net_listen(&port);
    snprintf(text, sizeof text, "127.0.0.1:%d", port);
}
static int64_t connects_stream(void)
{
    return weft_open_connection(text, NULL, &stream);
}
static void end_connected(int64_t result)
{
    if (result == 0)
        same(weft_stream_abort(stream), 0);
    same(weft_close(fd), 0);
}
static int64_t connects_transport(void)
{
    return weft_create_connection(text, &protocol, NULL, NULL, &transport);
}
static void end_created(int64_t result)
{
    if (result == 0)
        same(weft_transport_abort(transport), 0);
    same(weft_close(fd), 0);
}

static int serves(weft_stream *one, void *arg)
{
    (void)one, (void)arg;
    return 0;
}
static int64_t starts_server(void)
{
    return weft_start_server(&server, "127.0.0.1:0", serves, NULL, NULL);
}
static int64_t creates_server(void)
{
    return weft_create_server(&server, "127.0.0.1:0", &protocol, NULL, NULL);
}
static void end_server(int64_t result)
{
    if (result == 0)
        same(weft_server_close(server), 0);
}

static int64_t creates_endpoint(void)
{
    return weft_create_datagram_endpoint(&endpoint, "127.0.0.1:0", "127.0.0.1:9", &datagrams, NULL,
                                         NULL);
}
static void end_endpoint(int64_t result)
{
    if (result == 0)
        same(weft_endpoint_close(endpoint), 0);
}
static void up_endpoint(void)
{
    same(creates_endpoint(), 0);
}
static int64_t sends_by_endpoint(void)
{
    return weft_endpoint_sendto(endpoint, "x", 1, NULL, 0);
}
static void end_sent(int64_t result)
{
    (void)result;
    end_endpoint(0);
}

/* -- processes, signals, files, callbacks ------------------------------------------------------ */

static int exits(weft_sim_process *self, int argc, char **argv)
{
    (void)self, (void)argc, (void)argv;
    return 0;
}
static void up_program(void)
{
    same(weft_sim_program("/bin/exits", exits), 0);
}
static int64_t starts_process(void)
{
    const char *const arguments[] = {"/bin/exits", NULL};
    const struct weft_process_opt opt = {.size = sizeof opt, .out = WEFT_PIPE};

    return weft_create_subprocess_exec(arguments, &opt, &process);
}
static void end_process(int64_t result)
{
    if (result == 0)
        same(weft_process_close(process), 0);
}

static int64_t opens_signals(void)
{
    static const int number = SIGUSR1;

    return weft_signals_open(&number, 1, &signals);
}
static void end_signals(int64_t result)
{
    if (result == 0)
        same(weft_signals_close(signals), 0);
}
static void told(const struct weft_signal *signal, void *arg)
{
    (void)signal, (void)arg;
}
static int64_t adds_handler(void)
{
    return weft_add_signal_handler(SIGUSR2, told, NULL);
}
static void end_handler(int64_t result)
{
    same(weft_remove_signal_handler(SIGUSR2), result == 0);
}

static void up_file(void)
{
    fd = weft_open("/tmp/a", O_RDWR | O_CREAT, 0600);
    ok(fd);
}
static int64_t makes_object(void)
{
    return weft_file_from_fd(fd, NULL, &file);
}
static void end_object(int64_t result)
{
    same(result < 0 ? weft_close(fd) : weft_file_close(file), 0);
}
static int64_t opens_object(void)
{
    return weft_file_open("/tmp/a", O_RDWR | O_CREAT, 0600, NULL, &file);
}
static void end_opened_object(int64_t result)
{
    if (result == 0)
        same(weft_file_close(file), 0);
}

static void ready(int one, int events, void *arg)
{
    (void)one, (void)events, (void)arg;
}
static int64_t adds_reader(void)
{
    return weft_add_reader(ends[0], ready, NULL);
}
static int64_t adds_writer(void)
{
    return weft_add_writer(ends[0], ready, NULL);
}
static void end_reader(int64_t result)
{
    same(weft_remove_reader(ends[0]), result == 0);
    same(weft_close(ends[0]), 0);
    same(weft_close(ends[1]), 0);
}
static void end_writer(int64_t result)
{
    same(weft_remove_writer(ends[0]), result == 0);
    same(weft_close(ends[0]), 0);
    same(weft_close(ends[1]), 0);
}

static int64_t calls_soon(void)
{
    return weft_call_soon(called, NULL, NULL);
}
static int64_t calls_later(void)
{
    return weft_call_later(1, called, NULL, NULL);
}
static int64_t calls_at(void)
{
    return weft_call_at(weft_now() + 1, called, NULL, NULL);
}
static void over(int64_t result)
{
    (void)result;
}

/* -- each -------------------------------------------------------------------------------------- */

static const struct row {
    const char *name;
    void (*up)(void);
    int64_t (*call)(void);
    void (*end)(int64_t result);
    uint32_t kept; /* descriptors, for the next time */
} rows[] = {
    {"stream_open", up_pair, opens_stream, end_opened, 0},
    {"stream_give", up_view, gives, end_view, 0}, /* what it sends by is kept for the next */
    {"stream_write_nowait", up_stream, writes_now, end_stream, 0},
    {"stream_detach", up_held, detaches, end_detached, 0},
    {"transport_open", up_pair, opens_transport, end_transport, 0},
    {"transport_write", up_transport, writes_transport, end_written, 0},
    {"open_connection", up_listener, connects_stream, end_connected, 0},
    {"create_connection", up_listener, connects_transport, end_created, 0},
    {"start_server", nothing, starts_server, end_server, 0},
    {"create_server", nothing, creates_server, end_server, 0},
    {"create_datagram_endpoint", nothing, creates_endpoint, end_endpoint, 0},
    {"endpoint_sendto", up_endpoint, sends_by_endpoint, end_sent, 0},
    {"create_subprocess_exec", up_program, starts_process, end_process, 0},
    {"signals_open", nothing, opens_signals, end_signals, 0},
    {"add_signal_handler", nothing, adds_handler, end_handler, 1},
    {"file_from_fd", up_file, makes_object, end_object, 0},
    {"file_open", nothing, opens_object, end_opened_object, 0},
    {"add_reader", up_pair, adds_reader, end_reader, 0},
    {"add_writer", up_pair, adds_writer, end_writer, 0},
    {"call_soon", nothing, calls_soon, over, 0},
    {"call_later", nothing, calls_later, over, 0},
    {"call_at", nothing, calls_at, over, 0},
};

/* Of the `k` allocations from when that was asked for, has the last been made? */
static bool has_failed(unsigned k)
{
    for (unsigned i = 0; i < k; i++) {
        void *memory = weft__alloc(1);
        if (!memory)
            return false;
        weft__free(memory);
    }
    return true;
}

/* With its k-th allocation failing. Has it so many? */
static bool try(const struct row *row, unsigned k, int *refused)
{
    int64_t result;
    bool failed;

    row->up();
    weft__alloc_fail_after(k);
    result = row->call();
    failed = has_failed(k);
    weft__alloc_fail_after(0);
    ck_assert_msg(result >= 0 || (failed && result == -ENOMEM), "%s, allocation %u: %d", row->name,
                  k, (int)result);
    *refused += result < 0;
    row->end(result);
    ok(weft_sleep(1000000000)); /* what has begun to end has done so */
    return failed;
}

static int main_each(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t open = weft__sim_world->fds_open;
        int refused = 0;
        for (unsigned k = 1; try(&rows[i], k, &refused); k++)
            ck_assert_msg(weft__sim_world->fds_open <= open + rows[i].kept, "%s", rows[i].name);
        ck_assert_msg(refused > 0, "%s has never said -ENOMEM", rows[i].name);
    }
    return 0;
}
TEST(each)
{
    struct world world = {.plan = "calm net.latency=0", .task = main_each};

    same(world_run(&world), 0);
}

/* -- buffers of a reactor's -------------------------------------------------------------------- */

/* It has had no stream so far. */
static int attaches(void *arg)
{
    char byte;

    (void)arg;
    weft__alloc_fail_after(1);
    same(weft_stream_attach(stream), -ENOMEM);
    weft__alloc_fail_after(0);
    same(weft_stream_attach(stream), 0);
    same(weft_stream_read(stream, &byte, 1, 0), 1);
    return weft_stream_detach(stream);
}

static int main_attach(void *arg)
{
    (void)arg;
    up_held();
    same(weft_stream_detach(stream), 0);
    same(weft_call(1, attaches, NULL, 0), 0);
    same(weft_stream_attach(stream), 0);
    end_stream(0);
    return 0;
}
TEST(attached_elsewhere)
{
    struct world world = {.plan = "calm", .task = main_attach, .run = {.reactors = 2}};

    same(world_run(&world), 0);
}

static int64_t reads_until(void)
{
    return weft_stream_read_until(stream, "\n", 1, text, sizeof text, 0);
}
static int64_t reads_line(void)
{
    return weft_stream_read_line(stream, text, sizeof text, 0);
}
static int64_t peeks(void)
{
    const void *data;
    size_t size;

    return weft_stream_peek(stream, &data, &size, 0);
}

static bool short_of_memory; /* there is none for a buffer, nor for a copy of one */

static void *allocate(size_t size, void *context)
{
    (void)context;
    return short_of_memory && size >= 4096 ? NULL : malloc(size);
}
static void *reallocate(void *memory, size_t size, void *context)
{
    (void)context;
    return realloc(memory, size);
}
static void release(void *memory, void *context)
{
    (void)context;
    free(memory);
}

static const struct weft_stream_opt small = {.size = sizeof small,
                                             .held_max = 1 << 20,
                                             .buffer_size = 4096};

static struct weft__buffer_group *small_buffers(void)
{
    return &weft__io_of(weft__self)->buffers->groups[0];
}

/* One that holds all buffers there are, of which there are no more now. */
static weft_stream *starve_others(int *peer)
{
    static const char bytes[4096];
    struct weft__buffer_group *group;
    weft_stream *greedy;
    int here;

    net_pair(&here, peer);
    same(weft_stream_open(here, &small, &greedy), 0);
    group = small_buffers();
    group->count_max = group->opened;
    while (weft__buffers_held(weft__self) < group->opened)
        same(weft_send_all(*peer, bytes, sizeof bytes, NULL), sizeof bytes);
    return greedy;
}

/* Who finds none, and for a while, helps himself: by memory of his own. */
static int main_starved(void *arg)
{
    static int64_t (*const calls[])(void) = {reads_until, reads_line, peeks};
    weft_stream *greedy;
    uint32_t most;
    int peer;

    (void)arg;
    up_stream(); /* the pool is there */
    end_stream(0);
    most = small_buffers()->count_max;
    short_of_memory = true;
    greedy = starve_others(&peer);
    for (int i = 0; i < 3; i++) {
        up_pair();
        same(weft_stream_open(ends[0], &small, &stream), 0);
        same(weft_send_all(ends[1], "line\n", 5, NULL), 5);
        short_of_memory = true;
        same(calls[i](), -ENOMEM);
        short_of_memory = false;
        ck_assert_int_gt(calls[i](), 0);
        same(weft_stream_abort(stream), 0);
        same(weft_close(ends[1]), 0);
    }
    small_buffers()->count_max = most;
    same(weft_stream_abort(greedy), 0);
    return weft_close(peer);
}
TEST(starved)
{
    const struct weft_allocator allocator = {allocate, reallocate, release, NULL};
    struct world world = {.plan = "calm net.latency=0",
                          .task = main_starved,
                          .run = {.allocator = &allocator}};

    same(world_run(&world), 0);
}

/* -- more than is ever kept -------------------------------------------------------------------- */

static int main_too_much(void *arg)
{
    (void)arg;
    up_transport();
    same(weft_transport_write(transport, "x", (size_t)1 << 31), -ENOBUFS);
    same(weft_transport_write(transport, "x", 1), 1);
    same(weft_transport_write(transport, "x", (size_t)1 << 30), -ENOBUFS);
    end_transport(0);
    return 0;
}
TEST(too_much)
{
    struct world world = {.plan = "calm", .task = main_too_much};

    same(world_run(&world), 0);
}

TEST_MAIN("sim/errors memory", 60, each, attached_elsewhere, starved, too_much)
