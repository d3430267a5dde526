/* workers: three tasks share the work of one queue, and main waits until all of it is done. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft/weft.h>

static weft_queue jobs = {.item_size = sizeof(int), .max = 4};
static int done;

static int worker(void *arg)
{
    int number = *(int *)arg, milliseconds, result;

    while ((result = weft_queue_get(&jobs, &milliseconds)) == 0) {
        weft_sleep(milliseconds * 1000000LL); /* the work */
        printf("worker %d: %d ms\n", number, milliseconds);
        done += milliseconds;
        weft_queue_task_done(&jobs);
    }
    return result == -ESHUTDOWN ? 0 : result; /* the queue was shut down: nothing more to do */
}

static int work(void *arg)
{
    static const int lengths[] = {2, 5, 10, 15, 20};
    int error = 0;

    (void)arg;
    WEFT_SCOPE(workers) {
        for (int number = 1; number <= 3 && error == 0; number++)
            error = weft_spawn(&workers, worker, &number, sizeof number, NULL);
        for (int i = 0; i < 5 && error == 0; i++)
            error = weft_queue_put(&jobs, &lengths[i]); /* waits while the queue is full */
        if (error == 0)
            error = weft_queue_join(&jobs); /* until each of them is done */
        weft_queue_shutdown(&jobs, error < 0);
    }
    printf("%d ms of work\n", done);
    weft_queue_destroy(&jobs);
    return error;
}

int main(void)
{
    char why[512] = "";
    struct weft_run_opt opt = {.size = sizeof opt,
                               .error_text = why,
                               .error_text_size = sizeof why};
    int result = weft_run(work, NULL, 0, &opt);

    if (result < 0)
        fprintf(stderr, "workers: %s\n", why[0] ? why : strerror(-result));
    return result < 0;
}
