/*
 * Random calls on random sockets of the simulated network, in any order, on networks from calm to
 * broken; after each few the structures are checked, and every byte received is the one that was
 * sent in its place. Catches a use after free, a leak (with the sanitizers), an end or a wire that
 * stays for nobody, bytes lost or doubled in a case that nobody thought of.
 */
#include "net_behaviour.h"
#include "sim/net.h"

enum { SOCKETS = 24, STEPS = 1500, PORTS = 4, PIECE = 9000 };

static const struct net_kernel *const k = &net_model;

static struct random_socket {
    int fd; /* -1: none */
    bool is_unix;
    uint64_t written, read;
} sockets[SOCKETS];

static uint64_t state, bytes_read;

static uint64_t draw(uint64_t count)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % count;
}

/* Every stream is the same, so a byte out of its place shows. */
static char byte_at(uint64_t position)
{
    return (char)(position * 131 >> 5);
}

static socklen_t any_address(union net_address *address, bool is_unix)
{
    static const char names[] = "abcd";

    if (!is_unix)
        return loopback(address, draw(4) ? V4 : V6, 7000 + (int)draw(PORTS));
    memset(address, 0, sizeof *address);
    address->local.sun_family = AF_UNIX;
    address->local.sun_path[0] = draw(2) ? '/' : '\0';
    address->local.sun_path[1] = names[draw(4)];
    return sizeof(sa_family_t) + (address->local.sun_path[0] ? 3 : 2);
}

static void do_send(struct random_socket *it)
{
    static char piece[PIECE];
    size_t size = draw(PIECE);

    for (size_t i = 0; i < size; i++)
        piece[i] = byte_at(it->written + i);
    int n = k->send(it->fd, piece, size, 0);
    it->written += n > 0 ? (uint64_t)n : 0;
}

static void do_recv(struct random_socket *it)
{
    static char piece[PIECE];
    bool peek = draw(5) == 0;
    int n = k->recv(it->fd, piece, 1 + draw(PIECE - 1), peek ? MSG_PEEK : 0), wrong = 0;

    for (int i = 0; i < n; i++)
        wrong += piece[i] != byte_at(it->read + (uint64_t)i);
    ck_assert_int_eq(wrong, 0);
    it->read += n > 0 && !peek ? (uint64_t)n : 0;
    bytes_read += n > 0 ? (uint64_t)n : 0;
}

static void do_accept(struct random_socket *it)
{
    struct random_socket *to = &sockets[draw(SOCKETS)];
    int fd = to->fd < 0 ? k->accept(it->fd) : -1;

    if (fd >= 0)
        *to = (struct random_socket){.fd = fd, .is_unix = it->is_unix};
}

static void do_close(struct random_socket *it)
{
    if (draw(4) == 0)
        reset(k, it->fd);
    else
        same(k->close(it->fd), 0);
    it->fd = -1;
}

/* A socket whose connection was reset before it was told of it may be connected once more. */
static void do_connect(struct random_socket *it, const union net_address *address, socklen_t length)
{
    int result = k->connect(it->fd, &address->any, length);

    if (result == -EINPROGRESS || (result == 0 && it->is_unix))
        it->written = it->read = 0;
}

/* Many begin as something useful; the rest comes to it by chance, or not. */
static void do_open(struct random_socket *it)
{
    union net_address address;
    socklen_t length;

    it->is_unix = draw(3) == 0;
    it->written = it->read = 0;
    it->fd = k->socket(it->is_unix ? AF_UNIX : draw(4) ? AF_INET : AF_INET6, SOCK_STREAM, 0);
    ok(it->fd);
    if (draw(2))
        same(set_option(k, it->fd, SOL_SOCKET, SO_REUSEADDR, 1), 0);
    length = any_address(&address, it->is_unix);
    if (draw(4) == 0 && k->bind(it->fd, &address.any, length) == 0)
        (void)k->listen(it->fd, (int)draw(8));
    else if (draw(2))
        do_connect(it, &address, length);
}

static void do_option(struct random_socket *it)
{
    static const int options[] = {SO_SNDBUF, SO_RCVBUF, SO_KEEPALIVE, SO_REUSEPORT};

    (void)set_option(k, it->fd, SOL_SOCKET, options[draw(4)], (int)draw(20000));
    (void)option_of(k, it->fd, SOL_SOCKET, SO_ERROR);
}

static void one_step(void)
{
    struct random_socket *it = &sockets[draw(SOCKETS)];
    union net_address address;
    socklen_t length;

    if (it->fd < 0) {
        do_open(it);
        return;
    }
    length = any_address(&address, it->is_unix);
    switch (draw(24)) {
    case 0:
        (void)k->bind(it->fd, &address.any, length);
        break;
    case 1:
        (void)k->listen(it->fd, (int)draw(4));
        break;
    case 2:
    case 3:
        do_connect(it, &address, length);
        break;
    case 4:
        (void)k->shutdown(it->fd, (int)draw(3));
        break;
    case 5:
        do_close(it);
        break;
    case 6:
        do_option(it);
        break;
    case 7:
        (void)weft__sim_net_unlink(net_world, address.local.sun_path);
        break;
    case 8:
    case 9:
    case 10:
        do_accept(it);
        break;
    case 11:
    case 12:
    case 13:
    case 14:
        do_recv(it);
        break;
    default:
        do_send(it);
    }
    (void)k->poll(it->fd);
}

static void run(uint64_t seed, const char *plan)
{
    net_model_open_with(seed, plan);
    state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (int i = 0; i < SOCKETS; i++)
        sockets[i].fd = -1;
    for (int i = 0; i < STEPS; i++) {
        one_step();
        if (draw(3) == 0)
            net_model_pass((int64_t)draw(4000000));
        if (i % 50 == 0)
            ck_assert_msg(weft__net_check(net_world->net), "seed %d, step %d", (int)seed, i);
    }
    for (int i = 0; i < SOCKETS; i++)
        if (sockets[i].fd >= 0)
            same(k->close(sockets[i].fd), 0);
    ck_assert(weft__net_check(net_world->net));
    net_model_pass(INT64_C(4000000000000)); /* an hour later nothing is left but what is silent */
    for (const struct weft__net_end *end = net_world->net->ends; end; end = end->next)
        ck_assert_msg(end->wire && !end->file && !end->listener, "seed %d", (int)seed);
    ck_assert_ptr_null(net_world->net->locals);
    if (!strstr(plan, "silence"))
        ck_assert_ptr_null(net_world->net->ends);
    net_model_close();
}

TEST(on_every_network)
{
    static const char *const plans[] = {"calm", "rough", "broken",
                                        "broken net.break=1/4 net.silence=1/4 net.lost=1/20"};
    uint64_t seeds = test_long() ? 20000 : 200;

    for (uint64_t seed = 1; seed <= seeds; seed++)
        run(seed, plans[seed % 4]);
    ck_assert_uint_gt(bytes_read, seeds * 2000); /* or nothing was ever connected */
}

TEST_MAIN("sim_net_random", 120, on_every_network)
