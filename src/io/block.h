/*
 * io/block.h - the blocks that files are read ahead into, and a reactor's pool of them.
 *
 * A block is a piece of memory on a boundary of pages, and the one request that fills it. It is in
 * the chain of a file, or dropped by it and in flight yet, or spare. Spare ones are kept for the
 * next file up to WEFT__BLOCKS_SPARE bytes; the latest put back is the first taken.
 *
 * Touched on its reactor only.
 */
#ifndef WEFT_IO_BLOCK_H
#define WEFT_IO_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "io/fd.h"
#include "reactor/op.h"

struct weft_file;

enum { WEFT__BLOCK_ALIGNMENT = 4096, WEFT__BLOCKS_SPARE = 2 << 20 };

struct weft__block {
    struct weft__op op;       /* first; the read that fills it */
    struct weft__fd_use use;  /* while that is in flight */
    struct weft_file *file;   /* whose it is */
    struct weft__block *next; /* behind it in the file; or the next spare one */
    char *data;
    uint64_t offset;  /* in the file, of data[0] */
    uint64_t changes; /* of the file, when the read was asked for: an end found by an older one is
                         none */
    uint32_t size;
    uint32_t filled; /* so many bytes from data[0] on have been read */
    uint32_t from;   /* where the read goes on: there, or with O_DIRECT at the unit before */
    int32_t error;   /* why nothing was read behind them */
    bool ended;      /* the file ended behind them */
    bool dropped;    /* put back with its completion */
    bool of_arena;   /* its memory is */
};

/* All zero but for its memory and size. of_arena: memory that the ring may hold (io/arena.h), for
   files with O_DIRECT. NULL: no memory. */
struct weft__block *weft__block_take(struct weft__io *io, uint32_t size, bool of_arena);
/* Not in flight. */
void weft__block_put(struct weft__io *io, struct weft__block *block);
/* Frees those that are spare. */
void weft__blocks_free(struct weft__io *io);

#endif
