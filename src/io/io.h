/*
 * io/io.h - the io layer's state on one reactor, and how it starts and stops with it.
 *
 * A descriptor left open when the runtime stops stays open: it is the user's, and its record is
 * given back, so that a later run may use it. Connections accepted and not taken are closed. A
 * stream owns its descriptor: one that was never closed is aborted, its descriptor closed, its
 * memory freed. So does a file object.
 */
#ifndef WEFT_IO_IO_H
#define WEFT_IO_IO_H

#include <stddef.h>
#include <stdint.h>

#include "reactor/reactor.h"

struct weft__acceptor;
struct weft__arena;
struct weft__block;
struct weft__buffers;
struct weft__closer;
struct weft__fd;
struct weft__fd_use;
struct weft__give;
struct weft__pool;
struct weft__sending;
struct weft__starved;
struct weft__watched;
struct weft_file;
struct weft_server;
struct weft_process;
struct weft_signals;
struct weft_watch;

enum { WEFT__PIPES_SPARE = 8 };

struct weft__io {
    struct weft__fd *fds; /* the process's table */
    uint32_t fd_count;    /* its length */
    uint32_t id;          /* never used twice in a process; never 0 */
    struct weft__reactor *reactor;
    uint32_t fd_high; /* no record above this one is ours */
    struct weft__acceptor *acceptors;
    uint32_t accepts_starved;        /* how many of them pause for want of descriptors */
    int pipes[WEFT__PIPES_SPARE][2]; /* spare, empty: stream_splice.c */
    uint32_t pipe_count;
    struct weft__starved *streams; /* those that wait neither for a buffer nor ...: io/stream.h */
    struct weft__starved *retries; /* ... to try again when the timer fires */
    struct weft__timer retry;
    struct weft__sending *sendings; /* put aside */
    uint32_t sendings_count;
    struct weft_process *processes; /* not closed yet */
    struct weft_signals *signals;   /* taken, or descriptors for the next */
    struct weft_watch *watches;     /* not closed yet */
    struct weft_server *servers;
    struct weft__buffers *buffers; /* NULL until the first stream */
    struct weft_file *files;       /* file objects */
    struct weft__block *blocks;    /* spare, of theirs: io/block.h */
    size_t blocks_bytes;           /* in them */
    struct weft__arena *arena;     /* memory for files; NULL until the first is taken */
    struct weft__fd_use *uses;     /* of descriptors, by any number of requests at once: io/fd.h */
    struct weft__closer *closers;  /* who wait for those who have a descriptor: io/fd.h */
    struct weft__watched *watched; /* by descriptor, readers and writers: io/watcher.c */
    uint32_t watched_count;        /* its length */
    struct weft__pool *pool;       /* NULL until the first call that has no request: io/offload.h */
    uint32_t offloaded;            /* such calls under way */
    struct weft__pool *sleepers;   /* NULL until the first: io/futex.c */
    uint32_t asleep;               /* of their threads, those in use */
    struct weft__give *gives;      /* given, and not let go of by the kernel: io/give.h */
    struct weft__timer gives_limit; /* how long a stop waits for them without resetting */
    uint32_t zero_copy_min;         /* bytes; 0: not asked for yet */
};

static inline struct weft__io *weft__io_of(const struct weft__reactor *reactor)
{
    return (struct weft__io *)reactor->io;
}

/* On the reactor's thread, once its ring is open. 0 or -ENOMEM. */
int weft__io_open(struct weft__reactor *reactor);

/* On the loop, once every task has ended: ends armed accepts, receives and polls and frees what is
   idle. */
void weft__io_stop(struct weft__reactor *reactor);

/* Once nothing is in flight any more. Frees the rest. */
void weft__io_close(struct weft__reactor *reactor);

#endif
