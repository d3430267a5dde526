/*
 * A program of somebody else's with a frame larger than a task's stack and its guard: what reaches
 * over main's stack, which lies below, is to be met by the guard. Dies of SIGSEGV, with a report.
 */
#include <weft/weft.h>

static int large(void *arg)
{
    volatile char block[70000];

    (void)arg;
    block[0] = 1;
    return block[0];
}

static int run(void *arg)
{
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task, .name = "large"};
    int result, error = weft_spawn(weft_root(), large, NULL, 0, &opt);

    (void)arg;
    return error < 0 ? error : weft_join(task, &result);
}

int main(void)
{
    return weft_run(run, NULL, 0, NULL) < 0;
}
