/*
 * io/futex.h - what waiting for words leaves behind on a reactor.
 */
#ifndef WEFT_IO_FUTEX_H
#define WEFT_IO_FUTEX_H

struct weft__io;

/* Ends the threads that wait where the ring cannot. Waits still under way, which a runtime that
   gave up leaves, keep them. */
void weft__futex_close(struct weft__io *io);

#endif
