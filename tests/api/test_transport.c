/*
 * Protocols and transports. Catches something told twice, out of order or after connection_lost, a
 * byte lost or doubled on the way through the callbacks, a writer that is not paused or never
 * resumed, and a transport that is left behind. Those of a server: test_transport_server.c.
 */
#include "support/name.h"
#include "transport.h"

/* -- in order --------------------------------------------------------------------------------- */

static int main_order(void *arg)
{
    struct shared a = {.keep = false}, b = {.keep = true}, c = {.log = ""};
    int fd;

    (void)arg;
    /* the peer ends: so do we */
    weft_transport *transport = open_one(&a, &echo, &fd);
    char text[5];
    ck_assert_int_eq(weft_send_all(fd, "hello", 5, NULL), 5);
    ck_assert_int_eq(weft_recv_exactly(fd, text, 5, NULL), 5);
    ok(weft_shutdown(fd, SHUT_WR));
    until_lost(&a, 1);
    told(&a, "mdel");
    ck_assert_int_eq(a.error, 0);
    hear_end(fd);

    /* kept after the peer's end: writing goes on, and what is pending goes before the close */
    transport = open_one(&b, &sink, &fd);
    ok(weft_shutdown(fd, SHUT_WR));
    while (b.logged < 2)
        ok(weft_sleep(1000000));
    ck_assert_int_eq(weft_transport_is_closing(transport), 0);
    ck_assert_int_eq(weft_transport_write(transport, "late", 4), 4);
    ck_assert_int_eq(weft_transport_write(transport, "r", 1), 1);
    ok(weft_transport_close(transport));
    ck_assert_int_eq(weft_transport_is_closing(transport), 1);
    ck_assert_int_eq(weft_transport_write(transport, "not", 3), -EPIPE);
    ck_assert_int_eq(b.lost, 0);
    ck_assert_int_eq(weft_recv_exactly(fd, text, 5, NULL), 5);
    ck_assert_mem_eq(text, "later", 5);
    until_lost(&b, 1);
    told(&b, "mel");
    hear_end(fd);

    /* our end first: theirs is still heard */
    transport = open_one(&c, &sink, &fd);
    ck_assert_int_eq(weft_transport_write(transport, "end", 3), 3);
    ok(weft_transport_write_eof(transport));
    ck_assert_int_eq(weft_transport_write(transport, "x", 1), -EPIPE);
    ck_assert_int_eq(weft_recv_exactly(fd, text, 3, NULL), 3);
    ck_assert_int_eq(weft_recv(fd, text, 1, 0), 0);
    ck_assert_int_eq(weft_send_all(fd, "heard", 5, NULL), 5);
    ok(weft_close(fd));
    until_lost(&c, 1);
    told(&c, "mdel");
    ck_assert_uint_eq(c.bytes, 5);
    return 0;
}

TEST(in_order)
{
    net_run(main_order);
}

/* Aborted, before and after anything was told; reset by the peer; forgotten at the end of the run,
   when they are told of that. */
static struct shared at_end;

static int main_ends(void *arg)
{
    struct shared a = {.log = ""}, b = {.log = ""}, c = {.log = ""};
    struct weft_socket_opt reset = {.size = sizeof reset, .reset_on_close = true};
    int fd;

    (void)arg;
    weft_transport *transport = open_one(&a, &sink, &fd);
    ok(weft_transport_abort(transport));
    ok(weft_transport_abort(transport));
    until_lost(&a, 1);
    told(&a, "ml");
    ck_assert_int_eq(a.error, -ECONNABORTED);
    hear_end(fd);

    transport = open_one(&b, &sink, &fd);
    ok(weft_sleep(1000000));
    ck_assert_int_eq(weft_send_all(fd, "x", 1, NULL), 1);
    ok(weft_sleep(10000000));
    ok(weft_socket_set(fd, &reset));
    ok(weft_close(fd));
    until_lost(&b, 1);
    told(&b, "mdl");
    ck_assert_int_eq(b.error, -ECONNRESET);

    transport = open_one(&c, &sink, &fd);
    ok(weft_close(fd));
    while (c.lost == 0) { /* told of it by the first write that meets it, or by the end */
        if (c.latest)
            (void)weft_transport_write(c.latest, "x", 1);
        ok(weft_sleep(1000000));
    }

    (void)open_one(&at_end, &sink, &fd);
    ok(weft_sleep(1000000));
    ck_assert_int_eq(weft_send_all(fd, "x", 1, NULL), 1);
    return weft_close(fd);
}

