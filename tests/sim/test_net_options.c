/*
 * Options of sockets: what is shown, what is refused, what an accepted socket has from its
 * listener. Catches a simulated kernel on which a server's tuning is accepted and on Linux not.
 */
#include <netinet/udp.h>

#include "net_behaviour.h"

struct row {
    int level, option, set; /* set NOT_SET: only read */
    int tcp, tcp_shown;     /* the answer to setting, and what is read afterwards */
    int local, local_shown; /* on a Unix socket */
};
enum { NOT_SET = -777, NOT_SHOWN = -778 };

static void check(const struct net_kernel *k, int fd, const struct row *row, enum family family)
{
    int expected = family == UNIX ? row->local : row->tcp;
    int shown = family == UNIX ? row->local_shown : row->tcp_shown, got;

    if (row->set != NOT_SET) {
        got = set_option(k, fd, row->level, row->option, row->set);
        ck_assert_msg(got == expected, "setting %d/%d to %d: %d, not %d", row->level, row->option,
                      row->set, got, expected);
    }
    if (shown == NOT_SHOWN)
        return;
    got = option_of(k, fd, row->level, row->option);
    ck_assert_msg(got == shown, "%d/%d shows %d, not %d", row->level, row->option, got, shown);
}

BEHAVIOUR_OF(one_by_one, ALL)
{
    const int no = -EOPNOTSUPP, tcp = IPPROTO_TCP, any = SOL_SOCKET;
    const struct row rows[] = {
        {any, SO_TYPE, NOT_SET, 0, SOCK_STREAM, 0, SOCK_STREAM},
        {any, SO_TYPE, 1, -ENOPROTOOPT, SOCK_STREAM, -ENOPROTOOPT, SOCK_STREAM},
        {any, SO_PROTOCOL, NOT_SET, 0, IPPROTO_TCP, 0, 0},
        {any, SO_DOMAIN, NOT_SET, 0, domain_of(family), 0, AF_UNIX},
        {any, SO_ERROR, 1, -ENOPROTOOPT, 0, -ENOPROTOOPT, 0},
        {any, SO_ACCEPTCONN, 1, -ENOPROTOOPT, 0, -ENOPROTOOPT, 0},
        {any, SO_KEEPALIVE, 5, 0, 1, 0, 1},
        {any, SO_KEEPALIVE, 0, 0, 0, 0, 0},
        {any, SO_REUSEADDR, -1, 0, 1, 0, 1},
        {any, SO_REUSEPORT, 1, 0, 1, no, NOT_SHOWN},
        {any, SO_SNDBUF, 1, 0, 4608, 0, 4608},
        {any, SO_SNDBUF, 100000, 0, 200000, 0, 200000},
        {any, SO_RCVBUF, 1, 0, 2304, 0, 2304},
        {any, SO_RCVBUF, 100000, 0, 200000, 0, 200000},
        {any, 9999, 1, -ENOPROTOOPT, -ENOPROTOOPT, -ENOPROTOOPT, -ENOPROTOOPT},
        {tcp, TCP_NODELAY, 7, 0, 1, no, no},
        {tcp, TCP_CORK, 1, 0, 1, no, no},
        {tcp, TCP_KEEPIDLE, NOT_SET, 0, 7200, 0, no},
        {tcp, TCP_KEEPIDLE, 0, -EINVAL, 7200, no, no},
        {tcp, TCP_KEEPIDLE, 32768, -EINVAL, 7200, no, no},
        {tcp, TCP_KEEPIDLE, 10, 0, 10, no, no},
        {tcp, TCP_KEEPINTVL, NOT_SET, 0, 75, 0, no},
        {tcp, TCP_KEEPINTVL, 0, -EINVAL, 75, no, no},
        {tcp, TCP_KEEPCNT, NOT_SET, 0, 9, 0, no},
        {tcp, TCP_KEEPCNT, 128, -EINVAL, 9, no, no},
        {tcp, TCP_USER_TIMEOUT, -1, -EINVAL, 0, no, no},
        {tcp, TCP_USER_TIMEOUT, 500, 0, 500, no, no},
        {tcp, 9999, 1, -ENOPROTOOPT, -ENOPROTOOPT, no, no},
        {tcp, TCP_FASTOPEN, 5, 0, 5, no, no},
        {tcp, TCP_FASTOPEN, 500000, 0, NOT_SHOWN, no, no},
        {tcp, TCP_FASTOPEN, -1, -EINVAL, NOT_SHOWN, no, no},
        {IPPROTO_IP, IP_TOS, 0xbb, 0, 0xb8, no, no},
        {any, SO_PRIORITY, NOT_SET, 0, 4, 0, 0},
        {IPPROTO_IP, IP_TOS, 8, 0, 8, no, no},
        {any, SO_PRIORITY, NOT_SET, 0, 2, 0, 0},
        {any, SO_PRIORITY, 3, 0, 3, 0, 3},
        {IPPROTO_IP, IP_TOS, 8, 0, 8, no, no}, /* as it was: the priority, too */
        {any, SO_PRIORITY, NOT_SET, 0, 3, 0, 3},
        {12345, 1, 1, -ENOPROTOOPT, family == V6 ? -ENOPROTOOPT : no, no, no},
    };
    int fd = stream_socket(k, family), v6_only = family == V6   ? 0
                                                 : family == V4 ? -ENOPROTOOPT
                                                                : no;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check(k, fd, &rows[i], family);
    same(set_option(k, fd, IPPROTO_IPV6, IPV6_V6ONLY, 1), v6_only);
    same(option_of(k, fd, IPPROTO_IPV6, IPV6_V6ONLY), family == V6 ? 1 : no);
    if (family == V6) {
        same(set_option(k, fd, IPPROTO_IPV6, IPV6_TCLASS, 0xbb), 0);
        same(option_of(k, fd, IPPROTO_IPV6, IPV6_TCLASS), 0xb8);
        same(set_option(k, fd, IPPROTO_IPV6, IPV6_TCLASS, 256), -EINVAL);
        same(set_option(k, fd, IPPROTO_IPV6, IPV6_TCLASS, -1), 0);
        same(option_of(k, fd, IPPROTO_IPV6, IPV6_TCLASS), 0);
    }
    same(k->close(fd), 0);
}

