/* eternity: an hour's sleep, of which one second is waited for; and a shielded one, which is still
   there when nobody waits any more. */
#include "seconds.h"

#include <errno.h>

static int eternity(void *arg)
{
    (void)arg;
    int error = weft_sleep(seconds(3600));
    if (error == 0)
        puts("yay!");
    return error;
}

static int three_seconds(void *arg)
{
    (void)arg;
    int error = weft_sleep(seconds(3));
    return error < 0 ? error : 7;
}

static int work(void *arg)
{
    int64_t result;

    (void)arg;
    start();
    int error = weft_wait_for(weft_coro(eternity, NULL, 0), NULL, weft_after_ns(seconds(1)));
    if (error == -ETIMEDOUT)
        printf("%.3f s: timeout!\n", elapsed());

    weft_awaitable slow = weft_coro(three_seconds, NULL, 0);
    start();
    error = weft_ensure_future(&slow);
    if (error < 0)
        return error;
    error = weft_wait_for(weft_shield(slow), NULL, weft_after_ns(seconds(1)));
    if (error == -ETIMEDOUT)
        printf("%.3f s: timeout, and it goes on\n", elapsed());
    error = weft_await_any(slow, &result);
    if (error == 0)
        printf("%.3f s: it returned %d\n", elapsed(), (int)result);
    return error;
}

int main(void)
{
    return run(work);
}