TEST(ends)
{
    net_run(main_ends);
    ck_assert_int_eq(at_end.lost, 1);
    ck_assert_int_eq(at_end.log[at_end.logged - 1], 'l');
}

/* -- limits ----------------------------------------------------------------------------------- */

/* A peer that does not read: paused once; when it reads: resumed once, with little pending. */
static int main_limits(void *arg)
{
    enum { PIECE = 65536, TURNS = 3 };
    static unsigned char bytes[PIECE];
    struct shared a = {.log = ""};
    uint64_t written = 0, read = 0;
    int fd;

    (void)arg;
    weft_transport *transport = open_one(&a, &sink, &fd);
    ck_assert_int_eq(weft_transport_set_write_limits(transport, 1, 2), -EINVAL);
    ok(weft_transport_set_write_limits(transport, 300000, 100000));
    ok(weft_sleep(1000000));
    for (size_t turn = 1; turn <= TURNS; turn++) {
        while (a.logged < 2 * turn) { /* until it is paused */
            net_fill(bytes, PIECE, 5, written);
            ck_assert_int_eq(weft_transport_write(transport, bytes, PIECE), PIECE);
            written += PIECE;
            ok(weft_sleep(100000));
        }
        for (int i = 0; i < 10; i++) { /* and more, all the same: it is not told again */
            net_fill(bytes, PIECE, 5, written);
            ck_assert_int_eq(weft_transport_write(transport, bytes, PIECE), PIECE);
            written += PIECE;
        }
        ck_assert_int_gt(weft_transport_write_pending(transport), 300000);
        while (a.logged < 2 * turn + 1) {
            ssize_t n = weft_recv(fd, bytes, PIECE, 0);
            ck_assert_int_gt(n, 0);
            net_check(bytes, (size_t)n, 5, read);
            read += (uint64_t)n;
        }
        ck_assert_int_le(weft_transport_write_pending(transport), 100000);
    }
    told(&a, "mprprpr");
    ok(weft_transport_close(transport));
    while (read < written) {
        ssize_t n = weft_recv(fd, bytes, PIECE, 0);
        ck_assert_int_gt(n, 0);
        net_check(bytes, (size_t)n, 5, read);
        read += (uint64_t)n;
    }
    hear_end(fd);
    until_lost(&a, 1);
    ck_assert_int_eq(a.error, 0);
    return 0;
}

TEST(writing_is_paused_and_resumed)
{
    net_run(main_limits);
}

/* Nothing is told while reading is paused; afterwards all of it, the end last. */
static int main_reading(void *arg)
{
    struct shared a = {.log = ""};
    int fd;

    (void)arg;
    weft_transport *transport = open_one(&a, &sink, &fd);
    ok(weft_transport_pause_reading(transport));
    ok(weft_transport_pause_reading(transport));
    ck_assert_int_eq(weft_send_all(fd, "abcdef", 6, NULL), 6);
    ok(weft_close(fd));
    ok(weft_sleep(20000000));
    told(&a, "m");
    ok(weft_transport_resume_reading(transport));
    until_lost(&a, 1);
    told(&a, "mdel");
    ck_assert_uint_eq(a.bytes, 6);
    return 0;
}

TEST(reading_is_paused)
{
    net_run(main_reading);
}

/* -- buffered --------------------------------------------------------------------------------- */

static void *get_buffer(weft_transport *transport, size_t hint, size_t *size, void *self)
{
    struct shared *shared = weft_transport_arg(transport);

    (void)self;
    ck_assert_uint_gt(hint, 0);
    note(transport, 'g');
    *size = shared->room;
    return shared->memory;
}

static void buffer_updated(weft_transport *transport, size_t size, void *self)
{
    struct shared *shared = weft_transport_arg(transport);

    (void)self;
    ck_assert_uint_gt(size, 0);
    ck_assert_uint_le(size, shared->room);
    shared->bytes += size;
    ck_assert_int_eq(weft_transport_write(transport, shared->memory, size), (ssize_t)size);
}

static const struct weft_protocol buffered = {.size = sizeof buffered,
                                              .state_size = sizeof(int),
                                              .connection_made = made,
                                              .get_buffer = get_buffer,
                                              .buffer_updated = buffer_updated,
                                              .connection_lost = lost};

