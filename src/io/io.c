/*
 * io/io.c - the io layer's state on one reactor; io.h states what a stop does.
 */
#include "io/io.h"

#include <stdatomic.h>

#include "base/memory.h"
#include "io/accept.h"
#include "io/arena.h"
#include "io/buffers.h"
#include "io/fd.h"
#include "io/file_object.h"
#include "io/file_watch.h"
#include "io/futex.h"
#include "io/give.h"
#include "io/offload.h"
#include "io/process.h"
#include "io/server.h"
#include "io/signal.h"
#include "io/stream.h"
#include "io/watcher.h"

static _Atomic(uint32_t) latest_id;

/* Ids are compared with the lower half of a record's word, whose top bit says "closing". */
static uint32_t next_id(void)
{
    uint32_t id;

    do
        id = (atomic_fetch_add_explicit(&latest_id, 1, memory_order_relaxed) + 1) &
             ~(uint32_t)WEFT__FD_CLOSING;
    while (id == 0);
    return id;
}

int weft__io_open(struct weft__reactor *reactor)
{
    struct weft__io *io = weft__calloc(1, sizeof *io);
    int error;

    if (!io)
        return -ENOMEM;
    error = weft__fd_table_get(&io->fds, &io->fd_count);
    if (error < 0) {
        weft__free(io);
        return error;
    }
    io->id = next_id();
    io->reactor = reactor;
    reactor->io = io;
    return 0;
}

void weft__io_stop(struct weft__reactor *reactor)
{
    struct weft__io *io = weft__io_of(reactor);
    struct weft__acceptor *next;

    for (struct weft__acceptor *acceptor = io->acceptors; acceptor; acceptor = next) {
        next = acceptor->next;
        weft__acceptor_stop(acceptor);
    }
    weft__streams_stop(io);
    weft__watchers_stop(io);
    weft__processes_stop(io);
    weft__gives_stop(io);
    weft__files_stop(io);
}

void weft__io_close(struct weft__reactor *reactor)
{
    struct weft__io *io = weft__io_of(reactor);

    weft__futex_close(io);
    weft__offload_close(io);
    weft__signals_stop(io);
    weft__file_watches_stop(io);
    weft__servers_free(io);
    weft__fd_release_all(io);
    weft__fd_table_put();
    weft__pipes_close(io);
    weft__buffers_free(io->buffers);
    weft__sendings_free(io);
    weft__blocks_free(io);
    weft__arena_close(io);
    weft__free(io->watched);
    weft__free(io);
    reactor->io = NULL;
}
