/* count_gather: the same two counts, run by one call, and gathered, which gives what each returned.
 */
#include "seconds.h"

struct count {
    const char *name;
    int to;
};

static int count(void *arg)
{
    const struct count *c = arg;

    for (int i = 1; i <= c->to; i++)
        if (i % 1000 == 0) {
            printf("%s: %d\n", c->name, i);
            int error = weft_yield();
            if (error < 0)
                return error;
        }
    printf("%s has counted\n", c->name);
    return c->to;
}

static int both(void *arg)
{
    struct count first = {"first", 5000}, second = {"second", 2000};
    int64_t results[2];

    (void)arg;
    int error = weft_gather(WEFT_LIST(weft_coro(count, &first, sizeof first),
                                      weft_coro(count, &second, sizeof second)),
                            results, 0);
    if (error == 0)
        printf("[%d, %d]\n", (int)results[0], (int)results[1]);
    return error;
}

int main(void)
{
    return run(both);
}
