/*
 * What the tests of streams share: a stream of a descriptor, and one with its peer.
 */
#ifndef WEFT_TESTS_SUPPORT_STREAM_H
#define WEFT_TESTS_SUPPORT_STREAM_H

#include "support/net.h"

struct stream_pair {
    int fd; /* the peer's end; -1: it is closed */
    weft_stream *stream;
};

static inline weft_stream *stream_of(int fd)
{
    weft_stream *stream;

    ck_assert_int_eq(weft_stream_open(fd, NULL, &stream), 0);
    return stream;
}

static inline void stream_pair_open(struct stream_pair *pair, const struct weft_stream_opt *opt)
{
    int there;

    net_pair(&pair->fd, &there);
    ck_assert_int_eq(weft_stream_open(there, opt, &pair->stream), 0);
}

static inline void stream_pair_close(struct stream_pair *pair)
{
    ok(weft_stream_close(pair->stream));
    if (pair->fd >= 0)
        ok(weft_close(pair->fd));
}

#endif
