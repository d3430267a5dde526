/*
 * Behaviours: each runs as two tests, on the machine's kernel and on the simulated one.
 *
 *     BEHAVIOUR(it_refuses)
 *     {
 *         ck_assert_int_eq(k->listen(-1, 1), -EBADF);
 *     }
 *
 * gives it_refuses_on_linux and it_refuses_simulated. `k` is the kernel, `family` one of those
 * asked for by BEHAVIOUR_OF.
 */
#ifndef WEFT_TESTS_SIM_NET_BEHAVIOUR_H
#define WEFT_TESTS_SIM_NET_BEHAVIOUR_H

#include "net_kernel.h"
#include "net_model.h"

enum family { V4 = 1, V6 = 2, UNIX = 4, TCP = V4 | V6, ALL = TCP | UNIX };

#define BEHAVIOUR(name) BEHAVIOUR_OF(name, V4)
#define BEHAVIOUR_OF(name, families)                                                               \
    static void name##_behaviour(const struct net_kernel *k, enum family family);                  \
    TEST(name##_on_linux)                                                                          \
    {                                                                                              \
        for (int f = V4; f <= UNIX; f <<= 1)                                                       \
            if ((families)&f)                                                                      \
                name##_behaviour(&net_real, f);                                                    \
    }                                                                                              \
    TEST(name##_simulated)                                                                         \
    {                                                                                              \
        for (int f = V4; f <= UNIX; f <<= 1)                                                       \
            for (uint64_t seed = 1; (families)&f && seed <= NET_MODEL_SEEDS; seed++) {             \
                net_model_open(seed);                                                              \
                name##_behaviour(&net_model, f);                                                   \
                net_model_close();                                                                 \
            }                                                                                      \
    }                                                                                              \
    static void name##_behaviour(const struct net_kernel *k, enum family family)
#define BOTH(name) name##_on_linux, name##_simulated

#define ok(expression) ck_assert_int_ge((expression), 0)
#define same(a, b) ck_assert_int_eq((a), (b))

union net_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
    struct sockaddr_storage room;
};

static inline int domain_of(enum family family)
{
    return family == V4 ? AF_INET : family == V6 ? AF_INET6 : AF_UNIX;
}

/* The loopback address of the family with this port; for UNIX a name of nobody's choosing. */
static inline socklen_t loopback(union net_address *address, enum family family, int port)
{
    memset(address, 0, sizeof *address);
    address->any.sa_family = (sa_family_t)domain_of(family);
    if (family == V4) {
        address->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address->v4.sin_port = htons((uint16_t)port);
        return sizeof address->v4;
    }
    if (family == V6) {
        address->v6.sin6_addr = in6addr_loopback;
        address->v6.sin6_port = htons((uint16_t)port);
        return sizeof address->v6;
    }
    return sizeof(sa_family_t);
}

static inline int port_of(const struct net_kernel *k, int fd)
{
    union net_address address;
    socklen_t length = sizeof address;

    ok(k->getsockname(fd, &address.any, &length));
    return ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
}

static inline int stream_socket(const struct net_kernel *k, enum family family)
{
    int fd = k->socket(domain_of(family), SOCK_STREAM, 0);

    ok(fd);
    return fd;
}

static inline int listener_of(const struct net_kernel *k, enum family family, int backlog)
{
    union net_address address;
    socklen_t length = loopback(&address, family, 0);
    int fd = stream_socket(k, family);

    same(k->bind(fd, &address.any, length), 0);
    same(k->listen(fd, backlog), 0);
    return fd;
}

static inline int connect_to(const struct net_kernel *k, int fd, int listener)
{
    union net_address address;
    socklen_t length = sizeof address;

    ok(k->getsockname(listener, &address.any, &length));
    return k->connect(fd, &address.any, length);
}

static inline int accept_from(const struct net_kernel *k, int listener)
{
    int fd;

    ck_assert_int_ne(k->await(listener, POLLIN) & POLLIN, 0);
    fd = k->accept(listener);
    ok(fd);
    return fd;
}

/* A connected socket; the other end is in the listener's queue, or soon will be. */
static inline int connected_to(const struct net_kernel *k, enum family family, int listener)
{
    int fd = stream_socket(k, family), error = connect_to(k, fd, listener);

    same(error, family == UNIX ? 0 : -EINPROGRESS);
    ck_assert_int_ne(k->await(fd, POLLOUT) & POLLOUT, 0);
    return fd;
}

struct ends {
    int here, there; /* connected; accepted */
};

static inline struct ends pair_of(const struct net_kernel *k, enum family family)
{
    int listener = listener_of(k, family, 8);
    struct ends ends = {.here = connected_to(k, family, listener)};

    ends.there = accept_from(k, listener);
    same(k->close(listener), 0);
    return ends;
}

static inline void part(const struct net_kernel *k, struct ends ends)
{
    same(k->close(ends.here), 0);
    same(k->close(ends.there), 0);
}

static inline int option_of(const struct net_kernel *k, int fd, int level, int option)
{
    int value = -12345;
    socklen_t length = sizeof value;
    int error = k->getsockopt(fd, level, option, &value, &length);

    return error < 0 ? error : value;
}

static inline int set_option(const struct net_kernel *k, int fd, int level, int option, int value)
{
    return k->setsockopt(fd, level, option, &value, sizeof value);
}

/* The next close resets the connection. */
static inline void reset(const struct net_kernel *k, int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    same(k->setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    same(k->close(fd), 0);
}

/* Sends all of it, receives all of it; the bytes must be the same. */
static inline void carry(const struct net_kernel *k, int from, int to, const char *text)
{
    size_t size = strlen(text), got = 0;
    char bytes[256];

    same(k->send(from, text, size, 0), (int)size);
    while (got < size) {
        ck_assert_int_ne(k->await(to, POLLIN) & POLLIN, 0);
        int n = k->recv(to, bytes + got, sizeof bytes - got, 0);
        ck_assert_int_gt(n, 0);
        got += (size_t)n;
    }
    same(got, size);
    ck_assert_mem_eq(bytes, text, size);
}

#endif
