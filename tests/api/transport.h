/*
 * What the tests of protocols and transports share: a protocol that notes what it is told, a letter
 * each, one that sends back what it is told, and what is asked of a server.
 */
#ifndef WEFT_TESTS_API_TRANSPORT_H
#define WEFT_TESTS_API_TRANSPORT_H

#include "support/server.h"

enum { LOG = 4096 };

struct shared { /* of the connections of a test: their `arg` */
    char log[LOG];
    size_t logged;
    int error;      /* the latest connection_lost told */
    int lost;       /* how many */
    uint64_t bytes; /* received */
    weft_transport *latest;
    bool keep;   /* after the end of the peer's side */
    size_t room; /* of buffered protocols, at one time */
    char memory[64];
    unsigned char *all; /* where received bytes go, or NULL */
};

static inline void note(weft_transport *transport, char letter)
{
    struct shared *shared = weft_transport_arg(transport);

    if (shared->logged + 1 < LOG &&
        (shared->logged == 0 || letter != 'd' || shared->log[shared->logged - 1] != 'd'))
        shared->log[shared->logged++] = letter;
}

static inline void made(weft_transport *transport, void *self)
{
    struct shared *shared = weft_transport_arg(transport);

    ck_assert_ptr_eq(self, weft_transport_state(transport));
    ck_assert_int_eq(*(int *)self, 0);
    *(int *)self = 1;
    shared->latest = transport;
    note(transport, 'm');
    ck_assert_int_eq(weft_sleep(1), -EPERM);
}

static inline void received(weft_transport *transport, const void *data, size_t size, void *self)
{
    struct shared *shared = weft_transport_arg(transport);

    ck_assert_int_eq(*(int *)self, 1);
    ck_assert_uint_gt(size, 0);
    note(transport, 'd');
    if (shared->all)
        memcpy(shared->all + shared->bytes, data, size);
    shared->bytes += size;
}

static inline void echoed(weft_transport *transport, const void *data, size_t size, void *self)
{
    received(transport, data, size, self);
    ck_assert_int_eq(weft_transport_write(transport, data, size), (ssize_t)size);
}

static inline bool ended(weft_transport *transport, void *self)
{
    ck_assert_int_eq(*(int *)self, 1);
    note(transport, 'e');
    return ((struct shared *)weft_transport_arg(transport))->keep;
}

static inline void lost(weft_transport *transport, int error, void *self)
{
    struct shared *shared = weft_transport_arg(transport);
    struct weft_stream_info info;

    ck_assert_int_eq(*(int *)self, 1);
    *(int *)self = 2;
    note(transport, 'l');
    shared->error = error;
    shared->lost++;
    shared->latest = NULL;
    ck_assert_int_eq(weft_transport_write(transport, "x", 1), -EBADF);
    ck_assert_int_eq(weft_transport_close(transport), -EBADF);
    ok(weft_transport_get_extra_info(transport, &info, sizeof info));
}

static inline void paused(weft_transport *transport, void *self)
{
    (void)self;
    note(transport, 'p');
}

static inline void resumed(weft_transport *transport, void *self)
{
    (void)self;
    note(transport, 'r');
}

static const struct weft_protocol sink = {.size = sizeof sink,
                                          .state_size = sizeof(int),
                                          .connection_made = made,
                                          .data_received = received,
                                          .eof_received = ended,
                                          .connection_lost = lost,
                                          .pause_writing = paused,
                                          .resume_writing = resumed};
static const struct weft_protocol echo = {.size = sizeof echo,
                                          .state_size = sizeof(int),
                                          .connection_made = made,
                                          .data_received = echoed,
                                          .eof_received = ended,
                                          .connection_lost = lost};

/* A transport with that protocol, and the peer's descriptor. */
static inline weft_transport *open_one(struct shared *shared, const struct weft_protocol *protocol,
                                       int *fd)
{
    weft_transport *transport = NULL;
    int there;

    net_pair(fd, &there);
    ok(weft_transport_open(there, protocol, shared, NULL, &transport));
    ck_assert_uint_eq(shared->logged, 0); /* nothing is told from inside the call */
    return transport;
}

static inline void until_lost(struct shared *shared, int count)
{
    while (shared->lost < count)
        ok(weft_sleep(1000000));
}

static inline void told(const struct shared *shared, const char *letters)
{
    ck_assert_str_eq(shared->log, letters);
}

static inline void hear_end(int fd)
{
    char byte;
    ssize_t n = weft_recv(fd, &byte, 1, 0);

    ck_assert(n == 0 || n == -ECONNRESET);
    ok(weft_close(fd));
}

#endif
