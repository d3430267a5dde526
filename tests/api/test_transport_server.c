/*
 * Transports that a server has made: refused, drained, closed with it, over their time or their
 * bytes, on every reactor, and what an idle one costs. Catches a connection that a drain or a close
 * forgets, a limit that is one of the first connection only, something told on another reactor, and
 * a transport that costs a stack.
 */
#include <stdatomic.h>

#include "transport.h"

/* Told of a drain it says good-bye; without that function it is closed. */
static void goes(weft_transport *transport, void *self)
{
    (void)self;
    note(transport, 'g');
    if (((struct shared *)weft_transport_arg(transport))->keep)
        return;
    ck_assert_int_eq(weft_transport_write(transport, "bye", 3), 3);
    ok(weft_transport_close(transport));
}

static int main_served(void *arg)
{
    struct weft_protocol polite = echo;
    struct weft_server_opt most = {.size = sizeof most, .connections_max = 2, .refuse = true};
    struct shared shared = {.log = ""};
    weft_server *server;
    char text[3];

    (void)arg;
    polite.draining = goes;
    for (int way = 0; way < 4; way++) { /* politely, without asking, in vain, by a close */
        memset(&shared, 0, sizeof shared);
        shared.keep = way == 2;
        ok(weft_create_server(&server, "127.0.0.1:0", way == 1 ? &echo : &polite, &shared, &most));
        int a = server_dial(server), b = server_dial(server);
        server_until_active(server, 2);
        hear_end(server_dial(server));
        while (server_counts(server).refused != 1)
            ok(weft_sleep(1000000));
        ck_assert_int_eq(weft_send_all(a, "abc", 3, NULL), 3);
        ck_assert_int_eq(weft_recv_exactly(a, text, 3, NULL), 3);
        if (way < 3)
            ck_assert_int_eq(weft_server_drain(server, weft_after_ms(way == 2 ? 20 : 60000), 1),
                             way == 2 ? 2 : 0);
        ok(weft_server_close(server));
        ck_assert_int_eq(shared.lost, 2);
        ck_assert_int_eq(shared.error, way < 2 ? 0 : -ECANCELED);
        if (way == 0) {
            ck_assert_int_eq(weft_recv_exactly(b, text, 3, NULL), 3);
            ck_assert_mem_eq(text, "bye", 3);
            ck_assert_int_eq(weft_recv_exactly(a, text, 3, NULL), 3);
        }
        hear_end(a);
        hear_end(b);
    }
    return 0;
}

TEST(served)
{
    net_run(main_served);
}

/* The latest leaves, and another comes: all that are there end with a close, and when their time is
   over. */
static int main_tail(void *arg)
{
    const struct weft_server_opt in_time = {.size = sizeof in_time, .connection_ns = 30000000};
    struct shared shared = {.log = ""};
    weft_server *server;

    (void)arg;
    ok(weft_create_server(&server, "127.0.0.1:0", &echo, &shared, NULL));
    int first = server_dial(server), second = server_dial(server);
    server_until_active(server, 2);
    ok(weft_close(second));
    server_until_active(server, 1);
    second = server_dial(server);
    server_until_active(server, 2);
    ok(weft_close(first));
    server_until_active(server, 1);
    ok(weft_server_close(server));
    ck_assert_int_eq(shared.lost, 3);
    hear_end(second);

    shared.lost = 0;
    ok(weft_create_server(&server, "127.0.0.1:0", &echo, &shared, &in_time));
    first = server_dial(server);
    ok(weft_close(server_dial(server)));
    until_lost(&shared, 1);
    second = server_dial(server);
    until_lost(&shared, 3);
    hear_end(first);
    hear_end(second);
    return weft_server_close(server);
}

TEST(comes_after_the_latest_left)
{
    net_run(main_tail);
}

static int main_budgets(void *arg)
{
    struct weft_server_opt in_time = {.size = sizeof in_time, .connection_ns = 30000000},
                           in_bytes = {.size = sizeof in_bytes, .connection_bytes = 1000};
    struct shared shared = {.log = ""}, other = {.log = ""};
    static char bytes[5000];
    weft_server *server;
    int fds[3];

    (void)arg;
    ok(weft_create_server(&server, "127.0.0.1:0", &echo, &shared, &in_time));
    for (int i = 0; i < 3; i++) {
        fds[i] = server_dial(server);
        ok(weft_sleep(5000000));
    }
    ok(weft_close(fds[0]));
    hear_end(fds[1]);
    hear_end(fds[2]);
    server_until_active(server, 0);
    /* the first has gone by itself, unless the machine was very slow */
    ck_assert_uint_ge(server_counts(server).over_time, 2);
    ck_assert_uint_eq(server_counts(server).over_time + server_counts(server).finished, 3);
    ck_assert_int_eq(shared.error, -ETIMEDOUT);
    ok(weft_server_close(server));

    ok(weft_create_server(&server, "127.0.0.1:0", &sink, &other, &in_bytes));
    fds[0] = server_dial(server);
    fds[1] = server_dial(server);
    ck_assert_int_eq(weft_send_all(fds[0], bytes, 1000, NULL), 1000);
    ck_assert_int_eq(weft_send_all(fds[1], bytes, 1001, NULL), 1001);
    hear_end(fds[1]);
    ok(weft_close(fds[0]));
    server_until_active(server, 0);
    ck_assert_uint_eq(server_counts(server).over_bytes, 1);
    ck_assert_uint_eq(server_counts(server).finished, 1);
    return weft_server_close(server);
}

