/*
 * task/generator.c - generators: a task, and the place where its values change hands.
 *
 *      (made) -- next --> runs --- produce: gives the value to who asks ---> waits to be asked
 *         |                ^ |  `------ nobody asks (any more) --------------^     |
 *         |                | '-- returns --> over                                  |
 *         |                '------------------ next -------------------------------'
 *         '-- close --> over                   close: cancelled, and then it goes on to its end
 *
 * Held by who opened it (through `hold`: a scope, or a task without one), by the body while it
 * runs, and by who asks; the last one frees it. Its own reactor's only. The body is a child of the
 * scope `home` that never fails there.
 */
#include <weft/generator.h>

#include <errno.h>
#include <stdalign.h>
#include <string.h>

#include "base/memory.h"
#include "base/option.h"
#include "task/task.h"
#include "task/wait.h"

/* Somebody who asks; in his frame. */
struct ask {
    struct weft__wait wait;
    void *item;
    bool got;
    bool done; /* got it, or the generator is over */
};

struct weft_generator {
    struct weft__hold hold; /* in it until it closes */
    struct weft__reactor *reactor;
    struct weft__scope *home;
    struct weft__task *task;     /* the body, while it runs */
    struct weft__wait *producer; /* the body, waiting to be asked */
    struct weft__wait *closer;   /* who waits for the end */
    struct ask *ask;
    weft_generator_fn fn;
    void *arg;
    struct weft_generator_opt opt;
    size_t item_size;
    uint32_t references;
    int32_t result; /* once it is over */
    bool started;
    bool closing; /* nothing more will be given */
    bool over;
    bool told; /* its error, to somebody */
    alignas(16) char copy[];
};
#define GENERATOR_OF(pointer)                                                                      \
    ((weft_generator *)((char *)(pointer)-offsetof(struct weft_generator, hold)))

static void put(weft_generator *generator)
{
    if (--generator->references == 0)
        weft__free(generator);
}

/* -- the end -------------------------------------------------------------------------------- */

/* Once: by its scope, or by who closes it before that. */
static void close_begin(weft_generator *generator)
{
    generator->closing = true;
    if (!generator->started) {
        generator->over = true;
        if (generator->opt.drop)
            generator->opt.drop(generator->arg);
    } else if (!generator->over) {
        generator->home->generators--; /* now it is waited for like any child */
        generator->task->loose = false;
        (void)weft__task_cancel(generator->task);
        if (generator->producer) /* a shield keeps the cancellation from it */
            weft__wake_now(generator->reactor, generator->producer);
    }
}

/* Its scope closes, or its task has ended. */
static void abandoned(struct weft__hold *hold)
{
    weft_generator *generator = GENERATOR_OF(hold);

    close_begin(generator);
    put(generator);
}

/* -- opening -------------------------------------------------------------------------------- */

static int open_arguments(weft_generator **generator, size_t item_size, weft_generator_fn fn,
                          const void *arg, size_t arg_size)
{
    if (!generator || item_size == 0 || !fn || (arg_size && !arg))
        return weft__misuse(-EINVAL, "no place, no size, no function, or no argument");
    if (arg_size > WEFT_ARG_SIZE_MAX)
        return weft__misuse(-E2BIG, "an argument of more than WEFT_ARG_SIZE_MAX bytes");
    return weft__task_self() ? 0 : weft__outside();
}

int weft_generator_open(weft_generator **generator, size_t item_size, weft_generator_fn fn,
                        const void *arg, size_t arg_size, const struct weft_generator_opt *opt)
{
    struct weft_generator_opt own;
    struct weft__task *self = weft__task_self();
    weft_generator *made;
    int error = open_arguments(generator, item_size, fn, arg, arg_size);

    if (error < 0)
        return error;
    error = weft__option_copy(&own, sizeof own, opt);
    if (error < 0)
        return error;
    made = weft__calloc(1, sizeof *made + arg_size);
    if (!made)
        return -ENOMEM;
    made->reactor = self->reactor;
    made->home = self->scope ? self->scope : self->home;
    made->fn = fn;
    made->arg = (void *)(uintptr_t)arg;
    if (arg_size)
        made->arg = memcpy(made->copy, arg, arg_size);
    made->opt = own;
    made->item_size = item_size;
    made->references = 1;
    made->hold.abandon = abandoned;
    weft__hold_put(self->scope ? &self->scope->holds : &self->holds, &made->hold);
    *generator = made;
    return 0;
}

/* -- the body ------------------------------------------------------------------------------- */

static int call_body(void *arg)
{
    weft_generator *generator = arg;

    return generator->fn(generator, generator->arg);
}

/* What it ended with, as seen by who asks: that it was told to end is no error of its own. */
static int32_t verdict(const weft_generator *generator, const struct weft__task *self, int result)
{
    if (result >= 0)
        return 0;
    if ((self->delivered || generator->closing) && (result == -ECANCELED || result == -ESHUTDOWN))
        return generator->closing ? 0 : -ECANCELED;
    return result;
}

static int generator_main(void *arg)
{
    weft_generator *generator = arg;
    struct weft__task *self = weft__task_self();
    int result = -ECANCELED;

    if (self->visible && generator->opt.drop) {
        generator->opt.drop(generator->arg);
        self->delivered = true;
    } else {
        result = weft__task_body(self, call_body, generator);
        self->unread_failure = 0; /* it is in the result */
    }
    generator->result = verdict(generator, self, result);
    generator->over = true;
    generator->task = NULL;
    if (!generator->closing)
        generator->home->generators--;
    if (generator->ask) {
        generator->ask->done = true;
        weft__wake_now(generator->reactor, &generator->ask->wait);
        generator->ask = NULL;
    }
    if (generator->closer)
        weft__wake_now(generator->reactor, generator->closer);
    put(generator);
    return 0;
}

