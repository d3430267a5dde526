/*
 * sim/pipe.h - simulated pipes; see pipe(7).
 */
#ifndef WEFT_SIM_PIPE_H
#define WEFT_SIM_PIPE_H

#include "sim/object.h"

/* Both ends, to read from and to write to, with one reference each, the caller's. */
void weft__sim_pipe(struct weft__sim *sim, uint32_t flags, struct weft__sim_file *ends[2]);

#endif
