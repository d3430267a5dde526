/*
 * weft/await.h - awaitables: whatever a task can wait for, and waiting for several of them.
 *
 *     int64_t r[3];
 *     int error = weft_gather(WEFT_LIST(weft_coro(fetch, &a, sizeof a), weft_of_task(other),
 *                                       weft_of_future(reply)), r, 0);
 *
 * An awaitable is a value: a task, a future, or a coroutine, that is, a function and its argument
 * which do nothing until they are awaited or spawned. Its result is one int64_t: >= 0, or a
 * negative errno. What a call here returns is about the waiting; results come through pointers.
 *
 * gather, race and wait_for own what they are given: when they end early (an error, the deadline, a
 * cancellation of the caller) they cancel it and return only when it has ended: coroutines they
 * spawned themselves, tasks by weft_cancel, futures by weft_future_cancel. wait and as_completed do
 * not own. weft_shield takes an awaitable out of that ownership.
 *
 * Lists are looked at before anything is done; a bad one (-EINVAL, -ESTALE a task's handle is used
 * up, -EXDEV a task of another reactor, -EDEADLK the task would wait for itself, -EPERM outside a
 * task) changes nothing. Handles stay good: only weft_join uses them up. The same task or future
 * may stand in a list twice; a coroutine that does is run twice. What is settled already is
 * answered without suspending, unchecked for cancellation.
 */
#ifndef WEFT_AWAIT_H
#define WEFT_AWAIT_H

#include <weft/base.h>
#include <weft/future.h>
#include <weft/scope.h>
#include <weft/task.h>
#include <weft/time.h>

WEFT_BEGIN_DECLS

enum weft_awaitable_kind {
    WEFT_AWAITABLE_NONE = 0,
    WEFT_AWAITABLE_TASK,
    WEFT_AWAITABLE_FUTURE,
    WEFT_AWAITABLE_COROUTINE
};

typedef struct weft_awaitable {
    uint8_t kind;    /* enum weft_awaitable_kind */
    bool shielded;   /* weft_shield */
    uint32_t ticket; /* debug builds: which coroutine this is; 0: none */
    size_t arg_size; /* the rest of a coroutine: */
    weft_task_fn fn;
    const void *arg;
    weft_task task;
    weft_future *future; /* borrowed: the caller holds a reference as long as it is waited for */
} weft_awaitable;

/* A list written in place, and its length: two arguments. */
#ifndef __cplusplus
#define WEFT_LIST(...)                                                                             \
    ((const weft_awaitable[]){__VA_ARGS__}),                                                       \
        (uint32_t)(sizeof((const weft_awaitable[]){__VA_ARGS__}) / sizeof(weft_awaitable))
#endif

/* An awaitable of a task, by its handle; of a future, of which the caller holds a reference as long
   as it is waited for. */
static inline weft_awaitable weft_of_task(weft_task task)
{
    weft_awaitable made = {WEFT_AWAITABLE_TASK, false, 0, 0, NULL, NULL, task, NULL};

    return made;
}
static inline weft_awaitable weft_of_future(weft_future *future)
{
    weft_awaitable made = {WEFT_AWAITABLE_FUTURE, false, 0, 0, NULL, NULL, {0, 0}, future};

    return made;
}

/*
 * A coroutine: fn and its argument, as for weft_spawn, but the argument is copied only when the
 * coroutine is spawned, and must be there until then. Awaited by weft_await_any or weft_wait_for it
 * is called in the awaiting task and gets `arg` itself.
 *
 * It is to be used once. In a debug build of the library one that was made by a task and never
 * awaited nor spawned is told to the hook when that task ends, with the place it was made at
 * (weft/misuse.h).
 */
WEFT_API weft_awaitable weft_coro(weft_task_fn fn, const void *arg, size_t arg_size);

/* Is it one of these? */
static inline bool weft_is_task(weft_awaitable awaitable)
{
    return awaitable.kind == WEFT_AWAITABLE_TASK;
}
static inline bool weft_is_future(weft_awaitable awaitable)
{
    return awaitable.kind == WEFT_AWAITABLE_FUTURE;
}
static inline bool weft_is_coroutine(weft_awaitable awaitable)
{
    return awaitable.kind == WEFT_AWAITABLE_COROUTINE;
}

