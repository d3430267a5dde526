/*
 * weft/task.h - tasks: functions on stacks of their own.
 *
 * A task belongs to a scope (weft/scope.h), runs on one reactor for life, and returns an int: >= 0,
 * or a negative errno, which counts as its failure. It gives way to others only inside calls marked
 * WEFT_SUSPENDS.
 */
#ifndef WEFT_TASK_H
#define WEFT_TASK_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

typedef struct weft_scope weft_scope;

/*
 * Names a task; a value, freely copied. It stays valid until the task is joined or its scope has
 * closed; later use gives -ESTALE, never another task.
 */
typedef struct weft_task {
    uint64_t slot;
    uint64_t generation;
} weft_task;

/* The body of a task. */
typedef int (*weft_task_fn)(void *arg);

/* For .reactor in the options: the reactor that has the fewest tasks now, those on their way from
   here counted; equals take turns. Tasks that wait for a remote child do not count. */
enum { WEFT_LEAST_LOADED = -1 };

/* The largest argument that is copied onto the new task's stack, in bytes. */
#define WEFT_ARG_SIZE_MAX 1024

struct weft_spawn_opt {
    size_t size;             /* sizeof(struct weft_spawn_opt) */
    const char *name;        /* for reports; must outlive the task; NULL: "task" */
    weft_task *task;         /* if not NULL: receives a handle, which is then to be joined */
    size_t stack_size;       /* bytes; 0: 64 KiB; rounded up to 16 KiB, 64 KiB, 256 KiB or 1 MiB */
    void (*drop)(void *arg); /* called instead of the body when cancelled before it first ran */
    int reactor;             /* 0: here; else WEFT_ON(index) or WEFT_LEAST_LOADED */
};
/* The reactor that a spawn goes to, for .reactor: zero, the default, means the one of the caller.
 */
#define WEFT_ON(reactor) ((reactor) + 1)

/*
 * Starts fn(arg) as a child of `scope`, which the caller's reactor must own. The child first runs
 * when the caller next suspends.
 *
 * arg_size   > 0: that many bytes at `arg` are copied, and the child gets a pointer to its copy,
 *            aligned to 16, which lives as long as the task does; at most WEFT_ARG_SIZE_MAX.
 *            0: the pointer itself is passed on.
 * opt        NULL for the defaults.
 *
 * A scope that is full (weft_scope_opt.max_tasks) makes the caller wait for room; the _nowait form
 * answers -EAGAIN instead and never suspends.
 *
 * Returns 0. On any error nothing was taken: -EINVAL bad argument, -E2BIG arg_size or stack_size
 * too large, -ENOMEM (also: no stack of that size is left, those of ended tasks not yet joined
 * counted), -EAGAIN (the _nowait form: no room; both: weft_run_opt.tasks_max tasks are alive, or no
 * more stacks can be guarded), -ECANCELED the caller or the scope is cancelled, -ESHUTDOWN the
 * scope drains, -EPERM outside a task or not the scope's reactor, -EDEADLK the scope is full and
 * its only child is the caller, -ERANGE no such reactor. What the other reactor of a remote child
 * answers when it is full is the result of the child.
 */
WEFT_API WEFT_NODISCARD int weft_spawn(weft_scope *scope, weft_task_fn fn, const void *arg,
                                       size_t arg_size,
                                       const struct weft_spawn_opt *opt) WEFT_SUSPENDS;
WEFT_API WEFT_NODISCARD int weft_spawn_nowait(weft_scope *scope, weft_task_fn fn, const void *arg,
                                              size_t arg_size, const struct weft_spawn_opt *opt);

/* weft_spawn into the innermost open scope of the caller, else into the root scope. */
WEFT_API WEFT_NODISCARD int weft_create_task(weft_task_fn fn, const void *arg, size_t arg_size,
                                             const struct weft_spawn_opt *opt) WEFT_SUSPENDS;

/*
 * Waits for `task` to end and stores what it returned in *result (NULL allowed). Any number of
 * tasks may await the same one; weft_join consumes the handle, weft_await does not.
 * A task that has ended is answered at once, unchecked for cancellation; but a loop of such answers
 * gives way to others now and then.
 *
 * Returns 0; -ECANCELED the caller was cancelled first (the handle stays valid); -ESTALE consumed
 * or closed; -EDEADLK waiting for oneself, or for one that cannot end before the caller has: in
 * joins, in lists all of whose tasks, or too many, are so, or closing a scope with such a child;
 * -EXDEV a task of another reactor; -EPERM outside a task.
 */
