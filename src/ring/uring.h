/*
 * ring/uring.h - what the files of the real ring share, and nobody else includes.
 *
 * Owner: the thread that opened the ring, as for struct weft__ring.
 */
#ifndef WEFT_RING_URING_H
#define WEFT_RING_URING_H

#include "ring/features.h"
#include "ring/ring.h"
#include "ring/uring_abi.h"

/* ring->state points at one of these. */
struct weft__uring {
    struct io_uring
        uring;         /* liburing's: mappings and descriptors; its queue functions are unused */
    uint32_t *sq_tail; /* ours to write, with release: the kernel reads requests up to here */
    const uint32_t *sq_head; /* the kernel writes it: requests it has consumed */
    uint32_t enter_flags;    /* that every io_uring_enter of this ring carries */
    uint32_t timed_flags;    /* besides, when it carries a deadline */
    uint32_t file_count;     /* slots of the table of held files; 0 until the first is held */
    bool holds_memory;       /* there is a table of held memory */
    bool may_skip; /* SQ_TASKRUN tells of waiting completions: an idle enter can be saved */
};

static inline struct weft__uring *weft__uring_of(const struct weft__ring *ring)
{
    return (struct weft__uring *)ring->state;
}

/* Writes why io_uring_setup (or what follows it) failed with `error` (negative), and the cure.
   Gives the error to hand on: the same, or -ENOSYS where it means that the kernel is too old. */
int weft__uring_explain(int error, char *text, size_t size);

#endif
