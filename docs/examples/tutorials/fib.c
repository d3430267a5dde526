/*
 * fib: the tenth Fibonacci number by calls that call themselves, each of which naps for
 * a tenth of a second: one after the other, and as tasks that are gathered.
 *
 * With "blocking" the nap is the machine's own: it holds the whole loop, so that tasks save
 * nothing.
 */
#include "seconds.h"

#include <time.h>

static bool blocking;
static int calls;

static int nap(void)
{
    int64_t ns = seconds(0.1);
    struct timespec span = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

    calls++;
    return blocking ? nanosleep(&span, NULL) : weft_sleep(ns);
}

static int fib(int n)
{
    int error = nap();

    return error < 0 ? error : n > 1 ? fib(n - 1) + fib(n - 2) : n;
}

static int fib_task(void *arg)
{
    int n = *(int *)arg, before = n - 1, before_that = n - 2;
    int64_t r[2];

    int error = nap();
    if (error < 0 || n < 2)
        return error < 0 ? error : n;
    error = weft_gather(WEFT_LIST(weft_coro(fib_task, &before, sizeof before),
                                  weft_coro(fib_task, &before_that, sizeof before_that)),
                        r, 0);
    return error < 0 ? error : (int)(r[0] + r[1]);
}

static int work(void *arg)
{
    int ten = 10;

    (void)arg;
    start();
    int result = fib(ten);
    printf("%d %d\nafter %.3f s\n", result, calls, elapsed());

    calls = 0;
    start();
    result = fib_task(&ten);
    printf("%d %d\nafter %.3f s\n", result, calls, elapsed());
    return result;
}

int main(void)
{
    const char *kind = getenv("NAP");

    blocking = kind && strcmp(kind, "blocking") == 0;
    return run(work);
}
