/*
 * runtime/embed.c - a reactor turned by somebody else; see embed.h.
 */
#include "runtime/embed.h"

#include <errno.h>

#include "base/option.h"

static struct weft__reactor *reactor_of(struct weft__runtime *runtime)
{
    return &runtime->members[0]->reactor;
}

int weft__embed_open(struct weft__runtime **runtime, const struct weft_run_opt *opt)
{
    struct weft__reactor *outer = weft__self;
    struct weft__runtime *made = weft__runtime_new(1);
    int error;

    if (!made)
        return -ENOMEM;
    error = weft__option_copy(&made->opt, sizeof made->opt, opt);
    if (error == 0)
        error = weft__process_enter(&made->opt);
    if (error == 0) {
        error = weft__member_open(made->members[0], 0);
        if (error < 0)
            weft__process_leave(&made->opt);
    }
    weft__self = outer;
    if (error < 0)
        weft__runtime_free(made);
    else
        *runtime = made;
    return error;
}

int weft__embed_spawn(struct weft__runtime *runtime, weft_task_fn fn, const void *arg,
                      size_t arg_size)
{
    struct weft__reactor *reactor = reactor_of(runtime);

    return weft__task_start(reactor, weft__root(reactor), fn, arg, arg_size, NULL);
}

void weft__embed_turn(struct weft__runtime *runtime, bool wait)
{
    struct weft__reactor *outer = weft__self;

    weft__self = reactor_of(runtime);
    weft__reactor_turn(weft__self, wait);
    weft__self = outer;
}

const struct weft_stats *weft__embed_stats(struct weft__runtime *runtime)
{
    return &reactor_of(runtime)->stats;
}

void weft__embed_close(struct weft__runtime *runtime)
{
    struct weft__reactor *outer = weft__self;
    struct weft_run_opt opt = runtime->opt;

    weft__self = reactor_of(runtime);
    weft__scope_cancel(weft__root(weft__self), WEFT_CAUSE_STOP, true);
    while (weft__root(weft__self)->alive > 0)
        weft__reactor_turn(weft__self, true);
    weft__member_close(runtime->members[0]);
    weft__process_leave(&opt);
    weft__runtime_free(runtime);
    weft__self = outer;
}
