/*
 * runtime/print.h - the tasks of a reactor as text, for whoever asks a running server.
 */
#ifndef WEFT_RUNTIME_PRINT_H
#define WEFT_RUNTIME_PRINT_H

#include "base/line.h"
#include "reactor/reactor.h"

/* Writes the tree to fd; asker: the task that asks, or NULL. flags: enum weft_print. On the
   reactor's thread, with room on the stack (8 KiB). 0, or what write answered. */
int weft__print_reactor(struct weft__reactor *reactor, const struct weft__fiber *asker, int fd,
                        uint32_t flags);

/* The calls on a parked fiber's stack, as weft__walk gives them. */
size_t weft__fiber_stack(const struct weft__reactor *reactor, const struct weft__fiber *fiber,
                         const void **frames, size_t count_max);

/* "#3 0x7f00 server+0x14e5": number, address, and the file it is in with the place there. In a
   signal handler too. */
void weft__put_code(struct weft__line *line, const void *code);
void weft__put_frame(struct weft__line *line, size_t number, const void *frame);

#endif
