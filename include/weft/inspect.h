/*
 * weft/inspect.h - what is this server doing right now?
 *
 * The tasks of a reactor, or of all, as a tree: each below its scope, each scope below the task
 * that has it open; what each waits for, since which turn of the loop, and where it stands.
 * weft/stats.h has the counters, docs/debugging.md the ways from outside. All of this looks and
 * changes nothing, and costs nothing until it is asked for. On a signal: weft_run_opt.dump_signal.
 */
#ifndef WEFT_INSPECT_H
#define WEFT_INSPECT_H

#include <weft/base.h>
#include <weft/runtime.h>
#include <weft/task.h>

WEFT_BEGIN_DECLS

enum weft_print {
    WEFT_PRINT_STACKS = 1 /* with the calls that stand on each task's stack */
};

/*
 * Writes the tree of the calling reactor to a descriptor, as text, by write(2): it waits if that
 * does. From a task or callback. flags: enum weft_print. (asyncio: print_call_graph,
 * task.print_stack)
 *
 *     reactor 0, in turn 12
 *       scope "root": 2 tasks
 *         task 1 "main": accept on descriptor 6, since turn 8
 *         task 2 "conversation": recv on descriptor 7, since turn 4
 *
 * A debug build adds the file and line of the call in which a task waits.
 * Returns 0; -EPERM outside of a reactor; -EINVAL no descriptor, or flags there are not; what
 * write(2) answers.
 */
WEFT_API int weft_print_tasks(int fd, uint32_t flags);

/* weft_print_tasks of every reactor of the runtime, one after the other: not all at one instant.
   Its end is awaited in any case. Returns as weft_print_tasks; -ECANCELED. */
WEFT_API int weft_print_all_tasks(int fd, uint32_t flags) WEFT_SUSPENDS;

/*
 * weft_tasks_each (weft/stats.h) on every reactor of the runtime, one after the other: fn runs on
 * the thread of each, never on two at a time. Stops when fn returns non-zero and returns that; else
 * 0; -EINVAL no fn; -ECANCELED; as weft_call. (asyncio: all_tasks)
 */
WEFT_API int weft_all_tasks_each(int (*fn)(const struct weft_task_info *info, void *context),
                                 void *context) WEFT_SUSPENDS;

/*
 * The calls that stand on a task's stack, innermost first: where it stopped, then return addresses
 * (addr2line -i -e PROGRAM; or dladdr(3)). Of the calling task: from its caller on. On the task's
 * reactor. A task that never ran has none. (asyncio: task.get_stack)
 *
 * Stores at most `count_max` addresses and returns how many; -EINVAL; -ESTALE, -EXDEV, -EPERM.
 */
WEFT_API int weft_task_stack(weft_task task, const void **addresses, uint32_t count_max);

WEFT_END_DECLS

#endif
