/*
 * weft/loop.h - a loop as an object: one reactor, turned by the thread that made it, when it wants.
 *
 *     weft_loop *loop;
 *     int error = weft_loop_new(&loop, NULL);
 *     if (error < 0)
 *         return error;
 *     error = weft_loop_run(loop, fetch_all, &urls, sizeof urls);    // as often as one likes
 *     weft_loop_close(loop);
 *
 * weft_run is the better choice for a server: it starts one reactor for each core, and ends them. A
 * loop is for a library that needs one inside somebody else's program, for tests, and for what
 * asyncio's users know as the event loop.
 *
 * A loop belongs to the thread that made it: everything here is called there, outside of any run,
 * except where it says otherwise; other threads reach it through its inbox. Several loops may live
 * on one thread, and none of them sees the others. Between two runs its tasks wait, and nothing of
 * theirs happens.
 *
 * Errors of every call here, besides its own: -EINVAL NULL for what must not be; -EPERM another
 * thread's loop; -EDEADLK called while a loop or runtime runs on this thread, from within it;
 * -ENOTSUP in a child of fork.
 */
#ifndef WEFT_LOOP_H
#define WEFT_LOOP_H

#include <weft/callback.h>
#include <weft/runtime.h>

WEFT_BEGIN_DECLS

typedef struct weft_loop weft_loop;

/*
 * Makes a loop on the calling thread. opt as for weft_run; .reactors must be 0 or 1.
 * Stores it in *loop and returns 0, or what weft_run would answer at its start; *loop is untouched
 * then.
 */
WEFT_API WEFT_NODISCARD int weft_loop_new(weft_loop **loop, const struct weft_run_opt *opt);

/*
 * Runs fn(arg) as a task in the loop's root and turns until it has ended; arguments as for
 * weft_spawn. What it left behind stays, and goes on in the next run.
 *
 * Returns what fn returned; -EINTR when weft_loop_stop ended the run first (the task goes on in the
 * next run; its result is nobody's), -ESHUTDOWN after weft_stop, before or meanwhile; what
 * weft_spawn_nowait answers.
 */
WEFT_API int weft_loop_run(weft_loop *loop, weft_task_fn fn, const void *arg, size_t arg_size);

/* Turns until weft_loop_stop (0), or until all has ended after weft_stop (-ESHUTDOWN). */
WEFT_API int weft_loop_run_forever(weft_loop *loop);

/*
 * Ends the run under way, after everything that is ready now; what becomes ready meanwhile waits
 * for the next run. Between two runs: the next one ends after one pass like that. From a task or
 * callback of the loop, or on its thread between two runs; from other threads post a function that
 * calls it. Returns 0; -EPERM.
 */
WEFT_API int weft_loop_stop(weft_loop *loop);

/*
 * One turn: takes what has happened, runs what is ready, within the turn's budget, and hands the
 * kernel what was asked of it. With `wait` it sleeps until something happens. For programs that
 * have a loop of their own. Returns the absolute time at which it is to be called again even if
 * nothing happens: 1 at once, WEFT_NEVER when no timer is armed; or an error.
 */
WEFT_API int64_t weft_loop_step(weft_loop *loop, bool wait);

/*
 * A descriptor for epoll, GLib or libuv: readable when weft_loop_step is to be called, which makes
 * it unreadable again. Nobody else reads or closes it. So in a loop of another kind: whenever it is
 * readable, and whenever the time has come that the last step returned, step; and after a step that
 * returned 1, or a call from outside that gives the loop something to do, again.
 * Returns the descriptor, the same each time; -EMFILE, -ENFILE, -ENOMEM; -ENOTSUP in a simulated
 * world, where nothing but weft runs.
 */
WEFT_API int weft_loop_fd(weft_loop *loop);

/*
 * Ends it: callbacks that have not run are dropped; tasks that are left are named
 * (weft_run_opt.on_leftover), cancelled and joined, within weft_run_opt.cancel_ns; then everything
 * is closed, and the loop is gone. NULL: nothing happens.
 * Returns 0; -ETIMEDOUT when tasks still held then (their memory is leaked rather than freed under
 * the kernel; the loop is gone all the same). After an error of those above the loop lives on.
 */
WEFT_API int weft_loop_close(weft_loop *loop);

/* Is it turning now? On its thread, inside and outside. False for NULL. */
WEFT_API bool weft_loop_running(const weft_loop *loop);

/* The loop that is turning now, on the calling thread; NULL: none, or a runtime of weft_run's. */
WEFT_API weft_loop *weft_loop_current(void);

/*
 * Between two runs: what weft_spawn_nowait into the root, weft_call_soon, weft_call_later and
 * weft_call_at do inside. Returns as those do.
 */
WEFT_API WEFT_NODISCARD int weft_loop_create_task(weft_loop *loop, weft_task_fn fn, const void *arg,
                                                  size_t arg_size,
                                                  const struct weft_spawn_opt *opt);
WEFT_API WEFT_NODISCARD int weft_loop_call_soon(weft_loop *loop, void (*fn)(void *arg), void *arg,
                                                const struct weft_call_opt *opt);
WEFT_API WEFT_NODISCARD int weft_loop_call_later(weft_loop *loop, int64_t ns, void (*fn)(void *arg),
                                                 void *arg, const struct weft_call_opt *opt);
WEFT_API WEFT_NODISCARD int weft_loop_call_at(weft_loop *loop, int64_t deadline,
                                              void (*fn)(void *arg), void *arg,
                                              const struct weft_call_opt *opt);

/* The loop's inbox, for other threads, with a reference to be put back (weft/post.h). Usable inside
   as well. NULL for NULL. */
WEFT_API weft_inbox *weft_loop_inbox(const weft_loop *loop);

WEFT_END_DECLS

#endif
