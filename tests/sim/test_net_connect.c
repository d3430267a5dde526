/*
 * Connecting, listening and accepting: what each call answers in each state, the backlog, refusals,
 * sharing of a port. Catches a simulated kernel that lets a connection be lost, or made twice.
 */
#include "net_behaviour.h"

enum { GONE = POLLIN | POLLOUT | POLLHUP | POLLRDHUP };

BEHAVIOUR_OF(a_fresh_socket, ALL)
{
    int fd = stream_socket(k, family);
    char byte = 0;

    same(k->poll(fd), POLLOUT | POLLHUP);
    same(k->recv(fd, &byte, 1, 0), family == UNIX ? -EINVAL : -ENOTCONN);
    same(k->send(fd, &byte, 1, 0), family == UNIX ? -ENOTCONN : -EPIPE);
    same(k->accept(fd), -EINVAL);
    same(k->shutdown(fd, SHUT_WR), family == UNIX ? 0 : -ENOTCONN);
    same(k->shutdown(fd, 99), -EINVAL);
    same(k->close(fd), 0);
    same(k->close(fd), -EBADF);
    same(k->poll(fd) < 0 || k->poll(fd) & POLLNVAL, 1);
}

BEHAVIOUR_OF(a_listening_socket, ALL)
{
    int fd = listener_of(k, family, 2);
    char byte = 0;

    same(k->poll(fd), 0);
    same(k->accept(fd), -EAGAIN);
    same(k->recv(fd, &byte, 1, 0), family == UNIX ? -EINVAL : -ENOTCONN);
    same(k->send(fd, &byte, 1, 0), family == UNIX ? -ENOTCONN : -EPIPE);
    same(k->listen(fd, 5), 0);
    same(connect_to(k, fd, fd), family == UNIX ? -EINVAL : -EISCONN);
    same(option_of(k, fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
    same(k->shutdown(fd, SHUT_WR), 0);
    same(k->close(fd), 0);
}

BEHAVIOUR_OF(connected_once, ALL)
{
    int listener = listener_of(k, family, 4), here = stream_socket(k, family), there;

    same(connect_to(k, here, listener), family == UNIX ? 0 : -EINPROGRESS);
    there = accept_from(k, listener);
    ck_assert_int_ne(k->await(here, POLLOUT) & POLLOUT, 0);
    if (family != UNIX)
        same(connect_to(k, here, listener), 0); /* now it is told */
    same(connect_to(k, here, listener), -EISCONN);
    same(connect_to(k, there, listener), -EISCONN);
    same(k->listen(here, 1), -EINVAL);
    same(k->accept(here), -EINVAL);
    same(k->accept(listener), -EAGAIN);
    same(option_of(k, here, SOL_SOCKET, SO_ACCEPTCONN), 0);
    carry(k, here, there, "once");
    part(k, (struct ends){here, there});
    same(k->close(listener), 0);
}

/* The error comes once, by whichever call takes it; then one may try again. */
BEHAVIOUR_OF(refused, TCP)
{
    int listener = listener_of(k, family, 1), fd = stream_socket(k, family);
    union net_address address;
    socklen_t length = sizeof address;
    char byte = 0;

    ok(k->getsockname(listener, &address.any, &length));
    same(k->close(listener), 0);
    same(k->connect(fd, &address.any, length), -EINPROGRESS);
    same(k->await(fd, POLLERR), GONE | POLLERR);
    same(k->connect(fd, &address.any, length), -ECONNREFUSED);
    same(k->poll(fd), POLLOUT | POLLHUP);

    same(k->connect(fd, &address.any, length), -EINPROGRESS);
    same(k->await(fd, POLLERR), GONE | POLLERR);
    same(option_of(k, fd, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
    same(option_of(k, fd, SOL_SOCKET, SO_ERROR), 0);
    same(k->connect(fd, &address.any, length), -ECONNABORTED);

    same(k->connect(fd, &address.any, length), -EINPROGRESS);
    same(k->await(fd, POLLERR), GONE | POLLERR);
    same(k->recv(fd, &byte, 1, 0), -ECONNREFUSED);
    same(k->recv(fd, &byte, 1, 0), 0);
    same(k->send(fd, &byte, 1, 0), -EPIPE);
    same(k->close(fd), 0);
}

/* One more than the backlog can wait; the next has to be patient. */
BEHAVIOUR_OF(backlog, ALL)
{
    int listener = listener_of(k, family, 1), waiting[2], late = stream_socket(k, family), there;

    for (int i = 0; i < 2; i++) { /* the first is there before the second */
        waiting[i] = connected_to(k, family, listener);
        ok(k->settle());
    }
    if (family == UNIX) {
        same(connect_to(k, late, listener), -EAGAIN);
        there = accept_from(k, listener);
        same(connect_to(k, late, listener), 0);
    } else {
        same(connect_to(k, late, listener), -EINPROGRESS);
        ok(k->settle());
        same(k->poll(late), 0);
        same(connect_to(k, late, listener), -EALREADY);
        same(k->send(late, "x", 1, 0), -EAGAIN);
        same(k->recv(late, &there, 1, 0), -EAGAIN);
        there = accept_from(k, listener);
        ck_assert_int_ne(k->await(late, POLLOUT) & POLLOUT, 0);
    }
    carry(k, waiting[0], there, "first come");
    same(k->close(there), 0);
    there = accept_from(k, listener);
    carry(k, waiting[1], there, "first served");
    same(k->close(there), 0);
    there = accept_from(k, listener);
    carry(k, late, there, "and at last");
    part(k, (struct ends){late, there});
    part(k, (struct ends){waiting[0], waiting[1]});
    same(k->close(listener), 0);
}

/* Closed while connecting: whether the listener ever saw it or not, it serves the next. */
BEHAVIOUR_OF(given_up, TCP)
{
    int listener = listener_of(k, family, 4), fd = stream_socket(k, family), there;

    same(connect_to(k, fd, listener), -EINPROGRESS);
    same(k->close(fd), 0);
    ok(k->settle());
    while ((there = k->accept(listener)) >= 0) {
        ck_assert_int_ne(k->await(there, POLLRDHUP) & POLLRDHUP, 0);
        same(k->close(there), 0);
    }
    same(there, -EAGAIN);
    fd = connected_to(k, family, listener);
    there = accept_from(k, listener);
    carry(k, fd, there, "the next");
    part(k, (struct ends){fd, there});
    same(k->close(listener), 0);
}

BEHAVIOUR_OF(listener_shut, ALL)
{
    int listener = listener_of(k, family, 4), late = stream_socket(k, family);
    union net_address address;
    socklen_t length = sizeof address;

    ok(k->getsockname(listener, &address.any, &length));
    same(k->shutdown(listener, SHUT_RD), 0);
    same(k->accept(listener), family == UNIX ? -EAGAIN : -EINVAL);
    same(k->poll(listener), family == UNIX ? POLLIN | POLLRDHUP : POLLOUT | POLLHUP);
    if (family == UNIX) {
        same(k->connect(late, &address.any, length), -ECONNREFUSED);
    } else {
        same(k->connect(late, &address.any, length), -EINPROGRESS);
        ck_assert_int_ne(k->await(late, POLLERR) & POLLERR, 0);
        same(k->shutdown(listener, SHUT_RD), -ENOTCONN);
        same(k->listen(listener, 1), 0); /* again */
    }
    part(k, (struct ends){listener, late});
}

/* "Any" as a destination is this machine. */
BEHAVIOUR(to_any)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int fd = stream_socket(k, family), listener = listener_of(k, family, 1);

    address.sin_port = htons((uint16_t)port_of(k, listener));
    same(k->connect(fd, (struct sockaddr *)&address, sizeof address), -EINPROGRESS);
    int there = accept_from(k, listener);
    part(k, (struct ends){fd, there});
    same(k->close(listener), 0);
}

/* One of several listeners of a port gets each connection; all of them some. */
BEHAVIOUR_OF(a_shared_port, TCP)
{
    enum { LISTENERS = 4, CONNECTIONS = 64 };
    int listeners[LISTENERS], here[CONNECTIONS], got[LISTENERS] = {0}, total = 0;
    union net_address address;
    socklen_t length = loopback(&address, family, 0);

    for (int i = 0; i < LISTENERS; i++) {
        listeners[i] = stream_socket(k, family);
        same(set_option(k, listeners[i], SOL_SOCKET, SO_REUSEPORT, 1), 0);
        same(k->bind(listeners[i], &address.any, length), 0);
        same(k->listen(listeners[i], CONNECTIONS), 0);
        ok(k->getsockname(listeners[i], &address.any, &length));
    }
    for (int i = 0; i < CONNECTIONS; i++)
        here[i] = connected_to(k, family, listeners[0]);
    ok(k->settle());
    for (int i = 0; i < LISTENERS; i++)
        for (int fd; (fd = k->accept(listeners[i])) >= 0; got[i]++, total++)
            same(k->close(fd), 0);
    same(total, CONNECTIONS);
    for (int i = 0; i < LISTENERS; i++) {
        ck_assert_int_gt(got[i], 0);
        same(k->close(listeners[i]), 0);
    }
    for (int i = 0; i < CONNECTIONS; i++)
        same(k->close(here[i]), 0);
}

static int shared_listener(const struct net_kernel *k, in_addr_t host, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(host)};
    int fd = stream_socket(k, V4);

    same(set_option(k, fd, SOL_SOCKET, SO_REUSEPORT, 1), 0);
    same(k->bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    same(k->listen(fd, 8), 0);
    return fd;
}

/* On one port the listener with the very address is preferred to the one with any. */
BEHAVIOUR(the_nearest_listener)
{
    int special = shared_listener(k, INADDR_LOOPBACK, 0), here;
    int general = shared_listener(k, INADDR_ANY, port_of(k, special));
    union net_address address;
    socklen_t length;

    for (int i = 0; i < 8; i++) {
        here = stream_socket(k, family);
        length = loopback(&address, family, port_of(k, special));
        address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (in_addr_t)(i & 1));
        same(k->connect(here, &address.any, length), -EINPROGRESS);
        part(k, (struct ends){here, accept_from(k, i & 1 ? general : special)});
    }
    part(k, (struct ends){special, general});
}

BEHAVIOUR_OF(kinds_of_sockets, V4)
{
    static const struct {
        int domain, type, protocol, error;
    } rows[] = {
        {AF_INET, 99, 0, -EINVAL},
        {AF_INET, 9, 0, -ESOCKTNOSUPPORT},
        {AF_INET, SOCK_STREAM, IPPROTO_UDP, -EPROTONOSUPPORT},
        {AF_INET, SOCK_STREAM, 9999, -EINVAL},
        {AF_INET, SOCK_STREAM, -1, -EINVAL},
        {AF_INET, SOCK_STREAM, 200, -EPROTONOSUPPORT},
        {AF_INET, 0, 0, -ESOCKTNOSUPPORT},
        {AF_INET, SOCK_SEQPACKET, 0, -ESOCKTNOSUPPORT},
        {AF_UNIX, SOCK_STREAM, IPPROTO_TCP, -EPROTONOSUPPORT},
        {AF_UNIX, 9, 0, -ESOCKTNOSUPPORT},
        {999, SOCK_STREAM, 0, -EAFNOSUPPORT},
        {-1, SOCK_STREAM, 0, -EAFNOSUPPORT},
    };

    (void)family;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int got = k->socket(rows[i].domain, rows[i].type, rows[i].protocol);
        ck_assert_msg(got == rows[i].error, "row %zu: %d", i, got);
    }
}

TEST_MAIN("sim_net_connect", 60, BOTH(a_fresh_socket), BOTH(a_listening_socket),
          BOTH(connected_once), BOTH(refused), BOTH(backlog), BOTH(given_up), BOTH(listener_shut),
          BOTH(to_any), BOTH(a_shared_port), BOTH(the_nearest_listener), BOTH(kinds_of_sockets))
