/*
 * io/offload.h - a call that may block and has no request of the ring: done by a worker of a pool,
 * while the task waits for it (task/offload.h).
 *
 * Such a call cannot be interrupted: the wait goes on until it has returned. Each reactor has a
 * pool of its own, made when the first such call is, so that no reactor waits for another's disk.
 */
#ifndef WEFT_IO_OFFLOAD_H
#define WEFT_IO_OFFLOAD_H

#include <stdint.h>

struct weft__io;
struct weft__task;

/* Runs fn(arg) on a worker and gives its result; `what` and `fd` say what is waited for. -ENOMEM:
   there is no pool to be had, and fn was not called. */
int64_t weft__offload_run(struct weft__task *self, const char *what, int fd,
                          int64_t (*fn)(void *arg), void *arg);

/* Ends the pool. Calls still under way, which a runtime that gave up leaves, keep it. */
void weft__offload_close(struct weft__io *io);

#endif