/* Of UDP: its class has all bits, and TCP's options are none of its. */
static int not_settable(const struct net_kernel *k, int fd, int level, int option)
{
    int error = set_option(k, fd, level, option, 1);

    return error == option_of(k, fd, level, option) ? error : 1;
}
BEHAVIOUR_OF(of_datagrams, TCP)
{
    int fd = k->socket(domain_of(family), SOCK_DGRAM, 0);

    ck_assert_int_ge(fd, 0);
    same(set_option(k, fd, IPPROTO_IP, IP_TOS, 0xbb), 0);
    same(option_of(k, fd, IPPROTO_IP, IP_TOS), 0xbb);
    same(set_option(k, fd, IPPROTO_TCP, TCP_NODELAY, 1), -ENOPROTOOPT);
    same(option_of(k, fd, IPPROTO_TCP, TCP_NODELAY), family == V6 ? -ENOPROTOOPT : -EOPNOTSUPP);
    same(not_settable(k, fd, IPPROTO_UDP, 999), -ENOPROTOOPT);
    same(option_of(k, fd, IPPROTO_UDP, UDP_SEGMENT), 0);
    same(set_option(k, fd, IPPROTO_UDP, UDP_SEGMENT, 65536), -EINVAL);
    same(set_option(k, fd, IPPROTO_UDP, UDP_SEGMENT, -1), -EINVAL);
    same(set_option(k, fd, IPPROTO_UDP, UDP_SEGMENT, 1200), 0);
    same(option_of(k, fd, IPPROTO_UDP, UDP_SEGMENT), 1200);
    same(set_option(k, fd, IPPROTO_UDP, UDP_GRO, 5), 0);
    same(option_of(k, fd, IPPROTO_UDP, UDP_GRO), 1);
    same(set_option(k, fd, SOL_SOCKET, SO_NO_CHECK, 5), 0);
    same(option_of(k, fd, SOL_SOCKET, SO_NO_CHECK), 1);
    same(k->close(fd), 0);
}

