/*
 * sync/wait_queue.h - what every object of the layer begins with, and the hand-over: how tasks
 * queue under an object, are given what they wait for, or leave. It is built of the waiters of
 * task/wake.h, which says how a waiter is woken from another reactor.
 *
 * An entry lives in the frame of the call that waits. It has one of two ends:
 *
 *               enqueue             grant
 *      (in the frame) ---> QUEUED ----------> GRANTED       woken; `result` is what was handed over
 *                            |
 *                            | interrupt
 *                            v
 *                           GONE                            woken; refused
 *
 * Granting decides everything: the permit, the item, the notification is the entry's from then on,
 * whether or not its task has run yet, and a cancellation that comes later changes nothing about
 * it. One that comes before takes the entry out of the row at once. So there is nothing that an
 * entry would have to pass on, and nothing can be lost on the way.
 *
 * Whoever looks at an object's rows has entered it. Between weft__object_enter and
 * weft__object_leave nothing suspends, allocates or sends, and nobody is woken: those who were
 * granted something are collected, and woken on leaving, when the object is touched no more.
 *
 * The object's state is a value of 32 bits in one word. What can be settled without waiting is
 * settled by changing that word from one value to another (weft__object_swap), which succeeds only
 * while nobody waits and nobody is inside:
 *
 *      word:  value (32) | 0 ... | WAITERS | LOCKED          LOCKED: weft__word_lock's
 *
 * A local object is touched by the tasks of one reactor, its `home`: the first to enter, for as
 * long as that reactor exists. Its word has a value only, and is read and written like any other.
 */
#ifndef WEFT_SYNC_WAIT_QUEUE_H
#define WEFT_SYNC_WAIT_QUEUE_H

#include <weft/sync.h>

#include "task/wake.h"

struct weft__object;

enum weft__fate { WEFT__QUEUED, WEFT__GRANTED, WEFT__GONE };

struct weft__entry {
    struct weft__waiter waiter; /* first */
    struct weft__wait wait;
    struct weft__task *task;
    struct weft__object *object;
    struct weft__row *row;
    enum weft__fate fate; /* for who has entered; its own task, once it runs again */
    int32_t result;       /* what the call is to answer, once granted */
    void *item;           /* the object's own use: where the item is, or goes to */
    uint32_t mode;        /* likewise: what it asks for */
};

/* Entries in the order of coming. All zero: none. */
struct weft__row {
    struct weft__waiters waiters;
    uint64_t count;
};

enum { WEFT__OBJECT_SHARED = 1 };

/* What begins every object; all zero but for what its initialiser sets. */
struct weft__object {
    uint64_t kind;          /* WEFT__OBJECT_SHARED, or 0: local */
    _Atomic(uint64_t) home; /* local: the reactor's weft__tasks.id; 0: nobody's yet. Relaxed: others
                               read it only to find that it is not theirs */
    _Atomic(uint64_t) word;
    uint64_t limit; /* the object's own: a constant of the initialiser */
    struct weft__row row;
};

/* Those who were granted something and are to be woken. All zero: none. */
struct weft__woken {
    struct weft__waiter *first;
    struct weft__waiter *last;
};

#define WEFT__WORD_WAITERS UINT64_C(2)
enum { WEFT__VALUE_SHIFT = 32 };

static inline bool weft__object_shared(const struct weft__object *object)
{
    return object->kind & WEFT__OBJECT_SHARED;
}

int weft__object_enter_slowly(struct weft__object *object);

/* Begins a look at the object. 0, or -EPERM: not a reactor's thread, or another reactor's object.
 */
static inline int weft__object_enter(struct weft__object *object)
{
    const struct weft__reactor *reactor = weft__self;

    if (__builtin_expect(reactor && atomic_load_explicit(&object->home, memory_order_relaxed) ==
                                        weft__tasks_of(reactor)->id,
                         1))
        return 0;
    return weft__object_enter_slowly(object);
}

/* Ends it. */
static inline void weft__object_exit(struct weft__object *object)
{
    uint64_t word;

    if (!weft__object_shared(object))
        return;
    word = atomic_load_explicit(&object->word, memory_order_relaxed);
    word &= ~(WEFT__WORD_LOCKED | WEFT__WORD_WAITERS);
    weft__word_unlock(&object->word, word | (object->row.count ? WEFT__WORD_WAITERS : 0));
}

