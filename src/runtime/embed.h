/*
 * runtime/embed.h - a runtime of one reactor that somebody else turns.
 *
 * It lives on the thread that opened it. Between two turns other code may run there, other embedded
 * runtimes included; weft__embed_turn makes its own the current one meanwhile.
 */
#ifndef WEFT_RUNTIME_EMBED_H
#define WEFT_RUNTIME_EMBED_H

#include "runtime/runtime.h"

/* opt as for weft_run (reactors must be 0 or 1). 0 or what weft_run would answer. */
int weft__embed_open(struct weft__runtime **runtime, const struct weft_run_opt *opt);

/* Starts a task in the root. As weft_spawn_nowait. */
int weft__embed_spawn(struct weft__runtime *runtime, weft_task_fn fn, const void *arg,
                      size_t arg_size);

/* One turn of the loop; with `wait` it may sleep in the kernel. */
void weft__embed_turn(struct weft__runtime *runtime, bool wait);

const struct weft_stats *weft__embed_stats(struct weft__runtime *runtime);

/* Cancels what is left, turns until it has ended, closes. Tasks that never end hold it for ever. */
void weft__embed_close(struct weft__runtime *runtime);

#endif
