/* future: foo waits for what bar has in three seconds. */
#include "seconds.h"

static int bar(void *arg)
{
    weft_future *future = *(weft_future **)arg;

    puts("bar will sleep for 3 seconds");
    int error = weft_sleep(seconds(3));
    puts("bar resolving the future");
    return error < 0 ? weft_future_set_error(future, error)
                     : weft_future_set_pointer(future, "future is resolved");
}

static int foo(void *arg)
{
    weft_future *future = *(weft_future **)arg;

    puts("foo will await the future");
    int error = weft_future_await(future, NULL);
    if (error == 0)
        printf("%.3f s: foo finds the %s\n", elapsed(), (char *)weft_future_pointer(future));
    return error;
}

static int work(void *arg)
{
    weft_future *future;

    (void)arg;
    start();
    int error = weft_future_create(&future, NULL);
    if (error < 0)
        return error;
    error = weft_gather(WEFT_LIST(weft_coro(foo, &future, sizeof(void *)),
                                  weft_coro(bar, &future, sizeof(void *))),
                        NULL, 0);
    weft_future_put(future);
    return error;
}

int main(void)
{
    int result = run(work);

    puts("main exiting");
    return result;
}
