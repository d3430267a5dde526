/*
 * Names: what may be bound beside what, who is listening where, what is left behind. Catches a
 * simulated kernel that lets two servers have one port, or refuses a restart that Linux allows.
 */
#include "net_behaviour.h"

static int bind_v4(const struct net_kernel *k, int fd, in_addr_t host, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(host)};

    return k->bind(fd, (struct sockaddr *)&address, sizeof address);
}

static int bind_v6(const struct net_kernel *k, int fd, const struct in6_addr *host, int port)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6,
                                   .sin6_port = htons((uint16_t)port),
                                   .sin6_addr = *host};

    return k->bind(fd, (struct sockaddr *)&address, sizeof address);
}

static int connect_v4(const struct net_kernel *k, int fd, in_addr_t host, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(host)};

    return k->connect(fd, (struct sockaddr *)&address, sizeof address);
}

BEHAVIOUR(ports_are_chosen)
{
    int first = stream_socket(k, V4), second = stream_socket(k, V4);

    (void)family;
    same(port_of(k, first), 0);
    same(bind_v4(k, first, INADDR_LOOPBACK, 0), 0);
    same(bind_v4(k, second, INADDR_LOOPBACK, 0), 0);
    ck_assert_int_ge(port_of(k, first), 1024);
    ck_assert_int_ne(port_of(k, first), port_of(k, second));
    same(bind_v4(k, first, INADDR_LOOPBACK, 0), -EINVAL); /* bound already */
    same(k->close(second), 0);
    second = stream_socket(k, V4); /* listening unbound: any address, some port */
    same(k->listen(second, 1), 0);
    ck_assert_int_ge(port_of(k, second), 1024);
    same(k->close(first), 0);
    same(k->close(second), 0);
}

BEHAVIOUR_OF(bad_addresses, TCP)
{
    union net_address address;
    socklen_t length = loopback(&address, family, 0);
    int fd = stream_socket(k, family);

    same(k->bind(fd, &address.any, 1), -EINVAL);
    same(k->bind(fd, &address.any, length - 9), -EINVAL);
    address.any.sa_family = family == V4 ? AF_INET6 : AF_INET;
    same(k->bind(fd, &address.any, sizeof address.v6), -EAFNOSUPPORT);
    address.any.sa_family = AF_UNIX;
    same(k->bind(fd, &address.any, length), -EAFNOSUPPORT);
    loopback(&address, family, 0);
    if (family == V4)
        address.v4.sin_addr.s_addr = htonl(0xcb00714d); /* 203.0.113.77 */
    else
        address.v6.sin6_addr.s6_addr[0] = 0x20;
    same(k->bind(fd, &address.any, length), -EADDRNOTAVAIL);
    same(k->connect(fd, &address.any, 1), -EINVAL);
    address.any.sa_family = AF_UNIX;
    same(k->connect(fd, &address.any, length), -EAFNOSUPPORT);
    same(k->close(fd), 0);
}

enum { REUSE = 1, SHARE = 2, LISTENING = 4, OTHER_HOST = 8, ANY_HOST = 16 };

static int bound(const struct net_kernel *k, int how, int port, int *error)
{
    in_addr_t host = how & ANY_HOST ? INADDR_ANY : INADDR_LOOPBACK + (how & OTHER_HOST ? 1 : 0);
    int fd = stream_socket(k, V4);

    if (how & REUSE)
        same(set_option(k, fd, SOL_SOCKET, SO_REUSEADDR, 1), 0);
    if (how & SHARE)
        same(set_option(k, fd, SOL_SOCKET, SO_REUSEPORT, 1), 0);
    *error = bind_v4(k, fd, host, port);
    if (*error == 0 && how & LISTENING)
        *error = k->listen(fd, 4);
    return fd;
}

BEHAVIOUR(bound_beside)
{
    static const struct {
        int first, second, error;
    } rows[] = {
        {0, 0, -EADDRINUSE},
        {0, OTHER_HOST, 0},
        {0, ANY_HOST, -EADDRINUSE},
        {ANY_HOST, OTHER_HOST, -EADDRINUSE},
        {REUSE, 0, -EADDRINUSE},
        {0, REUSE, -EADDRINUSE},
        {REUSE, REUSE, 0},
        {REUSE | LISTENING, REUSE, -EADDRINUSE},
        {REUSE | LISTENING, REUSE | OTHER_HOST, 0},
        {REUSE | LISTENING, REUSE | ANY_HOST, -EADDRINUSE},
        {SHARE, SHARE, 0},
        {SHARE, REUSE, -EADDRINUSE},
        {SHARE | LISTENING, SHARE | LISTENING, 0},
        {SHARE | REUSE | LISTENING, SHARE | REUSE | LISTENING, 0},
        {SHARE | REUSE | LISTENING, REUSE | LISTENING, -EADDRINUSE},
        {REUSE, REUSE | LISTENING, 0},
        {REUSE | ANY_HOST, REUSE | LISTENING, 0},
    };
    int error;

    (void)family;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int first = bound(k, rows[i].first, 0, &error);
        same(error, 0);
        int second = bound(k, rows[i].second, port_of(k, first), &error);
        ck_assert_msg(error == rows[i].error, "row %zu: %d", i, error);
        same(k->close(first), 0);
        same(k->close(second), 0);
    }
}

