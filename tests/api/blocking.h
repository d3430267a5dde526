/*
 * What the tests of system calls that wait share: debug mode with a hook that notes what it is
 * told, a call that waits, and the count of what is told of an expression.
 */
#ifndef WEFT_TESTS_API_BLOCKING_H
#define WEFT_TESTS_API_BLOCKING_H

#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <weft/weft.h>

#include "support/test.h"

#define ok(expression) ck_assert_int_ge((expression), 0)

/* What was told, in a signal handler. */
static struct {
    unsigned count;
    bool writes; /* count write(2), too: the assertions of a test make it */
    struct weft_report latest;
    char text[512], name[32];
} told;

static inline void record(const struct weft_report *report)
{
    if (report->call == SYS_write && !told.writes)
        return;
    told.count++;
    told.latest = *report;
    strncpy(told.text, report->text, sizeof told.text - 1);
    strncpy(told.name, report->name ? report->name : "", sizeof told.name - 1);
}

static const struct weft_debug_opt debug = {.size = sizeof debug,
                                            .kinds = WEFT_REPORT_BLOCKING,
                                            .hook = record};

/* Where calls cannot be seen the option is refused, and nothing else is to be tested. */
static inline void run(weft_task_fn fn, uint32_t reactors)
{
    struct weft_run_opt opt = {.size = sizeof opt, .debug = &debug, .reactors = reactors};
    int result = weft_run(fn, NULL, 0, &opt);

    if (result != -ENOSYS)
        ck_assert_int_eq(result, 0);
}

static inline long sleep_call(void)
{
    struct timespec span = {.tv_nsec = 1000};

    return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &span, NULL);
}

#define TOLD(expression, times)                                                                    \
    do {                                                                                           \
        unsigned told_before = told.count;                                                         \
        told.writes = true;                                                                        \
        (void)(expression);                                                                        \
        told.writes = false;                                                                       \
        ck_assert_uint_eq(told.count - told_before, times);                                        \
    } while (0)

#endif
