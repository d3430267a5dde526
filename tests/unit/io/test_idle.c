/*
 * What a connection costs that has nothing to say: of a protocol, so without a task, accepted by a
 * server, and having had one message echoed. Counts what malloc gave, and what the two tables hold
 * for it. Catches a field too many in a stream or a transport, what is kept of a message that was
 * answered, and a list on the side.
 */
#include <malloc.h>

#include "io/fd.h"
#include "reactor/reactor.h"
#include "support/net.h"

enum { FIRST = 50, MORE = 200, BYTES_MAX = 400 };

/* -- an allocator that counts what malloc takes for a block, its own header too -----------------
 */

static size_t live;

static size_t taken(void *memory)
{
    return memory ? malloc_usable_size(memory) + sizeof(size_t) : 0;
}

static void *counted_alloc(size_t size, void *context)
{
    void *memory = malloc(size);

    (void)context;
    live += taken(memory);
    return memory;
}

static void *counted_realloc(void *memory, size_t size, void *context)
{
    size_t before = taken(memory);
    void *moved = realloc(memory, size);

    (void)context;
    if (moved)
        live += taken(moved) - before;
    return moved;
}

static void counted_free(void *memory, void *context)
{
    (void)context;
    live -= taken(memory);
    free(memory);
}

static const struct weft_allocator counting = {counted_alloc, counted_realloc, counted_free, NULL};

/* -- the connections ----------------------------------------------------------------------------
 */

static int peers[FIRST + MORE];

static void received(weft_transport *transport, const void *data, size_t size, void *self)
{
    (void)self;
    weft_transport_write(transport, data, size);
}

static void open_some(weft_server *server, int from, int count)
{
    char answer[8];

    for (int i = from; i < from + count; i++) {
        peers[i] = net_plain_connect(weft_server_port(server));
        ck_assert_int_eq(send(peers[i], "anything", 8, MSG_NOSIGNAL), 8);
        ck_assert_int_eq(weft_recv_exactly(peers[i], answer, sizeof answer, NULL), 8);
    }
}

static size_t bytes_each;

static int main_idle(void *arg)
{
    static const struct weft_protocol echo = {.size = sizeof echo, .data_received = received};
    struct weft_server_counts counts;
    weft_server *server;
    size_t before;

    (void)arg;
    ok(weft_create_server(&server, "127.0.0.1:0", &echo, NULL, NULL));
    open_some(server, 0, FIRST);
    before = live;
    open_some(server, FIRST, MORE);
    bytes_each = (live - before) / MORE + sizeof(struct weft__fd) + sizeof(struct weft__op_slot);
    ok(weft_server_counts(server, &counts, sizeof counts));
    ck_assert_uint_eq(counts.active, FIRST + MORE);
    for (int i = 0; i < FIRST + MORE; i++)
        ok(weft_close(peers[i]));
    ok(weft_server_close(server));
    return 0;
}

TEST(bytes_of_a_connection_without_a_task)
{
    const struct weft_run_opt opt = {.size = sizeof opt, .allocator = &counting};

    live = 0;
    ck_assert_int_eq(weft_run(main_idle, NULL, 0, &opt), 0);
    ck_assert_uint_eq(live, 0);
    ck_assert_uint_gt(bytes_each, sizeof(struct weft__fd) + sizeof(struct weft__op_slot));
    ck_assert_msg(bytes_each <= BYTES_MAX, "%zu bytes each", bytes_each);
}

TEST_MAIN("idle", 20, bytes_of_a_connection_without_a_task)
