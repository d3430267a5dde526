/* posts: a list of posts takes two seconds to come, a list of users one; one after the other, and
   both at once. */
#include "seconds.h"

static int fetch_posts(void *arg)
{
    (void)arg;
    int error = weft_sleep(seconds(2));

    printf("%.3f s: posts\n", elapsed());
    return error;
}

static int fetch_users(void *arg)
{
    (void)arg;
    int error = weft_sleep(seconds(1));

    printf("%.3f s: users\n", elapsed());
    return error;
}

static int work(void *arg)
{
    (void)arg;
    start();
    puts("one after the other");
    int error = fetch_posts(NULL); /* to await a function is to call it */
    if (error == 0)
        error = fetch_users(NULL);
    printf("took %.3f s\n", elapsed());

    start();
    puts("at once");
    if (error == 0)
        error =
            weft_gather(WEFT_LIST(weft_coro(fetch_posts, NULL, 0), weft_coro(fetch_users, NULL, 0)),
                        NULL, 0);
    printf("took %.3f s\n", elapsed());
    return error;
}

int main(void)
{
    return run(work);
}