static int main_buffered(void *arg)
{
    struct shared a = {.room = 7}, b = {.room = 0};
    unsigned char bytes[1000], back[1000];
    int fd;

    (void)arg;
    (void)open_one(&a, &buffered, &fd);
    net_fill(bytes, sizeof bytes, 2, 0);
    ck_assert_int_eq(weft_send_all(fd, bytes, sizeof bytes, NULL), sizeof bytes);
    ck_assert_int_eq(weft_recv_exactly(fd, back, sizeof back, NULL), sizeof back);
    ck_assert_mem_eq(bytes, back, sizeof back);
    ok(weft_close(fd));
    until_lost(&a, 1);
    ck_assert_int_eq(a.error, 0);

    (void)open_one(&b, &buffered, &fd); /* it has no room at all */
    ck_assert_int_eq(weft_send_all(fd, bytes, 1, NULL), 1);
    until_lost(&b, 1);
    ck_assert_int_eq(b.error, -ENOBUFS);
    hear_end(fd);
    return 0;
}

TEST(into_its_own_buffer)
{
    net_run(main_buffered);
}

/* Another protocol in the middle of a connection. */
static void switches(weft_transport *transport, const void *data, size_t size, void *self)
{
    note(transport, 's');
    ok(weft_transport_set_protocol(transport, &echo));
    echoed(transport, data, size, self);
}

static int main_switch(void *arg)
{
    struct weft_protocol first = sink, larger = sink;
    struct shared a = {.log = ""};
    char text[3];
    int fd;

    (void)arg;
    first.data_received = switches;
    larger.state_size = 100;
    weft_transport *transport = open_one(&a, &first, &fd);
    ck_assert_int_eq(weft_transport_set_protocol(transport, &larger), -EINVAL);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(weft_send_all(fd, "abc", 3, NULL), 3);
        ck_assert_int_eq(weft_recv_exactly(fd, text, 3, NULL), 3);
    }
    ck_assert_ptr_eq(weft_transport_protocol(transport), &echo);
    ok(weft_close(fd));
    until_lost(&a, 1);
    ck_assert_int_eq(a.log[1], 's');
    ck_assert_ptr_null(strchr(a.log + 2, 's'));
    return 0;
}

TEST(another_protocol)
{
    net_run(main_switch);
}

/* -- the same bytes as by a stream ------------------------------------------------------------- */

static int stream_echo(weft_stream *stream, void *arg)
{
    const void *data;
    size_t size;
    int more;

    (void)arg;
    while ((more = weft_stream_peek(stream, &data, &size, 0)) > 0) {
        ssize_t n = weft_stream_write(stream, data, size, NULL);
        ok(weft_stream_consume(stream, size));
        if (n < 0)
            return (int)n;
    }
    return more;
}

enum { TALK = 300000 };

struct sender {
    weft_stream *stream;
    size_t sent;
};

static int send_noise(void *arg)
{
    struct sender *sender = arg;
    static unsigned char bytes[TALK];
    size_t piece = 1;

    net_fill(bytes, TALK, 11, 0);
    while (sender->sent < TALK) {
        size_t size = TALK - sender->sent < piece ? TALK - sender->sent : piece;
        ck_assert_int_eq(weft_stream_write(sender->stream, bytes + sender->sent, size, NULL),
                         (ssize_t)size);
        sender->sent += size;
        piece = piece * 3 % 50021;
    }
    return weft_stream_shutdown(sender->stream);
}

/* All that comes back from the server at `port`, up to its end. */
static void talk(int port, unsigned char *back)
{
    struct sender sender = {.sent = 0};
    char address[32];
    size_t got = 0;
    ssize_t n = 1;

    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    ok(weft_open_connection(address, NULL, &sender.stream));
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, send_noise, &sender, 0, NULL));
        while ((n = weft_stream_read(sender.stream, back + got, TALK + 1 - got, 0)) > 0)
            got += (size_t)n;
    }
    ck_assert_int_eq(n, 0);
    ck_assert_uint_eq(got, TALK);
    ok(weft_stream_close(sender.stream));
}

