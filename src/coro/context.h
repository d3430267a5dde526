/*
 * context.h: a point of execution one can leave and come back to.
 *
 * A context is a saved stack pointer and what the sanitizers want to know. It owns no memory: the
 * stack comes from stack.h or is the thread's own. It knows no scheduler. A context is made, run
 * and dropped on one thread; nothing here is locked. What always holds: `sp` means something only
 * while the context is switched away.
 *
 * errno is the business of the task layer. C++ exceptions in flight are ours: the runtime of C++
 * keeps the exceptions being handled in a thread-local list, and two tasks suspended in catch
 * blocks would pop each other's. Only a process that has a C++ runtime pays for it.
 */
#ifndef WEFT_CORO_CONTEXT_H
#define WEFT_CORO_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "arch/arch.h"
#include "coro/sanitize.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weft__context {
    void *sp;             /* where the saved frame begins, while switched away */
    struct weft__san san; /* empty in a plain build */
};

/* Whether this process has a C++ runtime. Written once when the library is loaded, read by every
 * switch. */
extern bool weft__context_has_cxx __attribute__((visibility("hidden")));

/* Makes the calling thread's own stack a context, the one the others switch back to. */
static inline void weft__context_adopt(struct weft__context *context)
{
    context->sp = NULL;
    weft__san_adopt(&context->san);
}

/* Lets go of what the context holds beside its stack. Not on the context itself; harmless on one
 * that never ran, and on one adopted. */
static inline void weft__context_drop(struct weft__context *context)
{
    context->sp = NULL;
    weft__san_drop(&context->san);
}

#ifdef WEFT__SAN

/* As below; the sanitizers hear of the arrival before entry's own code runs. */
void weft__context_make(struct weft__context *context, void *stack_low, void *top,
                        void (*entry)(void *), void *arg);
void weft__context_start(struct weft__context *context, void *stack_low, void *top,
                         struct weft__context *(*body)(void *), void *arg);

#else

/*
 * A new context: the first switch to it calls entry(arg) on the stack that ends at `top`
 * (16-aligned) and reaches down to stack_low. entry must not return; it ends by
 * weft__context_exit_to. The context must not move in memory while it lives.
 */
static inline void weft__context_make(struct weft__context *context, void *stack_low, void *top,
                                      void (*entry)(void *), void *arg)
{
    (void)stack_low;
    context->sp = weft__arch_prepare(top, entry, arg);
}

/*
 * The same for a body that returns: what it returns is the context that goes on, and the stack is
 * free from then on. An end by return costs half of an end by weft__context_exit_to: calls and
 * returns stay balanced, so the returns of who goes on are predicted.
 */
static inline void weft__context_start(struct weft__context *context, void *stack_low, void *top,
                                       struct weft__context *(*body)(void *), void *arg)
{
    (void)stack_low;
    /* the address of a context is the address of its sp */
    context->sp = weft__arch_prepare(top, (void (*)(void *))(void (*)(void))body, arg);
}

#endif

/* The last switch away from `from`, whose stack may be reused from the next instruction on. */
static inline __attribute__((always_inline, noreturn)) void weft__context_exit_to(
    struct weft__context *from, struct weft__context *to)
{
    weft__san_leave(&from->san, &to->san, true);
    weft__arch_switch(&from->sp, to->sp);
    __builtin_unreachable();
}

/*
 * What the C++ runtime knows of exceptions in the context that is left, while it is away: kept in
 * the frame of the switch. In between the runtime's own record is empty, as a context that has
 * never run must find it; one that has run brings its own. The same thread's record on return:
 * contexts stay.
 */
struct weft__context_cxx {
    void *globals;
    void *caught;
    unsigned int uncaught;
};

void weft__context_cxx_leave(struct weft__context_cxx *mine);
void weft__context_cxx_arrive(const struct weft__context_cxx *mine);

/* Leaves `from`, which is running, for `to`. Returns when somebody switches back. */
static inline __attribute__((always_inline)) void weft__context_switch(struct weft__context *from,
                                                                       struct weft__context *to)
{
    struct weft__context_cxx mine;

    if (__builtin_expect(weft__context_has_cxx, 0))
        weft__context_cxx_leave(&mine);
    weft__san_leave(&from->san, &to->san, false);
    weft__arch_switch(&from->sp, to->sp);
    weft__san_arrive(&from->san);
    if (__builtin_expect(weft__context_has_cxx, 0))
        weft__context_cxx_arrive(&mine);
}

#ifdef __cplusplus
}
#endif

#endif
