/*
 * weft/scope.h - scopes: what owns tasks, and what bounds them.
 *
 *     WEFT_SCOPE(s, .deadline = weft_after_ms(500)) {
 *         if (weft_spawn(&s, fetch, &a, sizeof a, NULL) < 0) ...
 *         if (weft_spawn(&s, fetch, &b, sizeof b, NULL) < 0) ...
 *     }                                  // both have ended here
 *
 * A scope is opened and closed by one task, strictly nested, and touched only on that task's
 * reactor. It closes when every child has ended. Falling off the end of WEFT_SCOPE joins, and so
 * does `continue`; leaving it early by return, goto or break cancels and joins. The error that such
 * an implicit close ends with (a child's failure, or the -ETIMEDOUT of a deadline that cut
 * something inside) becomes the result of the task if that would have been >= 0 and nobody asked
 * weft_scope_error before; -ECANCELED does not. `return v` evaluates v before the join: read what
 * children write after the brace, not in the return. longjmp or an exception across a scope is
 * misuse in C; in C++ use weft::scope at the end of this file.
 */
#ifndef WEFT_SCOPE_H
#define WEFT_SCOPE_H

#include <weft/base.h>
#include <weft/task.h>
#include <weft/time.h>

WEFT_BEGIN_DECLS

/* Caller-allocated; only the functions below look inside. */
struct weft_scope {
    uint64_t opaque[36];
};

enum weft_on_error {
    WEFT_FAIL_FAST = 0, /* the first child that fails cancels its siblings and the body */
    WEFT_KEEP_GOING     /* failures are counted, the last few kept */
};

struct weft_scope_opt {
    size_t size;                 /* sizeof(struct weft_scope_opt); WEFT_SCOPE sets it */
    enum weft_on_error on_error; /* default WEFT_FAIL_FAST */
    uint32_t max_tasks;          /* children at one time; 0: no limit */
    int64_t deadline;            /* absolute; 0 and WEFT_NEVER: none. For "at once" use 1 */
    const char *name;            /* for reports; must outlive the scope */
};

/*
 * Opens `scope` inside the calling task; opt may be NULL.
 * Returns 0, -EINVAL (NULL, bad options, the task has it open already), -EPERM outside a task. Does
 * not suspend.
 */
WEFT_API WEFT_NODISCARD int weft_scope_open(weft_scope *scope, const struct weft_scope_opt *opt);

/*
 * Waits until every child has ended, runs the clean-up actions, and closes. Always finishes: it is
 * not itself cancellable, though what cancels the caller cancels the children. Closing a scope that
 * is closed already gives 0. Scopes close in the reverse order of opening.
 *
 * Returns, of a FAIL_FAST scope, the first failure of a child (a KEEP_GOING one keeps them to
 * itself: ask weft_scope_errors before); 0 when nothing was cut, or only by weft_scope_cancel or a
 * drain; else -ETIMEDOUT when the scope's own deadline passed and cut something inside; else
 * -ECANCELED when a cancellation from further out did. "Cut" means that a call was refused: work
 * that finished in time is not late.
 * -EPERM: not the innermost scope of the calling task. -EINVAL: NULL.
 */
WEFT_API int weft_scope_close(weft_scope *scope) WEFT_SUSPENDS;

/* The first failure so far, or 0. Reading it counts as having taken notice of it. */
WEFT_API int weft_scope_error(weft_scope *scope);

/*
 * How many children failed so far, and the latest of their results, newest first, at most 4 of
 * them, into errors[] (NULL allowed when count_max is 0).
 */
WEFT_API uint32_t weft_scope_errors(weft_scope *scope, int *errors, uint32_t count_max);

/* How many children are alive. */
WEFT_API uint32_t weft_scope_tasks(const weft_scope *scope);

/*
 * Cancels everything in the scope: children, what they opened, and the body's own calls inside it.
 * Returns 1, 0 when it was cancelled already, -EPERM from another reactor. Allocates nothing.
 */
WEFT_API int weft_scope_cancel(weft_scope *scope);

