/* first_of: three sleepers, waited for in four ways. */
#include "../tutorials/seconds.h"

static int sleeper(void *arg)
{
    int length = *(int *)arg, error = weft_sleep(seconds(length));

    if (error < 0)
        printf("the sleeper of %d s is cut\n", length);
    return error < 0 ? error : length;
}

static int make(weft_awaitable *list)
{
    static const int lengths[] = {3, 1, 2};
    int error = 0;

    start();
    for (int i = 0; i < 3 && error == 0; i++) {
        list[i] = weft_coro(sleeper, &lengths[i], sizeof lengths[i]);
        error = weft_ensure_future(&list[i]);
    }
    return error;
}

static int wait_for_some(void)
{
    weft_awaitable list[3];
    bool done[3];
    int n = make(list);

    if (n < 0)
        return n;
    n = weft_wait(list, 3, done, WEFT_FIRST_COMPLETED, WEFT_NEVER);
    printf("%.3f s: %d of 3 done, the second first\n", elapsed(), n);
    n = weft_wait(list, 3, done, WEFT_ALL, started_at + seconds(2.5));
    printf("%.3f s: %d of 3 done, nobody is cut\n", elapsed(), n);
    n = weft_wait(list, 3, done, WEFT_ALL, WEFT_NEVER);
    printf("%.3f s: %d of 3 done\n", elapsed(), n);
    return n < 0 ? n : 0;
}

static int in_the_order_of_coming(void)
{
    weft_awaitable list[3];
    weft_completed *each;
    uint32_t which;
    int64_t result;
    int error = make(list);

    if (error == 0)
        error = weft_as_completed(&each, list, 3);
    if (error < 0)
        return error;
    while ((error = weft_completed_next(each, &which, &result, WEFT_NEVER)) > 0)
        printf("%.3f s: number %u slept %d s\n", elapsed(), which + 1, (int)result);
    weft_completed_close(each);
    return error;
}

static int race(void)
{
    weft_awaitable list[3];
    int64_t results[3];
    int winner = make(list);

    if (winner == 0)
        winner = weft_race(list, 3, results);
    if (winner < 0)
        return winner;
    printf("%.3f s: number %d wins\n", elapsed(), winner + 1);
    return 0;
}

static int work(void *arg)
{
    int error = 0;

    (void)arg;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        error = wait_for_some();
        if (error == 0)
            error = in_the_order_of_coming();
        if (error == 0)
            error = race();
    }
    return error;
}

int main(void)
{
    return run(work);
}
