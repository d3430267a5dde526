/*
 * runtime/dump and runtime/print where a program seldom takes them. Would catch a listener too many
 * that is lost instead of refused, an end that waits for a signal which does not come, text cut
 * short by a signal, and code shown in a file where it is in none.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>
#include <weft/weft.h>

#include "runtime/dump.h"
#include "runtime/print.h"
#include "runtime/runtime.h"
#include "support/test.h"

/* -- listening ------------------------------------------------------------------------------- */

TEST(more_than_can_listen)
{
    struct weft__runtime *runtime = calloc(1, sizeof *runtime);
    struct weft__member *members = calloc(WEFT_REACTORS_MAX + 1, sizeof *members);
    struct weft__member *last = &members[WEFT_REACTORS_MAX];
    struct sigaction now;

    ck_assert(runtime && members);
    runtime->opt.dump_signal = SIGUSR1;
    for (unsigned i = 0; i <= WEFT_REACTORS_MAX; i++) {
        members[i].runtime = runtime;
        ck_assert_int_eq(weft__dump_begin(&members[i]), &members[i] == last ? -EAGAIN : 0);
    }
    weft__dump_end(last);
    ck_assert_int_eq(sigaction(SIGUSR1, NULL, &now), 0);
    ck_assert_int_ne(now.sa_flags & SA_SIGINFO, 0);
    atomic_fetch_or(members[0].dump.passed, UINT64_C(1)
                                                << (SIGUSR1 - 1)); /* and then it does not come */
    for (unsigned i = 0; i < WEFT_REACTORS_MAX; i++)
        weft__dump_end(&members[i]);
    ck_assert_int_eq(sigaction(SIGUSR1, NULL, &now), 0);
    ck_assert(now.sa_handler == SIG_DFL);
    free(members);
    free(runtime);
}

/* -- a pipe that is full, and a clock that ticks ----------------------------------------------- */

enum { EMPTIES = 20 };

static int fds[2];
static atomic_int ticks;

/* Some time after the writer began to wait there is room for it. */
static void tick(int number)
{
    int saved_errno = errno;
    char bytes[512];

    (void)number;
    if (atomic_fetch_add(&ticks, 1) == EMPTIES)
        while (read(fds[0], bytes, sizeof bytes) > 0)
            ;
    errno = saved_errno;
}

static void begin_ticking(void)
{
    const struct itimerval each_ms = {{0, 1000}, {0, 1000}};
    struct sigaction action = {.sa_handler = tick}; /* no SA_RESTART */
    char filler[512] = "";

    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_eq(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    while (write(fds[1], filler, sizeof filler) > 0)
        ;
    ck_assert_int_eq(fcntl(fds[1], F_SETFL, 0), 0);
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &each_ms, NULL), 0);
}
/* What was written meanwhile. */
static void end_ticking(char *text, size_t size)
{
    const struct itimerval never = {{0, 0}, {0, 0}};
    ssize_t n;

    ck_assert_int_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
    ck_assert_int_gt(atomic_load(&ticks), EMPTIES);
    n = read(fds[0], text, size - 1);
    ck_assert_int_gt((int)n, 0);
    text[n] = '\0';
    close(fds[0]);
    close(fds[1]);
}

TEST(a_line_that_is_interrupted)
{
    struct weft__line line;
    char text[1024];

    weft__line_begin(&line);
    weft__line_put(&line, "whole");
    begin_ticking();
    weft__line_write(&line, fds[1]);
    end_ticking(text, sizeof text);
    ck_assert_str_eq(text, "whole\n");
}

static int prints(void *arg)
{
    (void)arg;
    begin_ticking();
    return weft_print_tasks(fds[1], 0);
}
TEST(a_tree_that_is_interrupted)
{
    char text[1024];

    ck_assert_int_eq(weft_run(prints, NULL, 0, NULL), 0);
    end_ticking(text, sizeof text);
    ck_assert_ptr_eq(strstr(text, "reactor 0, in turn "), text);
    ck_assert_ptr_nonnull(strstr(text, "task 1 \"main\": runs\n"));
}

/* -- code ------------------------------------------------------------------------------------ */

TEST(code_of_no_object)
{
    struct weft__line line;
    char file[256];

    snprintf(file, sizeof file, " %s+0x", program_invocation_short_name);
    weft__line_begin(&line);
    weft__put_code(&line, (const void *)(uintptr_t)0x10);
    ck_assert_str_eq(line.text, "0x10");
    weft__put_code(&line, (const void *)(uintptr_t)weft__put_code);
    ck_assert_ptr_nonnull(strstr(line.text, file));
}

TEST_MAIN("runtime: dump", 30, more_than_can_listen, a_line_that_is_interrupted,
          a_tree_that_is_interrupted, code_of_no_object)