/* Two bound to one port with SO_REUSEADDR: one of them may listen. */
BEHAVIOUR(one_may_listen)
{
    int error, first = bound(k, REUSE, 0, &error), second;

    (void)family;
    second = bound(k, REUSE, port_of(k, first), &error);
    same(error, 0);
    same(k->listen(first, 1), 0);
    same(k->listen(second, 1), -EADDRINUSE);
    same(k->close(first), 0);
    same(k->listen(second, 1), 0);
    same(k->close(second), 0);
}

BEHAVIOUR(both_families)
{
    int on = 1, v6 = stream_socket(k, V6), v4 = stream_socket(k, V4), port;

    (void)family;
    same(bind_v6(k, v6, &in6addr_any, 0), 0);
    port = port_of(k, v6);
    same(bind_v4(k, v4, INADDR_LOOPBACK, port), -EADDRINUSE);
    same(bind_v4(k, v4, INADDR_ANY, port), -EADDRINUSE);
    same(k->close(v6), 0);
    v6 = stream_socket(k, V6);
    same(k->setsockopt(v6, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on), 0);
    same(option_of(k, v6, IPPROTO_IPV6, IPV6_V6ONLY), 1);
    same(bind_v6(k, v6, &in6addr_any, port), 0);
    same(bind_v4(k, v4, INADDR_ANY, port), 0);
    same(k->setsockopt(v6, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on), -EINVAL); /* too late */
    same(k->close(v4), 0);
    same(k->close(v6), 0);
    v6 = stream_socket(k, V6);
    v4 = stream_socket(k, V4);
    same(bind_v6(k, v6, &in6addr_loopback, port), 0);
    same(bind_v4(k, v4, INADDR_LOOPBACK, port), 0);
    same(k->close(v4), 0);
    same(k->close(v6), 0);
}

/* One listener for both: IPv4 peers are shown as mapped addresses. */
BEHAVIOUR(mapped_peers)
{
    int v6 = stream_socket(k, V6), v4 = stream_socket(k, V4), there;
    static const unsigned char mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};
    struct sockaddr_in6 address;
    struct sockaddr_in own;
    socklen_t length = sizeof address;

    (void)family;
    same(bind_v6(k, v6, &in6addr_any, 0), 0);
    same(k->listen(v6, 2), 0);
    same(connect_v4(k, v4, INADDR_LOOPBACK, port_of(k, v6)), -EINPROGRESS);
    there = accept_from(k, v6);
    same(k->getpeername(there, (struct sockaddr *)&address, &length), 0);
    ck_assert_uint_eq(length, sizeof address);
    same(address.sin6_family, AF_INET6);
    ck_assert_mem_eq(&address.sin6_addr, mapped, 16);
    same(ntohs(address.sin6_port), port_of(k, v4));
    length = sizeof address;
    same(k->getsockname(there, (struct sockaddr *)&address, &length), 0);
    ck_assert_mem_eq(&address.sin6_addr, mapped, 16);
    same(ntohs(address.sin6_port), port_of(k, v6));
    length = sizeof own;
    same(k->getpeername(v4, (struct sockaddr *)&own, &length), 0);
    ck_assert_uint_eq(own.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    carry(k, there, v4, "mapped");
    same(k->close(there), 0);
    same(k->close(v4), 0);

    v4 = stream_socket(k, V6); /* and an IPv6 socket may connect to one */
    memcpy(&address.sin6_addr, mapped, 16);
    same(k->connect(v4, (struct sockaddr *)&address, sizeof address), -EINPROGRESS);
    there = accept_from(k, v6);
    length = sizeof address;
    same(k->getsockname(v4, (struct sockaddr *)&address, &length), 0);
    ck_assert_mem_eq(&address.sin6_addr, mapped, 16);
    same(k->close(there), 0);
    same(k->close(v4), 0);
    same(k->close(v6), 0);
}

