/*
 * sim/pipe.h - simulated pipes; see pipe(7).
 */
#ifndef WEFT_SIM_PIPE_H
#define WEFT_SIM_PIPE_H

#include "sim/object.h"

/* Both ends, to read from and to write to, with one reference each, the caller's. */
void weft__sim_pipe(struct weft__sim *sim, uint32_t flags, struct weft__sim_file *ends[2]);

/* How many bytes it has room for; -EBADF it is no pipe, as fcntl(F_GETPIPE_SZ) says. */
int weft__sim_pipe_size(const struct weft__sim_file *file);

/* Why fallocate(2) makes no room there; -ENODEV it is no pipe either. */
int weft__sim_pipe_allocate(const struct weft__sim_file *file);

/* splice(2): from or to a pipe, what can be moved now; UINT64_MAX as an offset: at the file's own
   position. With `copy` (tee) the bytes stay in the first pipe. -EAGAIN: not now. */
int32_t weft__sim_splice(struct weft__sim *sim, struct weft__sim_file *in, uint64_t offset_in,
                         struct weft__sim_file *out, uint64_t offset_out, uint32_t length,
                         bool copy);

#endif
