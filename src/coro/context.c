/*
 * context.c: what context.h does not do inline: C++ exceptions, and the entry under a sanitizer.
 */
#include "coro/context.h"

/*
 * The C++ runtime's per-thread record of exceptions (Itanium C++ ABI, Exception Handling, 2.2.2):
 * the stack of exceptions being handled, and how many are on their way. Weak: a process without a
 * C++ runtime, or one that loads it only later with dlopen, has none.
 */
struct cxx_globals {
    void *caught;
    unsigned int uncaught;
};

extern struct cxx_globals *__cxa_get_globals(void) __attribute__((weak));

bool weft__context_has_cxx;

/* At load time: no thread exists yet that could be reading it. */
static __attribute__((constructor)) void look_for_cxx(void)
{
    weft__context_has_cxx = __cxa_get_globals != NULL;
}

#ifdef WEFT__SAN

/* The sanitizers want to hear of the arrival before the entry's code runs. */
static void arrive_and_enter(void *arg)
{
    struct weft__context *context = arg;

    weft__san_arrive(&context->san);
    context->san.entry(context->san.arg);
}

void weft__context_make(struct weft__context *context, void *stack_low, void *top,
                        void (*entry)(void *), void *arg)
{
    weft__san_make(&context->san, stack_low, top);
    context->san.entry = entry;
    context->san.arg = arg;
    context->sp = weft__arch_prepare(top, arrive_and_enter, context);
}

/* And of the departure, before the stack is left. */
static WEFT__SAN_UNSEEN struct weft__context *arrive_and_run(void *arg)
{
    struct weft__context *context = arg, *next;

    weft__san_arrive(&context->san);
    next = context->san.body(context->san.arg);
    weft__san_leave(&context->san, &next->san, true);
    return next;
}

void weft__context_start(struct weft__context *context, void *stack_low, void *top,
                         struct weft__context *(*body)(void *), void *arg)
{
    weft__san_make(&context->san, stack_low, top);
    context->san.body = body;
    context->san.arg = arg;
    context->sp =
        weft__arch_prepare(top, (void (*)(void *))(void (*)(void))arrive_and_run, context);
}

#endif

void weft__context_cxx_leave(struct weft__context_cxx *mine)
{
    struct cxx_globals *globals = __cxa_get_globals();

    mine->globals = globals;
    mine->caught = globals->caught;
    mine->uncaught = globals->uncaught;
    globals->caught = NULL;
    globals->uncaught = 0;
}

void weft__context_cxx_arrive(const struct weft__context_cxx *mine)
{
    struct cxx_globals *globals = mine->globals;

    globals->caught = mine->caught;
    globals->uncaught = mine->uncaught;
}