static int start(weft_generator *generator)
{
    const char *name = generator->opt.name ? generator->opt.name : "generator";
    struct weft_spawn_opt opt = {.size = sizeof opt,
                                 .name = name,
                                 .stack_size = generator->opt.stack_size};
    int error =
        weft__task_start(generator->reactor, generator->home, generator_main, generator, 0, &opt);

    if (error < 0)
        return error;
    generator->task = weft__tasks_of(generator->reactor)->newest;
    generator->started = true;
    generator->references++;
    generator->task->loose = true;
    generator->home->generators++;
    return 0;
}

/* Parks the body until it is asked: 0. Cancelled, or closed, it was not. */
static int wait_to_be_asked(weft_generator *generator, struct weft__task *self)
{
    struct weft__wait wait = {.what = "produce", .fd = -1};
    int error = 0;

    while (!generator->ask && !generator->closing && error == 0) {
        generator->producer = &wait;
        error = weft__wait_for_wake(self, &wait, true);
        generator->producer = NULL;
    }
    if (generator->ask)
        return 0;
    return error < 0 ? error : -ECANCELED;
}

int weft_generator_produce(weft_generator *generator, const void *item)
{
    struct weft__task *self;
    struct ask *ask;
    int error = weft__enter(&self);

    if (error < 0)
        return error;
    if (!generator || !item)
        return weft__misuse(-EINVAL, "no generator, or no value");
    if (generator->task != self)
        return weft__misuse(-EPERM, "only the body of the generator may produce");
    error = generator->closing ? -ECANCELED : wait_to_be_asked(generator, self);
    if (error < 0)
        return error;
    ask = generator->ask;
    generator->ask = NULL;
    memcpy(ask->item, item, generator->item_size);
    ask->got = ask->done = true;
    weft__wake_now(generator->reactor, &ask->wait);
    return wait_to_be_asked(generator, self) < 0 ? -ESHUTDOWN : 0;
}

/* -- asking --------------------------------------------------------------------------------- */

/* The answer of one that is over. */
static int last_word(weft_generator *generator, struct weft__task *self)
{
    generator->told = true;
    if (generator->result == -ECANCELED && self->visible) /* by what cancels us, too: say why */
        return weft__task_note_refusal(self);
    return weft__task_pass_on(self, generator->result);
}

/* 0: it may be waited for. */
static int askable(weft_generator *generator, struct weft__task *self)
{
    if (generator->task == self)
        return weft__misuse(-EDEADLK, "the generator asks itself");
    if (generator->ask || generator->closing)
        return weft__misuse(-EBUSY, "another task asks, or closes it");
    if (!generator->started)
        return start(generator);
    if (weft__task_gives_nothing(self, generator->task))
        return weft__misuse(-EDEADLK, "the generator waits for who asks it");
    return 0;
}

static int wait_for_value(weft_generator *generator, struct weft__task *self, void *item)
{
    struct ask ask = {.wait = {.what = "generator", .fd = -1}, .item = item};
    int result;

    generator->ask = &ask;
    generator->references++;
    if (generator->producer)
        weft__wake_now(generator->reactor, generator->producer);
    self->joins = generator->task;
    generator->task->asked_by = self;
    result = weft__wait_for_done(self, &ask.wait, &ask.done);
    self->joins = NULL;
    if (!generator->over && generator->task->asked_by == self) /* or by another, since */
        generator->task->asked_by = NULL;
    if (!ask.done)
        generator->ask = NULL;
    else
        result = ask.got ? 1 : last_word(generator, self);
    put(generator);
    return result;
}

/* 0; a mistake; or 1: it is over, and `result` the answer. */
static int next_begin(weft_generator *generator, void *item, struct weft__task **self)
{
    *self = weft__task_self();
    if (!*self)
        return weft__outside();
    if (!generator || !item)
        return weft__misuse(-EINVAL, "no generator, or no place for the value");
    if (generator->reactor != (*self)->reactor)
        return weft__misuse(-EXDEV, "the generator is another reactor's");
    return generator->over;
}

int weft_generator_next(weft_generator *generator, void *item)
{
    struct weft__task *self;
    int error = next_begin(generator, item, &self);

    if (error > 0)
        return last_word(generator, self);
    if (error == 0)
        error = weft__enter(&self);
    if (error == 0 && generator->over) /* it ended as this gave way */
        return last_word(generator, self);
    if (error == 0)
        error = askable(generator, self);
    return error < 0 ? error : wait_for_value(generator, self, item);
}

int weft_generator_next_until(weft_generator *generator, void *item, int64_t deadline)
{
    struct weft__until until;
    struct weft__task *self;
    int error = next_begin(generator, item, &self);

    if (error > 0)
        return last_word(generator, self);
    if (error == 0)
        error = weft__until_open(&until, deadline);
    if (error < 0)
        return error;
    return (int)weft__until_close(&until, weft_generator_next(generator, item));
}

int weft_generator_close(weft_generator *generator)
{
    struct weft__task *self = weft__task_self();
    struct weft__wait wait = {.what = "generator", .fd = -1};
    int result;

    if (!generator)
        return 0;
    if (!self)
        return weft__outside();
    if (generator->reactor != self->reactor)
        return weft__misuse(-EXDEV, "the generator is another reactor's");
    if (generator->task == self)
        return weft__misuse(-EDEADLK, "the generator closes itself");
    weft__enter_release(self);
    weft__hold_end(&generator->hold);
    close_begin(generator);
    while (!generator->over) {
        generator->closer = &wait;
        (void)weft__wait_for_wake(self, &wait, false);
        generator->closer = NULL;
    }
    result = generator->told ? 0 : generator->result;
    put(generator);
    return weft__task_pass_on(self, result);
}
