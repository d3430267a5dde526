/* nested: a function that is called, one that is a value until it is awaited, and one that is a
   task. */
#include "seconds.h"

static int calls;

static int nested(void *arg)
{
    (void)arg;
    calls++;
    return 42;
}

static int work(void *arg)
{
    weft_awaitable later = weft_coro(nested, NULL, 0);
    int64_t result = 0;

    (void)arg;
    printf("made, and called %d times\n", calls); /* nothing runs before it is awaited */
    int error = weft_await_any(later, &result);
    if (error == 0)
        printf("awaited: %d\n", (int)result);

    weft_awaitable task = weft_coro(nested, NULL, 0);
    if (error == 0)
        error = weft_ensure_future(&task);
    if (error == 0)
        error = weft_await_any(task, &result);
    if (error == 0)
        printf("as a task: %d\n", (int)result);
    printf("called: %d\n", nested(NULL));
    return error;
}

int main(void)
{
    return run(work);
}
