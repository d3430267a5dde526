/*
 * What the tests of servers share: what one has counted, and connections to it.
 */
#ifndef WEFT_TESTS_SUPPORT_SERVER_H
#define WEFT_TESTS_SUPPORT_SERVER_H

#include "support/net.h"

static inline struct weft_server_counts server_counts(const weft_server *server)
{
    struct weft_server_counts counts;

    ck_assert_int_eq(weft_server_counts(server, &counts, sizeof counts), 0);
    return counts;
}

/* Waits until so many are being served. */
static inline void server_until_active(const weft_server *server, uint64_t count)
{
    while (server_counts(server).active != count)
        ok(weft_sleep(1000000));
}

/* Valid until the next call. */
static inline const char *server_address(const weft_server *server)
{
    static char address[32];

    snprintf(address, sizeof address, "127.0.0.1:%d", weft_server_port(server));
    return address;
}

static inline int server_dial(const weft_server *server)
{
    int fd = weft_connect_tcp(server_address(server), NULL);

    ok(fd);
    return fd;
}

static inline weft_stream *server_connect(const weft_server *server)
{
    weft_stream *stream;

    ck_assert_int_eq(weft_open_connection(server_address(server), NULL, &stream), 0);
    return stream;
}

#endif
