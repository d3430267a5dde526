/*
 * The pool of receive buffers under pressure, seen from inside: every buffer comes back, readers
 * that lag hold what they may and no more, one that never reads does not starve the others, and no
 * byte is lost when the kernel finds the pool empty.
 */
#include "io/buffers.h"
#include "reactor/reactor.h"
#include "support/net.h"

static void stream_pair(int *here, weft_stream **stream, const struct weft_stream_opt *opt)
{
    int there;

    net_pair(here, &there);
    ck_assert_int_eq(weft_stream_open(there, opt, stream), 0);
}

static uint32_t held(void)
{
    return weft__buffers_held(weft__self);
}

/* Waits until nothing has come in for a while. */
static void settle(void)
{
    uint64_t before;

    do {
        before = net_stats().cqes;
        ok(weft_sleep(5000000));
    } while (net_stats().cqes > before);
}

/* -- a reader that lags --------------------------------------------------------------------- */

struct flood {
    int fd;
    uint64_t seed;
    size_t size;
    size_t sent;
    size_t piece;
};

static int flood(void *arg)
{
    struct flood *f = arg;
    unsigned char *piece = malloc(f->piece);

    while (f->sent < f->size) {
        size_t size = f->size - f->sent < f->piece ? f->size - f->sent : f->piece;
        net_fill(piece, size, f->seed, f->sent);
        ck_assert_int_eq(weft_send_all(f->fd, piece, size, NULL), (ssize_t)size);
        f->sent += size;
    }
    free(piece);
    return weft_close(f->fd);
}

/* By turns as a copy and as a view. */
static void read_all(weft_stream *stream, uint64_t seed, size_t size)
{
    unsigned char *piece = malloc(20000);
    size_t received = 0, lent;
    const void *data;
    ssize_t n;

    for (int turn = 0;; turn++) {
        if (turn % 2) {
            n = weft_stream_read(stream, piece, 1 + received % 20000, 0);
            if (n <= 0)
                break;
            net_check(piece, (size_t)n, seed, received);
            received += (size_t)n;
        } else {
            n = weft_stream_peek(stream, &data, &lent, 0);
            if (n <= 0)
                break;
            net_check(data, lent, seed, received);
            ck_assert_int_eq(weft_stream_consume(stream, lent), 0);
            received += lent;
        }
    }
    ck_assert_int_eq(n, 0);
    ck_assert_uint_eq(received, size);
    free(piece);
}

enum { FLOOD = 20 << 20 };

/* Paused at its cap, resumed as it reads, every byte there. */
static int main_pause(void *arg)
{
    struct weft_stream_opt opt = {.size = sizeof opt, .held_max = 64 * 1024, .buffer_size = 4096};
    struct flood f = {.seed = 4, .size = FLOOD, .piece = 100000};
    weft_stream *stream;

    (void)arg;
    stream_pair(&f.fd, &stream, &opt);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, flood, &f, 0, NULL));
        settle();
        ck_assert_uint_ge(held(), net_has("buffer_ring") ? 16 : 0);
        ck_assert_uint_le(held(), 16 + 64); /* what the kernel fills in one go beyond the cap */
        if (net_has("buffer_ring")) /* without a pool a lagging reader's one buffer is the cap */
            ck_assert_uint_ge(net_stats().recv_pauses, 1);
        ck_assert_uint_lt(f.sent, FLOOD);
        read_all(stream, 4, FLOOD);
    }
    ck_assert_uint_gt(net_stats().recv_rearms, 10);
    ck_assert_uint_eq(held(), 0);
    return weft_stream_close(stream);
}

TEST(cap_pauses_and_resumes)
{
    net_run(main_pause);
}

/* Closed in the middle of the flood, paused or not: the buffers come back. */
static int main_close_paused(void *arg)
{
    static const char zeros[65536];
    int fd;
    weft_stream *stream;

    (void)arg;
    for (int turns = 0; turns < 10; turns++) {
        stream_pair(&fd, &stream, NULL);
        for (int i = 0; i < 100; i++)
            (void)weft_send(fd, zeros, sizeof zeros, MSG_DONTWAIT);
        for (int i = 0; i < turns; i++)
            ok(weft_sleep(100000));
        ok(weft_stream_close(stream));
        ck_assert_uint_eq(held(), 0);
        ok(weft_close(fd));
    }
    return 0;
}

