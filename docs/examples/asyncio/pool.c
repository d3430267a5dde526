/* pool: four calls that block for a tenth of a second each, made by other threads while the loop
   goes on. */
#include "../tutorials/seconds.h"

#include <time.h>

static int blocks(void *arg)
{
    int64_t ns = seconds(0.1);
    struct timespec span = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

    return nanosleep(&span, NULL) < 0 ? -1 : *(int *)arg * *(int *)arg;
}

static weft_executor *threads;
static int square(void *arg)
{
    return weft_run_in_executor(threads, blocks, arg);
}

static int work(void *arg)
{
    struct weft_executor_opt opt = {.size = sizeof opt, .name = "squares", .threads_max = 4};
    int numbers[] = {1, 2, 3, 4}, error = weft_executor_create(&threads, &opt);
    weft_awaitable list[4];
    int64_t squares[4];

    (void)arg;
    if (error < 0)
        return error;
    for (int i = 0; i < 4; i++)
        list[i] = weft_coro(square, &numbers[i], sizeof numbers[i]);
    start();
    error = weft_gather(list, 4, squares, 0);
    if (error == 0)
        printf("%d %d %d %d\nafter %.3f s\n", (int)squares[0], (int)squares[1], (int)squares[2],
               (int)squares[3], elapsed());
    weft_executor_close(threads);
    return error;
}

int main(void)
{
    return run(work);
}
