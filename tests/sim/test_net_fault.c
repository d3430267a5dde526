/*
 * What goes wrong on the simulated network: each fault by its knob, with what an owner of a socket
 * sees of it; and that a seed means the same events every time. Catches a fault that is drawn and
 * has no effect, or another effect than on Linux; and anything that makes two runs of a seed
 * differ.
 */
#include "net_behaviour.h"
#include "sim/net.h"

enum { GONE = POLLIN | POLLOUT | POLLHUP | POLLRDHUP };
#define MS INT64_C(1000000)
#define S INT64_C(1000000000)

static const struct net_kernel *const k = &net_model;

static struct ends open_pair(const char *plan)
{
    net_model_open_with(3, plan);
    return pair_of(k, V4);
}

static struct weft__net_wire *wire_of(int fd)
{
    return weft__net_wire_of(net_model_file(fd));
}

/* -- the wire -------------------------------------------------------------------------------- */

TEST(latency)
{
    struct ends ends = open_pair("calm,net.latency=3ms");
    int64_t begun_ns = net_world->now_ns;

    same(k->send(ends.here, "x", 1, 0), 1);
    net_model_pass(3 * MS - 1);
    same(k->poll(ends.there), POLLOUT);
    same(k->await(ends.there, POLLIN), POLLIN | POLLOUT);
    ck_assert_int_le(net_world->now_ns - begun_ns, 3 * MS + 10);
    part(k, ends);
    net_model_close();
}

TEST(a_slow_line)
{
    struct ends ends = open_pair("calm,net.rate=100000,net.segment=1000");
    char piece[20000] = "";
    int64_t begun_ns = net_world->now_ns;

    same(k->send(ends.here, piece, sizeof piece, 0), sizeof piece);
    for (int got = 0, n; got < (int)sizeof piece; got += n) {
        k->await(ends.there, POLLIN);
        n = k->recv(ends.there, piece, sizeof piece, 0);
        ck_assert_int_gt(n, 0);
        ck_assert_int_le(n, 1000);
    }
    ck_assert_int_ge(net_world->now_ns - begun_ns, 200 * MS);
    ck_assert_int_le(net_world->now_ns - begun_ns, 210 * MS);
    part(k, ends);
    net_model_close();
}

TEST(lost_and_sent_again)
{
    struct ends ends = open_pair("calm,net.lost=always,net.lost_time=200ms");
    int64_t begun_ns = net_world->now_ns;

    same(k->send(ends.here, "late", 4, 0), 4);
    same(k->await(ends.there, POLLIN), POLLIN | POLLOUT);
    ck_assert_int_ge(net_world->now_ns - begun_ns, 200 * MS);
    part(k, ends);
    net_model_close();
}

TEST(drips)
{
    struct ends ends = open_pair("calm,net.drip=always,net.drip_size=5,net.latency=1us..2us");
    char piece[10];

    same(k->send(ends.here, "drip drip", 9, 0), 9);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_ne(k->await(ends.there, POLLIN) & POLLIN, 0);
        same(k->recv(ends.there, piece, sizeof piece, 0), 1);
    }
    k->await(ends.there, POLLIN);
    same(k->recv(ends.there, piece, sizeof piece, 0), 4);
    part(k, ends);
    net_model_close();
}

/* Segments of a rough network: never more than asked for, and not always as much. */
TEST(segments)
{
    struct ends ends = open_pair("rough,net.segment=1..100,net.drip=never,net.break=never");
    char piece[4000];
    int got = 0, pieces = 0, largest = 0;

    same(k->send(ends.here, piece, sizeof piece, 0), sizeof piece);
    for (int n; got < (int)sizeof piece; got += n, pieces++) {
        k->await(ends.there, POLLIN);
        n = k->recv(ends.there, piece, sizeof piece, 0);
        ck_assert_int_gt(n, 0);
        largest = n > largest ? n : largest;
    }
    ck_assert_int_gt(pieces, 20);
    ck_assert_int_gt(largest, 1);
    part(k, ends);
    net_model_close();
}

/* -- connections that break -------------------------------------------------------------------- */

/* At a byte: those before it are there, then both ends are told. */
TEST(broken_at_a_byte)
{
    struct ends ends = open_pair("calm,net.break=always,net.break_at=1000");
    char piece[3000];

    same(k->send(ends.here, piece, sizeof piece, 0), sizeof piece);
    same(k->await(ends.there, POLLERR), GONE | POLLERR);
    same(k->recv(ends.there, piece, sizeof piece, 0), 1000);
    same(k->recv(ends.there, piece, sizeof piece, 0), -ECONNRESET);
    same(k->recv(ends.there, piece, sizeof piece, 0), 0);
    same(k->poll(ends.here), GONE | POLLERR);
    same(k->send(ends.here, piece, 1, 0), -ECONNRESET);
    same(k->send(ends.here, piece, 1, 0), -EPIPE);
    part(k, ends);
    net_model_close();
}

