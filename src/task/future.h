/*
 * task/future.h - what the layer sees of a future.
 *
 * One word says what state it is in, and locks the rest (task/wake.h):
 *
 *      0                    pending: tasks and callbacks wait in `waiters`
 *      SETTLED              `result` stands, and nobody waits
 *      SETTLED | TAKEN      its value is somebody's; `result` is but a number
 *      SETTLED | HEARD      it has failed, and somebody was told
 *
 * `result` is written under the lock before the word says SETTLED by a store-release, and read by
 * whoever has seen that by a load-acquire: it does not change after that, until weft_future_reset,
 * which needs the only reference. To those who wait, settling hands it over in the waiter. Who
 * waits holds a reference.
 */
#ifndef WEFT_TASK_FUTURE_H
#define WEFT_TASK_FUTURE_H

#include <weft/future.h>

#include "task/wake.h"

#define WEFT__FUTURE_SETTLED UINT64_C(2)
#define WEFT__FUTURE_TAKEN UINT64_C(4)
#define WEFT__FUTURE_HEARD UINT64_C(8)

struct weft_future {
    _Atomic(uint64_t) word;
    _Atomic(uint32_t) references;
    struct weft__waiters waiters; /* under the lock */
    int64_t result;               /* once SETTLED */
    void (*drop)(int64_t value);
    const char *name;
    WEFT__NOTED(made_at)
};

/* The result, if there is one. Any thread. */
static inline bool weft__future_peek(const struct weft_future *future, int64_t *result)
{
    /* acquire: pairs with the release that made it SETTLED; the result is seen */
    if (!(atomic_load_explicit(&future->word, memory_order_acquire) & WEFT__FUTURE_SETTLED))
        return false;
    *result = future->result;
    return true;
}

/* Somebody is told of its failure. */
void weft__future_hear(struct weft_future *future) __attribute__((cold));
/* It goes, and nobody was: for debug mode (unheard.c). */
void weft__future_unheard(const struct weft_future *future) __attribute__((cold));

/* The same for who takes the result as it is: a failure counts as heard. */
static inline bool weft__future_look(struct weft_future *future, int64_t *result)
{
    if (!weft__future_peek(future, result))
        return false;
    if (__builtin_expect(*result < 0, 0))
        weft__future_hear(future);
    return true;
}

/* Queues a waiter, which will be woken with the result in its `value`. False: it is settled, and
   the result is there now. */
bool weft__future_enter(struct weft_future *future, struct weft__waiter *waiter);
/* Takes it out again, a weft_future being the object. False: it is being woken. */
bool weft__future_leave(void *future, struct weft__waiter *waiter);
/* Settles: 0, or -EINVAL when it was. */
int weft__future_settle(struct weft_future *future, int64_t result);

#endif
