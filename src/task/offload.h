/*
 * task/offload.h - a call made by a worker of a pool, while a task waits for it.
 *
 *      task: weft__offload --> job --> worker: fn(arg) --> message --> inbox --> task goes on
 *
 * The wait goes on until a call that has begun has returned; it may be asked to. One that still
 * stands in the pool's queue can be taken back, if the caller wants that.
 */
#ifndef WEFT_TASK_OFFLOAD_H
#define WEFT_TASK_OFFLOAD_H

#include <stdbool.h>
#include <stdint.h>

struct weft__pool;
struct weft__task;

struct weft__offload {
    struct weft__pool *pool;
    const char *what; /* for the list of tasks, with the descriptor it is about, or -1 */
    int fd;
    bool at_once;      /* never behind another call, which may wait for what this one does */
    bool may_withdraw; /* a cancellation takes it back while it has not begun */
    int64_t (*fn)(void *arg);
    void (*stop)(void *arg); /* a cancellation that comes too late for that asks fn to return, by
                                this; with may_withdraw. NULL: it cannot */
    void *arg;
};

/* Has it called, and gives its result; -ECANCELED: taken back, or -ENOMEM: there is no worker for
   it at once; then fn was not called. */
int64_t weft__offload_wait(struct weft__task *self, const struct weft__offload *offload);

#endif