static int main_same(void *arg)
{
    static unsigned char by_stream[TALK + 1], by_protocol[TALK + 1];
    struct shared shared = {.log = ""};
    weft_server *streams, *protocols;

    (void)arg;
    ok(weft_start_server(&streams, "127.0.0.1:0", stream_echo, NULL, NULL));
    ok(weft_create_server(&protocols, "127.0.0.1:0", &echo, &shared, NULL));
    talk(weft_server_port(streams), by_stream);
    talk(weft_server_port(protocols), by_protocol);
    ck_assert_mem_eq(by_stream, by_protocol, TALK);
    net_check(by_stream, TALK, 11, 0);
    until_lost(&shared, 1);
    told(&shared, "mdel");
    ok(weft_server_close(streams));
    return weft_server_close(protocols);
}

TEST(same_bytes_as_a_stream)
{
    net_run(main_same);
}

static int main_arguments(void *arg)
{
    struct weft_protocol bad = sink, half = buffered;
    struct shared shared = {.log = ""};
    weft_transport *transport = NULL;
    weft_server *server;
    struct weft_stream_info info;
    int fd, there;

    (void)arg;
    bad.size = 3;
    half.buffer_updated = NULL;
    net_pair(&fd, &there);
    ck_assert_int_eq(weft_transport_open(there, NULL, NULL, NULL, &transport), -EINVAL);
    ck_assert_int_eq(weft_transport_open(there, &bad, NULL, NULL, &transport), -EINVAL);
    ck_assert_int_eq(weft_transport_open(there, &half, NULL, NULL, &transport), -EINVAL);
    ck_assert_int_eq(weft_transport_open(-1, &sink, NULL, NULL, &transport), -EBADF);
    ck_assert_ptr_null(transport);
    ck_assert_int_eq(weft_create_server(&server, "127.0.0.1:0", NULL, NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_create_server(NULL, "127.0.0.1:0", &sink, NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_create_unix_server(&server, NULL, &sink, NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_create_connection("nowhere", &sink, NULL, NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_create_unix_connection(NULL, &sink, NULL, NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_transport_write(NULL, "x", 1), -EINVAL);
    ck_assert_int_eq(weft_transport_write_eof(NULL), -EINVAL);
    ck_assert_int_eq(weft_transport_write_pending(NULL), -EINVAL);
    ck_assert_int_eq(weft_transport_set_write_limits(NULL, 1, 1), -EINVAL);
    ck_assert_int_eq(weft_transport_pause_reading(NULL), -EINVAL);
    ck_assert_int_eq(weft_transport_resume_reading(NULL), -EINVAL);
    ck_assert_int_eq(weft_transport_close(NULL), -EINVAL);
    ck_assert_int_eq(weft_transport_abort(NULL), -EINVAL);
    ck_assert_int_eq(weft_transport_is_closing(NULL), -EINVAL);
    ck_assert_int_eq(weft_transport_set_protocol(NULL, &sink), -EINVAL);
    ck_assert_int_eq(weft_transport_get_extra_info(NULL, &info, sizeof info), -EINVAL);
    ck_assert_ptr_null(weft_transport_state(NULL));
    ck_assert_ptr_null(weft_transport_arg(NULL));
    ck_assert_ptr_null(weft_transport_protocol(NULL));
    ok(weft_transport_open(there, &sink, &shared, NULL, &transport));
    ck_assert_int_eq(weft_transport_write(transport, NULL, 1), -EFAULT);
    ck_assert_int_eq(weft_transport_write(transport, NULL, 0), 0);
    ck_assert_int_eq(weft_transport_set_protocol(transport, NULL), -EINVAL);
    ck_assert_int_eq(weft_close(there), -EBUSY);
    ok(weft_close(fd));
    until_lost(&shared, 1);

    /* by name, and with nobody to tell anything */
    static const struct weft_protocol nothing = {.size = sizeof nothing};
    ok(weft_create_unix_server(&server, own_name("@weft-test-transport"), &nothing, NULL, NULL));
    ok(weft_create_unix_connection(own_name("@weft-test-transport"), &sink, &shared, NULL,
                                   &transport));
    ck_assert_int_eq(weft_transport_write(transport, "thrown away", 11), 11);
    server_until_active(server, 1);
    ok(weft_transport_close(transport));
    until_lost(&shared, 2);
    server_until_active(server, 0);
    ck_assert_uint_eq(server_counts(server).finished, 1);
    return weft_server_close(server);
}

TEST(arguments)
{
    net_run(main_arguments);
}

TEST_MAIN("transport", 60, in_order, ends, writing_is_paused_and_resumed, reading_is_paused,
          into_its_own_buffer, another_protocol, same_bytes_as_a_stream, arguments)
