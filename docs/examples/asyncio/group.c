/* group: three tasks in a scope, one of which fails: by default that ends the others; told to keep
   going, all errors are counted. */
#include "../tutorials/seconds.h"

#include <errno.h>

struct job {
    const char *name;
    double length;
    int result;
};

static int does(void *arg)
{
    struct job *job = arg;
    int error = weft_sleep(seconds(job->length));

    printf("%.3f s: %s %s\n", elapsed(), job->name,
           error < 0         ? "is cut"
           : job->result < 0 ? "fails"
                             : "is done");
    return error < 0 ? error : job->result;
}

static int spawn_three(weft_scope *scope)
{
    struct job jobs[] = {{"bread", 3, 1}, {"milk", 1, -ENOENT}, {"honey", 2, -EACCES}};
    int error = 0;

    start();
    for (int i = 0; i < 3 && error == 0; i++)
        error = weft_spawn(scope, does, &jobs[i], sizeof jobs[i], NULL);
    return error;
}

static int work(void *arg)
{
    weft_scope group;
    int errors[4];

    (void)arg;
    int error = weft_scope_open(&group, NULL);
    if (error == 0)
        error = spawn_three(&group);
    if (error == 0)
        error = weft_scope_close(&group);
    printf("%.3f s: the group says: %s\n", elapsed(), strerror(-error));

    struct weft_scope_opt opt = {.size = sizeof opt, .on_error = WEFT_KEEP_GOING};
    error = weft_scope_open(&group, &opt);
    if (error == 0)
        error = spawn_three(&group);
    while (error == 0 && weft_scope_tasks(&group) > 0)
        error = weft_sleep(seconds(0.5));
    uint32_t failed = weft_scope_errors(&group, errors, 4);
    printf("%u of 3 failed, the latest: %s\n", failed, strerror(-errors[0]));
    weft_scope_close(&group);
    return error;
}

int main(void)
{
    return run(work);
}