TEST(budgets)
{
    net_run(main_budgets);
}

/* On two reactors: what is told is told where the connection is. */
static _Atomic(uint32_t) told_on;
static _Atomic(int) lost_there;

static void echo_there(weft_transport *transport, const void *data, size_t size, void *self)
{
    (void)self;
    atomic_fetch_or_explicit(&told_on, 1u << weft_reactor_index(), memory_order_relaxed);
    ck_assert_int_eq(weft_transport_write(transport, data, size), (ssize_t)size);
}

static void lost_anywhere(weft_transport *transport, int error, void *self)
{
    (void)transport, (void)error, (void)self;
    atomic_fetch_add_explicit(&lost_there, 1, memory_order_relaxed);
}

static int main_everywhere(void *arg)
{
    static const struct weft_protocol there = {.size = sizeof there,
                                               .data_received = echo_there,
                                               .connection_lost = lost_anywhere};
    struct weft_server_opt opt = {.size = sizeof opt, .every_reactor = true};
    enum { PEERS = 40 };
    weft_server *server;
    int fds[PEERS];
    char byte = 'x';

    (void)arg;
    ok(weft_create_server(&server, "127.0.0.1:0", &there, NULL, &opt));
    for (int i = 0; i < PEERS; i++) {
        fds[i] = server_dial(server);
        ck_assert_int_eq(weft_send_all(fds[i], &byte, 1, NULL), 1);
        ck_assert_int_eq(weft_recv_exactly(fds[i], &byte, 1, NULL), 1);
    }
    ck_assert_uint_eq(atomic_load_explicit(&told_on, memory_order_relaxed), 3);
    ck_assert_int_eq(weft_server_drain(server, weft_after_ms(60000), weft_after_ms(60000)), 0);
    ck_assert_int_eq(atomic_load_explicit(&lost_there, memory_order_relaxed), PEERS);
    for (int i = 0; i < PEERS; i++)
        hear_end(fds[i]);
    return weft_server_close(server);
}

TEST(on_every_reactor)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2, .no_pinning = true};

    ck_assert_int_eq(weft_run(main_everywhere, NULL, 0, &opt), 0);
}

/* -- what one costs --------------------------------------------------------------------------- */

static size_t live_bytes; /* of the library's; on one thread */

static void *counting_realloc(void *old, size_t size, void *context)
{
    size_t *memory = old ? (size_t *)((char *)old - 16) : NULL;

    (void)context;
    live_bytes -= memory ? *memory : 0;
    memory = realloc(memory, size + 16);
    ck_assert_ptr_nonnull(memory);
    *memory = size;
    live_bytes += size;
    return (char *)memory + 16;
}

static void *counting_alloc(size_t size, void *context)
{
    return counting_realloc(NULL, size, context);
}

static void counting_free(void *memory, void *context)
{
    (void)context;
    if (!memory)
        return;
    live_bytes -= *(size_t *)((char *)memory - 16);
    free((char *)memory - 16);
}

/* Idle ones, after each has said something: some hundreds of bytes, no task, no buffer. The first
   few pay for what all share. */
static int main_cost(void *arg)
{
    enum { FEW = 300, MANY = 1300, COST_MAX = 320 };
    static int fds[MANY];
    struct shared shared = {.log = ""};
    size_t before = 0, cost;
    weft_server *server;
    char byte = 'x';
    uint64_t tasks = 0;

    (void)arg;
    ok(weft_create_server(&server, "127.0.0.1:0", &echo, &shared, NULL));
    for (int i = 0; i < MANY; i++) {
        if (i == FEW) {
            before = live_bytes;
            tasks = (uint64_t)weft_all_tasks(NULL, 0);
        }
        fds[i] = server_dial(server);
        ck_assert_int_eq(weft_send_all(fds[i], &byte, 1, NULL), 1);
        ck_assert_int_eq(weft_recv_exactly(fds[i], &byte, 1, NULL), 1);
    }
    ck_assert_uint_eq((uint64_t)weft_all_tasks(NULL, 0), tasks);
    cost = (live_bytes - before) / (MANY - FEW);
    printf("an idle transport: %zu bytes\n", cost);
    ck_assert_uint_gt(cost, 64); /* it was counted */
    ck_assert_uint_le(cost, COST_MAX);
    for (int i = 0; i < MANY; i++)
        ok(weft_close(fds[i]));
    server_until_active(server, 0);
    return weft_server_close(server);
}

TEST(costs_of_an_idle_one)
{
    static const struct weft_allocator allocator = {counting_alloc, counting_realloc, counting_free,
                                                    NULL};
    struct weft_run_opt opt = {.size = sizeof opt, .allocator = &allocator};

    ck_assert_int_eq(weft_run(main_cost, NULL, 0, &opt), 0);
    ck_assert_uint_eq(live_bytes, 0);
}

TEST_MAIN("transport_server", 60, served, comes_after_the_latest_left, budgets, on_every_reactor,
          costs_of_an_idle_one)
