/* chain: three functions, each of which awaits the next; the result passes up, and so does an
   error, from the last to the first. */
#include "seconds.h"

#include <errno.h>
#include <string.h>

static int third(int fails)
{
    puts("third begins");
    int error = weft_sleep(seconds(1));
    return error < 0 ? error : fails ? -ENOENT : 3;
}

static int second(int fails)
{
    puts("second begins");
    int below = third(fails);
    return below < 0 ? below : below + 20;
}

static int first(int fails)
{
    puts("first begins");
    int below = second(fails);
    return below < 0 ? below : below + 100;
}

static int work(void *arg)
{
    (void)arg;
    start();
    printf("the chain gives %d", first(0));
    printf(" after %.3f s\n", elapsed());
    printf("and when its last link fails: %s", strerror(-first(1)));
    printf(" after %.3f s\n", elapsed());
    return 0;
}

int main(void)
{
    return run(work);
}
