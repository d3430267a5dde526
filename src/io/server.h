/*
 * io/server.h - inside a server: who owns which listener, and what is shared.
 *
 *      starter's scope
 *         └─ the server's task: scope `listeners`
 *               ├─ (itself) listener 0 ── scope of connections ── a task each
 *               └─ a task on each other reactor: its listener ── scope of connections ── a task
 * each
 *
 * The object is touched on the reactor that started it, but for what is said to be shared: that is
 * written before those tasks are spawned, or atomic. It is freed by weft_server_close, or with the
 * io layer, and either way after the last of its tasks and of those who wait for its end.
 */
#ifndef WEFT_IO_SERVER_H
#define WEFT_IO_SERVER_H

#include <stdatomic.h>
#include <weft/server.h>

#include "io/stream.h"

enum weft__server_count {
    WEFT__SERVER_ACTIVE,
    WEFT__SERVER_FINISHED,
    WEFT__SERVER_FAILED,
    WEFT__SERVER_REFUSED,
    WEFT__SERVER_CUT,
    WEFT__SERVER_OVER_TIME,
    WEFT__SERVER_OVER_BYTES,
    WEFT__SERVER_COUNTS
};

/* What a connection may still move; in the frame of its task. */
struct weft__budget {
    uint64_t left;
    struct weft__scope *scope; /* is cancelled when nothing is left */
    bool over;
};

struct weft_transport;

/* What a listener knows of its connections; in the frame of its task. */
struct weft__gate {
    struct weft_server *server;
    uint32_t active;
    struct weft__wait *waiter; /* the listener, waiting for room, or for their ends */
    struct weft_transport *first,
        **last;               /* those without tasks, if they have limits, oldest first */
    struct weft__timer timer; /* when the first of them is over its time */
};

/* server_serve.c: one less; the listener is told. */
void weft__gate_leave(struct weft__gate *gate, enum weft__server_count what);

/* server_protocol.c */
void weft__gate_open(struct weft__gate *gate, struct weft_server *server);
/* Have its transports any? */
bool weft__gate_limits(const struct weft__gate *gate);
/* Makes a transport of the connection. 0; else it is still the caller's. */
int weft__gate_admit(struct weft__gate *gate, int fd);
/* The transport is lost, with that error. */
void weft__gate_left(struct weft_transport *transport, int error);
/* Waits until all have ended; those who do not in time, or who may not, are cut. */
void weft__gate_finish(struct weft__gate *gate, bool drains);

/* server.c: connections, for streams and transports. */
enum { WEFT__ADDRESS_TEXT_SIZE = 256 };
int weft__unix_address(char text[WEFT__ADDRESS_TEXT_SIZE], const char *path);
/* A connected descriptor, and the options in full. */
int weft__connection_open(const char *address, const struct weft_connection_opt *opt,
                          struct weft_connection_opt *own);

struct weft_server {
    struct weft__io *io;
    struct weft_server *next, **link; /* among the io layer's */
    weft_task task;
    weft_scope listeners; /* open while `serving` */
    bool serving;
    bool ended;
    int32_t result;            /* once ended */
    bool closing;              /* weft_server_close has begun */
    uint32_t users;            /* tasks that wait for its end, but for who closes it */
    struct weft__wait *closer; /* who waits until there are none */

    /* shared, and written before anybody else looks */
    weft_connection_fn handler;
    const struct weft_protocol *protocol; /* instead of a handler */
    void *arg;
    struct weft_server_opt opt;
    struct weft_stream_opt stream_opt;
    uint32_t count; /* of listeners */
    uint32_t here;  /* which of them is this reactor's */
    int *fds;       /* of them, in order of the reactors; -1: closed by whose it is */
    int port;
    bool given;          /* they listened before */
    _Atomic(int) *shown; /* the same, until they are closed: then -1. Relaxed: a number, no more */

    /* shared */
    _Atomic(int64_t) soft, hard; /* of weft_server_drain; 0: there was none. Relaxed: who looks has
                                    been told of the drain by a message */
    _Atomic(bool) retires;       /* and nobody is to be refused; written before `soft`, likewise */
    _Atomic(uint64_t) counts[WEFT__SERVER_COUNTS]; /* relaxed: each stands for itself */
};

static inline void weft__server_count(struct weft_server *server, enum weft__server_count which,
                                      uint64_t by)
{
    atomic_fetch_add_explicit(&server->counts[which], by, memory_order_relaxed);
}

/* server_serve.c: the body of the server's task; arg: struct weft_server **. */
int weft__server_main(void *arg);

/* The io layer closes: frees those that nobody closed. */
void weft__servers_free(struct weft__io *io);

#endif
