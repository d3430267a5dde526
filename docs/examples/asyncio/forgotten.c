/* forgotten: main starts three tasks and returns without a thought for them. They are cancelled,
   joined and named. */
#include "../tutorials/seconds.h"

#include <weft/stats.h>

static int forgotten(void *arg)
{
    int number = *(int *)arg, error = weft_sleep(seconds(3600));

    printf("task %d ends: %s\n", number, error == 0 ? "it has slept" : strerror(-error));
    return error;
}

static int work(void *arg)
{
    static const char *const names[] = {"first", "second", "third"};

    (void)arg;
    for (int i = 0; i < 3; i++) {
        struct weft_spawn_opt opt = {.size = sizeof opt, .name = names[i]};
        int error = weft_create_task(forgotten, &i, sizeof i, &opt);
        if (error < 0)
            return error;
    }
    weft_yield(); /* they begin */
    puts("main returns");
    return 7;
}

static void leftover(const struct weft_task_info *info, bool held, void *context)
{
    (void)context;
    printf("left over: %s, in %s%s\n", info->name, info->waits_for, held ? ", and holds" : "");
}

int main(void)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 1, .on_leftover = leftover};

    printf("the run gives %d\n", weft_run(work, NULL, 0, &opt));
    return 0;
}