/*
 * The same task or future, but nobody who waits for it through this value cancels it: they just
 * stop waiting, and note -ECANCELED as what came of it. (A coroutine has nowhere to go on:
 * weft_ensure_future it first; in a list it is -EINVAL.) The scope it belongs to goes on owning it,
 * so that an error that comes later is not lost. For a region without cancellation: WEFT_SHIELD.
 */
static inline weft_awaitable weft_shield(weft_awaitable awaitable)
{
    awaitable.shielded = true;
    return awaitable;
}

/*
 * Waits for any kind, as weft_await and weft_future_await; a coroutine is called. What came of it
 * is *result (NULL allowed). Returns 0; -ECANCELED. A bad one: -EINVAL, -ESTALE, -EXDEV, -EDEADLK,
 * -EPERM.
 */
WEFT_API WEFT_NODISCARD int weft_await_any(weft_awaitable awaitable, int64_t *result) WEFT_SUSPENDS;

/*
 * Makes a task of a coroutine, in the innermost open scope of the caller, as weft_create_task; its
 * handle is then to be joined. A task or a future stays what it is. *awaitable is written on
 * success. Returns 0, or what weft_create_task says.
 */
WEFT_API WEFT_NODISCARD int weft_ensure_future(weft_awaitable *awaitable) WEFT_SUSPENDS;

/* -- several at once ------------------------------------------------------------------------ */

enum { WEFT_GATHER_KEEP = 1 };

/*
 * Runs or awaits all of them; results[i] (NULL allowed) is what came of list[i].
 *
 * By default the first error cancels the others, and is returned once all have ended. With
 * WEFT_GATHER_KEEP all go on, and the number that failed is returned. A child ended by weft_cancel
 * has the result -ECANCELED, which is an error here. A coroutine that could not be spawned has that
 * error for its result. An empty list gives 0.
 *
 * When the caller is cancelled all are cancelled and waited for. If every one has ended with a
 * value all the same, that is returned, and the cancellation stays pending; else -ECANCELED.
 *
 * Returns 0, the number of failures, the first error; -ECANCELED, -ENOMEM. A bad list: -EINVAL,
 * -ESTALE, -EXDEV, -EDEADLK, -EPERM.
 */
WEFT_API WEFT_NODISCARD int weft_gather(const weft_awaitable *list, uint32_t count,
                                        int64_t *results, uint32_t flags) WEFT_SUSPENDS;

/*
 * The first that ends, with a value or an error, wins; the others are cancelled and waited for.
 * results[i] (NULL allowed) is what came of each: mostly -ECANCELED for losers, but one that took
 * effect all the same says so.
 *
 * Returns the winner's index; when the caller was cancelled first, that of the first that ended
 * with a value all the same, else -ECANCELED; -EINVAL also for an empty list; -ENOMEM. -EPERM in
 * WEFT_NO_SUSPEND, with nothing done, unless all are settled: losers would be waited for.
 */
WEFT_API WEFT_NODISCARD int weft_race(const weft_awaitable *list, uint32_t count,
                                      int64_t *results) WEFT_SUSPENDS;

enum weft_wait_until {
    WEFT_ALL = 0,
    WEFT_FIRST_COMPLETED,
    WEFT_FIRST_ERROR /* the first error, or all */
};

/*
 * Waits until so many have ended, or until `deadline`; cancels none. done[i] (NULL allowed) tells
 * which have. Coroutines are -EINVAL: weft_ensure_future makes tasks of them; so is an empty list.
 *
 * Returns how many have ended, deadline or not; -ECANCELED the caller was cancelled before enough
 * had; -ENOMEM.
 */
WEFT_API WEFT_NODISCARD int weft_wait(const weft_awaitable *list, uint32_t count, bool *done,
                                      enum weft_wait_until until, int64_t deadline) WEFT_SUSPENDS;

