/*
 * io/file_watch.h - watches of this reactor; <weft/watch.h> is the reference.
 *
 *      kernel's queue --read, many at once--> bytes[at, end) --one each--> tasks, in turn
 *
 * Who has the lock looks into `bytes`, then into the kernel's queue, then waits, by a poll of the
 * ring: the others wait for the lock. So what was read for many wakes one after the other, and
 * nobody sleeps beside something that lies there.
 */
#ifndef WEFT_IO_FILE_WATCH_H
#define WEFT_IO_FILE_WATCH_H

#include <stdbool.h>
#include <weft/sync.h>
#include <weft/watch.h>

#include "io/io.h"

enum { WEFT__WATCH_BYTES = 4096 };

struct weft_watch {
    struct weft__io *io;
    struct weft_watch *next, **link; /* among the reactor's */
    int fd;
    uint64_t owner; /* the word of its record, for as long as the descriptor is its own */
    bool lost;      /* it is not, which nothing but a read has told */
    bool closing;
    uint32_t users;            /* tasks inside a call */
    struct weft__wait *closer; /* waits for them */
    weft_lock lock;
    uint32_t at, end; /* of what was read and is not taken yet */
    _Alignas(8) char bytes[WEFT__WATCH_BYTES];
};

/* Is it the descriptor of one of them? */
bool weft__file_watches_have(const struct weft__io *io, int fd);
/* Nothing is in flight any more: closes and frees them all. */
void weft__file_watches_stop(struct weft__io *io);

#endif
