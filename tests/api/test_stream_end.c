/*
 * What was sent, and the end behind it, before the stream was opened: both are told. A kernel tells
 * nobody of an end that was there when it was asked to wait, if bytes were there as well. And a
 * stream that is closed when its reader has been woken for bytes, and has not run yet: what a peek
 * says to be there must be.
 */
#include <string.h>
#include <unistd.h>
#include <weft/stream.h>

#include "support/net.h"

enum ends { CLOSED, SHUT, RESET };

static void unix_pair(int *here, int *there)
{
    static int count;
    char address[64];
    int listener;

    snprintf(address, sizeof address, "unix:@weft-end-%d-%d", getpid(), count++);
    listener = weft_listen_tcp(address, NULL);
    ok(listener);
    *here = weft_connect_tcp(address, NULL);
    ok(*here);
    *there = weft_accept(listener, NULL, NULL, 0);
    ok(*there);
    ok(weft_close(listener));
}

static void end(int fd, enum ends how)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (how == SHUT)
        ok(weft_shutdown(fd, SHUT_WR));
    if (how == RESET)
        ok(weft_setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    if (how != SHUT)
        ok(weft_close(fd));
}

/* Five seconds, where a millisecond is enough, are for the one who would wait for ever. */
static void read_to_the_end(int fd, int expected)
{
    char bytes[8];
    weft_stream *stream;
    size_t got = 0;
    ssize_t n;

    ok(weft_stream_open(fd, NULL, &stream));
    do {
        n = weft_stream_read_until_time(stream, bytes, sizeof bytes, 0, weft_after_ms(60000));
        got += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    ck_assert_int_eq(n, expected);
    ck_assert_uint_eq(got, 4);
    ok(weft_stream_close(stream));
}

static int main_end(void *arg)
{
    (void)arg;
    for (int i = 0; i < 5; i++) {
        enum ends how = i < 3 ? (enum ends)i : (enum ends)(i - 3);
        int here, there;
        (i < 3 ? net_pair : unix_pair)(&here, &there);
        ck_assert_int_eq(weft_send_all(here, "last", 4, NULL), 4);
        ok(weft_sleep(20000000)); /* both are there, the bytes not lost to a reset */
        end(here, how);
        ok(weft_sleep(20000000));
        read_to_the_end(there, how == RESET ? -ECONNRESET : 0);
        if (how == SHUT)
            ok(weft_close(here));
    }
    return 0;
}

TEST(bytes_and_the_end_before_the_stream)
{
    net_run(main_end);
}

TEST(bytes_and_the_end_without_a_pool)
{
    setenv("WEFT_RING_MASK", "recv_multishot,buffer_ring", 1);
    net_run(main_end);
}

/* -- closed between the bytes and their reader ------------------------------------------------- */

static int peek(void *arg)
{
    weft_stream *stream = *(weft_stream **)arg;
    const void *data = NULL;
    size_t size = 0;
    int result = weft_stream_peek(stream, &data, &size, 0);

    if (result > 0) { /* it may have run before who closes */
        ck_assert_ptr_nonnull(data);
        ck_assert_uint_ge(size, 1);
        ck_assert_mem_eq(data, "b", 1);
        ck_assert_int_eq(weft_stream_consume(stream, size), 0);
    } else {
        ck_assert_int_eq(result, -ECANCELED);
    }
    return 0;
}

static uint64_t bytes_received(void)
{
    struct weft_stats stats;

    ok(weft_stats(&stats, sizeof stats));
    return stats.bytes_received;
}

/* Who closes is ready before the reader is woken, so it runs first. */
static int main_peek(void *arg)
{
    weft_stream *stream;
    int here, there;

    (void)arg;
    for (int i = 0; i < 20; i++) {
        uint64_t before = bytes_received();
        net_pair(&here, &there);
        ok(weft_stream_open(here, NULL, &stream));
        WEFT_SCOPE(s) {
            ok(weft_spawn(&s, peek, &stream, sizeof stream, NULL));
            ok(weft_sleep(1000000));
            ck_assert_int_eq(weft_send_all(there, "bytes", 5, NULL), 5);
            while (bytes_received() == before)
                ok(weft_yield());
            ok(weft_stream_close(stream));
        }
        ok(weft_close(there));
    }
    return 0;
}

TEST(closed_before_a_peek_looks)
{
    net_run(main_peek);
}

TEST_MAIN("stream_end", 30, closed_before_a_peek_looks, bytes_and_the_end_before_the_stream,
          bytes_and_the_end_without_a_pool)
