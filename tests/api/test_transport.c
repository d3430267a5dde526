/*
 * Protocols and transports. Catches something told twice, out of order or after connection_lost, a
 * byte lost or doubled on the way through the callbacks, a writer that is not paused or never
 * resumed, a transport that costs a stack, and one that is left behind.
 */
#include <stdatomic.h>

#include "support/net.h"

/* -- what was told, a letter each ------------------------------------------------------------- */

enum { LOG = 4096 };

struct shared { /* of the connections of a test: their `arg` */
    char log[LOG];
    size_t logged;
    int error;      /* the latest connection_lost told */
    int lost;       /* how many */
    uint64_t bytes; /* received */
    weft_transport *latest;
    bool keep;   /* after the end of the peer's side */
    size_t room; /* of buffered protocols, at one time */
    char memory[64];
    unsigned char *all; /* where received bytes go, or NULL */
};

static void note(weft_transport *transport, char letter)
{
    struct shared *shared = weft_transport_arg(transport);

    if (shared->logged + 1 < LOG &&
        (shared->logged == 0 || letter != 'd' || shared->log[shared->logged - 1] != 'd'))
        shared->log[shared->logged++] = letter;
}

static void made(weft_transport *transport, void *self)
{
    struct shared *shared = weft_transport_arg(transport);

    ck_assert_ptr_eq(self, weft_transport_state(transport));
    ck_assert_int_eq(*(int *)self, 0);
    *(int *)self = 1;
    shared->latest = transport;
    note(transport, 'm');
    ck_assert_int_eq(weft_sleep(1), -EPERM);
}

static void received(weft_transport *transport, const void *data, size_t size, void *self)
{
    struct shared *shared = weft_transport_arg(transport);

    ck_assert_int_eq(*(int *)self, 1);
    ck_assert_uint_gt(size, 0);
    note(transport, 'd');
    if (shared->all)
        memcpy(shared->all + shared->bytes, data, size);
    shared->bytes += size;
}

static void echoed(weft_transport *transport, const void *data, size_t size, void *self)
{
    received(transport, data, size, self);
    ck_assert_int_eq(weft_transport_write(transport, data, size), (ssize_t)size);
}

static bool ended(weft_transport *transport, void *self)
{
    ck_assert_int_eq(*(int *)self, 1);
    note(transport, 'e');
    return ((struct shared *)weft_transport_arg(transport))->keep;
}

static void lost(weft_transport *transport, int error, void *self)
{
    struct shared *shared = weft_transport_arg(transport);
    struct weft_stream_info info;

    ck_assert_int_eq(*(int *)self, 1);
    *(int *)self = 2;
    note(transport, 'l');
    shared->error = error;
    shared->lost++;
    shared->latest = NULL;
    ck_assert_int_eq(weft_transport_write(transport, "x", 1), -EBADF);
    ck_assert_int_eq(weft_transport_close(transport), -EBADF);
    ok(weft_transport_get_extra_info(transport, &info, sizeof info));
}

static void paused(weft_transport *transport, void *self)
{
    (void)self;
    note(transport, 'p');
}

static void resumed(weft_transport *transport, void *self)
{
    (void)self;
    note(transport, 'r');
}

static const struct weft_protocol sink = {.size = sizeof sink,
                                          .state_size = sizeof(int),
                                          .connection_made = made,
                                          .data_received = received,
                                          .eof_received = ended,
                                          .connection_lost = lost,
                                          .pause_writing = paused,
                                          .resume_writing = resumed};
static const struct weft_protocol echo = {.size = sizeof echo,
                                          .state_size = sizeof(int),
                                          .connection_made = made,
                                          .data_received = echoed,
                                          .eof_received = ended,
                                          .connection_lost = lost};