TEST(close_in_a_flood)
{
    net_run(main_close_paused);
}

/* -- one byte at a time to a reader that lags: a few buffers, not one for each ------------------
 */

static int main_drips(void *arg)
{
    int fd;
    weft_stream *stream;
    unsigned char byte, all[2001];
    size_t done;

    (void)arg;
    stream_pair(&fd, &stream, NULL);
    for (int i = 0; i < 2000; i++) {
        byte = net_byte(6, (uint64_t)i);
        ck_assert_int_eq(weft_send_all(fd, &byte, 1, NULL), 1);
    }
    settle();
    ck_assert_uint_ge(held(), net_has("buffer_ring") ? 1 : 0);
    ck_assert_uint_le(held(), 2);
    ok(weft_close(fd));
    ck_assert_int_eq(weft_stream_read_exactly(stream, all, sizeof all, &done), -ENODATA);
    ck_assert_uint_eq(done, 2000);
    net_check(all, 2000, 6, 0);
    ck_assert_uint_eq(held(), 0);
    return weft_stream_close(stream);
}

TEST(drips_share_a_buffer)
{
    net_run(main_drips);
}

/* -- the pool runs dry ---------------------------------------------------------------------- */

enum { HOARDERS = 40, HOARD = 1 << 20 };

/* More readers that lag than the pool has buffers for, and one that does not: it gets its bytes,
   and afterwards they all get theirs. */
static int main_dry(void *arg)
{
    struct weft_stream_opt opt = {.size = sizeof opt,
                                  .held_max = HOARD,
                                  .buffer_size = *(uint32_t *)arg};
    struct flood floods[HOARDERS], fair = {.seed = 99, .size = FLOOD / 4, .piece = 10000};
    weft_stream *streams[HOARDERS], *stream;

    WEFT_SCOPE(s) {
        for (int i = 0; i < HOARDERS; i++) {
            floods[i] = (struct flood){.seed = (uint64_t)i, .size = 2 * HOARD, .piece = 300000};
            stream_pair(&floods[i].fd, &streams[i], &opt);
            ok(weft_spawn(&s, flood, &floods[i], 0, NULL));
        }
        settle();
        stream_pair(&fair.fd, &stream, &opt);
        ok(weft_spawn(&s, flood, &fair, 0, NULL));
        read_all(stream, 99, fair.size);
        for (int i = HOARDERS; i-- > 0;) {
            read_all(streams[i], (uint64_t)i, 2 * HOARD);
            ok(weft_stream_close(streams[i]));
        }
    }
    ck_assert_uint_eq(held(), 0);
    return weft_stream_close(stream);
}

TEST(dry_pool_of_large_buffers)
{
    uint32_t size = 65536;

    ck_assert_int_eq(weft_run(main_dry, &size, 0, NULL), 0);
}

TEST(dry_pool_of_small_buffers)
{
    uint32_t size = 4096;

    ck_assert_int_eq(weft_run(main_dry, &size, 0, NULL), 0);
}

/* Who comes last finds nothing in the pool, and gets its bytes by itself. */
static void read_a_line(const struct weft_stream_opt *opt)
{
    weft_stream *stream;
    char line[16];
    int fd;

    stream_pair(&fd, &stream, opt);
    ok(weft_sleep(1000000));
    ck_assert_int_eq(weft_send_all(fd, "a line\n", 7, NULL), 7);
    ck_assert_int_eq(weft_stream_read_line(stream, line, sizeof line, 0), 7);
    ck_assert_str_eq(line, "a line\n");
    ok(weft_close(fd));
    ok(weft_stream_close(stream));
}

static void note_byte(weft_transport *transport, const void *data, size_t size, void *self)
{
    (void)self;
    ck_assert_uint_eq(size, 1);
    *(char *)weft_transport_arg(transport) = *(const char *)data;
}