/*
 * Results in the order in which they come:
 *
 *     weft_completed *each;
 *     if (weft_as_completed(&each, list, count) == 0) {
 *         while (weft_completed_next(each, &index, &result, WEFT_NEVER) > 0) ...
 *         weft_completed_close(each);
 *     }
 *
 * Coroutines are spawned into a scope that is open until the close, which cancels what is left of
 * them and waits for them; tasks and futures go on. To be closed by the same task, nested like a
 * scope. _next returns 1; 0 when each was told; -ETIMEDOUT at the deadline, after which one may go
 * on; -ECANCELED.
 */
typedef struct weft_completed weft_completed;
WEFT_API WEFT_NODISCARD int weft_as_completed(weft_completed **each, const weft_awaitable *list,
                                              uint32_t count) WEFT_SUSPENDS;
WEFT_API int weft_completed_next(weft_completed *each, uint32_t *index, int64_t *result,
                                 int64_t deadline) WEFT_SUSPENDS;
WEFT_API int weft_completed_close(weft_completed *each) WEFT_SUSPENDS;

/*
 * Waits for one of them, at most until the absolute time `deadline`. At the deadline it is
 * cancelled; -ETIMEDOUT is returned once it has ended, unless it ended with a value, which wins, or
 * with another error than -ECANCELED, which passes. What is settled gives its result even when the
 * deadline is past. A coroutine is called in this task, and not at all when the time is over before
 * it has begun.
 *
 * Returns 0 and *result (NULL allowed); -ETIMEDOUT; -ECANCELED the caller was cancelled.
 */
WEFT_API WEFT_NODISCARD int weft_wait_for(weft_awaitable awaitable, int64_t *result,
                                          int64_t deadline) WEFT_SUSPENDS;

/* -- timeouts ------------------------------------------------------------------------------- */

/*
 * A scope with a limit, under asyncio's name; weft_scope_close gives -ETIMEDOUT if it cut
 * something. ns <= 0, and a time in the past: at once. Returns what weft_scope_open does. Moved by
 * weft_timeout_reschedule, which is weft_scope_reschedule.
 */
WEFT_API WEFT_NODISCARD int weft_timeout(weft_scope *scope, int64_t ns);
WEFT_API WEFT_NODISCARD int weft_timeout_at(weft_scope *scope, int64_t deadline);
WEFT_API int weft_timeout_reschedule(weft_scope *scope, int64_t deadline);
/* When it is due: WEFT_NEVER, or the time. -EINVAL the scope is not open; -EPERM. */
WEFT_API int64_t weft_timeout_when(const weft_scope *scope);
/* 1 when the limit of the open scope has passed, else 0; -EINVAL, -EPERM. */
WEFT_API int weft_timeout_expired(const weft_scope *scope);

/* As WEFT_SCOPE: WEFT_TIMEOUT(s, 5000000) { ... } */
#ifndef __cplusplus
#define WEFT_TIMEOUT(s, ns) WEFT_TIMEOUT_AT(s, weft_after_ns(ns))
#define WEFT_TIMEOUT_AT(s, at) WEFT_SCOPE(s, .deadline = weft_timeout_clamp_(at), .name = "timeout")
#endif
static inline int64_t weft_timeout_clamp_(int64_t deadline)
{
    return deadline > 0 ? deadline : 1;
}

/* -- which tasks there are ------------------------------------------------------------------ */

/* How many tasks the calling reactor has; the handles of the first count_max of them go to tasks[].
   Handles are for looking and cancelling. -EPERM outside a reactor. More of each is in
   weft_tasks_each (weft/stats.h). */
WEFT_API int weft_all_tasks(weft_task *tasks, uint32_t count_max);

/* The name of a task of this reactor; NULL when there is no such task. */
WEFT_API const char *weft_task_name(weft_task task);
/* Sets it; the text must outlive the task. Returns 0; -ESTALE; -EXDEV; -EINVAL no name; -EPERM. */
WEFT_API int weft_task_set_name(weft_task task, const char *name);

WEFT_END_DECLS

#endif
