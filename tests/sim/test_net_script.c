/*
 * Peers that play a script on the simulated network: each step, what the other end sees of it, and
 * the scripts that are refused. Catches a step that does nothing, a peer that stays when its script
 * is over, and a text that is taken for another than it is.
 */
#include "net_behaviour.h"
#include "sim/net.h"

enum { GONE = POLLIN | POLLOUT | POLLHUP | POLLRDHUP };
#define MS INT64_C(1000000)
#define S INT64_C(1000000000)

static const struct net_kernel *const k = &net_model;

static int serve(const char *plan, const char *script, int family)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(7000),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un local = {.sun_family = AF_UNIX, .sun_path = "/run/served"};
    int fd;

    net_model_open_with(7, plan);
    fd = stream_socket(k, family);
    if (family == UNIX)
        same(k->bind(fd, (struct sockaddr *)&local, sizeof local), 0);
    else
        same(k->bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    same(k->listen(fd, 100), 0);
    same(weft__sim_net_peer(net_world, script), 0);
    return fd;
}

static void leave(int listener, int there)
{
    same(k->close(listener), 0);
    same(k->close(there), 0);
    net_model_close();
}

TEST(peer_resets)
{
    int listener = serve("calm", "127.0.0.1:7000 after 5ms: send 'half'; wait 1ms; reset", V4);
    int there = accept_from(k, listener);
    char bytes[8];

    same(k->await(there, POLLERR), GONE | POLLERR);
    same(k->recv(there, bytes, sizeof bytes, 0), 4);
    ck_assert_mem_eq(bytes, "half", 4);
    same(k->recv(there, bytes, sizeof bytes, 0), -ECONNRESET);
    leave(listener, there);
}

TEST(peer_resets_after_reading)
{
    int listener = serve("calm", "127.0.0.1:7000: read 10; reset", V4);
    int there = accept_from(k, listener);

    same(k->send(there, "123456789", 9, 0), 9);
    net_model_pass(S);
    same(k->poll(there), POLLOUT);
    same(k->send(there, "0", 1, 0), 1);
    same(k->await(there, POLLERR), GONE | POLLERR);
    leave(listener, there);
}

TEST(peer_never_reads)
{
    int listener = serve("calm", "127.0.0.1:7000: hold", V4), there = accept_from(k, listener);
    static char piece[1 << 20];
    int64_t sent = 0;

    for (int round = 0; round < 100; round++, net_model_pass(S))
        for (int n; (n = k->send(there, piece, sizeof piece, 0)) > 0;)
            sent += n;
    ck_assert_int_ge(sent, 2621440);
    ck_assert_int_le(sent, 2621440 + 131072);
    same(k->poll(there), 0);
    leave(listener, there);
}

/* Who waits to send is told when there is room, and not before. */
static void check_room(const char *script, int family)
{
    int listener = serve("calm", script, family), there = accept_from(k, listener);
    static char piece[1 << 20];

    do
        while (k->send(there, piece, sizeof piece, 0) > 0)
            ;
    while (k->settle() && k->poll(there) & POLLOUT);
    int64_t full_ns = net_world->now_ns;
    same(k->await(there, POLLOUT), POLLOUT);
    ck_assert_int_ge(net_world->now_ns - full_ns, S);
    leave(listener, there);
}

TEST(peer_reads_late)
{
    check_room("127.0.0.1:7000: wait 9s; read", V4);
    check_room("unix:/run/served: wait 9s; read", UNIX);
}

static void check_drip(const char *script, int family)
{
    int listener = serve("calm", script, family), there = accept_from(k, listener);
    int64_t begun_ns = net_world->now_ns;
    char piece[16];
    int got = 0;

    for (;; got++) {
        ck_assert_int_ne(k->await(there, POLLIN) & POLLIN, 0);
        int n = k->recv(there, piece, sizeof piece, 0);
        ck_assert_int_ge(n, 0);
        ck_assert_int_le(n, 1);
        if (n == 0)
            break;
        same(piece[0], 'a' + got % 26);
    }
    same(got, 60);
    ck_assert_int_ge(net_world->now_ns - begun_ns, 60 * 9 * MS);
    leave(listener, there);
}

TEST(peer_drips)
{
    check_drip("127.0.0.1:7000: drip 60 10ms", V4);
    check_drip("unix:/run/served: drip 60 10ms", UNIX);
}

TEST(peer_vanishes)
{
    int listener = serve("calm", "127.0.0.1:7000: send 'now'; wait 1ms; vanish", V4);
    int there = accept_from(k, listener);
    char bytes[8];

    net_model_pass(S);
    same(k->recv(there, bytes, sizeof bytes, 0), 3);
    same(k->send(there, "lost", 4, 0), 4);
    net_model_pass(100 * S);
    same(k->poll(there), POLLOUT);
    net_model_pass(900 * S);
    same(k->poll(there), GONE | POLLERR);
    leave(listener, there);
}

