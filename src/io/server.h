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
 * io layer, and either way after the last of its tasks.
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

struct weft_server {
    struct weft__io *io;
    struct weft_server *next, **link; /* among the io layer's */
    weft_task task;
    weft_scope listeners; /* open while `serving` */
    bool serving;
    bool ended;
    int32_t result; /* once ended */

    /* shared, and written before anybody else looks */
    weft_connection_fn handler;
    void *arg;
    struct weft_server_opt opt;
    struct weft_stream_opt stream_opt;
    uint32_t count; /* of listeners */
    uint32_t here;  /* which of them is this reactor's */
    int *fds;       /* of them, in order of the reactors; -1: closed by whose it is */
    int port;

    /* shared */
    _Atomic(int64_t) soft, hard; /* of weft_server_drain; 0: there was none. Relaxed: who looks has
                                    been told of the drain by a message */
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