WEFT_API WEFT_NODISCARD int weft_join(weft_task task, int *result) WEFT_SUSPENDS;
WEFT_API WEFT_NODISCARD int weft_await(weft_task task, int *result) WEFT_SUSPENDS;
/* The same until the absolute time `deadline`: -ETIMEDOUT, and the task goes on, its handle valid.
   (weft_wait_for, in weft/await.h, cancels it.) */
WEFT_API WEFT_NODISCARD int weft_join_until(weft_task task, int *result,
                                            int64_t deadline) WEFT_SUSPENDS;
WEFT_API WEFT_NODISCARD int weft_await_until(weft_task task, int *result,
                                             int64_t deadline) WEFT_SUSPENDS;

/*
 * Asks `task` to end: every suspending call of it now answers -ECANCELED, until weft_uncancel or
 * its end. Requests are counted. An operation that took effect meanwhile reports its own result
 * first. Reaches the children of the scopes that the task has open. Allocates nothing, never
 * suspends. From the task's own reactor only; other threads use weft_cancel_post (weft/post.h).
 *
 * Returns 1 for a new request, 0 when the task has ended, -ESTALE, -EXDEV, -EPERM.
 */
WEFT_API int weft_cancel(weft_task task);

/*
 * Takes back one request made of the calling task by weft_cancel (never a deadline's, a sibling's,
 * a drain's or a stop's). Returns how many are left; -EINVAL when there was none, -EPERM outside a
 * task.
 */
WEFT_API int weft_uncancel(void);

/*
 * Would a suspending call be refused now? Returns the cause (enum weft_cause), or 0. Outside a task
 * 0.
 */
WEFT_API int weft_cancelled(void);

/* The cause of the last -ECANCELED, -ETIMEDOUT or -ESHUTDOWN that a call answered to this task. */
WEFT_API enum weft_cause weft_cause(void);

/* True while a scope around the calling task drains: finish what is under way, begin nothing. */
WEFT_API bool weft_draining(void);

/* Lets every other ready task run once. Returns 0, -ECANCELED, -EPERM. */
WEFT_API int weft_yield(void) WEFT_SUSPENDS;

/*
 * A region whose code relies on nobody else running meanwhile:
 *
 *     WEFT_NO_SUSPEND {
 *         balance_of(from) -= sum;
 *         balance_of(to) += sum;
 *     }
 *
 * Calls marked WEFT_SUSPENDS are a mistake in it, whether or not they would have suspended: they
 * answer -EPERM and do nothing; those that must not fail (closing a descriptor, a stream, a scope)
 * go on all the same. A debug build tells the hook (weft/misuse.h) of both. Regions may be nested,
 * and left in any way; `break` and `continue` leave the region. Outside of a task it is just a
 * block. In C++: weft::no_suspend here;
 */
struct weft_no_suspend { /* the macro's own */
    void *task;
    bool done;
};
WEFT_API struct weft_no_suspend weft_no_suspend_enter_(void);
WEFT_API void weft_no_suspend_leave_(struct weft_no_suspend *region);

#ifndef __cplusplus
#define WEFT_NO_SUSPEND WEFT_NO_SUSPEND_1_(__COUNTER__)
#define WEFT_NO_SUSPEND_1_(n) WEFT_NO_SUSPEND_2_(n)
#define WEFT_NO_SUSPEND_2_(n)                                                                      \
    for (struct weft_no_suspend weft_region_##n                                                    \
         __attribute__((cleanup(weft_no_suspend_leave_))) = weft_no_suspend_enter_();              \
         !weft_region_##n.done; weft_region_##n.done = true)
#endif

/* The calling task's own handle (for weft_cancel from elsewhere); {0, 0} outside a task. */
WEFT_API weft_task weft_current_task(void);

/*
 * The number of bytes left on the calling task's stack; 0 outside a task. Calls that may need more
 * than is left (printf of floating point about 5 KiB, getaddrinfo about 6 KiB, TLS handshakes more)
 * go through weft_call_on_big_stack.
 */
WEFT_API size_t weft_stack_remaining(void);

/*
 * Calls fn(arg) on the loop's own large stack (the thread's; 8 MiB as a rule) and returns its
 * result. fn must not suspend: inside it suspending calls answer -EPERM. -EPERM outside a task.
 */
WEFT_API int weft_call_on_big_stack(int (*fn)(void *), void *arg);

WEFT_END_DECLS

#ifdef __cplusplus
namespace weft
{
/* The same region as an object: it lasts to the end of the block. */
class no_suspend
{
  public:
    no_suspend() : region_(weft_no_suspend_enter_())
    {
    }
    ~no_suspend()
    {
        weft_no_suspend_leave_(&region_);
    }
    no_suspend(const no_suspend &) = delete;
    no_suspend &operator=(const no_suspend &) = delete;

  private:
    weft_no_suspend region_;
};
} // namespace weft
#endif

#endif
