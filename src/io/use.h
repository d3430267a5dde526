/*
 * io/use.h - calls that use a descriptor beside any number of others: their beginning and end.
 *
 *     struct weft__use use;
 *     struct weft__sqe *sqe;
 *     int error = weft__use_begin(&use, fd, "fsync", &sqe);
 *     if (error < 0)
 *         return error;
 *     weft__request_fsync(sqe, fd, 0);
 *     return weft__use_end(&use, sqe);
 *
 * On the calling task. What always holds: between the two, weft_close of the descriptor finds the
 * request and waits for its end.
 */
#ifndef WEFT_IO_USE_H
#define WEFT_IO_USE_H

#include <fcntl.h>

#include "io/transfer.h"

struct weft__use {
    struct weft__operation operation;
    struct weft__fd_use of;
    struct weft__task *self;
    struct weft__fd *record; /* NULL: of none, AT_FDCWD or a path from the root */
};

/* The record of `fd` is found, and used from here on. */
static inline __attribute__((always_inline)) int weft__use_open(struct weft__use *use, int fd)
{
    struct weft__io *io = weft__io_of(use->self->reactor);
    int error;

    use->record = NULL;
    use->operation.op.id = 0;
    if (fd == AT_FDCWD)
        return 0;
    error = weft__fd_find(io, fd, &use->record);
    if (__builtin_expect(error < 0, 0))
        return error;
    weft__fd_use_begin(io, use->record, fd, &use->of, &use->operation.op);
    use->operation.word = weft__fd_word_of(use->record);
    return 0;
}

static inline __attribute__((always_inline)) void weft__use_close(struct weft__use *use,
                                                                  int32_t result)
{
    struct weft__io *io = weft__io_of(use->self->reactor);

    if (!use->record)
        return;
    if (weft__fd_use_end(io, use->record, &use->of) && __builtin_expect(result == -EBADF, 0))
        weft__fd_forget(io, use->record);
}

static inline __attribute__((always_inline)) int32_t weft__use_wait(struct weft__use *use,
                                                                    struct weft__sqe *sqe)
{
    return use->record ? weft__await(use->self, &use->operation, sqe, use->record)
                       : weft__operation_wait(use->self, &use->operation, sqe);
}

static inline __attribute__((always_inline)) int weft__use_enter(struct weft__use *use, int fd)
{
    int error = weft__enter(&use->self);

    return __builtin_expect(error < 0, 0) ? error : weft__use_open(use, fd);
}

static inline __attribute__((always_inline)) int weft__use_begin_once(struct weft__use *use, int fd,
                                                                      const char *what,
                                                                      struct weft__sqe **sqe)
{
    int32_t error;

    if (use->record)
        *sqe = weft__begin_once(use->self, &use->operation, what, fd, use->record, &error);
    else if (!(*sqe = weft__operation_begin(use->self, &use->operation, what, fd)))
        error = weft__operation_error(use->self);
    return __builtin_expect(*sqe != NULL, 1) ? 0 : error;
}

/* The request, to be filled; the use ends where none is to be had. */
static inline __attribute__((always_inline)) int weft__use_request(struct weft__use *use, int fd,
                                                                   const char *what,
                                                                   struct weft__sqe **sqe)
{
    int error = weft__use_begin_once(use, fd, what, sqe);

    if (__builtin_expect(error < 0, 0))
        weft__use_close(use, error);
    return error;
}

static inline __attribute__((always_inline)) int weft__use_begin(struct weft__use *use, int fd,
                                                                 const char *what,
                                                                 struct weft__sqe **sqe)
{
    int error = weft__use_enter(use, fd);

    return __builtin_expect(error < 0, 0) ? error : weft__use_request(use, fd, what, sqe);
}

static inline __attribute__((always_inline)) int32_t weft__use_end(struct weft__use *use,
                                                                   struct weft__sqe *sqe)
{
    int32_t result = weft__use_wait(use, sqe);

    weft__use_close(use, result);
    return result;
}

#endif