TEST(peers_come_and_leave)
{
    enum { PEERS = 30 };
    int listener = serve("calm", "127.0.0.1:7000 x30 every 1ms:", V4), taken = 0;
    char byte;

    net_model_pass(S);
    for (int there; (there = k->accept(listener)) >= 0; taken++) {
        same(k->recv(there, &byte, 1, 0), 0);
        same(k->close(there), 0);
    }
    same(taken, PEERS);
    same(weft__sim_net_peer(net_world, "127.0.0.1:7000 x3: reset"), 0);
    net_model_pass(S);
    for (int there; (there = k->accept(listener)) >= 0; taken++) {
        same(k->recv(there, &byte, 1, 0), -ECONNRESET);
        same(k->close(there), 0);
    }
    same(taken, PEERS + 3);
    same(k->close(listener), 0);
    net_model_close();
}

/* The backlog of a Unix socket is full: they wait for their turn. */
TEST(peers_in_a_queue)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX, .sun_path = "/run/narrow"};
    int listener, there, taken = 0;
    char byte;

    net_model_open_with(2, "calm");
    listener = stream_socket(k, UNIX);
    same(k->bind(listener, (struct sockaddr *)&local, sizeof local), 0);
    same(k->listen(listener, 1), 0);
    same(weft__sim_net_peer(net_world, "unix:/run/narrow x7: send 1"), 0);
    for (net_model_pass(S); (there = k->accept(listener)) >= 0; net_model_pass(S), taken++) {
        same(k->recv(there, &byte, 1, 0), 1);
        same(k->recv(there, &byte, 1, 0), 0);
        same(k->close(there), 0);
    }
    same(taken, 7);
    same(k->close(listener), 0);
    net_model_close();
}

TEST(peer_half_closes_and_reads)
{
    int listener = serve("rough,net.break=never", "127.0.0.1:7000: send 'q\\r\\n'; half; read", V4);
    int there = accept_from(k, listener);
    char bytes[8];

    k->await(there, POLLRDHUP);
    same(k->recv(there, bytes, sizeof bytes, 0), 3);
    ck_assert_mem_eq(bytes, "q\r\n", 3);
    same(k->recv(there, bytes, sizeof bytes, 0), 0);
    same(k->send(there, "answer", 6, 0), 6);
    ck_assert_ptr_nonnull(net_world->net->peers);
    leave(listener, there);
}

TEST(peer_echoes)
{
    union net_address address;
    socklen_t length = loopback(&address, V4, 7001);
    static char piece[100000], back[100000];
    int fd, sent = 0, got = 0;

    net_model_open_with(9, "rough,net.break=never,net.lost=never");
    same(weft__sim_net_peer(net_world, "listen 127.0.0.1:7001: echo"), 0);
    fd = stream_socket(k, V4);
    same(k->connect(fd, &address.any, length), -EINPROGRESS);
    for (size_t i = 0; i < sizeof piece; i++)
        piece[i] = (char)(i * 7 >> 3);
    while (got < (int)sizeof piece) {
        int n = k->send(fd, piece + sent, sizeof piece - (size_t)sent, 0);
        sent += n > 0 ? n : 0;
        if (sent == sizeof piece && n > 0)
            same(k->shutdown(fd, SHUT_WR), 0);
        ok(k->settle());
        n = k->recv(fd, back + got, sizeof back - (size_t)got, 0);
        got += n > 0 ? n : 0;
    }
    ck_assert_int_eq(memcmp(piece, back, sizeof piece), 0);
    same(k->await(fd, POLLRDHUP) & POLLRDHUP, POLLRDHUP);
    same(k->close(fd), 0);
    net_model_close();
}

TEST(scripts_not_understood)
{
    static const char *const wrong[] = {"",
                                        "127.0.0.1:7000",
                                        "127.0.0.1: send 1",
                                        "127.0.0.1:70000: send 1",
                                        "127.0.0.1:0: send 1",
                                        "[::1:80: hold",
                                        "unix:: hold",
                                        "somewhere:1: hold",
                                        "127.0.0.1:1 x0: hold",
                                        "127.0.0.1:1 every 5: hold",
                                        "127.0.0.1:1: send",
                                        "127.0.0.1:1: send 'open",
                                        "127.0.0.1:1: drip 5",
                                        "127.0.0.1:1: wait",
                                        "127.0.0.1:1: wait 18446744073709551615ns",
                                        "127.0.0.1:1: dance",
                                        "127.0.0.1:1: hold hold",
                                        "127.0.0.1:1: half;; hold"};
    static const char *const right[] = {"127.0.0.1:1:",
                                        "[::1]:1 x2 every 1us after 2s: half; read 5; read;",
                                        "unix:@x: send '\\'\\\\'; send 5"};

    net_model_open_with(1, "calm");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_msg(weft__sim_net_peer(net_world, wrong[i]) == -EINVAL, "%s", wrong[i]);
    ck_assert_ptr_null(net_world->net->peers);
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
        ck_assert_msg(weft__sim_net_peer(net_world, right[i]) == 0, "%s", right[i]);
    net_model_pass(10 * S); /* nobody listens: they give up */
    ck_assert_ptr_null(net_world->net->peers);
    same(weft__sim_net_peer(net_world, "listen 127.0.0.1:7001: hold"), 0);
    same(weft__sim_net_peer(net_world, "listen 127.0.0.1:7001: hold"), -EADDRINUSE);
    net_model_close();
}

TEST_MAIN("sim_net_script", 60, peer_resets, peer_resets_after_reading, peer_never_reads,
          peer_reads_late, peer_drips, peer_vanishes, peers_come_and_leave, peers_in_a_queue,
          peer_half_closes_and_reads, peer_echoes, scripts_not_understood)
