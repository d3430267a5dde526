/*
 * Writing in pieces and without waiting, the limits of what may be pending, and what is known of a
 * stream. Catches bytes that overtake one another, a drain that returns too early or never, an
 * error unsaid, memory left behind when a stream ends with bytes pending.
 */
#include <limits.h>

#include "support/name.h"
#include "support/stream.h"

static void expect(int fd, uint64_t seed, uint64_t from, size_t size)
{
    static unsigned char bytes[65536];

    while (size > 0) {
        size_t part = size < sizeof bytes ? size : sizeof bytes;
        ck_assert_int_eq(weft_recv_exactly(fd, bytes, part, NULL), (ssize_t)part);
        net_check(bytes, part, seed, from);
        from += part;
        size -= part;
    }
}

static void settle(void)
{
    for (int i = 0; i < 5; i++)
        ok(weft_sleep(1000000));
}

/* -- in pieces ------------------------------------------------------------------------------- */

struct reader {
    int fd;
    uint64_t seed;
    size_t size;
};

static int read_all(void *arg)
{
    struct reader *reader = arg;

    expect(reader->fd, reader->seed, 0, reader->size);
    return 0;
}

/* Of every size, none and large ones among them: all bytes, in order, and none held back. */
static int main_pieces(void *arg)
{
    static const size_t sizes[][6] = {
        {1, 2, 3, 0, 5, 0},       {0, 0, 0, 0, 0, 0},          {5000, 1, 5000, 1, 5000, 0},
        {1023, 1, 1, 1024, 1, 0}, {0, 100000, 0, 600, 600, 7}, {300000, 0, 0, 0, 0, 0},
    };
    static unsigned char bytes[400000];
    struct stream_pair pair;

    (void)arg;
    stream_pair_open(&pair, NULL);
    for (size_t c = 0; c < sizeof sizes / sizeof sizes[0]; c++) {
        struct iovec vectors[6];
        size_t total = 0, done = 1;
        for (int i = 0; i < 6; i++) {
            vectors[i] = (struct iovec){sizes[c][i] ? bytes + total : NULL, sizes[c][i]};
            total += sizes[c][i];
        }
        net_fill(bytes, total, c, 0);
        WEFT_SCOPE(s) {
            struct reader reader = {pair.fd, c, total};
            ok(weft_spawn(&s, read_all, &reader, sizeof reader, NULL));
            ck_assert_int_eq(weft_stream_writev(pair.stream, vectors, 6, &done), (ssize_t)total);
            ck_assert_uint_eq(done, total);
        }
    }
    ck_assert_int_eq(weft_stream_writev(pair.stream, NULL, 0, NULL), 0);
    ck_assert_int_eq(weft_stream_writev(pair.stream, NULL, 1, NULL), -EFAULT);
    ck_assert_int_eq(weft_stream_writev(pair.stream, &(struct iovec){NULL, 1}, 1, NULL), -EFAULT);
    ck_assert_int_eq(weft_stream_writev(pair.stream, &(struct iovec){bytes, 1}, -1, NULL), -EINVAL);
    struct iovec huge[2] = {{bytes, 1}, {bytes, SIZE_MAX / 2}};
    ck_assert_int_eq(weft_stream_writev(pair.stream, huge, IOV_MAX + 1, NULL), -EINVAL);
    ck_assert_int_eq(weft_stream_writev(pair.stream, huge, 2, NULL), -EINVAL);
    ck_assert_int_eq(weft_stream_writev(NULL, huge, 1, NULL), -EINVAL);
    stream_pair_close(&pair);
    return 0;
}

TEST(in_pieces)
{
    net_run(main_pieces);
}

/* Cancelled while the peer does not read: it says how much went, and that is what arrives. */
struct writer {
    weft_stream *stream;
    struct iovec vectors[4];
    ssize_t result;
    size_t done;
};

static int run_writev(void *arg)
{
    struct writer *writer = arg;

    writer->result = weft_stream_writev(writer->stream, writer->vectors, 4, &writer->done);
    return 0;
}

