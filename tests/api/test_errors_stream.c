/*
 * Errors that the headers promise of what is sent on a connection that was reset, or whose peer is
 * gone, and of a stream that is detached while its descriptor is somebody's. Would catch one told
 * as another, told to a call that comes too late, memory that is released twice or never, and a
 * stream that a refused close has changed.
 */
#include <errno.h>
#include <poll.h>

#include "support/misuse.h"
#include "support/stream.h"

#define same(a, b) ck_assert_int_eq((a), (b))

static int releases;

static void released(void *arg)
{
    (void)arg;
    releases++;
}

/* What a stream says of it: its receive, which stands by, may have met the reset first. */
static void broken(ssize_t result)
{
    if (result != -ECONNRESET)
        same(result, -EPIPE);
}

/* -- a reset ----------------------------------------------------------------------------------- */

/* Told once; then nobody is there. The memory is released each time. */
static int given_main(void *arg)
{
    static const char bytes[100];
    size_t done = 77;
    int fd = net_reset_one();

    (void)arg;
    same(weft_send_give(fd, bytes, sizeof bytes, &done, released, NULL), -ECONNRESET);
    same((int)done, 0);
    same(weft_send_give(fd, bytes, sizeof bytes, NULL, released, NULL), -EPIPE);
    return weft_close(fd);
}
TEST(given_to_a_reset_connection)
{
    net_run(given_main);
    same(releases, 2);
}

static int written_main(void *arg)
{
    static const char bytes[100];
    weft_stream *stream = stream_of(net_reset_one());
    size_t done = 77;

    (void)arg;
    broken(weft_stream_write_give(stream, bytes, sizeof bytes, &done, released, NULL));
    same((int)done, 0);
    return weft_stream_abort(stream);
}
TEST(written_to_a_reset_stream)
{
    net_run(written_main);
    same(releases, 1);
}

/* What is written without waiting is refused by the next that writes: by a drain, and by who gives
   what has come from elsewhere. */
static int drained_main(void *arg)
{
    weft_stream *stream = stream_of(net_reset_one()), *from;
    const void *data;
    int here, there;
    size_t size;

    (void)arg;
    same(weft_stream_write_nowait(stream, "x", 1), 1);
    broken(weft_stream_drain(stream));
    same(weft_stream_abort(stream), 0);
    net_pair(&here, &there);
    from = stream_of(here);
    stream = stream_of(net_reset_one());
    same(weft_send(there, "from", 4, 0), 4);
    same(weft_stream_write_nowait(stream, "x", 1), 1);
    while (weft_stream_write_pending(stream) > 0)
        same(weft_yield(), 0);
    same(weft_stream_peek(from, &data, &size, 0), 1);
    broken(weft_stream_give(stream, from, 1));
    same(weft_stream_abort(stream), 0);
    same(weft_stream_close(from), 0);
    return weft_close(there);
}
TEST(drained_to_a_reset_stream)
{
    net_run(drained_main);
}

/* A Unix peer is gone without a reset. */
static int nobody_main(void *arg)
{
    weft_stream *stream;
    int ends[2];

    (void)arg;
    same(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    stream = stream_of(ends[0]);
    same(weft_close(ends[1]), 0);
    same(weft_stream_write_nowait(stream, "x", 1), 1);
    same(weft_stream_drain(stream), -EPIPE);
    return weft_stream_close(stream);
}
TEST(drained_to_nobody)
{
    net_run(nobody_main);
}

/* -- detached ---------------------------------------------------------------------------------- */

static int receives(void *arg)
{
    char byte;

    return weft_recv(*(int *)arg, &byte, 1, 0) == 1 ? 0 : -EPROTO;
}

/* Its descriptor is received from: neither closed nor attached, and it is as it was. */
static int detached_main(void *arg)
{
    int here, there;
    weft_stream *stream;

    (void)arg;
    net_pair(&here, &there);
    stream = stream_of(here);
    same(weft_stream_detach(stream), 0);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, receives, &here, sizeof here, NULL));
        same(weft_yield(), 0);
        ck_misuse(weft_stream_attach(stream), -EBUSY, "weft_stream_attach", "");
        ck_misuse(weft_stream_close(stream), -EBUSY, "weft_stream_close", "");
        ck_misuse(weft_stream_abort(stream), -EBUSY, "weft_stream_abort", "");
        same(weft_send(there, "x", 1, 0), 1);
    }
    same(weft_send(there, "y", 1, 0), 1);
    same(weft_stream_attach(stream), 0);
    same(weft_stream_read(stream, &(char){0}, 1, 0), 1);
    same(weft_stream_close(stream), 0);
    return weft_close(there);
}
TEST(detached_and_received_from)
{
    net_run(detached_main);
}

TEST_MAIN("errors_stream", 60, given_to_a_reset_connection, written_to_a_reset_stream,
          drained_to_a_reset_stream, drained_to_nobody, detached_and_received_from)
