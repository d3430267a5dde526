/*
 * weft/futex.h - waiting for a word of memory that somebody else changes: futex(2), through the
 * ring.
 *
 * For words that others know of as well: a lock in memory that processes share, a library's own, a
 * thread that runs no reactor. Tasks among themselves have weft/sync.h, which asks no kernel.
 *
 * A word is an unsigned number of 32 bits, aligned to 4 bytes, read and written by atomics; whoever
 * changes it wakes those who wait for that. flags: FUTEX_PRIVATE_FLAG (<linux/futex.h>) of a word
 * that this process alone uses, which is cheaper; 0 of one that is shared. Both sides say the same.
 */
#ifndef WEFT_FUTEX_H
#define WEFT_FUTEX_H

#include <weft/base.h>
#include <weft/time.h>

WEFT_BEGIN_DECLS

/*
 * FUTEX_WAIT: suspends while *word is `value`, until it is woken. The word is the kernel's to read
 * as long; it must not be freed. The _until form answers -ETIMEDOUT once `deadline` has passed.
 *
 * Returns 0: woken, or for no reason: look at the word again. A wake-up that came is told though
 * the call was cancelled meanwhile. -EAGAIN the word is not `value`; -EINVAL not aligned, or flags
 * that it does not know; -EFAULT; -ENOMEM, also for want of a thread, which each wait takes
 * before Linux 6.7, 1024 at most; -ECANCELED; -EPERM outside a task.
 */
WEFT_API int weft_futex_wait(const void *word, uint32_t value, int flags) WEFT_SUSPENDS;
WEFT_API int weft_futex_wait_until(const void *word, uint32_t value, int flags,
                                   int64_t deadline) WEFT_SUSPENDS;

/*
 * FUTEX_WAKE: wakes `count` of those who wait for the word, tasks and threads, at most. By any
 * thread; does not suspend. Returns how many; -EINVAL, -EFAULT.
 */
WEFT_API int weft_futex_wake(const void *word, int count, int flags);

WEFT_END_DECLS

#endif
