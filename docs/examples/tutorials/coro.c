/* coro: the plainest coroutines there are: one that sleeps, one that does nothing, and a main that
   says two words, with five seconds between them. Each is run by a loop, one after the other. */
#include "seconds.h"

#include <string.h>

static int coro(void *arg)
{
    (void)arg;
    return weft_sleep(seconds(1));
}

static int useless(void *arg)
{
    (void)arg;
    return 0;
}

static int words(void *arg)
{
    (void)arg;
    puts("hello");
    int error = weft_sleep(seconds(5));
    puts("world");
    return error;
}

int main(void)
{
    static const struct {
        const char *name;
        weft_task_fn fn;
    } all[] = {{"coro", coro}, {"useless", useless}, {"words", words}};
    weft_loop *loop;
    int error = weft_loop_new(&loop, NULL);

    if (error < 0) {
        fprintf(stderr, "coro: %s\n", strerror(-error));
        return 1;
    }
    for (int i = 0; i < 3 && error == 0; i++) {
        start();
        error = weft_loop_run(loop, all[i].fn, NULL, 0);
        printf("%s: %.3f s\n", all[i].name, elapsed());
    }
    weft_loop_close(loop);
    return error < 0;
}
