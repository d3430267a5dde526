/* sorting: a comparison that asks somebody else and waits for the answer, called by qsort, which
   knows nothing of that. */
#include "../tutorials/seconds.h"

/* Which of two comes first, by a judge who takes a tenth of a second to say. */
static int judged(const void *a, const void *b)
{
    if (weft_sleep(seconds(0.1)) < 0)
        return 0;
    return *(const int *)a - *(const int *)b;
}

static int tells_the_time(void *arg)
{
    (void)arg;
    int error = weft_sleep(seconds(0.25));

    printf("%.3f s: meanwhile\n", elapsed());
    return error;
}

static int work(void *arg)
{
    int numbers[] = {4, 2, 8, 6};

    (void)arg;
    start();
    WEFT_SCOPE(others) {
        int error = weft_spawn(&others, tells_the_time, NULL, 0, NULL);
        if (error < 0)
            return error;
        qsort(numbers, 4, sizeof numbers[0], judged);
    }
    printf("%d %d %d %d\n", numbers[0], numbers[1], numbers[2], numbers[3]);
    return 0;
}

int main(void)
{
    return run(work);
}