static int main_pieces_cancelled(void *arg)
{
    enum { PART = 8 << 20 };
    unsigned char *bytes = malloc(4 * PART);
    struct stream_pair pair;
    struct writer writer = {.result = 0};
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};

    (void)arg;
    stream_pair_open(&pair, NULL);
    net_fill(bytes, 4 * PART, 7, 0);
    writer.stream = pair.stream;
    for (int i = 0; i < 4; i++)
        writer.vectors[i] = (struct iovec){bytes + (size_t)i * PART, PART};
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, run_writev, &writer, 0, &opt));
        ok(weft_sleep(50000000));
        ck_assert_int_eq(weft_stream_writev(pair.stream, writer.vectors, 1, NULL), -EBUSY);
        ck_assert_int_eq(weft_stream_write_nowait(pair.stream, "x", 1), -EBUSY);
        ok(weft_cancel(task));
        ok(weft_join(task, NULL));
    }
    ck_assert_int_eq(writer.result, -ECANCELED);
    ck_assert_uint_gt(writer.done, 0);
    ck_assert_uint_lt(writer.done, 4 * PART);
    expect(pair.fd, 7, 0, writer.done);
    stream_pair_close(&pair);
    free(bytes);
    return 0;
}

TEST(pieces_cancelled)
{
    net_run(main_pieces_cancelled);
}

/* -- without waiting -------------------------------------------------------------------------- */

/* Small and large, behind what a peer that does not read yet has not taken, a written, a given and
   a shut down one among them: in that order. */
static int main_order(void *arg)
{
    enum { COUNT = 300, MANY = 4 << 20 };
    static unsigned char bytes[MANY];
    struct stream_pair pair;
    size_t sent = 0;
    char byte;

    (void)arg;
    stream_pair_open(&pair, NULL);
    net_fill(bytes, sizeof bytes, 3, 0);
    ck_assert_int_eq(weft_stream_write_pending(pair.stream), 0);
    for (int i = 0; i < COUNT; i++) {
        size_t size = i == 2 ? MANY / 2 : (size_t)(i * 37 % 6000);
        ck_assert_int_eq(weft_stream_write_nowait(pair.stream, bytes + sent, size), (ssize_t)size);
        sent += size;
        if (i % 100 == 50)
            ok(weft_yield());
    }
    ck_assert_int_gt(weft_stream_write_pending(pair.stream), 0);
    ck_assert_int_le(weft_stream_write_pending(pair.stream), (ssize_t)sent);
    WEFT_SCOPE(s) {
        struct reader reader = {pair.fd, 3, sent + 10};
        ok(weft_spawn(&s, read_all, &reader, sizeof reader, NULL));
        ck_assert_int_eq(weft_stream_write(pair.stream, bytes + sent, 10, NULL), 10);
        ck_assert_int_eq(weft_stream_write_pending(pair.stream), 0);
        ok(weft_stream_drain(pair.stream));
    }
    ck_assert_int_eq(weft_stream_write_nowait(pair.stream, "last", 4), 4);
    ck_assert_int_eq(weft_stream_write_nowait(pair.stream, " words", 6), 6);
    ok(weft_stream_shutdown(pair.stream));
    char words[10];
    ck_assert_int_eq(weft_recv_exactly(pair.fd, words, 10, NULL), 10);
    ck_assert_mem_eq(words, "last words", 10);
    ck_assert_int_eq(weft_recv(pair.fd, &byte, 1, 0), 0);
    stream_pair_close(&pair);
    return 0;
}

TEST(without_waiting)
{
    net_run(main_order);
}

/* What is pending goes before a close, and is dropped by an abort; a stream that is forgotten with
   bytes pending leaves nothing behind. */
