/*
 * arch/clone.h - a process that runs on our memory until it is another program, and what it may do
 * there.
 *
 * In <machine>/clone.S. src/ring/host_child.c is the only caller. Any thread may call these. What
 * always holds: neither touches memory of the thread's (errno, the sanitizers' state), which the
 * child shares with a thread that goes on.
 */
#ifndef WEFT_ARCH_CLONE_H
#define WEFT_ARCH_CLONE_H

#include <stddef.h>

/*
 * clone3(2): `arguments` is a struct clone_args (<linux/sched.h>) of `size` bytes, with CLONE_VM
 * and a stack of the child's own, on which it runs fn(arg), which never returns. Its id, or a
 * negative errno: there is no child.
 */
long weft__arch_clone(const void *arguments, size_t size, int (*fn)(void *), void *arg);

/* A system call. Its result, or a negative errno. */
long weft__arch_call(long number, long a, long b, long c, long d);

#endif