/* Ends it, and wakes who was granted something. */
static inline void weft__object_leave(struct weft__object *object, const struct weft__woken *woken)
{
    weft__object_exit(object);
    weft__waiters_wake(woken->first);
}

static inline uint32_t weft__object_value(const struct weft__object *object)
{
    /* acquire: pairs with the release of weft__word_unlock and weft__object_swap: who finds an
       event set sees what was written before; free for the others, who have entered */
    return (uint32_t)(atomic_load_explicit(&object->word, memory_order_acquire) >>
                      WEFT__VALUE_SHIFT);
}

/* For who has entered. */
static inline void weft__object_value_set(struct weft__object *object, uint32_t value)
{
    uint64_t locked = atomic_load_explicit(&object->word, memory_order_relaxed) & WEFT__WORD_LOCKED;

    atomic_store_explicit(&object->word, (uint64_t)value << WEFT__VALUE_SHIFT | locked,
                          memory_order_relaxed);
}

/* Changes the value from `from` to `to` if nobody waits, nobody is inside, and the caller may touch
   the object. False: not done, and the caller enters to find out why. */
static inline bool weft__object_swap(struct weft__object *object, uint32_t from, uint32_t to)
{
    const struct weft__reactor *reactor = weft__self;
    uint64_t old = (uint64_t)from << WEFT__VALUE_SHIFT;
    uint64_t new = (uint64_t)to << WEFT__VALUE_SHIFT;

    if (__builtin_expect(!reactor, 0))
        return false;
    if (weft__object_shared(object))
        /* acquire and release: pairs with itself and with the lock of the word: what one holder
           did is seen by the next */
        return atomic_compare_exchange_strong_explicit(&object->word, &old, new,
                                                       memory_order_acq_rel, memory_order_relaxed);
    if (atomic_load_explicit(&object->home, memory_order_relaxed) != weft__tasks_of(reactor)->id ||
        atomic_load_explicit(&object->word, memory_order_relaxed) != old || object->row.count)
        return false;
    atomic_store_explicit(&object->word, new, memory_order_relaxed);
    return true;
}

static inline struct weft__entry *weft__row_first(const struct weft__row *row)
{
    return (struct weft__entry *)row->waiters.first;
}

/* For who has entered: the first of the row that is to have what comes, and must be granted it;
   NULL: there is none. On the way those leave the row that were given something elsewhere. */
struct weft__entry *weft__row_claim_slowly(struct weft__row *row);
static inline struct weft__entry *weft__row_claim(struct weft__row *row)
{
    struct weft__entry *entry = weft__row_first(row);

    if (__builtin_expect(!entry || !entry->waiter.claim, 1))
        return entry;
    return weft__row_claim_slowly(row);
}

/* For who has entered: the last in the row from now on. The caller leaves, and waits. */
void weft__entry_enqueue(struct weft__entry *entry, struct weft__task *self, const char *what,
                         struct weft__object *object, struct weft__row *row);

/* The same for one whose waiter and task are set already: it waits for other things too (select.h).
 */
void weft__entry_link(struct weft__entry *entry, struct weft__object *object,
                      struct weft__row *row);
/* Takes such a one out, unless it is out already. */
void weft__entry_leave(struct weft__entry *entry);

/* Parks until it is granted or, if that is allowed, interrupted. `result`, or -ECANCELED. */
int weft__entry_wait(struct weft__entry *entry, bool interruptible);

/* For who has entered: `entry` is given what it waits for, and will answer `result`. */
void weft__entry_grant(struct weft__entry *entry, int32_t result, struct weft__woken *woken);
/* Likewise the first `count_max` of a row. How many that were. */
uint64_t weft__row_grant(struct weft__row *row, uint64_t count_max, int32_t result,
                         struct weft__woken *woken);

/* What a call that waits begins with, once its arguments are known to be good. */
static inline int weft__sync_begin(struct weft__task **self)
{
    int error = weft__enter(self);

    if (error < 0)
        return error;
    weft__reactor_spend((*self)->reactor); /* before anything is taken: it may give way */
    return __builtin_expect((*self)->visible, 0) ? weft__task_refuse(*self) : 0;
}

/* The `_until` twin of a call: the same in a scope of its own. */
#define WEFT__UNTIL(deadline, call)                                                                \
    struct weft__until until;                                                                      \
    int error = weft__until_open(&until, deadline);                                                \
                                                                                                   \
    return error < 0 ? error : (int)weft__until_close(&until, call)

#endif
