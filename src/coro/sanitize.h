/*
 * sanitize.h: all that is said to ASan, TSan and valgrind, and the only place that names them.
 *
 * In a plain build every function here is empty and struct weft__san has no fields, so a switch
 * compiles to the call of weft__arch_switch. Functions that take part in a switch are forced
 * inline: TSan keeps a call stack per fiber, and one that was entered on one fiber and left on
 * another would unbalance both.
 *
 * Any thread may call these; a struct weft__san belongs to the thread that runs its context.
 */
#ifndef WEFT_CORO_SANITIZE_H
#define WEFT_CORO_SANITIZE_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define WEFT__SAN_ADDRESS 1
#endif
#if __has_feature(thread_sanitizer)
#define WEFT__SAN_THREAD 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define WEFT__SAN_ADDRESS 1
#endif
#ifdef __SANITIZE_THREAD__
#define WEFT__SAN_THREAD 1
#endif

/* For a function that changes the fiber and then returns: TSan must not see it begin or end, or the
 * end is booked on the wrong fiber. */
#if defined(WEFT__SAN_THREAD) && defined(__clang__)
#define WEFT__SAN_UNSEEN __attribute__((disable_sanitizer_instrumentation))
#else
#define WEFT__SAN_UNSEEN
#endif

#if defined(WEFT__SAN_ADDRESS) || defined(WEFT__SAN_THREAD)
#define WEFT__SAN 1
#endif

#ifdef __has_include
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#define WEFT__SAN_VALGRIND 1
#endif
#endif

#define WEFT__SAN_INLINE static inline __attribute__((always_inline, unused))

#ifdef __cplusplus
extern "C" {
#endif

/* ---- a switch ----------------------------------------------------------------------------- */

#ifdef WEFT__SAN

struct weft__context;

struct weft__san {
    void (*entry)(void *);                 /* what the first switch really calls */
    struct weft__context *(*body)(void *); /* or this */
    void *arg;
    void *fiber;        /* TSan's fiber */
    bool fiber_owned;   /* created by weft__context_make, so destroyed by weft__context_drop */
    void *fake;         /* ASan's fake stack, while switched away */
    const void *bottom; /* ASan's idea of the stack: lowest address and size */
    size_t size;
};

/* The context just switched away from, on this thread: its bounds are learned on arrival. */
extern __thread struct weft__san *weft__san_from __attribute__((visibility("hidden")));

#endif

#ifdef WEFT__SAN_ADDRESS
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>

WEFT__SAN_INLINE void weft__san_asan_leave(struct weft__san *from, struct weft__san *to, bool dies)
{
    weft__san_from = dies ? NULL : from;
    __sanitizer_start_switch_fiber(dies ? NULL : &from->fake, to->bottom, to->size);
}

WEFT__SAN_INLINE void weft__san_asan_arrive(struct weft__san *self)
{
    const void *bottom = NULL;
    size_t size = 0;

    __sanitizer_finish_switch_fiber(self->fake, &bottom, &size);
    if (weft__san_from) { /* a thread's own stack has no other way to learn where it lies */
        weft__san_from->bottom = bottom;
        weft__san_from->size = size;
    }
}

/* Memory of the kernel's until it says otherwise: touching it is reported. */
WEFT__SAN_INLINE void weft__san_poison(const void *p, size_t size)
{
    __asan_poison_memory_region(p, size);
}

WEFT__SAN_INLINE void weft__san_unpoison(const void *p, size_t size)
{
    __asan_unpoison_memory_region(p, size);
}

#else

#define weft__san_asan_leave(from, to, dies) ((void)0)
#define weft__san_asan_arrive(self) ((void)0)

WEFT__SAN_INLINE void weft__san_poison(const void *p, size_t size)
{
    (void)p, (void)size;
}

WEFT__SAN_INLINE void weft__san_unpoison(const void *p, size_t size)
{
    (void)p, (void)size;
}

#endif

#ifdef WEFT__SAN_THREAD
#include <pthread.h>
#include <sanitizer/tsan_interface.h>
#include <signal.h>

/* TSan tells of a signal when the thread next calls a function that it knows, and until then keeps
 * it with the fiber that was running; with one that is not switched to again it is lost. So none
 * comes between the last such call on a fiber, which is the blocking, and the arrival on another,
 * nor while one is made or dropped, which TSan does by switching to it. */
extern __thread sigset_t weft__san_signals __attribute__((visibility("hidden")));

WEFT__SAN_INLINE void weft__san_signals_block(void)
{
    sigset_t all;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &weft__san_signals);
}

