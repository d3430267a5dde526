/* sample_task: a loop, a task on it, and what the task returned once the loop is closed. */
#include "seconds.h"

#include <string.h>

static char status[64] =
    "nothing yet"; /* a task's result is a number: text goes where it is asked */

static int sample_task(void *arg)
{
    int length = *(int *)arg;

    printf("Task takes %d seconds to complete\n", length);
    int error = weft_sleep(seconds(length));
    if (error == 0)
        strcpy(status, "task has been completed");
    return error;
}

int main(void)
{
    weft_loop *loop;
    int length = 3, error = weft_loop_new(&loop, NULL);

    if (error == 0) {
        start();
        puts("Creation of tasks started");
        error = weft_loop_run(loop, sample_task, &length, sizeof length);
        printf("%.3f s\n", elapsed());
        weft_loop_close(loop);
        printf("Task status: %s\n", status);
    }
    if (error < 0)
        fprintf(stderr, "sample_task: %s\n", strerror(-error));
    return error < 0;
}