/* Sets, shortens or extends the deadline. Returns 0; -EALREADY when it has fired; -EPERM. */
WEFT_API int weft_scope_reschedule(weft_scope *scope, int64_t deadline);

/*
 * Drains: accepting, and waits marked WEFT_IDLE, end with -ESHUTDOWN, in shields too. Nothing more
 * may be spawned into this scope itself, by anybody (-ESHUTDOWN); into scopes further in, those who
 * are inside may still spawn what they need to finish, and nobody else. The rest goes on until
 * `soft`, then is cancelled, and from `hard` on shields are ignored too. Both are absolute times.
 * Suspends until the last child has ended; like a close it always finishes.
 *
 * Returns how many children had to be cancelled (0: all ended by themselves); -EPERM when the
 * caller did not open the scope; -EINVAL.
 */
WEFT_API int weft_scope_drain(weft_scope *scope, int64_t soft, int64_t hard) WEFT_SUSPENDS;

/*
 * Runs fn(arg) when the scope closes, after the last child, last in first out, shielded from
 * cancellation for at most 10 seconds. fn may suspend. Returns 0, -ENOMEM, -EPERM, -EINVAL.
 */
WEFT_API WEFT_NODISCARD int weft_scope_defer(weft_scope *scope, void (*fn)(void *), void *arg);

/* The scope of the run itself, on the calling reactor; NULL outside its tasks and callbacks. */
WEFT_API weft_scope *weft_root(void);

/* Behind WEFT_SCOPE and WEFT_SHIELD. */
WEFT_API weft_scope *weft_scope_enter_(weft_scope *scope, const struct weft_scope_opt *opt);
WEFT_API weft_scope *weft_shield_enter_(weft_scope *scope, int64_t deadline);
WEFT_API weft_scope *weft_scope_fall_(weft_scope *scope);
WEFT_API void weft_scope_leave_(weft_scope *scope);

/*
 * A region whose code sees no cancellation until the absolute `deadline`, which must be given (0
 * and WEFT_NEVER: -EINVAL). The hard stop of a run ignores it. In C use WEFT_SHIELD. Closed by
 * weft_scope_close; returns as weft_scope_open.
 */
WEFT_API WEFT_NODISCARD int weft_shield_open(weft_scope *scope, int64_t deadline);

#ifndef __cplusplus
#define WEFT_SCOPE(s, ...)                                                                         \
    for (weft_scope s __attribute__((cleanup(weft_scope_leave_))),                                 \
         *weft_once_##s =                                                                          \
             weft_scope_enter_(&s, &(struct weft_scope_opt){.size = sizeof(struct weft_scope_opt), \
                                            __VA_ARGS__});                                         \
         weft_once_##s; weft_once_##s = weft_scope_fall_(weft_once_##s))

#define WEFT_SHIELD(until) WEFT_SHIELD_1_(until, __COUNTER__)
#define WEFT_SHIELD_1_(until, n) WEFT_SHIELD_2_(until, n)
#define WEFT_SHIELD_2_(until, n)                                                                   \
    for (weft_scope weft_shield_##n __attribute__((cleanup(weft_scope_leave_))),                   \
         *weft_once_##n = weft_shield_enter_(&weft_shield_##n, until);                             \
         weft_once_##n; weft_once_##n = weft_scope_fall_(weft_once_##n))
#endif

WEFT_END_DECLS

#ifdef __cplusplus
namespace weft
{
/* A scope as an object: close() joins; the destructor cancels and joins what was not closed. */
class scope : public weft_scope
{
  public:
    explicit scope(const weft_scope_opt *opt = nullptr) : once_(weft_scope_enter_(this, opt))
    {
    }
    ~scope()
    {
        weft_scope_leave_(this);
    }
    scope(const scope &) = delete;
    scope &operator=(const scope &) = delete;
    explicit operator bool() const
    {
        return once_ != nullptr;
    }
    int close()
    {
        return weft_scope_close(this);
    }

  private:
    weft_scope *once_;
};
} // namespace weft
#endif

#endif
