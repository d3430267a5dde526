/*
 * weft/time.h - time as absolute nanoseconds, and sleeping.
 */
#ifndef WEFT_TIME_H
#define WEFT_TIME_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

/* A deadline that never comes. */
#define WEFT_NEVER INT64_MAX

/*
 * The present: nanoseconds of CLOCK_MONOTONIC, which neither jumps with the wall clock nor runs
 * while the machine is suspended (clock_gettime(2)). Any thread. Costs one read of the clock, about
 * 40 ns.
 */
WEFT_API int64_t weft_now(void);

/*
 * The time `ms` milliseconds (`us` microseconds, `ns` nanoseconds) from now, saturating at
 * WEFT_NEVER; a negative span gives a time in the past. Any thread.
 */
WEFT_API int64_t weft_after_ms(int64_t ms);
WEFT_API int64_t weft_after_us(int64_t us);
WEFT_API int64_t weft_after_ns(int64_t ns);

/*
 * Sleeps for `ns` nanoseconds, or until the absolute time `deadline`. Never returns early: 0 means
 * the time has come. A span of 0 or less, or a time in the past, lets other tasks run once.
 *
 * Returns 0; -ECANCELED when cancelled, before or meanwhile; -EPERM outside a task.
 */
WEFT_API int weft_sleep(int64_t ns) WEFT_SUSPENDS;
WEFT_API int weft_sleep_until(int64_t deadline) WEFT_SUSPENDS;

WEFT_END_DECLS

#endif
