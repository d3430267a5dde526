/*
 * Three factorials at once, and a sum of two calls that call themselves: tasks that are awaited
 * together, and functions that are awaited one inside another.
 */
#include <stdio.h>
#include <weft/weft.h>

struct number {
    const char *name;
    int n;
};

static int factorial(void *arg)
{
    struct number *of = arg;
    int f = 1;

    for (int i = 2; i <= of->n; i++) {
        printf("Task %s: Compute factorial(%d), currently i=%d...\n", of->name, of->n, i);
        int error = weft_sleep(1000000);
        if (error < 0)
            return error;
        f *= i;
    }
    printf("Task %s: factorial(%d) = %d\n", of->name, of->n, f);
    return f;
}

static int calls;

static int fib(void *arg)
{
    int n = *(int *)arg, before = n - 1, before_that = n - 2;
    int64_t a, b;

    calls++;
    if (n < 2)
        return n;
    int error = weft_await_any(weft_coro(fib, &before, sizeof before), &a);
    if (error == 0)
        error = weft_await_any(weft_coro(fib, &before_that, sizeof before_that), &b);
    return error < 0 ? error : (int)(a + b);
}

static int work(void *arg)
{
    struct number a = {"A", 2}, b = {"B", 3}, c = {"C", 4};
    int64_t r[3];
    int ten = 10;

    (void)arg;
    int error = weft_gather(WEFT_LIST(weft_coro(factorial, &a, sizeof a),
                                      weft_coro(factorial, &b, sizeof b),
                                      weft_coro(factorial, &c, sizeof c)),
                            r, 0);
    if (error < 0)
        return error;
    printf("[%lld, %lld, %lld]\n", (long long)r[0], (long long)r[1], (long long)r[2]);
    error = weft_await_any(weft_coro(fib, &ten, sizeof ten), &r[0]);
    if (error == 0)
        printf("fib(10) = %lld in %d calls\n", (long long)r[0], calls);
    return error;
}

int main(void)
{
    return weft_run(work, NULL, 0, NULL) < 0;
}
