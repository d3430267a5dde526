/*
 * overflow.h: a task that runs off its stack is named before the process dies.
 *
 * A handler for SIGSEGV and SIGBUS runs on a signal stack of its own, per thread. A fault whose
 * address lies in the guard of a watched pool is an overflow: one line goes to descriptor 2, the
 * fatal hook is called, and the process dies of the signal at the faulting instruction, so that a
 * core shows the culprit. Every other fault goes to the handler that was there before.
 *
 * A frame larger than the guard leaps it, where the compiler puts no probes into it, and lands on
 * another's stack as a rule, where nothing faults. Where it does fault, in another's guard or where
 * no stack has been opened, that is an overflow of the stack above, if that one runs.
 *
 * Install and remove: any thread, counted, under a lock. Thread begin and end, watch and unwatch:
 * the thread that runs the pool's stacks. What always holds: the handler itself calls only what a
 * signal handler may, and reads only the calling thread's own list of watched pools.
 */
#ifndef WEFT_CORO_OVERFLOW_H
#define WEFT_CORO_OVERFLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coro/stack.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is known of an overflow. Strings need live only until the handler returns. */
struct weft__overflow_report {
    const char *name;          /* the task's, or NULL */
    uint64_t id;               /* the task's, 0: unknown */
    void *function;            /* the task's entry, or NULL */
    const char *function_name; /* or NULL: finding it out is nothing for a signal handler */
    size_t stack_size;
    uint32_t slot;
    const void *fault; /* the address touched */
    bool leapt;        /* that is below the guard */
};

/*
 * Fills in name, id and function of whoever runs on `slot`; the rest is there already. Called in a
 * signal handler: no locks, no allocation, no stdio. May leave everything as it is.
 */
typedef void weft__overflow_describe(void *arg, struct weft__overflow_report *report);

/* One pool whose guards are watched. Caller-allocated; belongs to the list while watched. */
struct weft__overflow_watch {
    const struct weft__stack_pool *pool;
    weft__overflow_describe *describe; /* or NULL */
    /* Whose stack is in use: false if nobody's. As describe, in a signal handler. Or NULL. */
    bool (*running)(void *arg, uint32_t *slot);
    void *arg;
    struct weft__overflow_watch *next;
};

/* A user of its thread's signal stack. */
struct weft__overflow_thread {
    bool begun; /* and has not ended */
};

/* Puts the handlers in place, once however often it is called. 0 or -errno. */
int weft__overflow_install(void);

/* The last remove puts back what was there, unless somebody else has installed theirs since: then
 * ours stays, and passes everything on. */
void weft__overflow_remove(void);

/* Gives the calling thread its signal stack, one for all who begin on it; the last end puts back
   what was there before the first. 0 or -ENOMEM. Who has begun must end, on the same thread. */
int weft__overflow_thread_begin(struct weft__overflow_thread *thread);
void weft__overflow_thread_end(struct weft__overflow_thread *thread);

/* Adds a pool to, and takes it off, the calling thread's list. */
void weft__overflow_watch(struct weft__overflow_watch *watch);
void weft__overflow_unwatch(struct weft__overflow_watch *watch);

/* Called after the line is written, in the handler. NULL for none. Process-wide. */
void weft__overflow_hook_set(void (*hook)(const struct weft__overflow_report *report));

#ifdef __cplusplus
}
#endif

#endif
