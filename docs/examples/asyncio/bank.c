/*
 * bank: three clerks move money between two accounts. The lock keeps each transfer whole although
 * it waits in the middle; the semaphore lets two customers in at a time; at the barrier all meet
 * for lunch. And a region that must not wait says so, instead of a lock.
 */
#include "../tutorials/seconds.h"

static int account[2] = {1000, 0};
static weft_lock book = WEFT_LOCK_INIT;
static weft_semaphore doors = WEFT_SEMAPHORE_BOUNDED_INIT(2);
static weft_barrier lunch = WEFT_BARRIER_INIT(3);

static int move(int sum)
{
    int error = 0;

    WEFT_LOCKED(&book)
    { /* others wait for the book, nobody for the whole bank */
        int before = account[0];
        error = weft_sleep(seconds(0.1)); /* the pen is slow */
        account[0] = before - sum;
        account[1] += sum;
    }
    return error;
}

static void correct(int sum)
{
    WEFT_NO_SUSPEND { /* needs no lock: nobody else runs before its end */
        account[0] -= sum;
        account[1] += sum;
    }
}

static int clerk(void *arg)
{
    int number = *(int *)arg, error = weft_semaphore_acquire(&doors);

    if (error < 0)
        return error;
    for (int i = 0; i < 5 && error == 0; i++)
        error = move(10);
    printf("%.3f s: clerk %d is done\n", elapsed(), number);
    weft_semaphore_release(&doors);
    int place = error < 0 ? error : weft_barrier_wait(&lunch);
    if (place < 0)
        return place;
    printf("%.3f s: clerk %d goes to lunch\n", elapsed(), number);
    correct(1);
    return 0;
}

static int work(void *arg)
{
    int error = 0;

    (void)arg;
    start();
    WEFT_SCOPE(bank)
        for (int i = 1; i <= 3 && error == 0; i++)
            error = weft_spawn(&bank, clerk, &i, sizeof i, NULL);
    printf("%d and %d, together %d\n", account[0], account[1], account[0] + account[1]);
    return error;
}

int main(void)
{
    return run(work);
}
