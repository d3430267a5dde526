/* queue: three workers, called one after the other, and a queue of work that the first of them
   finds full and the others empty. */
#include "seconds.h"

static weft_queue jobs = {.item_size = sizeof(int)};

static int worker(const char *name)
{
    int count;

    if (weft_queue_count(&jobs) == 0)
        printf("Task %s has nothing to do\n", name);
    while (weft_queue_get_nowait(&jobs, &count) == 0) {
        int total = 0;

        for (int x = 0; x < count; x++) {
            printf("Task %s is running now\n", name);
            total++;
        }
        printf("Task %s is running with a total of: %d\n", name, total);
    }
    return 0;
}

static int work(void *arg)
{
    static const int lengths[] = {2, 5, 10, 15, 20};
    int error = 0;

    (void)arg;
    for (int i = 0; i < 5 && error == 0; i++)
        error = weft_queue_put_nowait(&jobs, &lengths[i]);
    worker("Async1");
    worker("Async2");
    worker("Async3");
    weft_queue_destroy(&jobs);
    return error;
}

int main(void)
{
    return run(work);
}
