/*
 * coro/walk.h - the calls that stand on a stack, found from outside.
 *
 * By the tables for unwinding (.eh_frame) that every function has for the sake of exceptions, with
 * or without a frame pointer; where there is none, by the frame pointer. Nothing is written,
 * nothing allocated and no lock taken, so a signal handler may do it; only the stack itself is
 * read, within the bounds given, so a broken one ends the walk and harms nobody.
 */
#ifndef WEFT_CORO_WALK_H
#define WEFT_CORO_WALK_H

#include <stdbool.h>
#include <stddef.h>

#include "arch/registers.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Stores what is being executed, then the return addresses, innermost first; how many, at most
 * `count_max`. low, high: the bounds of the stack. interrupted: the first was interrupted at any
 * instruction, and does not stand behind a call.
 */
size_t weft__walk(const struct weft__registers *registers, bool interrupted, const void *low,
                  const void *high, const void **frames, size_t count_max);

#ifdef __cplusplus
}
#endif

#endif