static void receive_by_protocol(const struct weft_stream_opt *opt)
{
    static const struct weft_protocol protocol = {.size = sizeof protocol,
                                                  .data_received = note_byte};
    weft_transport *transport;
    char byte = 0;
    int fd, there;

    net_pair(&fd, &there);
    ok(weft_transport_open(there, &protocol, &byte, opt, &transport));
    ok(weft_sleep(1000000));
    ck_assert_int_eq(weft_send_all(fd, "x", 1, NULL), 1);
    while (byte != 'x')
        ok(weft_sleep(1000000));
    ok(weft_transport_close(transport));
    ck_assert_int_eq(weft_recv(fd, &byte, 1, 0), 0);
    ok(weft_close(fd));
}

static int refusals; /* of a buffer of a stream's own, to come */

/* The same when no copy can be made: then they take turns. */
static int main_dry_without_memory(void *arg)
{
    struct weft_stream_opt opt = {.size = sizeof opt,
                                  .held_max = HOARD,
                                  .buffer_size = *(uint32_t *)arg};
    struct flood floods[HOARDERS];
    weft_stream *streams[HOARDERS];

    WEFT_SCOPE(s) {
        for (int i = 0; i < HOARDERS; i++) {
            floods[i] = (struct flood){.seed = (uint64_t)i, .size = 2 * HOARD, .piece = 300000};
            stream_pair(&floods[i].fd, &streams[i], &opt);
            ok(weft_spawn(&s, flood, &floods[i], 0, NULL));
        }
        settle();
        if (net_has("buffer_ring"))
            ck_assert_uint_gt(net_stats().recv_pauses, 0);
        read_a_line(&opt);
        receive_by_protocol(&opt);
        refusals = net_has("buffer_ring") ? 3 : 0;
        receive_by_protocol(&opt); /* which has nobody else to try again */
        ck_assert_int_eq(refusals, 0);
        uint32_t all = held();
        read_all(streams[0], 0, 2 * HOARD);
        settle();
        ck_assert_uint_eq(held(), all); /* what one gave back another has taken, nobody waiting */
        for (int i = 1; i < HOARDERS; i++)
            read_all(streams[i], (uint64_t)i, 2 * HOARD);
    }
    for (int i = 0; i < HOARDERS; i++)
        ok(weft_stream_close(streams[i]));
    ck_assert_uint_eq(held(), 0);
    return 0;
}

/* Refuses what is as large as a copy of a buffer; now and then a buffer that stands in for one. */
static void *small_only(size_t size, void *context)
{
    (void)context;
    if (refusals > 0 && size > 16384 && size < 17000) {
        refusals--;
        return NULL;
    }
    return size > 60000 && size < 70000 ? NULL : malloc(size);
}

static void *plain_realloc(void *memory, size_t size, void *context)
{
    (void)context;
    return realloc(memory, size);
}

static void plain_free(void *memory, void *context)
{
    (void)context;
    free(memory);
}

TEST(dry_pool_and_no_memory)
{
    uint32_t size = 65536;
    struct weft_allocator allocator = {small_only, plain_realloc, plain_free, NULL};
    struct weft_run_opt opt = {.size = sizeof opt, .allocator = &allocator};

    ck_assert_int_eq(weft_run(main_dry_without_memory, &size, 0, &opt), 0);
}

/* -- left over at the end of a run ---------------------------------------------------------- */

static int main_left_open(void *arg)
{
    int fd;
    weft_stream *stream;

    (void)arg;
    for (int i = 0; i < 10; i++) {
        stream_pair(&fd, &stream, NULL);
        ck_assert_int_eq(weft_send_all(fd, "left", 4, NULL), 4);
        if (i % 2)
            settle();
        ok(weft_close(fd));
    }
    return 0;
}

/* The fixture counts descriptors and allocations. */
TEST(left_open_at_the_end_of_a_run)
{
    net_run(main_left_open);
}

TEST_MAIN("stream_pool", 60, cap_pauses_and_resumes, close_in_a_flood, drips_share_a_buffer,
          dry_pool_of_large_buffers, dry_pool_of_small_buffers, dry_pool_and_no_memory,
          left_open_at_the_end_of_a_run)
