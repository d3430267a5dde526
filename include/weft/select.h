/*
 * weft/select.h - waiting for the first of several different things.
 *
 *     weft_case cases[] = {
 *         weft_case_get(&jobs, &job),
 *         weft_case_event(&settings_changed),
 *         weft_case_until(weft_after_ms(500)),
 *     };
 *     switch (weft_select(cases, 3, 0)) {
 *     case 0: handle(&job); break;
 *     case 1: read_settings(); break;
 *     case 2: tick(); break;
 *     default: return -ECANCELED;
 *     }
 *
 * A case says what is waited for. The first one that is ready wins: its effect has happened (the
 * item is taken, the lock is held), and no other case of a queue, lock, semaphore, event, future,
 * task or time has had any: a thing that becomes ready goes to the select at once or not at all,
 * under the object's own lock, also from another reactor.
 *
 * Operations (weft_case_recv and its kin, in weft/select_io.h) and coroutines (weft_case_await) run
 * as child tasks of the select. When they lose they are cancelled and waited for. One that took
 * effect all the same says so in the `result` of its case: bytes received, a connection accepted.
 * So look at weft_case_happened of such a case before it is forgotten.
 *
 * The objects that are named must outlive the call: memory that is given back while a select waits
 * for it is read afterwards. Closing them meanwhile is another matter, and in order: a queue that
 * anybody shuts down is ready, with -ESHUTDOWN; a descriptor that a task of this reactor closes
 * (weft_close) is ready and the select's winner, with -ECANCELED as its result, or -EBADF when the
 * operation had not begun yet; a lock whose holder ends is ready, with -EOWNERDEAD. An event,
 * semaphore or lock has no end: nobody may destroy it; and a stream, a process, a watch, a file or
 * a set of signals is closed after the select that waits for it.
 *
 * Tasks and futures are waited for, not owned: a select that ends leaves them as they are.
 * (weft_race, in weft/await.h, owns and cancels what loses.)
 *
 * Of several that are ready at once the first in the list wins, so that the list says what goes
 * before what. With WEFT_SELECT_FAIR the search begins at a place drawn anew each time: then a case
 * that is always ready does not keep the others from their turn. Operations and coroutines are
 * begun only when no other case is ready.
 */
#ifndef WEFT_SELECT_H
#define WEFT_SELECT_H

#include <errno.h>
#include <weft/await.h>
#include <weft/base.h>
#include <weft/queue.h>
#include <weft/sync.h>
#include <weft/time.h>

WEFT_BEGIN_DECLS

enum weft_case_kind {
    WEFT_CASE_NEVER = 0, /* is never ready: a case that is switched off */
    WEFT_CASE_GET,
    WEFT_CASE_PUT,
    WEFT_CASE_EVENT,
    WEFT_CASE_LOCK,
    WEFT_CASE_SEMAPHORE,
    WEFT_CASE_UNTIL,
    WEFT_CASE_AWAIT,
    WEFT_CASE_OPERATION
};

typedef struct weft_case {
    uint8_t kind; /* enum weft_case_kind */
    int fd;       /* of an operation, with its flags */
    int flags;
    void *object;             /* the queue, event, lock, semaphore, stream, process, ... */
    void *item;               /* where an item or bytes go to, or what is put, sent, connected to */
    size_t size;              /* bytes at `item`, of an operation */
    int64_t deadline;         /* WEFT_CASE_UNTIL */
    weft_awaitable awaitable; /* WEFT_CASE_AWAIT; the function of an operation */
    int64_t result;           /* written by weft_select: see there */
} weft_case;

/* Is never ready: a case that is switched off. */
static inline weft_case weft_case_never(void)
{
    weft_case made = {0, -1, 0, NULL, NULL, 0, 0, {0, false, 0, 0, NULL, NULL, {0, 0}, NULL}, 0};

    return made;
}
static inline weft_case weft_case_of_(enum weft_case_kind kind, void *object, void *item)
{
    weft_case made = weft_case_never();

    made.kind = (uint8_t)kind;
    made.object = object;
    made.item = item;
    return made;
}