/* A transport with that protocol, and the peer's descriptor. */
static weft_transport *open_one(struct shared *shared, const struct weft_protocol *protocol,
                                int *fd)
{
    weft_transport *transport = NULL;
    int there;

    net_pair(fd, &there);
    ok(weft_transport_open(there, protocol, shared, NULL, &transport));
    ck_assert_uint_eq(shared->logged, 0); /* nothing is told from inside the call */
    return transport;
}

static void until_lost(struct shared *shared, int count)
{
    while (shared->lost < count)
        ok(weft_sleep(1000000));
}

static void told(const struct shared *shared, const char *letters)
{
    ck_assert_str_eq(shared->log, letters);
}

static void hear_end(int fd)
{
    char byte;
    ssize_t n = weft_recv(fd, &byte, 1, 0);

    ck_assert(n == 0 || n == -ECONNRESET);
    ok(weft_close(fd));
}

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

/* -- served ----------------------------------------------------------------------------------- */

static struct weft_server_counts counts_of(weft_server *server)
{
    struct weft_server_counts counts;

    ck_assert_int_eq(weft_server_counts(server, &counts, sizeof counts), 0);
    return counts;
}

static void until_active(weft_server *server, uint64_t count)
{
    while (counts_of(server).active != count)
        ok(weft_sleep(1000000));
}

static int dial(weft_server *server)
{
    char address[32];
    int fd;

    snprintf(address, sizeof address, "127.0.0.1:%d", weft_server_port(server));
    fd = weft_connect_tcp(address, NULL);
    ok(fd);
    return fd;
}

/* Told of a drain it says good-bye; without that function it is closed. */
static void goes(weft_transport *transport, void *self)
{
    (void)self;
    note(transport, 'g');
    if (((struct shared *)weft_transport_arg(transport))->keep)
        return;
    ck_assert_int_eq(weft_transport_write(transport, "bye", 3), 3);
    ok(weft_transport_close(transport));
}

static int main_served(void *arg)
{
    struct weft_protocol polite = echo;
    struct weft_server_opt most = {.size = sizeof most, .connections_max = 2, .refuse = true};
    struct shared shared = {.log = ""};
    weft_server *server;
    char text[3];

    (void)arg;
    polite.draining = goes;
    for (int way = 0; way < 4; way++) { /* politely, without asking, in vain, by a close */
        memset(&shared, 0, sizeof shared);
        shared.keep = way == 2;
        ok(weft_create_server(&server, "127.0.0.1:0", way == 1 ? &echo : &polite, &shared, &most));
        int a = dial(server), b = dial(server);
        until_active(server, 2);
        hear_end(dial(server));
        while (counts_of(server).refused != 1)
            ok(weft_sleep(1000000));
        ck_assert_int_eq(weft_send_all(a, "abc", 3, NULL), 3);
        ck_assert_int_eq(weft_recv_exactly(a, text, 3, NULL), 3);
        if (way < 3)
            ck_assert_int_eq(weft_server_drain(server, weft_after_ms(way == 2 ? 20 : 60000), 1),
                             way == 2 ? 2 : 0);
        ok(weft_server_close(server));
        ck_assert_int_eq(shared.lost, 2);
        ck_assert_int_eq(shared.error, way < 2 ? 0 : -ECANCELED);
        if (way == 0) {
            ck_assert_int_eq(weft_recv_exactly(b, text, 3, NULL), 3);
            ck_assert_mem_eq(text, "bye", 3);
            ck_assert_int_eq(weft_recv_exactly(a, text, 3, NULL), 3);
        }
        hear_end(a);
        hear_end(b);
    }
    return 0;
}

TEST(served)
{
    net_run(main_served);
}

/* The latest leaves, and another comes: all that are there are in the list that a close goes
 * through.
 */
static int main_tail(void *arg)
{
    struct shared shared = {.log = ""};
    weft_server *server;

    (void)arg;
    ok(weft_create_server(&server, "127.0.0.1:0", &echo, &shared, NULL));
    int first = dial(server), second = dial(server);
    until_active(server, 2);
    ok(weft_close(second));
    until_active(server, 1);
    second = dial(server);
    until_active(server, 2);
    ok(weft_close(first));
    until_active(server, 1);
    ok(weft_server_close(server));
    ck_assert_int_eq(shared.lost, 3);
    hear_end(second);
    return 0;
}

