/* why: a task that is cancelled is told so by every call until it ends, may ask why, and may take a
   request back; what had happened before is told first. */
#include "../tutorials/seconds.h"

#include <errno.h>

static weft_queue mail = {.item_size = sizeof(int)};

static const char *cause(void)
{
    switch (weft_cause()) {
    case WEFT_CAUSE_CANCEL:
        return "somebody asked for it";
    case WEFT_CAUSE_DEADLINE:
        return "its time was over";
    default:
        return "something else";
    }
}

static int reader(void *arg)
{
    int letter = 0, error;

    (void)arg;
    error = weft_queue_get(&mail, &letter); /* the letter came first */
    printf("get: %d, letter %d\n", error, letter);
    error = weft_queue_get(&mail, &letter);
    printf("get: %s, for %s\n", strerror(-error), cause());
    error = weft_sleep(1);
    printf("and again: %s\n", strerror(-error));
    printf("taken back: %d requests are left\n", weft_uncancel());
    error = weft_sleep(1);
    printf("sleep: %d\n", error);

    weft_scope limit;
    error = weft_timeout(&limit, seconds(1));
    if (error < 0)
        return error;
    error = weft_sleep(seconds(5));
    printf("within the limit: %s, for %s\n", strerror(-error), cause());
    printf("at its edge: %s\n", strerror(-weft_scope_close(&limit)));
    return 0;
}

static int work(void *arg)
{
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
    int letter = 5;

    (void)arg;
    int error = weft_create_task(reader, NULL, 0, &opt);
    if (error == 0)
        error = weft_yield(); /* it waits for mail now */
    if (error == 0)
        error = weft_queue_put(&mail, &letter);
    if (error == 0)
        error = weft_cancel(task);
    if (error > 0)
        error = weft_join(task, NULL);
    weft_queue_destroy(&mail);
    return error;
}

int main(void)
{
    return run(work);
}
