/*
 * What the tests of bytes through TLS share: a connection of which the kernel keeps little, and a
 * writer who is seen to wait.
 */
#ifndef WEFT_TESTS_TLS_TRANSFER_H
#define WEFT_TESTS_TLS_TRANSFER_H

#include "pair.h"

enum { TOO_MUCH = 16 * 1024 * 1024 /* for the kernel to keep */ };

static inline void put(weft_tls *tls, const char *text)
{
    size_t done = 0;

    is(weft_tls_write(tls, text, strlen(text), &done), (ssize_t)strlen(text));
    is(done, strlen(text));
}

/* A Unix socket, of which the kernel keeps little. */
static inline void unix_streams(struct pair *pair)
{
    char address[64];
    int listener, fd;

    snprintf(address, sizeof address, "unix:@weft-tls-%d", getpid());
    listener = weft_listen_tcp(address, NULL);
    ok(listener);
    fd = weft_connect_tcp(address, NULL);
    ok(fd);
    is(weft_stream_open(fd, NULL, &pair->client_stream), 0);
    fd = weft_accept(listener, NULL, NULL, 0);
    ok(fd);
    is(weft_stream_open(fd, NULL, &pair->server_stream), 0);
    ok(weft_close(listener));
}

/* Nobody reads: it goes on until nothing more fits. */
static inline void until_it_waits(void)
{
    uint64_t before;

    do {
        before = net_stats().bytes_sent;
        ok(weft_sleep(5000000));
    } while (before != net_stats().bytes_sent);
}

#endif
