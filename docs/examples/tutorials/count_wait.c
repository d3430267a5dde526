/* count_wait: two tasks count, and give way after every thousand; the second has less to count, and
   ends first. On a loop that the program makes itself, awaited by wait. */
#include <stdio.h>
#include <string.h>
#include <weft/weft.h>

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
    weft_awaitable list[] = {weft_coro(count, &first, sizeof first),
                             weft_coro(count, &second, sizeof second)};
    bool done[2];
    int result[2];

    (void)arg;
    for (int i = 0; i < 2; i++) { /* wait takes tasks: it does not own what it waits for */
        int error = weft_ensure_future(&list[i]);
        if (error < 0)
            return error;
    }
    int n = weft_wait(list, 2, done, WEFT_ALL, WEFT_NEVER);
    printf("%d are done\n", n);
    for (int i = 0; i < 2 && n == 2; i++)
        n += weft_join(list[i].task, &result[i]);
    return n < 0 ? n : 0;
}

int main(void)
{
    weft_loop *loop;
    int error = weft_loop_new(&loop, NULL);

    if (error == 0) {
        error = weft_loop_run(loop, both, NULL, 0);
        weft_loop_close(loop);
    }
    if (error < 0)
        fprintf(stderr, "count_wait: %s\n", strerror(-error));
    return error < 0;
}
