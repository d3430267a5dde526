/*
 * task/task.h - the upper half of a task, its scopes, and how cancellation reaches it.
 *
 * A task's record stands at the top of its own stack, above the argument's copy and the frames:
 *
 *      low | guard | ...free... | frames | argument copy | struct weft__task | stagger | high
 *
 * so a parked task costs one touched page. The record is found from a handle by arithmetic (slot ->
 * address) and recognised by its generation, which is never used twice in a process.
 *
 * The tree: a scope has an owner (the task that opened it) and children; a task has a home (the
 * scope it is a child of) and a chain of scopes it has open, innermost first. What is `visible` to
 * a task is the first cause met on the way up: its own scopes, the requests made of it, its home,
 * that scope's outer ones, that owner's home, and so on; a shield hides what lies beyond it, unless
 * that is hard. The answer is kept in the record and refreshed whenever something on the way
 * changes, so that a suspending call looks at one byte.
 *
 * Everything here is touched on the task's own reactor only.
 */
#ifndef WEFT_TASK_TASK_H
#define WEFT_TASK_TASK_H

#include <weft/runtime.h>
#include <weft/scope.h>
#include <weft/task.h>

#include "base/rare.h"
#include "reactor/reactor.h"

enum { WEFT__SERIAL_BITS = 40 }; /* of a generation; the runtime's number is above */

struct weft__binding;
struct weft__scope;
struct weft__neighbour; /* call.c's */
struct weft__watches;

struct weft__joiner {
    struct weft__wait wait;
    struct weft__joiner *next;
    struct weft__joiner **link;
    void (*ended)(struct weft__joiner *joiner); /* called instead of waking `wait`, or NULL */
    int32_t result;
    bool done;     /* result is there */
    bool consumes; /* weft_join, not weft_await */
};

/* Something a task holds and only it may release: lives in the object held. */
struct weft__hold {
    struct weft__hold *next;
    struct weft__hold **link;
    void (*abandon)(struct weft__hold *hold); /* the task has ended and did not release it */
};

struct weft__task {
    /* what every suspending call touches is one cache line */
    struct weft__fiber fiber; /* first: the reactor's pointer is ours */
    struct weft__reactor *reactor;
    uint8_t inherited;   /* cause passed down by a cancelled ancestor; never taken back. Of one that
                            runs for a task of another reactor: the cause seen there */
    uint8_t visible;     /* enum weft_cause a suspending call would be refused with now */
    uint8_t cause;       /* of the last refusal: weft_cause() */
    bool draining;       /* a scope around it drains, or `told_to_drain` */
    bool inherited_hard; /* that cause goes through shields */
    bool told_to_drain;  /* the scope that drains is on another reactor: its caller's */
    bool shielded_at_home;  /* its caller stands in a shield: the root here is hidden by that */
    bool refused_from_home; /* it, or one below, was refused for the inherited cause */
    bool ended;
    bool kept;                /* a handle was asked for: the record stays until it is joined */
    bool delivered;           /* was refused at least once */
    uint8_t stays;            /* how many WEFT_NO_SUSPEND regions it is in */
    bool heard;               /* somebody has its result */
    bool loose;               /* the body of a generator not closed: does not keep `home` open */
    uint64_t generation;      /* 0 once the record is free */
    struct weft__scope *home; /* whose child it is */
    struct weft__task *next;  /* among home's children */
    struct weft__task **link;
    struct weft__scope *scope; /* innermost open scope of its own, or NULL */
    weft_task_fn fn;
    void *arg;
    void (*drop)(void *arg);
    const char *name;
    struct weft__joiner *joiners;
    struct weft__task *joins; /* the task it waits for in a join; meaningful while it is parked */
    const struct weft__watches *watches; /* those of which it waits for some; NULL: none */
    struct weft__task *asked_by;         /* the body of a generator: who waits for its next value */
    struct weft__task *search_next;      /* of a search for a cycle (cycle.c) */
    struct weft__task *search_because;   /* whom it could not end before */
    struct weft__task *search_freed;     /* of those let go */
    uint32_t search;                     /* which search that was */
    uint32_t search_count;
    struct weft__hold *holds;       /* what is to be given back at its end, the latest first */
    struct weft__binding *bindings; /* its context variables (binding.h) */
    int32_t result;
    int32_t unread_failure; /* of a scope closed implicitly; becomes the result */
    uint32_t requests;      /* weft_cancel calls not taken back */
    WEFT__NOTED(made_at)
};
_Static_assert(sizeof(struct weft__fiber) > 40 || offsetof(struct weft__task, generation) <= 64,
               "what every suspending call touches, where nothing is noted for debugging");

