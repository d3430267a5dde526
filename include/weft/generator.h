/*
 * weft/generator.h - generators: tasks that yield values, one for each time they are asked.
 *
 *     static int count(weft_generator *self, void *arg)
 *     {
 *         int error = 0;
 *         for (int i = 0; i < *(int *)arg && error == 0; i++)
 *             error = weft_generator_produce(self, &i);
 *         return error;                                  // clean up before this
 *     }
 *
 *     weft_generator *numbers;
 *     if (weft_generator_open(&numbers, sizeof(int), count, &ten, sizeof ten, NULL) == 0) {
 *         while (weft_generator_next(numbers, &number) > 0)
 *             printf("%d\n", number);
 *         weft_generator_close(numbers);
 *     }
 *
 * The body is a function on a stack of its own, which may suspend anywhere. It first runs when the
 * first value is asked for, and goes on from weft_generator_produce when the next one is: it never
 * runs ahead. A generator that was never asked never runs.
 *
 * Closing cancels the body: produce, and whatever else it waits in, answers; it cleans up (what
 * must suspend goes into WEFT_SHIELD) and returns, and the close returns after that.
 *
 * A generator belongs to the innermost scope that the opening task has open, and is cancelled with
 * it. When that scope closes, and nobody but generators is left in it, those not yet closed are
 * closed; that goes for the end of the task, too, if it has no scope open. The pointer is good
 * until then. Its failure is told to who asks for values, not to the scope.
 *
 * Any task of the same reactor may ask and close, one asking at a time.
 *
 * Where asyncio differs: an asynchronous generator there that is left before its end is finalised
 * at some later time, by a hook of the garbage collector; a cancelled __anext__ throws into the
 * generator, whereas here the value it was about to yield is there for the next who asks.
 */
#ifndef WEFT_GENERATOR_H
#define WEFT_GENERATOR_H

#include <weft/base.h>
#include <weft/task.h>

WEFT_BEGIN_DECLS

typedef struct weft_generator weft_generator;

/* The body. Returns 0 at the end of the values, or a negative errno. */
typedef int (*weft_generator_fn)(weft_generator *self, void *arg);

struct weft_generator_opt {
    size_t size;             /* sizeof(struct weft_generator_opt) */
    const char *name;        /* for reports; must outlive it; NULL: "generator" */
    size_t stack_size;       /* as in weft_spawn_opt */
    void (*drop)(void *arg); /* called instead of the body when that will never run */
};

/*
 * Makes a generator of values of item_size bytes. arg and arg_size as for weft_spawn: copied if
 * arg_size > 0, at most WEFT_ARG_SIZE_MAX. opt may be NULL. Does not suspend.
 * Returns 0; -ENOMEM, -E2BIG, -EINVAL; -EPERM outside a task.
 */
WEFT_API WEFT_NODISCARD int weft_generator_open(weft_generator **generator, size_t item_size,
                                                weft_generator_fn fn, const void *arg,
                                                size_t arg_size,
                                                const struct weft_generator_opt *opt);

/*
 * For the body: yields a copy of *item, and waits until the next value is asked for.
 *
 * Returns 0; -ESHUTDOWN the value was taken, and no other will be: the generator is closed or
 * cancelled, and every further call that suspends answers -ECANCELED; -ECANCELED the same, and
 * nobody took the value; -EPERM not called by the body; -EINVAL.
 */
WEFT_API WEFT_NODISCARD int weft_generator_produce(weft_generator *generator,
                                                   const void *item) WEFT_SUSPENDS;

/*
 * Waits for the next value and stores it in *item. The first call starts the body. The _until twin
 * gives up at the absolute time `deadline`. Giving up and being cancelled lose nothing: the value
 * is there for the next call. At the end it answers at once, unchecked for cancellation.
 *
 * Returns 1; 0 there are no more; the error the body returned (again each time); -ECANCELED;
 * -ETIMEDOUT (_until); -EBUSY another task is asking; -EDEADLK called by the body, or by who the
 * body waits for; -EXDEV a generator of another reactor; what weft_spawn says, from the first call:
 * -ENOMEM, -EAGAIN, -E2BIG; -EPERM; -EINVAL.
 */
WEFT_API WEFT_NODISCARD int weft_generator_next(weft_generator *generator,
                                                void *item) WEFT_SUSPENDS;
WEFT_API WEFT_NODISCARD int weft_generator_next_until(weft_generator *generator, void *item,
                                                      int64_t deadline) WEFT_SUSPENDS;

/*
 * Ends it: the body is cancelled, if it runs, and has ended when this returns; never cancelled
 * itself. NULL is allowed. Returns 0; the error the body ended with, if no weft_generator_next has
 * told it, and it is not just that of the close; -EDEADLK called by the body; -EXDEV; -EPERM
 * outside a task: then nothing was done.
 */
WEFT_API int weft_generator_close(weft_generator *generator) WEFT_SUSPENDS;

WEFT_END_DECLS

#endif
