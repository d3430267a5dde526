/*
 * weft/executor.h - calls that block or compute for long, made by other threads while a task waits.
 *
 *     WEFT_SCOPE(s) {
 *         for (int i = 0; i < 4; i++)
 *             if (weft_spawn(&s, hash_one, &files[i], sizeof files[i], NULL) < 0) ...
 *     }
 *
 *     static int hash_one(void *arg) { return weft_to_thread(hash, arg); }
 *
 * The reactor goes on with other tasks meanwhile. What runs on a worker is no task: calls of weft
 * answer -EPERM there, posting and settling a future from it are as from any thread. For files,
 * names and sockets weft has calls of its own, which need no thread.
 */
#ifndef WEFT_EXECUTOR_H
#define WEFT_EXECUTOR_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

/* A pool of threads. They are started when there is something to do, and live until it is closed.
 */
typedef struct weft_executor weft_executor;

struct weft_executor_opt {
    size_t size;          /* sizeof(struct weft_executor_opt) */
    const char *name;     /* of its threads; 15 characters show. NULL: "weft-pool" */
    uint32_t threads_max; /* 0: four more than the CPUs this process may use, at most 32 */
};

/*
 * Makes a pool, for tasks of any runtime and any reactor. opt may be NULL. Any thread.
 * Stores it in *executor and returns 0; -ENOMEM, -EINVAL.
 */
WEFT_API WEFT_NODISCARD int weft_executor_create(weft_executor **executor,
                                                 const struct weft_executor_opt *opt);

/*
 * Ends the threads, which have nothing to do, and the pool. NULL: nothing happens. Any thread.
 * Returns 0; -EBUSY while calls are under way: then it lives on.
 */
WEFT_API int weft_executor_close(weft_executor *executor);

/*
 * Has a thread of the pool call fn(arg), and waits until it has returned. NULL: the runtime's own
 * pool, which ends with it. A call that has begun cannot be taken back: a caller that is cancelled
 * then still waits, gets the result, and meets the cancellation at its next call. One that waits
 * for a thread is taken back, and fn is not called.
 *
 * Returns what fn returned; -ECANCELED fn was not called; -ENOMEM; -EPERM outside a task; -EINVAL
 * no function.
 */
WEFT_API int weft_run_in_executor(weft_executor *executor, int (*fn)(void *arg),
                                  void *arg) WEFT_SUSPENDS;

/* weft_run_in_executor on the runtime's own pool (asyncio: to_thread). */
WEFT_API int weft_to_thread(int (*fn)(void *arg), void *arg) WEFT_SUSPENDS;

WEFT_END_DECLS

#endif
