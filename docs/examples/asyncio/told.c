/* told: what goes wrong here nobody asks for. Debug mode tells of it: a task that failed, and a
   future whose error was never taken; not of what somebody has heard. */
#include "../tutorials/seconds.h"

static void told(const struct weft_report *report)
{
    if (report->kind == WEFT_REPORT_UNHEARD)
        printf("nobody heard of %s: %s\n", report->name, strerror(-report->error));
}

static int fails(void *arg)
{
    int error = weft_sleep(seconds(1));

    return error < 0 ? error : *(int *)arg;
}

static int start_one(const char *name, int result, weft_task *task)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .name = name, .task = task};

    return weft_create_task(fails, &result, sizeof result, &opt);
}

static int work(void *arg)
{
    const struct weft_future_opt named = {.size = sizeof named, .name = "the answer"};
    weft_future *future;
    weft_task task;
    int error = start_one("the forgotten one", -EIO, NULL), result;

    (void)arg;
    if (error == 0)
        error = start_one("the awaited one", -ENOENT, &task);
    if (error == 0)
        error = weft_future_create(&future, &named);
    if (error < 0)
        return error;
    weft_future_set_error(future, -ENODATA);
    weft_future_put(future);
    error = weft_join(task, &result);
    printf("the awaited one: %s\n", strerror(error < 0 ? -error : -result));
    return weft_sleep(seconds(1));
}

int main(void)
{
    static const struct weft_debug_opt debug = {.size = sizeof debug,
                                                .kinds = WEFT_REPORT_UNHEARD,
                                                .hook = told};

    weft_set_debug(&debug);
    return run(work);
}
