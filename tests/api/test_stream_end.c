/*
 * What was sent, and the end behind it, before the stream was opened: both are told. A kernel tells
 * nobody of an end that was there when it was asked to wait, if bytes were there as well.
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
        n = weft_stream_read_until_time(stream, bytes, sizeof bytes, 0, weft_after_ms(5000));
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

TEST_MAIN("stream_end", 30, bytes_and_the_end_before_the_stream, bytes_and_the_end_without_a_pool)
