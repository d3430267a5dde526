/*
 * arch/dispatch.h - system calls of a thread, seen before they are made (syscall user dispatch).
 *
 * The kernel looks at one byte of the thread's at each system call: while it says so, the call is
 * not made, and SIGSYS comes instead, at the very instruction. Our handler tells whoever asked,
 * makes the call in the program's place, from the one stretch of code that the kernel lets through,
 * and returns its result. See the kernel's Documentation/admin-guide/syscall-user-dispatch.rst.
 * Since Linux 5.11, and not on every machine.
 *
 * A process-wide handler, in place while a thread has begun; signals SIGSYS of other kinds go to
 * the one that was there before, once each, though that may call ours in turn. Begin, end and
 * select: each thread for itself. SIGSYS is never blocked on a thread that has begun, whatever the
 * program asks for: a call would kill it.
 */
#ifndef WEFT_ARCH_DISPATCH_H
#define WEFT_ARCH_DISPATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A system call that is about to be made. */
struct weft__trap {
    long number;
    uintptr_t arguments[6];
    const void *address; /* behind its instruction */
    void *frame;         /* what a signal handler is given of who was interrupted */
};

/* Called in the signal handler, on the thread that makes the call, before it is made; calls of its
   own are made unseen. */
typedef void weft__trap_fn(const struct weft__trap *trap);

/* The byte that the kernel looks at. */
extern __thread volatile char weft__dispatch_selector
    __attribute__((visibility("hidden"), tls_model("initial-exec")));

/* 0, or -ENOSYS: not on this machine, or not with this kernel. */
int weft__dispatch_probe(void);
/* Counted for each thread; the last end undoes it. 0, -ENOSYS, or what sigaction answers. */
int weft__dispatch_begin(weft__trap_fn *fn);
void weft__dispatch_end(void);

/* Copies memory that the program has named in a call and that may not be there. For handlers of
   traps. 0; -EFAULT it is not; -ENOSYS, -EPERM: not to be had this way. */
int weft__dispatch_copy(void *to, const void *from, size_t size);

/* From now on the thread's calls are seen, or not. It has begun. */
static inline void weft__dispatch_select(bool seen)
{
    weft__dispatch_selector = seen;
}

#endif