struct weft__defer {
    struct weft__defer *next;
    void (*fn)(void *arg);
    void *arg;
};

/* Somebody who waits for room in a full scope. Once served it is off the list and counted in the
   scope's room_served until it has run: it spawns, or lets the next one have the room. */
struct weft__room_waiter {
    struct weft__wait wait; /* first */
    struct weft__scope *scope;
    struct weft__room_waiter *next;
    struct weft__room_waiter **link;
    bool served;
};

/* In `state`; anything else is not an open scope. */
#define WEFT__SCOPE_OPEN UINT64_C(0x77656674006f7065)

struct weft__scope {
    uint64_t state;
    struct weft__task *owner;  /* NULL: the root of a reactor */
    struct weft__scope *outer; /* the owner's next scope outwards */
    struct weft__reactor *reactor;
    struct weft__task *children; /* alive, or ended and kept; in the order spawned */
    struct weft__task **children_tail;
    uint32_t alive;
    uint32_t alive_max;
    uint32_t room_served; /* waiters for room that were woken and have not run yet */
    uint8_t on_error;
    uint8_t cause;  /* enum weft_cause it was cancelled with, 0 if not */
    bool hard;      /* its cause goes through shields */
    bool shield;    /* hides what lies outside, until its deadline */
    bool draining;  /* asked to drain itself */
    bool delivered; /* something inside was refused for a cause in here or further out */
    bool error_read;
    bool deadline_fired;
    int32_t error; /* first failure of a child */
    uint32_t failures;
    int32_t latest[4];
    int64_t deadline_ns;
    struct weft__timer timer;
    struct weft__wait *closer; /* the owner, waiting for the last child */
    struct weft__room_waiter *room;
    struct weft__room_waiter **room_tail;
    struct weft__defer *defers;
    struct weft__hold *holds; /* generators opened in it and not closed */
    uint32_t generators;      /* how many children are bodies of such; they do not keep it open */
    const char *name;
};
_Static_assert(sizeof(struct weft__scope) <= sizeof(struct weft_scope), "reserved room");

/* The task layer's state on one reactor. */
struct weft__tasks {
    struct weft__scope root;
    uint64_t id;                                          /* of the reactor: in a process, ever */
    struct weft__tasks *next;                             /* on the roll (roll.c) */
    uint64_t generation;                                  /* of the latest task */
    uint64_t alive_max;                                   /* tasks at one time */
    void (*on_root_empty)(struct weft__reactor *reactor); /* its last task has ended */
    struct weft__task *newest;                            /* the task started last */
    struct weft__task *dead; /* ended, their stacks not yet given back: linked by `next` */
    uint64_t stand_ins;      /* tasks that only wait for a remote child; read by other reactors */
    struct weft__neighbour *neighbours; /* by index of reactor; made when first asked for */
    uint32_t spawned_on;                /* the last answer to WEFT_LEAST_LOADED */
    uint32_t draws;                     /* of WEFT_SELECT_FAIR */
    uint32_t searches;                  /* for cycles, so far */
};

/* At most `alive_max` tasks at one time; 0: 2^21. */
int weft__tasks_open(struct weft__reactor *reactor, uint64_t generation_first, uint32_t alive_max);
void weft__tasks_close(struct weft__reactor *reactor);

/* The roll: is there a reactor of that id (struct weft__tasks) still? Any thread. One that was
   given up counts. */
bool weft__roll_call(uint64_t id);
void weft__roll_enter(struct weft__tasks *tasks);
void weft__roll_leave(struct weft__tasks *tasks);

/* The calling task, or NULL outside of one. */
static inline struct weft__task *weft__task_self(void)
{
    struct weft__reactor *reactor = weft__self;
    return reactor ? (struct weft__task *)reactor->current : NULL;
}

static inline struct weft__tasks *weft__tasks_of(const struct weft__reactor *reactor)
{
    return (struct weft__tasks *)reactor->tasks;
}

/* The root scope of a reactor. */
static inline struct weft__scope *weft__root(struct weft__reactor *reactor)
{
    return &weft__tasks_of(reactor)->root;
}

/* -- being refused ------------------------------------------------------------------------- */

/* Notes that the task was told of its cancellation; returns -ECANCELED. May give way. */
int weft__task_refuse(struct weft__task *self);
/* `result`, which is somebody else's, or says that another has closed or shut what was asked: where
   it reads like a refusal, nobody has refused the caller. */
int weft__task_pass_on(struct weft__task *self, int result);
/* The same at the beginning of a call; -EPERM where nothing may suspend. */
int weft__task_refuse_entry(struct weft__task *self);
/* The same for calls that never suspend. */
int weft__task_note_refusal(struct weft__task *self);

