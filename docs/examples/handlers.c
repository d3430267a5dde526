/* handlers: a loop as an object, two callbacks, and a stop by the second of them. */
#include <stdio.h>
#include <string.h>
#include <weft/weft.h>

static void handler(void *arg)
{
    weft_loop *to_stop = arg;

    puts("calling a handler");
    if (to_stop)
        weft_loop_stop(to_stop);
}

int main(void)
{
    weft_loop *loop;
    int error = weft_loop_new(&loop, NULL);

    if (error == 0) {
        error = weft_loop_call_soon(loop, handler, NULL, NULL);
        puts("the loop is started");
        if (error == 0)
            error = weft_loop_call_soon(loop, handler, loop, NULL);
        if (error == 0)
            error = weft_loop_run_forever(loop);
        puts("the loop is stopped");
        weft_loop_close(loop);
        puts("the loop is closed");
    }
    if (error < 0)
        fprintf(stderr, "handlers: %s\n", strerror(-error));
    return error < 0;
}
