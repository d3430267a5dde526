/* important: something that takes ten seconds, run by one call, and by a loop made for it. */
#include "seconds.h"

static int do_something_important(void *arg)
{
    (void)arg;
    return weft_sleep(seconds(10));
}

int main(void)
{
    weft_loop *loop;

    start();
    int error = run(do_something_important);
    printf("run: %.3f s\n", elapsed());

    start();
    if (error == 0 && (error = weft_loop_new(&loop, NULL)) == 0) {
        error = weft_loop_run(loop, do_something_important, NULL, 0);
        weft_loop_close(loop);
    }
    printf("run_until_complete: %.3f s\n", elapsed());
    return error != 0;
}
