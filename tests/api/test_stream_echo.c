/*
 * Streams, to the byte: random data in pieces of every size through read, read_exactly and views,
 * over TCP and Unix sockets; and what one message costs, by counts. Catches bytes lost or doubled
 * when buffers change hands, and a receive that is armed more often than it must be.
 */
#include "support/net.h"

enum { STREAM_SIZE = 8000000, PIECE_MAX = 200000 };

struct end {
    weft_stream *stream;
    uint64_t seed;
    size_t piece_max; /* of what is written at once */
    size_t size;
};

static void local_pair(int *here, int *there)
{
    char address[64];
    static int count;

    sprintf(address, "unix:@weft-stream-%d-%d", getpid(), count++);
    int listener = weft_listen_tcp(address, NULL);
    ok(listener);
    *here = weft_connect_tcp(address, NULL);
    ok(*here);
    *there = weft_accept(listener, NULL, NULL, 0);
    ok(*there);
    ok(weft_close(listener));
}

static weft_stream *open_stream(int fd, const struct weft_stream_opt *opt)
{
    weft_stream *stream;

    ck_assert_int_eq(weft_stream_open(fd, opt, &stream), 0);
    return stream;
}

static int writer(void *arg)
{
    struct end *end = arg;
    unsigned char *piece = malloc(end->piece_max);
    size_t sent = 0, done;

    while (sent < end->size) {
        size_t size = 1 + (size_t)net_byte(3, sent) * 900 % end->piece_max;
        if (size > end->size - sent)
            size = end->size - sent;
        net_fill(piece, size, end->seed, sent);
        ck_assert_int_eq(weft_stream_write(end->stream, piece, size, &done), (ssize_t)size);
        ck_assert_uint_eq(done, size);
        sent += size;
    }
    free(piece);
    return weft_stream_shutdown(end->stream);
}

/* Reads by turns with all three calls. */
static int reader(void *arg)
{
    struct end *end = arg;
    unsigned char *piece = malloc(PIECE_MAX);
    size_t received = 0;

    for (uint64_t turn = 0; received < end->size; turn++) {
        size_t size = 1 + (size_t)net_byte(5, turn) * 700 % PIECE_MAX;
        if (size > end->size - received)
            size = end->size - received;
        if (turn % 3 == 0) {
            const void *data;
            size_t lent;
            ck_assert_int_eq(weft_stream_peek(end->stream, &data, &lent, 0), 1);
            ck_assert_uint_ge(lent, 1);
            if (lent > size)
                lent = size;
            net_check(data, lent, end->seed, received);
            ck_assert_int_eq(weft_stream_consume(end->stream, lent), 0);
            received += lent;
        } else if (turn % 3 == 1) {
            size_t done;
            ck_assert_int_eq(weft_stream_read_exactly(end->stream, piece, size, &done),
                             (ssize_t)size);
            ck_assert_uint_eq(done, size);
            net_check(piece, size, end->seed, received);
            received += size;
        } else {
            ssize_t n = weft_stream_read(end->stream, piece, size, 0);
            ck_assert_int_gt(n, 0);
            net_check(piece, (size_t)n, end->seed, received);
            received += (size_t)n;
        }
    }
    ck_assert_int_eq(weft_stream_read(end->stream, piece, PIECE_MAX, 0), 0);
    ck_assert_int_eq(weft_stream_read(end->stream, piece, PIECE_MAX, 0), 0);
    ck_assert_int_eq(weft_stream_read_exactly(end->stream, piece, 1, NULL), -ENODATA);
    free(piece);
    return 0;
}

/* Both directions at once. */
static void exchange(int here, int there, const struct weft_stream_opt *opt, size_t piece_max,
                     size_t size)
{
    weft_stream *a = open_stream(here, opt), *b = open_stream(there, opt);
    struct end a_out = {a, 1, piece_max, size}, a_in = {a, 2, 0, size};
    struct end b_out = {b, 2, piece_max, size}, b_in = {b, 1, 0, size};

    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, writer, &a_out, 0, NULL));
        ok(weft_spawn(&s, reader, &a_in, 0, NULL));
        ok(weft_spawn(&s, writer, &b_out, 0, NULL));
        ok(weft_spawn(&s, reader, &b_in, 0, NULL));
    }
    ck_assert_int_eq(weft_stream_close(a), 0);
    ck_assert_int_eq(weft_stream_close(b), 0);
}

