/*
 * task/call.h - tasks on other reactors.
 *
 * A call is made by a task here and run by a task there. It lives in the caller's frame: the caller
 * waits, uninterruptible in the end, until the other side has said it is done with it. A remote
 * child is a local child whose body is such a call, so that scopes, joins, limits, cancellation and
 * drains have one meaning for both.
 */
#ifndef WEFT_TASK_CALL_H
#define WEFT_TASK_CALL_H

#include "task/task.h"

/* What the wait is for, if it is a call: the reactor, and the task there (NULL: not begun, or
   over). For when nothing runs any more; called NULL: not to be looked for, as others run. */
bool weft__call_of(const struct weft__wait *wait, uint32_t *reactor,
                   const struct weft__task **called);

int weft__spawn_remote(struct weft__task *self, struct weft__scope *scope, weft_task_fn fn,
                       const void *arg, size_t size, const struct weft_spawn_opt *opt);

/* Does it run here for a task of another reactor, whose result its own is? */
bool weft__task_is_called(const struct weft__task *task);

#endif