BEHAVIOUR_OF(names_of_both_ends, TCP)
{
    int listener = listener_of(k, family, 4), here, there;
    union net_address own = {0}, peer = {0};
    socklen_t length = sizeof own;

    here = stream_socket(k, family);
    same(k->getpeername(here, &own.any, &length), -ENOTCONN);
    same(connect_to(k, here, listener), -EINPROGRESS);
    there = accept_from(k, listener);
    ck_assert_int_ne(k->await(here, POLLOUT) & POLLOUT, 0);
    same(k->getpeername(here, &peer.any, &length), 0);
    same(port_of(k, there), port_of(k, listener));
    length = 4; /* cut short, the whole length told */
    same(k->getsockname(here, &own.any, &length), 0);
    ck_assert_uint_eq(length, family == V4 ? sizeof own.v4 : sizeof own.v6);
    length = sizeof own;
    same(k->getsockname(here, &own.any, &length), 0);
    length = sizeof peer;
    same(k->getpeername(there, &peer.any, &length), 0);
    ck_assert_mem_eq(&own, &peer, length);
    same(k->getpeername(listener, &peer.any, &length), -ENOTCONN);
    same(k->close(listener), 0);
    part(k, (struct ends){here, there});
}

/* The side that closed first keeps the port for a while; SO_REUSEADDR is for that. */
BEHAVIOUR(lingering_ports)
{
    int error, listener = bound(k, LISTENING, 0, &error), port = port_of(k, listener);
    int here = connected_to(k, V4, listener), there = accept_from(k, listener);

    (void)family;
    same(k->close(listener), 0);
    listener = bound(k, LISTENING, port, &error); /* the connection still lives */
    same(error, -EADDRINUSE);
    same(k->close(listener), 0);
    same(k->close(there), 0);
    ck_assert_int_ne(k->await(here, POLLRDHUP), 0);
    same(k->close(here), 0);
    ok(k->settle());
    listener = bound(k, LISTENING, port, &error);
    same(error, -EADDRINUSE);
    same(k->close(listener), 0);
    listener = bound(k, LISTENING | REUSE, port, &error); /* only one of them wanted it */
    same(error, -EADDRINUSE);
    same(k->close(listener), 0);
}

BEHAVIOUR(lingering_ports_reused)
{
    int error, listener = bound(k, LISTENING | REUSE, 0, &error), port = port_of(k, listener);
    int here = connected_to(k, V4, listener), there = accept_from(k, listener);

    (void)family;
    same(k->close(listener), 0);
    listener = bound(k, LISTENING | REUSE, port, &error);
    same(error, 0);
    same(k->close(listener), 0);
    same(k->close(there), 0);
    same(k->close(here), 0);
    ok(k->settle());
    listener = bound(k, LISTENING | REUSE, port, &error);
    same(error, 0);
    same(k->close(listener), 0);
}

/* A reset leaves nothing behind. */
BEHAVIOUR(no_port_kept_by_a_reset)
{
    int error, listener = bound(k, LISTENING, 0, &error), port = port_of(k, listener);
    int here = connected_to(k, V4, listener), there = accept_from(k, listener);

    (void)family;
    same(k->close(listener), 0);
    reset(k, there);
    ck_assert_int_ne(k->await(here, POLLERR) & POLLERR, 0);
    same(k->close(here), 0);
    listener = bound(k, LISTENING, port, &error);
    same(error, 0);
    same(k->close(listener), 0);
}

/* -- Unix names ------------------------------------------------------------------------------ */

static socklen_t path_of(struct sockaddr_un *address, char first, const char *rest)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    address->sun_path[0] = first;
    snprintf(address->sun_path + 1, sizeof address->sun_path - 1, "%s-%d", rest, getpid());
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(address->sun_path + 1) +
                       (first ? 1 : 0));
}

