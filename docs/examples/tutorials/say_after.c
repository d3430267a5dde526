/* say_after: two sentences, said one after the other by two awaits, and side by side by two tasks.
 */
#include "seconds.h"

struct sentence {
    double delay; /* seconds */
    const char *what;
};

static int say_after(void *arg)
{
    const struct sentence *s = arg;
    int error = weft_sleep(seconds(s->delay));

    printf("%.3f s: %s\n", elapsed(), s->what);
    return error;
}

static int work(void *arg)
{
    struct sentence hello = {1, "hello"}, world = {2, "world"};
    weft_task task1, task2;

    (void)arg;
    start();
    puts("awaits");
    int error = say_after(&hello);
    if (error == 0)
        error = say_after(&world);
    printf("finished at %.3f s\n", elapsed());
    if (error < 0)
        return error;

    start();
    puts("tasks");
    error = weft_create_task(say_after, &hello, sizeof hello,
                             &(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt),
                                                      .task = &task1});
    if (error == 0)
        error = weft_create_task(say_after, &world, sizeof world,
                                 &(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt),
                                                          .task = &task2});
    if (error == 0)
        error = weft_join(task1, NULL);
    if (error == 0)
        error = weft_join(task2, NULL);
    printf("finished at %.3f s\n", elapsed());
    return error;
}

int main(void)
{
    return run(work);
}
