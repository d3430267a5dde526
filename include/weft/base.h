/*
 * weft/base.h - the words every other header is written in.
 *
 * Conventions that hold everywhere:
 *   - a function returns >= 0, or a negative errno; errno itself is neither read nor written;
 *   - times are absolute int64_t nanoseconds of CLOCK_MONOTONIC;
 *   - a trailing options pointer may be NULL, which means the defaults; its first field is `size`,
 *     set to sizeof of the struct, so that the struct can grow without breaking its users: fields
 *     that an older program's struct lacks count as zero, which is always the default; a younger
 *     program's fields that the library does not know must be zero, else -EINVAL;
 *   - a function marked WEFT_SUSPENDS may switch to another task before it returns, and then it
 *     checks for cancellation on entry: -ECANCELED. It may be called only from inside a task:
 *     from anywhere else it answers -EPERM and does nothing;
 *   - a call that is a mistake of the program answers with an error and changes nothing; a debug
 *     build tells a hook besides, which aborts unless told otherwise (weft/misuse.h).
 */
#ifndef WEFT_BASE_H
#define WEFT_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
#define WEFT_BEGIN_DECLS extern "C" {
#define WEFT_END_DECLS }
#else
#define WEFT_BEGIN_DECLS
#define WEFT_END_DECLS
#endif

#if defined(__GNUC__)
#define WEFT_API __attribute__((visibility("default")))
#define WEFT_NODISCARD __attribute__((warn_unused_result))
#else
#define WEFT_API
#define WEFT_NODISCARD
#endif

/* Marks a prototype: the call may suspend the calling task. For readers and for checkers. */
#define WEFT_SUSPENDS

/* In the flags of weft_recv, weft_accept, weft_select and others: nothing is under way here, so a
   drain may end the wait with -ESHUTDOWN. Shares the word with MSG_* and SOCK_* and collides with
   none of them. */
#define WEFT_IDLE 0x00800000

/* Why a call answered -ECANCELED, -ETIMEDOUT or -ESHUTDOWN; see weft_cause(). */
enum weft_cause {
    WEFT_CAUSE_NONE = 0, /* the code came from the kernel or from the peer */
    WEFT_CAUSE_CANCEL,   /* weft_cancel or weft_scope_cancel */
    WEFT_CAUSE_DEADLINE, /* a deadline passed */
    WEFT_CAUSE_SIBLING,  /* a child of the same scope failed */
    WEFT_CAUSE_DRAIN,    /* the scope drains, or its drain ran out of time */
    WEFT_CAUSE_STOP      /* the runtime stops */
};

#endif