TEST(comes_after_the_latest_left)
{
    net_run(main_tail);
}

static int main_budgets(void *arg)
{
    struct weft_server_opt in_time = {.size = sizeof in_time, .connection_ns = 30000000},
                           in_bytes = {.size = sizeof in_bytes, .connection_bytes = 1000};
    struct shared shared = {.log = ""}, other = {.log = ""};
    static char bytes[5000];
    weft_server *server;
    int fds[3];

    (void)arg;
    ok(weft_create_server(&server, "127.0.0.1:0", &echo, &shared, &in_time));
    for (int i = 0; i < 3; i++) {
        fds[i] = dial(server);
        ok(weft_sleep(5000000));
    }
    ok(weft_close(fds[0]));
    hear_end(fds[1]);
    hear_end(fds[2]);
    until_active(server, 0);
    /* the first has gone by itself, unless the machine was very slow */
    ck_assert_uint_ge(counts_of(server).over_time, 2);
    ck_assert_uint_eq(counts_of(server).over_time + counts_of(server).finished, 3);
    ck_assert_int_eq(shared.error, -ETIMEDOUT);
    ok(weft_server_close(server));

    ok(weft_create_server(&server, "127.0.0.1:0", &sink, &other, &in_bytes));
    fds[0] = dial(server);
    fds[1] = dial(server);
    ck_assert_int_eq(weft_send_all(fds[0], bytes, 1000, NULL), 1000);
    ck_assert_int_eq(weft_send_all(fds[1], bytes, 1001, NULL), 1001);
    hear_end(fds[1]);
    ok(weft_close(fds[0]));
    until_active(server, 0);
    ck_assert_uint_eq(counts_of(server).over_bytes, 1);
    ck_assert_uint_eq(counts_of(server).finished, 1);
    return weft_server_close(server);
}

TEST(budgets)
{
    net_run(main_budgets);
}

/* On two reactors: what is told is told where the connection is. */
static _Atomic(uint32_t) told_on;
static _Atomic(int) lost_there;

static void echo_there(weft_transport *transport, const void *data, size_t size, void *self)
{
    (void)self;
    atomic_fetch_or_explicit(&told_on, 1u << weft_reactor_index(), memory_order_relaxed);
    ck_assert_int_eq(weft_transport_write(transport, data, size), (ssize_t)size);
}

static void lost_anywhere(weft_transport *transport, int error, void *self)
{
    (void)transport, (void)error, (void)self;
    atomic_fetch_add_explicit(&lost_there, 1, memory_order_relaxed);
}

static int main_everywhere(void *arg)
{
    static const struct weft_protocol there = {.size = sizeof there,
                                               .data_received = echo_there,
                                               .connection_lost = lost_anywhere};
    struct weft_server_opt opt = {.size = sizeof opt, .every_reactor = true};
    enum { PEERS = 40 };
    weft_server *server;
    int fds[PEERS];
    char byte = 'x';

    (void)arg;
    ok(weft_create_server(&server, "127.0.0.1:0", &there, NULL, &opt));
    for (int i = 0; i < PEERS; i++) {
        fds[i] = dial(server);
        ck_assert_int_eq(weft_send_all(fds[i], &byte, 1, NULL), 1);
        ck_assert_int_eq(weft_recv_exactly(fds[i], &byte, 1, NULL), 1);
    }
    ck_assert_uint_eq(atomic_load_explicit(&told_on, memory_order_relaxed), 3);
    ck_assert_int_eq(weft_server_drain(server, weft_after_ms(60000), weft_after_ms(60000)), 0);
    ck_assert_int_eq(atomic_load_explicit(&lost_there, memory_order_relaxed), PEERS);
    for (int i = 0; i < PEERS; i++)
        hear_end(fds[i]);
    return weft_server_close(server);
}