static int main_large(void *arg)
{
    int here, there;

    (void)arg;
    net_pair(&here, &there);
    exchange(here, there, NULL, PIECE_MAX, STREAM_SIZE);
    return 0;
}

static int main_small(void *arg)
{
    int here, there;

    (void)arg;
    net_pair(&here, &there);
    exchange(here, there, NULL, 50, 100000);
    return 0;
}

static int main_unix(void *arg)
{
    int here, there;

    (void)arg;
    local_pair(&here, &there);
    exchange(here, there, NULL, PIECE_MAX, STREAM_SIZE);
    return 0;
}

static int main_fixed(void *arg)
{
    int here, there;
    static const uint32_t sizes[] = {1, 4096, 4097, 16384, 65536};

    (void)arg;
    for (int i = 0; i < 5; i++) {
        struct weft_stream_opt opt = {.size = sizeof opt,
                                      .buffer_size = sizes[i],
                                      .held_max = 1u << (4 * i)};
        net_pair(&here, &there);
        exchange(here, there, &opt, 3000 * (size_t)(i + 1), 1000000);
    }
    return 0;
}

TEST(large_pieces)
{
    net_run(main_large);
}

TEST(small_pieces)
{
    net_run(main_small);
}

TEST(unix_sockets)
{
    net_run(main_unix);
}

TEST(fixed_sizes_and_small_caps)
{
    net_run(main_fixed);
}

/* The older paths, feature by feature, carry the same bytes. */
TEST(without_multishot_receive)
{
    setenv("WEFT_RING_MASK", "recv_multishot", 1);
    net_run(main_large);
    net_run(main_small);
}

TEST(without_buffer_rings)
{
    setenv("WEFT_RING_MASK", "buffer_ring", 1);
    net_run(main_large);
    net_run(main_small);
}

/* -- what a message costs ------------------------------------------------------------------- */

enum { MESSAGES = 1000 };

static int echo_views(void *arg)
{
    weft_stream *stream = arg;
    const void *data;
    size_t size;

    while (weft_stream_peek(stream, &data, &size, WEFT_IDLE) > 0) {
        ck_assert_int_eq(weft_stream_write(stream, data, size, NULL), (ssize_t)size);
        ok(weft_stream_consume(stream, size));
    }
    return 0;
}

/* One request a message on either side: the send. No allocation. */
static int main_costs(void *arg)
{
    int here, there;
    char line[64] = "";
    struct weft_stats before, after;

    (void)arg;
    net_pair(&here, &there);
    weft_stream *a = open_stream(here, NULL), *b = open_stream(there, NULL);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, echo_views, b, 0, NULL));
        ok(weft_stream_write(a, line, sizeof line, NULL));
        ok(weft_stream_read_exactly(a, line, sizeof line, NULL));
        before = net_stats();
        for (int i = 0; i < MESSAGES; i++) {
            ck_assert_int_eq(weft_stream_write(a, line, sizeof line, NULL), sizeof line);
            ck_assert_int_eq(weft_stream_read_exactly(a, line, sizeof line, NULL), sizeof line);
        }
        after = net_stats();
        ok(weft_stream_shutdown(a));
    }
    /* where the kernel has no multishot the receive is armed for each message too */
    if (!net_is_rough())
        ck_assert_uint_eq(after.sqes - before.sqes, (net_has("recv_multishot") ? 2 : 4) * MESSAGES);
    if (!net_is_rough())
        ck_assert_uint_le(after.enters - before.enters, after.turns - before.turns);
    ck_assert_uint_eq(after.allocations, before.allocations);
    if (net_has("recv_multishot") && !net_is_rough())
        ck_assert_uint_eq(after.recv_rearms, before.recv_rearms);
    ok(weft_stream_close(a));
    return weft_stream_close(b);
}

TEST(costs_of_a_message)
{
    net_run(main_costs);
}

TEST_MAIN("stream_echo", 60, large_pieces, small_pieces, unix_sockets, fixed_sizes_and_small_caps,
          without_multishot_receive, without_buffer_rings, costs_of_a_message)
