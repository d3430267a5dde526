/*
 * What the tests of sockets share: listeners on a free port, a run with a time limit of its own,
 * and plain blocking peers that know nothing of weft.
 */
#ifndef WEFT_TESTS_SUPPORT_NET_H
#define WEFT_TESTS_SUPPORT_NET_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <weft/weft.h>

#include "support/test.h"

#define ok(expression) ck_assert_int_ge((expression), 0)

/* Runs `fn` as the main task of one reactor; its result must be 0. */
static inline void net_run(weft_task_fn fn)
{
    ck_assert_int_eq(weft_run(fn, NULL, 0, NULL), 0);
}

static inline struct sockaddr_in net_loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

/* A listener on a port of 127.0.0.1 that the kernel chose. */
static inline int net_listen(int *port)
{
    int listener = weft_listen_tcp("127.0.0.1:0", NULL);

    ok(listener);
    *port = weft_local_port(listener);
    ck_assert_int_gt(*port, 0);
    return listener;
}

/* A port of 127.0.0.1 at which nobody listens, as long as this descriptor is open: one that was
   closed may be somebody else's the moment after. */
static inline int net_nobody(int type, int *port)
{
    struct sockaddr_in address = net_loopback(0), elsewhere = net_loopback(1);
    int fd = weft_socket(AF_INET, type, 0);

    ok(fd);
    ok(weft_bind(fd, (struct sockaddr *)&address, sizeof address));
    *port = weft_local_port(fd);
    ck_assert_int_gt(*port, 0);
    if (type == SOCK_DGRAM) /* so it takes nothing from anybody else */
        ok(weft_connect(fd, (struct sockaddr *)&elsewhere, sizeof elsewhere));
    return fd;
}

/* Both ends of a TCP connection, in weft. */
static inline void net_pair(int *here, int *there)
{
    int port, listener = net_listen(&port);
    struct sockaddr_in address = net_loopback(port);

    *here = weft_socket(AF_INET, SOCK_STREAM, 0);
    ok(*here);
    ck_assert_int_eq(weft_connect(*here, (struct sockaddr *)&address, sizeof address), 0);
    *there = weft_accept(listener, NULL, NULL, 0);
    ok(*there);
    ck_assert_int_eq(weft_close(listener), 0);
}

/* For datagrams, on a port that the kernel chose. */
static inline int net_udp(void)
{
    int fd = weft_datagram_socket("127.0.0.1:0", NULL, NULL);

    ok(fd);
    return fd;
}

static inline int net_option(int fd, int level, int option)
{
    int value = -1;
    socklen_t length = sizeof value;

    ok(weft_getsockopt(fd, level, option, &value, &length));
    return value;
}

/* What comes next is this text. */
static inline void net_hear(int fd, const char *text, size_t size)
{
    char bytes[256];

    ck_assert_uint_le(size, sizeof bytes);
    ck_assert_int_eq(weft_recv_exactly(fd, bytes, size, NULL), (ssize_t)size);
    ck_assert_mem_eq(bytes, text, size);
}

/* All that comes until the peer has closed, in order or not. */
static inline void net_hear_end(int fd)
{
    char bytes[256];
    ssize_t n;

    while ((n = weft_recv(fd, bytes, sizeof bytes, 0)) > 0)
        continue;
    ck_assert(n == 0 || n == -ECONNRESET);
    ok(weft_close(fd));
}

/* One end of a TCP connection that the other has reset, when that has come. */
static inline int net_reset_one(void)
{
    struct weft_socket_opt opt = {.size = sizeof opt, .reset_on_close = true};
    int here, there;

    net_pair(&here, &there);
    ck_assert_int_eq(weft_socket_set(there, &opt), 0);
    ck_assert_int_eq(weft_close(there), 0);
    while (!(weft_poll(here, POLLIN) & POLLERR))
        ck_assert_int_eq(weft_yield(), 0);
    return here;
}

/* A blocking socket connected to 127.0.0.1:port. */
static inline int net_plain_connect(int port)
{
    struct sockaddr_in address = net_loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ok(fd);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* The next close of `fd` resets the connection. */
static inline void net_plain_reset(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(fd);
}

static inline struct weft_stats net_stats(void)
{
    struct weft_stats stats;

    ck_assert_int_eq(weft_stats(&stats, sizeof stats), 0);
    return stats;
}

/* Does the running ring use this feature? (WEFT_RING_MASK may have taken it away.) */
static inline bool net_has(const char *feature)
{
    char text[512];

    ok(weft_features(text, sizeof text));
    return strstr(text, feature) != NULL;
}

/* On a simulated kernel that is late and gives little at a time, more requests are needed: what
   things cost is counted on the others. */
static inline bool net_is_rough(void)
{
    const char *plan = getenv("WEFT_SIM_PLAN");

    return plan && strncmp(plan, "calm", 4) != 0;
}

/* Sends until nothing more goes, also after what was under way has arrived. */
static inline void net_fill_up(int fd)
{
    static char bytes[1 << 16];
    bool more = true;

    while (more) {
        ssize_t n;

        more = false;
        while ((n = weft_send(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
            more = true;
        ck_assert_int_eq(n, -EAGAIN);
        ok(weft_sleep(INT64_C(1000000) * (net_is_rough() ? 2000 : 10)));
    }
}

/* Repeatable noise: byte i of the stream with this seed. */
static inline unsigned char net_byte(uint64_t seed, uint64_t i)
{
    uint64_t x = (i + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ seed * UINT64_C(0xbf58476d1ce4e5b9);

    x ^= x >> 29;
    x *= UINT64_C(0x94d049bb133111eb);
    return (unsigned char)(x >> 56);
}

static inline void net_fill(unsigned char *bytes, size_t size, uint64_t seed, uint64_t from)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = net_byte(seed, from + i);
}

static inline void net_check(const unsigned char *bytes, size_t size, uint64_t seed, uint64_t from)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != net_byte(seed, from + i))
            ck_abort_msg("byte %llu of stream %llu is wrong", (unsigned long long)(from + i),
                         (unsigned long long)seed);
}

#endif
