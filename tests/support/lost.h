/*
 * A descriptor that is closed by close(2) behind whoever has it in weft, and its number given to
 * another: here, or on another reactor.
 */
#ifndef WEFT_TESTS_SUPPORT_LOST_H
#define WEFT_TESTS_SUPPORT_LOST_H

#include <poll.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

#include "support/test.h"

enum { LOST_PIPES = 64, LOST_BYTES = 16, LOST_LOWER = 256 };

/* Whoever has the number now. */
static int lost_taken[LOST_PIPES][2], lost_taken_count;

/* Pipes until one of them has the number; there is something in each. */
static inline int lost_take(void *arg)
{
    int fd = *(int *)arg;

    for (lost_taken_count = 0; lost_taken_count < LOST_PIPES; lost_taken_count++) {
        int *pipe = lost_taken[lost_taken_count];
        ck_assert_int_eq(weft_pipe(pipe, 0), 0);
        ck_assert_int_eq(weft_write_all(pipe[1], "0123456789abcdef", LOST_BYTES, NULL), LOST_BYTES);
        if (pipe[0] == fd || pipe[1] == fd) {
            lost_taken_count++;
            return 0;
        }
    }
    ck_abort_msg("the number is not given out again");
}

/* They are as they were, and so is what is in them. */
static inline int lost_give_back(void *arg)
{
    (void)arg;
    while (lost_taken_count > 0) {
        const int *pipe = lost_taken[--lost_taken_count];
        char bytes[LOST_BYTES + 1] = "";
        ck_assert_int_eq(weft_poll_until(pipe[0], POLLIN, WEFT_NEVER), POLLIN);
        ck_assert_int_eq(weft_read_exactly(pipe[0], bytes, LOST_BYTES, NULL), LOST_BYTES);
        ck_assert_str_eq(bytes, "0123456789abcdef");
        ck_assert_int_eq(weft_poll_until(pipe[0], POLLIN, 1), -ETIMEDOUT);
        ck_assert_int_eq(weft_close(pipe[0]), 0);
        ck_assert_int_eq(weft_close(pipe[1]), 0);
    }
    return 0;
}

/* Closes it behind us, and gives the number to somebody on that reactor (-1: to us, and no call
   gives way before that): the reading end of a pipe, where the kernel gives out the lowest, since
   what is lower is taken. */
static inline void lost_to(int reactor, int fd)
{
    int lower[LOST_LOWER], count = 0;

    do {
        ck_assert_int_lt(count, LOST_LOWER);
        lower[count] = dup(STDERR_FILENO);
        ck_assert_int_ge(lower[count], 0);
    } while (lower[count++] < fd);
    ck_assert_int_eq(close(fd), 0);
    ck_assert_int_eq(reactor < 0 ? lost_take(&fd) : weft_call(reactor, lost_take, &fd, sizeof fd),
                     0);
    while (count > 0)
        ck_assert_int_eq(close(lower[--count]), 0);
}

static inline void lost_back_from(int reactor)
{
    int nothing = 0;

    ck_assert_int_eq(reactor < 0 ? lost_give_back(NULL)
                                 : weft_call(reactor, lost_give_back, &nothing, sizeof nothing),
                     0);
}

#endif