/* Silence: nobody is told. Who sends finds out after a quarter of an hour; who waits never does. */
TEST(silent_from_a_byte)
{
    struct ends ends = open_pair("calm,net.silence=always,net.silence_at=4");
    char piece[16];

    same(k->send(ends.here, "hello", 5, 0), 5);
    net_model_pass(1000 * MS);
    same(k->recv(ends.there, piece, sizeof piece, 0), 4);
    same(k->recv(ends.there, piece, sizeof piece, 0), -EAGAIN);
    same(k->poll(ends.here), POLLOUT);
    net_model_pass(920 * S);
    same(k->poll(ends.here), POLLOUT);
    net_model_pass(10 * S);
    same(k->poll(ends.here), GONE | POLLERR);
    same(k->send(ends.here, "x", 1, 0), -ETIMEDOUT);
    same(k->poll(ends.there), POLLOUT);
    part(k, ends);
    net_model_close();
}

TEST(silence_and_a_user_timeout)
{
    struct ends ends = open_pair("calm,net.silence=always,net.silence_at=0");

    same(set_option(k, ends.here, IPPROTO_TCP, TCP_USER_TIMEOUT, 500), 0);
    same(k->send(ends.here, "hello", 5, 0), 5);
    net_model_pass(499 * MS);
    same(k->poll(ends.here), POLLOUT);
    net_model_pass(2 * MS);
    same(k->recv(ends.here, NULL, 0, 0), -ETIMEDOUT);
    part(k, ends);
    net_model_close();
}