/* Takes the next item of the queue; ready with -ESHUTDOWN when it is empty and shut down. */
static inline weft_case weft_case_get(weft_queue *queue, void *item)
{
    return weft_case_of_(WEFT_CASE_GET, queue, item);
}
/* Puts a copy of *item, which stays as it is until the select has returned; ready with -ESHUTDOWN
   when the queue is shut down, with -ENOMEM when there is no memory for it. */
static inline weft_case weft_case_put(weft_queue *queue, const void *item)
{
    return weft_case_of_(WEFT_CASE_PUT, queue, (void *)(uintptr_t)item);
}
/* The event is set. */
static inline weft_case weft_case_event(weft_event *event)
{
    return weft_case_of_(WEFT_CASE_EVENT, event, NULL);
}
/* Takes the lock; its result is 0 or -EOWNERDEAD, and in both the caller holds it. */
static inline weft_case weft_case_lock(weft_lock *lock)
{
    return weft_case_of_(WEFT_CASE_LOCK, lock, NULL);
}
/* Takes a permit. */
static inline weft_case weft_case_semaphore(weft_semaphore *semaphore)
{
    return weft_case_of_(WEFT_CASE_SEMAPHORE, semaphore, NULL);
}
/* The absolute time `deadline` has come; one that is past is ready. */
static inline weft_case weft_case_until(int64_t deadline)
{
    weft_case made = weft_case_of_(WEFT_CASE_UNTIL, NULL, NULL);

    made.deadline = deadline;
    return made;
}
/* A task has ended, a future is settled: its result is the case's. Or runs a coroutine. */
static inline weft_case weft_case_await(weft_awaitable awaitable)
{
    weft_case made = weft_case_of_(WEFT_CASE_AWAIT, NULL, NULL);

    made.awaitable = awaitable;
    return made;
}

/* Has it had any effect? After weft_select, for the one that won and for those that did not. */
static inline bool weft_case_happened(const weft_case *one)
{
    return one->result != -ECANCELED;
}

enum { WEFT_SELECT_FAIR = 1 }; /* beside WEFT_IDLE */

/*
 * Waits for the first of `count` cases. Writes every `result`: of the winner what the call it
 * stands for returns (a value, 0, or an error such as -ESHUTDOWN); of each other case -ECANCELED,
 * which means that nothing has happened, or what came of it all the same; of each, if the call is
 * refused, -ECANCELED.
 *
 * flags: 0, WEFT_SELECT_FAIR, WEFT_IDLE: a drain ends it, with -ESHUTDOWN. Up to 8 cases need no
 * memory, unless operations or coroutines are begun. Who is cancelled is refused before any case is
 * looked at.
 *
 * Returns the winner's index. Else no case won: -ECANCELED; -ESHUTDOWN (WEFT_IDLE); -ENOMEM. Or the
 * list is bad, and nothing was done: -EINVAL (an empty one too; an item missing); -EDEADLK the
 * caller holds the lock, or would wait for itself; -ESTALE a task's handle that is used up; -EXDEV
 * a task of another reactor; -EPERM a local object of another reactor, or not in a task. An
 * operation that took effect though the select was cancelled wins; the cancellation stays pending.
 */
WEFT_API WEFT_NODISCARD int weft_select(weft_case *cases, uint32_t count,
                                        uint32_t flags) WEFT_SUSPENDS;

/*
 * weft_select that does not wait: -EAGAIN when none is ready. flags: 0, WEFT_SELECT_FAIR.
 * Operations and coroutines cannot be tried: -EINVAL.
 */
WEFT_API WEFT_NODISCARD int weft_select_nowait(weft_case *cases, uint32_t count, uint32_t flags);

WEFT_END_DECLS

#endif