WEFT__SAN_INLINE void weft__san_signals_restore(void)
{
    (void)pthread_sigmask(SIG_SETMASK, &weft__san_signals, NULL);
}

#define weft__san_tsan_leave(to) (weft__san_signals_block(), __tsan_switch_to_fiber((to)->fiber, 0))
#define weft__san_tsan_arrive() weft__san_signals_restore()

/* Whether TSan too thinks that this context is running. For tests: it keeps quiet if not told. */
WEFT__SAN_INLINE bool weft__san_is_current(const struct weft__san *san)
{
    return __tsan_get_current_fiber() == san->fiber;
}

#else

#define weft__san_tsan_leave(to) ((void)0)
#define weft__san_tsan_arrive() ((void)0)
#define weft__san_is_current(san) ((void)(san), true)

#endif

#ifdef WEFT__SAN

/* Immediately before the switch; `dies` when nobody will ever switch back. */
WEFT__SAN_INLINE void weft__san_leave(struct weft__san *from, struct weft__san *to, bool dies)
{
    (void)from, (void)to, (void)dies;
    weft__san_asan_leave(from, to, dies);
    weft__san_tsan_leave(to);
}

/* Immediately after arriving on `self`, by a switch that returned or at the entry. */
WEFT__SAN_INLINE void weft__san_arrive(struct weft__san *self)
{
    (void)self;
    weft__san_asan_arrive(self);
    weft__san_tsan_arrive();
}

void weft__san_make(struct weft__san *san, void *stack_low, void *top);
void weft__san_adopt(struct weft__san *san);
void weft__san_drop(struct weft__san *san);

#else

struct weft__san {
};

#define weft__san_leave(from, to, dies) ((void)0)
#define weft__san_arrive(self) ((void)0)
#define weft__san_make(san, low, top) ((void)0)
#define weft__san_adopt(san) ((void)0)
#define weft__san_drop(san) ((void)0)

#endif

/* ---- stacks ------------------------------------------------------------------------------- */

#ifdef WEFT__SAN_VALGRIND

WEFT__SAN_INLINE bool weft__san_on_valgrind(void)
{
    return RUNNING_ON_VALGRIND != 0;
}

/* Valgrind guesses a stack switch from how far the stack pointer jumps: tell it instead. */
WEFT__SAN_INLINE unsigned weft__san_stack_register(void *low, void *top)
{
    return VALGRIND_STACK_REGISTER(low, top);
}

WEFT__SAN_INLINE void weft__san_stack_deregister(unsigned id)
{
    VALGRIND_STACK_DEREGISTER(id);
}

/* What lay below the last frame that ended there counts as nobody's: it is to be written again. */
WEFT__SAN_INLINE void weft__san_stack_reuse(void *low, void *top)
{
    (void)VALGRIND_MAKE_MEM_UNDEFINED(low, (char *)top - (char *)low);
}

#else

WEFT__SAN_INLINE bool weft__san_on_valgrind(void)
{
    return false;
}

WEFT__SAN_INLINE unsigned weft__san_stack_register(void *low, void *top)
{
    (void)low, (void)top;
    return 0;
}

WEFT__SAN_INLINE void weft__san_stack_deregister(unsigned id)
{
    (void)id;
}

WEFT__SAN_INLINE void weft__san_stack_reuse(void *low, void *top)
{
    (void)low;
    (void)top;
}

#endif

/* Whether address space is dear: shadow memory makes a reservation of 150 GiB a burden. */
WEFT__SAN_INLINE bool weft__san_is_cramped(void)
{
#ifdef WEFT__SAN
    return true;
#else
    return weft__san_on_valgrind();
#endif
}

#ifdef __cplusplus
}
#endif

#endif
