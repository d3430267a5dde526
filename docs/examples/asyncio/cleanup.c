/* cleanup: a second for work that would take an hour and cleans up for 200 ms when it is cut; the
   timeout is told when it has. Then the limit is moved while the work is under way. */
#include "../tutorials/seconds.h"

#include <errno.h>

static int eternity(void *arg)
{
    (void)arg;
    int error = weft_sleep(seconds(3600));
    if (error < 0)
        WEFT_SHIELD(weft_after_ns(seconds(10))) { /* no cancellation in here, for 10 s at most */
            weft_sleep(seconds(0.2));
            printf("%.3f s: cleaned up\n", elapsed());
        }
    return error;
}

static int work(void *arg)
{
    weft_scope limit;

    (void)arg;
    start();
    int error = weft_wait_for(weft_coro(eternity, NULL, 0), NULL, weft_after_ns(seconds(1)));
    printf("%.3f s: %s\n", elapsed(), strerror(-error));

    start();
    error = weft_timeout(&limit, seconds(3600));
    if (error < 0)
        return error;
    error = weft_sleep(seconds(0.5));
    if (error == 0)
        error = weft_timeout_reschedule(&limit, weft_after_ns(seconds(1)));
    printf("%.3f s: the limit is a second from now\n", elapsed());
    (void)weft_sleep(seconds(3600));
    error = weft_scope_close(&limit);
    printf("%.3f s: %s\n", elapsed(), strerror(-error));
    return error == -ETIMEDOUT ? 0 : error;
}

int main(void)
{
    return run(work);
}