static int main_close_pending(void *arg)
{
    static char zeros[1 << 20];
    struct stream_pair pair;
    char byte;

    (void)arg;
    stream_pair_open(&pair, NULL);
    ck_assert_int_eq(weft_stream_write_nowait(pair.stream, "fare", 4), 4);
    ck_assert_int_eq(weft_stream_write_nowait(pair.stream, "well", 4), 4);
    ok(weft_stream_close(pair.stream));
    char words[8];
    ck_assert_int_eq(weft_recv_exactly(pair.fd, words, 8, NULL), 8);
    ck_assert_mem_eq(words, "farewell", 8);
    ck_assert_int_eq(weft_recv(pair.fd, &byte, 1, 0), 0);
    ok(weft_close(pair.fd));

    for (int end = 0; end < 3; end++) {
        stream_pair_open(&pair, NULL);
        for (int i = 0; i < 20; i++)
            ck_assert_int_eq(weft_stream_write_nowait(pair.stream, zeros, sizeof zeros),
                             sizeof zeros);
        settle();
        if (end == 0)
            ok(weft_stream_abort(pair.stream));
        if (end == 1) { /* and cut by a deadline */
            weft_scope limit;
            ok(weft_timeout(&limit, 5000000));
            ok(weft_stream_close(pair.stream));
            int edge = weft_scope_close(&limit);
            ck_assert(edge == -ETIMEDOUT || edge == 0);
            end -= edge == 0; /* again: the time was over before it had begun to close */
        }
        ok(weft_close(pair.fd));
    }
    return 0;
}

TEST(ended_with_bytes_pending)
{
    net_run(main_close_pending);
}

/* The peer is gone: told by the next call that writes, and by each one after it. */
static int main_error(void *arg)
{
    struct stream_pair pair;
    ssize_t n = 0;

    (void)arg;
    stream_pair_open(&pair, NULL);
    ok(weft_close(pair.fd));
    for (int i = 0; i < 100 && n >= 0; i++) {
        n = weft_stream_write_nowait(pair.stream, "into nothing", 12);
        if (n >= 0)
            n = weft_stream_write_nowait(pair.stream, "and more", 8);
        ok(weft_sleep(1000000));
    }
    ck_assert(n == -EPIPE || n == -ECONNRESET);
    ck_assert_int_eq(weft_stream_write_pending(pair.stream), 0);
    ck_assert_int_eq(weft_stream_drain(pair.stream), n);
    ck_assert_int_eq(weft_stream_write(pair.stream, "x", 1, NULL), n);
    ck_assert_int_eq(weft_stream_write_nowait(pair.stream, "x", 1), n);
    return weft_stream_close(pair.stream);
}

TEST(peer_gone)
{
    net_run(main_error);
}

/* -- limits ----------------------------------------------------------------------------------- */

struct slow {
    int fd;
    size_t size;
    weft_stream *stream;
    size_t seen; /* pending, when the drain returned */
};

static int drain(void *arg)
{
    struct slow *slow = arg;

    ok(weft_stream_drain(slow->stream));
    slow->seen = (size_t)weft_stream_write_pending(slow->stream);
    return 0;
}

/* A drain does not wait up to the high mark, and beyond it until the low one; a peer that takes
   nothing meanwhile keeps it waiting. */
static int main_limits(void *arg)
{
    enum { PIECE = 1 << 20, PIECES = 16, LOW = 2 << 20 };
    static unsigned char bytes[PIECE];
    struct stream_pair pair;
    size_t total = 0;

    (void)arg;
    stream_pair_open(&pair, NULL);
    ck_assert_int_eq(weft_stream_set_write_limits(pair.stream, 1, 2), -EINVAL);
    ck_assert_int_eq(weft_stream_set_write_limits(NULL, 1, 1), -EINVAL);
    ok(weft_stream_set_write_limits(pair.stream, 0, 0));
    ok(weft_stream_set_write_limits(pair.stream, PIECES * PIECE, LOW));
    for (int i = 0; i < PIECES; i++) {
        net_fill(bytes, PIECE, 9, total);
        total += PIECE;
        ck_assert_int_eq(weft_stream_write_nowait(pair.stream, bytes, PIECE), PIECE);
    }
    ok(weft_stream_drain(pair.stream)); /* not more than high: at once, though nobody reads */
    ck_assert_int_gt(weft_stream_write_pending(pair.stream), LOW);
    ok(weft_stream_set_write_limits(pair.stream, LOW, LOW));
    struct slow slow = {.stream = pair.stream, .seen = SIZE_MAX};
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, drain, &slow, 0, NULL));
        settle();
        ck_assert_uint_eq(slow.seen, SIZE_MAX);
        ck_assert_int_eq(weft_stream_drain(pair.stream), -EBUSY);
        ck_assert_int_eq(weft_stream_write_nowait(pair.stream, "x", 1), -EBUSY);
        expect(pair.fd, 9, 0, total);
    }
    ck_assert_uint_le(slow.seen, LOW);
    stream_pair_close(&pair);
    return 0;
}