BEHAVIOUR_OF(sizes_of_values, ALL)
{
    int fd = stream_socket(k, family);
    struct linger linger = {.l_onoff = 7, .l_linger = 3};
    socklen_t length = 1;
    unsigned char byte = 9;

    same(k->setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &byte, 1), -EINVAL);
    same(k->setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &byte, 1),
         family == UNIX ? -EOPNOTSUPP : -EINVAL);
    same(k->getsockopt(fd, SOL_SOCKET, SO_TYPE, &byte, &length), 0);
    ck_assert_uint_eq(length, 1);
    same(byte, SOCK_STREAM);
    same(k->setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, 4), -EINVAL);
    same(k->setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    linger = (struct linger){-1, -1};
    length = sizeof linger;
    same(k->getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &length), 0);
    ck_assert_uint_eq(length, sizeof linger);
    same(linger.l_onoff, 1);
    same(linger.l_linger, 3);
    length = 64; /* more room than is needed */
    unsigned char room[64];
    same(k->getsockopt(fd, SOL_SOCKET, SO_TYPE, room, &length), 0);
    ck_assert_uint_eq(length, sizeof(int));
    same(k->close(fd), 0);
    same(k->setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &linger, sizeof linger), -EBADF);
}

BEHAVIOUR_OF(inherited, TCP)
{
    int listener = listener_of(k, family, 1);

    same(set_option(k, listener, IPPROTO_TCP, TCP_NODELAY, 1), 0);
    same(set_option(k, listener, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
    same(set_option(k, listener, SOL_SOCKET, SO_RCVBUF, 50000), 0);
    same(set_option(k, listener, IPPROTO_IP, IP_TOS, 0xb8), 0);
    same(set_option(k, listener, IPPROTO_TCP, TCP_FASTOPEN, 5), 0);
    int here = connected_to(k, family, listener), there = accept_from(k, listener);
    same(option_of(k, there, IPPROTO_TCP, TCP_NODELAY), 1);
    same(option_of(k, there, SOL_SOCKET, SO_KEEPALIVE), 1);
    same(option_of(k, there, SOL_SOCKET, SO_RCVBUF), 100000);
    same(option_of(k, there, SOL_SOCKET, SO_ACCEPTCONN), 0);
    same(option_of(k, there, IPPROTO_IP, IP_TOS), 0xb8);
    same(option_of(k, there, SOL_SOCKET, SO_PRIORITY), 0);
    same(option_of(k, there, IPPROTO_TCP, TCP_FASTOPEN), 0);
    same(set_option(k, there, IPPROTO_TCP, TCP_FASTOPEN, 5), -EINVAL);
    same(option_of(k, here, IPPROTO_TCP, TCP_NODELAY), 0);
    part(k, (struct ends){here, there});
    same(k->close(listener), 0);
}

/* A small buffer holds little, and gives way. */
BEHAVIOUR_OF(small_buffers, ALL)
{
    int listener = listener_of(k, family, 1), here = stream_socket(k, family), there;
    static char piece[65536];
    int64_t sent = 0, got = 0;

    same(set_option(k, listener, SOL_SOCKET, SO_RCVBUF, 8192), 0);
    same(set_option(k, here, SOL_SOCKET, SO_SNDBUF, 8192), 0);
    ck_assert_int_le(connect_to(k, here, listener), 0);
    there = accept_from(k, listener);
    do
        for (int n; (n = k->send(here, piece, sizeof piece, 0)) > 0;)
            sent += n;
    while (k->settle() && k->poll(here) & POLLOUT);
    ck_assert_int_gt(sent, 0);
    ck_assert_int_lt(sent, 60000);
    while (got < sent) {
        ck_assert_int_ne(k->await(there, POLLIN) & POLLIN, 0);
        int n = k->recv(there, piece, 1000, 0);
        ck_assert_int_gt(n, 0);
        got += n;
    }
    ck_assert_int_ne(k->await(here, POLLOUT) & POLLOUT, 0);
    part(k, (struct ends){here, there});
    same(k->close(listener), 0);
}

TEST_MAIN("sim_net_options", 60, BOTH(one_by_one), BOTH(of_datagrams), BOTH(sizes_of_values),
          BOTH(inherited), BOTH(small_buffers))
