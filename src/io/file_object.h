/*
 * io/file_object.h - inside a file object: the chain of blocks that are read, or being read, from
 * its position on.
 *
 *                 position
 *                    v
 *      |...........######|#################|####............|................|
 *       head             filled             short, in flight  in flight
 *
 * The chain has no gaps, and begins with the block that the position is in, or is empty. Of a block
 * that is not in flight and not filled, either the file ended there, or an error is to be told
 * there, or the read was short or given up: who comes there has it go on. So nothing is ever in
 * flight twice for one place, and nothing is said of a place that nobody reads.
 *
 * What leaves the chain while it is in flight is cancelled, and counted (`blocks`) until its
 * completion, which puts it back. While a view is lent its block stays, `stale` if what is behind
 * it, or in it, is to be read anew.
 *
 * Belongs to the reactor that opened it. Who closes it frees it, with nobody inside and nothing in
 * flight; else, once the io layer stops, the last completion does.
 */
#ifndef WEFT_IO_FILE_OBJECT_H
#define WEFT_IO_FILE_OBJECT_H

#include <weft/file_object.h>

#include "io/arena.h"
#include "io/block.h"
#include "io/io.h"
#include "task/task.h"

/* So many requests at offsets, and the ring is to hold the open file. */
enum { WEFT__FILE_OFTEN = 16 };

struct weft_file {
    struct weft__io *io;
    struct weft_file *next, **link; /* among those of the io layer */
    struct weft__block *head;       /* the chain */
    struct weft__block **tail;      /* where the next one is hung */
    struct weft__wait *reader;      /* parked until a block has something to say */
    struct weft__wait *closer;      /* parked until nobody is inside */
    struct weft__fd *record;        /* of its descriptor, and ... */
    uint64_t owner;                 /* ... the word that says whose, for as long as it is that */
    uint64_t position;
    uint64_t changes; /* writes so far */
    size_t lent;      /* bytes of the view */
    int fd;
    uint32_t block_size;
    uint32_t ahead;    /* blocks wanted behind the first */
    uint32_t chained;  /* blocks in the chain */
    uint32_t blocks;   /* and those dropped that are in flight */
    uint32_t inside;   /* tasks in a call */
    uint32_t unit;     /* of O_DIRECT: what offsets, sizes and memory are multiples of; 0: not asked
                          yet */
    uint32_t step;     /* of that: a read which ends at no multiple of it is the last of a file */
    uint32_t indirect; /* tasks that write without O_DIRECT now */
    uint32_t requests; /* at offsets, so far; no more than WEFT__FILE_OFTEN */
    bool moving;       /* one of them moves the position */
    bool viewing;
    bool stale;   /* with the view its block goes */
    bool flows;   /* somebody reads on: read ahead */
    bool sought;  /* to elsewhere, and no block has been used up since */
    bool appends; /* O_APPEND */
    bool direct;  /* O_DIRECT */
    bool closing;
    bool stopping; /* frees itself with the last completion */
};

/* -- file_ahead.c: the chain ---------------------------------------------------------------- */

/* Bytes at the position that have been read. */
static inline size_t weft__file_held(const struct weft_file *file)
{
    const struct weft__block *head = file->head;
    uint64_t end = head ? head->offset + head->filled : 0;

    return end > file->position ? (size_t)(end - file->position) : 0;
}
/* Waits for one at least. 1; 0 at the end of the file; a negative errno. */
int weft__file_wait(struct weft__task *self, struct weft_file *file);
/* Moves the position by what is held, or less. */
void weft__file_take(struct weft_file *file, size_t count);
/* Moves it anywhere. */
void weft__file_move(struct weft_file *file, uint64_t position);
/* Lets go of all that was read ahead, but for what is lent. */
void weft__file_forget(struct weft_file *file);
/* Those bytes are to be, or may have been, written. size 0: at the end, wherever that is. */
void weft__file_changed(struct weft_file *file, uint64_t offset, uint64_t size);

/* So many bytes may be asked for at `offset`: no file goes on behind INT64_MAX. */
static inline uint32_t weft__file_span(const struct weft_file *file, uint64_t offset, uint32_t size)
{
    uint64_t left = (uint64_t)INT64_MAX - offset;

    if (left >= size)
        return size;
    return (uint32_t)(file->direct ? left & ~(uint64_t)(file->unit - 1) : left);
}

/* -- what the ring holds -------------------------------------------------------------------- */

/* A request that was filled as a read or write of a file object's descriptor: what the ring holds
   of it, memory and open file, is named so. */
static inline void weft__file_mark(const struct weft__io *io, const struct weft__fd *record,
                                   struct weft__sqe *sqe)
{
    int32_t piece = weft__arena_piece(io->arena, sqe->address, sqe->length);

    if (piece >= 0)
        weft__request_held(sqe, (uint32_t)piece);
    if (record->flags & WEFT__FD_HELD)
        sqe->flags |= WEFT__SQE_FIXED_FILE;
}

/* rw.c: weft_pread and weft_pwrite_all, by what is held. The file may be freed before the first of
   them returns. */
ssize_t weft__file_pread(const struct weft_file *file, void *buffer, size_t size, off_t offset);
ssize_t weft__file_pwrite_all(const struct weft_file *file, const void *buffer, size_t size,
                              off_t offset, size_t *done);

/* -- file_object.c -------------------------------------------------------------------------- */

/* False: its descriptor was closed behind it, and the number may be another's by now. */
static inline bool weft__file_is_open(const struct weft_file *file)
{
    /* relaxed: only who closes it, and who is given the number again, changes the word */
    return atomic_load_explicit(&file->record->owner, memory_order_relaxed) == file->owner;
}
/* May this task use the file? 0 and it is inside; -EPERM, -EINVAL, -EXDEV, -EBADF. */
int weft__file_enter(struct weft_file *file, const struct weft__task *self);
/* And moves the position: -EBUSY. */
int weft__file_enter_moving(struct weft_file *file, const struct weft__task *self);
void weft__file_leave(struct weft_file *file);
void weft__file_leave_moving(struct weft_file *file);
/* With O_DIRECT: does it lie as the device takes it? Not known before the unit is. */
static inline bool weft__file_is_whole(const struct weft_file *file, const void *memory,
                                       size_t size, uint64_t offset)
{
    return (((uintptr_t)memory | size | offset) & (file->unit - 1)) == 0;
}
/* With a unit that was guessed: does this result tell that there is nothing behind `filled` bytes?
   A read that went on within the device's unit is refused, and so far the file's last part was
   read. */
static inline bool weft__file_is_end(const struct weft_file *file, size_t filled, int32_t result)
{
    return result == -EINVAL && file->step < file->unit && (filled & (file->unit - 1)) != 0;
}
/* file_direct.c: of files with O_DIRECT, whose memory, sizes and offsets may be any. */
int weft__file_ask_unit(struct weft_file *file); /* 0; -ECANCELED */
ssize_t weft__file_read_direct(struct weft_file *file, void *buffer, size_t size, uint64_t offset);
/* *done: 0 at first. */
ssize_t weft__file_write_direct(struct weft_file *file, const char *bytes, size_t size,
                                uint64_t offset, size_t *done);

/* A block dropped has ended. */
void weft__file_block_ended(struct weft_file *file);
/* The io layer stops. */
void weft__files_stop(struct weft__io *io);

#endif