TEST(high_and_low)
{
    net_run(main_limits);
}

static int main_arguments(void *arg)
{
    struct stream_pair pair;

    (void)arg;
    stream_pair_open(&pair, NULL);
    ck_assert_int_eq(weft_stream_write_nowait(NULL, "x", 1), -EINVAL);
    ck_assert_int_eq(weft_stream_write_nowait(pair.stream, NULL, 1), -EFAULT);
    ck_assert_int_eq(weft_stream_write_nowait(pair.stream, NULL, 0), 0);
    ck_assert_int_eq(weft_stream_write_nowait(pair.stream, "x", (size_t)1 << 31), -ENOBUFS);
    ck_assert_int_eq(weft_stream_write_nowait(pair.stream, "x", 1), 1);
    ck_assert_int_eq(weft_stream_write_nowait(pair.stream, "x", (size_t)1 << 30), -ENOBUFS);
    ck_assert_int_eq(weft_stream_write_pending(NULL), -EINVAL);
    stream_pair_close(&pair);
    return 0;
}

TEST(arguments)
{
    ck_assert_int_eq(weft_stream_write_nowait(NULL, "x", 1), -EINVAL);
    net_run(main_arguments);
}

/* -- what is known of it ---------------------------------------------------------------------- */

static int main_info(void *arg)
{
    struct weft_stream_info info;
    struct sockaddr_in *peer = (struct sockaddr_in *)&info.peer;
    struct sockaddr_in *local = (struct sockaddr_in *)&info.local;
    struct stream_pair pair;

    (void)arg;
    stream_pair_open(&pair, NULL);
    ok(weft_stream_get_extra_info(pair.stream, &info, sizeof info));
    ck_assert_int_eq(info.fd, weft_stream_fd(pair.stream));
    ck_assert_int_eq(info.kind, WEFT_STREAM_TCP);
    ck_assert_uint_eq(info.peer_size, sizeof *peer);
    ck_assert_uint_eq(info.local_size, sizeof *local);
    ck_assert_int_eq(ntohs(peer->sin_port), weft_local_port(pair.fd));
    ck_assert_int_eq(ntohs(local->sin_port), weft_local_port(info.fd));
    ck_assert_uint_eq(local->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    ck_assert_int_eq(weft_stream_get_extra_info(NULL, &info, sizeof info), -EINVAL);
    ck_assert_int_eq(weft_stream_get_extra_info(pair.stream, NULL, sizeof info), -EINVAL);
    ck_assert_int_eq(weft_stream_get_extra_info(pair.stream, &info, 0), -EINVAL);
    ck_assert_int_eq(weft_stream_get_extra_info(pair.stream, &info, sizeof info + 1), -EINVAL);
    info.kind = 0;
    ok(weft_stream_get_extra_info(pair.stream, &info, sizeof info.fd)); /* an older program's */
    ck_assert_int_eq(info.kind, 0);
    stream_pair_close(&pair);

    /* between Unix sockets: addresses without a name are two bytes */
    int listener = weft_listen_tcp(own_name("unix:@weft-test-stream-info"), NULL);
    ok(listener);
    int fd = weft_connect_tcp(own_name("unix:@weft-test-stream-info"), NULL);
    ok(fd);
    ok(weft_stream_open(fd, NULL, &pair.stream));
    ok(weft_stream_get_extra_info(pair.stream, &info, sizeof info));
    ck_assert_int_eq(info.kind, WEFT_STREAM_UNIX);
    ck_assert_uint_eq(info.local_size, sizeof(sa_family_t));
    ck_assert_uint_gt(info.peer_size, sizeof(sa_family_t));
    ok(weft_stream_close(pair.stream));
    return weft_close(listener);
}

TEST(extra_info)
{
    net_run(main_info);
}

TEST_MAIN("stream_write", 60, in_pieces, pieces_cancelled, without_waiting,
          ended_with_bytes_pending, peer_gone, high_and_low, arguments, extra_info)