TEST(on_every_reactor)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2, .no_pinning = true};

    ck_assert_int_eq(weft_run(main_everywhere, NULL, 0, &opt), 0);
}

/* -- what one costs --------------------------------------------------------------------------- */

static size_t live_bytes; /* of the library's; on one thread */

static void *counting_realloc(void *old, size_t size, void *context)
{
    size_t *memory = old ? (size_t *)((char *)old - 16) : NULL;

    (void)context;
    live_bytes -= memory ? *memory : 0;
    memory = realloc(memory, size + 16);
    ck_assert_ptr_nonnull(memory);
    *memory = size;
    live_bytes += size;
    return (char *)memory + 16;
}

static void *counting_alloc(size_t size, void *context)
{
    return counting_realloc(NULL, size, context);
}

static void counting_free(void *memory, void *context)
{
    (void)context;
    if (!memory)
        return;
    live_bytes -= *(size_t *)((char *)memory - 16);
    free((char *)memory - 16);
}

/* Idle ones, after each has said something: some hundreds of bytes, no task, no buffer. The first
   few pay for what all share. */
static int main_cost(void *arg)
{
    enum { FEW = 300, MANY = 1300, COST_MAX = 640 };
    static int fds[MANY];
    struct shared shared = {.log = ""};
    size_t before = 0, cost;
    weft_server *server;
    char byte = 'x';
    uint64_t tasks = 0;

    (void)arg;
    ok(weft_create_server(&server, "127.0.0.1:0", &echo, &shared, NULL));
    for (int i = 0; i < MANY; i++) {
        if (i == FEW) {
            before = live_bytes;
            tasks = (uint64_t)weft_all_tasks(NULL, 0);
        }
        fds[i] = dial(server);
        ck_assert_int_eq(weft_send_all(fds[i], &byte, 1, NULL), 1);
        ck_assert_int_eq(weft_recv_exactly(fds[i], &byte, 1, NULL), 1);
    }
    ck_assert_uint_eq((uint64_t)weft_all_tasks(NULL, 0), tasks);
    cost = (live_bytes - before) / (MANY - FEW);
    printf("an idle transport: %zu bytes\n", cost);
    ck_assert_uint_gt(cost, 64); /* it was counted */
    ck_assert_uint_le(cost, COST_MAX);
    for (int i = 0; i < MANY; i++)
        ok(weft_close(fds[i]));
    until_active(server, 0);
    return weft_server_close(server);
}

TEST(costs_of_an_idle_one)
{
    static const struct weft_allocator allocator = {counting_alloc, counting_realloc, counting_free,
                                                    NULL};
    struct weft_run_opt opt = {.size = sizeof opt, .allocator = &allocator};

    ck_assert_int_eq(weft_run(main_cost, NULL, 0, &opt), 0);
    ck_assert_uint_eq(live_bytes, 0);
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
    ok(weft_create_unix_server(&server, "@weft-test-transport", &nothing, NULL, NULL));
    ok(weft_create_unix_connection("@weft-test-transport", &sink, &shared, NULL, &transport));
    ck_assert_int_eq(weft_transport_write(transport, "thrown away", 11), 11);
    until_active(server, 1);
    ok(weft_transport_close(transport));
    until_lost(&shared, 2);
    until_active(server, 0);
    ck_assert_uint_eq(counts_of(server).finished, 1);
    return weft_server_close(server);
}

TEST(arguments)
{
    net_run(main_arguments);
}

TEST_MAIN("transport", 60, in_order, ends, writing_is_paused_and_resumed, reading_is_paused,
          into_its_own_buffer, another_protocol, same_bytes_as_a_stream, served,
          comes_after_the_latest_left, budgets, on_every_reactor, costs_of_an_idle_one, arguments)
