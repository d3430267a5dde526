/*
 * A server's limit of bytes, and a peer that reads nothing: what exceeds the limit is refused when
 * it is written, by each call that writes. Would hang where it is noticed only when it was sent.
 */
#include "support/server.h"

enum { LIMIT = 100000, MUCH = 32 << 20 };

static char much[MUCH];
static ssize_t said; /* by the call that wrote too much */

static void refused(weft_stream *stream, ssize_t result)
{
    said = result;
    ck_assert_int_eq(weft_stream_write_pending(stream), 0);
    ck_assert_int_eq(weft_sleep(1), -ECANCELED); /* it is cancelled */
}

static int writes(weft_stream *stream, void *arg)
{
    size_t done = 1;

    (void)arg;
    refused(stream, weft_stream_write(stream, much, MUCH, &done));
    ck_assert_uint_eq(done, 0);
    return 0;
}

static int writes_pieces(weft_stream *stream, void *arg)
{
    struct iovec vectors[2] = {{much, 5000}, {much, MUCH}};
    size_t done = 0;

    (void)arg;
    refused(stream, weft_stream_writev(stream, vectors, 2, &done));
    ck_assert_uint_eq(done, 5000);
    return 0;
}

static void released(void *arg)
{
    ++*(int *)arg;
}

static int writes_given(weft_stream *stream, void *arg)
{
    int releases = 0;

    (void)arg;
    ck_assert_int_eq(weft_stream_write_give(stream, much, 5000, NULL, released, &releases), 5000);
    while (releases == 0)
        ok(weft_sleep(1000000));
    /* of what is left, less than was allowed: what has been sent counts */
    refused(stream, weft_stream_write_give(stream, much, LIMIT, NULL, released, &releases));
    ck_assert_int_eq(releases, 2);
    return 0;
}

/* The first that is given: whether the kernel copies it all the same is not known yet. */
static int gives_first(weft_stream *stream, void *arg)
{
    int releases = 0;
    size_t done = 1;

    (void)arg;
    ck_assert_int_eq(weft_stream_write(stream, much, 5000, NULL), 5000);
    refused(stream, weft_stream_write_give(stream, much, LIMIT, &done, released, &releases));
    ck_assert_uint_eq(done, 0);
    ck_assert_int_eq(releases, 1);
    return 0;
}

static int queues(weft_stream *stream, void *arg)
{
    (void)arg;
    refused(stream, weft_stream_write_nowait(stream, much, MUCH));
    return 0;
}

/* What was received counts as well: it cannot all be given back. */
static int gives(weft_stream *stream, void *arg)
{
    const void *data;
    size_t size;
    ssize_t n = 0;

    (void)arg;
    while (n >= 0 && weft_stream_peek(stream, &data, &size, 0) == 1)
        n = weft_stream_give(stream, stream, size);
    if (n < 0)
        ck_assert_int_eq(weft_stream_consume(stream, size), 0); /* still lent */
    said = n;
    return 0;
}

/* The same, in the kernel: what was taken and may not be sent is gone. */
static int splices(weft_stream *stream, void *arg)
{
    ssize_t n;

    (void)arg;
    do
        n = weft_stream_splice(stream, stream, MUCH, 0);
    while (n > 0);
    said = n;
    return 0;
}

static bool echoes(weft_connection_fn handler)
{
    return handler == gives || handler == splices;
}

static void written(weft_transport *transport, void *self)
{
    (void)self;
    said = weft_transport_write(transport, much, MUCH);
    ck_assert_int_eq(weft_transport_write(transport, much, 1), -EPIPE);
}

static void over(weft_transport *transport, int error, void *self)
{
    (void)transport, (void)self;
    ck_assert_int_eq(error, -EDQUOT);
}

static const struct weft_protocol protocol = {.size = sizeof protocol,
                                              .connection_made = written,
                                              .connection_lost = over};

/* -ECONNRESET: the server has done with it before the connecting has. */
static int connect_to(weft_server *server)
{
    char address[64];
    int fd;

    snprintf(address, sizeof address, "127.0.0.1:%d", weft_server_port(server));
    fd = weft_connect_tcp(address, NULL);
    ck_assert(fd >= 0 || fd == -ECONNRESET);
    return fd;
}

static int main_greedy(void *arg)
{
    static const weft_connection_fn handlers[] = {writes, writes_pieces, writes_given, gives_first,
                                                  queues, gives,         splices,      NULL};
    struct weft_server_opt opt = {.size = sizeof opt, .connection_bytes = LIMIT};

    (void)arg;
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++) {
        weft_server *server;
        int fd;
        said = 0;
        if (handlers[i])
            ok(weft_start_server(&server, "127.0.0.1:0", handlers[i], NULL, &opt));
        else
            ok(weft_create_server(&server, "127.0.0.1:0", &protocol, NULL, &opt));
        fd = connect_to(server);
        if (echoes(handlers[i])) /* half of it and a little */
            (void)weft_send_all(fd, much, LIMIT / 2 + 1000, NULL);
        while (server_counts(server).over_bytes == 0)
            ok(weft_sleep(1000000));
        if (!echoes(handlers[i]) || !net_is_rough()) /* there more may come than can be given */
            ck_assert_int_eq(said, -EDQUOT);
        ck_assert_uint_eq(server_counts(server).active, 0);
        if (fd >= 0)
            ok(weft_close(fd));
        ok(weft_server_close(server));
    }
    return 0;
}
TEST(refused_before_it_is_sent)
{
    net_run(main_greedy);
}

/* Nor from where it lies. */
TEST(given_and_refused)
{
    struct weft_run_opt opt = {.size = sizeof opt, .zero_copy_min = 1};

    ck_assert_int_eq(weft_run(main_greedy, NULL, 0, &opt), 0);
}

TEST_MAIN("server_greedy", 60, refused_before_it_is_sent, given_and_refused)
