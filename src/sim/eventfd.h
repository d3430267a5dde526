/*
 * sim/eventfd.h - eventfds: a counter to write to and to wait for.
 */
#ifndef WEFT_SIM_EVENTFD_H
#define WEFT_SIM_EVENTFD_H

#include "sim/object.h"

/* A file with one reference, the caller's. Never NULL. */
struct weft__sim_file *weft__sim_eventfd(struct weft__sim *sim, uint32_t flags);
/* As write(2) and read(2) with a count; -EAGAIN. */
int weft__sim_eventfd_add(struct weft__sim *sim, struct weft__sim_file *file, uint64_t count);
uint64_t weft__sim_eventfd_take(struct weft__sim *sim, struct weft__sim_file *file);

#endif