TEST(silence_and_keepalive)
{
    struct ends ends = open_pair("calm");

    same(set_option(k, ends.here, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
    same(set_option(k, ends.here, IPPROTO_TCP, TCP_KEEPIDLE, 10), 0);
    same(set_option(k, ends.here, IPPROTO_TCP, TCP_KEEPINTVL, 5), 0);
    same(set_option(k, ends.here, IPPROTO_TCP, TCP_KEEPCNT, 2), 0);
    net_model_pass(100 * S); /* a peer that is there answers */
    same(k->poll(ends.here), POLLOUT);
    weft__net_silence(wire_of(ends.here));
    net_model_pass(19 * S);
    same(k->poll(ends.here), POLLOUT);
    net_model_pass(2 * S);
    same(k->recv(ends.here, NULL, 0, 0), -ETIMEDOUT);
    same(k->poll(ends.there), POLLOUT);
    part(k, ends);
    net_model_close();
}

/* A user timeout counts as well when the peer is there and does not read. */
TEST(never_read_and_a_user_timeout)
{
    struct ends ends = open_pair("calm,net.send_buffer=10000,net.receive_buffer=10000");
    static char piece[30000];

    same(set_option(k, ends.here, IPPROTO_TCP, TCP_USER_TIMEOUT, 500), 0);
    same(k->send(ends.here, piece, sizeof piece, 0), 10000);
    net_model_pass(1000 * MS);
    same(k->send(ends.here, piece, sizeof piece, 0), 10000);
    net_model_pass(1000 * MS);
    same(k->send(ends.here, piece, sizeof piece, 0), -ETIMEDOUT);
    part(k, ends);
    net_model_close();
}

/* The file's fault, as a plan's rule brings it. */
TEST(faults_by_order)
{
    struct ends ends = open_pair("calm");
    struct weft__sim_file *file = net_model_file(ends.here);
    char byte;

    file->ops->fault(net_world, file, -ECONNRESET);
    same(k->recv(ends.there, &byte, 1, 0), -ECONNRESET);
    same(k->recv(ends.here, &byte, 1, 0), -ECONNRESET);
    part(k, ends);
    ends = pair_of(k, V4);
    file = net_model_file(ends.here);
    file->ops->fault(net_world, file, -ETIMEDOUT);
    same(k->recv(ends.here, &byte, 1, 0), -ETIMEDOUT);
    same(k->recv(ends.there, &byte, 1, 0), -EAGAIN);
    part(k, ends);
    ends = pair_of(k, UNIX);
    file = net_model_file(ends.here);
    file->ops->fault(net_world, file, -ECONNRESET);
    same(k->recv(ends.there, &byte, 1, 0), -ECONNRESET);
    same(k->recv(ends.here, &byte, 1, 0), -ECONNRESET);
    part(k, ends);
    net_model_close();
}

/* -- connecting ---------------------------------------------------------------------------------
 */

static int how_it_ends(const char *plan, int64_t *time_ns)
{
    int listener, fd, error;

    net_model_open_with(5, plan);
    listener = listener_of(k, V4, 4);
    fd = stream_socket(k, V4);
    int64_t begun_ns = net_world->now_ns;
    same(connect_to(k, fd, listener), -EINPROGRESS);
    k->await(fd, POLLOUT);
    *time_ns = net_world->now_ns - begun_ns;
    error = option_of(k, fd, SOL_SOCKET, SO_ERROR);
    part(k, (struct ends){listener, fd});
    net_model_close();
    return error;
}

TEST(connects_that_fail)
{
    int64_t time_ns;

    same(how_it_ends("calm", &time_ns), 0);
    ck_assert_int_le(time_ns, MS);
    same(how_it_ends("calm,net.refused=always", &time_ns), ECONNREFUSED);
    same(how_it_ends("calm,net.unreachable=always", &time_ns), EHOSTUNREACH);
    same(how_it_ends("calm,net.unanswered=always", &time_ns), ETIMEDOUT);
    ck_assert_int_eq(time_ns / S, 131); /* tcp_syn_retries 6, tcp_syn_linear_timeouts 4 */
}

TEST(a_lost_syn_costs_a_second)
{
    int64_t time_ns, lost = 0;

    for (uint64_t seed = 1; seed <= 40; seed++) {
        net_model_open_with(seed, "calm,net.syn_lost=1/4");
        int listener = listener_of(k, V4, 4), fd = stream_socket(k, V4);
        int64_t begun_ns = net_world->now_ns;
        same(connect_to(k, fd, listener), -EINPROGRESS);
        same(k->await(fd, POLLOUT), POLLOUT);
        time_ns = net_world->now_ns - begun_ns;
        lost += time_ns >= S;
        ck_assert_int_le(time_ns % S, MS);
        part(k, (struct ends){listener, fd});
        net_model_close();
    }
    ck_assert_int_ge(lost, 3);
    ck_assert_int_le(lost, 25);
}

TEST(elsewhere)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(80)};

    net_model_open_with(1, "calm");
    int fd = stream_socket(k, V4);
    ck_assert_int_eq(inet_pton(AF_INET, "198.51.100.7", &address.sin_addr), 1);
    same(k->connect(fd, (struct sockaddr *)&address, sizeof address), -ENETUNREACH);
    same(weft__sim_net_peer(net_world, "listen 198.51.100.7:80: send 'far'"), 0);
    same(k->connect(fd, (struct sockaddr *)&address, sizeof address), -EINPROGRESS);
    ck_assert_int_ne(k->await(fd, POLLRDHUP) & POLLRDHUP, 0);
    char bytes[8];
    same(k->recv(fd, bytes, sizeof bytes, 0), 3);
    same(k->recv(fd, bytes, sizeof bytes, 0), 0);
    same(k->close(fd), 0);
    fd = stream_socket(k, V4);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    same(k->bind(fd, (struct sockaddr *)&address, sizeof address), -EACCES); /* port 80 */
    same(k->close(fd), 0);
    net_model_close();
    net_model_open_with(1, "calm,net.privileged=0");
    fd = stream_socket(k, V4);
    same(k->bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    same(k->close(fd), 0);
    net_model_close();
}

/* -- the same again ------------------------------------------------------------------------------
 */

/* Peers of all kinds at a server that echoes; the hash of everything that happened. */
static uint64_t a_busy_minute(uint64_t seed, const char *plan)
{
    static const char *const scripts[] = {
        "127.0.0.1:7000 x20 every 3ms: send 5000; read 5000",
        "127.0.0.1:7000 x5 every 20ms: send 100; reset",
        "127.0.0.1:7000 x3: drip 40 3ms; half; read",
        "127.0.0.1:7000 x4 after 50ms: send 20000; hold",
    };
    union net_address address;
    socklen_t length = loopback(&address, V4, 7000);
    static char piece[3000];
    int fds[100], count = 0, fd;
    uint64_t hash;

    net_model_open_with(seed, plan);
    int listener = stream_socket(k, V4);
    same(k->bind(listener, &address.any, length), 0);
    same(k->listen(listener, 100), 0);
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++)
        same(weft__sim_net_peer(net_world, scripts[i]), 0);
    for (int round = 0; round < 2000; round++, net_model_pass(MS / 4)) {
        while (count < 100 && (fd = k->accept(listener)) >= 0)
            fds[count++] = fd;
        for (int i = 0; i < count; i++) {
            int n = k->recv(fds[i], piece, sizeof piece, MSG_PEEK);
            n = n > 0 ? k->send(fds[i], piece, (size_t)n, 0) : n;
            if (n > 0)
                same(k->recv(fds[i], piece, (size_t)n, 0), n);
        }
    }
    ck_assert_int_gt(count, 10);
    hash = net_world->hash;
    for (int i = 0; i < count; i++)
        same(k->close(fds[i]), 0);
    same(k->close(listener), 0);
    net_model_close();
    return hash;
}

TEST(a_seed_means_the_same)
{
    uint64_t before = 0;

    for (uint64_t seed = 1; seed <= 6; seed++) {
        uint64_t hash = a_busy_minute(seed, "broken");
        void *shift = malloc(seed * 1000); /* other addresses, other numbers of descriptors */
        int fd = dup(1);
        ck_assert_uint_eq(a_busy_minute(seed, "broken"), hash);
        ck_assert_uint_ne(hash, before);
        before = hash;
        close(fd);
        free(shift);
    }
}

TEST_MAIN("sim_net_fault", 60, latency, a_slow_line, lost_and_sent_again, drips, segments,
          broken_at_a_byte, silent_from_a_byte, silence_and_a_user_timeout, silence_and_keepalive,
          never_read_and_a_user_timeout, faults_by_order, connects_that_fail,
          a_lost_syn_costs_a_second, elsewhere, a_seed_means_the_same)