BEHAVIOUR_OF(unix_paths, UNIX)
{
    struct sockaddr_un address, seen;
    socklen_t length = path_of(&address, '/', "tmp/weft-sim-names"), seen_length = sizeof seen;
    int fd = stream_socket(k, family), other = stream_socket(k, family);

    same(k->getsockname(fd, (struct sockaddr *)&seen, &seen_length), 0);
    ck_assert_uint_eq(seen_length, sizeof(sa_family_t)); /* no name */
    same(k->connect(other, (struct sockaddr *)&address, length), -ENOENT);
    same(k->bind(fd, (struct sockaddr *)&address, length), 0);
    same(k->bind(fd, (struct sockaddr *)&address, length), -EADDRINUSE); /* the file is there */
    same(k->bind(other, (struct sockaddr *)&address, length), -EADDRINUSE);
    same(k->connect(other, (struct sockaddr *)&address, length), -ECONNREFUSED);
    same(k->listen(fd, 1), 0);
    seen_length = sizeof seen;
    same(k->getsockname(fd, (struct sockaddr *)&seen, &seen_length), 0);
    ck_assert_uint_eq(seen_length, length);
    ck_assert_str_eq(seen.sun_path, address.sun_path);
    same(k->connect(other, (struct sockaddr *)&address, length), 0);
    seen_length = sizeof seen;
    same(k->getpeername(other, (struct sockaddr *)&seen, &seen_length), 0);
    ck_assert_str_eq(seen.sun_path, address.sun_path);
    int there = accept_from(k, fd);
    seen_length = sizeof seen;
    same(k->getpeername(there, (struct sockaddr *)&seen, &seen_length), 0);
    ck_assert_uint_eq(seen_length, sizeof(sa_family_t));
    seen_length = sizeof seen;
    same(k->getsockname(there, (struct sockaddr *)&seen, &seen_length), 0);
    ck_assert_str_eq(seen.sun_path, address.sun_path);
    part(k, (struct ends){other, there});

    same(k->close(fd), 0); /* the file stays */
    fd = stream_socket(k, family);
    same(k->connect(fd, (struct sockaddr *)&address, length), -ECONNREFUSED);
    same(k->bind(fd, (struct sockaddr *)&address, length), -EADDRINUSE);
    same(k->unlink(address.sun_path), 0);
    same(k->unlink(address.sun_path), -ENOENT);
    same(k->connect(fd, (struct sockaddr *)&address, length), -ENOENT);
    same(k->bind(fd, (struct sockaddr *)&address, length), 0);
    same(k->unlink(address.sun_path), 0);
    same(k->listen(fd, 1), 0); /* listening where nobody finds it */
    other = stream_socket(k, family);
    same(k->connect(other, (struct sockaddr *)&address, length), -ENOENT);
    part(k, (struct ends){other, fd});
}

BEHAVIOUR_OF(unix_abstract, UNIX)
{
    struct sockaddr_un address, seen;
    socklen_t length = path_of(&address, '\0', "weft-sim-abstract"), seen_length = sizeof seen;
    int fd = stream_socket(k, family), other = stream_socket(k, family);

    same(k->connect(other, (struct sockaddr *)&address, length), -ECONNREFUSED);
    same(k->bind(fd, (struct sockaddr *)&address, length), 0);
    same(k->bind(other, (struct sockaddr *)&address, length), -EADDRINUSE);
    same(k->bind(other, (struct sockaddr *)&address, length - 1), 0); /* a name of its own */
    same(k->getsockname(fd, (struct sockaddr *)&seen, &seen_length), 0);
    ck_assert_uint_eq(seen_length, length);
    ck_assert_mem_eq(&seen, &address, length);
    same(k->listen(fd, 1), 0);
    same(k->connect(other, (struct sockaddr *)&address, length), 0);
    same(k->close(fd), 0);
    fd = stream_socket(k, family); /* gone with its owner */
    same(k->bind(fd, (struct sockaddr *)&address, length), 0);
    part(k, (struct ends){other, fd});

    fd = stream_socket(k, family); /* a name nobody chose: five digits */
    same(k->bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
    seen_length = sizeof seen;
    same(k->getsockname(fd, (struct sockaddr *)&seen, &seen_length), 0);
    ck_assert_uint_eq(seen_length, sizeof(sa_family_t) + 6);
    same(seen.sun_path[0], 0);
    same(k->close(fd), 0);
    fd = stream_socket(k, family);
    same(k->listen(fd, 1), -EINVAL); /* unbound */
    same(k->bind(fd, (struct sockaddr *)&address, sizeof address + 1), -EINVAL);
    same(k->connect(fd, (struct sockaddr *)&address, sizeof(sa_family_t)), -EINVAL);
    same(k->close(fd), 0);
}

TEST_MAIN("sim_net_names", 60, BOTH(ports_are_chosen), BOTH(bad_addresses), BOTH(bound_beside),
          BOTH(one_may_listen), BOTH(both_families), BOTH(mapped_peers), BOTH(names_of_both_ends),
          BOTH(lingering_ports), BOTH(lingering_ports_reused), BOTH(no_port_kept_by_a_reset),
          BOTH(unix_paths), BOTH(unix_abstract))
