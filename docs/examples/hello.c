/* hello: two tasks that take turns, and a scope that waits for both. */
#include <stdio.h>
#include <string.h>
#include <weft/weft.h>

static int greet(void *arg)
{
    for (int i = 1; i <= 3; i++) {
        printf("%s %d\n", (const char *)arg, i);
        weft_sleep(1000000); /* a millisecond; the other task runs meanwhile */
    }
    return 0;
}

static int hello(void *arg)
{
    int error = 0;

    (void)arg;
    WEFT_SCOPE(both) {
        error = weft_spawn(&both, greet, "hello", 0, NULL);
        if (error == 0)
            error = weft_spawn(&both, greet, "world", 0, NULL);
    }
    if (error == 0)
        puts("both have ended");
    return error;
}

int main(void)
{
    char why[512] = ""; /* when io_uring cannot be had: the cause, and the cure */
    struct weft_run_opt opt = {.size = sizeof opt,
                               .error_text = why,
                               .error_text_size = sizeof why};
    int result = weft_run(hello, NULL, 0, &opt);

    if (result < 0)
        fprintf(stderr, "hello: %s\n", why[0] ? why : strerror(-result));
    return result < 0;
}
