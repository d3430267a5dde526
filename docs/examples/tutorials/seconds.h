/*
 * seconds.h - what these programs call a second, and how late it is.
 *
 * A second is one, unless the environment says how many milliseconds it shall have (SECOND_MS=20),
 * so that a test need not wait for all of them.
 */
#ifndef SECONDS_H
#define SECONDS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

/* n seconds, in nanoseconds. */
static inline int64_t seconds(double n)
{
    const char *milliseconds = getenv("SECOND_MS");
    double second = milliseconds ? atof(milliseconds) : 1000;

    return (int64_t)(n * second * 1e6);
}

/* The clock of the program, in seconds from the last call of start(). */
static int64_t started_at;

static inline void start(void)
{
    started_at = weft_now();
}

static inline double elapsed(void)
{
    return (double)(weft_now() - started_at) / (double)seconds(1);
}

/* Runs fn as the first task, and says why when it failed; for the end of main. */
static inline int run(weft_task_fn fn)
{
    char why[512] = ""; /* when io_uring cannot be had: the cause, and the cure */
    struct weft_run_opt opt = {.size = sizeof opt,
                               .reactors = 1,
                               .error_text = why,
                               .error_text_size = sizeof why};
    int result = weft_run(fn, NULL, 0, &opt);

    if (result < 0)
        fprintf(stderr, "%s\n", why[0] ? why : strerror(-result));
    return result < 0;
}

#endif