/* Refuses a call that only a task may make. */
static inline int weft__outside(void)
{
    return weft__misuse(-EPERM, weft__self ? "called in a callback, where no task runs"
                                           : "called outside of a task");
}

/* weft__task_pass_on for calls that are made outside of tasks as well. */
static inline int weft__pass_on(int result)
{
    struct weft__task *self = __builtin_expect(result >= 0, 1) ? NULL : weft__task_self();

    return self ? weft__task_pass_on(self, result) : result;
}

/* In builds in which every suspending call gives way first, see base/rare.h. */
static inline void weft__give_way(const struct weft__task *self)
{
    if (weft__rare(WEFT__RARE_YIELD) && !self->visible && !self->stays)
        weft__fiber_yield_rarely(self->reactor);
}

/* A call that may be answered at once spends the turn's budget as a switch does, and gives way when
   that is used up: once it has its answer, so that nothing it was asked about is gone by then
   (decision 78). */
static inline void weft__spend(const struct weft__task *self)
{
    if (__builtin_expect(!self->stays, 1))
        weft__reactor_spend(self->reactor);
}

/* May the task suspend now? 0, -EPERM, -ECANCELED. */
static inline int weft__admit(struct weft__task *task)
{
    if (__builtin_expect(task->visible | task->stays, 0))
        return weft__task_refuse_entry(task);
    return 0;
}

/* What every suspending call begins with: 0, -EPERM outside a task, -ECANCELED. */
static inline int weft__enter(struct weft__task **self)
{
    struct weft__task *task = weft__task_self();

    if (__builtin_expect(!task, 0))
        return weft__outside();
    *self = task;
    weft__give_way(task);
    return weft__admit(task);
}

/* What begins a call that may suspend and must not fail. */
static inline void weft__enter_release(const struct weft__task *task)
{
    if (__builtin_expect(task->stays, 0))
        (void)weft__misuse(-EPERM, "may suspend, in a region where nothing may");
}

/* Ends an idle wait, or refuses to begin one, in a drain; returns -ESHUTDOWN. */
int weft__task_refuse_idle(struct weft__task *self);

/* weft__enter for a wait that a drain may end. */
static inline int weft__enter_idle(struct weft__task **self)
{
    int error = weft__enter(self);

    if (error == 0 && __builtin_expect((*self)->draining, 0))
        return weft__task_refuse_idle(*self);
    return error;
}

/* Before a further wait of a call that has waited already: who was woken may be cancelled, or, if
   that wait is idle, told to drain, before he runs; nobody interrupts him for that again. */
static inline int weft__admit_again(struct weft__task *task, bool idle)
{
    if (__builtin_expect(task->visible != 0, 0))
        return weft__task_refuse(task);
    return __builtin_expect(idle && task->draining, 0) ? weft__task_refuse_idle(task) : 0;
}

/* -- inside the layer ---------------------------------------------------------------------- */

/* Spawns without looking at limits or at the caller's state. `size` bytes are copied. */
int weft__task_start(struct weft__reactor *reactor, struct weft__scope *home, weft_task_fn fn,
                     const void *arg, size_t size, const struct weft_spawn_opt *opt);
/* The task holds it from now on; or no more. */
static inline void weft__hold_put(struct weft__hold **holds, struct weft__hold *hold)
{
    hold->next = *holds;
    hold->link = holds;
    if (hold->next)
        hold->next->link = &hold->next;
    *holds = hold;
}
static inline void weft__hold_begin(struct weft__task *self, struct weft__hold *hold)
{
    weft__hold_put(&self->holds, hold);
}
static inline void weft__hold_end(struct weft__hold *hold)
{
    *hold->link = hold->next;
    if (hold->next)
        hold->next->link = hold->link;
}

/* What is still held is not its to hold any more. */
static inline void weft__holds_abandon(struct weft__hold **holds)
{
    while (*holds) {
        struct weft__hold *hold = *holds;

        weft__hold_end(hold);
        hold->abandon(hold);
    }
}

/* Runs fn and applies the rule of the unread failure. */
int weft__task_body(struct weft__task *self, weft_task_fn fn, void *arg);
/* The task a handle names. NULL: *error is -ESTALE, -EXDEV or -EPERM. */
struct weft__task *weft__task_find(struct weft__reactor *reactor, weft_task handle, int *error);
/* What the user is told when there is none, `error` being why. consumed: the handle should be good,
   as it is the caller's to use up; any other may run out at any time. */
