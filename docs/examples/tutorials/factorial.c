/* factorial: three factorials at once, a second for each multiplication. */
#include "seconds.h"

struct number {
    const char *name;
    int n;
};

static int factorial(void *arg)
{
    struct number *of = arg;
    int f = 1;

    for (int i = 2; i <= of->n; i++) {
        printf("Task %s: Compute factorial(%d)...\n", of->name, i);
        int error = weft_sleep(seconds(1));
        if (error < 0)
            return error;
        f *= i;
    }
    printf("Task %s: factorial(%d) = %d\n", of->name, of->n, f);
    return f;
}

static int work(void *arg)
{
    struct number a = {"A", 2}, b = {"B", 3}, c = {"C", 4};

    (void)arg;
    start();
    int error = weft_gather(WEFT_LIST(weft_coro(factorial, &a, sizeof a),
                                      weft_coro(factorial, &b, sizeof b),
                                      weft_coro(factorial, &c, sizeof c)),
                            NULL, 0);
    printf("took %.3f s\n", elapsed());
    return error;
}

int main(void)
{
    return run(work);
}
