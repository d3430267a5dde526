/*
 * What a receive tells the kernel besides where to: whether to look at the socket first or to wait
 * first. Nothing that can be counted from outside depends on it (a wasted look costs time), so the
 * requests themselves are read, after they were filled and before the kernel sees them.
 */
#include "io/fd.h"
#include "reactor/reactor.h"
#include "support/net.h"

struct receive {
    int fd;
    size_t size;
    int flags;
    ssize_t result;
};

static int receive(void *arg)
{
    struct receive *r = arg;
    char bytes[64];

    r->result = weft_recv(r->fd, bytes, r->size, r->flags);
    return 0;
}

/* The request taken last. */
static const struct weft__sqe *latest(void)
{
    const struct weft__ring *ring = &weft__self->ring;
    const struct weft__sqe *sqe = &ring->sqes[(ring->sq_tail - 1) & ring->sq_mask];

    ck_assert_uint_gt(weft__ring_queued(ring), 0);
    ck_assert_uint_eq(sqe->opcode, WEFT__OP_RECV);
    return sqe;
}

/* Receives in a child, which parks before the loop gets to the kernel; what it asked for. */
static uint16_t asked(int fd, size_t size, int flags, ssize_t expected)
{
    struct receive r = {.fd = fd, .size = size, .flags = flags};
    uint16_t hint = 0;

    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, receive, &r, 0, NULL));
        while (!weft__ring_queued(&weft__self->ring))
            ok(weft_yield());
        ck_assert_int_eq(latest()->fd, fd);
        hint = latest()->ioprio;
    }
    ck_assert_int_eq(r.result, expected);
    return hint;
}

static void put(int fd, size_t size)
{
    ck_assert_int_eq(write(fd, "0123456789abcdef", size), (ssize_t)size);
}

static int main_plain(void *arg)
{
    int port, here, there, listener = net_listen(&port);

    (void)arg;
    here = net_plain_connect(port);
    there = weft_accept(listener, NULL, NULL, 0);
    ok(there);
    ok(weft_close(listener)); /* nothing else is armed */
    ok(weft_yield());

    put(here, 4); /* nobody knows yet */
    ck_assert_uint_eq(asked(there, 8, 0, 4), WEFT__RECV_POLL_FIRST);
    put(here, 4); /* the last one got all there was */
    ck_assert_uint_eq(asked(there, 8, 0, 4), WEFT__RECV_POLL_FIRST);
    put(here, 9);
    ck_assert_uint_eq(asked(there, 4, 0, 4), WEFT__RECV_POLL_FIRST);
    ck_assert_uint_eq(asked(there, 4, 0, 4), 0); /* more was left */
    ck_assert_uint_eq(asked(there, 4, 0, 1), 0);
    put(here, 4);
    ck_assert_uint_eq(asked(there, 8, 0, 4), WEFT__RECV_POLL_FIRST); /* and now none */

    ck_assert_uint_eq(asked(there, 8, MSG_DONTWAIT, -EAGAIN), 0); /* not to be waited for */
    put(here, 4);
    ck_assert_uint_eq(asked(there, 8, MSG_PEEK, 4), WEFT__RECV_POLL_FIRST);
    ck_assert_uint_eq(asked(there, 8, 0, 4), 0); /* seen, and left there */
    ck_assert_uint_eq(asked(there, 8, MSG_OOB, -EINVAL), 0);
    put(here, 4);
    ck_assert_uint_eq(asked(there, 8, WEFT_IDLE, 4), WEFT__RECV_POLL_FIRST);
    close(here);
    return weft_close(there);
}

TEST(plain_receives)
{
    net_run(main_plain);
}

/* A receive that the kernel never sees; its completion, made up, does not say whether more is
   there, as with kinds of sockets that cannot tell. */
static void answered(int fd, size_t size, int flags, int32_t result)
{
    struct receive r = {.fd = fd, .size = size, .flags = flags};

    WEFT_SCOPE(s) {
        struct weft__cqe cqe = {.result = result};
        ok(weft_spawn(&s, receive, &r, 0, NULL));
        while (!weft__ring_queued(&weft__self->ring))
            ok(weft_yield());
        cqe.user_data = latest()->user_data;
        weft__self->ring.sq_tail--;
        ck_assert(weft__op_complete(weft__self, &cqe));
    }
    ck_assert_int_eq(r.result, result);
}

/* Then memory that was filled, and bytes that were left there on purpose, mean that there is more.
 */
static int main_untold(void *arg)
{
    int port, here, there, listener = net_listen(&port);

    (void)arg;
    here = net_plain_connect(port);
    there = weft_accept(listener, NULL, NULL, 0);
    ok(there);
    ok(weft_close(listener));
    ok(weft_yield());
    put(here, 12);
    answered(there, 8, 0, 4);
    ck_assert_uint_eq(asked(there, 4, 0, 4), WEFT__RECV_POLL_FIRST);
    answered(there, 4, 0, 4);
    ck_assert_uint_eq(asked(there, 4, 0, 4), 0);
    answered(there, 8, MSG_PEEK, 4);
    ck_assert_uint_eq(asked(there, 4, 0, 4), 0);
    close(here);
    return weft_close(there);
}

TEST(receives_that_are_told_nothing)
{
    net_run(main_untold);
}

/* -- streams ------------------------------------------------------------------------------------
 */

static void open_pair(int *here, weft_stream **stream, const struct weft_stream_opt *opt)
{
    int port, there, listener = net_listen(&port);

    *here = net_plain_connect(port);
    there = weft_accept(listener, NULL, NULL, 0);
    ok(there);
    ok(weft_close(listener));
    ok(weft_yield());
    ok(weft_stream_open(there, opt, stream));
}

/* One receive for all that comes looks first, since armed to wait first it may overlook the end
   behind the bytes that are there; one for a piece waits first, when the stream is new. */
static int main_stream(void *arg)
{
    struct weft_stream_opt opt = {.size = sizeof opt, .buffer_size = 4096, .held_max = 4096};
    uint16_t many = net_has("recv_multishot") ? WEFT__RECV_MULTISHOT : 0;
    static char bytes[8192];
    weft_stream *stream;
    int here;

    (void)arg;
    open_pair(&here, &stream, &opt);
    ck_assert_uint_eq(latest()->ioprio, many ? many : WEFT__RECV_POLL_FIRST);
    if (many) {
        ck_assert_int_eq(write(here, bytes, sizeof bytes), sizeof bytes);
        while (net_stats().recv_pauses == 0)
            ok(weft_sleep(100000));
        while (net_stats().ops_in_flight > 1) /* the sleep is none; the end of the receive is in */
            ok(weft_sleep(100000));
        while (!weft__ring_queued(&weft__self->ring))
            ck_assert_int_gt(weft_stream_read(stream, bytes, 4096, 0), 0);
        ck_assert_uint_eq(latest()->ioprio, many);
    }
    close(here);
    return weft_stream_close(stream);
}

TEST(streams)
{
    net_run(main_stream);
}

TEST(streams_without_multishot)
{
    setenv("WEFT_RING_MASK", "recv_multishot", 1);
    net_run(main_stream);
}

TEST(streams_without_a_pool)
{
    setenv("WEFT_RING_MASK", "recv_multishot,buffer_ring", 1);
    net_run(main_stream);
}

TEST_MAIN("io.hints", 30, plain_receives, receives_that_are_told_nothing, streams,
          streams_without_multishot, streams_without_a_pool)