int weft__task_not_found(weft_task handle, int error, bool consumed);
weft_task weft__task_handle(const struct weft__task *task);
/* Tasks are numbered from 1 on each reactor, in the order in which they were begun. */
static inline uint64_t weft__task_number(const struct weft__task *task)
{
    return task->generation & ((UINT64_C(1) << WEFT__SERIAL_BITS) - 1);
}
/* "task 2 "name"". */
void weft__task_put(struct weft__line *line, const struct weft__task *task);
/* Has one that ended with an error failed? Being told to end, and ending for that reason, is no
   failure. One that runs for a task of another reactor fails there. */
bool weft__task_failed(const struct weft__task *task);
/* It goes, and nobody has its result: for debug mode (unheard.c). */
void weft__task_unheard(const struct weft__task *task) __attribute__((cold));
/* Puts a joiner on a task that has not ended, and takes it off again before it has. */
void weft__joiner_link(struct weft__task *task, struct weft__joiner *joiner);
void weft__joiner_unlink(struct weft__joiner *joiner);
/* Could the task never end if `self` waited for it? */
bool weft__task_would_deadlock(struct weft__task *self, struct weft__task *task);
/* The same for one of several that are asked about in a row. *search is 0 at first: one search does
   for all, as long as nobody runs in between. */
bool weft__task_would_deadlock_in(struct weft__task *self, struct weft__task *task,
                                  uint32_t *search);
/* Could it, the body of a generator, never give a value if `self` waited for that? */
bool weft__task_gives_nothing(struct weft__task *self, struct weft__task *task);
/* That was so just now: -EDEADLK, and a debug build is told the circle. */
int weft__task_deadlock(const struct weft__task *self, const struct weft__task *task);
/* Gives back the records and stacks of tasks that have ended. */
void weft__tasks_reap(struct weft__reactor *reactor);
/* Lets go of an ended task that was kept. */
void weft__task_release(struct weft__task *task);
void weft__task_describe(const struct weft__task *task, struct weft_task_info *info);

void weft__scope_init(struct weft__scope *scope, struct weft__reactor *reactor,
                      struct weft__task *owner);
void weft__scope_child_ended(struct weft__scope *scope, struct weft__task *child);
/* Closes whatever scopes a task left open at its end. */
void weft__scopes_close_all(struct weft__task *self);
/* weft_scope_close for a call that opened it, whose answer is not to be kept from who asked. */
int weft__scope_close(weft_scope *public_scope);

/* Recomputes what the task sees and, when that is news, interrupts its wait. */
void weft__task_refresh(struct weft__task *task);
/* weft_cancel, the task being found. */
int weft__task_cancel(struct weft__task *task);
/* Cancels a scope and everything in it. 1, or 0 when that was so already. */
int weft__scope_cancel(struct weft__scope *scope, enum weft_cause cause, bool hard);
/* Marks it draining and ends the idle waits inside. */
void weft__scope_drain_begin(struct weft__scope *scope);
/* What a task sees that another one, on another reactor, is to see in its place. stands_in:
   requests made of the task are meant for the other, and come apart, as it may take them back. */
struct weft__outlook {
    uint32_t requests;
    uint8_t cause; /* enum weft_cause, or 0 */
    bool hard;
    bool draining;
    bool shielded;
};
struct weft__outlook weft__task_outlook(const struct weft__task *task, bool stands_in);
/* Has the task, and those below it, see that. */
void weft__task_look_from(struct weft__task *task, const struct weft__outlook *outlook);
/* The next scope outwards on the way up, which may be another task's; NULL: that was the root. */
struct weft__scope *weft__scope_around(const struct weft__scope *scope);
/* Takes the shield of `scope` away: what it hid is seen inside from now on. */
void weft__scope_unshield(struct weft__scope *scope);
/* The cause with which the scope is cancelled, by itself or by what lies around it; else 0. */
enum weft_cause weft__scope_cause(const struct weft__scope *scope);
/* Lets those who wait for room in as far as there is some. */
void weft__scope_serve_room(struct weft__scope *scope);
/* Has them all look again: the scope takes nobody any more. */
void weft__scope_turn_away(struct weft__scope *scope);
/* Does the drain of `scope`, or of one around it, keep `self` from spawning into it? */
bool weft__scope_refuses_new(const struct weft__scope *scope, const struct weft__task *self);
/* Recomputes everybody in the scope: something about it changed. */
void weft__scope_refresh(struct weft__scope *scope);

/* Calls fn for each task below the scope (or below the reactor's root), until it returns non-zero.
 */
int weft__scope_each(struct weft__scope *scope, int (*fn)(struct weft__task *task, void *context),
                     void *context);

#endif
