/*
 * Memory that is given to be sent, and peers that check what comes of it: what the tests of
 * weft_send_give and weft_stream_write_give share.
 */
#ifndef WEFT_TESTS_SUPPORT_GIFT_H
#define WEFT_TESTS_SUPPORT_GIFT_H

#include <stdatomic.h>

#include "support/net.h"

enum {
    GIFT_LARGE = 1 << 18,
    GIFT_SMALL = 32768
}; /* bytes given, and those that a connection is to hold */

/* Both ends of a connection that holds little: so much here, and so much there from the first, for
   bytes that come to a window that has shrunk are sent again only after a while. */
static inline void gift_pair(int *here, int *there, int sent, int received)
{
    int port, listener = net_listen(&port);
    struct sockaddr_in address = net_loopback(port);

    ok(weft_setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &received, sizeof received));
    *here = weft_socket(AF_INET, SOCK_STREAM, 0);
    ok(*here);
    ok(weft_setsockopt(*here, SOL_SOCKET, SO_SNDBUF, &sent, sizeof sent));
    ok(weft_connect(*here, (struct sockaddr *)&address, sizeof address));
    *there = weft_accept(listener, NULL, NULL, 0);
    ok(*there);
    ok(weft_setsockopt(*there, SOL_SOCKET, SO_RCVBUF, &received, sizeof received));
    ok(weft_close(listener));
}

/* Of one that does not hold a large gift. */
static inline void gift_narrow_pair(int *here, int *there)
{
    gift_pair(here, there, GIFT_SMALL, GIFT_SMALL);
}

/* What is given. Who reads it after the release reads something else. */
struct gift {
    unsigned char *bytes;
    size_t size;
    uint64_t seed;
    atomic_int released;
    uint32_t reactor; /* that released it, written before */
};

static inline void gift_release(void *arg)
{
    struct gift *gift = arg;

    memset(gift->bytes, 0xee, gift->size);
    free(gift->bytes);
    gift->bytes = NULL;
    gift->reactor = weft_reactor_index();
    ck_assert_int_eq(gift->released++, 0);
}

static inline void gift_wrap(struct gift *gift, size_t size, uint64_t seed)
{
    gift->bytes = malloc(size);
    gift->size = size;
    gift->seed = seed;
    gift->released = 0;
    ck_assert_ptr_nonnull(gift->bytes);
    net_fill(gift->bytes, size, seed, 0);
}

static inline void gift_wait(const struct gift *gift)
{
    while (!gift->released)
        ok(weft_sleep(1000000));
}

/* A run with this least size; what it returns. 1: everything that is given is sent without a copy,
   where that can be. */
static inline int gift_result(weft_task_fn fn, uint32_t zero_copy_min)
{
    struct weft_run_opt opt = {.size = sizeof opt, .zero_copy_min = zero_copy_min};

    return weft_run(fn, NULL, 0, &opt);
}

static inline void gift_run(weft_task_fn fn, uint32_t zero_copy_min)
{
    ck_assert_int_eq(gift_result(fn, zero_copy_min), 0);
}

/* Of one that returns 1 when anything was sent without a copy, else 0: it is, where that can be. */
static inline int gift_main_uncopied(void *arg)
{
    weft_task_fn *fn = arg;

    ck_assert_int_eq((*fn)(NULL), net_has("send_zc"));
    return 0;
}

static inline void gift_run_uncopied(weft_task_fn fn)
{
    struct weft_run_opt opt = {.size = sizeof opt, .zero_copy_min = 1};

    ck_assert_int_eq(weft_run(gift_main_uncopied, &fn, sizeof fn, &opt), 0);
}

struct gift_taker {
    int fd;
    size_t size;
    uint64_t seed;
};

/* The peer: takes so many bytes, which must be those. */
static inline int gift_take(void *arg)
{
    const struct gift_taker *taker = arg;
    static unsigned char piece[65536];
    size_t done = 0;

    while (done < taker->size) {
        size_t left = taker->size - done;
        ssize_t n = weft_recv(taker->fd, piece, left < sizeof piece ? left : sizeof piece, 0);
        if (n <= 0)
            return n < 0 ? (int)n : -ENODATA;
        net_check(piece, (size_t)n, taker->seed, done);
        done += (size_t)n;
    }
    return 0;
}

/* What the peer finds is the beginning of it, at least `least` bytes, up to the end. */
static inline void gift_take_rest(int fd, uint64_t seed, size_t least)
{
    static unsigned char piece[65536];
    size_t done = 0;
    ssize_t n;

    while ((n = weft_recv(fd, piece, sizeof piece, 0)) > 0) {
        net_check(piece, (size_t)n, seed, done);
        done += (size_t)n;
    }
    ck_assert_int_eq(n, 0);
    ck_assert_uint_ge(done, least);
}

#endif
